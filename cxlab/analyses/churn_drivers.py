"""Which touchpoints drive customers away, how sure are we, and what is it worth?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.errors import AnalysisError, UsageError
from cxlab.frames.adjustment import Adjustment, adjustment, proneness, volume
from cxlab.frames.exposures import Contacts, Kernel, Measured, contact_counts, contacts, measure
from cxlab.frames.periods import RiskSet, risk_set
from cxlab.frames.sampling import Sample, draw, event_rows
from cxlab.models import contrast, effects, intervals, verdicts
from cxlab.models.hazard import independent_columns
from cxlab.results import Check, Finding, Findings, Result

__all__ = ["COLUMNS", "findings", "run"]

COLUMNS = (
    "rank touchpoint valence hazard_ratio conf_low conf_high p_value q_value exposed_customers "
    "exposures attributable_churn attributable_churn_low attributable_churn_high "
    "attributable_share value_at_risk value_at_risk_low value_at_risk_high top3_probability "
    "verdict why"
).split()

_RECENT_DAYS = 14.0
_VOLUME_DAYS = 90.0
# The separation step comes before the half-life is known; any middle value will do.
_REFERENCE_HALF_LIFE = 28.0
_AGE_BINS = (0.0, 7.0, 14.0, 28.0, 56.0, 112.0)
_MOST_DRAWN = 5
_ALPHA = 0.05

Place = tuple[str, int]


@dataclass(frozen=True)
class Options:
    """Settings of the driver model.

    Parameters
    ----------
    window_days : int
        The window before ``as_of`` in which attributable churn is counted.
    washout_days : int
        Contacts in the last days before a period that are left out of the estimate.
    half_life_days : float or None
        Half-life of a contact's effect; None lets the data choose.
    sample : str or int
        See :func:`cxlab.frames.sampling.draw`.
    period_days : int
        Length of a person-period, 1 or 7.
    seed : int
        Of the sample.
    """

    window_days: int = 90
    washout_days: int = 3
    half_life_days: float | None = None
    sample: str | int = "auto"
    period_days: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that cannot be."""
        for name, low, high in (
            ("window_days", 7, 730),
            ("washout_days", 0, 365),
            ("period_days", 1, 7),
        ):
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"{name} is {getattr(self, name)}; allowed: {low} to {high}")
        if self.half_life_days is not None and not 1 <= self.half_life_days <= 365:
            raise UsageError(
                f"half_life_days is {self.half_life_days:g}; allowed: auto, or 1 to 365"
            )


@dataclass(frozen=True)
class _Study:
    """Everything measured before the model is fitted."""

    dataset: Dataset
    options: Options
    risk: RiskSet
    sample: Sample
    known: Contacts
    adjusted: Adjustment
    grid: Measured
    half_lives: tuple[float, ...]
    plain: contrast.Rows

    @property
    def classes(self) -> tuple[str, ...]:
        return ("all", *self.known.classes)

    def sums(self, measured: Measured, kernel: str) -> dict[str, np.ndarray]:
        return {c: measured[kernel, c] for c in self.classes}

    def measure(
        self, kernels: dict[str, Kernel], rows: pd.DataFrame, washout: float
    ) -> Measured:
        return measure(self.dataset, self.known, rows, kernels, washout)


@dataclass(frozen=True)
class _Model:
    """The fitted model of the others, and each separated touchpoint's own."""

    half_life: contrast.HalfLife
    separated: np.ndarray
    rows: contrast.Rows
    main: contrast.Contrasts | None
    own: dict[int, contrast.Contrasts]
    bare: contrast.Contrasts | None
    measured: Measured

    def of(self, place: Place) -> contrast.Contrasts | None:
        """Give the model that holds a contrast, or None where none does."""
        model = self.own.get(place[1], self.main)
        return model if model is not None and place in model.coef else None


def run(dataset: Dataset, **options: Any) -> Result:
    """Estimate what bad contacts at each touchpoint do to the hazard of leaving.

    Parameters
    ----------
    dataset : Dataset
        In the spell form, with ``interactions``.
    **options
        See :class:`Options`.

    Returns
    -------
    Result
        One row a touchpoint and valence, with the columns of ``drivers.csv`` and ``term,
        estimate, n``. Parts: ``by_age`` (hazard ratio by time since the contact),
        ``half_life`` (profile), ``adjusted_for``, ``without_proneness``.

    Raises
    ------
    UsageError
        An option is out of its bounds.
    AnalysisError
        A needed table is missing, or nobody left of their own will.
    """
    settings = Options(**options)
    dataset.require("customers", "interactions")
    study = _prepare(dataset, settings)
    model = _fit(study)
    table = _table(study, model)
    return Result(
        name="churn_drivers",
        table=table,
        checks=_checks(study, model, table),
        meta=_meta(study, model),
        sentence=_sentence(table, settings.window_days),
        parts={
            "by_age": _by_age(study, model, table),
            "half_life": Result("half_life", model.half_life.profile),
            "adjusted_for": _adjusted_for(study),
            "without_proneness": _without_proneness(study, model),
        },
    )


def _prepare(dataset: Dataset, options: Options) -> _Study:
    risk = risk_set(dataset, options.period_days)
    sample = draw(risk, options.sample, options.seed)
    known = contacts(dataset)
    adjusted = adjustment(risk, sample.rows, dataset.attributes)
    if options.half_life_days is None:
        half_lives = contrast.HALF_LIVES
    else:
        half_lives = (float(options.half_life_days),)
    kernels = {f"decay_{h:g}": Kernel(h) for h in half_lives}
    kernels |= {
        "recent": Kernel(_REFERENCE_HALF_LIFE, high=_RECENT_DAYS),
        "older": Kernel(_REFERENCE_HALF_LIFE, low=_RECENT_DAYS),
        "trailing": Kernel(high=_VOLUME_DAYS),
        "ever": Kernel(),
    }
    grid = measure(dataset, known, sample.rows, kernels, options.washout_days)
    customers = sample.rows["customer_id"].to_numpy()
    controls = adjusted.matrix[:, independent_columns(adjusted.matrix)]
    plain = contrast.Rows(
        event=sample.rows["event"].to_numpy(),
        controls=controls,
        clusters=np.unique(customers, return_inverse=True)[1],
        offset=sample.offset,
        link=sample.link,
    )
    return _Study(dataset, options, risk, sample, known, adjusted, grid, half_lives, plain)


def _stages(dataset: Dataset) -> dict[str, str]:
    if "stage" not in dataset.columns("touchpoints"):
        return {}
    frame = dataset.table("touchpoints").select("touchpoint", "stage").collect(backend="pandas")
    return {t: s for t, s in frame.rows() if s is not None}


def _exit_touchpoints(study: _Study) -> np.ndarray:
    stages = _stages(study.dataset)
    return np.array([stages.get(t, "").lower() == "exit" for t in study.known.touchpoints])


def _fit(study: _Study) -> _Model:
    grid, event = study.grid, study.plain.event
    separated = contrast.follows_decision(study.plain, grid["recent", "all"], grid["older", "all"])
    separated |= _exit_touchpoints(study)
    others = ~separated
    active = study.plain.with_controls(volume(grid["trailing", "all"][:, others]))
    rows = active
    if "bad" in study.classes:
        luck = proneness(grid["ever", "bad"][:, others], grid["ever", "all"][:, others], event == 0)
        rows = active.with_controls(luck)
    sums = {h: study.sums(grid, f"decay_{h:g}") for h in study.half_lives}
    middle = sums[min(study.half_lives, key=lambda h: abs(h - _REFERENCE_HALF_LIFE))]
    places = contrast.choose_places(middle, event, others)
    half_life = _half_life(study, rows, sums, places)
    h = half_life.days
    kernels = {
        "decay": Kernel(h),
        "slope": Kernel(h, slope=True),
        "recent": Kernel(h, high=_RECENT_DAYS),
        "old": Kernel(h, low=_RECENT_DAYS),
    }
    measured = study.measure(kernels, study.sample.rows, study.options.washout_days)
    decayed = study.sums(measured, "decay")
    slopes = study.sums(measured, "slope") if half_life.chosen else None
    main = contrast.fit_contrasts(rows, decayed, places, slopes) if places else None
    bare = contrast.fit_contrasts(active, decayed, places, slopes) if places else None
    own = {}
    for k in np.flatnonzero(separated):
        alone = np.arange(len(separated)) == k
        mine = contrast.choose_places(decayed, event, alone)
        if mine:
            own[int(k)] = contrast.fit_contrasts(rows, decayed, [*places, *mine], slopes)
    return _Model(half_life, separated, rows, main, own, bare, measured)


def _half_life(
    study: _Study,
    rows: contrast.Rows,
    sums: dict[float, dict[str, np.ndarray]],
    places: Sequence[Place],
) -> contrast.HalfLife:
    if study.options.half_life_days is None and places:
        return contrast.profile_half_life(rows, sums, places)
    given = study.options.half_life_days or _REFERENCE_HALF_LIFE
    empty = pd.DataFrame({"half_life": [], "log_likelihood": []})
    return contrast.HalfLife(float(given), np.nan, np.nan, empty, chosen=False)


def _table(study: _Study, model: _Model) -> pd.DataFrame:
    """Put figures and verdicts together, one row a touchpoint and valence."""
    names = study.known.touchpoints
    counts = contact_counts(study.known, _at_risk(study))
    counts = counts.set_index(["touchpoint", "class"])
    valences = [v for v in ("bad", "good") if v in study.classes] + ["contact"]
    rows = []
    for valence in valences:
        places = [("all" if valence == "contact" else valence, k) for k in range(len(names))]
        coef, se = (np.array(a) for a in zip(*[_estimate(model, p) for p in places], strict=True))
        p_value = intervals.wald_p(coef, se)
        q_value = intervals.benjamini_hochberg(p_value)
        for place, b, s, p, q in zip(places, coef, se, p_value, q_value, strict=True):
            key = (names[place[1]], valence)
            met = counts.loc[key] if key in counts.index else {"exposures": 0, "customers": 0}
            rows.append(
                {
                    "touchpoint": key[0],
                    "valence": valence,
                    "place": place,
                    "coef": b,
                    "se": s,
                    "p_value": p,
                    "q_value": q,
                    "exposed_customers": int(met["customers"]),
                    "exposures": int(met["exposures"]),
                }
            )
    table = pd.DataFrame(rows)
    table = _judge(study, model, table)
    table = _attribute(study, model, table)
    return _finish(table)


def _at_risk(study: _Study) -> nw.LazyFrame[Any]:
    return study.dataset.attach(study.risk.spells[["customer_id"]])


def _estimate(model: _Model, place: Place) -> tuple[float, float]:
    fitted = model.of(place)
    return (fitted.coef[place], fitted.se[place]) if fitted else (np.nan, np.nan)


def _judge(study: _Study, model: _Model, table: pd.DataFrame) -> pd.DataFrame:
    exits = _exit_touchpoints(study)
    splits = _splits(study, model, table)
    main = splits.get(-1)
    words = []
    for row in table.itertuples():
        k = row.place[1]
        split = splits.get(k if k in model.own else -1)
        evidence = verdicts.Evidence(
            kind=row.valence,
            customers=row.exposed_customers,
            modelled=model.of(row.place) is not None,
            coef=row.coef,
            se=row.se,
            q=row.q_value,
            exit_stage=bool(exits[k]),
            follows_decision=bool(model.separated[k]),
            recent_only=split is not None and row.place in split.recent and split.recent_only(row.place),
            pooled_recent_only=main is not None and main.pooled_recent_only,
            alpha=_ALPHA,
        )
        words.append(verdicts.judge(evidence))
    return table.assign(verdict=[v for v, _ in words], why=[w for _, w in words])


def _splits(study: _Study, model: _Model, table: pd.DataFrame) -> dict[int, contrast.AgeSplit]:
    """Fit would-be drivers apart by age: those of the main model, and each separated one."""
    told = table[(table["q_value"] < _ALPHA) & (table["valence"] != "contact")]
    recent, old = study.sums(model.measured, "recent"), study.sums(model.measured, "old")
    splits = {}
    main = [p for p in told["place"] if p[1] not in model.own]
    if main and model.main is not None:
        splits[-1] = contrast.split_by_age(model.rows, model.main, recent, old, main)
    for k, fitted in model.own.items():
        if mine := [p for p in told["place"] if p[1] == k]:
            splits[k] = contrast.split_by_age(model.rows, fitted, recent, old, mine)
    return splits


def _attribute(study: _Study, model: _Model, table: pd.DataFrame) -> pd.DataFrame:
    """Add attributable churn, its share and the value at risk, with intervals."""
    spells, options = study.risk.spells, study.options
    start = study.risk.end - options.window_days
    inside = spells["event"] & (spells["event_at"] >= start) & (spells["started"] < start)
    inside &= study.risk.start_of(spells["first"].to_numpy()) <= start
    chosen = np.flatnonzero(inside.to_numpy())
    rows = event_rows(study.risk, chosen)
    h = model.half_life.days
    # The effect is there from the contact on, so the washout does not hold here.
    measured = study.measure({"decay": Kernel(h), "slope": Kernel(h, slope=True)}, rows, 0.0)
    cases = study.sample.rows.loc[study.sample.rows["event"] == 1, "spell"]
    position = pd.Series(cases.index, index=cases.to_numpy()).loc[chosen].to_numpy()
    value = spells["monthly_value"].to_numpy(float) if "monthly_value" in spells else None
    figures = []
    for row in table.itertuples():
        fitted = model.of(row.place)
        empty = row.verdict in ("too little data", "not separable", "reverse causation suspected")
        if fitted is None or empty or row.valence == "contact" or not len(chosen):
            figures.append({})
            continue
        part = _exposure_part(fitted, study.sums(measured, "decay"))
        window = effects.ChurnWindow(
            eta=fitted.eta[position] - fitted.exposure_part[position] + part,
            exposure_part=part,
            left=_periods_left(study.risk, chosen),
            half_life=h / options.period_days,
        )
        joint = fitted.slope_covariance[row.place]
        covariance = np.array([[row.se**2, joint], [joint, fitted.slope_variance]])
        kind, k = row.place
        found = effects.attributable_churn(
            window,
            row.coef,
            measured["decay", kind][:, k],
            measured["slope", kind][:, k],
            covariance,
            value[chosen] if value is not None else np.zeros(len(chosen)),
        )
        figures.append(_figures(found, len(chosen), value is not None))
    names = [c for c in COLUMNS if c.startswith(("attributable", "value"))]
    return table.join(pd.DataFrame(figures, index=table.index, columns=names).astype(float))


def _exposure_part(fitted: contrast.Contrasts, sums: dict[str, np.ndarray]) -> np.ndarray:
    parts = [sums[c][:, k] * np.nan_to_num(b) for (c, k), b in fitted.coef.items()]
    return np.asarray(np.sum(parts, axis=0))


def _periods_left(risk: RiskSet, chosen: np.ndarray) -> np.ndarray:
    left = -1 - risk.spells["last"].to_numpy()[chosen]
    if risk.renewals is None:
        return np.asarray(left)
    if "renewal_days" not in risk.spells:
        return np.zeros_like(left)
    step = risk.spells["renewal_days"].to_numpy()[chosen]
    return np.asarray(np.nan_to_num(left * risk.period_days // step).astype(int))


def _figures(found: effects.Attributable, churns: int, valued: bool) -> dict[str, float]:
    reach = intervals.Z * found.customers_se
    figures = {
        "attributable_churn": found.customers,
        "attributable_churn_low": found.customers - reach,
        "attributable_churn_high": found.customers + reach,
        "attributable_share": found.customers / churns,
    }
    if valued:
        reach = intervals.Z * found.value_se
        figures["value_at_risk"] = found.value
        figures["value_at_risk_low"] = found.value - reach
        figures["value_at_risk_high"] = found.value + reach
    return figures


def _finish(table: pd.DataFrame) -> pd.DataFrame:
    """Order by rank and name the columns as ``drivers.csv`` does."""
    empty = table["verdict"].isin(["too little data", "not separable"])
    for column in ("coef", "se", "p_value", "q_value"):
        table[column] = table[column].where(~empty)
    table["hazard_ratio"] = np.exp(table["coef"])
    table["conf_low"] = np.exp(table["coef"] - intervals.Z * table["se"])
    table["conf_high"] = np.exp(table["coef"] + intervals.Z * table["se"])
    table["top3_probability"] = np.nan
    order = pd.DataFrame(
        {
            "verdict": table["verdict"].map(verdicts.VERDICTS.index),
            "valence": table["valence"].map(["bad", "good", "contact"].index),
            "churn": -table["attributable_churn"].fillna(-np.inf),
            "p": table["p_value"],
            "touchpoint": table["touchpoint"],
        }
    )
    table = table.loc[order.sort_values(list(order.columns)).index].reset_index(drop=True)
    table["rank"] = np.arange(1, len(table) + 1)
    table["term"] = table["touchpoint"] + " " + table["valence"]
    table["estimate"], table["n"] = table["coef"], table["exposed_customers"]
    return table[[*COLUMNS, "term", "estimate", "se", "n"]]


def _by_age(study: _Study, model: _Model, table: pd.DataFrame) -> Result:
    """Fit the leading drivers' contacts apart by their age, without decay."""
    leading = table[table["verdict"] == "driver"].head(_MOST_DRAWN)
    names = list(study.known.touchpoints)
    places = [(v, names.index(t)) for t, v in zip(leading["touchpoint"], leading["valence"], strict=True)]
    places = [p for p in places if p[1] not in model.own]
    columns = ["touchpoint", "valence", "age_low", "age_high", "estimate", "se", "curve"]
    if not places or model.main is None:
        return Result("by_age", pd.DataFrame(columns=columns))
    edges = [e for e in _AGE_BINS if e > study.options.washout_days]
    edges = [float(study.options.washout_days), *edges]
    bins = list(zip(edges[:-1], edges[1:], strict=True))
    kernels = {f"{low:g}": Kernel(low=low, high=high) for low, high in bins}
    measured = study.measure(kernels, study.sample.rows, study.options.washout_days)
    order = [*places, *dict.fromkeys(("all", k) for _, k in places)]
    rest = [p for p in model.main.coef if p not in order]
    decayed = study.sums(model.measured, "decay")
    parted = [measured[k, kind][:, t] for kind, t in order for k in kernels]
    whole = [decayed[kind][:, t] for kind, t in rest]
    fitted = model.rows.fit(np.column_stack([*parted, *whole]))
    coef, se = fitted.exposure_coef, fitted.exposure_se
    found = []
    for i, place in enumerate(places):
        for j, (low, high) in enumerate(bins):
            at = i * len(bins) + j
            curve = model.main.coef[place] * _mean_decay(low, high, model.half_life.days)
            found.append((names[place[1]], place[0], low, high, coef[at], se[at], curve))
    by_age = pd.DataFrame(found, columns=columns)
    by_age["hazard_ratio"] = np.exp(by_age["estimate"])
    by_age["conf_low"] = np.exp(by_age["estimate"] - intervals.Z * by_age["se"])
    by_age["conf_high"] = np.exp(by_age["estimate"] + intervals.Z * by_age["se"])
    by_age["curve"] = np.exp(by_age["curve"])
    return Result("by_age", by_age)


def _mean_decay(low: float, high: float, half_life: float) -> float:
    """Give the mean of the decay over an interval of ages."""
    rate = np.log(2) / half_life
    return float((np.exp(-rate * low) - np.exp(-rate * high)) / (rate * (high - low)))


def _adjusted_for(study: _Study) -> Result:
    rows = [(text, "adjusted for") for text in study.adjusted.included]
    rows.append((f"contacts in the {_VOLUME_DAYS:g} days before, all touchpoints", "adjusted for"))
    if "bad" in study.classes:
        rows.append(("the customer's past share of bad contacts, beyond expected", "adjusted for"))
    rows += [(text, "left out") for text in study.adjusted.left_out]
    return Result("adjusted_for", pd.DataFrame(rows, columns=["what", "how"]))


def _without_proneness(study: _Study, model: _Model) -> Result:
    """Show the contrasts with and without the customer's past share of bad contacts."""
    rows = []
    if model.main is not None and model.bare is not None:
        for (kind, k), b in model.main.coef.items():
            if kind in ("bad", "good"):
                without = model.bare.coef[kind, k]
                name = study.known.touchpoints[k]
                rows.append((name, kind, np.exp(b), np.exp(without)))
    columns = ["touchpoint", "valence", "hazard_ratio", "without_proneness"]
    return Result("without_proneness", pd.DataFrame(rows, columns=columns))


def _checks(study: _Study, model: _Model, table: pd.DataFrame) -> tuple[Check, ...]:
    events = study.risk.events
    used = model.main.columns if model.main is not None else study.plain.controls.shape[1]
    followers = [t for t, s in zip(study.known.touchpoints, model.separated, strict=True) if s]
    checks = [
        Check(
            "events per coefficient",
            events / used >= 10,
            f"{events:,} churns for {used} coefficients ({events / used:.1f} each; 10 are wanted)",
        ),
        Check("rows", None, f"{study.sample.text}; link {study.sample.link}"),
        Check(
            "touchpoints that follow the decision to leave",
            None,
            f"kept out of the others' model: {', '.join(followers)}" if followers else "none found",
        ),
        Check("bad contact", None, f"a contact is bad where {study.known.text}"),
    ]
    h = model.half_life
    if h.chosen:
        inside = contrast.HALF_LIVES[0] < h.days < contrast.HALF_LIVES[-1]
        checks.append(
            Check(
                "half-life",
                inside,
                f"{h.days:.0f} days (95% interval {h.conf_low:.0f} to {h.conf_high:.0f}), by "
                f"profile likelihood{'' if inside else '; at the end of the grid'}",
            )
        )
    else:
        checks.append(Check("half-life", None, f"{h.days:g} days, given"))
    suspected = (table["verdict"] == "reverse causation suspected") & (table["valence"] != "contact")
    checks.append(
        Check(
            "reverse causation",
            not suspected.any(),
            f"{int(suspected.sum())} contrasts look as if the decision to leave came first",
        )
    )
    return tuple(checks)


def _meta(study: _Study, model: _Model) -> dict[str, Any]:
    dataset, options = study.dataset, study.options
    window_start = dataset.end - dt.timedelta(days=options.window_days)
    churned = study.risk.spells["event_at"] >= study.risk.end - options.window_days
    return {
        "dataset": dataset.name,
        "as_of": dataset.as_of.isoformat(),
        "sha256": dataset.sha256(),
        "scale": "log hazard ratio",
        "level": intervals.LEVEL,
        "currency": dataset.settings.currency,
        "customers": int(study.risk.spells["customer_id"].nunique()),
        "churns": study.risk.events,
        "competing": int(study.risk.spells["competing"].sum()),
        "person_periods": study.risk.person_periods,
        "window_start": window_start.date().isoformat(),
        "window_days": options.window_days,
        "window_churns": int(churned.sum()),
        "washout_days": options.washout_days,
        "period_days": options.period_days,
        "half_life_days": model.half_life.days,
        "half_life_low": model.half_life.conf_low,
        "half_life_high": model.half_life.conf_high,
        "sample": study.sample.text,
        "seed": options.seed,
    }


def _listed(names: Sequence[str]) -> str:
    """Join names as a sentence does."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))


def _sentence(table: pd.DataFrame, window_days: int) -> str:
    drivers = table[table["verdict"] == "driver"]
    if drivers.empty:
        return "No touchpoint can be called a driver of voluntary churn from these data."
    named = _listed(list(drivers["touchpoint"]))
    one = len(drivers) == 1
    return (
        f"{len(drivers)} touchpoint{'' if one else 's'} drive{'s' if one else ''} voluntary churn, "
        f"in order of the customers lost in the last {window_days} days: {named}."
    )


def findings(result: Result, notebook: str = "05_churn_drivers") -> Findings:
    """Word the drivers for ``findings.json`` and the top of the report.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    notebook : str
        The notebook that says so.
    """
    table, meta = result.table, result.meta
    found = Findings(
        [Finding("drivers.summary", notebook, result.sentence, n=meta["customers"], unit="")]
    )
    money = f" {meta['currency']}" if meta.get("currency") else ""
    for row in table[table["verdict"].isin(["driver", "protective"])].itertuples():
        what = "failed" if row.valence == "bad" else "good"
        statement = (
            f"One {what} contact at {row.touchpoint} multiplies the hazard of leaving by "
            f"{row.hazard_ratio:.2f} (95% interval {row.conf_low:.2f} to {row.conf_high:.2f}) "
            "against an ordinary one."
        )
        if np.isfinite(row.attributable_churn):
            statement += (
                f" Over the last {meta['window_days']} days that is {row.attributable_churn:.0f} "
                f"customers ({row.attributable_churn_low:.0f} to {row.attributable_churn_high:.0f})"
            )
            if np.isfinite(row.value_at_risk):
                statement += f" and {row.value_at_risk:,.0f}{money} a month"
            statement += "."
        found.append(
            Finding(
                f"drivers.{row.touchpoint}.{row.valence}",
                notebook,
                statement,
                row.attributable_churn,
                row.attributable_churn_low,
                row.attributable_churn_high,
                "customers",
                int(row.exposed_customers),
                row.verdict,
            )
        )
    suspects = table[
        (table["verdict"] == "reverse causation suspected") & (table["valence"] == "bad")
    ]
    for row in suspects.itertuples():
        found.append(
            Finding(
                f"drivers.{row.touchpoint}.{row.valence}",
                notebook,
                f"{row.touchpoint} is not called a driver. {row.why}",
                unit="customers",
                n=int(row.exposed_customers),
                verdict=row.verdict,
            )
        )
    return found
