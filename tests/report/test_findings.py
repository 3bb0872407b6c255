from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest

from cxlab.analyses.churn_drivers import COLUMNS
from cxlab.errors import AnalysisError
from cxlab.report.findings import collect, drivers_text, read_outputs, write_drivers
from cxlab.results import FINDINGS_MIME, RESULT_MIME, Finding, Result


def drivers(**given: object) -> pd.DataFrame:
    return pd.DataFrame([given], columns=list(COLUMNS))


def test_figures_counts_and_gaps(tmp_path: Path) -> None:
    table = drivers(
        rank=1.0, touchpoint='a, "b"', hazard_ratio=1.23456789, p_value=1.5e-10, exposures=1234567.0
    )
    write_drivers(table, tmp_path / "drivers.csv")
    header, row, end = (tmp_path / "drivers.csv").read_bytes().split(b"\n")
    assert header.decode() == ",".join(COLUMNS)
    assert row.decode() == '1,"a, ""b""",,1.23457,,,1.5e-10,,,1234567,,,,,,,,,,'
    assert end == b""


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT, float("inf")])
def test_missing_is_empty_whatever_its_kind(missing: object) -> None:
    row = drivers_text(drivers(touchpoint="a", hazard_ratio=missing)).splitlines()[1]
    assert row == ",a" + "," * 18


def test_the_same_bytes_before_and_after_json() -> None:
    table = drivers(rank=1, touchpoint="ä", hazard_ratio=1 / 3, exposures=7, verdict="driver")
    table = pd.concat([table, drivers(touchpoint="b")], ignore_index=True)
    again = Result.from_dict(Result("churn_drivers", table).to_dict()).table
    assert drivers_text(again) == drivers_text(table)


def test_a_table_that_is_none_is_refused() -> None:
    with pytest.raises(AnalysisError, match="lacks the columns rank, valence"):
        drivers_text(drivers().drop(columns=["rank", "valence"]))
    with pytest.raises(AnalysisError, match=r"rank is 1\.5, no whole number"):
        drivers_text(drivers(rank=1.5))


def write_shown(path: Path, finding: dict[str, Any]) -> Path:
    """Write an executed notebook that shows a finding."""
    output = nbformat.v4.new_output("display_data", {FINDINGS_MIME: {"findings": [finding]}})
    cell = nbformat.v4.new_code_cell("", outputs=[output], metadata={"tags": ["findings"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


def test_a_part_shown_by_itself_is_one_table(tmp_path: Path) -> None:
    part = Result("whole_part", pd.DataFrame({"a": [1]}))
    other = Result("other", pd.DataFrame({"a": [2]}))
    whole = Result("whole", pd.DataFrame({"b": [3]}), parts={"part": part, "other": part})
    shown = [
        nbformat.v4.new_output("display_data", {RESULT_MIME: r.to_dict()})
        for r in (part, other, whole)
    ]
    cell = nbformat.v4.new_code_cell("", outputs=shown)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "n.ipynb")
    tables = read_outputs(tmp_path / "n.ipynb").tables
    assert sorted(tables) == ["other", "whole", "whole.other", "whole.part"]
    assert tables["whole.part"] == {"columns": ["a"], "rows": [[1]], "notebook": "n"}


def test_the_first_to_show_is_the_source(tmp_path: Path) -> None:
    for name, estimate in (("one", 1.0), ("two", 1.0), ("three", 2.0)):
        shown = asdict(Finding("a", name, "s", estimate))
        write_shown(tmp_path / f"{name}.ipynb", shown)
    harvest, refused = collect(tmp_path, ["one", "two", "three"])
    assert [f["notebook"] for f in harvest.findings.values()] == ["one"]
    assert refused == {"three": "the finding a was shown before with other content"}


def test_a_finding_without_an_id_is_refused(tmp_path: Path) -> None:
    path = write_shown(tmp_path / "a.ipynb", {"notebook": "a", "statement": "s"})
    with pytest.raises(AnalysisError, match=r"a finding is not as it should be: .*'id'"):
        read_outputs(path)
