"""The explorer answers as the analysis does, and breaks on no dataset."""

from __future__ import annotations

import ast
import asyncio
import builtins
import re
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cxlab
from cxlab.analyses import churn_drivers
from cxlab.analyses.churn_drivers import parts
from cxlab.analyses.churn_drivers.standing import Standing
from cxlab.analyses.churn_drivers.study import fit, prepare
from cxlab.data.dataset import Dataset, load
from cxlab.data.simulate import simulate, write
from cxlab.errors import UsageError
from cxlab.lab.explore import Explorer, explore
from cxlab.lab.explore.drawn import told
from cxlab.results import Result

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "explore.md"
# Fits end when less than 1e-11 of the log likelihood is to be had: from other starts they agree to
# about a hundredth of a percent, far below the three figures shown.
_ALIKE = 1e-3
_SHOWN = ["hazard_ratio", "conf_low", "conf_high", "attributable_churn",
          "attributable_churn_low", "attributable_churn_high", "value_at_risk"]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a world in which drivers are found."""
    folder = tmp_path_factory.mktemp("explored") / "data"
    write(simulate("demo", 800, 4), folder)
    return folder


@pytest.fixture(scope="module")
def explorer(folder: Path) -> Explorer:
    return explore(folder)


def _alike(a: pd.DataFrame, b: pd.DataFrame) -> None:
    assert list(a["term"]) == list(b["term"])
    assert list(a["verdict"]) == list(b["verdict"]) and list(a["why"]) == list(b["why"])
    np.testing.assert_allclose(a[_SHOWN], b[_SHOWN], rtol=_ALIKE, atol=_ALIKE)


# -- the answer --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"half_life_days": 20, "window_days": 180},
        {"washout_days": 7, "half_life_days": 20},
    ],
    ids=str,
)
def test_it_answers_as_a_quick_run(explorer: Explorer, settings: dict[str, Any]) -> None:
    view = explorer.view(**settings)
    options = {**settings, "half_life_days": settings.get("half_life_days")}
    run = churn_drivers.run(explorer.dataset, quick=True, **options)
    _alike(view.table, run.table)
    assert view.sentence == run.sentence
    for key in ("churns", "window_churns", "window_start", "washout_days", "followers"):
        assert view.meta[key] == run.meta[key]
    assert view.meta["half_life_days"] == pytest.approx(run.meta["half_life_days"], rel=_ALIKE)


def test_a_segment_is_that_part_of_the_data_alone(explorer: Explorer, folder: Path) -> None:
    view = explorer.view(segment="plan=basic", half_life_days=20)
    run = churn_drivers.run(load(folder, where="plan=basic"), quick=True, half_life_days=20.0)
    _alike(view.table, run.table)


def test_effects_by_age_are_those_of_a_whole_run(explorer: Explorer) -> None:
    study = prepare(explorer.dataset, churn_drivers.Options(half_life_days=20.0))
    model = fit(study)
    table = churn_drivers.estimate(explorer.dataset, half_life_days=20.0).table
    whole = parts.by_age(study, model, table, None).table
    leading = explorer.view(half_life_days=20)["by_age"].table
    columns = ["estimate", "se", "curve"]
    np.testing.assert_allclose(leading[columns], whole[columns], rtol=_ALIKE, atol=_ALIKE)
    first = whole["touchpoint"].iloc[0]
    one = explorer.view(half_life_days=20, touchpoint=first)["by_age"].table
    mine = whole[whole["touchpoint"] == first]
    np.testing.assert_allclose(one[columns], mine[columns], rtol=_ALIKE, atol=_ALIKE)


def test_what_is_asked_again_is_not_worked_out_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    standing = Standing(load(folder))
    first = standing.ask(half_life_days=20.0)
    monkeypatch.setattr("cxlab.analyses.churn_drivers.standing.fit", None)
    again = standing.ask(half_life_days=20.0, window_days=180)
    assert again.meta["window_days"] == 180
    np.testing.assert_array_equal(first.table["estimate"].dropna(),
                                  again.table.set_index("term").loc[first.table["term"]]
                                  ["estimate"].dropna())  # fmt: skip


def test_what_may_be_asked_next_is_found_beside(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer = explore(folder)
    explorer.prepare([{"half_life_days": 20}])
    join(explorer)
    assert not explorer.stands()  # nothing is begun for what nobody has asked for
    explorer.view(half_life_days=14)
    near = [{"half_life_days": 20, "window_days": w} for w in (90, 180)]
    explorer.prepare([{"half_life_days": -1}, {"segment": "plan=basic"}, *near])
    join(explorer)
    monkeypatch.setattr("cxlab.analyses.churn_drivers.standing.Standing.ask", None)
    found = [explorer.view(**settings) for settings in near]
    assert [f.meta["window_days"] for f in found] == [90, 180]
    assert not explorer.stands(segment="plan=basic")


def test_asking_again_ends_what_was_being_prepared(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer = explore(folder)
    explorer.view(half_life_days=14)
    asked: list[int] = []
    let = threading.Event()

    def view(half_life_days: int) -> None:
        asked.append(half_life_days)
        let.wait(60)

    monkeypatch.setattr(explorer, "view", view)
    explorer.prepare({"half_life_days": h} for h in (20, 28, 40))
    first = explorer._ahead
    explorer.prepare([])
    let.set()
    assert first is not None and not explorer.preparing
    first.join(60)
    assert not first.is_alive() and asked in ([], [20])


def join(explorer: Explorer) -> None:
    """Wait for what is prepared."""
    thread = explorer._ahead
    assert thread is not None
    thread.join(120)
    assert not thread.is_alive()


def test_the_code_makes_the_same_figures(explorer: Explorer) -> None:
    settings = {"segment": "plan=basic", "touchpoint": "support-call", "half_life_days": 20,
                "washout_days": 3, "window_days": 180}  # fmt: skip
    shown: list[Any] = []
    exec(explorer.code(**settings), {"display": lambda *given: shown.extend(given)})
    _alike(shown[-1].table, explorer.view(**settings).table)
    assert any(getattr(each, "name", "") == "churn_drivers_forest" for each in shown)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"segment": "plan=none"}, "plan"),
        ({"segment": "colour=red"}, "colour"),
        ({"touchpoint": "nowhere"}, "touchpoint is 'nowhere'; allowed: "),
        ({"half_life_days": -3}, "half_life_days is -3"),
        ({"washout_days": 999}, "washout_days is 999"),
        ({"window_days": 1}, "window_days is 1"),
    ],
)
def test_what_cannot_be_is_one_line(
    explorer: Explorer, settings: dict[str, Any], named: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(named)):
        explorer.view(**settings)


def test_the_code_of_the_guide_runs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    # The guide's data are the demo's; those of the tests have the same touchpoints and plans.
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "demo").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block.replace("plan=pro", "plan=basic"), names)
    assert set(names["ages"]["touchpoint"]) <= {"support-call"} and len(names["view"].table)


# -- the controls ------------------------------------------------------------------------------


def _panel(explorer: Explorer) -> Any:
    widgets = pytest.importorskip("ipywidgets")
    from cxlab.lab.explore.panel import _Panel

    return _Panel(explorer, widgets)


def test_the_controls_ask_and_show(explorer: Explorer) -> None:
    panel = _panel(explorer)
    first = explorer.view().table["touchpoint"].iloc[0]
    assert panel.touchpoint.value == first and first in panel.said.value
    before = panel.drawn.value
    panel.half_life.value = 20
    assert panel.drawn.value != before and "20 days, as given" in panel.state.value
    panel.attribute.value = "plan"
    assert panel.settings["segment"].startswith("plan=")
    assert ast.parse(explorer.code(**panel.settings))
    assert repr(panel.settings["segment"]).replace("'", "&#x27;") in panel.code.value
    panel.attribute.value = ""
    assert panel.settings["segment"] == "" and panel.value.layout.visibility == "hidden"


def test_nothing_is_found_ahead_while_an_answer_is_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer = explore(folder)
    panel = _panel(explorer)
    assert explorer.preparing
    seen: list[bool] = []

    def view(**settings: Any) -> Any:
        seen.append(explorer.preparing)
        return Explorer.view(explorer, **settings)

    monkeypatch.setattr(explorer, "view", view)
    panel.half_life.value = 40
    assert seen and not any(seen)
    assert explorer.preparing
    explorer.prepare([])


def test_while_an_answer_is_read_the_next_are_drawn(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def moved() -> tuple[Any, Any]:
        panel = _panel(explore(folder))
        panel.half_life.value = 20
        wanted = tuple((panel.settings | {"half_life_days": 28}).values())
        until = time.monotonic() + 120
        while wanted not in panel._kept and time.monotonic() < until:
            await asyncio.sleep(0.1)
        monkeypatch.setattr("cxlab.lab.explore.panel.told", lambda *_: ("drawn", "anew"))
        panel.half_life.value = 28
        return panel, panel.settings

    # In a thread of its own: a browser that was started here has this one's loop.
    with ThreadPoolExecutor(1) as pool:
        panel, settings = pool.submit(asyncio.run, moved()).result()
    monkeypatch.undo()
    assert settings["half_life_days"] == 28
    fresh = explore(folder)
    drawn = told(fresh.view(**settings), settings["touchpoint"])
    # Of fits from other starts the curves differ by less than can be seen.
    assert [re.sub('src="[^"]*"', "", v) for v in (panel.said.value, panel.drawn.value)] == [
        re.sub('src="[^"]*"', "", v) for v in drawn
    ]
    assert "28 days, as given" in panel.state.value


def test_without_ipywidgets_one_line_names_it(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *more: Any, **given: Any) -> Any:
        if name.split(".")[0] == "ipywidgets":
            raise ImportError(name)
        return real(name, *more, **given)

    monkeypatch.delitem(sys.modules, "ipywidgets", raising=False)
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(UsageError, match="pip install ipywidgets"):
        explorer._ipython_display_()
    assert len(explorer.view(half_life_days=20).table)


# -- other data --------------------------------------------------------------------------------

Write = Callable[..., Path]
_LONG = "an endless name " * 12 + "end"


def _looked_at(dataset: Dataset | Path, **settings: Any) -> tuple[Explorer, Result]:
    explorer = explore(dataset)
    view = explorer.view(**settings)
    words, drawn = told(view, settings.get("touchpoint", ""))
    assert words
    if view.table["hazard_ratio"].isna().all():
        assert drawn == "" and view.sentence
    panel = _panel(explorer)
    for what in explorer.choices.reasons:
        control = getattr(panel, what.removesuffix("_days"), None) or panel.attribute
        assert control.disabled
    return explorer, view


@pytest.mark.parametrize("table", ["interactions", "feedback", "touchpoints", "interventions"])
def test_a_table_that_is_missing(write_dataset: Write, tables: Any, table: str) -> None:
    del tables[table]
    explorer, view = _looked_at(write_dataset(tables))
    if table == "interactions":
        assert "no table interactions" in explorer.choices.reasons["half_life_days"]
        assert "no table interactions" in view.sentence
        with pytest.raises(UsageError, match=r"half_life_days cannot be set: .*interactions"):
            explorer.view(half_life_days=20)


def test_no_attributes_and_few_churners(write_dataset: Write, tables: Any) -> None:
    customers = tables["customers"].drop(columns="plan")
    customers.loc[customers.index > 3, ["ended_at", "end_reason"]] = None
    tables["customers"] = customers
    explorer, view = _looked_at(write_dataset(tables))
    assert "no attribute" in explorer.choices.reasons["segment"]
    assert view.sentence.startswith("2 customers left of their own will: too few")


def test_a_segment_in_which_nobody_left(write_dataset: Write, tables: Any) -> None:
    stays = tables["customers"]["ended_at"].isna()
    tables["customers"]["plan"] = np.where(stays, "stays", "leaves")
    explorer, _ = _looked_at(write_dataset(tables))
    view = explorer.view(segment="plan=stays")
    assert view.table.empty and "nobody left" in view.sentence
    assert str(explorer.dataset.path) not in view.sentence


def test_a_snapshot_greys_out_what_needs_dates() -> None:
    explorer, view = _looked_at(ROOT / "data" / "telco")
    assert set(explorer.choices.reasons) == {"touchpoint", "half_life_days", "washout_days",
                                             "window_days"}  # fmt: skip
    assert set(view.table["valence"]) == {"attribute"}


def test_names_of_every_kind(write_dataset: Write, tables: Any) -> None:
    odd = ["class", "\u05e9\u05d9\u05e8\u05d5\u05ea", _LONG, f"{_LONG}!", "\U0001f60a = <b>&$x$"]
    customers = tables["customers"].rename(columns={"plan": "class"})
    customers["lambda"] = np.resize(odd, len(customers))
    tables["customers"] = customers
    places = tables["interactions"]["touchpoint"]
    tables["interactions"]["touchpoint"] = places.map(dict(zip(["call", "chat", "invoice"],
                                                               odd[1:4], strict=True)))  # fmt: skip
    del tables["touchpoints"], tables["interventions"]
    explorer, _ = _looked_at(write_dataset(tables, "currency: JPY\n"))
    panel = _panel(explorer)
    shown = [label for label, _ in panel.touchpoint.options]
    assert len(set(shown)) == len(shown) == 4 and max(map(len, shown)) <= 60
    assert {"class", "lambda"} <= {value for _, value in panel.attribute.options}
    panel.attribute.value = "lambda"
    for _, where in explorer.choices.segments["lambda"][-1:]:
        panel.value.value = where
        assert panel.settings["segment"] == where
        assert "<b>&" not in panel.said.value
    assert ast.parse(explorer.code(**panel.settings))


def test_five_hundred_touchpoints(folder: Path, tmp_path: Path) -> None:
    for file in folder.glob("*.parquet"):
        table = pd.read_parquet(file)
        if file.stem == "interactions":
            turn = np.arange(len(table)) % 23
            table["touchpoint"] = [f"{t} {i:02d}" for t, i in zip(table["touchpoint"], turn,
                                                                  strict=True)]  # fmt: skip
        if file.stem in ("customers", "interactions"):
            table.to_parquet(tmp_path / file.name)
    explorer = explore(tmp_path)
    assert len(explorer.choices.touchpoints) > 450
    view = explorer.view(half_life_days=28)
    _, drawn = told(view, explorer.choices.touchpoints[0])
    assert drawn.count("<figure>") <= 2


# -- at the prompt -----------------------------------------------------------------------------


def test_only_public_names_are_completed() -> None:
    assert set(dir(cxlab)) == {*cxlab.__all__, "__version__"}
    assert all(getattr(cxlab, name) is not None for name in cxlab.__all__)


def test_a_dataset_shows_its_tables(write_dataset: Write, tables: Any) -> None:
    data = load(write_dataset(tables, name="a & b"))
    shown = data._repr_html_()
    assert "a &amp; b" in shown and "interactions" in shown and data.day in shown
    assert "plan (text)" in shown and "monthly_value" in shown
    assert repr(data).startswith("Dataset a & b, as of ")
