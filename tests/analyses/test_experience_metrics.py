"""Experience metrics of small data whose answers are known, of a made-up world, and of bad data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import narwhals as nw
import numpy as np
import pandas as pd
import pytest

from cxlab.analyses import experience_metrics, retention
from cxlab.analyses.experience_metrics import answers, changes, leads, readable, times, words
from cxlab.analyses.experience_metrics.gather import Known, Options, _card, _series
from cxlab.data.dataset import Dataset, load
from cxlab.data.simulate import simulate, write
from cxlab.errors import UsageError
from cxlab.frames.measures import moments
from cxlab.frames.people import people
from cxlab.models.clustered import difference
from cxlab.results import Result

Tables = dict[str, pd.DataFrame]
Write = Callable[..., Path]
AS_OF, END = "2025-05-31", pd.Timestamp("2025-06-01")


NAMES = {"call": "<b>call</b>", "chat": "$x$ | y", "invoice": "# invoice"}
DEMO = Path(__file__).parents[2] / "data" / "demo"


def _known(data: Dataset, window: int = 90, chosen: str = "", least: int = 10) -> Known:
    return Known(data, Options(window, 7, 90, chosen, least))


def _cards(known: Known) -> pd.DataFrame:
    """Count the last days alone, which is quicker than all."""
    made = []
    for source in known.sources.values():
        spans = known.window(source)
        rows = source.make(spans)
        sums = moments(known.dataset, rows, spans, compared=True)
        made.append(_card(known, source, rows, sums, spans))
    return pd.concat(made, ignore_index=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = tmp_path_factory.mktemp("experience") / "demo"
    write(simulate("demo", 500, 2), made)
    return made


@pytest.fixture(scope="module")
def demo(folder: Path) -> Result:
    return experience_metrics.run(load(folder))


def _row(result: Result, metric: str) -> pd.Series:
    return result.table.set_index("metric").loc[metric]


def test_every_metric_of_the_issue_is_there_with_its_interval(demo: Result) -> None:
    wanted = {"nps", "csat top box", "csat mean", "ces mean", "churn rate", "retention",
              "first response, median", "time to resolution, median", "handle time, median",
              "first-contact resolution", "on-time share", "repeat purchase", "contact rate",
              "failure share", "nps response"}  # fmt: skip
    assert wanted <= set(demo.table["metric"])
    known = demo.table[demo.table["estimate"].notna()]
    assert (known["conf_low"] <= known["estimate"]).all()
    assert (known["estimate"] <= known["conf_high"]).all()
    assert (known["conf_low"] < known["conf_high"]).all()
    assert known["rule"].str.len().gt(5).all()
    by = set(demo["levels"].table["by"])
    assert by == {"stage", "touchpoint", "channel", "plan", "region", "acquisition_channel"}
    assert demo["series"].table["period"].nunique() == 24
    assert set(demo["adoption"].table["days"]) == {30, 90}


def test_lifetime_value_is_that_of_retention(demo: Result, folder: Path) -> None:
    mine = _row(demo, "lifetime value")
    worth = retention.run(load(folder), segment="plan")["worth"].table.set_index("term")
    figures = ["estimate", "conf_low", "conf_high", "n"]
    assert mine[figures].tolist() == pytest.approx(worth.loc["all customers", figures].tolist())
    assert np.isnan(mine["change"])
    levels = demo["levels"].table
    plans = levels[(levels["metric"] == "lifetime value") & (levels["by"] == "plan")]
    plans = plans.set_index("level")
    assert len(plans) == 3
    both = plans.index.intersection(worth.index)
    assert plans.loc[both, "estimate"].tolist() == pytest.approx(worth.loc[both, "estimate"])
    told = demo["scorecard"].table["metric"].tolist()
    assert told[-1].startswith("lifetime value, ")


def test_medians_are_told_before_means_and_the_mean_of_skewed_times_is_larger(demo: Result) -> None:
    shown = demo["scorecard"].table["metric"].tolist()
    assert "first response, median" in shown
    assert "mean first response" not in shown
    names = ("mean first response", "first response, median")
    mean, middle = (_row(demo, m)["estimate"] for m in names)
    assert mean > 5 * middle


def test_small_groups_are_withheld_and_counted(demo: Result) -> None:
    told = [c.text for c in demo.checks if c.name == "small groups"]
    assert len(told) == 1
    gone = 0
    for part in ("levels", "series", "level_changes", "response_by", "adoption_by"):
        table = demo[part].table
        small = table["n"].isna()
        gone += small.sum()
        figures = {"conf_low", "conf_high", "rows", "estimate", "change", "raw", "gap"}
        assert table.loc[small, sorted(figures & set(table))].isna().all().all()
        assert (table.loc[~small, "n"] >= 10).all()
    assert gone > 5
    assert told[0].startswith(f"{gone:,} figures")
    assert "fewer than 10 customers" in told[0]


def test_where_all_is_withheld_nothing_is_claimed(shop: Tables, write_dataset: Write) -> None:
    card = _cards(_known(load(write_dataset(shop), AS_OF), least=100_000))
    assert card[["estimate", "conf_low", "conf_high", "change"]].isna().all().all()
    card = card.assign(p_holm=np.nan)
    assert "No metric has enough customers" in words.headline(card, {}, 90)
    assert set(readable.scorecard(card, {}, 90).table["what it says"]) == {"withheld"}


def test_findings_say_what_the_parts_say(demo: Result) -> None:
    found = {f.id: f for f in experience_metrics.findings(demo)}
    parts = ("scores", "changes", "where", "response", "value", "leads")
    assert list(found) == [f"experience.{p}" for p in parts]
    first = found["experience.scores"]
    assert first.estimate == pytest.approx(_row(demo, "nps")["estimate"])
    assert first.unit == "nps, points"
    for f in found.values():
        assert "nan" not in f.statement.split()


def test_what_was_mended_is_found_and_dated_and_what_moves_together_is_told() -> None:
    """In the demo invoices became clearer on 2025-12-03, which halved their failures."""
    known = _known(load(DEMO))
    series = [_series(known, known.sources[s]) for s in ("contacts", "answers", "time")]
    _, found = changes.charted(known, pd.concat(series, ignore_index=True))
    found = found.set_index("metric")
    mended = found.loc["failure share"]
    assert mended["real"]
    assert (mended["kind"], mended["period"]) == ("shift", "2025-12")
    assert mended["conf_high"] < 0
    assert not found.loc[["csat mean", "nps", "churn rate"], "real"].any()
    # Who closes an account comes to the cancellation page: contacts and churn move together.
    result = leads.leads(known)
    verdicts = result.table.drop_duplicates("metric").set_index("metric")["verdict"]
    assert verdicts["contact rate"] == "moves together"
    assert (verdicts.drop("contact rate") == "cannot be told").all()
    assert "it cannot be told" in result.sentence


# -- tables whose figures are counted again -----------------------------------------------------


@pytest.fixture
def shop(make_tables: Callable[..., Tables]) -> Tables:
    return make_tables(customers=150, seed=2)


def _spoilt(tables: Tables) -> Tables:
    """Give touchpoints strange names, all contacts one channel, and some rows that cannot be."""
    contacts, feedback = tables["interactions"], tables["feedback"]
    for table in ("interactions", "touchpoints"):
        tables[table]["touchpoint"] = tables[table]["touchpoint"].replace(NAMES)
    contacts["channel"] = "web"
    contacts.loc[:4, "resolved_at"] = contacts.loc[:4, "occurred_at"] - pd.Timedelta("2D")
    contacts["response_seconds"] = contacts["response_seconds"].astype(float)
    contacts.loc[10:13, "response_seconds"] = -5.0
    given = feedback.index[feedback["score"].notna()]
    feedback.loc[given[:3], "score"] = 9.0
    feedback.loc[given[3:6], "responded_at"] = feedback["asked_at"] - pd.Timedelta("3D")
    return {k: v for k, v in tables.items() if k != "interventions"}


@pytest.fixture(scope="module")
def spoilt(
    tmp_path_factory: pytest.TempPathFactory, make_tables: Callable[..., Tables]
) -> tuple[Dataset, Result]:
    folder: Path = tmp_path_factory.mktemp("experience") / "spoilt"
    folder.mkdir()
    for name, table in _spoilt(make_tables(customers=150, seed=2)).items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    data = load(folder, AS_OF)
    return data, experience_metrics.run(data, window_days=30)


def _used(data: Dataset, table: str) -> pd.DataFrame:
    found: pd.DataFrame = data.table(table).collect(backend="pandas").to_native()
    return found


def test_the_scorecard_and_its_levels_are_counted_right(spoilt: tuple[Dataset, Result]) -> None:
    data, result = spoilt
    contacts = _used(data, "interactions")
    late = contacts[contacts["occurred_at"] >= END - pd.Timedelta("30D")]
    row = _row(result, "failure share")
    assert row["estimate"] == pytest.approx((late["outcome"] == "failed").mean())
    assert (row["n"], row["rows"]) == (late["customer_id"].nunique(), len(late))
    earlier = contacts["occurred_at"].between(END - pd.Timedelta("60D"), END - pd.Timedelta("30D"))
    before = (contacts[earlier]["outcome"] == "failed").mean()
    assert row["before"] == pytest.approx(before)
    assert row["change"] == pytest.approx(row["estimate"] - before)
    median = _row(result, "first response, median")["estimate"]
    assert median == pytest.approx(late["response_seconds"].median(), rel=0.02)
    levels = result["levels"].table
    chat = levels[(levels["metric"] == "failure share") & (levels["level"] == NAMES["chat"])]
    mine = late[late["touchpoint"] == NAMES["chat"]]
    assert chat["estimate"].item() == pytest.approx((mine["outcome"] == "failed").mean())
    assert chat["gap"].item() == pytest.approx(chat["estimate"].item() - row["estimate"])
    assert set(NAMES.values()) <= set(levels["level"])
    # the only channel is all there is
    assert levels[levels["by"] == "channel"]["gap"].isna().all()


def test_the_mean_is_that_of_a_clustered_regression(spoilt: tuple[Dataset, Result]) -> None:
    import statsmodels.api as sm

    data, result = spoilt
    answered = _used(data, "feedback").dropna(subset="score")
    answered = answered[answered["responded_at"] >= END - pd.Timedelta("30D")]
    fitted = sm.OLS(answered["score"].to_numpy(), np.ones(len(answered))).fit()
    groups = pd.factorize(answered["customer_id"])[0]
    robust = fitted.get_robustcov_results("cluster", groups=groups, use_correction=False)
    n = answered["customer_id"].nunique()
    row = _row(result, "csat mean")
    assert row["estimate"] == pytest.approx(fitted.params[0])
    half = (row["conf_high"] - row["conf_low"]) / 2
    quantile = 1.96 + 2.4 / n  # Student's, nearly
    assert half == pytest.approx(quantile * robust.bse[0] * np.sqrt(n / (n - 1)), rel=0.05)


def test_rows_that_cannot_be_are_counted_and_in_no_metric(spoilt: tuple[Dataset, Result]) -> None:
    _, result = spoilt
    told = next(c.text for c in result.checks if c.name == "rows that cannot be")
    for part in ("5 rows resolved before it was opened", "4 rows response_seconds below 0",
                 "3 rows csat score off its scale 1 to 5",
                 "3 rows answered before it was asked"):  # fmt: skip
        assert part in told
    assert _row(result, "csat mean")["conf_high"] <= 5
    assert _row(result, "mean first response")["conf_low"] > 0


def test_nothing_after_as_of_is_seen(shop: Tables, write_dataset: Write) -> None:
    early = _cards(_known(load(write_dataset(shop), AS_OF)))
    for table, column in (("interactions", "occurred_at"), ("feedback", "asked_at")):
        shop[table] = shop[table][pd.to_datetime(shop[table][column]) < END]
    late = pd.to_datetime(shop["feedback"]["responded_at"]) >= END
    shop["feedback"].loc[late, ["score", "responded_at"]] = None
    cut = _cards(_known(load(write_dataset(shop, name="cut"), AS_OF)))
    pd.testing.assert_frame_equal(early, cut)


# -- those who do not answer --------------------------------------------------------------------


def test_silence_that_is_known_is_weighed(tmp_path: Path) -> None:
    """Customers of plan basic answer less, and score two points lower."""
    simulation = simulate("plain", 1200, 4, texts=False)
    feedback = simulation.tables["feedback"].copy()
    plans = simulation.tables["customers"].drop_duplicates("customer_id", keep="last")
    plan = feedback["customer_id"].map(plans.set_index("customer_id")["plan"])
    draw = np.random.default_rng(1)
    hidden = simulation.hidden["answers"]["score"].to_numpy(float)
    score = np.clip(hidden - 2.0 * (plan == "basic").to_numpy(), 0, 10)
    gave = draw.random(len(feedback)) < np.where(plan == "basic", 0.15, 0.6)
    feedback["score"] = np.where(gave, score, np.nan)
    feedback["responded_at"] = (feedback["asked_at"] + pd.Timedelta("3h")).where(gave)
    metric = (feedback["metric"] == "nps").to_numpy()
    write(simulation, tmp_path / "data")
    feedback[metric].to_parquet(tmp_path / "data" / "feedback.parquet")
    data = load(tmp_path / "data")
    row = answers.weighted(_known(data)).table.set_index("metric").loc["nps"]
    asked = feedback["asked_at"]
    end = pd.Timestamp(data.end) - pd.Timedelta("14D")
    seen = metric & (asked < end).to_numpy() & (asked >= end - pd.Timedelta("365D")).to_numpy()
    truth = 100 * ((score[seen] >= 9).mean() - (score[seen] <= 6).mean())
    assert row["raw"] - truth > 8
    assert abs(row["estimate"] - truth) < 4
    assert row["conf_low"] < truth < row["conf_high"]
    assert row["difference_high"] < 0


def test_where_the_score_itself_keeps_silent_weights_do_not_help_and_it_is_said(
    tmp_path: Path,
) -> None:
    simulation = simulate("silent", 1500, 1, texts=False)
    write(simulation, tmp_path / "data")
    found = answers.weighted(_known(load(tmp_path / "data")))
    row = found.table.set_index("metric").loc["nps"]
    hidden = simulation.hidden["answers"].query("metric == 'nps'")["score"].to_numpy(float)
    truth = 100 * ((hidden >= 9).mean() - (hidden <= 6).mean())
    assert row["told_apart"] > 0.65
    assert min(row["raw"], row["estimate"]) - truth > 10  # neither knows
    told = experience_metrics._what_weights_leave(found.table).text
    assert "not silence that goes with the score itself" in told
    assert f"{10 * (1 - found.table['response'].min()):.1f} points off" in told


def test_of_very_many_questions_a_sample_of_customers_is_weighed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers, "_MOST_QUESTIONS", 4_000)
    known = _known(load(DEMO))
    some = answers.weighted(known).table.set_index("metric").loc["nps"]
    assert 3_000 < some["asked"] < 5_000
    asked = known.sources["questions"].make(known.spans).frame
    recent = asked.filter(nw.col("asked") >= known.end - 14 - 365)
    table = recent.filter(nw.col("metric") == "nps").collect(backend="pandas").to_native()
    score = table["score"].dropna()
    whole = 100 * ((score >= 9).mean() - (score <= 6).mean())
    assert some["raw_low"] < whole < some["raw_high"]


# -- data that lack something -------------------------------------------------------------------


def _without(tables: Tables, table: str, *columns: str) -> Tables:
    return tables | {table: tables[table].drop(columns=list(columns))}


@pytest.mark.parametrize(
    ("spoil", "name", "said"),
    [
        (lambda t: {k: v for k, v in t.items() if k != "feedback"}, "scores", "no table feedback"),
        (lambda t: {k: v for k, v in t.items() if k != "interactions"}, "contacts",
         "no table interactions"),
        (lambda t: _without(t, "feedback", "asked_at"), "response rates", "no asked_at"),
        (lambda t: _without(t, "feedback", "score"), "scores", "no score"),
        (lambda t: _without(t, "interactions", "outcome"), "failure share", "no outcome"),
        (lambda t: _without(t, "interactions", "response_seconds"), "mean first response",
         "no response_seconds"),
        (lambda t: t, "on-time share", "no due_at"),
        (lambda t: t, "repeat purchase", "no contact has a value"),
    ],
)  # fmt: skip
def test_what_the_data_lack_is_left_out_and_said(
    shop: Tables, write_dataset: Write, spoil: Callable[[Tables], Tables], name: str, said: str
) -> None:
    known = _known(load(write_dataset(spoil(shop)), AS_OF))
    assert known.sources
    assert said in known.left_out[name]
    told = [c for c in experience_metrics._checks(known, pd.DataFrame(), pd.DataFrame(), {
        n: Result(n, pd.DataFrame()) for n in ("changes", "response", "lead_lag")})]  # fmt: skip
    assert [c.text for c in told if c.name == f"not told: {name}"] == [known.left_out[name]]


def test_nulls_everywhere_give_a_page(shop: Tables, write_dataset: Write) -> None:
    for column in ("channel", "outcome", "response_seconds", "resolved_at"):
        shop["interactions"][column] = None
    shop["feedback"]["score"] = None
    shop["customers"]["plan"] = None
    made = experience_metrics.run(load(write_dataset(shop), AS_OF))
    assert "contact rate" in set(made.table["metric"])
    assert np.isnan(_row(made, "failure share")["estimate"])
    assert "nobody has answered" in next(
        c.text for c in made.checks if c.name == "not told: scores"
    )


def test_one_customer_is_counted_and_nothing_compared(shop: Tables, write_dataset: Write) -> None:
    first = shop["customers"].iloc[:3]
    mine = shop["interactions"]["customer_id"] == first["customer_id"].iloc[0]
    tables = {"customers": first, "interactions": shop["interactions"][mine]}
    known = _known(load(write_dataset(tables), "2025-12-31"), window=300, least=1)
    card = _cards(known).set_index("metric")
    assert card.loc["failure share", "n"] == 1
    assert card.loc["failure share", "conf_low"] < card.loc["failure share", "conf_high"]
    result = leads.leads(known)
    assert result.table.empty
    assert "cannot be told" in result.sentence


def test_a_snapshot_tells_its_scores_alone(write_dataset: Write) -> None:
    draw = np.random.default_rng(1)
    ids = [f"c{i}" for i in range(80)]
    customers = pd.DataFrame(
        {"customer_id": ids, "tenure": range(1, 81), "churned": [0, 1] * 40,
         "plan": ["a", "b", "b", "b"] * 20}
    )  # fmt: skip
    feedback = pd.DataFrame(
        {"customer_id": ids, "responded_at": pd.Timestamp("2025-05-01"), "metric": "nps",
         "score": draw.integers(0, 11, 80)}
    )  # fmt: skip
    data = load(write_dataset({"customers": customers, "feedback": feedback}))
    result = experience_metrics.run(data)
    assert result.table["metric"].tolist() == ["nps"]
    assert result.table["n"].tolist() == [80]
    assert set(result["levels"].table["by"]) == {"plan"}
    alone = load(write_dataset({"customers": customers}, name="alone"))
    nothing = experience_metrics.run(alone)
    assert nothing.table.empty
    assert "There is nothing to measure" in nothing.sentence
    assert len(experience_metrics.findings(nothing)) == 1


def test_medians_that_are_the_same_are_told_to_differ_as_often_as_said() -> None:
    draw, p, held = np.random.default_rng(1), [], 0
    for _ in range(500):
        found = []
        for _ in range(2):
            waits = np.round(np.exp(draw.normal(6.3, 0.6, 250)))
            part = pd.DataFrame({"bin": np.floor(np.log2(1 + waits) * 128).astype(int), "n": 1.0})
            incidence, _ = times._incidence(part.assign(kind=1, total=waits))
            three = times._three(incidence.quantile(0.5))
            found.append(times._frame(pd.Series(three, ["estimate", "conf_low", "conf_high"])))
        gap = difference(*found, np.zeros(1), np.array([250.0])).iloc[0]
        p.append(times.median_p(gap["estimate"] / gap["se"], 250))
        held += gap["conf_low"] <= 0 <= gap["conf_high"]
    assert 0.93 < held / 500 < 0.985
    assert np.mean(np.array(p) < 0.05) < 0.05 + 2.5 * 0.01
    assert np.mean(np.array(p) < 0.01) < 0.01 + 2.5 * 0.0045


def test_options_out_of_bounds_are_refused(shop: Tables, write_dataset: Write) -> None:
    data = load(write_dataset(shop), AS_OF)
    with pytest.raises(UsageError, match="window_days is 0"):
        experience_metrics.run(data, window_days=0)
    with pytest.raises(UsageError, match=r"value_touchpoint is 'fax'.*call, chat, invoice"):
        experience_metrics.run(data, value_touchpoint="fax")
    chosen = times.adoption(_known(data, chosen="chat"))["to_value"]
    assert chosen.meta["touchpoint"] == "chat"
    assert "the touchpoint that was named" in words.to_value(chosen)


def test_an_attribute_may_be_called_as_a_column_made_here(
    tables: Tables, write_dataset: Write
) -> None:
    odd = ("until", "newest", "who")
    customers = tables["customers"].assign(**dict.fromkeys(odd, tables["customers"]["plan"]))
    person = people(load(write_dataset({**tables, "customers": customers})))
    assert person is not None
    levels = person.frame.select(*(person.attributes[a] for a in odd)).collect(backend="pandas")
    for column in levels.columns:
        assert set(levels[column].to_list()) == {"basic", "plus"}


def test_one_hour_is_no_hours() -> None:
    assert readable.value(3_600.0, "seconds") == "1 hour"
    assert readable.value(7_200.0, "seconds") == "2 hours"
