"""The bad contacts behind some rows, one by one, where a sum of them does not do."""

from __future__ import annotations

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.frames.exposures import Contacts

__all__ = ["bad_before"]

# Rows are joined in ranges of customers, so many at a time.
_ROWS = 100_000


def bad_before(
    dataset: Dataset, known: Contacts, rows: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """List the contacts before each row's cut that were known to be bad by then.

    Parameters
    ----------
    dataset : Dataset
        Whose engine does the work.
    known : Contacts
        Kept ones.
    rows : pandas.DataFrame
        ``who``, ``cut`` and ``mid`` (days): churns alone, since all pairs come into memory.

    Returns
    -------
    row, touchpoint : ndarray of int, shape (pairs,)
        The row's place in ``rows``, and the touchpoint's; in order of row, touchpoint and age.
    age : ndarray, shape (pairs,)
        Days from the contact to the row's middle.
    """
    none = np.zeros(0, dtype=int)
    found = [(none, none, np.zeros(0))]
    if "bad" in known.classes and len(rows):
        sent = rows[["who", "cut", "mid"]].assign(row=np.arange(len(rows))).sort_values("who")
        for first in range(0, len(sent), _ROWS):
            found.append(_listed(dataset, known, sent.iloc[first : first + _ROWS]))
    row, place, age = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((age, place, row))
    return row[order], place[order], age[order]


def _listed(
    dataset: Dataset, known: Contacts, sent: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = dataset.attach(sent)
    bad = known.placed(dataset).filter(~nw.col("bad_from").is_null())
    pairs = rows.join(bad, on="who", how="inner")
    pairs = pairs.filter((nw.col("at") < nw.col("cut")) & (nw.col("bad_from") < nw.col("cut")))
    table = pairs.select("row", "touchpoint", age=nw.col("mid") - nw.col("at"))
    made: pd.DataFrame = table.collect(backend="pandas").to_native()
    return (made["row"].to_numpy(int), made["touchpoint"].to_numpy(int),
            made["age"].to_numpy(float))  # fmt: skip
