"""The forecasts' file: what is written is read again, and what cannot be is refused."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import pytest

from cxlab.data.forecasts import FILE, MOST_RUNS, Forecast, read, text
from cxlab.errors import DataError

PLAIN = Forecast(dt.date(2026, 6, 30), None, 0.0, dt.date(2026, 7, 1), 41.5, 29.0, 56.0)
CUT = Forecast(
    *(dt.date(2026, 6, 30), 'Lieferung "<b>"', 0.3, dt.date(2026, 7, 1)),
    *(38.25, 26.0, 52.0),
    *(210.0, 170.0, 251.0),
)


def _kept(folder: Path, written: str) -> Path:
    (folder / FILE).write_text(written, encoding="utf-8")
    return folder


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = text([CUT, PLAIN])
    again = read(_kept(tmp_path, written))
    assert again == [PLAIN, CUT]
    assert text(again) == written
    assert json.loads(written)["forecasts"][0]["touchpoint"] is None


def test_without_a_file_there_is_nothing(tmp_path: Path) -> None:
    assert read("") == read(tmp_path) == read(tmp_path / "none") == []
    assert read(_kept(tmp_path, text([]))) == []


def test_old_forecasts_stay_and_the_later_of_two_counts() -> None:
    days = [dt.date(2024, 1, 31) + dt.timedelta(days=7 * k) for k in range(MOST_RUNS + 3)]
    old = [replace(PLAIN, made_on=day, month=dt.date(2027, 1, 1)) for day in days]
    again = replace(old[-1], leavers=50.0)
    lines = json.loads(text([*old, again]))["forecasts"]
    assert [line["made_on"] for line in lines] == [day.isoformat() for day in days[3:]]
    assert lines[-1]["leavers"] == 50.0


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{", "broken JSON"),
        ("[" * 100_000, "broken JSON"),
        ("[]", "the file"),
        ('{"schema_version": 2, "forecasts": []}', "schema_version"),
        ('{"schema_version": 1, "forecasts": [{"made_on": "soon"}]}', "forecasts.0.made_on"),
        (text([PLAIN]).replace("41.5", "NaN"), "forecasts.0.leavers"),
        (text([PLAIN]).replace("41.5", "57"), "57 is not between 29 and 56"),
        (text([PLAIN]).replace("2026-07-01", "2026-07-02"), "not the first day of a month"),
        (text([PLAIN]).replace("2026-07-01", "2026-06-01"), "after 2026-06-30"),
        (text([CUT]).replace("251.0", "null"), "some are missing"),
        (text([CUT]).replace('"share": 0.3', '"share": 3'), "forecasts.0.share"),
    ],
)
def test_what_cannot_be_is_refused_with_the_file(tmp_path: Path, written: str, said: str) -> None:
    with pytest.raises(DataError, match=FILE) as refused:
        read(_kept(tmp_path, written))
    assert said in str(refused.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="UTF-8"):
        read(tmp_path)


def test_a_figure_that_is_none_is_not_written() -> None:
    with pytest.raises(ValueError, match="nan"):
        text([replace(PLAIN, leavers=float("nan"))])
