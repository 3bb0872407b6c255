"""The tables of the page, in words; the figures behind them are in the other parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cxlab.models.intervals import holm
from cxlab.models.verdicts import ALPHA
from cxlab.results import MINUS, Result, metric_label, three_figures

__all__ = ["adopted", "adopted_by", "gap", "gaps", "scorecard", "silence",
           "silence_by", "value", "waits", "with_ends"]  # fmt: skip

_NOTHING, MINUS = "–", MINUS
# Beside their medians, which skewed times are told by first.
_BESIDE = ("mean first response", "mean handle time")
_MOST_GAPS = 8
_MOST_ADOPTED = 12
_MOST_WEIGHTED = 12
_UNITS = ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "min"), (1.0, "s"))


def value(x: float, unit: str, digits: int = 1) -> str:
    """Write a figure in its unit.

    Parameters
    ----------
    x : float
        The figure.
    unit : str
        Of the metric.
    digits : int
        Decimals of shares and points.
    """
    if np.isnan(x):
        return _NOTHING
    if np.isinf(x):
        return "not reached"
    if unit == "share":
        return f"{100 * x:.{digits}f}%"
    if unit == "points":
        return f"{x:.{digits}f}".replace("-", MINUS)
    if unit == "seconds":
        size, name = next((u for u in _UNITS if abs(x) >= u[0]), _UNITS[-1])
        return _with_unit(three_figures(x / size), name)
    small = 0 < abs(x) < 0.1 and not unit.startswith("score")
    return three_figures(x) if small or abs(x) >= 100 else f"{x:.2f}"


def gap(x: float, unit: str) -> str:
    """Write a difference in the unit of its metric, with its sign.

    Parameters
    ----------
    x : float
        The difference.
    unit : str
        Of the metric.
    """
    if not np.isfinite(x):
        return _NOTHING
    text = f"{100 * abs(x):.1f}" if unit == "share" else value(abs(x), unit)
    zero = not any(c in "123456789" for c in text)
    return text if zero else f"{'+' if x > 0 else MINUS}{text}"


def with_ends(row: Any, names: tuple[str, str, str], unit: str, write: Any = value) -> str:
    """Write a figure with its interval.

    Parameters
    ----------
    row : mapping
        With the figure and its limits.
    names : tuple of str
        Of the figure, its lower and its upper limit.
    unit : str
        Of the metric.
    write : callable
        :func:`value` or :func:`gap`.
    """
    three = [float(row[n]) for n in names]
    if np.isnan(three[0]):
        return _NOTHING
    if unit == "seconds":
        return _times(three, write is gap)
    middle, low, high = (write(x, unit) for x in three)
    return f"{middle} ({low} to {high})"


def _times(three: list[float], signed: bool) -> str:
    """Write a time and its ends in one unit: that of the largest known."""
    known = [abs(x) for x in three if np.isfinite(x)]
    if not np.isfinite(three[0]):
        return "not reached"
    most = max(known) if signed else abs(three[0])
    size, name = next((u for u in _UNITS if most >= u[0]), _UNITS[-1])

    def write(x: float) -> str:
        if not np.isfinite(x):
            return "not reached"
        text = three_figures(abs(x) / size)
        sign = "" if x == 0 else ("+" if x > 0 else MINUS)
        return f"{sign}{text}" if signed else text

    middle, low, high = (write(x) for x in three)
    return f"{_with_unit(middle, name)} ({low} to {high})"


def _with_unit(text: str, name: str) -> str:
    return f"{text} {name.removesuffix('s') if text.lstrip('+' + MINUS) == '1' else name}"


def scorecard(card: pd.DataFrame, betters: Mapping[str, str], days: int) -> Result:
    """Tell each metric's value and its change.

    Parameters
    ----------
    card : pandas.DataFrame
        A row a metric, with ``p_holm``.
    betters : mapping
        Metric -> which way is good.
    days : int
        Length of the period.
    """
    shown = card[~card["metric"].isin(_BESIDE)]
    rows = []
    for _, row in shown.iterrows():
        unit = str(row["unit"])
        rows.append(
            (
                metric_label(str(row["metric"]))
                + (f", {unit}" if unit.endswith("a customer") else ""),
                with_ends(row, ("estimate", "conf_low", "conf_high"), unit),
                value(float(row["before"]), unit),
                with_ends(row, ("change", "change_low", "change_high"), unit, gap),
                _verdict(row, betters.get(str(row["metric"]), "")),
                "–" if np.isnan(row["n"]) else f"{int(row['n']):,}",
            )
        )
    columns = ["metric", f"last {days} days (95% interval)", f"{days} days before",
               "change (95% interval)", "what it says", "customers"]  # fmt: skip
    return Result("scorecard", pd.DataFrame(rows, columns=columns))


def _verdict(row: Any, better: str) -> str:
    if np.isnan(row["estimate"]):
        return "withheld"
    if np.isnan(row["change"]):
        return "not compared"
    if not row["p_holm"] < ALPHA:
        return "no clear change"
    up = row["change"] > 0
    if not better:
        return "more" if up else "less"
    return "better" if up == (better == "higher") else "worse"


def gaps(levels: pd.DataFrame, betters: Mapping[str, str]) -> tuple[Result, pd.DataFrame]:
    """Tell where metrics differ most from those of all customers.

    Parameters
    ----------
    levels : pandas.DataFrame
        A row a metric and level.
    betters : mapping
        Metric -> which way is good; metrics without one are left out.

    Returns
    -------
    shown : Result
        The clearest, one a level.
    levels : pandas.DataFrame
        With ``p_holm``, corrected over all that were looked at.
    """
    levels = levels.assign(p_holm=np.nan)
    looked = levels["metric"].map(lambda m: bool(betters.get(m))) & levels["p_value"].notna()
    # Times differ by touchpoint because the channels do: that is no news.
    looked &= ~levels["metric"].isin(_BESIDE)
    levels.loc[looked, "p_holm"] = holm(levels.loc[looked, "p_value"].to_numpy(float))
    clear = levels[looked & (levels["p_holm"] < ALPHA)].copy()
    clear["wide"] = (clear["gap"] / (clear["gap_high"] - clear["gap_low"])).abs()
    clear = clear.sort_values("wide", ascending=False).drop_duplicates(["by", "level"])
    higher = clear["metric"].map(betters) == "higher"
    clear["good"] = (clear["gap"] > 0) == higher
    # What is worse comes first: it is what somebody can act on.
    chosen = [clear[~clear["good"]].head(_MOST_GAPS), clear[clear["good"]].head(_MOST_GAPS // 2)]
    rows = []
    for _, row in pd.concat(chosen).iterrows():
        unit, good = str(row["unit"]), bool(row["good"])
        rows.append(
            (f"{row['by']}: {row['level']}", metric_label(str(row["metric"])),
             value(float(row["estimate"]), unit),
             with_ends(row, ("gap", "gap_low", "gap_high"), unit, gap),
             "better" if good else "worse", f"{int(row['n']):,}")
        )  # fmt: skip
    columns = ["where", "metric", "there", "against all (95% interval)", "what it says",
               "customers"]  # fmt: skip
    return Result("differences", pd.DataFrame(rows, columns=columns)), levels


def silence(table: pd.DataFrame) -> Result:
    """Tell scores as given and as if everybody asked had answered.

    Parameters
    ----------
    table : pandas.DataFrame
        Of the weighted scores.
    """
    rows = []
    for _, row in table.iterrows():
        unit = str(row["unit"])
        rows.append(
            (metric_label(str(row["metric"])), f"{int(row['asked']):,}",
             value(row["response"], "share"),
             with_ends(row, ("raw", "raw_low", "raw_high"), unit),
             with_ends(row, ("estimate", "conf_low", "conf_high"), unit),
             with_ends(row, ("difference", "difference_low", "difference_high"), unit, gap))
        )  # fmt: skip
    columns = ["metric", "asked", "answered", "as given (95% interval)",
               "weighted (95% interval)", "difference (95% interval)"]  # fmt: skip
    return Result("scores_weighted", pd.DataFrame(rows, columns=columns))


def silence_by(table: pd.DataFrame) -> Result:
    """Tell the scores by month and group that weights move most surely, in order.

    Parameters
    ----------
    table : pandas.DataFrame
        Of the weighted scores by month and group.
    """
    told = table[table["estimate"].notna() & ~table["metric"].str.endswith(" top box")]
    wide = told["difference_high"] - told["difference_low"]
    sure = (told["difference"] / wide).abs().sort_values(ascending=False, kind="stable")
    rows = []
    for _, row in told.loc[sure.index[:_MOST_WEIGHTED]].iterrows():
        unit = str(row["unit"])
        rows.append(
            (metric_label(str(row["metric"])), f"{row['by']}: {row['level']}",
             f"{int(row['answered']):,} of {int(row['asked']):,}",
             with_ends(row, ("raw", "raw_low", "raw_high"), unit),
             with_ends(row, ("estimate", "conf_low", "conf_high"), unit),
             with_ends(row, ("difference", "difference_low", "difference_high"), unit, gap),
             "differs" if row["p_holm"] < ALPHA else "cannot be told")
        )  # fmt: skip
    columns = ["metric", "where", "answered", "as given (95% interval)",
               "weighted (95% interval)", "difference (95% interval)", "what it says"]  # fmt: skip
    return Result("scores_weighted_by", pd.DataFrame(rows, columns=columns))


def waits(levels: pd.DataFrame, card: pd.DataFrame) -> Result:
    """Tell how long things take at each touchpoint.

    Parameters
    ----------
    levels, card : pandas.DataFrame
        Of the medians.
    """
    if card.empty:
        return Result("waits", pd.DataFrame())
    rows = [("all", row) for _, row in card.iterrows()]
    if len(levels):
        mine = levels[(levels["by"] == "touchpoint") & levels["estimate"].notna()]
        rows += [(str(row["level"]), row) for _, row in mine.iterrows()]
    cells: dict[str, dict[str, str]] = {}
    for name, row in rows:
        kind = str(row["metric"]).partition(",")[0]
        told = with_ends(row, ("estimate", "conf_low", "conf_high"), "seconds")
        long = value(float(row["long"]), "seconds")
        cells.setdefault(name, {})[f"{kind}: half by (95% interval)"] = told
        cells[name][f"{kind}: nine in ten by"] = long
    table = pd.DataFrame.from_dict(cells, orient="index").fillna(_NOTHING)
    return Result("waits", table.rename_axis("touchpoint").reset_index())


def adopted(table: pd.DataFrame) -> Result:
    """Tell how many new customers reach a first success at each touchpoint.

    Parameters
    ----------
    table : pandas.DataFrame
        Of adoption.
    """
    whole = table[table["started"] == "all"]
    last = whole[whole["days"] == whole["days"].max()]
    names = last.sort_values("estimate", ascending=False)["touchpoint"].head(_MOST_ADOPTED)
    rows = []
    for name in names:
        mine = whole[whole["touchpoint"] == name].set_index("days")
        told = [
            with_ends(mine.loc[d], ("estimate", "conf_low", "conf_high"), "share")
            if d in mine.index else _NOTHING
            for d in sorted(set(whole["days"]))
        ]  # fmt: skip
        rows.append((name, *told))
    columns = ["touchpoint", *(f"within {d} days (95% interval)" for d in sorted(set(
        whole["days"])))]  # fmt: skip
    return Result("adopted", pd.DataFrame(rows, columns=columns))


def adopted_by(table: pd.DataFrame) -> Result:
    """Tell which segments adopt a touchpoint more or less than the others, the surest first.

    Parameters
    ----------
    table : pandas.DataFrame
        Of adoption by segment.
    """
    last = table[(table["days"] == table["days"].max()) & table["gap"].notna()]
    wide = last["gap_high"] - last["gap_low"]
    sure = (last["gap"] / wide).abs().sort_values(ascending=False, kind="stable")
    clear = int((last["p_holm"] < ALPHA).sum())
    rows = []
    for _, row in last.loc[sure.index[: min(max(clear, 5), _MOST_ADOPTED)]].iterrows():
        told = "no clear difference"
        if row["p_holm"] < ALPHA:
            told = "more" if row["gap"] > 0 else "less"
        rows.append(
            (str(row["touchpoint"]), f"{row['by']}: {row['level']}", f"{int(row['n']):,}",
             with_ends(row, ("estimate", "conf_low", "conf_high"), "share"),
             with_ends(row, ("gap", "gap_low", "gap_high"), "share", gap), told)
        )  # fmt: skip
    days = int(table["days"].max()) if len(table) else 0
    columns = ["touchpoint", "segment", "customers", f"within {days} days (95% interval)",
               "against the others (95% interval)", "what it says"]  # fmt: skip
    return Result("adopted_by", pd.DataFrame(rows, columns=columns))
