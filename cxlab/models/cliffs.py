"""Tenures at which far more leave than just before and after: cliffs over a smooth hazard.

Ends are counted in steps of tenure. Their hazard is taken to be smooth, but for cliffs: short
windows, single ones or a row of them at all multiples of a period. Each window is tested
against the steps beside it, the smooth curve telling what share of the ends of both should
lie within; the tests are corrected for all windows tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import special

from cxlab.models.intervals import LEVEL, Z
from cxlab.models.verdicts import ALPHA

__all__ = ["Cliff", "Scan", "Steps", "find_cliffs"]

_MOST = 20
_DEGREE, _MOST_KNOTS, _EVENTS_A_KNOT = 3, 4, 60
# A row of windows is one only if it stands without its highest.
_WITHOUT_ONE = 0.01
# Where churns are many, the least unevenness is beyond chance; a cliff is this much higher.
_LEAST = 1.25
_TOP = 1e6
_STIFF, _ROUNDS, _STILL, _WIDEST = 0.1, 100, 1e-8, 50.0


@dataclass(frozen=True)
class Steps:
    """Ends by step of tenure.

    Parameters
    ----------
    first : int
        The step that ``ends`` begins with: the tenures from ``first`` up to ``first + 1``.
    ends, at_risk : ndarray, shape (steps,)
        How many ended in each step, of how many that were followed in it.
    """

    first: int
    ends: np.ndarray
    at_risk: np.ndarray


@dataclass(frozen=True)
class Cliff:
    """A window of tenure, or one at each multiple of a period, with more ends than beside it.

    Parameters
    ----------
    windows : tuple of (int, int)
        The steps of each window, from the first and up to, but without, the second.
    period : float
        The windows are at its multiples; 0: a single window.
    ends : int
        How many ended within.
    expected : float
        How many would have, had the hazard been as beside the windows.
    ratio, conf_low, conf_high : float
        Ends to those expected, with its exact 95% interval (conditional on the ends within and
        beside together).
    p_value : float
        One-sided, corrected for all windows tried (Bonferroni).
    """

    windows: tuple[tuple[int, int], ...]
    period: float = 0.0
    ends: int = 0
    expected: float = np.nan
    ratio: float = np.nan
    conf_low: float = np.nan
    conf_high: float = np.nan
    p_value: float = np.nan

    @property
    def excess(self) -> tuple[float, float, float]:
        """Give the ends beyond those expected, and the limits of that."""
        ratios = (self.ratio, self.conf_low, self.conf_high)
        least, low, high = (self.ends * (1 - 1 / max(r, 1e-12)) for r in ratios)
        return max(least, 0.0), max(low, 0.0), max(high, 0.0)


@dataclass(frozen=True)
class Scan:
    """What a scan found.

    Parameters
    ----------
    cliffs : tuple of Cliff
        In the order of tenure.
    expected, conf_low, conf_high : ndarray, shape (steps,)
        Ends by the smooth hazard, and its 95% interval.
    tried : int
        How many windows and rows of windows were tried.
    """

    cliffs: tuple[Cliff, ...]
    expected: np.ndarray
    conf_low: np.ndarray
    conf_high: np.ndarray
    tried: int


@dataclass
class _Tried:
    """The windows that are tried, each with the steps beside it."""

    cliffs: list[Cliff]
    reach: int
    size: int
    shift: int
    inside: list[np.ndarray] = field(default_factory=list)
    beside: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        for cliff in self.cliffs:
            inside, beside = self.masks(cliff)
            self.inside.append(np.flatnonzero(inside))
            self.beside.append(np.flatnonzero(beside))

    def masks(self, cliff: Cliff) -> tuple[np.ndarray, np.ndarray]:
        """Mark the steps within a cliff's windows, and those beside them."""
        inside, near = np.zeros((2, self.size), dtype=bool)
        for low, high in cliff.windows:
            a, b = low - self.shift, high - self.shift
            inside[a:b] = True
            near[max(a - self.reach, 0) : b + self.reach] = True
        return inside, near & ~inside


def find_cliffs(steps: Steps, widths: Sequence[int], periods: Sequence[float], reach: int) -> Scan:
    """Scan the hazard by tenure for cliffs, at most 5% of scans of smooth ones finding any.

    Parameters
    ----------
    steps : Steps
        Ends and those at risk by step of tenure.
    widths : sequence of int
        Of windows, in steps.
    periods : sequence of float
        At whose multiples a row of windows is tried, where two of them and more are seen.
    reach : int
        How many steps on either side are held against a window.

    Returns
    -------
    Scan
        The clearest window or row is taken first, set aside, and the rest scanned again. The
        smooth hazard is a Poisson regression on a penalised cubic spline (Eilers and Marx 1996)
        of the root of tenure, cliffs left out. Windows that touch are one cliff.

    Notes
    -----
    Given the ends within and beside a window together, those within are binomial, whatever
    the level of the hazard (Przyborowski and Wilenski 1940). A scan statistic as in Kulldorff
    (1997), corrected by Bonferroni, which holds for overlapping windows too.
    """
    tried = _Tried(_windows(steps, widths, periods), reach, len(steps.ends), steps.first)
    free = steps.at_risk > 0
    found: list[Cliff] = []
    while True:
        expected, se = _smooth(steps, free)
        if len(found) >= _MOST:
            break
        best = _clearest(steps, tried, expected, free)
        if best is None:
            break
        found.append(best)
        free = free & ~tried.masks(best)[0]
    told = [_told(c, steps, tried, expected, free) for c in _joined(found)]
    told.sort(key=lambda c: c.windows[0])
    # Where nothing tells the hazard, no limit does.
    widen = np.exp(np.minimum(Z * se, _WIDEST))
    low, high = expected / widen, np.minimum(expected * widen, steps.at_risk)
    return Scan(tuple(told), expected, low, high, len(tried.cliffs))


def _windows(steps: Steps, widths: Sequence[int], periods: Sequence[float]) -> list[Cliff]:
    """List all windows, and rows of windows."""
    low, high = steps.first, steps.first + len(steps.ends)
    made = [Cliff(((start, start + w),)) for w in widths for start in range(low, high - w + 1)]
    for period in dict.fromkeys(periods):
        for w in widths:
            # Windows that leave as much beside them.
            if 2 * w >= period:
                continue
            starts = [round(k * period) - w // 2 for k in range(1, int(high / period) + 2)]
            row = tuple((s, s + w) for s in starts if s >= low and s + w <= high)
            if len(row) > 1:
                made.append(Cliff(row, float(period)))
    return made


def _smooth(steps: Steps, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit the smooth hazard to the free steps; give the ends expected and their log's error."""
    from scipy.interpolate import BSpline  # slow to import

    ends, at_risk = steps.ends, np.maximum(steps.at_risk, 1e-9)
    knots = int(np.clip(ends[free].sum() // _EVENTS_A_KNOT, 0, _MOST_KNOTS))
    root = np.sqrt(steps.first + np.arange(len(ends)) + 0.5)
    # Even in the root of tenure: hazards change fast early and slowly later.
    edges = np.linspace(root[0], root[-1], knots + 2)
    grid = np.concatenate([[edges[0]] * _DEGREE, edges, [edges[-1]] * _DEGREE])
    basis = BSpline.design_matrix(root, grid, _DEGREE).toarray()
    bend = np.diff(np.eye(basis.shape[1]), 2, axis=0)
    # Holds the curve where nobody ends; where somebody does it hardly counts.
    penalty = _STIFF * bend.T @ bend + 1e-9 * np.eye(basis.shape[1])
    used, seen, per = basis[free], ends[free], at_risk[free]
    coefficient = np.full(basis.shape[1], np.log(max(seen.sum(), 0.5) / per.sum()))
    for _ in range(_ROUNDS):
        mean = per * np.exp(np.minimum(used @ coefficient, 0.0))
        information = used.T @ (mean[:, None] * used) + penalty
        step = np.linalg.solve(information, used.T @ (seen - mean) - penalty @ coefficient)
        coefficient = coefficient + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < _STILL:
            break
    log = np.minimum(basis @ coefficient, 0.0)
    spread = np.einsum("ij,ij->i", basis @ np.linalg.inv(information), basis)
    return at_risk * np.exp(log), np.sqrt(np.maximum(spread, 0.0))


def _clearest(steps: Steps, tried: _Tried, expected: np.ndarray, free: np.ndarray) -> Cliff | None:
    """Give the window that stands out most, if one does beyond chance."""
    best, most = None, 0.0
    for place, cliff in enumerate(tried.cliffs):
        sums = _sums(steps, tried.inside[place], tried.beside[place], expected, free)
        ratio = _likelihood(*sums)
        if ratio <= most or not _beyond(sums, ALPHA / len(tried.cliffs)) or _odds(*sums) < _LEAST:
            continue
        if cliff.period and not _stands(steps, tried, cliff, expected, free):
            continue
        best, most = cliff, ratio
    return best


def _sums(
    steps: Steps, inside: np.ndarray, beside: np.ndarray, expected: np.ndarray, free: np.ndarray
) -> tuple[float, float, float]:
    """Give the ends within, all ends, and the share of them expected within."""
    kept, near = inside[free[inside]], beside[free[beside]]
    ends, all_ends = steps.ends[kept].sum(), steps.ends[kept].sum() + steps.ends[near].sum()
    within, without = expected[kept].sum(), expected[near].sum()
    share = within / (within + without) if without > 0 else 1.0
    return float(ends), float(all_ends), float(share)


def _likelihood(ends: float, all_ends: float, share: float) -> float:
    """Give the log likelihood ratio of more ends within than expected."""
    if ends <= all_ends * share or not 0 < share < 1:
        return 0.0
    rest = all_ends - ends
    log = special.xlogy(ends, ends / (all_ends * share))
    return float(log + special.xlogy(rest, rest / (all_ends * (1 - share)) if rest else 1.0))


def _odds(ends: float, all_ends: float, share: float) -> float:
    """Give how many times as many ended within as expected from those beside."""
    rest = all_ends - ends
    return ends / rest * (1 - share) / share if rest else np.inf


def _beyond(sums: tuple[float, float, float], level: float) -> bool:
    return _tail(*sums) < level


def _tail(ends: float, all_ends: float, share: float) -> float:
    """Give the chance of as many ends within, or more."""
    if not ends or share >= 1:
        return 1.0
    return float(special.betainc(ends, all_ends - ends + 1, share))


def _stands(
    steps: Steps, tried: _Tried, cliff: Cliff, expected: np.ndarray, free: np.ndarray
) -> bool:
    """Tell whether a row of windows stands without the highest of them."""

    def more(window: tuple[int, int]) -> float:
        here = slice(window[0] - steps.first, window[1] - steps.first)
        return float(((steps.ends - expected)[here] * free[here]).sum())

    rest = sorted(cliff.windows, key=more)[:-1]
    inside, beside = (np.flatnonzero(m) for m in tried.masks(Cliff(tuple(rest))))
    highest = set(cliff.windows) - set(rest)
    out = np.concatenate([np.arange(a - steps.first, b - steps.first) for a, b in highest])
    sums = _sums(steps, inside, np.setdiff1d(beside, out), expected, free)
    return _beyond(sums, _WITHOUT_ONE)


def _joined(found: Sequence[Cliff]) -> list[Cliff]:
    """Make one of single windows that touch; one that touches a row's is part of the row."""
    rows = [c for c in found if c.period]
    single = sorted(c.windows[0] for c in found if not c.period)
    kept: list[tuple[int, int]] = []
    for low, high in single:
        if kept and low <= kept[-1][1]:
            kept[-1] = (kept[-1][0], max(high, kept[-1][1]))
        else:
            kept.append((low, high))
    widened: list[Cliff] = []
    for row in rows:
        windows = list(row.windows)
        for window in list(kept):
            touched = [i for i, w in enumerate(windows) if window[0] <= w[1] and w[0] <= window[1]]
            if touched:
                w = windows[touched[0]]
                windows[touched[0]] = (min(w[0], window[0]), max(w[1], window[1]))
                kept.remove(window)
        widened.append(replace(row, windows=tuple(windows)))
    return [*widened, *(Cliff((w,)) for w in kept)]


def _told(
    cliff: Cliff, steps: Steps, tried: _Tried, expected: np.ndarray, free: np.ndarray
) -> Cliff:
    """Give a cliff with its figures: against the steps beside it that are in no cliff."""
    inside, beside = tried.masks(cliff)
    sums = _sums(steps, np.flatnonzero(inside), np.flatnonzero(beside), expected, free | inside)
    ends, all_ends, share = sums
    tail = (1 - LEVEL) / 2
    low = special.betaincinv(ends, all_ends - ends + 1, tail) if ends else 0.0
    high = special.betaincinv(ends + 1, all_ends - ends, 1 - tail) if all_ends > ends else 1.0
    odds = (1 - share) / share
    ratio, low, high = (
        min(p / (1 - p) * odds if p < 1 else np.inf, _TOP) for p in (ends / all_ends, low, high)
    )
    p = min(_tail(*sums) * len(tried.cliffs), 1.0)
    return replace(cliff, ends=int(ends), expected=ends / ratio, ratio=ratio, conf_low=low,
                   conf_high=high, p_value=p)  # fmt: skip
