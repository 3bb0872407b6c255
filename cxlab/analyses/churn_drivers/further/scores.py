"""Who leaves after which score, and after silence; and had everybody answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.analyses.churn_drivers.study import Model, Study
from cxlab.frames.adjustment import adjustment
from cxlab.frames.answers import Questions, last_questions, questions, said_before
from cxlab.frames.exposures import Kernel
from cxlab.models import intervals
from cxlab.models.response import Response, response_weights
from cxlab.results import Check, Result, counted, ratio_text

__all__ = ["scores"]

# A score, or silence, counts until a newer question takes its place, or for so long.
_MEMORY_DAYS = 180.0
# Younger questions may yet be answered: who answers is learnt from the older ones.
_ANSWER_DAYS = 14.0
_AGE_BINS = (0.0, 30.0, 90.0, _MEMORY_DAYS)
# What contacts say of who answers fades like this.
_LATELY = Kernel(28.0)
_LEAST_CASES, _LEAST_BASE = 3, 5
# Customers who left with a score; fewer make intervals too narrow.
_LEAST_SCORED = 20
_LEAST_CHURNS = 10
_LEAST_ANSWERS = 50
_MOST_LEVELS = 11
_MOST_QUESTIONS = 50_000

_NEVER, _LONG_AGO, _SILENT, _ANSWERED = range(4)
_COLUMNS = (
    *("metric", "term", "way", "estimate", "se", "hazard_ratio", "conf_low", "conf_high"),
    *("p_value", "n", "churns"),
)
_QUICK = "Left out in a quick run."
_NOT_APART = "Too few customers who left had given a score to tell scores apart."
_SYMPTOM = (
    "A score is a symptom: it tells who is unhappy, not what made them so, and is never called a "
    "driver."
)


@dataclass(frozen=True)
class _State:
    """What the rows had last said to one metric.

    Parameters
    ----------
    metric : str
        The metric.
    kind : ndarray of int, shape (rows,)
        Never asked, asked long ago, asked without an answer, or answered.
    worse : ndarray, shape (rows,)
        The score in points, turned so that worse is more; 0 where there is none.
    asked, answered : ndarray, shape (rows,)
        When, in days; NaN where never.
    who : ndarray, shape (rows,)
        Whose a row is.
    least : int
        Levels of fewer customers are not told.
    """

    metric: str
    kind: np.ndarray
    worse: np.ndarray
    asked: np.ndarray
    answered: np.ndarray
    who: np.ndarray
    least: int

    @property
    def has(self) -> np.ndarray:
        """Which rows have a score."""
        return self.kind == _ANSWERED


def scores(study: Study, model: Model, table: pd.DataFrame) -> Result:
    """Estimate how the hazard of leaving goes with the last score of each metric.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        The driver table; a score is none of its rows.

    Returns
    -------
    Result
        ``metric, term, way, estimate, se, hazard_ratio, conf_low, conf_high, p_value, n,
        churns``. Terms: ``per point`` and ``per sd`` (worse by that much); ``asked, no answer``,
        ``never asked`` and ``asked long ago`` against an answer with the average score; where
        the data do not say who was asked, ``no score``. Ways: ``raw``; ``weighted`` (as if all
        who were asked had answered); ``together`` (the other metrics held equal too).
        ``estimate`` and ``se`` are of the log hazard ratio, ``n`` are the customers of the
        sampled rows. Parts: ``by_score``, ``by_age`` and ``response``.
    """
    known = questions(study.dataset)
    if isinstance(known, str):
        return _nothing(f"What scores have to do with leaving cannot be told: {known}.")
    last = last_questions(study.dataset, known, study.sample.rows, study.options.washout_days)
    states = {m: _state(study, last, m) for m in known.metrics}
    told = {m: s for m, s in states.items() if _enough(s, model.rows.event)}
    made = [_too_little(s, model.rows.event) for m, s in states.items() if m not in told]
    if not told:
        text = "Too few customers who left had given a score to tell what scores say of leaving."
        return _nothing(text, made)
    responses = _responses(study, known, list(told.values())) if known.asking else {}
    found: list[tuple[Any, ...]] = []
    shapes: list[tuple[Any, ...]] = []
    ages: list[tuple[Any, ...]] = []
    for metric, state in told.items():
        for way, weight in _ways(study, state, responses.get(metric)).items():
            fitted = _estimates(study, model, [state], way, weight, known.asking)
            made += [] if fitted else [_nothing_left(metric, way)]
            found += fitted
        if not study.options.quick:
            shapes += _by_score(study, model, state)
            ages += _by_age(study, model, state)
    if len(told) > 1 and _room(model, list(told.values())) and not study.options.quick:
        alike = np.ones(len(study.sample.rows))
        found += _estimates(study, model, list(told.values()), "together", alike, known.asking)
    if not found:
        text = "What scores say of leaving cannot be told apart from what is held equal."
        return _nothing(text, made)
    whole = pd.DataFrame(found, columns=["metric", "term", "way", "estimate", "se", "n", "churns"])
    whole = _with_intervals(whole)[list(_COLUMNS)]
    made += [*_silence(known, responses), *_answer_checks(responses), *_left_out(known)]
    return Result(
        "scores",
        whole,
        checks=tuple(made),
        meta={
            "scale": "log hazard ratio",
            "level": intervals.LEVEL,
            "memory_days": _MEMORY_DAYS,
            "washout_days": study.options.washout_days,
            "average_scores": {m: _average(study, s) for m, s in told.items()},
        },
        sentence=_sentence(whole),
        parts={
            "by_score": _shape_result(shapes, study.options.quick),
            "by_age": _age_result(ages, study.options.quick),
            "response": _response_result(responses),
        },
    )


def _nothing(text: str, made: Sequence[Check] = ()) -> Result:
    return Result("scores", pd.DataFrame(columns=list(_COLUMNS)), tuple(made), sentence=text)


# -- states ------------------------------------------------------------------------------------


def _state(study: Study, last: pd.DataFrame, metric: str) -> _State:
    rows = study.sample.rows
    mine = last[last["metric"] == metric].set_index("row").reindex(range(len(rows)))
    asked, answered, score = (mine[c].to_numpy(float) for c in ("asked", "answered", "score"))
    kind = np.where(np.isnan(score), _SILENT, _ANSWERED)
    kind[rows["cut"].to_numpy() - asked > _MEMORY_DAYS] = _LONG_AGO
    kind[np.isnan(asked)] = _NEVER
    worse = np.where(kind == _ANSWERED, _sign(study, metric) * score, 0.0)
    who, least = rows["customer_id"].to_numpy(), study.options.min_group
    return _State(metric, kind, worse, asked, answered, who, least)


def _sign(study: Study, metric: str) -> int:
    higher = study.dataset.settings.all_metrics[metric].direction == "higher_is_better"
    return -1 if higher else 1


def _enough(state: _State, event: np.ndarray) -> bool:
    """Tell whether scores differ, and enough of those who left, and of the others, gave one."""
    given, churns = state.worse[state.has], int(event[state.has].sum())
    others = len(given) - churns
    return churns >= _LEAST_SCORED and others >= _LEAST_BASE and bool(np.ptp(given) > 0)


def _too_little(state: _State, event: np.ndarray) -> Check:
    given, churns = state.worse[state.has], int(event[state.has].sum())
    if churns >= _LEAST_SCORED and len(given) - churns < _LEAST_BASE:
        text = "next to nobody who stayed is there to compare with"
    elif churns >= _LEAST_SCORED:
        text = "all scores are the same"
    else:
        text = f"{counted(churns, 'customer')} who left had given a score; {_LEAST_SCORED} are "
        text += "wanted"
    return Check(f"scores: {state.metric}", None if len(given) else False, f"not told: {text}")


def _nothing_left(metric: str, way: str) -> Check:
    text = f"{way}: not told; what is held equal leaves nothing of the scores to compare"
    return Check(f"scores: {metric}", None, text)


def _terms(states: Sequence[_State], asking: bool) -> list[tuple[_State, str, int]]:
    """Name the levels and slopes of each state: ``(state, term, kind)``."""
    names = {_NEVER: "never asked", _LONG_AGO: "asked long ago", _SILENT: "asked, no answer"}
    if not asking:
        names = {_NEVER: "no score", _LONG_AGO: "score of long ago"}
    terms = [(s, name, kind) for s in states for kind, name in names.items()]
    return [*terms, *((s, "per point", _ANSWERED) for s in states)]


def _thin(state: _State, inside: np.ndarray, event: np.ndarray) -> bool:
    """Tell whether a level has too few rows, or customers, to be told; they are left out then."""
    few = len(pd.unique(state.who[inside])) < state.least
    thin = event[inside].sum() < _LEAST_CASES or (event[inside] == 0).sum() < _LEAST_BASE
    return bool(few or thin)


def _estimates(
    study: Study,
    model: Model,
    states: Sequence[_State],
    way: str,
    weight: np.ndarray,
    asking: bool,
) -> list[tuple[Any, ...]]:
    """Fit levels and slopes of one metric, or of several at once; nothing without a slope."""
    event, standing, columns, kept = model.rows.event, model.rows.standing, [], []
    for state, term, kind in _terms(states, asking):
        inside = state.kind == kind
        if _thin(state, inside, event):
            weight = np.where(inside, 0.0, weight)
            continue
        slope = kind == _ANSWERED
        centred = _centred(state, standing * weight) if slope else inside.astype(float)
        columns.append(centred)
        kept.append((state, term, inside))
    if not columns:
        return []
    coef, covariance = _fit(model, np.column_stack(columns), weight)
    errors = np.sqrt(np.diag(covariance))
    found, slopes = [], 0
    customers = study.sample.rows["customer_id"]
    for i, (state, term, inside) in enumerate(kept):
        b, se = float(coef[i]), float(errors[i])
        base = (state.metric, term, way)
        rest = (int(customers[inside].nunique()), int(event[inside].sum()))
        if not np.isfinite(b):
            continue
        slopes += term == "per point"
        found.append((*base, b, se, *rest))
        if term == "per point":
            sd = _moments(state, standing)[1]
            found.append((state.metric, "per sd", way, b * sd, se * sd, *rest))
    return found if slopes == len(states) else []


def _moments(state: _State, standing: np.ndarray) -> tuple[float, float]:
    """Give mean and standard deviation of the scores of those at risk."""
    given, weight = state.worse[state.has], standing[state.has]
    mean = np.average(given, weights=weight)
    return float(mean), float(np.sqrt(np.average((given - mean) ** 2, weights=weight)))


def _centred(state: _State, standing: np.ndarray) -> np.ndarray:
    """Give the score less its mean among those at risk, so that the levels compare with it."""
    return np.where(state.has, state.worse - _moments(state, standing)[0], 0.0)


def _average(study: Study, state: _State) -> float:
    """Give the mean score of those at risk, on the metric's own scale."""
    return _moments(state, study.plain.standing)[0] * _sign(study, state.metric)


def _fit(model: Model, columns: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit weighted rows; NaN of columns that are 0 in all rows with, or without, a churn."""
    fitted = replace(model.rows, weights=weight).fit(columns)
    met, event = (columns != 0) & (weight > 0)[:, None], model.rows.event
    told = met[event == 1].any(axis=0) & met[event == 0].any(axis=0)
    covariance = np.where(np.outer(told, told), fitted.exposure_covariance, np.nan)
    return np.where(told, fitted.exposure_coef, np.nan), covariance


def _room(model: Model, states: Sequence[_State]) -> bool:
    """Tell whether there are ten churns for each coefficient of all metrics at once."""
    columns = model.rows.controls.shape[1] + len(_terms(states, True))
    return bool(model.rows.event.sum() >= 10 * columns)


def _with_intervals(table: pd.DataFrame) -> pd.DataFrame:
    b, se = table["estimate"].to_numpy(float), table["se"].to_numpy(float)
    return table.assign(**intervals.hazard_ratios(b, se), p_value=intervals.wald_p(b, se))


# -- who answers -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Answering:
    """The questions of one metric, what became of them, and their answers' weights."""

    asked: pd.DataFrame  # customer_id, asked, answered
    drawn: np.ndarray
    response: Response

    def of_rows(self, rows: pd.DataFrame, state: _State) -> np.ndarray:
        """Give the rows their answers' weights, 1 where there is no answer to weigh."""
        weights = self.asked.assign(weight=self.response.weight)
        weights = weights.set_index(["customer_id", "asked"])["weight"]
        keys = pd.MultiIndex.from_arrays([rows["customer_id"], state.asked])
        found = weights.reindex(keys).to_numpy()
        return np.where(state.has & (found > 0), found, 1.0)


def _ways(study: Study, state: _State, answering: _Answering | None) -> dict[str, np.ndarray]:
    """Give the weights of the rows, as they are and for those who did not answer."""
    rows = study.sample.rows
    ways = {"raw": np.ones(len(rows))}
    if answering is not None:
        ways["weighted"] = answering.of_rows(rows, state)
    return ways


def _responses(study: Study, known: Questions, states: Sequence[_State]) -> dict[str, _Answering]:
    """Learn for each metric who answers, from what was known when they were asked."""
    asked = _asked(study, known, states)
    ripe = asked["drawn"] & (asked["asked"] < study.risk.end - _ANSWER_DAYS)
    answered = asked["answered"].notna()
    gave = answered[ripe].groupby(asked["metric"]).agg(["sum", "size"])
    fewest = np.minimum(gave["sum"], gave["size"] - gave["sum"])
    enough = gave.index[fewest >= _LEAST_ANSWERS]
    kept = asked["metric"].isin(enough)
    if not kept.any():
        return {}
    asked, ripe, answered = (t[kept].reset_index(drop=True) for t in (asked, ripe, answered))
    rows = asked.assign(
        cut=asked["asked"],
        mid=asked["asked"],
        start=asked["asked"],
        tenure=asked["asked"] - asked["started"],
        event=answered.astype(int),
    )
    measured = study.measure({"lately": _LATELY}, rows, 0.0)
    before = last_questions(study.dataset, known, rows, 0.0)
    found = {}
    for metric in enough:
        mine = (asked["metric"] == metric).to_numpy()
        gave = answered[mine].to_numpy()
        x = np.hstack(
            [
                adjustment(rows[mine], study.dataset.attributes).matrix,
                _contacts(measured, mine, gave),
                said_before(before, np.flatnonzero(mine), known.metrics),
            ]
        )
        fitted = ripe[mine].to_numpy()
        part = asked.loc[mine, ["customer_id", "asked", "answered"]]
        found[str(metric)] = _Answering(part, fitted, response_weights(x, gave, fitted))
    return found


def _asked(study: Study, known: Questions, states: Sequence[_State]) -> pd.DataFrame:
    """Give the questions put to customers at risk, with the spell they were put in.

    Of very many, a part is drawn to learn from, and those whose answers are to be weighed.
    """
    frame = known.frame.filter(nw.col("metric").is_in([s.metric for s in states]))
    asked = frame.collect(backend="pandas").to_native().astype({"asked": float})
    spells = study.risk.spells.drop(columns=["event", "event_at", "since"])
    asked = pd.merge_asof(
        asked.sort_values(["asked", "customer_id", "metric"], ignore_index=True),
        spells.sort_values("started", kind="stable"),
        left_on="asked",
        right_on="started",
        by="customer_id",
    )
    asked = asked[asked["spell"].notna()].astype({"spell": int})
    inside = (study.risk.start_of(asked["first"].to_numpy()) <= asked["asked"]) & (
        asked["asked"] < study.risk.start_of(asked["last"].to_numpy() + 1)
    )
    asked = asked[inside].reset_index(drop=True)
    generator = np.random.Generator(np.random.PCG64(study.options.seed))
    size = asked.groupby("metric")["asked"].transform("size").to_numpy()
    asked["drawn"] = generator.random(len(asked)) * size < _MOST_QUESTIONS
    customer = study.sample.rows["customer_id"].to_numpy()
    weighed = pd.concat(
        pd.DataFrame({"customer_id": customer, "metric": s.metric, "asked": s.asked})[s.has]
        for s in states
    ).drop_duplicates()
    weighed = asked.merge(weighed.assign(weighed=True), how="left")["weighed"].notna()
    return asked[asked["drawn"] | weighed.to_numpy()].reset_index(drop=True)


def _contacts(
    measured: Mapping[tuple[str, str], np.ndarray], mine: np.ndarray, answered: np.ndarray
) -> np.ndarray:
    """Give what contacts each question had behind it, of all classes and touchpoints met enough."""
    sums = [np.log1p(measured["lately", "all"][mine].sum(axis=1))[:, None]]
    for x in (x[mine] for (_, _), x in measured.items()):
        met = ((x[answered] > 0).sum(axis=0), (x[~answered] > 0).sum(axis=0))
        sums.append(x[:, np.minimum(*met) >= _LEAST_CHURNS])
    return np.hstack(sums)


# -- what stands beside ------------------------------------------------------------------------


def _by_score(study: Study, model: Model, state: _State) -> list[tuple[Any, ...]]:
    """Fit each score, joined to its neighbours until ten who left gave it, against the average."""
    event, sign = model.rows.event, _sign(study, state.metric)
    group = _joined(state, event)
    labels = np.arange(group.max() + 1)
    inside = (group[:, None] == labels) & state.has[:, None]
    if len(labels) < 2 or inside[event == 0].sum(axis=0).min() < _LEAST_BASE:
        return []
    base = model.rows.standing @ inside
    rest, weight = _others(state, event)
    coef, covariance = _fit(model, np.hstack([inside[:, 1:], rest]).astype(float), weight)
    levels = slice(len(labels) - 1)
    against = np.eye(len(labels)) - base / base.sum()  # each less the mean of those at risk
    against = against[:, 1:]
    b = against @ coef[levels]
    variance = against @ covariance[levels, levels] @ against.T
    found = []
    for i in labels:
        ends = sign * state.worse[inside[:, i]]
        made = (float(ends.min()), float(ends.max()), b[i], np.sqrt(variance[i, i]))
        found.append((state.metric, *made, int(event[inside[:, i]].sum())))
    return [row for row in found if np.isfinite(row[3])]


def _joined(state: _State, event: np.ndarray) -> np.ndarray:
    """Number the scores from the best, neighbours joined where few of those who left gave them."""
    values = np.unique(state.worse[state.has])
    place = np.searchsorted(values, state.worse).clip(0, len(values) - 1)
    churns = np.bincount(place[state.has], weights=event[state.has], minlength=len(values))
    fewest = max(_LEAST_CHURNS, state.least)
    least = max(fewest, churns.sum() / _MOST_LEVELS if len(values) > _MOST_LEVELS else 0)
    group, filled = np.zeros(len(values), dtype=int), churns[0]
    for i in range(1, len(values)):
        enough = filled >= least and churns[i:].sum() >= least
        group[i] = group[i - 1] + enough
        filled = churns[i] if enough else filled + churns[i]
    return np.asarray(group[place])


def _others(state: _State, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the columns of the rows without a score, and weights that leave out thin levels."""
    columns, weight = [], np.ones(len(event))
    for kind in (_NEVER, _LONG_AGO, _SILENT):
        inside = state.kind == kind
        if _thin(state, inside, event):
            weight[inside] = 0.0
        else:
            columns.append(inside)
    return np.column_stack([np.zeros((len(event), 0)), *columns]), weight


def _by_age(study: Study, model: Model, state: _State) -> list[tuple[Any, ...]]:
    """Fit the score apart by its age."""
    event = model.rows.event
    age = study.sample.rows["mid"].to_numpy() - state.answered
    worse = _centred(state, model.rows.standing)
    bins = [
        (low, high, state.has & (age >= low) & (age < high)) for low, high in pairwise(_AGE_BINS)
    ]
    rest, weight = _others(state, event)
    kept = []
    for low, high, inside in bins:
        if event[inside].sum() < _LEAST_CHURNS or not np.ptp(worse[inside]):
            weight = np.where(inside, 0.0, weight)
        else:
            kept.append((low, high, inside))
    if not kept:
        return []
    slopes = [np.where(inside, worse, 0.0) for *_, inside in kept]
    levels = [inside for *_, inside in kept[1:]]
    coef, covariance = _fit(model, np.column_stack([*slopes, *levels, rest]).astype(float), weight)
    errors, found = np.sqrt(np.diag(covariance)), []
    for i, (low, high, inside) in enumerate(kept):
        made = (state.metric, low, high, float(coef[i]), float(errors[i]))
        if np.isfinite(made[3]):
            found.append((*made, int(event[inside].sum())))
    return found


def _shape_result(found: Sequence[tuple[Any, ...]], quick: bool) -> Result:
    columns = ["metric", "score_low", "score_high", "estimate", "se", "churns"]
    table = pd.DataFrame(found, columns=columns)
    text = "Each score against the average of those who answered."
    text = _QUICK if quick else text if found else _NOT_APART
    return Result("by_score", _ratios(table), sentence=text)


def _age_result(found: Sequence[tuple[Any, ...]], quick: bool) -> Result:
    columns = ["metric", "age_low", "age_high", "estimate", "se", "churns"]
    table = _ratios(pd.DataFrame(found, columns=columns))
    texts = [_QUICK] if quick else []
    for metric, part in table.groupby("metric", sort=False):
        if len(part) > 1:
            young, old = part.iloc[0], part.iloc[-1]
            texts.append(
                f"A point less good on {metric} multiplies the hazard of leaving by "
                f"{ratio_text(young['hazard_ratio'])} up to {young['age_high']:.0f} days after "
                f"the answer, and by {ratio_text(old['hazard_ratio'])} after {old['age_low']:.0f} "
                f"to {old['age_high']:.0f} days."
            )
    if table.empty and not quick:
        texts = [_NOT_APART]
    return Result("by_age", table, sentence=" ".join(texts))


def _ratios(table: pd.DataFrame) -> pd.DataFrame:
    b, se = table["estimate"].to_numpy(float), table["se"].to_numpy(float)
    return table.assign(**intervals.hazard_ratios(b, se))


def _response_result(responses: Mapping[str, _Answering]) -> Result:
    rows = []
    for metric, r in responses.items():
        fitted = r.asked[r.drawn]
        given = r.response.weight[r.response.weight > 0]
        yes = fitted["answered"].notna()
        rows.append(
            (metric, len(fitted), int(yes.sum()), r.response.share, r.response.told,
             len(given), r.response.effective, given.min(), given.max())
        )  # fmt: skip
    columns = ["metric", "asked", "answered", "share", "told_apart", "answers", "effective"]
    table = pd.DataFrame(rows, columns=[*columns, "weight_low", "weight_high"])
    text = " ".join(c.text for c in _answer_checks(responses)[: len(responses)])
    return Result("response", table, sentence=text or "No answer is weighted.")


# -- words -------------------------------------------------------------------------------------


def _silence(known: Questions, responses: Mapping[str, _Answering]) -> list[Check]:
    if not known.asking:
        text = "the feedback has no asked_at: who was asked and did not answer is not known, and "
        return [Check("who did not answer", False, text + "scores cannot be weighted for them")]
    if not responses:
        text = f"fewer than {_LEAST_ANSWERS} questions with, or without, an answer: no weights"
        return [Check("who did not answer", None, text)]
    return []


def _answer_checks(responses: Mapping[str, _Answering]) -> list[Check]:
    made = []
    for metric, answering in responses.items():
        r = answering.response
        answers = int((r.weight > 0).sum())
        text = (
            f"{r.share:.0%} of the questions on {metric} were answered; of one answered and one "
            f"not, what was known at the asking names the right one {r.told:.0%} of the time; "
            f"weighted, {answers:,} answers tell as much as {r.effective:,.0f}."
        )
        made.append(Check(f"response: {metric}", r.effective >= answers / 2, text))
    if made:
        text = (
            "weights cure silence that goes with what was known at the asking: attributes, tenure, "
            "contacts, earlier answers; not silence that goes with the score itself"
        )
        made.append(Check("what weights cannot cure", None, text))
    return made


def _left_out(known: Questions) -> list[Check]:
    if not known.anonymous:
        return []
    text = f"{counted(known.anonymous, 'question or answer', 'questions or answers')} without a "
    return [Check("feedback without a customer", None, text + "customer_id left out")]


def _sentence(table: pd.DataFrame) -> str:
    by = table.set_index(["metric", "term", "way"]).sort_index()
    texts = []
    for metric in table.loc[table["way"] == "raw", "metric"].unique():
        said = _point(metric, by.loc[(metric, "per point")])
        if (metric, "asked, no answer", "raw") in by.index:
            said += " " + _silent(metric, by.loc[(metric, "asked, no answer", "raw")])
        texts.append(said)
    return "\n".join([*texts, _SYMPTOM])  # a line a metric


def _point(metric: str, ways: pd.DataFrame) -> str:
    """Say what goes with a point less good, among those who answered and had all answered."""
    raw = ways.loc["raw"]
    if raw["conf_low"] <= 1 <= raw["conf_high"]:
        text = f"Scores on {metric} cannot be seen to go with leaving: a point less good "
        text += f"multiplies it by {ratio_text(raw['hazard_ratio'])} ({_interval(raw)}"
        if "weighted" in ways.index:
            text += f"; had everybody answered, {_interval(ways.loc['weighted'], '')}"
        return f"{text})."
    text = f"Each point less good on {metric} goes with {_change(raw)} leaving ({_interval(raw)} "
    text += "times)"
    if "weighted" in ways.index:
        more = ways.loc["weighted"]
        text += f"; had everybody answered, {_change(more)} ({_interval(more, '')})"
    return f"{text}."


def _silent(metric: str, row: pd.Series[Any]) -> str:
    if row["conf_low"] <= 1 <= row["conf_high"]:
        text = f"Customers who did not answer when asked for {metric} cannot be seen to leave "
        text += "sooner or later than those with the average score"
    else:
        text = f"Customers who were asked for {metric} and did not answer leave "
        text += f"{ratio_text(row['hazard_ratio'])} times as fast as those with the average score"
    return f"{text} ({_interval(row)})."


def _change(row: pd.Series[Any]) -> str:
    percent = 100 * abs(row["hazard_ratio"] - 1)
    how = "more" if row["hazard_ratio"] >= 1 else "less"
    return f"{percent:.0f}% {how}" if percent >= 1 else f"{percent:.1g}% {how}"


def _interval(row: pd.Series[Any], what: str = "95% interval ") -> str:
    return f"{what}{ratio_text(row['conf_low'])} to {ratio_text(row['conf_high'])}"
