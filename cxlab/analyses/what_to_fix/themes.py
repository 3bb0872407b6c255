"""What customers say of each driver's failures, and how much of the churn comes with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxlab.analyses.what_to_fix.study import Study
from cxlab.frames.spoken_of import failures_at, followed_up, spoken_of
from cxlab.models import outlook, scenario
from cxlab.models.clustered import CROSSED, OTHER, RATE, SHARE, SUMS, changes
from cxlab.models.intervals import holm

__all__ = ["COLUMNS", "NOTHING", "REST", "SILENT", "Told", "by_theme"]

NOTHING = "of no theme"
REST = "anything else"
SILENT = "nobody commented"
COLUMNS = (
    *("touchpoint", "theme", "kind", "n", "failures", "failure_share"),
    *("estimate", "conf_low", "conf_high", "share", "share_low", "share_high"),
    *("money", "money_low", "money_high", "money_share"),
    *("often", "often_low", "often_high", "often_p", "often_holm"),
    *("faster", "faster_low", "faster_high", "faster_p", "faster_holm", "leavers"),
)
_PER_DAY = 86_400
# After two half-lives a quarter of an effect is left.
_HALVES = 2.0
_SHORTEST, _LONGEST = 14.0, 180.0
_LEAST_LEAVERS = 10


@dataclass(frozen=True)
class Told:
    """What is told.

    Parameters
    ----------
    table : pandas.DataFrame
        See :func:`by_theme`.
    tied : int
        Comments that are tied to a contact.
    given : int
        Comments that were given.
    spoken, failures : dict
        Driver -> bad contacts that somebody spoke of, and all.
    days : dict
        Driver -> days for which it is told who left.
    small : tuple of str
        Drivers of whose failures too few customers spoke.
    merged : int
        Themes that are not told on their own, with too few customers.
    """

    table: pd.DataFrame
    tied: int
    given: int
    spoken: dict[str, int]
    failures: dict[str, int]
    days: dict[str, float]
    small: tuple[str, ...]
    merged: int


def by_theme(study: Study, names: list[str], said: pd.DataFrame) -> Told:
    """Part each driver's failures by what was said of them.

    Parameters
    ----------
    study : Study
        What is known.
    names : list of str
        The drivers.
    said : pandas.DataFrame
        ``comment, customer_id, at, touchpoint, theme``; see ``voice_of_customer.spoken``.

    Returns
    -------
    Told
        Its table has a row a driver and theme (``kind`` is ``theme``), then :data:`NOTHING`,
        :data:`REST` (themes that fewer than ``min_group`` customers spoke of) and :data:`SILENT`:
        ``n`` customers (NaN of the silent) whose ``failures`` it was said of, and their
        ``failure_share``, in which failures of several themes are split evenly; ``estimate``
        (churns that would not have been when they were, of all that were seen), its ``share`` of
        the driver's, both adding up over the rows; ``money`` (their monthly value); ``often`` (how
        often the theme comes with failures, over how often with ordinary contacts); ``faster``
        (how fast customers leave after a failure with it, over other failures that were spoken
        of), where counts allow.
    """
    comments = spoken_of(study.risk, study.known, said)
    contacts, about = _contacts(comments, said)
    every = failures_at(study.risk, study.known)["bad"]
    parts: list[pd.DataFrame] = []
    spoken, failures, days, small, merged = {}, {}, {}, [], 0
    for name in names:
        k = study.basis.place(name)
        mine = (contacts["place"] == k).to_numpy(bool)
        here, kinds = contacts[mine].reset_index(drop=True), about[mine]
        bad = here["bad"].to_numpy(bool)
        failures[name], spoken[name] = int(every.get(k, 0)), int(bad.sum())
        days[name] = _days(study, k)
        silent = failures[name] - spoken[name]
        whose = here.loc[bad, "who"].to_numpy(int)
        cells = _cells(whose, kinds[bad], silent, study.options.min_group)
        if cells is None:
            small.append(name)
            continue
        merged += cells.merged
        part = _costs(study, k, here[bad], cells).assign(touchpoint=name)
        part = part.join(_often(here, kinds, cells, study.options.min_group))
        part = part.join(_faster(study, days[name], here, cells))
        parts.append(part.sort_values(["last", "estimate"], ascending=[True, False]))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
    for figure in ("often", "faster"):
        table[f"{figure}_holm"] = holm(table[f"{figure}_p"].to_numpy(float))
    return Told(table[list(COLUMNS)], len(comments), said["comment"].nunique(), spoken, failures,
                days, tuple(small), merged)  # fmt: skip


def _days(study: Study, place: int) -> float:
    half = float(study.basis.half_life[study.basis.group[place]])
    return float(np.clip(round(_HALVES * half), _SHORTEST, _LONGEST))


def _contacts(comments: pd.DataFrame, said: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give the judged contacts that were spoken of, and which themes each was spoken of with."""
    comments = comments[comments["judged"].to_numpy(bool)]
    second = np.round(comments["met_at"].to_numpy(float) * _PER_DAY).astype("int64")
    comments = comments.assign(second=second)
    key = ["place", "who", "second"]
    made = comments.groupby(key, sort=True).agg(
        met_at=("met_at", "max"), said_at=("said_at", "max"), bad=("bad", "any")
    ).reset_index()  # fmt: skip
    number = made[key].assign(contact=np.arange(len(made)))
    tied = comments[["comment", *key]].merge(number, on=key)
    themes = said.loc[said["theme"].notna(), ["comment", "theme"]].merge(tied, on="comment")
    about = pd.crosstab(themes["contact"], themes["theme"]) > 0
    return made, about.reindex(range(len(made)), fill_value=False)


@dataclass(frozen=True)
class _Cells:
    """The rows of one driver: which of its spoken failures each has.

    Parameters
    ----------
    names : list of str
        The rows: first the themes, then those that are none.
    themes : int
        How many themes there are.
    has : ndarray of bool, shape (failures, rows)
        Of the failures that were spoken of.
    customers, failures : ndarray, shape (rows,)
        Customers are NaN of the silent.
    silent : int
        The row of failures that nobody spoke of.
    merged : int
        Themes that are not told on their own.
    """

    names: list[str]
    themes: int
    has: np.ndarray
    customers: np.ndarray
    failures: np.ndarray
    silent: int
    merged: int

    @property
    def weight(self) -> np.ndarray:
        """Each failure's share in the rows: with several themes it is split evenly."""
        return np.asarray(self.has / np.maximum(self.has.sum(axis=1, keepdims=True), 1))

    @property
    def parts(self) -> np.ndarray:
        """The failures of each row, those with several themes split evenly."""
        made = self.weight.sum(axis=0)
        made[-1] += self.failures[-1] - self.has[:, -1].sum()
        return np.asarray(made)

    @property
    def last(self) -> np.ndarray:
        """Which rows come last, in what order: themes are 0."""
        return np.maximum(np.arange(len(self.names)) - self.themes + 1, 0)


def _cells(whose: np.ndarray, kinds: pd.DataFrame, quiet: int, least: int) -> _Cells | None:
    """Make rows of no fewer customers than ``least``: small ones are taken together.

    Parameters
    ----------
    whose : ndarray of int, shape (failures,)
        Whom those that were spoken of met.
    kinds : pandas.DataFrame, shape (failures, themes)
        What was said of each.
    quiet : int
        Failures that nobody spoke of.
    least : int
        Customers a row needs.
    """

    def many(rows: np.ndarray) -> int:
        return len(np.unique(whose[rows]))

    given = kinds.to_numpy(bool)
    has = np.column_stack([given, ~given.any(axis=1)])
    count = np.array([many(h) for h in has.T])
    small, few = (count > 0) & (count < least), 0 < quiet < least
    # With the next smallest row, until what is taken together is not of few either.
    while (small.any() or few) and many(_any(has, small)) < least:
        left = np.flatnonzero((count > 0) & ~small)
        if not len(left):
            return None
        small[left[np.argmin(count[left])]] = True
    if not count.any():
        return None
    told = np.flatnonzero((count > 0) & ~small)
    names = [*map(str, kinds.columns), NOTHING]
    rows, columns = [names[i] for i in told], [has[:, i] for i in told]
    if small.any():
        rows, columns = [*rows, REST], [*columns, _any(has, small)]
    if not few:
        rows, columns = [*rows, SILENT], [*columns, np.zeros(len(whose), dtype=bool)]
    found = np.column_stack(columns)
    customers = np.array([float(many(h)) for h in found.T])
    failures = found.sum(axis=0).astype(float)
    failures[-1] += quiet
    if not few:
        customers[-1] = np.nan
    nothing = len(kinds.columns)
    return _Cells(rows, int((told < nothing).sum()), found, customers, failures, len(rows) - 1,
                  int(small[:nothing].sum()))  # fmt: skip


def _any(has: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    return np.asarray(has[:, chosen].any(axis=1))


def _costs(study: Study, place: int, spoken: pd.DataFrame, cells: _Cells) -> pd.DataFrame:
    """Part what the driver's failures cost by rows: each contact has its share of the effect."""
    basis = study.basis
    met = np.zeros(basis.churns, dtype=bool)
    met[basis.churn[basis.touchpoint == place]] = True
    some = basis.only(met)
    parted = _parted(some, place, spoken, cells)
    change = scenario.Change((np.arange(len(basis.coef)) == place).astype(float),
                             np.full(len(basis.coef), -np.inf))  # fmt: skip
    each = scenario.each_avoided(some, change, np.ones(some.churns))
    drawn, value, _ = scenario.avoided_draws(some, change, parted, study.drawn, study.options.seed)
    worth = np.nan_to_num(some.value)
    known = bool(np.isfinite(some.value).any())
    total, paid = each @ parted, (each * (worth if known else np.nan)) @ parted
    (low, high), (least, most) = outlook.ends(drawn), outlook.ends(value)
    share_low, share_high = outlook.ends(_shares(drawn))
    return pd.DataFrame(
        {
            "theme": cells.names, "n": cells.customers, "failures": cells.failures,
            "failure_share": cells.parts / max(cells.parts.sum(), 1.0),
            "kind": np.where(cells.last == 0, "theme", "other"),
            "last": cells.last, "estimate": total, "conf_low": low, "conf_high": high,
            "share": _shares(total[None, :])[0], "share_low": share_low, "share_high": share_high,
            "money": paid, "money_low": least if known else np.nan,
            "money_high": most if known else np.nan, "money_share": _shares(paid[None, :])[0],
        }
    )  # fmt: skip


def _shares(parts: np.ndarray) -> np.ndarray:
    whole = parts.sum(axis=1, keepdims=True)
    some = np.isfinite(whole) & (whole != 0)
    return np.divide(parts, whole, out=np.full(parts.shape, np.nan), where=some)


def _parted(some: scenario.Basis, place: int, spoken: pd.DataFrame, cells: _Cells) -> np.ndarray:
    """Give how each churn falls to the rows, by its contacts' shares of the log factor."""
    pair = np.flatnonzero(some.touchpoint == place)
    churn = some.churn[pair]
    half = some.half_life[some.group[place]]
    # Of the freshest one it is 1, so that old ones do not vanish together.
    youngest = np.full(some.churns, np.inf)
    np.minimum.at(youngest, churn, some.age[pair])
    fresh = 0.5 ** ((some.age[pair] - youngest[churn]) / half)
    fresh /= np.bincount(churn, fresh, some.churns)[churn]
    at = some.middle[churn] - some.age[pair]
    key = pd.DataFrame({"who": some.customer[churn], "second": np.round(at * _PER_DAY)})
    known = spoken[["who", "second"]].assign(failure=np.arange(len(spoken)))
    found = key.astype("int64").merge(known, on=["who", "second"], how="left")["failure"]
    row = found.fillna(-1).to_numpy(int)
    silence = np.arange(len(cells.names)) == cells.silent
    weight = np.vstack([cells.weight, silence.astype(float)])[row]
    parted = np.zeros((some.churns, len(cells.names)))
    np.add.at(parted, churn, fresh[:, None] * weight)
    return parted


def _sums(who: np.ndarray, y: np.ndarray, x: np.ndarray, side: np.ndarray) -> pd.DataFrame:
    """Sum by customer on two sides, as :func:`cxlab.models.clustered.changes` takes it."""
    names, place = np.unique(who, return_inverse=True)

    def by(values: np.ndarray, mine: np.ndarray) -> np.ndarray:
        return np.bincount(place, values * mine, len(names))

    (y1, x1), (y0, x0) = ((by(y, side == s), by(x, side == s)) for s in (1, 0))
    made: dict[str, float] = {}
    for columns, a, b in ((SUMS, y1, x1), (tuple(OTHER[n] for n in SUMS), y0, x0)):
        told = ((b > 0).sum(), a.sum(), b.sum(), (a * a).sum(), (a * b).sum(), (b * b).sum())
        made |= dict(zip(columns, told, strict=True))
    crossed = ((y0 * y1).sum(), (y0 * x1).sum(), (x0 * y1).sum(), (x0 * x1).sum())
    return pd.DataFrame([made | dict(zip(CROSSED, crossed, strict=True))]).astype(float)


_FIGURES = ["estimate", "conf_low", "conf_high", "p_value"]


def _often(here: pd.DataFrame, kinds: pd.DataFrame, cells: _Cells, least: int) -> pd.DataFrame:
    """Hold how often a theme comes with failures against how often with ordinary contacts."""
    who, side = here["who"].to_numpy(int), here["bad"].to_numpy(int)
    rows = np.full((len(cells.names), 4), np.nan)
    ordinary = len(np.unique(who[side == 0])) >= least
    for i, theme in enumerate(cells.names[: cells.themes if ordinary else 0]):
        y = kinds[theme].to_numpy(float)
        told = changes(_sums(who, y, np.ones(len(y)), side), SHARE, times=True)
        rows[i] = told[_FIGURES].to_numpy(float)[0]
    return pd.DataFrame(rows, columns=["often", "often_low", "often_high", "often_p"])


def _faster(study: Study, days: float, here: pd.DataFrame, cells: _Cells) -> pd.DataFrame:
    """Hold how fast customers leave after failures with a theme against others spoken of."""
    bad = here[here["bad"].to_numpy(bool)]
    who = bad["who"].to_numpy(int)
    # What was said is known only then: who left before has not been followed.
    start = np.maximum(bad["said_at"].to_numpy(float), bad["met_at"].to_numpy(float))
    seen = followed_up(study.risk, who, start, np.full(len(who), days))
    y, x = seen["left"].to_numpy(float), seen["days"].to_numpy(float)
    rows, least = np.full((len(cells.names), 5), np.nan), study.options.min_group
    for i in range(cells.themes):
        side, told = cells.has[:, i].astype(int), x > 0
        leavers = [len(np.unique(who[(side == s) & (y > 0)])) for s in (1, 0)]
        many = [len(np.unique(who[(side == s) & told])) for s in (1, 0)]
        rows[i, 4] = leavers[0] if leavers[0] >= least or not leavers[0] else np.nan
        if min(many) < least or sum(leavers) < _LEAST_LEAVERS or not min(leavers):
            continue
        found = changes(_sums(who, y, x, side), RATE, times=True)
        rows[i, :4] = found[_FIGURES].to_numpy(float)[0]
    names = ["faster", "faster_low", "faster_high", "faster_p", "leavers"]
    return pd.DataFrame(rows, columns=names)
