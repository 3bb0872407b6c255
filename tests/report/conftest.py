from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy import FAULTS, load_toy, write_spec

from cxlab.report.render import Run, render
from cxlab.report.schedule import schedule

AIRFLOW = Path(os.environ.get("CXLAB_AIRFLOW") or Path(__file__).parents[2] / ".airflow")
Executed = tuple[str, list[tuple[str, str, str]]]


@pytest.fixture(autouse=True)
def notebooks(monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CXLAB_NOTEBOOKS", str(FAULTS))
    return FAULTS


@pytest.fixture(scope="session")
def good(once: Callable[..., Any]) -> Any:
    """A run in which all goes well, one notebook at a time; tests only read it."""

    def make(folder: Path) -> Run:
        spec = write_spec(folder, notebooks=["summary", "drivers", "feedback"])
        return render(spec, load=load_toy, jobs=1, parameters=["strict=false"])

    return once("good", FAULTS, make)


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Executed]:
    """Execute a spec's DAG; gives how its run ended, and each task: name, part and state."""
    program = AIRFLOW / "bin" / "airflow"
    if not program.exists():
        told = "needs Airflow in an environment of its own: make airflow"
        pytest.fail(told) if os.environ.get("CXLAB_REQUIRE_ALL") == "1" else pytest.skip(told)
    home = tmp_path_factory.mktemp("airflow")
    own = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }

    def run(*words: str) -> str:
        ran = subprocess.run(
            [program, *words],
            env={**os.environ, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        return ran.stdout

    run("db", "migrate")

    def execute(spec: Path) -> Executed:
        (home / "dags").mkdir(exist_ok=True)
        name = f"cxlab-{spec.stem}"  # of letters, digits and dashes alone
        (home / "dags" / f"{spec.stem}.py").write_text(schedule(spec, "airflow"), encoding="utf-8")
        said = run("dags", "test", name)
        with sqlite3.connect(home / "airflow.db") as database:
            states = database.execute("SELECT state FROM dag_run WHERE dag_id = ?", [name])
            state = states.fetchone()
            rows = database.execute(
                "SELECT task_id, coalesce(rendered_map_index, ''), state FROM task_instance "
                "WHERE dag_id = ? ORDER BY task_id, rendered_map_index",
                [name],
            ).fetchall()
        assert state, said
        return state[0], rows

    return execute
