"""Experience metrics by month and level: weighted scores, changes, adoption, what is withheld."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.analyses import experience_metrics
from cxlab.analyses.experience_metrics import answers, moved, readable, silent, times, words
from cxlab.analyses.experience_metrics.gather import Known, Options, counted, hidden, small
from cxlab.data.dataset import load
from cxlab.data.simulate import simulate, write

Tables = dict[str, pd.DataFrame]
Write = Callable[..., Path]
DAY = pd.Timedelta("1D")
START, LAST = pd.Timestamp("2024-01-01"), pd.Timestamp("2025-06-30")


def _known(folder: Path, least: int = 10) -> Known:
    return Known(load(folder, LAST.date().isoformat()), Options(90, 7, 90, "", least))


def _world(draw: np.random.Generator, customers: int, fails: Callable[..., np.ndarray]) -> Tables:
    """Customers who are there all the time, each with contacts of chance.

    The first success of plan pro at the app comes at 3% a day, that of basic at 1%.
    """
    ids = [f"c{k:04d}" for k in range(customers)]
    started = START + pd.to_timedelta(draw.integers(0, 200, customers), unit="D")
    plan = draw.choice(["basic", "pro"], customers)
    channel = draw.choice(["ads", "friends"], customers)
    n = draw.poisson(24, customers)
    who = np.repeat(np.arange(customers), n)
    span = (LAST - started[who]) / DAY
    at = started[who] + pd.to_timedelta(draw.uniform(0, span), unit="D")
    contacts = pd.DataFrame({"customer_id": np.array(ids)[who], "occurred_at": at,
                             "touchpoint": draw.choice(["call", "chat", "shop"], len(who)),
                             "channel": draw.choice(["web", "phone"], len(who))})  # fmt: skip
    unlucky = draw.normal(0, 0.05, customers)[who]
    recent = np.asarray(at > LAST - 89 * DAY)
    bad = draw.random(len(who)) < fails(contacts, recent) + unlucky
    contacts["outcome"] = np.where(bad, "failed", "ok")
    first = started + pd.to_timedelta(
        draw.exponential(1 / np.where(plan == "pro", 0.03, 0.01)), unit="D"
    )
    app = pd.DataFrame({"customer_id": ids, "occurred_at": first, "touchpoint": "app",
                        "channel": "web", "outcome": "ok"})  # fmt: skip
    ends = LAST - pd.to_timedelta(draw.uniform(0, 180, customers), unit="D")
    left = pd.Series(ends).where(np.arange(customers) % 20 == 0)
    people = pd.DataFrame({"customer_id": ids, "started_at": started, "plan": plan,
                           "channel": channel, "ended_at": left})  # fmt: skip
    contacts = pd.concat([contacts, app[app["occurred_at"] < LAST]], ignore_index=True)
    ends = contacts["customer_id"].map(people.set_index("customer_id")["ended_at"])
    return {"customers": people, "interactions": contacts[~(contacts["occurred_at"] >= ends)]}


def _flat(contacts: pd.DataFrame, recent: np.ndarray) -> np.ndarray:
    return np.full(len(contacts), 0.15)


def _chat_breaks(contacts: pd.DataFrame, recent: np.ndarray) -> np.ndarray:
    return np.where(recent & (contacts["touchpoint"] == "chat"), 0.35, 0.15)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Known, Tables]:
    folder = tmp_path_factory.mktemp("by") / "data"
    tables = _world(np.random.default_rng(5), 500, _chat_breaks)
    folder.mkdir()
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet")
    (folder / "dataset.yml").write_text(f"observed_from: {START.date()}\n")
    return _known(folder), tables


# -- changes by level ----------------------------------------------------------------------------


def test_what_broke_is_found_where_it_broke_and_nowhere_else(broken: tuple[Known, Tables]) -> None:
    known, tables = broken
    counted(known)
    part = moved.level_changes(known, known.totals)
    table = part.table
    real = table[table["real"]]
    assert set(real["metric"]) == {"failure share"}  # nothing else has changed
    # and among touchpoints at the one alone; it fails so often that segments feel it as well
    assert real.loc[real["by"] == "touchpoint", "level"].tolist() == ["chat"]
    real = real[real["by"] == "touchpoint"]
    contacts = tables["interactions"]
    chat = contacts[contacts["touchpoint"] == "chat"]
    edge = LAST + DAY - 90 * DAY
    now = chat[chat["occurred_at"] >= edge]
    before = chat[(chat["occurred_at"] < edge) & (chat["occurred_at"] >= edge - 90 * DAY)]
    row = real.iloc[0]
    assert row["estimate"] == pytest.approx((now["outcome"] == "failed").mean())
    assert row["before"] == pytest.approx((before["outcome"] == "failed").mean())
    assert row["n"] == now["customer_id"].nunique()
    assert row["n_before"] == before["customer_id"].nunique()
    import statsmodels.api as sm

    both = pd.concat([now.assign(now=1.0), before.assign(now=0.0)])
    x = sm.add_constant(both[["now"]])
    groups = both["customer_id"].astype("category").cat.codes
    y = (both["outcome"] == "failed").astype(float)
    fit = sm.OLS(y, x).fit(cov_type="cluster", cov_kwds={"groups": groups})
    assert row["change"] == pytest.approx(fit.params["now"])
    width = (row["change_high"] - row["change_low"]) / 2
    assert width == pytest.approx(1.97 * fit.bse["now"], rel=0.03)
    assert "failure share at touchpoint chat rose by" in part.sentence
    assert "(worse)" in part.sentence and "(better)" not in part.sentence
    shown = readable_row(part, known)
    assert shown["where"] == "touchpoint: chat" and shown["what it says"] == "worse"


def readable_row(part: object, known: Known) -> pd.Series:
    betters = {name: a.better for name, a in known.abouts.items()}
    return moved.readable(part, betters, 90).table.iloc[0]  # type: ignore[arg-type]


def test_where_nothing_changed_nothing_is_called_real(write_dataset: Write) -> None:
    found = 0
    for seed in range(3):
        tables = _world(np.random.default_rng(seed), 120, _flat)
        known = _known(write_dataset(tables, form="parquet", name=f"w{seed}"))
        counted(known)
        part = moved.level_changes(known, known.totals)
        found += bool(part.table["real"].any())
        assert part.table["p_value"].notna().sum() > 8
    assert not found  # corrected, it is so in one world of twenty


def test_rates_out_of_all_time_add_up_over_touchpoints(broken: tuple[Known, Tables]) -> None:
    known, _ = broken
    from cxlab.frames.measures import moments

    source = known.sources["contact rate"]
    spans = known.window(source)
    rows = source.make(spans)
    total = moments(known.dataset, rows, spans, compared=True)
    level = next(lv for lv in rows.levels if lv.by == "touchpoint")
    parts = moments(known.dataset, rows, spans, level, compared=True, total=total)
    for name in ("y", "y0"):
        assert parts[name].sum() == total[name].iloc[0]
    for name in ("x", "x0", "xx", "x0x0", "x0x", "n", "n0"):
        assert (parts[name] == total[name].iloc[0]).all()
    # what is not out of all: a customer's rows of both spans, at the level
    fails = known.sources["contacts"]
    each = moments(known.dataset, fails.make(spans), spans, level, compared=True,
                   total=known.totals["contacts"])  # fmt: skip
    both = each[each["measure"] == "failure share"]
    assert both["x"].sum() == known.totals["contacts"].set_index("measure").loc[
        "failure share", "x"]  # fmt: skip


# -- adoption ------------------------------------------------------------------------------------


def test_segments_that_adopt_sooner_are_found(broken: tuple[Known, Tables]) -> None:
    known, tables = broken
    part = times.adoption(known)["adoption_by"]
    table = part.table.set_index(["touchpoint", "by", "level", "days"])
    people = tables["customers"].set_index("customer_id")
    app = tables["interactions"].query("touchpoint == 'app'").set_index("customer_id")
    day = (app["occurred_at"] - people["started_at"]).dt.days.reindex(people.index)
    for plan, rate in (("pro", 0.03), ("basic", 0.01)):
        row = table.loc[("app", "plan", plan, 90)]
        mine = people["plan"] == plan
        # everybody is followed for longer than 90 days, so that shares are those counted
        assert row["estimate"] == pytest.approx((day[mine] <= 90).mean(), abs=1e-9)
        assert row["n"] == mine.sum()
        assert row["conf_low"] < 1 - np.exp(-rate * 91) < row["conf_high"]
        assert row["p_holm"] < 0.001
        assert row["gap"] == pytest.approx(row["estimate"] - (day[~mine] <= 90).mean())
    assert (table.xs("channel (of the customer)", level="by")["p_holm"] > 0.05).all()
    assert "app within" in words.adopted_by(part.table)
    shown = readable.adopted_by(part.table).table
    assert shown.iloc[0]["touchpoint"] == "app"
    assert set(shown.head(2)["what it says"]) == {"more", "less"}


# -- what is withheld ----------------------------------------------------------------------------


def test_a_small_group_is_not_to_be_read_as_the_difference_of_the_others() -> None:
    n = np.array([200.0, 40.0, 4.0, 90.0, 6.0, 5.0, 30.0, 20.0])
    key = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    gone = small(n, key, n < 10, 10)
    # in the first, 4 less the total would be told; in the second, 11 are together enough
    assert gone.tolist() == [False, True, True, False, True, True, False, False]
    assert small(np.array([4.0]), np.zeros(1, dtype=int), np.array([True]), 10).tolist() == [True]


def test_levels_are_withheld_so_that_totals_do_not_tell_them(write_dataset: Write) -> None:
    tables = _world(np.random.default_rng(3), 200, _flat)
    tables["customers"].loc[:3, "plan"] = "vip"
    tables["touchpoints"] = pd.DataFrame(
        {"touchpoint": ["call", "chat", "shop", "app", "rare"],
         "stage": ["support", "support", "buying", "use", "use"]}
    )  # fmt: skip
    some = tables["interactions"].drop_duplicates("customer_id").iloc[1:6]
    rare = some.assign(touchpoint="rare", occurred_at=LAST - 3 * DAY)
    tables["interactions"] = pd.concat([tables["interactions"], rare], ignore_index=True)
    known = _known(write_dataset(tables, form="parquet"))
    card, _, levels = counted(known)
    mine = levels[levels["metric"] == "failure share"]
    plans = mine[mine["by"] == "plan"].set_index("level")
    assert plans["n"].isna().sum() == 2 and np.isnan(plans.loc["vip", "estimate"])
    total = card.set_index("metric").loc["failure share", "n"]
    assert total - plans["n"].sum() >= 10
    # the stage use is told: so that rare cannot be its rest, app is not told either
    met = mine[mine["by"] == "touchpoint"].set_index("level")
    assert np.isnan(met.loc["rare", "n"])
    if mine[(mine["by"] == "stage") & (mine["level"] == "use")]["n"].notna().all():
        assert np.isnan(met.loc["app", "n"])
    few = counted(_known(write_dataset(tables, form="parquet", name="few"), least=10_000))[0]
    assert few[["estimate", "n", "rows", "change"]].isna().all().all()


def test_an_attribute_called_channel_is_not_the_contacts_channel(
    broken: tuple[Known, Tables],
) -> None:
    known, _ = broken
    levels = counted(known)[2]
    mine = levels[levels["metric"] == "failure share"]
    by = mine.groupby("by")["level"].agg(set)
    assert by["channel"] == {"web", "phone"}
    assert by["channel (of the customer)"] == {"ads", "friends"}


# -- weighted scores -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def silence(tmp_path_factory: pytest.TempPathFactory) -> tuple[Known, pd.DataFrame]:
    """Customers of plan basic answer less, and score two points lower."""
    folder = tmp_path_factory.mktemp("silence") / "data"
    simulation = simulate("plain", 1100, 4, texts=False)
    feedback = simulation.tables["feedback"].copy()
    plans = simulation.tables["customers"].drop_duplicates("customer_id", keep="last")
    plan = feedback["customer_id"].map(plans.set_index("customer_id")["plan"])
    draw = np.random.default_rng(1)
    hidden_ = simulation.hidden["answers"]["score"].to_numpy(float)
    score = np.clip(hidden_ - 2.0 * (plan == "basic").to_numpy(), 0, 10)
    gave = draw.random(len(feedback)) < np.where(plan == "basic", 0.15, 0.6)
    feedback["score"] = np.where(gave, score, np.nan)
    feedback["responded_at"] = (feedback["asked_at"] + pd.Timedelta("3h")).where(gave)
    kept = (feedback["metric"] == "nps").to_numpy()
    write(simulation, folder)
    feedback[kept].to_parquet(folder / "feedback.parquet")
    data = load(folder)
    known = Known(data, Options(90, 7, 90, "", 10))
    end = pd.Timestamp(data.end) - pd.Timedelta("14D")
    at = feedback["asked_at"]
    seen = kept & (at < end).to_numpy() & (at >= end - pd.Timedelta("365D")).to_numpy()
    truth = pd.DataFrame({"month": at.dt.strftime("%Y-%m"), "plan": plan, "score": score})[seen]
    return known, truth.assign(nps=100.0 * ((truth["score"] >= 9) * 1.0 - (truth["score"] <= 6)))


def test_each_month_and_segment_is_weighed_for_its_silent(
    silence: tuple[Known, pd.DataFrame],
) -> None:
    known, truth = silence
    whole = answers.weighted(known)
    part = whole["response_by"]
    table = part.table
    months = table[table["by"].isin(["month", "week"])].set_index("level")
    assert len(months) >= 12
    true = truth.groupby("month")["nps"].mean().reindex(months.index)
    raw, told = (months["raw"] - true), (months["estimate"] - true)
    assert raw.mean() > 8 and abs(told.mean()) < 4
    held = (months["conf_low"] < true) & (true < months["conf_high"])
    assert held.mean() >= 0.8
    # where all of a segment answer alike, there is nothing to weigh for
    plans = table[table["by"] == "plan"].set_index("level")
    true = truth.groupby("plan")["nps"].mean().reindex(plans.index)
    assert ((plans["raw"] - true).abs() < 8).all() and (plans["difference"].abs() < 4).all()
    assert plans["asked"].sum() == whole.table["asked"].iloc[0]
    assert plans["answered"].sum() == whole.table["answered"].iloc[0] == months["answered"].sum()
    assert " lower" in part.sentence and "weights move" in part.sentence
    shown = readable.silence_by(table).table
    assert len(shown) and set(shown["what it says"]) <= {"differs", "cannot be told"}


def test_months_seen_in_part_and_small_groups_are_told_as_such(
    silence: tuple[Known, pd.DataFrame],
) -> None:
    known, _ = silence
    strict = Known(known.dataset, Options(90, 7, 90, "", 60))
    table = answers.weighted(strict)["response_by"].table
    few = table["estimate"].isna()
    assert few.any() and not few.all()
    assert table.loc[few, ["raw", "asked", "answered", "n", "difference"]].isna().all().all()
    assert (table.loc[~few, "n"] >= 60).all()
    assert table.loc[few, "p_holm"].isna().all()
    every = answers.weighted(known)["response_by"].table
    months = every[every["by"] == "month"]
    assert not months["whole"].iloc[0] and months["whole"].iloc[1:-1].all()
    assert silent.together(known, []).table.empty


def test_no_groups_are_nothing_to_hide(broken: tuple[Known, Tables]) -> None:
    known, _ = broken
    none = pd.DataFrame({"metric": [], "by": [], "level": [], "n": []})
    assert hidden(none, known).tolist() == []


def test_the_parts_are_on_the_page(broken: tuple[Known, Tables]) -> None:
    known, _ = broken
    result = experience_metrics.run(known.dataset)
    for part in ("level_changes", "moved", "adoption_by", "adopted_by"):
        assert len(result[part].table)
    assert "response_by" not in result.parts  # nobody was asked
