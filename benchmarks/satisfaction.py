"""How long shares of satisfaction drivers take, and whether their intervals hold the truth.

Twenty ratings and an overall score of 20,000 answers by 12,000 customers; Shapley shares and
relative weights, customers drawn anew 200 times. The alternative refits a regression for each
subset of the ratings with scikit-learn or statsmodels: it is timed on some subsets, and told for
all of them and all replicates. Then: do intervals of shares hold the truth, made in four ways, in
worlds of known shares, and does a straight line raise a false alarm of penalty and reward?
Seconds are those of the processor. Writes ``benchmarks/satisfaction.md``; run by ``make bench``.
"""

from __future__ import annotations

import time
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
from scipy.stats import norm

from cxlab.models.asymmetry import bends, hinges
from cxlab.models.importance import r_squared, relative_weights, shapley
from cxlab.models.imputation import impute
from cxlab.models.intervals import Z
from cxlab.models.linear import clustered
from cxlab.models.moments import correlations, draws, moments, partialled
from cxlab.report.tables import write_text

HERE = Path(__file__).parent
ANSWERS, CUSTOMERS, REPLICATES = 20_000, 12_000, 200
BAR = 30.0
FITS, SMALL = 60, 8
WORLDS = 300
SLOPES = np.array([1, 0.7, 0.4, 0.2, 0.1, 0.0])


def world(p: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw correlated ratings of 1 to 5, an overall score, and whose they are."""
    draw = np.random.default_rng(1)
    root = np.linalg.cholesky(0.4 + 0.6 * np.eye(p))
    x = np.clip(np.round(3.7 + 1.1 * draw.normal(size=(ANSWERS, p)) @ root.T), 1, 5)
    y = x @ draw.uniform(0, 0.4, p) + 2 * draw.normal(size=ANSWERS)
    return x, y, np.unique(draw.integers(0, CUSTOMERS, ANSWERS), return_inverse=True)[1]


def shared(x: np.ndarray, y: np.ndarray, who: np.ndarray) -> tuple[float, np.ndarray]:
    """Time all of it: sums of products, shares and weights in every replicate."""
    started = time.process_time()
    many = int(who.max()) + 1
    weights = np.vstack([np.ones((1, many)), draws(many, REPLICATES, 1)])
    sums = moments(np.column_stack([np.ones(len(y)), x, y]), who, weights)
    r = correlations(partialled(sums, 1))
    parts = shapley(r, seed=1).parts
    relative_weights(r)
    taken = time.process_time() - started
    # Of drawn orders the factor holds a ridge of 1e-9, which is all that may be missing.
    assert np.abs(parts.sum(axis=1) - r_squared(r)).max() < 1e-5
    return taken, parts


def refits(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Give the seconds a subset by each library, over random subsets of all sizes."""
    import statsmodels.api as sm
    from sklearn.linear_model import LinearRegression

    draw = np.random.default_rng(2)
    chosen = [np.flatnonzero(draw.random(x.shape[1]) < 0.5) for _ in range(FITS)]
    chosen = [c if len(c) else np.array([0]) for c in chosen]
    told = {}
    started = time.process_time()
    for some in chosen:
        LinearRegression().fit(x[:, some], y).score(x[:, some], y)
    told["scikit-learn"] = (time.process_time() - started) / FITS
    started = time.process_time()
    for some in chosen:
        _ = sm.OLS(y, sm.add_constant(x[:, some])).fit().rsquared
    told["statsmodels"] = (time.process_time() - started) / FITS
    return told


def by_refitting(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Share out R squared by refitting every subset, to hold ours against."""
    from sklearn.linear_model import LinearRegression

    p = x.shape[1]
    told: dict[tuple[int, ...], float] = {(): 0.0}
    for size in range(1, p + 1):
        for some in combinations(range(p), size):
            told[some] = LinearRegression().fit(x[:, some], y).score(x[:, some], y)
    share = np.zeros(p)
    for some, value in told.items():
        for j in range(p):
            if j not in some:
                both = tuple(sorted((*some, j)))
                share[j] += (told[both] - value) / (p * comb(p - 1, len(some)))
    return share


def imputed(x: np.ndarray, y: np.ndarray) -> float:
    """Time ten imputations where three ratings in ten are missing."""
    torn = np.column_stack([x, y])
    torn[:, :-1][np.random.default_rng(3).random(x.shape) < 0.3] = np.nan
    started = time.process_time()
    for _ in impute(torn, times=10, seed=1):
        pass
    return time.process_time() - started


def truth(noise: float) -> tuple[np.ndarray, float, np.ndarray]:
    """Give the true shares and R squared of a world, and a root of its covariance."""
    p = len(SLOPES)
    inside = 0.35 + 0.65 * np.eye(p)
    whole = np.empty((p + 1, p + 1))
    whole[:p, :p], whole[p, p] = inside, SLOPES @ inside @ SLOPES + noise
    whole[:p, p] = whole[p, :p] = inside @ SLOPES
    parts = shapley(correlations(whole[None])).parts[0]
    return parts / parts.sum(), float(parts.sum()), np.linalg.cholesky(whole)


def intervals(shares: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Give the intervals of shares in four ways; the first row is of the data as they are."""
    first, drawn = shares[0], shares[1:]
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    shift = norm.ppf(np.clip((drawn < first).mean(axis=0), 0.005, 0.995))
    ends = [np.array([np.quantile(d, q) for d, q in zip(drawn.T, norm.cdf(2 * shift + way * Z),
            strict=True)]) for way in (-1, 1)]  # fmt: skip
    middle, sd = 2 * first - drawn.mean(axis=0), drawn.std(axis=0)
    return {"percentiles": (low, high), "bias-corrected percentiles": (ends[0], ends[1]),
            "normal, less the bias": (np.maximum(middle - Z * sd, 0), middle + Z * sd),
            "reflected": (2 * first - high, 2 * first - low)}  # fmt: skip


def coverage(answers: int, noise: float) -> list[str]:
    """Count how often intervals of shares hold the truth, a line a way."""
    true, r2, root = truth(noise)
    held: dict[str, np.ndarray] = {}
    off = np.zeros(len(true))
    for seed in range(WORLDS):
        columns = np.random.default_rng(seed).normal(size=(answers, len(root))) @ root.T
        weights = np.vstack([np.ones((1, answers)), draws(answers, REPLICATES, seed)])
        sums = moments(np.column_stack([np.ones(answers), columns]), np.arange(answers), weights)
        parts = shapley(correlations(partialled(sums, 1))).parts
        shares = parts / parts.sum(axis=1, keepdims=True)
        off += (shares[0] - true) / WORLDS
        for way, (low, high) in intervals(shares).items():
            held[way] = held.get(way, 0) + ((low <= true) & (true <= high)) / WORLDS
    return [f"| {answers:,} | {r2:.0%} | {way} | {100 * h.mean():.1f} | {100 * h[0]:.1f} | "
            f"{100 * off[0]:+.1f} |" for way, h in held.items()]  # fmt: skip


def alarms(worlds: int = 2000, n: int = 1500) -> float:
    """Give the share of straight lines, beside two that bend, told to bend at 5%."""
    wrong = 0
    for seed in range(worlds):
        draw = np.random.default_rng(seed)
        x = draw.choice([1.0, 2, 3, 4, 5], (n, 3), p=[0.1, 0.15, 0.3, 0.25, 0.2])
        y = np.minimum(x[:, 0] - 3, 0) + np.maximum(x[:, 1] - 3, 0) + 0.5 * x[:, 2]
        columns = np.column_stack([np.ones(n), hinges(x, np.full(3, 3.0))])
        fit = clustered(columns, y + draw.normal(size=n), np.arange(n))
        wrong += int(bends(fit, 1, 3).p_value[2] < 0.05)
    return wrong / worlds


def main() -> None:
    """Measure, hold against the bar, and write the page."""
    lines = [
        "# Satisfaction drivers: how long shares take", "",
        "Written by `python benchmarks/satisfaction.py` (`make bench`). "
        f"{ANSWERS:,} answers of {CUSTOMERS:,} customers; Shapley shares and relative weights, "
        f"customers drawn anew {REPLICATES} times; seconds of one processor.", "",
        "| ratings | how | seconds |", "|---|---|---|",
    ]  # fmt: skip
    for p, how in ((10, "all subsets"), (20, "all subsets"), (60, "400 drawn orders")):
        taken, _ = shared(*world(p))
        if p == 20:
            twenty = taken
        lines.append(f"| {p} | {how} | {taken:.1f} |")
    x, y, who = world(20)
    lines += ["", f"The bar: 20 ratings under {BAR:g} s; measured {twenty:.1f} s.", "",
              "Refitting a regression for each subset instead (timed on "
              f"{FITS} random ones, told for {2**20:,} and {REPLICATES + 1} replicates):",
              "", "| by | seconds a fit | days in all | times as long |",
              "|---|---|---|---|"]  # fmt: skip
    for name, each in refits(x, y).items():
        whole = each * 2**20 * (REPLICATES + 1)
        lines.append(f"| {name} | {each:.4f} | {whole / 86_400:,.0f} | {whole / twenty:,.0f} |")
    few = x[:, :SMALL]
    far = np.abs(by_refitting(few, y) - shared(few, y, who)[1][0]).max()
    lines += ["", f"On {SMALL} ratings, where all {2**SMALL} subsets were refitted, the shares "
              f"differ by at most {far:.0e}.", "",
              "Ten imputations of 20 ratings, three in ten missing: "
              f"{imputed(x, y):.1f} s.", "",
              "## Do intervals of shares hold the truth?", "",
              f"Six correlated ratings, {WORLDS} worlds each; of 100 intervals at 95%. The Monte "
              f"Carlo error over six ratings is about {100 * (0.05 * 0.95 / WORLDS) ** 0.5:.1f} at "
              "most.", "",
              "| answers | explained | intervals | hold it | of the largest | its bias, points |",
              "|---|---|---|---|---|---|"]  # fmt: skip
    for answers, noise in ((200, 8.0), (500, 8.0), (500, 2.0), (2000, 8.0), (500, 60.0)):
        lines += coverage(answers, noise)
    lines += ["", "Of 2,000 straight lines, beside a rating that only hurts and one that only "
              f"helps, {alarms():.1%} are told to bend at 5%."]  # fmt: skip
    write_text(HERE / "satisfaction.md", "\n".join(lines) + "\n")
    print("\n".join(lines))  # noqa: T201
    assert twenty < BAR


if __name__ == "__main__":
    main()
