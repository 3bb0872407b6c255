"""Comments as they may be worked on: plain text in which personal data are masked."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from cxlab.data.theme_book import Book, Theme
from cxlab.frames.comments import Comments
from cxlab.models.text.cleaning import clean
from cxlab.models.text.masking import mask, mask_counted

__all__ = ["PlainComments", "plain", "plain_book"]


@dataclass(frozen=True)
class PlainComments:
    """Comments, cleaned and masked.

    Parameters
    ----------
    table : pandas.DataFrame
        As :class:`cxlab.frames.comments.Comments` has it.
    counts : dict
        What was left out or done to comments, in words -> rows.
    masked : dict
        Kind of personal data -> how often it was masked.
    total : int
        Comments there are.
    """

    table: pd.DataFrame
    counts: dict[str, int]
    masked: dict[str, int]
    total: int


def plain(read: Comments) -> PlainComments:
    """Clean comments and mask personal data, before anything else is done with them.

    Parameters
    ----------
    read : Comments
        As they were written.
    """
    cleaned = clean(read.table["text"].tolist())
    masked = mask_counted(cleaned.texts, read.names)
    counts = read.counts | {k: n for k, n in cleaned.counts.items() if k != "texts"}
    return PlainComments(read.table.assign(text=masked.texts), counts, masked.counts, read.total)


def plain_book(book: Book) -> Book:
    """Mask personal data in a theme book: people edit it, and its names go onto every page.

    Parameters
    ----------
    book : Book
        As it was read.
    """
    return book.model_copy(update={"themes": tuple(_plain_theme(t) for t in book.themes)})


def _plain_theme(theme: Theme) -> Theme:
    words = dict(zip(mask(list(theme.words)), theme.words.values(), strict=True))
    seeds = tuple(mask(theme.seeds))
    return theme.model_copy(update={"name": mask([theme.name])[0], "words": words, "seeds": seeds})
