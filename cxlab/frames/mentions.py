"""What a person-period had behind it of what its customer had said, contacts held beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.errors import AnalysisError, UsageError
from cxlab.frames.adjustment import activity, adjustment, proneness
from cxlab.frames.exposures import Kernel, contacts, measure
from cxlab.frames.marks import Marks, Summed, decayed
from cxlab.frames.periods import risk_set
from cxlab.frames.sampling import Sample, draw

__all__ = ["RECENT_DAYS", "Mentioned", "mentioned"]

HALF_LIFE = 28.0
RECENT_DAYS = 14.0
_VOLUME_DAYS = 90.0


@dataclass(frozen=True)
class Mentioned:
    """Rows of a hazard model with what their customers had said.

    Parameters
    ----------
    sample : Sample
        The rows.
    held : ndarray, shape (rows, columns)
        What is held equal, the constant first.
    sums : mapping
        ``decay``, ``recent`` and ``old``, shape (rows, kinds): of each kind of mention.
    included : tuple of str
        What is held equal, in words.
    """

    sample: Sample
    held: np.ndarray
    sums: Summed
    included: tuple[str, ...]


def mentioned(
    dataset: Dataset,
    table: pd.DataFrame,
    kinds: dict[str, np.ndarray],
    washout_days: float,
    seed: int = 0,
) -> Mentioned | str:
    """Draw person-periods and sum what their customers had said, or say why that cannot be.

    A mention counts from when it was known, less the washout, and fades with a half-life of 28
    days. Held equal are tenure, month, attributes, and contacts and bad contacts at each
    touchpoint, fading alike.

    Parameters
    ----------
    dataset : Dataset
        In the spell form.
    table : pandas.DataFrame
        The comments: ``customer_id`` and ``at`` (days).
    kinds : dict
        Kind -> which of the comments it is, shape (comments,).
    washout_days : float
        What was said in the last days before a period is not seen.
    seed : int
        Of the draw.
    """
    said = [
        table.loc[rows & table["customer_id"].notna() & table["at"].notna(), ["customer_id", "at"]]
        .assign(kind=kind)
        .astype({"at": float})
        for kind, rows in kinds.items()
    ]
    mentions = pd.concat(said, ignore_index=True) if said else pd.DataFrame()
    if mentions.empty:
        return "no comment has a customer and a date"
    try:
        risk = risk_set(dataset, 1, washout_days)
        known = contacts(dataset).kept(risk) if "interactions" in dataset.tables else None
        sample = draw(risk, "auto", seed, known, washout_days)
    except (AnalysisError, UsageError) as error:
        return str(error).removeprefix(f"{dataset.path}: ")
    mentions = mentions.assign(known=mentions["at"], weight=1.0, ceases=False, touchpoint="said")
    marks = Marks(dataset.attach(mentions), tuple(kinds), {})
    pace = {"said": HALF_LIFE}
    sums = decayed(dataset, marks, sample.rows, pace, washout_days, RECENT_DAYS)
    adjusted = adjustment(sample.rows, dataset.attributes)
    held, included = [adjusted.matrix], list(adjusted.included)
    if known is not None:
        kernels = {
            "decay": Kernel(HALF_LIFE),
            "recent": Kernel(HALF_LIFE, high=RECENT_DAYS, classes=("all",)),
            "trailing": Kernel(high=_VOLUME_DAYS, classes=("all",)),
            "ever": Kernel(classes=("all", "bad")),
        }
        met = measure(dataset, known, sample.rows, kernels, washout_days)
        seen = sample.rows["seen"].to_numpy()
        recent, trailing, ever = (met[k, "all"] for k in ("recent", "trailing", "ever"))
        held += [activity(recent, trailing, ever, seen), met["decay", "all"]]
        included.append("contacts at each touchpoint")
        if "bad" in known.classes:
            stands = np.where(sample.rows["event"] == 1, 0.0, np.exp(sample.offset))
            held += [proneness(met["ever", "bad"], ever, stands)]
            held += [met["decay", "bad"]]
            included.append("bad contacts at each touchpoint")
    return Mentioned(sample, np.hstack(held), sums, tuple(included))
