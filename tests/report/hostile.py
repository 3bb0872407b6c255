"""Datasets in which everything that has a name attacks, and reports of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from toy import SHIPPED

from cxlab.data.simulate import simulate
from cxlab.report.render import Run, render

RUN = "window.hacked=1"
NAMES = [
    f"<script>{RUN}</script>",
    f"</script><script>{RUN}</script>",
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f"<img src=x onerror={RUN}>",
    "<img src=http://evil.example/p.png>",
    "<iframe src=http://evil.example></iframe>",
    "<object data=http://evil.example></object>",
    "<link rel=stylesheet href=http://evil.example/a.css>",
    "<base href=http://evil.example>",
    f"<a href=javascript:{RUN}>click</a>",
    "<meta http-equiv=refresh content=0;url=http://evil.example>",
    f"<details open ontoggle={RUN}>",
    "<style>*{display:none}</style>",
    "--></style></title></textarea><b>bold</b>",
    "<![CDATA[ x ]]>",
    f"\"' onmouseover={RUN} x='",
    f"&lt;script&gt;{RUN}&lt;/script&gt;",
    "[link](http://evil.example)",
    "![image](http://evil.example/p.png)",
    "<http://evil.example>",
    "# big",
    "| a | b |\n|---|---|",
    "```\ncode\n```",
    "$\\frac{",
    "$$\\href{http://evil.example}{x}$$",
    "\\(\\alpha\\)",
    "{{7*7}}",
    "{% raw %}{{ config }}",
    "${7*7} %(x)s {0.__class__}",
    f"javascript:{RUN}",
    f"data:text/html,<script>{RUN}</script>",
    "%3Cscript%3E",
    "../../../etc/passwd",
    "=HYPERLINK(\"http://evil.example\",\"x\")",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "right\u202eto left",
    "\u2067isolated",
    "שלום مرحبا",
    "Z" + "\u0301\u0323" * 30,
    "zero\u200bwidth",
    "\ufeffmark",
    "null\x00byte",
    "escape\x1b[31mred",
    "line\r\nend",
    "smile 😀 東京",
    "NaN",
    "x" * 10_000,
    "long " * 2_000,
]  # fmt: skip
SEGMENT = "<script>alert(1)</script> \u202e$x$ =1"
RARE = {"RAREONE": 1, "RARETWO": 2, "RARENINE": 9}
"""Levels of the attribute ``grade`` that few customers are of."""
SECRETS = ("CUSTOMERMARK", "COMMENTMARK", "TICKETMARK", "JOURNEYMARK")


FOLDER = f"<img src=x onerror={RUN}> {{{{7}}}} \u202e'\"&#?%3C"


def grades(many: int) -> np.ndarray:
    """Give each customer a grade; few are of those that are rare."""
    found = np.resize(np.array(["COMMON", "OTHERS"], dtype=object), many)
    rare = [name for name, few in RARE.items() for _ in range(few)]
    found[100 : 100 + len(rare)] = rare
    return found


def spec(folder: Path, title: str) -> Path:
    path = folder / f"{FOLDER}.yml"
    path.write_text(yaml.safe_dump({"title": title, "dataset": FOLDER}), encoding="utf-8")
    return path


def hostile_events(folder: Path) -> Path:
    """A small world in which everything that has a name attacks."""
    tables = simulate("demo", 500, 4).tables
    places = {name: k for k, name in enumerate(tables["touchpoints"]["touchpoint"])}
    for table in tables.values():
        if "touchpoint" in table:
            which = table["touchpoint"].map(places) + len(places) * (np.arange(len(table)) % 3)
            table["touchpoint"] = [
                np.nan if np.isnan(k) else NAMES[int(k) % len(NAMES)] for k in which
            ]
        if "customer_id" in table:
            table["customer_id"] = "CUSTOMERMARK" + table["customer_id"]
    rest = itertools.cycle(NAMES[20:] + NAMES[:20])
    customers, interactions = tables["customers"], tables["interactions"]
    for column in ("plan", "region", "acquisition_channel"):
        levels = np.array([next(rest) for _ in range(9)], dtype=object)
        customers[column] = levels[np.arange(len(customers)) % len(levels)]
    customers[SEGMENT] = customers.pop("acquisition_channel")
    customers["grade"] = grades(len(customers))
    involuntary = customers["end_reason"] == "involuntary"
    customers.loc[involuntary, "end_reason"] = np.resize(np.array(NAMES[:9]), involuntary.sum())
    csat = tables["feedback"]["metric"] == "csat"
    tables["feedback"].loc[csat, "metric"] = NAMES[3]
    interactions.loc[interactions.index % 50 == 0, "outcome"] = NAMES[6]  # rows set aside
    interactions["channel"] = interactions["channel"].map(
        {c: next(rest) for c in interactions["channel"].dropna().unique()}
    )
    interactions["text"] = "TICKETMARK " + NAMES[0]
    interactions["journey_id"] = "JOURNEYMARK" + interactions["journey_id"].astype("string")
    tables["feedback"]["comment"] = "COMMENTMARK " + NAMES[4]
    tables["touchpoints"]["owner"] = NAMES[2]
    tables["touchpoints"]["stage"] = NAMES[20:][: len(tables["touchpoints"])]
    tables["interventions"]["intervention"] = NAMES[:2]
    (folder / FOLDER).mkdir()
    for name, table in tables.items():
        table.to_parquet(folder / FOLDER / f"{name}.parquet", index=False)
    settings = {
        "name": f"{NAMES[4]} {NAMES[38]}",
        "currency": "<b>EUR</b>",
        "observed_until": "2026-06-30",
        "metrics": {NAMES[3]: {"scale": [1, 5]}},
    }
    (folder / FOLDER / "dataset.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return spec(folder, f"{NAMES[1]} {{{{7*7}}}} {NAMES[38]}")


def hostile_snapshot(folder: Path) -> Path:
    """A snapshot in which columns and their values attack."""
    draw = np.random.default_rng(5)
    rows = 900
    table = pd.DataFrame(
        {
            "customer_id": [f"CUSTOMERMARK{i}" for i in range(rows)],
            "tenure": draw.integers(1, 60, rows),
            "churned": draw.integers(0, 2, rows),
            NAMES[0]: draw.choice(np.array(NAMES[:6], dtype=object), rows),
            NAMES[24]: draw.choice(np.array(NAMES[22:28], dtype=object), rows),
            NAMES[34]: draw.choice(np.array(NAMES[34:42], dtype=object), rows),
            NAMES[18]: draw.choice(np.array(NAMES[44:51], dtype=object), rows),
            NAMES[49][:300]: draw.normal(size=rows),
            "grade": grades(rows),
            "graded": (np.arange(rows) < RARE["RARENINE"]).astype(int),
        }
    )
    (folder / FOLDER).mkdir()
    table.to_parquet(folder / FOLDER / "customers.parquet", index=False)
    settings = {"tenure_unit": "months"}
    (folder / FOLDER / "dataset.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return spec(folder, NAMES[19])


def report(once: Callable[..., Any], make: Callable[[Path], Path]) -> Run:
    """Render all of the notebooks that are shipped, once for all tests; they only read it."""
    dated = make is hostile_events
    parameters = {"segment": SEGMENT, "window_days": 80} if dated else {"segment": NAMES[0]}

    def made(folder: Path) -> Run:
        return render(
            make(folder), as_of="2026-06-15" if dated else None, quick=True, parameters=parameters
        )

    run: Run = once(make.__name__, SHIPPED, made)
    return run
