"""The figures of the driver table: estimates, verdicts, customers and money."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.churn_drivers.study import MAIN, Model, Place, Study, measure_decayed
from cxlab.data.contract import Inactivity
from cxlab.frames.periods import RiskSet
from cxlab.models import contrast, effects, intervals, verdicts

__all__ = ["COLUMNS", "MAIN", "age_splits", "attributed", "counted", "estimates", "finished",
           "judged", "occasions_left", "value_of", "with_verdicts"]  # fmt: skip

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
    counts = study.counts().set_index(["touchpoint", "class"])
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
            least=study.options.min_group,
            modelled=model.of(row.place) is not None,
            coef=row.coef,
            se=row.se,
            q=row.q_value,
            exit_stage=bool(study.exits[k]),
            follows_decision=bool(model.separated[k]),
            decided=bool(model.separation.decided[k]),
            recent_only=split is not None and split.recent_only(row.place),
            thin_old=split is not None and split.thin(row.place),
            untested=split is not None and split.untested(row.place),
            inseparable_from=_inseparable(study, model, row.place),
            by_definition=isinstance(study.dataset.settings.churn, Inactivity),
            pooled_recent_only=main is not None and main.pooled_recent_only,
            sours=main is not None and main.sours,
        )
        words.append(verdicts.judge(evidence))
    return table.assign(verdict=[v for v, _ in words], why=[w for _, w in words])


def _inseparable(study: Study, model: Model, place: Place) -> tuple[str, ...]:
    """Name the touchpoints whose contrasts cannot be told from one."""
    fitted = model.of(place)
    found = fitted.inseparable(place) if fitted is not None and place[0] != "all" else []
    return tuple(study.known.touchpoints[k] for _, k in found)


def age_splits(
    study: Study,
    model: Model,
    table: pd.DataFrame,
    known: MutableMapping[Hashable, contrast.AgeSplit] | None = None,
) -> dict[int, contrast.AgeSplit]:
    """Fit would-be drivers apart by age: those of the main model, and each separated one.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        Of :func:`estimates`.
    known : mutable mapping, optional
        Splits of the same rows at other half-lives: only what hangs on these is fitted again.
        Those found are added.

    Returns
    -------
    dict
        By touchpoint with a model of its own; ``MAIN`` for all the others.
    """
    told = table[(table["q_value"] < verdicts.ALPHA) & (table["valence"] != "contact")]
    recent, old = study.sums(model.measured, "recent"), study.sums(model.measured, "old")
    remembered = {} if known is None else known
    mine = {h: [p for p in told["place"] if model.home(p) == h] for h in model.fits}

    def split(home: int) -> contrast.AgeSplit:
        fitted, suspects = model.fits[home], mine[home]
        finite = tuple(np.isfinite(list(fitted.coef.values())))
        key = (home, tuple(suspects), tuple(fitted.coef), finite)
        before = remembered.get(key)
        if before is not None and home != MAIN:
            return before  # of these nothing pooled is told
        found = contrast.split_by_age(model.rows, fitted, recent, old, suspects, before)
        remembered[key] = found
        return found

    homes = [h for h, suspects in mine.items() if suspects]
    with ThreadPoolExecutor(model.rows.at_once) as pool:
        return dict(zip(homes, pool.map(split, homes), strict=True))


def with_verdicts(
    study: Study,
    model: Model,
    known: MutableMapping[Hashable, contrast.AgeSplit] | None = None,
) -> tuple[pd.DataFrame, contrast.AgeSplit | None]:
    """Give the estimates with their verdicts, and the main model's would-be drivers by age.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    known : mutable mapping, optional
        As for :func:`age_splits`.
    """
    table = estimates(study, model)
    splits = age_splits(study, model, table, known)
    return judged(study, model, table, splits), splits.get(MAIN)


def attributed(study: Study, model: Model, table: pd.DataFrame) -> pd.DataFrame:
    """Add attributable churn, its share and the value at risk, with intervals.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        Of :func:`judged`.
    """
    window = window_of(study)
    # The effect is there from the contact on, so the washout does not hold here.
    measured = measure_decayed(study, model.days, window.rows, 0.0, decay={}, slope={"slope": True})
    decayed = study.sums(measured, "decay")
    windows = {
        home: window.churns(study, model, fitted.coef, fitted.baseline[window.position], decayed)
        for home, fitted in model.fits.items()
    }
    figures: list[dict[str, float]] = []
    for row in table.itertuples():
        kind, k = row.place
        fitted = model.of(row.place)
        if fitted is None or not counted(row) or not len(window.rows):
            figures.append({})
            continue
        joint, variance = fitted.slopes[row.place]
        found = effects.attributable_churn(
            windows[model.home(row.place)],
            row.coef,
            measured["decay", kind][:, k],
            measured["slope", kind][:, k],
            np.array([[row.se**2, joint], [joint, variance]]),
            window.value,
            model.group(k),
        )
        figures.append(_figures(found, len(window.rows)))
    names = [c for c in COLUMNS if c.startswith(("attributable", "value"))]
    return table.join(pd.DataFrame(figures, index=table.index, columns=names).astype(float))


def counted(row: Any) -> bool:
    """Tell whether a row of the table says how many customers it cost."""
    return row.valence != "contact" and row.verdict not in (
        "too little data",
        "not separable",
        "reverse causation suspected",
    )


@dataclass(frozen=True)
class Window:
    """The churns in which attributable churn is counted.

    Parameters
    ----------
    rows : pandas.DataFrame
        Their rows of the sample.
    position : ndarray of int, shape (m,)
        Where these stand in the sample.
    value : ndarray, shape (m,)
        Their monthly value; NaN where none is known.
    left : ndarray of int, shape (m,)
        Occasions to leave between each churn and the window's end.
    step : ndarray, shape (m,)
        Periods between these.
    """

    rows: pd.DataFrame
    position: np.ndarray
    value: np.ndarray
    left: np.ndarray
    step: np.ndarray

    def churns(
        self,
        study: Study,
        model: Model,
        coef: Mapping[Place, float],
        baseline: np.ndarray,
        decayed: dict[str, np.ndarray],
        days: np.ndarray | None = None,
    ) -> effects.ChurnWindow:
        """Give what had led up to each churn, by a fit.

        Parameters
        ----------
        study, model : Study, Model
            What was measured and fitted.
        coef : mapping
            ``(class, touchpoint)`` -> log hazard ratio.
        baseline : ndarray, shape (m,)
            Log hazards without exposures.
        decayed : dict
            Class -> exposures at the churns, shape (m, touchpoints).
        days : ndarray, shape (touchpoints,), optional
            Half-lives (default: the model's).
        """
        days = model.days if days is None else days
        groups = [model.group(k) for _, k in coef]
        part = np.zeros((len(self.rows), 1 + len(model.own)))
        fade = np.ones(part.shape[1])
        for group, ((c, k), b) in zip(groups, coef.items(), strict=True):
            part[:, group] += decayed[c][:, k] * np.nan_to_num(b)
            fade[group] = days[k]
        per_period = study.options.period_days * self.step
        return effects.ChurnWindow(baseline, part, self.left, fade / per_period[:, None])


def window_of(study: Study) -> Window:
    """Give the churns of the window among those at risk at its start.

    Parameters
    ----------
    study : Study
        What was measured.
    """
    if study.kept is not None:
        return study.kept.remember(f"window {study.window_start!r}", lambda: _window_of(study))
    return _window_of(study)


def _window_of(study: Study) -> Window:
    start, rows = study.window_start, study.sample.rows
    position = np.flatnonzero(rows["event"] == 1)
    spells = study.risk.of(rows["spell"].to_numpy()[position])
    inside = (spells["event_at"] >= start).to_numpy()
    inside &= study.risk.start_of(spells["first"].to_numpy()) <= start
    position, spells = position[inside], spells[inside]
    left, step = occasions_left(study.risk, spells)
    return Window(rows.iloc[position], position, value_of(spells), left, step)


def value_of(churners: pd.DataFrame) -> np.ndarray:
    """Give churners' monthly value; who has none given counts as the others' mean.

    Parameters
    ----------
    churners : pandas.DataFrame
        Their spells.
    """
    if "monthly_value" not in churners:
        return np.full(len(churners), np.nan)
    value = churners["monthly_value"]
    return value.fillna(value.mean()).to_numpy(float)


def occasions_left(risk: RiskSet, spells: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Give the occasions to leave between each churn and the end, and periods between them.

    Parameters
    ----------
    risk : RiskSet
        Who is at risk.
    spells : pandas.DataFrame
        Those that ended in churn.
    """
    left = np.maximum(-1 - spells["last"].to_numpy(), 0)
    if risk.renewals is None:
        return left, np.ones(len(left))
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

    ``estimate`` and ``se`` stay as fitted.

    Parameters
    ----------
    table : pandas.DataFrame
        Of :func:`attributed`, with ``top3_probability``.
    """
    empty = table["verdict"].isin(["too little data", "not separable"])
    for column in ("p_value", "q_value"):
        table[column] = table[column].where(~empty)
    told = [table[column].where(~empty) for column in ("coef", "se")]
    table = table.assign(**intervals.hazard_ratios(*told))
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
