"""Of whom the scores speak at all; and the comparison among those who had answered."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from cxlab.analyses.early_warning.study import BEHAVIOUR, Study
from cxlab.frames.signals import Said
from cxlab.models.discrimination import auc
from cxlab.models.intervals import holm
from cxlab.results import listed, metric_label

__all__ = ["coverage", "head_to_head"]

_LEAST = 20
_LEVELS = ("recent score", "older score", "asked, no answer", "never asked")


def _level(said: Said, fresh_days: float) -> np.ndarray:
    """Give of each row which of the levels it is on."""
    level = np.where(said.asked, 2, 3)
    level[~np.isnan(said.worse)] = 1
    level[said.within(fresh_days)] = 0
    return level


def coverage(study: Study) -> pd.DataFrame:
    """Tell of how many customers, and of how many who then left, each metric says anything.

    Returns
    -------
    pandas.DataFrame
        ``metric, level, customers, leavers`` (shares of all there, and of those who left; on the
        days that are judged), ``left`` (the share of the level that left) and ``n`` (customers).
    """
    seen, rows = study.outcome, []
    weight, left = seen.weight, np.where(seen.left, seen.weight, 0.0)
    for metric, said in study.said.items():
        level = _level(said, study.options.fresh_days)[seen.rows]
        for place, name in enumerate(_LEVELS):
            mine = level == place
            customers = len(np.unique(seen.customer[mine]))
            withheld = 0 < customers < study.options.min_group
            figures = (
                weight[mine].sum() / weight.sum(),
                left[mine].sum() / left.sum(),
                left[mine].sum() / weight[mine].sum() if mine.any() else np.nan,
            )
            rows.append((metric, _named(name, said), *((np.nan,) * 3 if withheld else figures),
                         customers))  # fmt: skip
    table = pd.DataFrame(rows, columns=["metric", "level", "customers", "leavers", "left", "n"])
    return table.drop_duplicates(["metric", "level"], ignore_index=True)


def _named(level: str, said: Said) -> str:
    return level if said.asking or level in _LEVELS[:2] else "no score"


def head_to_head(study: Study) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, str]]:
    """Compare scores as they are with behaviour, and each other, among those who had answered.

    Only customers with a recent score count; all are judged on the same of them.

    Returns
    -------
    estimates, differences : pandas.DataFrame
        ``among`` (whose answer was recent), ``signal``, figures; ``metrics`` that must be so.
    left_out : dict of str to str
        Of whom there were too few.
    """
    groups: list[tuple[str, ...]] = [(m,) for m in study.said]
    groups += [tuple(study.said)] if len(study.said) > 1 else []
    parts, gaps, left_out = [], [], {}
    for group in groups:
        among = listed(map(metric_label, group))
        kept = np.all([study.said[m].within(study.options.fresh_days) for m in group], axis=0)
        seen = study.outcome.where(kept[study.outcome.rows])
        if seen.leavers < _LEAST:
            left_out[among] = (
                f"{seen.leavers} customers who left had given a recent score on {among}; "
                f"{_LEAST} are wanted"
            )
            continue
        names = [*group, *([BEHAVIOUR] if BEHAVIOUR in study.signals else []), study.base]
        scores = [study.said[m].worse for m in group]
        figures = auc(seen, np.column_stack([*scores, study.chances(names[len(group) :])]))
        rest = {"metrics": len(group), "n": seen.judged, "leavers": seen.leavers,
                "share": seen.weight.sum() / study.outcome.weight.sum()}  # fmt: skip
        parts.append(figures.table().assign(among=among, signal=names, **rest))
        pairs = _against(names, len(group))
        gap = figures.differences(pairs)
        gaps.append(
            gap.assign(
                among=among,
                signal=[names[a] for a, _ in pairs],
                against=[names[b] for _, b in pairs],
                signal_estimate=[figures.estimate[a] for a, _ in pairs],
                against_estimate=[figures.estimate[b] for _, b in pairs],
                **rest,
            )
        )
    front = ["among", "signal"]
    told = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=front)
    paired = pd.concat(gaps, ignore_index=True) if gaps else pd.DataFrame(columns=front)
    if len(paired):
        paired["p_holm"] = holm(paired["p_value"].to_numpy())
    return told[[*front, *told.columns.drop(front)]], paired, left_out


def _against(names: list[str], metrics: int) -> list[tuple[int, int]]:
    """Pair behaviour with the scores of one metric; of several, the metrics with each other."""
    if metrics > 1:
        return list(combinations(range(metrics), 2))
    return [(1, 0)] if names[1] == BEHAVIOUR else [(0, 1)]
