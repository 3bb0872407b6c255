"""Which themes go ahead of leaving: a symptom that tells, not a cause that is shown."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cxlab.analyses.voice_of_customer.heard import Heard
from cxlab.analyses.voice_of_customer.sides import blank
from cxlab.frames.mentions import Mentioned, mentioned
from cxlab.models.contrast import AgeSplit
from cxlab.models.hazard import fit_hazard, independent_columns
from cxlab.models.intervals import benjamini_hochberg, hazard_ratios, wald_p
from cxlab.models.verdicts import ALPHA
from cxlab.results import Check, Result, listed, ratio_text

__all__ = ["before_leaving"]

COLUMNS = ["term", "theme", "estimate", "se", "hazard_ratio", "conf_low", "conf_high", "p_value",
           "q_value", "n", "churns", "verdict", "why", "old_ratio", "old_low", "old_high",
           "recent_ratio"]  # fmt: skip
WASHOUT_DAYS = 3.0
_LEAST_CASES, _LEAST_BASE = 5, 10
_OTHER = "about no theme"


def before_leaving(heard: Heard, min_group: int, seed: int = 0) -> Result:
    """Estimate the hazard after each theme was spoken of, against the average comment.

    A logit on person-days drawn as the driver model draws them; contacts and bad contacts at each
    touchpoint, tenure, month and attributes are held equal. All themes are in the model at once,
    and comments about none.

    Parameters
    ----------
    heard : Heard
        What the comments are about.
    min_group : int
        Customers who must have spoken of a theme.
    seed : int
        Of the draw.

    Returns
    -------
    Result
        One row a theme: the hazard ratio of one fresh mention; ``old_ratio`` is that of mentions
        at least 14 days old, ``recent_ratio`` of younger ones.
    """
    empty = pd.DataFrame(columns=COLUMNS)
    if not heard.homes:
        return Result("before_leaving", empty)
    ids = [t.id for t in heard.homes]
    kinds = {_OTHER: ~heard.about.any(axis=1)} | {i: heard.about[:, j] for j, i in enumerate(ids)}
    made = mentioned(heard.dataset, heard.table, kinds, WASHOUT_DAYS, seed)
    if isinstance(made, str):
        text = f"What goes ahead of leaving cannot be told: {made}."
        return Result("before_leaving", empty, sentence=text)
    event = made.sample.rows["event"].to_numpy()
    column = made.sums["decay"]
    customers = _customers(heard, ids)
    usable = _usable(column[:, 1:], event, customers, min_group)
    table = pd.DataFrame({"term": ids, "theme": [t.name for t in heard.homes], "n": customers})
    table["churns"] = ((column[:, 1:] != 0) & (event == 1)[:, None]).sum(axis=0)
    coef, se, old, old_se, recent, ages = _fitted(made, np.flatnonzero(usable))
    table["estimate"], table["se"] = coef, se
    table = table.assign(**hazard_ratios(coef, se), p_value=wald_p(coef, se))
    table["q_value"] = benjamini_hochberg(table["p_value"].to_numpy(float))
    past = hazard_ratios(old, old_se)
    table["old_ratio"], table["old_low"] = past["hazard_ratio"], past["conf_low"]
    table["old_high"], table["recent_ratio"] = past["conf_high"], np.exp(recent)
    said = [_verdict(table.loc[i], ages, i) for i in range(len(table))]
    table["verdict"], table["why"] = zip(*said, strict=True)
    table = blank(table, np.array(customers) < min_group, ["n", "churns"])
    table = table.sort_values("estimate", ascending=False, na_position="last", ignore_index=True)
    held = Check("held equal", None, f"Held equal: {listed(made.included)}.")
    drawn = Check("rows", None, f"Fitted on {made.sample.text}.")
    return Result("before_leaving", table[COLUMNS], (held, drawn), sentence=_sentence(table))


def _customers(heard: Heard, ids: list[str]) -> list[int]:
    known = heard.table["customer_id"].notna().to_numpy()
    who = heard.table["who"].to_numpy()
    return [len(np.unique(who[known & heard.about[:, j]])) for j in range(len(ids))]


def _usable(
    columns: np.ndarray, event: np.ndarray, customers: list[int], min_group: int
) -> np.ndarray:
    cases = ((columns != 0) & (event == 1)[:, None]).sum(axis=0)
    base = ((columns != 0) & (event == 0)[:, None]).sum(axis=0)
    enough = (cases >= _LEAST_CASES) & (base >= _LEAST_BASE)
    return np.asarray(enough & (np.asarray(customers) >= min_group))


_Fitted = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, AgeSplit]


def _fitted(made: Mentioned, usable: np.ndarray) -> _Fitted:
    """Fit all themes at once, and once more with their recent mentions apart.

    Each is told against the average comment: its coefficient less the mean of all, weighted by
    how often they are said.
    """
    count = made.sums["decay"].shape[1] - 1
    coef, se, old, old_se, recent = np.full((5, count), np.nan)
    ages = AgeSplit({}, {}, {}, (np.nan, np.nan, np.nan))
    # The comments about no theme count towards the average, where there are enough.
    other = (made.sums["decay"][:, 0] != 0).sum() >= _LEAST_BASE
    kinds = np.append([0], usable + 1) if other else usable + 1
    if not len(usable) or len(kinds) < 2:
        return coef, se, old, old_se, recent, ages
    whole, late = made.sums["decay"][:, kinds], made.sums["recent"][:, kinds]
    said = (whole != 0).sum(axis=0) / (whole != 0).sum()
    against = np.eye(len(kinds)) - said
    beta, spread = _fit(made, whole)
    both, cross = _fit(made, np.hstack([whole, late]))
    none = np.zeros_like(against)
    for into, into_se, far, v, z in (
        (coef, se, against, spread, beta),
        (old, old_se, np.hstack([against, none]), cross, both),
    ):
        into[usable] = (far @ z)[-len(usable) :]
        into_se[usable] = np.sqrt(np.diag(far @ v @ far.T))[-len(usable) :]
    drop, now = np.hstack([none, against]), np.hstack([against, against])
    drop_z = (drop @ both) / np.sqrt(np.diag(drop @ cross @ drop.T))
    now_se = np.sqrt(np.diag(now @ cross @ now.T))
    for i, k in enumerate(usable, start=len(kinds) - len(usable)):
        recent[k] = (now @ both)[i]
        key = ("bad", int(k))
        if np.isfinite([drop_z[i], now_se[i], old_se[k]]).all():
            ages.recent[key] = (float(recent[k]), float(now_se[i]))
            ages.old[key] = (float(old[k]), float(old_se[k]))
            ages.drop_z[key] = float(drop_z[i])
    return coef, se, old, old_se, recent, ages


def _fit(made: Mentioned, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give coefficients and covariance of the columns; NaN of one that cannot be told."""
    x = np.hstack([made.held, columns])
    # Of columns that say the same, what is held equal comes first.
    kept = independent_columns(x)
    who = np.unique(made.sample.rows["who"].to_numpy(), return_inverse=True)[1]
    fit = fit_hazard(
        x[:, kept],
        made.sample.rows["event"].to_numpy(),
        offset=made.sample.offset,
        link=made.sample.link,
        clusters=who,
        ridge=1e-6,
    )
    coef = np.full(x.shape[1], np.nan)
    covariance = np.full((x.shape[1],) * 2, np.nan)
    coef[kept], covariance[np.ix_(kept, kept)] = fit.coef, fit.covariance
    mine = slice(made.held.shape[1], None)
    return coef[mine], covariance[mine, mine]


def _verdict(row: pd.Series, ages: AgeSplit, place: int) -> tuple[str, str]:
    if not np.isfinite(row["estimate"]):
        return "too little data", "Too few customers left, or stayed, after it to compare."
    if not row["q_value"] < ALPHA:
        return (
            "no evidence",
            "Leaving after it cannot be told from leaving after the average comment.",
        )
    key = ("bad", place)
    if key not in ages.recent or ages.recent_only(key):
        return (
            "reverse causation suspected",
            "It is said just before leaving alone, as it is where the decision comes first.",
        )
    way = "more" if row["estimate"] > 0 else "less"
    return "goes ahead", f"Who says it leaves {way} often, and not only in the 14 days after it."


def _sentence(table: pd.DataFrame) -> str:
    """Say what tells of leaving, and that it is a symptom."""
    ahead = table[table["verdict"] == "goes ahead"]
    lines = [
        f"{r.theme}: after one fresh mention the risk of leaving is {ratio_text(r.hazard_ratio)} "
        f"times that after the average comment (95% interval {ratio_text(r.conf_low)} to "
        f"{ratio_text(r.conf_high)})."
        for r in ahead.itertuples()
    ]
    late = table[table["verdict"] == "reverse causation suspected"]
    if len(late):
        lines.append(f"Said just before leaving alone: {listed(late['theme'], 5)}.")
    if not lines:
        return "No theme can be told to go ahead of leaving, all contacts held equal."
    lines.append(
        "A theme is a symptom and not a driver: it says what a customer had come to feel, not "
        "what would have kept them."
    )
    return "\n".join(lines)
