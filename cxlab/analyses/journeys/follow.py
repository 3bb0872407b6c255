"""Customers drawn at a moment of their time, followed from then on."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.analyses.journeys.cutting import Cut
from cxlab.frames.adjustment import Adjustment, adjustment
from cxlab.frames.engine import PRIME
from cxlab.frames.journeys import spans
from cxlab.frames.periods import attribute
from cxlab.models.hazard import HazardFit, fit_hazard, independent_columns

__all__ = ["Fit", "drawn", "fitted", "held_equal"]

Frame = nw.LazyFrame[Any]


def drawn(cut: Cut, most: int) -> tuple[Frame, float]:
    """Draw customers by their hash, the same ones every time.

    Parameters
    ----------
    cut : Cut
        Journeys of customers who are followed.
    most : int
        About how many of them.

    Returns
    -------
    frame : LazyFrame
        Their spells: ``spell, who, started, began, until, left_at``, maybe ``monthly_value``,
        and the attributes.
    share : float
        Of all customers.
    """
    assert cut.risk is not None and cut.spans is not None
    kept = [c for c in ("monthly_value",) if c in cut.dataset.columns("customers")]
    kept += [attribute(a) for a in cut.dataset.attributes]
    share = min(1.0, most / max(cut.spans.customers, 1))
    frame = spans(cut.risk, ["spell", "key", *kept]).frame
    frame = frame.filter(nw.col("key") < int(share * PRIME)).drop("key")
    return frame.join(cut.contacts.people, on="customer_id", how="inner"), share


def held_equal(cut: Cut, rows: pd.DataFrame) -> Adjustment:
    """Give the columns that the driver model adjusts for, for these rows.

    Parameters
    ----------
    cut : Cut
        The journeys.
    rows : pandas.DataFrame
        With ``event, tenure, start`` and what :func:`drawn` gives.
    """
    return adjustment(rows, cut.dataset.attributes)


class Fit:
    """A hazard that is constant over the time followed, with some terms and others held equal.

    Parameters
    ----------
    terms : ndarray, shape (n, p)
        What is told.
    held : ndarray, shape (n, q)
        What is held equal; the constant first.
    """

    def __init__(
        self,
        terms: np.ndarray,
        held: np.ndarray,
        rows: pd.DataFrame,
    ) -> None:
        keep = independent_columns(np.hstack([held, terms]))
        own = keep[held.shape[1] :]
        self.terms = np.full(terms.shape[1], np.nan)
        self.se = self.terms.copy()
        x = np.hstack([held, terms])[:, keep]
        event = rows["event"].to_numpy(int)
        # Who left would have been followed for all of the time; who ended otherwise was not.
        time = np.where(event == 1, rows["potential"], rows["followed"]).astype(float)
        self.offset = np.log(np.maximum(time, 1e-6))
        fit: HazardFit = fit_hazard(
            x, event, offset=self.offset, link="cloglog", ridge=1e-6,
            clusters=pd.factorize(rows["who"])[0],
        )  # fmt: skip
        place = np.flatnonzero(own)
        self.terms[place] = fit.coef[len(fit.coef) - len(place) :]
        self.se[place] = fit.se[len(fit.coef) - len(place) :]
        coef = np.where(np.isnan(self.terms), 0.0, self.terms)
        self.rest = fit.eta - self.offset - terms @ coef

    def stay(self, term: int | None, days: float) -> float:
        """Give the share that would stay for some days, were all at one level of the terms.

        Parameters
        ----------
        term : int or None
            The term that is 1, all others 0; None: all are 0.
        days : float
            How long.
        """
        effect = 0.0 if term is None else self.terms[term]
        return float(np.exp(-np.exp(self.rest + effect) * days).mean())


def fitted(terms: np.ndarray, held: np.ndarray, rows: pd.DataFrame) -> Fit | None:
    """Fit, or give None where that fails.

    Parameters
    ----------
    terms, held : ndarray
        As of :class:`Fit`.
    rows : pandas.DataFrame
        ``who, event, followed`` and ``potential`` (days).
    """
    try:
        return Fit(terms, held, rows)
    except np.linalg.LinAlgError:
        return None
