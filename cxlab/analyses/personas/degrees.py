"""What customers differ in by degrees: what is their own of it, and who leaves."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.analyses.personas.after import LEAST_EVENTS, lives
from cxlab.analyses.personas.forming import Study
from cxlab.models.intervals import Z, holm, wald_p
from cxlab.models.survival import trend
from cxlab.models.verdicts import ALPHA
from cxlab.results import Check, Result, counted, listed

__all__ = ["behaviours"]


def behaviours(study: Study) -> Result:
    """Tell which behaviours are customers' own, how far they differ, and who leaves.

    Parameters
    ----------
    study : Study
        With or without personas.

    Returns
    -------
    Result
        A row a behaviour: ``term, reliability, own, low, middle, high`` (of 10, 50 and 90 of 100
        customers), ``estimate`` (hazard ratio of leaving after the window by one standard
        deviation more, alone), its interval, ``p_value, p_holm, n, kind``; estimates of those
        looked at for personas alone.
    """
    enough, seen = study.enough, study.then
    kept = lives(study).ended_by(1).where(enough)
    told = int((kept.cause == 1).sum()) >= LEAST_EVENTS
    rows = []
    for j, f in enumerate(seen.features):
        num, den = seen.num[enough, j], seen.den[enough, j]
        scale, reliable = study.scales[j], study.reliable[j]
        low, middle, high = _spread(num, den, f.kind)
        row = {"term": f.label, "reliability": reliable.value, "own": bool(study.own[j]),
               "low": low, "middle": middle, "high": high, "n": int((den > 0).sum()),
               "kind": f.kind, "estimate": np.nan, "conf_low": np.nan, "conf_high": np.nan,
               "p_value": np.nan}  # fmt: skip
        if scale is not None and study.used[j] and told:
            b, se = trend(kept, scale.of(num, den))
            if np.isfinite(b) and se > 0:
                row |= {"estimate": np.exp(b), "conf_low": np.exp(b - Z * se),
                        "conf_high": np.exp(b + Z * se),
                        "p_value": float(wald_p(np.array(b), np.array(se)))}  # fmt: skip
        rows.append(row)
    columns = ["term", "reliability", "own", "low", "middle", "high", "estimate", "conf_low",
               "conf_high", "p_value", "p_holm", "n", "kind"]  # fmt: skip
    table = pd.DataFrame(rows).reindex(columns=columns)
    table["p_holm"] = holm(table["p_value"].to_numpy(float))
    return Result("behaviours", table, _notes(table), sentence=_what_is_own(table))


def _spread(num: np.ndarray, den: np.ndarray, kind: str) -> tuple[float, float, float]:
    ratio = num[den > 0] / den[den > 0]
    if not len(ratio):
        return np.nan, np.nan, np.nan
    low, middle, high = np.quantile(np.expm1(ratio) if kind == "mean" else ratio, [0.1, 0.5, 0.9])
    return float(low), float(middle), float(high)


def _notes(table: pd.DataFrame) -> tuple[Check, ...]:
    chance = table.loc[~table["own"], "term"].tolist()
    if not chance:
        return ()
    text = (
        "not used to form personas, as even and odd weeks do not tell customers apart alike: "
        f"{listed(chance, 8)}"
    )
    return (Check("not customers' own", None, text),)


def _what_is_own(table: pd.DataFrame) -> str:
    own = table[table["own"]]
    if own.empty:
        return (
            "In none of what was looked at do customers differ by more than the chance of what "
            "happened to them: what one did in even weeks says nothing about the odd ones."
        )
    text = (
        f"{len(own)} of {counted(len(table), 'behaviour')} are customers' own, the same in even "
        f"weeks as in odd ones: {listed(own['term'].astype(str), 6)}."
    )
    clear = own[own["p_holm"] < ALPHA]
    if len(clear):
        told = [
            f"more {r.term}, {r.estimate:.2f} times ({r.conf_low:.2f} to {r.conf_high:.2f})"
            for r in clear.itertuples()
        ]
        text += (
            " With this goes who leaves afterwards, as times the rate for one standard deviation "
            f"more, with 95% interval: {listed(told, 3)}."
        )
    elif own["p_value"].notna().any():
        text += " With none of them goes who leaves afterwards, beyond chance."
    return text
