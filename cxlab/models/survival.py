"""Survival models on plain frames, fitted by lifelines."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from cxlab.errors import AnalysisError

__all__ = ["cox"]


def cox(terms: pd.DataFrame, duration: np.ndarray, event: np.ndarray) -> pd.DataFrame:
    """Fit Cox's proportional hazards model (Cox 1972), ties by Efron's method.

    Parameters
    ----------
    terms : pandas.DataFrame, shape (n, p)
        Covariates, complete and of full rank.
    duration : ndarray, shape (n,)
        Time to the event or to censoring.
    event : ndarray, shape (n,)
        1 where the event happened.

    Returns
    -------
    pandas.DataFrame
        ``term, estimate`` (log hazard ratio), ``se, p_value``.

    Raises
    ------
    AnalysisError
        The fit fails, as where a value is missing.
    """
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError, ConvergenceWarning

    data = terms.assign(cx_duration=np.asarray(duration, float), cx_event=np.asarray(event))
    try:
        # A term that tells who left overflows and warns; it shows in the figures, which the
        # caller judges.
        with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = CoxPHFitter().fit(data, "cx_duration", "cx_event")
    except (ConvergenceError, TypeError, ValueError, np.linalg.LinAlgError) as error:
        raise AnalysisError(
            f"the Cox model cannot be fitted: {str(error).splitlines()[0]}"
        ) from error
    summary = fitted.summary
    return pd.DataFrame(
        {
            "term": list(terms.columns),
            "estimate": summary["coef"].to_numpy(),
            "se": summary["se(coef)"].to_numpy(),
            "p_value": summary["p"].to_numpy(),
        }
    )
