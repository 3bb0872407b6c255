"""What today's customers are worth, and what keeping more of them would be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.retention.seen import groups
from cxlab.data.contract import Inactivity
from cxlab.data.dataset import Dataset
from cxlab.errors import UsageError
from cxlab.frames.buying import buying
from cxlab.frames.paying import Paying, paying
from cxlab.frames.periods import RiskSet, attribute
from cxlab.models.buying import Bought, fit
from cxlab.models.intervals import LEVEL
from cxlab.models.lifetime_value import Estimate, Terms, Worth, worth_of
from cxlab.results import Result, counted, listed, money

__all__ = ["worth"]

_ALL = "all customers"
_COLUMNS = ["term", "estimate", "conf_low", "conf_high", "p_value", "n", "total", "total_low",
            "total_high", "monthly", "beyond", "gone"]  # fmt: skip
_POINTS = np.arange(0.5, 10.01, 0.5)
_TOLD = (1.0, 2.0, 5.0, 10.0)
# Of fewer customers who bought again no interval can be told.
_LEAST_AGAIN = 30
# Purchases ahead are discounted in steps of a quarter. Where customers are many, their times are
# told in steps of a week or more, up to four, so that fewer differ.
_STEPS, _MOST_ROWS, _FEWER_ROWS, _WEEK, _COARSEST = 4, 30_000, 5_000, 7, 28
_UNKNOWN = "–"

_Row = dict[str, Any]


def worth(
    dataset: Dataset,
    risk: RiskSet | None,
    *,
    segment: str = "",
    margin: float = 1.0,
    discount_rate: float = 0.1,
    value_years: int = 5,
    min_group: int = 10,
) -> dict[str, Result]:
    """Tell what today's customers will pay, and what more retention would add to it.

    Parameters
    ----------
    dataset : Dataset
        In either form.
    risk : RiskSet or None
        Its spells; None for a snapshot.
    segment : str
        The attribute whose groups are told of; empty: none.
    margin : float
        The share of what customers pay that is profit.
    discount_rate : float
        By how much a year's wait lowers value.
    value_years : int
        How far ahead value is counted.
    min_group : int
        Groups of fewer customers are withheld.

    Returns
    -------
    dict of Result
        ``worth``: a row for all and one a group: the value a customer (``estimate, conf_low,
        conf_high``), ``n``, of all of them (``total, total_low, total_high``), ``monthly``
        (what they pay now), ``beyond`` (share of the value at tenures beyond the data) and
        ``gone`` (where churn is silence: share of it in those who count as gone); and
        ``worths``, the same in words. ``retention_worth``: by points of retention what is
        added; and ``retention_worths``. Where nothing can be told, a part has no rows and its
        sentence says why.

    Raises
    ------
    UsageError
        An option is out of its bounds.
    """
    for name, value, low, high in (
        ("margin", margin, 0.0, 1.0),
        ("discount_rate", discount_rate, 0.0, 1.0),
        ("value_years", value_years, 1, 20),
    ):
        if not low <= value <= high or (name == "margin" and value == 0):
            raise UsageError(
                f"{name} is {value}; allowed: {'over ' if name == 'margin' else ''}{low:g} to "
                f"{high:g}"
            )
    terms = Terms(margin, discount_rate, value_years)
    silent = isinstance(dataset.settings.churn, Inactivity)
    if silent and risk is not None and "monthly_value" not in dataset.columns("customers"):
        return _shop(dataset, risk, segment, terms, min_group)
    found = paying(dataset, risk)
    if isinstance(found, str):
        return _nothing(f"What customers are worth cannot be told: {found}.")
    return _contract(dataset, found, segment, terms, min_group)


def _nothing(why: str) -> dict[str, Result]:
    return {"worth": Result("worth", pd.DataFrame(columns=_COLUMNS), sentence=why)}


def _meta(dataset: Dataset, terms: Terms, segment: str, **more: Any) -> dict[str, Any]:
    return {
        "currency": dataset.settings.currency or "",
        "level": LEVEL,
        "margin": terms.margin,
        "discount_rate": terms.discount_rate,
        "years": int(terms.years),
        "segment": segment,
        **more,
    }


def _row(term: str, total: Estimate, customers: int, **more: float) -> _Row:
    each = total.per(max(customers, 1))
    figures = {"monthly": np.nan, "beyond": np.nan, "gone": np.nan} | more
    return {
        "term": term, "estimate": each.value, "conf_low": each.low, "conf_high": each.high,
        "p_value": np.nan, "n": customers, "total": total.value, "total_low": total.low,
        "total_high": total.high, **figures,
    }  # fmt: skip


def _parted(
    values: Mapping[str, pd.Series], segment: str, tenure: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Give each group of an attribute, with its members; nothing where it has none."""
    found = groups(values[segment], tenure) if segment in values else ""
    if isinstance(found, str):
        return
    code, levels = found
    for place, level in enumerate(levels):
        yield level, code == place


# -- contracts --------------------------------------------------------------------------------


def _contract(
    dataset: Dataset, found: Paying, segment: str, terms: Terms, least: int
) -> dict[str, Result]:
    unknown = int((~found.known & ~found.ended).sum())
    found = found.where(found.known)
    whole = worth_of(found, terms, least)
    if isinstance(whole, str):
        return _nothing(f"What customers are worth cannot be told: {whole}.")
    rows, withheld = [_of(_ALL, found, whole)], []
    for level, inside in _parted(found.attributes, segment, found.exit):
        part = found.where(inside)
        one = worth_of(part, terms, least)
        if isinstance(one, str):
            withheld.append(level)
        else:
            rows.append(_of(level, part, one))
    table = pd.DataFrame(rows, columns=_COLUMNS)
    meta = _meta(
        dataset, terms, segment, withheld=withheld, unknown=unknown,
        purchases=found.bought is not None, left_out=int((~found.ended).sum()) - whole.customers,
    )  # fmt: skip
    told = Result("worth", table, meta=meta, sentence=_worth_words(table, meta, least))
    return {"worth": told, "worths": _worths(told), **_retention(whole, meta)}


def _of(term: str, found: Paying, made: Worth) -> _Row:
    monthly = float(found.monthly[made.counted].mean())
    return _row(term, made.total, made.customers, monthly=monthly, beyond=made.beyond)


def _retention(made: Worth, meta: Mapping[str, Any]) -> dict[str, Result]:
    """Tell what each point of retention adds."""
    now = made.retention
    rows = [
        (f"+{p:g} point{'' if p == 1 else 's'}", g.value, g.low, g.high, np.nan, made.customers,
         p, now.value, now.value + p / 100, g.value / made.total.value)
        for p, g in zip(_POINTS, made.gains(list(_POINTS / 100)), strict=True) if g is not None
    ]  # fmt: skip
    columns = ["term", "estimate", "conf_low", "conf_high", "p_value", "n", "points", "retention",
               "retention_then", "share"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    meta = {**meta, "retention": [now.value, now.low, now.high], "total": made.total.value}
    told = Result("retention_worth", table, meta=meta, sentence=_retention_words(table, meta))
    return {"retention_worth": told, "retention_worths": _retention_worths(told)}


# -- shops ------------------------------------------------------------------------------------


def _shop(
    dataset: Dataset, risk: RiskSet, segment: str, terms: Terms, least: int
) -> dict[str, Result]:
    found = buying(risk)
    if isinstance(found, str):
        return _nothing(f"What customers are worth cannot be told: {found}.")
    rule = dataset.settings.churn
    assert isinstance(rule, Inactivity)
    customers = found.customers
    whole = _bought_by(customers, terms, rule.inactivity.days, least)
    if isinstance(whole, str):
        return _nothing(f"What customers are worth cannot be told: {whole}.")
    rows, withheld = [whole], []
    values = {a: customers[attribute(a)] for a in dataset.attributes}
    for level, inside in _parted(values, segment, customers["seen"].to_numpy(float)):
        one = _bought_by(customers[inside], terms, rule.inactivity.days, least)
        if isinstance(one, str):
            withheld.append(level)
        else:
            rows.append(one | {"term": level})
    table = pd.DataFrame(rows, columns=_COLUMNS)
    meta = _meta(dataset, terms, segment, withheld=withheld, left_out=found.left_out,
                 silence=rule.inactivity.days, unknown=0, purchases=True)  # fmt: skip
    told = Result("worth", table, meta=meta, sentence=_worth_words(table, meta, least))
    why = "Where churn is silence nobody knows who is still there: what keeping more would add "
    none = Result("retention_worth", pd.DataFrame(), sentence=f"{why}is not told.")
    return {"worth": told, "worths": _worths(told), "retention_worth": none}


def _bought_by(customers: pd.DataFrame, terms: Terms, silence: int, least: int) -> _Row | str:
    """Put a value on what some customers will buy, or say why there is none."""
    again, spent = customers["repeats"].to_numpy(), customers["spent"].to_numpy()
    if len(customers) < least or (again > 0).sum() < _LEAST_AGAIN:
        return f"fewer than {_LEAST_AGAIN} customers have bought again"
    rows, place = _alike(customers, _MOST_ROWS)
    count = np.bincount(place).astype(float)
    model = fit(Bought(rows[:, 0], rows[:, 1], rows[:, 2]), count)
    edges = np.arange(1, _STEPS * int(terms.years) + 1) * terms.days / (_STEPS * terms.years)
    # What a purchase counts that is made up to each edge: the step's, less the next one's.
    middles = edges - edges[0] / 2
    steps = np.exp(-terms.discount * middles)
    each = steps - np.append(steps[1:], 0.0)
    per_row = model.ahead(edges) @ each
    mean = spent.sum() / again.sum()
    paid = mean * terms.margin
    total = float(paid * (count @ per_row))
    if not (np.isfinite(total) and total > 0):
        return "how they buy fits no model"
    # How the sum moves with the parameters need not be known as well as the sum.
    fewer, among = _alike(customers, _FEWER_ROWS)
    moves = model.change(Bought(*fewer.T), np.bincount(among).astype(float), edges, each)
    influence = paid * moves[place]
    influence = influence + total * (spent / spent.sum() - again / again.sum())
    gone = customers["silent"].to_numpy() >= silence
    share = float(paid * per_row[place][gone].sum() / total)
    return _row(_ALL, Estimate.of(total, influence), len(customers), gone=share)


def _alike(customers: pd.DataFrame, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Take customers alike together: their repeats, last and seen, and each one's place."""
    repeats, last, seen = (customers[c].to_numpy(int) for c in ("repeats", "last", "seen"))
    step = 1
    while True:
        # One number for the three of them, all of whole days.
        code = (repeats << 40) + (_steps(last, step) << 20) + _steps(seen, step)
        code, first, place = np.unique(code, return_index=True, return_inverse=True)
        if len(code) <= most or step >= _COARSEST:
            break
        step = _WEEK if step == 1 else 2 * step
    times = (step * _steps(v[first], step) for v in (last, seen))
    return np.column_stack([repeats[first], *times]).astype(float), place


def _steps(days: np.ndarray, step: int) -> np.ndarray:
    return np.asarray((days + step // 2) // step)


# -- words ------------------------------------------------------------------------------------


def _between(low: float, high: float, currency: str) -> str:
    return f"95% interval {money(low, currency)} to {money(high, '')}"


def _counting(meta: Mapping[str, Any]) -> str:
    """Say how value is counted."""
    text = f"over the next {counted(meta['years'], 'year')}, at a discount of "
    text += f"{100 * meta['discount_rate']:g}% a year"
    if meta["margin"] < 1:
        text += f" and a margin of {100 * meta['margin']:g}%"
    return text


def _worth_words(table: pd.DataFrame, meta: Mapping[str, Any], least: int) -> str:
    row, currency = table.iloc[0], meta["currency"]
    shop = "silence" in meta
    who = f"{row['n']:,} customers{' who began within the feed' if shop else ' of today'}"
    text = (
        f"The {who} are expected to bring {money(row['total'], currency)} {_counting(meta)} "
        f"({_between(row['total_low'], row['total_high'], currency)}): "
        f"{money(row['estimate'], currency)} each."
    )
    if shop:
        text += (
            f" {row['gone']:.0%} of it is to come from customers who count as gone, silent for "
            f"{meta['silence']} days or more."
        )
    elif row["beyond"] >= 0.005:
        text += (
            f" {row['beyond']:.0%} of it lies at tenures that too few have reached so far; there, "
            "customers are taken to leave at the rate of the last stretch seen."
        )
    levels = table.iloc[1:]
    if len(levels) > 1:
        low, high = (levels.loc[levels["estimate"].agg(f)] for f in ("idxmin", "idxmax"))
        text += (
            f" By {meta['segment']}, it goes from {money(low['estimate'], currency)} a customer "
            f"({low['term']}) to {money(high['estimate'], currency)} ({high['term']})."
        )
    return text + _left_out(meta, least)


def _left_out(meta: Mapping[str, Any], least: int) -> str:
    text = ""
    if meta["unknown"]:
        text += f" Not counted: {counted(meta['unknown'], 'customer')} without a monthly value."
    if meta["left_out"]:
        why = "who began before the data do, or have ended"
        if "silence" not in meta:
            why = f"at tenures at which fewer than {least} are followed"
        text += f" Not counted: {counted(meta['left_out'], 'customer')} {why}."
    if meta["withheld"]:
        text += f" Withheld, with too few customers or ends: {listed(meta['withheld'], 5)}."
    return text


def _retention_words(table: pd.DataFrame, meta: Mapping[str, Any]) -> str:
    now, low, high = meta["retention"]
    text = (
        f"Of 100 of today's customers, {100 * now:.1f} will still be there in a year (95% interval "
        f"{100 * low:.1f} to {100 * high:.1f})."
    )
    told = []
    for points, words in ((1.0, "one more"), (5.0, "five more")):
        for row in table[table["points"] == points].itertuples():
            told.append(
                f"{words} of 100 kept {'adds' if points == 1 else 'add'} "
                f"{money(row.estimate, meta['currency'])} "
                f"({_between(row.conf_low, row.conf_high, meta['currency'])}), "
                f"{_of_worth(row.share)} what they are worth"
            )
    if not told:
        return f"{text} So few leave that there is hardly one to keep."
    first = f"{told[0][0].upper()}{told[0][1:]}"
    return f"{text} {'; '.join([first, *told[1:]])}. What it costs to keep them is not taken off."


def _of_worth(share: float) -> str:
    return f"{share:.1%} of" if share < 2 else f"{share:,.0f} times"


def _spans(rows: pd.DataFrame, names: Sequence[str], currency: str) -> list[str]:
    return [
        f"{money(v, currency)} ({money(a, '')} to {money(b, '')})"
        for v, a, b in rows[list(names)].to_numpy(float)
    ]


def _worths(told: Result) -> Result:
    levels = told.table.iloc[1:].sort_values("estimate", ascending=False, kind="stable")
    rows, currency = pd.concat([told.table.iloc[:1], levels]), told.meta["currency"]
    shown = pd.DataFrame(
        {
            told.meta["segment"] or "customers": rows["term"],
            "customers now": rows["n"],
            "worth each (95% interval)": _spans(
                rows, ("estimate", "conf_low", "conf_high"), currency
            ),
            "worth together (95% interval)": _spans(
                rows, ("total", "total_low", "total_high"), currency
            ),
        }
    )
    if rows["monthly"].notna().any():
        shown.insert(2, "pay a month", [money(v, currency) for v in rows["monthly"]])
        shown["of it beyond the data"] = [f"{v:.0%}" for v in rows["beyond"]]
    if rows["gone"].notna().any():
        shown["of it from those who count as gone"] = [f"{v:.0%}" for v in rows["gone"]]
    return Result("worths", shown.reset_index(drop=True))


def _retention_worths(told: Result) -> Result:
    rows = told.table[told.table["points"].isin(_TOLD)]
    shown = pd.DataFrame(
        {
            "more kept a year": rows["term"],
            "retention": [
                f"{100 * a:.1f}% to {100 * b:.1f}%"
                for a, b in rows[["retention", "retention_then"]].to_numpy(float)
            ],
            "adds (95% interval)": _spans(
                rows, ("estimate", "conf_low", "conf_high"), told.meta["currency"]
            ),
            "of what they are worth": [f"{s:.1%}" for s in rows["share"]],
        }
    )
    return Result("retention_worths", shown.reset_index(drop=True))
