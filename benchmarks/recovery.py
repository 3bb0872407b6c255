"""Does the driver model find what is there, and claim nothing that is not?

Simulates worlds with known truth, runs the driver model and two things that people do instead
on each, and compares. Writes ``benchmarks/recovery.md``. Run by ``make recovery``; never a timed
test. What is done is kept, a file a world, so that a run that was cut goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import io
import os
import platform
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import Queue
from pathlib import Path
from typing import NamedTuple

import _page
import _worlds
import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

import cxlab
from cxlab.data.simulate import WORLDS
from cxlab.report.tables import write_text

CUSTOMERS = 3000
# Told by order, not by intervals: with fewer customers chance alone misorders more pairs.
TIMES_CUSTOMERS = {"mixed": 3}
FIRST_SEED = 1000
# Worlds of a kind; those without a bar need fewer. Of 50 mixed ones the share of pairs ordered
# right has an error of two points, too much to hold against its bar.
COUNTS = {"plain": 200, "null": 200, "mixed": 100, "demo": 6, "handled": 6}
FEW = 50
KEEP = Path(__file__).parents[1] / ".cache" / "recovery"
# What the figures hang on; a file kept from other code is made anew.
_CODE = ("data", "frames", "models", "analyses/churn_drivers", "analyses/data_quality")


class Job(NamedTuple):
    """One world, and where its rows are kept."""

    world: str
    customers: int
    seed: int
    place: int
    code: str
    file: Path


# -- running ----------------------------------------------------------------------------


def code_hash() -> str:
    """Give a hash of the code that the rows hang on."""
    package = Path(cxlab.__file__).parent
    files = [p for part in _CODE for p in sorted((package / part).rglob("*.py"))]
    files += [Path(__file__).with_name(n) for n in ("_worlds.py", "_rivals.py")]
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def versions() -> str:
    """Name what the rows are made with."""
    libraries = ("numpy", "pandas", "scipy", "duckdb", "statsmodels", "lifelines")
    found = [f"Python {platform.python_version()}", f"cxlab {cxlab.__version__}"]
    return ", ".join(found + [f"{n} {importlib.metadata.version(n)}" for n in libraries])


def jobs_of(options: argparse.Namespace, code: str) -> list[Job]:
    """Give the worlds of the study, the first of each kind first."""
    folder = options.source or options.keep
    jobs = []
    for world in options.only or WORLDS:
        count = COUNTS.get(world, FEW)
        for i in range(min(count, options.worlds or count)):
            seed = options.seed + i
            customers = options.customers * TIMES_CUSTOMERS.get(world, 1)
            file = folder / f"{world}-{customers}-{seed}.parquet"
            jobs.append(Job(world, customers, seed, i, code, file))
    return sorted(jobs, key=lambda job: job.place)


def kept(job: Job) -> bool:
    """Tell whether a job was done by this very code, and with no fewer twins and rivals."""
    try:
        rows = pd.read_parquet(job.file, columns=["code", "place"])
    except (OSError, ValueError, KeyError):
        return False
    return bool((rows["code"] == job.code).all() and (rows["place"] <= job.place).all())


def do(job: Job) -> None:
    """Run a job's world and keep its rows, by rename."""
    rows = _worlds.run(job.world, job.customers, job.seed, job.place)
    rows = rows.assign(customers=job.customers, place=job.place, code=job.code, versions=versions())
    aside = job.file.with_name(f".{job.file.name}.{os.getpid()}")
    rows.to_parquet(aside, index=False)
    aside.replace(job.file)


def _alone(cores: Queue[int]) -> None:
    """Keep a process to a core of its own, and its bars from ours."""
    threadpool_limits(limits=1)
    if hasattr(os, "sched_setaffinity"):  # on Linux
        os.sched_setaffinity(0, {cores.get()})
    sys.stderr = io.StringIO()


def run_all(jobs: list[Job], processes: int) -> None:
    """Run what is not done yet, in processes, with a bar."""
    left = [job for job in jobs if not kept(job)]
    done = len(jobs) - len(left)
    cores: Queue[int] = Queue()
    free = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    for i in range(processes):
        cores.put(free[i % len(free)])
    with (
        ProcessPoolExecutor(processes, initializer=_alone, initargs=(cores,)) as pool,
        tqdm(total=len(jobs), initial=done, desc="worlds", unit="world", disable=None) as bar,
    ):
        running = [pool.submit(do, job) for job in left]
        try:
            for future in as_completed(running):
                future.result()
                bar.update()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def read(files: Iterable[Path]) -> pd.DataFrame:
    """Read kept rows, the worlds in their usual order."""
    parts = [pd.read_parquet(f).dropna(axis=1, how="all") for f in sorted(files)]
    rows = pd.concat(parts, ignore_index=True).reindex(
        columns=[*_worlds.COLUMNS, "customers", "code", "versions"]
    )
    order = {name: i for i, name in enumerate(WORLDS)}
    rows = rows.assign(role=rows["role"].fillna(""), order=rows["world"].map(order))
    return rows.sort_values(["order", "seed"], kind="stable", ignore_index=True)


# -- the command ------------------------------------------------------------------------


def arguments() -> argparse.ArgumentParser:
    """Give the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--worlds", type=int, help="at most so many worlds of a kind")
    parser.add_argument("--only", nargs="+", choices=list(WORLDS), metavar="NAME")
    parser.add_argument("--seed", type=int, default=FIRST_SEED, help="of the first world")
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--keep", type=Path, default=KEEP, help="where rows are kept")
    parser.add_argument(
        "--from", type=Path, dest="source", help="write the page anew from there, without running"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("recovery.md"))
    return parser


def command(options: argparse.Namespace) -> str:
    """Give the command again, with the options that the figures hang on."""
    parser = arguments()
    names = ("worlds", "only", "seed", "customers")
    given = {n: getattr(options, n) for n in names}
    changed = {n: v for n, v in given.items() if v != parser.get_default(n)}
    words = [f"--{n} {' '.join(v) if isinstance(v, list) else v}" for n, v in changed.items()]
    return f"make recovery ARGS='{' '.join(words)}'" if words else "make recovery"


def main(words: list[str] | None = None) -> None:
    """Run the worlds and write the page."""
    parser = arguments()
    options = parser.parse_args(words)
    jobs = jobs_of(options, code_hash())
    if options.source is None:
        options.keep.mkdir(parents=True, exist_ok=True)
        run_all(jobs, options.jobs)
    files = [job.file for job in jobs if job.file.is_file()]
    if not files:
        parser.error(f"{options.source} holds none of these worlds")
    text = _page.page(read(files), command(options))
    write_text(options.out, text)
    print(text)  # noqa: T201


if __name__ == "__main__":
    main()
