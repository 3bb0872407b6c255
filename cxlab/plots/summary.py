"""The picture of what is at stake, for the page that sums up a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.plots.marks import beside, contrasts, estimate, names_at, rows_axes, whole
from cxlab.plots.picture import Picture, pictures
from cxlab.plots.style import HARM, INK, style
from cxlab.results import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["shown", "stake", "stake_words"]

_MOST = 8
_CUSTOMERS, _MONEY = "attributable_churn", "value_at_risk"
_COLUMN_AT = 16.0


def _costly(result: Result) -> pd.DataFrame:
    """Give the drivers that cost customers, the costliest first."""
    drivers = result.parts.get("drivers")
    if drivers is None or _CUSTOMERS not in drivers.table:
        return pd.DataFrame()
    table = drivers.table[drivers.table["verdict"] == "driver"]
    table = table[table[f"{_CUSTOMERS}_high"].notna()]
    by = _measure(table)
    return table.sort_values(by, ascending=False, kind="stable").head(_MOST)


def _measure(table: pd.DataFrame) -> str:
    """Choose money, where it is known of all."""
    return _MONEY if len(table) and table[f"{_MONEY}_high"].notna().all() else _CUSTOMERS


def stake(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw what each driver cost in the window, in money where it is known, with its interval.

    Parameters
    ----------
    result : Result
        Of ``summary``.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = _costly(result)
    name, place = _measure(table), np.arange(len(table))[::-1]
    with style():
        ax = rows_axes(ax, len(table), 0.26, 5.4)
        ax.axvline(0, color=INK, lw=1, zorder=1)
        for y, row in zip(place, table.to_dict("records"), strict=True):
            estimate(ax, float(y), _three(row, name), HARM)
        names_at(ax, place, contrasts(table), [True] * len(table))
        ax.set_ylim(-0.6, len(table) - 0.4)
        ax.xaxis.set_major_formatter(lambda v, _: whole(v))
        ax.set_xlabel(_unit(result, name))
        told = [_text(row, _CUSTOMERS) for row in table.to_dict("records")]
        beside(ax, place, [(_COLUMN_AT, "Customers lost (95%)", told)])
    return ax


def _three(row: dict[Any, Any], name: str) -> tuple[float, float, float]:
    return float(row[name]), float(row[f"{name}_low"]), float(row[f"{name}_high"])


def _text(row: dict[Any, Any], name: str) -> str:
    return "{} ({} to {})".format(*map(whole, _three(row, name)))


def _unit(result: Result, name: str) -> str:
    if name == _CUSTOMERS:
        return f"Customers lost in {result.meta['window_days']} days"
    currency = result.meta.get("currency")
    return f"Lost in {result.meta['window_days']} days, {f'{currency} ' if currency else ''}a month"


def stake_words(result: Result) -> dict[str, Any]:
    """Give the caption, the description and the data of :func:`stake`; empty without drivers.

    Parameters
    ----------
    result : Result
        Of ``summary``.
    """
    table = _costly(result)
    if table.empty:
        return {}
    name = _measure(table)
    names = contrasts(table)
    told = [_text(row, name) for row in table.to_dict("records")]
    what = "monthly value" if name == _MONEY else "customers"
    caption = (
        f"{names[0]} cost most: {told[0]} {_money(result) if name == _MONEY else 'customers'}. "
        f"{what.capitalize()} lost in the {result.meta['window_days']} days up to "
        f"{result.meta['as_of']}; {result.meta['customers']:,} customers, 95% intervals. "
        "Losses overlap and do not add up."
    )
    each = "; ".join(f"{n}: {t}" for n, t in zip(names, told, strict=True))
    alt = f"A dot and its interval for the {what} that each driver cost. {each}."
    columns = ["touchpoint", "valence", *(f"{n}{e}" for n in (_MONEY, _CUSTOMERS)
               for e in ("", "_low", "_high"))]  # fmt: skip
    return {"caption": caption, "alt": alt, "data": table[columns].reset_index(drop=True)}


def _money(result: Result) -> str:
    return f"{result.meta.get('currency') or ''} a month".strip()


def shown(result: Result) -> list[Picture]:
    """Draw what there is to draw.

    Parameters
    ----------
    result : Result
        Of ``summary``.
    """
    return pictures(result, {"stake": (stake, stake_words)})
