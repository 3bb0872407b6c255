"""Pictures of risks show the figures they are given, and nothing where there are none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cxlab.plots import risk
from cxlab.plots.risk import pictured
from cxlab.results import Result

NAMES = ("league", "calibration", "decision", "lift", "by_day", "spread")
MODELS = ("base rate", "two-variable rule", "elastic net", "logit")


def _result() -> Result:
    n = np.arange(1, 5)
    league = pd.DataFrame(
        {"model": MODELS, "estimate": [0.5, 0.55, 0.7, 0.69], "conf_low": 0.5, "conf_high": 0.75,
         "brier": 0.05, "used": [m == "elastic net" for m in MODELS]}
    )  # fmt: skip
    three = {"estimate": 0.05 * n, "conf_low": 0.04 * n, "conf_high": 0.06 * n}
    curve = pd.DataFrame({"told": 0.05 * n, **three, "customers": 90, "leavers": 9})
    two = [m for m in ("elastic net", "two-variable rule") for _ in n]
    both = {k: np.tile(v, 2) for k, v in three.items()}
    lift = pd.DataFrame({"model": two, "share": np.tile([0.05, 0.1, 0.2, 0.5], 2), **both})
    decision = pd.DataFrame(
        {"model": two, "threshold": np.tile([0.02, 0.05, 0.1, 0.2], 2), **both,
         "all_estimate": 0.01, "gain": 0.002, "gain_low": -0.001}
    )  # fmt: skip
    by_day = pd.DataFrame(
        {"day": [f"2026-0{i}-01" for i in n], **three, "intercept": [0.1, -0.1, 0.0, 0.2],
         "intercept_low": -0.3, "intercept_high": 0.4}
    )  # fmt: skip
    spread = pd.DataFrame({"customers": 50, "low": 0.0, "told": 0.03 * n, "high": 0.2,
                           "expected": 4.0})  # fmt: skip
    tables = {"calibration": curve, "lift": lift, "decision": decision, "by_day": by_day,
              "spread": spread}  # fmt: skip
    meta = {
        "judged": 500, "days": 4, "period": ["2026-01-01", "2026-04-01"], "leavers": 60,
        "horizon_days": 90, "used": "elastic net", "rate": 0.06, "customers": 200,
        "as_of": "2026-06-30", "expected": 14.0,
    }  # fmt: skip
    parts = {k: Result(k, v) for k, v in tables.items()}
    return Result("churn_risk", league, meta=meta, sentence="told", parts=parts)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_says_what_it_shows(name: str) -> None:
    picture = pictured(_result(), name)
    assert picture is not None
    assert picture.name == f"churn_risk_{name}"
    assert "90 days" in picture.caption
    assert picture.alt.endswith(".")
    assert len(picture.data)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_said_to_be_so(name: str) -> None:
    empty = Result("churn_risk", pd.DataFrame(columns=["model", "estimate", "used"]), meta={})
    assert pictured(empty, name) is None
    ax = getattr(risk, name)(empty)
    assert not ax.axison
    assert len(ax.texts) == 1


def test_marks_are_the_figures() -> None:
    result = _result()
    ax = risk.calibration(result)
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    drawn = np.array(sorted((float(d.get_xdata()[0]), float(d.get_ydata()[0])) for d in dots))
    assert drawn == pytest.approx(result["calibration"].table[["told", "estimate"]].to_numpy())
    ax = risk.decision(result)
    labels = [line.get_label() for line in ax.lines]
    assert labels == ["elastic net", "two-variable rule", "act on everybody", "act on nobody"]
    assert ax.lines[0].get_ydata() == pytest.approx([50.0, 100.0, 150.0, 200.0])
    ax = risk.league(result)
    bold = [t.get_text() for t in ax.get_yticklabels() if t.get_fontweight() == "bold"]
    assert bold == ["elastic net"]
