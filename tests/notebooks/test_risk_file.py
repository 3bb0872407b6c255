"""``risk.csv``: written where risks are told, and naming customers only where a spec says so."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from cxlab.analyses.churn_risk.scored import COLUMNS
from cxlab.errors import AnalysisError
from cxlab.report.findings import read_outputs, write_listing
from cxlab.report.registry import read_registry
from cxlab.report.render import Run
from cxlab.report.spec import make_plan
from cxlab.results import LISTING_MIME, Listing

_ID = re.compile(r"c\d{4,}")
NOTEBOOK = "10_churn_risk"


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Give all that files of a run hold as text, packed or not."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        if path.suffix == ".xlsx":
            with zipfile.ZipFile(io.BytesIO(data)) as book:
                data = b"\n".join(book.read(name) for name in book.namelist())
        text = data.decode("utf-8", "replace")
        yield path.name, text
        if path.suffix == ".ipynb":
            for listing in read_outputs(path).listings.values():
                yield path.name, Listing.from_dict(listing).table.to_csv()


def test_nobody_is_named_unless_asked_for(world: Run) -> None:
    customers = pd.read_parquet(world.path.parents[1] / "data" / "customers.parquet")
    ids = set(customers["customer_id"])
    assert all(_ID.fullmatch(i) for i in ids)
    seen = 0
    for name, text in _texts(world.path):
        # Of pictures' code any letters may be next to any other: a name stands by itself.
        found = {m.group() for m in re.finditer(r"(?<![\w+/=])c\d{4,}(?![\w+/=])", text)}
        assert not found & ids, f"{name} names {sorted(found & ids)[:3]}"
        seen += 1
    assert seen > 50


def test_the_risks_of_a_small_world_are_in_a_file(world: Run) -> None:
    path = world.path / "risk.csv"
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert list(rows[0]) == list(COLUMNS)
    assert [int(r["rank"]) for r in rows] == list(range(1, len(rows) + 1))
    for row in rows:
        low, middle, high = (float(row[c]) for c in ("conf_low", "probability", "conf_high"))
        assert 0 <= low <= middle <= high <= 1
    assert "risk.csv" in (world.path / "index.html").read_text(encoding="utf-8")
    assert "risk.csv" in json.loads((world.path / "manifest.json").read_text())["sha256"]


@pytest.mark.parametrize("named", [True, False])
def test_the_spec_decides_whether_customers_are_named(
    tmp_path: Path, world: Run, named: bool
) -> None:
    spec = tmp_path / "report.yml"
    data = world.path.parents[1] / "data"
    text = f"title: a\ndataset: {data}\nnotebooks: [{NOTEBOOK}]\n"
    spec.write_text(f"{text}publish: {{include_customers: {str(named).lower()}}}\n")
    from cxlab.data.dataset import load

    plan = make_plan(spec, as_of=None, only=(), parameters=(), quick=False, out=None, load=load)
    assert plan.injected(NOTEBOOK, None, None)["include_customers"] is named
    assert "include_customers" not in read_registry().notebooks[NOTEBOOK].parameters


# -- the file itself ---------------------------------------------------------------------------


def _shown(path: Path, data: dict[str, object]) -> Path:
    output = nbformat.v4.new_output("display_data", {LISTING_MIME: data})
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=[output])]), path
    )
    return path


def test_a_listing_is_written_as_it_was_and_runs_no_formula(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"rank": [1, 2], "probability": [1 / 3, None], "reasons": ["=1+1; ä, \"b\"", ""]}
    )  # fmt: skip
    listing = Listing("risk", table)
    assert listing.to_dict() == listing.to_dict()
    found = read_outputs(_shown(tmp_path / "n.ipynb", listing.to_dict()))
    assert found.tables == {}
    write_listing(Listing.from_dict(found.listings["risk"]), tmp_path / "risk.csv")
    lines = (tmp_path / "risk.csv").read_text(encoding="utf-8").split("\n")
    assert lines == ["rank,probability,reasons", '1,0.333333,"\'=1+1; ä, ""b"""', "2,,", ""]
    assert str(listing) == "risk.csv: 2 rows"


def test_a_listing_takes_no_other_files_place(tmp_path: Path) -> None:
    data = Listing("drivers", pd.DataFrame({"a": [1]})).to_dict()
    with pytest.raises(AnalysisError, match="a listing's name"):
        read_outputs(_shown(tmp_path / "n.ipynb", data))
