"""What may have changed: the outcomes of a touchpoint, and customers' sums around a start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import narwhals as nw
import numpy as np

from cxlab.analyses.did_it_work.plan import Options, Plan
from cxlab.data.dataset import Dataset
from cxlab.errors import AnalysisError
from cxlab.frames.customer_periods import Outcome, Times, Window, block_sums
from cxlab.frames.experience import Places, contact_rows, end_of, places
from cxlab.frames.people import People, people
from cxlab.frames.periods import RiskSet, risk_set
from cxlab.frames.surveys import answer_rows
from cxlab.models.group_time import Scale, Sums, sums_of
from cxlab.results import metric_label

__all__ = ["CHURN", "CONTACTS", "FAILURES", "Measured", "Study", "prepare"]

FAILURES, CONTACTS, CHURN = "failure rate", "contact rate", "churn"
_SCALE_SHARE = 0.25  # of a fifth worth knowing, what a score's whole scale is counted at


@dataclass(frozen=True)
class Measured:
    """An outcome of a touchpoint, and how it is told.

    Parameters
    ----------
    name : str
        ``failure rate``, ``contact rate``, ``churn``, or a score.
    outcome : Outcome
        Its rows.
    scale : {"ratio", "difference"}
        Whether time passes as a factor or as an amount.
    better : {"lower", "higher", ""}
        Which way is good; empty where neither is.
    worth : float
        The change worth knowing of, on the scale of estimates.
    """

    name: str
    outcome: Outcome
    scale: Scale
    better: str
    worth: float


@dataclass(frozen=True)
class Study:
    """The data as they are looked at.

    Parameters
    ----------
    dataset, options, person, known
        Where it comes from.
    risk : RiskSet or None
        The spells; None where nobody left.
    begin : float
        The first day of the feed.
    missing : dict of str to str
        Outcome -> why it cannot be told anywhere.
    """

    dataset: Dataset
    options: Options
    person: People
    known: Places
    risk: RiskSet | None
    begin: float
    missing: dict[str, str]
    _made: dict[str, Times] = field(default_factory=dict, repr=False)

    @property
    def end(self) -> float:
        """The first instant that is not seen."""
        return end_of(self.dataset)

    @cached_property
    def customers(self) -> int:
        """How many customers there are."""
        told = self.person.frame.select(n=nw.col("who").max() + 1).collect(backend="pyarrow")
        return int(told["n"][0] or 0)

    @property
    def times(self) -> Times | None:
        """Customers' time at risk; the same object each time, which keeps what it has read."""
        if self.risk is None:
            return None
        if "times" not in self._made:
            self._made["times"] = Times.of(self.risk, self.person)
        return self._made["times"]

    def place(self, touchpoint: str) -> int | None:
        """Give a touchpoint's place among the names; None where it was never met."""
        names = self.known.touchpoints
        return names.index(touchpoint) if touchpoint in names else None

    def failures(self, touchpoint: str) -> Measured | str:
        """Give the failure rate at a touchpoint, or why there is none."""
        if FAILURES in self.missing:
            return self.missing[FAILURES]
        place = self.place(touchpoint)
        frame = contact_rows(self.dataset, self.known, self.person)[0].frame
        frame = frame.filter((nw.col("touchpoint") == (-1 if place is None else place))
                             & (nw.col("failed_x") == 1) & ~nw.col("who").is_null())  # fmt: skip
        rows = frame.select(
            "who",
            "at",
            y=nw.col("failed_y").cast(nw.Float64),
            x=nw.col("failed_x").cast(nw.Float64),
        )
        if place is None or not rows.select(nw.len()).collect(backend="pyarrow").item():
            return f"no contact at {touchpoint} has an outcome"
        outcome = Outcome(f"{FAILURES} at {touchpoint}", rows, None, self.end)
        return Measured(FAILURES, outcome, "ratio", "lower", self._worth)

    @property
    def _worth(self) -> float:
        return float(-np.log1p(-self.options.worthwhile))

    def outcomes(self, touchpoint: str) -> dict[str, Measured | str]:
        """Give all outcomes of a touchpoint, the main one first, or why there are none."""
        return {
            FAILURES: self.failures(touchpoint),
            **self._score(touchpoint),
            CONTACTS: self._contacts(touchpoint),
            CHURN: self._churn(),
        }

    def _score(self, touchpoint: str) -> dict[str, Measured | str]:
        found = answer_rows(self.dataset, self.known, self.person)
        if isinstance(found, str):
            return {"score": found}
        place = self.place(touchpoint)
        mine = found.frame.filter(nw.col("touchpoint") == (-1 if place is None else place))
        mine = mine.filter(~nw.col("who").is_null())
        told = mine.group_by("metric").agg(n=nw.len()).collect(backend="pyarrow").rows()
        if not told:
            return {"score": f"no score is linked to {touchpoint}"}
        metric = min(told, key=lambda r: (-r[1], r[0]))[0]
        scale = self.dataset.settings.all_metrics[metric]
        rows = mine.filter(nw.col("metric") == metric)
        rows = rows.select("who", "at", y=nw.col("score"), x=nw.lit(1.0))
        wide = scale.scale[1] - scale.scale[0]
        better = "higher" if scale.direction == "higher_is_better" else "lower"
        outcome = Outcome(f"{metric} at {touchpoint}", rows, None, self.end)
        worth = self.options.worthwhile * _SCALE_SHARE * wide
        name = f"{metric_label(metric)} score"
        return {name: Measured(name, outcome, "difference", better, worth)}

    def _contacts(self, touchpoint: str) -> Measured | str:
        place = self.place(touchpoint)
        if CONTACTS in self.missing:
            return self.missing[CONTACTS]
        if place is None:
            return f"table interactions has no contact at {touchpoint}"
        assert self.times is not None  # for mypy: missing says so else
        frame = contact_rows(self.dataset, self.known, self.person)[0].frame
        frame = frame.filter((nw.col("touchpoint") == place) & ~nw.col("who").is_null())
        rows = self.times.within(frame.select("who", "at", y=nw.lit(1.0)))
        outcome = Outcome(f"{CONTACTS} at {touchpoint}", rows, self.times, self._followed)
        return Measured(CONTACTS, outcome, "ratio", "", self._worth)

    def _churn(self) -> Measured | str:
        if CHURN in self.missing:
            return self.missing[CHURN]
        outcome = Outcome(CHURN, None, self.times, self._followed)
        return Measured(CHURN, outcome, "ratio", "lower", self._worth)

    @property
    def _followed(self) -> float:
        return self.risk.end if self.risk is not None else self.end

    def sums(
        self, outcome: Outcome, windows: Sequence[Window], group: np.ndarray, groups: int
    ) -> Sums:
        """Sum an outcome by group of customers and period.

        Parameters
        ----------
        outcome : Outcome
            What is summed.
        windows : sequence of Window
            The periods.
        group : ndarray of int, shape (customers,)
            The groups; below 0: does not count.
        groups : int
            How many.
        """
        made = None
        for who, y, x in block_sums(self.dataset, outcome, windows, self.customers):
            part = sums_of(y, x, group[who], groups)
            made = part if made is None else made + part
        assert made is not None  # there is a customer
        return made

    def window(self, plan: Plan, start: float, days: float, most: tuple[int, int], until: float
               ) -> Window:  # fmt: skip
        """Give the whole periods around a start in which nothing else was done."""
        low, high = max(plan.low, self.begin), min(plan.high, until)
        before = int(np.clip(np.floor((start - low) / days), 0, most[0]))
        after = int(np.clip(np.floor((high - start) / days), 0, most[1]))
        return Window(start, days, before, after)


def prepare(dataset: Dataset, options: Options) -> Study | str:
    """Look at what the data have, or say why nothing can be told.

    Parameters
    ----------
    dataset : Dataset
        In the spell form.
    options : Options
        Settings.
    """
    person = people(dataset)
    if person is None:
        return "table customers has no customer_id"
    missing: dict[str, str] = {}
    try:
        risk: RiskSet | None = risk_set(dataset, 1, 0.0)
    except AnalysisError as error:
        # A report names no folder of the machine that made it.
        risk, why = None, str(error).removeprefix(f"{dataset.path}: ")
        missing |= {CHURN: why, CONTACTS: why}
    known = places(dataset)
    if "interactions" not in dataset.tables:
        missing |= dict.fromkeys((FAILURES, CONTACTS), "the dataset has no table interactions")
    elif "outcome" not in dataset.columns("interactions"):
        missing[FAILURES] = "table interactions has no outcome"
    begin = risk.begin if risk is not None else _first(dataset)
    return Study(dataset, options, person, known, risk, begin, missing)


def _first(dataset: Dataset) -> float:
    from cxlab.frames.periods import days_since_epoch

    if "interactions" not in dataset.tables:
        return -np.inf
    at = days_since_epoch(nw.col("occurred_at")).min()
    told = dataset.table("interactions").select(at=at).collect(backend="pyarrow")["at"][0]
    return -np.inf if told is None else float(np.floor(told))
