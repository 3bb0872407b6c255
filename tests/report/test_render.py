from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import openpyxl
import psutil
import pytest
from toy import FAULTS, ToyDataset, load_toy, write_spec

from cxlab.errors import UsageError
from cxlab.report import publish
from cxlab.report.findings import read_outputs
from cxlab.report.render import Run, render

PROGRAM = [sys.executable, str(Path(__file__).with_name("toy.py"))]
ROOT = Path(__file__).parents[2]


def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Render in a program of its own."""
    return subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left_over(pids: Path) -> list[int]:
    """Give those of the processes a notebook wrote down that still run.

    One that has ended is there as a zombie until its parent has taken note.
    """
    asked = map(int, pids.read_text().split())
    running = {p.pid for p in psutil.process_iter(["status"]) if p.info["status"] != "zombie"}
    return [pid for pid in asked if pid in running]


def link(out: Path) -> str:
    return str((out / "latest").readlink())


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_run_holds_what_it_should(good: Run) -> None:
    assert good.status == "ok"
    assert names(good.path) == [
        "drivers.csv",
        "drivers.html",
        "drivers.ipynb",
        "figures",
        "findings.json",
        "index.html",
        "log.jsonl",
        "manifest.json",
        "state",
        "summary.html",
        "summary.ipynb",
        "tables",
        "tables.xlsx",
    ]
    assert names(good.path / "figures") == ["churn_drivers_forest.png", "churn_drivers_forest.svg"]
    assert names(good.path / "tables") == [
        "churn_drivers.csv",
        "churn_drivers.washout.csv",
        "churn_drivers_forest.csv",
    ]
    assert names(good.path.parent) == [good.path.name, "latest", "state"]
    assert link(good.path.parent) == good.path.name


def test_each_picture_is_there_as_svg_and_as_png(good: Run) -> None:
    pictures = read_outputs(good.path / "drivers.ipynb").pictures
    assert pictures
    for name in pictures:
        assert (good.path / "figures" / f"{name}.svg").read_text().startswith("<?xml")
        assert (good.path / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_workbook_lists_each_table_with_its_notebook(good: Run) -> None:
    book = openpyxl.load_workbook(good.path / "tables.xlsx")
    listed = list(book["contents"].iter_rows(min_row=2, values_only=True))
    assert sorted(row[1] for row in listed) == [
        f"tables/{name}" for name in names(good.path / "tables")
    ]
    assert [row[0] for row in listed] == book.sheetnames[1:]
    assert {row[3] for row in listed} == {"drivers"}


def test_the_summary_sees_what_was_found_before(good: Run) -> None:
    content = json.loads((good.path / "findings.json").read_text())
    assert list(content) == ["schema_version", "as_of", "dataset", "findings"]
    assert [f["id"] for f in content["findings"]] == [
        "drivers.billing-call.bad",
        "drivers.x.good",
        "drivers.app.bad",
        "summary.seen",
    ]
    assert content["findings"][0]["estimate"] == 1.84
    assert content["findings"][0]["notebook"] == "drivers"
    assert content["findings"][2]["conf_high"] is None
    assert content["findings"][3]["statement"] == "3 findings, 3 tables, drivers.csv True."


def test_the_manifest_tells(good: Run) -> None:
    manifest = json.loads((good.path / "manifest.json").read_text())
    assert manifest == good.manifest
    assert manifest["run_id"] == good.path.name
    assert {n: m["status"] for n, m in manifest["notebooks"].items()} == {
        "summary": "ok",
        "drivers": "ok",
        "feedback": "skipped",
    }
    assert manifest["notebooks"]["feedback"]["reason"] == "the dataset has no table feedback"
    assert manifest["notebooks"]["drivers"]["parameters"]["strict"] is False
    assert manifest["parameters"] == {"drivers": {"strict": False}}
    assert manifest["versions"]["pandas"]
    assert manifest["compared_with"] is None


def test_the_kernel_is_this_python_and_gets_its_parameters(good: Run) -> None:
    cells = json.loads((good.path / "drivers.ipynb").read_text())["cells"]
    streams = [o for c in cells for o in c.get("outputs", []) if o.get("name") == "stdout"]
    told = json.loads("".join(streams[0]["text"]))
    assert told["python"] == sys.executable
    assert told["strict"] is False
    assert Path(told["dataset"]).is_absolute()


def test_neither_jobs_nor_the_place_change_a_byte(
    good: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rendered two at a time, by a path relative to another folder than the spec's."""
    write_spec(tmp_path, notebooks=["summary", "drivers", "feedback"])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run = render(Path("../toy.yml"), load=load_toy, jobs=2, parameters={"strict": False})
    assert run.path.resolve().parent == tmp_path / "toy"
    assert (run.status, list(Path().iterdir())) == ("ok", [])
    for name in ("findings.json", "drivers.csv", "figures/churn_drivers_forest.svg"):
        assert (run.path / name).read_bytes() == (good.path / name).read_bytes()


def test_each_way_to_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, pids = tmp_path / "out", tmp_path / "pids"
    monkeypatch.setenv("CXLAB_TEST_PIDS", str(pids))
    out.mkdir()
    (out / "latest").symlink_to("an-older-run")
    spec = write_spec(
        tmp_path,
        notebooks=["summary", "drivers", "raises", "hangs", "dies", "builds_on", "conflict"],
    )
    run = render(spec, load=load_toy, out=out)
    told = {n: (m["status"], m["reason"]) for n, m in run.manifest["notebooks"].items()}
    for made in run.manifest["notebooks"].values():
        bad = made["status"] in ("failed", "timed out")
        assert made["error"] == (made["reason"] if bad else None)
    assert run.status == run.manifest["status"] == "failed"
    assert json.loads((run.path / "manifest.json").read_text())["status"] == "failed"
    assert link(out) == "an-older-run"
    assert left_over(pids) == []

    assert told["drivers"] == told["summary"] == ("ok", "")
    assert told["raises"] == (
        "failed",
        "ValueError: two lines <script>alert(1)</script> (cell 4)",
    )
    assert told["hangs"] == ("timed out", "not finished after 4 s (cell 4)")
    assert told["dies"][0] == "failed"
    assert told["dies"][1].startswith("the kernel died")
    assert told["dies"][1].endswith("(cell 3)")
    assert told["builds_on"] == ("skipped", "it builds on raises, which was not finished")
    assert told["conflict"][0] == "failed"
    assert "shown before" in told["conflict"][1]
    assert "shown before" in (run.path / "conflict.html").read_text()

    front = (run.path / "index.html").read_text()
    assert "This run failed." in front
    assert "two lines &lt;script&gt;" in front
    assert "<script>alert" not in front
    page = (run.path / "raises.html").read_text()
    assert "This notebook failed." in page
    assert "<script>alert" not in page


def test_a_kernel_that_does_not_come_up_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python itself ends the first kernels: the second start goes well, a fourth is not tried."""
    starts = tmp_path / "starts"
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'ipykernel_launcher' in sys.orig_argv:\n"
        "    with open(os.environ['STARTS'], 'a') as file: file.write('.')\n"
        "    if os.path.getsize(os.environ['STARTS']) <= int(os.environ['FAILING']): os._exit(1)\n"
    )
    spec = write_spec(tmp_path, notebooks=["drivers"])
    beside = {"STARTS": str(starts), "PYTHONPATH": str(tmp_path / "path")}
    for failing, status in ((1, "ok"), (9, "failed")):
        for name, value in {**beside, "FAILING": str(failing)}.items():
            monkeypatch.setenv(name, value)
        starts.write_text("")
        run = render(spec, load=load_toy)
        told = run.manifest["notebooks"]["drivers"]
        assert told["status"] == status
        assert len(starts.read_text()) == (2 if status == "ok" else 3)
    assert "Kernel died before replying" in told["error"]


def test_two_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Called as a program, silent where it is no terminal: one is published, one is told of it."""
    monkeypatch.delenv("HOME", raising=False)  # nor does it need one
    spec = write_spec(tmp_path, notebooks=["drivers"])
    programs = [start(spec, tmp_path / "out") for _ in range(2)]
    told = sorted((p.communicate(timeout=60) for p in programs), key=lambda t: t[1])
    (output, silent), (_, refused) = told
    assert (silent, output.split()[1]) == ("", "ok")
    assert re.search(r"out: process \d+ on .* is making the run .*; wait for it", refused)
    assert link(tmp_path / "out") == output.split()[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_ended_from_outside(tmp_path: Path, number: signal.Signals) -> None:
    """Nothing goes on running; nothing is left, but for a kill that cannot be seen coming."""
    out, pids = tmp_path / "out", tmp_path / "pids"
    patient = tmp_path / "notebooks"
    patient.mkdir()
    for name in ("registry.yml", *(f"{n.stem}.ipynb" for n in FAULTS.glob("*.ipynb"))):
        text = (FAULTS / name).read_text()
        (patient / name).write_text(text.replace("timeout_seconds: 4", "timeout_seconds: 400"))
    spec = write_spec(tmp_path, notebooks=["hangs"])
    beside = {"CXLAB_NOTEBOOKS": str(patient), "CXLAB_TEST_PIDS": str(pids)}
    sockets = Path(tempfile.mkdtemp())  # a socket's path has to be short
    program = start(spec, out, **beside, TMPDIR=str(sockets))
    deadline = time.monotonic() + 40
    while not (pids.exists() and pids.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    program.send_signal(number)
    _, error = program.communicate(timeout=20)
    assert program.returncode == -number
    if number == signal.SIGKILL:
        while left_over(pids) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert [re.match(r"\.building-", n) is not None for n in names(out)] == [True]
    else:
        assert not out.exists()
        assert "KeyboardInterrupt" not in error
    assert left_over(pids) == []
    while [*sockets.glob("cxlab-*")] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [*sockets.glob("cxlab-*")]
    shutil.rmtree(sockets)


def test_ctrl_c_while_the_fork_server_imports(tmp_path: Path) -> None:
    """As at a terminal, which signals every process there is."""
    spec = write_spec(tmp_path, notebooks=["hangs"])
    (tmp_path / "data").mkdir()
    reading = "import time, cxlab.data.dataset as d; d.load = lambda *a, **k: time.sleep(60)"
    called = f"from cxlab.cli import main; main(['render', {str(spec)!r}])"
    program = subprocess.Popen(
        [sys.executable, "-c", f"{reading}; {called}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 20
    while not fork_servers(program.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    servers = fork_servers(program.pid)
    time.sleep(0.05)  # Python is up, and the imports begin
    os.killpg(program.pid, signal.SIGINT)
    told = program.communicate(timeout=20)
    assert (program.returncode, *told) == (130, "", "cxlab: interrupted\n")
    assert servers and names(tmp_path) == ["data", "toy.yml"]
    gone, alive = psutil.wait_procs(servers, timeout=10)
    assert (len(gone), alive) == (len(servers), [])


def fork_servers(pid: int) -> list[psutil.Process]:
    found = psutil.Process(pid).children(recursive=True)
    return [p for p in found if any("forkserver" in part for part in p.cmdline())]


def test_notebooks_share_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    def look(before: object, prepare: Any, **rest: object) -> None:
        given.append(prepare("drivers", {}).environment["CXLAB_MEMORY_LIMIT"])
        raise UsageError("seen enough")

    monkeypatch.setattr("cxlab.report.render.run_all", look)
    spec = write_spec(tmp_path)
    for jobs, limit in ((1, None), (4, None), (2, "3GB")):
        with pytest.raises(UsageError, match="seen enough"):
            render(spec, load=load_toy, jobs=jobs, memory_limit=limit)
    assert given == ["60%", "15%", "3GB"]
    with pytest.raises(UsageError, match="memory limit is 'much'"):
        render(spec, load=load_toy, memory_limit="much")


def test_a_snapshot_is_undated(tmp_path: Path) -> None:
    def load_snapshot(path: Path, as_of: object = None) -> ToyDataset:
        return ToyDataset(form="snapshot", tables=("customers", "feedback"))

    spec = write_spec(tmp_path, notebooks=["feedback"])
    for _ in range(2):
        run = render(spec, load=load_snapshot)
    assert re.fullmatch(r"undated-\d{8}T\d{6}Z(-2)?", run.path.name)
    assert link(run.path.parent) == run.path.name
    assert run.manifest["as_of"] is None
    assert json.loads((run.path / "findings.json").read_text())["as_of"] is None
    front, page = ((run.path / f"{n}.html").read_text() for n in ("index", "feedback"))
    assert "<title>Toy &lt;report&gt;, undated</title>" in front
    assert "<strong>Undated</strong>" in front
    assert "<span>undated</span>" in page


def test_the_manifest_names_the_state_of_what_was_read_before(
    tmp_path: Path, make_tables: Any
) -> None:
    folder = tmp_path / "data"
    (folder / "interactions").mkdir(parents=True)
    for name, table in make_tables().items():
        if name != "interactions":
            table.to_parquet(folder / f"{name}.parquet", index=False)
            continue
        for part, rows in table.groupby(table.index % 3):
            rows.to_parquet(folder / name / f"{part}.parquet", index=False)
    (folder / "dataset.yml").write_text("incremental: true\n")
    spec, told = write_spec(tmp_path), []
    for _ in range(2):
        run = render(spec)
        about = json.loads((run.path / "manifest.json").read_text())["dataset"]
        told.append(about["partitions"]["interactions"])
        assert run.status == "ok"
    assert [(t["files"], t["read"]) for t in told] == [(3, 3), (3, 0)]
    assert told[0]["state_sha256"] == told[1]["state_sha256"]
    assert len(told[0]["state_sha256"]) == 64


def test_an_out_that_cannot_be_written(tmp_path: Path) -> None:
    spec = write_spec(tmp_path)
    with pytest.raises(UsageError, match="cannot write here"):
        render(spec, out=spec, load=load_toy)
    assert names(tmp_path) == ["toy.yml"]


def test_ended_while_publishing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a moment comes to its end: no run without its link, and no link aside."""

    def interrupted(out: Path, run_id: str) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)  # a second one is not listened to
        point_latest(out, run_id)

    point_latest = publish._point_latest
    monkeypatch.setattr(publish, "_point_latest", interrupted)
    spec = write_spec(tmp_path, notebooks=["feedback"])
    with pytest.raises(KeyboardInterrupt):
        render(spec, load=load_toy)
    run, last, _ = names(tmp_path / "toy")
    assert (last, link(tmp_path / "toy")) == ("latest", run)
    assert json.loads((tmp_path / "toy" / run / "manifest.json").read_text())["status"] == "ok"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_disk_that_takes_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("cxlab.report.tables.write_workbook", full)
    spec = write_spec(tmp_path, notebooks=["feedback"])
    with pytest.raises(UsageError) as error:
        render(spec, load=load_toy)
    assert str(error.value) == f"{tmp_path / 'toy'}: cannot write here ({os.strerror(number)})"
    assert names(tmp_path) == ["toy.yml"]


def test_out_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "toy").symlink_to("far/away")
    run = render(write_spec(tmp_path, notebooks=["feedback"]), load=load_toy)
    assert names(tmp_path / "far" / "away") == [run.path.name, "latest", "state"]
    assert run.manifest["spec"] == "../../toy.yml"
    again = render(tmp_path / "toy.yml", load=load_toy, again="latest")
    assert again.manifest["again_of"] == run.path.name
