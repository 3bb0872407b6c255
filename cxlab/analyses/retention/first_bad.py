"""What a first bad contact does: how long customers stay after it, against matched ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.retention.matching import Matched, balance, match
from cxlab.analyses.retention.seen import LEFT, OTHERWISE, Seen, stretch
from cxlab.analyses.retention.segments import points
from cxlab.data.dataset import Dataset
from cxlab.frames.encounters import Encounters, encounters
from cxlab.models.intervals import Z, wald_p
from cxlab.models.survival import Curve, Lifetimes, restricted_means, shares
from cxlab.results import MINUS, Check, Result, counted

__all__ = ["BAD", "ORDINARY", "first_bad"]

BAD, ORDINARY = "first bad contact", "ordinary contact"
"""What the curves are called."""

_MARKS = (30.0, 90.0, 180.0, 365.0)
_POINTS = 120
_FAIR = 0.1
_CASES = 5
_COLUMNS = ["term", "after", "estimate", "conf_low", "conf_high", "p_value", "n", "unit", "bad",
            "ordinary"]  # fmt: skip


@dataclass(frozen=True)
class _Followed:
    """Both sides from the moment the contact's outcome was known; group 0 is the bad one."""

    lives: Lifetimes
    group: np.ndarray

    def of(self, place: int) -> Lifetimes:
        return self.lives.where(self.group == place)


def first_bad(dataset: Dataset, seen: Seen, least: int) -> dict[str, Result]:
    """Follow customers after their first bad contact, and matched ones after an ordinary one.

    Parameters
    ----------
    dataset : Dataset
        With interactions.
    seen : Seen
        The lifetimes.
    least : int
        Marks with fewer customers at risk on a side are not told, nor are levels of fewer.

    Returns
    -------
    dict of str to Result
        ``first_bad``: ``term, after`` (days), ``estimate`` (share still there after a bad one
        less that after an ordinary one; for the mean, days), its interval, ``p_value, n, unit``,
        and both sides; the row ``unmatched`` is the comparison of those who ever met one with
        those who never did, which is biased. ``first_bad_curves`` and ``first_bad_balance``;
        where nothing can be told, ``first_bad`` alone, empty, saying why.
    """
    if seen.risk is None:
        return _left_out("A snapshot has no contacts: what a first bad one does cannot be told.")
    found = encounters(dataset, seen.risk)
    if isinstance(found, str):
        return _left_out(f"What a first bad contact does cannot be told: {found}.")
    bad = found.rows["bad"].to_numpy()
    matched = match(found.rows, seen.risk.spells, dataset.attributes)
    pairs = len(np.unique(matched.case))
    if pairs < _CASES * least:
        return _left_out(
            f"What a first bad contact does cannot be told: of customers seen from their start, "
            f"{counted(pairs, 'first bad contact has', 'first bad contacts have')} a match."
        )
    followed = _followed(seen, found, matched)
    span = _span(followed, least)
    rows = _rows(followed, span)
    if not rows:
        return _left_out(
            "What a first bad contact does cannot be told: too few are followed for 30 days."
        )
    alike = balance(matched, bad)
    few = matched.few(found.rows["customer_id"], least)
    meta = _meta(seen, found, matched, alike, few, span)
    rows += _naive(seen, found, meta["mark"], least)
    table = pd.DataFrame(rows, columns=_COLUMNS)
    return {
        "first_bad": Result("first_bad", table, _checks(meta), meta, _sentence(table, meta)),
        "first_bad_curves": Result("first_bad_curves", _curves(followed, span), meta=meta),
        "first_bad_balance": Result(
            "first_bad_balance", alike[~alike["term"].isin(few)].reset_index(drop=True)
        ),
    }


def _left_out(why: str) -> dict[str, Result]:
    return {"first_bad": Result("first_bad", pd.DataFrame(columns=_COLUMNS), sentence=why)}


def _followed(seen: Seen, found: Encounters, matched: Matched) -> _Followed:
    """Follow both sides from their landmark to the end of the spell, or of the data."""
    rows, risk = found.rows, seen.risk
    assert risk is not None  # told by the caller
    spells = risk.spells
    case = np.unique(matched.case)
    place = np.concatenate([case, matched.control])
    group = np.repeat([0, 1], [len(case), len(matched.control)])
    known, at, delay = (rows[c].to_numpy(float) for c in ("known", "at", "delay"))
    late = at[matched.control] + delay[matched.case]
    landmark = np.concatenate([known[case], np.maximum(known[matched.control], late)])
    spell = rows["spell"].to_numpy()[place]
    over = spells["event_at"].fillna(spells["competing_at"]).fillna(risk.end).to_numpy(float)
    ended = np.select([spells["event"], spells["competing"]], [LEFT, OTHERWISE], 0)
    lives = Lifetimes(
        np.full(len(place), -np.inf),
        np.maximum(over[spell] - landmark, 0.0),
        np.where(ended[spell] == LEFT, LEFT, 0),
        # As many numbers as customers used: sums by customer are as long.
        pd.factorize(seen.lives.customer[spell])[0],
    )
    return _Followed(lives, group)


def _span(followed: _Followed, least: int) -> tuple[float, float]:
    """Find the days after the contact to which enough are followed on both sides."""
    ends = [stretch(followed.of(side), least) for side in (0, 1)]
    return 0.0, min((e[1] if e else 0.0) for e in ends)


def _rows(followed: _Followed, span: tuple[float, float]) -> list[dict[str, Any]]:
    """Compare both sides at each mark, and on average up to the last."""
    rows: list[dict[str, Any]] = []
    at_risk = followed.of(0).at_risk
    for mark in (m for m in _MARKS if m <= span[1]):
        share, covariance = shares(followed.lives, followed.group, mark)
        n = int(at_risk(np.array([mark]))[0])
        rows.append(_row(f"after {mark:g} days", mark, share, covariance, n, "share"))
    if rows:
        mark = rows[-1]["after"]
        mean, covariance = restricted_means(followed.lives, followed.group, 0.0, mark)
        n = len(followed.of(0))
        rows.append(_row(f"mean up to {mark:g} days", mark, mean, covariance, n, "days"))
    return rows


def _row(
    term: str, after: float, both: np.ndarray, covariance: np.ndarray, n: int, unit: str
) -> dict[str, Any]:
    gap = float(both[0] - both[1])
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    se = float(np.sqrt(max(variance, 0.0)))
    p_value = float(wald_p(np.array(gap), np.array(se))) if se else np.nan
    return {"term": term, "after": after, "estimate": gap, "conf_low": gap - Z * se,
            "conf_high": gap + Z * se, "p_value": p_value, "n": n, "unit": unit,
            "bad": both[0], "ordinary": both[1]}  # fmt: skip


def _naive(seen: Seen, found: Encounters, mark: float, least: int) -> list[dict[str, Any]]:
    """Compare those who ever met a bad contact with those who never did, as is often done."""
    spell = found.first_bad.index.to_numpy()
    lives = seen.lives.where(spell).ended_by(LEFT)
    assert seen.risk is not None  # told by the caller
    started = seen.risk.spells["started"].to_numpy(float)[spell]
    ever = found.first_bad.to_numpy(float) < lives.exit + started
    both = _Followed(lives, np.where(ever, 0, 1))
    if any(both.of(side).at_risk(np.array([mark]))[0] < least for side in (0, 1)):
        return []
    share, covariance = shares(lives, both.group, mark)
    return [_row("unmatched", mark, share, covariance, int(ever.sum()), "share")]


def _meta(
    seen: Seen,
    found: Encounters,
    matched: Matched,
    alike: pd.DataFrame,
    few: dict[str, str],
    span: tuple[float, float],
) -> dict[str, Any]:
    rows = found.rows
    marks = [m for m in _MARKS if m <= span[1]]
    control = np.unique(matched.control)
    later = rows["first_bad"].notna().to_numpy()[control]
    same = matched.features.filter(like=" = ").to_numpy()
    exact = (same[matched.case] == same[matched.control]).all(axis=1).mean()
    worst = alike.loc[alike["after"].abs().idxmax()] if len(alike) else None
    return {
        "cases": len(np.unique(matched.case)),
        "all_cases": found.cases,
        "controls": len(control),
        "all_controls": found.controls,
        "control_customers": int(rows["customer_id"].iloc[control].nunique()),
        "unmatched": matched.unmatched,
        "drawn": found.cases + found.controls > len(rows),
        "met_later": float(later.mean()) if len(later) else np.nan,
        "exact": float(exact),
        "worst": None if worst is None else _called(str(worst["term"]), few),
        "worst_by": np.nan if worst is None else float(worst["after"]),
        "bad_is": found.text,
        "mark": min(marks[-1], 180.0) if marks else 0.0,
        "end": span[1],
        "ticks": seen.scale.ticks(span[1]).tolist(),
    }


def _called(term: str, few: dict[str, str]) -> str:
    """Name what sides differ in, but no level of few customers."""
    return f"{few[term]}, at a level of few customers" if term in few else term


def _checks(meta: dict[str, Any]) -> tuple[Check, ...]:
    fair = abs(meta["worst_by"]) <= _FAIR
    text = (
        f"after matching, both sides differ most in {meta['worst']}: by {meta['worst_by']:+.2f} "
        f"standard deviations (up to {_FAIR:g} is fair); {meta['exact']:.0%} of pairs have the "
        "same attributes"
    ).replace("-", MINUS)
    used = (
        f"{meta['cases']:,} first bad contacts (bad: {meta['bad_is']}) of customers seen from "
        f"their start, against {meta['controls']:,} ordinary contacts of "
        f"{meta['control_customers']:,} customers; {meta['unmatched']:,} had no match"
    )
    if meta["drawn"]:
        used += (
            f"; drawn at random from {meta['all_cases']:,} and {meta['all_controls']:,}, which "
            "would take long to match"
        )
    later = (
        f"{meta['met_later']:.0%} of the ordinary contacts were followed by a bad one in the end: "
        "the difference is what the first one adds to a life that goes on as lives do"
    )
    return (Check("first bad contact: who is compared", None, used),
            Check("first bad contact: balance", fair, text),
            Check("first bad contact: later ones", None, later))  # fmt: skip


def _curves(followed: _Followed, span: tuple[float, float]) -> pd.DataFrame:
    parts = []
    for side, name in enumerate((BAD, ORDINARY)):
        lives = followed.of(side)
        at = points(lives, span, np.array(_MARKS), _POINTS)
        share, se = _band(lives, at)
        parts.append(
            pd.DataFrame(
                {
                    "term": name,
                    "tenure": at,
                    "estimate": share,
                    "conf_low": np.maximum(share - Z * se, 0.0),
                    "conf_high": np.minimum(share + Z * se, 1.0),
                    "p_value": np.nan,
                    "n": lives.at_risk(at),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _band(lives: Lifetimes, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give a curve and its standard error, contacts of one customer taken together."""
    curve = Curve(lives)
    summed = (np.bincount(lives.customer, curve.influence(t)) for t in at)
    return curve.share(at), np.sqrt([np.square(s).sum() for s in summed])


def _sentence(table: pd.DataFrame, meta: dict[str, Any]) -> str:
    rows = table[table["unit"] == "share"].set_index("term")
    row = rows.loc[f"after {meta['mark']:g} days"]
    mean = table[table["unit"] == "days"].iloc[0]
    text = (
        f"Of 100 customers, {100 * row['bad']:.1f} are still there {meta['mark']:g} days after "
        f"their first bad contact; of 100 like them whose contact went well, "
        f"{100 * row['ordinary']:.1f}. "
    )
    gap, low, high = (-100 * row[c] for c in ("estimate", "conf_high", "conf_low"))
    if low > 0 or high < 0:
        way = "fewer" if gap > 0 else "more"
        low, high = sorted((abs(low), abs(high)))
        days = abs(mean["estimate"])
        least, most = sorted(abs(mean[c]) for c in ("conf_low", "conf_high"))
        text += (
            f"That is {abs(gap):.1f} {way} (95% interval {low:.1f} to {high:.1f}); in the first "
            f"{mean['after']:g} days they stay {days:.0f} days {'less' if gap > 0 else 'more'} on "
            f"average"
        )
        if mean["conf_low"] * mean["conf_high"] > 0:
            text += f" ({least:.0f} to {most:.0f})"
        text += "."
    else:
        text += (
            f"The difference of {-gap:.1f} (95% interval {-high:.1f} to {-low:.1f}) is not more "
            "than chance makes."
        ).replace("-", MINUS)
    return text + _trap(rows, row)


def _trap(rows: pd.DataFrame, row: pd.Series) -> str:
    """Warn of the comparison that is easily made."""
    if "unmatched" not in rows.index:
        return ""
    naive = rows.loc["unmatched"]
    wrong = naive["conf_low"] > 0 and not row["conf_low"] > 0
    if not wrong:
        return ""
    return (
        f"\nTo compare those who ever met a bad contact with those who never did would say the "
        f"opposite: {100 * naive['bad']:.0f} of 100 against {100 * naive['ordinary']:.0f} are "
        f"there {naive['after']:g} days after their start. Whoever stays longer has more time to "
        "meet one."
    )
