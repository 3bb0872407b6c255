"""Is what helped found, and nothing else? Whole runs of ``did_it_work`` on worlds of known effect.

A touchpoint is mended for some customers on two dates, or for all on one, so that it fails a
share as often; in some worlds nothing is mended at all, and in one those reached drift apart
from the others for reasons of their own. Writes ``benchmarks/interventions.md``. Run by ``make
bench``; never a timed test.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from cxlab.report.tables import write_text

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "analyses"))
CUSTOMERS = 700


class World(NamedTuple):
    """What is done, to whom, and what it does."""

    text: str
    starts: dict[str, int]  # region -> day; "" is everybody
    factor: float
    drift: float = 0.0
    season: float = 0.2


STAGGERED = {"north": 230, "east": 330}
WORLDS = {
    "nothing, to some": World("two regions, on two dates; no effect", STAGGERED, 1.0),
    "nothing, to all": World("everybody, on one date, in a season; no effect", {"": 300}, 1.0),
    "nothing, to all, no season": World(
        "everybody, on one date; no effect", {"": 300}, 1.0, season=0.0
    ),
    "much, to some": World("two regions, on two dates; half as often", STAGGERED, 0.5),
    "much, to all": World("everybody, no season; half as often", {"": 300}, 0.5, season=0.0),
    "some, to some": World("two regions, on two dates; a quarter less often", STAGGERED, 0.75),
    "drift": World(
        "one region, which fails less and less anyway; no effect", {"north": 300}, 1.0, 1.0
    ),
}


def one(job: tuple[str, int]) -> dict[str, Any]:
    """Run a world, and tell what is said of it."""
    from mended_world import make, row

    import cxlab
    from cxlab.analyses import did_it_work

    name, seed = job
    world = WORLDS[name]
    rows = [row(day, region or None) for region, day in world.starts.items()]
    with tempfile.TemporaryDirectory() as place:
        made = make(Path(place) / "world", rows, seed, customers=CUSTOMERS, factor=world.factor,
                    drift=world.drift, season=world.season)  # fmt: skip
        table = did_it_work.run(cxlab.load(made)).table
    main = table[table["main"]].iloc[0]
    others = table[~table["main"]]
    return {
        "world": name,
        "worked": main["verdict"] == "worked",
        "worse": main["verdict"] == "made it worse",
        "any": (table["verdict"] == "worked").any(),
        "others": others["verdict"].isin(["worked", "made it worse", "fell", "rose"]).any(),
        "below 0.05": main["p_value"] < 0.05,
        "held": main["conf_low"] <= world.factor <= main["conf_high"],
        "log ratio": np.log(main["estimate"]),
        "moved before": main["before_p"] < 0.05,
    }


def page(found: pd.DataFrame, worlds: int) -> str:
    """Write the figures as a page."""
    share = found.groupby("world", sort=False).mean(numeric_only=False)
    lines = [
        "# Interventions",
        "",
        f"`make bench`: whole runs of `12_did_it_work`, {worlds} worlds of each kind, "
        f"{CUSTOMERS:,} customers and 560 days. Shares have a Monte Carlo error of up to "
        f"{100 * 0.5 / np.sqrt(worlds):.0f} points. *Worked* is the verdict on the failure rate at "
        "the touchpoint; *any outcome* of the four is what must stay within 5% where nothing was "
        "done. The interval must hold the truth in 95%.",
        "",
        "| what was done | worked | made it worse | any outcome worked | p below 0.05 | interval "
        "holds the truth | mean ratio | true | moved before |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in share.iterrows():
        world = WORLDS[str(name)]
        told = [f"{100 * row[c]:.0f}%" for c in ("worked", "worse", "any", "below 0.05", "held")]
        ratio = f"{np.exp(row['log ratio']):.3f}"
        before = f"{100 * row['moved before']:.0f}%" if "" not in world.starts else "–"
        cells = [f"{name}: {world.text}", *told, ratio, f"{world.factor:g}", before]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Run the worlds and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=200, help="of each kind")
    worlds = parser.parse_known_args()[0].worlds
    jobs = [(name, seed) for name in WORLDS for seed in range(1, worlds + 1)]
    with ProcessPoolExecutor() as pool:
        done = tqdm(pool.map(one, jobs), total=len(jobs), disable=None)
        found = pd.DataFrame(list(done))
    text = page(found, worlds)
    write_text(Path(__file__).with_name("interventions.md"), text)
    print(text)  # noqa: T201


if __name__ == "__main__":
    main()
