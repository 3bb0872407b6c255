from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxlab.analyses.voice_of_customer.heard import _codes, _found
from cxlab.data import check
from cxlab.data import prepared as room
from cxlab.data.check import contract_report
from cxlab.data.dataset import Dataset, load
from cxlab.data.prepared import VARIABLE, folder_for, prepared
from cxlab.data.sources import TypedTable
from cxlab.models import themes


class Maker:
    """Counts how often it is asked."""

    def __init__(self, size: int = 3) -> None:
        self.asked, self.size = 0, size

    def __call__(self) -> dict[str, np.ndarray]:
        self.asked += 1
        return {"a": np.arange(self.size) / 7, "why": np.array("für nichts"), "b": np.zeros((2, 0))}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = folder_for(tmp_path, tmp_path / "elsewhere")
    monkeypatch.setenv(VARIABLE, str(made))
    return made


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.npz"))


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return list(one) == list(other) and all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in zip(one.values(), other.values(), strict=True)
    )


def test_what_is_kept_is_what_was_made_and_is_made_once(folder: Path) -> None:
    make = Maker()
    made, again = prepared("x", (1, "a"), make), prepared("x", (1, "a"), make)
    assert make.asked == 1
    assert same(made, again)
    assert len(kept(folder)) == 1
    assert folder.parts[-2:] == (".cache", "prepared")
    assert folder.stat().st_mode & 0o077 == 0


def test_without_a_folder_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    make = Maker()
    prepared("x", (1,), make)
    prepared("x", (1,), make)
    assert make.asked == 2


@pytest.mark.parametrize(
    "other",
    [
        ("x", (1, ("a", "bc"), np.arange(3))),
        ("x", (1, ("ab",), ("c",), np.arange(3))),
        ("x", (True, ("ab", "c"), np.arange(3))),
        ("x", (1, ("ab", "c"), np.arange(3.0))),
        ("x", (1, ("ab", "c"), np.arange(3)[:, None])),
        ("y", (1, ("ab", "c"), np.arange(3))),
    ],
)
@pytest.mark.usefixtures("folder")
def test_other_inputs_are_another_figure(other: tuple[str, tuple[object, ...]]) -> None:
    make = Maker()
    prepared("x", (1, ("ab", "c"), np.arange(3)), make)
    prepared(*other, make)
    assert make.asked == 2


def test_other_code_makes_it_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Maker()
    prepared("x", (1,), make)
    monkeypatch.setattr(room, "made_by", lambda: ("another version",))
    prepared("x", (1,), make)
    assert make.asked == len(kept(folder)) == 2


@pytest.mark.usefixtures("folder")
def test_an_input_that_has_no_bytes_of_its_own_is_refused() -> None:
    with pytest.raises(TypeError, match="dict"):
        prepared("x", ({"a": 1},), Maker())
    with pytest.raises(TypeError, match="ndarray"):
        prepared("x", (np.array([{}]),), Maker())


@pytest.mark.parametrize("harm", ["cut", "changed", "empty", "a folder"])
def test_what_is_damaged_is_made_anew(folder: Path, harm: str) -> None:
    make = Maker()
    made = prepared("x", (1,), make)
    [file] = kept(folder)
    content = file.read_bytes()
    flipped = content[:-40] + bytes([content[-40] ^ 1]) + content[-39:]
    if harm == "a folder":
        file.unlink()
        file.mkdir()
    else:
        file.write_bytes({"cut": content[:-5], "changed": flipped, "empty": b""}[harm])
    assert same(prepared("x", (1,), make), made)
    assert make.asked == 2


@pytest.mark.usefixtures("folder")
def test_who_wants_what_another_makes_waits_for_it() -> None:
    begun, go_on, make, late = threading.Event(), threading.Event(), Maker(), Maker()

    def slow() -> dict[str, np.ndarray]:
        begun.set()
        assert go_on.wait(30)
        return make()

    first = threading.Thread(target=prepared, args=("x", (1,), slow))
    second = threading.Thread(target=prepared, args=("x", (1,), late))
    first.start()
    assert begun.wait(30)
    second.start()
    second.join(0.2)
    assert second.is_alive()
    go_on.set()
    first.join(30)
    second.join(30)
    assert (make.asked, late.asked) == (1, 0)


def test_a_lock_of_one_that_is_gone_holds_nobody_up(folder: Path) -> None:
    make = Maker()
    prepared("x", (1,), make)
    [file] = kept(folder)
    file.unlink()
    lock = file.with_suffix(".lock")
    hold = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print(1); input()"
    call = [sys.executable, "-S", "-c", hold, str(lock)]
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        holder.kill()
    prepared("x", (1,), make)
    assert make.asked == 2
    assert kept(folder) == [file]
    assert not lock.exists()


def test_one_that_takes_too_long_is_not_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    make = Maker()
    prepared("x", (1,), make)
    [file] = kept(folder)
    file.unlink()
    monkeypatch.setattr(room, "_PATIENCE", 0.1)
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        prepared("x", (1,), make)
    assert make.asked == 2


def test_where_nothing_can_be_written_it_is_made_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Maker()
    monkeypatch.setenv(VARIABLE, "/proc/nowhere")
    made = prepared("x", (1,), make)
    monkeypatch.setenv(VARIABLE, str(folder))

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert same(prepared("x", (1,), make), made)
    assert make.asked == 2
    assert sorted(p.name for p in folder.iterdir()) == [".gitignore"]


def test_a_run_has_a_folder_where_the_data_are_not_to_be_written_to(tmp_path: Path) -> None:
    assert folder_for(Path("/proc"), tmp_path / "own") == tmp_path / "own"
    assert (tmp_path / "own").is_dir()


def test_the_oldest_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_MOST_BYTES", 40_000)
    left = folder / "cut.aside"
    left.write_bytes(b"x")
    os.utime(left, (0, 0))
    for k in range(4):
        prepared("x", (k,), Maker(1000))
        for file in kept(folder):  # each in turn an hour older than the next
            os.utime(file, (file.stat().st_atime, file.stat().st_mtime - 3600))
    prepared("x", (0,), again := Maker(1000))
    assert again.asked == 0
    for k in range(4, 8):
        prepared("x", (k,), Maker(1000))
    assert sum(f.stat().st_size for f in kept(folder)) <= 40_000
    assert not left.exists()
    prepared("x", (1,), gone := Maker(1000))
    assert gone.asked == 1
    prepared("x", ("large",), large := Maker(2000))
    prepared("x", ("large",), large)
    assert large.asked == 2


def test_themes_from_the_folder_are_those_that_are_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(5)
    kinds = [[f"{kind}{w}" for w in range(12)] for kind in ("bill", "app", "call")]
    stems = [list(draw.choice(kinds[k % 3], 5, replace=False)) for k in range(240)]
    few = [["a", "b"]] * 5
    for texts in (stems, few):
        words = themes.bag(texts, np.arange(len(texts)))
        monkeypatch.delenv(VARIABLE, raising=False)
        plain = themes.find(words, least=5)
        monkeypatch.setenv(VARIABLE, str(folder))
        for found in (_found(words, 5), _found(words, 5)):
            assert found.weights.tobytes() == plain.weights.tobytes()
            assert found.weights.shape == plain.weights.shape
            assert found.again.tobytes() == plain.again.tobytes()
            assert found.why == plain.why
            assert found.choice.equals(plain.choice)
            assert list(found.choice.dtypes) == list(plain.choice.dtypes)
    assert len(kept(folder)) == 2


def test_languages_from_the_folder_are_those_that_are_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bill, app = "the bill was wrong and nobody called back", "die App stürzt jeden Tag wieder ab"
    for texts in ([bill] * 30 + [app] * 30 + ["", "ok"], []):
        monkeypatch.delenv(VARIABLE, raising=False)
        plain = _codes(texts)
        monkeypatch.setenv(VARIABLE, str(folder))
        for codes in (_codes(texts), _codes(texts)):
            assert codes.dtype == object
            assert codes.tolist() == plain.tolist()
    assert len(kept(folder)) == 2


def shown(dataset: Dataset) -> tuple[dict[str, Any], list[list[str]]]:
    rows = [
        sorted(map(repr, dataset.table(t).collect(backend="pyarrow").iter_rows()))
        for t in dataset.tables
    ]
    return contract_report(dataset), rows


@pytest.mark.parametrize("where", ["", "plan=plus"])
def test_tables_found_whole_are_not_looked_through_again(
    folder: Path,
    write_dataset: Callable[..., Path],
    tables: dict[str, pd.DataFrame],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    asked: list[str] = []
    count = check._count

    def noted(typed: TypedTable, *rest: Any) -> list[check.SetAside]:
        asked.append(typed.table.name)
        return count(typed, *rest)

    monkeypatch.setattr(check, "_count", noted)
    tables["feedback"].loc[:20, "metric"] = "joy"
    data = write_dataset(tables)
    monkeypatch.delenv(VARIABLE)
    plain = shown(load(data, where=where))
    monkeypatch.setenv(VARIABLE, str(folder))
    looked = []
    for _ in range(2):
        asked.clear()
        assert shown(load(data, where=where)) == plain
        looked.append(set(asked))
    assert looked[0] == set(tables)
    assert looked[1] == {"feedback"}


def test_other_files_or_settings_are_looked_through_anew(
    folder: Path, write_dataset: Callable[..., Path], tables: dict[str, pd.DataFrame]
) -> None:
    data = write_dataset(tables)
    assert not load(data).set_aside
    tables["interactions"].loc[[0, 1], "customer_id"] = "nobody"
    write_dataset(tables)
    assert [(s.table, s.rows) for s in load(data).set_aside] == [("interactions", 2)]
    write_dataset(tables, "metrics: {csat: {scale: [2, 5]}}\n")
    low = int((tables["feedback"]["score"] == 1).sum())
    assert [(s.table, s.rows) for s in load(data).set_aside] == [
        ("interactions", 2),
        ("feedback", low),
    ]


def test_a_table_that_was_replaced_since_it_was_read_is_noticed(
    folder: Path, tables: Any, write_dataset: Callable[..., Path]
) -> None:
    dataset = load(write_dataset(tables))
    tables["interactions"] = tables["interactions"].iloc[:-5]
    write_dataset(tables)
    assert dataset.replaced() == ["interactions"]
