"""The figures of the driver table: estimates, verdicts, customers and money."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.analyses.churn_drivers.study import MAIN, Model, Place, Study
from cxlab.data.contract import Inactivity
from cxlab.frames.exposures import Kernel, contact_counts
from cxlab.frames.periods import RiskSet
from cxlab.models import contrast, effects, intervals, verdicts

__all__ = ["COLUMNS", "MAIN", "age_splits", "attributed", "estimates", "finished", "judged"]

COLUMNS = (
    *("rank", "touchpoint", "valence", "hazard_ratio", "conf_low", "conf_high"),
    *("p_value", "q_value", "exposed_customers", "exposures"),
    *("attributable_churn", "attributable_churn_low", "attributable_churn_high"),
    *("attributable_share", "value_at_risk", "value_at_risk_low", "value_at_risk_high"),
    *("top3_probability", "verdict", "why"),
)


def estimates(study: Study, model: Model) -> pd.DataFrame:
    """Give one row a touchpoint and valence, with its contrast and who it rests on.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    """
    names = study.known.touchpoints
    followed = study.dataset.attach(_followed_until(study.risk))
    counts = contact_counts(study.known, followed)
    counts = counts.set_index(["touchpoint", "class"])
    valences = [v for v in ("bad", "good") if v in study.classes] + ["contact"]
    rows = []
    for valence in valences:
        places = [("all" if valence == "contact" else valence, k) for k in range(len(names))]
        coef, se = (np.array(a) for a in zip(*[_estimate(model, p) for p in places], strict=True))
        p_value = intervals.wald_p(coef, se)
        q_value = np.full(len(places), np.nan)
        # What follows the decision is no driver whatever its p: it must not ease the others'.
        for family in (model.separated, ~model.separated):
            q_value[family] = intervals.benjamini_hochberg(p_value[family])
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
    return pd.DataFrame(rows)


def _followed_until(risk: RiskSet) -> pd.DataFrame:
    """Give each customer at risk and when the last of its spells was over, in days."""
    spells = risk.spells
    ended = risk.start_of(spells["last"].to_numpy() + 1)
    until = spells["event_at"].fillna(pd.Series(ended, index=spells.index))
    return until.groupby(spells["customer_id"]).max().rename("until").reset_index()


def _estimate(model: Model, place: Place) -> tuple[float, float]:
    fitted = model.of(place)
    return (fitted.coef[place], fitted.se[place]) if fitted else (np.nan, np.nan)


def judged(
    study: Study, model: Model, table: pd.DataFrame, splits: dict[int, contrast.AgeSplit]
) -> pd.DataFrame:
    """Add each contrast's verdict and why.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        Of :func:`estimates`.
    splits : dict
        Of :func:`age_splits`.
    """
    main = splits.get(MAIN)
    words = []
    for row in table.itertuples():
        k = row.place[1]
        split = splits.get(model.home(row.place))
        if split is not None and row.place not in split.recent:
            split = None
        evidence = verdicts.Evidence(
            kind=row.valence,
            customers=row.exposed_customers,
            modelled=model.of(row.place) is not None,
            coef=row.coef,
            se=row.se,
            q=row.q_value,
            exit_stage=bool(study.exits[k]),
            follows_decision=bool(model.separated[k]),
            recent_only=split is not None and split.recent_only(row.place),
            untested=split is not None and split.untested(row.place),
            by_definition=isinstance(study.dataset.settings.churn, Inactivity),
            pooled_recent_only=main is not None and main.pooled_recent_only,
        )
        words.append(verdicts.judge(evidence))
    return table.assign(verdict=[v for v, _ in words], why=[w for _, w in words])


def age_splits(study: Study, model: Model, table: pd.DataFrame) -> dict[int, contrast.AgeSplit]:
    """Fit would-be drivers apart by age: those of the main model, and each separated one.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        Of :func:`estimates`.

    Returns
    -------
    dict
        By touchpoint with a model of its own; ``MAIN`` for all the others.
    """
    told = table[(table["q_value"] < verdicts.ALPHA) & (table["valence"] != "contact")]
    recent, old = study.sums(model.measured, "recent"), study.sums(model.measured, "old")
    splits = {}
    for home, fitted in model.fits.items():
        if mine := [p for p in told["place"] if model.home(p) == home]:
            splits[home] = contrast.split_by_age(model.rows, fitted, recent, old, mine)
    return splits


def attributed(study: Study, model: Model, table: pd.DataFrame) -> pd.DataFrame:
    """Add attributable churn, its share and the value at risk, with intervals.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        Of :func:`judged`.
    """
    spells, options = study.risk.spells, study.options
    start = study.window_start
    inside = spells["event"] & (spells["event_at"] >= start)
    inside &= study.risk.start_of(spells["first"].to_numpy()) <= start
    rows = study.sample.rows
    position = np.flatnonzero((rows["event"] == 1) & inside.to_numpy()[rows["spell"]])
    rows = rows.iloc[position]
    chosen = rows["spell"].to_numpy()
    h = model.half_life.days
    # The effect is there from the contact on, so the washout does not hold here.
    measured = study.measure({"decay": Kernel(h), "slope": Kernel(h, slope=True)}, rows, 0.0)
    value = _value(spells.iloc[chosen])
    left, step = _periods_left(study.risk, chosen)
    decayed = study.sums(measured, "decay")

    windows = {
        home: effects.ChurnWindow(
            baseline=fitted.baseline[position],
            exposure_part=_exposure_part(fitted, decayed),
            left=left,
            half_life=h / (options.period_days * step),
        )
        for home, fitted in model.fits.items()
    }
    figures: list[dict[str, float]] = []
    for row in table.itertuples():
        kind, k = row.place
        fitted = model.of(row.place)
        empty = row.verdict in ("too little data", "not separable", "reverse causation suspected")
        if fitted is None or empty or row.valence == "contact" or not len(chosen):
            figures.append({})
            continue
        joint = fitted.slope_covariance[row.place]
        covariance = np.array([[row.se**2, joint], [joint, fitted.slope_variance]])
        found = effects.attributable_churn(
            windows[model.home(row.place)],
            row.coef,
            measured["decay", kind][:, k],
            measured["slope", kind][:, k],
            covariance,
            value,
        )
        figures.append(_figures(found, len(chosen)))
    names = [c for c in COLUMNS if c.startswith(("attributable", "value"))]
    return table.join(pd.DataFrame(figures, index=table.index, columns=names).astype(float))


def _exposure_part(fitted: contrast.Contrasts, sums: dict[str, np.ndarray]) -> np.ndarray:
    parts = [sums[c][:, k] * np.nan_to_num(b) for (c, k), b in fitted.coef.items()]
    return np.asarray(np.sum(parts, axis=0))


def _value(churners: pd.DataFrame) -> np.ndarray:
    """Give churners' monthly value; who has none given counts as the others' mean."""
    if "monthly_value" not in churners:
        return np.full(len(churners), np.nan)
    value = churners["monthly_value"]
    return value.fillna(value.mean()).to_numpy(float)


def _periods_left(risk: RiskSet, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the occasions to leave between each churn and the end, and periods between them."""
    left = np.maximum(-1 - risk.spells["last"].to_numpy()[chosen], 0)
    if risk.renewals is None:
        return left, np.ones(len(left))
    spells = risk.spells.iloc[chosen]
    step = (spells["renewal_days"] / risk.period_days).fillna(1.0).to_numpy()
    return (np.where(spells["renews_once"], 0, left) // step).astype(int), step


def _figures(found: effects.Attributable, churns: int) -> dict[str, float]:
    reach, money = intervals.Z * found.customers_se, intervals.Z * found.value_se
    return {
        "attributable_churn": found.customers,
        "attributable_churn_low": found.customers - reach,
        "attributable_churn_high": found.customers + reach,
        "attributable_share": found.customers / churns,
        "value_at_risk": found.value,
        "value_at_risk_low": found.value - money,
        "value_at_risk_high": found.value + money,
    }


def finished(table: pd.DataFrame) -> pd.DataFrame:
    """Order by rank, blank what a verdict makes meaningless, and name the columns.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`attributed`.
    """
    empty = table["verdict"].isin(["too little data", "not separable"])
    for column in ("coef", "se", "p_value", "q_value"):
        table[column] = table[column].where(~empty)
    table = table.assign(**intervals.hazard_ratios(table["coef"], table["se"]))
    table["top3_probability"] = np.nan
    order = pd.DataFrame(
        {
            "verdict": table["verdict"].map(verdicts.VERDICTS.index),
            "contact": table["valence"] == "contact",
            "churn": -table["attributable_churn"].abs().fillna(0.0),
            "valence": table["valence"],
            "p": table["p_value"],
            "touchpoint": table["touchpoint"],
        }
    )
    table = table.loc[order.sort_values(list(order.columns)).index].reset_index(drop=True)
    table["rank"] = np.arange(1, len(table) + 1)
    table["term"] = table["touchpoint"] + " " + table["valence"]
    table["estimate"], table["n"] = table["coef"], table["exposed_customers"]
    return table[[*COLUMNS, "term", "estimate", "se", "n"]]
