"""Estimates from a sample of the person-periods beside those from all of them.

Both of one dataset; the sample is drawn anew with many seeds, so that its own error is seen.
Called by :mod:`scale` as a process of its own: the dataset, the file to write, the seeds.
"""

from __future__ import annotations

import sys
from pathlib import Path

from _scale_run import write_json

from cxlab.analyses import churn_drivers
from cxlab.data.dataset import load

# Weekly rows, so that all of them fit into memory; the draw is the usual one all the same.
PERIOD_DAYS = 7


def main() -> None:
    """Estimate with all rows once, and with a sample for each seed."""
    data, file, seeds = sys.argv[1:]
    dataset = load(data)
    found = {}
    for place in range(int(seeds) + 1):
        how = {"sample": "auto", "seed": place - 1} if place else {"sample": "full"}
        result = churn_drivers.estimate(dataset, period_days=PERIOD_DAYS, **how)
        table = result.table
        table = table[(table["valence"] == "bad") & table["estimate"].notna()]
        found[str(place - 1) if place else "full"] = {
            "rows": result.meta["sample"],
            "estimate": dict(zip(table["touchpoint"], table["estimate"], strict=True)),
            "se": dict(zip(table["touchpoint"], table["se"], strict=True)),
        }
        write_json(Path(file), found)


if __name__ == "__main__":
    main()
