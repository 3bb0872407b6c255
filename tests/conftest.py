from __future__ import annotations

import fcntl
import gc
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

# nbformat without what takes it a second to load; before any test loads it.
import cxlab.report.running.preload  # noqa: F401

CHROMIUM = Path("/usr/bin/chromium")
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
# By the time they take; the first two make the reports that others read as well.
_FIRST = (
    *("test_accessible", "test_hostile", "test_churn_drivers", "test_again", "test_killed"),
    *("test_simulate", "test_database", "test_cli", "test_render", "test_hard_input", "test_each"),
    *("test_check", "test_experience_metrics", "test_voice_of_customer", "test_beyond"),
    *("test_personas", "test_lab", "test_journeys", "test_explore", "test_data_quality"),
    *("test_notebooks", "test_new", "test_new_reports", "test_driver_checks", "test_resume"),
)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Load the tests without looking, time and again, for what of them may go: all stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a case made of bytes by its argument: packed bytes may hold the time of day."""
    return argname if isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest files come first, so that xdist's workers end together."""
    items.sort(key=lambda i: _FIRST.index(i.path.stem) if i.path.stem in _FIRST else len(_FIRST))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Give a browser; without one the test is skipped, or fails where CXLAB_REQUIRE_ALL=1."""
    missing = "" if CHROMIUM.exists() else f"there is no {CHROMIUM}"
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing = "playwright is not installed"
    if missing and os.environ.get("CXLAB_REQUIRE_ALL") == "1":
        pytest.fail(f"needs a browser: {missing}")
    if missing:
        pytest.skip(f"needs a browser: {missing}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--disable-background-networking"],
        )
        yield browser
        browser.close()


# -- datasets and the command line ------------------------------------------------------------

Tables = dict[str, pd.DataFrame]
START = pd.Timestamp("2025-01-01")


def small_tables(customers: int = 60, seed: int = 1) -> Tables:
    """Make all five tables: every third customer leaves, after the last of the contacts."""
    draw = np.random.default_rng(seed)
    ids = np.array([f"C{i:03d}" for i in range(customers)])
    seconds = draw.integers(0, 100 * 86_400, customers)
    started = pd.Series(START + pd.to_timedelta(seconds, unit="s"))
    stay = pd.to_timedelta(draw.integers(70, 250, customers), unit="D")
    leaves = np.arange(customers) % 3 == 0
    who = np.repeat(np.arange(customers), 12)
    later = pd.to_timedelta(draw.integers(0, 55 * 86_400, len(who)), unit="s")
    at = started.to_numpy()[who] + later
    asked = np.arange(0, len(who), 4)
    answered = draw.uniform(size=len(asked)) < 0.7
    known = pd.Series(at[asked] + pd.Timedelta("2h")).where(answered)
    return {
        "customers": pd.DataFrame(
            {
                "customer_id": ids,
                "started_at": started,
                "ended_at": (started + stay).where(leaves),
                "end_reason": np.where(leaves, "voluntary", None),
                "monthly_value": draw.integers(10, 50, customers).astype(float),
                "plan": draw.choice(["basic", "plus"], customers),
            }
        ),
        "interactions": pd.DataFrame(
            {
                "interaction_id": [f"i{j:04d}" for j in range(len(who))],
                "customer_id": ids[who],
                "occurred_at": at,
                "touchpoint": draw.choice(["call", "chat", "invoice"], len(who)),
                "channel": draw.choice(["phone", "web"], len(who)),
                "outcome": draw.choice(["ok", "failed"], len(who), p=[0.7, 0.3]),
                "resolved_at": at + pd.Timedelta("1h"),
                "response_seconds": draw.integers(1, 600, len(who)),
            }
        ),
        "feedback": pd.DataFrame(
            {
                "customer_id": ids[who[asked]],
                "asked_at": at[asked] + pd.Timedelta("1h"),
                "responded_at": known,
                "metric": "csat",
                "score": pd.Series(draw.integers(1, 6, len(asked)), dtype=float).where(answered),
                "interaction_id": [f"i{j:04d}" for j in asked],
            }
        ),
        "touchpoints": pd.DataFrame(
            {"touchpoint": ["call", "chat", "invoice"], "stage": ["support", "support", "use"]}
        ),
        "interventions": pd.DataFrame(
            {"intervention": ["script"], "touchpoint": ["call"], "started_at": ["2025-03-01"]}
        ),
    }


@pytest.fixture
def tables() -> Tables:
    """A small valid dataset, one's own to spoil."""
    return small_tables()


@pytest.fixture(scope="session")
def make_tables() -> Callable[..., Tables]:
    """Make datasets of other sizes: ``make_tables(customers=150, seed=2)``."""
    return small_tables


def save_tables(folder: Path, tables: Tables, settings: str | None, form: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        if form == "csv":
            table.to_csv(folder / f"{name}.csv", index=False)
        else:
            table.to_parquet(folder / f"{name}.parquet", index=False)
    if settings is not None:
        (folder / "dataset.yml").write_text(settings, encoding="utf-8")
    return folder


@pytest.fixture
def write_dataset(tmp_path: Path) -> Callable[..., Path]:
    """Write tables and maybe ``dataset.yml`` to a folder."""

    def write(
        tables: Tables, settings: str | None = None, form: str = "csv", name: str = "shop"
    ) -> Path:
        return save_tables(tmp_path / name, tables, settings, form)

    return write


@pytest.fixture
def write_files(tmp_path: Path) -> Callable[..., Path]:
    """Write a dataset's files as they are given: ``write({"customers.csv": text or bytes})``."""

    def write(files: dict[str, str | bytes], name: str = "shop") -> Path:
        for file, content in files.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / name

    return write


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def cx(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run the command line in this process."""
    from cxlab.cli import main

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(a) for a in arguments])
        captured = capsys.readouterr()
        assert isinstance(exit_.value.code, int)
        return Ran(exit_.value.code, captured.out, captured.err)

    return run


@pytest.fixture
def refused(cx: Callable[..., Ran]) -> Callable[..., str]:
    """Run what must be refused with one line on stderr, and give that line."""

    def run(code: int, *arguments: object) -> str:
        ran = cx(*arguments)
        assert (ran.code, ran.out) == (code, ""), ran
        assert ran.err.startswith("cxlab: ") and ran.err.endswith("\n"), ran.err
        assert ran.err.count("\n") == 1 and len(ran.err) < 1000, ran.err
        # No traceback, and nobody else's exception.
        for foreign in ("Traceback", "Error:", "Exception", "--debug"):
            assert foreign not in ran.err, ran.err
        return ran.err.removeprefix("cxlab: ").rstrip()

    return run


# -- reports -----------------------------------------------------------------------------------

Once = Callable[[str, Path, Callable[[Path], Any]], Any]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Once:
    """Make a good run of some notebooks once, whichever of xdist's workers comes first."""
    base = tmp_path_factory.getbasetemp()

    def made(name: str, notebooks: Path, make: Callable[[Path], Any]) -> Any:
        from cxlab.report.render import Run

        folder = (base if worker_id == "master" else base.parent) / name
        folder.mkdir(exist_ok=True)
        with (folder / "lock").open("w") as lock, pytest.MonkeyPatch.context() as patch:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (there := [*folder.glob("*/latest")]):
                patch.setenv("CXLAB_NOTEBOOKS", str(notebooks))
                run = make(folder)
                assert run.status == "ok", run.reason
                return run
        path = there[0].resolve()
        return Run(path, "ok", json.loads((path / "manifest.json").read_text()))

    return made


@pytest.fixture(scope="session")
def world(once: Once) -> Any:
    """A report of a small world by the notebooks that are shipped; tests only read it."""

    def make(folder: Path) -> Any:
        from cxlab.data.simulate import simulate, write
        from cxlab.report.render import render

        write(simulate("demo", 1000, 2), folder / "data")
        text = "title: A world\ndataset: data\nparameters: {window_days: 70}\n"
        (folder / "report.yml").write_text(text, encoding="utf-8")
        # Half the sample: as many pictures, and as many drivers, in half the time.
        given = ["window_days=80", "05_churn_drivers.sample=10"]
        return render(folder / "report.yml", as_of="2026-06-15", parameters=given)

    return once("world", NOTEBOOKS, make)
