"""Worlds of known truth for ``signals.py``: each gives a few figures, by what is looked at.

A figure is 1 or 0 (found, held, a false alarm), an error against the truth, or NaN where the
world has none. A share of several intervals in one world is one figure: they hang together.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from cxlab.data.dataset import Dataset, load
from cxlab.data.simulate import Simulation, simulate, write

Figures = dict[str, float]
World = Callable[[np.random.Generator, int], Figures]


def _held(low: float, truth: float, high: float) -> float:
    return float(low <= truth <= high)


@contextmanager
def _loaded(tables: dict[str, pd.DataFrame], settings: str) -> Iterator[Dataset]:
    with tempfile.TemporaryDirectory() as folder:
        for name, table in tables.items():
            table.to_parquet(Path(folder) / f"{name}.parquet", index=False)
        (Path(folder) / "dataset.yml").write_text(settings, encoding="utf-8")
        yield load(folder)


@contextmanager
def _simulated(simulation: Simulation) -> Iterator[Dataset]:
    with tempfile.TemporaryDirectory() as folder:
        write(simulation, Path(folder) / "data")
        yield load(Path(folder) / "data")


# -- series of periods --------------------------------------------------------------------------

PERIODS = 24


def chart_world(tau: float, shift: float = 0.0) -> World:
    """A level; from some period on, ``shift`` standard deviations of a period more."""

    def made(draw: np.random.Generator, seed: int) -> Figures:
        from cxlab.models.charts import chart

        se = np.exp(draw.normal(0, 0.2, PERIODS))
        value = 5 + draw.normal(size=PERIODS) * np.sqrt(se**2 + tau**2)
        at = int(draw.integers(6, PERIODS - 5))
        value[at:] += shift * np.sqrt(1 + tau**2)
        told = chart(value, se, seed)
        assert told is not None
        found = told.p_value < 0.05
        near = told.kind == "shift" and abs(told.at - at) <= 1
        figures = {"told": float(found), "shift": np.nan, "dated": np.nan}
        if found:
            figures |= {"shift": float(told.kind == "shift"), "dated": float(near)}
        return figures

    return made


GROUPS = 12


def lead_world(ahead: int | None, carried: float) -> World:
    """A metric so many periods ahead of churn, or (None) with nothing to do with it.

    Both rise with a common trend and wander together.
    """

    def persistent(draw: np.random.Generator) -> np.ndarray:
        series = draw.normal(size=(GROUPS, PERIODS + 6))
        for t in range(1, PERIODS + 6):
            series[:, t] += carried * series[:, t - 1]
        return series

    def made(draw: np.random.Generator, seed: int) -> Figures:
        from cxlab.models.leadlag import lead_lag

        common = np.cumsum(draw.normal(size=PERIODS)) + 0.3 * np.arange(PERIODS)
        moved, here = persistent(draw), slice(3, 3 + PERIODS)
        if ahead is None:
            churn = persistent(draw)[:, here]
        else:
            churn = 0.5 * moved[:, 3 - ahead : 3 - ahead + PERIODS]
            churn = churn + draw.normal(size=(GROUPS, PERIODS))
        level = draw.normal(size=(2, GROUPS, 1))
        metric, churn = moved[:, here] + common + level[0], churn + common + level[1]
        weight = np.ones((GROUPS, PERIODS))
        told = lead_lag(metric, churn, weight, weight, seed=seed)
        assert not isinstance(told, str)
        name, lag = told.verdict()
        raw = np.corrcoef(metric.mean(axis=0), churn.mean(axis=0))[0, 1]
        return {
            "told": float(name != "cannot be told"),
            "right": float(lag == ahead),
            "raw": float(abs(raw) > 0.5),
        }

    return made


def median_world(customers: int) -> World:
    """Two samples of the same lognormal times, a customer each, counted in bins as elsewhere."""

    def median(seconds: np.ndarray) -> pd.DataFrame:
        from cxlab.models.durations import Incidence
        from cxlab.models.intervals import Z

        place = np.unique(np.floor(np.log2(1 + seconds) * 128), return_inverse=True)[1]
        n = np.bincount(place)
        counts = np.stack([np.zeros(len(n)), n, np.zeros(len(n))])
        told = Incidence(counts, np.bincount(place, seconds) / n).quantile(0.5)
        columns = ["estimate", "conf_low", "conf_high", "se"]
        row = (told.estimate, told.conf_low, told.conf_high)
        return pd.DataFrame([(*row, (row[2] - row[1]) / (2 * Z))], columns=columns)

    def made(draw: np.random.Generator, seed: int) -> Figures:
        from cxlab.analyses.experience_metrics.times import median_p
        from cxlab.models.clustered import difference

        one, other = (median(np.round(np.exp(draw.normal(6.3, 0.6, customers)))) for _ in range(2))
        gap = difference(one, other, np.zeros(1), np.array([customers])).iloc[0]
        p = median_p(gap["estimate"] / gap["se"], customers)
        return {"told": float(p < 0.05), "held": _held(gap["conf_low"], 0, gap["conf_high"])}

    return made


# -- tenures ------------------------------------------------------------------------------------

DAYS, CUSTOMERS = 500, 4000
MONTHS = tuple(range(30, DAYS, 30))
# As the analysis tries them for tenure in days.
_YEAR = 365.25
_USUAL = (7, 14, 28, 30, _YEAR / 12, 60, 90, _YEAR / 4, 180, _YEAR / 2, 365, _YEAR)


def cliff_world(days: Iterable[int] = (), more: float = 0.0, hump: bool = False) -> World:
    """A hazard that falls, or has a hump; on some days of tenure a chance to leave besides."""
    place = sorted(days)

    def smooth() -> np.ndarray:
        hazard = 0.0012 * (1 + 1.5 * np.exp(-np.arange(DAYS) / 60))
        if hump:
            hazard += 0.003 * np.exp(-(((np.arange(DAYS) - 200) / 60) ** 2))
        return hazard

    def drawn(draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        hazard = smooth()
        hazard[place] += more
        ends, at_risk = np.zeros((2, DAYS), dtype=int)
        there = CUSTOMERS // 2
        for day in range(DAYS):
            at_risk[day], ends[day] = there, draw.binomial(there, hazard[day])
            gone = draw.binomial(there - ends[day], 1.2 / DAYS)
            there += draw.poisson(CUSTOMERS / 2 / DAYS) - ends[day] - gone
        return ends, at_risk

    def made(draw: np.random.Generator, seed: int) -> Figures:
        from cxlab.models.cliffs import Steps, find_cliffs

        ends, at_risk = drawn(draw)
        cliffs = find_cliffs(Steps(0, ends, at_risk), (1, 3, 7), _USUAL, 28).cliffs
        mine = [c for c in cliffs if place and (c.windows[0][0] <= place[0] < c.windows[0][1])]
        mine = [c for c in mine if bool(c.period) == (len(place) > 1)]
        figures = {"alarm": float(len(cliffs) > len(mine)), "found": float(bool(mine))}
        if mine:
            told = mine[0]
            inside = np.concatenate([np.arange(*window) for window in told.windows])
            usual = (smooth() * at_risk)[inside].sum()
            ratio = 1 + more * at_risk[np.intersect1d(inside, place)].sum() / usual
            excess, low, high = told.excess
            figures |= {
                "size": excess / (more * at_risk[place].sum()),
                "ratio held": _held(told.conf_low, ratio, told.conf_high),
                "excess held": _held(low, told.ends - usual, high),
            }
        return figures

    return made


H0, H1, CONTACTS, FAILS = 0.001, 0.0015, 0.02, 0.25  # a day; of contacts
MARKS = (90, 180)


def first_bad_truth(after: float) -> float:
    """Give the difference in who stays: controls meet a first bad contact at a rate of their own.

    Parameters
    ----------
    after : float
        Days.
    """
    meets, worse = CONTACTS * FAILS, H0 + H1
    never = np.exp(-(H0 + meets) * after)
    gap = H0 + meets - worse
    later = meets * np.exp(-worse * after) * -np.expm1(-gap * after) / gap
    return float(np.exp(-worse * after) - never - later)


def _lasting(draw: np.random.Generator, n: int) -> dict[str, pd.DataFrame]:
    """Draw customers whose hazard rises for good from H0 to H0 + H1 with the first bad contact."""
    begin = draw.uniform(0, 250, n)
    who = np.repeat(np.arange(n), draw.poisson(CONTACTS * (366 - begin)))
    at = draw.uniform(begin[who], 366)
    bad = draw.random(len(who)) < FAILS
    first = pd.Series(at[bad]).groupby(who[bad]).min().reindex(range(n)).fillna(np.inf).to_numpy()
    life = begin + draw.exponential(1 / H0, n)
    over = np.where(life > first, first + draw.exponential(1 / (H0 + H1), n), life)
    kept = at < over[who]

    def times(days: np.ndarray) -> pd.Series:
        known = pd.Series(days).where(days < 366)
        return pd.Timestamp("2024-01-01") + pd.to_timedelta(np.round(known * 86_400), unit="s")

    ids = np.array([f"c{i:05d}" for i in range(n)])
    customers = {"customer_id": ids, "started_at": times(begin), "ended_at": times(over),
                 "plan": draw.choice(["a", "b"], n)}  # fmt: skip
    contacts = {"customer_id": ids[who], "occurred_at": times(at), "touchpoint": "call",
                "outcome": np.where(bad, "failed", "ok")}  # fmt: skip
    return {"customers": pd.DataFrame(customers), "interactions": pd.DataFrame(contacts)[kept]}


def _first_bad(dataset: Dataset) -> pd.DataFrame:
    from cxlab.analyses.retention.first_bad import first_bad
    from cxlab.analyses.retention.seen import see

    return first_bad(dataset, see(dataset), 10)["first_bad"].table.set_index("term")


def closed_world(draw: np.random.Generator, seed: int) -> Figures:
    """After a first bad contact, where the truth has a closed form."""
    feed = "observed_from: 2024-01-01\nobserved_until: 2024-12-31\n"
    with _loaded(_lasting(draw, 3000), feed) as dataset:
        table = _first_bad(dataset)
    figures = {}
    for mark in MARKS:
        row, truth = table.loc[f"after {mark} days"], first_bad_truth(mark)
        figures[f"off {mark}"] = 100 * (row["estimate"] - truth)
        figures[f"held {mark}"] = _held(row["conf_low"], truth, row["conf_high"])
    return figures


def first_bad_world(world: str) -> World:
    """After a first bad contact, in a world of the simulator."""

    def made(draw: np.random.Generator, seed: int) -> Figures:
        with _simulated(simulate(world, 4000, seed, texts=False)) as dataset:
            table = _first_bad(dataset)
        mean = table.loc["mean up to 365 days"]
        told = table.drop(index="unmatched")
        return {
            "days": mean["estimate"],
            "se": (mean["conf_high"] - mean["conf_low"]) / 3.92,
            "told": float((told["p_value"] < 0.05).mean()),
            "harm": float(mean["conf_high"] < 0),
            "ever": 100 * table.loc["unmatched", "estimate"],
        }

    return made


# -- journeys -----------------------------------------------------------------------------------

_FEED_DAYS = 400


def _journeys(leaves: np.ndarray, contacts: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Give tables of customers who leave on those days, and of contacts with ``who, day``."""
    start = pd.Timestamp("2024-01-01")

    def times(days: np.ndarray) -> pd.Series:
        known = pd.Series(np.where(days < _FEED_DAYS, days, np.nan))
        return start + pd.to_timedelta(known, unit="D")

    ids = np.array([f"c{i:04d}" for i in range(len(leaves))])
    customers = pd.DataFrame({"customer_id": ids, "started_at": start - pd.Timedelta(days=30),
                              "ended_at": times(leaves)})  # fmt: skip
    at, who = times(contacts["day"].to_numpy()), ids[contacts["who"]]
    contacts = contacts.drop(columns=["who", "day"]).assign(customer_id=who, occurred_at=at)
    return {"customers": customers, "interactions": contacts}


_JOURNEY_FEED = "observed_from: 2024-01-01\nobserved_until: 2025-02-03\n"


def handoff_world(effect: float, trap: float) -> World:
    """Journeys of two contacts, half of them handed on, which raises the chance to fail.

    With ``trap`` handoffs go to the hard touchpoint that much more often.
    """

    def drawn(draw: np.random.Generator) -> dict[str, pd.DataFrame]:
        count, people = 3000, 700
        who = draw.integers(0, people, count)
        prone = draw.normal(0, 0.05, people)[who]
        handed = draw.random(count) < 0.5
        hard = draw.random(count) < 0.5 + trap * (handed - 0.5)
        fails = draw.random(count) < np.where(hard, 0.5, 0.1) + effect * handed + prone
        begun = draw.uniform(0, _FEED_DAYS - 2, count)
        first = draw.choice(["phone", "web"], count)
        other = np.where(first == "phone", "web", "phone")
        one = pd.DataFrame({"who": who, "journey_id": np.arange(count).astype(str)})
        contacts = pd.concat([
            one.assign(day=begun, touchpoint="start", channel=first, outcome="ok"),
            one.assign(day=begun + 0.1, touchpoint=np.where(hard, "hard", "easy"),
                       channel=np.where(handed, other, first),
                       outcome=np.where(fails, "failed", "ok")),
        ], ignore_index=True)  # fmt: skip
        return _journeys(np.where(np.arange(people) < 40, _FEED_DAYS - 5.0, np.inf), contacts)

    def made(draw: np.random.Generator, seed: int) -> Figures:
        from cxlab.analyses.journeys.cutting import cut
        from cxlab.analyses.journeys.handoffs import handoffs

        with _loaded(drawn(draw), _JOURNEY_FEED) as dataset:
            told = handoffs(cut(dataset, 0, 10))
        assert not isinstance(told, str)
        raw, held = told.table.iloc[0], told.table.iloc[-1]
        return {
            "raw": 100 * (raw["estimate"] - effect),
            "off": 100 * (held["estimate"] - effect),
            "held": _held(held["conf_low"], effect, held["conf_high"]),
        }

    return made


def channel_world(draw: np.random.Generator, seed: int) -> Figures:
    """Customers who leave at one rate for all, and use channels at random as they go."""
    from cxlab.analyses.journeys.channels import channels
    from cxlab.analyses.journeys.cutting import cut

    count = 1500
    leaves = draw.exponential(300, count)
    followed = np.minimum(leaves, _FEED_DAYS)
    who = np.repeat(np.arange(count), draw.poisson(0.02 * followed))
    size = len(who)
    contacts = pd.DataFrame({
        "who": who, "day": draw.uniform(0, followed[who]),
        "touchpoint": draw.choice(["call", "shop"], size),
        "channel": draw.choice(["phone", "web", "store", "mail"], size),
        "outcome": draw.choice(["ok", "failed"], size, p=[0.8, 0.2]),
    })  # fmt: skip
    with _loaded(_journeys(leaves, contacts), _JOURNEY_FEED) as dataset:
        told = channels(cut(dataset, 0, 10), 90, 90)
    assert not isinstance(told, str)
    rows = told.table[told.table["p_value"].notna()]
    found = (rows["p_value"] < 0.05).groupby(rows["comparison"]).mean()
    most = rows[rows["comparison"] == "as quoted"].iloc[-1]
    return {**found.to_dict(), "half": float(most["conf_high"] < 0.5)}


# -- those who do not answer --------------------------------------------------------------------


def _keep_silent(simulation: Simulation, draw: np.random.Generator) -> np.ndarray:
    """Let customers of one plan answer less and score two points lower; give all scores."""
    feedback = simulation.tables["feedback"].copy()
    plans = simulation.tables["customers"].drop_duplicates("customer_id", keep="last")
    basic = feedback["customer_id"].map(plans.set_index("customer_id")["plan"]).eq("basic")
    hidden = simulation.hidden["answers"]["score"].to_numpy(float)
    score = np.clip(hidden - 2.0 * basic.to_numpy(), 0, 10)
    gave = draw.random(len(feedback)) < np.where(basic, 0.15, 0.6)
    feedback["score"] = np.where(gave, score, np.nan)
    feedback["responded_at"] = (feedback["asked_at"] + pd.Timedelta("3h")).where(gave)
    nps = (feedback["metric"] == "nps").to_numpy()
    simulation.tables["feedback"] = feedback[nps]
    return score[nps]


def silence_world(world: str, known: bool) -> World:
    """NPS told and weighted, where silence goes with the plan (``known``) or the score itself."""

    def made(draw: np.random.Generator, seed: int) -> Figures:
        from cxlab.analyses.experience_metrics.answers import weighted
        from cxlab.analyses.experience_metrics.gather import Known, Options

        simulation = simulate(world, 1200, seed, texts=False)
        answers = simulation.hidden["answers"]
        if known:
            score = _keep_silent(simulation, draw)
        else:
            score = answers.loc[answers["metric"] == "nps", "score"].to_numpy(float)
        asked = answers.loc[answers["metric"] == "nps", "asked_at"]
        with _simulated(simulation) as dataset:
            row = weighted(Known(dataset, Options(90, 7, 90, "", 10))).table
            end = pd.Timestamp(dataset.end) - pd.Timedelta("14D")
        row = row.set_index("metric").loc["nps"]
        score = score[asked.between(end - pd.Timedelta("365D"), end, "left").to_numpy()]
        truth = 100 * ((score >= 9).mean() - (score <= 6).mean())
        return {
            "raw": row["raw"] - truth,
            "off": row["estimate"] - truth,
            "held": _held(row["conf_low"], truth, row["conf_high"]),
        }

    return made
