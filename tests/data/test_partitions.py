"""Tables in folders of many Parquet files, as a lake has them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cxlab.data.dataset import load
from cxlab.errors import DataError

Spoil = Callable[[Path], None]
DAYS = 6


@pytest.fixture
def lake(tables: Any, tmp_path: Path) -> Path:
    """A dataset whose contacts are in ``day=…`` folders of a place of their own."""
    place, contacts = tmp_path / "lake", tables.pop("interactions")
    for name, table in tables.items():
        place.mkdir(exist_ok=True)
        table.to_parquet(place / f"{name}.parquet", index=False)
    for i, rows in contacts.groupby(contacts.index % DAYS):
        part = place / "interactions" / f"day=2026-01-0{i + 1}" / "part-0.parquet"
        part.parent.mkdir(parents=True)
        rows.to_parquet(part, index=False)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "dataset.yml").write_text("source: {path: ../lake}\n")
    return tmp_path / "shop"


def parts(lake: Path) -> list[Path]:
    return sorted((lake.parent / "lake" / "interactions").rglob("*.parquet"))


def test_all_parts_are_one_table(lake: Path) -> None:
    data = load(lake)
    assert data.read["interactions"].rows == 720
    assert data.read["interactions"].ignored == ("day",)
    assert data.read["interactions"].file == "interactions/"


def test_a_folders_value_can_be_a_column(lake: Path) -> None:
    (lake / "dataset.yml").write_text(
        "source: {path: ../lake}\ncolumns: {interactions: {due_at: day}}\n"
    )
    found = load(lake).table("interactions").select("due_at").unique().collect("pyarrow")
    assert sorted(found["due_at"].to_list()) == [dt.datetime(2026, 1, 1 + i) for i in range(DAYS)]


def test_many_small_files_give_the_same(
    lake: Path, tables: Any, write_dataset: Any, cx: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    """They are read once; what is read, and what comes of it, is the same."""
    monkeypatch.setattr("cxlab.data.sources._MANY", DAYS - 1)
    once = load(lake)
    monkeypatch.setattr("cxlab.data.sources._MANY", DAYS)
    places = load(lake)
    kinds = [
        d._folder.connection.execute(
            "SELECT table_type FROM information_schema.tables WHERE table_name = 'interactions'"
        ).fetchall()
        for d in (once, places)
    ]
    assert kinds == [[("LOCAL TEMPORARY",)], [("VIEW",)]]
    frames = [
        d.table("interactions").collect("pyarrow").to_native().to_pandas().sort_values(
            "interaction_id", ignore_index=True
        )
        for d in (once, places)
    ]  # fmt: skip
    pd.testing.assert_frame_equal(*frames)
    assert once.sha256() == places.sha256()


def _more(file: Path) -> None:
    table = pq.read_table(file).drop_columns(["channel"])
    pq.write_table(table.append_column("extra", pa.array([1] * table.num_rows)), file)


def _as_text(file: Path) -> None:
    table = pq.read_table(file)
    index = table.schema.get_field_index("response_seconds")
    text = pa.array([str(v) for v in table["response_seconds"].to_pylist()])
    pq.write_table(table.set_column(index, "response_seconds", text), file)


def _none(file: Path) -> None:
    pq.write_table(pq.read_table(file).slice(0, 0), file)


def test_parts_may_differ_in_columns(lake: Path) -> None:
    _more(parts(lake)[2])
    data = load(lake)
    assert data.read["interactions"].rows == 720
    assert set(data.read["interactions"].ignored) == {"day", "extra"}
    frame = data.table("interactions").select("channel").collect("pyarrow")
    assert frame["channel"].null_count() == 120


def test_parts_may_differ_in_type_where_the_values_agree(lake: Path) -> None:
    _as_text(parts(lake)[2])
    frame = load(lake).table("interactions").select("response_seconds").collect("pyarrow")
    assert frame["response_seconds"].null_count() == 0
    assert frame["response_seconds"].dtype.is_float()


def test_a_part_without_rows_is_fine(lake: Path) -> None:
    _none(parts(lake)[0])
    assert load(lake).read["interactions"].rows == 600


@pytest.mark.parametrize(
    ("name", "spoil", "told"),
    [
        ("truncated", lambda f: f.write_bytes(f.read_bytes()[:-20]), "part-0.parquet"),
        ("without bytes", lambda f: f.write_bytes(b""), "part-0.parquet"),
        ("no Parquet", lambda f: f.write_bytes(b"x" * 5000), "part-0.parquet"),
        (
            "another format",
            lambda f: f.rename(f.with_suffix(".orc")),
            "holds day=2026-01-03/part-0.orc; allowed: files that all are Parquet, or all CSV",
        ),
        (
            "CSV among them",
            lambda f: f.with_name("more.csv").write_text("a\n1\n"),
            "holds day=2026-01-03/more.csv; allowed: files that all are Parquet, or all CSV",
        ),
    ],
)
def test_a_part_that_will_not_do(
    lake: Path, refused: Any, name: str, spoil: Spoil, told: str
) -> None:
    spoil(parts(lake)[2])
    line = refused(1, "check", lake)
    assert "interactions" in line and told in line, name


def test_notes_of_those_who_wrote_it_are_not_read(lake: Path) -> None:
    place = parts(lake)[0].parent
    for name in ("_SUCCESS", ".part-0.parquet.crc", "_metadata/x.orc"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text("x")
    assert load(lake).read["interactions"].rows == 720


def test_an_object_stores_address_is_refused(lake: Path) -> None:
    (lake / "dataset.yml").write_text("source: {path: 's3://bucket/shop'}\n")
    with pytest.raises(DataError, match="an address; allowed: a folder"):
        load(lake)
