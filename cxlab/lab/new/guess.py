"""Which table of the contract a file is, and which of its columns is which: with reasons."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from cxlab.data.contract import OUTCOMES
from cxlab.lab.new import words
from cxlab.lab.new.look import Seen, Sheet, given

__all__ = ["Guess", "Reading", "Scale", "ratings", "read"]

Finder = Callable[[Seen], "Found | None"]
Unique = Callable[[Sheet, Seen], tuple[int, int]]
"""Counts a column's values, and the different ones, in all rows."""

_MOST_TOUCHPOINTS = 300
_MOST_PREPARED = 1000
# An identifier of customers has more different values than this share of the rows.
_FEW = 0.02
_SHOWN = 4
# Whole seconds or milliseconds since 1970 for the years 2001 to 2100.
_EPOCHS = ((1e9, 4.1e9, 1), (1e12, 4.1e12, 1000))
_NEVER = "TIMESTAMP '2100-01-01'"
_READS_AS_FLAG = {"0", "1", "0.0", "1.0", "true", "false", "yes", "no"}
_REASONS = {"voluntary", "involuntary", "other"}
_UNITS = {
    **dict.fromkeys(("minutes", "minuten", "min", "mins"), 60),
    **dict.fromkeys(("hours", "stunden", "heures", "horas"), 3600),
}
_FLOAT = re.compile(r"\d+\.0")
_TOPS = (4, 5, 6, 7, 10)
_LEAST_RATINGS = 3


@dataclass(frozen=True)
class Found:
    """That a column's values fit a role.

    Parameters
    ----------
    evidence : str
        What the values show.
    sql : str
        SQL that converts them; empty where the contract reads them as they are.
    how : str
        The conversion in words.
    """

    evidence: str
    sql: str = ""
    how: str = ""


@dataclass(frozen=True)
class Guess:
    """A column taken for one of the contract's.

    Parameters
    ----------
    role : str
        The contract's column.
    column : Seen
        The file's.
    confidence : {"high", "likely", "guess"}
        How sure.
    found : Found
        Why, and how it is converted.
    rivals : tuple of str
        Other columns that could be it.
    """

    role: str
    column: Seen
    confidence: str
    found: Found
    rivals: tuple[str, ...] = ()

    @property
    def sql(self) -> str:
        """SQL that reads the column, converted where it has to be."""
        return self.found.sql or given(self.column.name)

    @property
    def moment(self) -> str:
        """SQL that reads a column of times as times."""
        return self.found.sql or self.column.time

    @property
    def why(self) -> str:
        """The guess in words."""
        named = {"high": "the name is known", "likely": "the name resembles it"}
        parts = [named.get(self.confidence, "by its values"), self.found.evidence]
        parts += [self.found.how] if self.found.how else []
        if self.rivals:
            parts.append("could also be " + ", ".join(self.rivals[:_SHOWN]))
        return f"{self.confidence}: " + "; ".join(parts)


@dataclass(frozen=True)
class Scale:
    """A column of ratings: its range, and its answers in words where it has such."""

    column: Seen
    low: float
    high: float
    levels: tuple[str, ...] = ()

    @property
    def sql(self) -> str:
        """SQL that reads a rating as a number."""
        if not self.levels:
            return self.column.number
        order = {level: i for i, level in enumerate(self.levels, 1)}
        return _cases(self.column, lambda v: str(order[words.plain(v)]))


@dataclass(frozen=True)
class Reading:
    """A table of the user's, understood.

    Parameters
    ----------
    kind : str
        ``spells``, ``snapshot``, ``attributes`` (one row a customer and nothing dated),
        ``interactions``, ``feedback``, ``survey``, ``touchpoints``, ``interventions``,
        or ``unknown``.
    sheet : Sheet
        The table.
    guesses : dict of str to Guess
        By the contract's column.
    ids : int
        Different customers in it; 0 where no column names them.
    unique : bool
        Whether each row has a customer of its own.
    """

    kind: str
    sheet: Sheet
    guesses: dict[str, Guess] = field(default_factory=dict)
    ids: int = 0
    unique: bool = False

    def get(self, role: str) -> Guess | None:
        """Give the guess for one of the contract's columns."""
        return self.guesses.get(role)

    @property
    def rest(self) -> list[Seen]:
        """The columns that were not taken for any of the contract's."""
        taken = {g.column.name for g in self.guesses.values()}
        return [c for c in self.sheet.columns if c.name not in taken]


_PREPARED_TABLES: tuple[tuple[str, tuple[str, ...], set[str]], ...] = (
    (
        "interventions",
        ("intervention", "touchpoint", "started_at", "ended_at", "scope_column", "scope_value"),
        {"intervention", "touchpoint", "started_at"},
    ),
    ("touchpoints", ("touchpoint", "stage", "owner", "fix_cost"), {"touchpoint", "stage"}),
)


def read(sheet: Sheet, unique: Unique) -> Reading:
    """Say what a table is.

    Parameters
    ----------
    sheet : Sheet
        As opened.
    unique : callable
        Counts a column's values, and the different ones, in all rows.
    """
    for table, roles, needed in _PREPARED_TABLES:
        found = _match(sheet, roles, fits=_PREPARED)
        if sheet.rows <= _MOST_PREPARED and needed <= set(found):
            return Reading(table, sheet, found)
    ids = _customer(sheet, unique)
    who, count = ({}, 0) if ids is None else ({"customer_id": ids[0]}, ids[1])
    alone = count == 0 or (ids is not None and count >= ids[2])
    taken = {g.column.name for g in who.values()}
    for kind, roles, holds in _KINDS:
        found = who | _match(sheet, roles, taken)
        reading = Reading(kind, sheet, found, count, alone)
        if holds(reading):
            return reading
    return Reading("attributes" if who and alone else "unknown", sheet, who, count, alone)


def _customer(sheet: Sheet, unique: Unique) -> tuple[Guess, int, int] | None:
    """Find the column of customers, the different ones in it, and its values."""
    found = _match(sheet, ("customer_id",)).get("customer_id")
    named = [c for c in sheet.columns if f" {words.plain(c.name)}".endswith(words.ID_ENDS)]
    if found is None:
        some = [c for c in named if c.distinct > max(1, _FEW * c.filled)]
        if not some:
            return None
        found = Guess("customer_id", some[0], "guess", Found(""))
    others = [c.name for c in named if c is not found.column and _alike(c, found.column)]
    found = replace(found, rivals=tuple(dict.fromkeys((*found.rivals, *others))))
    filled, distinct = unique(sheet, found.column)
    if distinct == filled:
        told = f"unique in all {words.counted(filled, 'row')}"
    else:
        told = f"{distinct:,} different in {words.counted(filled, 'row')}"
    if filled < sheet.rows:
        told += f", empty in {sheet.rows - filled:,}"
    sql, how = "", ""
    if found.column.counts and all(_FLOAT.fullmatch(v) for v in found.column.counts):
        # pandas writes whole numbers with gaps so; other files of the same have them without
        sql, how = f"regexp_replace({given(found.column.name)}, '[.]0$', '')", "read without .0"
    return replace(found, found=Found(told, sql, how)), distinct, filled


def _alike(one: Seen, other: Seen) -> bool:
    """Tell whether two columns have about as many different values."""
    return 0.8 <= one.distinct / max(other.distinct, 1) <= 1.25


# -- what values fit a role --------------------------------------------------------------------


def _time(seen: Seen) -> Found | None:
    sql, how = seen.time if seen.form else "", ""
    if seen.time:
        told = f"dates {seen.first} to {seen.last}"
        if seen.form:
            how = f"read as {seen.form}"
            how += f" ({seen.other_form} is as possible)" if seen.other_form else ""
        return Found(_with_gaps(seen, told), sql, how)
    for low, high, scale in _EPOCHS:
        if seen.number and seen.whole and low <= seen.low and seen.high <= high:
            sql = f"make_timestamp(CAST({seen.number} * {1_000_000 // scale} AS BIGINT))"
            unit = "seconds" if scale == 1 else "milliseconds"
            return Found(_with_gaps(seen, "whole numbers"), sql, f"read as {unit} since 1970")
    return None


def _end(seen: Seen) -> Found | None:
    """Read an end; one in a far century is none."""
    if (found := _time(seen)) is None or seen.last < "2100":
        return found
    moment = found.sql or seen.time
    how = "; ".join(filter(None, (found.how, "an end from 2100 on is read as none")))
    return Found(found.evidence, f"CASE WHEN {moment} < {_NEVER} THEN {moment} END", how)


def _number(seen: Seen) -> Found | None:
    if not seen.number or seen.distinct < 2:
        return None
    told = f"{'whole ' if seen.whole else ''}numbers {seen.low:g} to {seen.high:g}"
    how = f"read as numbers such as {seen.form}" if seen.form else ""
    return Found(_with_gaps(seen, told), seen.number if seen.form else "", how)


def _not_negative(seen: Seen) -> Found | None:
    return _number(seen) if seen.low >= 0 else None


def _seconds(seen: Seen) -> Found | None:
    if (found := _not_negative(seen)) is None:
        return None
    for unit, factor in _UNITS.items():
        if words.has_word(seen.name, [unit]):
            return Found(found.evidence, f"{seen.number} * {factor}", f"{unit} made seconds")
    return found


def _flag(seen: Seen) -> Found | None:
    marks = {v: words.plain(v) for v in seen.values}
    left = [v for v, p in marks.items() if p in words.LEFT]
    if not left or len(marks) > 5 or any(
        p not in words.LEFT and p not in words.STAYED for p in marks.values()
    ) or len(left) == len(marks):  # fmt: skip
        return None
    share = sum(seen.counts[v] for v in left) / seen.filled
    told = f"values {_listed(marks)}; {share:.1%} {_listed(left)}"
    if {v.lower() for v in marks} <= _READS_AS_FLAG:
        return Found(_with_gaps(seen, told))
    sql = _cases(seen, lambda v: "1" if v in left else "0")
    return Found(_with_gaps(seen, told), sql, f"{_listed(left)} written as 1, the others as 0")


def _outcome(seen: Seen) -> Found | None:
    marks = {v: words.OUTCOME.get(words.plain(v)) for v in seen.values}
    if {m for m in marks.values() if m} != set(OUTCOMES):
        return None
    known = {v: m for v, m in marks.items() if m}
    count = sum(seen.counts[v] for v in known)
    if count < 0.5 * seen.filled:
        return None
    failed = sum(seen.counts[v] for v, m in known.items() if m == "failed")
    told = f"values {_listed(marks)}; {failed / seen.filled:.1%} failed"
    if set(marks) == set(OUTCOMES):
        return Found(_with_gaps(seen, told))
    how = ", ".join(f"{v} is {m}" for v, m in list(known.items())[:12])
    if others := [v for v in marks if v not in known]:
        how += f"; neither ({1 - count / seen.filled:.1%}): {_listed(others)}"
    sql = _cases(seen, lambda v: f"'{known[v]}'" if v in known else "NULL")
    return Found(_with_gaps(seen, told), sql, how)


def _reason(seen: Seen) -> Found | None:
    if not seen.is_text or not seen.values:
        return None
    told = _with_gaps(seen, f"values {_listed(seen.values)}")
    if {v.lower() for v in seen.values} <= _REASONS:
        return Found(told)
    forced = [v for v in seen.values if any(w in words.plain(v) for w in words.INVOLUNTARY)]
    how = f"{_listed(forced) or 'none'} taken for involuntary, the others for voluntary"
    sql = _cases(seen, lambda v: "'involuntary'" if v in forced else "'voluntary'")
    return Found(told, sql, how)


def _touchpoint(seen: Seen) -> Found | None:
    if not seen.is_text or not 2 <= seen.distinct <= _MOST_TOUCHPOINTS:
        return None
    if seen.distinct * 2 > seen.filled:
        return None
    return Found(
        _with_gaps(
            seen, f"{words.counted(seen.distinct, 'value')}, most often {_listed(seen.counts)}"
        )
    )


def _label(seen: Seen) -> Found | None:
    if not seen.is_text:
        return None
    return Found(
        _with_gaps(seen, f"{words.counted(seen.distinct, 'value')}, such as {_listed(seen.counts)}")
    )


def _any(seen: Seen) -> Found | None:
    if not seen.filled:
        return None
    return Found(
        _with_gaps(seen, f"{seen.distinct:,} different in {words.counted(seen.filled, 'row')}")
    )


def _score(seen: Seen) -> Found | None:
    scale = _scale(seen)
    if scale is None:
        return None
    told = f"answers {scale.low:g} to {scale.high:g}"
    how = f"{_listed(scale.levels)} counted from 1" if scale.levels else ""
    return Found(_with_gaps(seen, told), scale.sql if scale.levels or seen.form else "", how)


_FITS: dict[str, Finder] = {
    **dict.fromkeys(("started_at", "cancelled_at", "renews_at", "occurred_at"), _time),
    **dict.fromkeys(("resolved_at", "due_at", "asked_at", "responded_at"), _time),
    **dict.fromkeys(("tenure", "monthly_value", "fix_cost"), _not_negative),
    **dict.fromkeys(("response_seconds", "handle_seconds"), _seconds),
    **dict.fromkeys(("channel", "stage", "owner", "metric", "comment", "text"), _label),
    **dict.fromkeys(("intervention", "scope_column", "scope_value"), _any),
    "ended_at": _end,
    "churned": _flag,
    "outcome": _outcome,
    "end_reason": _reason,
    "touchpoint": _touchpoint,
    "value": _number,
    "score": _score,
}


_PREPARED: dict[str, Finder] = {"touchpoint": _any}


def _with_gaps(seen: Seen, told: str) -> str:
    if seen.rows == seen.filled:
        return told
    return f"{told}, empty in {1 - seen.filled / seen.rows:.1%} of rows"


def _listed(values: Iterable[str]) -> str:
    every = [v[:40] for v in values]
    return ", ".join(every[:_SHOWN]) + (", …" if len(every) > _SHOWN else "")


def _cases(seen: Seen, to: Callable[[str], str]) -> str:
    parts = (f"WHEN '{v.replace(chr(39), chr(39) * 2)}' THEN {to(v)}" for v in seen.values)
    return f"CASE {given(seen.name)} {' '.join(parts)} END"


def _match(
    sheet: Sheet,
    roles: Iterable[str],
    taken: Collection[str] = (),
    fits: Mapping[str, Finder] | None = None,
) -> dict[str, Guess]:
    """Find a column for each role, in the order of how well the names fit."""
    pairs = []
    for place, role in enumerate(roles):
        fit = (fits or _FITS).get(role) or _FITS.get(role, _any)
        for column in sheet.columns:
            like = words.likeness(role, column.name)
            if like and column.name not in taken and (found := fit(column)):
                pairs.append((-like, place, role, column, found))
    guesses: dict[str, Guess] = {}
    used: set[str] = set()
    for like, _, role, column, found in sorted(pairs, key=lambda p: p[:2]):
        if role in guesses or column.name in used:
            continue
        used.add(column.name)
        others = [p for p in pairs if p[2] == role and p[3] is not column and p[0] <= -1]
        rivals = tuple(p[3].name for p in others if p[3].name not in used)
        known = "high" if like <= -1 and (like <= -2 or not rivals) else "likely"
        if found.how.endswith("is as possible)"):
            known = "guess"
        guesses[role] = Guess(role, column, known, found, rivals)
    return guesses


# -- what kind of table it is ------------------------------------------------------------------


def _is_spells(reading: Reading) -> bool:
    has = set(reading.guesses)
    if not {"customer_id", "started_at"} <= has:
        return False
    if reading.unique:
        ends = has & {"ended_at", "cancelled_at"}
        return bool(ends) or not {"tenure", "churned"} <= set(_match(reading.sheet, _SNAPSHOT))
    # A returning customer has several spells; most have one.
    often = reading.ids * 2 <= reading.sheet.rows
    tickets = _match(reading.sheet, ("interaction_id", "touchpoint", "outcome"))
    return "ended_at" in has and not often and not tickets


def _is_snapshot(reading: Reading) -> bool:
    return reading.unique and {"tenure", "churned"} <= set(reading.guesses)


def _is_survey(reading: Reading) -> bool:
    return len(ratings(reading.sheet)) >= _LEAST_RATINGS


def _is_feedback(reading: Reading) -> bool:
    score = reading.get("score")
    contact = ("outcome", "resolved_at", "handle_seconds", "response_seconds", "text")
    return (
        score is not None
        and score.confidence != "likely"
        and not _match(reading.sheet, contact, {score.column.name})
        and bool({"metric", "responded_at", "asked_at", "comment"} & set(reading.guesses))
    )


def _is_interactions(reading: Reading) -> bool:
    has = set(reading.guesses)
    return {"customer_id", "occurred_at"} <= has and (not reading.unique or "touchpoint" in has)


_SNAPSHOT = ("tenure", "churned", "monthly_value")
_KINDS: tuple[tuple[str, tuple[str, ...], Callable[[Reading], bool]], ...] = (
    (
        "spells",
        ("started_at", "ended_at", "cancelled_at", "end_reason", "monthly_value"),
        _is_spells,
    ),
    ("snapshot", _SNAPSHOT, _is_snapshot),
    ("survey", ("responded_at",), _is_survey),
    (
        "feedback",
        (
            *("asked_at", "responded_at", "metric", "score", "touchpoint", "interaction_id"),
            *("comment", "response_id"),
        ),
        _is_feedback,
    ),
    (
        "interactions",
        (
            *("interaction_id", "occurred_at", "touchpoint", "channel", "outcome"),
            *("response_seconds", "handle_seconds", "resolved_at", "due_at", "journey_id"),
            *("value", "text"),
        ),
        _is_interactions,
    ),
)


def _scale(seen: Seen) -> Scale | None:
    """Read a column's scale: whole answers from 0 or 1 up to a usual top, or in words."""
    if seen.number and seen.whole and seen.low in (0, 1) and 3 <= seen.distinct <= 11:
        top = next((t for t in _TOPS if seen.high <= t), None)
        return Scale(seen, seen.low if seen.low == 0 else 1, top) if top and seen.high > 2 else None
    answers = {words.plain(v) for v in seen.values}
    if len(answers) < 2 or not seen.is_text:
        return None
    fitting = [levels for levels in words.LEVELS if answers <= set(levels)]
    levels = min(fitting, key=len, default=())
    return Scale(seen, 1, len(levels), levels) if levels else None


def ratings(sheet: Sheet, taken: Collection[str] = ()) -> list[Scale]:
    """List the columns of ratings: named like one, with answers on a scale.

    Parameters
    ----------
    sheet : Sheet
        The table.
    taken : collection of str
        Columns that are something else.
    """
    return list(_ratings(sheet, taken))


def _ratings(sheet: Sheet, taken: Collection[str]) -> Iterator[Scale]:
    numbered = [c for c in sheet.columns if _is_question(c.name)]
    for column in sheet.columns:
        named = words.has_word(column.name, words.RATING)
        asked = column in numbered and len(numbered) >= _LEAST_RATINGS
        if column.name not in taken and (named or asked) and (scale := _scale(column)):
            yield scale


def _is_question(name: str) -> bool:
    """Tell names such as Q1, q_12 or Frage 3."""
    bare = words.plain(name).replace(" ", "")
    return (
        bare.rstrip("0123456789") in ("q", "question", "frage", "item", "pregunta")
        and bare[-1:].isdigit()
    )
