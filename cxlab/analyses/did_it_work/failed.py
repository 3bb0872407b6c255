"""Which contacts failed: by their outcome, else by the score linked to them, and by rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.frames.engine import how_many
from cxlab.frames.experience import Places, end_of, flag, known_rows
from cxlab.frames.exposures import contacts
from cxlab.frames.people import People
from cxlab.frames.surveys import ANSWER_DAYS
from cxlab.results import counted

__all__ = ["Failing", "failing"]

Frame = nw.LazyFrame[Any]
_SLACK = 1e-6  # days: a rule's limit is added to an instant, and taken from it again
_DAY = 86_400.0


@dataclass(frozen=True)
class Failing:
    """All contacts, and which of them failed.

    Parameters
    ----------
    frame : LazyFrame
        ``who, touchpoint`` (its place), ``at`` (days), ``bad`` (1: known to be by the end of the
        data), ``x`` (1: judged, in time and old enough) and ``y`` (1: and bad).
    counts : pandas.DataFrame
        By place: ``old`` contacts (old enough to be judged) of known customers, those ``judged``,
        those judged too ``late``, those not judged that a rule makes bad (``ruled``), and those
        too ``recent``.
    basis : {"outcome", "score", "rules", ""}
        What judges contacts; empty: nothing does.
    text : str
        What makes a contact bad, in words.
    delay : float
        Days from a contact until all that can make it bad is known.
    until : float
        Contacts from this day on are too recent.
    unmet : tuple of str
        Rules of ``dataset.yml`` that cannot be applied, and why.
    """

    frame: Frame
    counts: pd.DataFrame
    basis: str
    text: str
    delay: float
    until: float
    unmet: tuple[str, ...]

    @property
    def why(self) -> str:
        """Why no failure can be told; empty where one can."""
        if self.basis:
            return ""
        reason = "table interactions has no outcome, and no score is linked to its contacts"
        return "; ".join([reason, *self.unmet])

    def rows(self, place: int) -> Frame:
        """Give the judged contacts of known customers at a touchpoint: ``who, at, y, x``."""
        mine = (nw.col("touchpoint") == place) & (nw.col("x") == 1) & ~nw.col("who").is_null()
        y, x = (nw.col(c).cast(nw.Float64) for c in ("y", "x"))
        return self.frame.filter(mine).select("who", "at", y=y, x=x)

    def none(self, place: int | None, touchpoint: str) -> str:
        """Say why nothing can be told of a touchpoint; empty where something can."""
        met = self.counts["old"].get(place, None)
        if met and self.counts["judged"][place]:
            return ""
        if met == 0:
            return f"no contact at {touchpoint} is old enough to tell whether it failed"
        what = {"outcome": "has an outcome", "score": "was given a score in time"}
        return f"no contact at {touchpoint} {what.get(self.basis, 'is known')}"

    def came(self, place: int, low: float, high: float) -> float | None:
        """Count the bad contacts at a touchpoint in a span; None where some may still come."""
        if not self.basis or high > self.until:
            return None
        at = nw.col("at")
        mine = self.frame.filter((nw.col("touchpoint") == place) & (at >= low) & (at < high))
        told = mine.select(n=how_many(nw.col("bad"))).collect(backend="pyarrow")
        return float(told["n"][0] or 0)

    def rule(self, places: Sequence[int]) -> str:
        """Say what counts as a failure, and what does not; empty where it is the outcome alone.

        Parameters
        ----------
        places : sequence of int
            The touchpoints at which something was done.
        """
        mine = self.counts[self.counts.index.isin(places)].sum()
        if not self.basis or (self.basis == "outcome" and not self.delay and not _left(mine)):
            return ""
        told = [f"A contact counts as failed where {self.text}."]
        if _left(mine):
            told.append(f"Where something was done, {self._judged(mine)}")
        if mine["recent"]:
            told.append(
                f"Contacts of the last {_span(self.delay)} do not count yet "
                f"({int(mine['recent']):,}): whether they failed is not known."
            )
        return " ".join(told)

    def note(self, place: int | None) -> str:
        """Say how many contacts at a touchpoint were judged; empty where all were."""
        if place is None or place not in self.counts.index or not _left(self.counts.loc[place]):
            return ""
        text = self._judged(self.counts.loc[place])
        return text[:1].upper() + text[1:]

    def _judged(self, row: pd.Series) -> str:
        old, left = int(row["old"]), _left(row)
        how = "have an outcome" if self.basis == "outcome" else "were given a score in time"
        late, what = int(row["late"]), "which nobody judged"
        if late:
            what = f"judged by nobody or later than {_span(self.delay)} after ({late:,})"
        text = (
            f"{old - left:,} of {counted(old, 'contact')} {how}; the other {left:,} "
            f"({100 * left / old:.0f}%), {what}, do not count"
        )
        if row["ruled"]:
            text += f"; {int(row['ruled']):,} of them are bad by a rule"
        return text + "."


def _left(row: pd.Series) -> int:
    return int(row["old"] - row["judged"])


def _span(days: float) -> str:
    if days >= 1:
        return "day" if days == 1 else f"{days:g} days"
    return f"{days * 24:.2g} hours" if days * 24 > 1 else f"{days * 1440:.2g} minutes"


def failing(dataset: Dataset, known: Places, person: People) -> Failing:
    """Tell which contacts failed, of those whose judgement could be known by the end of the data.

    A contact counts only where its outcome or a score says whether it was bad: those bad by a
    rule alone would be counted where they failed and not where they did not. Recent contacts,
    for which a rule's limit or the time to answer is not over, do not count, nor do answers that
    came later than that: contacts of all ages are judged by what is known at the same age.

    Parameters
    ----------
    dataset : Dataset
        With ``interactions``.
    known : Places
        The names of touchpoints.
    person : People
        The customers.
    """
    told = contacts(dataset)
    basis, delay = _basis(dataset, told.classes), _delay(dataset)
    if basis == "score":
        delay = max(delay, ANSWER_DAYS)
    end = end_of(dataset)
    until = end - delay
    never = nw.lit(None, dtype=nw.Float64)

    def read() -> Frame:
        frame = told.frame
        if "unknown" not in told.classes:
            frame = frame.with_columns(unknown_until=never)
        old, at = nw.col("at") < until, nw.col("at")
        judged = nw.col("unknown_until").is_null() | (nw.col("unknown_until") - at <= in_time)
        bad = (nw.col("bad_from") - at <= in_time).fill_null(False)
        frame = frame.with_columns(
            bad=flag((nw.col("bad_from") <= end).fill_null(False)),
            old=flag(old),
            x=flag(old & judged),
            y=flag(old & judged & bad),
            late=flag(old & ~judged & (nw.col("unknown_until") < end)),
            ruled=flag(old & ~judged & bad),
        )
        return known_rows(dataset, frame, known, person).select(
            "who", "touchpoint", "at", "bad", "old", "x", "y", "late", "ruled"
        )

    in_time = delay + _SLACK
    frame = dataset.keep("judged_contacts", read)
    return Failing(frame, _counts(frame), basis, told.text, delay, until, told.unmet)


def _basis(dataset: Dataset, classes: Sequence[str]) -> str:
    if "bad" not in classes:
        return ""
    if "outcome" in dataset.columns("interactions"):
        return "outcome"
    return "score" if "unknown" in classes else "rules"


def _delay(dataset: Dataset) -> float:
    """Give how long after a contact a rule may still make it bad, in days."""
    rules, there = dataset.settings.bad, dataset.columns("interactions")
    limits = [0.0]
    if rules.wait_over_seconds is not None and "response_seconds" in there:
        limits.append(rules.wait_over_seconds / _DAY)
    if rules.unresolved_after_days is not None and "resolved_at" in there:
        limits.append(rules.unresolved_after_days)
    return max(limits)


def _counts(frame: Frame) -> pd.DataFrame:
    mine = frame.filter(~nw.col("who").is_null() & ~nw.col("touchpoint").is_null())
    sums = {c: how_many(nw.col(c)) for c in ("old", "late", "ruled")}
    told = mine.group_by("touchpoint").agg(n=nw.len(), judged=how_many(nw.col("x")),
                                           **sums)  # fmt: skip
    found: pd.DataFrame = told.collect(backend="pandas").to_native()
    found = found.astype(int).set_index("touchpoint").sort_index()
    return found.assign(recent=found["n"] - found["old"]).drop(columns="n")
