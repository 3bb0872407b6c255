"""What do customers say in their own words?"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd

from cxlab.analyses.voice_of_customer import tables, words
from cxlab.analyses.voice_of_customer.churn import before_leaving
from cxlab.analyses.voice_of_customer.heard import Heard, hear
from cxlab.analyses.voice_of_customer.over_time import over_time
from cxlab.analyses.voice_of_customer.plain import plain, plain_book
from cxlab.analyses.voice_of_customer.quotes import quotes
from cxlab.analyses.voice_of_customer.shares import FIGURES, at_touchpoints, scores, shares
from cxlab.analyses.voice_of_customer.words import findings
from cxlab.data.dataset import Dataset
from cxlab.data.theme_book import Book, read_book, write_book
from cxlab.errors import within
from cxlab.frames.comments import comments
from cxlab.frames.periods import EPOCH
from cxlab.models.intervals import LEVEL
from cxlab.results import Result

__all__ = ["findings", "needs", "run", "spoken"]


def run(
    dataset: Dataset,
    *,
    state: str | Path = "",
    window_days: int = 90,
    include_quotes: bool = False,
    min_group: int = 10,
    seed: int = 0,
) -> Result:
    """Sort what customers wrote into themes, and tell how common, how new and how telling they are.

    Comments go to the themes of the theme book first, then to new ones found among what it does
    not explain. Personal data are masked before anything else is done.

    Parameters
    ----------
    dataset : Dataset
        In either form, with ``comment`` in feedback or ``text`` in interactions.
    state : str or Path
        Folder of what the last run handed on (``themes.yml``); empty: none.
    window_days : int
        The last days whose shares are told, and as many before them to compare with.
    include_quotes : bool
        Whether a few comments are shown word for word.
    min_group : int
        Figures of fewer customers are withheld, and words of fewer tell no theme.
    seed : int
        Of the sample of person-days.

    Returns
    -------
    Result
        A row a theme: ``term`` (its id), ``theme``, ``estimate`` (share of the comments of the last
        days) with its interval, ``p_value`` (of the change), ``n`` (customers), ``comments,
        before, change, change_low, change_high, p_holm, tone, tone_low, tone_high, status``
        (``known``, ``new`` since the last run, or ``found``) and ``again``. Parts: ``shown``,
        ``touchpoints``, ``changes`` (with ``series``), ``scores``, ``before_leaving``,
        ``leaving``, ``languages``, ``became``, ``numbers``, ``book`` (its ``meta`` has the
        ``text`` of ``themes.yml``) and, if asked for, ``quotes``.

    Raises
    ------
    UsageError
        An option is out of its bounds.
    DataError
        ``themes.yml`` is no theme book.
    """
    within(1, window_days=window_days, min_group=min_group)
    before = plain_book(read_book(state))
    read = comments(dataset)
    if isinstance(read, str):
        return _nothing(dataset, before, read, min_group)
    heard = hear(dataset, plain(read), before, min_group)
    end = (dataset.end - EPOCH) / dt.timedelta(days=1)
    side = _sides(heard, end, window_days)
    table = shares(heard, side, min_group)
    dated = bool(np.isfinite(heard.table["at"].to_numpy(float)).any())
    days = window_days if dated else 0
    moved = over_time(heard, end, min_group)
    ahead = before_leaving(heard, min_group, seed)
    parts = {
        "shown": tables.shown(table, days),
        "changes": Result("changes", moved.table, meta=moved.meta, sentence=moved.sentence),
        "series": moved["series"],
        "touchpoints": at_touchpoints(heard, min_group),
        "scores": scores(heard, min_group),
        "before_leaving": ahead,
        "leaving": tables.leaving(ahead.table),
        "languages": tables.languages(heard),
        "became": tables.became(heard),
        "numbers": tables.numbers(heard),
        "book": _book(heard.book, heard.before),
    }
    if include_quotes:
        parts["quotes"] = quotes(heard, min_group)
    meta = {
        **dataset.about(),
        "scale": "share of comments",
        "level": LEVEL,
        "window_days": days,
        "min_group": min_group,
        "comments": int((side == 1).sum()),
        "customers": len(np.unique(heard.table["who"].to_numpy()[side == 1])),
        "all_comments": len(heard.table),
        "last_run": before.as_of.isoformat() if before.as_of else None,
    }
    checks = (*words.checks(heard, table, min_group), *ahead.checks)
    text = words.headline(heard, table, meta)
    return Result("voice_of_customer", table, checks, meta, text, parts)


def needs(dataset: Dataset, *, state: str | Path = "", min_group: int = 10) -> pd.DataFrame:
    """Tell which customer spoke of which theme, and when: needs that personas may be formed of.

    Parameters
    ----------
    dataset : Dataset
        As for :func:`run`. In a language of which the theme book has themes those alone are told;
        in others the same are found as there.
    state, min_group
        As there.

    Returns
    -------
    pandas.DataFrame
        ``customer_id``, ``at`` (days) and ``theme`` (its name), a row a mention by a customer who
        is known; empty where nobody wrote.
    """
    before, read = plain_book(read_book(state)), comments(dataset)
    if isinstance(read, str):
        return pd.DataFrame(columns=["customer_id", "at", "theme"])
    heard = hear(dataset, plain(read), before, min_group, known=True)
    row, theme = np.nonzero(heard.about)
    names = np.array([t.name for t in heard.homes], dtype=object)
    said = heard.table.iloc[row][["customer_id", "at"]].assign(theme=names[theme])
    return said.dropna().reset_index(drop=True)


def spoken(dataset: Dataset, *, state: str | Path = "", min_group: int = 10) -> pd.DataFrame:
    """Tell of each comment who made it, when, where and about what, to be tied to contacts.

    Parameters
    ----------
    dataset, state, min_group
        As for :func:`needs`.

    Returns
    -------
    pandas.DataFrame
        ``comment`` (a number), ``customer_id``, ``at`` (days), ``touchpoint`` and ``theme`` (its
        name; None: of no theme), a row a comment and theme; empty where nobody wrote. Its
        ``attrs["read"]`` is the share of the comments that were read.
    """
    columns = ["comment", "customer_id", "at", "touchpoint", "theme"]
    before, read = plain_book(read_book(state)), comments(dataset)
    if isinstance(read, str):
        return pd.DataFrame(columns=columns)
    heard = hear(dataset, plain(read), before, min_group, known=True)
    row, theme = np.nonzero(heard.about)
    names = np.array([t.name for t in heard.homes] + [None], dtype=object)
    silent = np.flatnonzero(~heard.about.any(axis=1))
    row, theme = np.append(row, silent), np.append(theme, np.full(len(silent), -1))
    said = heard.table.iloc[row][["customer_id", "at", "touchpoint"]].reset_index(drop=True)
    said = said.assign(comment=row, theme=names[theme])[columns]
    said = said.sort_values("comment", kind="stable", ignore_index=True)
    # Comments said twice at once are left out, which is no sampling.
    most = len(heard.table) + read.counts["said twice at once"]
    said.attrs["read"] = min(most / read.total, 1.0)
    return said


def _sides(heard: Heard, end: float, days: int) -> np.ndarray:
    """Tell the last days from as many before them; what is not dated counts as of now."""
    at = heard.table["at"].to_numpy(float)
    side = np.where(at >= end - days, 1, np.where(at >= end - 2 * days, 0, -1))
    return np.where(np.isfinite(at), side, -1 if np.isfinite(at).any() else 1)


def _book(book: Book, before: Book) -> Result:
    known = {t.id for t in before.themes}
    rows = [
        (t.id, t.name, t.language, str(t.first_seen), t.counts_as, "known" if t.id in known else
         "added", ", ".join(sorted(t.words, key=lambda w: (-t.words[w], w))[:12]))
        for t in book.themes
    ]  # fmt: skip
    columns = ["id", "name", "language", "first seen", "counts as", "this run", "told by"]
    text = words.book(book, before)
    meta = {"text": write_book(book)}
    return Result("book", pd.DataFrame(rows, columns=columns), meta=meta, sentence=text)


def _nothing(dataset: Dataset, before: Book, why: str, min_group: int) -> Result:
    """Say why there is nothing, and hand the last run's book on."""
    parts = {"book": _book(before, before)} if before.themes else {}
    meta = {**dataset.about(), "min_group": min_group}
    text = f"There are no themes to tell: {why}."
    return Result("voice_of_customer", pd.DataFrame(columns=FIGURES), (), meta, text, parts)
