"""How often is a claim said to hold where there is nothing, and where it is known to hold?

    python benchmarks/claims.py [--worlds N]

Runs the claims on made-up worlds, and counts verdicts: of the figures in order of time, and of
those of a dashboard. Writes ``benchmarks/claims.md``; never a timed test.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from cxlab.analyses import cx_claims
from cxlab.analyses.cx_claims.catalogue import CLAIMS, FAILS, HOLDS
from cxlab.data.dataset import load
from cxlab.data.simulate import simulate, write
from cxlab.models.intervals import wilson
from cxlab.report.tables import write_text

_CUSTOMERS = 2000
# What is known of each world: claims with nothing to them, and claims that are true.
_NOTHING = ("one_bad", "channels", "bad_good", "lagging")
_WORLDS = {"null": (_NOTHING, ()), "confounded": (("channels",), ("one_bad", "lagging"))}


def verdicts(world: str, worlds: int) -> pd.DataFrame:
    """Run the claims on worlds of one kind."""
    found = []
    for seed in tqdm(range(1, worlds + 1), desc=world):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            write(simulate(world, _CUSTOMERS, seed, texts=False), place)
            found.append(cx_claims.run(load(place)).table.assign(world=world, seed=seed))
    return pd.concat(found, ignore_index=True)


def _share(rows: pd.DataFrame, column: str, said: str) -> str:
    told = rows[rows["estimate"].notna()]
    middle, low, high = wilson(int((told[column] == said).sum()), len(told))
    return f"{100 * middle:.0f}% ({100 * low:.0f} to {100 * high:.0f})"


def main(worlds: int) -> None:
    """Write the page."""
    lines = [
        "# Claims of CX writing: verdicts where the truth is known", "",
        f"Written by `python benchmarks/claims.py --worlds {worlds}`: {worlds} worlds of a kind, "
        f"{_CUSTOMERS:,} customers each.", "",
        "| world | claim | the truth | holds | holds, as a dashboard | does not | does not, as a "
        "dashboard |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for world, (nothing, true) in _WORLDS.items():
        rows = verdicts(world, worlds)
        parts = {c: "nothing" for c in nothing} | {c: "true" for c in true}
        names = {c.id: c.text for c in CLAIMS}
        for claim, truth in parts.items():
            mine = rows[rows["claim"] == claim]
            cells = [_share(mine, column, said) for said in (HOLDS, FAILS)
                     for column in ("verdict", "raw_verdict")]  # fmt: skip
            lines.append(f"| {world} | {names[claim]} | {truth} | {' | '.join(cells)} |")
        if world == "null":
            whole = rows[rows["claim"].isin([c.id for c in CLAIMS if c.directional])]
            told = _share(whole, "verdict", HOLDS), _share(whole, "raw_verdict", HOLDS)
    lines += [
        "", f"In the null world {told[0]} of the claims that are tested against nothing hold (the "
        f"bar: at most 5%); as a dashboard has them, {told[1]}. Shares are told with their Wilson "
        "intervals.",
    ]  # fmt: skip
    write_text(Path(__file__).with_suffix(".md"), "\n".join(lines) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=40)
    main(parser.parse_known_args()[0].worlds)
