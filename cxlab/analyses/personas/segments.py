"""Personas beside segments: which customers by their attributes are of which persona."""

from __future__ import annotations

from itertools import repeat

import numpy as np
import pandas as pd

from cxlab.analyses.personas.forming import Study
from cxlab.frames.people import NOT_GIVEN
from cxlab.frames.periods import attribute
from cxlab.models.intervals import holm, wilson
from cxlab.models.verdicts import ALPHA
from cxlab.models.withheld import small_groups
from cxlab.results import Check, Result, counted, listed

__all__ = ["segments"]

_MOST_LEVELS, _MOST_NUMBERS = 30, 12
_EXPECTED = 5.0


def segments(study: Study) -> dict[str, Result]:
    """Cross personas with attributes, which had no part in forming them.

    Parameters
    ----------
    study : Study
        With personas.

    Returns
    -------
    dict of str to Result
        ``segments``: a row an attribute, level and persona: ``attribute, level, persona,
        estimate`` (share of the level's customers with a persona), its interval, ``n, customers,
        all`` (share of all); NaN where fewer than ``min_group`` customers are of a cell that is not
        empty. ``segment_tests``: a row an attribute: ``term, estimate`` (Cramér's V), ``p_value,
        p_holm, n``.
    """
    known = study.label >= 0
    label = study.label[known]
    people = study.then.customers[known].reset_index(drop=True)
    names = study.names
    every = np.bincount(label, minlength=len(names)) / max(len(label), 1)
    gone = [g for g in study.withheld if g >= 0]
    every[gone] = np.nan
    rows, tests, withheld = [], [], 0
    for name, kind in study.risk.dataset.attributes.items():
        values = people[attribute(name)].astype("string").fillna(NOT_GIVEN)
        most = _MOST_NUMBERS if kind == "number" else _MOST_LEVELS
        levels, place = np.unique(values.to_numpy(dtype=object).astype(str), return_inverse=True)
        if not 2 <= len(levels) <= most:
            continue
        counts = np.zeros((len(levels), len(names)), dtype=int)
        np.add.at(counts, (place, label), 1)
        tests.append((name, *_test(counts), int(counts.sum())))
        hidden = _hidden(counts, study.options.min_group, gone)
        for i, level in enumerate(levels):
            for g, persona in enumerate(names):
                n, total = int(counts[i, g]), int(counts[i].sum())
                small = bool(hidden[i, g])
                withheld += small
                figures = (np.nan,) * 4 if small else (*wilson(n, total), n)
                rows.append((name, level, persona, *figures, total if not small else np.nan,
                             every[g]))  # fmt: skip
    columns = ["attribute", "level", "persona", "estimate", "conf_low", "conf_high", "n",
               "customers", "all"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    tested = pd.DataFrame(tests, columns=["term", "estimate", "p_value", "n"])
    tested["p_holm"] = holm(tested["p_value"].to_numpy(float))
    checks = []
    if withheld:
        text = (
            f"{counted(withheld, 'cell')} of personas by segment are withheld: of fewer than "
            f"{study.options.min_group} customers, or the one from which these could be told"
        )
        checks.append(Check("small cells", None, text))
    return {
        "segments": Result("segments", table, tuple(checks), sentence=_sentence(tested)),
        "segment_tests": Result("segment_tests", tested),
    }


def _hidden(counts: np.ndarray, least: int, gone: list[int]) -> np.ndarray:
    """Tell which cells are withheld: small ones, and others where a sum would give them away.

    Both a level's customers and a persona's are told elsewhere.
    """
    small = (counts < least) & (counts > 0) | (counts.sum(axis=1, keepdims=True) < least)
    small[:, gone] = True
    before = -1
    while small.sum() > before:
        before = small.sum()
        for n, hidden in ((counts, small), (counts.T, small.T)):
            hidden[:] = [small_groups(*cells) for cells in zip(n, repeat(least), hidden)]
    return np.asarray(small)


def _test(counts: np.ndarray) -> tuple[float, float]:
    """Give Cramér's V and the p-value of no association (Pearson's chi-square)."""
    from scipy import stats

    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    if min(counts.shape) < 2:
        return np.nan, np.nan
    test = stats.chi2_contingency(counts, correction=False)
    v = float(np.sqrt(test.statistic / counts.sum() / (min(counts.shape) - 1)))
    few = (test.expected_freq < _EXPECTED).mean() > 0.2
    return v, np.nan if few else float(test.pvalue)


def _sentence(tested: pd.DataFrame) -> str:
    if tested.empty:
        return "There is no attribute with groups to hold personas against."
    if tested["p_holm"].isna().all():
        return "Whether personas go with any attribute cannot be told: too few customers a group."
    clear = tested[tested["p_holm"] < ALPHA].sort_values("estimate", ascending=False)
    if clear.empty:
        return (
            "Personas and segments are unrelated, as far as can be told: no attribute says of "
            "which persona a customer is."
        )
    told = [f"{r.term} (Cramér's V {r.estimate:.2f})" for r in clear.itertuples()]
    verb = "goes" if len(told) == 1 else "go"
    return (
        f"With personas {verb} {listed(told, 5)}. A V of 0 is no relation, of 1 a perfect one: "
        "personas were formed on behaviour alone."
    )
