"""Which table of the contract a file is, and which of its columns is which: with reasons."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from cxlab.data.contract import OUTCOMES
from cxlab.data.engine import literal
from cxlab.lab.new import words
from cxlab.lab.new.look import Seen, Sheet, given
from cxlab.results import counted

__all__ = ["Guess", "Reading", "Scale", "moments", "ratings", "read"]

Finder = Callable[[Seen], "Found | None"]

_MOST_TOUCHPOINTS = 300
_MOST_PREPARED = 1000
# An identifier of customers has more different values than this share of the rows.
_FEW = 0.02
_OFTEN = 0.9
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
_NUMBERED = re.compile(r"#?[A-Za-z]{0,4}-?\d+")
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
        seen, told = self.column, self.found.evidence
        if seen.filled < seen.rows and self.role != "customer_id":  # of those, all rows are told
            told += f", empty in {1 - seen.filled / seen.rows:.1%} of rows"
        parts = [named.get(self.confidence, "by its values"), told]
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
        return _cases(self.column, lambda v: str(order.get(words.plain(v), "NULL")))


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


# The columns by which a table is known come first; the first two have to be there.
_PREPARED_TABLES = {
    "interventions": (
        *("intervention", "started_at", "touchpoint", "ended_at", "scope_column", "scope_value"),
    ),
    "touchpoints": ("touchpoint", "stage", "owner", "fix_cost"),
}


def read(sheet: Sheet) -> Reading:
    """Say what a table is.

    Parameters
    ----------
    sheet : Sheet
        As opened.
    """
    for table, roles in _PREPARED_TABLES.items():
        prepared = _match(sheet, roles, fits={"touchpoint": _any}, least=1)
        point = prepared.get("touchpoint")
        once = point is not None and (table != "touchpoints" or point.column.distinct == sheet.rows)
        if sheet.rows <= _MOST_PREPARED and once and set(roles[:2]) <= set(prepared):
            return Reading(table, sheet, prepared)
    who, count, filled = _customer(sheet)
    alone, taken = count == filled, {g.column.name for g in who.values()}
    for kind, roles, holds in _KINDS:
        reading = Reading(kind, sheet, who | _match(sheet, roles, taken), count, alone)
        if kind == "interactions":
            _take_only_time(reading)
        if holds(reading):
            return reading
    return Reading("attributes" if who and alone else "unknown", sheet, who, count, alone)


def _take_only_time(reading: Reading) -> None:
    """Take the only column of times for the contacts' times, whatever its name."""
    times = [(c, found) for c in reading.rest if (found := moments(c))]
    if "occurred_at" not in reading.guesses and len(times) == 1:
        [(column, found)] = times
        reading.guesses["occurred_at"] = Guess("occurred_at", column, "guess", found)


def _customer(sheet: Sheet) -> tuple[dict[str, Guess], int, int]:
    """Find the column of customers, the different ones in it, and its values."""
    found = _match(sheet, ("customer_id",)).get("customer_id")
    named = [c for c in sheet.columns if f" {words.plain(c.name)}".endswith(words.ID_ENDS)]
    if found is None:
        some = [c for c in named if c.distinct > max(1, _FEW * c.filled)]
        if not some:
            return {}, 0, 0
        found = Guess("customer_id", some[0], "guess", Found(""))
    column = found.column
    if words.plain(column.name) == "id":  # the row's own, where another name of a customer repeats
        again = (c for c in sheet.columns if c.name in found.rivals)
        column = next((c for c in again if c.distinct < _OFTEN * c.filled), column)
    value = given(column.name)
    query = f"SELECT count({value}), count(DISTINCT {value}) FROM {sheet.view}"
    [(filled, distinct)] = sheet.ask(query)
    unique = f"unique in all {counted(filled, 'row')}"
    told = unique if distinct == filled else f"{distinct:,} different in {counted(filled, 'row')}"
    if filled < sheet.rows:
        told += f", empty in {sheet.rows - filled:,}"
    sql, how = "", ""
    if column.counts and all(_FLOAT.fullmatch(v) for v in column.counts):
        # pandas writes whole numbers with gaps so; other files of the same have them without
        sql, how = f"regexp_replace({value}, '[.]0$', '')", "read without .0"
    elif column.counts and all("@" in v for v in column.counts):
        sql, how = f"md5(lower({value}))", "an address, written as its hash alone"
    others = [c.name for c in named if c is not column and _alike(c, column)]
    rivals = tuple(r for r in dict.fromkeys((*found.rivals, *others)) if r != column.name)
    found = replace(found, column=column, rivals=rivals, found=Found(told, sql, how))
    return {"customer_id": found}, distinct, filled


def _alike(one: Seen, other: Seen) -> bool:
    """Tell whether two columns have about as many different values."""
    return 0.8 <= one.distinct / max(other.distinct, 1) <= 1.25


# -- what values fit a role --------------------------------------------------------------------


def moments(seen: Seen) -> Found | None:
    """Say how a column is read as times; None where it cannot be.

    Parameters
    ----------
    seen : Seen
        The column.
    """
    sql, how = seen.time if seen.form else "", ""
    if seen.time:
        told = f"dates {seen.first} to {seen.last}"
        if seen.form:
            how = f"read as {seen.form}"
            how += f" ({seen.other_form} is as possible)" if seen.other_form else ""
        return Found(told, sql, how)
    for low, high, scale in _EPOCHS:
        if seen.number and seen.whole and low <= seen.low and seen.high <= high:
            sql = f"make_timestamp(CAST({seen.number} * {1_000_000 // scale} AS BIGINT))"
            unit = "seconds" if scale == 1 else "milliseconds"
            return Found("whole numbers", sql, f"read as {unit} since 1970")
    return None


def _end(seen: Seen) -> Found | None:
    """Read an end; one in a far century is none."""
    if (found := moments(seen)) is None or seen.last < "2100":
        return found
    moment = found.sql or seen.time
    how = "; ".join(filter(None, (found.how, "an end from 2100 on is read as none")))
    return Found(found.evidence, f"CASE WHEN {moment} < {_NEVER} THEN {moment} END", how)


def _number(seen: Seen) -> Found | None:
    if not seen.number:
        return None
    told = f"{'whole ' if seen.whole else ''}numbers {seen.low:g} to {seen.high:g}"
    how = f"read as numbers such as {seen.form}" if seen.form else ""
    return Found(told, seen.number if seen.form else "", how)


def _not_negative(seen: Seen) -> Found | None:
    return _number(seen) if seen.low >= 0 else None


def _tenure(seen: Seen) -> Found | None:
    return _not_negative(seen) if seen.distinct > 1 else None


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
        return Found(told)
    sql = _cases(seen, lambda v: "1" if v in left else "0")
    return Found(told, sql, f"{_listed(left)} written as 1, the others as 0")


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
        return Found(told)
    how = ", ".join(f"{v} is {m}" for v, m in list(known.items())[:12])
    if others := [v for v in marks if v not in known]:
        how += f"; neither ({1 - count / seen.filled:.1%}): {_listed(others)}"
    sql = _cases(seen, lambda v: f"'{known[v]}'" if v in known else "NULL")
    return Found(told, sql, how)


def _reason(seen: Seen) -> Found | None:
    if not seen.is_text or not seen.values:
        return None
    told = f"values {_listed(seen.values)}"
    if {v.lower() for v in seen.values} <= _REASONS:
        return Found(told)
    forced = [v for v in seen.values if any(w in words.plain(v) for w in words.INVOLUNTARY)]
    how = f"{_listed(forced) or 'none'} taken for involuntary, the others for voluntary"
    sql = _cases(seen, lambda v: "'involuntary'" if v in forced else "'voluntary'")
    return Found(told, sql, how)


def _touchpoint(seen: Seen) -> Found | None:
    few = 2 <= seen.distinct <= min(_MOST_TOUCHPOINTS, seen.filled / 2)
    most = f"{counted(seen.distinct, 'value')}, most often {_listed(seen.counts)}"
    return Found(most) if seen.is_text and few else None


def _label(seen: Seen) -> Found | None:
    told = f"{counted(seen.distinct, 'value')}, such as {_listed(seen.counts)}"
    return Found(told) if seen.is_text else None


def _any(seen: Seen) -> Found | None:
    told = f"{seen.distinct:,} different in {counted(seen.filled, 'row')}"
    return Found(told) if seen.filled else None


def _order_number(seen: Seen) -> Found | None:
    """Tell what a shop calls the name of an order, such as #1001, from other names."""
    bare = words.plain(seen.name) == "name"
    return _any(seen) if not bare or all(_NUMBERED.fullmatch(v) for v in seen.counts) else None


def _score(seen: Seen) -> Found | None:
    scale = _scale(seen)
    if scale is None:
        return None
    told = f"answers {scale.low:g} to {scale.high:g}"
    how = f"{_listed(scale.levels)} counted from 1" if scale.levels else ""
    return Found(told, scale.sql if scale.levels or seen.form else "", how)


_FITS: dict[str, Finder] = {
    **dict.fromkeys(("started_at", "cancelled_at", "renews_at", "occurred_at"), moments),
    **dict.fromkeys(("resolved_at", "due_at", "asked_at", "responded_at"), moments),
    **dict.fromkeys(("monthly_value", "renewal_days", "fix_cost"), _not_negative),
    **dict.fromkeys(("response_seconds", "handle_seconds"), _seconds),
    **dict.fromkeys(("channel", "stage", "owner", "metric", "comment", "text"), _label),
    **dict.fromkeys(("intervention", "scope_column", "scope_value"), _any),
    "ended_at": _end,
    "tenure": _tenure,
    "churned": _flag,
    "outcome": _outcome,
    "end_reason": _reason,
    "interaction_id": _order_number,
    "touchpoint": _touchpoint,
    "value": _number,
    "score": _score,
}


def _listed(values: Iterable[str]) -> str:
    every = [v[:40] for v in values]
    return ", ".join(every[:_SHOWN]) + (", …" if len(every) > _SHOWN else "")


def _cases(seen: Seen, to: Callable[[str], str]) -> str:
    parts = (f"WHEN {literal(v)} THEN {to(v)}" for v in seen.values)
    return f"CASE {given(seen.name)} {' '.join(parts)} END"


def _match(
    sheet: Sheet,
    roles: Iterable[str],
    taken: Collection[str] = (),
    fits: Mapping[str, Finder] | None = None,
    least: float = 0.01,
) -> dict[str, Guess]:
    """Find a column for each role, in the order of how well the names fit."""
    pairs = []
    for place, role in enumerate(roles):
        fit = {**_FITS, **(fits or {})}.get(role, _any)
        for column in sheet.columns:
            like = words.likeness(role, column.name)
            if like >= least and column.name not in taken and (found := fit(column)):
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
    if not {"customer_id", "started_at"} <= has or _asked(reading):
        return False
    if reading.unique:
        ends = has & {"ended_at", "cancelled_at"}
        return bool(ends) or not {"tenure", "churned"} <= set(_match(reading.sheet, _SNAPSHOT))
    # A returning customer has several spells; most have one.
    often = reading.ids * 2 <= reading.sheet.rows
    taken = {g.column.name for g in reading.guesses.values()}  # a reason to leave is no topic
    tickets = _match(reading.sheet, ("interaction_id", "touchpoint", "outcome"), taken)
    return "ended_at" in has and not often and not tickets


def _asked(reading: Reading) -> bool:
    """Tell a survey's respondents, whose start and end are those of the answering."""
    who = reading.get("customer_id")
    return who is not None and words.has_word(who.column.name, ("respondent",))


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
        (
            *("started_at", "ended_at", "cancelled_at", "end_reason", "monthly_value"),
            *("renews_at", "renewal_days"),
        ),
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
    answers = {words.plain(v) for v in seen.values} - words.NO_ANSWER
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
    numbered = [c.name for c in sheet.columns if _is_question(c.name)]
    numbered = numbered if len(numbered) >= _LEAST_RATINGS else []
    named = (c for c in sheet.columns if c.name in numbered or words.has_word(c.name, words.RATING))
    scales = (_scale(c) for c in named if c.name not in taken)
    return [s for s in scales if s is not None]


def _is_question(name: str) -> bool:
    """Tell names such as Q1, q_12 or Frage 3."""
    bare = words.plain(name).replace(" ", "")
    return (
        bare.rstrip("0123456789") in ("q", "question", "frage", "item", "pregunta")
        and bare[-1:].isdigit()
    )
