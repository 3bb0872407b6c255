"""What the drivers come to, in sentences."""

from __future__ import annotations

import pandas as pd

from cxlab.results import MINUS, Finding, Findings, Result, counted, listed

__all__ = ["findings", "headline", "in_short"]

_MOST, _SHORT = 4, 2


def headline(table: pd.DataFrame, overall: str, scale: str, r2: tuple[float, float, float]) -> str:
    """Say what goes with the overall score most, and how much all ratings explain.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a driver, the largest share first.
    overall, scale : str
        The overall score's name, and its scale.
    r2 : tuple of float
        The adjusted share of its variance that all ratings explain, and its interval.
    """
    most = table[table["verdict"] == "matters"]
    text = (
        f"All ratings together tell {r2[0]:.0%} ({r2[1]:.0%} to {r2[2]:.0%}) of what {overall} "
        "answers vary by. "
    )
    if most.empty:
        return text + (
            "No single rating can be told to go with it beyond chance, once the others are held "
            "equal."
        )
    told = [
        f"{r.term} ({r.estimate:.0%}, 95% interval {r.conf_low:.0%} to {r.conf_high:.0%})"
        if i == 0
        else f"{r.term} ({r.estimate:.0%}, {r.conf_low:.0%} to {r.conf_high:.0%})"
        for i, r in enumerate(most.head(_MOST).itertuples())
    ]
    rest = len(most) - _MOST
    more = f", and {counted(rest, 'other')} can be told as well" if rest > 0 else ""
    top = most.iloc[0]
    low, high = (f"{top[c]:.2f}".replace("-", MINUS) for c in ("slope_low", "slope_high"))
    return (
        f"{text}Of that, the largest shares that can be told go with {listed(told)}{more}. Where "
        f"{top['term']} is a point better, {overall} answers are {top['slope']:.2f} points of "
        f"{scale} higher ({low} to {high}), all others equal."
    )


def in_short(table: pd.DataFrame, overall: str) -> str:
    """Say in a sentence what goes with the overall score most; empty where nothing can be told.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a driver, the largest share first.
    overall : str
        The overall score's name.
    """
    most = table[table["verdict"] == "matters"]
    if most.empty:
        return ""
    top, others = most.iloc[0], most["term"].iloc[1:]
    then = f"; then come {listed(others, _SHORT)}" if len(others) else ""
    return (
        f"Of what ratings tell of {overall} answers, the largest share goes with {top['term']} "
        f"({top['estimate']:.0%}, 95% interval {top['conf_low']:.0%} to {top['conf_high']:.0%})"
        f"{then}."
    )


def findings(result: Result, notebook: str = "06_satisfaction_drivers") -> Findings:
    """Word the drivers for ``findings.json`` and the top of the report.

    Parameters
    ----------
    result : Result
        Of :func:`cxlab.analyses.satisfaction_drivers.run`.
    notebook : str
        The notebook that says so.
    """
    found = Findings()
    known = result.table[result.table["estimate"].notna()] if len(result.table) else result.table
    if known.empty:
        found.append(Finding("satisfaction.summary", notebook, result.sentence))
        return found
    top, short = known.iloc[0], in_short(known, result.meta["overall"])
    middle, low, high = (float(top[c]) for c in ("estimate", "conf_low", "conf_high"))
    unit, n = f"share of what is explained, {top['term']}", int(top["n"])
    found.append(
        Finding(
            "satisfaction.summary", notebook, short or result.sentence, middle, low, high, unit, n
        )
    )
    for name, part in (("afterwards", "afterwards"), ("first", "quadrant"),
                       ("asymmetry", "asymmetry"), ("segments", "segments"),
                       ("agreement", "beside")):  # fmt: skip
        if part in result.parts and result[part].sentence:
            found.append(Finding(f"satisfaction.{name}", notebook, result[part].sentence))
    return found
