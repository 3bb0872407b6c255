"""Cox's model against R; tolerance 1e-4 of a standard error: the two stop at other last steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxlab.errors import AnalysisError
from cxlab.models.survival import cox

GOLDEN = Path(__file__).parents[1] / "golden"


def test_matches_r() -> None:
    # tests/golden/make_golden.R: coxph(Surv(time, status) ~ ...), ties by Efron
    veteran = pd.read_csv(GOLDEN / "veteran.csv")
    golden = pd.read_csv(GOLDEN / "cox.csv")
    terms = veteran[list(golden["term"])]
    table = cox(terms, veteran["time"].to_numpy(), veteran["status"].to_numpy())
    assert table["term"].tolist() == golden["term"].tolist()
    assert ((table["estimate"] - golden["coef"]).abs() < 1e-4 * golden["se"]).all()
    np.testing.assert_allclose(table["se"], golden["se"], rtol=1e-5)
    np.testing.assert_allclose(table["p_value"], golden["p"], rtol=1e-4)


def test_a_term_of_nan_is_refused() -> None:
    with pytest.raises(AnalysisError, match="Cox model cannot be fitted"):
        cox(pd.DataFrame({"x": [1.0, np.nan, 2.0]}), np.array([1.0, 2, 3]), np.array([1, 0, 1]))
