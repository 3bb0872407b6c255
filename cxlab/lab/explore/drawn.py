"""The explorer's answer as HTML: pictures as SVG with letters as text, which is quick to draw."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from cxlab.lab.explore.choices import short
from cxlab.plots import drivers, fading
from cxlab.plots.marks import whole, with_interval
from cxlab.plots.picture import sketch
from cxlab.plots.style import LABEL, style
from cxlab.results import TO_THE_LETTER, Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["STYLE", "told", "watched"]

_MOST_ROWS = 12
_MARKED = "#fff1c2"
STYLE = """<style>
.cx-explore .cx-told {font-size: 14px; line-height: 1.45; max-width: 62em}
.cx-explore .cx-told b {font-size: 16px; overflow-wrap: anywhere}
.cx-explore .cx-figures {display: flex; flex-wrap: wrap; gap: 4px 28px; margin: 8px 0}
.cx-explore .cx-figures span {display: block; font-size: 12px;
  color: var(--jp-ui-font-color2, #5a616b)}
.cx-explore .cx-figures div {font-size: 17px; font-variant-numeric: tabular-nums}
.cx-explore .cx-why {color: var(--jp-ui-font-color2, #5a616b); font-size: 12px;
  line-height: 1.4; display: block}
.cx-explore .cx-drawn {display: flex; flex-wrap: wrap; gap: 16px; align-items: flex-start}
.cx-explore figure {margin: 0; flex: 1 1 340px; max-width: 520px; background: #fff;
  border: 1px solid var(--jp-border-color2, #dcdcd6); border-radius: 6px; padding: 10px}
.cx-explore figure:first-child {flex: 2 1 600px; max-width: 900px}
.cx-explore figure img {max-width: 100%; height: auto; display: block; margin: 0}
.cx-explore figcaption {font-size: 12px; line-height: 1.4; color: #5a616b; margin-top: 6px}
.cx-explore pre {white-space: pre-wrap; overflow-wrap: anywhere; user-select: all; padding: 8px;
  background: var(--jp-layout-color2, #f3f3f3); color: var(--jp-ui-font-color1, #222);
  line-height: 1.4; margin: 0}
</style>"""


def watched(result: Result) -> str:
    """Name the touchpoint to start with: the first driver, else the first that has a figure.

    Parameters
    ----------
    result : Result
        Of :meth:`cxlab.lab.explore.Explorer.view`.
    """
    judged = _judged(result)
    return str(judged["touchpoint"].iloc[0]) if len(judged) else ""


def told(result: Result, touchpoint: str = "") -> tuple[str, str]:
    """Give what is said of one touchpoint, and the pictures; where there are none, nothing.

    Parameters
    ----------
    result : Result
        Of :meth:`cxlab.lab.explore.Explorer.view`.
    touchpoint : str
        Which; empty: the answer as a whole.

    Returns
    -------
    words, pictures : str
        HTML.
    """
    return _words(result, touchpoint), _pictures(result, touchpoint)


def _judged(result: Result) -> pd.DataFrame:
    """Give the contrasts with a figure, in the table's order."""
    table = result.table
    return table[(table["valence"] != "contact") & table["hazard_ratio"].notna()]


# -- words -------------------------------------------------------------------------------------


def _words(result: Result, touchpoint: str) -> str:
    said = [f"<p>{html.escape(result.sentence)}</p>"] if result.sentence else []
    table = result.table
    mine = table[(table["touchpoint"] == touchpoint) & (table["valence"] != "contact")]
    for row in mine.itertuples():
        name = short(row.touchpoint, 200) + ("" if len(mine) == 1 else f" ({row.valence})")
        said.append(f'<div><b dir="auto">{html.escape(name)}</b>: {html.escape(row.verdict)}')
        figures = _figures(row, str(result.meta.get("currency") or ""))
        terms = (f"<div><span>{n}</span>{html.escape(v)}</div>" for n, v in figures.items())
        said.append(f'<div class="cx-figures">{"".join(terms)}</div>')
        said.append(f'<span dir="auto">{html.escape(row.why)}</span></div>')
    failed = [c for c in result.checks if c.passed is False]
    if failed:
        lines = "; ".join(f"{c.name}: {c.text}" for c in failed)
        said.append(f'<p class="cx-why">Look out: {html.escape(lines)}.</p>')
    return f'<div class="cx-told {TO_THE_LETTER}">{"".join(said)}</div>'


def _figures(row: pd.Series, currency: str) -> dict[str, str]:
    """Give one contrast's figures; those that a verdict leaves empty are left out."""
    found = {}
    if row.hazard_ratio == row.hazard_ratio:
        three = (row.hazard_ratio, row.conf_low, row.conf_high)
        found["Hazard ratio (95%)"] = with_interval(*three)
    if (lost := row.attributable_churn) == lost:
        ends = (row.attributable_churn_low, row.attributable_churn_high)
        found["Customers lost (95%)"] = "{} ({} to {})".format(*map(whole, (lost, *ends)))
        found["Share of churn"] = f"{row.attributable_share:.1%}"
    if row.value_at_risk == row.value_at_risk:
        found[f"{html.escape(currency)} a month".strip()] = whole(row.value_at_risk)
    found["Customers who met it"] = whole(row.exposed_customers)
    return found


# -- pictures ----------------------------------------------------------------------------------


def _pictures(result: Result, touchpoint: str) -> str:
    if _judged(result).empty:
        return ""
    few, left = _few(result, touchpoint)
    said = drivers.forest_words(result)
    caption = said["caption"] + (f" {left} more are not drawn." if left else "")
    drawn = [_figure(_forest(few, touchpoint), caption, said["alt"])]
    ages = result.parts.get("by_age")
    if ages is not None and len(ages.table):
        words = fading.effect_by_age_words(result)
        drawn.append(_figure(_by_age(result, touchpoint), words["caption"], words["alt"]))
    return f'<div class="cx-drawn {TO_THE_LETTER}">{"".join(drawn)}</div>'


def _few(result: Result, touchpoint: str) -> tuple[Result, int]:
    """Keep the first rows and the one that is looked at, and count the others."""
    table = _judged(result)
    kept = table["touchpoint"].eq(touchpoint) | table.index.isin(table.index[:_MOST_ROWS])
    return replace(result, table=table[kept]), int((~kept).sum())


def _forest(result: Result, touchpoint: str) -> Axes:
    ax = drivers.forest(result, ax=_axes(5.2, 1.0 + 0.32 * max(len(result.table), 3)))
    for label in ax.get_yticklabels():
        if touchpoint and label.get_text().startswith(touchpoint):
            label.set_backgroundcolor(_MARKED)
    return ax


def _by_age(result: Result, touchpoint: str) -> Axes:
    if not touchpoint:
        return fading.effect_by_age(result)
    ax = fading.effect_by_age(result, ax=_axes(4.6, 3.2))
    with style():
        ax.set_title(short(touchpoint), fontsize=LABEL)
        ax.set_xlabel("Days since the contact")
        ax.set_ylabel("Hazard ratio (log scale)")
    return ax


def _axes(wide: float, high: float) -> Axes:
    """Make axes of a size in inches. What stands beside them needs no layout: it is cut around."""
    import matplotlib.pyplot as plt

    with style():
        ax: Axes = plt.subplots(figsize=(wide, high), layout="none")[1]
    return ax


def _figure(ax: Axes, caption: str, alt: str) -> str:
    # Decoded at once, so that nothing flickers where one picture takes another's place.
    return (
        f'<figure><img decoding="sync" alt="{html.escape(alt)}" src="{sketch(ax)}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )
