"""How journeys began: cut by hand, with and without names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from cxlab.data.dataset import load
from cxlab.frames.paths import begun
from cxlab.frames.periods import risk_set

START = pd.Timestamp("2025-01-01")
FROM = (START - pd.Timestamp("1970-01-01")).days + 50.0
Write = Callable[..., Path]


def _counts(write: Write, contacts: list[tuple[str, float, str, str | None]]) -> dict[str, int]:
    ids = ["a", "b"]
    customers = pd.DataFrame({"customer_id": ids, "started_at": START})
    customers["ended_at"] = [pd.NaT, START + pd.Timedelta(days=90)]
    who, day, touchpoint, journey = zip(*contacts, strict=True)
    rows = pd.DataFrame({"customer_id": who, "touchpoint": touchpoint, "outcome": "ok"})
    rows["occurred_at"] = [START + pd.Timedelta(days=d) for d in day]
    if any(journey):
        rows["journey_id"] = journey
    folder = write({"customers": customers, "interactions": rows}, "observed_until: 2025-04-10\n",
                   form="parquet")  # fmt: skip
    risk = risk_set(load(folder))
    people = risk.spells[["spell", "customer_id"]].assign(until=[FROM + 50, FROM + 40])
    made = begun(risk, people, FROM, risk.end, most=2)
    shown = {0: "other"} | {p: " ".join(t) for p, t in made.names.items()}
    each = made.table.assign(path=made.table["path"].map(shown), spell=made.table["spell"])
    keys = each["spell"].map({0: "a", 1: "b"}) + ": " + each["path"]
    return dict(zip(keys, each["n"], strict=True))


def test_contacts_without_names_are_cut_at_gaps(write_dataset: Write) -> None:
    found = _counts(
        write_dataset,
        [
            ("a", 1, "x", None),
            ("a", 47, "x", None), ("a", 52, "y", None),  # begun before the stretch
            ("a", 60, "x", None), ("a", 61, "y", None),
            ("a", 70, "x", None), ("a", 77, "y", None), ("a", 78, "z", None), ("a", 79, "z", None),
            ("b", 58, "x", None), ("b", 59, "y", None), ("b", 91, "x", None),  # after the end
        ],
    )  # fmt: skip
    assert found == {"a: x y": 1, "a: x y z": 1, "b: x y": 1}


def test_a_name_holds_a_journey_together(write_dataset: Write) -> None:
    found = _counts(
        write_dataset,
        [
            ("a", 3, "x", "1"), ("a", 55, "y", "1"), ("a", 56, "z", "1"),  # begun long before
            ("a", 60, "x", "2"), ("a", 75, "y", "2"),
            ("a", 61, "z", None), ("a", 62, "z", None),
            ("b", 58, "x", "1"), ("b", 60, "y", "1"), ("b", 62, "z", "3"),
        ],
    )  # fmt: skip
    assert found == {"a: x y": 1, "a: other": 1, "b: x y": 1, "b: z": 1}


def test_without_contacts_there_are_no_journeys(write_dataset: Write) -> None:
    assert _counts(write_dataset, [("a", 1, "x", None)]) == {}
