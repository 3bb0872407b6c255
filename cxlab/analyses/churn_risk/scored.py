"""The risk of everybody there at ``as_of``: with its interval, its reasons, what is at stake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from cxlab.analyses.churn_risk.chosen import BASE, RULE, Chosen
from cxlab.analyses.churn_risk.study import Study
from cxlab.frames.inputs import Known
from cxlab.models.intervals import Z
from cxlab.models.tellers import BOOSTED, LOGIT, Teller, spread

__all__ = ["COLUMNS", "ID", "Scored", "score"]

ID = "customer_id"
COLUMNS = ("rank", "probability", "conf_low", "conf_high", "reasons", "value_at_stake")
_BLOCK, _SAMPLE = 50_000, 50_000
_REASONS = 3
# Odds that differ by less than a twentieth are no reason.
_LEAST_REASON, _FARTHEST = np.log(1.05), 100
# Fits with customers drawn anew: one Newton step is cheap, trees are not.
_DRAWN = {LOGIT: 200, BOOSTED: 10}
_OTHERWISE = 40
# Of trees each fact is tried by itself: for no more customers, those at most risk.
_MOST_EXPLAINED = 100_000


@dataclass(frozen=True)
class Scored:
    """The risks, and what was known of those they are told of.

    Parameters
    ----------
    customers : pandas.DataFrame
        In the order of risk: ``rank, probability, conf_low, conf_high, reasons``, maybe
        ``value_at_stake`` (currency a month times the probability), maybe ``customer_id``.
    chance : ndarray, shape (n,)
        The probabilities, in the order of the customers' rows.
    sample : ndarray, shape (m, p)
        What was known of some of them, spread over all.
    leading : pandas.DataFrame
        ``fact, customers, share``: of how many it is the first reason.
    """

    customers: pd.DataFrame
    chance: np.ndarray
    sample: np.ndarray
    leading: pd.DataFrame


def score(study: Study, chosen: Chosen) -> Scored:
    """Tell the risk of everybody there at ``as_of``, in blocks.

    Parameters
    ----------
    study : Study
        Who is there.
    chosen : Chosen
        The model.
    """
    now = study.now
    blocks = [study.recipe.known(now.iloc[i : i + _BLOCK]) for i in range(0, len(now), _BLOCK)]
    mean = np.sum([b.x.sum(axis=0, dtype=float) for b in blocks], axis=0) / len(now)
    count = _DRAWN.get(chosen.name, _OTHERWISE)
    others = chosen.final.again(chosen.learnt, count, study.options.seed)
    told = [_told(chosen, block, others) for block in blocks]
    odds, reach = (np.concatenate([t[i] for t in told]) for i in (0, 1))
    reasons, first = _reasons(study, chosen, blocks, mean, odds)
    order = np.argsort(-odds, kind="stable")
    middle, width = _widened(chosen, odds, reach)
    ends = {"probability": middle, "conf_low": middle - width, "conf_high": middle + width}
    table = pd.DataFrame({k: special.expit(v)[order] for k, v in ends.items()})
    table.insert(0, "rank", np.arange(1, len(now) + 1))
    table["reasons"] = reasons[order]
    if "monthly_value" in now:
        paid = now["monthly_value"].to_numpy(float)[order]
        table["value_at_stake"] = table["probability"] * paid
    if study.options.include_customers:
        table.insert(1, ID, now[ID].to_numpy()[order])
    leading = _leading(study, chosen, first)
    every = max(len(now) // _SAMPLE, 1)
    sample = np.concatenate([b.x[::every] for b in blocks])
    return Scored(table, np.asarray(special.expit(middle)), sample, leading)


def _widened(chosen: Chosen, odds: np.ndarray, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Recalibrate log odds, and let intervals hold what is not known of that."""
    both = np.column_stack([np.ones(len(odds)), odds])
    more = Z**2 * np.einsum("ij,jk,ik->i", both, chosen.covariance, both)
    width = np.sqrt(np.square(chosen.slope * reach) + more)
    return chosen.constant + chosen.slope * odds, width


def _inputs(chosen: Chosen, block: Known) -> np.ndarray:
    """Give what the model reads of customers: columns, less what was their mean, or a cell."""
    if chosen.name == BASE:
        return np.zeros((len(block), 1))
    if chosen.name == RULE:
        return chosen.rule.cell(block)
    x = block.x.astype(float)
    return x if chosen.name == BOOSTED else x - chosen.mean


def _told(chosen: Chosen, block: Known, others: Sequence[Teller]) -> tuple[np.ndarray, np.ndarray]:
    """Give log odds before recalibration, and half the width of their interval."""
    x = _inputs(chosen, block)
    return chosen.final.odds(x), spread(others, x)


def _reasons(
    study: Study, chosen: Chosen, blocks: Sequence[Known], mean: np.ndarray, odds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give each customer's reasons in words, and the fact that is the first one (-1: none)."""
    texts, first = np.full(len(odds), "", dtype=object), np.full(len(odds), -1)
    if chosen.name == BASE:
        return texts, first
    limit = -np.inf
    if chosen.name == BOOSTED and len(odds) > _MOST_EXPLAINED:
        limit = float(np.partition(odds, -_MOST_EXPLAINED)[-_MOST_EXPLAINED])
    start = 0
    for block in blocks:
        rows = np.arange(start, start + len(block))
        start += len(block)
        mine = np.flatnonzero(odds[rows] >= limit)
        if len(mine):
            said, top = _block_reasons(study, chosen, block, mean, mine)
            texts[rows[mine]], first[rows[mine]] = said, top
    return texts, first


def _block_reasons(
    study: Study, chosen: Chosen, block: Known, mean: np.ndarray, mine: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    x = _inputs(chosen, block)[mine]
    if chosen.name == RULE:
        facts, average = np.zeros(1, dtype=int), np.array([_average(chosen)])
    else:
        facts = study.recipe.of
        average = mean if chosen.name == BOOSTED else mean - chosen.mean
    parts = chosen.slope * chosen.final.parts(x, facts, average)
    most = min(_REASONS, parts.shape[1])
    top = np.argsort(-np.abs(parts), axis=1, kind="stable")[:, :most]
    size = np.take_along_axis(parts, top, axis=1)
    said = np.full(top.shape, "", dtype=object)
    for fact in np.unique(top):
        row, place = np.nonzero((top == fact) & (np.abs(size) >= _LEAST_REASON))
        if not len(row):
            continue
        words = _words(study, chosen, block, int(fact), mine[row], x[row])
        times = np.exp(size[row, place])
        said[row, place] = [f"{w} (× {_times(t)})" for w, t in zip(words, times, strict=True)]
    joined = ["; ".join(filter(None, row)) for row in said]
    first = np.where(np.abs(size[:, 0]) >= _LEAST_REASON, top[:, 0], -1)
    return np.array(joined, dtype=object), first


def _times(ratio: float) -> str:
    """Write a ratio of odds; beyond a hundred times it says no more than that."""
    if ratio < 1 / _FARTHEST or ratio > _FARTHEST:
        return f"{'over' if ratio > 1 else 'under'} {_FARTHEST if ratio > 1 else 1 / _FARTHEST:g}"
    return f"{ratio:.2f}" if ratio < 1 else f"{ratio:.1f}"


def _average(chosen: Chosen) -> float:
    return float(special.logit(chosen.learnt.rate))


def _words(
    study: Study, chosen: Chosen, block: Known, fact: int, rows: np.ndarray, x: np.ndarray
) -> list[str]:
    if chosen.name == RULE:
        return [chosen.rule.words[int(cell)] for cell in x[:, 0]]
    return study.recipe.words(block, fact, rows)


def _leading(study: Study, chosen: Chosen, first: np.ndarray) -> pd.DataFrame:
    """Count the customers whose first reason a fact is."""
    told = first[first >= 0]
    label = (lambda _: RULE) if chosen.name == RULE else study.recipe.label
    count = pd.Series(told).value_counts(sort=False)
    rows = [(label(int(f)), int(n), n / len(first)) for f, n in count.items()]
    table = pd.DataFrame(rows, columns=["fact", "customers", "share"])
    return table.sort_values(["customers", "fact"], ascending=[False, True], ignore_index=True)
