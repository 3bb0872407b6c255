"""The picture of the claims reads the result, and draws what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxlab.plots import claims as drawn
from cxlab.plots.style import ACCENT
from cxlab.results import Result


def _row(claim: str, unit: str, middle: float, **more: object) -> dict[str, object]:
    row = {"claim": claim, "text": f"{claim} <b>$x$</b>", "figure": "more", "unit": unit,
           "estimate": middle, "conf_low": middle - 0.02, "conf_high": middle + 0.02,
           "raw": -0.1, "raw_low": -0.15, "raw_high": -0.05, "holds_from": 0.0,
           "holds_to": np.inf, "claimed_low": np.nan, "claimed_high": np.nan,
           "verdict": "holds here", "n": 900}  # fmt: skip
    return row | more


@pytest.fixture
def result() -> Result:
    rows = [
        _row("one_bad", "share", 0.03, claimed_low=0.32, claimed_high=0.32),
        _row("retention", "percent", 0.11, holds_from=0.25, holds_to=0.95, claimed_low=0.25,
             claimed_high=0.95, verdict="does not hold here"),
        _row("spend", "money", 2.0, raw=np.nan, raw_low=np.nan, raw_high=np.nan),
        _row("winning", "times", 6.0, conf_high=np.inf, raw_low=np.nan, raw_high=np.nan),
        _row("referrals", "share", np.nan, conf_low=np.nan, conf_high=np.nan,
             verdict="cannot tell"),
    ]  # fmt: skip
    meta = {"currency": "EUR", "as_of": "2026-06-30"}
    return Result("cx_claims", pd.DataFrame(rows), meta=meta)


def _ends(ax: object, colour: str) -> list[float]:
    lines = [line for line in ax.lines if line.get_color() == colour and len(line.get_xdata()) == 2]
    return [float(v) for v in lines[-1].get_xdata()]


def test_each_claim_has_its_two_figures_on_the_scale_it_is_read_on(result: Result) -> None:
    figure = drawn.claims(result).figure
    panels = [ax for ax in figure.axes if ax.get_visible()]
    assert len(panels) == 4  # what cannot be told is not drawn
    first, second = panels[:2]
    assert _ends(first, ACCENT) == pytest.approx([1, 5])
    low, high = first.get_xlim()
    assert low < -15 and high > 32  # what is claimed is seen, however far
    assert [t.get_text() for t in first.get_yticklabels()] == ["in order of time", "as a dashboard"]
    grey = second.patches[0].get_extents().transformed(second.transData.inverted())
    assert (grey.x0, grey.x1) == pytest.approx((25, 95))
    assert "does not hold here" in second.get_title(loc="left")
    assert "EUR a month" in panels[2].get_xlabel()
    assert np.isfinite(panels[3].get_xlim()).all()


def test_words_and_data(result: Result) -> None:
    words = drawn.claims_words(result)
    assert len(words["data"]) == 4 and words["data"]["estimate"].iloc[0] == pytest.approx(3)
    assert "1 further claim cannot be told" in words["caption"]
    assert "4 small panels" in words["alt"]
    # JSON knows no infinity: a stretch without an end comes back as one that is missing.
    known = replace(result, table=result.table.head(2))
    one, again = (drawn.pictured(r) for r in (known, Result.from_dict(known.to_dict())))
    assert one is not None and one.name == "cx_claims_claims"
    assert again is not None and again.svg == one.svg


def test_nothing_to_draw(result: Result) -> None:
    table = result.table
    nothing = replace(result, table=table[table["estimate"].isna()])
    assert drawn.pictured(nothing) is None
    assert "No claim" in drawn.claims(nothing).texts[0].get_text()
