"""The text of a starter: ``dataset.yml`` with every guess explained, a report, the SQL."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import yaml

from cxlab.data.contract import SNAPSHOT, TABLES, Table
from cxlab.lab.new.assemble import Made, Proposal, Setting
from cxlab.lab.new.look import Sheet
from cxlab.results import counted

__all__ = ["empty_settings", "printable", "report", "settings"]

_WIDTH = 98
_LONGEST = 600
_MEANINGS = {
    "customer_id": "who it is",
    "started_at": "the day a customer started",
    "ended_at": "the day they left; empty: still a customer",
    "cancelled_at": "the day they gave notice, before the end",
    "end_reason": "voluntary, involuntary, or another word",
    "renews_at": "leaving is possible on this day alone",
    "renewal_days": "or: leaving is possible every so many days",
    "monthly_value": "what they pay a month",
    "tenure": "how long a customer has been there, in tenure_unit",
    "churned": "1 or yes: has left",
    "occurred_at": "when the contact was",
    "touchpoint": "where: support-call, invoice, ...",
    "outcome": "ok or failed",
    "metric": "nps, csat, ces, or one declared under metrics",
    "score": "the answer",
}


def _scalar(value: object) -> str:
    """Write a value as YAML on one line, quoted where it has to be."""
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1 << 30)
    return text.removesuffix("\n").removesuffix("\n...")


def printable(text: str) -> str:
    """Give a text as one line can show it: a blank for what cannot be printed.

    Parameters
    ----------
    text : str
        It may come from files.
    """
    return "".join(c if c.isprintable() else " " for c in text)


def _comment(text: str, indent: int = 0) -> Iterator[str]:
    """Fold a comment; values in it come from files, so nothing unprintable gets through."""
    bare = printable(text)
    bare = bare if len(bare) <= _LONGEST else bare[:_LONGEST] + "…"
    mark = " " * indent + "# "
    lines = textwrap.wrap(bare, _WIDTH - indent - 2, break_on_hyphens=False) or [""]
    yield mark + lines[0]
    for line in lines[1:]:
        yield mark + "  " + line


def _files(sheets: Sequence[Sheet]) -> str:
    return ", ".join(
        f"{', '.join(f.name for f in s.files[:3])}{', …' if len(s.files) > 3 else ''} "
        f"({counted(s.rows, 'row')})"
        for s in dict.fromkeys(sheets)
    )


def settings(name: str, proposal: Proposal, source: str | None) -> str:
    """Write ``dataset.yml``.

    Parameters
    ----------
    name : str
        What reports call the dataset.
    proposal : Proposal
        What was found.
    source : str, optional
        The folder the tables are read from, if not beside the file.
    """
    lines = [
        *_comment("Written by cxlab new. Every line is a proposal, with how sure it is: high, "
                  "likely or guess. Correct what is wrong; cxlab check shows the effect."),
        f"name: {_scalar(name)}",
        "",
    ]  # fmt: skip
    if source is not None:
        lines += [
            *_comment("The tables are read where they are."),
            f"source: {{path: {_scalar(source)}}}",
            "",
        ]
    lines += _tables(proposal.tables)
    for setting in proposal.settings:
        lines += [*_comment(setting.why), *_setting(setting), ""]
    lines += _remarks("Not found, and what follows from it:", proposal.missing)
    lines += _remarks("Files not used:", proposal.unused)
    return "\n".join(lines).rstrip() + "\n"


def _setting(setting: Setting) -> list[str]:
    if setting.value is None:
        return [f"# {setting.key}:"]
    return [f"{setting.key}: {_scalar(setting.value)}"]


def _remarks(title: str, items: Sequence[str]) -> list[str]:
    if not items:
        return []
    lines = [*_comment(title)]
    for item in items:
        lines += _comment("- " + item)
    return [*lines, ""]


def _tables(tables: Sequence[Made]) -> list[str]:
    lines: list[str] = []
    mapped = [t for t in tables if t.select and t.guesses]
    for table in tables:
        if table not in mapped:
            made = f"{table.name}: made from {_files(table.sheets)}"
            lines += _comment(f"{made}; its columns have the contract's names:")
            for part in table.parts or [table]:
                lines += _comment(f"From {_files(part.sheets)}:") if table.parts else []
                for guess in part.guesses:
                    lines += _comment(f"- {guess.role} from {guess.column.name}. {guess.why}")
                for note in part.notes:
                    lines += _comment(f"- {note}")
            lines.append("")
    if mapped:
        lines.append("columns:")
    for table in mapped:
        lines += [f"  {table.name}:", *_comment(f"From {_files(table.sheets)}.", 4)]
        for guess in table.guesses:
            lines += _comment(guess.why, 4)
            lines.append(f"    {guess.role}: {_scalar(guess.column.name)}")
        for note in table.notes:
            lines += _comment(note, 4)
    return [*lines, ""] if mapped else lines


def report(title: str) -> str:
    """Write a report's spec, to lie in the dataset's folder.

    Parameters
    ----------
    title : str
        What the front page is called.
    """
    return "\n".join(
        [
            "# A report's spec. Paths in it are relative to this file.",
            f"title: {_scalar(title)}",
            "dataset: .",
            "",
            "# The notebooks; without this line, all of them (cxlab list names them).",
            "# notebooks: [05_churn_drivers]",
            "",
            "# parameters: {window_days: 90}",
            "",
            "publish:",
            "  keep_runs: 10  # older runs are deleted",
            "",
        ]
    )


def empty_settings(name: str) -> str:
    """Write a ``dataset.yml`` that says nothing yet, with all it may say in comments.

    Parameters
    ----------
    name : str
        What reports call the dataset.
    """
    lines = [
        *_comment("Written by cxlab new. Put the tables beside this file as Parquet or CSV; only "
                  "customers is required. Take away the # of a line to use it."),
        f"name: {_scalar(name)}",
        "",
        *_comment("Where a file's column has another name, say so (the file's name comes last)."),
        "# columns:",
    ]  # fmt: skip
    for name_, table in TABLES.items():
        lines += _outline(name_, table)
    lines += [
        *_comment("or, where customers have no dates, a row a customer:"),
        *_outline("customers", SNAPSHOT),
    ]
    lines += [
        "",
        "# tenure_unit: months  # of tenure; days, weeks, months or years",
        "# currency: EUR",
        "# acquisition_cost: 120  # what winning one customer costs, in that currency",
        "# time_zone: Europe/Berlin  # of times that name none; without it, UTC",
        "# observed_from: 2024-07-01  # the first day the table of contacts covers",
        "# observed_until: 2026-06-30  # the last day the tables cover",
        "# churn: {inactivity: {days: 90}}  # where no column says who left",
        "# bad: {wait_over_seconds: 600, unresolved_after_days: 7}  # these failed too",
        "# stages: [onboarding, use, support, exit]  # exit: never a driver",
        "# metrics: {rating: {scale: [0, 100]}}  # besides nps 0-10, csat 1-5, ces 1-7",
        "# source: {path: ../exports}  # where the tables are; or {url: '${CX_DATABASE_URL}'}",
        "# engine: spark  # what does the work; duckdb if nothing is said",
        "# spark_master: spark://host:7077  # where Spark does it; this machine if nothing is said",
        "# incremental: true  # read each file of a folder once, and new ones alone from then on",
        "",
    ]
    return "\n".join(lines)


def _outline(name: str, table: Table) -> Iterator[str]:
    yield f"#   {name}:"
    for column in table.columns:
        told = "required" if column.required else "may be absent"
        meaning = _MEANINGS.get(column.name)
        yield f"#     {column.name}: {column.name}  # {told}{'; ' + meaning if meaning else ''}"
