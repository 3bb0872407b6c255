"""What is known of customers on a day, as columns of a forecast whose parts can be named.

Columns belong to facts, such as a touchpoint or the plan; what a fact adds to a risk can be told
in words. The recipe is set by the rows a model learns from, so that customers of another day,
taken in blocks, get the same columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset
from cxlab.frames.answers import Questions, questions
from cxlab.frames.exposures import Contacts, Kernel, contacts, measure
from cxlab.frames.periods import RiskSet, attribute
from cxlab.frames.signals import Said, standing, what_was_said
from cxlab.results import MINUS, counted, metric_label, three_figures

__all__ = ["VALUE", "Known", "Recipe", "recipe", "with_attributes"]

VALUE, _TENURE, _RENEWAL = "monthly value", "tenure", "renewal"
_ACTIVITY, _FAILURES = "contacts", "bad contacts"
_HALF_LIVES = (7.0, 28.0, 112.0)
_LATELY = "28"
_WINDOW = 90.0
# Older contacts do not count, so that nobody's whole life has to be read.
_OLDEST = 365.0
_LEAST = 0.01
_MOST_LEVELS, _LEAST_CUSTOMERS, _MOST_DIFFERENT = 12, 10, 50
_FIELD, _TOUCHPOINT, _SCORE = "field ", "touchpoint ", "score "
_OTHER, _MISSING = "(other)", "(missing)"
_MONTH = 30.4375
_SEVERAL = 2


@dataclass(frozen=True)
class Known:
    """What was known of rows.

    Parameters
    ----------
    x : ndarray of float32, shape (n, p)
        Columns.
    bad : ndarray of int, shape (n,)
        Bad contacts of the last 90 days; of data that know none, contacts.
    tenure : ndarray, shape (n,)
        Days since the start.
    """

    x: np.ndarray
    bad: np.ndarray
    tenure: np.ndarray
    _rows: pd.DataFrame = field(repr=False)
    _met: tuple[np.ndarray, np.ndarray] | None = field(repr=False)
    _said: dict[str, np.ndarray] = field(repr=False)

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Recipe:
    """Which columns are made, and of what.

    Parameters
    ----------
    dataset, risk
        Where it comes from.
    touchpoints : ndarray of bool
        Which touchpoints count.
    metrics : tuple of str
        Metrics whose last score counts.
    levels : dict of str to tuple of str
        Text attributes that count, with the levels told apart.
    numbers : dict of str to tuple of (float, bool)
        Attributes that are numbers, with the mean that stands for a missing one, and whether
        its logarithm is taken.
    facts : tuple of str
        What columns belong to.
    of : ndarray of int, shape (p,)
        Each column's fact.
    left_out : dict of str to str
        Attributes that make no columns, and why.
    """

    dataset: Dataset
    risk: RiskSet
    contacts: Contacts | None
    asked: Questions | None
    touchpoints: np.ndarray
    metrics: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]
    numbers: dict[str, tuple[float, bool]]
    value: bool
    renewal: bool
    facts: tuple[str, ...] = ()
    of: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Touchpoints that count."""
        return [] if self.contacts is None else list(
            np.array(self.contacts.touchpoints, dtype=object)[self.touchpoints]
        )  # fmt: skip

    @property
    def judged(self) -> bool:
        """Whether the data tell a bad contact from an ordinary one."""
        return self.contacts is not None and "bad" in self.contacts.classes

    def known(self, rows: pd.DataFrame) -> Known:
        """Give what was known of rows.

        Parameters
        ----------
        rows : pandas.DataFrame
            Of :func:`with_attributes`.
        """
        return self._made(rows)[0]

    def _made(self, rows: pd.DataFrame) -> tuple[Known, list[tuple[str, int]]]:
        parts: list[tuple[str, np.ndarray]] = [(_TENURE, standing(rows[["tenure"]]))]
        if self.value:
            parts.append((VALUE, standing(rows[["tenure", "monthly_value"]])[:, 3:]))
        if self.renewal:
            due = _due(rows)
            near = np.nan_to_num(np.exp(-due / _WINDOW))
            parts.append((_RENEWAL, np.column_stack([due <= _WINDOW, near]).astype(float)))
        parts += [(f"{_FIELD}{a}", self._levels_of(rows, a)) for a in self.levels]
        parts += [(f"{_FIELD}{a}", self._number_of(rows, a)) for a in self.numbers]
        bad, met = np.zeros(len(rows), dtype=int), None
        if self.contacts is not None:
            more, met = self._contacts_of(rows)
            parts += more
            bad = met[1 if self.judged else 0].sum(axis=1)
        said: dict[str, np.ndarray] = {}
        for metric, one in self._answers_of(rows).items():
            parts.append((f"{_SCORE}{metric}", one.columns))
            said[metric] = np.column_stack([one.worse, one.age, one.asked])
        x = np.hstack([columns for _, columns in parts]).astype(np.float32)
        tenure = rows["tenure"].to_numpy(float)
        shape = [(name, columns.shape[1]) for name, columns in parts]
        return Known(x, bad, tenure, rows, met, said), shape

    def _levels_of(self, rows: pd.DataFrame, name: str) -> np.ndarray:
        told = self._told_levels(rows, name)
        every = (*self.levels[name], _OTHER)
        return np.column_stack([told == level for level in every]).astype(float)

    def _told_levels(self, rows: pd.DataFrame, name: str) -> np.ndarray:
        """Give each row's level; the rare ones are not told apart, here nor in words."""
        text = _text(rows[attribute(name)])
        return np.where(np.isin(text, self.levels[name]), text, _OTHER)

    def _number_of(self, rows: pd.DataFrame, name: str) -> np.ndarray:
        mean, logged = self.numbers[name]
        x = rows[attribute(name)].to_numpy(float)
        x = np.log1p(np.maximum(x, 0.0)) if logged else x
        missing = np.isnan(x)
        return np.column_stack([np.where(missing, mean, x), missing])

    def _contacts_of(
        self, rows: pd.DataFrame
    ) -> tuple[list[tuple[str, np.ndarray]], tuple[np.ndarray, np.ndarray]]:
        """Give the columns of contacts, and contacts and bad ones of the last 90 days."""
        known = self.contacts
        assert known is not None
        there = ("all", *known.classes)
        told = ("all", "bad") if self.judged else ("all",)
        kernels = {
            f"{h:g}": Kernel(h, high=_OLDEST, classes=there if f"{h:g}" == _LATELY else ("all",))
            for h in _HALF_LIVES
        }
        kernels["window"] = Kernel(high=_WINDOW, classes=told)
        # A contact beyond the oldest age counts nowhere: the engine need not give it.
        since = float(rows["cut"].min()) - _OLDEST if len(rows) else 0.0
        near = replace(known, frame=known.frame.filter(nw.col("at") >= since))
        sums = {k: v[:, self.touchpoints] for k, v in
                measure(self.dataset, near, rows, kernels, 0.0).items()}  # fmt: skip
        lately = [np.log1p(sums[_LATELY, kind]) for kind in there]
        parts = [(t, np.column_stack([c[:, i] for c in lately])) for i, t in enumerate(self.names)]
        parts = [(f"{_TOUCHPOINT}{name}", columns) for name, columns in parts]
        total = [np.log(sums[f"{h:g}", "all"].sum(axis=1) + _LEAST) for h in _HALF_LIVES]
        window = {kind: sums["window", kind] for kind in told}
        total.append(np.log1p(window["all"].sum(axis=1)))
        parts.append((_ACTIVITY, np.column_stack(total)))
        if self.judged:
            fresh = [sums[_LATELY, "bad"], window["bad"]]
            columns = np.column_stack([np.log1p(c.sum(axis=1)) for c in fresh])
            parts.append((_FAILURES, columns))
        counts = window["all"], window.get("bad", np.zeros_like(window["all"]))
        return parts, (counts[0].astype(np.int16), counts[1].astype(np.int16))

    def _answers_of(self, rows: pd.DataFrame) -> dict[str, Said]:
        """Give what customers had said; of a metric nobody had in these rows, that."""
        if self.asked is None or not self.metrics:
            return {}
        found = what_was_said(self.dataset, self.asked, rows) if len(rows) else {}
        no, nan = np.zeros(len(rows), dtype=bool), np.full(len(rows), np.nan)
        none = Said(no, no, nan, nan, self.asked.asking)
        return {metric: found.get(metric, none) for metric in self.metrics}

    def label(self, fact: int) -> str:
        """Name a fact for readers: ``plan``, ``CSAT``, ``delivery``.

        Parameters
        ----------
        fact : int
            Its place among the facts.
        """
        name = self.facts[fact]
        if name.startswith(_SCORE):
            return metric_label(name.removeprefix(_SCORE))
        return name.removeprefix(_FIELD).removeprefix(_TOUCHPOINT)

    # -- in words ------------------------------------------------------------------------------

    def words(self, known: Known, fact: int, rows: np.ndarray) -> list[str]:
        """Say what a fact is of some rows.

        Parameters
        ----------
        known : Known
            What was known.
        fact : int
            Its place among the facts.
        rows : ndarray of int
            Places of rows.
        """
        name = self.facts[fact]
        mine = known._rows.iloc[rows]
        if name == _TENURE:
            return [f"customer for {_span(t)}" for t in known.tenure[rows]]
        if name == VALUE:
            return [_valued(VALUE, v) for v in mine["monthly_value"].to_numpy(float)]
        if name == _RENEWAL:
            return [_renews(d) for d in _due(mine)]
        if name.startswith(_FIELD):
            return self._field_words(mine, name.removeprefix(_FIELD))
        if name.startswith(_SCORE):
            metric = name.removeprefix(_SCORE)
            return [self._score(metric, *one) for one in known._said[metric][rows]]
        return self._met_words(known, name, rows)

    def _field_words(self, rows: pd.DataFrame, name: str) -> list[str]:
        if name in self.levels:
            return [f"{name}: {level}" for level in self._told_levels(rows, name)]
        return [_valued(name, v) for v in rows[attribute(name)].to_numpy(float)]

    def _met_words(self, known: Known, name: str, rows: np.ndarray) -> list[str]:
        assert known._met is not None
        every, bad = (m[rows] for m in known._met)
        if name == _FAILURES:
            return [f"{_many(n, 'bad contact')} in 90 days" for n in bad.sum(axis=1)]
        if name == _ACTIVITY:
            return [f"{_many(n, 'contact')} in 90 days" for n in every.sum(axis=1)]
        short = name.removeprefix(_TOUCHPOINT)
        place = self.names.index(short)
        return [
            f"{short}: {_many(n, 'contact')} in 90 days{_of_which(b) if self.judged else ''}"
            for n, b in zip(every[:, place], bad[:, place], strict=True)
        ]

    def _score(self, metric: str, worse: float, age: float, asked: float) -> str:
        name = metric_label(metric)
        if np.isnan(worse):
            return f"asked for {name}, no answer" if asked else f"no score on {name}"
        rule = self.dataset.settings.all_metrics[metric]
        low, high = rule.scale
        place = 1.0 - worse if rule.direction == "higher_is_better" else worse
        return f"{name} {low + place * (high - low):g}, {_span(age)} ago"


def with_attributes(risk: RiskSet, rows: pd.DataFrame) -> pd.DataFrame:
    """Add the attributes of customers, and their renewals, to rows of spells.

    Parameters
    ----------
    risk : RiskSet
        The spells.
    rows : pandas.DataFrame
        Of :func:`cxlab.frames.landmarks.stand`.
    """
    names = [attribute(a) for a in risk.dataset.attributes]
    wanted = risk.dataset.attach(pd.DataFrame({"spell": np.unique(rows["spell"].to_numpy())}))
    frame = risk.frame.select("spell", "renewal_days", *names)
    found = wanted.join(frame, on="spell", how="inner").collect(backend="pandas").to_native()
    found = found.set_index("spell").reindex(rows["spell"].to_numpy())
    return rows.assign(**{c: found[c].to_numpy() for c in found})


def recipe(
    dataset: Dataset,
    risk: RiskSet,
    rows: pd.DataFrame,
    refused: Sequence[str] = (),
    exits: np.ndarray | None = None,
    least: int = 0,
) -> tuple[Recipe, Known]:
    """Set the columns by the rows a model is to learn from, and give these.

    Parameters
    ----------
    dataset : Dataset
        In the spell form.
    risk : RiskSet
        The spells.
    rows : pandas.DataFrame
        Of :func:`with_attributes`.
    refused : sequence of str
        Attributes that must not count; ``monthly_value`` may be one.
    exits : ndarray of bool, optional
        Touchpoints that must not count.
    least : int
        Levels of fewer customers are not told apart.
    """
    found = contacts(dataset).kept(risk) if "interactions" in dataset.tables else None
    if found is not None and exits is not None and exits.all():
        found = None
    told = questions(dataset)
    asked = None if isinstance(told, str) or not len(rows) else told
    levels: dict[str, tuple[str, ...]] = {}
    numbers: dict[str, tuple[float, bool]] = {}
    left_out: dict[str, str] = {}
    for name, kind in dataset.attributes.items():
        if name in refused:
            continue
        column = rows[attribute(name)]
        made = _number_of(column) if kind == "number" else _levels_of(column, rows["who"], least)
        if isinstance(made, str):
            left_out[name] = made
        elif kind == "number":
            numbers[name] = made  # type: ignore[assignment]
        else:
            levels[name] = made  # type: ignore[assignment]
    count = found.count if found else 0
    base = Recipe(
        dataset, risk, found, asked,
        np.ones(count, dtype=bool) if exits is None else ~exits[:count],
        () if asked is None else tuple(sorted(what_was_said(dataset, asked, rows))),
        levels, numbers, "monthly_value" in rows and "monthly_value" not in refused,
        bool(rows["renewal_days"].notna().any()), left_out=left_out,
    )  # fmt: skip
    known, shape = base._made(rows)
    facts = tuple(name for name, _ in shape)
    of = np.repeat(np.arange(len(shape)), [many for _, many in shape])
    return replace(base, facts=facts, of=of), known


def _text(column: pd.Series) -> np.ndarray:
    return column.astype("string").fillna(_MISSING).to_numpy(dtype=object).astype(str)


def _levels_of(column: pd.Series, who: pd.Series, least: int) -> tuple[str, ...] | str:
    """Give the levels told apart, the rare ones aside."""
    told = pd.DataFrame({"text": _text(column), "who": who.to_numpy()})
    count = told.groupby("text")["who"].nunique()
    if len(count) < _SEVERAL:
        return "it does not vary"
    if len(count) > _MOST_DIFFERENT:
        return f"{len(count):,} different values, more than {_MOST_DIFFERENT}"
    often = count[count >= max(_LEAST_CUSTOMERS, least)]
    if len(often) < _SEVERAL:
        return f"but one of its {len(count):,} values have few customers each"
    names = sorted(often.index, key=lambda v: (-often[v], v))[:_MOST_LEVELS]
    return tuple(sorted(names))


def _number_of(column: pd.Series) -> tuple[float, bool] | str:
    x = column.to_numpy(float)
    x = x[np.isfinite(x)]
    if not len(x) or x.min() == x.max():
        return "it does not vary" if not column.isna().any() or not len(x) else (float(x[0]), False)
    logged = bool(x.min() >= 0 and x.max() > 20 * max(float(np.median(x)), 1e-9))
    return float((np.log1p(x) if logged else x).mean()), logged


def _due(rows: pd.DataFrame) -> np.ndarray:
    """Give the days until the next renewal; NaN without one."""
    step, tenure = rows["renewal_days"].to_numpy(float), rows["tenure"].to_numpy(float)
    return np.asarray(np.maximum(np.ceil(tenure / step), 1.0) * step - tenure)


def _renews(days: float) -> str:
    return "renews on no fixed day" if np.isnan(days) else f"renews in {_span(days)}"


def _valued(name: str, value: float) -> str:
    return f"{name} unknown" if np.isnan(value) else f"{name} {_figure(value)}"


def _figure(value: float) -> str:
    return three_figures(value).replace("-", MINUS)


def _span(days: float) -> str:
    if days < 2 * _MONTH:
        return counted(max(round(days), 0), "day")
    months = round(days / _MONTH)
    return counted(months, "month") if months < 24 else counted(round(days / 365.25), "year")


def _many(number: int, what: str) -> str:
    return counted(int(number), what) if number else f"no {what}"


def _of_which(bad: int) -> str:
    return f", {int(bad)} bad" if bad else ""
