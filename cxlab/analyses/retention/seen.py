"""Who was followed from which tenure to which, and in which groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.frames.periods import RiskSet, attribute, risk_set
from cxlab.models.growth import piles_up
from cxlab.models.survival import Lifetimes

__all__ = ["LEFT", "OTHERWISE", "SCALES", "Scale", "Seen", "groups", "see", "stretch"]

LEFT, OTHERWISE = 1, 2
"""Why a spell ended: of the customer's own will, or not."""

_MOST_LEVELS = 30
_MOST_NUMBERS = 12
_MOST_TICKS = 8
_MISSING = "(missing)"


@dataclass(frozen=True)
class Scale:
    """How tenure is told in a unit.

    Parameters
    ----------
    unit, one : str
        Its name, and that of a single one.
    marks : tuple of float
        Tenures at which retention is told.
    edges : tuple of float
        Where stretches of tenure may end.
    per : float
        Rates of leaving are told for this much tenure.
    steps : tuple of float
        Of an axis.
    """

    unit: str
    one: str
    marks: tuple[float, ...]
    edges: tuple[float, ...]
    per: float
    steps: tuple[float, ...]

    def tell(self, tenure: float) -> str:
        """Give a tenure with its unit, such as ``1 month`` or ``33.5 months``."""
        shown = f"{tenure:,.0f}" if tenure >= 100 or tenure == round(tenure) else f"{tenure:.3g}"
        return f"{shown} {self.one if shown == '1' else self.unit}"

    def marks_within(self, span: tuple[float, float]) -> list[float]:
        """Give the marks beyond the start of a stretch, up to its end."""
        return [m for m in self.marks if span[0] < m <= span[1]]

    def ticks(self, end: float) -> np.ndarray:
        """Give even tenures for an axis, in steps that mean something in the unit."""
        last = self.steps[-1]
        sparse = last * np.ceil(end / last / _MOST_TICKS)
        step = next((s for s in self.steps if end / s <= _MOST_TICKS), sparse)
        return np.arange(0, end + 1e-9, step)

    @property
    def each(self) -> str:
        """The time rates are told for, such as ``30 days`` or ``month``."""
        return self.one if self.per == 1 else self.tell(self.per)


SCALES = {
    s.unit: s
    for s in (
        Scale("days", "day", (30, 90, 180, 365, 730, 1095),
              (30, 60, 90, 120, 150, 180, 270, 365, 545, 730, 1095, 1460, 1825, 2555, 3650),
              30, (30, 90, 180, 365)),
        Scale("weeks", "week", (4, 13, 26, 52, 104, 156),
              (4, 8, 13, 17, 22, 26, 39, 52, 78, 104, 156, 208, 260, 364, 520),
              4, (4, 13, 26, 52)),
        Scale("months", "month", (1, 3, 6, 12, 24, 36, 48, 60),
              (1, 2, 3, 4, 5, 6, 9, 12, 18, 24, 36, 48, 60, 84, 120), 1, (1, 3, 6, 12)),
        Scale("years", "year", (1, 2, 3, 5, 10), (1, 2, 3, 4, 5, 7, 10, 15, 20), 1, (1, 2, 5)),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """The customers' lifetimes and what is known of them.

    Parameters
    ----------
    lives : Lifetimes
        Causes :data:`LEFT` and :data:`OTHERWISE`.
    scale : Scale
        The unit of tenure.
    attributes : mapping of str to pandas.Series
        Of each spell.
    risk : RiskSet or None
        Whose spells they are; None for a snapshot, which has no calendar.
    """

    lives: Lifetimes
    scale: Scale
    attributes: Mapping[str, pd.Series]
    risk: RiskSet | None = None

    @property
    def customers(self) -> int:
        """How many customers."""
        return int(self.lives.customer.max()) + 1

    def ended(self, cause: int) -> int:
        """Count the spells that ended by a cause."""
        return int((self.lives.cause == cause).sum())

    @property
    def late(self) -> int:
        """How many spells began before the feed did."""
        return int(np.isfinite(self.lives.entry).sum())


def see(dataset: Dataset) -> Seen:
    """Put the spells at risk on the scale of tenure.

    A spell that began before the feed is followed from the feed's first day, that day
    included: those who had left before it were never seen.

    Parameters
    ----------
    dataset : Dataset
        In the spell form, or a snapshot.

    Raises
    ------
    AnalysisError
        No voluntary churn falls within the feed.
    """
    if dataset.form == "snapshot":
        return _snapshot(dataset)
    risk = risk_set(dataset)
    spells = risk.spells
    started = spells["started"].to_numpy(float)
    over = spells["event_at"].fillna(spells["competing_at"]).fillna(risk.end)
    exit_ = _even(np.maximum(over.to_numpy(float) - started, 0.0))
    entry = _even(risk.start_of(spells["first"].to_numpy()) - started)
    # The day of entry is at risk too, as in the driver model.
    entry = np.where(entry > 0, np.nextafter(np.minimum(entry, exit_), -np.inf), -np.inf)
    cause = np.select([spells["event"], spells["competing"]], [LEFT, OTHERWISE], 0)
    lives = Lifetimes(entry, exit_, cause, pd.factorize(spells["customer_id"])[0])
    known = {a: spells[attribute(a)] for a in dataset.attributes}
    return Seen(lives, SCALES["days"], known, risk)


def _even(days: np.ndarray) -> np.ndarray:
    """Take out what is left of rounding, so that equal tenures are equal."""
    return np.asarray(np.round(days, 6))


def _snapshot(dataset: Dataset) -> Seen:
    columns = ["tenure", "churned"]
    columns += [c for c in ("customer_id",) if c in dataset.columns("customers")]
    frame = dataset.table("customers").select(*columns, *dataset.attributes)
    data: pd.DataFrame = frame.collect(backend="pandas").to_native()
    tenure = data["tenure"].to_numpy(float)
    who = pd.factorize(data["customer_id"])[0] if "customer_id" in data else np.arange(len(data))
    cause = np.where(data["churned"] == 1, LEFT, 0)
    lives = Lifetimes(np.full(len(data), -np.inf), tenure, cause, who)
    known = {a: data[a] for a in dataset.attributes}
    return Seen(lives, SCALES[dataset.settings.tenure_unit], known)


def stretch(lives: Lifetimes, least: int) -> tuple[float, float] | None:
    """Find the tenures between which enough spells are followed.

    Late entry can leave few at risk at the start, and every curve runs out at its end.

    Parameters
    ----------
    lives : Lifetimes
        The spells.
    least : int
        How many must be at risk.

    Returns
    -------
    tuple of float, or None
        From which tenure to which; None where nowhere.
    """
    late = lives.entry[np.isfinite(lives.entry)]
    tenure = np.unique(np.concatenate([[0.0], late, lives.exit]))
    at_risk = lives.at_risk(tenure)
    enough = at_risk >= least
    if not enough.any():
        return None
    peak = int(np.argmax(at_risk))
    few, fewer = np.flatnonzero(~enough[:peak]), np.flatnonzero(~enough[peak:])
    start = float(tenure[few[-1]]) if len(few) else 0.0
    return start, float(tenure[peak + fewer[0] - 1] if len(fewer) else tenure[-1])


def groups(values: pd.Series, tenure: np.ndarray) -> tuple[np.ndarray, list[str]] | str:
    """Number the groups of an attribute, or say why it has none.

    Parameters
    ----------
    values : pandas.Series
        One of :attr:`Seen.attributes`; numbers of few values are groups as well, but for
        totals: whoever stays longer has had more time to collect them.
    tenure : ndarray
        At which each spell ended or was last seen.

    Returns
    -------
    tuple of ndarray and list, or str
        The group of each spell, and the groups' names.
    """
    number = pd.api.types.is_numeric_dtype(values)
    code, found = pd.factorize(values if number else values.astype("string"), sort=True)
    if number and len(found) > _MOST_NUMBERS:
        return f"a number with more than {_MOST_NUMBERS} values"
    known = values.notna().to_numpy()
    if number and (reason := piles_up(values[known].to_numpy(float), tenure[known])):
        return reason
    levels = [f"{v:g}" if number else str(v) for v in found]
    if (code < 0).any():
        code, levels = np.where(code < 0, len(levels), code), [*levels, _MISSING]
    if len(levels) > _MOST_LEVELS:
        return f"{len(levels):,} different values, more than {_MOST_LEVELS}"
    return (code, levels) if len(levels) > 1 else "the same for all"
