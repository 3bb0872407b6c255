"""Worlds of known truth for ``feelings.py``: what customers rate, say, are like and warn of.

Figures are as in :mod:`_signal_worlds`. Kinds of customers, comments and signals are those of the
tests, which hold a few of these worlds each.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _signal_worlds import Figures, World, _held, _loaded

from cxlab.data.dataset import load
from cxlab.models.intervals import Z

sys.path.append(str(Path(__file__).parents[1] / "tests" / "analyses"))

# -- what ratings tell of the overall score -----------------------------------------------------

RATED = ("delivery", "call", "shop", "invoice")
SLOPES = np.array([1.0, 0.5, 0.2, 0.0])
NOISE = 1.5
RATE_COUNT, DRAWN_FOR_TRUTH = 600, 400_000


def _rated(draw: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw correlated ratings of 1 to 5, and an overall score."""
    root = np.linalg.cholesky(0.3 + 0.7 * np.eye(len(SLOPES)))
    x = np.clip(np.round(3.4 + draw.normal(size=(count, len(SLOPES))) @ root.T), 1, 5)
    return x, 1.0 + x @ SLOPES + draw.normal(0, NOISE, count)


@cache
def true_shares() -> np.ndarray:
    """Give the shares of very many answers."""
    from cxlab.models.importance import shapley

    x, y = _rated(np.random.default_rng(0), DRAWN_FOR_TRUTH)
    parts = shapley(np.corrcoef(np.column_stack([x, y]).T)[None]).parts[0]
    return np.asarray(parts / parts.sum())


def share_world(gone: float = 0.0) -> World:
    """Ratings given with an overall score; so many of each hundred ratings are not given."""

    def made(draw: np.random.Generator, seed: int) -> Figures:
        from cxlab.analyses import satisfaction_drivers

        x, y = _rated(draw, RATE_COUNT)
        x = np.where(draw.random(x.shape) < gone, np.nan, x)
        with _loaded(_survey(x, y), "metrics: {score: {scale: [-20, 30]}}\n"
                     "observed_until: 2026-12-31\n") as dataset:  # fmt: skip
            result = satisfaction_drivers.run(dataset, overall="score", seed=seed)
        table = result.table.set_index("term").loc[list(RATED)]
        true = true_shares()
        held = [_held(r.conf_low, t, r.conf_high)
                for r, t in zip(table.itertuples(), true, strict=True)]  # fmt: skip
        return {
            "held": float(np.mean(held)),
            "largest held": held[0],
            "off": 100 * float(table["estimate"].iloc[0] - true[0]),
            "null called": float(table["q_value"].iloc[-1] < 0.05),
        }

    return made


def _survey(x: np.ndarray, y: np.ndarray) -> dict[str, pd.DataFrame]:
    start = pd.Timestamp("2025-01-01")
    ids = [f"c{i:05d}" for i in range(len(y))]
    customers = pd.DataFrame({"customer_id": ids, "started_at": start, "ended_at": pd.NaT})
    customers.loc[0, "ended_at"] = start + pd.Timedelta(days=700)
    head = {"customer_id": ids, "responded_at": start + pd.Timedelta(days=10),
            "response_id": [f"r{i}" for i in range(len(y))]}  # fmt: skip
    parts = [pd.DataFrame({**head, "metric": "score", "touchpoint": None, "score": y})]
    parts += [pd.DataFrame({**head, "metric": "csat", "touchpoint": name, "score": x[:, j]})
              for j, name in enumerate(RATED)]  # fmt: skip
    feedback = pd.concat([p.dropna(subset=["score"]) for p in parts], ignore_index=True)
    return {"customers": customers, "feedback": feedback}


# -- what they say ------------------------------------------------------------------------------


def theme_world(language: str) -> World:
    """Comments of three themes, one a comment."""

    def made(draw: np.random.Generator, seed: int) -> Figures:
        from spoken_world import comments

        said = comments(draw, 900, 250, (0, 300), (language,))
        table, ari = _heard(said)
        return {"ari": ari, "three": float(len(table) == 3)}

    return made


def no_theme_world(draw: np.random.Generator, seed: int) -> Figures:
    """Comments whose words come together by chance alone."""
    from spoken_world import comments

    said = comments(draw, 600, 250, (0, 300))
    words = np.array([f"{a}{b}" for a in "bcdfgh" for b in ("ano", "eru", "ilo", "omat")])
    said["comment"] = [" ".join(draw.choice(words, 8)) for _ in range(len(said))]
    return {"alarm": float(len(_heard(said)[0]) > 0)}


def _heard(said: pd.DataFrame) -> tuple[list[Any], float]:
    from sklearn.metrics import adjusted_rand_score
    from spoken_world import write

    from cxlab.analyses.voice_of_customer.heard import hear
    from cxlab.analyses.voice_of_customer.plain import plain
    from cxlab.data.theme_book import Book
    from cxlab.frames.comments import comments

    with tempfile.TemporaryDirectory() as folder:
        dataset = load(write(Path(folder) / "said", said, 250, 300))
        read = comments(dataset)
        assert not isinstance(read, str)
        heard = hear(dataset, plain(read), Book(), 10)
    true = pd.Series(said["theme"].to_numpy(), said["comment"].to_numpy())
    true = true[~true.index.duplicated()]
    told = true.reindex(read.table["text"]).to_numpy()
    known = pd.notna(told)
    return heard.homes, float(adjusted_rand_score(told[known], heard.said[known, 0]))


# -- kinds of customers -------------------------------------------------------------------------


def crowd_world(draw: np.random.Generator, seed: int) -> Figures:
    """One crowd, whose members differ by degrees."""
    from persona_world import ONE

    with _studied(ONE, seed, 500, differ=0.8) as (found, _):
        return {"alarm": float(len(found.names) > 0)}


def kinds_world(draw: np.random.Generator, seed: int) -> Figures:
    """Three kinds."""
    from persona_world import THREE

    from cxlab.models.clusters import agreement

    with _studied(THREE, seed, 900) as (found, kind):
        three = len(found.names) == 3
        told = found.label >= 0
        ari = agreement(found.label[told], kind[told]) if three else np.nan
    return {"three": float(three), "ari": ari}


TWICE = float(np.log(2.0))


def hurt_world(hurt: tuple[int, ...], customers: int = 1200, at: tuple[int, ...] | None = None,
               ) -> World:  # fmt: skip
    """Three kinds; a failure doubles the hazard of some, everywhere or at some touchpoints."""

    def made(draw: np.random.Generator, seed: int) -> Figures:
        from persona_world import THREE

        from cxlab.analyses.personas.driver_model import fitted

        where = (0, 1, 2, 3) if at is None else at
        kinds = tuple(
            replace(k, leaves=0.0012, fails=fails, contacts=contacts, hurts_at=where,
                    hurts=TWICE if i in hurt else 0.0)
            for i, (k, fails, contacts) in enumerate(
                zip(THREE, (0.12, 0.20, 0.20), (0.20, 0.15, 0.12), strict=True))
        )  # fmt: skip
        with _studied(kinds, 1000 + seed, customers) as (study, kind):
            if len(study.names) != 3:
                return dict.fromkeys(("differ", "same", "held", "off", "one", "pairs"), np.nan)
            found = fitted(study)
        table = found.table
        of = [int(np.bincount(kind[study.label == g], minlength=3).argmax()) for g in range(3)]
        true = np.array([TWICE if g in hurt else 0.0 for g in of])
        off = np.log(table["estimate"].to_numpy(float)) - true
        mine = table[np.array([g in hurt for g in of])]
        touched = found.by_touchpoint["q_value"] < 0.05
        return {
            "differ": float(found.meta["p_value"] < 0.05),
            "same": float(found.meta["same_p"] < 0.05),
            "held": float(np.mean(np.abs(off) <= Z * table["se"].to_numpy(float))),
            "off": float(np.mean(off)),
            "one": float((mine["against_q"] < 0.05).any() and found.meta["p_value"] < 0.05),
            "pairs": float(touched.any()),
        }

    return made


@contextmanager
def _studied(
    kinds: tuple[Any, ...], seed: int, customers: int, differ: float = 0.0
) -> Iterator[tuple[Any, np.ndarray]]:
    """Look for personas, and give the true kind of each customer who is looked at."""
    from persona_world import make

    from cxlab.analyses.personas.forming import Options, study
    from cxlab.frames.periods import risk_set

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kinds"
        kind, _ = make(path, kinds, seed, customers, differ=differ)
        found = study(risk_set(load(path)), None, Options(180, 180, 5, 10, 39, seed), None)
        yield found, kind[found.then.customers["customer_id"].str[1:].astype(int)]


# -- what gives warning -------------------------------------------------------------------------


def warning_world(failures: float, nps: float) -> World:
    """An urge to leave, of which failures and NPS tell so much (0: nothing), CSAT nothing."""

    def made(draw: np.random.Generator, seed: int) -> Figures:
        from warning_world import save, tables

        from cxlab.analyses import early_warning

        with tempfile.TemporaryDirectory() as folder:
            told = tables(seed, 700, told_by_failures=failures, told_by_nps=nps)
            result = early_warning.run(load(save(Path(folder) / "told", told)), horizon_days=30)
        by = result.table.set_index("signal")
        gaps = result["differences"].table
        areas = gaps[gaps["measure"] == "AUC"]
        alone = by.loc[["nps", "csat", "behaviour"]]
        held = [_held(r.conf_low, 0.5, r.conf_high) for r in alone.itertuples()]
        return {
            "held": float(np.mean(held)),
            "csat held": held[1],
            "off": 100 * float(by.loc["behaviour", "estimate"] - 0.5),
            "told": float((areas["p_holm"] < 0.05).any()),
            "behaviour": float(by.loc["behaviour", "conf_low"] > 0.5),
        }

    return made
