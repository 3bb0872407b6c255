from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest

from cxlab.results import (
    FINDINGS_MIME,
    MINUS,
    RESULT_MIME,
    Check,
    Finding,
    Findings,
    Plain,
    Result,
    counted,
    legible,
    listed,
    money,
    ratio_text,
)


def _result() -> Result:
    table = pd.DataFrame(
        {
            "term": ["a", "b<c>"],
            "estimate": [0.5, np.nan],
            "n": [3, 4],
            "day": [pd.Timestamp(0), pd.NaT],
        }
    )
    checks = (Check("rows", None, "7 rows"), Check("fit", False, "no"), Check("ok", True, "yes"))
    meta = {
        "as_of": dt.date(2026, 6, 30),
        "x": np.float64(1.5),
        "inf": np.inf,
        "l": (1, np.int64(2)),
    }
    return Result("toy", table, checks, meta, "One & all.", {"part": Result("part", table[:1])})


def test_goes_through_json_and_back() -> None:
    first = _result().to_dict()
    text = json.dumps(first, allow_nan=False)
    again = Result.from_dict(json.loads(text))
    assert again.to_dict() == first
    assert again["part"].table["term"].tolist() == ["a"]
    assert first["meta"] == {"as_of": "2026-06-30", "x": 1.5, "inf": None, "l": [1, 2]}
    assert first["table"]["rows"][1] == ["b<c>", None, 4, None]


def test_summary_tells_sentence_and_checks() -> None:
    lines = _result().summary().splitlines()
    assert lines == ["One & all.", "[note] rows: 7 rows", "[failed] fit: no", "[passed] ok: yes"]


def test_html_escapes_what_comes_from_data() -> None:
    shown = _result()._repr_html_()
    assert "b&lt;c&gt;" in shown
    assert "One &amp; all." in shown and shown.startswith('<div class="mathjax_ignore">')
    assert RESULT_MIME in _result()._repr_mimebundle_()


def test_sentences_are_shown_to_the_letter() -> None:
    one = Plain("[x](http://y) <b> $a$")._repr_mimebundle_()
    assert one == {
        "text/plain": "[x](http://y) <b> $a$",
        "text/html": '<p class="mathjax_ignore">[x](http://y) &lt;b&gt; $a$</p>',
    }
    several = Plain("# a", "", "- b")._repr_mimebundle_()
    assert several["text/html"] == '<ul class="mathjax_ignore"><li># a</li><li>- b</li></ul>'
    assert Plain("")._repr_mimebundle_() == {"text/plain": "", "text/html": ""}


def test_what_has_no_shape_becomes_a_mark() -> None:
    mark = "\ufffd"
    assert legible("a\x00b\x1bc\ud800d\u202ee\u2067f\x85g") == mark.join("abcdefg")
    kept = "line\nend\ttab שלום 😀 e\u0301 \u200d"
    assert legible(kept) == kept


def test_findings_show_and_carry_themselves() -> None:
    found = Findings([Finding("a.b", "05", "x < y", np.nan, 1.0, 2.0, "customers", 3, "driver")])
    assert "x &lt; y" in found._repr_html_()
    plain = found._repr_mimebundle_()[FINDINGS_MIME]["findings"][0]
    assert plain["estimate"] is None
    assert list(plain) == [
        "id", "notebook", "statement", "estimate", "conf_low", "conf_high", "unit", "n", "verdict",
    ]  # fmt: skip


def test_words_for_numbers_and_names() -> None:
    assert (counted(1, "row"), counted(2000, "row")) == ("1 row", "2,000 rows")
    assert counted(2, "touchpoint drives", "touchpoints drive") == "2 touchpoints drive"
    assert [listed("abcd"[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert listed("abcd", 2) == "a, b and 2 more"
    assert [ratio_text(r) for r in (12.3, 0.5, 0.06, 0.0012)] == ["12.30", "0.50", "0.06", "0.0012"]


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        (91_477.0, "EUR", "EUR 91,500"),
        (1_254_000.0, "EUR", "EUR 1.25 million"),
        (-24.3, "USD", f"USD {MINUS}24.30"),
        (24.3, "JPY", "JPY 24"),
        (-0.001, None, "0.00"),
    ],
)
def test_money_has_three_figures(value: float, currency: str | None, text: str) -> None:
    assert money(value, currency) == text


def test_a_result_says_briefly_what_it_holds() -> None:
    table = pd.DataFrame({"a": range(2000), "b": "x" * 50})
    part = Result("part", pd.DataFrame())
    assert repr(part) == "<Result part: 0 rows of nothing>"
    told = "<Result whole: 2,000 rows of a, b; parts: one>"
    assert repr(Result("whole", table, sentence="So.", parts={"one": part})) == told
