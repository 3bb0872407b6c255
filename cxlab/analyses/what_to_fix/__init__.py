"""What should be fixed next, and what would fewer failures change?"""

from __future__ import annotations

from typing import Any

import pandas as pd

from cxlab.analyses.what_to_fix import ahead, readable, theme_words, words
from cxlab.analyses.what_to_fix.asked import Wish
from cxlab.analyses.what_to_fix.choice import Ranking, rank
from cxlab.analyses.what_to_fix.study import Options, Study, prepare
from cxlab.analyses.what_to_fix.table import COLUMNS, by_segment, segment_of, touchpoints
from cxlab.analyses.what_to_fix.themes import by_theme
from cxlab.analyses.what_to_fix.what_if import Future, alone_future, future, future_of, past
from cxlab.data.dataset import Dataset
from cxlab.data.forecasts import FILE, Forecast, read, text
from cxlab.errors import UsageError, one_of
from cxlab.models.intervals import LEVEL
from cxlab.models.scenario import Basis
from cxlab.results import Check, Findings, Kept, Result, counted

__all__ = ["Options", "findings", "kept", "run"]

_MONTHS_SHOWN = 24


def run(
    dataset: Dataset,
    drivers: Result,
    basis: Basis | None,
    *,
    said: pd.DataFrame | None = None,
    **options: Any,
) -> Result:
    """Tell what fewer failures would change, and which to see to next.

    Parameters
    ----------
    dataset : Dataset
        As the drivers were found in.
    drivers, basis : Result, Basis or None
        Of ``churn_drivers.basis``: the fitted model.
    said : pandas.DataFrame, optional
        Of ``voice_of_customer.spoken``: who commented when, where and about what.
    **options
        See :class:`Options`.

    Returns
    -------
    Result
        A row a touchpoint; see :func:`cxlab.analyses.what_to_fix.table.touchpoints`. Parts, each
        where it can be told: ``ranking`` (drivers by what fixing is worth, with the probability of
        being the best next fix and the value of knowing more), ``learn``, ``past`` (what would
        have been, by month), ``future`` (what will be), ``segments``, ``themes`` (what is said of
        failures; see :func:`cxlab.analyses.what_to_fix.themes.by_theme`), ``forecasts``, ``seen``
        (who left by month); and for reading ``touchpoints, next, pasts, futures, by_segment,
        by_themes, by_month, assumptions``. Empty, with a sentence, where nothing can be told.

    Raises
    ------
    UsageError
        An option is out of its bounds, or the scenario, the ease or the segment cannot be.
    """
    settings = Options(**options)
    if settings.segment and settings.segment not in dataset.attributes:
        raise UsageError(one_of("segment", settings.segment, dataset.attributes))
    study = prepare(dataset, drivers, basis, settings)
    if isinstance(study, str):
        answer = f"What to fix cannot be told: {study}."
        empty = pd.DataFrame(columns=list(COLUMNS))
        return Result("what_to_fix", empty, (), dataset.about(), answer)
    return _told(study, said)


def _told(study: Study, said: pd.DataFrame | None) -> Result:
    futures = _futures(study)
    table, ranking = touchpoints(study, futures), rank(study, futures)
    wishes = study.asked or tuple(Wish(n, study.options.share) for n in study.called)
    parts = _asked(study, wishes) | _choice(study, ranking) | _segments(study)
    parts |= _themes(study, said)
    made = ahead.forecasts(study, futures)
    told = ahead.as_table(made)
    parts["forecasts"] = Result("forecasts", told, sentence=words.outlook(study, told))
    parts["by_month"] = readable.outlook(told)
    parts["seen"] = Result("seen", _seen(study))
    parts["touchpoints"] = readable.touchpoints(study, table)
    meta = _meta(study, ranking, wishes)
    parts["assumptions"] = Result(
        "assumptions", pd.DataFrame(), sentence="\n".join(words.assumptions(study))
    )
    return Result(
        "what_to_fix", table, tuple(_checks(study, table, parts)), meta,
        words.headline(study, ranking, table), parts,
    )  # fmt: skip


def _futures(study: Study) -> dict[str, Future]:
    """Give what the usual change does at each touchpoint whose effect may be told."""
    usable = [n for n, u in zip(study.names, study.basis.usable, strict=True) if u]
    made = {n: alone_future(study, n) for n in usable}
    return {n: f for n, f in made.items() if f is not None}


def _asked(study: Study, wishes: tuple[Wish, ...]) -> dict[str, Result]:
    """Answer the scenario: what would have been, and what will be."""
    parts: dict[str, Result] = {}
    happened, about = past(study, wishes)
    if len(happened):
        sentence = words.past(study, happened, about)
        parts["past"] = Result("past", happened, meta=about, sentence=sentence)
        parts["pasts"] = readable.past(study, happened)
    will = future(study, wishes)
    if will is None:
        why = study.ahead if isinstance(study.ahead, str) else "nobody left in the last days"
        said = f"The months ahead are not told: {why}."
        parts["future"] = Result("future", pd.DataFrame(columns=["month"]), sentence=said)
        return parts
    apart = sum(_alone(study, w) for w in wishes)
    told = words.future(study, wishes, will, apart)
    meta = {"saved": will.middle[0], "lifetime": will.middle[1], "steady": list(will.steady),
            "apart": apart}  # fmt: skip
    parts["future"] = Result("future", will.table, meta=meta, sentence=told)
    parts["futures"] = readable.future(will)
    return parts


def _alone(study: Study, wish: Wish) -> float:
    """Give the churn that one of the changes would avoid if it came alone."""
    made = future_of(study, {wish.touchpoint: wish.share}, words.delays(study, (wish,)))
    return float(made.table["estimate"].iloc[-1]) if made is not None else 0.0


def _choice(study: Study, ranking: Ranking) -> dict[str, Result]:
    table, learn = ranking.table, ranking.learn
    meta = {"chosen": ranking.chosen, "unit": ranking.unit, "costed": ranking.costed,
            "knowing_all": ranking.knowing_all}  # fmt: skip
    return {
        "ranking": Result("ranking", table, meta=meta, sentence=words.ranking(study, ranking)),
        "learn": Result("learn", learn, sentence=words.learn(study, ranking)),
        "next": readable.ranking(study, ranking),
    }


def _segments(study: Study) -> dict[str, Result]:
    names = [n for n in study.called if study.basis.usable[study.basis.place(n)]]
    if not names or not study.window.churns:
        return {}
    segment = study.options.segment or segment_of(study, names)
    if not segment:
        return {}
    table = by_segment(study, names, segment)
    sentence = words.segments(study, table, segment)
    meta = {"segment": segment, "withheld": int(table["estimate"].isna().sum())}
    return {
        "segments": Result("segments", table, meta=meta, sentence=sentence),
        "by_segment": readable.segments(study, table, segment),
    }


def _themes(study: Study, said: pd.DataFrame | None) -> dict[str, Result]:
    """Tell what customers say of the failures of drivers, where they were asked what they say."""
    if said is None:
        return {}
    names = [n for n in study.called if study.basis.usable[study.basis.place(n)]]
    if not names or said.empty:
        why = "there is no driver" if not names else "there are no comments"
        text = f"What customers say of failures is not told: {why}."
        return {"themes": Result("themes", pd.DataFrame(), sentence=text)}
    told = by_theme(study, names, said)
    meta = {"tied": told.tied, "comments": told.given, "spoken": told.spoken,
            "failures": told.failures, "days": told.days, "withheld": list(told.small),
            "merged": told.merged}  # fmt: skip
    text = theme_words.sentence(study, told, float(said.attrs.get("read", 1.0)))
    return {
        "themes": Result("themes", told.table, meta=meta, sentence=text),
        "by_themes": theme_words.readable(study, told.table),
    }


def _seen(study: Study) -> pd.DataFrame:
    """Give who left in the whole months that were seen."""
    whole = study.months[study.months["whole"]].tail(_MONTHS_SHOWN)
    names = [f"{1970 + m // 12}-{m % 12 + 1:02d}" for m in whole["month"]]
    return pd.DataFrame({"month": names, "leavers": whole["leavers"].to_numpy(),
                         "there": whole["there"].to_numpy()})  # fmt: skip


def _meta(study: Study, ranking: Ranking, wishes: tuple[Wish, ...]) -> dict[str, Any]:
    options, money = study.options, study.money
    return {
        **study.dataset.about(),
        "scale": "customers who would not leave",
        "level": LEVEL,
        "window_days": study.window_days,
        "window_churns": study.window.churns,
        "churns": study.basis.churns,
        "customers": int(study.drivers.meta["customers"]),
        "horizon_months": options.horizon_months,
        "share": options.share,
        "scenario": [[w.touchpoint, w.share, w.since.isoformat() if w.since else ""]
                     for w in wishes],
        "asked": bool(study.asked),
        "currency": study.dataset.settings.currency or "",
        "unit": ranking.unit,
        "costed": ranking.costed,
        "chosen": ranking.chosen,
        "per_monthly": None if isinstance(money, str) else money.per_monthly,
        "half_life_days": [float(h) for h in study.basis.half_life],
        "drivers": study.called,
    }  # fmt: skip


def _checks(study: Study, table: pd.DataFrame, parts: dict[str, Result]) -> list[Check]:
    """Say what the answer rests on, and what was left out."""
    made = [
        Check(
            "churns",
            study.window.churns >= words.FEW_CHURNS,
            f"{counted(study.window.churns, 'churn')} of the last {study.window_days} days "
            "stand for those to come",
        )
    ]
    few = int(table["affected"].isna().sum() - table["contacts"].isna().sum())
    if few > 0:
        made.append(
            Check("withheld", None, f"failures at {counted(few, 'touchpoint')} met fewer than "
                  f"{study.options.min_group} customers, whose numbers are withheld")
        )  # fmt: skip
    if "segments" in parts and (n := parts["segments"].meta["withheld"]):
        made.append(Check("segments withheld", None, f"{counted(n, 'group')} of fewer than "
                          f"{study.options.min_group} customers"))  # fmt: skip
    untold = table.loc[table["estimate"].isna(), ["touchpoint", "verdict"]]
    for verdict, part in untold.groupby("verdict", sort=True):
        text = f"no figure of customers or money is told of {words.named(part['touchpoint'])}"
        made.append(Check(f"not told: {verdict}", None, text))
    if isinstance(study.money, str):
        made.append(Check("money", None, f"what those saved bring is not told: {study.money}"))
    if (lack := words.lacking_costs(study)) and study.called:
        made.append(Check("costs", None, lack))
    return made


def findings(result: Result, notebook: str = "11_what_to_fix") -> Findings:
    """Word the answer for ``findings.json`` and the top of the report.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    notebook : str
        The notebook that says so.
    """
    return words.findings(result, notebook)


def kept(result: Result, state: str) -> Kept | None:
    """Give the forecasts of this run, with those of earlier ones, for runs to come.

    Parameters
    ----------
    result : Result
        Of :func:`run`.
    state : str
        The folder of what the last run handed on; empty: none.

    Returns
    -------
    Kept or None
        ``forecasts.json``; None where none were made.

    Raises
    ------
    DataError
        The file there cannot be read.
    """
    if "forecasts" not in result.parts or result["forecasts"].table.empty:
        return None
    day = pd.Timestamp(result.meta["as_of"]).date()
    return Kept(FILE, text([*read(state), *_forecasts(result, day)]))


def _forecasts(result: Result, day: Any) -> list[Forecast]:
    rows = result["forecasts"].table
    made = []
    for row in rows.itertuples():
        failed = (row.failures, row.failures_low, row.failures_high)
        known = [None if pd.isna(v) else float(v) for v in failed]
        month = pd.Timestamp(f"{row.month}-01").date()
        made.append(Forecast(day, row.touchpoint or None, float(row.share), month, row.estimate,
                             row.conf_low, row.conf_high, *known))  # fmt: skip
    return made
