"""The tables of the page, in words; the figures behind them are in the other parts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.analyses.churn_risk.scored import ID, Scored
from cxlab.analyses.churn_risk.words import cut, grouped, leaking, percent
from cxlab.results import MINUS, Result, three_figures

__all__ = ["SHOWN", "at_most_risk", "audited", "by_group", "models"]

SHOWN = 20
_TOP = "of leavers, in the top 10%"


def _range(row: pd.Series, name: str, low: str, high: str, form: str = ".2f") -> str:
    if not np.isfinite(row[name]):
        return "–"
    return "{} ({} to {})".format(*(_minus(format(row[c], form)) for c in (name, low, high)))


def _minus(text: str) -> str:
    return text.replace("-", MINUS) if text.strip("-0.") else text.lstrip("-")


def models(table: pd.DataFrame, sentence: str) -> Result:
    """Give the league as it is read.

    Parameters
    ----------
    table : pandas.DataFrame
        The league.
    sentence : str
        By which rule the model was chosen.
    """
    made = []
    for _, r in table.iterrows():
        gain = pd.Series({c: 100 * r[c] for c in ("skill", "skill_low", "skill_high")})
        made.append(
            {
                "model": f"{r['model']} (used)" if r["used"] else r["model"],
                "AUC (95% interval)": _range(r, "estimate", "conf_low", "conf_high"),
                "Brier score": f"{r['brier']:.4f}",
                "better than the base rate by, %": _range(
                    gain, "skill", "skill_low", "skill_high", ".1f"
                ),
                _TOP: f"{percent(r['captured'], 0)} ({percent(r['captured_low'], 0)} to "
                f"{percent(r['captured_high'], 0)})",
                "calibration slope": _range(r, "slope", "slope_low", "slope_high"),
            }
        )
    return Result("churn_risk_models", pd.DataFrame(made), sentence=sentence)


def at_most_risk(scored: Scored, currency: str | None) -> Result:
    """Give the customers at most risk as they are read.

    Parameters
    ----------
    scored : Scored
        The risks.
    currency : str or None
        Of what customers pay.
    """
    top = scored.customers.head(SHOWN)
    made = pd.DataFrame({"rank": top["rank"]})
    if ID in top:
        made["customer"] = top[ID]
    made["risk (95% interval)"] = [
        f"{percent(r['probability'])} ({percent(r['conf_low'])} to {percent(r['conf_high'])})"
        for _, r in top.iterrows()
    ]
    made["why (times the odds)"] = top["reasons"]
    if "value_at_stake" in top:
        head = f"at stake, {currency} a month" if currency else "at stake a month"
        made[head] = [three_figures(v) if np.isfinite(v) else "–" for v in top["value_at_stake"]]
    return Result("churn_risk_top", made, sentence=cut(scored, len(top)))


def audited(table: pd.DataFrame) -> Result:
    """Give the leakage audit as it is read, what was refused first.

    Parameters
    ----------
    table : pandas.DataFrame
        Of the audit.
    """
    order = table.assign(gone=table["refused"].astype(bool)).sort_values(
        ["gone", "kind", "input"], ascending=[False, True, True]
    )
    made = pd.DataFrame(
        {
            "input": order["input"],
            "what it is": order["kind"],
            "verdict": np.where(order["gone"], "refused", "used"),
            "evidence": order["evidence"],
        }
    )
    return Result("churn_risk_audit", made, sentence=leaking(table))


def by_group(table: pd.DataFrame, first: str) -> Result:
    """Give the groups as they are read.

    Parameters
    ----------
    table : pandas.DataFrame
        Of the groups.
    first : str
        What is said before that.
    """

    def whole(x: float) -> str:
        return f"{x:,.0f}" if np.isfinite(x) else "withheld"

    made = [
        {
            "group": f"{r['group']}: {r['level']}",
            "customers now": whole(r["now"]),
            "left, when judged": whole(r["leavers"]),
            "told": percent(r["told"]),
            "came": percent(r["came"]),
            "AUC (95% interval)": _range(r, "auc", "auc_low", "auc_high"),
            "what it says": _verdict(r),
        }
        for _, r in table.iterrows()
    ]
    return Result(
        "churn_risk_groups",
        pd.DataFrame(made),
        sentence=" ".join([first, *grouped(table).splitlines()]),
    )


def _verdict(row: pd.Series) -> str:
    if not np.isfinite(row["estimate"]):
        return "too few left to judge"
    if row["p_holm"] < 0.05:
        return "told too low" if row["estimate"] > 0 else "told too high"
    if row["auc_p_holm"] < 0.05:
        return "told worse" if row["auc"] < row["others_auc"] else "told better"
    return "as the others, within chance"
