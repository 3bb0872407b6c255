"""The same question asked in other ways: does the answer hang on how it was asked?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from cxlab.analyses.satisfaction_drivers.estimate import estimate, filled
from cxlab.analyses.satisfaction_drivers.prepare import Study, held, unmet
from cxlab.models.imputation import Pooled, rubin
from cxlab.models.intervals import LEVEL, Z
from cxlab.models.linear import clustered, random_intercepts, summed
from cxlab.models.ordinal import levels, ordinal_logit
from cxlab.results import MINUS, Result, counted, listed

__all__ = ["beside"]

_COLUMNS = ["way", "term", "estimate", "conf_low", "conf_high", "p_value", "n", "scale"]
_TIMES, _FEW = 5, 20
_POINTS, _ODDS = "overall points a point", "odds ratio a point"


def beside(study: Study, controls: np.ndarray, seed: int) -> Result:
    """Fit the drivers' slopes by other models and other ways with missing ratings.

    Parameters
    ----------
    study : Study
        The study.
    controls : ndarray, shape (n, k)
        What is held equal besides.
    seed : int
        Of imputations.

    Returns
    -------
    Result
        ``way, term`` and the slope with its interval; of the ordinal logit, odds ratios of a
        higher overall score.
    """
    told: dict[str, tuple[Pooled, int, str]] = {}
    said: list[str] = []
    ways: tuple[Callable[..., dict[str, tuple[Pooled, int, str]]], ...] = (
        _missing, _held, _ordinal, _repeated,
    )  # fmt: skip
    for way in ways:
        told |= way(study, controls, seed, said)
    rows = []
    for name, (pooled, n, scale) in told.items():
        low, high, p = pooled.interval(LEVEL)
        ends = [pooled.estimate, low, high]
        if scale == _ODDS:
            ends = [np.exp(np.clip(v, -20, 20)) for v in ends]
        rows += [(name, d.name, *(float(v[j]) for v in ends), float(p[j]), n, scale)
                 for j, d in enumerate(study.drivers)]  # fmt: skip
    table = pd.DataFrame(rows, columns=_COLUMNS)
    words = [_sentence(table), *said, _within(table)]
    return Result("beside", table, sentence=" ".join(w for w in words if w))


def _missing(
    study: Study, controls: np.ndarray, seed: int, said: list[str]
) -> dict[str, tuple[Pooled, int, str]]:
    """Fit with the other ways with missing ratings, where any are missing."""
    made = estimate(study, controls, seed, 1 if study.missing != "pairwise" else 200)
    names = {"imputed": "missing ratings imputed", "complete": "complete answers alone",
             "pairwise": "pairs of ratings", "apart": "not rated: a state of its own"}  # fmt: skip
    found = {names[study.missing]: (made.slope, made.rows, _POINTS)}
    if study.whole.all():
        return {"least squares": (made.slope, made.rows, _POINTS)}
    others = ("imputed", "complete", "pairwise") if not study.source.linked else ()
    for missing in others if not unmet(study.x) else others[1:2]:
        other = replace(study, missing=missing)
        rows = int(study.whole.sum())
        if missing == study.missing:
            continue
        if missing == "complete" and not (other.enough and np.ptp(study.y[study.whole]) > 0):
            said.append(f"Only {counted(rows, 'response')} of {len(study.y):,} have all ratings: "
                        "too few to be told by themselves.")  # fmt: skip
            continue
        made = estimate(other, controls, seed, 200 if missing == "pairwise" else 1)
        found[names[missing]] = (made.slope, made.rows, _POINTS)
        if made.bent:
            said.append("Correlations from pairs contradicted each other and were mended.")
    return found


def _held(
    study: Study, controls: np.ndarray, seed: int, said: list[str]
) -> dict[str, tuple[Pooled, int, str]]:
    """Fit with the customers' attributes held equal."""
    columns, names = held(study)
    room = study.customers >= 5 * (columns.shape[1] + len(study.drivers) + 1)
    if not names or not room or study.missing == "pairwise":
        return {}
    made = estimate(study, np.hstack([controls, columns]), seed, 1)
    return {f"held equal: {listed(names, 4)}": (made.slope, made.rows, _POINTS)}


def _ordinal(
    study: Study, controls: np.ndarray, seed: int, said: list[str]
) -> dict[str, tuple[Pooled, int, str]]:
    """Fit the ordinal logit, which does not take the overall score's steps for equal."""
    if study.missing == "pairwise":
        return {}
    estimates, variances, n, free = [], [], 0, 1
    for x, extra, y, who in filled(study, controls, seed, _TIMES):
        p = x.shape[1]
        columns, kept = _independent(np.column_stack([x, extra]))
        fit = ordinal_logit(columns, levels(y), who)
        if not fit.converged:
            said.append("The ordinal logit does not converge: some rating tells the overall score "
                        "outright.")  # fmt: skip
            return {}
        full = np.full(p, np.nan)
        spread = np.full(p, np.nan)
        mine = kept[kept < p]
        full[mine] = fit.estimate[: len(mine)]
        spread[mine] = np.diag(fit.covariance)[: len(mine)]
        estimates.append(full)
        variances.append(spread)
        n, free = len(y), max(int(who.max()) + 1 - columns.shape[1], 1)
    two = len(np.unique(study.y)) == 2
    name = "logit" if two else "ordinal logit"
    return {name: (rubin(estimates, variances, float(free)), n, _ODDS)}


def _independent(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keep the columns that those before them do not explain in full."""
    scaled = x - x.mean(axis=0)
    size = np.sqrt((scaled**2).sum(axis=0))
    diagonal = np.abs(np.diag(np.linalg.qr(scaled / np.where(size > 0, size, 1.0), mode="r")))
    kept = np.flatnonzero((diagonal > 1e-6) & (size > 0))
    return x[:, kept], kept


def _repeated(
    study: Study, controls: np.ndarray, seed: int, said: list[str]
) -> dict[str, tuple[Pooled, int, str]]:
    """Fit with a level for each customer, and within customers, where they answered repeatedly."""
    size = np.bincount(study.who)
    repeat = int((size > 1).sum())
    if repeat < _FEW or study.missing == "pairwise":
        return {}
    free = 1.0
    random: list[list[np.ndarray]] = [[], []]
    within: list[list[np.ndarray]] = [[], []]
    n, alike = 0, 0.0
    for x, extra, y, who in filled(study, controls, seed, _TIMES):
        p = x.shape[1]
        columns, kept = _independent(np.column_stack([x, extra]))
        mine = kept[kept < p]
        fit = random_intercepts(np.column_stack([np.ones(len(y)), columns]), y, who)
        _put(random, mine, fit.estimate[1:], fit.se[1:] ** 2, p)
        alike = fit.correlation
        means = summed(np.column_stack([columns, y]), who) / np.bincount(who)[:, None]
        off = np.column_stack([columns, y]) - means[who]
        many = (np.bincount(who) > 1)[who]
        inside = clustered(off[many, :-1], off[many, -1], np.unique(who[many],
                           return_inverse=True)[1])  # fmt: skip
        _put(within, mine, inside.estimate, inside.se**2, p)
        n, free = int(many.sum()), float(max(inside.customers - columns.shape[1], 1))
    found = {
        "a level for each customer": (rubin(random[0], random[1], free), len(study.y), _POINTS)
    }
    said.append(f"Two overall scores of a customer correlate by {alike:.2f} beyond the ratings.")
    if repeat >= 5 * (len(study.drivers) + 1):
        found["within customers"] = (rubin(within[0], within[1], free), n, _POINTS)
    return found


def _put(
    into: list[list[np.ndarray]],
    mine: np.ndarray,
    estimate: np.ndarray,
    variance: np.ndarray,
    p: int,
) -> None:
    for rows, values in zip(into, (estimate, variance), strict=True):
        full = np.full(p, np.nan)
        full[mine] = values[: len(mine)]
        rows.append(full)


def _within(table: pd.DataFrame) -> str:
    """Say what is left of all slopes together, once a customer is compared with itself.

    All of them, not those that are told: chosen for being large, these would shrink anyhow.
    """
    if table.empty or "within customers" not in set(table["way"]):
        return ""
    ways = {str(w): t.set_index("term") for w, t in table.groupby("way", sort=False)}
    inside = ways["within customers"]
    inside = inside[inside["estimate"].notna() & (inside["conf_high"] > inside["conf_low"])]
    if inside.empty:
        return ""
    first = next(iter(ways.values())).loc[inside.index]
    wide, other = ((t["conf_high"] - t["conf_low"]) / (2 * Z) for t in (inside, first))
    weight = 1 / wide**2 / (1 / wide**2).sum()
    mean, se = float(weight @ inside["estimate"]), float(np.sqrt(weight**2 @ wide**2))
    over, over_se = float(weight @ first["estimate"]), float(np.sqrt(weight**2 @ other**2))
    text = (
        f"All slopes together, weighed by what is known of them, average {over:.2f}, and within "
        f"the same customer {mean:.2f} ({mean - Z * se:.2f} to {mean + Z * se:.2f})."
    ).replace("-", MINUS)
    if over - mean > Z * np.hypot(se, over_se):
        text += " The rest lies between customers, such as that some judge everything more kindly."
    return text.replace("-", MINUS)


def _sentence(table: pd.DataFrame) -> str:
    """Say of how many ways the slopes agree in direction and in which rating moves most."""
    if table.empty:
        return ""
    ways = list(dict.fromkeys(table["way"]))
    first = table[table["way"] == ways[0]].set_index("term")
    sure = first[(first["p_value"] < 1 - LEVEL)].index
    if len(ways) < 2:
        return "There is no other way to ask these data."
    if not len(sure):
        return "No rating is told from none by itself, and other ways do not change that."
    turned = []
    for way in ways[1:]:
        other = table[table["way"] == way].set_index("term").loc[sure]
        none = 1.0 if (other["scale"] == _ODDS).all() else 0.0
        up = first.loc[sure, "estimate"] > 0
        against = (other["conf_high"] < none) & up | (other["conf_low"] > none) & ~up
        turned += [f"{term} ({way})" for term in sure[against.to_numpy(bool)]]
    many = counted(len(ways) - 1, "other way of asking", "other ways of asking")
    if turned:
        return f"Of {many}, some turn an effect round: {listed(turned, 4)}."
    return (
        f"{'Neither' if len(ways) == 3 else 'None'} of {many} turns round the effect of a rating "
        "that is told here."
    ).replace("None of 1 other way of asking turns", "The one other way of asking does not turn")
