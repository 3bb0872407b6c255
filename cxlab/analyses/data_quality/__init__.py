"""Can these data be trusted to answer, and what should be known before they do?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from cxlab.analyses.data_quality import answers, contacts, feed, tables
from cxlab.analyses.data_quality.looked import Looked, Section
from cxlab.data.dataset import Dataset
from cxlab.errors import within
from cxlab.models.intervals import LEVEL
from cxlab.results import Check, Finding, Findings, Result, counted

__all__ = ["feed_gaps", "findings", "notes", "run"]

_SAID_BY = {"freshness.interactions": "gaps.contacts", "freshness.feedback": "gaps.questions"}


def run(dataset: Dataset, *, window_days: int = 90, min_group: int = 10) -> Result:
    """Look for what would bend the answers: rows, days, columns and customers that are missing.

    Parameters
    ----------
    dataset : Dataset
        In either form; what needs a table that is not there is left out.
    window_days : int
        Days before ``as_of`` in which those who leave are counted, for the comparison of
        customers who answered with those who did not.
    min_group : int
        Customers, or questions, below which no share is told.

    Returns
    -------
    Result
        One row a thing looked at, the worst first: ``term``, the share of rows it touches
        (``estimate, conf_low, conf_high``), ``p_value, n, outcome``. Parts, where they apply:
        ``came_in``, ``set_aside``, ``gaps``, ``weekly``, ``steps``, ``coverage``,
        ``response_by_month``, ``who_is_missing``, ``who_answers``, ``empty_cells``,
        ``unvarying``, ``repeated``, ``names``, ``journeys``.

    Raises
    ------
    UsageError
        An option is out of its bounds.
    """
    within(7, 730, window_days=window_days)
    within(1, 1000, min_group=min_group)
    cells, days = tables.cells(dataset), tables.days(dataset)
    families = [] if dataset.form == "snapshot" else feed.daily(dataset, days)
    sections: list[Section | None] = [
        tables.came_in(dataset, cells, days),
        tables.set_aside(dataset),
        feed.gaps(families),
        feed.steps(dataset, families),
        answers.coverage(dataset, min_group),
        answers.who_is_missing(dataset, window_days, min_group),
        answers.who_answers(dataset, min_group),
        tables.empty_cells(dataset, cells, min_group),
        tables.unvarying(dataset, cells),
        tables.repeated(dataset, cells, days),
        tables.names(dataset),
        contacts.journeys(dataset),
        Section(looked=contacts.scales(dataset)),
        contacts.silence(dataset, min_group),
    ]
    there = [s for s in sections if s is not None]
    looked = sorted(_once([lo for s in there for lo in s.looked]), key=_rank)
    parts = {name: part for s in there for name, part in s.parts.items()}
    meta = {
        **dataset.about(),
        "scale": "share of rows",
        "level": LEVEL,
        "min_group": min_group,
        "looked_at": len(looked),
        "slugs": [lo.slug for lo in looked],
        "rows": sum(t.rows for t in dataset.read.values()),
    }
    if dataset.day:
        first = families[0].first.isoformat() if families else dataset.day
        meta |= {"period": [first, dataset.day], "window_days": window_days}
    parts = {n: replace(p, meta=meta) for n, p in parts.items()}
    checks = tuple(Check(lo.name, lo.passed, lo.text) for lo in looked)
    return Result("data_quality", _table(looked), checks, meta, _sentence(looked), parts)


def feed_gaps(dataset: Dataset) -> Result | None:
    """Find days on which far too few rows came, as :func:`run` does, and nothing else.

    Parameters
    ----------
    dataset : Dataset
        In either form.

    Returns
    -------
    Result or None
        One row a gap, the worst first: ``what`` (the kind of rows), ``by`` and ``name`` (of
        which touchpoint, channel or metric), ``first day``, ``last day``, ``days``, ``rows
        seen``, ``rows expected`` and ``remark``; None where no table has dates enough to look.
    """
    if dataset.form == "snapshot":
        return None
    section = feed.gaps(feed.daily(dataset, tables.days(dataset, "customers")))
    return section.parts["gaps"] if section else None


def notes(dataset: Dataset, *, min_group: int = 10) -> list[str]:
    """Tell of contacts without a journey, journeys without an end, a single channel, scores
    that leave an end of their scale empty, and silence that is no sign of leaving.

    Parameters
    ----------
    dataset : Dataset
        In either form.
    min_group : int
        Silences are followed as long as so many are.

    Returns
    -------
    list of str
        A sentence each, as :func:`run` has them; of what is as it should be, none.
    """
    sections = (contacts.journeys(dataset), contacts.silence(dataset, min_group))
    looked = [lo for s in sections if s is not None for lo in s.looked]
    # What a hint says stands beside the rows set aside already.
    looked += [lo for lo in contacts.scales(dataset) if lo.passed is None]
    return [lo.text for lo in looked if not lo.passed]


def _once(looked: list[Looked]) -> list[Looked]:
    """Let a table's age only inform where a gap up to the last day says it already."""
    failed = {lo.slug for lo in looked if lo.passed is False}
    told = {old for old, gap in _SAID_BY.items() if gap in failed}
    return [replace(lo, passed=None) if lo.slug in failed & told else lo for lo in looked]


def _rank(looked: Looked) -> tuple[int, int, float]:
    """Put what failed before what informs, and the worst first."""
    return {False: 0, None: 1, True: 2}[looked.passed], *looked.order


def _table(looked: list[Looked]) -> pd.DataFrame:
    outcome = {True: "passed", False: "failed", None: "note"}
    rows = [
        (lo.name, *lo.share, lo.p_value, lo.total or np.nan, outcome[lo.passed]) for lo in looked
    ]
    columns = ["term", "estimate", "conf_low", "conf_high", "p_value", "n", "outcome"]
    return pd.DataFrame(rows, columns=columns).astype({"n": "Int64"})


def _sentence(looked: list[Looked]) -> str:
    failed = [lo for lo in looked if lo.passed is False]
    notes = [lo for lo in looked if lo.passed is None]
    if not failed:
        text = f"Nothing was found in {counted(len(looked), 'check')} that would bend the answers."
        if notes:
            are = "is" if len(notes) == 1 else "are"
            text += f" {counted(len(notes), 'thing')} {are} good to know."
        return text
    if len(failed) == 1:
        return f"One thing should be known before these data are trusted. {failed[0].text}"
    return (
        f"{len(failed)} things should be known before these data are trusted. First: "
        f"{failed[0].text}"
    )


def findings(result: Result, notebook: str = "01_data_quality") -> Findings:
    """Word what was found amiss for ``findings.json`` and the top of the report.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    notebook : str
        The notebook that says so.
    """
    found = Findings([Finding("quality.summary", notebook, result.sentence, n=result.meta["rows"])])
    rows = zip(result.meta["slugs"], result.checks, result.table.itertuples(), strict=True)
    failed = [(slug, check, row) for slug, check, row in rows if check.passed is False]
    for slug, check, row in failed[1:]:
        n = None if pd.isna(row.n) else int(row.n)
        figures = (row.estimate, row.conf_low, row.conf_high)
        found.append(Finding(f"quality.{slug}", notebook, check.text, *figures, "share", n))
    return found
