"""What a customer had lived through when a person-period began.

For each row and touchpoint a sum over the contacts before the row's ``cut``, less the
washout, of a kernel of the contact's age. Age runs from the contact to the row's middle.
Whether a contact was bad counts only from the moment it could be known. The engine finds
the pairs of row and contact, a range of customers at a time; they are fewer numbers than the
sums made of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from tqdm import tqdm

from cxlab.data.contract import Metric
from cxlab.data.dataset import Dataset
from cxlab.frames.engine import arranged, how_many, narrowed
from cxlab.frames.periods import RiskSet, days_since_epoch

__all__ = [
    "SINCE",
    "Behind",
    "Contacts",
    "Kernel",
    "Measured",
    "at_exit",
    "boxes",
    "contact_counts",
    "contacts",
    "exit_touchpoints",
    "judged",
    "linked",
    "measure",
    "resolving",
]

Frame = nw.LazyFrame[Any]
Measured = Mapping[tuple[str, str], np.ndarray]  # (kernel's name, class) -> (rows, touchpoints)
# The columns that tell since when, or until when, a contact is of a class.
SINCE = ("bad_from", "good_from", "unknown_until")
_NPS_BOTTOM, _NPS_TOP = 6, 9
# Rows are joined in blocks that give about so many pairs of a row and a contact, and fill no
# more than so many cells (a row's sum at one touchpoint): the sums then stay near the processor.
_PAIRS, _CELLS, _FIRST = 2_000_000, 500_000, 10_000


@dataclass(frozen=True)
class Kernel:
    """The weight of one contact by its age in days.

    Parameters
    ----------
    half_life : float, optional
        ``0.5 ** (age / half_life)``; None counts each contact as one.
    low, high : float
        Only contacts whose age is in ``[low, high)``.
    slope : bool
        The derivative of the decayed weight by the log of the half-life.
    classes : tuple of str, optional
        The classes to measure (default: all that there are).
    """

    half_life: float | None = None
    low: float = 0.0
    high: float = math.inf
    slope: bool = False
    classes: tuple[str, ...] | None = None

    def sums(
        self, cell: np.ndarray, age: np.ndarray, decayed: np.ndarray | None, cells: int
    ) -> np.ndarray:
        """Sum the weights of contacts, each in its cell.

        Parameters
        ----------
        cell : ndarray of int, shape (contacts,)
            From 0 up to ``cells``.
        age : ndarray, shape (contacts,)
            Days from contact to the middle of the row.
        decayed : ndarray, shape (contacts,), or None
            ``0.5 ** (age / half_life)``; None without a half-life.
        cells : int
            How many cells there are.
        """
        weight = decayed
        if weight is not None and self.half_life is not None and self.slope:
            weight = weight * age * (math.log(2) / self.half_life)
        if self.low > 0 or self.high < math.inf:
            within = (age >= self.low) & (age < self.high)
            if weight is None or 2 * np.count_nonzero(within) < len(within):
                cell, weight = cell[within], None if weight is None else weight[within]
            else:
                weight = weight * within
        return np.bincount(cell, weight, cells)


@dataclass(frozen=True)
class Contacts:
    """All contacts as events of a customer at a touchpoint, lazily.

    Parameters
    ----------
    frame : LazyFrame
        ``customer_id, touchpoint, at`` (days) and for each class the time from which the
        contact is known to belong to it (null: never): ``bad_from``, maybe ``good_from``,
        and ``unknown_until`` (null: at once judged; infinite: never) where contacts nobody
        judged are a class of their own. Once :meth:`kept`, ``who`` stands for the customer,
        and a touchpoint's place for its name.
    touchpoints : tuple of str
        All touchpoints met, in alphabetical order.
    classes : tuple of str
        Which of ``"bad"``, ``"good"``, ``"unknown"`` there are besides ``"all"``.
    text : str
        What makes a contact bad, in words.
    unmet : tuple of str
        Rules of ``dataset.yml`` that cannot be applied, and why.
    key : str
        The frame's column that names the customer.
    """

    frame: Frame
    touchpoints: tuple[str, ...]
    classes: tuple[str, ...]
    text: str
    unmet: tuple[str, ...] = ()
    key: str = "customer_id"

    def kept(self, risk: RiskSet) -> Contacts:
        """Give the contacts of customers at risk, read once and kept by the engine as numbers.

        Parameters
        ----------
        risk : RiskSet
            Who is at risk; rows to be measured must have its ``who``.
        """

        def coded() -> Frame:
            who = risk.followed.select("customer_id", "who")
            frame = self.placed(risk.dataset).join(who, on="customer_id", how="inner")
            # A customer's contacts side by side: whoever asks for some customers reads but those.
            # And by time, so that sums over them are made in the same order in every run.
            return frame.drop("customer_id").sort("who", "at")

        frame = risk.dataset.keep(f"contacts_of_{risk.name}", coded)
        return replace(self, frame=frame, key="who")

    def placed(self, dataset: Dataset) -> Frame:
        """Give the contacts, each touchpoint's place for its name.

        Parameters
        ----------
        dataset : Dataset
            Whose engine has them.
        """
        if self.key == "who":
            return self.frame
        places = pd.DataFrame({"touchpoint": self.touchpoints, "place": np.arange(self.count)})
        named = dataset.attach(places.astype({"place": "int16"}))
        frame = self.frame.join(named, on="touchpoint", how="inner").drop("touchpoint")
        return frame.rename({"place": "touchpoint"})

    @property
    def count(self) -> int:
        """Number of touchpoints."""
        return len(self.touchpoints)


def exit_touchpoints(dataset: Dataset) -> list[str]:
    """Name the touchpoints of stage ``exit``, at which customers leave.

    Parameters
    ----------
    dataset : Dataset
        Maybe with a table ``touchpoints``.
    """
    if "stage" not in dataset.columns("touchpoints"):
        return []
    leaving = dataset.table("touchpoints").filter(nw.col("stage").str.to_lowercase() == "exit")
    names: list[str] = (
        leaving.select("touchpoint").collect(backend="pyarrow")["touchpoint"].to_list()
    )
    return names


def at_exit(dataset: Dataset, touchpoints: Sequence[str]) -> np.ndarray:
    """Tell which of some touchpoints are of stage ``exit``.

    Parameters
    ----------
    dataset : Dataset
        Maybe with a table ``touchpoints``.
    touchpoints : sequence of str
        Their names.

    Returns
    -------
    ndarray of bool, shape (touchpoints,)
    """
    exits = set(exit_touchpoints(dataset))
    return np.array([t in exits for t in touchpoints], dtype=bool)


def contacts(dataset: Dataset, keep: Sequence[str] = ()) -> Contacts:
    """Tell each contact's class by its outcome, else by the score linked to it.

    ``failed`` is bad and ``ok`` ordinary; a contact with a null outcome is of unknown class.
    In a table without ``outcome`` the score linked by ``interaction_id`` decides: its bottom
    box is bad, its top box good (NPS: detractor, promoter), from the moment of the answer.
    The rules of ``dataset.yml`` add bad contacts. Outcome and score are never mixed.

    Parameters
    ----------
    dataset : Dataset
        With ``interactions``.
    keep : sequence of str
        Further columns of the table that the frame is to hold.
    """
    frame = dataset.table("interactions")
    there = dataset.columns("interactions")
    frame = frame.with_columns(at=days_since_epoch(nw.col("occurred_at")))
    names, unjudged = _touchpoints(frame, "outcome" in there)
    never = nw.lit(None, dtype=nw.Float64)
    classes: tuple[str, ...] = ()
    texts = []
    if "outcome" in there:
        failed = nw.col("outcome") == "failed"
        frame = frame.with_columns(
            bad_from=nw.when(failed).then(nw.col("at")),
            unknown_until=nw.when(nw.col("outcome").is_null()).then(nw.lit(math.inf)),
        )
        classes = ("bad", "unknown") if unjudged else ("bad",)
        texts.append("its outcome is failed")
    elif "interaction_id" in there and linked(dataset):
        frame = frame.join(judged(dataset), on="interaction_id", how="left").with_columns(
            unknown_until=nw.col("judged_from").fill_null(math.inf)
        )
        classes = ("bad", "good", "unknown")
        texts.append("the score given to it is in the bottom box")
    else:
        frame = frame.with_columns(bad_from=never)
    frame, more, unmet = _by_rules(dataset, frame)
    texts += more
    if more and "bad" not in classes:
        classes = ("bad",)
    columns = ["customer_id", "touchpoint", "at", "bad_from"]
    columns += ["good_from"] if "good" in classes else []
    columns += ["unknown_until"] if "unknown" in classes else []
    frame = frame.select(*columns, *keep)
    text = " or ".join(texts) if texts else "nothing tells a bad contact from an ordinary one"
    return Contacts(frame, names, classes, text, tuple(unmet))


def _touchpoints(frame: Frame, outcome: bool) -> tuple[tuple[str, ...], bool]:
    """Name the touchpoints in order, and tell whether the outcome of any contact is missing."""
    missing = nw.col("outcome").is_null().any() if outcome else nw.len() < 0
    found = frame.group_by("touchpoint").agg(missing=missing).sort("touchpoint")
    table = found.collect(backend="pandas").to_native()
    return tuple(table["touchpoint"]), bool(table["missing"].any())


def linked(dataset: Dataset) -> bool:
    """Tell whether scores are linked to contacts."""
    return {"interaction_id", "score", "responded_at"} <= set(dataset.columns("feedback"))


def judged(dataset: Dataset, metrics: Mapping[str, Metric] | None = None) -> Frame:
    """Give for each scored interaction since when it is known bad, good, or judged at all.

    Parameters
    ----------
    dataset : Dataset
        In which scores are linked to contacts.
    metrics : mapping, optional
        The metrics that judge (default: all).

    Returns
    -------
    LazyFrame
        ``interaction_id, bad_from, good_from, judged_from`` (days; null: never).
    """
    metrics = dataset.settings.all_metrics if metrics is None else metrics
    answers = dataset.table("feedback").filter(
        ~nw.col("interaction_id").is_null()
        & ~nw.col("score").is_null()
        & ~nw.col("responded_at").is_null()
        & nw.col("metric").is_in(list(metrics))
    )
    low, high = nw.lit(False), nw.lit(False)
    for name, metric in metrics.items():
        bottom, top = boxes(name, metric)
        low = low | ((nw.col("metric") == name) & bottom)
        high = high | ((nw.col("metric") == name) & top)
    when = days_since_epoch(nw.col("responded_at"))
    answers = answers.with_columns(
        judged=when, bad=nw.when(low).then(when), good=nw.when(high & ~low).then(when)
    )
    return answers.group_by("interaction_id").agg(
        bad_from=nw.col("bad").min(),
        good_from=nw.col("good").min(),
        judged_from=nw.col("judged").min(),
    )


def boxes(name: str, metric: Metric) -> tuple[nw.Expr, nw.Expr]:
    """Tell whether a score is in its metric's bottom box, and in its top box.

    Parameters
    ----------
    name : str
        The metric; of ``nps`` on its own scale, detractors and promoters.
    metric : Metric
        Its scale and direction.
    """
    score = nw.col("score")
    if name == "nps" and metric.scale == (0, 10):
        return score <= _NPS_BOTTOM, score >= _NPS_TOP
    ends = score <= metric.scale[0], score >= metric.scale[1]
    return ends if metric.direction == "higher_is_better" else ends[::-1]


def _by_rules(dataset: Dataset, frame: Frame) -> tuple[Frame, list[str], list[str]]:
    """Make contacts bad by the rules of ``dataset.yml``, from when the rule's limit passes.

    Gives the frame, what the rules say in words, and which of them cannot be applied.
    """
    rules, there = dataset.settings.bad, dataset.columns("interactions")
    texts, unmet = [], []
    found: list[nw.Expr] = []
    if (limit := rules.wait_over_seconds) is not None:
        if "response_seconds" in there:
            late = nw.col("response_seconds") > limit
            found.append(nw.when(late).then(nw.col("at") + limit / 86_400))
            texts.append(f"its wait is known and was over {limit:g} seconds")
        else:
            unmet.append("wait_over_seconds needs the column response_seconds")
    if (limit := rules.unresolved_after_days) is not None:
        if "resolved_at" in there:
            names = resolving(frame)
            solved = days_since_epoch(nw.col("resolved_at"))
            late = solved.is_null() | (solved > nw.col("at") + limit)
            late = late & nw.col("touchpoint").is_in(names)
            found.append(nw.when(late).then(nw.col("at") + limit))
            texts.append(
                f"it was not resolved after {limit:g} days (at {len(names)} touchpoints that "
                "resolve contacts)"
            )
        else:
            unmet.append("unresolved_after_days needs the column resolved_at")
    if found:
        earliest = nw.min_horizontal(nw.col("bad_from"), *found)
        frame = frame.with_columns(bad_from=earliest)
    return frame, texts, unmet


def resolving(frame: Frame) -> list[str]:
    """Name the touchpoints that resolve contacts: where nothing ever is, nothing has to be.

    Parameters
    ----------
    frame : LazyFrame
        Contacts, with ``touchpoint`` and ``resolved_at``.
    """
    solved = frame.filter(~nw.col("resolved_at").is_null()).select("touchpoint").unique()
    names: list[str] = solved.sort("touchpoint").collect(backend="pyarrow")["touchpoint"].to_list()
    return names


def measure(
    dataset: Dataset,
    known: Contacts,
    rows: pd.DataFrame,
    kernels: Mapping[str, Kernel],
    washout_days: float,
) -> Measured:
    """Sum each kernel over the contacts a row has behind it.

    Parameters
    ----------
    dataset : Dataset
        Whose engine does the work.
    known : Contacts
        The contacts.
    rows : pandas.DataFrame
        With ``cut`` and ``mid`` (days), and ``customer_id`` or, of kept contacts, ``who``.
    kernels : mapping
        Name -> kernel.
    washout_days : float
        Contacts in the last days before ``cut`` that are left out.

    Returns
    -------
    Measured
        For each kernel and class an array of shape (rows, touchpoints).
    """
    return _added_up(known, len(rows), kernels, _blocks(dataset, known, rows, washout_days))


@dataclass(frozen=True)
class _Block:
    """The pairs of some rows and the contacts behind them: which rows, each pair's cell and age."""

    places: np.ndarray
    cell: np.ndarray
    age: np.ndarray


@dataclass(frozen=True)
class Behind:
    """The contacts behind some rows, in memory, so that any kernel is summed without the engine.

    Parameters
    ----------
    known : Contacts
        The contacts.
    rows : int
        How many rows there are.
    blocks : tuple
        The pairs of a row and a contact.
    """

    known: Contacts
    rows: int
    blocks: tuple[_Block, ...]

    @classmethod
    def of(
        cls, dataset: Dataset, known: Contacts, rows: pd.DataFrame, washout_days: float, most: int
    ) -> Behind | None:
        """Find them, if there are not too many to be kept.

        Parameters
        ----------
        dataset, known, rows, washout_days
            As for :func:`measure`.
        most : int
            How many pairs may be kept.
        """
        blocks, pairs = [], 0
        for block in _blocks(dataset, known, rows, washout_days):
            pairs += len(block.cell)
            if pairs > most:
                return None
            blocks.append(block)
        return cls(known, len(rows), tuple(blocks))

    def measure(self, kernels: Mapping[str, Kernel]) -> Measured:
        """Sum each kernel, as :func:`measure` does.

        Parameters
        ----------
        kernels : mapping
            Name -> kernel.
        """
        return _added_up(self.known, self.rows, kernels, self.blocks)


def _added_up(
    known: Contacts, rows: int, kernels: Mapping[str, Kernel], blocks: Iterable[_Block]
) -> dict[tuple[str, str], np.ndarray]:
    there = ("all", *known.classes)
    wanted = [(name, c) for name, k in kernels.items() for c in there if c in (k.classes or there)]
    values = {key: np.zeros((rows, known.count)) for key in wanted}
    for block in blocks:
        shape = (len(there), len(block.places), known.count)
        for name, sums in _summed(kernels, block.cell, block.age, math.prod(shape)):
            by_class = sums.reshape(shape)
            for place, kind in enumerate(there):
                if (name, kind) in values:
                    found = by_class.sum(axis=0) if kind == "all" else by_class[place]
                    values[name, kind][block.places] = found
    return values


def _blocks(
    dataset: Dataset, known: Contacts, rows: pd.DataFrame, washout_days: float
) -> Iterator[_Block]:
    """Give the contacts behind rows, a range of customers at a time."""
    contacts = known.placed(dataset)
    # A block is a range of customers, so that the engine passes over the contacts of others.
    order = np.argsort(rows[known.key].to_numpy(), kind="stable")
    sent = pd.DataFrame(
        {
            known.key: rows[known.key].to_numpy()[order],
            "seen_until": rows["cut"].to_numpy()[order] - washout_days,
            "mid": rows["mid"].to_numpy()[order],
        }
    )
    most = max(_CELLS // max(known.count, 1), 1)
    first, size = 0, min(_FIRST, most)
    bar = tqdm(total=len(order), desc="exposures", unit="row", leave=False, disable=None)
    while first < len(order):
        block, places = sent.iloc[first : first + size], order[first : first + size]
        cell, age = _pairs(dataset, known, contacts, block)
        yield _Block(places, cell, age)
        first += len(block)
        bar.update(len(block))
        size = min(most, max(len(block) * _PAIRS // max(len(cell), 1), 1))
    bar.close()


def _pairs(
    dataset: Dataset, known: Contacts, contacts: Frame, block: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray]:
    """Give each row's contacts before its cut: the cell, and the age.

    A cell is a class, a row of the block and a touchpoint; ordinary contacts come first.
    """
    cells = len(block) * known.count
    rows = dataset.attach(block.assign(cell=np.arange(len(block)) * known.count))
    seen = nw.col("seen_until")
    member = {
        "bad": nw.col("bad_from") < seen,
        "good": nw.col("good_from") < seen,
        "unknown": nw.col("unknown_until") >= seen,
    }
    kind = nw.lit(0)
    # A contact is of one class at a time: once known to be bad it is no other.
    for place, name in reversed(list(enumerate(known.classes, start=1))):
        kind = nw.when(member[name]).then(nw.lit(place * cells)).otherwise(kind)
    contacts = narrowed(contacts, known.key, block[known.key].iloc[0], block[known.key].iloc[-1])
    pairs = rows.join(contacts, on=known.key, how="inner").filter(nw.col("at") < seen)
    cell, age = nw.col("cell") + nw.col("touchpoint") + kind, nw.col("mid") - nw.col("at")
    table = pairs.select(cell=cell, age=age).collect(backend="pyarrow").to_native()
    return arranged(pairs, table["cell"].to_numpy(), table["age"].to_numpy())


def _summed(
    kernels: Mapping[str, Kernel], cell: np.ndarray, age: np.ndarray, cells: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Give each kernel's sums by cell, from the longest half-life to the shortest."""
    before, decayed = 0.0, None
    for name in sorted(kernels, key=lambda n: kernels[n].half_life or 0.0, reverse=True):
        half_life = kernels[name].half_life
        if half_life is None:
            decayed = None
        elif decayed is not None and before == 2 * half_life:
            decayed *= decayed  # at half the half-life, and cheaper than a power
        elif before != half_life:
            decayed = age * (-math.log(2) / half_life)
            np.exp(decayed, out=decayed)
        before = half_life or 0.0
        yield name, kernels[name].sums(cell, age, decayed, cells)


def contact_counts(dataset: Dataset, known: Contacts, followed: Frame) -> pd.DataFrame:
    """Count contacts and customers at each touchpoint, by class.

    Parameters
    ----------
    dataset : Dataset
        Whose engine does the work.
    known : Contacts
        The contacts.
    followed : LazyFrame
        The customers that count: ``customer_id``, ``who`` and ``until`` (days); contacts from
        then on are not counted.

    Returns
    -------
    pandas.DataFrame
        ``touchpoint, class, exposures, customers``, in order.
    """
    member = {
        "bad": ~nw.col("bad_from").is_null(),
        "good": ~nw.col("good_from").is_null() if "good" in known.classes else None,
        "contact": ~nw.col("at").is_null(),
    }
    kinds = {k: m for k, m in member.items() if m is not None and k in ("contact", *known.classes)}
    frame = known.placed(dataset).join(
        followed.select(known.key, "until"), on=known.key, how="inner"
    )
    frame = frame.filter(nw.col("at") < nw.col("until"))
    # By customer first: then nobody is counted twice, and no list of customers is kept.
    sums = {k: how_many(m) for k, m in kinds.items()}
    each = frame.group_by(known.key, "touchpoint").agg(**sums)
    told = {f"{k}|exposures": nw.col(k).sum() for k in kinds}
    told |= {f"{k}|customers": how_many(nw.col(k) > 0) for k in kinds}
    counted = each.group_by("touchpoint").agg(**told).collect(backend="pandas").to_native()
    names = np.array(known.touchpoints, dtype=object)[counted["touchpoint"].to_numpy()]
    table = pd.concat(
        pd.DataFrame(
            {
                "touchpoint": names,
                "class": k,
                "exposures": counted[f"{k}|exposures"].astype(int),
                "customers": counted[f"{k}|customers"].astype(int),
            }
        )
        for k in kinds
    )
    table = table[table["exposures"] > 0]
    return table.sort_values(["touchpoint", "class"], ignore_index=True)
