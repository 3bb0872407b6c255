"""How often customers speak of each theme, how they feel, and where they say it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.analyses.voice_of_customer.heard import Heard
from cxlab.analyses.voice_of_customer.sides import blank, p_values, sums
from cxlab.models.clustered import SHARE, changes, ratios
from cxlab.models.intervals import holm
from cxlab.models.withheld import small_groups
from cxlab.results import Result, counted, listed, metric_label

__all__ = ["at_touchpoints", "scores", "shares"]

FIGURES = ["term", "theme", "estimate", "conf_low", "conf_high", "p_value", "n", "comments",
           "before", "change", "change_low", "change_high", "p_holm", "tone", "tone_low",
           "tone_high", "status", "again"]  # fmt: skip
PLACES = ["term", "theme", "touchpoint", "estimate", "conf_low", "conf_high", "p_value", "p_holm",
          "n", "customers", "comments", "elsewhere", "gap", "gap_low", "gap_high"]  # fmt: skip
_HIDDEN = ["estimate", "conf_low", "conf_high", "p_value", "customers", "elsewhere", "gap",
           "gap_low", "gap_high"]  # fmt: skip
SCORES = ["term", "theme", "metric", "estimate", "conf_low", "conf_high", "p_value", "p_holm",
          "n", "comments", "mean", "rest"]  # fmt: skip
_TONE = (-1.0, 1.0)


def shares(heard: Heard, side: np.ndarray, min_group: int) -> pd.DataFrame:
    """Give each theme's share of the comments, now and before, and how they sound.

    Parameters
    ----------
    heard : Heard
        What the comments are about.
    side : ndarray of int, shape (comments,)
        1: in the last days, 0: in as many before them, -1: earlier.
    min_group : int
        Fewer customers are withheld.

    Returns
    -------
    pandas.DataFrame
        One row a theme, the commonest first.
    """
    table, about = heard.table, heard.about
    who = table["who"].to_numpy()
    told = sums(who, about, side)
    now, was = ratios(told, SHARE), ratios(told, SHARE, other=True)
    moved = changes(told, SHARE)
    made = pd.DataFrame(
        {
            "term": [t.id for t in heard.homes],
            "theme": [t.name for t in heard.homes],
            **{c: now[c].to_numpy() for c in ("estimate", "conf_low", "conf_high")},
            "p_value": p_values(moved),
            "before": was["estimate"].to_numpy(),
            "change": moved["estimate"].to_numpy(),
            "change_low": moved["conf_low"].to_numpy(),
            "change_high": moved["conf_high"].to_numpy(),
        }
    )
    recent = about & (side == 1)[:, None]
    made["comments"] = recent.sum(axis=0)
    made["n"] = [len(np.unique(who[r])) for r in recent.T]
    made["p_holm"] = holm(made["p_value"].to_numpy(float))
    tones = [_tone(who, heard.tone, r) for r in recent.T]
    made[["tone", "tone_low", "tone_high"]] = np.array(tones).reshape(len(made), 3)
    made["again"] = [heard.again.get(t.id, np.nan) for t in heard.homes]
    made["status"] = _status(heard)
    figures = [c for c in FIGURES if c not in ("term", "theme", "status", "again")]
    made = blank(made, made["n"].to_numpy() < min_group, figures)
    order = made["estimate"].fillna(-1.0).sort_values(ascending=False, kind="stable").index
    return made.loc[order, FIGURES].reset_index(drop=True)


def _tone(who: np.ndarray, tone: np.ndarray, rows: np.ndarray) -> tuple[float, float, float]:
    side = np.where(rows & np.isfinite(tone), 1, -1)
    if not (side == 1).any():
        return np.nan, np.nan, np.nan
    told = ratios(sums(who, np.nan_to_num(tone)[:, None], side), _TONE)
    return tuple(told[["estimate", "conf_low", "conf_high"]].iloc[0])


def _status(heard: Heard) -> list[str]:
    """Say of each theme whether it was known, is new since the last run, or only found now."""
    known = {t.id for t in heard.before.themes}
    last = heard.before.as_of
    if last is None:
        return ["known" if t.id in known else "found" for t in heard.homes]
    day = (np.datetime64(last) - np.datetime64("1970-01-01")).astype(int) + 1
    at = heard.table["at"].to_numpy(float)
    side = np.where(at >= day, 1, np.where(at < day, 0, -1))
    if not ((side == 1).any() and (side == 0).any()):
        return ["known" if t.id in known else "found" for t in heard.homes]
    more = changes(sums(heard.table["who"].to_numpy(), heard.about, side), SHARE)
    risen = (more["conf_low"] > 0).to_numpy()
    return [
        "known" if t.id in known else "new" if risen[i] else "found"
        for i, t in enumerate(heard.homes)
    ]


def at_touchpoints(heard: Heard, min_group: int) -> Result:
    """Hold each theme's share at each touchpoint against that in all other comments.

    Parameters
    ----------
    heard : Heard
        What the comments are about.
    min_group : int
        Touchpoints with fewer customers are withheld, and so are pairs of theme and touchpoint
        that fewer customers speak of; nobody's are not.

    Returns
    -------
    Result
        One row a theme and touchpoint: its share there, ``elsewhere`` and the ``gap``; ``n``
        customers wrote there, ``customers`` of them about the theme; ``p_holm`` is corrected for
        all pairs.
    """
    table, about = heard.table, heard.about
    who, place = table["who"].to_numpy(), table["touchpoint"].astype(object)
    known = place.notna().to_numpy()
    names = sorted(place[known].unique())
    if not names or not about.shape[1]:
        text = "No comment says at which touchpoint it was made." if not names else ""
        return Result("touchpoints", pd.DataFrame(columns=PLACES), sentence=text)
    parts, small = [], []
    spoke = _spoke(who, about, [(known & (place == name).to_numpy()) for name in names])
    hidden = np.array([small_groups(row, min_group) for row in spoke])
    for at, name in enumerate(names):
        here = known & (place == name).to_numpy()
        customers = len(np.unique(who[here]))
        if customers < min_group or not (known & ~here).any():
            small.append(name)
            continue
        told = sums(who, about, np.where(here, 1, np.where(known, 0, -1)))
        there, gap = ratios(told, SHARE), changes(told, SHARE)
        cells = pd.DataFrame(
            {
                "term": [t.id for t in heard.homes],
                "theme": [t.name for t in heard.homes],
                "touchpoint": name,
                **{c: there[c] for c in ("estimate", "conf_low", "conf_high")},
                "p_value": p_values(gap),
                "n": customers,
                "customers": spoke[:, at].astype(float),
                "comments": told["rows"].astype(int),
                "elsewhere": ratios(told, SHARE, other=True)["estimate"],
                "gap": gap["estimate"],
                "gap_low": gap["conf_low"],
                "gap_high": gap["conf_high"],
            }
        )
        parts.append(blank(cells, hidden[:, at], _HIDDEN))
    made = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=PLACES)
    made["p_holm"] = holm(made["p_value"].to_numpy(float))
    return Result("touchpoints", made.reindex(columns=PLACES), sentence=_where(made, small))


def _spoke(who: np.ndarray, about: np.ndarray, places: list[np.ndarray]) -> np.ndarray:
    """Count the customers who spoke of each theme at each place, shape (themes, places)."""
    return np.array(
        [[len(np.unique(who[here & theme])) for here in places] for theme in about.T], dtype=int
    ).reshape(about.shape[1], len(places))


def _where(made: pd.DataFrame, small: list[str]) -> str:
    """Say which themes belong to which touchpoints."""
    more = made[(made["p_holm"] < 0.05) & (made["gap"] > 0)].sort_values("gap", ascending=False)
    lines = [
        f"{r.theme}: {100 * r.estimate:.0f}% of the comments about {r.touchpoint}, "
        f"{100 * r.elsewhere:.0f}% elsewhere."
        for r in more.head(6).itertuples()
    ]
    if not lines:
        lines = ["No theme is told to be commoner at one touchpoint than at the others."]
    elif len(more) > len(lines):
        lines.append(f"{len(more) - len(lines):,} more pairs of theme and touchpoint stand out.")
    if small:
        lines.append(
            f"Withheld, with too few customers: {listed(small, 5)} "
            f"({counted(len(small), 'touchpoint')})."
        )
    if cells := int(made["estimate"].isna().sum()):
        lines.append(
            f"Withheld are {counted(cells, 'pair')} of theme and touchpoint of which too few "
            "customers spoke, or from which these could be told."
        )
    return "\n".join(lines)


def scores(heard: Heard, min_group: int) -> Result:
    """Hold the scores given with a theme against those given without it.

    Parameters
    ----------
    heard : Heard
        What the comments are about.
    min_group : int
        Fewer customers on either side are withheld.

    Returns
    -------
    Result
        One row a theme and metric: ``mean`` with the theme, of the ``rest``, and their
        difference with its interval.
    """
    table, about = heard.table, heard.about
    who, score = table["who"].to_numpy(), table["score"].to_numpy(float)
    rows, withheld = [], 0
    for metric, known in heard.dataset.settings.all_metrics.items():
        mine = (table["source"] == metric).to_numpy() & np.isfinite(score)
        for i, theme in enumerate(heard.homes):
            side = np.where(mine, about[:, i].astype(int), -1)
            n = min(len(np.unique(who[side == k])) for k in (0, 1))
            if n < min_group:
                withheld += bool(mine.any())
                continue
            told = sums(who, np.nan_to_num(score)[:, None], side)
            low, high = float(known.scale[0]), float(known.scale[1])
            both = changes(told, (low, high))
            gap = both.assign(p_value=p_values(both)).iloc[0]
            mean = ratios(told, (low, high))["estimate"].iloc[0]
            rest = ratios(told, (low, high), other=True)["estimate"].iloc[0]
            rows.append((theme.id, theme.name, metric, gap["estimate"], gap["conf_low"],
                         gap["conf_high"], gap["p_value"], len(np.unique(who[side == 1])),
                         int((side == 1).sum()), mean, rest))  # fmt: skip
    made = pd.DataFrame(rows, columns=[c for c in SCORES if c != "p_holm"])
    made["p_holm"] = holm(made["p_value"].to_numpy(float))
    return Result(
        "scores",
        made[SCORES].sort_values(["metric", "estimate"], ignore_index=True),
        sentence=_marked(made, withheld),
        meta={"withheld": withheld},
    )


def _marked(made: pd.DataFrame, withheld: int) -> str:
    """Say which themes go with low and with high scores."""
    if made.empty:
        return "Too few comments came with a score to hold themes against each other."
    lines = []
    for metric, mine in made.groupby("metric", sort=True):
        clear = mine[mine["p_holm"] < 0.05].sort_values("estimate")
        if clear.empty:
            continue
        worst, best = clear.iloc[0], clear.iloc[-1]
        for row in [worst] if len(clear) == 1 else [worst, best]:
            way = "lower" if row["estimate"] < 0 else "higher"
            ends = (row["conf_low"], row["conf_high"])
            ends = (-ends[1], -ends[0]) if row["estimate"] < 0 else ends
            lines.append(
                f"Mean {metric_label(str(metric))} answer with {row['theme']}: {row['mean']:.1f}, "
                f"{abs(row['estimate']):.1f} {way} than with other comments "
                f"(95% interval {ends[0]:.1f} to {ends[1]:.1f})."
            )
    if not lines:
        lines = ["No theme goes with scores that can be told from the others."]
    if withheld:
        lines.append(f"Withheld, with too few customers: {counted(withheld, 'figure')}.")
    return "\n".join(lines)
