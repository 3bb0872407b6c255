"""Rows and sums of experience metrics, counted again by plain pandas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.data.contract import Metric
from cxlab.data.dataset import Dataset, load
from cxlab.frames import at_risk, experience, surveys
from cxlab.frames.durations import binned, first_successes
from cxlab.frames.measures import cells, moments, moments_by_people
from cxlab.frames.people import People, people
from cxlab.frames.periods import risk_set
from cxlab.frames.spans import Spans, spans_by_month, spans_by_week, windows

Tables = dict[str, pd.DataFrame]
END = pd.Timestamp("2025-06-01")
YML = "metrics: {effort: {scale: [1, 7], direction: lower_is_better}}\n"


def _days(times: pd.Series) -> pd.Series:
    return (times - pd.Timestamp("1970-01-01")) / pd.Timedelta("1D")


@pytest.fixture
def tables(make_tables: Callable[..., Tables]) -> Tables:
    made = make_tables(customers=150, seed=2)
    feedback = made["feedback"]
    feedback.loc[::3, "customer_id"] = None  # answers that name nobody
    feedback.loc[::4, "metric"] = "effort"
    made["interactions"]["due_at"] = made["interactions"]["occurred_at"] + pd.Timedelta("30min")
    made["interactions"].loc[::2, "due_at"] += pd.Timedelta("1h")
    made["interactions"]["value"] = np.where(np.arange(len(made["interactions"])) % 5, None, 20.0)
    return made


@pytest.fixture
def dataset(tables: Tables, write_dataset: Callable[..., Path]) -> Dataset:
    return load(write_dataset(tables, YML), as_of="2025-05-31")


def _known(dataset: Dataset) -> tuple[People, experience.Places]:
    person = people(dataset)
    assert person is not None
    return person, experience.places(dataset)


def _window(dataset: Dataset, days: int = 60) -> Spans:
    return windows(float(_days(pd.Series([END]))[0]), days)


def _used(dataset: Dataset, table: str) -> pd.DataFrame:
    found: pd.DataFrame = dataset.table(table).collect(backend="pandas").to_native()
    return found


def _sums(rows: pd.DataFrame, y: str, x: str) -> dict[str, float]:
    each = rows.groupby("customer_id")[[y, x]].sum()
    a, b = each[y].to_numpy(float), each[x].to_numpy(float)
    return {"y": a.sum(), "x": b.sum(), "yy": a @ a, "yx": a @ b, "xx": b @ b, "n": (b > 0).sum()}


def test_failures_are_summed_by_customer_touchpoint_and_segment(dataset: Dataset) -> None:
    person, known = _known(dataset)
    rows, missing = experience.contact_rows(dataset, known, person)
    assert set(missing) == {"mean handle time"}
    spans = _window(dataset)
    total = moments(dataset, rows, spans, compared=True)
    contacts = _used(dataset, "interactions").assign(x=1.0)
    contacts["y"] = (contacts["outcome"] == "failed").astype(float)
    late = contacts[contacts["occurred_at"] >= END - pd.Timedelta("60D")]
    before = contacts[
        (contacts["occurred_at"] < END - pd.Timedelta("60D"))
        & (contacts["occurred_at"] >= END - pd.Timedelta("120D"))
    ]
    found = total.set_index("measure").loc["failure share"]
    for name, value in _sums(late, "y", "x").items():
        assert found[name] == pytest.approx(value), name
    assert found["y0"] == before["y"].sum()
    both = late.groupby("customer_id")["y"].sum() * before.groupby("customer_id")["y"].sum()
    assert found["y0y"] == pytest.approx(both.sum())
    levels = {lv.by: lv for lv in rows.levels}
    assert list(levels) == ["stage", "touchpoint", "channel"]
    by = moments(dataset, rows, spans, levels["touchpoint"], total=total)
    call = by[(by["measure"] == "failure share") & (by["level"] == "call")].iloc[0]
    mine = late[late["touchpoint"] == "call"]
    for name, value in _sums(mine, "y", "x").items():
        assert call[name] == pytest.approx(value), name
    # across: those of the level, times all of the same customer's
    whole = late.groupby("customer_id")["y"].sum()
    assert call["y0y"] == pytest.approx((mine.groupby("customer_id")["y"].sum() * whole).sum())
    assert call["yy"] < call["y0y"] < call["y0y0"] == found["yy"]
    own = moments_by_people(dataset, rows, spans, person, total)["plan"]
    plans = _used(dataset, "customers").set_index("customer_id")["plan"]
    basic = own[(own["measure"] == "failure share") & (own["level"] == "basic")].iloc[0]
    theirs = late[late["customer_id"].map(plans) == "basic"]
    for name, value in _sums(theirs, "y", "x").items():
        assert basic[name] == pytest.approx(value), name
    assert basic["y0y"] == basic["yy"]


def test_months_and_groups_hold_every_row_once(dataset: Dataset) -> None:
    person, known = _known(dataset)
    rows, _ = experience.contact_rows(dataset, known, person)
    contacts = _used(dataset, "interactions")
    first = float(_days(contacts["occurred_at"]).min())
    end = float(_days(pd.Series([END]))[0])
    for spans, unit in ((spans_by_month(first, end), "M"), (spans_by_week(first, end), "W-SUN")):
        by = moments(dataset, rows, spans).query("measure == 'failure share'")
        counted = contacts.groupby(contacts["occurred_at"].dt.to_period(unit)).size()
        assert by["x"].tolist() == counted.tolist()
        assert [spans.names[i] for i in by["span"].astype(int)] == [
            str(p) if unit == "M" else str(p.start_time.date()) for p in counted.index
        ]
        groups = cells(dataset, rows, spans, person, list(person.attributes.values()))
        own = groups.query("measure == 'failure share'")
        assert own["x"].sum() == len(contacts)
        assert set(own["group"]) == {"basic", "plus"}


def test_answers_of_nobody_count_as_a_customer_each_and_in_no_segment(dataset: Dataset) -> None:
    person, known = _known(dataset)
    rows = surveys.answer_rows(dataset, known, person)
    assert not isinstance(rows, str)
    answers = _used(dataset, "feedback").dropna(subset="score")
    assert rows.anonymous == answers["customer_id"].isna().sum() > 20
    spans = _window(dataset, 400)
    found = moments(dataset, rows, spans, compared=True).set_index("measure")
    csat = answers[answers["metric"] == "csat"]
    row = found.loc["csat mean"]
    named = csat.dropna(subset="customer_id")
    squares = named.groupby("customer_id")["score"].sum().pow(2).sum()
    squares += csat.loc[csat["customer_id"].isna(), "score"].pow(2).sum()
    assert (row["y"], row["x"]) == (csat["score"].sum(), len(csat))
    assert row["yy"] == pytest.approx(squares)
    assert found.loc["csat top box", "y"] == (csat["score"] == 5).sum()
    # an effort of 1 is the best answer where lower is better
    low = answers[answers["metric"] == "effort"]
    assert found.loc["effort top box", "y"] == (low["score"] == 1).sum()
    total = moments(dataset, rows, spans, compared=True)
    own = moments_by_people(dataset, rows, spans, person, total)["plan"]
    assert own.query("measure == 'csat mean'")["x"].sum() == len(named)
    # the touchpoint is that of the contact the answer is linked to
    level = next(lv for lv in rows.levels if lv.by == "touchpoint")
    by = moments(dataset, rows, spans, level, total=total).query("measure == 'csat mean'")
    place = _used(dataset, "interactions").set_index("interaction_id")["touchpoint"]
    wanted = csat["interaction_id"].map(place).value_counts()
    told = by[by["x"] > 0].set_index("level")["x"]
    assert told.to_dict() == wanted.to_dict()


@pytest.mark.parametrize(
    ("name", "metric", "shift", "box"),
    [
        ("nps", Metric(scale=(0, 10)), 0.0, (10.0, "10")),
        ("nps", Metric(scale=(1, 11)), 1.0, (11.0, "11")),
        ("nps", Metric(scale=(0, 100)), None, (80.0, "80 to 100")),
        ("nps", Metric(scale=(0, 10), direction="lower_is_better"), None, (0.0, "0")),
        ("csat", Metric(scale=(0, 100)), None, (80.0, "80 to 100")),
        ("pain", Metric(scale=(0, 100), direction="lower_is_better"), None, (20.0, "0 to 20")),
        ("csat", Metric(scale=(1, 5)), None, (5.0, "5")),
    ],
)
def test_scales_have_their_rules(
    name: str, metric: Metric, shift: float | None, box: tuple[float, str]
) -> None:
    assert surveys.nps_shift(name, metric) == shift
    assert surveys.top_box(metric) == box
    names = [m.name for m in surveys.score_measures(name, metric)]
    assert names == ([name] if shift is not None else [f"{name} top box", f"{name} mean"])


def test_what_is_on_time_is_told_once_it_is_due(dataset: Dataset) -> None:
    person, known = _known(dataset)
    rows, _ = experience.contact_rows(dataset, known, person)
    found = moments(dataset, rows, _window(dataset, 400), compared=True).set_index("measure")
    contacts = _used(dataset, "interactions")
    due = contacts[contacts["due_at"] < END]
    on_time = due["resolved_at"] <= due["due_at"]
    assert found.loc["on-time share", ["y", "x"]].tolist() == [on_time.sum(), len(due)]
    assert 0.4 < on_time.mean() < 0.6


def _naive_first(contacts: pd.DataFrame, until: pd.Series, days: int) -> tuple[int, int]:
    """Count first contacts, and those that were enough, contact by contact."""
    step, first, enough = pd.Timedelta(days=days), 0, 0
    together = dict(iter(contacts.groupby(["customer_id", "touchpoint"])["occurred_at"]))
    for row in contacts.itertuples():
        same = together[row.customer_id, row.touchpoint]
        earlier = ((same < row.occurred_at) & (same >= row.occurred_at - step)).any()
        over = min(until[row.customer_id], END)
        if earlier or row.occurred_at + step >= over:
            continue
        first += 1
        later = ((same > row.occurred_at) & (same <= row.occurred_at + step)).any()
        enough += not later and row.outcome != "failed"
    return first, enough


def test_a_first_contact_was_enough_where_it_held_and_no_other_followed(dataset: Dataset) -> None:
    person, known = _known(dataset)
    rows, text = experience.help_rows(dataset, known, person, 7)
    assert rows is not None and text == "touchpoints that resolve contacts"
    found = moments(dataset, rows, _window(dataset, 400), compared=True).iloc[0]
    until = _used(dataset, "customers").set_index("customer_id")["ended_at"].fillna(END)
    wanted = _naive_first(_used(dataset, "interactions"), until, 7)
    assert (found["x"], found["y"]) == wanted
    assert 0.2 < found["y"] / found["x"] < 0.9


def test_a_purchase_is_repeated_within_its_days(dataset: Dataset) -> None:
    person, known = _known(dataset)
    rows, _ = experience.purchase_rows(dataset, known, person, 30)
    assert rows is not None
    found = moments(dataset, rows, _window(dataset, 400), compared=True).iloc[0]
    bought = _used(dataset, "interactions").query("value > 0").sort_values("occurred_at")
    after = bought.groupby("customer_id")["occurred_at"].shift(-1) - bought["occurred_at"]
    old = bought["occurred_at"] + pd.Timedelta("30D") < END
    assert (found["x"], found["y"]) == (old.sum(), (after[old] <= pd.Timedelta("30D")).sum())


def test_time_at_risk_is_cut_into_months_and_holds_every_churn(dataset: Dataset) -> None:
    person, known = _known(dataset)
    risk = risk_set(dataset)
    spans = spans_by_month(risk.begin, risk.end)
    table = moments(dataset, at_risk.time_rows(dataset, risk, spans, person), spans)
    churn = table[table["measure"] == "churn rate"]
    assert churn["y"].sum() == risk.events
    spells = risk.spells
    begun = np.maximum(spells["started"], risk.start_of(spells["first"].to_numpy()))
    lived = spells["event_at"].fillna(risk.end) - begun
    assert 100 * churn["x"].sum() == pytest.approx(lived.sum() / 30)
    stayed = table[table["measure"] == "retention"].set_index("span")
    low, high = spans.edges[2:4]
    there = (begun <= low) & (spells["event_at"].isna() | (spells["event_at"] >= low))
    gone = there & (spells["event_at"] < high)
    assert stayed.loc[2, ["x", "y"]].tolist() == [there.sum(), (there & ~gone).sum()]
    contacts, _ = experience.contact_rows(dataset, known, person)
    rate = at_risk.contact_rate_rows(dataset, contacts, risk, spans, person, known)
    by = moments(dataset, rate, spans)
    assert by["x"].sum() == pytest.approx(lived.sum() / 30)
    level = next(lv for lv in rate.levels if lv.by == "touchpoint")
    window = windows(risk.end, 200)
    rate = at_risk.contact_rate_rows(dataset, contacts, risk, window, person, known)
    total = moments(dataset, rate, window, compared=True)
    each = moments(dataset, rate, window, level, total=total)
    met = each[each["y"] > 0]
    # parts of a rate add up to it, and all are out of the same time
    assert met["y"].sum() == total["y"].iloc[0]
    assert (met["x"] == total["x"].iloc[0]).all()
    assert (met["n"] == total["n"].iloc[0]).all()


def test_times_come_back_as_counts_of_fine_bins(dataset: Dataset) -> None:
    person, known = _known(dataset)
    rows, _ = experience.contact_rows(dataset, known, person)
    table = binned(dataset, rows, _window(dataset, 400), "response", span=1)
    waits = _used(dataset, "interactions")["response_seconds"]
    assert table["n"].sum() == len(waits)
    assert table["total"].sum() == waits.sum()
    middle = table.sort_values("bin")
    place = int(np.searchsorted(middle["n"].cumsum(), len(waits) / 2))
    assert middle["total"].iloc[place] / middle["n"].iloc[place] == pytest.approx(
        waits.median(), rel=0.01
    )


def test_first_successes_are_counted_by_day_and_cohort(dataset: Dataset) -> None:
    person, known = _known(dataset)
    risk = risk_set(dataset)
    found = first_successes(dataset, risk, known, person, 90)
    spells = _used(dataset, "customers")
    unborn = 150 - len(spells)
    begin = pd.Timestamp("1970-01-01") + pd.Timedelta(days=risk.begin)
    spells = spells[spells["started_at"] >= begin]
    assert found.late == 150 - len(spells) - unborn
    good = _used(dataset, "interactions").query("outcome == 'ok' and touchpoint == 'chat'")
    first = good.groupby("customer_id")["occurred_at"].min().rename("first")
    joined = spells.join(first, on="customer_id")
    day = (joined["first"] - joined["started_at"]).dt.days
    counts = found.counts[known.touchpoints.index("chat")]
    assert counts.sum() == len(spells)
    assert counts[:, 1].sum() == (day <= 90).sum() > 50
    wanted = day[day <= 90].astype(int).value_counts().reindex(range(91), fill_value=0)
    assert counts[:, 1].sum(axis=0).tolist() == wanted.tolist()
    month = joined["started_at"].dt.to_period("M").value_counts().sort_index()
    assert counts.sum(axis=(1, 2)).tolist() == month.tolist()


def test_attributes_of_many_values_make_no_groups(
    tables: Tables, write_dataset: Callable[..., Path]
) -> None:
    tables["customers"]["town"] = [f"t{i}" for i in range(150)]
    tables["customers"]["same"] = "x"
    person = people(load(write_dataset(tables, YML), as_of="2025-05-31"))
    assert person is not None
    assert list(person.attributes) == ["plan"]
    assert person.left_out == {"town": "150 different values, more than 30", "same": "one value"}
