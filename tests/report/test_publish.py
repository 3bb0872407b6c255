from __future__ import annotations

import datetime as dt
import json
import os
import platform
from pathlib import Path

import pytest

from cxlab.errors import CxlabError, UsageError
from cxlab.report import publish as module
from cxlab.report.publish import Build

DAY = dt.date(2026, 6, 30)
START = dt.datetime(2026, 11, 21, 19, 8, 1, tzinfo=dt.UTC)


def publish(out: Path, seconds: int = 0, *, good: bool = True, keep: int | None = None) -> Path:
    with Build(out, DAY, START + dt.timedelta(seconds=seconds)) as build:
        manifest = json.dumps({"run_id": build.run_id})
        (build.folder / "manifest.json").write_text(manifest)
        return build.publish(good=good, keep_runs=keep)


def link(out: Path) -> str:
    return str((out / "latest").readlink())


def names(out: Path) -> list[str]:
    return sorted(p.name for p in out.iterdir())


def test_latest_is_a_relative_link(tmp_path: Path) -> None:
    path = publish(tmp_path / "out")
    assert path.name == "2026-06-30-20261121T190801Z"
    assert link(tmp_path / "out") == path.name
    assert names(path) == ["manifest.json"]


def test_two_in_a_second_have_two_names(tmp_path: Path) -> None:
    assert publish(tmp_path).name + "-2" == publish(tmp_path).name
    assert link(tmp_path).endswith("-2")


def test_a_run_without_a_date(tmp_path: Path) -> None:
    for second in (1, 2):
        with Build(tmp_path, None, START + dt.timedelta(seconds=second)) as build:
            (build.folder / "manifest.json").write_text("{}")
            build.publish(good=True, keep_runs=1)
    assert names(tmp_path) == ["latest", "undated-20261121T190803Z"]
    assert link(tmp_path) == "undated-20261121T190803Z"


def test_a_failed_run_never_becomes_latest(tmp_path: Path) -> None:
    first = publish(tmp_path)
    failed = publish(tmp_path, 1, good=False)
    assert failed.is_dir()
    assert link(tmp_path) == first.name


def test_a_clock_that_was_set_back(tmp_path: Path) -> None:
    """The next run comes after the last all the same, as does the one after it."""
    first = publish(tmp_path, 3600)
    second = publish(tmp_path, keep=2)
    assert (second.name, link(tmp_path)) == (f"{first.name}-2", second.name)
    third = publish(tmp_path, 60, keep=2)
    assert (third.name, link(tmp_path)) == (f"{first.name}-3", third.name)
    assert names(tmp_path) == [second.name, third.name, "latest"]


def test_latest_never_goes_back(tmp_path: Path) -> None:
    """Nor does what is left of a publishing that was cut off, once a later run is live."""
    older, newer = publish(tmp_path), publish(tmp_path, 5)
    left = {"run_id": older.name, "good": True, "keep_state": False}
    (tmp_path / ".publishing.json").write_text(json.dumps(left))
    with Build(tmp_path, DAY, START + dt.timedelta(seconds=9)):
        assert link(tmp_path) == newer.name
    (tmp_path / ".publishing.json").write_text("")  # the machine went down
    last = publish(tmp_path, 9)
    assert names(tmp_path) == [older.name, newer.name, last.name, "latest"]


def test_keep_runs_spares_latest_and_what_is_no_run(tmp_path: Path) -> None:
    first = publish(tmp_path)
    other = tmp_path / "2020-01-01-20200101T000000Z"
    other.mkdir()
    for second in (1, 2, 3):
        publish(tmp_path, second, good=False, keep=2)
    kept = [f"2026-06-30-20261121T19080{n}Z" for n in (1, 3, 4)]
    assert names(tmp_path) == sorted([*kept, other.name, "latest"])
    assert link(tmp_path) == first.name


def test_a_run_is_never_seen_half_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_off(folder: Path) -> None:
        (folder / "index.html").unlink()
        raise OSError(5, "gone")

    first = publish(tmp_path)
    (first / "index.html").write_text("")
    with monkeypatch.context() as patch:
        patch.setattr(module.shutil, "rmtree", cut_off)
        module._keep(tmp_path, 0)  # the run that latest points at stays
        assert names(tmp_path) == [first.name, "latest"]
        (tmp_path / "latest").unlink()
        module._keep(tmp_path, 0)
    assert names(tmp_path) == [f".building-{first.name}"]
    publish(tmp_path, 1)
    assert names(tmp_path) == ["2026-06-30-20261121T190802Z", "latest"]


def test_a_folder_in_place_of_latest(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    with pytest.raises(UsageError, match="cannot publish here"):
        publish(tmp_path)
    assert [n for n in names(tmp_path) if n.startswith(".")] == [".publishing.json"]
    (tmp_path / ".latest-1").symlink_to("half-way")
    (tmp_path / "latest").rmdir()
    publish(tmp_path, 1)
    assert [n for n in names(tmp_path) if n.startswith(".")] == []


def test_nothing_is_left_of_a_build_given_up(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Build(tmp_path / "a" / "b", DAY, START):
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_one_run_at_a_time_and_builds_of_the_dead_are_cleared(tmp_path: Path) -> None:
    dead = tmp_path / ".building-2026-06-30-20261121T000000Z-1"
    dead.mkdir()
    (dead / "half").write_text("")
    with Build(tmp_path, DAY, START) as alive:
        assert not dead.exists()
        with pytest.raises(CxlabError) as error:
            publish(tmp_path, 1)
        assert str(error.value) == (
            f"{tmp_path}: process {os.getpid()} on {platform.node()} is making the run "
            f"{alive.run_id}; wait for it, or give another --out"
        )
        (alive.folder / "manifest.json").write_text("{}")
        alive.publish(good=True)
    assert names(publish(tmp_path, 1)) == ["manifest.json"]


def test_an_out_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/cxlab")):
        with pytest.raises(UsageError, match="cannot write here"), Build(out, DAY, START):
            pass
    assert names(tmp_path) == ["file"]
