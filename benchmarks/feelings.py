"""Is what customers rate, say, are like and give warning of told right, and is chance left alone?

Draws worlds whose truth is known and holds `06_satisfaction_drivers`, `07_voice_of_customer`,
`08_personas` and `13_early_warning` against it. Writes ``benchmarks/feelings.md``. Run by
``make recovery``; never a timed test.

    python benchmarks/feelings.py [--worlds N] [--only NAME ...] [--out PAGE]

What is done is kept in ``.cache/feelings``: ``--only`` works on some studies, and the page is
written from all that is there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import _feeling_worlds as worlds
import numpy as np
import pandas as pd
import signals
from signals import ALARMS, COVERED, POWER, UNBIASED, Line
from tqdm import tqdm

from cxlab.report.tables import write_text

HERE = Path(__file__).parent
CACHE = HERE.parent / ".cache" / "feelings"
ALL, PHONE = (0, 1, 2), (1,)
STUDIES: dict[str, tuple[worlds.World, int]] = {
    "shares": (worlds.share_world(), 80),
    "shares, some not given": (worlds.share_world(0.2), 40),
    "themes en": (worlds.theme_world("en"), 20),
    "themes de": (worlds.theme_world("de"), 20),
    "no themes": (worlds.no_theme_world, 40),
    "crowd": (worlds.crowd_world, 40),
    "kinds": (worlds.kinds_world, 20),
    "hurt none": (worlds.hurt_world(()), 60),
    "hurt all": (worlds.hurt_world(ALL), 50),
    "hurt at calls": (worlds.hurt_world(ALL, at=PHONE), 40),
    "hurt one": (worlds.hurt_world(PHONE, 2000), 30),
    "no warning": (worlds.warning_world(0.0, 0.0), 40),
    "warning": (worlds.warning_world(1.5, 0.35), 20),
}
# Set beforehand, as those of signals.py; themes and kinds given back: adjusted Rand index from .8.
AGAIN = (0.8, 1.0)
LINES: dict[str, list[Line]] = {
    "Shares of what ratings tell (06)": [
        line for study, what in (("shares", "all rated"),
                                 ("shares, some not given", "one rating in five not given"))
        for line in (
            Line(study, "held", f"{what}: intervals that hold the true share", COVERED),
            Line(study, "largest held", f"{what}: of the largest", COVERED),
            Line(study, "off", f"{what}: the largest less the truth", UNBIASED, " points"),
            Line(study, "null called", f"{what}: a slope told where there is none", ALARMS))
    ],
    "Themes (07)": [
        *(Line(f"themes {code}", "ari", f"{name}: comments of one theme together (adjusted Rand "
               "index)", AGAIN, "") for code, name in (("en", "English"), ("de", "German"))),
        *(Line(f"themes {code}", "three", f"{name}: three themes found of three", POWER)
          for code, name in (("en", "English"), ("de", "German"))),
        Line("no themes", "alarm", "words by chance: a theme told", ALARMS),
    ],
    "Kinds of customers (08)": [
        Line("crowd", "alarm", "one crowd that differs by degrees: kinds told", ALARMS),
        Line("kinds", "three", "three kinds: found", POWER),
        Line("kinds", "ari", "of these: customers of one kind together (adjusted Rand index)",
             AGAIN, ""),
    ],
    "What a bad contact does, by persona (08)": [
        Line("hurt none", "differ", "failures hurt nobody: a difference told", ALARMS),
        Line("hurt none", "same", "the same, touchpoints held equal", ALARMS),
        Line("hurt none", "pairs", "failures hurt nobody: a touchpoint told for any persona",
             ALARMS),
        Line("hurt none", "held", "failures hurt nobody: intervals that hold it", COVERED),
        Line("hurt all", "differ", "failures hurt all alike: a difference told", ALARMS),
        Line("hurt all", "same", "the same, touchpoints held equal", ALARMS),
        Line("hurt all", "held", "failures hurt all alike: intervals that hold the truth", COVERED),
        Line("hurt all", "off", "log hazard ratio less the truth", UNBIASED, ""),
        Line("hurt at calls", "differ", "failures hurt all at calls alone: a difference told"),
        Line("hurt at calls", "same", "the same, touchpoints held equal", ALARMS),
        Line("hurt one", "differ", "failures hurt one persona: a difference told", POWER),
        Line("hurt one", "one", "the same: that persona named", POWER),
        Line("hurt one", "held", "the same: intervals that hold the truth", COVERED),
    ],
    "What gives warning (13)": [
        Line("no warning", "held", "nothing tells: intervals of AUC that hold one half", COVERED),
        Line("no warning", "off", "nothing tells: AUC of behaviour less one half, in hundredths",
             UNBIASED, ""),
        Line("no warning", "told", "nothing tells: one signal told to be better than another",
             ALARMS),
        Line("warning", "behaviour", "failures tell: AUC of behaviour told from one half", POWER),
        Line("warning", "csat held", "the same: CSAT, which does not tell, not told from one half",
             COVERED),
    ],
}  # fmt: skip


def one(job: tuple[str, int]) -> dict[str, float]:
    """Draw one world of a study and give its figures."""
    study, seed = job
    draw = np.random.default_rng([50 + list(STUDIES).index(study), seed])
    return STUDIES[study][0](draw, seed)


def _kept(study: str, count: int) -> Path:
    """Name the file of what a study gave: it hangs on how worlds are made, and how many."""
    made = (HERE / "_feeling_worlds.py").read_bytes() + f"{study} {count}".encode()
    return CACHE / f"{hashlib.sha256(made).hexdigest()[:16]}.json"


def _run(studies: list[str], most: int | None) -> dict[str, pd.DataFrame]:
    """Give each study's worlds; those of ``studies`` that are not kept are drawn."""
    counts = {s: min(n, most or n) for s, (_, n) in STUDIES.items()}
    missing = [s for s in studies if not _kept(s, counts[s]).is_file()]
    jobs = [(s, i) for s in missing for i in range(counts[s])]
    if jobs:
        with ProcessPoolExecutor(min(2, os.cpu_count() or 1), initializer=signals._alone) as pool:
            made = pool.map(one, jobs, chunksize=2)
            figures = list(tqdm(made, total=len(jobs), desc="worlds", unit="world", disable=None))
        CACHE.mkdir(parents=True, exist_ok=True)
        for study in missing:
            rows = [f for (s, _), f in zip(jobs, figures, strict=True) if s == study]
            write_text(_kept(study, counts[study]), json.dumps(rows))
    files = {s: _kept(s, counts[s]) for s in STUDIES}
    return {s: pd.DataFrame(json.loads(f.read_text())) for s, f in files.items() if f.is_file()}


def page(found: dict[str, pd.DataFrame], command: str) -> str:
    """Write the page from the figures of each study's worlds."""
    tables, outcomes = [], []
    for name, lines in LINES.items():
        rows = [signals._row(line, found) for line in lines if line.study in found]
        if not rows:
            continue
        outcomes += [row[-1] for row in rows]
        head = ["what", "figure ± Monte Carlo s.e.", "worlds", "bar", ""]
        cells = [head, ["---"] * len(head), *rows]
        tables += ["", f"## {name}", "", *("| " + " | ".join(row) + " |" for row in cells)]
    missing = [study for study in STUDIES if study not in found]
    lines = [
        "# Feelings",
        "",
        f"`{command}`: {sum(map(len, found.values())):,} worlds of known truth. "
        f"{outcomes.count('met')} bars are met, {outcomes.count('met within error')} within two "
        f"Monte Carlo errors, {outcomes.count('**not met**')} are not met. Bars were set "
        "beforehand: false alarms at most 5%, 95% intervals that hold the truth in 93 to 97%, no "
        "bias, what is there found in 80%, themes and kinds given back with an adjusted Rand "
        "index of 0.8. Figures without a bar tell of the world.",
        *(["", f"Not run: {', '.join(missing)}."] if missing else []),
        *tables,
    ]
    return "\n".join([*lines, ""])


def main(words: list[str] | None = None) -> None:
    """Run the worlds and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--worlds", type=int, help="at most so many worlds of a kind")
    parser.add_argument("--only", nargs="*", choices=list(STUDIES), help="work on these alone")
    parser.add_argument("--out", type=Path, default=HERE / "feelings.md")
    options = parser.parse_args(words)
    found = _run(options.only or list(STUDIES), options.worlds)
    command = f"make recovery ARGS='--worlds {options.worlds}'" if options.worlds else (
        "make recovery")  # fmt: skip
    text = page(found, command)
    write_text(options.out, text)
    print(text)  # noqa: T201


if __name__ == "__main__":
    main()
