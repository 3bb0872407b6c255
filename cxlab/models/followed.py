"""What became of customers after the days on which they were judged: who left in a horizon.

Who was lost from sight before the end of the horizon is made up for by those like them who were
not: each row that is known weighs the inverse of its chance to be known (IPCW; Graf et al. 1999,
Uno et al. 2007, Hung and Chiang 2010), by the Kaplan-Meier estimate of staying in sight on its
day. An end of another cause is no leaving: such customers count among those who did not leave
(Blanche, Dartigues and Jacqmin-Gadda 2013, the second of their definitions).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

__all__ = ["Followed", "Outcome", "leaving"]

_TRIFLE = 1e-12


@dataclass(frozen=True)
class Followed:
    """What became of customers after the days on which they were judged.

    Parameters
    ----------
    time : ndarray, shape (n,)
        Days from then until the end, or until they were last in sight.
    cause : ndarray of int, shape (n,)
        1: left; above: ended otherwise; 0: not ended while in sight.
    customer : ndarray of int, shape (n,)
        Whose row it is, numbered from 0.
    origin : ndarray of int, shape (n,)
        The day on which they were judged: only rows of one day are compared.
    weight : ndarray, shape (n,)
        How many customers a row stands for.
    """

    time: np.ndarray
    cause: np.ndarray
    customer: np.ndarray
    origin: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.time)

    def where(self, kept: np.ndarray) -> Followed:
        """Keep some of the rows, by a mask or by their places; customers keep their numbers."""
        given = (self.time, self.cause, self.customer, self.origin, self.weight)
        return Followed(*(column[kept] for column in given))


@dataclass(frozen=True)
class Outcome:
    """Who left within a horizon, of those still there when it opened.

    Parameters
    ----------
    rows : ndarray of int, shape (m,)
        The places of the rows that were still there.
    left : ndarray of bool, shape (m,)
        Whether they left.
    weight : ndarray, shape (m,)
        How many customers a row stands for, those out of sight included; 0: not known.
    drawn : ndarray, shape (m,)
        The same without those out of sight.
    customer, origin : ndarray of int, shape (m,)
        As in :class:`Followed`.
    customers : int
        How many numbers there are of customers.
    """

    rows: np.ndarray
    left: np.ndarray
    weight: np.ndarray
    drawn: np.ndarray
    customer: np.ndarray
    origin: np.ndarray
    customers: int
    _sight: tuple[_Sight, ...] = ()

    @property
    def leavers(self) -> int:
        """Customers who are known to have left."""
        return len(np.unique(self.customer[self.left & (self.weight > 0)]))

    @property
    def judged(self) -> int:
        """Customers whose end, or staying, is known."""
        return len(np.unique(self.customer[self.weight > 0]))

    @property
    def rate(self) -> float:
        """The share that left."""
        total = self.weight.sum()
        return float(self.weight[self.left].sum() / total) if total > 0 else np.nan

    def where(self, kept: np.ndarray) -> Outcome:
        """Keep some of the rows, by a mask; the chance to be known stays that of all.

        Parameters
        ----------
        kept : ndarray of bool, shape (m,)
            Told by what was known on the day.
        """
        names = ("rows", "left", "weight", "drawn", "customer", "origin")
        columns: dict[str, Any] = {name: getattr(self, name)[kept] for name in names}
        return replace(self, **columns, _sight=tuple(s.where(kept) for s in self._sight))

    def by_customer(self, parts: np.ndarray) -> np.ndarray:
        """Sum the rows' parts in a figure by customer, with what they do to the weights.

        Parameters
        ----------
        parts : ndarray, shape (m, k)
            Each row's weight times the figure's slope by that weight.
        """
        summed = _summed(self.customer, parts, self.customers)
        for sight in self._sight:
            summed += _summed(sight.customer, sight.parts(parts), self.customers)
        return summed


@dataclass(frozen=True)
class _Sight:
    """How the rows of one day went out of sight, and what that does to the others' weights.

    Parameters
    ----------
    rows : ndarray of int
        The places, in the outcome, of the day's rows that are kept.
    known_until : ndarray
        Of these: the day up to which they had to stay in sight.
    when : ndarray, shape (t,)
        Days on which rows went out of sight.
    share, left : ndarray, shape (t,)
        Of those in sight, the share that went; and the weight that stayed.
    until, weight, gone, customer : ndarray
        Of all rows of the day.
    """

    rows: np.ndarray
    known_until: np.ndarray
    when: np.ndarray
    share: np.ndarray
    left: np.ndarray
    until: np.ndarray
    weight: np.ndarray
    gone: np.ndarray
    customer: np.ndarray

    def where(self, kept: np.ndarray) -> _Sight:
        """Keep some of the outcome's rows."""
        mine = kept[self.rows]
        place = np.cumsum(kept) - 1
        return replace(self, rows=place[self.rows[mine]], known_until=self.known_until[mine])

    def parts(self, parts: np.ndarray) -> np.ndarray:
        """Give what each row of the day does to a figure through the estimated chances."""
        order = np.argsort(self.known_until)
        later = np.searchsorted(self.known_until[order], self.when, "right")
        rising = np.cumsum(parts[self.rows[order]], axis=0)
        after = np.vstack([np.zeros((1, parts.shape[1])), rising])
        slope = np.divide(
            after[-1] - after[later], self.left[:, None],
            out=np.zeros((len(self.when), parts.shape[1])), where=self.left[:, None] > 0,
        )  # fmt: skip
        expected = np.vstack([np.zeros(parts.shape[1]), np.cumsum(slope * self.share[:, None], 0)])
        # At risk of going out of sight up to its own day; who ended on that day was so before it.
        seen = np.searchsorted(self.when, self.until, "right")
        ended = ~self.gone & (seen > 0)
        ended[ended] = self.when[seen[ended] - 1] == self.until[ended]
        own = -expected[seen - ended]
        own[self.gone] += slope[seen[self.gone] - 1]
        return np.asarray(own * self.weight[:, None])


def _summed(customer: np.ndarray, parts: np.ndarray, customers: int) -> np.ndarray:
    return np.column_stack([np.bincount(customer, column, customers) for column in parts.T])


def leaving(followed: Followed, until: float, since: float = 0.0) -> Outcome:
    """Tell who left after one day and up to another, both counted from the day they were judged.

    Parameters
    ----------
    followed : Followed
        What became of them.
    until : float
        The horizon's last day. Who went out of sight on it or later is known to have stayed.
    since : float
        The horizon opens after this day: those no longer there then do not count.

    Returns
    -------
    Outcome
        Of the rows still there when the horizon opened.
    """
    rows = np.flatnonzero(followed.time > since)
    there = followed.where(rows)
    ended = (there.cause > 0) & (there.time <= until)
    lost = (there.cause == 0) & (there.time < until)
    weight, sights = there.weight.astype(float), []
    weight[lost] = 0.0
    for origin in np.unique(there.origin[lost]):
        mine = np.flatnonzero(there.origin == origin)
        chance, sight = _in_sight(there, mine, ended[mine], lost[mine], until)
        # Where nobody stays in sight, nobody's weight can make up for those who did not.
        weight[mine] = np.divide(
            weight[mine], chance, out=np.zeros(len(mine)), where=chance > _TRIFLE
        )
        sights.append(sight)
    count = int(followed.customer.max(initial=-1)) + 1
    return Outcome(
        rows, ended & (there.cause == 1), weight, there.weight.astype(float), there.customer,
        there.origin, count, tuple(sights),
    )  # fmt: skip


def _in_sight(
    there: Followed, mine: np.ndarray, ended: np.ndarray, lost: np.ndarray, until: float
) -> tuple[np.ndarray, _Sight]:
    """Give each row's chance to be in sight until its end was known, of one day's rows."""
    time, weight = np.minimum(there.time[mine], until), there.weight[mine].astype(float)
    when = np.unique(time[lost])
    gone = np.bincount(np.searchsorted(when, time[lost]), weight[lost], len(when))
    # Who ends on a day does so before others go out of sight on it.
    stays = _weight_from(time, weight, when) - _weight_at(time[ended], weight[ended], when)
    share = gone / stays
    factor = np.append(1.0, np.cumprod(1.0 - share))
    chance = factor[np.searchsorted(when, time, "left")]
    sight = _Sight(mine, time, when, share, stays - gone, time, weight, lost, there.customer[mine])
    return chance, sight


def _weight_from(time: np.ndarray, weight: np.ndarray, when: np.ndarray) -> np.ndarray:
    order = np.argsort(time)
    before = np.append(0.0, np.cumsum(weight[order]))
    return np.asarray(before[-1] - before[np.searchsorted(time[order], when, "left")])


def _weight_at(time: np.ndarray, weight: np.ndarray, when: np.ndarray) -> np.ndarray:
    place = np.searchsorted(when, time).clip(0, len(when) - 1)
    same = when[place] == time
    return np.bincount(place[same], weight[same], len(when))
