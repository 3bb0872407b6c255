"""The contrasts that the driver table tells, for what stands beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cxlab.analyses.churn_drivers.study import Model, Study
from cxlab.results import Result

__all__ = ["QUICK", "nothing", "told"]

QUICK = "Left out in a quick run."


def told(study: Study, model: Model, table: pd.DataFrame) -> pd.DataFrame:
    """Give the contrasts of bad and good contacts that have figures, in the table's order.

    Parameters
    ----------
    study, model : Study, Model
        What was measured and fitted.
    table : pandas.DataFrame
        The driver table.

    Returns
    -------
    pandas.DataFrame
        The table's rows, with ``place`` (class and touchpoint's number), ``home`` (under which
        key of ``model.fits`` it was fitted) and ``driver`` (whether it is called one).
    """
    found = table[(table["valence"] != "contact") & table["hazard_ratio"].notna()]
    number = {name: k for k, name in enumerate(study.known.touchpoints)}
    places = [(v, number[t]) for t, v in zip(found["touchpoint"], found["valence"], strict=True)]
    driver = found["verdict"] == "driver"
    homes = [model.home(p) for p in places]
    fitted = np.array([model.of(p) is not None for p in places], dtype=bool)
    made = found.assign(place=places, home=homes, driver=driver)
    return made[fitted].reset_index(drop=True)


def nothing(name: str, columns: Sequence[str], why: str) -> Result:
    """Give an empty part that says why it is empty.

    Parameters
    ----------
    name : str
        Of the part.
    columns : sequence of str
        Those it would have.
    why : str
        A sentence.
    """
    return Result(name, pd.DataFrame(columns=list(columns)), sentence=why)
