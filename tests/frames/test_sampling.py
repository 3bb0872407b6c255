from __future__ import annotations

from collections.abc import Callable

import narwhals as nw
import numpy as np
import pandas as pd
import pytest

from cxlab.data.dataset import Dataset
from cxlab.errors import UsageError
from cxlab.frames.exposures import Contacts, contacts
from cxlab.frames.periods import RiskSet, risk_set
from cxlab.frames.sampling import draw

Make = Callable[..., Dataset]
FIRST = pd.Timestamp("2025-01-01")


@pytest.fixture
def risk(make: Make) -> Callable[..., RiskSet]:
    """Everybody is there from the first day, and every fourth customer leaves on the last."""

    def cut(spells: int = 400, days: int = 300, period: int = 1, more: int = 0) -> RiskSet:
        last = FIRST + pd.Timedelta(days=days - 0.5)
        rows = [
            f"c{i:04d},2025-01-01T06:00:00Z,{f'{last:%Y-%m-%dT%H:%M:%SZ}' if i % 4 == 0 else ''}"
            for i in range(spells)
        ]
        until = FIRST + pd.Timedelta(days=days + more - 1)
        settings = f"observed_from: 2025-01-01\nobserved_until: {until:%Y-%m-%d}\n"
        customers = "\n".join(["customer_id,started_at,ended_at", *rows])
        return risk_set(make(settings, customers=customers), period)

    return cut


def _days(rows: pd.DataFrame) -> pd.Series:
    return rows["start"] - (FIRST - pd.Timestamp(0)) / pd.Timedelta(days=1)


def test_full_takes_every_row_and_each_event_once(risk: Callable[..., RiskSet]) -> None:
    cut = risk()
    sample = draw(cut, "full")
    assert (len(sample.rows), sample.rows["event"].sum()) == (cut.person_periods, 100)
    assert not sample.rows.duplicated(["spell", "start"]).any()
    assert (sample.offset.any(), sample.link) == (False, "cloglog")
    assert sample.rows["mid"].sub(sample.rows["cut"]).eq(0.5).all()
    last = sample.rows[sample.rows["event"] == 1]
    assert _days(last).eq(299).all()
    assert last["tenure"].eq(299.5 - 0.25).all()


@pytest.mark.parametrize(("sample", "period"), [(20, 1), (1, 1), (400, 1), (20, 7)])
def test_a_sample_holds_every_event_and_says_what_a_row_stands_for(
    risk: Callable[..., RiskSet], sample: int, period: int
) -> None:
    cut = risk(period=period)
    drawn = draw(cut, sample, seed=3)
    wanted = 100 * sample
    base = drawn.rows[drawn.rows["event"] == 0]
    # No more than chance: draws of one block exclude each other.
    assert abs(len(base) - wanted) < 4 * np.sqrt(wanted)
    assert (drawn.rows["event"] == 1).sum() == 100
    assert drawn.offset == pytest.approx(
        np.full(len(drawn.rows), np.log(cut.person_periods / len(base)))
    )
    assert not base.duplicated(["spell", "start"]).any()
    begun, ended = cut.start_of(np.array(cut.span))
    assert base["start"].between(begun, ended).all()
    # Uniform: the mean day is within four standard errors of the middle.
    middle, spread = (begun + ended) / 2, (ended - begun) / np.sqrt(12)
    assert abs(base["start"].mean() - middle) < 4 * spread / np.sqrt(len(base))


def test_every_period_of_every_customer_is_drawn_alike(risk: Callable[..., RiskSet]) -> None:
    rows = pd.concat([draw(risk(), 100, seed=s).rows for s in range(10)])
    base = rows[rows["event"] == 0]
    for counts in (
        np.bincount(_days(base).astype(int), minlength=300),
        np.bincount(base["spell"], minlength=400),
    ):
        expected = len(base) / len(counts)
        # Blocks make counts spread less than chance does, never more.
        assert ((counts - expected) ** 2).mean() / expected < 1.3
        assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_same_seed_same_rows_other_seed_other_rows(risk: Callable[..., RiskSet]) -> None:
    first, again, other = (draw(risk(), 5, seed=s).rows for s in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    shared = first.merge(other, on=["spell", "start", "event"])
    assert (shared["event"] == 0).sum() < 50


def test_rows_drawn_once_are_drawn_again_when_the_data_have_grown(
    risk: Callable[..., RiskSet],
) -> None:
    # Ten more days for the 300 customers who stay: 2.5% more person-days.
    before, after = (draw(risk(more=m), 20, seed=1).rows for m in (0, 10))
    mine = before[before["event"] == 0]
    kept = mine.merge(after[after["event"] == 0], on=["spell", "start"])
    assert len(kept) > 0.95 * len(mine)


def test_fewer_rows_are_some_of_more(risk: Callable[..., RiskSet]) -> None:
    few, many = (draw(risk(), n, seed=1).rows for n in (8, 10))
    few = few[few["event"] == 0]
    assert len(few.merge(many, on=["spell", "start"])) == len(few)


def test_auto_takes_all_rows_of_a_small_cohort(risk: Callable[..., RiskSet]) -> None:
    assert draw(risk(40, 100), "auto").link == "cloglog"
    assert draw(risk(400, 300), "auto").link == "logit"


@pytest.mark.parametrize("sample", ["some", "0", "-3", 0, "1.5"])
def test_other_words_are_refused(risk: Callable[..., RiskSet], sample: str | int) -> None:
    with pytest.raises(UsageError, match="allowed: auto, full"):
        draw(risk(), sample)


def test_a_sample_without_a_row_is_refused(risk: Callable[..., RiskSet]) -> None:
    cut = risk(4, 300)
    sizes = []
    for seed in range(40):
        try:
            sizes.append((draw(cut, 1, seed).rows["event"] == 0).sum())
        except UsageError as error:
            sizes.append(0)
            assert "with 1 churn it draws no row; allowed: auto, full, or a larger" in str(error)
    # One row is expected: none comes out in about a third of the draws.
    assert 0 < sizes.count(0) < 30
    assert 0.4 < np.mean(sizes) < 1.8


@pytest.fixture
def failed(make: Make) -> Callable[..., tuple[RiskSet, Contacts]]:
    """Failures are common at one touchpoint and rare at another; few customers have many."""

    def cut(period: int = 1, settings: str = "", more: str = "") -> tuple[RiskSet, Contacts]:
        generator = np.random.default_rng(5)
        who = np.minimum(generator.exponential(40, 2000).astype(int), 299)
        rare = generator.random(2000) < 0.05
        days = FIRST + pd.to_timedelta(generator.integers(0, 300 * 86_400, 2000), "s")
        visits = pd.DataFrame(
            {
                "customer_id": [f"c{i:03d}" for i in who],
                "occurred_at": days.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "touchpoint": np.where(rare, "rare", "usual"),
                "outcome": np.where(generator.random(2000) < 0.7, "failed", "ok"),
            }
        )
        ends = ["2025-09-10T12:00:00Z" if i % 10 == 0 else "" for i in range(300)]
        people = pd.DataFrame({"customer_id": [f"c{i:03d}" for i in range(300)]})
        people = people.assign(started_at="2025-01-11T06:00:00Z", ended_at=ends)
        if more:
            people[more] = 30
        settings += "observed_from: 2025-01-01\nobserved_until: 2025-10-27\n"
        dataset = make(settings, customers=people, interactions=visits)
        risk = risk_set(dataset, period, 3.0)
        return risk, contacts(dataset).kept(risk)

    return cut


def _after_bad(rows: pd.DataFrame, known: Contacts, touchpoint: str, days: float) -> np.ndarray:
    """Count the failures that a row knows of and that became known in the days before."""
    bad = known.frame.filter(~nw.col("bad_from").is_null()).collect(backend="pandas").to_native()
    bad = bad[bad["touchpoint"] == known.touchpoints.index(touchpoint)]
    met = rows[["who", "cut"]].reset_index().merge(bad, on="who")
    age = met["cut"] - 3.0 - met["bad_from"]
    return np.bincount(met.loc[(age > 0) & (age <= days), "index"], minlength=len(rows))


@pytest.mark.parametrize("period", [1, 5])
def test_rows_after_bad_contacts_stand_for_all_of_their_kind(
    failed: Callable[..., tuple[RiskSet, Contacts]], period: int
) -> None:
    """Weighted by the reciprocal of its intensity, a sample counts what is there."""
    risk, known = failed(period)
    full = draw(risk, "full").rows

    def kinds(rows: pd.DataFrame) -> np.ndarray:
        usual, rare = (_after_bad(rows, known, t, 10) for t in ("usual", "rare"))
        late = (rows["tenure"] > 200).to_numpy()
        both = (usual > 0) & (rare > 0)
        return np.column_stack([np.ones(len(rows)), late, usual > 0, rare > 0, both, usual])

    truth = kinds(full).sum(axis=0)
    found, shares = [], []
    for seed in range(30):
        sample = draw(risk, 20, seed, known, 3.0)
        base = (sample.rows["event"] == 0).to_numpy()
        met = kinds(sample.rows)
        found.append(np.exp(sample.offset[base]) @ met[base])
        shares.append(met[base].mean(axis=0))
    error = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(np.mean(found, axis=0) - truth) < 3.5 * error + 1e-9).all()
    assert (error < 0.06 * truth).all()
    # The rare kind is met far more often than in a uniform sample.
    assert np.mean(shares, axis=0)[3] > 4 * truth[3] / len(full)


def test_a_bad_contact_draws_each_period_after_it_alike(
    failed: Callable[..., tuple[RiskSet, Contacts]],
) -> None:
    risk, known = failed()
    samples = [draw(risk, 100, s, known, 3.0) for s in range(20)]
    rows = pd.concat([s.rows for s in samples], ignore_index=True)
    rows = rows[rows["event"] == 0].reset_index(drop=True)
    counts = [_after_bad(rows, known, "rare", d).sum() for d in range(29)]
    by_age = np.diff(counts)
    assert by_age.sum() > 1000
    assert np.abs(by_age - by_age.mean()).max() < 5 * np.sqrt(by_age.mean())
    # A touchpoint's failures draw as many rows as another's, or as there are.
    assert "drawn at random and" in samples[0].text


def test_rows_after_bad_contacts_are_drawn_again_and_others_with_another_seed(
    failed: Callable[..., tuple[RiskSet, Contacts]],
) -> None:
    risk, known = failed()
    one, again, other = (draw(risk, 20, s, known, 3.0) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(one.rows, again.rows)
    assert (one.offset == again.offset).all()
    shared = one.rows.merge(other.rows, on=["spell", "start", "event"])
    assert (shared["event"] == 0).sum() < 0.1 * len(one.rows)


def test_at_renewals_and_without_bad_contacts_all_are_drawn_alike(
    failed: Callable[..., tuple[RiskSet, Contacts]],
) -> None:
    risk, known = failed(more="renewal_days")
    assert risk.renewals is not None
    bound = draw(risk, 2, 0, known, 3.0)
    assert np.ptp(bound.offset) == 0
    assert "drawn at random and" not in bound.text
    free = failed()[0]
    assert np.ptp(draw(free, 2).offset) == 0
