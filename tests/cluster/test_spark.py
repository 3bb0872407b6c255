"""Engine spark: the same frames as DuckDB's, on this machine and on a cluster of one's own."""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pytest

from cxlab import Dataset, load
from cxlab.data.engine import reading
from cxlab.errors import AnalysisError, CxlabError, DataError, UsageError
from cxlab.frames.exposures import Kernel, contacts, measure
from cxlab.frames.periods import risk_set
from cxlab.frames.sampling import draw

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import _scale_cluster

pytestmark = pytest.mark.cluster

Tables = dict[str, pd.DataFrame]
# Sums are made in the same order on both engines; a cluster's may differ in the last digits.
SUMS = 1e-12
SETTINGS = (
    "time_zone: {zone}\nobserved_until: 2025-12-01\n"
    "bad: {{wait_over_seconds: 500, unresolved_after_days: 20}}\n"
)
FOREIGN = ["invoice", "support call", "Störung 🚧", "o'clock", "ß\u00a0", "İ"]


# -- the same on both engines ------------------------------------------------------------------


def hostile(seed: int, customers: int = 60) -> Tables:
    """Make tables with everything in them that engines may see otherwise."""
    draw_ = np.random.default_rng(seed)
    start = pd.Timestamp("2025-01-05")

    def some(values: list[Any], size: int, odd: float = 0.1) -> np.ndarray:
        """Draw the first two mostly, the others now and then."""
        many = draw_.choice(2, size)
        few = draw_.integers(0, len(values), size)
        return np.array(values, dtype=object)[np.where(draw_.uniform(size=size) < odd, few, many)]

    names = np.array([f"Cé {i}🙂" if i % 9 == 0 else f"c{i}" for i in range(customers)], object)
    started = start + pd.to_timedelta(draw_.integers(0, 90, customers) * 43_200, unit="s")
    ended = pd.Series(started + pd.to_timedelta(draw_.integers(-4, 260, customers), unit="D"))
    table = pd.DataFrame(
        {
            "customer_id": np.where(draw_.uniform(size=customers) < 0.05, None, names),
            "started_at": started,
            "ended_at": ended.where(draw_.uniform(size=customers) < 0.6),
            "cancelled_at": (ended - pd.Timedelta("3D")).where(draw_.uniform(size=customers) < 0.3),
            "end_reason": some(["voluntary", "Voluntary ", "İnvoluntary", "", None], customers),
            "monthly_value": draw_.choice([10.0, 1e-9, 1e15, np.nan], customers),
            "plan": some(["basic", "plus", "", "\u2003plus", None], customers, 0.3),
            "size": some(["1", " 2 ", "3e2", "NA", None, "1_0"], customers, 0.3),
            "vip": some([True, False, None], customers, 0.3),
        }
    )
    again = table[table["customer_id"].notna()].iloc[::7].copy()  # comes back, maybe too early
    again["started_at"] += pd.to_timedelta(draw_.integers(1, 200, len(again)), unit="D")
    again["ended_at"] = again["cancelled_at"] = pd.NaT
    n = customers * 9
    who = draw_.choice([*names, "nobody"], n)
    at = start + pd.to_timedelta(draw_.integers(0, 330 * 8, n) * 10_800, unit="s")
    solved = pd.Series(at + pd.to_timedelta(draw_.integers(-1, 40, n), unit="D"))
    waits, scores = [1.0, 600.0, -1.0, np.nan], [1.0, 2.5, 5.0, 0.0, np.nan]
    contacts_ = pd.DataFrame(
        {
            "interaction_id": [f"i{j}" for j in range(n)],
            "customer_id": np.where(draw_.uniform(size=n) < 0.02, None, who),
            "occurred_at": pd.Series(at).where(draw_.uniform(size=n) > 0.02),
            "touchpoint": some(FOREIGN, n, 0.5),
            "outcome": some(["ok", "failed", None, "FAILED", " failed"], n),
            "resolved_at": solved.where(draw_.uniform(size=n) < 0.7),
            "response_seconds": draw_.choice(waits, n, p=[0.5, 0.3, 0.05, 0.15]),
        }
    )
    asked = contacts_.iloc[::3]
    answers = pd.DataFrame(
        {
            "customer_id": asked["customer_id"],
            "asked_at": asked["occurred_at"],
            "responded_at": asked["occurred_at"]
            + pd.to_timedelta(draw_.integers(-1, 5, len(asked)), unit="h"),
            "metric": some(["csat", "nps", "CSAT"], len(asked), 0.2),
            "score": draw_.choice(scores, len(asked), p=[0.3, 0.2, 0.3, 0.1, 0.1]),
        }
    ).reset_index(drop=True)
    return {
        "customers": pd.concat([table, again], ignore_index=True),
        "interactions": contacts_,
        "feedback": answers,
        "touchpoints": pd.DataFrame(
            {"touchpoint": FOREIGN, "stage": ["use", "Exit", *["use"] * 4]}
        ),
    }


def zoned(tables: Tables, zone: str) -> Tables:
    """Give the times a zone; what the clock skips or shows twice is moved on."""
    found = {}
    for name, table in tables.items():
        times = table.select_dtypes("datetime")
        found[name] = table.assign(
            **{
                c: t.dt.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward")
                for c, t in times.items()
            }
        )
    return found


def outcome(folder: Path, engine: str) -> Dataset | str:
    """Load a dataset, or give the line that refuses it."""
    try:
        return load(folder, engine=engine)
    except CxlabError as error:
        return str(error)


def tables_of(dataset: Dataset) -> dict[str, pd.DataFrame]:
    """Give all rows, in an order of their own."""
    found = {}
    for name in dataset.tables:
        rows = dataset.table(name).collect(backend="pyarrow").to_pandas().astype(str)
        found[name] = rows.sort_values(list(rows.columns), ignore_index=True)
    return found


def frames_of(dataset: Dataset) -> dict[str, pd.DataFrame]:
    """Give everything that the driver model takes from an engine."""
    risk = risk_set(dataset, washout_days=2)
    known = contacts(dataset).kept(risk)
    sample = draw(risk, 3, seed=5, known=known, washout_days=2)
    kernels = {"short": Kernel(7.0), "long": Kernel(60.0, slope=True), "plain": Kernel(low=3)}
    found = {"spells": risk.spells, "drawn": sample.rows.assign(offset=sample.offset)}
    found |= {
        f"{k} {c}": pd.DataFrame(v)
        for (k, c), v in measure(dataset, known, sample.rows, kernels, 2).items()
    }
    found["text"] = pd.DataFrame({"text": [sample.text, known.text, *known.touchpoints]})
    return found


def assert_equal(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame]) -> None:
    assert one.keys() == other.keys()
    for name, table in one.items():
        pd.testing.assert_frame_equal(
            table, other[name], check_dtype=False, rtol=SUMS, atol=SUMS, obj=name
        )


@pytest.mark.parametrize(
    ("seed", "form", "zone", "times"),
    [(2, "parquet", "America/New_York", "Asia/Kolkata"), (3, "csv", "Europe/Berlin", "")],
)  # fmt: skip
def test_hostile_tables_give_the_same_frames_on_both_engines(
    write_dataset: Callable[..., Path], seed: int, form: str, zone: str, times: str
) -> None:
    tables = hostile(seed)
    folder = write_dataset(
        zoned(tables, times) if times else tables, SETTINGS.format(zone=zone), form=form
    )
    duck, spark = outcome(folder, "duckdb"), outcome(folder, "spark")
    assert isinstance(duck, Dataset) and isinstance(spark, Dataset), (duck, spark)
    assert spark.set_aside == duck.set_aside and len(duck.set_aside) >= 6
    assert spark.read == duck.read and spark.as_of == duck.as_of
    assert spark.settings_sha256() == duck.settings_sha256()
    if form == "csv":  # what comes of the rows is told by the others
        assert_equal(tables_of(duck), tables_of(spark))
    else:
        assert_equal(frames_of(duck), frames_of(spark))


def test_what_one_engine_refuses_the_other_refuses_in_the_same_words(
    write_dataset: Callable[..., Path], tables: Tables
) -> None:
    del tables["touchpoints"], tables["interventions"]
    customers = tables["customers"]
    twice = pd.concat([customers, customers.iloc[:2]])
    late = customers.assign(ended_at=customers["started_at"] - pd.Timedelta("2D"))
    spoilt = {
        "twice": tables | {"customers": twice},
        "late": tables | {"customers": late},
        "empty": tables | {"interactions": tables["interactions"].iloc[:0]},
        "lacking": tables | {"feedback": tables["feedback"].drop(columns="metric")},
    }
    for name, given in spoilt.items():
        folder = write_dataset(given, form="parquet", name=name)
        refused = outcome(folder, "duckdb")
        assert isinstance(refused, str)
        assert outcome(folder, "spark") == refused


def test_values_that_only_one_engine_could_read_are_refused(
    write_files: Callable[..., Path],
) -> None:
    folder = write_files(
        {"customers.csv": "customer_id,started_at,ended_at\na,2025-01-01 UTC x,\nb,2025-01-02,\n"}
    )
    with pytest.raises(DataError, match="1 of the values cannot be read as time by engine spark"):
        load(folder, engine="spark")


def test_parts_of_a_table_must_have_the_same_types(
    write_dataset: Callable[..., Path], tables: Tables
) -> None:
    folder = write_dataset(tables, form="parquet")
    whole = folder / "interactions.parquet"
    rows = pd.read_parquet(whole)
    whole.unlink()
    (folder / "interactions" / "day=1").mkdir(parents=True)
    (folder / "interactions" / "day=2").mkdir()
    rows[::2].to_parquet(folder / "interactions" / "day=1" / "a.parquet")
    rows[1::2].drop(columns="channel").to_parquet(folder / "interactions" / "day=2" / "b.parquet")
    duck, spark = load(folder), load(folder, engine="spark")
    assert spark.read == duck.read  # a column that a part lacks is null there
    rows[1::2].assign(response_seconds="1").to_parquet(
        folder / "interactions" / "day=2" / "b.parquet"
    )
    wanted = "column response_seconds: it is whole in a.parquet and text in b.parquet; allowed"
    with pytest.raises(DataError, match=wanted):
        load(folder, engine="spark")


def test_files_that_are_read_once_give_the_same_on_both_engines(
    write_dataset: Callable[..., Path], make_tables: Callable[..., Tables]
) -> None:
    """And so do those of which some are passed over, as they begin after the day."""
    folder = write_dataset(make_tables(150), form="parquet")
    for name, when, form in (
        ("interactions", "occurred_at", "parquet"),
        ("feedback", "asked_at", "csv"),
    ):
        rows = pd.read_parquet(folder / f"{name}.parquet").sort_values(when)
        (folder / f"{name}.parquet").unlink()
        for i, at in enumerate(range(0, len(rows), len(rows) // 4)):
            part = folder / name / f"hour={i}" / f"0.{form}"
            part.parent.mkdir(parents=True)
            getattr(rows.iloc[at : at + len(rows) // 4], f"to_{form}")(part, index=False)
    whole = load(folder)
    (folder / "dataset.yml").write_text("incremental: true\n")
    assert load(folder).partitions()["interactions"]["read"] == 4
    day = dt.date(2025, 3, 31)
    early = load(folder, as_of=day)
    assert early._folder.seen.keys() == {"interactions", "feedback"}
    for duck, given in ((whole, {}), (early, {"as_of": day})):
        spark = load(folder, engine="spark", **given)
        assert spark.partitions()["interactions"]["read"] == 0
        assert spark._folder.seen == duck._folder.seen
        assert spark.read == duck.read and spark.set_aside == duck.set_aside
        assert spark.sha256() == duck.sha256()
        assert_equal(tables_of(duck), tables_of(spark))


def test_a_name_with_a_dot_is_refused(write_dataset: Callable[..., Path], tables: Tables) -> None:
    tables["customers"]["a.b"] = 1
    folder = write_dataset(tables)
    with pytest.raises(DataError, match=r"'a\.b': engine spark takes no name with a dot"):
        load(folder, engine="spark")


def test_the_command_writes_the_same_table(
    write_dataset: Callable[..., Path], make_tables: Callable[..., Tables], cx: Callable[..., Any],
    tmp_path: Path,
) -> None:  # fmt: skip
    folder = write_dataset(make_tables(150, 3), "engine: spark\n", form="parquet")
    for engine, words in (("duckdb", ["--engine", "duckdb"]), ("spark", [])):
        ran = cx("drivers", folder, "--out", tmp_path / engine, "--quick", *words)
        assert (ran.code, ran.err) == (0, ""), ran
    one, other = ((tmp_path / e / "drivers.csv").read_bytes() for e in ("duckdb", "spark"))
    assert one == other


def test_a_step_that_spark_has_no_way_to_do_is_refused(
    write_dataset: Callable[..., Path], tables: Tables
) -> None:
    frame = load(write_dataset(tables), engine="spark").table("interactions")
    with pytest.raises(AnalysisError, match="engine spark cannot do a step"), reading("shop"):
        frame.select(nw.col("touchpoint").str.replace("a", "b")).collect()


def test_narwhals_lacks_the_step_that_we_teach_it() -> None:
    """When it fails: narwhals knows durations on Spark, and frames/engine need not teach them."""
    from narwhals._spark_like.expr_dt import SparkLikeExprDateTimeNamespace as Times

    assert type(vars(Times)["total_seconds"]).__name__ == "not_implemented"


# -- what is not there -------------------------------------------------------------------------


def test_what_is_missing_is_named(
    write_dataset: Callable[..., Path], tables: Tables, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str],
) -> None:  # fmt: skip
    folder = write_dataset(tables, "spark_master: spark://127.0.0.1:1\n")
    words = ("drivers", folder, "--out", tmp_path / "out", "--engine", "spark")
    monkeypatch.setenv("CXLAB_SPARK_MASTER", "sparks://here")
    line = "the environment variable CXLAB_SPARK_MASTER is 'sparks://here'; allowed: local"
    assert refused(1, *words).startswith(line)
    monkeypatch.delenv("CXLAB_SPARK_MASTER")
    line = refused(1, *words)
    assert line.startswith("engine spark: spark://127.0.0.1:1 does not answer (Connection refused)")
    assert "dataset.yml: spark_master" in line
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "needs Java 17 or later; there is no java on the PATH" in refused(1, *words)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install 'cxlab[spark]'" in refused(1, *words)


def test_a_duckdb_file_is_for_duckdb_alone(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "a.duckdb").write_bytes(b"")
    (tmp_path / "shop" / "dataset.yml").write_text("source: {path: a.duckdb}\nengine: spark\n")
    with pytest.raises(DataError, match="a DuckDB file is read by engine duckdb alone"):
        load(tmp_path / "shop")
    with pytest.raises(UsageError, match="engine is 'flink'; allowed: duckdb, spark"):
        load(tmp_path / "shop", engine="flink")


# -- a cluster ---------------------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[_scale_cluster.Cluster]:
    """Start a standalone master and two workers on loopback."""
    with _scale_cluster.cluster(tmp_path, workers=2, memory="600m") as running:
        yield running


def test_executors_out_of_memory_are_told_of_and_the_others_go_on(
    write_dataset: Callable[..., Path],
    tables: Tables,
    cluster: _scale_cluster.Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CXLAB_SPARK_MASTER", cluster.address)
    spark = load(write_dataset(tables, form="parquet"), engine="spark", memory_limit="500MB")
    frame = spark.table("customers").to_native().limit(1)
    large = "aggregate(transform(sequence(1L, size + 80000000L), x -> x + 1), 0L, (a, x) -> a + x)"
    asked = frame.selectExpr("length(customer_id) AS size").selectExpr(f"{large} AS n")
    wanted = "it takes more memory than it has; allow more"
    with pytest.raises(AnalysisError, match=wanted), reading("shop"):
        asked.collect()
    assert spark.table("interactions").select(nw.len()).collect().item() == 720


def test_a_worker_that_is_lost_changes_nothing_and_all_of_them_end_the_work(
    write_dataset: Callable[..., Path],
    cluster: _scale_cluster.Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CXLAB_SPARK_MASTER", cluster.address)
    folder = write_dataset(hostile(4), SETTINGS.format(zone="UTC"), form="parquet")
    spark = load(folder, engine="spark", memory_limit="500MB")
    risk = risk_set(spark, washout_days=2)
    contacts(spark).kept(risk)
    tracker = risk.frame.to_native().sparkSession.sparkContext._jsc.sc().statusTracker()
    until = time.monotonic() + 30
    while len(tracker.getExecutorInfos()) < 3 and time.monotonic() < until:
        time.sleep(0.2)
    assert len(tracker.getExecutorInfos()) == 3  # the driver, and one with each worker
    _scale_cluster.kill(cluster.workers[0])
    assert_equal(frames_of(load(folder)), frames_of(spark))
    _scale_cluster.kill(cluster.workers[1])
    monkeypatch.setattr("cxlab.data.spark.watch.PATIENCE", 3.0)
    with pytest.raises(AnalysisError, match="all workers are lost"), reading(str(folder)):
        spark.table("interactions").select(nw.col("occurred_at").max()).collect()
