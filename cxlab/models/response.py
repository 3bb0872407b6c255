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

__all__ = ["Response", "Weighed", "Weigher", "response_weights"]

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
class Weighed:
    """Means of those who answered, and of all who were asked, by group of questions.

    Parameters
    ----------
    raw, weighted, difference : ndarray, shape (groups, 2)
        Estimate and standard error; the difference is weighted less raw. NaN where a group has
        no answers.
    answers, asked, customers : ndarray of int, shape (groups,)
        Answers, questions, and those who gave the answers.
    """

    raw: np.ndarray
    weighted: np.ndarray
    difference: np.ndarray
    answers: np.ndarray
    asked: np.ndarray
    customers: np.ndarray


class Weigher:
    """Weighs the answers to one metric for those who did not answer, whatever the group.

    The weights are fitted once over all questions (see :func:`response_weights`), so that the
    groups of a cut add up. The standard errors hold that the weights are estimated: the
    regression's score is projected out of each question's influence (Robins, Rotnitzky and Zhao
    1995), also that of questions of other groups, and those of one customer are taken together.
    A weight set to a limit does not move with the regression.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        What was known at the asking, the constant first.
    answered : ndarray of bool, shape (n,)
        Whether the question was answered.
    who : ndarray of int, shape (n,)
        Whose question it is, numbered from 0.
    response : Response, optional
        The weights, where they are known already.
    """

    def __init__(
        self, x: np.ndarray, answered: np.ndarray, who: np.ndarray, response: Response | None = None
    ) -> None:
        if response is None:
            response = response_weights(x, answered, np.ones(len(x), dtype=bool))
        self.response = response
        self._answered, self._who = answered, who
        self._own = x[:, independent_columns(x)]
        p = response.chance
        bread = (self._own * (p * (1 - p))[:, None]).T @ self._own
        # the fit holds its columns by a ridge, which hardly counts here
        bread += RIDGE * 1e-6 * np.eye(len(bread)) * np.trace(bread) / max(len(bread), 1)
        self._bread = bread
        self._free = answered & (np.abs(response.weight * p / response.share - 1) < 1e-9)
        self._scores = self._by_customer(self._own * (answered - p)[:, None])

    def _by_customer(self, rows: np.ndarray) -> np.ndarray:
        return _summed(rows, self._who, int(self._who.max(initial=-1)) + 1)

    def means(self, score: np.ndarray, group: np.ndarray, many: int) -> Weighed:
        """Give the means of each group, as answered and as if everybody asked had answered.

        Parameters
        ----------
        score : ndarray, shape (n,)
            The answer's value; any where there is none.
        group : ndarray of int, shape (n,)
            Of each question, from 0; below 0: of none.
        many : int
            How many groups there are.
        """
        inside = group >= 0
        given = self._answered & inside
        value, weight = np.where(given, score, 0.0), np.where(given, self.response.weight, 0.0)

        def summed(rows: np.ndarray) -> np.ndarray:
            return np.bincount(group[inside], weights=rows[inside], minlength=many)

        answers, total = summed(given.astype(float)), summed(weight)
        per, whole = (np.where(v > 0, v, np.nan) for v in (answers, total))
        raw, mean = summed(value) / per, summed(weight * value) / whole
        at = np.where(inside, group, 0)
        off = np.where(given, weight * (value - np.nan_to_num(mean)[at]), 0.0)
        plain = np.where(given, value - np.nan_to_num(raw)[at], 0.0)
        free = inside & self._free
        lost = (off * (1 - self.response.chance))[free]
        slope = _summed(-lost[:, None] * self._own[free], group[free], many)
        moved = self._scores @ np.linalg.solve(self._bread, slope.T)
        told = (self._spread(off, group, many) + moved) / whole
        own = self._spread(plain, group, many) / per
        customers = (self._spread(given.astype(float), group, many) > 0).sum(axis=0)
        there = (self._spread(inside.astype(float), group, many) > 0).sum(axis=0)

        # Where all answered alike, rounding leaves a trifle.
        trifle = 1e-12 * max(float(np.abs(value).max(initial=0.0)), 1e-300)

        def error(each: np.ndarray) -> np.ndarray:
            few = there / np.maximum(there - 1, 1)
            spread = np.sqrt(few * np.square(each).sum(axis=0))
            return np.asarray(np.where(spread <= trifle, 0.0, spread))

        apart = mean - raw
        apart = np.where(np.abs(apart) <= trifle, 0.0, apart)
        pairs = ((raw, own), (mean, told), (apart, told - own))
        made = [np.column_stack([middle, error(each)]) for middle, each in pairs]
        asked = summed(np.ones(len(group)))
        return Weighed(*made, *(v.astype(int) for v in (answers, asked, customers)))

    def _spread(self, rows: np.ndarray, group: np.ndarray, many: int) -> np.ndarray:
        """Sum by customer and group."""
        inside = group >= 0
        customers = len(self._scores)
        place = self._who[inside] * many + group[inside]
        made = np.bincount(place, weights=rows[inside], minlength=customers * many)
        return made.reshape(customers, many)


def _summed(rows: np.ndarray, group: np.ndarray, many: int) -> np.ndarray:
    """Sum rows by group, shape (many, columns)."""
    from scipy.sparse import csr_array

    n = len(rows)
    place = csr_array((np.ones(n), (group, np.arange(n))), shape=(many, n))
    return np.asarray(place @ rows)
