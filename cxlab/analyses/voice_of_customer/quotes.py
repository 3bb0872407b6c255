"""A few comments that speak for each theme: near its centre, unlike each other, masked."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.analyses.voice_of_customer.heard import Heard
from cxlab.results import Result

__all__ = ["quotes"]

COLUMNS = ["term", "theme", "quote", "touchpoint", "month"]
_PER_THEME, _CANDIDATES = 3, 60
_LONGEST, _FEWEST_WORDS = 240, 3
_ALIKE = 0.6


def quotes(heard: Heard, min_group: int) -> Result:
    """Pick up to three comments for each theme, each of another customer.

    Nearest to the theme's centre by its words (the cosine of their weights), and sharing few of
    them with those picked before. Nothing is picked from themes of fewer than ``min_group``
    customers.

    Parameters
    ----------
    heard : Heard
        What the comments are about; their text is masked.
    min_group : int
        Customers that a theme needs.
    """
    who = heard.table["who"].to_numpy()
    rows = []
    for i, theme in enumerate(heard.homes):
        members = heard.about[:, i]
        if len(np.unique(who[members])) < min_group:
            continue
        # A comment about this alone speaks for it best.
        alone = members & (heard.about.sum(axis=1) == 1)
        rows += [
            (theme.id, theme.name, *_shown(heard, row))
            for row in _picked(heard, theme.id, np.flatnonzero(alone if alone.any() else members))
        ]
    text = "" if rows else "No theme is shared by customers enough to quote one of them."
    return Result("quotes", pd.DataFrame(rows, columns=COLUMNS), sentence=text)


def _shown(heard: Heard, row: int) -> tuple[str, str, str]:
    text, place, at = heard.table.loc[row, ["text", "touchpoint", "at"]]
    text = str(text) if len(text) <= _LONGEST else f"{text[: _LONGEST - 2].rstrip()} …"
    month = "" if np.isnan(at) else str((np.datetime64("1970-01-01") + int(at)).astype("M8[M]"))
    return text, "" if pd.isna(place) else str(place), month


def _picked(heard: Heard, theme: str, members: np.ndarray) -> list[int]:
    home = [k for k, t in enumerate(heard.book.themes) if heard.book.home(t.id) == theme]
    language = heard.book.themes[home[0]].language
    spoken = next((v for v in heard.languages if v.code == language), None)
    if spoken is None:
        return []
    own = [k for k, t in enumerate(heard.book.of(language)) if heard.book.home(t.id) == theme]
    weight = spoken.weights[:, own].max(axis=1, initial=0.0)
    mine = np.flatnonzero(np.isin(spoken.rows, members))
    has = spoken.words.has[mine]
    size = np.asarray(has.sum(axis=1)).ravel()
    near = np.asarray(has @ weight) / np.sqrt(np.maximum(size, 1))
    near = np.where(size >= _FEWEST_WORDS, near, near / 2)
    found: list[int] = []
    taken: list[set[int]] = []
    for j in np.argsort(-near, kind="stable")[:_CANDIDATES]:
        words = set(has.indices[has.indptr[j] : has.indptr[j + 1]].tolist())
        row = int(spoken.rows[mine[j]])
        who = heard.table["who"]
        if any(who[row] == who[r] for r in found) or any(
            len(words & t) > _ALIKE * max(min(len(words), len(t)), 1) for t in taken
        ):
            continue
        found.append(row)
        taken.append(words)
        if len(found) == _PER_THEME:
            break
    return found
