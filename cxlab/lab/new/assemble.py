"""The contract's tables made from tables understood: as SQL, with what was done in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import duckdb

from cxlab.data.contract import SNAPSHOT, TABLES, YEARS, Settings
from cxlab.data.engine import literal
from cxlab.data.sources import quote
from cxlab.lab.new import words
from cxlab.lab.new.guess import Guess, Reading, Scale, ratings
from cxlab.lab.new.look import Seen, Sheet, given

__all__ = ["Made", "Proposal", "Setting", "assemble"]

_SILENCES = (7, 14, 30, 60, 90, 180, 365)
_GAP_SHARE = 0.9
_MOST_LEVELS = 30
_KNOWN_SCALES = {name: m.scale for name, m in Settings().all_metrics.items()}
_SPELLS = ("spells", "snapshot")
_RESERVED = {*TABLES["customers"].names, *SNAPSHOT.names}


@dataclass
class Made:
    """One of the contract's tables, as it will be written.

    Parameters
    ----------
    name : str
        The table.
    sql : str
        What gives its rows.
    sheets : list of Sheet
        The user's tables it is made from.
    guesses : list of Guess
        Which column is which.
    own_names : bool
        Whether its columns keep the file's names, so that ``dataset.yml`` has to map them.
    as_is : bool
        Whether its rows and columns are those of the file.
    notes : list of str
        What was done, and what could not be told.
    parts : list of Made
        What it was put together from, if from several.
    lossy : set of str
        The contract's columns of which not every value can be read.
    """

    name: str
    sql: str
    sheets: list[Sheet]
    guesses: list[Guess]
    own_names: bool = True
    as_is: bool = False
    notes: list[str] = field(default_factory=list)
    parts: list[Made] = field(default_factory=list)
    lossy: set[str] = field(default_factory=set)


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
    missing: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)


def assemble(connection: duckdb.DuckDBPyConnection, readings: Sequence[Reading]) -> Proposal:
    """Propose the contract's tables.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Where the user's tables are open.
    readings : sequence of Reading
        The user's tables, understood.
    """
    proposal = Proposal()
    base = _base(readings)
    contacts = [r for r in readings if r.kind == "interactions"]
    interactions = _union("interactions", [_contacts(connection, r) for r in contacts])
    others = [r for r in readings if r.kind == "attributes" and r is not base]
    if base is not None and base.kind in _SPELLS:
        customers = _customers(connection, base, others, proposal)
    elif contacts:
        customers = _from_contacts(connection, contacts, [*filter(None, [base]), *others])
    else:
        customers = None
        _tell_what_lacks(base, proposal)
    feedback = _feedback(connection, readings, proposal)
    made = [customers, interactions, feedback, *_small(readings)]
    proposal.tables = [m for m in made if m is not None]
    _add_settings(connection, proposal, base, contacts)
    _name_the_unused(readings, base, proposal)
    return proposal


def _base(readings: Sequence[Reading]) -> Reading | None:
    """Choose the table of customers: one with times, else a snapshot, else a plain list."""
    for kind in ("spells", "snapshot", "attributes"):
        if some := [r for r in readings if r.kind == kind]:
            return max(some, key=lambda r: r.sheet.rows)
    return None


# -- customers ---------------------------------------------------------------------------------


def _customers(
    connection: duckdb.DuckDBPyConnection,
    base: Reading,
    others: Sequence[Reading],
    proposal: Proposal,
) -> Made:
    """Take the customers as they are, but for what is no attribute of theirs."""
    made = _direct(connection, "customers", base)
    left_out, kept = _left_out(base)
    columns = [_own(made, g) for g in made.guesses] + [_attribute(c) for c in kept]
    if left_out:
        made.notes.append("Left out: " + "; ".join(f"{n} ({why})" for n, why in left_out.items()))
    if converted := [c.name for c in kept if c.form]:
        made.notes.append("Read as numbers: " + ", ".join(converted))
    who = base.get("customer_id")
    if who is None and _rated(base):
        columns.append(f"{_row_number()} AS customer_id")
        made.notes.append("customer_id: no column names the customer; rows are numbered")
    made.sql = f"SELECT {', '.join(columns)} FROM {base.sheet.view}"
    if who is not None:
        taken = {g.column.name for g in made.guesses} | {c.name for c in kept}
        _join(made, who.column.name, others, taken)
    made.as_is = made.as_is and not made.notes
    renewals = [c.name for c in base.rest if c.time and words.likeness("renews_at", c.name) >= 1]
    if renewals:
        proposal.missing.append(
            f"renews_at: {', '.join(renewals)} may be it, but is not mapped; with it, leaving "
            "would be possible on those days alone"
        )
    return made


def _join(made: Made, key: str, others: Sequence[Reading], taken: set[str]) -> None:
    """Join further tables of one row a customer, as attributes."""
    names = {t.lower() for t in taken}
    columns, joins = ["a.*"], ""
    for i, other in enumerate(others):
        there = other.guesses["customer_id"]
        more = [c for c in _left_out(other)[1] if c.name.lower() not in names]
        names |= {c.name.lower() for c in more}
        columns += [f"b{i}.{quote(c.name)}" for c in more]
        read = ", ".join([f"{there.sql} AS cx_key", *map(_attribute, more)])
        joins += f" LEFT JOIN (SELECT {read} FROM {other.sheet.view}) AS b{i}"
        joins += f" ON {given(key)} = b{i}.cx_key"
        made.sheets.append(other.sheet)
        told = ", ".join(c.name for c in more) or "nothing new"
        made.notes.append(
            f"From {other.sheet.files[0].name}, joined by {there.column.name}: {told}"
        )
    if joins:
        made.sql = (
            f"SELECT {', '.join(columns)} FROM ({made.sql}) AS a{joins} ORDER BY {given(key)}"
        )


def _row_number() -> str:
    return "'R' || lpad(CAST(row_number() OVER () AS VARCHAR), 7, '0')"


def _rated(reading: Reading) -> list[Scale]:
    """List a table's ratings, where there are enough to make it a survey."""
    taken = {g.column.name for g in reading.guesses.values() if g.role != "score"}
    found = ratings(reading.sheet, taken)
    enough = 1 if reading.kind == "interactions" else 3
    return found if len(found) >= enough else []


def _left_out(reading: Reading) -> tuple[dict[str, str], list[Seen]]:
    """Part what is no attribute, with the reason, from what is one."""
    out: dict[str, str] = {}
    kept = []
    for column in reading.rest:
        name = words.plain(column.name)
        if not column.filled:
            out[column.name] = "empty"
        elif name in words.PERSONAL:
            out[column.name] = "personal data"
        elif column.time:
            out[column.name] = f"dates {column.first} to {column.last}, in no known role"
        elif words.has_word(column.name, words.AFTERWARDS):
            out[column.name] = "may have been known only once a customer had left"
        elif column.name.lower() in _RESERVED or column.name.lower().startswith("cx_"):
            out[column.name] = "a name of the contract, but its values do not fit"
        elif name in ("rownames", "row names", "unnamed 0", "index", "column0"):
            out[column.name] = "numbers the rows"
        elif column.is_text and column.distinct > max(_MOST_LEVELS, 0.9 * column.filled):
            out[column.name] = "differs in nearly every row"
        else:
            kept.append(column)
    return out, kept


def _attribute(column: Seen) -> str:
    name = quote(column.name)
    return f"{column.number} AS {name}" if column.number and column.form else name


def _from_contacts(
    connection: duckdb.DuckDBPyConnection, contacts: Sequence[Reading], others: Sequence[Reading]
) -> Made:
    """Build the customers from their contacts: each starts with the first one."""
    steady = _steady(connection, contacts[0]) if len(contacts) == 1 else []
    more = "".join(f", {given(c)} AS {quote(c)}" for c in steady)
    parts = (
        f"SELECT {r.guesses['customer_id'].sql} AS customer_id, "
        f"{r.guesses['occurred_at'].moment} AS cx_at{more} FROM {r.sheet.view}"
        for r in contacts
    )
    kept = "".join(f", any_value({quote(c)}) AS {quote(c)}" for c in steady)
    sql = (
        f"SELECT customer_id, min(cx_at) AS started_at{kept} FROM ({' UNION ALL '.join(parts)}) "
        "WHERE customer_id IS NOT NULL AND cx_at IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
    made = Made("customers", sql, [r.sheet for r in contacts], [], own_names=False)
    made.notes.append(
        "Built from the contacts, one row a customer (guess); started_at is the first contact: who "
        "was there before the file begins is taken for new"
    )
    if steady:
        made.notes.append(f"Attributes that never change within a customer: {', '.join(steady)}")
    _join(made, "customer_id", others, {"customer_id", "started_at", *steady})
    return made


def _steady(connection: duckdb.DuckDBPyConnection, reading: Reading) -> list[str]:
    """Name the columns whose value never changes within a customer."""
    kept = _left_out(reading)[1] + [g.column for r, g in reading.guesses.items() if r == "channel"]
    some = [c for c in kept if c.is_text and 2 <= c.distinct <= _MOST_LEVELS]
    if not some:
        return []
    counts = ", ".join(f"count(DISTINCT {given(c.name)}) AS n{i}" for i, c in enumerate(some))
    most = ", ".join(f"max(n{i})" for i in range(len(some)))
    [row] = connection.execute(
        f"SELECT {most} FROM (SELECT {counts} FROM {reading.sheet.view} "
        f"GROUP BY {reading.guesses['customer_id'].sql})"
    ).fetchall()
    return [c.name for c, n in zip(some, row, strict=True) if n == 1]


# -- contacts ----------------------------------------------------------------------------------


def _contacts(connection: duckdb.DuckDBPyConnection, reading: Reading) -> Made:
    """Make the contacts of one table; lines of an order are put together first."""
    if (order := _order_lines(reading)) is not None:
        return _orders(connection, reading, order)
    made = _direct(connection, "interactions", reading)
    rest = [c for c in reading.rest if c.name.lower() not in TABLES["interactions"].names]
    columns = [_own(made, g) for g in made.guesses]
    columns += [quote(c.name) for c in rest]
    made.as_is = made.as_is and len(rest) == len(reading.rest)
    if "touchpoint" not in reading.guesses:
        name = _touchpoint_name(reading)
        columns.append(f"{literal(name)} AS touchpoint")
        made.as_is = False
        made.notes.append(f"touchpoint: no column names it; every row is called {name} (guess)")
    if "interaction_id" not in reading.guesses and _rated(reading):
        columns.append(f"{_row_number()} AS interaction_id")
        made.as_is = False
        made.notes.append("interaction_id: rows are numbered, so that ratings can be linked")
    made.sql = f"SELECT {', '.join(columns)} FROM {reading.sheet.view}"
    return made


def _touchpoint_name(reading: Reading) -> str:
    amounts = [c for c in reading.sheet.columns if words.has_word(c.name, words.AMOUNT["quantity"])]
    if "value" in reading.guesses or amounts:
        return "order"
    return words.plain(reading.sheet.name).replace(" ", "-") or "contact"


def _order_lines(reading: Reading) -> Guess | None:
    """Tell a table of lines of orders by an order's number that repeats."""
    order = reading.get("interaction_id")
    if (
        order is None
        or "touchpoint" in reading.guesses
        or order.column.distinct >= order.column.filled
    ):
        return None
    return order


def _orders(connection: duckdb.DuckDBPyConnection, reading: Reading, order: Guess) -> Made:
    parts = {
        part: next(
            (c for c in reading.sheet.columns if c.number and words.plain(c.name) in names), None
        )
        for part, names in words.AMOUNT.items()
    }
    quantity, price, value = parts["quantity"], parts["price"], reading.get("value")
    amount, told = "", ""
    if value is not None:
        amount, told = value.found.sql or value.column.number, f"the sum of {value.column.name}"
    elif quantity is not None and price is not None:
        amount = f"{quantity.number} * {price.number}"
        told = f"the sum of {quantity.name} times {price.name}"
    who, when = reading.guesses["customer_id"], reading.guesses["occurred_at"]
    sums = f", sum({amount}) AS value" if amount else ""
    sql = (
        f"SELECT {order.sql} AS interaction_id, min({who.sql}) AS customer_id, min({when.moment}) "
        f"AS occurred_at, 'order' AS touchpoint{sums} FROM {reading.sheet.view} GROUP BY 1 "
        "ORDER BY 3, 1"
    )
    [(count,)] = connection.execute(f"SELECT count(*) FROM ({sql})").fetchall()
    made = Made("interactions", sql, [reading.sheet], [], own_names=False)
    made.guesses = [order, who, when]
    lines, orders = words.counted(reading.sheet.rows, "line"), words.counted(count, "order")
    made.notes.append(
        f"{lines} put together to {orders}"
        + (f"; value is {told}" if told else "")
        + "; touchpoint: every order is called order (guess)"
    )
    return made


# -- feedback ----------------------------------------------------------------------------------


def _feedback(
    connection: duckdb.DuckDBPyConnection, readings: Sequence[Reading], proposal: Proposal
) -> Made | None:
    parts = [_long(connection, r, proposal) for r in readings if r.kind == "feedback"]
    melted = [r for r in readings if r.kind in ("survey", *_SPELLS, "interactions") and _rated(r)]
    parts += [_melted(connection, r, proposal) for r in melted]
    return _union("feedback", parts)


def _metric(scale: Scale, proposal: Proposal) -> str:
    """Name the metric of a rating, and declare it where the contract does not know it so."""
    name = next((m for m, w in words.METRICS.items() if words.has_word(scale.column.name, w)), "")
    limits = (scale.low, scale.high)
    if not name:
        name = "csat" if limits == _KNOWN_SCALES["csat"] else "rating"
    low, high = _KNOWN_SCALES.get(name, (scale.low, -1.0))
    if low <= scale.low and scale.high <= high:
        return name
    if name == "rating":
        name = f"rating_{limits[0]:g}_to_{limits[1]:g}"
    declared = {name: {"scale": [*map(int, limits)]}}
    why = f"likely: answers {limits[0]:g} to {limits[1]:g}; the higher the better (guess)"
    for i, setting in enumerate(proposal.settings):
        if setting.key == "metrics" and isinstance(setting.value, dict):
            proposal.settings[i] = replace(setting, value={**setting.value, **declared})
            return name
    proposal.settings.append(Setting("metrics", declared, why))
    return name


def _long(connection: duckdb.DuckDBPyConnection, reading: Reading, proposal: Proposal) -> Made:
    """Make answers from a table of one row an answer."""
    made = _direct(connection, "feedback", reading)
    score = reading.guesses["score"]
    scale = Scale(score.column, score.column.low, score.column.high)
    found = [s for s in ratings(reading.sheet) if s.column is score.column]
    columns = [_own(made, g) for g in made.guesses if g.role != "metric"]
    metric = reading.get("metric")
    if metric is None:
        name = _metric(found[0] if found else scale, proposal)
        columns.append(f"{literal(name)} AS metric")
        made.as_is = False
        made.notes.append(f"metric: no column names it; every answer is called {name} (likely)")
    else:
        known = {v: words.plain(v).replace(" ", "_") for v in metric.column.values}
        if any(v != k or k not in _KNOWN_SCALES for v, k in known.items()):
            made.as_is = False
            columns.append(_renamed_metrics(metric, known, score, connection, reading, proposal))
        else:
            columns.append(quote(metric.column.name))
    made.sql = f"SELECT {', '.join(columns)} FROM {reading.sheet.view}"
    return made


def _renamed_metrics(
    metric: Guess,
    known: dict[str, str],
    score: Guess,
    connection: duckdb.DuckDBPyConnection,
    reading: Reading,
    proposal: Proposal,
) -> str:
    """Bring a metric's names to the contract's, each declared with the scale it is on."""
    number = score.found.sql or score.column.number
    limits = connection.execute(
        f"SELECT {metric.sql} AS m, min({number}), max({number}) FROM {reading.sheet.view} "
        "GROUP BY 1 HAVING m IS NOT NULL AND max(2) IS NOT NULL ORDER BY 1"
    ).fetchall()
    cases = []
    for value, low, high in limits:
        top = next((t for t in (5, 7, 10, 100) if (high or 0) <= t), high)
        seen = Seen(known.get(value, value), 0, 0, 0)
        name = _metric(Scale(seen, min(low or 0, 1), top), proposal)
        cases.append(f"WHEN {literal(value)} THEN {literal(name)}")
    return f"CASE {metric.sql} {' '.join(cases)} END AS {quote(metric.column.name)}"


def _melted(connection: duckdb.DuckDBPyConnection, reading: Reading, proposal: Proposal) -> Made:
    """Make answers from a table of one column a rating."""
    scales = _rated(reading)
    shared = {
        "customer_id": reading.get("customer_id"),
        "responded_at": reading.get("responded_at") or reading.get("occurred_at"),
        "interaction_id": reading.get("interaction_id"),
    }
    head = [f"{g.moment if r == 'responded_at' else g.sql} AS {r}" for r, g in shared.items() if g]
    numbered = "interaction_id" if reading.kind == "interactions" else "customer_id"
    if shared[numbered] is None:
        head.append(f"{_row_number()} AS {numbered}")
    point = reading.get("touchpoint")
    parts, told = [], []
    for scale in scales:
        metric = _metric(scale, proposal)
        name = scale.column.name
        at = point.sql if point else literal(words.plain(name).replace(" ", "-"))
        if not point and (words.has_word(name, words.OVERALL) or words.plain(name) == metric):
            at = "NULL"
        parts.append(
            f"SELECT *, {literal(metric)} AS metric, CAST({at} AS VARCHAR) AS touchpoint, "
            f"CAST({scale.sql} AS DOUBLE) AS score FROM cx_rows"
        )
        told.append(f"{name} ({scale.low:g} to {scale.high:g}, as {metric})")
    names = ", ".join([*_named(head), "metric", "touchpoint", "score"])
    rows = f"WITH cx_rows AS (SELECT *, {', '.join(head)} FROM {reading.sheet.view})"
    if clash := {n.lower() for n in _named(head)} & {c.name.lower() for c in reading.sheet.columns}:
        gone = ", ".join(quote(c) for c in sorted(clash))
        rows = rows.replace("SELECT *", f"SELECT * EXCLUDE ({gone})", 1)
    sql = f"{rows} SELECT {names} FROM ({' UNION ALL '.join(parts)}) WHERE score IS NOT NULL"
    [(kept,)] = connection.execute(f"SELECT count(*) FROM ({sql})").fetchall()
    made = Made("feedback", sql, [reading.sheet], [], own_names=False)
    made.guesses = [replace(g, role=role) for role, g in shared.items() if g]
    empty = reading.sheet.rows * len(scales) - kept
    made.notes += [
        f"One row a rating: {words.counted(reading.sheet.rows, 'row')} by "
        f"{words.counted(len(scales), 'column')} gave {words.counted(kept, 'answer')}; {empty:,} "
        "without an answer are left out",
        "Ratings: " + "; ".join(told),
    ]
    used = {s.column.name for s in scales} | {g.column.name for g in made.guesses}
    if reading.kind == "survey" and (rest := [c.name for c in reading.rest if c.name not in used]):
        made.notes.append(f"Not used: {', '.join(rest)}")
    return made


def _named(head: Sequence[str]) -> list[str]:
    """Give the names that columns of SQL end in."""
    return [h.rpartition(" AS ")[2] for h in head]


# -- any table ---------------------------------------------------------------------------------


def _direct(connection: duckdb.DuckDBPyConnection, name: str, reading: Reading) -> Made:
    """Take a table as it is, but for the columns that have to be converted."""
    order = {**dict.fromkeys(SNAPSHOT.names), **dict.fromkeys(TABLES[name].names)}
    guesses = [reading.guesses[c] for c in order if c in reading.guesses]
    made = Made(name, "", [reading.sheet], guesses)
    made.as_is = not any(g.found.sql for g in guesses)
    for guess in guesses:
        if lost := _unreadable(connection, reading, guess):
            made.as_is = False
            made.lossy.add(guess.role)
            told = f"{words.counted(lost, 'value')} of {guess.column.name}"
            made.notes.append(f"{guess.role}: {told} cannot be read and left empty")
    return made


def _reads(guess: Guess) -> str:
    """Give the SQL of a value as the contract will read it; empty where any will do."""
    column = guess.column
    if guess.found.sql:
        return guess.found.sql
    if column.time and guess.role.endswith("_at"):
        low, high = YEARS
        return f"CASE WHEN year({column.time}) BETWEEN {low} AND {high} THEN {column.time} END"
    numbers = {"tenure", "monthly_value", "value", "score", "fix_cost"}
    if column.number and (guess.role in numbers or guess.role.endswith("_seconds")):
        return f"CASE WHEN isfinite({column.number}) THEN {column.number} END"
    return ""


def _unreadable(connection: duckdb.DuckDBPyConnection, reading: Reading, guess: Guess) -> int:
    """Count the values, in all rows, that the contract could not read."""
    sql = _reads(guess)
    if not sql or guess.role in ("outcome", "ended_at"):
        return 0
    query = (
        f"SELECT count(*) FROM {reading.sheet.view} "
        f"WHERE {given(guess.column.name)} IS NOT NULL AND ({sql}) IS NULL"
    )
    [(lost,)] = connection.execute(query).fetchall()
    return int(lost)


def _own(made: Made, guess: Guess) -> str:
    """Give a column under the file's own name, converted where it has to be."""
    name = quote(guess.column.name)
    sql = guess.found.sql or (_reads(guess) if guess.role in made.lossy else "")
    return f"{sql} AS {name}" if sql else name


def _union(name: str, parts: Sequence[Made]) -> Made | None:
    """Put several tables of one kind together, under the contract's names."""
    if len(parts) <= 1:
        return parts[0] if parts else None
    named = []
    for part in parts:
        if not part.own_names:
            named.append(part.sql)
            continue
        roles = {g.role: g.column.name for g in part.guesses}
        columns = [f"CAST({quote(c)} AS {_type(r)}) AS {r}" for r, c in roles.items()]
        made_up = ("touchpoint", "interaction_id", "metric")
        columns += [c for c in made_up if c not in roles and f" AS {c}" in part.sql]
        named.append(f"SELECT {', '.join(columns)} FROM ({part.sql})")
    sql = " UNION ALL BY NAME ".join(f"({n})" for n in named)
    sheets = [s for p in parts for s in p.sheets]
    guesses = [g for p in parts for g in p.guesses]
    return Made(name, sql, sheets, guesses, own_names=False, parts=list(parts))


def _type(role: str) -> str:
    if role.endswith("_at"):
        return "TIMESTAMP"
    return "DOUBLE" if role in ("score", "value") or role.endswith("_seconds") else "VARCHAR"


def _small(readings: Sequence[Reading]) -> list[Made]:
    made = []
    for name in ("touchpoints", "interventions"):
        for reading in [r for r in readings if r.kind == name][:1]:
            one = Made(name, f"SELECT * FROM {reading.sheet.view}", [reading.sheet], [])
            one.guesses, one.as_is = list(reading.guesses.values()), True
            if any(g.found.sql for g in one.guesses):
                columns = [
                    f"{g.found.sql or quote(g.column.name)} AS {quote(g.column.name)}"
                    for g in one.guesses
                ]
                one.sql = f"SELECT {', '.join(columns)} FROM {reading.sheet.view}"
                one.as_is = False
            made.append(one)
    return made


# -- what the data mean ------------------------------------------------------------------------


def _add_settings(
    connection: duckdb.DuckDBPyConnection,
    proposal: Proposal,
    base: Reading | None,
    contacts: Sequence[Reading],
) -> None:
    told = {t.name for t in proposal.tables}
    add = proposal.settings.append
    if base is not None and base.kind == "snapshot":
        add(_tenure_unit(base.guesses["tenure"].column))
    ends = {"ended_at", "cancelled_at"} & set(base.guesses if base else ())
    if "customers" in told and (base is None or base.kind != "snapshot") and not ends:
        if contacts:
            add(_silence(connection, contacts))
        else:
            proposal.missing.append(
                "who left: no column of ends, no table of contacts; cxlab check will refuse it"
            )
    amounts = [g.column for t in proposal.tables for g in t.guesses if _is_money(g)]
    if amounts:
        add(_currency(amounts))
    if any(c.column.time for t in proposal.tables for c in t.guesses):
        add(Setting("time_zone", "UTC", "guess: the files do not tell; such as Europe/Berlin"))
    _say_what_follows(proposal, base, told)


def _is_money(guess: Guess) -> bool:
    return guess.role in ("monthly_value", "value")


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


def _silence(connection: duckdb.DuckDBPyConnection, contacts: Sequence[Reading]) -> Setting:
    """Choose after how long a silence a customer has left: longer than nine gaps in ten."""
    parts = " UNION ALL ".join(
        f"SELECT {r.guesses['customer_id'].sql} AS who, CAST({r.guesses['occurred_at'].moment} "
        f"AS DATE) AS day FROM {r.sheet.view}"
        for r in contacts
    )
    [(span, gap)] = connection.execute(
        f"WITH d AS (SELECT DISTINCT who, day FROM ({parts}) WHERE who IS NOT NULL AND day IS NOT "
        "NULL), g AS (SELECT date_diff('day', lag(day) OVER (PARTITION BY who ORDER BY day), day) "
        f"AS n FROM d) SELECT (SELECT date_diff('day', min(day), max(day)) FROM d), "
        f"(SELECT quantile_disc(n, {_GAP_SHARE}) FROM g WHERE n IS NOT NULL)"
    ).fetchall()
    fits = [d for d in _SILENCES if d * 3 <= (span or 0)] or [_SILENCES[0]]
    days = next((d for d in fits if d >= (gap or 0)), fits[-1])
    why = (
        f"guess: no column says who left, so a customer silent for {days} days has; nine of ten "
        f"gaps between a customer's contacts last up to {gap or 0} days, the file {span or 0} days"
    )
    return Setting("churn", {"inactivity": {"days": days}}, why)


def _tell_what_lacks(base: Reading | None, proposal: Proposal) -> None:
    why = "no table of customers, and no contacts to build one from"
    if base is not None:
        has = [c.name for c in base.sheet.columns if words.likeness("churned", c.name) >= 1]
        if has:
            why = (
                f"{', '.join(has)} may tell who left, but no column tells how long customers "
                "stayed (tenure) or from when to when (started_at, ended_at)"
            )
    proposal.missing.append(f"customers: {why}; cxlab check will refuse the folder without them")


def _say_what_follows(proposal: Proposal, base: Reading | None, told: set[str]) -> None:
    if base is not None and base.kind == "snapshot":
        proposal.missing.append(
            "dates of leaving: it is a snapshot, so the driver model of touchpoints cannot run; "
            "the model of attributes can"
        )
    elif "interactions" not in told:
        proposal.missing.append(
            "interactions: without a table of contacts the driver model of touchpoints cannot run"
        )
    else:
        made = next(t for t in proposal.tables if t.name == "interactions")
        if not any(g.role == "outcome" for g in made.guesses):
            proposal.missing.append(
                "outcome: no column tells which contacts failed; until outcome, scores or a rule "
                "under bad: do, touchpoints are shown but none can be called a driver"
            )
    if "feedback" not in told:
        proposal.missing.append(
            "feedback: no answers to surveys, so pages about them will be skipped"
        )


def _name_the_unused(readings: Sequence[Reading], base: Reading | None, proposal: Proposal) -> None:
    used = {s.view for t in proposal.tables for s in t.sheets}
    for reading in readings:
        if reading.sheet.view not in used:
            columns = ", ".join(c.name for c in reading.sheet.columns[:8])
            proposal.unused.append(
                f"{reading.sheet.files[0].name}: {reading.sheet.rows:,} rows; not understood, or a "
                f"second table of its kind ({columns})"
            )
