"""Who was asked, who answered, and whether those who did not leave more often."""

from __future__ import annotations

import datetime as dt
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from scipy import special

from cxlab.analyses.data_quality.looked import (
    ANSWER_DAYS,
    BENT,
    UNTIDY,
    Looked,
    Section,
    collected,
    percent,
    shares,
)
from cxlab.data.dataset import Dataset
from cxlab.errors import AnalysisError
from cxlab.frames.engine import how_many
from cxlab.frames.periods import EPOCH, RiskSet, risk_set
from cxlab.models.intervals import benjamini_hochberg, share_difference, wilson
from cxlab.models.withheld import small_groups
from cxlab.results import MINUS, counted, listed

__all__ = ["coverage", "who_answers", "who_is_missing"]

_MOST_LEVELS = 30
_ALPHA = 0.05
_SURE = 0.99  # a page read every week must not call out in one week of twenty
_FEW_ANSWERS = 0.2
_FEW_LINKED = 0.8
_COLUMNS = ["by", "name", "asked", "answered"]
_SHARE = "% answered"


def coverage(dataset: Dataset, min_group: int) -> Section | None:
    """Tell the share of questions that were answered, by metric, touchpoint and month.

    Parameters
    ----------
    dataset : Dataset
        The data.
    min_group : int
        Questions below which no share is told.
    """
    there = dataset.columns("feedback")
    if not there:
        return None
    linked = _linked(dataset)
    if not {"asked_at", "responded_at"} <= set(there):
        text = "The feedback does not say who was asked and did not answer: no response rate."
        look = Looked("coverage", "response rate", None, text, UNTIDY)
        text = " ".join([text, *(lo.text for lo in linked)])
        return Section.of("coverage", pd.DataFrame(columns=_COLUMNS), text, [look, *linked])
    data = _by_group(dataset)
    rows = [("all", "all", int(data["asked"].sum()), int(data["answered"].sum()))]
    for by in ("metric", "touchpoint", "month"):
        if by in data:
            sums = data.dropna(subset=by).groupby(by)[["asked", "answered"]].sum()
            rows += [(by, str(k), int(a), int(b)) for k, a, b in sums.itertuples()]
    asked, answered = rows[0][2:]
    thin = sum(r[2] < min_group for r in rows[1:])
    rows = [r for r in rows if r[2] >= max(min_group, 1)]
    table = pd.DataFrame(rows, columns=_COLUMNS)
    table = table.join(shares([(r[3], r[2]) for r in rows], _SHARE))
    if not asked:
        text = f"Nobody was asked before the last {ANSWER_DAYS} days."
    else:
        share, low, high = wilson(answered, asked)
        text = (
            f"Of {counted(asked, 'question')} asked, {answered:,} were answered: {percent(share)} "
            f"(95% interval {percent(low)} to {percent(high)})."
        )
        text += _spread(table)
    few = asked > 0 and answered / asked < _FEW_ANSWERS
    look = Looked("coverage", "response rate", None if few or not asked else True, text, UNTIDY,
                  asked - answered, asked)  # fmt: skip
    text = " ".join([text, *(lo.text for lo in linked)])
    if thin:
        text += f" {counted(thin, 'group')} with fewer than {min_group} questions "
        text += f"{'is' if thin == 1 else 'are'} withheld."
    section = Section.of("coverage", table[table["by"] != "month"], text, [look, *linked])
    monthly = table[table["by"] == "month"].drop(columns="by").rename(columns={"name": "month"})
    months = Section.of("response_by_month", monthly, "", [])
    return Section(section.parts | months.parts, section.looked)


def _by_group(dataset: Dataset) -> pd.DataFrame:
    """Count questions and answers by metric, touchpoint and month of asking."""
    ripe = nw.lit(dataset.end - dt.timedelta(days=ANSWER_DAYS))
    by = [c for c in ("metric", "touchpoint") if c in dataset.columns("feedback")]
    month = nw.col("asked_at").dt.truncate("1mo").alias("month")
    data = collected(
        dataset.table("feedback")
        .filter(nw.col("asked_at") < ripe)
        .with_columns(month)
        .group_by("month", *by)
        .agg(asked=nw.len(), answered=how_many(~nw.col("responded_at").is_null()))
    )
    data["month"] = data["month"].astype("datetime64[s]").dt.strftime("%Y-%m")
    return data.astype({"asked": int, "answered": int})


def _spread(table: pd.DataFrame) -> str:
    """Name the groups that answer least and most."""
    for by in ("touchpoint", "metric"):
        part = table[table["by"] == by].sort_values(_SHARE, kind="stable")
        if len(part) > 1:
            least, most = part.iloc[0], part.iloc[-1]
            return (
                f" By {by}, it goes from {percent(least[_SHARE] / 100)} ({least['name']}) to "
                f"{percent(most[_SHARE] / 100)} ({most['name']})."
            )
    return ""


def _linked(dataset: Dataset) -> list[Looked]:
    """Tell which answers can be laid beside the contact they are about."""
    there = dataset.columns("feedback")
    if "interaction_id" not in there or "interactions" not in dataset.tables:
        return []
    frame = dataset.table("feedback")
    if "responded_at" in there:
        frame = frame.filter(~nw.col("responded_at").is_null())
    frame = frame.select("interaction_id")
    if "interaction_id" in dataset.columns("interactions"):
        known = (
            dataset.table("interactions").select("interaction_id").with_columns(cx_met=nw.lit(1))
        )
        frame = frame.join(known, on="interaction_id", how="left")
    else:
        frame = frame.with_columns(cx_met=nw.lit(None, dtype=nw.Int64()))
    named = ~nw.col("interaction_id").is_null()
    counts = collected(frame.select(nw.len().alias("all"), how_many(named).alias("named"),
                                    nw.col("cx_met").sum().alias("met")))  # fmt: skip
    total, told, met = (int(counts[c].fillna(0)[0]) for c in ("all", "named", "met"))
    if not told:
        return []
    text = f"{percent(told / total)} of the answers name the contact they are about"
    text += "." if met == told else f"; of these, {told - met:,} name one that is not there."
    passed = met >= _FEW_LINKED * told
    return [Looked("linked", "answers linked to contacts", passed, text, BENT, told - met, told)]


def who_is_missing(dataset: Dataset, window_days: int, min_group: int) -> Section | None:
    """Compare who leaves among those who were heard of and those who were not.

    Groups are formed by what had happened at the start of the last ``window_days``, and
    followed to the end: whoever stays longer has more time to answer (Anderson, Cain and
    Gelber 1983).

    Parameters
    ----------
    dataset : Dataset
        The data.
    window_days : int
        Days in which those who leave are counted.
    min_group : int
        Groups of fewer customers are withheld, and those from which they could be told.
    """
    if dataset.form == "snapshot" or not {"interactions", "feedback"} & set(dataset.tables):
        return None
    try:
        risk = risk_set(dataset)
    except AnalysisError:
        return None
    people = _at_risk(risk, window_days)
    start = EPOCH + dt.timedelta(days=risk.end - window_days)
    rows, looked = [], []
    if "interactions" in dataset.tables:
        met = _ids(dataset.table("interactions").filter(nw.col("occurred_at") < nw.lit(start)))
        inside = people["customer_id"].isin(met)
        rows += _followed("contacts", people, {"had contacts": inside, "had none": ~inside})
        looked.append(_unmet(rows, min_group))
    if "customer_id" in dataset.columns("feedback"):
        groups = _by_answer(dataset, people["customer_id"], start)
        rows += _followed("feedback", people, groups)
        looked += _silent(rows, window_days, min_group)
    columns = ["of", "customers who", "customers", "left"]
    table = pd.DataFrame(rows, columns=columns)
    table = table.join(shares([(r[3], r[2]) for r in rows], "% left"))
    table = table[table["customers"] > 0]
    # All who were there, and all who left, are told elsewhere.
    few = table.groupby("of")["customers"].transform(lambda n: small_groups(n, min_group))
    table[["customers", "left"]] = table[["customers", "left"]].astype("Int64")
    table.loc[few, table.columns[2:4]] = pd.NA
    table.loc[few, table.columns[4:]] = np.nan
    text = " ".join(lo.text for lo in looked) or "Nobody was a customer when the window began."
    return Section.of("who_is_missing", table, text, looked)


def _at_risk(risk: RiskSet, window_days: int) -> pd.DataFrame:
    """Give the customers at risk at the start of the window, and whether they left within it."""
    spells = risk.spells
    start = risk.end - window_days
    began = risk.start_of(spells["first"].to_numpy())
    last = spells["last"].to_numpy()
    there = (began <= start) & (risk.start_of(last + 1) > start)
    left = spells["event"].to_numpy() & (risk.start_of(last) < risk.end)
    return pd.DataFrame({"customer_id": spells["customer_id"], "left": left})[there]


def _ids(frame: nw.LazyFrame[Any]) -> pd.Series[Any]:
    return collected(frame.select("customer_id").unique())["customer_id"]


def _by_answer(
    dataset: Dataset, people: pd.Series[Any], start: dt.datetime
) -> dict[str, pd.Series[Any]]:
    """Part customers into those who answered, those who did not, and those never asked."""
    there, frame = dataset.columns("feedback"), dataset.table("feedback")
    time = next(c for c in ("responded_at", "asked_at") if c in there)
    answered = people.isin(_ids(frame.filter(nw.col(time) < nw.lit(start))))
    if not {"asked_at", "responded_at"} <= set(there):
        return {"answered": answered, "did not answer": ~answered}
    asked = people.isin(_ids(frame.filter(nw.col("asked_at") < nw.lit(start)))) | answered
    return {
        "answered": answered,
        "were asked and did not answer": asked & ~answered,
        "were never asked": ~asked,
    }


def _followed(
    of: str, people: pd.DataFrame, groups: dict[str, pd.Series[Any]]
) -> list[tuple[Any, ...]]:
    rows = []
    for name, inside in groups.items():
        customers, left = int(inside.sum()), int(people.loc[inside, "left"].sum())
        rows.append((of, name, customers, left))
    return rows


def _unmet(rows: list[tuple[Any, ...]], min_group: int) -> Looked:
    met, none = rows[0][2], rows[1][2]
    total, few = met + none, 0 < none < min_group
    text = (
        f"{f'Fewer than {min_group}' if few else f'{none:,}'} of {counted(total, 'customer')} at "
        "the start of the window had no contact before"
    )
    text += "." if few or not none else f" ({percent(none / total)})."
    touched = (0, 0) if few else (none, total)
    return Looked("no_contact", "customers without contacts", None if none else True, text,
                  UNTIDY, *touched)  # fmt: skip


def _silent(rows: list[tuple[Any, ...]], window_days: int, min_group: int) -> list[Looked]:
    """Compare those who answered with those who did not."""
    by_name = {r[1]: r for r in rows if r[0] == "feedback"}
    yes = by_name["answered"]
    no = by_name.get("were asked and did not answer") or by_name["did not answer"]
    hidden = small_groups(np.array([r[2] for r in by_name.values()]), min_group)
    gone = {name for name, few in zip(by_name, hidden, strict=True) if few}
    if not min(yes[2], no[2]) or gone & {yes[1], no[1]}:
        return []
    difference, low, high = share_difference(no[3], no[2], yes[3], yes[2], _SURE)
    bent = low > 0 or high < 0
    text = (
        f"Of customers who had not answered, {percent(no[3] / no[2])} left in the {window_days} "
        f"days; of those who had, {percent(yes[3] / yes[2])}: a difference of "
        f"{100 * difference:.1f} points ({_SURE:.0%} interval {100 * low:.1f} to {100 * high:.1f})."
    ).replace("-", MINUS)
    if bent:
        more = "more" if difference > 0 else "less"
        text += f" Those who stay silent leave {more} often, so that scores show too "
        text += "good a picture." if difference > 0 else "bad a picture."
    else:
        text += " No difference can be told."
    return [Looked("silent", "those who do not answer", not bent, text, BENT, no[2],
                   no[2] + yes[2])]  # fmt: skip


def who_answers(dataset: Dataset, min_group: int) -> Section | None:
    """Compare the attributes of the customers who answer with those of the ones who do not.

    Parameters
    ----------
    dataset : Dataset
        The data.
    min_group : int
        Customers below which a level is withheld.
    """
    needed = {"customer_id", "asked_at", "responded_at"}
    texts = [a for a, kind in dataset.attributes.items() if kind == "text"]
    if dataset.form == "snapshot" or not needed <= set(dataset.columns("feedback")) or not texts:
        return None
    # The first question alone: whoever stays longer is asked, and answers, more often.
    ripe = nw.lit(dataset.end - dt.timedelta(days=ANSWER_DAYS))
    asked = dataset.table("feedback").filter(~nw.col("customer_id").is_null())
    asked = asked.with_columns(cx_first=nw.col("asked_at").min().over("customer_id"))
    asked = (
        asked.filter(nw.col("asked_at") == nw.col("cx_first"), nw.col("asked_at") < ripe)
        .group_by("customer_id")
        .agg(cx_answered=(~nw.col("responded_at").is_null()).any())
    )
    people = dataset.table("customers").select("customer_id", *texts).unique("customer_id")
    joined = asked.join(people, on="customer_id", how="inner")
    parts = [
        joined.filter(~nw.col(name).is_null())
        .group_by(nw.col(name).alias("level"))
        .agg(asked=nw.len(), answered=how_many(nw.col("cx_answered")))
        .with_columns(attribute=nw.lit(name))
        .select("attribute", "level", "asked", "answered")
        for name in texts
    ]
    counts = collected(nw.concat(parts)).sort_values("level")
    counts = counts[counts["asked"] >= min_group].astype({"asked": int, "answered": int})
    tests = {}
    for name in texts:
        levels = counts[counts["attribute"] == name]
        if 2 <= len(levels) <= _MOST_LEVELS:
            tests[name] = _independence(levels)
    if not tests:
        return None
    q_value = dict(zip(tests, benjamini_hochberg(np.array(list(tests.values()))), strict=True))
    told = [n for n in tests if q_value[n] < _ALPHA]
    data = pd.concat([counts[:0], *(counts[counts["attribute"] == n] for n in told)])
    data = data.reset_index(drop=True)
    data = data.join(shares(zip(data["answered"], data["asked"], strict=True), _SHARE))
    text = _answering(data, told, len(tests))
    look = Looked("who_answers", "who answers", None if told else True, text, BENT,
                  p_value=min(tests.values()))  # fmt: skip
    return Section.of("who_answers", data, text, [look])


def _answering(data: pd.DataFrame, told: list[str], tested: int) -> str:
    if not told:
        what = "attribute" if tested == 1 else f"{tested} attributes"
        return f"Customers who answer the first question do not differ from the others by {what}."
    each = []
    for name in told:
        part = data[data["attribute"] == name].sort_values(_SHARE, kind="stable")
        least, most = part.iloc[0], part.iloc[-1]
        each.append(f"{name} ({least['level']} {percent(least[_SHARE] / 100)}, "
                    f"{most['level']} {percent(most[_SHARE] / 100)})")  # fmt: skip
    return f"The share who answer the first question put to them differs by {listed(each, 5)}."


def _independence(counts: pd.DataFrame) -> float:
    """Give the p-value of Pearson's test that all levels answer alike."""
    asked, answered = counts["asked"], counts["answered"]
    share = answered.sum() / asked.sum()
    if share in (0, 1):
        return 1.0
    chi2 = ((answered - asked * share) ** 2 / (asked * share * (1 - share))).sum()
    return float(special.chdtrc(len(counts) - 1, chi2))
