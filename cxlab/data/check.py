"""Rows that cannot be: found by aggregate queries, counted, shown with examples.

A row is set aside for the first rule it breaks. A table of which more than half cannot be,
or whose key repeats, is refused. Contacts and answers after a customer's end (exit surveys)
are possible but of no use to any analysis of what came before; they are set aside and
counted too, and do not make a table refused.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import narwhals as nw

from cxlab.data.contract import OUTCOMES, TABLES, Settings
from cxlab.data.engine import may_repeat
from cxlab.data.sources import TypedTable
from cxlab.errors import DataError

if TYPE_CHECKING:
    from cxlab.data.dataset import Dataset

__all__ = ["AFTER_END", "SetAside", "contract_report", "contract_text", "sift"]

AFTER_END = "after the customer's end"
_PAST = " past observed_until"
_PLANNED = f"started_at{_PAST}"
_REASON = "cx_reason"
_EXAMPLES = 3
_LONGEST = 60
_SHARE_REFUSED = 0.5
# Of the scores, so many off their scale say that it is another one; so few at an end do not.
_SHARE_SCALE, _SHARE_SLIPS = 0.01, 0.002
_SCALES = ((0, 1), (1, 3), (1, 4), (0, 4), (1, 5), (0, 5), (0, 6), (1, 7), (1, 10), (0, 10),
           (1, 11), (-2, 2), (-3, 3), (-5, 5), (0, 100), (-100, 100), (0, 1000))  # fmt: skip
"""Scales that scores are often given on."""
_ALWAYS, _NEVER = dt.datetime(9999, 1, 1), dt.datetime(1, 1, 1)


@dataclass(frozen=True)
class SetAside:
    """Rows of one table set aside by one rule.

    Parameters
    ----------
    table, rule : str
        Where, and what the rows break.
    rows : int
        How many.
    examples : tuple of dict
        Up to three of the rows, by column.
    hint : str
        What to do about it, where that can be guessed.
    """

    table: str
    rule: str
    rows: int
    examples: tuple[dict[str, str], ...]
    hint: str = ""


Rules = list[tuple[str, nw.Expr]]


def sift(
    tables: Mapping[str, TypedTable],
    frames: Mapping[str, nw.LazyFrame[Any]],
    settings: Settings,
    whole: Container[str] = (),
) -> tuple[dict[str, nw.LazyFrame[Any]], list[SetAside]]:
    """Part each table's rows into those kept and those set aside.

    Parameters
    ----------
    tables : mapping
        The tables as read.
    frames : mapping
        The same tables as lazy frames.
    settings : Settings
        What ``dataset.yml`` says.
    whole : container of str
        Tables known to keep all their rows: they are not looked through.

    Returns
    -------
    kept : dict of LazyFrame
        The rows to be used, still lazy.
    set_aside : list of SetAside
        What was left out and why, in the order of tables and rules.

    Raises
    ------
    DataError
        A key repeats, or more than half of a table's rows cannot be.
    """
    kept: dict[str, nw.LazyFrame[Any]] = {}
    found: list[SetAside] = []
    for name, typed in tables.items():
        if name in whole:
            kept[name] = frames[name].select(*typed.columns)
            continue
        _refuse_duplicates(typed, frames[name])
        frame, rules = _rules(typed, frames[name], kept, settings)
        marked = frame.with_columns(_reason(rules))
        broken = _count(typed, marked, rules)
        if name == "feedback":
            broken = [replace(s, hint=_scale_hint(s, marked, settings)) for s in broken]
        _refuse_most(typed, broken)
        found += broken
        # Where no row is broken, what follows need not ask again.
        sound = marked.filter(nw.col(_REASON).is_null()) if broken else frames[name]
        kept[name] = sound.select(*typed.columns)
    return kept, found


def _reason(rules: Rules) -> nw.Expr:
    """Name the first rule a row breaks; null for a row that breaks none."""
    reason: nw.Expr = nw.lit(None, dtype=nw.String)
    for text, breaks in reversed(rules):
        reason = nw.when(breaks.fill_null(False)).then(nw.lit(text)).otherwise(reason)
    return reason.alias(_REASON)


def _count(typed: TypedTable, marked: nw.LazyFrame[Any], rules: Rules) -> list[SetAside]:
    name = typed.table.name
    broken = marked.filter(~nw.col(_REASON).is_null())
    counts = broken.group_by(_REASON).agg(rows=nw.len()).collect(backend="pyarrow")
    rows_by_rule = dict(counts.iter_rows())
    found = []
    for text, _ in rules:
        if text not in rows_by_rule:
            continue
        examples = (
            broken.filter(nw.col(_REASON) == text)
            .select(*typed.columns)
            .sort(*[c.name for c in typed.table.columns if c.name in typed.columns])
            .head(_EXAMPLES)
            .collect(backend="pyarrow")
            .rows(named=True)
        )
        shown = tuple({k: _shown(v) for k, v in r.items() if v is not None} for r in examples)
        found.append(SetAside(name, text, int(rows_by_rule[text]), shown))
    return found


def _refuse_most(typed: TypedTable, found: list[SetAside]) -> None:
    """Refuse a table of which more than half cannot be."""
    # What is planned is no fault, however much of it there is.
    planned = _PLANNED if typed.table.name == "interventions" else AFTER_END
    wrong = [s for s in found if s.rule not in (AFTER_END, planned)]
    total = sum(s.rows for s in wrong)
    if total > _SHARE_REFUSED * typed.rows:
        most = max(wrong, key=lambda s: s.rows)
        raise DataError(
            f"{typed.file}: table {typed.table.name}: {total} of {typed.rows} rows cannot be, more "
            f"than half; most often: {most.rule} ({most.rows} rows, such as "
            f"{_worded(most.examples[0])}){'; ' if most.hint else ''}{most.hint}"
        )


def _scale_hint(aside: SetAside, marked: nw.LazyFrame[Any], settings: Settings) -> str:
    """Name the scale that scores off their scale seem to have been given on."""
    rules = {_off_scale(name, m.scale): name for name, m in settings.all_metrics.items()}
    if aside.rule not in rules:
        return ""
    metric = rules[aside.rule]
    low, high = settings.all_metrics[metric].scale
    scores = marked.filter(nw.col("metric") == metric, ~nw.col("score").is_null())
    whole = scores.group_by(nw.col("score").round().alias("at")).agg(rows=nw.len())
    counts = sorted(whole.collect(backend="pyarrow").iter_rows())
    total = sum(n for _, n in counts)
    if aside.rows < _SHARE_SCALE * total:
        return ""  # slips of the pen, not another scale
    least, most = _bulk(counts, total), _bulk(counts[::-1], total)
    fitting = [s for s in _SCALES if s[0] <= least and most <= s[1] and s != (low, high)]
    told = f"{metric} runs {least:g} to {most:g}, not {low:g} to {high:g}"
    if not fitting:
        return f"{told}: declare its scale in dataset.yml"
    first, last = min(fitting, key=lambda s: s[1] - s[0])
    entry = f"metrics: {{{metric}: {{scale: [{first}, {last}]}}}}"
    return f"{told}: declare its scale in dataset.yml ({entry})"


def _bulk(counts: list[tuple[float, int]], total: int) -> float:
    """Give the first score, in the order given, that is no slip of the pen."""
    passed = 0
    for at, rows in counts:
        passed += rows
        if passed > _SHARE_SLIPS * total:
            return at
    return counts[-1][0]


def _shown(value: object) -> str:
    """Give a value as it can stand in a line of a log or a terminal."""
    text = "".join(c if c.isprintable() else " " for c in str(value)[: _LONGEST + 1])
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _worded(row: Mapping[str, str]) -> str:
    return ", ".join(f"{k} {v}" for k, v in row.items())


def _refuse_duplicates(typed: TypedTable, frame: nw.LazyFrame[Any]) -> None:
    key = [c for c in typed.table.key if c in typed.columns]
    if not key:
        return
    # A row that lacks what it must have is set aside, and is no second one of anything.
    needed = [c for c in key if c == key[0] or c in typed.table.required]
    known = frame.filter(*[~nw.col(c).is_null() for c in needed])
    if not may_repeat(known, key, typed.rows):
        return
    repeated = known.group_by(key).agg(cx_n=nw.len()).filter(nw.col("cx_n") > 1)
    rows = repeated.sort(*key).head(_EXAMPLES).collect(backend="pyarrow").rows(named=True)
    if rows:
        total = repeated.select(nw.len()).collect(backend="pyarrow").item()
        met = "; ".join(_worded({k: _shown(r[k]) for k in key}) for r in rows)
        raise DataError(
            f"{typed.file}: table {typed.table.name}: the key ({', '.join(key)}) repeats for "
            f"{total} of its values, such as {met}; allowed: one row each"
        )


def _rules(
    typed: TypedTable,
    frame: nw.LazyFrame[Any],
    kept: Mapping[str, nw.LazyFrame[Any]],
    settings: Settings,
) -> tuple[nw.LazyFrame[Any], Rules]:
    """Give the frame with what its rules need, and the rules in order."""
    name = typed.table.name
    if name == "customers":
        if "tenure" in typed.columns:
            return frame, _snapshot_rules(typed)
        return _customer_rules(typed, frame, settings)
    if name == "interactions":
        return _with_ends(frame, kept["customers"]), _interaction_rules(typed, settings)
    if name == "feedback":
        if "customer_id" in typed.columns:
            frame = _with_ends(frame, kept["customers"])
        return frame, _feedback_rules(typed, settings)
    rules = _absent(typed, *typed.table.required)
    rules += _negative(typed, "fix_cost")
    if name == "interventions":
        rules += _before(typed, "ended_at", "started_at", "ended before it started")
        rules += _past(settings, typed, "started_at")
    return frame, rules


def _absent(typed: TypedTable, *columns: str) -> Rules:
    return [(f"no {c}", nw.col(c).is_null()) for c in columns if c in typed.columns]


def _negative(typed: TypedTable, *columns: str) -> Rules:
    return [(f"{c} below 0", nw.col(c) < 0) for c in columns if c in typed.columns]


def _before(typed: TypedTable, later: str, earlier: str, text: str) -> Rules:
    if later not in typed.columns or earlier not in typed.columns:
        return []
    return [(text, _precedes(later, earlier))]


def _precedes(one: str, other: str) -> nw.Expr:
    """Whether one time is before the other; a plain date may be any time of its day."""
    day = nw.col(other).dt.truncate("1d")
    return (nw.col(one) < nw.col(other)) & (nw.col(one) != day)


def _past(settings: Settings, typed: TypedTable, *columns: str) -> Rules:
    if settings.observed_end is None:
        return []
    return [
        (f"{c}{_PAST}", nw.col(c) >= nw.lit(settings.observed_end))
        for c in columns
        if c in typed.columns
    ]


def _snapshot_rules(typed: TypedTable) -> Rules:
    return [
        *_absent(typed, "tenure", "churned"),
        *_negative(typed, "tenure"),
    ]


def _customer_rules(
    typed: TypedTable, frame: nw.LazyFrame[Any], settings: Settings
) -> tuple[nw.LazyFrame[Any], Rules]:
    rules = _absent(typed, "customer_id", "started_at")
    rules += _before(typed, "ended_at", "started_at", "ended before it started")
    rules += _before(typed, "cancelled_at", "started_at", "cancelled before it started")
    rules += _before(typed, "ended_at", "cancelled_at", "cancelled after it ended")
    rules += _past(settings, typed, "started_at", "cancelled_at")
    # With notice given, an end that is still to come is known and possible.
    unnoticed = (
        nw.col("cancelled_at").is_null() if "cancelled_at" in typed.columns else nw.lit(True)
    )
    rules += [(t, e & unnoticed) for t, e in _past(settings, typed, "ended_at")]
    if "renewal_days" in typed.columns:
        rules.append(("renewal_days below 1", nw.col("renewal_days") < 1))
    return _with_earlier_ends(typed, frame, rules)


def _with_earlier_ends(
    typed: TypedTable, frame: nw.LazyFrame[Any], rules: Rules
) -> tuple[nw.LazyFrame[Any], Rules]:
    """Add when the customer's earlier spells had all ended, and the rule that needs it."""
    until = nw.lit(_ALWAYS)
    if "ended_at" in typed.columns:
        until = nw.col("ended_at").fill_null(_ALWAYS)
    kept = _reason(rules).is_null()
    frame = frame.with_columns(cx_until=nw.when(kept).then(until).otherwise(nw.lit(_NEVER)))
    frame = frame.with_columns(
        cx_all_ended=nw.col("cx_until").cum_max().over("customer_id", order_by="started_at")
    )
    frame = frame.with_columns(
        cx_all_ended=nw.col("cx_all_ended").shift(1).over("customer_id", order_by="started_at")
    )
    text = "started before the customer's previous spell ended"
    return frame, [*rules, (text, _precedes("started_at", "cx_all_ended"))]


def _with_ends(frame: nw.LazyFrame[Any], customers: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Join each row's customer: whether it is known, and its last end (null: still open)."""
    columns = customers.collect_schema().names()
    if "customer_id" not in columns:
        return frame.with_columns(cx_known=nw.lit(True), cx_end=nw.lit(None, dtype=nw.Datetime()))
    if "ended_at" not in columns:
        customers = customers.with_columns(ended_at=nw.lit(None, dtype=nw.Datetime()))
    ends = customers.group_by("customer_id").agg(
        cx_open=nw.col("ended_at").is_null().any(), cx_last=nw.col("ended_at").max()
    )
    ends = ends.select(
        "customer_id",
        cx_end=nw.when(~nw.col("cx_open")).then(nw.col("cx_last")),
        cx_known=nw.lit(True),
    )
    return frame.join(ends, on="customer_id", how="left")


def _interaction_rules(typed: TypedTable, settings: Settings) -> Rules:
    rules = _absent(typed, "customer_id", "occurred_at", "touchpoint")
    rules.append(("unknown customer", nw.col("cx_known").is_null()))
    if "outcome" in typed.columns:
        foreign = ~nw.col("outcome").is_null() & ~nw.col("outcome").is_in(OUTCOMES)
        rules.append((f"outcome none of {', '.join(OUTCOMES)}", foreign))
    rules += _before(typed, "resolved_at", "occurred_at", "resolved before it was opened")
    rules += _negative(typed, "response_seconds", "handle_seconds")
    rules += _past(settings, typed, "occurred_at", "resolved_at")
    rules.append((AFTER_END, _precedes("cx_end", "occurred_at")))
    return rules


def _off_scale(metric: str, scale: tuple[float, float]) -> str:
    return f"{metric} score off its scale {scale[0]:g} to {scale[1]:g}"


def _feedback_rules(typed: TypedTable, settings: Settings) -> Rules:
    rules = _absent(typed, "metric")
    metrics = settings.all_metrics
    rules.append((f"metric none of {', '.join(metrics)}", ~nw.col("metric").is_in(list(metrics))))
    if "score" in typed.columns:
        for name, metric in metrics.items():
            low, high = metric.scale
            off = (nw.col("score") < low) | (nw.col("score") > high)
            rules.append((_off_scale(name, metric.scale), (nw.col("metric") == name) & off))
        if "responded_at" in typed.columns:
            unanswered = nw.col("responded_at").is_null() & ~nw.col("score").is_null()
            rules.append(("a score but no responded_at", unanswered))
    times = [c for c in ("asked_at", "responded_at") if c in typed.columns]
    if times:
        untimed = nw.all_horizontal(*[nw.col(c).is_null() for c in times], ignore_nulls=False)
        rules.append((f"no {' and no '.join(times)}", untimed))
    rules += _before(typed, "responded_at", "asked_at", "answered before it was asked")
    rules += _past(settings, typed, "asked_at", "responded_at")
    if "customer_id" in typed.columns:
        anonymous = nw.col("customer_id").is_null()
        rules.append(("unknown customer", ~anonymous & nw.col("cx_known").is_null()))
        if times:
            late = [_precedes("cx_end", column) for column in times]
            rules.append((AFTER_END, nw.any_horizontal(*late, ignore_nulls=True)))
    return rules


def contract_report(dataset: Dataset) -> dict[str, Any]:
    """Tell what was read, what was set aside and what was ignored, as plain values.

    Parameters
    ----------
    dataset : Dataset
        As loaded.
    """
    tables = {}
    for name, typed in dataset.read.items():
        aside = [s for s in dataset.set_aside if s.table == name]
        tables[name] = {
            "file": typed.file,
            "rows": typed.rows,
            "rows_used": typed.rows - sum(s.rows for s in aside),
            "columns": [c for c in typed.columns if c not in typed.attributes],
            "attributes": typed.attributes,
            "columns_ignored": list(typed.ignored),
            "set_aside": [{k: v for k, v in asdict(s).items() if k != "table"} for s in aside],
        }
    return {
        "dataset": dataset.name,
        "form": dataset.form,
        "as_of": dataset.day,
        "time_zone": dataset.settings.time_zone,
        "tables": tables,
        "tables_missing": [t for t in TABLES if t not in dataset.read],
    }


def contract_text(report: Mapping[str, Any]) -> str:
    """Word what :func:`contract_report` found.

    Parameters
    ----------
    report : mapping
        As given by :func:`contract_report`.
    """
    seen = f"seen as of {report['as_of']} ({report['time_zone']})" if report["as_of"] else "undated"
    lines = [f"{report['dataset']}: {report['form']} form, {seen}", ""]
    lines.append(f"{'table':<14}{'rows':>12}{'used':>12}{'set aside':>12}  file")
    for name, table in report["tables"].items():
        aside = table["rows"] - table["rows_used"]
        lines.append(
            f"{name:<14}{table['rows']:>12,}{table['rows_used']:>12,}{aside:>12,}  {table['file']}"
        )
    if report["tables_missing"]:
        lines.append(f"not there: {', '.join(report['tables_missing'])}")
    for name, table in report["tables"].items():
        if table["attributes"]:
            kinds = ", ".join(f"{c} ({k})" for c, k in table["attributes"].items())
            lines += ["", f"{name}: attributes: {kinds}"]
        if table["columns_ignored"]:
            lines += ["", f"{name}: columns ignored: {', '.join(table['columns_ignored'])}"]
        for aside in table["set_aside"]:
            lines += ["", f"{name}: set aside {aside['rows']:,}: {aside['rule']}"]
            for example in aside["examples"]:
                lines.append("    " + _worded(example))
            if aside["hint"]:
                lines.append(f"    Looks like another scale: {aside['hint']}")
    return "\n".join(lines)
