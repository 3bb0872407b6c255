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

__all__ = ["Response", "response_weights"]

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
