"""Models that tell the chance to leave within a horizon: candidates, from simple to flexible.

Each learns from rows of customers on earlier days (:mod:`cxlab.models.followed`), tells chances
as log odds, says what each column adds to them against the average customer, and how far they
would move had other customers been drawn.

The logit and the elastic net (Zou and Hastie 2005) are linear in columns of standard deviation
one; the latter is fitted by proximal Newton steps, each scikit-learn's coordinate descent
(Friedman, Hastie and Tibshirani 2010). Boosted trees are scikit-learn's (Ke et al. 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from scipy import special

from cxlab.models.followed import Outcome
from cxlab.models.hazard import fit_hazard
from cxlab.models.intervals import LEVEL
from cxlab.models.resample import Draws

__all__ = [
    "BOOSTED",
    "LOGIT",
    "NET",
    "STRENGTHS",
    "Learnt",
    "Linear",
    "Rates",
    "Teller",
    "by_cell",
    "fit_boosted",
    "fit_logit",
    "fit_net",
    "learnt_from",
    "recalibrated",
    "spread",
]

LOGIT, NET, BOOSTED = "logit", "elastic net", "boosted trees"
# A prior of standard deviation 1 for the coefficient of a column of standard deviation 1.
_RIDGE = 1.0
_MIX = 0.5
STRENGTHS = (0.2, 0.06, 0.02, 0.006)
"""Penalties of the elastic net to choose from, as shares of the least one that leaves nothing."""
_STEPS, _CYCLES, _SMALL, _CLOSE = 30, 10_000, 1e-5, 1e-8
_FARTHEST = 6.0
_NEAREST = 1e-9
# Trees of few leaves, of which each holds many rows: noise must not be learnt by heart.
_TREES: dict[str, Any] = {
    "max_iter": 80, "learning_rate": 0.06, "max_leaf_nodes": 6, "min_samples_leaf": 60,
    "l2_regularization": 5.0, "max_bins": 64, "early_stopping": False,
}  # fmt: skip
# So many who stayed for each who left say nearly all that all of them do.
_OTHERS, _LEAST_OTHERS = 3, 5_000
_SPANS = 32
_FEW = 20.0


@dataclass(frozen=True)
class Learnt:
    """Rows to learn from.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        What was known on the day.
    left : ndarray of bool, shape (n,)
        Who left within the horizon.
    weight : ndarray, shape (n,)
        Customers a row stands for, with a mean of one.
    customer : ndarray of int, shape (n,)
        Whose rows they are, numbered from 0.
    """

    x: np.ndarray
    left: np.ndarray
    weight: np.ndarray
    customer: np.ndarray

    @property
    def rate(self) -> float:
        """The share that left."""
        return float(self.weight @ self.left / self.weight.sum())

    def drawn(self, weights: np.ndarray) -> Learnt:
        """Give the rows with their customers weighted anew."""
        return replace(self, weight=self.weight * weights[self.customer])


def learnt_from(x: np.ndarray, seen: Outcome) -> Learnt:
    """Take the rows of which it is known whether they left.

    Parameters
    ----------
    x : ndarray, shape (n, p)
        Columns of all rows that were followed.
    seen : Outcome
        Who left.
    """
    known = seen.weight > 0
    weight = seen.weight[known] / seen.weight[known].mean()
    customer = np.unique(seen.customer[known], return_inverse=True)[1]
    return Learnt(x[seen.rows[known]], seen.left[known], weight, customer)


class Teller(Protocol):
    """What all models can be asked for."""

    def odds(self, x: np.ndarray) -> np.ndarray:
        """Tell the log odds of leaving of rows, shape (n,)."""
        ...

    def parts(self, x: np.ndarray, facts: np.ndarray, average: np.ndarray) -> np.ndarray:
        """Tell what each fact adds to a row's log odds, shape (n, facts)."""
        ...

    def again(self, learnt: Learnt, count: int, seed: int) -> Sequence[Teller]:
        """Give what it would have been, had other customers been drawn."""
        ...


@dataclass(frozen=True)
class Linear:
    """A logit, maybe penalised.

    Parameters
    ----------
    coef : ndarray, shape (p + 1,)
        The constant first; of columns in standard deviations.
    mean, spread : ndarray, shape (p,)
        Of the columns, where it was fitted.
    penalty : float
        Of the elastic net, by row; NaN: the logit.
    """

    coef: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    penalty: float = np.nan

    @property
    def kind(self) -> str:
        """Its name among the candidates."""
        return LOGIT if np.isnan(self.penalty) else NET

    def odds(self, x: np.ndarray) -> np.ndarray:
        """Tell the log odds of leaving of rows, shape (n,)."""
        return np.asarray(self.coef[0] + _scaled(x, self.mean, self.spread) @ self.coef[1:])

    def parts(self, x: np.ndarray, facts: np.ndarray, average: np.ndarray) -> np.ndarray:
        """Tell what each fact adds to a row's log odds: exactly what its columns do.

        Parameters
        ----------
        x : ndarray, shape (n, p)
            The rows.
        facts : ndarray of int, shape (p,)
            The fact that a column belongs to.
        average : ndarray, shape (p,)
            The average customer, who is compared with.
        """
        mean = _scaled(average[None, :], self.mean, self.spread)
        each = (_scaled(x, self.mean, self.spread) - mean) * self.coef[1:]
        return each @ _member(facts)

    def again(self, learnt: Learnt, count: int, seed: int) -> Sequence[Teller]:
        """Fit it again with customers weighted anew (Bayesian bootstrap; Rubin 1981).

        Parameters
        ----------
        learnt : Learnt
            What it was fitted on.
        count, seed : int
            How often, and the draw's seed.
        """
        draws = Draws(int(learnt.customer.max()) + 1, count, seed)
        if self.kind == LOGIT:  # one Newton step from the estimate
            fit, varies = _logit(learnt, self.mean, self.spread)
            found = np.zeros((count, len(self.coef)))
            found[:, varies] = fit.replicates(draws)[0]
            return [replace(self, coef=coef) for coef in found]
        weights = draws.of(np.arange(draws.customers))
        design = _design(learnt.x, self.mean, self.spread)
        return [
            replace(self, coef=_proximal(design, learnt.drawn(w), self.penalty, self.coef, steps=1))
            for w in weights
        ]


@dataclass(frozen=True)
class Trees:
    """Boosted trees, of columns cut into spans.

    Parameters
    ----------
    model : sklearn.ensemble.HistGradientBoostingClassifier
        Fitted on the spans' numbers.
    cuts : list of ndarray
        Of each column.
    """

    model: Any
    cuts: list[np.ndarray]

    kind = BOOSTED

    def odds(self, x: np.ndarray) -> np.ndarray:
        """Tell the log odds of leaving of rows, shape (n,)."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, "openmp"):  # threads of others would be waited for
            return np.asarray(self.model.decision_function(_spans(x, self.cuts)), dtype=float)

    def parts(self, x: np.ndarray, facts: np.ndarray, average: np.ndarray) -> np.ndarray:
        """Tell by how much log odds fall where a fact is that of the average customer.

        Each fact by itself, the others as they are; such parts need not add up.

        Parameters
        ----------
        x, facts, average
            As of :meth:`Linear.parts`.
        """
        told = self.odds(x)
        found = np.zeros((len(x), int(facts.max(initial=-1)) + 1))
        for fact in range(found.shape[1]):
            mine = facts == fact
            other = x.copy()
            other[:, mine] = average[mine]
            found[:, fact] = told - self.odds(other)
        return found

    def again(self, learnt: Learnt, count: int, seed: int) -> Sequence[Teller]:
        """Fit it again with customers weighted anew.

        Parameters
        ----------
        learnt, count, seed
            As of :meth:`Linear.again`.
        """
        customers = int(learnt.customer.max()) + 1
        weights = Draws(customers, count, seed).of(np.arange(customers))
        return [fit_boosted(learnt.drawn(w), seed) for w in weights]


@dataclass(frozen=True)
class Rates:
    """Shares that left by cell, such as those of a rule: the cell is the one column.

    Parameters
    ----------
    rate : ndarray, shape (cells,)
        Drawn towards the share of all, as far as twenty customers would.
    """

    rate: np.ndarray
    kind = "rates"

    def odds(self, x: np.ndarray) -> np.ndarray:
        """Tell the log odds of leaving of rows, shape (n,)."""
        return np.asarray(special.logit(self.rate[x[:, 0].astype(int)]))

    def parts(self, x: np.ndarray, facts: np.ndarray, average: np.ndarray) -> np.ndarray:
        """Tell what the cell adds to the log odds of all.

        Parameters
        ----------
        x, facts, average
            As of :meth:`Linear.parts`; the average is the log odds of all.
        """
        return np.asarray((self.odds(x) - average[0])[:, None])

    def again(self, learnt: Learnt, count: int, seed: int) -> Sequence[Teller]:
        """Count again with customers weighted anew.

        Parameters
        ----------
        learnt, count, seed
            As of :meth:`Linear.again`.
        """
        customers = int(learnt.customer.max()) + 1
        weights = Draws(customers, count, seed).of(np.arange(customers))
        return [by_cell(learnt.drawn(w), len(self.rate)) for w in weights]


def by_cell(learnt: Learnt, cells: int) -> Rates:
    """Count who left by cell.

    Parameters
    ----------
    learnt : Learnt
        The cell, from 0, is the one column.
    cells : int
        How many there are.
    """
    cell = learnt.x[:, 0].astype(int)
    n = np.bincount(cell, learnt.weight, cells)
    left = np.bincount(cell, learnt.weight * learnt.left, cells)
    rate = (left + _FEW * learnt.rate) / (n + _FEW)
    return Rates(np.clip(rate, _NEAREST, 1 - _NEAREST))


def _member(facts: np.ndarray) -> np.ndarray:
    return np.eye(int(facts.max(initial=-1)) + 1)[facts]


def _scaled(x: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Give columns in standard deviations, none beyond six of them."""
    return np.clip((np.asarray(x, dtype=float) - mean) / spread, -_FARTHEST, _FARTHEST)


def _design(x: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Give columns in standard deviations behind the constant."""
    return np.column_stack([np.ones(len(x)), _scaled(x, mean, spread)])


def _moments(learnt: Learnt) -> tuple[np.ndarray, np.ndarray]:
    mean = np.average(learnt.x, axis=0, weights=learnt.weight)
    spread = np.sqrt(np.average(np.square(learnt.x - mean), axis=0, weights=learnt.weight))
    # What does not vary tells nothing, and is divided by no trifle.
    return mean, np.where(spread > 1e-9 * (1.0 + np.abs(mean)), spread, np.inf)


def fit_logit(learnt: Learnt) -> Linear:
    """Fit a logit with a weak prior, of standard deviation 1, on each column's coefficient.

    Parameters
    ----------
    learnt : Learnt
        The rows.
    """
    mean, spread = _moments(learnt)
    fit, varies = _logit(learnt, mean, spread)
    coef = np.zeros(len(mean) + 1)
    coef[varies] = fit.coef
    return Linear(coef, mean, spread)


def _logit(learnt: Learnt, mean: np.ndarray, spread: np.ndarray) -> tuple[Any, np.ndarray]:
    varies = np.isfinite(spread)
    design = _design(learnt.x[:, varies], mean[varies], spread[varies])
    fit = fit_hazard(
        design, learnt.left, weights=learnt.weight, ridge=_RIDGE, clusters=learnt.customer
    )
    return fit, np.append(True, varies)


def fit_net(learnt: Learnt, strengths: Sequence[float] = STRENGTHS) -> list[Linear]:
    """Fit elastic nets, half lasso and half ridge, of each penalty in turn.

    Parameters
    ----------
    learnt : Learnt
        The rows.
    strengths : sequence of float
        Shares of the least penalty that leaves no column in, the strongest first.
    """
    mean, spread = _moments(learnt)
    x = _design(learnt.x, mean, spread)
    slope = x[:, 1:].T @ (learnt.weight * (learnt.left - learnt.rate)) / learnt.weight.sum()
    most = float(np.abs(slope).max(initial=0.0)) / _MIX
    start = np.append(special.logit(np.clip(learnt.rate, _NEAREST, 1 - _NEAREST)), 0 * mean)
    found = []
    for strength in strengths:
        start = _proximal(x, learnt, strength * most, start)
        found.append(Linear(start, mean, spread, strength * most))
    return found


def _proximal(
    x: np.ndarray, learnt: Learnt, penalty: float, start: np.ndarray, steps: int = _STEPS
) -> np.ndarray:
    """Minimise the mean log loss plus the penalty, from a start."""
    y, v = learnt.left, learnt.weight / learnt.weight.sum()
    lasso = np.append(0.0, np.full(x.shape[1] - 1, penalty * _MIX))
    ridge = np.append(0.0, np.full(x.shape[1] - 1, penalty * (1 - _MIX)))

    def cost(b: np.ndarray, eta: np.ndarray) -> float:
        loss = v @ (np.logaddexp(0.0, eta) - y * eta)
        return float(loss + lasso @ np.abs(b) + ridge @ np.square(b) / 2)

    b, eta = start, x @ start
    now = cost(b, eta)
    for _ in range(steps):
        p = special.expit(eta)
        root = np.sqrt(v * p * (1 - p))
        off = np.divide(v * (y - p), root, out=np.zeros_like(root), where=root > 0)
        step = _least(x * root[:, None], root * eta + off, penalty, b) - b
        move, size = x @ step, 1.0
        while (then := cost(b + size * step, eta + size * move)) > now and size > _SMALL:
            size /= 2
        if then > now:
            break
        b, eta, now = b + size * step, eta + size * move, then
        if np.abs(step).max() < _SMALL:
            break
    return b


def _least(x: np.ndarray, y: np.ndarray, penalty: float, start: np.ndarray) -> np.ndarray:
    """Minimise half the sum of squares plus the penalty, which the first column goes without."""
    from sklearn.linear_model import enet_path

    products, aims = x.T @ x, x.T @ y
    if not products[0, 0] > 0:
        return start  # every chance is 0 or 1, to the last digit
    if not penalty > _NEAREST:  # no column tells anything, be it that nobody left
        return np.append(aims[0] / products[0, 0], np.zeros(len(aims) - 1))
    first = products[0] / products[0, 0]
    # What the first column leaves of the others is all that scikit-learn needs to be told.
    gram = products[1:, 1:] - np.outer(products[1:, 0], first[1:])
    aim = aims[1:] - first[1:] * aims[0]
    length = np.sqrt(max(y @ y - aims[0] ** 2 / products[0, 0], 0.0))
    coef = enet_path(
        np.zeros((1, len(aim))), np.array([length]), alphas=[penalty], l1_ratio=_MIX,
        precompute=gram, Xy=aim, coef_init=start[1:].copy(), tol=_CLOSE, max_iter=_CYCLES,
        check_input=False,
    )[1][:, 0]  # fmt: skip
    return np.append(aims[0] / products[0, 0] - first[1:] @ coef, coef)


def fit_boosted(learnt: Learnt, seed: int = 0) -> Trees:
    """Fit boosted trees of few leaves.

    Parameters
    ----------
    learnt : Learnt
        The rows.
    seed : int
        Of scikit-learn's draws.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    some, weight = _fewer(learnt, seed)
    # Cut here: scikit-learn's own way with weights takes longer than all the trees.
    places = np.linspace(0, 1, _SPANS + 1)[1:-1]
    cuts = [np.unique(np.quantile(column, places)) for column in learnt.x[some].T]
    spans = _spans(learnt.x[some], cuts)
    model = HistGradientBoostingClassifier(**_TREES, random_state=seed)
    with threadpool_limits(1, "openmp"):  # sums are then made in the same order in every run
        fitted = model.fit(spans, learnt.left[some].astype(int), sample_weight=weight)
    return Trees(fitted, cuts)


def _spans(x: np.ndarray, cuts: Sequence[np.ndarray]) -> np.ndarray:
    """Give the number of the span that each value lies in."""
    made = np.empty(x.shape, dtype=np.float32)
    for k, own in enumerate(cuts):
        made[:, k] = np.searchsorted(own, x[:, k], side="left")
    return made


def _fewer(learnt: Learnt, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw so many of those who stayed as trees need beside those who left, and their weights."""
    left, stayed = np.flatnonzero(learnt.left), np.flatnonzero(~learnt.left)
    most = max(_OTHERS * len(left), _LEAST_OTHERS)
    weight = learnt.weight.copy()
    if len(stayed) > most:
        total = weight[stayed].sum()
        stayed = np.random.default_rng([seed, 0x7EE5]).choice(stayed, most, replace=False)
        weight[stayed] *= total / weight[stayed].sum()
    some = np.sort(np.append(left, stayed))
    return some, weight[some] / weight[some].mean()


def spread(tellers: Sequence[Teller], x: np.ndarray) -> np.ndarray:
    """Give how far the log odds of rows differ between models, shape (n,).

    Parameters
    ----------
    tellers : sequence of Teller
        Of :meth:`Teller.again`.
    x : ndarray, shape (n, p)
        The rows.

    Returns
    -------
    ndarray
        Half the width of a 95% interval: Student's quantile times the standard deviation.
    """
    first = tellers[0]
    if isinstance(first, Linear):
        coef = np.array([t.coef for t in tellers if isinstance(t, Linear)])
        told = _scaled(x, first.mean, first.spread) @ coef[:, 1:].T + coef[:, 0]
    else:
        told = np.column_stack([t.odds(x) for t in tellers])
    reach = special.stdtrit(len(tellers) - 1, 0.5 + LEVEL / 2)
    return np.asarray(reach * told.std(axis=1, ddof=1))


def recalibrated(seen: Outcome, odds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit by what constant and slope told log odds come true (Cox 1958).

    Parameters
    ----------
    seen : Outcome
        Who left.
    odds : ndarray, shape (n,)
        Told log odds, of all rows that were followed.

    Returns
    -------
    tuple of ndarray
        Constant and slope, and their covariance, a customer's rows taken together; 0 and 1, as if
        known, where they cannot be told.
    """
    known = seen.weight > 0
    told, y = odds[seen.rows[known]], seen.left[known]
    if y.sum() < _FEW or y.all() or np.ptp(told) < _NEAREST:
        return np.array([0.0, 1.0]), np.zeros((2, 2))
    weight = seen.weight[known] / seen.weight[known].mean()
    design = np.column_stack([np.ones(len(told)), told])
    clusters = np.unique(seen.customer[known], return_inverse=True)[1]
    fit = fit_hazard(design, y, weights=weight, ridge=0.01, clusters=clusters)
    return fit.coef, fit.covariance
