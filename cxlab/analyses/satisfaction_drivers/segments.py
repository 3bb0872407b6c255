"""Do ratings matter more to some customers than to others?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cxlab.analyses.satisfaction_drivers.estimate import filled
from cxlab.analyses.satisfaction_drivers.prepare import CARRIED, FEWEST, PER_RATING, Study, groups
from cxlab.models.imputation import rubin
from cxlab.models.intervals import LEVEL, holm
from cxlab.models.linear import clustered, welch
from cxlab.models.verdicts import ALPHA
from cxlab.results import Result, counted, listed

__all__ = ["segments"]

_COLUMNS = ["attribute", "level", "term", "estimate", "conf_low", "conf_high", "p_value", "n",
            "p_holm", "differs"]  # fmt: skip
_TIMES = 5


def segments(study: Study, least: int, seed: int) -> Result:
    """Fit each group of customers by itself, and test whether slopes differ between groups.

    The test of equal slopes is Welch's, a rating and an attribute at a time; Holm's correction
    is over all of them.

    Parameters
    ----------
    study : Study
        The study.
    least : int
        The fewest customers of a group.
    seed : int
        Of imputations.

    Returns
    -------
    Result
        ``attribute, level, term``, the slope in the group with its interval, ``p_value`` and
        ``p_holm`` of no difference between the attribute's groups.
    """
    enough = max(least, FEWEST, PER_RATING * (len(study.drivers) + 1))
    copies = list(filled(study, np.zeros((len(study.y), 0)), seed, _TIMES))
    whole = _whole(study)
    rows, small = [], 0
    for name, (levels, place) in groups(study).items():
        found = []
        for i, level in enumerate(levels):
            inside = (place == i) & whole
            if len(np.unique(study.who[inside])) < enough or np.ptp(study.y[inside]) == 0:
                small += 1
                continue
            found.append((str(level), _fit(study, copies, inside)))
        if len(found) > 1:
            rows += _compared(name, found, [d.name for d in study.drivers])
    table = pd.DataFrame(rows, columns=_COLUMNS[:8])
    tests = table.drop_duplicates(["attribute", "term"])
    p_holm = pd.Series(holm(tests["p_value"].to_numpy(float)), index=tests.index)
    first = table.groupby(["attribute", "term"], sort=False)["n"].transform(lambda g: g.index[0])
    table["p_holm"] = first.map(p_holm).astype(float) if len(table) else np.nan
    table["differs"] = table["p_holm"] < ALPHA
    text = _sentence(table, small, enough)
    if study.missing == "pairwise" and not whole.all():
        text += " Only responses with all ratings are compared."
    return Result("segments", table[_COLUMNS], meta={"too_small": small, "least": enough},
                  sentence=text)  # fmt: skip


def _whole(study: Study) -> np.ndarray:
    """Tell which responses a group's slopes rest on: those that :func:`filled` gives."""
    if study.missing in ("complete", "pairwise"):
        return study.whole
    return np.ones(len(study.y), dtype=bool)


def _fit(
    study: Study, copies: Sequence[tuple[np.ndarray, ...]], inside: np.ndarray
) -> pd.DataFrame:
    """Give the slopes of a group, NaN where too few of it rated."""
    p = len(study.drivers)
    whole = _whole(study)
    rows = inside[whole]
    given = np.isfinite(study.x[inside])
    who = study.who[inside]
    n = np.array([len(np.unique(who[given[:, j]])) for j in range(p)])
    told = np.flatnonzero(n >= FEWEST)
    estimates, variances, df = [], [], []
    for x, extra, y, _ in copies:
        mine = study.who[whole]
        head = np.column_stack([np.ones(int(rows.sum())), extra[rows]])
        columns = np.column_stack([head, x[rows][:, told]])
        place = np.unique(mine[rows], return_inverse=True)[1]
        fit = clustered(columns, y[rows], place)
        estimates.append(fit.estimate[head.shape[1] :])
        variances.append(fit.se[head.shape[1] :] ** 2)
        df.append(fit.df[head.shape[1] :])
    pooled = rubin(estimates, variances, np.min(df, axis=0))
    low, high, _ = pooled.interval(LEVEL)
    made = pd.DataFrame(np.nan, index=range(p), columns=["estimate", "se", "low", "high", "df"])
    made.loc[told] = np.column_stack([pooled.estimate, pooled.se, low, high, pooled.df])
    made.loc[told[np.min(df, axis=0) + 1 < CARRIED], "estimate"] = np.nan
    return made.assign(n=n)


def _compared(
    name: str, found: list[tuple[str, pd.DataFrame]], terms: list[str]
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for j, term in enumerate(terms):
        mine = [(level, fit.loc[j]) for level, fit in found]
        mine = [(level, r) for level, r in mine if np.isfinite(r["estimate"]) and r["se"] > 0]
        if len(mine) < 2:
            continue
        b = np.array([r["estimate"] for _, r in mine])
        p = welch(b, *(np.array([r[c] for _, r in mine]) for c in ("se", "df")))
        rows += [(name, level, term, r["estimate"], r["low"], r["high"], p, int(r["n"]))
                 for level, r in mine]  # fmt: skip
    return rows


def _sentence(table: pd.DataFrame, small: int, enough: int) -> str:
    left = (
        f" {counted(small, 'group')} of fewer than {counted(enough, 'customer')}, or all of one "
        f"mind, {'is' if small == 1 else 'are'} not shown."
        if small
        else ""
    )
    if table.empty:
        return "There are no groups of customers large enough to compare." + left
    tests = table.drop_duplicates(["attribute", "term"])
    apart = tests[tests["differs"]]
    if apart.empty:
        return (
            f"Of {counted(len(tests), 'comparison')} of slopes between groups of customers none "
            "shows more than chance: what matters seems to matter to all alike, as far as the data "
            "can tell." + left
        )
    told = []
    for row in apart.head(4).itertuples():
        mine = table[(table["attribute"] == row.attribute) & (table["term"] == row.term)]
        high, low = mine.loc[mine["estimate"].idxmax()], mine.loc[mine["estimate"].idxmin()]
        told.append(
            f"{row.term} matters more where {row.attribute} is {high['level']} "
            f"({high['estimate']:.2f} a point) than where it is {low['level']} "
            f"({low['estimate']:.2f})"
        )
    return f"{listed(told)}.{left}"
