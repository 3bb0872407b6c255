"""Between two runs of one growing dataset in which nothing changes: how often is noise a signal?

Two runs of the driver model itself, a month apart, on worlds drawn by ``cxlab simulate``. Writes
``benchmarks/changes.md``; the noise alone, on plain arrays, is in ``tests/models/test_changes.py``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from cxlab.analyses import churn_drivers
from cxlab.data.dataset import load
from cxlab.data.simulate import simulate, write
from cxlab.models import changes
from cxlab.models.intervals import benjamini_hochberg, wald_p
from cxlab.report.tables import write_text

WORLD, CUSTOMERS, GAP, WINDOW = "plain", 3000, 30, 90


def compared(seed: int) -> pd.DataFrame:
    """Give each contrast's change, hazard ratio and customers lost, over its noise."""
    with tempfile.TemporaryDirectory() as place:
        write(simulate(WORLD, CUSTOMERS, seed), Path(place) / "data")
        now = load(Path(place) / "data")
        results = [
            churn_drivers.estimate(data, window_days=WINDOW)
            for data in (now.on(now.as_of - dt.timedelta(days=GAP)), now)
        ]
    events = [float(r.meta["churns"]) for r in results]
    tables = [r.table[r.table["valence"] == "bad"].set_index("touchpoint") for r in results]
    both = tables[0].join(tables[1], lsuffix="_then", how="inner")
    both = both[both["hazard_ratio"].notna() & both["hazard_ratio_then"].notna()]
    rows = []
    for row in both.itertuples():
        se = changes.coefficient_se(row.se_then, row.se, *events)
        noise = changes.loss_se(
            changes.Loss(row.attributable_churn_then, row.estimate_then, row.se_then),
            changes.Loss(row.attributable_churn, row.estimate, row.se),
            overlap=1 - GAP / WINDOW,
            events_then=events[0],
            events_now=events[1],
        )
        lost = row.attributable_churn - row.attributable_churn_then
        change = (row.estimate - row.estimate_then) / se
        told = {"hazard ratio": change, "customers lost": lost / noise}
        rows.append({"seed": seed, "driver": row.verdict == "driver", **told})
    return pd.DataFrame(rows)


def page(table: pd.DataFrame) -> str:
    """Write what came of it."""
    lines = [
        "# Noise between two runs",
        "",
        f"{table['seed'].nunique()} worlds `{WORLD}` of {CUSTOMERS:,} customers in which nothing "
        f"changes; runs {GAP} days apart, windows of {WINDOW}. Bar: at most 5%, and its Monte "
        "Carlo error.",
        "",
        "| figure | contrasts | standard deviation of change / noise | beyond 1.96 | runs with a "
        "signal (q < 5%) |",
        "|---|---|---|---|---|",
    ]
    for name in ("hazard ratio", "customers lost"):
        for which, rows in (("all", table), ("drivers", table[table["driver"]])):
            z = rows[name].dropna().to_numpy()
            beyond = np.mean(np.abs(z) > 1.96)
            error = np.sqrt(0.05 * 0.95 / max(len(z), 1))
            signals = [
                bool((benjamini_hochberg(wald_p(g[name].to_numpy(), np.ones(len(g)))) < 0.05).any())
                for _, g in rows.groupby("seed")
            ]
            told = f"{np.mean(signals):.1%}" if which == "all" else "–"
            lines.append(f"| {name}, {which} | {len(z)} | {z.std():.2f} | {beyond:.1%} "
                         f"(± {1.96 * error:.1%}) | {told} |")  # fmt: skip
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=40)
    given = parser.parse_known_args()[0]
    found = [compared(seed) for seed in tqdm(range(given.worlds), unit="world")]
    write_text(Path(__file__).with_suffix(".md"), page(pd.concat(found, ignore_index=True)))


if __name__ == "__main__":
    main()
