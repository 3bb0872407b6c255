"""Every analysis gives the same on Spark as on DuckDB: its tables, its sentences, its checks."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cxlab
from cxlab.analyses import churn_drivers, what_to_fix
from cxlab.data.simulate import simulate, write

pytestmark = pytest.mark.cluster

# Sums of floats are made in another order on the way to some figures.
DIGITS = 1e-9
ANALYSES = (
    *("data_quality", "experience_metrics", "journeys", "retention", "satisfaction_drivers"),
    *("voice_of_customer", "personas", "cx_claims", "churn_risk", "did_it_work", "early_warning"),
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write(simulate("demo", 700, 4), folder)
    return folder


def differences(one: Any, other: Any, at: str = "") -> Iterator[str]:
    """Name where two results differ."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from differences(one[key], other[key], f"{at}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{at}/{place}")
    elif isinstance(one, float) and isinstance(other, float):
        if not math.isclose(one, other, rel_tol=DIGITS, abs_tol=DIGITS):
            yield f"{at}: {one} and {other}"
    elif one != other:
        yield f"{at}: {str(one)[:80]} and {str(other)[:80]}"


@pytest.mark.parametrize("name", ANALYSES)
def test_the_same_answer_on_both_engines(name: str, world: Path) -> None:
    run: Callable[..., Any] = importlib.import_module(f"cxlab.analyses.{name}").run
    duck, spark = (
        run(cxlab.load(world, engine=engine)).to_dict() for engine in ("duckdb", "spark")
    )
    assert duck["sentence"]  # that there are no personas here is an answer as well
    assert list(differences(duck, spark)) == []


def test_the_same_drivers_and_the_same_fixes_on_both_engines(world: Path) -> None:
    told = []
    for engine in ("duckdb", "spark"):
        data = cxlab.load(world, engine=engine)
        told.append([churn_drivers.run(data, replicates=20).to_dict()])
        told[-1].append(what_to_fix.run(data, *churn_drivers.basis(data)).to_dict())
    assert list(differences(*told)) == []


@pytest.mark.parametrize("where", ["plan=pro", "plan=", "owner=Support"])
def test_a_segment_is_the_same_on_both_engines(where: str, world: Path) -> None:
    found = []
    for engine in ("duckdb", "spark"):
        try:
            data = cxlab.load(world, where=where, engine=engine)
            found.append((data.overview().to_dict(), data.set_aside, data.as_of))
        except cxlab.errors.CxlabError as error:
            found.append(str(error))
    assert found[0] == found[1]


def test_the_explorer_stays_with_the_engine_of_its_data(world: Path) -> None:
    explorer = cxlab.explore(cxlab.load(world, engine="spark"))
    assert "engine='spark'" in explorer.code()
    part = explorer._part("plan=pro")
    assert isinstance(part, cxlab.Dataset)
    assert part.engine == "spark"
    assert "engine" not in cxlab.explore(cxlab.load(world)).code()
