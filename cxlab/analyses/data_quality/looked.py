"""What one look at the data found, and how sentences of such looks are put together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.models.intervals import wilson
from cxlab.results import Result

__all__ = [
    "ANSWER_DAYS",
    "BENT",
    "LOST",
    "UNTIDY",
    "Looked",
    "Section",
    "collected",
    "percent",
    "shares",
]

ANSWER_DAYS = 14
"""Days in which a question may still be answered: later ones are left out of response rates."""
LOST, BENT, UNTIDY = 3, 2, 1
"""How much a fault matters: data that never came, answers that are bent, untidy tables."""


@dataclass(frozen=True)
class Looked:
    """One thing that was looked at.

    Parameters
    ----------
    slug : str
        Its name in ``findings.json``, stable from run to run.
    name : str
        Its name on the page.
    passed : bool or None
        Whether all is well; None where it only informs.
    text : str
        What was found, in a sentence with its figures.
    weight : int
        :data:`LOST`, :data:`BENT` or :data:`UNTIDY`.
    count, total : int
        Rows (or customers) it touches, of how many; a total of 0 where that says nothing.
    p_value : float
        Of the test, where there is one.
    """

    slug: str
    name: str
    passed: bool | None
    text: str
    weight: int = UNTIDY
    count: int = 0
    total: int = 0
    p_value: float = np.nan

    @property
    def share(self) -> tuple[float, float, float]:
        """The share touched, with its 95% interval."""
        return wilson(min(self.count, self.total), self.total)

    @property
    def order(self) -> tuple[int, float]:
        """Faults before notes, the worst first: by weight, then by the share touched."""
        return -self.weight, -np.nan_to_num(self.share[0])


@dataclass(frozen=True)
class Section:
    """What a section of the page shows.

    Parameters
    ----------
    parts : dict of str to Result
        Its tables, each with its sentence.
    looked : list of Looked
        What was looked at.
    """

    parts: dict[str, Result] = field(default_factory=dict)
    looked: list[Looked] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, table: pd.DataFrame, sentence: str, looked: Iterable[Looked]) -> Section:
        """Make a section of one table.

        Parameters
        ----------
        name : str
            Of the part.
        table : pandas.DataFrame
            What it shows.
        sentence : str
            What the table says.
        looked : iterable of Looked
            What was looked at.
        """
        result = Result(f"data_quality_{name}", table.reset_index(drop=True), sentence=sentence)
        return cls({name: result}, list(looked))


def collected(frame: nw.LazyFrame[Any]) -> pd.DataFrame:
    """Fetch a small frame from the engine.

    Parameters
    ----------
    frame : LazyFrame
        Counts, never whole tables.
    """
    data: pd.DataFrame = frame.collect(backend="pandas").to_native()
    return data


def shares(counts: Iterable[tuple[int, int]], name: str) -> pd.DataFrame:
    """Give shares in percent with their 95% Wilson intervals, one row each.

    Parameters
    ----------
    counts : iterable of (int, int)
        How many of how many.
    name : str
        What the column of the shares is called.
    """
    found = [wilson(int(count), int(total)) for count, total in counts]
    return 100 * pd.DataFrame(found, columns=[name, "95% from", "95% to"], dtype=float)


def percent(share: float) -> str:
    """Write a share as a percentage; one that is not nothing is never written as 0%.

    Parameters
    ----------
    share : float
        From 0 to 1.
    """
    if 0 < share < 0.0005:
        return "less than 0.1%"
    if 0.9995 <= share < 1:
        return "more than 99.9%"
    return f"{share:.1%}".replace(".0%", "%")
