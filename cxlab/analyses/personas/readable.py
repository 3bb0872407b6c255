"""The tables of the page, in words; the figures behind them are in the other parts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cxlab.analyses.personas.forming import OWN, Study
from cxlab.analyses.personas.portraits import apart, value
from cxlab.models.verdicts import ALPHA
from cxlab.results import MINUS, Result, ratio_text

__all__ = ["by_segment", "differing", "drifted", "portraits", "shown_features"]

_NONE = "–"
_MOST_CELLS = 60


def _percent(row: Mapping[str, float], names: tuple[str, str, str]) -> str:
    middle, low, high = (float(row[n]) for n in names)
    if not np.isfinite(middle):
        return "withheld"
    ends = f" ({100 * low:.0f} to {100 * high:.0f}%)" if np.isfinite(low) else ""
    return f"{middle:.0%}{ends}"


_THREE = ("estimate", "conf_low", "conf_high")


def portraits(
    table: pd.DataFrame,
    features: pd.DataFrame,
    stay: pd.DataFrame,
    hurt: pd.DataFrame,
    currency: str | None,
) -> Result:
    """Tell each persona in a row.

    Parameters
    ----------
    table : pandas.DataFrame
        Of the shares.
    features : pandas.DataFrame
        Of :func:`~cxlab.analyses.personas.portraits.compared`.
    stay : pandas.DataFrame
        Of the retention; may be empty.
    hurt : pandas.DataFrame
        Of the drivers; may be empty.
    currency : str, optional
        Of amounts.
    """
    there = stay.set_index("term") if len(stay) else stay
    told = bool(len(hurt)) and bool(hurt["estimate"].notna().any())
    ratios = hurt.set_index("term") if told else pd.DataFrame()
    rows = []
    for _, row in table.iterrows():
        name = str(row["term"])
        shown = {"persona": name, "customers": _percent(row, _THREE)}
        shown["sets them apart"] = "; ".join(apart(features, name, currency, False, 2)) or _NONE
        shown["pains"] = "; ".join(apart(features, name, currency, True, 2)) or _NONE
        if len(stay):
            head = f"still there {stay['after'].iloc[0]:g} days later"
            shown[head] = _percent(there.loc[name], _THREE) if name in there.index else _NONE
        if name in ratios.index:
            three = [float(ratios.loc[name, c]) for c in _THREE]
            known = np.isfinite(three[0])
            said = "{} ({} to {})".format(*map(ratio_text, three)) if known else _NONE
            shown["a bad contact: times the risk of leaving"] = said
        rows.append(shown)
    return Result("portraits", pd.DataFrame(rows).fillna(_NONE))


def shown_features(features: pd.DataFrame, currency: str | None) -> Result:
    """Tell each behaviour's mean by persona.

    Parameters
    ----------
    features : pandas.DataFrame
        Of :func:`~cxlab.analyses.personas.portraits.compared`.
    currency : str, optional
        Of amounts.
    """
    rows: list[dict[str, str]] = []
    for label, part in features.groupby("behaviour", sort=False):
        row = {"behaviour": str(label), "forms personas": "yes" if part["formed"].any() else "no"}
        for r in part.itertuples():
            row[str(r.persona)] = value(str(r.kind), float(r.mean), currency)
        rows.append(row)
    return Result("features_shown", pd.DataFrame(rows).fillna(_NONE))


def differing(behaviours: pd.DataFrame, currency: str | None) -> Result:
    """Tell how far customers differ in each behaviour, and whether that is their own.

    Parameters
    ----------
    behaviours : pandas.DataFrame
        Of the behaviours.
    currency : str, optional
        Of amounts.
    """
    rows = []
    order = behaviours.sort_values(["own", "reliability"], ascending=False, kind="stable")
    for _, r in order.iterrows():
        three = [value(str(r["kind"]), float(r[c]), currency) for c in ("low", "middle", "high")]
        known = np.isfinite(r["reliability"])
        effect = _NONE
        if np.isfinite(r["estimate"]):
            low, middle, high = (ratio_text(float(r[c])) for c in ("conf_low", "estimate",
                                                                   "conf_high"))  # fmt: skip
            clear = "" if r["p_holm"] < ALPHA else ", within chance"
            effect = f"{middle} ({low} to {high}){clear}"
        rows.append(
            {
                "behaviour": r["term"],
                "one in ten below": three[0],
                "half below": three[1],
                "one in ten above": three[2],
                "returns": f"{r['reliability']:.0%}" if known else _NONE,
                "customers' own": "yes" if r["own"] else "no",
                "times the rate of leaving": effect,
            }
        )
    return Result("differing", pd.DataFrame(rows), meta={"own_from": OWN})


def drifted(drift: Result) -> Result:
    """Tell shares then and now.

    Parameters
    ----------
    drift : Result
        Of the drift.
    """
    rows = [
        {
            "persona": r["term"],
            "then": _percent(r, ("then", "then_low", "then_high")),
            "now": _percent(r, _THREE),
            "changed": "withheld" if np.isnan(r["change"])
            else f"{100 * r['change']:+.0f} points".replace("-", MINUS)
            + (", beyond chance" if r["p_holm"] < ALPHA else ""),
        }
        for _, r in drift.table.iterrows()
    ]  # fmt: skip
    return Result("drifted", pd.DataFrame(rows))


def by_segment(study: Study, segments: pd.DataFrame) -> Result:
    """Tell the personas of each segment, a row a level.

    Parameters
    ----------
    study : Study
        With personas.
    segments : pandas.DataFrame
        Of the cross table.
    """
    rows: list[dict[str, str]] = []
    for (name, level), part in segments.groupby(["attribute", "level"], sort=False):
        row = {"segment": f"{name}: {level}"}
        for r in part.to_dict("records"):
            cell = "withheld" if np.isnan(r["estimate"]) else f"{r['estimate']:.0%}"
            row[str(r["persona"])] = cell
        rows.append(row)
    return Result("by_segment", pd.DataFrame(rows[:_MOST_CELLS]).fillna(_NONE))
