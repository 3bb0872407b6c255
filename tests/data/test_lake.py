"""Files of a growing table: each read once, and those passed over that begin too late."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

import cxlab
from cxlab.analyses import churn_drivers
from cxlab.data.dataset import load
from cxlab.errors import DataError

MONTHS = 6
ONCE = "incremental: true\n"


def spread(tables: Any, folder: Path, form: str = "parquet", settings: str = ONCE) -> Path:
    """Write a dataset whose contacts and answers lie in a folder a month."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        if name not in ("interactions", "feedback"):
            table.to_parquet(folder / f"{name}.parquet", index=False)
            continue
        time = table["occurred_at" if name == "interactions" else "asked_at"]
        for month, rows in table.groupby(time.dt.strftime("%Y-%m")):
            part = folder / name / f"month={month}" / f"part-0.{form}"
            part.parent.mkdir(parents=True, exist_ok=True)
            getattr(rows, f"to_{form}")(part, index=False)
    (folder / "dataset.yml").write_text(settings)
    return folder


def parts(folder: Path, name: str = "interactions") -> list[Path]:
    return sorted(p for p in (folder / name).rglob("*") if p.is_file())


def spoiled(file: Path) -> None:
    """Make a file unreadable, but for its size and its time."""
    about = file.stat()
    file.write_bytes(b"x" * about.st_size)
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))


def read(folder: Path, **named: Any) -> tuple[int, int]:
    """Load, and tell how many files of contacts there are and how many were read."""
    told = load(folder, **named).partitions()["interactions"]
    return told["files"], told["read"]


def rows(dataset: Any, name: str = "interactions") -> pd.DataFrame:
    table = dataset.table(name).collect("pyarrow").to_native().to_pandas()
    return table.sort_values([*table.columns], ignore_index=True)


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_only_new_files_are_read_and_nothing_else_changes(
    form: str, make_tables: Any, tmp_path: Path
) -> None:
    tables = make_tables(150)
    lake = spread(tables, tmp_path / "shop", form)
    whole = spread(tables, tmp_path / "whole" / "shop", form, "")
    months = parts(lake)
    assert len(months) == MONTHS
    late = [(p, p.read_bytes()) for p in (months[-1], parts(lake, "feedback")[-1])]
    for file, _ in late:
        file.unlink()
    assert read(lake) == (MONTHS - 1, MONTHS - 1)
    for file in months[:-1]:
        spoiled(file)
    assert read(lake) == (MONTHS - 1, 0)
    for file, content in late:
        file.write_bytes(content)
    once, full = load(lake), load(whole)
    assert once.partitions()["interactions"]["read"] == 1
    for name in ("interactions", "feedback"):
        assert once.read[name] == full.read[name]
        pd.testing.assert_frame_equal(rows(once, name), rows(full, name))
    one, other = (churn_drivers.run(d, quick=True).to_dict() for d in (once, full))
    assert one["table"] == other["table"]
    assert one["sentence"] == other["sentence"]


def test_a_full_run_and_one_that_reads_what_is_new_hash_alike(tables: Any, tmp_path: Path) -> None:
    lake = spread(tables, tmp_path / "shop")
    once = load(lake).sha256()
    state = load(lake).partitions()
    assert load(lake).sha256() == once
    (lake / "dataset.yml").write_text("")
    assert load(lake).sha256() == once
    assert load(lake).partitions() == {}
    # What is kept is made again as it was, and so is its hash.
    shutil.rmtree(lake / ".cache")
    (lake / "dataset.yml").write_text(ONCE)
    again = load(lake).partitions()
    assert again["interactions"]["read"] == MONTHS
    assert again["interactions"]["state_sha256"] == state["interactions"]["state_sha256"]


def test_a_month_under_another_name_is_other_data(tables: Any, tmp_path: Path) -> None:
    lake = spread(tables, tmp_path / "shop")
    before = load(lake).sha256()
    place = parts(lake)[-1].parent
    place.rename(place.with_name("month=2026-01"))
    after = load(lake)
    assert after.sha256()["interactions"] != before["interactions"]
    assert after.partitions()["interactions"]["read"] == 1


def test_files_that_changed_or_went(tables: Any, tmp_path: Path) -> None:
    lake = spread(tables, tmp_path / "shop")
    total = load(lake).read["interactions"].rows
    [first, second, *_] = parts(lake)
    fewer = pd.read_parquet(first).iloc[1:]
    fewer.to_parquet(first, index=False)
    gone = len(pd.read_parquet(second))
    second.unlink()
    dataset = load(lake)
    assert dataset.read["interactions"].rows == total - 1 - gone
    assert dataset.partitions()["interactions"]["read"] == 1
    # A run may still be reading what was kept; a day later it is nobody's any more.
    kept = lake / ".cache" / "partitions" / "interactions"
    assert len(list(kept.glob("*.parquet"))) == MONTHS + 1
    for file in kept.iterdir():
        os.utime(file, (0, 0))
    assert read(lake) == (MONTHS - 1, 0)
    assert len(list(kept.iterdir())) == MONTHS - 1


@pytest.mark.parametrize("settings", ["", ONCE])
@pytest.mark.parametrize("new", ["month=2025-06/part-1.parquet", "month=2025-07/part-0.parquet"])
def test_a_file_that_comes_while_a_run_is_made_is_noticed(
    settings: str, new: str, tables: Any, tmp_path: Path
) -> None:
    """Notebooks that start later would read it, and those before have not."""
    lake = spread(tables, tmp_path / "shop", settings=settings)
    dataset = load(lake)
    dataset.sha256()
    (lake / "interactions" / "month=2025-06" / "_SUCCESS").touch()  # which nobody reads
    assert dataset.replaced() == []
    (lake / "interactions" / new).parent.mkdir(exist_ok=True)
    shutil.copy(parts(lake)[0], lake / "interactions" / new)
    assert dataset.replaced() == ["interactions"]


def test_kept_files_that_were_cut_short_are_made_again(tables: Any, tmp_path: Path) -> None:
    lake = spread(tables, tmp_path / "shop")
    before = rows(load(lake))
    kept = sorted((lake / ".cache" / "partitions" / "interactions").glob("*.parquet"))
    kept[0].write_bytes(kept[0].read_bytes()[:-9])
    kept[1].unlink()
    assert read(lake) == (MONTHS, 2)
    state = lake / ".cache" / "partitions" / "interactions.json"
    state.write_text(state.read_text()[:-9])
    assert read(lake) == (MONTHS, MONTHS)
    pd.testing.assert_frame_equal(rows(load(lake)), before)


@pytest.mark.parametrize(
    "settings",
    ["time_zone: Asia/Tokyo\n", "columns: {interactions: {channel: touchpoint, touchpoint: x}}\n"],
)
def test_other_settings_read_all_again(settings: str, tables: Any, tmp_path: Path) -> None:
    tables["interactions"]["x"] = tables["interactions"]["touchpoint"]
    lake = spread(tables, tmp_path / "shop")
    assert read(lake) == (MONTHS, MONTHS)
    (lake / "dataset.yml").write_text(ONCE + settings)
    assert read(lake) == (MONTHS, MONTHS)
    assert read(lake) == (MONTHS, 0)


def test_a_bad_new_file_is_refused_and_what_was_kept_stays(
    tables: Any, tmp_path: Path, refused: Callable[..., str]
) -> None:
    lake = spread(tables, tmp_path / "shop", "csv")
    load(lake)
    bad = lake / "interactions" / "month=2026-02" / "part-0.csv"
    bad.parent.mkdir()
    good = parts(lake)[0].read_text().splitlines()
    bad.write_text("\n".join([good[0], good[1].replace("2025-", "soon-")]) + "\n")
    line = refused(1, "check", lake)
    assert "month=2026-02/part-0.csv: table interactions, column occurred_at: 1 of the" in line
    assert "soon-" in line
    bad.unlink()
    assert read(lake) == (MONTHS, 0)


def test_values_stored_in_two_ways_are_refused(
    tables: Any, tmp_path: Path, refused: Callable[..., str]
) -> None:
    lake = spread(tables, tmp_path / "shop")
    last = parts(lake)[-1]
    table = pd.read_parquet(last)
    table.assign(customer_id=range(len(table))).to_parquet(last, index=False)
    line = refused(1, "check", lake)
    assert "month=2025-06/part-0.parquet: table interactions, column customer_id: stored as" in line
    assert "numbers, in month=2025-01/part-0.parquet as text; allowed with incremental" in line
    zoned = pd.to_datetime(table["occurred_at"]).dt.tz_localize("UTC")
    table.assign(occurred_at=zoned).to_parquet(last, index=False)
    assert "stored as times with a zone" in refused(1, "check", lake)
    # A column that is empty all month is of any type.
    table.assign(resolved_at=pd.Series([None] * len(table), dtype=float)).to_parquet(last)
    assert read(lake) == (MONTHS, 1)


def test_texts_with_a_zone_in_one_file_alone_are_refused(
    tables: Any, tmp_path: Path, refused: Callable[..., str]
) -> None:
    lake = spread(tables, tmp_path / "shop", "csv")
    last = parts(lake)[-1]
    table = pd.read_csv(last)
    table.assign(occurred_at=table["occurred_at"] + "Z").to_csv(last, index=False)
    line = refused(1, "check", lake)
    assert "column occurred_at: stored as text with a zone, in month=2025-01" in line


def test_files_without_rows(tables: Any, tmp_path: Path) -> None:
    lake = spread(tables, tmp_path / "shop", "csv")
    before = rows(load(lake))
    head = parts(lake)[0].read_text().splitlines()[0]
    for day, text in ((1, head + "\n"), (2, "")):
        part = lake / "interactions" / f"month=2026-0{day}" / "part-0.csv"
        part.parent.mkdir()
        part.write_text(text)
    assert read(lake) == (MONTHS + 2, 2)
    assert read(lake) == (MONTHS + 2, 0)
    pd.testing.assert_frame_equal(rows(load(lake)), before)


def test_a_table_without_any_row(tables: Any, tmp_path: Path, refused: Any) -> None:
    lake = spread(tables, tmp_path / "shop", "csv")
    for part in parts(lake):
        part.write_text(part.read_text().splitlines()[0] + "\n")
    assert "table interactions is empty" in refused(1, "check", lake)


def test_a_file_that_is_still_being_written(
    tables: Any, tmp_path: Path, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = spread(tables, tmp_path / "shop")
    last = parts(lake)[-1]
    from cxlab.data import lake as room

    told = room.file_sha256

    def hashed(file: Path) -> str:
        if file == last:
            os.utime(file, (1, 1))
        return told(file)

    monkeypatch.setattr(room, "file_sha256", hashed)
    assert "was written to while it was read; start again" in refused(1, "check", lake)
    monkeypatch.undo()
    assert read(lake) == (MONTHS, 1)


def test_where_nothing_can_be_written(tables: Any, tmp_path: Path, refused: Any) -> None:
    lake = spread(tables, tmp_path / "shop")
    (lake / ".cache").write_text("a file")
    line = refused(1, "check", lake)
    assert "cannot be written" in line
    assert "allowed: a folder that can be written, or dataset.yml without incremental" in line


def test_databases_are_not_read_by_files(tmp_path: Path, tables: Any, refused: Any) -> None:
    import duckdb

    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        for name, table in tables.items():
            connection.from_df(table).create(name)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "dataset.yml").write_text(ONCE + "source: {path: ../shop.duckdb}\n")
    assert "incremental: a database is not read by files" in refused(1, "check", tmp_path / "shop")


def test_two_at_once_read_each_file_once(tables: Any, tmp_path: Path) -> None:
    lake, told = spread(tables, tmp_path / "shop"), []
    workers = [threading.Thread(target=lambda: told.append(read(lake))) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(told) == [(MONTHS, 0), (MONTHS, 0), (MONTHS, MONTHS)]


# -- files that begin too late ---------------------------------------------------------------


@pytest.mark.parametrize("settings", ["", ONCE])
def test_files_that_begin_after_the_day_are_not_read(
    settings: str, make_tables: Any, tmp_path: Path
) -> None:
    lake = spread(make_tables(150), tmp_path / "shop", settings=settings)
    full = load(lake)
    day = "2025-04-30"
    whole = rows(cxlab.load(lake, as_of=day))
    kept = sorted((lake / ".cache" / "partitions" / "interactions").glob("*.parquet"))
    for file in [*parts(lake), *kept]:
        if pq.read_metadata(file).row_group(0).column(2).statistics.min >= pd.Timestamp("2025-05"):
            about, content = file.stat(), bytearray(file.read_bytes())
            content[4:200] = b"x" * 196  # its rows; what it tells of them stands at its end
            file.write_bytes(content)
            os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))
    dataset = load(lake, as_of=day)
    assert len(dataset._folder.seen["interactions"]) == 4
    assert dataset.read["interactions"].rows == full.read["interactions"].rows
    pd.testing.assert_frame_equal(rows(dataset), whole)
    assert whole["occurred_at"].max() < pd.Timestamp("2025-05")
    with pytest.raises(DataError):
        load(lake)


def test_rows_past_what_is_observed_are_counted_all_the_same(
    make_tables: Any, tmp_path: Path
) -> None:
    lake = spread(make_tables(150), tmp_path / "shop", settings="observed_until: 2025-05-31\n")
    past = [
        s.rows
        for day in (None, "2025-03-31")
        for s in load(lake, as_of=day).set_aside
        if (s.table, s.rule) == ("interactions", "occurred_at past observed_until")
    ]
    assert past == [past[0], past[0]]
    assert len(load(lake, as_of="2025-03-31")._folder.seen["interactions"]) == MONTHS - 2


def test_files_with_undated_rows_or_of_another_kind_are_read(
    make_tables: Any, tmp_path: Path
) -> None:
    lake = spread(make_tables(150), tmp_path / "shop", settings="")
    [*_, undated, text] = parts(lake)
    table = pd.read_parquet(undated)
    table.loc[table.index[0], "occurred_at"] = pd.NaT
    table.to_parquet(undated, index=False)
    table = pd.read_parquet(text)
    table.astype({"occurred_at": str}).to_parquet(text, index=False)
    seen = load(lake, as_of="2025-03-31")._folder.seen["interactions"]
    assert seen == [str(p) for p in (*parts(lake)[:3], undated, text)]


@pytest.mark.parametrize(("zone", "read_"), [("UTC", 4), ("Asia/Tokyo", 4)])
def test_times_with_a_zone_are_given_a_day(
    zone: str, read_: int, make_tables: Any, tmp_path: Path
) -> None:
    """A file may begin a day sooner elsewhere, so that a month that begins then is read."""
    tables = make_tables(150)
    for column in ("occurred_at", "resolved_at"):
        tables["interactions"][column] = tables["interactions"][column].dt.tz_localize("UTC")
    lake = spread(tables, tmp_path / "shop", settings=f"time_zone: {zone}\n")
    dataset = load(lake, as_of="2025-03-31")
    assert len(dataset._folder.seen["interactions"]) == read_
    whole = load(lake)
    late = rows(whole)["occurred_at"] >= pd.Timestamp("2025-04-01")
    assert len(rows(dataset)) == (~late).sum()
    assert json.dumps(dataset.columns("interactions")) == json.dumps(whole.columns("interactions"))
