"""The run that compares segments: its page, its tables and findings, and what it was."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from cxlab.report.earlier import hashes
from cxlab.report.findings import Harvest, write_found
from cxlab.report.manifest import describe_run
from cxlab.report.markup import interval, policy, shared, show_picture, template
from cxlab.report.printed.pdf import PDF, make_pdf
from cxlab.report.publish import Build
from cxlab.report.segments.compared import DIFFERENCES, SEGMENTS, Ended, compare, lost_most, told
from cxlab.report.segments.fan import EACH
from cxlab.report.segments.groups import Left
from cxlab.report.spec import Plan
from cxlab.report.tables import write_pictures, write_text, write_workbook
from cxlab.results import Findings, Result

__all__ = ["describe", "publishable"]

_FOREST = "forest"
_MOST_DRIVERS, _MOST_GAPS, _MOST_LOST = 3, 20, 5


def publishable(
    plan: Plan, build: Build, started: dt.datetime, ended: Sequence[Ended], left: Left
) -> dict[str, Any]:
    """Write all that the comparing run holds; gives its manifest.

    Parameters
    ----------
    plan : Plan
        The run, of all segments together.
    build : Build
        Where it is built.
    started : datetime.datetime
        When it started, in UTC.
    ended : sequence of Ended
        How each segment's report ended.
    left : Left
        What there is no report for.
    """
    result = compare(plan.out / EACH, ended, left.apart, plan.dataset.about())
    clear, most = told(result), lost_most(result)
    picture = _picture(result)
    tables = {SEGMENTS: result.to_dict()["table"]}
    tables |= {DIFFERENCES: result[DIFFERENCES].to_dict()["table"]}
    tables |= {p["name"]: p["data"] for p in picture}
    harvest = Harvest(
        findings={f["id"]: f for f in _plain([*clear, *most])},
        tables={name: {**table, "notebook": ""} for name, table in tables.items()},
        pictures={p["name"]: p for p in picture},
    )
    write_found(build.folder, plan.dataset, harvest)
    write_workbook(harvest.tables, build.folder / "tables.xlsx")
    write_pictures(harvest.pictures, build.folder / "figures")
    good = all(e.status == "ok" for e in ended)
    manifest = {
        **describe(plan, build, started),
        "status": "ok" if good else "failed",
        "segments": [asdict(e) for e in ended],
        "skipped": left.skipped,
        "not_in_this_run": [asdict(g) for g in left.gone],
        "sha256": hashes(build.folder),
    }
    front = partial(_page, result=result, ended=ended, left=left, picture=picture)
    if "pdf" in plan.spec.publish.formats:
        write_text(build.folder / "index.html", front(manifest))
        manifest |= _printed(build, manifest)
    write_text(build.folder / "index.html", front(manifest))
    text = json.dumps(manifest, ensure_ascii=False, indent=2)
    write_text(build.folder / "manifest.json", text + "\n")
    return manifest


def _printed(build: Build, manifest: dict[str, Any]) -> dict[str, Any]:
    """Print the page, and give what the manifest says otherwise then."""
    told = make_pdf(build.folder, build.work, manifest)
    return {
        "pdf": told,
        "status": manifest["status"] if told["error"] is None else "failed",
        "seconds": round(manifest["seconds"] + told["seconds"], 1),
    }


def _plain(findings: list[Any]) -> list[dict[str, Any]]:
    """Give findings as their file has them."""

    def rounded(value: Any) -> Any:
        if not isinstance(value, float):
            return value
        return float(f"{value:.6g}") if math.isfinite(value) else None

    rows = Findings(findings).to_dict()["findings"]
    return [{k: rounded(v) for k, v in row.items()} for row in rows]


def _picture(result: Result) -> list[dict[str, Any]]:
    """Draw the segments beside each other, where there is anything to draw."""
    from cxlab.plots.picture import PICTURE_MIME, pictures
    from cxlab.plots.segments import forest_by_segment, forest_by_segment_words

    drawn = pictures(result, {_FOREST: (forest_by_segment, forest_by_segment_words)})
    return [p._repr_mimebundle_()[PICTURE_MIME] for p in drawn]


def describe(plan: Plan, build: Build, started: dt.datetime) -> dict[str, Any]:
    """Say what the comparing run was asked, before it is known how its segments end.

    Parameters
    ----------
    plan : Plan
        The run, of all segments together.
    build : Build
        Where it is built.
    started : datetime.datetime
        When it started, in UTC.
    """
    about = describe_run(replace(plan, order=[]), build, {}, started, [])
    # how many customers there are in all might tell of a small segment
    about["dataset"] = {k: v for k, v in about["dataset"].items() if k != "rows"}
    return {
        **about,
        "each": plan.spec.each.column if plan.spec.each else None,
        "rendered": {
            name: {"parameters": plan.settings(name), "source_sha256": plan.sources[name]}
            for name in plan.order
        },
    }


def _page(
    manifest: dict[str, Any],
    result: Result,
    ended: Sequence[Ended],
    left: Left,
    picture: list[dict[str, Any]],
) -> str:
    css, script = shared("cxlab.css"), shared("page.js")
    gaps = result[DIFFERENCES].table
    printed = "pdf" in manifest and manifest["pdf"]["error"] is None
    shown = gaps[gaps["q_value"] < 0.05].head(_MOST_GAPS).to_dict("records")
    return template(
        "each.html.j2",
        manifest=manifest,
        title=_title(manifest),
        css=css,
        script=script,
        policy=policy(css, script),
        place=f"../{EACH}",
        clear=[f.statement for f in told(result)],
        most=[f.statement for f in lost_most(result)][:_MOST_LOST],
        sentence=result.sentence,
        segments=[(e, _top(result, e)) for e in ended],
        bad=[e for e in ended if e.status != "ok"],
        left=left,
        window=result.meta.get("window_days"),
        currency=result.meta.get("currency"),
        gaps=[{**g, "ratio": interval(g["estimate"], g["conf_low"], g["conf_high"], 2)}
              for g in shown],
        all_gaps=len(gaps),
        forest=show_picture(picture[0]) if picture else "",
        printed=PDF if printed else "",
        files=[*([PDF] if printed else []), "findings.json", "tables/segments.csv",
               "tables/differences.csv", "tables.xlsx", "manifest.json"],
    )  # fmt: skip


def _title(manifest: dict[str, Any]) -> str:
    """Say by what segments are told, unless the spec's title ends with it."""
    title, by = str(manifest["title"]), f"by {manifest['each']}"
    return title if title.lower().endswith(by.lower()) else f"{title}, {by}"


def _top(result: Result, ended: Ended) -> list[dict[str, Any]]:
    """Give the drivers that cost a segment most, as the page tells them."""
    table = result.table[result.table["segment"] == ended.words]
    rows = table[table["verdict"] == "driver"].head(_MOST_DRIVERS).to_dict("records")
    return [
        {
            "name": row["touchpoint"],
            "valence": row["valence"],
            "ratio": _figures(row, "hazard_ratio", "conf", 2),
            "lost": _figures(row, "attributable_churn", "attributable_churn", 0),
            "value": _figures(row, "value_at_risk", "value_at_risk", 0),
            "share": _percent(row["attributable_share"]),
        }
        for row in rows
    ]


def _figures(row: dict[str, Any], name: str, limits: str, digits: int) -> tuple[str, str]:
    three = (row[name], row[f"{limits}_low"], row[f"{limits}_high"])
    middle, low, high = (None if v is None or not math.isfinite(v) else v for v in three)
    return interval(middle, low, high, digits)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%" if share is not None and math.isfinite(share) else ""
