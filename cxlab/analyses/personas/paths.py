"""The journeys of each persona after the window: which short paths are common, and whose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.personas.forming import Study
from cxlab.analyses.personas.rule import UNLIKE
from cxlab.frames.paths import begun
from cxlab.models.clustered import SHARE, SUMS, ratios
from cxlab.models.intervals import holm, wald_p
from cxlab.models.verdicts import ALPHA
from cxlab.results import Result, listed

__all__ = ["IDLE_DAYS", "paths", "portrait"]

IDLE_DAYS = 7.0
_MOST_TOLD = 4
_COLUMNS = ["persona", "path", "estimate", "conf_low", "conf_high", "others", "change", "p_value",
            "p_holm", "n", "customers"]  # fmt: skip


def paths(study: Study) -> Result:
    """Tell how often each persona's journeys after the window take each common path.

    A journey is what the data name as one; other contacts are parted where more than a week lies
    between two. Its path are its first three touchpoints. A persona's share is that of its
    journeys, a customer's journeys taken together, and is held against that of all others. Only the
    twelve paths that are commonest overall are looked at.

    Parameters
    ----------
    study : Study
        With personas.

    Returns
    -------
    Result
        A row a persona and path: ``persona, path, estimate`` (share of the persona's journeys),
        its interval, ``others`` (that of all others), ``change`` (the difference), ``p_value``,
        ``p_holm, n`` (customers with journeys), ``customers`` (of these, who took it).
    """
    people, end = study.then.customers, study.risk.end
    met = begun(study.risk, people, study.then.end, end, idle_days=IDLE_DAYS)
    each, names = met.table, {p: " → ".join(t) for p, t in met.names.items()}
    label = pd.Series(study.label, index=study.then.customers["spell"])
    wide = each.pivot_table(index="spell", columns="path", values="n", fill_value=0)
    x = each.groupby("spell")["n"].sum().reindex(wide.index).to_numpy(float)
    of = label.reindex(wide.index).to_numpy(int)
    rows = [
        row
        for g, persona in enumerate(study.names)
        if g not in study.withheld
        for row in _shares(study, persona, of == g, (of >= UNLIKE) & (of != g), wide, x, names)
    ]
    table = pd.DataFrame(rows).reindex(columns=_COLUMNS)
    table["p_holm"] = holm(table["p_value"].to_numpy(float))
    return Result("paths", table, meta={"idle_days": IDLE_DAYS}, sentence=_sentence(table))


def _shares(
    study: Study, persona: str, inside: np.ndarray, others: np.ndarray, wide: pd.DataFrame,
    x: np.ndarray, names: Mapping[int, str],
) -> list[dict[str, Any]]:  # fmt: skip
    least = study.options.min_group
    if min(inside.sum(), others.sum()) < least:
        return []
    rows = []
    for code, path in names.items():
        y = wide[code].to_numpy(float)
        took = int((y[inside] > 0).sum())
        # Of a few who took it, the share would tell what single customers did.
        if 0 < took < least:
            continue
        sums = pd.DataFrame([_sums(y[side], x[side]) for side in (inside, others)])
        own, other = ratios(sums, SHARE).to_dict("records")
        gap, error = own["estimate"] - other["estimate"], np.hypot(own["se"], other["se"])
        p = float(wald_p(np.array(gap), np.array(error))) if error > 0 else np.nan
        rows.append({"persona": persona, "path": path, "estimate": own["estimate"],
                     "conf_low": own["conf_low"], "conf_high": own["conf_high"],
                     "others": other["estimate"], "change": gap, "p_value": p,
                     "n": int(inside.sum()), "customers": took})  # fmt: skip
    return rows


def _sums(y: np.ndarray, x: np.ndarray) -> dict[str, float]:
    values = (len(y), y.sum(), x.sum(), y @ y, y @ x, x @ x)
    return dict(zip(SUMS, map(float, values), strict=True))


def _typical(table: pd.DataFrame, persona: str) -> list[dict[str, Any]]:
    """Give the persona's commonest path, and that which it takes most beyond others."""
    mine = table[(table["persona"] == persona) & (table["estimate"] > 0)]
    if mine.empty:
        return []
    first = mine.sort_values("estimate", ascending=False, kind="stable").head(1)
    own = mine[(mine["p_holm"] < ALPHA) & (mine["change"] > 0)]
    own = own.sort_values("change", ascending=False, kind="stable").head(1)
    rows = pd.concat([first, own]).drop_duplicates("path")
    return [{str(k): v for k, v in row.items()} for row in rows.to_dict("records")]


def _told(row: Mapping[str, Any]) -> str:
    return f"{row['path']} ({row['estimate']:.0%} of their journeys, others {row['others']:.0%})"


def portrait(result: Result, persona: str) -> str:
    """Say in a sentence which journey is typical of a persona; empty where none is told.

    Parameters
    ----------
    result : Result
        Of :func:`paths`.
    persona : str
        Its name.
    """
    rows = _typical(result.table, persona)
    if not rows:
        return ""
    text = f"Their commonest journey: {_told(rows[0])}"
    return f"{text}; more often than others: {_told(rows[1])}." if rows[1:] else f"{text}."


def _sentence(table: pd.DataFrame) -> str:
    if table.empty:
        return "Which journeys are typical cannot be told: too few began after the window."
    clear = table[(table["p_holm"] < ALPHA) & (table["change"] > 0)]
    order = clear.sort_values("change", ascending=False, kind="stable")
    told = [
        f"“{r.persona}” {r.path} ({r.estimate:.0%}, others {r.others:.0%})"
        for r in order.head(_MOST_TOLD).itertuples()
    ]
    if not told:
        return "How journeys after the window begin does not differ between personas beyond chance."
    return f"How journeys after the window begin, more often than others': {listed(told)}."
