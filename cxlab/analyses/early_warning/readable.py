"""The tables of the page, in words; the figures behind them are in the other parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.early_warning.judged import TOP_SHARE
from cxlab.analyses.early_warning.words import ends, named, two
from cxlab.models.verdicts import ALPHA
from cxlab.results import MINUS, Result

__all__ = ["ahead", "among_answers", "compared", "known", "league"]


def _gap(row: Any, prefix: str = "conf", name: str = "estimate") -> str:
    """Write a difference of areas as tables have it, small ones being usual."""
    middle, low, high = (two(float(row[c]), True, 3)
                         for c in (name, f"{prefix}_low", f"{prefix}_high"))  # fmt: skip
    return f"{middle} ({low} to {high})"


def league(table: pd.DataFrame, sentence: str) -> Result:
    """Give the league as it is read.

    Parameters
    ----------
    table : pandas.DataFrame
        The league.
    sentence : str
        The answer.
    """
    rows = [
        {
            "signal": named(str(r["signal"])),
            "AUC (95% interval)": f"{two(r['estimate'])} ({ends(r)})",
            f"of leavers, in the top {100 * TOP_SHARE:.0f}%": f"{100 * r['captured']:.0f}% "
            f"({100 * r['captured_low']:.0f} to {100 * r['captured_high']:.0f})",
            "better than the base rate by": f"{100 * r['skill']:.1f}% "
            f"({_signed(100 * r['skill_low'])} to {_signed(100 * r['skill_high'])})",
            "calibration slope": f"{two(r['slope'])} ({two(r['slope_low'])} to "
            f"{two(r['slope_high'])})" if np.isfinite(r["slope"]) else "–",
        }
        for _, r in table.sort_values("estimate", ascending=False).iterrows()
    ]  # fmt: skip
    return Result("early_warning_signals", pd.DataFrame(rows), sentence=sentence)


def _signed(x: float) -> str:
    text = f"{abs(x):.1f}"
    return f"{MINUS}{text}" if x < 0 and text != "0.0" else text


def compared(gaps: pd.DataFrame) -> Result:
    """Give the differences as they are read.

    Parameters
    ----------
    gaps : pandas.DataFrame
        The differences.
    """
    mine = gaps[gaps["measure"] == "AUC"]
    skills = gaps[gaps["measure"] == "Brier skill"]
    rows = []
    for (_, area), (_, skill) in zip(mine.iterrows(), skills.iterrows(), strict=True):
        clear = [x["p_holm"] < ALPHA for x in (area, skill)]
        better = area["signal"] if area["estimate"] > 0 else area["against"]
        rows.append(
            {
                "signal": named(str(area["signal"])),
                "against": named(str(area["against"])),
                "AUC": f"{two(area['signal_estimate'])} against {two(area['against_estimate'])}",
                "difference (95% interval)": _gap(area),
                "Brier skill, points": f"{_signed(100 * skill['estimate'])} "
                f"({_signed(100 * skill['conf_low'])} to {_signed(100 * skill['conf_high'])})",
                "what it says": f"{named(str(better))} better" if any(clear) else "within chance",
            }
        )
    return Result("early_warning_compared", pd.DataFrame(rows))


def known(table: pd.DataFrame) -> Result:
    """Give the coverage as it is read.

    Parameters
    ----------
    table : pandas.DataFrame
        Of coverage.
    """

    def share(x: float) -> str:
        return f"{100 * x:.1f}%" if np.isfinite(x) else "withheld"

    there = table[table["n"] > 0]
    rows = [
        {
            "metric": named(str(r["metric"])),
            "what was known": r["level"],
            "of all customers": share(r["customers"]),
            "of those who left": share(r["leavers"]),
            "share that left": share(r["left"]),
            "customers": f"{r['n']:,}",
        }
        for _, r in there.iterrows()
    ]
    return Result("early_warning_known", pd.DataFrame(rows))


def among_answers(table: pd.DataFrame) -> Result:
    """Give the comparison among those who had answered as it is read.

    Parameters
    ----------
    table : pandas.DataFrame
        Of the head-to-head.
    """
    rows = [
        {
            "among those who had answered": r["among"],
            "told by": named(str(r["signal"])),
            "AUC (95% interval)": f"{two(r['estimate'])} ({ends(r)})",
            "customers": f"{r['n']:,}",
            "of whom left": f"{r['leavers']:,}",
        }
        for _, r in table.iterrows()
    ]
    return Result("early_warning_among_answers", pd.DataFrame(rows))


def ahead(table: pd.DataFrame, lead_days: int) -> Result:
    """Give what is told at once and with the lead as it is read.

    Parameters
    ----------
    table : pandas.DataFrame
        Of what is told at once and with the lead.
    lead_days : int
        The lead.
    """
    at_once = table[table["lead_days"] == 0]
    late = table[table["lead_days"] == lead_days].set_index("signal")
    rows = [
        {
            "signal": named(str(r["signal"])),
            "AUC, from the next day on": f"{two(r['estimate'])} ({ends(r)})",
            f"AUC, from {lead_days} days on": f"{two(late.loc[r['signal'], 'estimate'])} "
            f"({ends(late.loc[r['signal']])})",
            "difference (95% interval)": _gap(r, "change", "change_estimate"),
            "what it says": "tells less" if r["p_holm"] < ALPHA and r["change_estimate"] > 0
            else "tells more" if r["p_holm"] < ALPHA else "within chance",
        }
        for _, r in at_once.iterrows()
    ]  # fmt: skip
    return Result("early_warning_ahead", pd.DataFrame(rows))
