"""What can be picked of a dataset, and why something cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import narwhals as nw

from cxlab.data.dataset import Dataset
from cxlab.data.segment import number_text
from cxlab.results import counted, legible

__all__ = ["HALF_LIVES", "WASHOUTS", "WINDOWS", "Choices", "choices", "short"]

HALF_LIVES = (0, 3, 5, 7, 10, 14, 20, 28, 40, 56, 80, 112)
"""Days; 0 lets the data choose."""
WASHOUTS = (0, 1, 2, 3, 5, 7, 10, 14, 21, 28)
WINDOWS = (30, 60, 90, 180, 365, 730)
_MOST_VALUES = 50
_LONGEST = 48


@dataclass(frozen=True)
class Choices:
    """What can be picked.

    Parameters
    ----------
    segments : mapping
        Attribute -> its values, the most frequent first: how each is shown, and what to ask for.
    touchpoints : tuple of str
        Those met, in alphabetical order.
    reasons : mapping
        What cannot be picked (``segment``, ``touchpoint``, ``half_life_days``,
        ``washout_days``, ``window_days``) -> why.
    """

    segments: Mapping[str, list[tuple[str, str]]]
    touchpoints: tuple[str, ...]
    reasons: Mapping[str, str]


def choices(dataset: Dataset) -> Choices:
    """Tell what can be picked of a dataset.

    Parameters
    ----------
    dataset : Dataset
        The dataset.
    """
    reasons = {}
    segments = {} if dataset.where else _segments(dataset)
    if dataset.where:
        reasons["segment"] = f"these data are one segment already: {dataset.where}"
    elif not segments:
        reasons["segment"] = "the customers have no attribute with a few values"
    why = dataset.missing(["interactions"])
    if dataset.form == "snapshot":
        why = "a snapshot has no dates"
    if why:
        of_contacts = ("touchpoint", "half_life_days", "washout_days", "window_days")
        reasons |= dict.fromkeys(of_contacts, why)
    return Choices(segments, () if why else _touchpoints(dataset), reasons)


def short(text: str, longest: int = _LONGEST) -> str:
    """Give a name as a list can show it: every letter to be seen, and not too long.

    Parameters
    ----------
    text : str
        The name.
    longest : int
        The most characters.
    """
    seen = " ".join(legible(text).split())
    return seen if len(seen) <= longest else f"{seen[: longest - 1]}…"


def _touchpoints(dataset: Dataset) -> tuple[str, ...]:
    met = dataset.table("interactions").select("touchpoint").unique().sort("touchpoint")
    return tuple(met.collect(backend="pyarrow")["touchpoint"].to_list())


def _segments(dataset: Dataset) -> dict[str, list[tuple[str, str]]]:
    """Give the attributes' values with their customers, of attributes with two and more."""
    found = {}
    for name, kind in dataset.attributes.items():
        counts = (
            dataset.table("customers")
            .group_by(name)
            .agg(cx_n=nw.len())
            .sort("cx_n", name, descending=[True, False])
            .head(_MOST_VALUES + 1)
            .collect(backend="pyarrow")
        )
        values = list(zip(counts[name].to_list(), counts["cx_n"].to_list(), strict=True))
        if len(values) < 2 or (kind == "number" and len(values) > _MOST_VALUES):
            continue
        found[name] = [
            (f"{short(text) or '(none)'} ({counted(n, 'customer')})", f"{name}={text}")
            for text, n in ((_text(v), n) for v, n in values[:_MOST_VALUES])
        ]
    return found


def _text(value: object) -> str:
    """Write a value as ``where`` has it; none is empty."""
    if value is None:
        return ""
    return number_text(value) if isinstance(value, int | float) else str(value)
