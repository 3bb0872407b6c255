"""The front page of a run: the answer first, then each question, then how it was made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cxlab.report.collect import DRIVERS_RESULT
from cxlab.report.files import write_text
from cxlab.report.markup import environment, policy, shared, show_picture
from cxlab.report.outputs import Harvest
from cxlab.report.plan import Plan

__all__ = ["FOREST", "write_front"]

FOREST = "churn_drivers_forest"
"""The picture the front page shows."""

_GROUPS = (
    ("What drives customers away", ("driver",)),
    ("What keeps customers", ("protective",)),
    ("Suspected, not shown", ("reverse causation suspected", "not separable")),
    ("Also found", ("information",)),
    ("Where the data do not tell", ("no evidence", "too little data")),
)
_SHOWN = ("driver", "protective", "reverse causation suspected", "not separable")


def write_front(path: Path, plan: Plan, harvest: Harvest, manifest: Mapping[str, Any]) -> None:
    """Write ``index.html``.

    Parameters
    ----------
    path : pathlib.Path
        The file; links go to what lies beside it.
    plan : Plan
        The run.
    harvest : Harvest
        What the notebooks found.
    manifest : mapping
        The run's manifest.
    """
    folder = path.parent
    result = harvest.results.get(DRIVERS_RESULT)
    meta = result["meta"] if result else {}
    lead = result["sentence"] if result else ""
    rows = _rows(result)
    forest = harvest.pictures.get(FOREST)
    questions = {n: e.question for n, e in plan.registry.notebooks.items()}
    files = ("findings.json", "drivers.csv", "tables.xlsx", "manifest.json")
    pages = {n for n in manifest["notebooks"] if (folder / f"{n}.html").is_file()}
    text = (
        environment()
        .get_template("front.html.j2")
        .render(
            manifest=manifest,
            css=shared("cxlab.css"),
            policy=policy(),
            lead=lead,
            groups=_groups(f for f in harvest.findings.values() if f["statement"] != lead),
            questions=questions,
            pages=pages,
            logs={n for n in manifest["notebooks"] if (folder / f"{n}.log").is_file()},
            drivers=[r for r in rows if r["verdict"] in _SHOWN and r["valence"] != "contact"],
            others=_others(rows),
            currency=meta.get("currency") or "",
            window=meta.get("window_days"),
            period=_period(harvest),
            forest=show_picture(forest) if forest else "",
            files=[f for f in files if f == "manifest.json" or (folder / f).is_file()],
            failed={n: m for n, m in manifest["notebooks"].items() if _is_failed(m)},
        )
    )
    write_text(path, text)


def _is_failed(notebook: Mapping[str, Any]) -> bool:
    return notebook["status"] not in ("ok", "skipped")


def _rows(result: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Give the driver table as rows."""
    if result is None:
        return []
    columns = result["table"]["columns"]
    rows = [dict(zip(columns, row, strict=True)) for row in result["table"]["rows"]]
    return sorted(rows, key=lambda r: (r["rank"] is None, r["rank"] or 0))


def _others(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """List the touchpoints about which nothing is claimed, by verdict."""
    found: dict[str, list[str]] = {}
    for row in rows:
        contact = row["valence"] == "contact"
        suspected = contact and row["verdict"] == "reverse causation suspected"
        if suspected or not (contact or row["verdict"] in _SHOWN):
            found.setdefault(row["verdict"], []).append(_term(row))
    return found


def _term(row: Mapping[str, Any]) -> str:
    words = {"bad": "gone badly", "good": "gone well", "contact": "any contact"}
    valence = words.get(row["valence"])
    return f"{row['touchpoint']}, {valence}" if valence else str(row["touchpoint"])


def _groups(
    findings: Iterable[Mapping[str, Any]],
) -> list[tuple[str, list[Mapping[str, Any]], bool]]:
    """Group the findings, drivers first, and tell where the group says the verdict.

    One with an unknown verdict informs.
    """
    known = {verdict for _, verdicts in _GROUPS for verdict in verdicts}
    every = list(findings)
    groups = []
    for title, verdicts in _GROUPS:
        informs = "information" in verdicts
        members = [
            f for f in every if f["verdict"] in verdicts or (informs and f["verdict"] not in known)
        ]
        if members:
            groups.append((title, members, len(verdicts) == 1))
    return groups


def _period(harvest: Harvest) -> str:
    """Give the period the results say they cover, the drivers' first."""
    first = [harvest.results[DRIVERS_RESULT]] if DRIVERS_RESULT in harvest.results else []
    for result in [*first, *harvest.results.values()]:
        period = result["meta"].get("period")
        if isinstance(period, list) and len(period) == 2:
            return f"{period[0]} to {period[1]}"
        if isinstance(period, str):
            return period
    return ""
