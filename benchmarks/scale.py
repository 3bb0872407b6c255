"""How time and memory grow with the data, up to a hundred million events, beside other ways.

Made-up data of each size (``_scale_data``) go through ``cxlab drivers --quick`` in a process of
their own, followed step by step (``_scale_steps``); what one would do without cxlab
(``_scale_rivals``) runs on the same data, each in a process with limits on time and memory.
Writes ``benchmarks/scale.md``; run by ``make bench``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import _scale_cluster
import _scale_page
import duckdb
import numpy as np
import pandas as pd
import psutil
from _scale_data import CODE, NAMES
from _scale_rivals import RIVALS, has_r
from _scale_run import Ran, run, write_json

import cxlab
from cxlab.report.tables import write_text

HERE = Path(__file__).parent
KEEP = HERE.parent / ".cache" / "scale"
CUSTOMERS_PER_MILLION = 10_000
PARTS = ("drivers", "rivals", "sample", "spark")
SIZES = (1.0, 10.0)
FULL = 100.0
# Through a cluster of two workers on this machine, and through DuckDB in the same run.
ON_SPARK = (1.0, 20.0)
_EXECUTOR = "3GB"
# Sizes that take seconds are also run as they are, without being followed: the median is told.
RUNS, SMALL = 5, 1.0
# A rival that takes no longer than this is run as often, in turn with cxlab: seconds.
_SHORT = 60.0
LIMIT = 600.0
SEEDS = 20
# Millions of events that a rival tries: down while it does not finish, then up.
RUNGS = (0.1, 0.25, 0.5, 1.0, 3.0, 10.0, 30.0, 100.0)
FIRST_RUNG = 1.0
# Of the machine's memory, what a process may take.
_SHARE = 0.85
# Of events, in which a sample is held against all rows.
_SAMPLE_MILLIONS = 1.0

Found = dict[str, Any]


def script(name: str, *words: object) -> list[str]:
    """Give the command that runs one of our scripts."""
    return [sys.executable, str(HERE / name), *map(str, words)]


def data_of(millions: float, keep: Path) -> Path:
    """Give the folder of a dataset, made if it is not there, or was made by other code.

    Parameters
    ----------
    millions : float
        Of events, about.
    keep : Path
        Where datasets are kept.
    """
    folder = keep / f"{millions:g}m"
    if folder.is_dir() and truth_of(folder)["code"] != CODE:
        shutil.rmtree(folder)
    if not folder.is_dir():
        customers = round(millions * CUSTOMERS_PER_MILLION)
        made = run(script("_scale_data.py", folder, "--customers", customers), float("inf"))
        if made.outcome != "done":
            raise SystemExit(f"{folder}: could not be made: {made.said}")
    return folder


def truth_of(folder: Path) -> Found:
    """Read what is true of a dataset."""
    found: Found = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    return found


def _allowed() -> float:
    """Give the memory that a process may take, in bytes."""
    return float(_SHARE * psutil.virtual_memory().total)


# -- cxlab ------------------------------------------------------------------------------


def drivers(millions: float, keep: Path) -> Found:
    """Run ``cxlab drivers --quick`` and tell time and memory by step, and what it found.

    Parameters
    ----------
    millions : float
        Of events.
    keep : Path
        Where datasets are kept.
    """
    folder = data_of(millions, keep)
    truth = truth_of(folder)
    with tempfile.TemporaryDirectory() as out:
        followed, steps = _followed(folder, out)
        found = pd.read_csv(Path(out) / "drivers.csv")
    runs = [plain(folder) for _ in range(RUNS if millions <= SMALL else 0)] or [followed]
    found = found[found["valence"] == "bad"].set_index("touchpoint").reindex(NAMES)
    return {
        **{k: truth[k] for k in ("customers", "events", "churned")},
        "seconds": statistics.median(ran.seconds for ran in runs),
        "followed": followed.seconds,
        "steps": steps,
        "peak": max(followed.peak, steps["most"], *(ran.peak for ran in runs)),
        "floor": floor(folder) | {"fit": steps["longest_fit"]},
        "effects": {
            name: [
                *map(float, np.log(row[["hazard_ratio", "conf_low", "conf_high"]].astype(float)))
            ]
            for name, row in found.iterrows()
        },
        "verdicts": found["verdict"].fillna("").to_dict(),
    }


def plain(folder: Path) -> Ran:
    """Run ``cxlab drivers --quick`` as users do.

    Parameters
    ----------
    folder : Path
        The dataset.
    """
    with tempfile.TemporaryDirectory() as out:
        words = map(str, _words(folder, out))
        return _ours([sys.executable, "-c", "from cxlab.cli import main; main()", *words])


def on_spark(millions: float, keep: Path) -> Found:
    """Run ``cxlab drivers --quick`` on a cluster of this machine, and with DuckDB.

    Parameters
    ----------
    millions : float
        Of events.
    keep : Path
        Where datasets are kept.
    """
    folder = data_of(millions, keep)
    found: Found = {k: truth_of(folder)[k] for k in ("customers", "events", "churned")}
    tables = {}
    for engine in ("duckdb", "spark"):
        with tempfile.TemporaryDirectory() as out, ExitStack() as stack:
            words, variables, beside = ["--engine", engine], None, []
            if engine == "spark":
                running = stack.enter_context(_scale_cluster.cluster(Path(out), memory="4g"))
                variables, beside = {"CXLAB_SPARK_MASTER": running.address}, running.pids
                words += ["--memory-limit", _EXECUTOR]
            ran, steps = _followed(folder, out, words, variables, beside)
            found[engine] = {"seconds": ran.seconds, "peak": ran.peak, "steps": steps}
            tables[engine] = (Path(out) / "drivers.csv").read_bytes()
    return found | {"same": tables["duckdb"] == tables["spark"]}


def _followed(
    folder: Path,
    out: str,
    more: Sequence[str] = (),
    variables: dict[str, str] | None = None,
    beside: Sequence[int] = (),
) -> tuple[Ran, Found]:
    """Run ``cxlab drivers --quick`` step by step."""
    told = Path(out) / "steps.json"
    call = script("_scale_steps.py", told, *_words(folder, out), *more)
    ran = _ours(call, variables, beside)
    steps: Found = json.loads(told.read_text(encoding="utf-8"))
    return ran, steps


def _words(folder: Path, out: str) -> list[object]:
    return ["drivers", folder, "--out", out, "--quick"]


def _ours(
    call: list[str], variables: dict[str, str] | None = None, beside: Sequence[int] = ()
) -> Ran:
    ran = run(call, float("inf"), _allowed(), variables, beside)
    if ran.outcome != "done":
        raise SystemExit(f"cxlab drivers: {ran.outcome} {ran.said}")
    return ran


def floor(folder: Path) -> Found:
    """Time what no way of doing it can leave out: one scan and one sort, in the engine.

    Parameters
    ----------
    folder : Path
        The dataset.

    Returns
    -------
    dict
        Seconds of the ``scan`` of the four columns that are needed, and of the ``sort`` of
        them by customer and time, written to a table.
    """
    source = f"read_parquet('{folder}/interactions/*.parquet')"
    columns = ("customer_id", "occurred_at", "touchpoint", "outcome")
    hashed = ", ".join(f"bit_xor(hash({c}))" for c in columns)
    sort = f"SELECT {', '.join(columns)} FROM {source} ORDER BY customer_id, occurred_at"
    found = {}
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as engine:
        engine.execute(f"SET temp_directory = '{spill}'")
        for name, query in (
            ("scan", f"SELECT {hashed} FROM {source}"),
            ("sort", f"CREATE TEMP TABLE ordered AS {sort}"),
        ):
            started = time.perf_counter()
            engine.execute(query).fetchall()
            found[name] = time.perf_counter() - started
    return found


# -- the others -------------------------------------------------------------------------


def attempt(name: str, millions: float, keep: Path, limit: float) -> Found:
    """Let a rival try one size.

    A short one at the smallest size is then run again and again in turn with cxlab, as no
    machine is equally fast all the time: the medians are told, cxlab's as ``beside``.

    Parameters
    ----------
    name : str
        One of :data:`_scale_rivals.RIVALS`.
    millions : float
        Of events.
    keep : Path
        Where datasets are kept.
    limit : float
        Seconds it may take.
    """
    folder = data_of(millions, keep)
    with tempfile.TemporaryDirectory() as out:
        file = Path(out) / "told.json"
        call = script("_scale_rivals.py", name, folder, file)
        ran = run(call, limit, _allowed())
        beside = {}
        if ran.outcome == "done" and ran.seconds <= _SHORT and millions <= SMALL:
            pairs = [(run(call, limit, _allowed()), plain(folder)) for _ in range(RUNS)]
            medians = [
                statistics.median(r.seconds for r in runs) for runs in zip(*pairs, strict=True)
            ]
            beside = dict(zip(("seconds", "beside"), medians, strict=True))
        told = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    about = {"millions": millions, "events": truth_of(folder)["events"]}
    return {**about, **vars(ran), **told, **beside}


def climb(name: str, keep: Path, limit: float, most: float) -> list[Found]:
    """Let a rival go as far as it gets.

    It tries a million events first. Where it does not finish it tries fewer, so that its time
    can be extrapolated; where it does, more, until all these together have taken the limit.

    Parameters
    ----------
    name : str
        One of :data:`_scale_rivals.RIVALS`.
    keep : Path
        Where datasets are kept.
    limit : float
        Seconds for the first size, and again for all the larger ones.
    most : float
        Millions of events, no more.
    """
    tried = [attempt(name, FIRST_RUNG, keep, limit)]
    if tried[0]["outcome"] != "done":
        for millions in [r for r in RUNGS if r < FIRST_RUNG]:
            tried.append(attempt(name, millions, keep, limit))
            if tried[-1]["outcome"] != "done":
                break
        return sorted(tried, key=lambda t: float(t["millions"]))
    left = limit
    for millions in [r for r in RUNGS if FIRST_RUNG < r <= most]:
        tried.append(attempt(name, millions, keep, left))
        left -= tried[-1]["seconds"]
        if tried[-1]["outcome"] != "done" or left <= 0:
            break
    return tried


def sample(keep: Path, seeds: int) -> Found:
    """Hold estimates from a sample against those from all rows.

    Parameters
    ----------
    keep : Path
        Where datasets are kept.
    seeds : int
        How many samples are drawn.
    """
    folder = data_of(_SAMPLE_MILLIONS, keep)
    with tempfile.TemporaryDirectory() as out:
        file = Path(out) / "told.json"
        ran = run(script("_scale_sample.py", folder, file, seeds), float("inf"))
        if ran.outcome != "done":
            raise SystemExit(f"{folder}: sampled against full failed: {ran.said}")
        told = json.loads(file.read_text(encoding="utf-8"))
    full = told.pop("full")
    names = [n for n in NAMES if all(n in one["se"] for one in (full, *told.values()))]

    def values(what: str) -> np.ndarray:
        return np.array([[one[what][n] for n in names] for one in told.values()])

    base, spread = ([full[what][n] for n in names] for what in ("estimate", "se"))
    moved = values("estimate") - np.array(base)
    error = moved.std(axis=0, ddof=1) / np.sqrt(len(moved))
    return {
        "customers": truth_of(folder)["customers"],
        "seeds": len(told),
        "full": full["rows"],
        "sampled": next(iter(told.values()))["rows"],
        "touchpoints": names,
        "width": (values("se") / np.array(spread)).mean(axis=0).tolist(),
        "bias": moved.mean(axis=0).tolist(),
        "error": error.tolist(),
        "se": spread,
    }


# -- the page ---------------------------------------------------------------------------


def _has_spark() -> bool:
    return importlib.util.find_spec("pyspark") is not None and shutil.which("java") is not None


def machine() -> str:
    """Name the machine and the versions."""
    memory = psutil.virtual_memory().total / 2**30
    libraries = ["duckdb", "numpy", "pandas", "narwhals", "lifelines"]
    libraries += ["pyspark"] if _has_spark() else []
    names = [f"Python {platform.python_version()}", f"cxlab {cxlab.__version__}"]
    names += [f"{n} {importlib.metadata.version(n)}" for n in libraries]
    if has_r():
        ask = "cat(R.version$major, R.version$minor, sep='.'); cat(' with survival', "
        ask += "format(packageVersion('survival')))"
        call = ["Rscript", "--vanilla", "-e", ask]
        names.append("R " + subprocess.run(call, check=True, capture_output=True, text=True).stdout)
    return f"{os.cpu_count()} cores, {memory:.0f} GiB; {platform.system()}; {', '.join(names)}"


def code() -> str:
    """Give a hash of the package, so that the page tells figures of other code."""
    digest = hashlib.sha256()
    for path in sorted(Path(cxlab.__file__).parent.rglob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def arguments() -> argparse.ArgumentParser:
    """Give the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", default=",".join(f"{s:g}" for s in SIZES),
                        help="millions of events, such as 1,10")  # fmt: skip
    parser.add_argument("--full", action="store_true", help=f"and {FULL:g} million")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for a rival")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="samples to draw")
    parser.add_argument("--keep", type=Path, default=KEEP, help="where datasets are kept")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS,
                        help="measure these anew; keep the rest of the run before")  # fmt: skip
    parser.add_argument("--rivals", nargs="+", choices=list(RIVALS), default=list(RIVALS))
    parser.add_argument("--out", type=Path, default=HERE / "scale.md")
    return parser


def command(options: argparse.Namespace) -> str:
    """Give the command again, with the options that the figures hang on."""
    parser, words = arguments(), []
    for name in ("sizes", "full", "limit", "seeds", "only", "rivals"):
        value = getattr(options, name)
        if value != parser.get_default(name):
            many = value if isinstance(value, list) else [] if value is True else [f"{value}"]
            words += [f"--{name}", *many]
    return f"make bench ARGS='{' '.join(words)}'" if words else "make bench"


def measure(options: argparse.Namespace, found: Found) -> None:
    """Measure what is asked for, and keep each part as soon as it is there.

    Parameters
    ----------
    options : Namespace
        Of :func:`arguments`.
    found : dict
        What is known already; what is measured replaces it.
    """
    asked = {float(s) for s in options.sizes.split(",")}
    sizes = sorted(asked | ({FULL} if options.full else set()))
    keep, limit = options.keep, options.limit
    ways = [n for n in options.rivals if n != "r" or has_r()]
    jobs: dict[str, dict[str, Callable[[], Any]]] = {
        "drivers": {f"{s:g}": partial(drivers, s, keep) for s in sizes},
        "rivals": {n: partial(climb, n, keep, limit, max(sizes)) for n in ways},
        "sample": {"all": partial(sample, keep, options.seeds)},
        "spark": {f"{s:g}": partial(on_spark, s, keep) for s in ON_SPARK if _has_spark()},
    }
    about = {"when": f"{dt.datetime.now(dt.UTC):%Y-%m-%d}", "code": code(), "limit": limit}
    for part in options.only:
        for name, job in jobs[part].items():
            started = time.perf_counter()
            one = about | {"found": job(), "seconds": time.perf_counter() - started}
            found.setdefault(part, {})[name] = one
            write_json(keep / "found.json", found)


def main(words: list[str] | None = None) -> None:
    """Measure everything and write the page."""
    options = arguments().parse_args(words)
    # Ended from outside, it ends what it runs first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options.keep.mkdir(parents=True, exist_ok=True)
    kept = options.keep / "found.json"
    found: Found = {}
    if set(options.only) != set(PARTS) and kept.exists():
        found = json.loads(kept.read_text(encoding="utf-8"))
    measure(options, found)
    text = _scale_page.page(found, machine(), command(options))
    write_text(options.out, text)
    print(text)  # noqa: T201


if __name__ == "__main__":
    main()
