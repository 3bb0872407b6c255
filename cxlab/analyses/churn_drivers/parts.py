"""What stands beside the driver table: effect by age, what was held equal, checks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.analyses.churn_drivers.figures import window_of
from cxlab.analyses.churn_drivers.study import (
    MAIN,
    RECENT_DAYS,
    REFERENCE_HALF_LIFE,
    VOLUME_DAYS,
    Model,
    Place,
    Study,
    hold,
)
from cxlab.data.contract import Inactivity
from cxlab.frames.exposures import Kernel
from cxlab.frames.periods import EPOCH
from cxlab.models import contrast, intervals
from cxlab.models.half_life import HALF_LIVES
from cxlab.results import MINUS, Check, Result, counted

__all__ = [
    "adjusted_for",
    "apart_by_age",
    "by_age",
    "checks",
    "fading",
    "half_life",
    "leading_places",
    "meta",
    "without_proneness",
    "worth",
]

_AGE_BINS = (0.0, 7.0, 14.0, 28.0, 56.0, 112.0)
_MOST_DRAWN = 5
_STALE_DAYS = 7
_LARGEST = 10.0
_BY_AGE = ["touchpoint", "valence", "age_low", "age_high", "estimate", "se", "curve"]


def by_age(
    study: Study, model: Model, drivers: pd.DataFrame, split: contrast.AgeSplit | None
) -> Result:
    """Fit the leading drivers' contacts apart by their age, without decay.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    drivers : pandas.DataFrame
        The driver table.
    split : AgeSplit or None
        Of the would-be drivers.
    """
    places = leading_places(study, model, drivers)
    bins = _bins(study)
    if study.options.quick or not places or not bins or model.main is None:
        text = "There is no driver to show."
        if study.options.quick:
            text = fading(model, split)
        elif not bins:
            text = f"The washout leaves out all contacts of the first {_AGE_BINS[-1]:.0f} days."
        return Result("by_age", pd.DataFrame(columns=_BY_AGE), sentence=text)
    table, _ = apart_by_age(study, model, places)
    return Result("by_age", table, sentence=fading(model, split))


def _bins(study: Study) -> list[tuple[float, float]]:
    """Give the ages that the washout leaves, as spans of days."""
    washout = float(study.options.washout_days)
    return list(pairwise([washout, *[e for e in _AGE_BINS if e > washout]]))


def apart_by_age(
    study: Study, model: Model, places: Sequence[Place], start: np.ndarray | None = None
) -> tuple[pd.DataFrame, np.ndarray]:
    """Fit contrasts apart by the age of their contacts, all others as in the model.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    places : sequence of (class, touchpoint)
        The contrasts, all of one of the model's fits.
    start : ndarray, optional
        Where to start from, as this gave it for the same places at another half-life.

    Returns
    -------
    pandas.DataFrame
        A row a contrast and span of ages; none where the washout leaves no span.
    ndarray
        All coefficients.
    """
    names, bins = study.known.touchpoints, _bins(study)
    main = model.of(places[0])
    if main is None or not bins:
        return pd.DataFrame(columns=_BY_AGE), np.zeros(0)
    kernels = {f"{low:g}": Kernel(low=low, high=high) for low, high in bins}
    measured = study.measure(kernels, study.sample.rows, float(study.options.washout_days))
    order = [*places, *dict.fromkeys(("all", k) for _, k in places)]
    rest = [p for p in main.coef if p not in order]
    decayed = study.sums(model.measured, "decay")
    parted = [measured[k, kind][:, t] for kind, t in order for k in kernels]
    whole = [decayed[kind][:, t] for kind, t in rest]
    start = main.controls if start is None else start
    fitted = model.rows.fit(np.column_stack([*parted, *whole]), start)
    coef, se = fitted.exposure_coef, fitted.exposure_se
    found = []
    for i, place in enumerate(places):
        for j, (low, high) in enumerate(bins):
            at = i * len(bins) + j
            curve = main.coef[place] * _mean_decay(low, high, model.days[place[1]])
            found.append((names[place[1]], place[0], low, high, coef[at], se[at], curve))
    table = pd.DataFrame(found, columns=_BY_AGE)
    table = table.assign(**intervals.hazard_ratios(table["estimate"], table["se"]))
    table["curve"] = np.exp(table["curve"])
    return table, fitted.coef


def leading_places(study: Study, model: Model, drivers: pd.DataFrame) -> list[Place]:
    """Give the leading drivers' columns in the model of all that do not follow the decision.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    drivers : pandas.DataFrame
        The driver table.
    """
    leading = drivers[drivers["verdict"] == "driver"].head(_MOST_DRAWN)
    names = list(study.known.touchpoints)
    places = [
        (v, names.index(t)) for t, v in zip(leading["touchpoint"], leading["valence"], strict=True)
    ]
    return [p for p in places if model.home(p) == MAIN]


def fading(model: Model, split: contrast.AgeSplit | None) -> str:
    """Say how fast effects fade, and whether older contacts still tell.

    Parameters
    ----------
    model : Model
        What was fitted.
    split : AgeSplit or None
        Of the would-be drivers.
    """
    half_life, which = model.half_life, "all others" if model.own else "every effect"
    text = f"The model gives {which} a half-life of {half_life.days:.0f} days"
    if half_life.chosen:
        text += f" (95% interval {half_life.conf_low:.0f} to {half_life.conf_high:.0f})"
    if split is None or not np.isfinite(split.pooled).all():
        return text + "."
    now, old, z = split.pooled
    return (
        f"{text}. Fitted apart and pooled over the would-be drivers, a contact older than "
        f"{RECENT_DAYS:.0f} days tells {old / now:.2f} times what a recent one does, fading with a "
        f"half-life of {REFERENCE_HALF_LIFE:.0f} days allowed for (z = {z:.1f}); less than half "
        "would look as if the decision to leave had come first."
    )


def _mean_decay(low: float, high: float, half_life: float) -> float:
    """Give the mean of the decay over an interval of ages."""
    rate = np.log(2) / half_life
    return float((np.exp(-rate * low) - np.exp(-rate * high)) / (rate * (high - low)))


def adjusted_for(study: Study) -> Result:
    """List what was held equal, and what could not be and why.

    Parameters
    ----------
    study : Study
        What was measured.
    """
    rows = [(text, "adjusted for") for text in study.adjusted.included]
    text = f"contacts of the last {RECENT_DAYS:g} and {VOLUME_DAYS:g} days, and in the long run"
    rows.append((text, "adjusted for"))
    if "bad" in study.classes:
        rows.append(("the customer's past share of bad contacts, beyond expected", "adjusted for"))
    rows += [(text, "left out") for text in study.adjusted.left_out]
    return Result("adjusted_for", pd.DataFrame(rows, columns=["what", "how"]))


def without_proneness(study: Study, model: Model, drivers: pd.DataFrame) -> Result:
    """Show the contrasts with and without the customer's past share of bad contacts.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    drivers : pandas.DataFrame
        The driver table; what it leaves empty is not shown.
    """
    rows = []
    held, main = hold(study, model.separated), model.main
    if main is not None and held.rows is not held.active:
        fewer = held.active.controls.shape[1]
        start = np.concatenate([main.whole[:fewer], main.whole[len(main.controls) :]])
        decayed = study.sums(model.measured, "decay")
        x, prior = contrast.stack(decayed, held.places), contrast.precision_of(held.places)
        coef = held.active.fit(x, start, prior).exposure_coef
        bare = dict(zip(held.places, coef, strict=True))
        for (kind, k), b in main.coef.items():
            if kind in ("bad", "good"):
                without = bare[kind, k]
                name = study.known.touchpoints[k]
                rows.append((name, kind, b, without))
    kept = drivers[drivers["hazard_ratio"].notna()]
    shown = set(zip(kept["touchpoint"], kept["valence"], strict=True))
    rows = [(*r[:2], *np.exp(r[2:])) for r in rows if r[:2] in shown]
    columns = ["touchpoint", "valence", "hazard_ratio", "without_proneness"]
    text = "" if rows else "There is no contrast with a figure to compare."
    return Result("without_proneness", pd.DataFrame(rows, columns=columns), sentence=text)


def checks(study: Study, model: Model, table: pd.DataFrame) -> tuple[Check, ...]:
    """Give the checks that travel with the result.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        The driver table.
    """
    events = study.risk.events
    used = model.main.columns if model.main is not None else study.plain.controls.shape[1]
    followers = _followers(study, model)
    made = [
        Check(
            "events per coefficient",
            events / used >= 10,
            f"{counted(events, 'churn')} for {counted(used, 'coefficient')} "
            f"({events / used:.1f} each; 10 are wanted)",
        ),
        *_data_checks(study, table),
        Check("rows", None, _rows(study, model)),
        Check(
            "touchpoints that follow the decision to leave",
            None,
            f"kept out of the others' model: {', '.join(followers)}" if followers else "none found",
        ),
        _fresh(study),
        _bad_contact(study, table),
    ]
    h = model.half_life
    if h.chosen:
        ends = (HALF_LIVES[0], HALF_LIVES[-1])
        inside = ends[0] * 1.001 < h.conf_low and h.conf_high < ends[1] * 0.999
        made.append(
            Check(
                "half-life",
                inside,
                f"{h.days:.0f} days (95% interval {h.conf_low:.0f} to {h.conf_high:.0f}), by "
                f"profile likelihood{'' if inside else '; it reaches the end of the grid'}"
                + "".join(f"; {text}" for text in own_half_lives(study, model)),
            )
        )
    else:
        why = "given" if study.options.half_life_days else "assumed: there is no contrast"
        made.append(Check("half-life", None, f"{h.days:g} days, {why}"))
    suspected = (table["verdict"] == "reverse causation suspected") & (
        table["valence"] != "contact"
    )
    made.append(
        Check(
            "reverse causation",
            not suspected.any(),
            f"{counted(int(suspected.sum()), 'contrast')} of failed or good contacts "
            f"{'looks' if suspected.sum() == 1 else 'look'} as if the decision to leave came first",
        )
    )
    return tuple(made)


def half_life(study: Study, model: Model) -> Result:
    """Give the profile that chose the half-life; empty where it was not chosen.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    """
    profile = model.half_life.profile
    text = ""
    if profile.empty:
        why = "given" if study.options.half_life_days else "assumed: no contrast can choose it"
        text = f"A half-life of {model.half_life.days:g} days is {why}."
    return Result("half_life", profile, sentence=text)


def own_half_lives(study: Study, model: Model) -> list[str]:
    """Say which touchpoints' effects fade at a pace of their own, one text each."""
    return [
        f"{study.known.touchpoints[k]} has its own: {h.days:.0f} days ({h.conf_low:.0f} to "
        f"{h.conf_high:.0f})"
        for k, h in model.own.items()
    ]


def _rows(study: Study, model: Model) -> str:
    """Say what was drawn, and what drawing costs in precision."""
    text = f"{study.sample.text}; link {study.sample.link}"
    cost = None if model.main is None else model.main.sampling_cost
    if cost is None:
        return text
    usual, most = (f"{share - 1:.0%}" for share in cost)
    return f"{text}; intervals are about {usual} wider than with all rows (at most {most})"


def _data_checks(study: Study, table: pd.DataFrame) -> list[Check]:
    """Check what would make figures empty, thin or hard to believe; silent where all is well."""
    made = []
    calm = int((study.plain.event == 0).sum())
    if calm < 5 * study.risk.events:
        text = f"{counted(study.risk.events, 'churn')} beside {counted(calm, 'row')} in which "
        text += "nobody left"
        if study.risk.renewals is not None:
            text += "; renews_at must name past renewals too, or renewal_days be given instead"
        made.append(Check("rows at risk", False, text))
    gone = study.sample.rows[study.plain.event == 1]
    if "monthly_value" in gone and (share := float(gone["monthly_value"].isna().mean())):
        text = f"missing for {share:.0%} of those who left"
        text += "; they count as the others' mean" if share < 1 else ": no value at risk"
        made.append(Check("monthly_value", share < 0.2, text))
    large = table[(table["verdict"] == "driver") & (table["hazard_ratio"] > _LARGEST)]
    if len(large):
        text = (
            f"{', '.join(large['touchpoint'])}: more than {_LARGEST:.0f} times the hazard. Does "
            "the contact turn out badly because the customer has decided to leave?"
        )
        made.append(Check("size of effects", False, text))
    return made


def _followers(study: Study, model: Model) -> list[str]:
    """Name the touchpoints whose contacts follow the decision to leave."""
    return [t for t, s in zip(study.known.touchpoints, model.separated, strict=True) if s]


def _bad_contact(study: Study, table: pd.DataFrame) -> Check:
    """Say what makes a contact bad, and fail where none is, or a rule has no column to go by."""
    text = f"a contact is bad where {study.known.text}"
    if "unknown" in study.classes:
        text += "; contacts of which that is not known are kept apart"
    bad = table[table["valence"] == "bad"]
    if len(bad) and not bad["exposures"].any():
        text += "; not one is, so that no driver can be found"
        return Check("bad contact", False, text)
    if not study.known.unmet:
        return Check("bad contact", None, text)
    return Check("bad contact", False, f"{text}; dataset.yml: bad: {'; '.join(study.known.unmet)}")


def _fresh(study: Study) -> Check:
    """Check that the feed reaches the day it is said to."""
    newest = study.known.frame.select(nw.col("at").max()).collect(backend="pandas").item()
    day = (EPOCH + dt.timedelta(days=newest)).date()
    behind = (study.dataset.as_of - day).days
    text = f"the newest contact is of {day}, {behind} days before {study.dataset.as_of}"
    return Check("feed", behind <= _STALE_DAYS, text)


def meta(study: Study, model: Model) -> dict[str, Any]:
    """Tell the scale, the data, the period and the settings.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    """
    dataset, options = study.dataset, study.options
    start = study.window_start
    silent = isinstance(study.risk.dataset.settings.churn, Inactivity)
    return {
        **dataset.about(),
        "form": dataset.form,
        "period": [_day(study.risk.begin), dataset.day],
        "scale": "log hazard ratio",
        "level": intervals.LEVEL,
        "customers": study.risk.customers,
        "churns": study.risk.events,
        "competing": study.risk.competing,
        "person_periods": study.risk.person_periods,
        "window_start": _day(start),
        "window_days": round(study.risk.end - start),
        "window_churns": len(window_of(study).rows),
        "washout_days": options.washout_days,
        "period_days": options.period_days,
        # Where churn is silence the last contact dates it: that contacts come before says nothing.
        "followers": [] if silent else _followers(study, model),
        "half_life_days": model.half_life.days,
        "half_life_low": model.half_life.conf_low,
        "half_life_high": model.half_life.conf_high,
        "own_half_lives": {
            study.known.touchpoints[k]: [h.days, h.conf_low, h.conf_high]
            for k, h in model.own.items()
        },
        "sample": study.sample.text,
        "seed": options.seed,
    }


def _day(days: float) -> str:
    """Give days since 1970 as a date."""
    return (EPOCH + dt.timedelta(days=days)).date().isoformat()


def worth(drivers: pd.DataFrame, currency: str | None) -> Result:
    """Give customers and money of the drivers in words, for reading; the figures are in the table.

    Parameters
    ----------
    drivers : pandas.DataFrame
        The driver table.
    currency : str or None
        Of the value at risk.
    """
    told = drivers[drivers["verdict"].isin(["driver", "protective"])]
    table = pd.DataFrame(
        {
            "touchpoint": told["touchpoint"],
            "verdict": told["verdict"],
            "customers lost (95%)": _with_interval(told, "attributable_churn"),
            "share of churn": [f"{v:.1%}" for v in told["attributable_share"]],
        }
    )
    if told["value_at_risk"].notna().any():
        unit = f"{currency} a month (95%)" if currency else "value a month (95%)"
        table[unit] = _with_interval(told, "value_at_risk")
    if told["top3_probability"].notna().any():
        odds = told["top3_probability"]
        table["odds of being among the three that cost most"] = [
            f"{v:.0%}" if v == v else "not ranked" for v in odds
        ]
    text = "" if len(table) else "Nothing is called a driver or protective: nobody is counted."
    return Result("worth", table.reset_index(drop=True), sentence=text)


def _with_interval(table: pd.DataFrame, name: str) -> list[str]:
    columns = (table[name], table[f"{name}_low"], table[f"{name}_high"])
    # Added to 0, what rounds to minus nothing is nothing.
    rounded = (column.round() + 0.0 for column in columns)
    told = (f"{v:,.0f} ({low:,.0f} to {high:,.0f})" for v, low, high in zip(*rounded, strict=True))
    return [text.replace("-", MINUS) for text in told]
