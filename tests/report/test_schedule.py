"""What schedulers are given: taken by each of them, and cron fires a real run of it."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from toy import write_spec

from cxlab.errors import UsageError
from cxlab.report import schedule as schedules
from cxlab.report.schedule import FORMATS, schedule

ROOT = Path(__file__).parents[2]
ODD = "a b%d 'q' \"r\" $HOME é"


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A spec whose path and title hold what each scheduler takes for something else."""
    folder = tmp_path / ODD
    (folder / "data").mkdir(parents=True)
    secret = "source: {url: '${CX_DATABASE_URL}'}\n"
    (folder / "data" / "dataset.yml").write_text(secret)
    return write_spec(folder, title="50% off\n$HOME")


def needs(tool: str) -> str:
    """Find a tool; without it the test is skipped, or fails where CXLAB_REQUIRE_ALL=1."""
    found = shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None and os.environ.get("CXLAB_REQUIRE_ALL") == "1":
        pytest.fail(f"needs {tool}")
    if found is None:
        pytest.skip(f"needs {tool}")
    return found


@pytest.mark.parametrize(
    ("at", "cron"),
    [
        ("06:00", "0 6 * * *"),
        ("Monday 06:30", "30 6 * * 1"),
        ("sun 23:59", "59 23 * * 0"),
        ("28 5:05", "5 5 28 * *"),
    ],
)
def test_when(odd: Path, at: str, cron: str) -> None:
    assert schedule(odd, "cron", at).splitlines()[-1].startswith(f"{cron} ")
    (odd.parent / ".git").mkdir()
    assert yaml.safe_load(schedule(odd, "github", at))["on"]["schedule"] == [{"cron": cron}]


@pytest.mark.parametrize("at", ["", "noon", "24:00", "6:60", "29 06:00", "mo 06:00", "6:00; rm"])
def test_no_time_is_refused(odd: Path, at: str) -> None:
    with pytest.raises(UsageError, match="allowed: 06:00"):
        schedule(odd, "cron", at)


def test_what_cannot_be_is_refused(odd: Path, cx: Any) -> None:
    ran = cx("schedule", odd, "--format", "at")
    assert (ran.code, ran.err) == (
        2,
        "cxlab: --format is 'at'; allowed: cron, systemd, github, kubernetes, airflow\n",
    )
    assert cx("schedule", odd, "--format", "cron", "--limit-minutes", 0).code == 2
    assert "no git repository" in cx("schedule", odd, "--format", "github").err
    assert cx("schedule", odd.with_name("none.yml"), "--format", "cron").code == 2


def test_a_shell_reads_crons_line_to_the_letter(
    odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As cron hands it over: with its backslashes before % taken away."""
    tools = tmp_path / f"tools {ODD}"
    tools.mkdir()
    for name in ("cxlab", "flock", "timeout"):
        (tools / name).write_text('#!/bin/sh\nprintf "%s\\n" "$CX_DATABASE_URL" "$@"\n')
        (tools / name).chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tools))
    told = schedule(odd, "cron")
    assert "CX_DATABASE_URL" in told
    odd.with_suffix(".env").write_text("CX_DATABASE_URL=here\n")
    line = told.splitlines()[-1].removeprefix("0 6 * * 1 ")
    assert "%" not in line.replace(r"\%", "")
    subprocess.run(["/bin/sh", "-c", line.replace(r"\%", "%")], check=True, timeout=20)
    assert odd.with_suffix(".log").read_text().splitlines() == [
        *("here", "-n", str(odd.with_suffix(".lock"))),
        *("timeout", "-k", "60", "180m", str(tools / "cxlab"), "render", str(odd)),
    ]


def test_systemd_takes_the_units(odd: Path, tmp_path: Path) -> None:
    told = schedule(odd, "systemd", "1 06:00")
    odd.with_suffix(".env").write_text("")
    service, _, timer = told.partition("# cxlab-toy.timer:")
    (tmp_path / "cxlab-toy.service").write_text(service)
    (tmp_path / "cxlab-toy.timer").write_text(f"#{timer}")
    units = [tmp_path / "cxlab-toy.service", tmp_path / "cxlab-toy.timer"]
    verified = subprocess.run(
        [needs("systemd-analyze"), "verify", "--man=no", "--user", *units],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        timeout=60,
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    assert "OnCalendar=*-*-01 06:00:00" in timer and "EnvironmentFile=" in service


def test_github_takes_the_workflow(odd: Path) -> None:
    (odd.parent / ".git").mkdir()
    workflow = yaml.safe_load(schedule(odd, "github", limit_minutes=90))
    job = workflow["jobs"]["report"]
    assert workflow["on"]["schedule"] == [{"cron": "0 6 * * 1"}]
    assert job["timeout-minutes"] == 90
    render = next(s for s in job["steps"] if s.get("name") == "Render")
    assert render["run"] == ".venv/bin/cxlab render toy.yml"
    assert render["env"] == {"CX_DATABASE_URL": "${{ secrets.CX_DATABASE_URL }}"}


def test_a_dag_is_python_and_holds_what_it_is_given_to_the_letter(odd: Path) -> None:
    text = schedule(odd, "airflow", "1 06:30", limit_minutes=90)
    tree = ast.parse(text)
    told = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    assert told["SPEC"] == str(odd) and told["TITLE"] == "50% off\n$HOME"
    assert (told["NAME"], Path(str(told["PROGRAM"])).name) == ("cxlab-toy", "cxlab")
    assert 'schedule="30 6 1 * *"' in text.replace("'", '"') and "timedelta(minutes=90)" in text
    assert "# The workers' environment has to set CX_DATABASE_URL." in text.splitlines()
    assert "from airflow.exceptions import AirflowFailException" in text  # Airflow 3.0 and 3.1
    # Of the toys, the summary comes after the others; of segments there is one list.
    assert 'task_id="notebooks_2"' in text and 'task_id="notebooks_3"' not in text
    text = schedule(write_spec(odd.parent, each={"plan": "all"}), "airflow")
    assert 'task_id="segments"' in text and "notebooks_" not in text


@pytest.mark.cluster
def test_kubernetes_takes_the_cronjob(odd: Path) -> None:
    import kubernetes_validate

    text = schedule(odd, "kubernetes", "1 06:30", limit_minutes=90)
    manifest = yaml.safe_load(text)
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
    assert manifest["spec"]["schedule"] == "30 6 1 * *"
    assert manifest["spec"]["concurrencyPolicy"] == "Forbid"
    job = manifest["spec"]["jobTemplate"]["spec"]
    assert (job["backoffLimit"], job["activeDeadlineSeconds"]) == (0, 5400)
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"] == ["render", "toy.yml", "--log", "-"]
    secret = next(e for e in container["env"] if e["name"] == "CX_DATABASE_URL")
    assert secret["valueFrom"]["secretKeyRef"] == {"name": "cxlab-toy", "key": "CX_DATABASE_URL"}
    mounted = {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
    assert mounted["work"] == container["workingDir"]
    assert "# - a secret cxlab-toy, with CX_DATABASE_URL." in text.splitlines()


def test_kubernetes_mounts_the_folder_that_has_the_spec_and_its_data(tmp_path: Path) -> None:
    for name in ("reports", "lake/demo"):
        (tmp_path / name).mkdir(parents=True)
    spec = tmp_path / "reports" / f"{'weekly-' * 10}.yml"
    spec.write_text("title: Weekly\ndataset: ../lake/demo\n")
    text = schedule(spec, "kubernetes")
    manifest = yaml.safe_load(text)
    assert f"with what is in {tmp_path};" in text
    assert len(manifest["metadata"]["name"]) <= 52
    pod = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["args"][1] == f"reports/{spec.name}"
    spec.write_text(f"title: Weekly\ndataset: {'../' * 40}somewhere/else\n")
    with pytest.raises(UsageError, match="one folder that has the spec and its data"):
        schedule(spec, "kubernetes")


CONTAINERFILE = ROOT / "Containerfile"


@pytest.mark.cluster
def test_the_containerfile_is_linted() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    ran = subprocess.run([linter, CONTAINERFILE], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")


def test_what_the_image_is_made_of_renders_a_report(
    tmp_path: Path, tables: Any, write_dataset: Callable[..., Path]
) -> None:
    """No image is built here: its files are put where it has them, and nothing else is there."""
    image = tmp_path / "image"
    kept = (ROOT / ".containerignore").read_text("utf-8").splitlines()
    for line in CONTAINERFILE.read_text("utf-8").splitlines():
        if line.startswith("COPY "):
            *sources, target = line.split()[1:]
            for source in sources:
                assert f"!{source}" in kept
                place = image / target if (ROOT / source).is_dir() else image / target / source
                place.parent.mkdir(parents=True, exist_ok=True)
                copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
                copy(ROOT / source, place)
    write_dataset(tables, name="data")
    (tmp_path / "weekly.yml").write_text("title: W\ndataset: data\nnotebooks: [00_summary]\n")
    code = "import cxlab; print(cxlab.__file__); from cxlab.cli import main; main()"
    inside = {k: v for k, v in os.environ.items() if k != "CXLAB_NOTEBOOKS"}
    ran = subprocess.run(
        [sys.executable, "-c", code, "render", "weekly.yml"], cwd=tmp_path, text=True,
        env=inside | {"PYTHONPATH": str(image)}, capture_output=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(f"{image}/cxlab/")
    assert (tmp_path / "weekly" / "latest" / "00_summary.html").exists()


def test_the_image_and_the_cronjob_have_the_same_user_and_version() -> None:
    text = CONTAINERFILE.read_text("utf-8")
    assert f"cxlab:{version('cxlab')} " in text
    assert f"--uid {schedules._USER} --create-home {Path(schedules._HOME).name}" in text
    assert f"\nUSER {schedules._USER}\nWORKDIR {schedules._WORK}\n" in text


def test_no_text_holds_a_secret(odd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (odd.parent / ".git").mkdir()
    monkeypatch.setenv("CX_DATABASE_URL", "postgresql://u:SECRETMARK@h/d")
    for form in FORMATS:
        assert "SECRETMARK" not in schedule(odd, form)


def test_cron_fires_a_real_run(
    tmp_path: Path, tables: Any, write_dataset: Callable[..., Path]
) -> None:
    """cron itself, in a world of its own: no crontab of this machine is seen or changed."""
    cron, crontab, unshare = (needs(t) for t in ("cron", "crontab", "unshare"))
    alone = [*([] if os.geteuid() == 0 else ["sudo", "-n"]), unshare, "--mount"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs to be allowed a world of its own (unshare --mount)")
    write_dataset(tables, name="data")
    spec = tmp_path / "weekly.yml"
    spec.write_text("title: Weekly\ndataset: data\nnotebooks: [00_summary]\n")
    whole = tmp_path / "crontab"
    whole.write_text(schedule(spec, "cron"))
    now = tmp_path / "now"
    now.write_text(whole.read_text().replace("0 6 * * 1 ", "@reboot "))
    script = (
        "mount -t tmpfs -o mode=755 none /run && mount -t tmpfs -o mode=755 none /etc/cron.d && "
        "mount --bind /dev/null /etc/crontab && mount -t tmpfs none /var/spool/cron/crontabs && "
        f"{crontab} {whole} && {crontab} {now} && exec {cron} -f"
    )
    daemon = subprocess.Popen(
        [*alone, "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        deadline = time.monotonic() + 90
        while not (out := tmp_path / "weekly" / "latest" / "index.html").exists():
            assert daemon.poll() is None, daemon.stdout and daemon.stdout.read()
            assert time.monotonic() < deadline, spec.with_suffix(".log").read_text()
            time.sleep(0.1)
    finally:
        daemon.terminate()
        daemon.communicate(timeout=10)
    assert "Weekly" in out.read_text()


@pytest.mark.cluster
def test_airflow_makes_a_task_a_notebook(
    tables: Any, write_dataset: Callable[..., Path], tmp_path: Path, airflow: Callable[..., Any]
) -> None:
    """What failed is tried again by the last task, and the DAG's run fails with the report."""
    write_dataset(tables, name="data")
    spec = write_spec(tmp_path, notebooks=["summary", "drivers", "raises"])
    state, rows = airflow(spec)
    assert state == "failed"
    assert rows == [
        ("begin", "", "success"),
        ("list_notebooks_1", "", "success"),
        ("list_notebooks_2", "", "success"),
        ("notebooks_1", "drivers", "success"),
        ("notebooks_1", "raises", "failed"),
        ("notebooks_2", "", "upstream_failed"),
        ("publish", "", "failed"),
    ]
    (run,) = (tmp_path / "toy").glob("20*")
    about = json.loads((run / "manifest.json").read_text())
    assert about["status"] == "failed"
    taken = {name: told["taken_from"] for name, told in about["notebooks"].items()}
    assert taken == {"summary": None, "drivers": about["resumed"], "raises": None}
    assert not (tmp_path / "toy" / "latest").exists()
