"""What offsets a bad contact: putting it right, good contacts, and how it felt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.churn_drivers.further.added import (
    Added,
    add,
    counts,
    judged,
    measure_marks,
    names_of_main,
)
from cxlab.analyses.churn_drivers.study import Model, Place, Study
from cxlab.frames.exposures import linked
from cxlab.frames.marks import (
    Summed,
    layer_marks,
    linked_metrics,
    metrics_of,
    repair_marks,
    score_marks,
    scoring_habit,
)
from cxlab.models import contrast, intervals
from cxlab.models.ratio import fieller
from cxlab.results import Result, ratio_text

__all__ = ["ALL", "asymmetry", "recovery", "stack"]

ALL = "all touchpoints"
RIGHT_DAYS = 7.0
# A touchpoint's own figure needs so many of those who left on either side.
_LEAST_CHURNS = 10

_FIGURES = (
    *("estimate", "se", "hazard_ratio", "conf_low", "conf_high", "p_value", "q_value"),
    *("n", "churns", "verdict", "why"),
)
_RECOVERY = (
    *("term", *_FIGURES[:7]),
    *("right", "right_low", "right_high", "not_right", "not_right_low", "not_right_high"),
    *("share_undone", "share_low", "share_high", "put_right", "not_put_right", *_FIGURES[7:]),
)
_ASYMMETRY = (
    *("metric", "term", "estimate", "conf_low", "conf_high", "bounded"),
    *("bad", "bad_low", "bad_high", "good", "good_low", "good_high"),
    *("n", "n_good", "verdict", "why"),
)
_STACK = ("term", *_FIGURES)
_NONE_TOLD = (np.nan, np.nan)
_META = {"scale": "log hazard ratio", "level": intervals.LEVEL}
# Verdicts after which a figure says nothing of what it is called.
_MUTE = ("too little data", "reverse causation suspected")


def _nothing(name: str, columns: Sequence[str], text: str) -> Result:
    return Result(name, pd.DataFrame(columns=list(columns)), meta=_META, sentence=text)


@dataclass(frozen=True)
class _Bad:
    """The mean contrast of bad contacts over touchpoints, as weights on the model's columns."""

    places: tuple[Place, ...]
    weights: np.ndarray

    def with_added(self, fitted: Added, j: int) -> tuple[np.ndarray, np.ndarray]:
        """Give the mean contrast and a further column's estimate, and their covariance."""
        places = [*self.places, fitted.places[j]]
        coef = np.array([fitted.model.coef[p] for p in places])
        take = np.zeros((2, len(places)))
        take[0, :-1], take[1, -1] = self.weights, 1.0
        return take @ coef, take @ fitted.among(places) @ take.T


def _mean_bad(model: Model, exposure: np.ndarray) -> _Bad | None:
    """Weigh the contrasts of bad contacts by what those at risk have behind them; None without.

    Parameters
    ----------
    model : Model
        The fitted model.
    exposure : ndarray, shape (rows, touchpoints)
        Decayed sums of the contacts that weigh.
    """
    if model.main is None:
        return None
    size = model.rows.standing @ exposure
    places = [
        p for p, b in model.main.coef.items() if p[0] == "bad" and np.isfinite(b) and size[p[1]] > 0
    ]
    if not places:
        return None
    weights = np.array([size[k] for _, k in places])
    return _Bad(tuple(places), weights / weights.sum())


# -- recovery ----------------------------------------------------------------------------------


def _with_habit(study: Study, summed: Summed, metrics: Sequence[str]) -> dict[str, np.ndarray]:
    """Put the customer's habit of scoring before the columns; it does not decay."""
    rows, washout = study.sample.rows, study.options.washout_days
    habit = scoring_habit(study.dataset, rows, metrics, washout)
    still = np.zeros_like(habit)
    more = {"decay": habit, "slope": still, "recent": still, "old": habit}
    return {n: np.column_stack([more[n], x]) for n, x in summed.items()}


def recovery(
    study: Study, model: Model, table: pd.DataFrame, right_days: float = RIGHT_DAYS
) -> Result:
    """Compare bad contacts put right in time with those that were not, at equal age.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        The driver table; none of its rows is touched.
    right_days : float
        Days from a contact to its resolution within which it counts as put right; it does so
        from the resolution on.

    Returns
    -------
    Result
        One row for all touchpoints together, then one for each with enough churns on either
        side. ``hazard_ratio``: put right against not; ``right`` and ``not_right``: each against
        an ordinary contact; ``share_undone``: of the bad contact's log hazard ratio, with
        Fieller's interval, empty where that is not told from none.
    """
    if "resolved_at" not in study.dataset.columns("interactions"):
        return _nothing(
            "recovery",
            _RECOVERY,
            "Whether bad contacts were put right is not known: interactions have no resolved_at.",
        )
    names = names_of_main(study, model)
    marks = repair_marks(study.dataset, names, right_days)
    each = measure_marks(study, model, marks.each("right", study.known.touchpoints))
    unsure = measure_marks(study, model, marks.of("open"))
    bad = _mean_bad(model, each["decay"])
    if bad is None or not each["decay"].any():
        return _nothing(
            "recovery", _RECOVERY, f"No bad contact was put right within {right_days:g} days."
        )
    both = {n: np.column_stack([x.sum(axis=1), unsure[n]]) for n, x in each.items()}
    fitted = add(study, model, both["decay"], both["slope"], [False, True])
    met = {side: counts(study, marks.each(side, names)) for side in ("right", "not right")}
    everyone = counts(study, marks)["customers"]
    first = judged(
        study, model, both, [everyone["right"], 0], [_pair(fitted, 0), _NONE_TOLD],
        [False, True],
    ).iloc[:1]  # fmt: skip
    where = [study.known.touchpoints[k] for _, k in bad.places]
    sides = [_sides(bad, fitted, 0, first["verdict"].iloc[0], _suspected(table, where))]
    terms, tables = [ALL], [first]
    own = _parted(study, model, each["decay"], unsure["decay"], marks.each("open", names))
    if own:
        columns = _own_columns(each, unsure, own)
        equal = [False] * len(own) + [True] * (columns["decay"].shape[1] - len(own))
        fitted = add(study, model, columns["decay"], columns["slope"], equal)
        pairs = [_pair(fitted, j) for j in range(len(own))]
        pairs += [_NONE_TOLD] * (len(equal) - len(own))
        mine = [study.known.touchpoints[k] for k in own]
        customers = [int(met["right"].loc[t, "customers"]) for t in mine]
        customers += [0] * (len(equal) - len(own))
        part = judged(study, model, columns, customers, pairs, equal).iloc[: len(own)]
        sides += [
            _sides(
                _Bad((("bad", k),), np.ones(1)),
                fitted,
                j,
                part["verdict"].iloc[j],
                _suspected(table, [mine[j]]),
            )
            for j, k in enumerate(own)
        ]
        terms, tables = [*terms, *mine], [*tables, part]
    found = pd.concat(tables, ignore_index=True).join(pd.DataFrame(sides)).assign(term=terms)
    for column, side in (("put_right", "right"), ("not_put_right", "not right")):
        size = met[side]["exposures"]
        found[column] = [int(size.sum() if t == ALL else size[t]) for t in terms]
    found = found[list(_RECOVERY)]
    meta = _META | {"right_days": right_days}
    return Result("recovery", found, meta=meta, sentence=_recovered(found.iloc[0], right_days))


def _pair(fitted: Added, j: int) -> tuple[float, float]:
    return float(fitted.coef[j]), float(fitted.se[j])


def _parted(
    study: Study, model: Model, right: np.ndarray, unsure: np.ndarray, opened: Any
) -> list[int]:
    """Name the touchpoints where enough of those who left tell of either side."""
    main, event = model.main, model.rows.event == 1
    if main is None:
        return []
    places = [k for c, k in main.coef if c == "bad" and np.isfinite(main.coef["bad", k])]
    whole = model.measured["decay", "bad"]
    names = list(opened.kinds)
    own_open = measure_marks(study, model, opened)["decay"]
    found = []
    for k in places:
        name = study.known.touchpoints[k]
        still = own_open[:, names.index(name)] if name in names else np.zeros(len(event))
        left = whole[:, k] - right[:, k] - still > 1e-9
        if min((right[event, k] > 0).sum(), left[event].sum()) >= _LEAST_CHURNS:
            found.append(k)
    return found


def _own_columns(each: Summed, unsure: Summed, own: Sequence[int]) -> dict[str, np.ndarray]:
    """Part off some touchpoints' contacts put right; those of the rest, and the open, pooled."""
    rest = [k for k in range(each["decay"].shape[1]) if k not in own]
    return {
        n: np.column_stack([x[:, list(own)], x[:, rest].sum(axis=1), unsure[n]])
        for n, x in each.items()
    }


def _sides(bad: _Bad, fitted: Added, j: int, verdict: str, suspected: bool) -> dict[str, float]:
    """Give either side against an ordinary contact, and the share of the damage undone."""
    names = [c for c in _RECOVERY if c.startswith(("right", "not_right", "share"))]
    if verdict in _MUTE:
        return dict.fromkeys(names, np.nan)
    (effect, change), v = bad.with_added(fitted, j)
    right = intervals.hazard_ratios(effect + change, np.sqrt(v.sum()))
    left = intervals.hazard_ratios(effect, np.sqrt(v[0, 0]))
    share = fieller(-change, effect, v[1, 1], v[0, 0], -v[0, 1])
    told = share.bounded and effect > 0 and not suspected
    shares = (share.estimate, share.conf_low, share.conf_high) if told else (np.nan,) * 3
    figures: list[Any] = [*right.values(), *left.values(), *shares]
    return {n: float(x) for n, x in zip(names, figures, strict=True)}


def _recovered(row: Any, days: float) -> str:
    """Say what putting bad contacts right does, over all touchpoints."""
    what = f"A bad contact put right within {days:g} days"
    if row["verdict"] in _MUTE:
        return f"What putting bad contacts right does cannot be told. {row['why']}"
    if row["verdict"] == "no evidence":
        text = f"{what} cannot be told from one of the same age that was not: the hazard is"
        return f"{text} {_times(row, 'hazard_ratio', 'conf')} times as high."
    text = f"{what} goes with {_times(row, 'hazard_ratio', 'conf')} times the hazard of one not."
    if np.isnan(row["share_undone"]):
        return (
            f"{text} What share of the damage that undoes cannot be told: the effect of bad "
            "contacts there is itself not told from none."
        )
    share, low, high = (row[f"share_{c}"] for c in ("undone", "low", "high"))
    return f"{text} That undoes {share:.0%} of the damage (95% interval {low:.0%} to {high:.0%})."


def _times(row: Any, name: str, ends: str) -> str:
    low, high = ratio_text(row[f"{ends}_low"]), ratio_text(row[f"{ends}_high"])
    return f"{ratio_text(row[name])} (95% interval {low} to {high})"


# -- asymmetry ---------------------------------------------------------------------------------


def asymmetry(study: Study, model: Model, table: pd.DataFrame) -> Result:
    """Estimate how many good contacts offset a bad one, by the scores linked to contacts.

    Metric by metric, contacts with a score in the bottom box and in the top box are compared
    with those whose score is between, over all touchpoints. Outcomes, where there are any, are
    held equal, and so is how the customer scores at large.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        The driver table; none of its rows is touched.

    Returns
    -------
    Result
        For each metric the rows ``bottom score`` and, where contacts have an outcome, ``failed
        contact`` (against an ordinary one). ``estimate``: top scores that offset it, the ratio
        of the log hazard ratios, with Fieller's interval; where ``bounded`` is False there is
        no upper end. ``bad`` and ``good`` are the hazard ratios. Empty where neither is told
        from none.
    """
    there = study.dataset.columns("interactions")
    metrics = linked_metrics(study.dataset) if linked(study.dataset) else ()
    if not metrics or "interaction_id" not in there:
        return _nothing(
            "asymmetry",
            _ASYMMETRY,
            "How many good contacts offset a bad one cannot be told: no scores are linked to "
            "contacts (feedback needs interaction_id, score and responded_at).",
        )
    rows = [row for metric in metrics for row in _asymmetry(study, model, table, metric)]
    found = pd.DataFrame(rows)[list(_ASYMMETRY)]
    # The table tells of all metrics, the sentence of the one with the most to go by.
    most = found.loc[found["n_good"].idxmax(), "metric"]
    said = [_offsets_said(row) for row in found[found["metric"] == most].itertuples()]
    return Result("asymmetry", found, meta=_META, sentence=" ".join(said))


def _asymmetry(
    study: Study, model: Model, table: pd.DataFrame, metric: str
) -> list[dict[str, Any]]:
    """Give one metric's rows."""
    by_score, main = "good" in study.classes, model.main
    marks = score_marks(study.dataset, names_of_main(study, model), metric)
    summed = _with_habit(study, measure_marks(study, model, marks), [metric])
    met = counts(study, marks)
    # Where scores decide which contact is bad, the touchpoints' own contrasts make room.
    without = [p for p in main.coef if p[0] in contrast.JUDGED] if main and by_score else []
    equal = [True, True, False, False]
    fitted = add(study, model, summed["decay"], summed["slope"], equal, without)
    pairs = [*[_NONE_TOLD] * 2, _pair(fitted, 2), _pair(fitted, 3)]
    customers = [0, *met["customers"].tolist()]
    # Both are estimated to be compared, not looked for: each is tried by itself.
    figures = judged(study, model, summed, customers, pairs, equal, without, family=False)
    bottom, top = figures.iloc[2], figures.iloc[3]
    rows = [_offset("bottom score", bottom, top, (fitted.coef[2:], fitted.covariance[2:, 2:]))]
    bad = None if by_score else _mean_bad(model, model.measured.get(("decay", "bad"), _NONE))
    if bad is not None:
        both = bad.with_added(fitted, 3)
        rows.append(_offset("failed contact", _failed(study, table, both), top, both))
    return [row | {"metric": metric} for row in rows]


_NONE = np.zeros((0, 0))


def _failed(
    study: Study, table: pd.DataFrame, both: tuple[np.ndarray, np.ndarray]
) -> pd.Series[Any]:
    """Word the mean contrast of failed contacts as a row of figures."""
    effect, se = float(both[0][0]), float(np.sqrt(both[1][0, 0]))
    verdict, why = "no evidence", "Failed contacts together are not told from ordinary ones."
    if abs(effect) > intervals.Z * se:
        verdict, why = "matters", "Failed contacts together are told from ordinary ones."
    bad = table[table["valence"] == "bad"]
    if _suspected(bad, list(bad["touchpoint"])) and "driver" not in set(bad["verdict"]):
        verdict = "reverse causation suspected"
        why = "What contacts failed may have failed because the decision to leave came first."
    n = study.risk.customers
    return pd.Series({"n": n, "verdict": verdict, "why": why})


def _suspected(table: pd.DataFrame, touchpoints: Sequence[str]) -> bool:
    """Tell whether bad contacts at any of these may follow the decision to leave."""
    bad = table[(table["valence"] == "bad") & table["touchpoint"].isin(touchpoints)]
    return bool((bad["verdict"] == "reverse causation suspected").any())


def _offset(term: str, bad: Any, good: Any, both: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    """Give how many good contacts offset a bad one, where that can be told."""
    (worse, better), v = both
    row: dict[str, Any] = {"term": term, "n": int(bad["n"]), "n_good": int(good["n"])}
    row |= dict.fromkeys(_ASYMMETRY[2:5], np.nan) | {"bounded": False}
    for name, side, b, s in (("bad", bad, worse, v[0, 0]), ("good", good, better, v[1, 1])):
        shown = np.nan if side["verdict"] == "too little data" else 1.0
        three = intervals.hazard_ratios(b * shown, np.sqrt(s) * shown).values()
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), map(float, three), strict=True))
    for side, what in ((bad, f"{term.capitalize()}s"), (good, "Top scores")):
        if side["verdict"] in _MUTE:
            why = f"{what}: {side['why'][0].lower()}{side['why'][1:]}"
            return row | {"verdict": side["verdict"], "why": why}
    told = [side["verdict"] == "matters" for side in (bad, good)]
    if not any(told):
        why = f"Neither {term}s nor top scores are told from the others."
        return row | {"verdict": "no evidence", "why": why}
    if (told[0] and worse < 0) or (told[1] and better > 0):
        why = f"{term.capitalize()}s do not raise the hazard, or top scores do not lower it."
        return row | {"verdict": "no evidence", "why": why}
    ratio = fieller(-worse, better, v[0, 0], v[1, 1], -v[0, 1])
    if np.isnan(ratio.conf_low):
        why = "The interval holds every number."
        return row | {"verdict": "no evidence", "why": why}
    # Without an upper end: what lies between the gap's upper end and infinity is not ruled out.
    low, high = (ratio.conf_low, ratio.conf_high) if ratio.bounded else (ratio.conf_high, np.nan)
    row |= {
        "estimate": ratio.estimate if all(told) else np.nan,
        "conf_low": max(low, 0.0),
        "conf_high": high,
        "bounded": ratio.bounded,
    }
    if not told[1]:
        why = "Top scores are not told from those between."
    elif not told[0]:
        why = f"{term.capitalize()}s are not told from the others: there may be nothing to offset."
    else:
        why = "Either is told by itself, and not only in the 14 days after it."
    return row | {"verdict": "matters" if all(told) else "no evidence", "why": why}


def _offsets_said(row: Any) -> str:
    what, top = f"one {row.term}", f"contacts with a top score on {row.metric}"
    if row.term == "bottom score":
        what = "one in the bottom box"
    if np.isnan(row.conf_low):
        return f"How many {top} offset {what} cannot be told. {row.why}"
    if row.verdict == "no evidence" and row.bounded:
        return f"At most {ratio_text(row.conf_high)} {top} offset {what}. {row.why}"
    if not row.bounded:
        return (
            f"If {top} offset {what} at all, it takes {ratio_text(row.conf_low)} or more; there is "
            f"no upper limit. {row.why}"
        )
    return (
        f"About {ratio_text(row.estimate)} {top} offset {what} (95% interval "
        f"{ratio_text(row.conf_low)} to {ratio_text(row.conf_high)}). {row.why}"
    )


# -- the stack ---------------------------------------------------------------------------------

_WHERE = ("the functional part failed", "the functional part held")
DIFFERENCE = "difference"


def stack(study: Study, model: Model, table: pd.DataFrame) -> Result:
    """Ask whether how a contact felt matters where its functional part failed.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        The driver table; none of its rows is touched.

    Returns
    -------
    Result
        The hazard ratio of the best emotional score against the worst, where the functional
        part failed and where it held, and the ratio of the two (``difference``).
    """
    if lacking := _lacking(study):
        text = "Whether feelings matter where the functional part of a contact failed cannot be "
        return _nothing("stack", _STACK, f"{text}told: {lacking}.")
    by_score = "outcome" not in study.dataset.columns("interactions")
    marks = layer_marks(study.dataset, names_of_main(study, model))
    summed, met = measure_marks(study, model, marks), counts(study, marks)
    order = [marks.kinds.index(k) for k in ("failed", "held", "failed score", "held score")]
    summed = {n: x[:, order] for n, x in summed.items()}
    summed = _with_habit(study, summed, list(metrics_of(study.dataset, "emotional")))
    main = model.main
    without = [p for p in main.coef if p[0] in contrast.JUDGED] if main and by_score else []
    equal = [True, True, True, False, False]
    fitted = add(study, model, summed["decay"], summed["slope"], equal, without)
    pairs = [*[_NONE_TOLD] * 3, _pair(fitted, 3), _pair(fitted, 4)]
    customers = [0, *met["customers"].iloc[order].tolist()]
    sides = judged(study, model, summed, customers, pairs, equal, without).iloc[3:]
    sides = sides.assign(term=_WHERE)
    found = pd.concat([sides, _apart(sides, fitted)], ignore_index=True)[list(_STACK)]
    return Result("stack", found, meta=_META, sentence=_felt(found))


def _lacking(study: Study) -> str:
    """Say what the data lack to tell how contacts felt; empty where nothing."""
    dataset = study.dataset
    there = dataset.columns("interactions")
    if not metrics_of(dataset, "emotional"):
        return "no metric of layer emotional is declared in dataset.yml"
    if not linked(dataset) or "interaction_id" not in there:
        return "no scores are linked to contacts"
    if "outcome" not in there and not metrics_of(dataset, "functional"):
        return "contacts have no outcome, and there is no metric of layer functional"
    return ""


def _apart(sides: pd.DataFrame, fitted: Added) -> pd.DataFrame:
    """Give the ratio of the two effects."""
    take = np.array([0.0, 0.0, 0.0, 1.0, -1.0])
    mute = sides[sides["verdict"].isin(_MUTE)]
    b, se = float(take @ fitted.coef), float(np.sqrt(take @ fitted.covariance @ take))
    if len(mute):
        b = se = np.nan
        verdict, why = mute.iloc[0][["verdict", "why"]]
    elif abs(b) > intervals.Z * se:
        verdict, why = "matters", "The two effects are told apart."
    else:
        verdict, why = "no evidence", "The two effects cannot be told apart."
    p = float(intervals.wald_p(np.array(b), np.array(se)))
    figures = {"estimate": b, "se": se, **intervals.hazard_ratios(np.array(b), np.array(se))}
    sizes = {"n": int(sides["n"].min()), "churns": int(sides["churns"].min())}
    row = {"term": DIFFERENCE, **figures, "p_value": p, "q_value": p, **sizes}
    return pd.DataFrame([row | {"verdict": verdict, "why": why}])


def _felt(table: pd.DataFrame) -> str:
    texts = []
    for row in table.to_dict("records"):
        if row["term"] == DIFFERENCE:
            continue
        if row["verdict"] in _MUTE:
            texts.append(f"Where {row['term']}, it cannot be told what feelings do. {row['why']}")
            continue
        how = "matter" if row["verdict"] == "matters" else "cannot be told to matter"
        texts.append(
            f"Where {row['term']}, feelings {how}: the best score goes with "
            f"{_times(row, 'hazard_ratio', 'conf')} times the hazard of the worst."
        )
    last = table.iloc[-1]
    if last["verdict"] in ("matters", "no evidence"):
        texts.append(last["why"])
    return " ".join(texts)
