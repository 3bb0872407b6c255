"""``benchmarks/scale.py``: its data, its steps, the other ways' exposures, its figures."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

import cxlab

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("the benchmarks are not in this copy", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS))

import _scale_data as data  # noqa: E402
import _scale_page as page  # noqa: E402
import _scale_rivals as rivals  # noqa: E402
import _scale_run as running  # noqa: E402
import _scale_steps as steps  # noqa: E402
import scale  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("scale") / "made"
    data.generate(where, 400, seed=3)
    return where


# -- the data ---------------------------------------------------------------------------


def test_data_keep_the_contract(folder: Path) -> None:
    dataset = cxlab.load(folder)
    assert not dataset.set_aside
    assert str(dataset.as_of) == "2026-06-30"
    assert len(list((folder / "interactions").iterdir())) == 24
    assert dataset.attributes == {"plan": "text"}


def test_contacts_are_in_order_and_stop_at_the_end(folder: Path) -> None:
    log = pd.read_parquet(folder / "interactions")
    people = pd.read_parquet(folder / "customers.parquet").set_index("customer_id")
    assert log["occurred_at"].is_monotonic_increasing
    assert log["interaction_id"].is_unique
    mine = people.loc[log["customer_id"]].reset_index(drop=True)
    assert (log["occurred_at"] >= mine["started_at"].dt.floor("s")).all()
    assert not (log["occurred_at"] >= mine["ended_at"]).any()
    assert people["ended_at"].notna().sum() > 20


def test_same_seed_same_data_and_blocks_stand_alone(tmp_path: Path, folder: Path) -> None:
    data.generate(tmp_path / "again", 400, seed=3)
    for name in ("customers.parquet", "interactions/2025-05.parquet", "truth.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    assert list(tmp_path.iterdir()) == [tmp_path / "again"]
    first, second = (data.block(place, 50, 3) for place in (0, 1))
    assert not np.array_equal(first.start, second.start)
    np.testing.assert_array_equal(second.events, data.block(1, 50, 3).events)


def test_customers_leave_as_the_hazard_says() -> None:
    # no contacts: the hazard is known in closed form
    many = 20_000
    draw = np.random.default_rng(1)
    none = np.empty(0, data._EVENT)
    start = np.full(many, -1000.0)
    end = data._ends(start, np.ones(many, int), none, draw.standard_exponential(many))
    left = -np.expm1(-np.exp(data._BASE) * data.DAYS)
    assert np.isfinite(end).mean() == pytest.approx(left, abs=3 * np.sqrt(left / many))


def test_a_failure_raises_the_hazard_by_its_effect_and_fades() -> None:
    # one failed invoice for all at noon of day 100, a threshold never reached but by degrees
    point = data.NAMES.index("invoice")
    failure = np.zeros(1, data._EVENT)
    failure["second"], failure["touchpoint"] = 100.5 * data.DAY, point
    failure["failed"] = True
    start, plan = np.array([-5000.0]), np.array([1])
    hazard = np.exp(data._BASE)

    def end(days: float, events: np.ndarray) -> float:
        return float(data._ends(start, plan, events, np.array([hazard * days]))[0])

    assert end(100.99, failure) == pytest.approx(100.99)
    # the day after the failure: aged one day at noon
    raised = np.exp(1.1 * 0.5 ** (1 / data.HALF_LIFE))
    assert end(101.0 + raised, failure) == pytest.approx(102.0)
    ordinary = failure.copy()
    ordinary["failed"] = False
    assert end(300.0, ordinary) == pytest.approx(300.0)


# -- the other ways ---------------------------------------------------------------------


def test_exposures_of_the_other_ways_by_hand(folder: Path) -> None:
    people, log, points = rivals.read(folder)
    weekly = rivals.weeks(people, log, points)
    days = rivals.whole_days(people)
    changes = rivals.steps(days, log, points, 1.0)
    exact = rivals.steps(people, log, points)
    who = int(log["who"].value_counts().index[0])
    mine = log[log["who"] == who]
    first_week = people["started"][who] // 7
    for frame, middle, before in (
        (exact, 0.0, lambda row: row["time"] + people["started"][who] + 1e-7),
        (changes, 0.5, lambda row: row["time"] + days["started"][who]),
        (weekly, 3.5, lambda row: 7 * (row["start"] + first_week)),
    ):
        own = frame[frame["who"] == who]
        for _, row in own.iloc[[0, len(own) // 2, -1]].iterrows():
            since = before(row)
            seen = mine[mine["at"] < since]
            weight = 0.5 ** ((since + middle - seen["at"]) / data.HALF_LIFE)
            for k, point in enumerate(points):
                at = seen["point"] == k
                assert row[f"all {point}"] == pytest.approx(weight[at].sum())
                assert row[f"bad {point}"] == pytest.approx(weight[at & seen["bad"]].sum())
    assert weekly["event"].sum() == people["event"].sum()
    assert weekly.groupby("who").size().min() >= 1
    assert not weekly.duplicated(["who", "start"]).any()


def test_the_other_ways_tell_their_fit(tmp_path: Path, folder: Path) -> None:
    rivals.pandas(folder, rivals.Progress(tmp_path / "told.json"))
    told = pd.read_json(tmp_path / "told.json", typ="series")
    assert set(told["done"]) == {"exposures", "fit"}
    assert {f"bad {n}" for n in data.NAMES} <= set(told["coef"])


@pytest.mark.skipif(not rivals.has_r(), reason="R with survival is not installed")
def test_r_and_lifelines_agree_on_the_same_rows(tmp_path: Path, folder: Path) -> None:
    told = {}
    for name in ("lifelines-days", "r"):
        rivals.RIVALS[name](folder, rivals.Progress(tmp_path / name))
        told[name] = pd.read_json(tmp_path / name, typ="series")
    coef, se = (pd.DataFrame({n: t[k] for n, t in told.items()}) for k in ("coef", "se"))
    sure = (se < 1.0).all(axis=1)  # without failures before a churn there is no estimate
    assert sure.sum() > 15
    assert told["r"]["rows"] == told["lifelines-days"]["rows"]
    assert (coef["r"] - coef["lifelines-days"])[sure].abs().max() < 0.01


# -- processes and steps ----------------------------------------------------------------


def test_a_process_is_ended_at_its_limit_with_what_it_started() -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "time.sleep(60)\n"
    )
    # Other tests of this process may have left a browser running.
    before = set(psutil.Process().children(recursive=True))
    started = time.perf_counter()
    ran = running.run([sys.executable, "-c", code], limit=1.0)
    assert ran.outcome == "out of time"
    assert time.perf_counter() - started < 10
    assert not set(psutil.Process().children(recursive=True)) - before


def test_memory_is_seen_and_limited() -> None:
    code = (
        "x = bytearray(200_000_000); x[::4096] = b'1' * len(x[::4096]); import time; time.sleep({})"
    )
    ran = running.run([sys.executable, "-c", code.format(0.2)], limit=30.0)
    assert ran.outcome == "done"
    assert 2e8 < ran.peak < 4e8
    ran = running.run([sys.executable, "-c", code.format(30)], limit=30.0, memory=1.5e8)
    assert ran.outcome == "out of memory"


def test_a_failure_is_told() -> None:
    ran = running.run([sys.executable, "-c", "raise SystemExit('no such thing')"], limit=30.0)
    assert (ran.outcome, ran.said) == ("failed", "no such thing")


def test_every_step_is_there() -> None:
    for names in steps.STEPS.values():
        for name in names:
            assert callable(steps.resolve(name))
    with pytest.raises(LookupError, match="dataset:lode"):
        steps.resolve("cxlab.data.dataset:lode")


def test_a_step_within_a_step_counts_once() -> None:
    clock = steps.Steps()
    inner = clock.wrap("inner", "i", lambda: time.sleep(0.05))
    outer = clock.wrap("outer", "o", lambda: (time.sleep(0.02), inner()))
    outer()
    told = clock.told()["seconds"]
    assert told["inner"] == pytest.approx(0.05, abs=0.02)
    assert told["outer"] == pytest.approx(0.02, abs=0.015)


# -- figures ----------------------------------------------------------------------------


def test_slope_of_a_power() -> None:
    assert page.slope([1e6, 1e7, 1e8], [2.0, 16.0, 128.0]) == pytest.approx(np.log10(8.0))


def attempt(events: float, seconds: float, outcome: str = "done") -> dict[str, object]:
    return {"events": int(events), "millions": events / 1e6, "seconds": seconds, "outcome": outcome,
            "peak": 1e9, "said": "", "rows": 10, "done": {"fit": seconds}}  # fmt: skip


def test_what_was_not_done_is_extrapolated_openly() -> None:
    tried = [attempt(1e5, 10.0), attempt(5e5, 50.0), attempt(1e6, 600.0, "out of time")]
    seconds, how = page.extrapolated(tried, 1e6)
    assert seconds == pytest.approx(100.0)
    assert how == "extrapolated from 100,000 and 500,000 events, power 1.00"
    assert page.extrapolated([attempt(1e6, 33.0)], 1e6) == (33.0, "")
    assert np.isnan(page.extrapolated([attempt(1e6, 600.0, "out of time")], 1e6)[0])


def made_up(seconds: float = 5.0, theirs: float = 300.0) -> dict[str, object]:
    inside = {"exposures": seconds / 2, steps.REST: seconds / 4}
    fit = {"seconds": 0.5, "rows": 100, "columns": 5}
    effects = {n: [0.1, 0.0, 0.2] for n in data.NAMES}

    def size(times: float) -> dict[str, object]:
        one = {
            "customers": 10_000, "events": int(1e6 * times), "churned": 100,
            "seconds": seconds * times, "followed": seconds * times,
            "peak": 2**30, "effects": effects,
            "steps": {"seconds": inside, "peak": {"exposures": 2**29}},
            "floor": {"scan": 0.1, "sort": 0.4, "fit": fit},
            "verdicts": dict.fromkeys(data.NAMES, "driver"),
        }  # fmt: skip
        return about | {"found": one}

    about = {"when": "2026-01-01", "code": "c0de", "limit": 600.0, "seconds": 90.0}

    coef = {f"bad {n}": 0.1 for n in data.NAMES}
    tried = [attempt(1e6, theirs) | {"coef": coef, "se": coef}]
    sample = {
        "customers": 10_000, "seeds": 20, "full": "all", "sampled": "some",
        "touchpoints": ["a", "b"], "width": [1.02, 1.05], "bias": [0.001, 0.05],
        "error": [0.01, 0.01], "se": [0.2, 0.2],
    }  # fmt: skip
    return {
        "drivers": {"1": size(1.0), "10": size(10.0)},
        "rivals": {w: about | {"found": tried} for w in ("lifelines", "pandas")},
        "sample": {"all": about | {"found": sample, "when": "2026-01-02"}},
    }


def test_bars_are_judged() -> None:
    judged = page.bars(made_up()).set_index("what")[""]
    ten = "Parquet to `drivers.csv`, 10 million events"
    assert judged[ten] == "**not met**"  # 50 s
    assert judged[f"{ten}: memory"] == "met"
    assert judged["slope of time in events, 1 to 100 million, in logs"] == "not run"
    faster = judged[judged.index.str.startswith("times as fast")]
    assert list(faster) == ["met", "met"]  # 60 times each
    assert judged["intervals from the sample, the widest against all rows"] == "met"
    # five Monte Carlo errors off
    assert judged["bias of the sample, the clearest of all touchpoints"] == "**not met**"
    slow = page.bars(made_up(seconds=7.0)).set_index("what")[""]
    assert list(slow[slow.index.str.startswith("times as fast")]) == ["**not met**", "met"]
    in_turn = made_up()
    in_turn["rivals"]["pandas"]["found"] = [attempt(1e6, 300.0) | {"beside": 100.0}]
    told = page.bars(in_turn).set_index("what")
    assert list(told[told.index.str.startswith("times as fast")]["figure"]) == ["60.0", "3.0"]


def test_the_command_is_told_without_places() -> None:
    parser = scale.arguments()
    assert scale.command(parser.parse_args(["--keep", "x", "--out", "y"])) == "make bench"
    words = ["--full", "--only", "drivers", "sample", "--seeds", "5", "--keep", "x"]
    told = scale.command(parser.parse_args(words))
    assert told == "make bench ARGS='--full --seeds 5 --only drivers sample'"


def test_the_page_tells_everything() -> None:
    text = page.page(made_up(), "2 cores", "make bench")
    assert "`make bench`: 8 minutes in all, 2026" in text
    assert "2026-01-01 and 2026-01-02. 2 cores; code c0de." in text
    assert "with 10 minutes for a million events" in text
    assert "1.00 from 1 to 10 million" in text
    assert "| delivery | 0.9 | 0.10 (0.00 to 0.20), driver |" in text
    assert "5.0" in text  # times the floor: 5 s of 0.1 + 0.4 + 0.5


def test_a_cluster_wins_where_its_line_crosses() -> None:
    """By hand: DuckDB 1 + 2 n seconds, Spark 101 + 4 n on two cores, so 101 + n on eight."""

    def ran(seconds: float) -> dict[str, Any]:
        return {"steps": {"seconds": {"exposures": seconds, "fits": 50.0}}}

    sizes = {
        f"{n}": {"events": n * 10**6, "duckdb": ran(1 + 2 * n), "spark": ran(101 + 4 * n)}
        for n in (1, 20)
    }
    assert page.crossing(sizes, 8) == pytest.approx(100.0)
    assert page.crossing(sizes, 4) == float("inf")
