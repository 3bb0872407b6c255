"""Weights that let those who answer stand for those who do not.

Those who answer stand for those who do not: each answer weighs the inverse of its chance,
given what was known at the asking (Horvitz and Thompson 1952; Robins, Rotnitzky and Zhao
1995). What the answer itself would have been is not known for the silent: where answering
depends on it beyond what was known, the weights leave a bias.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from cxlab.models.contrast import RIDGE
from cxlab.models.hazard import fit_hazard, independent_columns

__all__ = ["Response", "Weighted", "response_weights", "weighted_means"]

# Weights beyond these quantiles are set to them: a few answers must not speak for all.
_TRUNCATED = (0.01, 0.99)


@dataclass(frozen=True)
class Response:
    """Who answers.

    Parameters
    ----------
    chance : ndarray, shape (n,)
        Of an answer, by question.
    weight : ndarray, shape (n,)
        Of an answer: the share of questions answered over its chance, truncated; 0 of questions
        not answered.
    share : float
        Of the questions answered.
    effective : float
        Answers that, weighing alike, would tell as much: the square of the sum of the weights
        over the sum of their squares (Kish 1965).
    told : float
        The area under the ROC curve of the chances: 0.5 where nothing known tells who answers.
    """

    chance: np.ndarray
    weight: np.ndarray
    share: float
    effective: float
    told: float


def response_weights(x: np.ndarray, answered: np.ndarray, known: np.ndarray) -> Response:
    """Weigh each answer by the inverse of its chance, by a logistic regression.

    The weights are stabilised by the share of questions answered, and those below the 1st or
    above the 99th centile are set to it (Cole and Hernán 2008).

    Parameters
    ----------
    x : ndarray, shape (n, p)
        What was known when a question was asked, the constant first.
    answered : ndarray of bool, shape (n,)
        Whether it was answered.
    known : ndarray of bool, shape (n,)
        The questions that the regression is fitted on, such as those old enough for an answer;
        both answers and silence must occur among them.
    """
    from sklearn.metrics import roc_auc_score

    own = independent_columns(x[known])
    fit = fit_hazard(x[known][:, own], answered[known], link="logit", ridge=RIDGE)
    chance = expit(x[:, own] @ fit.coef)
    share = float(answered[known].mean())
    weight = share / chance[answered]
    weight = np.clip(weight, *np.quantile(weight, _TRUNCATED))
    whole = np.zeros(len(x))
    whole[answered] = weight
    effective = float(weight.sum() ** 2 / (weight**2).sum())
    told = float(roc_auc_score(answered[known], chance[known]))
    return Response(chance, whole, share, effective, told)


@dataclass(frozen=True)
class Weighted:
    """Means of those who answered, and of all who were asked.

    Parameters
    ----------
    raw, weighted : tuple of float
        Estimate and standard error.
    difference : tuple of float
        Weighted less raw, and its standard error.
    n, asked : int
        Answers and questions.
    response : Response
        The weights.
    """

    raw: tuple[float, float]
    weighted: tuple[float, float]
    difference: tuple[float, float]
    n: int
    asked: int
    response: Response


def weighted_means(
    x: np.ndarray,
    answered: np.ndarray,
    score: np.ndarray,
    who: np.ndarray,
    response: Response | None = None,
) -> Weighted:
    """Weigh answers for those who did not answer, and say how sure the mean is.

    Each answer weighs the inverse of its chance by a logistic regression (see
    :func:`response_weights`). The standard error holds that the weights are estimated: the
    regression's score is projected out of each question's influence (Robins, Rotnitzky and Zhao
    1995), and those of one customer are taken together. A weight set to a limit does not move
    with the regression.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        What was known at the asking, the constant first.
    answered : ndarray of bool, shape (n,)
        Whether the question was answered.
    score : ndarray, shape (n,)
        The answer's value; any where there is none.
    who : ndarray of int, shape (n,)
        Whose question it is, numbered from 0.
    response : Response, optional
        The weights, where they are known already.
    """
    if response is None:
        response = response_weights(x, answered, np.ones(len(x), dtype=bool))
    value = np.where(answered, score, 0.0)
    raw = float(value.sum() / answered.sum())
    weight = response.weight
    mean = float((weight * value).sum() / weight.sum())
    own = x[:, independent_columns(x)]
    p = response.chance
    bread = (own * (p * (1 - p))[:, None]).T @ own
    # the fit holds its columns by a ridge, which hardly counts here
    bread += RIDGE * 1e-6 * np.eye(len(bread)) * np.trace(bread) / max(len(bread), 1)
    free = answered & (np.abs(weight * p / response.share - 1) < 1e-9)
    off = weight * (value - mean)
    slope = -((off * (1 - p) * free)[:, None] * own).sum(axis=0)
    score_of = own * (answered - p)[:, None]
    moved = score_of @ np.linalg.solve(bread, slope)
    influence = (off + moved) / weight.sum()
    plain = answered * (value - raw) / answered.sum()
    customers = int((np.bincount(who) > 0).sum())
    small = customers / max(customers - 1, 1)

    def error(each: np.ndarray) -> float:
        return float(np.sqrt(small * np.square(np.bincount(who, weights=each)).sum()))

    return Weighted(
        (raw, error(plain)),
        (mean, error(influence)),
        (mean - raw, error(influence - plain)),
        int(answered.sum()),
        len(x),
        response,
    )
