"""What is said of failures: two kinds at each touchpoint, of which one alone hurts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_world import HALF_LIFE, START, Truth, make

import cxlab
from cxlab.analyses import churn_drivers, voice_of_customer, what_to_fix
from cxlab.analyses.what_to_fix.study import Options, Study, prepare
from cxlab.analyses.what_to_fix.theme_words import sentence
from cxlab.analyses.what_to_fix.themes import REST, SILENT, Told, by_theme
from cxlab.results import Result

HURTS, HARMLESS, PLAIN = "kept waiting", "price was wrong", "friendly"
SHARE_SAID = 0.5
EFFECT = 1.9  # of a fresh one, on the log hazard


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What hurts is the lowest score: failures are these, and as many that do not hurt."""
    path = make(
        tmp_path_factory.mktemp("kinds") / "data", Truth(bottom=EFFECT, base=0.0011), 5, 1300
    )
    contacts = pd.read_parquet(path / "interactions.parquet")
    given = pd.read_parquet(path / "feedback.parquet")
    csat = given[given["metric"] == "csat"].set_index("interaction_id")["score"]
    score = contacts["interaction_id"].map(csat)
    draw = np.random.default_rng(1)
    mild = (score == 3) & (draw.random(len(contacts)) < 0.625)
    kind = np.select([score == 1, mild], [HURTS, HARMLESS], "")
    contacts["outcome"] = np.where(kind != "", "failed", "ok")
    contacts.to_parquet(path / "interactions.parquet")
    # A few words of ordinary contacts are of the same things.
    chance = draw.random(len(contacts))
    usual = np.select([chance < 0.02, chance < 0.04], [HURTS, HARMLESS], PLAIN)
    words = pd.Series(np.where(kind != "", kind, usual), index=contacts["interaction_id"])
    said = (
        given["interaction_id"]
        .map(words)
        .where((given["metric"] == "csat") & (draw.random(len(given)) < SHARE_SAID))
    )
    given.assign(comment=said.astype(object).where(said.notna(), None)).to_parquet(
        path / "feedback.parquet"
    )
    return path


@pytest.fixture(scope="module")
def fitted(folder: Path) -> tuple[Any, ...]:
    data = cxlab.load(folder)
    return (data, *churn_drivers.basis(data))


@pytest.fixture(scope="module")
def said(folder: Path) -> pd.DataFrame:
    """Themes told without error, as voice_of_customer.spoken gives them."""
    given = pd.read_parquet(folder / "feedback.parquet").dropna(subset="comment")
    at = (given["responded_at"] - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)
    met = pd.read_parquet(folder / "interactions.parquet").set_index("interaction_id")["touchpoint"]
    return pd.DataFrame(
        {
            "comment": np.arange(len(given)), "customer_id": given["customer_id"].to_numpy(),
            "at": at.to_numpy(float), "touchpoint": given["interaction_id"].map(met).to_numpy(),
            "theme": given["comment"].to_numpy(),
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def told(fitted: tuple[Any, ...], said: pd.DataFrame) -> Result:
    return what_to_fix.run(*fitted, said=said)


@pytest.fixture(scope="module")
def study(fitted: tuple[Any, ...]) -> Study:
    data, drivers, basis = fitted
    made = prepare(data, drivers, basis, Options())
    assert isinstance(made, Study)
    return made


def _again(study: Study, said: pd.DataFrame) -> tuple[Told, str]:
    """Tell of other comments, of the same drivers."""
    made = by_theme(study, study.called, said)
    return made, sentence(study, made, 1.0)


def _rows(told: Result | Told, theme: str) -> pd.DataFrame:
    table = told["themes"].table if isinstance(told, Result) else told.table
    return table[table["theme"] == theme].set_index("touchpoint")


def test_shares_add_up_to_what_the_failures_cost(told: Result, fitted: tuple[Any, ...]) -> None:
    table, basis = told["themes"].table, fitted[2]
    assert set(table["touchpoint"]) == set(told.meta["drivers"])
    assert set(told.meta["drivers"])
    by = table.groupby("touchpoint")
    assert by["share"].sum().to_numpy() == pytest.approx(1.0)
    for name, whole in by["estimate"].sum().items():
        # By hand: each churn falls by the contacts' weights together.
        k = basis.place(name)
        mine = basis.touchpoint == k
        load = basis.coef[k] * 0.5 ** (basis.age[mine] / basis.half_life[basis.group[k]])
        assert whole == pytest.approx(
            -np.expm1(-np.bincount(basis.churn[mine], load, basis.churns)).sum()
        )
    assert (
        (table["conf_low"] <= table["estimate"]) & (table["estimate"] <= table["conf_high"])
    ).all()
    assert (table["share_low"] <= table["share_high"]).all()


def test_failures_are_counted_by_what_was_said(
    told: Result, folder: Path, said: pd.DataFrame
) -> None:
    contacts = pd.read_parquet(folder / "interactions.parquet")
    given = pd.read_parquet(folder / "feedback.parquet").dropna(subset="comment")
    met = given.merge(contacts, on="interaction_id", suffixes=("", "_met"))
    failed = met[met["outcome"] == "failed"]
    for theme in (HURTS, HARMLESS):
        rows = _rows(told, theme)
        own = failed[failed["comment"] == theme].groupby("touchpoint")["customer_id"]
        assert rows["failures"].to_dict() == own.size()[rows.index].to_dict()
        assert rows["n"].to_dict() == own.nunique()[rows.index].to_dict()
    every = contacts[contacts["outcome"] == "failed"].groupby("touchpoint").size()
    silent = _rows(told, SILENT)
    heard = failed.groupby("touchpoint").size()
    assert silent["failures"].to_dict() == (every - heard)[silent.index].to_dict()


def test_the_kind_that_hurts_is_told_from_the_other(told: Result) -> None:
    hurts, harmless = _rows(told, HURTS), _rows(told, HARMLESS)
    # As common among failures, yet more of the churn comes with it.
    assert (hurts["share"] / hurts["failures"] > harmless["share"] / harmless["failures"]).all()
    assert (hurts["faster"] > 1).all()
    for name, row in hurts.iterrows():
        days = np.arange(told["themes"].meta["days"][name]) + 0.5
        truth = np.exp(EFFECT * 0.5 ** (days / HALF_LIFE)).mean()
        assert row["faster_low"] < truth < row["faster_high"]
    assert (hurts["faster_holm"] < 0.05).any()
    assert hurts["faster"].to_numpy() == pytest.approx(1 / harmless["faster"].to_numpy())
    # Both come with failures: about half of what is said of them, a fiftieth of the rest.
    both = pd.concat([hurts, harmless])
    assert (both["often_holm"] < 0.05).all()
    assert (both["often_low"] > 5).all()
    assert (both["often_high"] > 15).all()
    text = told["themes"].sentence
    assert f"saying “{HURTS}” of a failure customers leave" in text
    assert "Those who speak are not all" in text
    assert len(told["by_themes"].table) == len(told["themes"].table)


def test_who_leaves_faster_agrees_with_a_poisson_regression(
    told: Result, folder: Path, said: pd.DataFrame
) -> None:
    """By hand from the files, clustered by customer as statsmodels does."""
    import statsmodels.api as sm

    customers = pd.read_parquet(folder / "customers.parquet").set_index("customer_id")
    over = (customers["ended_at"] - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)
    last = pd.Timestamp(told.meta["as_of"]) + pd.Timedelta(days=1)
    rows = _rows(told, HURTS)
    for name in rows.index:
        days = told["themes"].meta["days"][name]
        mine = said[(said["touchpoint"] == name) & said["theme"].isin([HURTS, HARMLESS])]
        given = pd.read_parquet(folder / "feedback.parquet").dropna(subset="comment")
        met = pd.read_parquet(folder / "interactions.parquet").set_index("interaction_id")
        failed = given["interaction_id"].map(met["outcome"]).to_numpy() == "failed"
        mine = mine[failed[mine["comment"].to_numpy()]]
        gone = mine["customer_id"].map(over).to_numpy(float)
        end = (last - pd.Timestamp("1970-01-01")).days
        spent = np.fmin(gone, end) - mine["at"].to_numpy()
        left = (gone - mine["at"].to_numpy() <= days).astype(float)
        x = sm.add_constant((mine["theme"] == HURTS).to_numpy(float))
        model = sm.GLM(left, x, sm.families.Poisson(), exposure=np.minimum(spent, days))
        groups = pd.factorize(mine["customer_id"])[0]
        fit = model.fit(cov_type="cluster", cov_kwds={"groups": groups})
        assert rows.loc[name, "faster"] == pytest.approx(np.exp(fit.params[1]), rel=1e-6)
        ends = np.exp(fit.conf_int()[1])
        assert rows.loc[name, ["faster_low", "faster_high"]].to_numpy(float) == pytest.approx(
            ends, rel=0.03
        )


def test_no_kind_is_told_where_words_are_chance(study: Study, said: pd.DataFrame) -> None:
    mixed = said.assign(theme=np.random.default_rng(3).permutation(said["theme"]))
    told, text = _again(study, mixed)
    assert told.table["faster_p"].notna().any()
    assert not (told.table["faster_holm"] < 0.05).any()
    assert "Of no theme can it be told that failures with it drive" in text
    assert "No theme comes with failures more often" in text


def test_several_themes_share_a_failure_and_few_are_taken_together(
    study: Study, said: pd.DataFrame, told: Result
) -> None:
    rare = said.iloc[::400].assign(theme="rare")
    more, text = _again(study, pd.concat([said, said.assign(theme="both"), rare]))
    table, before = more.table, _rows(told, HURTS)["estimate"]
    assert "rare" not in set(table["theme"])
    assert (table.loc[table["theme"] != SILENT, "n"] >= 10).all()
    assert REST in set(table["theme"])
    assert "taken together" in text
    after = _rows(more, HURTS)["estimate"]
    assert len(_rows(more, "both"))
    shared = after.index.intersection(before.index)
    assert len(shared)
    assert after[shared].to_numpy() == pytest.approx(before[shared].to_numpy() / 2, rel=0.15)
    assert table.groupby("touchpoint")["share"].sum().to_numpy() == pytest.approx(1.0)


def test_comments_without_a_link_go_to_the_last_contact(
    study: Study, said: pd.DataFrame, told: Result
) -> None:
    loose, _ = _again(study, said.assign(at=said["at"] + 1e-4))  # nobody answered just then
    key = ["touchpoint", "theme"]
    one, two = (t.set_index(key)["failures"] for t in (told["themes"].table, loose.table))
    assert two[one.index].to_numpy(float) == pytest.approx(one.to_numpy(float), rel=0.02)
    late, text = _again(study, said.assign(at=said["at"] + 1000))
    assert late.table.empty
    assert "can be tied to a contact" in text


def test_a_sample_of_the_comments_is_called_one(study: Study, said: pd.DataFrame) -> None:
    made = by_theme(study, study.called, said)
    assert "A sample of 20% of the comments was read" in sentence(study, made, 0.2)


def test_what_cannot_be_told_is_said(
    fitted: tuple[Any, ...], study: Study, said: pd.DataFrame
) -> None:
    assert "themes" not in what_to_fix.run(*fitted).parts
    none = what_to_fix.run(*fitted, said=said.iloc[:0])
    assert none["themes"].sentence.endswith("there are no comments.")
    few, text = _again(study, said.head(40))
    assert few.table.empty
    assert "withheld" in text
    untold, _ = _again(study, said.assign(theme=None))
    assert set(untold.table["theme"]) == {"of no theme", SILENT}
    nobody, _ = _again(study, said.assign(customer_id=None))
    assert nobody.table.empty
    nowhere, _ = _again(study, said.assign(touchpoint=None))
    assert nowhere.tied == 0
    undriven = by_theme(study, [], said)
    assert undriven.table.empty


def test_comments_are_handed_over(folder: Path, said: pd.DataFrame) -> None:
    found = voice_of_customer.spoken(cxlab.load(folder))
    assert found["comment"].nunique() == pytest.approx(len(said), rel=0.01)
    assert set(found["touchpoint"]) == set(said["touchpoint"])
    assert found.attrs["read"] == 1
    assert found["at"].min() >= (START - pd.Timestamp("1970-01-01")).days
