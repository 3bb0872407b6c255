"""Which model tells best on later time: each learns from days whose horizon was over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from cxlab.analyses.churn_risk.study import Study
from cxlab.frames.inputs import Known
from cxlab.models.discrimination import brier, calibration
from cxlab.models.followed import Outcome
from cxlab.models.forecast import LEAST_LEAVERS, within_days
from cxlab.models.tellers import (
    BOOSTED,
    LOGIT,
    NET,
    STRENGTHS,
    Learnt,
    Teller,
    by_cell,
    fit_boosted,
    fit_logit,
    fit_net,
    learnt_from,
    recalibrated,
)

__all__ = ["AS_CHOSEN", "BASE", "RULE", "TELLERS", "Chosen", "Rule", "choose", "the_rule"]

BASE, RULE, AS_CHOSEN = "base rate", "two-variable rule", "as chosen then"
TELLERS = (BASE, RULE, NET, LOGIT, BOOSTED)
"""From simple to flexible: the elastic net keeps fewer of the logit's columns, and less of them."""
# So many of the last days are judged: each takes a fit of every model.
_MOST_JUDGED = 8
_TREES_EVERY = 2
# Of constant and slope together, one in a hundred is so many standard errors off by chance.
_FAR_OFF = 2.8
_MIDDLE = 1
_NEAREST = 1e-9
_TENURES = (180.0, 730.0)
_TENURE_WORDS = ("for under 6 months", "for 6 months to 2 years", "for 2 years or more")
_CONTACT_WORDS = ("no {}", "one {}", "2 or more {}s")


@dataclass(frozen=True)
class Rule:
    """A rule of two things: contacts of the last 90 days, and tenure.

    Parameters
    ----------
    words : tuple of str
        What each cell is.
    text : str
        The rule in words.
    """

    words: tuple[str, ...]
    text: str

    def cell(self, known: Known) -> np.ndarray:
        """Give the cell of rows, shape (n, 1)."""
        tenure = np.searchsorted(_TENURES, known.tenure, side="right")
        few = np.minimum(known.bad, 2) if len(self.words) > len(_TENURE_WORDS) else 0 * known.bad
        return np.asarray(few * len(_TENURE_WORDS) + tenure, dtype=float)[:, None]


def the_rule(study: Study) -> Rule:
    """Give the rule the data allow.

    Parameters
    ----------
    study : Study
        What is learnt from.
    """
    if study.recipe.contacts is None:
        words = tuple(f"customer {t}" for t in _TENURE_WORDS)
        return Rule(words, "how long a customer has been there, in three spans")
    what = "bad contact" if study.recipe.judged else "contact"
    words = tuple(
        f"{many.format(what)} in 90 days, customer {t}"
        for many in _CONTACT_WORDS
        for t in _TENURE_WORDS
    )
    text = (
        f"{what}s of the last 90 days (none, one, more) and tenure (under 6 months, up to 2 "
        "years, longer), each of the nine groups at its own rate so far"
    )
    return Rule(words, text)


@dataclass(frozen=True)
class Chosen:
    """What each model told on later days, and which is to be used.

    Parameters
    ----------
    odds : dict of str to ndarray, shape (n,)
        Told log odds, by model; NaN on days that are not judged.
    base : ndarray, shape (n,)
        The share that had left by then.
    judged : ndarray of int
        The days on which models are judged.
    name : str
        The model to use.
    best : str
        The one with the least Brier score.
    gap, gap_se : float
        How far the chosen one's score is above the best one's.
    constant, slope : float
        By which its log odds are recalibrated; 0 and 1: not at all.
    covariance : ndarray, shape (2, 2)
        Of these two.
    tried : float
        What recalibration of earlier days did to the Brier score of later ones; NaN: not needed.
    final : Teller
        The model, fitted on all days.
    learnt : Learnt
        What it was fitted on.
    mean : ndarray, shape (p,)
        Of the columns it was fitted on.
    rule : Rule
        The two-variable rule.
    """

    odds: Mapping[str, np.ndarray]
    base: np.ndarray
    judged: np.ndarray
    name: str
    best: str
    gap: float
    gap_se: float
    constant: float
    slope: float
    covariance: np.ndarray
    tried: float
    final: Teller
    learnt: Learnt
    mean: np.ndarray
    rule: Rule

    @property
    def recalibrated(self) -> bool:
        """Whether log odds are recalibrated."""
        return (self.constant, self.slope) != (0.0, 1.0)

    def seen(self, study: Study) -> Outcome:
        """Who left, of the days that are judged."""
        return study.of(self.judged)

    def chances(self, names: list[str]) -> np.ndarray:
        """Give told chances, a column a model."""
        return np.column_stack([special.expit(self.odds[name]) for name in names])


def choose(study: Study) -> Chosen:
    """Let the models tell each day's risks by earlier days, and choose by what came.

    The rule: the simplest whose Brier score is within one standard error (of the difference, on
    the same customers) of the best one's (Breiman et al. 1984, section 3.4.3).

    Parameters
    ----------
    study : Study
        What is learnt from.
    """
    rule = the_rule(study)
    whole = study.known.x.astype(float)
    # Linear models learn from columns less their mean of the day, so that what drifts with the
    # calendar is not taken for what tells customers apart; they tell by columns less the mean of
    # all they learnt from, so that a change in who is there changes the level.
    # Trees would take the mean of a day for a value of its own.
    x, cell = within_days(whole, study.followed), rule.cell(study.known)
    odds, base, judged, strength = _rolled(study, x, whole, cell, len(rule.words))
    then = np.full(len(base), np.nan)
    for place in judged:
        name = _pick(study, odds, np.intersect1d(judged, study.over(place)))[0] or NET
        mine = study.followed.origin == place
        then[mine] = odds[name][mine]
    name, best, gap, se = _pick(study, odds, judged)
    again, (constant, slope), covariance, tried = _recalibration(study, odds[name], judged)
    odds = {**odds, AS_CHOSEN: then}
    if (constant, slope) != (0.0, 1.0):
        odds[f"{name}, recalibrated"] = again
    read = {BASE: cell, RULE: cell, BOOSTED: whole}.get(name, x)
    learnt = learnt_from(read, study.outcome)
    final = _fit(name, learnt, len(rule.words), strength)
    mean = _mean(whole, study.outcome)
    return Chosen(odds, base, judged, name, best, gap, se, float(constant), float(slope),
                  covariance, tried, final, learnt, mean, rule)  # fmt: skip


def _fit(name: str, learnt: Learnt, cells: int, strength: float) -> Teller:
    if name == BASE:
        learnt.x[:] = 0.0
        return by_cell(learnt, cells)
    if name == RULE:
        return by_cell(learnt, cells)
    if name == LOGIT:
        return fit_logit(learnt)
    return fit_net(learnt, [strength])[0] if name == NET else fit_boosted(learnt)


def _rolled(
    study: Study, x: np.ndarray, whole: np.ndarray, cell: np.ndarray, cells: int
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, float]:
    """Tell the risks of each of the last days by models of the days over by then."""
    followed, n = study.followed, len(study.followed)
    odds = {name: np.full(n, np.nan) for name in TELLERS}
    nets, base, judged = np.full((n, len(STRENGTHS)), np.nan), np.full(n, np.nan), []
    trees: Teller | None = None
    for turn, place in enumerate(study.told[-_MOST_JUDGED:]):
        seen = study.of(study.over(place))
        now = np.flatnonzero(followed.origin == place)
        learnt, simple = learnt_from(x, seen), learnt_from(cell, seen)
        told = whole[now] - _mean(whole, seen)
        base[now] = seen.rate
        odds[BASE][now] = special.logit(seen.rate)
        odds[RULE][now] = by_cell(simple, cells).odds(cell[now])
        odds[LOGIT][now] = fit_logit(learnt).odds(told)
        nets[now] = np.column_stack([net.odds(told) for net in fit_net(learnt)])
        odds[NET][now] = nets[now, _strength(nets, seen)]
        if trees is None or turn % _TREES_EVERY == 0:  # they take longest
            trees = fit_boosted(learnt_from(whole, seen))
        odds[BOOSTED][now] = trees.odds(whole[now])
        judged.append(int(place))
    every = np.array(judged, dtype=int)
    return odds, base, every, STRENGTHS[_strength(nets, study.of(every))]


def _mean(whole: np.ndarray, seen: Outcome) -> np.ndarray:
    return np.asarray(seen.weight @ whole[seen.rows] / seen.weight.sum())


def _strength(nets: np.ndarray, seen: Outcome) -> int:
    """Choose the penalty whose forecasts of earlier days came truest, by the log score."""
    told = nets[seen.rows]
    known = ~np.isnan(told[:, 0]) & (seen.weight > 0)
    if not seen.left[known].any():
        return _MIDDLE
    told, y = told[known], seen.left[known][:, None]
    return int(np.argmin(seen.weight[known] @ (np.logaddexp(0.0, told) - y * told)))


def _pick(
    study: Study, odds: Mapping[str, np.ndarray], places: np.ndarray
) -> tuple[str, str, float, float]:
    """Give the simplest model within a standard error of the best; empty without leavers."""
    seen = study.of(places)
    if not len(places) or seen.leavers < LEAST_LEAVERS:
        return "", "", np.nan, np.nan
    told = np.column_stack([special.expit(odds[name]) for name in TELLERS])
    figures = brier(seen, told)
    best = int(np.argmin(figures.estimate))
    gaps = figures.differences([(k, best) for k in range(len(TELLERS))])
    close = (gaps["estimate"] <= gaps["se"]).to_numpy()
    close[best] = True
    first = int(np.argmax(close))
    gap, se = (float(gaps[c].iloc[first]) for c in ("estimate", "se"))
    return TELLERS[first], TELLERS[best], gap, se


def _recalibration(
    study: Study, odds: np.ndarray, judged: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Recalibrate where it is needed, and where what earlier days taught helped on later ones.

    Gives the log odds that could have been told with it, constant and slope, their covariance,
    and what it did to the Brier score.
    """
    told = calibration(study.of(judged), special.expit(odds)).iloc[0]
    off = [abs(told["intercept"]) / told["intercept_se"], abs(told["slope"] - 1) / told["slope_se"]]
    none = np.array([0.0, 1.0]), np.zeros((2, 2))
    if not max(np.nan_to_num(off)) > _FAR_OFF:
        return odds, *none, np.nan
    again, tried = odds.copy(), []
    for place in judged:
        over = np.intersect1d(judged, study.over(place))
        if len(over):
            (a, b), _ = recalibrated(study.of(over), odds)
            mine = study.followed.origin == place
            again[mine] = a + b * odds[mine]
            tried.append(place)
    if not tried:
        return odds, *none, np.nan
    both = special.expit(np.column_stack([again, odds]))
    change = brier(study.of(np.array(tried)), both).differences([(0, 1)])
    better = float(change["estimate"].iloc[0])
    if better >= 0:
        return odds, *none, better
    return again, *recalibrated(study.of(judged), odds), better
