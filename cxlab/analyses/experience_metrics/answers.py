"""Scores as they were given, and as if everybody asked had answered."""

from __future__ import annotations

import math

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.analyses.experience_metrics import silent
from cxlab.analyses.experience_metrics.gather import Known
from cxlab.analyses.experience_metrics.readable import gap
from cxlab.frames.adjustment import adjustment
from cxlab.frames.answers import last_questions, questions, said_before
from cxlab.frames.engine import PRIME, hashed, with_key
from cxlab.frames.measures import Measure
from cxlab.frames.periods import attribute, days_since_epoch
from cxlab.frames.surveys import ANSWER_DAYS, score_measures
from cxlab.models.intervals import Z, wald_p
from cxlab.models.response import Response, Weighed, Weigher, response_weights
from cxlab.models.verdicts import ALPHA
from cxlab.results import Check, Result, listed, metric_label

__all__ = ["weighted"]

_COLUMNS = ["metric", "asked", "answered", "response", "raw", "raw_low", "raw_high", "estimate",
            "conf_low", "conf_high", "difference", "difference_low", "difference_high", "p_value",
            "told_apart", "effective", "unit"]  # fmt: skip
_DAYS = 365.0
_MOST_QUESTIONS = 60_000
_LEAST = 50
_LATELY = 120.0
_HALF_LIFE = 28.0
_SEED = 20_250_101
_FEW = 10


def weighted(known: Known) -> Result:
    """Weigh the answers of the last year for those who were asked and did not answer.

    Who answers is learnt from what was known at the asking: attributes, value, tenure, the
    month, the touchpoint and channel, contacts and failures of the 120 days before at each
    touchpoint, and what the customer had last said, or not said. Of very many questions a
    sample of customers is taken.

    Parameters
    ----------
    known : Known
        The data.

    Returns
    -------
    Result
        A row a metric: ``asked, answered, response``; ``raw`` and its interval; ``estimate``
        (weighted) and its interval, which holds that the weights are estimated; their
        difference; ``told_apart`` (area under the ROC curve of who answers), ``effective``
        (answers that would tell as much). Its part ``response_by`` has the same by month, by
        what contacts are cut by and by attribute, with the same weights.
    """
    if "questions" not in known.sources or known.person is None:
        why = known.left_out.get("response rates") or known.left_out.get("scores", "")
        return _nothing(f"Scores are not weighted for those who did not answer: {why}.")
    asked = _asked(known)
    if asked.empty:
        return _nothing("No question of the last year names a customer who can be weighed for.")
    x_all = _known_at_asking(known, asked)
    cuts = silent.cuts(known, asked, _DAYS)
    rows, groups, checks = [], [], []
    for name in sorted(set(asked["metric"])):
        mine = (asked["metric"] == name).to_numpy()
        part, answered = asked[mine], asked.loc[mine, "answered"].to_numpy()
        if min(answered.sum(), (~answered).sum()) < _LEAST:
            text = f"fewer than {_LEAST} questions with, or without, an answer: no weights"
            checks.append(Check(f"weights: {name}", None, text))
            continue
        x = _columns(part, x_all[mine], answered, known)
        who = np.unique(part["who"], return_inverse=True)[1]
        response = response_weights(x, answered, np.ones(len(x), dtype=bool))
        weigher = Weigher(x, answered, who, response)
        for m in score_measures(name, known.dataset.settings.all_metrics[name]):
            score, all_of = _values(part, m), np.zeros(len(part), dtype=int)
            rows.append(_row(m, weigher.means(score, all_of, 1), response))
            groups += [silent.told(m, c, weigher.means(score, c.place[mine], len(c.names)))
                       for c in cuts]  # fmt: skip
    table = pd.DataFrame(rows, columns=_COLUMNS)
    by = silent.together(known, groups)
    about = {"days": _DAYS}
    return Result("response", table, tuple(checks), about, _sentence(table), {by.name: by})


def _nothing(text: str) -> Result:
    return Result("response", pd.DataFrame(columns=_COLUMNS), sentence=text)


def _asked(known: Known) -> pd.DataFrame:
    """Give the questions of the last year, or of a sample of customers, in order."""
    source, person = known.sources["questions"], known.person
    assert person is not None
    frame = source.make(known.spans).frame.filter(
        (nw.col("asked") >= source.last - _DAYS) & ~nw.col("who").is_null()
    )
    most = frame.group_by("metric").agg(n=nw.len()).select(nw.col("n").max())
    many = most.collect(backend="pyarrow").item()
    own = person.frame.select("who", "customer_id", *person.attributes.values())
    frame = frame.join(own, on="who", how="inner")
    if many and many > _MOST_QUESTIONS:
        frame = hashed(
            with_key(frame, "customer_id").with_columns(one=nw.lit(0).cast(nw.Int64)), "one", _SEED
        )
        frame = frame.filter(nw.col("draw") < int(PRIME * _MOST_QUESTIONS / many))
    kept = ("who", "customer_id", "metric", "asked", "answered", "score", "touchpoint", "channel",
            *person.attributes.values())  # fmt: skip
    table: pd.DataFrame = frame.select(*kept).collect(backend="pandas").to_native()
    within = table["answered"] - table["asked"] <= ANSWER_DAYS
    table["answered"] = (table["score"].notna() & within).to_numpy(bool)
    table = table.astype({"asked": float, "score": float})
    order = ["asked", "customer_id", "metric", "score"]
    table = table.sort_values(order, kind="stable", ignore_index=True)
    return _with_spells(known, table)


def _with_spells(known: Known, asked: pd.DataFrame) -> pd.DataFrame:
    """Add the customer's attributes and start, of the spell in which the question was put."""
    dataset = known.dataset
    there = dataset.columns("customers")
    wanted = dataset.attach(pd.DataFrame({"customer_id": asked["customer_id"].unique()}))
    kept = [nw.col(a).alias(attribute(a)) for a in dataset.attributes]
    kept += [nw.col("monthly_value")] if "monthly_value" in there else []
    dated = dataset.form != "snapshot"
    started = days_since_epoch(nw.col("started_at")) if dated else nw.lit(0.0)
    customers = dataset.table("customers").select("customer_id", *kept, started=started)
    found = wanted.join(customers, on="customer_id", how="inner")
    spells: pd.DataFrame = found.collect(backend="pandas").to_native()
    spells = spells.sort_values(["started", "customer_id"], kind="stable")
    joined = pd.merge_asof(
        asked, spells, left_on="asked", right_on="started", by="customer_id",
    )  # fmt: skip
    # who was asked before the start has no tenure yet
    joined["tenure"] = (joined["asked"] - joined["started"]).fillna(0.0).clip(lower=0.0)
    return joined if dated else joined.assign(tenure=0.0)


def _known_at_asking(known: Known, asked: pd.DataFrame) -> np.ndarray:
    """Give contacts and failures before each question, and what was last said."""
    columns = [_contacts_before(known, asked)]
    earlier = questions(known.dataset)
    if not isinstance(earlier, str):
        rows = asked[["customer_id"]].assign(cut=asked["asked"])
        before = last_questions(known.dataset, earlier, rows, 0.0)
        columns.append(said_before(before, np.arange(len(asked)), earlier.metrics))
    return np.hstack(columns)


def _contacts_before(known: Known, asked: pd.DataFrame) -> np.ndarray:
    """Give each touchpoint's contacts and failures before a question, fading with age."""
    rows = known.contacts
    if rows is None:
        return np.zeros((len(asked), 0))
    sent = pd.DataFrame(
        {"row": np.arange(len(asked)), "who": asked["who"].astype("int32"),
         "asked": asked["asked"]}
    )  # fmt: skip
    failed = "failed_y" in rows.frame.collect_schema().names()
    bad = nw.col("failed_y").cast(nw.Float64) if failed else nw.lit(0.0)
    contacts = rows.frame.select("who", "at", "touchpoint", bad=bad)
    pairs = known.dataset.attach(sent).join(contacts, on="who", how="inner")
    age = nw.col("asked") - nw.col("at")
    pairs = pairs.filter((age > 0) & (age <= _LATELY))
    pairs = pairs.with_columns(fresh=(age * (-math.log(2) / _HALF_LIFE)).exp())
    summed = pairs.group_by("row", "touchpoint").agg(
        met=nw.col("fresh").sum(), bad=(nw.col("fresh") * nw.col("bad")).sum()
    )
    table = summed.collect(backend="pandas").to_native()
    made = np.zeros((len(asked), 2 * len(known.places.touchpoints)))
    place, row = table["touchpoint"].to_numpy(int), table["row"].to_numpy(int)
    made[row, 2 * place] = table["met"]
    made[row, 2 * place + 1] = table["bad"]
    together = np.log1p(made[:, ::2].sum(axis=1))
    return np.column_stack([together, made])


def _columns(
    part: pd.DataFrame, known_before: np.ndarray, answered: np.ndarray, known: Known
) -> np.ndarray:
    """Put together what was known at the asking, the constant first."""
    rows = part.assign(event=answered.astype(int), start=part["asked"]).reset_index(drop=True)
    base = adjustment(rows, known.dataset.attributes).matrix
    levels = []
    for column in ("touchpoint", "channel"):
        place = part[column].astype(float).fillna(-1).to_numpy(int)
        for value in np.unique(place)[1:]:
            inside = place == value
            if min(answered[inside].sum(), (~answered[inside]).sum()) >= _FEW:
                levels.append(inside)
    met = known_before != 0
    told = np.minimum(met[answered].sum(axis=0), met[~answered].sum(axis=0)) >= _FEW
    made = [base, known_before[:, told]]
    if levels:
        made.append(np.column_stack(levels).astype(float))
    return np.hstack(made)


def _values(part: pd.DataFrame, m: Measure) -> np.ndarray:
    """Give each answer's value in a metric, by the metric's own rule."""
    eager = nw.from_native(part[["metric", "score"]].reset_index(drop=True), eager_only=True)
    found = eager.with_columns(value=m.num)["value"].to_numpy()
    return np.asarray(found, dtype=float)


def _row(m: Measure, made: Weighed, response: Response) -> tuple[object, ...]:
    def ends(pair: np.ndarray) -> tuple[float, float, float]:
        low, high = pair[0] - Z * pair[1], pair[0] + Z * pair[1]
        return pair[0], low, high

    gap, error = made.difference[0]
    asked, answers = int(made.asked[0]), int(made.answers[0])
    p = float(wald_p(np.array([gap]), np.array([error]))[0]) if error > 0 else np.nan
    return (m.name, asked, answers, answers / asked, *ends(made.raw[0]), *ends(made.weighted[0]),
            *ends(made.difference[0]), p, response.told, response.effective,
            m.unit)  # fmt: skip


def _sentence(table: pd.DataFrame) -> str:
    if table.empty:
        return "Too few questions to weigh answers for those who did not give one."
    rates = table.drop_duplicates("asked")["response"]
    text = f"Between {rates.min():.0%} and {rates.max():.0%} of those asked answer. "
    if round(100 * rates.min()) == round(100 * rates.max()):
        text = f"{rates.iloc[0]:.0%} of those asked answer. "
    moved = table[(table["p_value"] < ALPHA) & ~table["metric"].str.endswith(" top box")]
    if moved.empty:
        return text + (
            "Weighted for those who did not, no score changes by more than chance: as far as what "
            "was known at the asking tells, the silent are like those who answer."
        )
    told = [
        f"{metric_label(str(r.metric))} would be {gap(abs(float(r.difference)), str(r.unit))[1:]} "
        f"{'higher' if r.difference > 0 else 'lower'}"
        for r in moved.itertuples()
    ]
    return (
        f"{text}Had everybody asked answered, {listed(told)}, as far as what was known at the "
        "asking can tell."
    )
