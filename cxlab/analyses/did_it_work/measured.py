"""What may have changed: the outcomes of a touchpoint, and customers' sums around a start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import narwhals as nw
import numpy as np

from cxlab.analyses.did_it_work.failed import Failing, failing
from cxlab.analyses.did_it_work.plan import Options, Plan, day_of, month_of
from cxlab.data.dataset import Dataset
from cxlab.errors import AnalysisError
from cxlab.frames.customer_periods import Outcome, Times, Window, block_sums
from cxlab.frames.engine import how_many
from cxlab.frames.experience import Places, end_of, places
from cxlab.frames.people import People, people
from cxlab.frames.periods import RiskSet, risk_set
from cxlab.frames.surveys import answer_rows
from cxlab.models.group_time import Scale, Sums, sums_of
from cxlab.results import counted, metric_label

__all__ = ["CHURN", "CONTACTS", "FAILURES", "WORTH", "Measured", "Study", "amount", "prepare"]

FAILURES, CONTACTS, CHURN = "failure rate", "contact rate", "churn"
WORTH = "; a change by"
"""Between why it is too early, and from when on it is not."""
_SCALE_SHARE = 0.25  # of a fifth worth knowing, what a score's whole scale is counted at


def amount(scale: str, value: float) -> str:
    """Write a size on the scale of estimates: a share of a rate, or points of a score.

    Parameters
    ----------
    scale : {"ratio", "difference"}
        The scale.
    value : float
        The size; of shares that which is less.
    """
    if scale == "ratio":
        share = 100 * -np.expm1(-value)
        return f"{share:.0f}%" if share >= 1 else "less than 1%"
    return f"{value:.2g} points"


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
    delay : float
        Days until it is known of a row what it counts.
    notes : tuple of str
        What does not count, in sentences.
    """

    name: str
    outcome: Outcome
    scale: Scale
    better: str
    worth: float
    delay: float = 0.0
    notes: tuple[str, ...] = ()

    def waiting(self, why: str, end: float, seen: float | None, most: int) -> str:
        """Add to why it is too early to tell from when on a change can be seen.

        Parameters
        ----------
        why : str
            Why it is.
        end : float
            The first day not seen.
        seen : float or None
            The day from which a change worth knowing of would be seen; infinite: not within
            ``most`` days; None: not known.
        most : int
            How long it is followed at most.
        """
        if seen is None:
            return why
        when = (
            f"within {counted(most, 'day')} of it" if np.isinf(seen)
            else f"before {month_of(seen + self.delay, end)}"
        )  # fmt: skip
        return f"{why}{WORTH} {amount(self.scale, self.worth)} cannot be seen {when}"

    def over(self, day: float) -> str:
        """Say when a time that ends on a day is over, and what came in it is known."""
        return f"over{' and judged' if self.delay else ''} on {day_of(day + self.delay)}"


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
    failing : Failing or None
        Which contacts failed; None without contacts.
    """

    dataset: Dataset
    options: Options
    person: People
    known: Places
    risk: RiskSet | None
    begin: float
    missing: dict[str, str]
    failing: Failing | None = None
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
        assert self.failing is not None  # for mypy: missing says so else
        place = self.place(touchpoint)
        reason = self.failing.none(place, touchpoint)
        if place is None or reason:
            return reason
        told = self.failing
        outcome = Outcome(f"{FAILURES} at {touchpoint}", told.rows(place), None, told.until)
        notes = tuple(filter(None, [told.note(place)]))
        return Measured(FAILURES, outcome, "ratio", "lower", self._worth, told.delay, notes)

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
        nobody = nw.col("who").is_null()
        told = mine.group_by("metric").agg(n=how_many(~nobody), lost=how_many(nobody))
        met = told.collect(backend="pyarrow").rows()
        if not met:
            return {"score": f"no score is linked to {touchpoint}"}
        metric, many, lost = min(met, key=lambda r: (-r[1], -r[2], r[0]))
        if not many:
            who = "it belongs to no known customer" if lost == 1 else (
                "they belong to no known customer")  # fmt: skip
            return {"score": f"of {counted(lost, 'answer')} at {touchpoint}, {who}"}
        scale = self.dataset.settings.all_metrics[metric]
        rows = mine.filter((nw.col("metric") == metric) & ~nobody)
        rows = rows.select("who", "at", y=nw.col("score"), x=nw.lit(1.0))
        wide = scale.scale[1] - scale.scale[0]
        better = "higher" if scale.direction == "higher_is_better" else "lower"
        outcome = Outcome(f"{metric} at {touchpoint}", rows, None, self.end)
        worth = self.options.worthwhile * _SCALE_SHARE * wide
        name = f"{metric_label(metric)} score"
        notes = (_unknown(metric_label(metric), many, lost),) if lost else ()
        return {name: Measured(name, outcome, "difference", better, worth, 0.0, notes)}

    def _contacts(self, touchpoint: str) -> Measured | str:
        place = self.place(touchpoint)
        if CONTACTS in self.missing:
            return self.missing[CONTACTS]
        if place is None:
            return f"table interactions has no contact at {touchpoint}"
        assert self.times is not None and self.failing is not None  # for mypy: missing says so
        frame = self.failing.frame.filter(
            (nw.col("touchpoint") == place) & ~nw.col("who").is_null()
        )
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
    known, told = places(dataset), None
    if "interactions" not in dataset.tables:
        missing |= dict.fromkeys((FAILURES, CONTACTS), "the dataset has no table interactions")
    else:
        told = failing(dataset, known, person)
        missing |= {FAILURES: told.why} if told.why else {}
    begin = risk.begin if risk is not None else _first(dataset)
    return Study(dataset, options, person, known, risk, begin, missing, told)


def _unknown(metric: str, many: int, lost: int) -> str:
    belong = "belongs to no known customer: the score there leaves it out" if lost == 1 else (
        "belong to no known customer: the score there leaves them out")  # fmt: skip
    return f"Of {counted(many + lost, f'{metric} answer')}, {lost:,} {belong}."


def _first(dataset: Dataset) -> float:
    from cxlab.frames.periods import days_since_epoch

    if "interactions" not in dataset.tables:
        return -np.inf
    at = days_since_epoch(nw.col("occurred_at")).min()
    told = dataset.table("interactions").select(at=at).collect(backend="pyarrow")["at"][0]
    return -np.inf if told is None else float(np.floor(told))
