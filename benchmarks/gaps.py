"""Are outages of a feed found, on their days, and is nothing found where there is none?

Takes contacts out of simulated worlds and looks for the gaps. Writes ``benchmarks/gaps.md``.
Run by ``make recovery``; never a timed test.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from cxlab.report.tables import write_text

CUSTOMERS = 1500
WORLDS = ("demo", "null", "plain", "confounded")
SEEDS = range(1, 6)
# One of five kinds of rows, at 1% in all, as on the page.
FALSE_ALARMS = 0.002
OUTAGES = {
    "all contacts": (1, 2, 3, 7),
    "channel phone": (2, 3, 5, 7, 14, 60),
    "touchpoint invoice": (3, 5, 7, 14, 28, 60),
}


def one(job: tuple[str, int]) -> Counter[tuple[str, int | str]]:
    """Count what is found in one world, with an outage of each kind and with none."""
    from cxlab.data.simulate import simulate
    from cxlab.models.gaps import find_gaps

    world, seed = job
    contacts = simulate(world, CUSTOMERS, seed).tables["interactions"]
    day = contacts["occurred_at"].dt.normalize()
    first, last = day.min() + pd.Timedelta(days=1), day.max() - pd.Timedelta(days=1)
    days = pd.date_range(first, last)
    groups = ["touchpoint", "channel"]
    table = pd.crosstab(day, [contacts[group] for group in groups]).reindex(days, fill_value=0)
    cells, keys = table.to_numpy(float), table.columns.to_frame(index=False)
    members = {"all contacts": np.ones(len(keys), bool)}
    for group in groups:
        members |= {f"{group} {k}": (keys[group] == k).to_numpy() for k in keys[group].unique()}
    given = (np.array(list(members.values())), days.dayofweek.to_numpy())
    found: Counter[tuple[str, int | str]] = Counter()
    found["clean", "alarms"] += bool(find_gaps(cells, *given, false_alarms=FALSE_ALARMS)[0])
    draw = np.random.default_rng(seed)
    for name, lengths in OUTAGES.items():
        place = list(members).index(name)
        found[name, "a day"] += round(cells[:, members[name]].sum() / len(days))
        for length in lengths:
            start = int(draw.integers(100, len(days) - 170))
            end = start + length - 1
            lost = cells.copy()
            lost[start : end + 1, members[name]] = 0
            gaps = find_gaps(lost, *given, false_alarms=FALSE_ALARMS)[0]
            found[name, length] += any(
                g.series == place and abs(g.first - start) <= 1 and abs(g.last - end) <= 1
                for g in gaps
            )
            found["elsewhere", "alarms"] += any(
                g.last < start - 1 or g.first > end + 1 for g in gaps
            )
    return found


def main() -> None:
    """Run the worlds and write the page."""
    jobs = [(world, seed) for world in WORLDS for seed in SEEDS]
    with ProcessPoolExecutor() as pool:
        found = sum(tqdm(pool.map(one, jobs), total=len(jobs), disable=None), Counter())
    runs = len(jobs) * sum(map(len, OUTAGES.values()))
    lines = [
        "# Gaps",
        "",
        f"`make recovery`: {len(jobs)} worlds of {CUSTOMERS:,} customers and two years "
        f"({', '.join(WORLDS)}). Alarms in the contacts of the clean worlds: "
        f"{found['clean', 'alarms']}. With an outage, alarms on other days: "
        f"{found['elsewhere', 'alarms']} in {runs} runs.",
        "",
        f"| outage of | rows a day | days | found, a day early or late at most, of {len(jobs)} |",
        "|---|---|---|---|",
    ]
    for name, lengths in OUTAGES.items():
        each = round(found[name, "a day"] / len(jobs))
        lines += [f"| {name} | {each} | {n} | {found[name, n]} |" for n in lengths]
    text = "\n".join([*lines, ""])
    write_text(Path(__file__).with_name("gaps.md"), text)
    print(text)  # noqa: T201


if __name__ == "__main__":
    main()
