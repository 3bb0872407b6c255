"""Which of several to do next, when what each is worth is known only so well.

Worked out from draws of what each would be worth, as of a posterior or a bootstrap. What it is
worth to know more is after Raiffa and Schlaifer (1961), *Applied Statistical Decision Theory*.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Choice", "choose"]


@dataclass(frozen=True)
class Choice:
    """What the draws say of a choice of one, or none.

    Parameters
    ----------
    expected : ndarray, shape (options,)
        What each is worth on the average.
    best : ndarray, shape (options,)
        In which share of the draws it is worth the most of all, whether it pays or not.
    pays : ndarray, shape (options,)
        In which share of the draws it is worth more than nothing.
    chosen : int or None
        The one with the most to expect; None where that is to do nothing.
    knowing : ndarray, shape (options,)
        What it would be worth to learn first exactly what this one is worth (EVPPI).
    knowing_all : float
        The same of all of them (EVPI): no study of them can be worth more.
    """

    expected: np.ndarray
    best: np.ndarray
    pays: np.ndarray
    chosen: int | None
    knowing: np.ndarray
    knowing_all: float


def choose(worth: np.ndarray) -> Choice:
    """Choose one of several, or none, which is worth 0.

    Learning of one tells of others as well where their draws go together: what they are then
    expected to be worth is taken as linear in it, which is exact of normal draws.

    Parameters
    ----------
    worth : ndarray, shape (draws, options)
        What each is worth, less what it costs.

    Returns
    -------
    Choice
    """
    count = worth.shape[1]
    if not count or not len(worth):
        none = np.zeros(count)
        return Choice(none, none, none, None, none, 0.0)
    expected = worth.mean(axis=0)
    first = worth.argmax(axis=1)
    best = np.array([(first == k).mean() for k in range(count)])
    now = max(float(expected.max()), 0.0)
    chosen = int(expected.argmax()) if expected.max() > 0 else None
    knowing = np.array([_knowing(worth, expected, k) - now for k in range(count)])
    everything = float(np.maximum(worth.max(axis=1), 0.0).mean()) - now
    return Choice(
        expected,
        best,
        (worth > 0).mean(axis=0),
        chosen,
        np.clip(knowing, 0.0, max(everything, 0.0)),
        max(everything, 0.0),
    )


def _knowing(worth: np.ndarray, expected: np.ndarray, k: int) -> float:
    """Give what is to be expected of choosing once it is known what one is worth."""
    apart = worth[:, k] - expected[k]
    spread = float(apart @ apart)
    slope = apart @ (worth - expected) / spread if spread > 0 else np.zeros(len(expected))
    told = expected + apart[:, None] * slope
    told[:, k] = worth[:, k]
    return float(np.maximum(told.max(axis=1), 0.0).mean())
