"""Risk at size, and against a known truth: how long, how right, and what its intervals hold.

``python benchmarks/risk.py --time DATASET`` times the risk of everybody in a dataset (such as those
that ``scale.py --keep`` makes) and writes what it took to ``benchmarks/risk.md``; without one it
makes worlds in which each customer's true probability of leaving is known, and writes how often
intervals hold it. The latter is part of ``make bench``.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from cxlab.analyses import churn_risk
from cxlab.analyses.churn_risk import Risks
from cxlab.data.dataset import Dataset, load
from cxlab.report.findings import write_listing
from cxlab.report.tables import write_text

HERE = Path(__file__).parent
PAGE = HERE / "risk.md"
WORLDS, CUSTOMERS, DAYS, HORIZON = 12, 3000, 480, 90
KINDS = {"all that matters is seen": 0.0, "some of it is not": 3.0}
START = pd.Timestamp("2025-01-01")
_HEAD = (
    "# Risk at size, and against a known truth\n\n`python benchmarks/risk.py`; how long it takes: "
    "`--time DATASET`, of those that `benchmarks/scale.py --keep` makes. Two cores.\n"
)
_TIMES, _TRUTH = "\n## How long it takes\n", "\n## Against a known truth\n"


def tell(text: str) -> None:
    """Say what was found, for whoever waits."""
    sys.stdout.write(f"{text}\n")


def world(folder: Path, seed: int, unseen: float) -> pd.Series:
    """Make a company whose hazard is constant in time, and known; give each one's true chance.

    The log hazard hangs on plan and value, and by ``unseen`` on how failure-prone the customer's
    contacts are, of which the contacts so far tell something.
    """
    draw = np.random.default_rng(seed)
    plan = draw.choice(["basic", "plus", "pro"], CUSTOMERS, p=[0.5, 0.3, 0.2])
    value = np.exp(draw.normal(3.3, 0.4, CUSTOMERS))
    many, prone = draw.gamma(3, 1 / 3, CUSTOMERS), draw.beta(2, 6, CUSTOMERS)
    effect = pd.Series(plan).map({"basic": 0.5, "plus": 0.0, "pro": -0.6}).to_numpy()
    log_hazard = -7.0 + effect - 0.5 * (np.log(value) - 3.3) + unseen * (prone - 0.25)
    left = draw.exponential(1 / np.exp(log_hazard))
    started = draw.uniform(-400, 200, CUSTOMERS)
    ends = np.maximum(started, 0.0) + left
    count = draw.poisson(0.08 * DAYS * many)
    who = np.repeat(np.arange(CUSTOMERS), count)
    at = draw.uniform(0, DAYS, len(who))
    failed = draw.random(len(who)) < prone[who]
    kept = (at > started[who]) & (at < ends[who])
    ids = np.array([f"w{i:05d}" for i in range(CUSTOMERS)])
    folder.mkdir(parents=True)
    pd.DataFrame({
        "customer_id": ids, "started_at": _times(started),
        "ended_at": _times(ends).where(ends < DAYS), "plan": plan, "monthly_value": value,
    }).to_parquet(folder / "customers.parquet")  # fmt: skip
    pd.DataFrame({
        "customer_id": ids[who], "occurred_at": _times(at),
        "touchpoint": draw.choice(["call", "chat"], len(who)),
        "outcome": np.where(failed, "failed", "ok"),
    })[kept].to_parquet(folder / "interactions.parquet")  # fmt: skip
    last = (START + pd.Timedelta(days=DAYS - 1)).date()
    write_text(folder / "dataset.yml", f"observed_until: {last}\n")
    return pd.Series(-np.expm1(-np.exp(log_hazard) * HORIZON), index=ids)


def _times(days: np.ndarray) -> pd.Series:
    return pd.Series(START + pd.to_timedelta(np.round(np.minimum(days, 9e3) * 86_400), unit="s"))


def held_against(result: Risks, truth: pd.Series) -> dict[str, float]:
    """Compare told probabilities with the true ones."""
    told = result.customers.set_index("customer_id")
    true = truth.reindex(told.index).to_numpy()
    low, middle, high = (told[c].to_numpy() for c in ("conf_low", "probability", "conf_high"))
    x, y = special.logit(middle), special.logit(true)
    return {
        "model": result.meta["model"],
        "covered": float(((low <= true) & (true <= high)).mean()),
        "mean told": float(middle.mean()),
        "mean true": float(true.mean()),
        "slope": float(np.cov(x, y)[0, 1] / x.var(ddof=1)),
        "AUC": float(result.table.loc[result.table["used"], "estimate"].iloc[0]),
        "correlation": float(np.corrcoef(x, y)[0, 1]),
    }


def against_truth() -> dict[str, pd.DataFrame]:
    """Run all worlds of either kind."""
    told: dict[str, pd.DataFrame] = {}
    for kind, unseen in KINDS.items():
        rows = []
        for seed in range(WORLDS):
            with tempfile.TemporaryDirectory() as folder:
                truth = world(Path(folder) / "world", seed, unseen)
                data = load(Path(folder) / "world")
                rows.append(held_against(churn_risk.run(data, include_customers=True), truth))
        told[kind] = pd.DataFrame(rows)
    return told


def _truth_text(told: dict[str, pd.DataFrame]) -> str:
    lines = {
        "95% intervals hold the customer's true probability": lambda r: (
            f"{r['covered'].mean():.1%} (± {r['covered'].std() / len(r) ** 0.5:.1%})"
        ),
        "mean told, mean true": lambda r: (
            f"{r['mean told'].mean():.2%}, {r['mean true'].mean():.2%}"
        ),
        "slope of true log odds on told ones (1 is right)": lambda r: f"{r['slope'].mean():.2f}",
        "correlation of the two": lambda r: f"{r['correlation'].mean():.2f}",
        "AUC on later time": lambda r: f"{r['AUC'].mean():.2f}",
        "model used": lambda r: ", ".join(f"{m} {k}" for m, k in r["model"].value_counts().items()),
    }
    table = [f"| {name} | " + " | ".join(tell(r) for r in told.values()) + " |"
             for name, tell in lines.items()]  # fmt: skip
    head = "| | " + " | ".join(told) + " |\n" + "|---" * (len(told) + 1) + "|\n"
    return (
        f"{WORLDS} worlds each of {CUSTOMERS:,} customers whose hazard is constant and known, "
        f"judged {HORIZON} days ahead.\n\n{head}" + "\n".join(table) + "\n\n"
        "An interval holds what other customers to learn from would have changed. What no input "
        "says of a customer it does not hold.\n"
    )


def timed(path: Path) -> str:
    """Time the risk of everybody in a dataset, written to a file as a report does."""
    started = time.perf_counter()
    data: Dataset = load(path)
    loaded = time.perf_counter()
    result = churn_risk.run(data)
    ran = time.perf_counter()
    listing = result.listing
    if listing is not None:
        with tempfile.TemporaryDirectory() as folder:
            write_listing(type(listing).from_dict(listing.to_dict()), Path(folder) / "risk.csv")
    ended = time.perf_counter()
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    text = (
        f"| {path.name} | {len(result.customers):,} | {loaded - started:.0f} | {ran - loaded:.0f} "
        f"| {ended - ran:.0f} | {ended - started:.0f} | {gib:.1f} | {result.meta.get('model')} |"
    )
    tell(text)
    return text


def _write(times: list[str], truth: str) -> None:
    table = [
        "\nSeconds to read and check the data, to tell the risks, and to write `risk.csv`.\n",
        "| dataset | customers at risk | read | tell | write | all | GiB | model |",
        "|---|---|---|---|---|---|---|---|",
        *times,
    ]
    write_text(PAGE, _HEAD + _TIMES + "\n".join(table) + "\n" + _TRUTH + "\n" + truth)


def main() -> None:
    """Time datasets, or run the worlds; what is not run anew stays as it was."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--time", nargs="+", default=[], metavar="DATASET")
    datasets = parser.parse_known_args()[0].time
    before = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    times = [line for line in before.splitlines() if line.startswith("| ") and "GiB" not in line]
    times = [line for line in times if line.count("|") == 9]
    truth = before.partition(_TRUTH + "\n")[2]
    for name in datasets:
        line = timed(Path(name))
        times = [t for t in times if not t.startswith(f"| {Path(name).name} |")] + [line]
    if not datasets:
        truth = _truth_text(against_truth())
        tell(truth)
    _write(times, truth)


if __name__ == "__main__":
    main()
