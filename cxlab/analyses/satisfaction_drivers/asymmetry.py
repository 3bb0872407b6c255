"""Does a bad rating hurt more than a good one helps?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.analyses.satisfaction_drivers.estimate import design
from cxlab.analyses.satisfaction_drivers.prepare import FEWEST, PER_RATING, Study
from cxlab.models.asymmetry import bends, hinges, kind, turning
from cxlab.models.intervals import holm
from cxlab.models.linear import clustered
from cxlab.models.verdicts import ALPHA
from cxlab.results import Result, counted, listed

__all__ = ["asymmetry"]

_COLUMNS = ["term", "estimate", "conf_low", "conf_high", "p_value", "n", "p_holm", "turning_point",
            "below", "above", "penalty", "penalty_low", "penalty_high", "reward", "reward_low",
            "reward_high", "kind"]  # fmt: skip


def asymmetry(study: Study, controls: np.ndarray, least: int) -> Result:
    """Compare what a point below the turning point costs with what one above it brings.

    All ratings enter with two slopes each. Not having rated is a state of its own here,
    whatever is done elsewhere: gaps drawn under a straight line would straighten what bends.

    Parameters
    ----------
    study : Study
        The study.
    controls : ndarray, shape (n, k)
        What is held equal besides.
    least : int
        The fewest customers that are shown.

    Returns
    -------
    Result
        ``estimate``: penalty less reward, overall points a point of the rating; both; and the
        kind of factor.
    """
    turns = [_turn(study, j, max(least, FEWEST)) for j in range(len(study.drivers))]
    told = [j for j, t in enumerate(turns) if t is not None]
    two = study.customers >= PER_RATING * (len(study.drivers) + len(told) + 1)
    if not told or not two:
        why = "too few bad or too few good ratings" if two else "too few answers"
        text = f"Whether a bad rating hurts more than a good one helps cannot be told: {why}."
        return Result("asymmetry", pd.DataFrame(columns=_COLUMNS), sentence=text)
    straight, rated = design(study.x)
    rest = [j for j in range(len(turns)) if turns[j] is None]
    point = np.array([turns[j] for j in told], dtype=float)
    head = np.column_stack([np.ones(len(study.y)), controls, rated, straight[:, rest]])
    columns = np.column_stack([head, hinges(study.x[:, told], point)])
    bend = bends(clustered(columns, study.y, study.who), head.shape[1], len(told))
    p_holm = holm(bend.p_value)
    rows = []
    for i, j in enumerate(told):
        mine = study.x[:, j]
        below, above = (len(np.unique(study.who[s])) for s in (mine < point[i], mine > point[i]))
        rows.append((study.drivers[j].name, *bend.gap[i], bend.p_value[i], int(study.raters[j]),
                     p_holm[i], point[i], below, above, *bend.penalty[i], *bend.reward[i],
                     kind(bend, i, float(p_holm[i]), ALPHA)))  # fmt: skip
    table = pd.DataFrame(rows, columns=_COLUMNS)
    table = table.sort_values("p_value", kind="stable", ignore_index=True)
    left = [study.drivers[j].name for j in rest]
    return Result("asymmetry", table, meta={"left_out": left}, sentence=_sentence(table, left))


def _turn(study: Study, j: int, least: int) -> float | None:
    given = np.isfinite(study.x[:, j])
    return turning(study.x[given, j], study.who[given], study.drivers[j].scale, least)


def _sentence(table: pd.DataFrame, left: list[str]) -> str:
    said = []
    for name, text in (("basic", "a bad rating hurts more than a good one helps"),
                       ("excitement", "a good rating helps more than a bad one hurts"),
                       ("performance", "bad and good ratings count about alike")):  # fmt: skip
        mine = table[table["kind"] == name]
        if len(mine):
            said.append(f"At {listed(mine['term'], 6)} {text} ({name} factors).")
    if not said:
        said.append("At no touchpoint can it be told whether a bad rating hurts more than a good "
                    "one helps: the data fit a straight line, and others too.")  # fmt: skip
    unknown = int((table["kind"] == "cannot be told").sum())
    if len(said) and unknown and len(table) > unknown:
        said.append(f"Of {unknown} with an effect it cannot be told.")
    if left:
        said.append(f"{counted(len(left), 'rating')} had too few bad or too few good answers to "
                    "ask.")  # fmt: skip
    return " ".join(said)
