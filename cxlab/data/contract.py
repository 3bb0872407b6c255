"""The data contract: the tables, their columns, and what ``dataset.yml`` may say.

DESIGN of the contract: only ``customers`` is required, in one of two forms. The *spell*
form has a row a subscription (``started_at``, ``ended_at``); the *snapshot* form has a
row a customer (``tenure``, ``churned``). A column with a ``kind`` is read as that kind
or refused; a column of ``customers`` that is not listed is an attribute.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import difflib
import os
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from cxlab.errors import DataError, UsageError, one_of

__all__ = [
    "ENGINES",
    "OUTCOMES",
    "SNAPSHOT",
    "TABLES",
    "VARIABLE",
    "YEARS",
    "BadRules",
    "Column",
    "Inactivity",
    "Metric",
    "Settings",
    "Source",
    "Table",
    "fill_in",
    "in_years",
    "is_folder",
    "midnight_after",
    "read_day",
    "read_settings",
    "read_yaml",
    "validation_line",
]

Kind = Literal["id", "time", "number", "flag", "text"]
Engine = Literal["duckdb", "spark"]
ENGINES: tuple[str, ...] = get_args(Engine)
"""What can do the work."""
OUTCOMES = ("ok", "failed")
_UNION_MEMBERS = ("literal['contract']", "Inactivity")
_LONGEST = 60
VARIABLE = re.compile(r"\$\{(\w+)\}")
"""An environment variable, as a file writes it."""
YEARS = (1900, 2200)
"""The first and the last year that a time may fall in."""
_DAYS = f"a date such as 2026-06-30, from {YEARS[0]} to {YEARS[1]}"
_ALLOWED = {
    "bool": "true or false",
    "date": _DAYS,
    "dict": "names with values",
    "finite_number": "a finite number",
    "float": "a number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "int": "a whole number",
    "invalid_key": "text as keys",
    "less_than_equal": "at most {le}",
    "list": "a list",
    "model": "keys and values",
    "string": "text",
    "too_long": "at most {max_length} of them",
    "too_short": "at least {min_length} of them",
    "tuple": "a list",
}
"""What is allowed, by pydantic's kind of error."""


@dataclass(frozen=True)
class Column:
    """A column of the contract.

    Parameters
    ----------
    name : str
        The contract's name for it.
    kind : {"id", "time", "number", "flag", "text"}
        How its values are read.
    required : bool
        Whether the table is refused without it.
    """

    name: str
    kind: Kind
    required: bool = False


@dataclass(frozen=True)
class Table:
    """A table of the contract: its columns and its key (checked where all of it is present)."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns the table is refused without."""
        return tuple(c.name for c in self.columns if c.required)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns of the contract."""
        return tuple(c.name for c in self.columns)


def _columns(text: str) -> tuple[Column, ...]:
    """Read ``"name:kind"`` words; a ``!`` marks a required column."""
    words = (w.split(":") for w in text.split())
    return tuple(Column(n.rstrip("!"), k, n.endswith("!")) for n, k in words)  # type: ignore[arg-type]


TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        Table(
            "customers",
            _columns(
                "customer_id!:id started_at!:time ended_at:time cancelled_at:time end_reason:text "
                "renews_at:time renewal_days:number monthly_value:number"
            ),
            key=("customer_id", "started_at"),
        ),
        Table(
            "interactions",
            _columns(
                "interaction_id:id customer_id!:id occurred_at!:time touchpoint!:text channel:text "
                "outcome:text response_seconds:number handle_seconds:number resolved_at:time "
                "due_at:time journey_id:id value:number text:text"
            ),
            key=("interaction_id",),
        ),
        Table(
            "feedback",
            _columns(
                "customer_id:id asked_at:time responded_at:time metric!:text score:number "
                "touchpoint:text interaction_id:id comment:text response_id:id"
            ),
        ),
        Table(
            "touchpoints",
            _columns("touchpoint!:text stage:text owner:text fix_cost:number"),
            key=("touchpoint",),
        ),
        Table(
            "interventions",
            _columns(
                "intervention!:text touchpoint!:text started_at!:time ended_at:time "
                "scope_column:text scope_value:text"
            ),
            key=("intervention", "touchpoint", "started_at", "scope_column", "scope_value"),
        ),
    )
}

SNAPSHOT = Table(
    "customers",
    _columns("customer_id:id tenure!:number churned!:flag monthly_value:number"),
    key=("customer_id",),
)


class _Strict(BaseModel):
    # An error that shows what was given could show a password.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Metric(_Strict):
    """A feedback metric: its scale, which end is good, and the layer it speaks of."""

    scale: tuple[float, float]
    direction: Literal["higher_is_better", "lower_is_better"] = "higher_is_better"
    layer: Literal["functional", "emotional", "sensory"] = "functional"

    @field_validator("scale")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not value[0] < value[1]:
            raise ValueError("scale must be [lowest, highest]")
        return value


class BadRules(_Strict):
    """When a contact counts as bad besides its outcome.

    Parameters
    ----------
    wait_over_seconds : float, optional
        A first response slower than this is bad from the moment the limit passes.
    unresolved_after_days : float, optional
        A contact not resolved this many days after it occurred is bad from then on.
    """

    wait_over_seconds: float | None = Field(default=None, gt=0)
    unresolved_after_days: float | None = Field(default=None, gt=0)


class _InactivityRule(_Strict):
    days: int = Field(gt=0, le=3650)


class Inactivity(_Strict):
    """Churn by silence: a customer without a contact for ``days`` has left."""

    inactivity: _InactivityRule


class Source(_Strict):
    """Where the tables are: a folder, a DuckDB file, or a PostgreSQL database.

    Parameters
    ----------
    path : str
        A folder of Parquet or CSV files, or a DuckDB file; relative to ``dataset.yml``.
    url : pydantic.SecretStr
        ``postgresql://…``, or ``${NAME}`` of an environment variable that holds it. It is
        filled in only to connect, so that nothing that is shown or stored has the password.
    schema : str
        Of a database: the schema of the tables (default: its search path; of DuckDB, main).
    snapshot : str
        Of a URL: a snapshot that was taken, or ``latest``, to be read instead of a new one.
    """

    path: str | None = None
    url: SecretStr | None = None
    schema_: str | None = Field(default=None, alias="schema", min_length=1)
    snapshot: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_place(self) -> Source:
        if (self.path is None) == (self.url is None):
            raise ValueError("allowed: either path or url")
        if self.snapshot is not None and self.url is None:
            raise ValueError("snapshot is of a url")
        return self

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the environment variables that the URL is made of."""
        text = self.url.get_secret_value() if self.url else ""
        return tuple(VARIABLE.findall(text))


class Settings(_Strict):
    """What ``dataset.yml`` may say; every key is optional and unknown keys are refused.

    Parameters
    ----------
    name : str
        What reports call the dataset (default: the folder's name).
    columns : mapping
        Table -> {contract's column: the file's column}.
    stages : list of str
        The stages of the journey in their order.
    metrics : mapping
        Metric -> scale, direction and layer, besides ``nps``, ``csat`` and ``ces``.
    currency, time_zone, tenure_unit : str
        Of ``monthly_value``; of times without a zone; of the snapshot form's ``tenure``.
    observed_from : date
        The first day of the feed; customers who were there before it enter the risk set
        on it (default: the day by which one in a thousand of the contacts had occurred).
    observed_until : date or datetime
        The end of what the feed covers; times past it are set aside.
    churn : "contract" or Inactivity
        What counts as leaving.
    bad : BadRules
        When a contact is bad besides its outcome.
    acquisition_cost : float
        What winning one customer costs, in ``currency``.
    source : Source
        Where the tables are, if not beside ``dataset.yml``.
    engine : {"duckdb", "spark"}
        What does the work, where neither a command nor a call says.
    spark_master : str
        Where Spark does it (default: this machine); ``CXLAB_SPARK_MASTER`` comes before it.
    incremental : bool
        Whether each file of a folder of contacts or answers is read once and kept.
    """

    name: str | None = None
    columns: dict[str, dict[str, str]] = Field(default_factory=dict)
    stages: tuple[str, ...] = ()
    metrics: dict[str, Metric] = Field(default_factory=dict)
    currency: str | None = None
    time_zone: str = "UTC"
    tenure_unit: Literal["days", "weeks", "months", "years"] = "days"
    observed_from: dt.date | None = None
    observed_until: dt.datetime | dt.date | None = None
    churn: Literal["contract"] | Inactivity = "contract"
    bad: BadRules = BadRules()
    acquisition_cost: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    source: Source | None = None
    engine: Engine = "duckdb"
    spark_master: str | None = Field(default=None, min_length=1)
    incremental: bool = False

    @field_validator("columns")
    @classmethod
    def _known(cls, value: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        for table, mapping in value.items():
            if table not in TABLES:
                raise ValueError(one_of("table", table[:_LONGEST], TABLES))
            allowed = dict.fromkeys(TABLES[table].names)
            if table == "customers":
                allowed |= dict.fromkeys(SNAPSHOT.names)
            for column in mapping:
                if column not in allowed:
                    raise ValueError(one_of(f"{table} column", column[:_LONGEST], allowed))
        return value

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"{value[:_LONGEST]!r} is no time zone; allowed: names such as UTC or Europe/Berlin"
            ) from error
        return value

    @field_validator("observed_from", "observed_until", mode="before")
    @classmethod
    def _day(cls, value: object) -> object:
        """Take what YAML reads as a date or time, or its text; never a bare number."""
        if isinstance(value, str):
            value = _parse_time(value)
        if value is None or (isinstance(value, dt.date) and in_years(value)):
            return value
        raise ValueError(f"{str(value)[:_LONGEST]!r} is no date; allowed: {_DAYS}")

    @field_validator("churn", mode="before")
    @classmethod
    def _rule(cls, value: object) -> object:
        if not isinstance(value, dict) and value != "contract":
            raise ValueError(
                one_of("it", str(value)[:_LONGEST], ("contract", "inactivity: {days: 90}"))
            )
        return value

    @model_validator(mode="after")
    def _from_until(self) -> Settings:
        end = self.observed_end
        if self.observed_from and end and end.date() <= self.observed_from:
            raise ValueError(
                f"observed_from is {self.observed_from}, not before the end of observed_until, "
                f"{self.observed_until}"
            )
        return self

    @property
    def all_metrics(self) -> dict[str, Metric]:
        """The declared metrics on top of the three that need no declaration."""
        known = {
            "nps": Metric(scale=(0, 10)),
            "csat": Metric(scale=(1, 5)),
            "ces": Metric(scale=(1, 7)),
        }
        return known | self.metrics

    @property
    def observed_end(self) -> dt.datetime | None:
        """First instant that is not observed any more; a date means the whole day is."""
        until = self.observed_until
        if isinstance(until, dt.datetime):
            zone = ZoneInfo(self.time_zone)
            until = until.astimezone(zone).replace(tzinfo=None) if until.tzinfo else until
            if until.time() != dt.time(0):
                return until + dt.timedelta(microseconds=1)
            until = until.date()
        if until is None:
            return None
        return midnight_after(until)


def _parse_time(text: str) -> object:
    """Read a date or a time; give the text back where it is neither."""
    for kind in (dt.date, dt.datetime):
        try:
            return kind.fromisoformat(text)
        except ValueError:
            continue
    return text


def read_day(value: object, what: str) -> dt.date:
    """Read a day that was asked for.

    Parameters
    ----------
    value : datetime.date or str
        The day, or its text.
    what : str
        What it is for, such as ``"--as-of"``.

    Raises
    ------
    UsageError
        It is no day, or falls into none of :data:`YEARS`.
    """
    day = value
    if isinstance(day, str):
        with contextlib.suppress(ValueError):
            day = dt.date.fromisoformat(day)
    if isinstance(day, dt.datetime):
        day = day.date()
    if not (isinstance(day, dt.date) and in_years(day)):
        raise UsageError(f"{what} is {str(value)[:_LONGEST]!r}; allowed: {_DAYS}")
    return day


def in_years(day: dt.date) -> bool:
    """Tell whether a day falls into :data:`YEARS`.

    Parameters
    ----------
    day : datetime.date
        The day.
    """
    return YEARS[0] <= day.year <= YEARS[1]


def midnight_after(day: dt.date) -> dt.datetime:
    """Give the first instant after a day.

    Parameters
    ----------
    day : datetime.date
        The day.
    """
    return dt.datetime.combine(day, dt.time(0)) + dt.timedelta(days=1)


_LONE_HALF = frozenset(map(chr, range(0xD800, 0xE000)))


class _UniqueKeys(yaml.SafeLoader):
    """YAML's safe loader; a key given twice, or text that is no Unicode, is an error."""

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        """Build a scalar."""
        if isinstance(node.value, str) and not _LONE_HALF.isdisjoint(node.value):
            raise yaml.MarkedYAMLError(
                problem="half of a character (a lone surrogate)", problem_mark=node.start_mark
            )
        return super().construct_scalar(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value!r} is given twice", problem_mark=key.start_mark
                )
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else None)
        return super().construct_mapping(node, deep=deep)


def _timestamp(loader: _UniqueKeys, node: yaml.ScalarNode) -> object:
    """Read a date or a time; the one that YAML's own reader fails at gets its line."""
    try:
        return loader.construct_yaml_timestamp(node)
    except ValueError:
        raise yaml.MarkedYAMLError(
            problem=f"{node.value!r} is no date", problem_mark=node.start_mark
        ) from None


_UniqueKeys.add_constructor("tag:yaml.org,2002:timestamp", _timestamp)


def is_folder(path: Path) -> bool:
    """Tell whether a path is a folder; a name too long, or one that may not be seen, is none.

    Parameters
    ----------
    path : Path
        The path.
    """
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises for such a name


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; an empty file is an empty mapping.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    DataError
        The file is no YAML, holds no mapping, or cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data = yaml.load(text, Loader=_UniqueKeys)  # a SafeLoader
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise DataError(f"{path}{where}: broken YAML ({problem})") from error
    except RecursionError as error:
        raise DataError(f"{path}: broken YAML (nested too deep)") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise DataError(f"{path}: must hold keys and values, not {type(data).__name__}")
    return data


def validation_line(path: Path, error: ValidationError, model: type[BaseModel]) -> DataError:
    """Word the first complaint of a pydantic model as one line about a file.

    Parameters
    ----------
    path : Path
        The file the values came from.
    error : pydantic.ValidationError
        What was wrong with them.
    model : type of pydantic.BaseModel
        What they were held to.
    """
    every = error.errors()
    # Of a union's members, the one that is a mapping says more than the literal.
    first = next((e for e in every if e["type"] != "literal_error"), every[0])
    loc = [str(p) for p in first["loc"] if p not in _UNION_MEMBERS]
    where = ".".join(_shown(p) for p in loc)
    if first["type"] == "extra_forbidden":
        known = list(_fields_at(model, loc[:-1]))
        like = difflib.get_close_matches(loc[-1], known, n=1)
        meant = f"; perhaps {like[0]} is meant" if like else ""
        return DataError(f"{path}: unknown key {where}; allowed: {', '.join(known)}{meant}")
    what = f"{path}: {where or 'the file'}"
    given = first["input"]
    if first["type"] == "missing":
        return DataError(f"{what} is missing")
    if allowed := _allowed(first):
        return DataError(f"{what} is {_shown(repr(given))}; allowed: {allowed}")
    message = first["msg"].removeprefix("Value error, ").partition(" or instance of ")[0]
    ours = first["type"] == "value_error" and str(given)[:_LONGEST] in message
    told = "" if ours or isinstance(given, dict) else f", not {_shown(repr(given))}"
    return DataError(f"{what}: {message}{told}")


def _shown(text: str) -> str:
    """Shorten what was given; an address, which may hold a password, is not shown."""
    return "an address (not shown)" if "://" in text else text[:_LONGEST]


def _allowed(error: Mapping[str, Any]) -> str:
    """Say in plain words what pydantic would have taken; empty for what has no words here."""
    limits = error.get("ctx", {})
    if error["type"] == "literal_error":
        return str(limits["expected"]).replace("'", "").replace(" or ", ", ")
    kind = error["type"].partition("_from_")[0].removesuffix("_type").removesuffix("_parsing")
    words = _ALLOWED.get(error["type"]) or _ALLOWED.get(kind, "")
    return words.format_map(limits)


def _fields_at(model: type[BaseModel], loc: Sequence[str]) -> Mapping[str, FieldInfo]:
    """Give the keys allowed at a place in a file."""
    for part in loc:
        field = model.model_fields.get(part)
        if field is not None:
            model = next(_models(field.annotation), model)
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """Find the models within an annotation such as ``dict[str, Metric]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def read_settings(folder: Path) -> Settings:
    """Read ``dataset.yml`` of a dataset's folder; without one, the defaults hold.

    Parameters
    ----------
    folder : Path
        The dataset's folder.

    Raises
    ------
    DataError
        Broken YAML, an unknown key, or a value that is not allowed.
    """
    path = folder / "dataset.yml"
    if not path.exists():
        if (folder / "dataset.yaml").exists():
            raise DataError(f"{folder / 'dataset.yaml'}: allowed: the name dataset.yml")
        return Settings()
    data = read_yaml(path)
    source = data.get("source")
    if isinstance(source, dict) and isinstance(source.get("path"), str):
        data["source"] = {**source, "path": fill_in(path, source["path"])}
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        raise validation_line(path, error, Settings) from None  # it may quote an address


def fill_in(path: Path, text: str) -> str:
    """Put in environment variables written as ``${NAME}``.

    Parameters
    ----------
    path : Path
        The file that has the text, for the error.
    text : str
        The text.

    Raises
    ------
    DataError
        A variable is not set.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise DataError(f"{path}: the environment variable {name} is not set")
        return os.environ[name]

    return VARIABLE.sub(value, text)
