"""The journey map: what happens at each touchpoint, stage by stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.analyses.journeys.cutting import Cut, collected, sums
from cxlab.analyses.journeys.sides import Sides
from cxlab.data.contract import Inactivity
from cxlab.frames.journeys import tenure_rates
from cxlab.frames.periods import days_since_epoch
from cxlab.models.clustered import RATE, SHARE, ratios
from cxlab.models.withheld import small_groups
from cxlab.results import Result, counted

__all__ = ["FIGURES", "NO_STAGE", "Asked", "asked", "bounds", "cells", "journey_map", "stages"]

Frame = nw.LazyFrame[Any]

FIGURES = ("failed", "score", "effort", "emotion", "exits")
"""The figures of the map, each a ratio of two sums over customers."""
NO_STAGE = "no stage given"
_TENURES = (0.0, 30.0, 90.0, 180.0, 365.0, 730.0)
_CELL = ("figure", "touchpoint", "who", "y", "x")
_COLUMNS = ["term", "estimate", "conf_low", "conf_high", "p_value", "n", "stage", "touchpoint",
            "figure", "contacts", "of", "expected", "withheld"]  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What tells each figure of the map.

    Parameters
    ----------
    answers : LazyFrame or None
        ``metric, score, when`` (days)``, who, touchpoint`` (its place): the scores given at
        touchpoints.
    metrics : dict
        Figure -> metric.
    missing : dict
        Figure -> why it cannot be told.
    """

    answers: Frame | None
    metrics: dict[str, str]
    missing: dict[str, str]


def asked(cut: Cut) -> Asked:
    """Choose the metrics: CES for effort, an emotional one for emotion, CSAT for the score.

    Without CSAT, the functional metric with most answers at touchpoints; of several emotional
    ones likewise.

    Parameters
    ----------
    cut : Cut
        The journeys.
    """
    known, answers = cut.dataset.settings.all_metrics, _answers(cut)
    counts: dict[str, int] = {}
    if answers is not None:
        table = collected(answers.group_by("metric").agg(n=nw.len()), "metric")
        table = table.sort_values("n", ascending=False, kind="stable")
        counts = {m: n for m, n in zip(table["metric"], table["n"], strict=True) if m in known}
    emotional = [m for m in counts if known[m].layer == "emotional"]
    others = [m for m in counts if known[m].layer == "functional" and m != "ces"]
    chosen = {
        "score": "csat" if "csat" in others else next(iter(others), None),
        "effort": "ces" if "ces" in counts else None,
        "emotion": next(iter(emotional), None),
    }
    declared = any(m.layer == "emotional" for m in known.values())
    none = "no scores are linked to a touchpoint"
    missing = {
        "score": none,
        "effort": "no answers to the metric ces are linked to a touchpoint",
        "emotion": none if declared else "dataset.yml declares no metric of layer emotional",
    }
    found = {figure: metric for figure, metric in chosen.items() if metric}
    missing = {figure: why for figure, why in missing.items() if figure not in found}
    if not cut.contacts.judging:
        missing["failed"] = cut.contacts.text
    if isinstance(cut.dataset.settings.churn, Inactivity):
        missing["exits"] = "churn is silence here, so that every end comes after a last contact"
    elif cut.spans is None or not cut.spans.left:
        missing["exits"] = cut.why or "nobody left while followed"
    return Asked(answers, found, missing)


def _answers(cut: Cut) -> Frame | None:
    """Give the scores by the touchpoint of the contact they are linked to, else as told."""
    dataset = cut.dataset
    there = set(dataset.columns("feedback"))
    if "score" not in there or not {"interaction_id", "touchpoint"} & there:
        return None

    def made() -> Frame:
        frame = dataset.table("feedback").filter(~nw.col("score").is_null())
        absent = [c for c in ("customer_id", "touchpoint", "interaction_id") if c not in there]
        blank = nw.lit(None, dtype=nw.String)
        times = [c for c in ("responded_at", "asked_at") if c in there]
        at = days_since_epoch(nw.coalesce(*times)) if times else nw.lit(cut.contacts.end - 1e-6)
        frame = frame.with_columns(*(blank.alias(c) for c in absent), when=at)
        if "interaction_id" in dataset.columns("interactions"):
            contact = dataset.table("interactions").select(
                "interaction_id", whose=nw.col("customer_id"), place=nw.col("touchpoint")
            )
            frame = frame.join(contact, on="interaction_id", how="left").with_columns(
                customer_id=nw.coalesce("whose", "customer_id"),
                touchpoint=nw.coalesce("place", "touchpoint"),
            )
        places = pd.DataFrame({"touchpoint": list(cut.names), "k": np.arange(len(cut.names))})
        frame = frame.select("metric", "score", "when", "customer_id", "touchpoint")
        frame = frame.join(dataset.attach(places), on="touchpoint", how="inner")
        frame = frame.join(cut.contacts.people, on="customer_id", how="inner")
        return frame.select("metric", "score", "when", "who", touchpoint=nw.col("k"))

    return dataset.keep("journeys_answers", made)


def cells(cut: Cut, told: Asked, exit_days: float, sides: Sides | None = None) -> Frame:
    """Give each figure as two sums a customer and touchpoint.

    Parameters
    ----------
    cut : Cut
        The journeys.
    told : Asked
        What tells each figure.
    exit_days : float
        An end within so many days follows a contact.
    sides : Sides, optional
        Of a comparison.

    Returns
    -------
    LazyFrame
        ``figure, touchpoint, who, y, x`` and, of a comparison, ``side``.
    """

    def of(frame: Frame, when: str) -> Frame:
        return frame if sides is None else sides.of(frame, when)

    by = ["touchpoint", "who", *(["side"] if sides else [])]
    contacts, parts = of(cut.contacts.frame, "at"), {}
    if "failed" not in told.missing:
        y, x = nw.col("bad").cast(nw.Int64), nw.col("judged").cast(nw.Int64)
        parts["failed"] = contacts.group_by(*by).agg(y=(y * x).sum(), x=x.sum())
    for figure, metric in told.metrics.items():
        assert told.answers is not None
        given = of(told.answers.filter(nw.col("metric") == metric), "when")
        parts[figure] = given.group_by(*by).agg(y=nw.col("score").sum(), x=nw.len())
    if "exits" not in told.missing:
        left = _exits(cut, contacts, exit_days, sides)
        parts["exits"] = left.group_by(*by).agg(nw.col("y").sum(), nw.col("x").sum())
    kept = [*_CELL, *(["side"] if sides else [])]
    frames = [
        frame.with_columns(
            nw.lit(figure).alias("figure"),
            nw.col("touchpoint").cast(nw.Int64),
            *(nw.col(c).cast(nw.Float64) for c in ("y", "x")),
        ).select(*kept)
        for figure, frame in parts.items()
    ]
    if not frames:
        none = nw.lit(0.0)
        frames = [contacts.with_columns(figure=nw.lit(""), y=none, x=none).select(*kept)]
    return nw.concat(frames, how="vertical")


def _exits(cut: Cut, contacts: Frame, days: float, sides: Sides | None) -> Frame:
    """Follow each contact for some days: ends in them (y), and ends expected (x).

    Expected are those of all customers at risk (of a comparison: on the same side) over as many
    days who have been there as long: what happens early, when more leave, would else seem to
    make them leave.
    """
    there, tenure = with_who(cut), nw.col("at") - nw.col("started")
    rate = nw.lit(0.0)
    for side in (0, 1) if sides else (0,):
        at_risk = sides.at_risk(there, side) if sides else there
        for low, value in zip(_TENURES, tenure_rates(at_risk, _TENURES), strict=True):
            here = tenure >= low
            here = here & (nw.col("side") == side) if sides else here
            rate = nw.when(here).then(nw.lit(value)).otherwise(rate)
    frame = contacts.join(there, on="who", how="inner")
    frame = frame.filter((nw.col("at") >= nw.col("began")) & (nw.col("at") < nw.col("until")))
    over = nw.min_horizontal(nw.col("at") + days, nw.col("until"))
    left = (nw.col("left_at") <= nw.col("at") + days).fill_null(False)
    return frame.with_columns(y=left.cast(nw.Float64), x=(over - nw.col("at")) * rate)


def with_who(cut: Cut) -> Frame:
    """Give the time at risk, with the customers' numbers: ``who`` beside what spans have."""
    assert cut.spans is not None
    spans, people = cut.spans.frame, cut.contacts.people
    return cut.dataset.keep(
        "journeys_spans",
        lambda: spans.join(people, on="customer_id", how="inner").select(
            "who", "started", "began", "until", "left_at"
        ),
    )


def stages(cut: Cut) -> pd.DataFrame:
    """Give each touchpoint its stage and its place on the map.

    Stages come in the order of ``dataset.yml``, then as in the table ``touchpoints``; within
    a stage, touchpoints as in that table; those it does not name come last.

    Returns
    -------
    pandas.DataFrame
        ``touchpoint, stage, k`` (the touchpoint's number), in order.
    """
    met = pd.DataFrame({"touchpoint": list(cut.names), "k": np.arange(len(cut.names))})
    met["stage"], met["at"] = NO_STAGE, len(met)
    if "stage" in cut.dataset.columns("touchpoints"):
        table = cut.dataset.table("touchpoints").select("touchpoint", "stage")
        listed_ = table.collect(backend="pandas").to_native()
        listed_ = listed_.drop_duplicates("touchpoint").assign(row=lambda t: range(len(t)))
        found = met.merge(listed_, on="touchpoint", how="left", suffixes=("", "_told"))
        met["stage"] = found["stage_told"].fillna(NO_STAGE).to_numpy()
        met["at"] = found["row"].fillna(len(listed_)).to_numpy()
    declared = {s: i for i, s in enumerate(cut.dataset.settings.stages)}
    first = met.groupby("stage")["at"].min()
    rank = {s: (declared.get(s, len(declared)), s == NO_STAGE, first[s]) for s in first.index}
    order = sorted(rank, key=lambda s: rank[s])
    met["rank"] = met["stage"].map({s: place for place, s in enumerate(order)})
    met = met.sort_values(["rank", "at", "touchpoint"], ignore_index=True)
    return met[["touchpoint", "stage", "k"]]


def journey_map(cut: Cut, told: Asked, exit_days: float) -> Result:
    """Tell each touchpoint's volume, failures, scores and exits.

    Parameters
    ----------
    cut : Cut
        The journeys.
    told : Asked
        What tells each figure.
    exit_days : float
        An end within so many days follows a contact.

    Returns
    -------
    Result
        A row a touchpoint and figure. ``estimate``: the share that failed; the mean score; of
        ``exits``, how many times as often customers leave within the days after a contact as
        customers at risk do over as many days who have been there as long. ``n``: customers;
        ``of``: contacts, or answers, or ends, that it rests on; ``expected``: ends expected.
    """
    volume = cut.contacts.frame.group_by("touchpoint", "who").agg(n=nw.len())
    volume = collected(
        volume.group_by("touchpoint").agg(contacts=nw.col("n").sum(), customers=nw.len()),
        "touchpoint",
    )
    volume = volume.astype({"contacts": int, "customers": int})
    found = sums(cells(cut, told, exit_days), ["figure", "touchpoint"])
    customers = volume["customers"].to_numpy(int)
    hidden = small_groups(customers, cut.min_group, customers < cut.min_group)
    if hidden.any():
        volume = volume.astype({"contacts": float, "customers": float})
        volume.loc[hidden, ["contacts", "customers"]] = np.nan
    figures = [f for f in FIGURES if (found["figure"] == f).any()]
    rows = [_figure(found, f, bounds(cut, told, f)) for f in figures or FIGURES[:1]]
    rows = pd.concat(rows, ignore_index=True)
    place = stages(cut)
    rows = place.merge(rows, left_on="k", right_on="touchpoint", suffixes=("", "_k"))
    few = rows["n"] < cut.min_group
    # How many left, or failed, of so few is theirs alone as well; and so is how few they are.
    gone = ["estimate", "conf_low", "conf_high", "n", "of", "expected"]
    rows[gone] = rows[gone].astype(float)
    rows.loc[few, gone] = np.nan
    rows["withheld"] = few
    rows = rows.merge(volume[["touchpoint", "contacts"]], left_on="k", right_on="touchpoint",
                      suffixes=("", "_v"))  # fmt: skip
    rows["term"] = rows["touchpoint"] + ": " + rows["figure"]
    table = rows.assign(p_value=np.nan)[_COLUMNS]
    shown = place.merge(volume, left_on="k", right_on="touchpoint", suffixes=("", "_v"))
    meta = {
        "places": _places(shown),
        "metrics": told.metrics,
        "missing": told.missing,
        "scales": {m: list(cut.dataset.settings.all_metrics[m].scale)
                   for m in told.metrics.values()},
        "better": {m: cut.dataset.settings.all_metrics[m].direction
                   for m in told.metrics.values()},
        "exit_days": exit_days,
    }  # fmt: skip
    said = _sentences(table, cut.contacts.rows, len(shown), exit_days)
    return Result("journey_map", table, meta=meta | {"fails": said[0]}, sentence=" ".join(said))


def _places(shown: pd.DataFrame) -> dict[str, list[Any]]:
    """Give touchpoints with their stage and volume; None where it is withheld."""
    columns = shown[["touchpoint", "stage", "contacts", "customers"]].to_dict("list")
    for name in ("contacts", "customers"):
        columns[name] = [None if np.isnan(v) else int(v) for v in columns[name]]
    return columns


def bounds(cut: Cut, told: Asked, figure: str) -> tuple[float, float]:
    """Give the bounds of a figure's values.

    Parameters
    ----------
    cut : Cut
        The journeys.
    told : Asked
        What tells each figure.
    figure : str
        One of :data:`FIGURES`, or another rate.
    """
    if figure in told.metrics:
        return cut.dataset.settings.all_metrics[told.metrics[figure]].scale
    return SHARE if figure == "failed" else RATE


def _figure(found: pd.DataFrame, figure: str, within: tuple[float, float]) -> pd.DataFrame:
    """Tell one figure of every touchpoint."""
    own = found[found["figure"] == figure].reset_index(drop=True)
    ended = figure == "exits"
    kept = own[["touchpoint", "figure"]].assign(
        n=own["n"].astype(int),
        of=own["y"] if ended else own["x"],
        expected=own["x"] if ended else np.nan,
    )
    return pd.concat([kept, ratios(own, within).drop(columns="se")], axis=1)


def _sentences(table: pd.DataFrame, contacts: int, many: int, exit_days: float) -> list[str]:
    said = [f"Customers had {counted(contacts, 'contact')} at {counted(many, 'touchpoint')}"]
    failed = table[(table["figure"] == "failed") & table["estimate"].notna()]
    if len(failed):
        most = failed.loc[failed["estimate"].idxmax()]
        said[0] += (
            f"; they fail most often at {most['touchpoint']}: {most['estimate']:.1%} "
            f"(95% interval {most['conf_low']:.1%} to {most['conf_high']:.1%})."
        )
    else:
        said[0] += "."
    exits = table[(table["figure"] == "exits") & table["estimate"].notna()]
    if len(exits):
        most = exits.loc[exits["estimate"].idxmax()]
        days, times = counted(int(exit_days), "day"), most["estimate"]
        said.append(
            f"Customers leave most often within {days} after {most['touchpoint']}: {times:.1f} "
            f"times as often as customers do who have been there as long, in {days}. "
        )
        if times >= 1:
            said[-1] += (
                "That they come together does not say that one leads to the other: whoever has "
                "decided to leave gets in touch as well."
            )
        else:
            said[-1] += "So after no touchpoint do more leave than would anyway."
    return said
