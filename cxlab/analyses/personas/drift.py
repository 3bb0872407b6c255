"""Whether personas hold: shares then and now, how far customers are, who has moved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.personas.forming import Study, too_small
from cxlab.analyses.personas.rule import NONE, UNLIKE
from cxlab.models.clusters import agreement, stability_index
from cxlab.models.intervals import Z, holm, share_difference, wald_p, wilson
from cxlab.models.verdicts import ALPHA
from cxlab.results import Check, Result, listed

__all__ = ["drift"]

_LITTLE, _MUCH = 0.1, 0.25
_SAME = 0.8


def drift(study: Study) -> Result:
    """Hold the newest window against the one that the rule was formed on.

    Parameters
    ----------
    study : Study
        With personas.

    Returns
    -------
    Result
        A row a persona, and those of none: ``term, then, then_low, then_high, estimate`` (share
        now), its interval, ``change``, its interval, ``p_value, p_holm, n``. Its ``meta`` has the
        population stability ``index``, the mean ``distance`` then and now with its interval and
        p-value, ``moved`` (share of those seen in both windows of this run who are of another
        persona in the newest one, with its interval) and ``fresh`` (adjusted Rand index of what
        would be formed anew; None where nothing would).
    """
    assert study.rule is not None
    rule = study.rule
    then = rule.counts
    seen = study.label_now >= UNLIKE
    now = np.array([int((study.label_now == k).sum()) for k in (*range(len(rule.names)), UNLIKE)])
    rows = []
    for k, name in enumerate((*rule.names, NONE)):
        a, b = int(then[k]), int(now[k])
        shares = (*wilson(a, int(then.sum())), *wilson(b, int(now.sum())))
        change = share_difference(b, int(now.sum()), a, int(then.sum()))
        rows.append((name, *shares, *change, _p(b, int(now.sum()), a, int(then.sum())), b))
    columns = ["term", "then", "then_low", "then_high", "estimate", "conf_low", "conf_high",
               "change", "change_low", "change_high", "p_value", "n"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    table["p_holm"] = holm(table["p_value"].to_numpy(float))
    small = too_small(np.column_stack([then, now]), study.options.min_group)
    small |= np.isin([*range(len(rule.names)), UNLIKE], list(study.withheld))
    figures = [c for c in columns if c != "term"] + ["p_holm"]
    table[figures] = table[figures].astype(float)
    table.loc[small, figures] = np.nan
    meta = {
        "index": stability_index(then, now),
        "formed": [rule.formed_from, rule.formed_to],
        "now": int(seen.sum()),
        **_distance(study),
        **_moved(study),
        "fresh": _fresh(study),
        "kept": study.kept is not None,
    }
    checks = (Check("would personas be found anew", *_anew(study, meta)),)
    return Result("drift", table, checks, meta, _sentence(table, meta))


def _p(count: int, total: int, other: int, other_total: int) -> float:
    """Test whether two shares are the same (score test of two binomials)."""
    if not min(total, other_total):
        return np.nan
    whole = (count + other) / (total + other_total)
    se = float(np.sqrt(whole * (1 - whole) * (1 / total + 1 / other_total)))
    if not se > 0:
        return np.nan
    return float(wald_p(np.array(count / total - other / other_total), np.array(se)))


def _distance(study: Study) -> dict[str, Any]:
    rule = study.rule
    assert rule is not None
    far = study.distance_now[np.isfinite(study.distance_now)]
    if len(far) < 2:
        return {"distance": [rule.distance, np.nan], "distance_p": np.nan}
    n = max(int(rule.counts.sum()), 1)
    se = float(far.std(ddof=1) / np.sqrt(len(far)))
    error = float(np.hypot(se, rule.distance_sd / np.sqrt(n)))
    mean = float(far.mean())
    p = float(wald_p(np.array(mean - rule.distance), np.array(error))) if error > 0 else np.nan
    return {"distance": [rule.distance, mean], "distance_low": mean - Z * se,
            "distance_high": mean + Z * se, "distance_p": p}  # fmt: skip


def _moved(study: Study) -> dict[str, Any]:
    """Tell who of those seen in both windows is of another persona in the newest one."""
    then = pd.Series(study.label, index=study.then.customers["spell"])
    now = pd.Series(study.label_now, index=study.now.customers["spell"])
    both = pd.concat([then.rename("then"), now.rename("now")], axis=1, join="inner")
    both = both[(both["then"] >= 0) & (both["now"] >= 0)]
    if len(both) < study.options.min_group:
        return {"moved": None, "followed": len(both)}
    moved = wilson(int((both["then"] != both["now"]).sum()), len(both))
    lasting = agreement(both["then"].to_numpy(), both["now"].to_numpy())
    return {"moved": list(moved), "followed": len(both), "lasting": lasting,
            "overlap": bool(study.now.start < study.then.end)}  # fmt: skip


def _fresh(study: Study) -> float | None:
    """Tell how alike personas formed anew would be, for customers who are of one by the rule."""
    if not len(study.found):
        return None
    label = study.label[study.enough]
    inside = label >= 0
    return agreement(label[inside], study.found.label[inside]) if inside.any() else None


def _anew(study: Study, meta: dict[str, Any]) -> tuple[bool | None, str]:
    if study.kept is None:
        return None, "these personas are new: a later run will tell whether they hold"
    fresh = meta["fresh"]
    if fresh is None:
        return False, "looked for anew, no personas would be found"
    text = (
        f"looked for anew, {len(study.found)} personas would be found, where the rule has "
        f"{len(study.names)}; adjusted Rand index {fresh:.2f} (1: the same customers together, "
        "0: as by chance)"
    )
    return fresh >= _SAME, text


def _sentence(table: pd.DataFrame, meta: dict[str, Any]) -> str:
    index = meta["index"]
    size = "little" if index < _LITTLE else "some" if index <= _MUCH else "much"
    clear = table[table["p_holm"] < ALPHA]
    since = f"since {meta['formed'][0]} to {meta['formed'][1]}"
    if not meta["now"]:
        text = f"How shares have changed {since} cannot be told: nobody is seen now"
    elif clear.empty:
        text = f"Shares have not changed beyond chance {since}"
    else:
        told = [f"“{r.term}” {r.then:.0%} then, {r.estimate:.0%} now" for r in clear.itertuples()]
        text = f"Shares have changed beyond chance {since}: {listed(told, 4)}"
    text += (
        f" (population stability index {index:.2f}: {size} has moved). " if meta["now"] else ". "
    )
    if meta["distance_p"] < ALPHA and meta["distance"][1] > meta["distance"][0]:
        text += (
            "Customers are farther from their personas than they were: the personas describe them "
            "less well. "
        )
    if meta["moved"]:
        share, low, high = meta["moved"]
        text += (
            f"Of {meta['followed']:,} customers seen in both windows of this run, {share:.0%} "
            f"({low:.0%} to {high:.0%}) are of another persona in the newest one."
        )
    return f"{text.strip()}{_found_anew(meta) if meta['kept'] else ''}"


def _found_anew(meta: dict[str, Any]) -> str:
    fresh = meta["fresh"]
    if fresh is None:
        return " Looked for anew, no personas would be found."
    which = "the same" if fresh >= _SAME else "other"
    return f" Looked for anew, {which} personas would be found (adjusted Rand index {fresh:.2f})."
