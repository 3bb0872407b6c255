"""The contract's tables made from tables understood: as SQL, with what was done in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cxlab.data.contract import SNAPSHOT, TABLES, YEARS, Settings
from cxlab.data.engine import literal
from cxlab.data.sources import quote, reserved
from cxlab.lab.new import words
from cxlab.lab.new.guess import Guess, Reading, Scale, moments, ratings
from cxlab.lab.new.look import Seen, Sheet, given
from cxlab.results import counted

__all__ = ["Made", "Proposal", "Setting", "assemble"]

_SILENCES = (7, 14, 30, 60, 90, 180, 365)
_GAP_SHARE = 0.9
_MOST_LEVELS = 30
_KNOWN_SCALES = {name: m.scale for name, m in Settings().all_metrics.items()}
_KINDS = {c.name: c.kind for t in (SNAPSHOT, *TABLES.values()) for c in t.columns}
_TYPES = {"time": "TIMESTAMP", "number": "DOUBLE"}
_SCALES = "guess: the scales are those of the answers, and the higher the better"
_ROW_NUMBER = "'R' || lpad(CAST(row_number() OVER () AS VARCHAR), 7, '0')"


@dataclass
class Made:
    """One of the contract's tables, as it will be written.

    Parameters
    ----------
    name : str
        The table.
    sheets : list of Sheet
        The user's tables it is made from.
    guesses : list of Guess
        Which column is which.
    select : dict of str to str
        Of a table that keeps the file's names, so that ``dataset.yml`` has to map them: each
        column's SQL.
    query : str
        What gives the rows of a table under the contract's names.
    notes : list of str
        What was done, and what could not be told.
    parts : list of Made
        What it was put together from, if from several.
    """

    name: str
    sheets: list[Sheet]
    guesses: list[Guess] = field(default_factory=list)
    select: dict[str, str] = field(default_factory=dict)
    query: str = ""
    notes: list[str] = field(default_factory=list)
    parts: list[Made] = field(default_factory=list)

    @property
    def sql(self) -> str:
        """What gives its rows."""
        columns = ", ".join(
            s if s == quote(n) else f"{s} AS {quote(n)}" for n, s in self.select.items()
        )
        return self.query or f"SELECT {columns} FROM {self.sheets[0].view}"

    @property
    def as_is(self) -> bool:
        """Whether its rows and columns are those of the file."""
        same = {c.name: quote(c.name) for c in self.sheets[0].columns}
        return not self.query and self.select == same


@dataclass(frozen=True)
class Setting:
    """A key of ``dataset.yml``, and why it is set so."""

    key: str
    value: object
    why: str


@dataclass
class Proposal:
    """What is proposed: the tables, the settings, and what could not be found."""

    tables: list[Made] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    metrics: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)


def assemble(readings: Sequence[Reading]) -> Proposal:
    """Propose the contract's tables.

    Parameters
    ----------
    readings : sequence of Reading
        The user's tables, understood.
    """
    proposal = Proposal()
    kinds = {k: [r for r in readings if r.kind == k] for k in {r.kind for r in readings}}
    contacts, lists = kinds.get("interactions", []), kinds.get("attributes", [])
    base = max((r for r in readings if r.kind in ("spells", "snapshot")), key=_suits, default=None)
    made: list[Made | None] = []
    if base is not None:
        made.append(_customers(base, lists))
    elif contacts:
        made.append(_from_contacts(contacts, lists))
    else:
        _tell_what_lacks(lists, proposal)
    made.append(_union("interactions", [_contacts(r) for r in contacts]))
    answers = [_long(r, proposal) for r in kinds.get("feedback", [])]
    wide = ("survey", "spells", "snapshot", "interactions")
    answers += [_melted(r, proposal) for r in readings if r.kind in wide and _rated(r)]
    made.append(_union("feedback", answers))
    made += [_direct(n, kinds[n][0]) for n in ("touchpoints", "interventions") if n in kinds]
    proposal.tables = [m for m in made if m is not None]
    _add_settings(proposal, base, contacts)
    _say_what_follows(proposal, base)
    used = {s.view for t in proposal.tables for s in t.sheets}
    proposal.unused = [_not_used(r) for r in readings if r.sheet.view not in used]
    return proposal


def _not_used(reading: Reading) -> str:
    why = (
        "a second of its kind, or nothing to join it to"
        if reading.kind != "unknown"
        else "no column of times"
    )
    why = why if "customer_id" in reading.guesses else "no column names the customer"
    columns = ", ".join(c.name for c in reading.sheet.columns[:8])
    return f"{reading.sheet.files[0].name}: {counted(reading.sheet.rows, 'row')}; {why} ({columns})"


def _suits(reading: Reading) -> tuple[bool, bool, int]:
    """Order tables of customers: rather one with times, with ends, and the larger."""
    return reading.kind == "spells", _ends(reading), reading.sheet.rows


def _ends(reading: Reading) -> bool:
    return bool({"ended_at", "cancelled_at"} & set(reading.guesses))


# -- customers ---------------------------------------------------------------------------------


def _customers(base: Reading, lists: Sequence[Reading]) -> Made:
    """Take the customers as they are, but for what is no attribute of theirs."""
    made = _direct("customers", base)
    left_out, kept = _left_out(base)
    made.select |= {c.name: _attribute(c) for c in kept}
    if left_out:
        made.notes.append("Left out: " + "; ".join(f"{n} ({why})" for n, why in left_out.items()))
    if converted := [c.name for c in kept if c.form]:
        made.notes.append("Read as numbers: " + ", ".join(converted))
    who = base.get("customer_id")
    if who is not None:
        _join(made, who.column.name, lists)
    elif _rated(base):
        made.select["customer_id"] = _ROW_NUMBER
        made.notes.append("customer_id: no column names the customer; rows are numbered")
    return made


def _join(made: Made, key: str, lists: Sequence[Reading]) -> None:
    """Join tables of one row a customer, as attributes."""
    names = {n.lower() for n in made.select} | {"customer_id", "started_at"}
    columns, joins, rows = ["a.*"], "", made.sql
    for i, other in enumerate(lists):
        there = other.guesses["customer_id"]
        more = [c for c in _left_out(other)[1] if c.name.lower() not in names]
        names |= {c.name.lower() for c in more}
        columns += [f"b{i}.{quote(c.name)}" for c in more]
        read = [f"{there.sql} AS cx_key", *(f"{_attribute(c)} AS {quote(c.name)}" for c in more)]
        keyed = f"(SELECT {', '.join(read)} FROM {other.sheet.view}) AS b{i}"
        joins += f" LEFT JOIN {keyed} ON {given(key)} = b{i}.cx_key"
        query = f"SELECT count(*), count(cx_key) FROM ({rows}) LEFT JOIN {keyed}"
        [(every, met)] = other.sheet.ask(f"{query} ON {given(key)} = cx_key")
        made.sheets.append(other.sheet)
        told = f"joined by {there.column.name}, which holds {met:,} of {counted(every, 'customer')}"
        names_told = ", ".join(c.name for c in more) or "nothing new"
        made.notes.append(f"From {other.sheet.files[0].name}, {told}: {names_told}")
    if joins:
        made.query = f"SELECT {', '.join(columns)} FROM ({rows}) AS a{joins} ORDER BY {given(key)}"


def _rated(reading: Reading) -> list[Scale]:
    """List a table's ratings, where there are enough to make it a survey."""
    taken = {g.column.name for g in reading.guesses.values() if g.role != "score"}
    found = ratings(reading.sheet, taken)
    return found if len(found) >= (1 if reading.kind == "interactions" else 3) else []


def _left_out(reading: Reading) -> tuple[dict[str, str], list[Seen]]:
    """Part what is no attribute, with the reason, from what is one."""
    why = {c.name: _no_attribute(c) for c in reading.rest}
    return {n: w for n, w in why.items() if w}, [c for c in reading.rest if not why[c.name]]


def _no_attribute(column: Seen) -> str:
    """Say why a column is no attribute of customers; empty where it is one."""
    name = words.plain(column.name)
    found = moments(column)
    dated = found and "; ".join(filter(None, (found.evidence, found.how)))
    tells = words.likeness("churned", column.name) >= 1
    tells = tells and any(words.plain(v) in words.LEFT for v in column.counts)
    differs = column.is_text and column.distinct > max(_MOST_LEVELS, 0.9 * column.filled)
    differs = differs or (
        column.distinct == column.filled > 1 and f" {name}".endswith(words.ID_ENDS)
    )
    reasons = {
        "empty": not column.filled,
        "personal data": name in words.PERSONAL,
        f"{dated}, in no known role": bool(dated),
        "may have been known only once a customer had left": tells
        or words.has_word(column.name, words.AFTERWARDS),
        "a name of the contract, but its values do not fit": reserved(column.name),
        "numbers the rows": name in ("rownames", "row names", "unnamed 0", "index", "column0"),
        "differs in nearly every row": differs,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _attribute(column: Seen) -> str:
    return column.number if column.number and column.form else quote(column.name)


def _from_contacts(contacts: Sequence[Reading], lists: Sequence[Reading]) -> Made:
    """Build the customers from their contacts: each starts with the first one."""
    steady = _steady(contacts[0]) if len(contacts) == 1 else []
    more = "".join(f", {given(c)} AS {quote(c)}" for c in steady)
    kept = "".join(f", any_value({quote(c)}) AS {quote(c)}" for c in steady)
    made = Made("customers", [r.sheet for r in contacts])
    made.query = (
        f"SELECT customer_id, min(cx_at) AS started_at{kept} FROM ({_when(contacts, more)}) "
        "WHERE customer_id IS NOT NULL AND cx_at IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
    made.notes.append(
        "Built from the contacts, one row a customer (guess); started_at is the first contact: who "
        "was there before the file begins is taken for new"
    )
    if steady:
        made.notes.append(f"Attributes that never change within a customer: {', '.join(steady)}")
    _join(made, "customer_id", lists)
    return made


def _when(contacts: Sequence[Reading], more: str = "") -> str:
    """Give the SQL of who had a contact and when, in all tables of contacts."""
    return " UNION ALL ".join(
        f"SELECT {r.guesses['customer_id'].sql} AS customer_id, "
        f"{r.guesses['occurred_at'].moment} AS cx_at{more} FROM {r.sheet.view}"
        for r in contacts
    )


def _steady(reading: Reading) -> list[str]:
    """Name the columns whose value never changes within a customer."""
    kept = _left_out(reading)[1] + [g.column for r, g in reading.guesses.items() if r == "channel"]
    some = [c for c in kept if c.is_text and 2 <= c.distinct <= _MOST_LEVELS]
    if not some:
        return []
    counts = ", ".join(f"count(DISTINCT {given(c.name)}) AS n{i}" for i, c in enumerate(some))
    most = ", ".join(f"max(n{i})" for i in range(len(some)))
    [row] = reading.sheet.ask(
        f"SELECT {most} FROM (SELECT {counts} FROM {reading.sheet.view} "
        f"GROUP BY {reading.guesses['customer_id'].sql})"
    )
    return [c.name for c, n in zip(some, row, strict=True) if n == 1]


# -- contacts ----------------------------------------------------------------------------------


def _contacts(reading: Reading) -> Made:
    """Make the contacts of one table; lines of an order are put together first."""
    order, point = reading.get("interaction_id"), reading.get("touchpoint")
    if order is not None and point is None and order.column.distinct < order.column.filled:
        return _orders(reading, order)
    made = _direct("interactions", reading)
    if point is None:
        units = any(words.has_word(c.name, words.AMOUNT["quantity"]) for c in reading.sheet.columns)
        name = words.plain(reading.sheet.name).replace(" ", "-") or "contact"
        name = "order" if units or "value" in reading.guesses else name
        made.select["touchpoint"] = literal(name)
        made.notes.append(f"touchpoint: no column names it; every row is called {name} (guess)")
    if order is None and _rated(reading):
        made.select["interaction_id"] = _ROW_NUMBER
        made.notes.append("interaction_id: rows are numbered, so that ratings can be linked")
    return made


def _orders(reading: Reading, order: Guess) -> Made:
    """Put lines that have an order's number in common together."""
    quantity, price = (
        next((c for c in reading.sheet.columns if c.number and words.ends_in(c.name, names)), None)
        for names in (words.AMOUNT["quantity"], words.AMOUNT["price"])
    )
    value, amount, told = reading.get("value"), "", ""
    if value is not None:
        number, name = value.found.sql or value.column.number, value.column.name
        query = (
            f"SELECT count(DISTINCT {number}) AS n FROM {reading.sheet.view} GROUP BY {order.sql}"
        )
        [(most,)] = reading.sheet.ask(f"SELECT max(n) FROM ({query} HAVING count(*) > 1)")
        # An order's total that stands on each of its lines is no sum.
        amount = f"max({number})" if most == 1 else f"sum({number})"
        told = f"{name}, once an order" if most == 1 else f"the sum of {name}"
    elif quantity is not None and price is not None:
        amount = f"sum({quantity.number} * {price.number})"
        told = f"the sum of {quantity.name} times {price.name}"
    who, when = reading.guesses["customer_id"], reading.guesses["occurred_at"]
    sql = (
        f"SELECT {order.sql} AS interaction_id, min({who.sql}) AS customer_id, min({when.moment}) "
        f"AS occurred_at, 'order' AS touchpoint{f', {amount} AS value' if amount else ''} "
        f"FROM {reading.sheet.view} WHERE {order.sql} IS NOT NULL GROUP BY 1 ORDER BY 3, 1"
    )
    [(count, filled)] = reading.sheet.ask(
        f"SELECT (SELECT count(*) FROM ({sql})), count({order.sql}) FROM {reading.sheet.view}"
    )
    notes = [f"{counted(filled, 'line')} put together to {counted(count, 'order')}"]
    notes[0] += f"; value is {told}" if told else ""
    notes[0] += "; touchpoint: every order is called order (guess)"
    if filled < reading.sheet.rows:
        notes.append(
            f"{counted(reading.sheet.rows - filled, 'line')} without an order's number left out"
        )
    return Made(
        "interactions",
        [reading.sheet],
        [g for g in (order, who, when, value) if g],
        query=sql,
        notes=notes,
    )


# -- feedback ----------------------------------------------------------------------------------


def _metric(name: str, low: float, high: float, proposal: Proposal) -> str:
    """Name the metric of a rating, and declare it where the contract does not know it so."""
    metric = next((m for m, w in words.METRICS.items() if words.has_word(name, w)), "")
    if not metric and (low, high) == _KNOWN_SCALES["csat"]:
        return "csat"
    known_low, known_high = _KNOWN_SCALES.get(metric, (0.0, 0.0))
    if known_low <= low and high == known_high:
        return metric
    # How likely one is to recommend, asked on another scale, gives no NPS.
    metric = f"rating_{low:g}_to_{high:g}" if metric in ("", "nps") else metric
    proposal.metrics[metric] = {"scale": [int(low), int(high)]}
    return metric


def _long(reading: Reading, proposal: Proposal) -> Made:
    """Make answers from a table of one row an answer."""
    made = _direct("feedback", reading)
    score, metric = reading.guesses["score"], reading.get("metric")
    if metric is None:
        scale = next((s for s in ratings(reading.sheet) if s.column is score.column), score.column)
        name = _metric(score.column.name, scale.low, scale.high, proposal)
        made.select["metric"] = literal(name)
        made.notes.append(f"metric: no column names it; every answer is called {name} (likely)")
        return made
    number = score.found.sql or score.column.number
    limits = reading.sheet.ask(
        f"SELECT {metric.sql} AS m, min({number}), max({number}) FROM {reading.sheet.view} "
        "GROUP BY 1 HAVING m IS NOT NULL ORDER BY 1"
    )
    names = {v: _called(v, low or 0, high or 0, proposal) for v, low, high in limits}
    if any(value != name for value, name in names.items()):
        cases = " ".join(f"WHEN {literal(v)} THEN {literal(n)}" for v, n in names.items())
        made.select[metric.column.name] = f"CASE {metric.sql} {cases} END"
    return made


def _called(value: str, low: float, high: float, proposal: Proposal) -> str:
    """Bring a metric's name to the contract's, declared with the scale it is on."""
    name = words.plain(value).replace(" ", "_")
    known = _KNOWN_SCALES.get(name)
    if known and known[0] <= low and high <= known[1]:
        return name
    top = next((t for t in (5, 7, 10, 100) if high <= t), high)
    return _metric(name, min(low, 1), top, proposal)


def _melted(reading: Reading, proposal: Proposal) -> Made:
    """Make answers from a table of one column a rating."""
    scales, point = _rated(reading), reading.get("touchpoint")
    when = reading.get("responded_at") or reading.get("occurred_at")
    shared = {
        r: g if g is None or g.role == r else replace(g, role=r)
        for r, g in (
            ("customer_id", reading.get("customer_id")),
            ("responded_at", when),
            ("interaction_id", reading.get("interaction_id")),
        )
    }
    head = {r: g.moment if r == "responded_at" else g.sql for r, g in shared.items() if g}
    head.setdefault(
        "interaction_id" if reading.kind == "interactions" else "customer_id", _ROW_NUMBER
    )
    rows = [f"{sql} AS {r}" for r, sql in head.items()]
    rows.append(f"CAST({point.sql if point else 'NULL'} AS VARCHAR) AS touchpoint")
    parts, told = [], []
    for i, scale in enumerate(scales):
        name = scale.column.name
        metric = _metric(name, scale.low, scale.high, proposal)
        overall = words.has_word(name, words.OVERALL) or words.plain(name) == metric
        at = "touchpoint" if point or overall else literal(words.plain(name).replace(" ", "-"))
        rows.append(f"CAST({scale.sql} AS DOUBLE) AS s{i}")
        parts.append(
            f"SELECT {', '.join(head)}, {literal(metric)} AS metric, {at} AS touchpoint, "
            f"s{i} AS score FROM cx_rows WHERE s{i} IS NOT NULL"
        )
        told.append(f"{name} ({scale.low:g} to {scale.high:g}, as {metric})")
    from_rows = f"WITH cx_rows AS (SELECT {', '.join(rows)} FROM {reading.sheet.view})"
    made = Made("feedback", [reading.sheet], [g for g in shared.values() if g])
    made.query = f"{from_rows} {' UNION ALL '.join(parts)}"
    [(kept,)] = reading.sheet.ask(f"SELECT count(*) FROM ({made.query})")
    made.notes += [
        f"One row a rating: {counted(reading.sheet.rows, 'row')} by "
        f"{counted(len(scales), 'column')} gave {counted(kept, 'answer')}; "
        f"{reading.sheet.rows * len(scales) - kept:,} without an answer are left out",
        "Ratings: " + "; ".join(told),
    ]
    used = {s.column.name for s in scales}
    if reading.kind == "survey" and (rest := [c.name for c in reading.rest if c.name not in used]):
        made.notes.append(f"Not used: {', '.join(rest)}")
    return made


# -- any table ---------------------------------------------------------------------------------


def _direct(name: str, reading: Reading) -> Made:
    """Take a table as it is, but for the columns that have to be converted."""
    order = {**dict.fromkeys(SNAPSHOT.names), **dict.fromkeys(TABLES[name].names)}
    made = Made(name, [reading.sheet], [reading.guesses[c] for c in order if c in reading.guesses])
    for guess in made.guesses:
        column, readable = guess.column.name, _readable(guess)
        made.select[column] = guess.found.sql or quote(column)
        if not readable or guess.role in ("outcome", "ended_at"):
            continue
        lost = f"{given(column)} IS NOT NULL AND ({readable}) IS NULL"
        [(count,)] = reading.sheet.ask(f"SELECT count(*) FROM {reading.sheet.view} WHERE {lost}")
        if count:
            made.select[column] = readable
            told = f"{counted(count, 'value')} of {column}"
            made.notes.append(f"{guess.role}: {told} cannot be read and left empty")
    if name != "customers":
        rest = (c.name for c in reading.rest if c.name.lower() not in TABLES[name].names)
        made.select |= {c: quote(c) for c in rest}
    return made


def _readable(guess: Guess) -> str:
    """Give the SQL of a value as the contract will read it; empty where any will do."""
    column, kind = guess.column, _KINDS[guess.role]
    if guess.found.sql:
        return guess.found.sql
    if column.time and kind == "time":
        low, high = YEARS
        return f"CASE WHEN year({column.time}) BETWEEN {low} AND {high} THEN {column.time} END"
    if column.number and kind == "number":
        return f"CASE WHEN isfinite({column.number}) THEN {column.number} END"
    return ""


def _union(name: str, parts: Sequence[Made]) -> Made | None:
    """Put several tables of one kind together, under the contract's names."""
    if len(parts) <= 1:
        return parts[0] if parts else None
    named = []
    for part in parts:
        roles = {n: n for n in part.select if n in TABLES[name].names}
        roles |= {g.role: g.column.name for g in part.guesses}
        columns = [
            f"CAST({quote(c)} AS {_TYPES.get(_KINDS[r], 'VARCHAR')}) AS {r}"
            for r, c in roles.items()
        ]
        named.append(part.query or f"SELECT {', '.join(columns)} FROM ({part.sql})")
    return Made(
        name,
        [s for p in parts for s in p.sheets],
        [g for p in parts for g in p.guesses],
        query=" UNION ALL BY NAME ".join(f"({n})" for n in named),
        parts=list(parts),
    )


# -- what the data mean ------------------------------------------------------------------------


def _add_settings(proposal: Proposal, base: Reading | None, contacts: Sequence[Reading]) -> None:
    add = proposal.settings.append
    if proposal.metrics:
        add(Setting("metrics", proposal.metrics, _SCALES))
    guesses = [g for t in proposal.tables for g in t.guesses]
    if base is not None and base.kind == "snapshot":
        add(_tenure_unit(base.guesses["tenure"].column))
    elif contacts and not (base and _ends(base)):
        add(_silence(contacts))
    if amounts := [g.column for g in guesses if g.role in ("monthly_value", "value")]:
        add(_currency(amounts))
    if any(g.column.time for g in guesses):
        add(Setting("time_zone", "UTC", "guess: the files do not tell; such as Europe/Berlin"))


def _tenure_unit(column: Seen) -> Setting:
    for unit, names in words.UNITS.items():
        if words.has_word(column.name, names):
            return Setting("tenure_unit", unit, f"high: the column is called {column.name}")
    unit = "years" if column.high <= 15 else "months" if column.high <= 130 else "days"
    why = f"guess: {column.name} goes from {column.low:g} to {column.high:g}"
    return Setting("tenure_unit", unit, why + "; allowed: days, weeks, months, years")


def _currency(columns: Sequence[Seen]) -> Setting:
    for column in columns:
        if column.currency:
            return Setting("currency", column.currency, f"high: it stands in {column.name}")
        for word in words.plain(column.name).split():
            if word in words.CURRENCIES:
                return Setting("currency", words.CURRENCIES[word], f"likely: named {column.name}")
    names = ", ".join(dict.fromkeys(c.name for c in columns))
    return Setting("currency", None, f"not told; of {names}, such as EUR")


def _silence(contacts: Sequence[Reading]) -> Setting:
    """Choose after how long a silence a customer has left: longer than nine gaps in ten."""
    [(span, gap)] = contacts[0].sheet.ask(
        f"WITH d AS (SELECT DISTINCT customer_id AS who, CAST(cx_at AS DATE) AS day FROM "
        f"({_when(contacts)}) WHERE who IS NOT NULL AND day IS NOT NULL), "
        "g AS (SELECT date_diff('day', lag(day) OVER (PARTITION BY who ORDER BY day), day) "
        "AS n FROM d) SELECT (SELECT date_diff('day', min(day), max(day)) FROM d), "
        f"(SELECT quantile_disc(n, {_GAP_SHARE}) FROM g WHERE n IS NOT NULL)"
    )
    fits = [d for d in _SILENCES if d * 3 <= (span or 0)] or [_SILENCES[0]]
    days = next((d for d in fits if d >= (gap or 0)), fits[-1])
    why = (
        f"guess: no column says who left, so a customer silent for {days} days has; nine of ten "
        f"gaps between a customer's contacts last up to {gap or 0} days, the file {span or 0} days"
    )
    return Setting("churn", {"inactivity": {"days": days}}, why)


def _telling(reading: Reading) -> str:
    """Name the columns that may tell who left."""
    return ", ".join(
        c.name for c in reading.sheet.columns if words.likeness("churned", c.name) >= 1
    )


def _tell_what_lacks(lists: Sequence[Reading], proposal: Proposal) -> None:
    why = "no table of customers, and no contacts to build one from"
    if lists:
        here = max(lists, key=lambda r: r.sheet.rows)
        has = _telling(here)
        told = f"{has} may tell who left, but no" if has else "no column tells who left, and no"
        why = (
            f"in {here.sheet.files[0].name} {told} column tells how long customers stayed (tenure) "
            "or from when to when (started_at, ended_at)"
        )
    proposal.missing.append(f"customers: {why}; cxlab check will refuse the folder without them")


def _say_what_follows(proposal: Proposal, base: Reading | None) -> None:
    made: Mapping[str, Made] = {t.name: t for t in proposal.tables}
    say = proposal.missing.append
    dated = any(s.key == "churn" for s in proposal.settings) or (base and _ends(base))
    if base is not None and base.kind == "spells" and not dated:
        told = _telling(base)
        flag = f"; {told} may tell who, but not when" if told else ""
        say(f"who left when: no column of ends, no contacts{flag}; cxlab check will refuse it")
    if base is not None and base.kind == "snapshot":
        say(
            "dates of leaving: it is a snapshot, so the driver model of touchpoints cannot run; "
            "the model of attributes can"
        )
    elif "interactions" not in made:
        say("interactions: without a table of contacts the driver model of touchpoints cannot run")
    elif not any(g.role == "outcome" for g in made["interactions"].guesses):
        say(
            "outcome: no column tells which contacts failed; until outcome, scores or a rule "
            "under bad: do, touchpoints are shown but none can be called a driver"
        )
    if "feedback" not in made:
        say("feedback: no answers to surveys, so pages about them will be skipped")
