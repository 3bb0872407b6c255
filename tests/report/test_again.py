"""A run is made again from its manifest, and says how far its answers are the same."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hostile import FOLDER, hostile_events, report
from toy import FAULTS, SHIPPED, ToyDataset, load_toy, write_spec

from cxlab.data.dataset import load
from cxlab.errors import CxlabError, DataError, UsageError
from cxlab.report.earlier import hashes, read_earlier
from cxlab.report.registry import read_registry
from cxlab.report.render import Run, render

ANSWERS = ("findings.json", "drivers.csv")


def test_repeated_to_the_byte_whatever_the_jobs_and_the_spec_by_now(
    once: Any, cx: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the notebooks that are shipped, two at a time and one."""
    monkeypatch.setenv("CXLAB_NOTEBOOKS", str(SHIPPED))
    run = report(once, hostile_events)
    # Runs and data lie in one folder there, since the spec and the data have one name.
    shutil.copytree(run.path.parent, tmp_path / FOLDER, symlinks=True)
    first = tmp_path / FOLDER / run.path.name
    spec, every = tmp_path / f"{FOLDER}.yml", list(read_registry().notebooks)
    told = {"title": "b", "dataset": FOLDER, "notebooks": ["00_summary"], "as_of": "2025-07-01"}
    spec.write_text(yaml.safe_dump(told | {"parameters": {"window_days": 30}}))
    ran = cx("render", spec, "--again", first.name, "--jobs", 1)
    second = latest(spec)
    assert ran.code == 0 and second != first
    same = f"{first.name} again: the same answers, byte for byte\n"
    assert ran.out == f"{same}Open {spec.with_suffix('') / second.name / 'index.html'}\n"
    manifests = [json.loads((run / "manifest.json").read_text()) for run in (first, second)]
    before, after = manifests
    assert after["as_of"] == "2026-06-15"
    assert list(after["notebooks"]) == every
    assert after["notebooks"]["05_churn_drivers"]["parameters"]["window_days"] == 80
    for key in ("as_of", "asked", "parameters", "dataset", "versions", "sha256"):
        assert after[key] == before[key], key
    assert (before["again_of"], after["again_of"]) == (None, first.name)
    assert after["again"]["same_answers"] is True
    files = [p.relative_to(first) for p in sorted(first.rglob("*.csv")) if p.is_file()]
    assert len(files) > 3
    for file in (*files, *ANSWERS, "tables.xlsx"):
        assert (first / file).read_bytes() == (second / file).read_bytes(), file


# -- toys -------------------------------------------------------------------------------------

Spoil = Callable[[Path, dict[str, Any]], None]


@pytest.fixture
def copied(good: Run, tmp_path: Path) -> Path:
    """Give a spec with a good run of its own, to be spoilt."""
    spec = write_spec(tmp_path, notebooks=["summary", "drivers", "feedback"])
    run = tmp_path / "toy" / good.path.name
    shutil.copytree(good.path, run)
    (tmp_path / "toy" / "latest").symlink_to(run.name)
    return spec


def latest(spec: Path) -> Path:
    return (spec.with_suffix("") / "latest").resolve()


def rewrite(spec: Path, **given: Any) -> None:
    """Change a manifest by hand; None takes a key out."""
    path = latest(spec) / "manifest.json"
    content = json.loads(path.read_text()) | given
    gone = [k for k, v in given.items() if v is None]
    path.write_text(json.dumps({k: v for k, v in content.items() if k not in gone}))


def part(spec: Path, key: str, **given: Any) -> dict[str, Any]:
    return {key: json.loads((latest(spec) / "manifest.json").read_text())[key] | given}


def test_other_code_and_other_answers_are_told(copied: Path, cx: Any, monkeypatch: Any) -> None:
    """Of an earlier run in which answers and versions were others; it is deleted meanwhile."""
    run = latest(copied)
    copied.write_text(copied.read_text() + "publish: {keep_runs: 1}\n")
    findings = json.loads((run / "findings.json").read_text())
    findings["findings"][0]["estimate"] = 1.85
    findings["findings"][1]["id"] = "drivers.y.good"
    (run / "findings.json").write_text(json.dumps(findings))
    lines = (run / "drivers.csv").read_text().splitlines(keepends=True)
    (run / "drivers.csv").write_text("".join(lines[:-1]))
    rewrite(
        copied,
        sha256=hashes(run),
        git_commit="0123456789abcdef",
        **part(copied, "versions", pandas="1.0", old="3"),
    )
    monkeypatch.setattr("cxlab.data.dataset.load", load_toy)
    ran = cx("render", copied, "--again", "latest")
    assert ran.code == 0
    told = "findings.json differs: 3 statements; drivers.csv differs: 1 row"
    assert ran.out.startswith(f"{run.name} again: {told}\nOpen ")
    assert ran.err.startswith(f"cxlab: not the code of {run.name}: pandas 1.0, now 2")
    assert "old 3, now none; git commit 01234567, now " in ran.err
    assert ran.err.count("\n") == 1
    manifest = json.loads((latest(copied) / "manifest.json").read_text())
    assert not run.exists()
    assert manifest["again_of"] == run.name
    assert manifest["again"]["same_answers"] is False
    assert manifest["again"]["answers"] == told
    assert "; ".join(manifest["again"]["other_code"]) in ran.err
    assert manifest["notebooks"]["feedback"]["status"] == "skipped"


def test_a_default_that_changed_since_is_set(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(FAULTS, tmp_path / "notebooks")
    file = tmp_path / "notebooks" / "drivers.ipynb"
    file.write_text(file.read_text().replace("horizon_days: int = 90", "horizon_days: int = 30"))
    registry = read_registry(tmp_path / "notebooks")
    earlier = read_earlier(tmp_path / "toy", copied, "latest")
    now = earlier.parameters(read_registry(FAULTS))
    assert now == {"drivers": {"strict": False}, "feedback": {}, "summary": {}}
    assert list(now)[-1] == "summary"
    assert earlier.parameters(registry)["drivers"] == {"horizon_days": 90, "strict": False}
    assert earlier.quick is False
    rewrite(copied, **part(copied, "asked", quick=True))
    assert read_earlier(tmp_path / "toy", copied, "latest").quick is True


def test_a_run_by_its_folder_and_a_spec_that_moved(copied: Path, tmp_path: Path) -> None:
    run = latest(copied)
    (tmp_path / "elsewhere").mkdir()
    moved = copied.rename(tmp_path / "elsewhere" / copied.name)
    for place in (run, tmp_path / "toy" / "latest"):
        assert read_earlier(tmp_path / "elsewhere" / "toy", moved, place).run_id == run.name


@pytest.mark.parametrize(
    ("beside", "told"),
    [
        ({"as_of": "2026-06-30"}, "leave out --as-of, or"),
        ({"only": ["drivers"]}, "leave out --only, or"),
        ({"parameters": ["strict=true"]}, "leave out -p, or"),
        ({"parameters": {"strict": True}, "quick": True}, "leave out -p, --quick, or"),
    ],
)
def test_nothing_else_is_asked_beside(copied: Path, beside: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match="repeats a run as it was") as error:
        render(copied, load=load_toy, again="latest", **beside)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("run", "told"),
    [
        ("2026-06-30-20200101T000000Z", "there is no run"),
        ("none", "there is no run none"),
        ("../..", "holds no manifest.json"),
        ("", "holds no manifest.json"),
        ("latest/../..", "no run"),
        ("x" * 300, "there is no run"),
        ("a\0b", "there is no run"),
    ],
)
def test_no_such_run(copied: Path, refused: Any, run: str, told: str) -> None:
    with pytest.raises(UsageError, match="allowed: latest, a run's id, or its folder") as error:
        render(copied, load=load_toy, again=run)
    assert told in str(error.value)
    if "\0" not in run:
        line = refused(2, "render", copied, "--again", run)
        assert line.startswith("--again is ") and told in line


def test_there_is_no_latest_yet(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no run .*latest"):
        render(write_spec(tmp_path), load=load_toy, again="latest")
    assert [p.name for p in tmp_path.iterdir()] == ["toy.yml"]


def test_the_run_of_another_spec(copied: Path, tmp_path: Path) -> None:
    other = copied.with_name("other.yml")
    other.write_text(copied.read_text())
    with pytest.raises(UsageError, match=r"a run of toy\.yml, not of other\.yml"):
        render(other, load=load_toy, again=latest(copied))
    assert not (tmp_path / "other").exists()


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "failed": (lambda s: rewrite(s, status="failed"), "status is 'failed'; allowed: ok"),
    "older": (lambda s: rewrite(s, sha256=None), "sha256 is missing (a run of another version"),
    "foreign": (lambda s: (latest(s) / "manifest.json").write_text("[]"), "no manifest that"),
    "cut off": (lambda s: (latest(s) / "manifest.json").write_text("{"), "no manifest that"),
    "not text": (lambda s: (latest(s) / "manifest.json").write_bytes(b"\xff"), "no manifest that"),
    "nested": (lambda s: (latest(s) / "manifest.json").write_text("[" * 10**5), "no manifest"),
    "odd id": (lambda s: rewrite(s, run_id="../.."), "run_id: '../..' is no run's id"),
    "odd day": (
        lambda s: rewrite(s, **part(s, "asked", as_of="soon")),
        "asked.as_of is 'soon'; allowed: a date such as 2026-06-30",
    ),
    "odd type": (
        lambda s: rewrite(s, **part(s, "asked", quick="no")),
        "asked.quick is 'no'; allowed: true or false",
    ),
    "out of bounds": (
        lambda s: rewrite(s, parameters={"drivers": {"horizon_days": 1}},
                          notebooks={"drivers": {"parameters": {"horizon_days": 999}}}),
        "drivers: parameter horizon_days is 999; it has to be int from 1 to 365 days",
    ),
    "no such parameter": (
        lambda s: rewrite(s, notebooks={"drivers": {"parameters": {"gone": 1}}}),
        "drivers has no parameter 'gone'",
    ),
    "no such notebook": (
        lambda s: rewrite(s, notebooks={"gone": {"parameters": {}}}),
        "notebooks: a name is 'gone'; allowed: summary, drivers",
    ),
    "no findings": (
        lambda s: (latest(s) / "findings.json").unlink(),
        "findings.json: is missing, so that nothing can be compared",
    ),
    "changed findings": (
        lambda s: (latest(s) / "findings.json").write_text("{}"),
        "findings.json: has been changed since it was written",
    ),
    "no drivers": (lambda s: (latest(s) / "drivers.csv").unlink(), "drivers.csv: is missing"),
    "other table": (
        lambda s: rewrite(
            s, **part(s, "dataset", sha256={"customers": "12345678ff", "feedback": "0" * 64})
        ),
        "not the data of 2026-06-30-ID: table feedback is gone; table interactions is new; "
        "table customers was 12345678, is abababab",
    ),
    "other settings": (
        lambda s: rewrite(s, **part(s, "dataset", settings_sha256="0" * 64)),
        "what dataset.yml says was 00000000, is efefefef",
    ),
    "other day": (
        lambda s: rewrite(s, as_of="2026-05-31"),
        "the last day was 2026-05-31, is 2026-06-30",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_run_that_cannot_be_repeated(copied: Path, name: str) -> None:
    spoil, told = BROKEN[name]
    run = latest(copied).name
    spoil(copied)
    with pytest.raises(CxlabError) as error:
        render(copied, load=load_toy, again="latest")
    assert isinstance(error.value, DataError) and error.value.exit_code == 1
    assert told in str(error.value).replace(run.removeprefix("2026-06-30-"), "ID")
    assert "\n" not in str(error.value) and len(str(error.value)) < 600
    assert sorted(p.name for p in (copied.with_suffix("")).iterdir()) == [run, "latest"]


def test_what_dataset_yml_says_is_hashed_not_how(write_files: Any) -> None:
    customers = "customer_id,started_at,ended_at\na,2025-01-01,2025-02-01\n"
    texts = [
        "currency: EUR\nbad: {wait_over_seconds: 60}\n",
        "# by hand\nbad:\n  wait_over_seconds: 60\ncurrency: EUR\ntime_zone: UTC\n",
        "currency: EUR\nbad: {wait_over_seconds: 61}\n",
    ]
    one, same, other = (
        load(write_files({"customers.csv": customers, "dataset.yml": t})).settings_sha256()
        for t in texts
    )
    assert one == same != other


def test_asked_for_no_date_then_nor_now(copied: Path) -> None:
    """Whatever date the spec says by now."""
    asked: list[dt.date | None] = []

    def seen(path: Path, as_of: dt.date | None = None) -> ToyDataset:
        asked.append(as_of)
        raise DataError("seen enough")

    copied.write_text(copied.read_text() + "as_of: 2026-01-31\n")
    for again in (None, "latest"):
        with pytest.raises(DataError, match="seen enough"):
            render(copied, load=seen, again=again)
    assert asked == [dt.date(2026, 1, 31), None]
