"""The pictures of what stands beside the driver table, read from their Axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxlab.plots import doubts, fading, further, groups
from cxlab.plots.picture import Picture
from cxlab.plots.shown import shown
from cxlab.results import Plain, Result

META = {"customers": 900, "churns": 210, "as_of": "2026-06-30", "window_days": 90,
        "window_churns": 200,
        "window_start": "2026-04-02", "half_life_days": 20.0, "half_life_low": 10.0,
        "half_life_high": 40.0, "own_half_lives": {}, "form": "spells"}  # fmt: skip


def _result(**parts: Result) -> Result:
    rows = [("call", "bad", 2.5, 1.8, 3.5, "driver"), ("app", "bad", 1.5, 1.2, 1.9, "driver"),
            ("shop", "bad", 0.9, 0.5, 1.6, "no evidence")]  # fmt: skip
    columns = ["touchpoint", "valence", "hazard_ratio", "conf_low", "conf_high", "verdict"]
    table = pd.DataFrame(rows, columns=columns)
    return Result("churn_drivers", table, (), META, "Two drive.", parts)


def _marks(ax: Any) -> list[tuple[float, float]]:
    """Give the single marks of an Axes."""
    points = [(line.get_xdata(), line.get_ydata()) for line in ax.lines]
    return [(float(x[0]), float(y[0])) for x, y in points if len(x) == 1]


def _names(ax: Any) -> list[str]:
    return [t.get_text() for t in ax.get_yticklabels()]


# -- time --------------------------------------------------------------------------------------


def test_memory_halves_at_the_half_life_and_its_band_at_the_limits() -> None:
    profile = pd.DataFrame({"half_life": [7.0, 14, 28], "log_likelihood": [-20.0, -10, -12]})
    result = _result(half_life=Result("half_life", profile))
    ax = fading.memory(result)
    assert (20.0, 0.5) in _marks(ax)
    curve = max(ax.lines, key=lambda line: len(line.get_xdata()))
    assert np.interp(40, curve.get_xdata(), curve.get_ydata()) == pytest.approx(0.25)
    ends = ax.collections[0].get_paths()[0].vertices
    at_20 = ends[np.abs(ends[:, 0] - 20) < 1e-9, 1]
    assert min(at_20) == pytest.approx(0.25)  # two half-lives of 10 days
    assert max(at_20) == pytest.approx(0.5**0.5)
    beside = ax.figure.axes[1].lines[0]
    assert beside.get_ydata().tolist() == [-10.0, 0.0, -2.0]
    words = fading.memory_words(result)
    assert "20 days (10 to 40)" in words["alt"]
    for part in ("210", "900", "2026-06-30", "95%"):
        assert part in words["caption"]


def test_a_touchpoint_with_a_half_life_of_its_own_has_its_curve() -> None:
    result = _result()
    meta = {**META, "own_half_lives": {"app": [60.0, 30.0, 112.0]}}
    ax = fading.memory(Result("churn_drivers", result.table, (), meta))
    legend = [t.get_text() for t in ax.get_legend().get_texts()]
    assert legend == ["all others: 20 days (10 to 40)", "app: 60 days (30 to 112)"]
    assert {(20.0, 0.5), (60.0, 0.5)} <= set(_marks(ax))


def test_a_half_life_that_was_given_is_not_drawn() -> None:
    meta = {**META, "half_life_low": None, "half_life_high": None}
    assert fading.memory_words(Result("churn_drivers", _result().table, (), meta)) == {}
    nothing = _result().table.assign(verdict="no evidence")
    assert fading.memory_words(Result("churn_drivers", nothing, (), META)) == {}


def _sweep() -> Result:
    washouts = [0, 3, 14, 30]
    rows = [(t, "bad", d, 0.5, b, b / 2, b * 2, 9, 2.0) for t in ("call", "app", "shop")
            for d, b in zip(washouts, (2.1, 2.0, 1.9, 1.2), strict=True)]  # fmt: skip
    columns = ["touchpoint", "valence", "washout_days", "estimate", "hazard_ratio", "conf_low",
               "conf_high", "n", "expected"]  # fmt: skip
    pooled = pd.DataFrame({"washout_days": washouts, "estimate": [1.1, 1.0, 0.9, 0.3],
                           "conf_low": 0.2, "conf_high": 1.5, "n": 9})  # fmt: skip
    return Result("washout_sweep", pd.DataFrame(rows, columns=columns), (), {"washout_days": 3},
                  "It lasts.", {"pooled": Result("washout_sweep_pooled", pooled)})  # fmt: skip


def test_the_sweep_has_a_panel_for_all_and_one_a_driver() -> None:
    result = _result(washout_sweep=_sweep())
    ax = fading.washout_sweep(result)
    panels = [a for a in ax.figure.axes if a.get_visible()]
    assert [a.get_title(loc="left") for a in panels] == ["all drivers together", "call", "app"]
    assert [y for _, y in _marks(panels[0])] == [1.1, 1.0, 0.9, 0.3]
    assert [y for _, y in _marks(panels[1])] == [2.1, 2.0, 1.9, 1.2]
    hollow = [line.get_markerfacecolor() == "white" for line in panels[1].lines
              if len(line.get_xdata()) == 1]  # fmt: skip
    assert hollow == [False, False, False, True]  # beyond 14 days
    words = fading.washout_sweep_words(result)
    assert "0.90 without 14 days" in words["alt"]
    assert set(words["data"]["touchpoint"]) == {"all drivers", "call", "app"}
    assert "all but the last 3" in words["caption"]


# -- doubts ------------------------------------------------------------------------------------


def _agreement() -> Result:
    table = pd.DataFrame(
        {"touchpoint": ["call", "app", "shop"], "valence": "bad",
         "verdict": ["driver", "driver", "no evidence"], "model": np.log([2.5, 1.5, 0.9]),
         "cox": np.log([2.4, 1.6, 0.8]), "ridge_on_contacts": np.log([2.3, 1.4, 0.95]),
         "ridge_on_all": np.log([2.0, 1.3, 0.99]), "importance": [20.0, 5.0, -0.5],
         "importance_se": [4.0, 2.0, 1.0], "same_direction": [4, 4, 3],
         "among_leading": [5, 4, 1]}
    )  # fmt: skip
    return Result("agreement", table, (), {"leading": 2}, "They agree.")


def test_agreement_shows_every_method_in_its_row() -> None:
    result = _result(agreement=_agreement())
    ax = doubts.agreement(result)
    assert _names(ax) == ["call", "app", "shop"]
    assert [x for x, _ in _marks(ax)] == [2.5, 1.5, 0.9]
    drawn = [li for li in ax.lines if len(li.get_xdata()) == 3]
    assert [np.round(li.get_xdata(), 6).tolist() for li in drawn] == [
        [2.4, 1.6, 0.8], [2.3, 1.4, 0.95], [2.0, 1.3, 0.99],
    ]  # fmt: skip
    loss = ax.figure.axes[1]
    assert [x for x, _ in _marks(loss)] == [20.0, 5.0, -0.5]
    assert {"4 of 4", "5 of 5", "1 of 5"} <= {t.get_text() for t in loss.texts}
    words = doubts.agreement_words(result)
    assert "call 2.50 (1.80 to 3.50), Cox 2.40, in the lead by 5 of 5" in words["alt"]
    assert "first 2" in words["caption"]


def test_twenty_touchpoints_stay_readable_and_more_are_counted() -> None:
    many = pd.concat([_agreement().table] * 10, ignore_index=True)
    many["touchpoint"] = [f"t{i}" for i in range(len(many))]
    result = _result(agreement=Result("agreement", many, (), {"leading": 2}))
    ax = doubts.agreement(result)
    assert len(_names(ax)) == 25
    high = ax.figure.get_size_inches()[1] / 25
    assert high * 72 > 28  # points a row
    assert "Shown are 25 of 30" in doubts.agreement_words(result)["caption"]


def test_placebos_lie_beside_what_is_found() -> None:
    table = pd.DataFrame({"touchpoint": ["call", "shop"], "valence": "bad", "model_z": [5.0, 0.3]})
    drawn = pd.DataFrame({"placebo": [0, 1, 0, 1], "touchpoint": ["call", "call", "shop", "shop"],
                          "valence": "bad", "estimate": [0.2, -0.4, 0.1, 0.6],
                          "se": [0.2, 0.4, 0.5, 0.3], "p_value": 0.5})  # fmt: skip
    part = Result("placebo_outcomes", table, (), {"placebos": 2}, "Nothing is found.",
                  {"replicates": Result("placebo_replicates", drawn)})  # fmt: skip
    result = _result(placebo_outcomes=part)
    ax = doubts.placebo_outcomes(result)
    assert _names(ax) == ["call", "shop"]
    assert _marks(ax) == [(5.0, 1.0), (0.3, 0.0)]
    ticks = [np.round(li.get_xdata(), 6).tolist() for li in ax.lines if li.get_marker() == "|"]
    assert ticks[:2] == [[1.0, -1.0], [0.2, 2.0]]
    assert "2 times with outcomes shuffled" in doubts.placebo_outcomes_words(result)["caption"]


# -- groups, and beyond ------------------------------------------------------------------------


def test_segments_that_differ_come_first_and_are_filled() -> None:
    columns = ["attribute", "level", "touchpoint", "scale", "raw", "estimate", "conf_low",
               "conf_high", "n", "differs"]  # fmt: skip
    rows = [("plan", "a", "all drivers", "x", 0.7, 0.9, 0.6, 1.2, 500, False),
            ("plan", "b", "all drivers", "x", 1.4, 1.1, 0.8, 1.5, 400, False),
            ("plan", "a", "call", "y", 2.0, 2.0, 1.0, 4.0, 500, False),
            ("region", "n", "all drivers", "x", 2.1, 1.8, 1.4, 2.2, 300, True),
            ("region", "s", "all drivers", "x", 0.2, 0.4, 0.1, 0.7, 600, True)]  # fmt: skip
    part = Result("segments", pd.DataFrame(rows, columns=columns), sentence="It differs.")
    result = _result(segments=part)
    ax = groups.segments(result)
    panels = [a for a in ax.figure.axes if a.get_visible()]
    assert [a.get_title(loc="left") for a in panels] == ["region", "plan"]
    assert _names(ax) == ["n (300)", "s (600)"]
    assert [x for x, _ in _marks(ax)] == [1.8, 2.1, 0.4, 0.2]
    words = groups.segments_words(result)
    assert "Told to differ: region n 1.80; region s 0.40." in words["alt"]
    assert len(words["data"]) == 4


def _further() -> dict[str, Result]:
    def rows(*given: tuple[Any, ...]) -> pd.DataFrame:
        columns = ["term", "hazard_ratio", "conf_low", "conf_high", "n", "verdict"]
        return pd.DataFrame(given, columns=columns)

    nan = np.nan
    offsets = pd.DataFrame({"metric": ["csat"], "good": [0.7], "good_low": [0.5],
                            "good_high": [0.9], "bad": [nan], "bad_low": [nan], "bad_high": [nan],
                            "n": [20], "n_good": [300]})  # fmt: skip
    return {
        "beyond": Result("beyond", rows(("handoff", 1.3, 1.1, 1.5, 90, "matters"),
                                        ("wait", 1.0, 0.9, 1.1, 90, "no evidence"))),
        "recovery": Result("recovery", rows(("all touchpoints", 0.6, 0.4, 0.8, 50, "matters"),
                                            ("call", nan, nan, nan, 5, "too little data")),
                           (), {"right_days": 7.0}, "Put right, it is less."),
        "asymmetry": Result("asymmetry", offsets),
        "stack": Result("stack", rows(), sentence="Not known."),
    }  # fmt: skip


def test_beyond_is_one_forest_of_groups() -> None:
    result = _result(**_further())
    ax = further.beyond(result)
    assert _names(ax) == ["a handoff", "a wait twice as long", "all touchpoints",
                          "top score on csat"]  # fmt: skip
    assert [x for x, _ in _marks(ax)] == [1.3, 1.0, 0.6, 0.7]
    heads = {
        "from contact to contact",
        "a bad contact put right in 7 days",
        "against a score between",
    }
    assert heads <= {t.get_text() for t in ax.texts}
    words = further.beyond_words(result)
    assert words["caption"].startswith("3 of 4 can be told from none")
    assert "all touchpoints 0.60 (0.40 to 0.80)" in words["alt"]


def _scores(way: str, ratio: float) -> pd.DataFrame:
    terms = ("never asked", "asked, no answer", "per point", "per sd")
    rows = [
        (metric, term, way, ratio + i / 10, ratio, ratio + 1, 90, 9)
        for metric in ("nps", "csat")
        for i, term in enumerate(terms)
    ]
    return pd.DataFrame(rows, columns=["metric", "term", "way", "hazard_ratio", "conf_low",
                                       "conf_high", "n", "churns"])  # fmt: skip


def test_scores_are_drawn_as_answered_and_had_all_answered() -> None:
    by_score = pd.DataFrame({"metric": ["nps"] * 2, "score_low": [9.0, 0.0],
                             "score_high": [10.0, 6.0], "hazard_ratio": [0.8, 1.6],
                             "conf_low": [0.7, 1.2], "conf_high": [0.9, 2.0]})  # fmt: skip
    table = pd.concat([_scores("raw", 1.0), _scores("weighted", 2.0), _scores("together", 3.0)])
    part = Result("scores", table, (), {"memory_days": 180.0}, "nps tells.\ncsat does not.",
                  {"by_score": Result("by_score", by_score)})  # fmt: skip
    result = _result(scores=part)
    ax = further.scores(result)
    assert _names(ax) == ["less good by a sd", "asked, no answer", "never asked"] * 2
    raw = [x for x, _ in _marks(ax)][:6]
    assert raw == pytest.approx([1.3, 1.1, 1.0] * 2)
    assert [x for x, _ in _marks(ax)][6:12] == pytest.approx([2.3, 2.1, 2.0] * 2)
    assert "180 days" in further.scores_words(result)["caption"]
    shape = further.by_score(result)
    assert _marks(shape) == [(9.5, 0.8), (3.0, 1.6)]
    assert "nps from 1.60 at 0 to 0.80 at 10." in further.by_score_words(result)["alt"]
    said = shown(result, "scores")
    assert isinstance(said[0], Plain)
    assert said[0].lines == ["nps tells.", "csat does not."]
    assert [p.name for p in said[1:] if isinstance(p, Picture)] == [
        "churn_drivers_scores", "churn_drivers_by_score",
    ]  # fmt: skip


# -- what a page shows -------------------------------------------------------------------------


def test_a_part_that_is_empty_shows_its_sentence_alone() -> None:
    names = ("washout_sweep", "agreement", "placebo_outcomes", "segments", "scores", "beyond",
             "by_age", "by_tenure", "worth")  # fmt: skip
    parts = {n: Result(n, pd.DataFrame(), sentence=f"No {n}.") for n in names}
    result = Result("churn_drivers", _result().table[:0], (), META, "None.", parts)
    for name in result.parts:
        (only,) = shown(result, name, table=True)
        assert isinstance(only, Plain) and str(only) == f"No {name}."
    assert shown(result, "not there", table=True) == []


def test_a_part_shows_sentence_picture_and_table_in_this_order() -> None:
    result = _result(agreement=_agreement())
    sentence, drawn, table = shown(result, "agreement", table=True)
    assert isinstance(sentence, Plain) and str(sentence) == "They agree."
    assert isinstance(drawn, Picture) and drawn.name == "churn_drivers_agreement"
    assert isinstance(table, Result) and table.sentence == ""
    assert shown(result, "agreement", words=False)[0].name == "churn_drivers_agreement"  # type: ignore[union-attr]
    assert len(shown(_result(**_further()), "beyond", "recovery", "asymmetry", "stack")) == 2
