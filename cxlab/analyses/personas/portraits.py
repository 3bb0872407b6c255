"""What each persona is like: shares, what sets it apart, a name and a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cxlab.analyses.personas.rule import NONE, SELDOM, UNLIKE, UNSEEN
from cxlab.frames.behaviour import Feature
from cxlab.models.intervals import Z, holm, wald_p, wilson
from cxlab.models.verdicts import ALPHA
from cxlab.results import Result, listed, three_figures

if TYPE_CHECKING:
    from cxlab.analyses.personas.forming import Study

__all__ = ["apart", "compared", "names", "personas", "sentences", "value"]

_NAMED, _TOLD = 0.5, 0.3
_LONGEST = 90
_MOST = 3
_GOALS = ("stage", "touchpoint", "need")


def names(features: Sequence[Feature], x: np.ndarray, label: np.ndarray, groups: int) -> list[str]:
    """Name groups by what sets them apart from all others.

    Parameters
    ----------
    features : sequence of Feature
        The behaviours.
    x : ndarray, shape (n, features)
        Standardised.
    label : ndarray of int
        Each one's group.
    groups : int
        How many.
    """
    made: list[str] = []
    for g in range(groups):
        inside = label == g
        far = x[inside].mean(axis=0) - x[~inside].mean(axis=0)
        first: dict[str, str] = {}
        rest = []
        for j in np.argsort(-np.abs(far), kind="stable"):
            f, text = features[j], features[j].more if far[j] > 0 else features[j].less
            if text and abs(far[j]) >= _NAMED:
                # Two words for one thing, such as app and no phone, tell less than two things.
                if f.family in first:
                    rest.append(text)
                else:
                    first[f.family] = text
        made.append(_new([*first.values(), *rest], made))
    return made


def _new(words: list[str], taken: Sequence[str]) -> str:
    """Make a name of the first words that no other group has."""
    for most in range(2, max(3, len(words) + 1)):
        text = ", ".join(words[:most]) or "in between"
        text = text[0].upper() + text[1:]
        text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
        if text not in taken and text.casefold() not in (NONE, SELDOM):
            return text
    number = 2
    while f"{text} ({number})" in taken:
        number += 1
    return f"{text} ({number})"


def value(kind: str, x: float, currency: str | None = None) -> str:
    """Write a behaviour in its own unit.

    Parameters
    ----------
    kind : str
        Of the feature.
    x : float
        As in the table.
    currency : str, optional
        Of amounts.
    """
    if not np.isfinite(x):
        return "–"
    if kind == "share":
        return f"{x:.0%}"
    if kind == "mean":
        for size, name in ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "min")):
            if x >= size:
                return f"{three_figures(x / size)} {name}"
        return f"{three_figures(x)} s"
    money = f" {currency}" if kind == "amount" and currency else ""
    return f"{three_figures(x)}{money}"


def compared(study: Study) -> Result:
    """Hold each persona's behaviours against those of all others.

    Parameters
    ----------
    study : Study
        With personas.

    Returns
    -------
    Result
        A row a persona and behaviour: ``persona, behaviour, estimate`` (difference in standard
        deviations of all), ``conf_low, conf_high``, ``p_value`` and ``p_holm`` (NaN of those
        that personas were formed by: they differ by design), ``n, mean, others`` (in the
        behaviour's unit), ``kind, formed, pain``.
    """
    seen, rows = study.then, []
    told = study.label >= UNLIKE
    formed = set(study.rule.keys) if study.rule else set()
    for j, f in enumerate(seen.features):
        scale = study.scales[j]
        if scale is None:
            continue
        x = scale.of(seen.num[:, j], seen.den[:, j])
        for g, name in enumerate(study.names):
            a, b = told & (study.label == g), told & (study.label != g)
            few = min(a.sum(), b.sum()) < max(2, study.options.min_group)
            if few or g in study.withheld:
                continue
            gap = float(x[a].mean() - x[b].mean())
            se = float(np.sqrt(x[a].var(ddof=1) / a.sum() + x[b].var(ddof=1) / b.sum()))
            p = float(wald_p(np.array(gap), np.array(se))) if se > 0 else np.nan
            rows.append(
                {"persona": name, "behaviour": f.label, "estimate": gap,
                 "conf_low": gap - Z * se, "conf_high": gap + Z * se,
                 "p_value": np.nan if f.key in formed else p, "n": int(a.sum()),
                 "mean": _mean(f, seen.num[a, j], seen.den[a, j]),
                 "others": _mean(f, seen.num[b, j], seen.den[b, j]),
                 "kind": f.kind, "formed": f.key in formed, "pain": f.pain, "key": f.key}
            )  # fmt: skip
    columns = ["persona", "behaviour", "estimate", "conf_low", "conf_high", "p_value", "p_holm",
               "n", "mean", "others", "kind", "formed", "pain", "key"]  # fmt: skip
    table = pd.DataFrame(rows)
    table["p_holm"] = holm(table["p_value"].to_numpy(float)) if len(table) else []
    return Result("features", table.reindex(columns=columns))


def _mean(f: Feature, num: np.ndarray, den: np.ndarray) -> float:
    below = float(den.sum())
    if not below > 0:
        return np.nan
    ratio = float(num.sum()) / below
    return float(np.expm1(ratio)) if f.kind == "mean" else ratio


def personas(study: Study) -> pd.DataFrame:
    """Give each persona's share of the customers, and how stable it is.

    Parameters
    ----------
    study : Study
        With personas or without.
    """
    total, rows = len(study.label), []
    stable = [p.stability for p in study.rule.personas] if study.rule else []
    groups = [*enumerate(study.names), (UNLIKE, NONE), (UNSEEN, SELDOM)]
    for place, name in groups:
        n = int((study.label == place).sum())
        if (place < 0 and not n) or study.rule is None:
            continue
        share, low, high = wilson(n, total)
        known = n > 0 and place not in study.withheld
        figures = (share, low, high) if known else (np.nan, np.nan, np.nan)
        rows.append((name, *figures, np.nan, n if known else np.nan,
                     stable[place] if place >= 0 else np.nan, place >= 0))  # fmt: skip
    columns = ["term", "estimate", "conf_low", "conf_high", "p_value", "n", "stability", "persona"]
    return pd.DataFrame(rows, columns=columns)


def _clear(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Give what sets a persona apart: by design, or beyond chance; the farthest first."""
    rows = table[(table["persona"] == name) & (table["estimate"].abs() >= _TOLD)]
    rows = rows[rows["formed"] | (rows["p_holm"] < ALPHA)]
    order = rows["estimate"].abs().sort_values(ascending=False, kind="stable").index
    return rows.loc[order]


def apart(table: pd.DataFrame, name: str, currency: str | None, pain: bool, most: int) -> list[str]:
    """Write what sets a persona apart, such as ``contacts by phone 62% (others 18%)``.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`compared`.
    name : str
        Of the persona.
    currency : str, optional
        Of amounts.
    pain : bool
        Whether its burdens are wanted: what it has more of; or else all that is no burden.
    most : int
        How many.
    """
    rows = _clear(table, name)
    rows = rows[rows["pain"] & (rows["estimate"] > 0)] if pain else rows[~rows["pain"]]
    return [_against(r, currency) for _, r in rows.head(most).iterrows()]


def _against(row: Any, currency: str | None) -> str:
    own, others = (value(row["kind"], float(row[c]), currency) for c in ("mean", "others"))
    return f"{row['behaviour']} {own} (others {others})"


def _come_for(row: Any) -> str:
    family, _, name = str(row["key"]).partition(": ")
    of = "comments" if family == "need" else "contacts"
    return f"{name} ({row['mean']:.0%} of {of}, others {row['others']:.0%})"


def sentences(study: Study, table: pd.DataFrame) -> dict[str, str]:
    """Tell each persona's goals and pains in a sentence or two.

    Parameters
    ----------
    study : Study
        With personas.
    table : pandas.DataFrame
        Of :func:`compared`.
    """
    made, told = {}, set(table["persona"])
    currency = study.risk.dataset.settings.currency
    for name in study.names:
        if name not in told:
            continue
        rows = _clear(table, name)
        family = pd.Series([str(k).partition(":")[0] for k in rows["key"]], rows.index, object)
        goals = rows[family.isin(_GOALS) & (rows["estimate"] > 0)]
        habits = rows[~family.isin(_GOALS) & ~rows["pain"]]
        text = ""
        if len(goals):
            said = [_come_for(r) for _, r in goals.head(2).iterrows()]
            text = f"More than others they come for {listed(said)}. "
        if len(habits):
            said = [_against(r, currency) for _, r in habits.head(_MOST).iterrows()]
            text += f"How they differ: {listed(said)}. "
        pains = apart(table, name, currency, True, 3)
        spared = rows[rows["pain"] & (rows["estimate"] < 0)]
        if pains:
            text += f"Their pains: {listed(pains)}."
        elif len(spared):
            said = [_against(r, currency) for _, r in spared.head(2).iterrows()]
            text += f"They are spared: {listed(said)}."
        else:
            text += "No pain sets them apart."
        made[name] = text
    return made
