"""What was checked of the drivers, and what is not told."""

from __future__ import annotations

import numpy as np

from cxlab.analyses.satisfaction_drivers.estimate import IMPUTATIONS, Estimates
from cxlab.analyses.satisfaction_drivers.prepare import ALIKE, Study, unmet
from cxlab.analyses.satisfaction_drivers.shares import INFLATED
from cxlab.data.dataset import Dataset
from cxlab.results import Check, counted, listed

__all__ = ["checks", "off_scale"]

_FEW_MISSING = 0.5
_HALO = 0.5


def checks(study: Study, made: Estimates | None, r2: float) -> tuple[Check, ...]:
    """Tell what the answer rests on.

    Parameters
    ----------
    study : Study
        The study.
    made : Estimates or None
        Its figures, where there are any.
    r2 : float
        The adjusted share that all ratings explain.
    """
    found = [_answers(study), _missing(study, made)]
    if grouped := [d for d in study.drivers if len(d.members) > 1]:
        told = "; ".join(listed([m.name for m in d.members]) for d in grouped)
        found.append(Check("ratings put together", None, f"Correlated at {ALIKE:g} and above, so "
                           f"that they have one share: {told}."))  # fmt: skip
    turned = [m.name for d in study.drivers for m in d.members if m.turned]
    turned += [study.overall.name] if study.overall.turned else []
    if turned:
        found.append(Check("scales turned round", None, f"Lower is better: {listed(turned, 6)}; "
                           "they were turned, so that higher is better everywhere."))  # fmt: skip
    if made is not None:
        found += _model(study, made, r2)
    if study.left_out:
        by: dict[str, list[str]] = {}
        for name, why in study.left_out.items():
            by.setdefault(why, []).append(name)
        told = "; ".join(f"{listed(names, 5)} ({why})" for why, names in by.items())
        found.append(Check("not told", None, f"{told}."))
    return tuple(found)


def off_scale(dataset: Dataset) -> tuple[Check, ...]:
    """Say which answers were set aside for lying off their scale.

    Parameters
    ----------
    dataset : Dataset
        As checked when it was read.
    """
    aside = [s for s in dataset.set_aside if s.table == "feedback" and "off its scale" in s.rule]
    if not aside:
        return ()
    told = "; ".join(f"{s.rows:,}: {s.rule}" for s in aside)
    text = (
        f"Set aside, and taken for not answered ({told}). A 0 below the scale says not applicable."
    )
    return (Check("answers off their scale", None, text),)


def _answers(study: Study) -> Check:
    source = study.source
    how = (
        f"each touchpoint's last rating in the {source.link_days} days before, never one after it "
        "(no ratings are given in the same response)"
        if source.linked
        else "the ratings of the same response"
    )
    sample = ""
    if source.rated > len(study.y):
        sample = f" Of these a sample of customers with {len(study.y):,} is used."
    return Check(
        "answers", None,
        f"{study.overall.name} was given {source.responses:,} times, {source.rated:,} times with a "
        f"rating: {how}.{sample} The rest tells nothing of ratings.",
    )  # fmt: skip


def _missing(study: Study, made: Estimates | None) -> Check:
    share = float(np.isnan(study.x).mean())
    if share == 0:
        return Check("missing ratings", True, "Every response has every rating.")
    how = {
        "imputed": f"drawn {IMPUTATIONS} times from the answers that are there (multiple "
        "imputation); right where silence goes with what was answered",
        "pairwise": "each correlation rests on the responses that have both",
        "complete": "responses without all ratings are left out",
        "apart": "a touchpoint not rated counts as a state of its own, for most of it was not met",
    }[study.missing]
    passed = None if study.missing == "apart" else bool(share < _FEW_MISSING)
    text = f"{share:.0%} of the ratings are missing: {how}."
    if study.missing == "apart" and not study.source.linked and (pairs := unmet(study.x)):
        one, other = (study.drivers[j].name for j in pairs[0])
        text += (
            f" {counted(len(pairs), 'pair')} of ratings, such as {one} and {other}, are hardly "
            "ever of one response: what is not there cannot be drawn from the rest."
        )
    if study.missing == "imputed" and made is not None:
        worst = float(np.nanmax(made.slope.missing))
        text += f" At most {worst:.0%} of a slope's variance is due to it."
    return Check("missing ratings", passed, text)


def _model(study: Study, made: Estimates, r2: float) -> list[Check]:
    p = len(study.drivers)
    found = [
        Check("customers a rating", study.customers >= 10 * p,
              f"{study.customers / p:,.0f} customers a rating (10 are a usual least)."),
        Check("shares sum up", bool(abs(made.parts[0].sum() - made.r2[0]) < 1e-6
                                    and abs(made.weights[0].sum() - made.r2[0]) < 1e-6),
              f"Shapley shares and relative weights sum to R squared, {made.r2[0]:.3f} ({r2:.3f} "
              "once what so many ratings explain by chance is taken off)."),
        Check("two ways to share", None, _agree(made)),
    ]  # fmt: skip
    high = [d.name for d, v in zip(study.drivers, made.inflation, strict=True) if v > INFLATED]
    text = f"No rating is explained by the others (largest factor {made.inflation.max():.1f})."
    if high:
        text = f"Explained by the others, so that slopes cannot be told: {listed(high, 6)}."
    found.append(Check("collinearity", not high, text))
    if (error := float(made.error.max())) > 0:
        found.append(Check("drawn orders", bool(error < 0.02 * max(made.r2[0], 1e-9)),
                           f"Of {p} ratings not all orders can be gone through; the shares' Monte "
                           f"Carlo error is at most {error / max(made.r2[0], 1e-9):.2%} of what is "
                           "explained."))  # fmt: skip
    if not study.source.linked and p > 2:
        found.append(_halo(study))
    return found


def _agree(made: Estimates) -> str:
    total = max(float(made.r2[0]), 1e-12)
    far = float(np.abs(made.parts[0] - made.weights[0]).max()) / total
    return (
        "Shapley shares and relative weights differ by at most "
        f"{100 * far:.1f} percentage points of what is explained."
    )


def _halo(study: Study) -> Check:
    """Tell how far all ratings move together, as a mood would make them."""
    import pandas as pd

    r = pd.DataFrame(study.x).corr(min_periods=20).fillna(0.0).to_numpy()
    np.fill_diagonal(r, 1.0)
    top = float(np.linalg.eigvalsh(r)[-1]) / len(r)
    text = (
        f"{top:.0%} of what ratings vary by is common to all of them. Given in one sitting, they "
        "also tell a mood, which colours the overall score too (halo): shares are of "
        "association, not of causes."
    )
    return Check("halo", bool(top < _HALO), text)
