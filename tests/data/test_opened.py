"""A dataset as one notebook of a run opened it: what the next gets is what it would have read."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from cxlab.data import sources
from cxlab.data.dataset import Dataset, load
from cxlab.data.opened import VARIABLE
from cxlab.data.sources import Folder
from cxlab.errors import DataError, UsageError

SNAPSHOT = {
    "customers": pd.DataFrame(
        {
            "customer_id": [f"C{i}" for i in range(40)],
            "tenure": [float(i % 12 + 1) for i in range(40)],
            "churned": [int(i % 4 == 0) for i in range(40)],
            "calls": [i % 5 for i in range(40)],
        }
    )
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run; nothing else is kept."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "run" / "opened"))
    (tmp_path / "run").mkdir()
    return tmp_path / "run" / "opened"


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From when it is called, no table may be read from its files."""

    def refuse(self: Folder, name: str) -> Any:
        raise AssertionError(f"{name} is read")

    return lambda: monkeypatch.setattr(Folder, "read", refuse)


def handed(place: Path) -> list[Path]:
    return sorted(place.iterdir()) if place.exists() else []


def alone(monkeypatch: pytest.MonkeyPatch, path: Path, **asked: Any) -> Dataset:
    """Open a dataset as anybody does who is in no run."""
    with monkeypatch.context() as outside:
        outside.delenv(VARIABLE)
        return load(path, **asked)


def assert_same(one: Dataset, other: Dataset) -> None:
    for part in ("name", "as_of", "form", "read", "set_aside", "segment", "attributes"):
        assert getattr(one, part) == getattr(other, part)
    assert one.sha256() == other.sha256()
    for name in one.tables:
        mine, theirs = (d.table(name).collect("pyarrow").to_native() for d in (one, other))
        assert mine.schema == theirs.schema
        order = [(c, "ascending") for c in mine.column_names]
        assert mine.sort_by(order).equals(theirs.sort_by(order))


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("asked", [{}, {"where": "plan=plus"}, {"as_of": "2025-06-01"}])
def test_the_next_gets_what_it_would_have_read(
    tables, write_dataset, monkeypatch, place, unread, form, asked
) -> None:
    tables["interactions"].loc[3::40, "response_seconds"] = -1
    tables["interactions"].loc[4::50, "touchpoint"] = None
    path = write_dataset(tables, "currency: EUR\n", form)
    usual = alone(monkeypatch, path, **asked)
    first = load(path, **asked)
    unread()
    after = load(path, **asked)
    assert len(handed(place)) == 1
    assert place.stat().st_mode & 0o077 == 0
    assert_same(usual, first)
    assert_same(usual, after)
    assert usual.set_aside
    assert not after.replaced()


def test_a_snapshot_is_handed_on(write_dataset, place, unread) -> None:
    path = write_dataset(SNAPSHOT)
    first = load(path)
    unread()
    assert load(path).form == "snapshot"
    assert_same(first, load(path))


def test_an_earlier_day_is_seen_as_ever(tables, write_dataset, monkeypatch, place) -> None:
    path = write_dataset(tables)
    load(path)
    day = pd.Timestamp("2025-06-01").date()
    one, other = alone(monkeypatch, path).on(day), load(path).on(day)
    for name in ("customers", "interactions", "feedback"):
        mine, theirs = (d.table(name).collect("pandas").to_native() for d in (one, other))
        order = list(mine.columns)
        pd.testing.assert_frame_equal(
            *(t.sort_values(order, ignore_index=True) for t in (mine, theirs))
        )


def test_what_was_not_asked_alike_is_read(tables, write_dataset, place) -> None:
    path = write_dataset(tables)
    load(path)
    for asked in ({"where": "plan=plus"}, {"as_of": "2025-06-01"}, {"where": "plan=basic"}):
        load(path, **asked)
    assert len(handed(place)) == 4
    (path / "dataset.yml").write_text("currency: USD\n")
    assert load(path).settings.currency == "USD"
    assert len(handed(place)) == 5


def test_files_that_were_replaced_are_read(tables, write_dataset, place) -> None:
    path = write_dataset(tables)
    before = load(path)
    tables["interactions"] = tables["interactions"].iloc[:-5]
    write_dataset(tables)
    after = load(path)
    assert after.read["interactions"].rows == before.read["interactions"].rows - 5
    assert before.replaced() == ["interactions"]
    assert not after.replaced()
    # what was handed on tells as well that its files are not there any more
    third = load(path)
    (path / "interactions.csv").unlink()
    assert third.replaced() == ["interactions"]


@pytest.mark.parametrize("content", [b"", b"no database", None])
def test_what_cannot_be_read_is_read_from_the_files(
    tables, write_dataset, monkeypatch, place, content
) -> None:
    path = write_dataset(tables)
    usual = alone(monkeypatch, path)
    load(path)
    (file,) = handed(place)
    other = place / "other"
    if content is None:
        duckdb.connect(str(other)).close()  # a database, of nothing
    else:
        other.write_bytes(content)
    other.replace(file)
    assert_same(usual, load(path))


@pytest.mark.parametrize("size", [1, 100_000, 400_000])
def test_without_room_nothing_is_handed_on(tables, write_dataset, place, size) -> None:
    path = write_dataset(tables)
    usual, limits = signal.getsignal(signal.SIGXFSZ), resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        dataset = load(path)
        rows = len(dataset.table("interactions").collect("pyarrow"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, usual)
    assert rows == len(tables["interactions"])
    assert handed(place) == []


def test_large_tables_are_not_handed_on(tables, write_dataset, monkeypatch, place) -> None:
    path = write_dataset(tables)
    monkeypatch.setattr(sources, "_FEW_VALUES", 0)
    load(path)
    assert handed(place) == []


def test_tables_of_other_kinds_are_not_handed_on(tables, write_dataset, tmp_path, place) -> None:
    path = write_dataset(tables, "incremental: true\n", "parquet")
    load(path)
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        for name in tables:
            file = path / f"{name}.parquet"
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM '{file}'")
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "dataset.yml").write_text("source: {path: ../shop.duckdb}\n")
    assert load(tmp_path / "base").read["customers"].rows == 60
    assert handed(place) == []


def test_errors_are_those_of_the_files(tables, write_dataset, place) -> None:
    path = write_dataset(tables)
    load(path)
    with pytest.raises(UsageError, match=r"allowed: (plus, basic|basic, plus)"):
        load(path, where="plan=pluss")
    (path / "customers.csv").unlink()
    with pytest.raises(DataError, match="table customers is missing"):
        load(path)
