"""Does the driver model find what is there, and claim nothing that is not?

Simulates worlds with known truth, runs the driver model on each, and compares. Writes
``benchmarks/recovery.md``. Run by ``make recovery``; never a timed test.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from cxlab.report.tables import write_text

WINDOW_DAYS = 90
STRONG = 0.5  # log hazard ratios from here on count as strong


def one(job: tuple[str, int, int, bool]) -> pd.DataFrame:
    """Simulate one world and give each bad contrast beside its truth."""
    from cxlab.analyses import churn_drivers
    from cxlab.data.dataset import load
    from cxlab.data.simulate import simulate, write
    from cxlab.data.simulate.tables import FIRST_DAY

    world, customers, seed, twins = job
    simulation = simulate(world, customers, seed)
    with tempfile.TemporaryDirectory() as folder:
        write(simulation, Path(folder))
        result = churn_drivers.run(load(folder), window_days=WINDOW_DAYS)
    table = result.table[result.table["valence"] == "bad"].copy()
    effects = simulation.truth["effects"]
    table["truth"] = table["touchpoint"].map(effects)
    table["exit"] = table["touchpoint"].isin(simulation.truth.get("exit_touchpoints", []))
    table["twin"] = np.nan
    if twins:
        strongest = sorted(effects, key=lambda t: -effects[t])[:3]
        end = pd.Timestamp(result.meta["as_of"]) + pd.Timedelta(days=1)
        start = end - pd.Timedelta(days=WINDOW_DAYS)
        there = churned(simulation.tables["customers"], start, end)
        for touchpoint in [t for t in strongest if effects[t] >= STRONG]:
            other = simulate(
                world, customers, seed, without=touchpoint, without_from=(start - FIRST_DAY).days
            )
            saved = there - churned(other.tables["customers"], start, end)
            table.loc[table["touchpoint"] == touchpoint, "twin"] = saved
    keep = ["touchpoint", "truth", "exit", "estimate", "se", "verdict", "attributable_churn",
            "attributable_churn_low", "attributable_churn_high", "twin"]  # fmt: skip
    return table[keep].assign(world=world, seed=seed, half_life=result.meta["half_life_days"])


def churned(customers: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> int:
    """Count voluntary churns in a window among those at risk at its start."""
    at = customers["ended_at"]
    if "cancelled_at" in customers:
        at = customers["cancelled_at"].fillna(at)
    inside = (at >= start) & (at < end) & (customers["started_at"] < start)
    if "end_reason" in customers:
        inside &= customers["end_reason"].fillna("voluntary") == "voluntary"
    return int(inside.sum())


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Give one row a world: what was found, what was claimed, and how well it is covered."""
    rows = []
    for world, part in found.groupby("world", sort=False):
        known = part[part["estimate"].notna() & ~part["exit"]]
        inside = (known["estimate"] - known["truth"]).abs() < 1.96 * known["se"]
        weight = 1 / known["se"] ** 2
        slope = (
            (weight * known["estimate"] * known["truth"]).sum()
            / (weight * known["truth"] ** 2).sum()
            if (known["truth"] != 0).any()
            else np.nan
        )
        strong = part[part["truth"] >= STRONG]
        null = part[(part["truth"] == 0) & ~part["exit"]]
        traps = part[part["exit"]]
        worlds = part["seed"].nunique()
        drivers = part[(part["verdict"] == "driver") & (part["truth"] == 0)]
        twin = part[part["twin"].notna() & part["attributable_churn"].notna()]
        covered = (twin["twin"] >= twin["attributable_churn_low"]) & (
            twin["twin"] <= twin["attributable_churn_high"]
        )
        rows.append(
            {
                "world": world,
                "worlds": worlds,
                "strong found": f"{(strong['verdict'] == 'driver').sum()}/{len(strong)}",
                "null called driver": f"{(null['verdict'] == 'driver').sum()}/{len(null)}",
                "null called protective": f"{(null['verdict'] == 'protective').sum()}/{len(null)}",
                "traps called driver": f"{(traps['verdict'] == 'driver').sum()}/{len(traps)}",
                "worlds with a false driver": f"{drivers['seed'].nunique()}/{worlds}",
                "coverage": inside.mean(),
                "its Monte Carlo s.e.": np.sqrt(inside.mean() * (1 - inside.mean()) / len(inside)),
                "slope": slope,
                "half-life": part.groupby("seed")["half_life"].first().median(),
                "attributable / twin": twin["attributable_churn"].sum() / twin["twin"].sum()
                if len(twin)
                else np.nan,
                "attributable coverage": covered.mean() if len(twin) else np.nan,
            }
        )
    return pd.DataFrame(rows)


def _markdown(page: pd.DataFrame) -> str:
    """Write a table as Markdown, shares and figures to three digits."""
    rows = [list(page.columns), ["---"] * len(page.columns)]
    for row in page.itertuples(index=False):
        rows.append(["" if v != v else f"{v:.3g}" if isinstance(v, float) else str(v) for v in row])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> None:
    """Run the worlds and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--worlds", nargs="*", default=["plain", "null", "confounded", "exit", "notice", "demo"]
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--customers", type=int, default=4000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("recovery.md"))
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    jobs = [
        (w, options.customers, s, w in ("plain", "demo")) for w in options.worlds for s in seeds
    ]
    with ProcessPoolExecutor(options.jobs) as pool:
        found = pd.concat(tqdm(pool.map(one, jobs), total=len(jobs), disable=None))
    page = summary(found)
    text = (
        "# Recovery\n\n"
        f"`make recovery`: {options.seeds} worlds of {options.customers:,} customers each, seeds "
        f"{seeds[0]} to {seeds[-1]}. Strong: a true log hazard ratio of {STRONG} or more; true "
        "half-life 21 days. Coverage, slope and half-life are of bad contrasts outside exit "
        "touchpoints; attributable churn is compared with a twin world, the three strongest "
        "touchpoints together. In `exit` and `demo` customers wait five days on average between "
        "deciding and giving notice.\n\n" + _markdown(page) + "\n"
    )
    write_text(options.out, text)
    print(page.to_string())  # noqa: T201


if __name__ == "__main__":
    main()
