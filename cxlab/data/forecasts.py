"""The forecasts that runs made, ``forecasts.json``, so that later ones can be held against them.

A run adds its own and carries those of earlier runs on.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cxlab.data.contract import validation_line
from cxlab.errors import DataError

__all__ = ["FILE", "MOST_RUNS", "Forecast", "read", "text"]

FILE = "forecasts.json"
"""What the file is called in the state folder."""
MOST_RUNS = 24
"""The forecasts of so many days (``made_on``), the newest ones, are kept."""
_MOST, _LARGEST = 50_000, 20_000_000
_SCHEMA = 1


@dataclass(frozen=True)
class Forecast:
    """What a run expected of one month.

    Parameters
    ----------
    made_on : datetime.date
        ``as_of`` of the run.
    touchpoint : str or None
        Whose failures are changed; None: nothing is changed.
    share : float
        The share by which failures fall there; 0: nothing is changed.
    month : datetime.date
        First day of the calendar month, which begins after ``made_on``.
    leavers, leavers_low, leavers_high : float
        Customers who leave of their own will in that month, with a 95% prediction interval.
    failures, failures_low, failures_high : float or None
        Bad contacts at the touchpoint in that month, with a 95% prediction interval; None where
        no touchpoint is meant, or none were forecast.
    """

    made_on: dt.date
    touchpoint: str | None
    share: float
    month: dt.date
    leavers: float
    leavers_low: float
    leavers_high: float
    failures: float | None = None
    failures_low: float | None = None
    failures_high: float | None = None

    @property
    def key(self) -> tuple[dt.date, str, float, dt.date]:
        """What no two forecasts of a file share; also their order."""
        return self.made_on, self.touchpoint or "", self.share, self.month


_Count = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Line(BaseModel):
    """One forecast as the file has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    made_on: dt.date
    touchpoint: Annotated[str, Field(min_length=1)] | None = None
    share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    month: dt.date
    leavers: _Count
    leavers_low: _Count
    leavers_high: _Count
    failures: _Count | None = None
    failures_low: _Count | None = None
    failures_high: _Count | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> _Line:
        if self.month.day != 1 or self.month <= self.made_on:
            raise ValueError(
                f"month {self.month} is not the first day of a month after {self.made_on}"
            )
        failures = (self.failures_low, self.failures, self.failures_high)
        told = [v for v in failures if v is not None] or [0.0] * 3
        if len(told) != 3:
            raise ValueError("of failures, failures_low and failures_high some are missing")
        for low, middle, high in ((self.leavers_low, self.leavers, self.leavers_high), told):
            if not low <= middle <= high:
                raise ValueError(f"{middle:g} is not between {low:g} and {high:g}")
        return self


class _File(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    schema_version: int = Field(ge=_SCHEMA, le=_SCHEMA)
    forecasts: tuple[_Line, ...] = Field(max_length=_MOST)


def read(folder: str | Path) -> list[Forecast]:
    """Read ``forecasts.json`` of a folder; without one, nothing.

    Parameters
    ----------
    folder : str or pathlib.Path
        What the last run handed on; empty, or a folder that is not there: nothing.

    Returns
    -------
    list of Forecast
        In the order of ``made_on``, touchpoint, share and month.

    Raises
    ------
    DataError
        The file holds no forecasts: it names the file, where in it, and what was expected.
    """
    path = Path(folder) / FILE
    if not str(folder) or not path.exists():
        return []
    try:
        kept = _File.model_validate(_loaded(path))
    except ValidationError as error:
        raise validation_line(path, error, _File) from None
    return _distinct([Forecast(**line.model_dump()) for line in kept.forecasts])


def _loaded(path: Path) -> Any:
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(f"{path}: larger than {_LARGEST // 1_000_000} MB; forecasts are not")
        return json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        where = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise DataError(f"{path}{where}: broken JSON") from None


def _distinct(forecasts: Sequence[Forecast]) -> list[Forecast]:
    """Keep the last of those with one key, in order, of the newest runs."""
    last = {f.key: f for f in forecasts}
    days = sorted({f.made_on for f in last.values()})[-MOST_RUNS:]
    return [last[key] for key in sorted(last) if last[key].made_on in days]


def text(forecasts: Sequence[Forecast]) -> str:
    """Write forecasts as the text of ``forecasts.json``; the same ones give the same text.

    Parameters
    ----------
    forecasts : sequence of Forecast
        Those of earlier runs first: of two with the same ``made_on``, touchpoint, share and
        month the later in the sequence stays. Only the newest 24 days are kept.
    """
    lines = [json.dumps(_plain(f), ensure_ascii=False) for f in _distinct(forecasts)]
    inner = ",\n".join(f"  {line}" for line in lines)
    return f'{{"schema_version": {_SCHEMA}, "forecasts": [\n{inner}\n]}}\n'


def _plain(forecast: Forecast) -> dict[str, Any]:
    """Give plain values, figures to six digits."""
    return {name: _value(value) for name, value in asdict(forecast).items()}


def _value(value: Any) -> Any:
    if isinstance(value, dt.date):
        return value.isoformat()
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        raise ValueError(f"a forecast is {value}")
    return float(f"{value:.6g}")
