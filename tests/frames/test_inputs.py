"""What was known of customers on a day, its columns and its words, beside plain pandas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.data.dataset import load
from cxlab.frames.inputs import Known, Recipe, recipe, with_attributes
from cxlab.frames.landmarks import stand
from cxlab.frames.periods import EPOCH, risk_set

DAY = pd.Timestamp("2025-05-01")


@pytest.fixture
def made(
    make_tables: Callable[..., dict[str, pd.DataFrame]],
    write_dataset: Callable[..., Path],
) -> tuple[Recipe, Known, pd.DataFrame, dict[str, pd.DataFrame]]:
    tables = make_tables(150, 2)
    tables["customers"]["renewal_days"] = 30.0
    data = load(write_dataset(tables, "observed_until: 2025-12-31\n"))
    risk = risk_set(data, 1, 0.0)
    day = (DAY - EPOCH) / pd.Timedelta(days=1)
    rows = with_attributes(risk, stand(risk, np.array([day]), 60).rows)
    exits = np.array([False, False, True])
    inputs, known = recipe(data, risk, rows, ["monthly_value"], exits)
    return inputs, known, rows, tables


def _before(tables: dict[str, pd.DataFrame], days: float) -> pd.DataFrame:
    met = tables["interactions"]
    at = met["occurred_at"]
    return met[(at < DAY) & (at > DAY - pd.Timedelta(days=days)) & (met["touchpoint"] != "invoice")]


def test_counts_are_those_of_the_window(made: tuple[Recipe, Known, pd.DataFrame, dict]) -> None:
    inputs, known, rows, tables = made
    met = _before(tables, 90)
    bad = met[met["outcome"] == "failed"].groupby("customer_id").size()
    assert known.bad.tolist() == bad.reindex(rows["customer_id"]).fillna(0).astype(int).tolist()
    fact = inputs.facts.index("touchpoint call")
    call = met[met["touchpoint"] == "call"].groupby("customer_id").size()
    told = inputs.words(known, fact, np.arange(len(rows)))
    many = call.reindex(rows["customer_id"]).fillna(0).astype(int)
    for text, n in zip(told, many, strict=True):
        assert text.startswith(f"call: {n or 'no'} contact")


def test_what_is_refused_is_no_input(made: tuple[Recipe, Known, pd.DataFrame, dict]) -> None:
    inputs, known, _, _ = made
    assert "monthly value" not in inputs.facts
    assert "touchpoint invoice" not in inputs.facts
    assert inputs.names == ["call", "chat"]
    assert known.x.shape[1] == len(inputs.of)
    assert np.isfinite(known.x).all()
    assert {inputs.label(i) for i in range(len(inputs.facts))} >= {"plan", "CSAT", "renewal"}


def test_words_say_what_is_known(made: tuple[Recipe, Known, pd.DataFrame, dict]) -> None:
    inputs, known, rows, _ = made
    every = {
        name: inputs.words(known, i, np.arange(len(rows))) for i, name in enumerate(inputs.facts)
    }
    assert set(every["field plan"]) == {"plan: basic", "plan: plus"}
    assert all(t.startswith("renews in ") for t in every["renewal"])
    assert all(t.startswith("customer for ") for t in every["tenure"])
    said = set(" ".join(t.split()[:2]) for t in every["score csat"])
    assert said <= {f"CSAT {n}," for n in range(1, 6)} | {"asked for", "no score"}
    assert len(said) > 3


def test_blocks_give_the_same_columns(made: tuple[Recipe, Known, pd.DataFrame, dict]) -> None:
    inputs, known, rows, _ = made
    parts = [inputs.known(rows.iloc[:20]).x, inputs.known(rows.iloc[20:]).x]
    assert np.vstack(parts) == pytest.approx(known.x, abs=1e-6)


def test_texts_of_many_values_are_left_out(
    make_tables: Callable[..., dict[str, pd.DataFrame]], write_dataset: Callable[..., Path]
) -> None:
    tables = make_tables(150, 2)
    tables["customers"]["name"] = [f"n{i}" for i in range(150)]
    tables["customers"]["same"] = "x"
    data = load(write_dataset({k: tables[k] for k in ("customers",)}))
    risk = risk_set(data, 1, 0.0)
    day = (DAY - EPOCH) / pd.Timedelta(days=1)
    rows = with_attributes(risk, stand(risk, np.array([day]), 60).rows)
    inputs, known = recipe(data, risk, rows)
    assert "different values, more than 50" in inputs.left_out["name"]
    assert inputs.left_out["same"] == "it does not vary"
    assert inputs.contacts is None
    assert not known.bad.any()
