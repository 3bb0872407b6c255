"""Is what `11_what_to_fix` says of fewer failures what a world with fewer failures shows?

Each world is simulated twice with the same random numbers: as it is, and with failures cut at three
touchpoints from a day on. From the first alone it is told how many would not have left by its end,
and, from what was known the day before, how many will leave in the months to come with and without
the change. The second says. Writes ``benchmarks/whatif.md``; never a timed test. Worlds that are
done are kept in ``.cache/whatif``, so that a run that was cut goes on (``--seconds``: cut it
oneself); ``--from`` writes the page alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from _worlds import END, _leaving
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from cxlab.analyses import churn_drivers
from cxlab.analyses.what_to_fix import study as studies
from cxlab.analyses.what_to_fix import what_if
from cxlab.analyses.what_to_fix.asked import Wish
from cxlab.data.dataset import load
from cxlab.data.simulate import WORLDS, simulate, write
from cxlab.data.simulate.tables import FIRST_DAY
from cxlab.data.simulate.worlds import Fix
from cxlab.report.tables import write_text

CUSTOMERS, SEEDS, KINDS = 5000, range(7001, 7026), ("plain", "confounded")
DAY = 580  # 2026-02-01: five months to the end
CUTS = {"support-call": 0.6, "invoice": 0.5, "delivery": 0.4}
BAR = 0.9
ROOT = Path(__file__).parents[1]
_ENDS = ["estimate", "conf_low", "conf_high", "counted_low", "counted_high"]
KEEP = ROOT / ".cache" / "whatif"
# What the figures hang on; a world kept from other code is made anew.
_CODE = (
    *("data/simulate/*", "models/scenario", "models/outlook", "models/contrast", "models/hazard"),
    *("models/half_life", "frames/exposures", "frames/sampling", "frames/periods"),
    *("frames/bad_before", "frames/failures", "analyses/churn_drivers/handed_on"),
    *("analyses/churn_drivers/study", "analyses/what_to_fix/what_if"),
)


def code_hash() -> str:
    """Hash the code that the figures hang on."""
    files = sorted(p for part in _CODE for p in (ROOT / "cxlab").glob(f"{part}.py"))
    text = b"".join(p.read_bytes() for p in files) + repr((CUSTOMERS, DAY, CUTS)).encode()
    return hashlib.sha256(text).hexdigest()[:16]


def one(job: tuple[str, int], code: str) -> None:
    """Do one world and keep its figures."""
    file = KEEP / f"{job[0]}-{job[1]}.json"
    if file.exists() and json.loads(file.read_text())["code"] == code:
        return
    with threadpool_limits(limits=1, user_api="blas"):
        told = _world(*job)
    KEEP.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps({"code": code, **told}))


def _world(kind: str, seed: int) -> dict[str, object]:
    here = simulate(kind, CUSTOMERS, seed, texts=False)
    names = ("customers", "touchpoints", "interactions")
    factual = replace(here, tables={n: here.tables[n] for n in names})
    left = _by_month(factual.tables["customers"])
    day = FIRST_DAY + pd.Timedelta(days=DAY - 1)
    with tempfile.TemporaryDirectory() as folder:
        write(factual, Path(folder))
        whole, before = (_study(folder, d) for d in (None, f"{day:%Y-%m-%d}"))
    # A touchpoint whose effect cannot be told says so, and is left as it is.
    told = [{n: c for n, c in CUTS.items() if s.basis.usable[s.basis.place(n)]}
            for s in (whole, before)]  # fmt: skip
    changed = {tuple(c): _by_month(_cut(kind, seed, c)) for c in told}
    past, future = _past(whole, told[0]), _future(before, told[1], len(left))
    return {
        "kind": kind, "seed": seed, "left": left.tolist(), "untold": [3 - len(c) for c in told],
        "past": {**past, "changed": changed[tuple(told[0])].tolist()},
        "future": {**future, "changed": changed[tuple(told[1])].tolist()},
    }  # fmt: skip


def _cut(kind: str, seed: int, cuts: dict[str, float]) -> pd.DataFrame:
    """Simulate the world again with failures cut, and give its customers."""
    fixes = tuple(Fix(f"cut-{n}", n, DAY, 1.0 - s) for n, s in cuts.items())
    WORLDS["cut"] = replace(WORLDS[kind], fixes=(*WORLDS[kind].fixes, *fixes))
    return simulate("cut", CUSTOMERS, seed, texts=False).tables["customers"]


def _by_month(customers: pd.DataFrame) -> np.ndarray:
    """Count who left by choice in each month since the change."""
    first = FIRST_DAY + pd.Timedelta(days=DAY)
    at = _leaving(customers)["at"]
    at = at[(at >= first) & (at < END)]
    months = pd.period_range(first, END - pd.Timedelta(days=1), freq="M")
    return at.dt.to_period("M").value_counts().reindex(months, fill_value=0).to_numpy()


def _study(folder: str, as_of: str | None) -> studies.Study:
    dataset = load(folder, as_of)
    drivers, basis = churn_drivers.basis(dataset)
    study = studies.prepare(dataset, drivers, basis, studies.Options(horizon_months=6))
    assert isinstance(study, studies.Study), study
    return study


def _past(study: studies.Study, cuts: dict[str, float]) -> dict[str, object]:
    since = (FIRST_DAY + pd.Timedelta(days=DAY)).date()
    table, about = what_if.past(study, [Wish(n, s, since) for n, s in cuts.items()])
    if table.empty:
        return {"total": dict.fromkeys(_ENDS, 0.0), "apart": 0.0}
    return {"total": table.iloc[-1][_ENDS].to_dict(), "apart": about["apart"]}


def _future(study: studies.Study, cuts: dict[str, float], months: int) -> dict[str, object]:
    """Tell the months to come from what was known the day before the change."""
    told = what_if.future(study, [Wish(n, s) for n, s in cuts.items()])
    unchanged = what_if.future_of(study, {}, {})
    assert told is not None
    assert unchanged is not None
    kept = told.table.iloc[:months]
    spans = [what_if.predicted(study, made)[1:] for made in (unchanged, told)]
    drawn = (unchanged.leavers - told.leavers)[:, :months].sum(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {
        "estimate": float(kept["estimate"].sum()), "low": float(low), "high": float(high),
        "spans": [[v[:months].tolist() for v in span] for span in spans],
        "middle": told.table["unchanged"].iloc[:months].tolist(),
    }  # fmt: skip


# -- the page ----------------------------------------------------------------------------


def _told() -> pd.DataFrame:
    rows = [json.loads(p.read_text()) for p in sorted(KEEP.glob("*.json"))]
    rows = [r for r in rows if r["kind"] in KINDS and r["seed"] in SEEDS]
    return pd.DataFrame(rows)


def page(told: pd.DataFrame) -> str:
    """Write the page."""
    lines = ["# What if", "", _about(told), "", "| | worlds | figure | bar |", "|---|---|---|---|"]
    for kind in (*KINDS, "all"):
        mine = told if kind == "all" else told[told["kind"] == kind]
        if len(mine):
            lines += [f"| {kind}: {what} | {len(mine)} | {figure} | {bar} |"
                      for what, figure, bar in _figures(mine)]  # fmt: skip
    return "\n".join([*lines, ""])


def _about(told: pd.DataFrame) -> str:
    cuts = ", ".join(f"{n} by {s:.0%}" for n, s in CUTS.items())
    untold = np.array(told["untold"].tolist()).sum(axis=0)
    return (
        f"`python benchmarks/whatif.py`: {len(told)} worlds of {CUSTOMERS:,} customers and two "
        f"years, each simulated again with failures cut from 2026-02-01 on ({cuts}) and the same "
        "random numbers. *Would have*: told from the whole of the world as it was, against who did "
        "not leave in the other by 2026-06-30. *Will*: told from what was known on 2026-01-31. "
        "Where the effect of a touchpoint cannot be told (its verdict says so), it is not cut "
        f"either: {untold[0]} and {untold[1]} of {len(CUTS) * len(told)}. An interval of what is "
        "expected is held against the mean answer of all worlds of a kind with the same "
        "cuts, one of what is counted against its own world's. These worlds have a season, which "
        "is low in the months to come; nineteen months seen cannot tell it."
    )


def _figures(told: pd.DataFrame) -> list[tuple[str, str, str]]:
    rows = []
    left = np.array(told["left"].tolist())
    future = pd.DataFrame(told["future"].tolist())
    past = pd.DataFrame([{**p["total"], "apart": p["apart"]} for p in told["past"]])
    would = (left - np.array([p["changed"] for p in told["past"]])).sum(axis=1)
    will = (left - np.array(future["changed"].tolist())).sum(axis=1)
    rows += [
        ("would have: in truth, mean", _mean(would), ""),
        ("would have: estimate, mean", _mean(past["estimate"]), ""),
        ("would have: interval of what is counted holds its world's answer",
         _held(would, past["counted_low"], past["counted_high"]), f"≥ {BAR:.0%}"),
        ("would have: interval of what is expected holds the mean answer",
         _held(*_alike(told, 0, would, past[["conf_low", "conf_high"]])), f"≥ {BAR:.0%}"),
        ("would have: each change's own answer, added up, mean", _mean(past["apart"]), ""),
        ("will: in truth, mean", _mean(will), ""),
        ("will: estimate, mean", _mean(future["estimate"]), ""),
        ("will: interval of what is expected holds the mean answer",
         _held(*_alike(told, 1, will, future[["low", "high"]])), f"≥ {BAR:.0%}"),
    ]  # fmt: skip
    spans = np.array(future["spans"].tolist())  # worlds, changed or not, ends, months
    seen = np.stack([left, np.array(future["changed"].tolist())], axis=1)
    inside = (seen >= spans[:, :, 0]) & (seen <= spans[:, :, 1])
    told_left = np.array(future["middle"].tolist()).sum(axis=1)
    rows.append(("will: leavers of the months, told / in truth",
                 f"{told_left.sum() / left.sum():.2f}", ""))  # fmt: skip
    for place, name in enumerate(("nothing changed", "changed")):
        what = f"will: months whose leavers are in the prediction interval, {name}"
        rows.append((what, f"{inside[:, place].mean():.0%}", f"≥ {BAR:.0%}"))
    return rows


def _mean(values: np.ndarray | pd.Series) -> str:
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{np.mean(values):.1f} (± {error:.1f})"


def _alike(
    told: pd.DataFrame, place: int, truth: np.ndarray, span: pd.DataFrame
) -> tuple[np.ndarray, pd.Series, pd.Series]:
    """Give the mean answer of worlds of one kind in which all is cut, and their intervals."""
    every = np.array([u[place] == 0 for u in told["untold"]])
    mean = pd.Series(truth[every]).groupby(told["kind"].to_numpy()[every]).transform("mean")
    return mean.to_numpy(), span.iloc[:, 0][every], span.iloc[:, 1][every]


def _held(value: np.ndarray, low: pd.Series, high: pd.Series) -> str:
    inside = (value >= low.to_numpy()) & (value <= high.to_numpy())
    return f"{inside.mean():.0%} of {len(inside)}"


def main() -> None:
    """Run what is not done, and write the page once all is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--worlds", type=int, default=len(SEEDS), help="of each kind")
    parser.add_argument("--from", dest="kept", action="store_true")
    options = parser.parse_known_args()[0]
    jobs = [(k, s) for s in list(SEEDS)[: options.worlds] for k in KINDS]
    if not options.kept:
        _run(jobs, partial(one, code=code_hash()), options.seconds)
    done = _told()
    print(page(done))  # noqa: T201
    if len(done) >= len(jobs):
        write_text(Path(__file__).with_suffix(".md"), page(done))


def _run(jobs: list[tuple[str, int]], work: Callable[..., None], seconds: float) -> None:
    started = time.monotonic()
    with ProcessPoolExecutor(2) as pool:
        bar = tqdm(total=len(jobs), disable=None)
        for first in range(0, len(jobs), 2):
            if time.monotonic() - started > seconds:
                return
            list(pool.map(work, jobs[first : first + 2]))
            bar.update(2)


if __name__ == "__main__":
    main()
