"""How well risks were told: figures with intervals, all on days later than what was learnt."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

from cxlab.analyses.churn_risk.chosen import AS_CHOSEN, BASE, RULE, Chosen
from cxlab.analyses.churn_risk.study import Study
from cxlab.models.discrimination import auc, brier, calibration, captured, skill
from cxlab.models.intervals import holm
from cxlab.models.usefulness import calibration_curve, net_benefit

__all__ = ["LIFT_SHARES", "by_day", "curve", "decision", "differences", "league", "lift", "used"]

LIFT_SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
_ENDS = ["conf_low", "conf_high"]
_LEVEL = ("told", "came", "intercept", "intercept_low", "intercept_high")
# Thresholds from a share of the base rate up to the risks that few have, or twice the rate.
_LOW, _HIGH, _HIGHEST, _MOST, _STEPS = 0.3, 2.0, 0.99, 0.9, 25


def used(chosen: Chosen) -> str:
    """Name what is handed out: the model, recalibrated where it had to be."""
    return f"{chosen.name}, recalibrated" if chosen.recalibrated else chosen.name


def league(study: Study, chosen: Chosen) -> pd.DataFrame:
    """Judge each model."""
    names, seen = list(chosen.odds), chosen.seen(study)
    told = chosen.chances(names)
    areas, scores = auc(seen, told), brier(seen, told)
    table = areas.table()
    table.insert(0, "model", names)
    for name, figures in (
        ("brier", scores),
        ("skill", skill(seen, told, chosen.base)),
        ("captured", captured(seen, told, 0.1)),
    ):
        more = figures.table()
        table[name] = more["estimate"]
        table[[f"{name}_low", f"{name}_high"]] = more[_ENDS]
    best = names.index(chosen.best)
    gaps = scores.differences([(k, best) for k in range(len(names))])
    table["behind"], table["behind_se"] = gaps["estimate"], gaps["se"]
    right = calibration(seen, told).drop(columns=["intercept_se", "slope_se"])
    # A model that tells everybody the same has no slope.
    right.loc[np.array(names) == BASE, ["slope", "slope_low", "slope_high"]] = np.nan
    table["n"], table["leavers"] = seen.judged, seen.leavers
    table["used"] = [name == used(chosen) for name in names]
    return pd.concat([table, right], axis=1)


def differences(study: Study, chosen: Chosen) -> pd.DataFrame:
    """Hold what is used, and what would have been used, against base rate and rule, paired."""
    names, seen = list(chosen.odds), chosen.seen(study)
    told, place = chosen.chances(names), {name: i for i, name in enumerate(names)}
    mine = list(dict.fromkeys([used(chosen), AS_CHOSEN]))
    pairs = [(a, b) for a in mine for b in (BASE, RULE) if a != b]
    parts = []
    scores = brier(seen, told)
    for measure, figures in (("Brier", scores), ("AUC", auc(seen, told))):
        table = figures.differences([(place[a], place[b]) for a, b in pairs])
        table.insert(0, "measure", measure)
        table.insert(1, "model", [a for a, _ in pairs])
        table.insert(2, "against", [b for _, b in pairs])
        table["against_brier"] = [scores.estimate[place[b]] for _, b in pairs]
        parts.append(table)
    whole = pd.concat(parts, ignore_index=True).assign(n=seen.judged, leavers=seen.leavers)
    whole["p_holm"] = holm(whole["p_value"].to_numpy())
    return whole


def _chance(chosen: Chosen) -> np.ndarray:
    return np.asarray(special.expit(chosen.odds[used(chosen)]))


def curve(study: Study, chosen: Chosen) -> pd.DataFrame:
    """Hold told risks against what came, in tenths by what was told."""
    return calibration_curve(chosen.seen(study), _chance(chosen))


def lift(study: Study, chosen: Chosen) -> pd.DataFrame:
    """Tell what part of those who left was among the highest risks, and by how much more."""
    seen = chosen.seen(study)
    names = [used(chosen), RULE]
    told = chosen.chances(names)
    rows = []
    for share in LIFT_SHARES:
        table = captured(seen, told, share).table()
        table.insert(0, "model", names)
        table.insert(1, "share", share)
        for column in ("estimate", *_ENDS):
            table[column.replace("estimate", "lift").replace("conf", "lift")] = (
                table[column] / share
            )
        rows.append(table)
    whole = pd.concat(rows, ignore_index=True)
    return whole.drop_duplicates(["model", "share"]).assign(n=seen.judged, leavers=seen.leavers)


def decision(study: Study, chosen: Chosen) -> pd.DataFrame:
    """Give net benefit by threshold, of what is used and of the rule."""
    seen = chosen.seen(study)
    # Beyond the highest risks nobody is acted on, and there is nothing to be seen.
    told = float(np.quantile(_chance(chosen)[seen.rows], _HIGHEST))
    ends = _LOW * seen.rate, min(max(told, _HIGH * seen.rate), _MOST)
    thresholds = np.round(np.geomspace(*ends, _STEPS), 4)
    thresholds = np.unique(thresholds[thresholds > 0])
    parts = []
    for name in dict.fromkeys([used(chosen), RULE]):
        table = net_benefit(seen, special.expit(chosen.odds[name]), list(thresholds))
        # What becomes of a few who are acted on is theirs alone.
        few = table["reached"] * seen.judged < study.options.min_group
        table = table[~few | (table["reached"] == 0)]
        table.insert(0, "model", name)
        parts.append(table)
    return pd.concat(parts, ignore_index=True).assign(n=seen.judged, leavers=seen.leavers)


def by_day(study: Study, chosen: Chosen) -> pd.DataFrame:
    """Judge each day by itself: area, skill, and how many left for each who was told to."""
    seen, chance, rows = chosen.seen(study), _chance(chosen), []
    for place in chosen.judged:
        day = seen.where(seen.origin == place)
        few = day.leavers < study.options.min_group
        area = auc(day, chance).table().iloc[0]
        row = {"day": study.marks.date(int(place)), "n": day.judged, "leavers": day.leavers}
        row |= {c: np.nan if few else float(area[c]) for c in ("estimate", "se", *_ENDS)}
        right = calibration(day, chance).iloc[0]
        row |= {c: np.nan if few else float(right[c]) for c in _LEVEL}
        gain = skill(day, chance, chosen.base).table().iloc[0]
        row |= {
            f"skill{end}": np.nan if few else float(gain[c])
            for end, c in (("", "estimate"), ("_low", "conf_low"), ("_high", "conf_high"))
        }
        rows.append(row)
    return pd.DataFrame(rows)
