"""What do other ways of looking name first, where the truth is known?

    python benchmarks/comparison.py [--worlds N]

A dashboard of drivers (correlation and mean), counts of failures, paths, lifelines on whole
histories and a churn notebook are written as their users would write them, and run beside cxlab on
the demo data and on worlds of the same kind. Writes ``benchmarks/comparison.md``;
``tests/docs/test_comparison.py`` holds what is said of the demo data.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from cxlab.analyses import churn_drivers
from cxlab.data.dataset import Dataset, load
from cxlab.data.simulate import simulate, write
from cxlab.report.tables import write_text

DEMO = Path(__file__).parents[1] / "data" / "demo"
_CUSTOMERS, _FIRST = 2000, 3
_HORIZON = pd.Timedelta(days=90)
_LEAST = 30  # customers a correlation rests on

Tables = Mapping[str, pd.DataFrame]


# -- the data, as such notebooks begin ---------------------------------------------------------


def read(dataset: Dataset) -> dict[str, pd.DataFrame]:
    """Give the tables as a data frame each, up to the last day seen."""
    tables = {}
    for name in ("customers", "interactions", "feedback"):
        found = dataset.table(name).collect()
        tables[name] = found.to_pandas()
    return tables


def truth(folder: Path) -> list[str]:
    """Give the touchpoints whose failures make customers leave."""
    known = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    return [name for name, effect in known["effects"].items() if effect > 0]


def _people(customers: pd.DataFrame) -> pd.DataFrame:
    """Give each customer's last spell, and whether it has ended."""
    last = customers.sort_values("started_at").groupby("customer_id").tail(1)
    last = last.set_index("customer_id")
    return last.assign(left=last["ended_at"].notna().astype(int))


def _counts(contacts: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    counts = pd.crosstab(contacts["customer_id"], contacts["touchpoint"])
    return counts.reindex(people.index, fill_value=0).astype(float)


def _named(weights: pd.Series) -> list[str]:
    return [str(name) for name in weights.dropna().sort_values(ascending=False).index]


# -- ways of looking ---------------------------------------------------------------------------


def dashboard(tables: Tables) -> list[str]:
    """Rank by importance (correlation of a touchpoint's ratings with NPS) and room to improve."""
    answers = tables["feedback"].dropna(subset=["score"])
    overall = answers[answers["metric"] == "nps"].groupby("customer_id")["score"].mean()
    rated = answers[(answers["metric"] == "csat") & answers["touchpoint"].notna()]
    means = rated.pivot_table("score", "customer_id", "touchpoint", "mean")
    both = means.reindex(overall.index)
    importance = both.corrwith(overall).where(both.notna().sum() >= _LEAST)
    return _named(importance * (5 - both.mean()))


def correlation(tables: Tables) -> list[str]:
    """Rank by the correlation of having left with the number of contacts at each touchpoint."""
    people = _people(tables["customers"])
    return _named(_counts(tables["interactions"], people).corrwith(people["left"]))


def failures(tables: Tables) -> list[str]:
    """Rank by the correlation of having left with the number of failed contacts."""
    people, contacts = _people(tables["customers"]), tables["interactions"]
    failed = contacts[contacts["outcome"] == "failed"]
    return _named(_counts(failed, people).corrwith(people["left"]))


def paths(tables: Tables) -> list[str]:
    """Rank by how many of the paths end after a touchpoint: the edge that leads to "lost"."""
    people, contacts = _people(tables["customers"]), tables["interactions"]
    last = contacts.sort_values("occurred_at").groupby("customer_id")["touchpoint"].last()
    lost = people["left"].reindex(last.index).fillna(0)
    return _named(last[lost == 1].value_counts() / contacts["touchpoint"].value_counts())


def lifelines_by_hand(tables: Tables) -> list[str]:
    """Rank by a Cox model of the length of stay on the failures of the whole history."""
    from lifelines import CoxPHFitter

    people, contacts = _people(tables["customers"]), tables["interactions"]
    failed = _counts(contacts[contacts["outcome"] == "failed"], people)
    end = people["ended_at"].fillna(contacts["occurred_at"].max())
    days = ((end - people["started_at"]) / pd.Timedelta(days=1)).clip(lower=1)
    frame = failed.loc[:, failed.std() > 0].assign(days=days, left=people["left"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such notebooks do
        fitted = CoxPHFitter(penalizer=0.01).fit(frame, "days", "left")
    return _named(fitted.params_)


RIVALS: dict[str, Callable[[Tables], list[str]]] = {
    "driver dashboard: correlation with NPS × room to improve": dashboard,
    "contacts, correlated with having left": correlation,
    "failed contacts, correlated with having left": failures,
    "paths: what comes last before leaving": paths,
    "lifelines: Cox on the failures of a whole history": lifelines_by_hand,
}
CXLAB = "cxlab: order of its drivers"


def drivers(dataset: Dataset) -> list[str]:
    """Give cxlab's drivers in their order."""
    table = churn_drivers.estimate(dataset).table
    return [str(n) for n in table.loc[table["verdict"] == "driver", "touchpoint"]]


# -- a model that has seen the future ----------------------------------------------------------


def leak(tables: Tables) -> tuple[float, float]:
    """Fit a churn model as many notebooks do; give its AUC as reported, and on the days after.

    The table has one row a customer, with the contacts of the whole history: for those who left
    also what came with leaving. The reported AUC is of customers held back at random. Then the
    model is asked what it is for: who of those still here 90 days before the end left since?
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import train_test_split

    people, contacts = _people(tables["customers"]), tables["interactions"]
    x = _inputs(contacts, people, contacts["occurred_at"].max())
    seen, held, y, y_held = train_test_split(x, people["left"], test_size=0.3, random_state=1)
    with threadpool_limits(limits=1):  # of tables this small, threads wait for each other
        model = HistGradientBoostingClassifier(max_iter=60, random_state=1).fit(seen, y)
        reported = roc_auc_score(y_held, model.predict_proba(held)[:, 1])
    day = contacts["occurred_at"].max() - _HORIZON
    here = people[(people["started_at"] < day) & ~(people["ended_at"] < day)]
    here = here[here.index.isin(held.index)]
    later = _inputs(contacts[contacts["occurred_at"] < day], here, day).reindex(columns=x.columns)
    with threadpool_limits(limits=1):
        told = model.predict_proba(later)[:, 1]
    return float(reported), float(roc_auc_score(here["left"], told))


def _inputs(contacts: pd.DataFrame, people: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    failed = _counts(contacts[contacts["outcome"] == "failed"], people).add_suffix(" failed")
    last = contacts.groupby("customer_id")["occurred_at"].max().reindex(people.index)
    quiet = (day - last) / pd.Timedelta(days=1)
    return _counts(contacts, people).join(failed).assign(quiet=quiet)


# -- the page ----------------------------------------------------------------------------------


def named(dataset: Dataset) -> dict[str, list[str]]:
    """Give what each way of looking names, in its order."""
    tables = read(dataset)
    return {CXLAB: drivers(dataset), **{name: way(tables) for name, way in RIVALS.items()}}


def demo_rows(found: Mapping[str, Sequence[str]], true: Sequence[str]) -> list[str]:
    """Give the page's rows on the demo data: what is named first, and how much of it is true."""
    rows = []
    for name, order in found.items():
        first = list(order[:_FIRST])
        hits = sum(n in true for n in first)
        rows.append(f"| {name} | {', '.join(first)} | {hits} of {len(first)} |")
    return rows


def _worlds(worlds: int) -> tuple[dict[str, list[list[bool]]], list[tuple[float, float]]]:
    found: dict[str, list[list[bool]]] = {name: [] for name in (CXLAB, *RIVALS)}
    leaks = []
    for seed in tqdm(range(2, worlds + 2)):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write(simulate("demo", _CUSTOMERS, seed, texts=False), folder)
            dataset, true = load(folder), truth(folder)
            for way, order in named(dataset).items():
                found[way].append([n in true for n in order[:_FIRST]])
            leaks.append(leak(read(dataset)))
    return found, leaks


def _share(hits: Sequence[bool]) -> str:
    return f"{100 * float(np.mean(hits)):.0f}%" if len(hits) else "–"


def main(worlds: int) -> None:
    """Write the page."""
    dataset = load(DEMO)
    mine = demo_rows(named(dataset), truth(DEMO))
    reported, later = leak(read(dataset))
    found, leaks = _worlds(worlds)
    lines = [
        "# What other ways of looking name first", "",
        f"Written by `python benchmarks/comparison.py --worlds {worlds}`. In these worlds some "
        "touchpoints make customers leave when they fail; others are full of customers who have "
        "decided already.", "",
        "## The demo data", "",
        f"| way | names first | true drivers among the first {_FIRST} |", "|---|---|---|",
        *mine, "",
        "## Worlds of the same kind", "",
        f"{worlds} worlds of {_CUSTOMERS:,} customers. Where fewer are named, those are counted.",
        "",
        f"| way | worlds in which it names one | the first is a true driver | true among the first "
        f"{_FIRST} |", "|---|---|---|---|",
        *(f"| {way} | {sum(map(bool, hits))} of {worlds} | {_share([h[0] for h in hits if h])} | "
          f"{_share([x for h in hits for x in h])} |" for way, hits in found.items()),
        "",
        "## A model that has seen the future", "",
        "A churn model on whole histories, and its AUC: of customers held back at random, as such "
        "notebooks report it, and of the same customers 90 days earlier, for who leaves since.",
        "",
        "| data | AUC as reported | AUC when used |", "|---|---|---|",
        f"| demo | {reported:.2f} | {later:.2f} |",
        f"| {worlds} worlds, mean | {np.mean([a for a, _ in leaks]):.2f} | "
        f"{np.mean([b for _, b in leaks]):.2f} |",
    ]  # fmt: skip
    write_text(Path(__file__).with_suffix(".md"), "\n".join(lines) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=20)
    main(parser.parse_known_args()[0].worlds)
