"""Two claims on leaving: one bad experience, and several channels joined well."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from cxlab.analyses.cx_claims.study import Answer, Study, Told, compared, ever
from cxlab.data.contract import Inactivity
from cxlab.frames.encounters import encounters
from cxlab.frames.engine import how_many
from cxlab.frames.exposures import contacts, exit_touchpoints
from cxlab.frames.journeys import Steps, handed, order
from cxlab.results import counted

__all__ = ["channels", "one_bad"]

Frame = nw.LazyFrame[Any]
_SESSION_DAYS = 7.0
_SEVERAL = 2
# The claim: of 100 a year, so many are kept by companies good and bad at joining channels.
_KEPT = (0.89, 0.33)
_YEAR = 365.0


def one_bad(study: Study) -> Answer:
    """Compare leaving after a first bad contact with leaving after an ordinary one.

    Each contact of a customer without a bad one so far is a trial that turns out bad or not; both
    are followed for the horizon (Hernan et al. 2016). Held equal: touchpoint, tenure, contacts so
    far and lately, month, value, attributes.

    Parameters
    ----------
    study : Study
        The customers.
    """
    found = encounters(study.dataset, study.risk)
    if isinstance(found, str):
        return Answer(why=f"{found}; it takes contacts of which it is known which failed")
    horizon, spells = study.options.horizon_days, study.risk.spells
    rows = found.rows[found.rows["known"] <= study.risk.end - horizon].reset_index(drop=True)
    bad = rows["bad"].to_numpy(bool)
    least = min(rows.loc[side, "customer_id"].nunique() for side in (bad, ~bad))
    if least < study.options.least:
        return Answer(
            why=f"{counted(least, 'customer')} seen from their start, and for {horizon} days after "
            f"a first bad contact; {study.options.least} are wanted"
        )
    spell = rows["spell"].to_numpy()
    over = spells["event_at"].fillna(np.inf).to_numpy(float)[spell]
    left = over - rows["known"].to_numpy(float) <= horizon
    tenure = rows["at"] - spells["started"].to_numpy(float)[spell]
    equal = study.held_equal(rows.assign(tenure=tenure), left)
    counts = np.log1p(rows[["so_far", "lately"]].to_numpy(float))
    places = pd.get_dummies(rows["touchpoint"], drop_first=True).to_numpy(float)
    x = np.column_stack([bad, equal, counts, counts**2, places])
    gap = compared(x, left.astype(float), rows["customer_id"].to_numpy(), np.ones(1))
    share = float(left[bad].mean())
    firsts = found.first_bad.dropna()
    years = max(study.risk.end - study.risk.begin, 1.0) / _YEAR
    return Answer(
        gap,
        _ever_bad(study),
        said=_one_bad_said(gap, share, horizon),
        differs="Whoever stays longer, or comes more often, has more time to meet a bad contact: "
        "over whole lives those who met one look loyal.",
        held=f"adjusted: leaving within {horizon} days of a first bad contact ({found.text}), less "
        "that after an ordinary contact at the same touchpoint of customers without a bad one so "
        "far, all seen from their start; raw: share that left at all, of those who ever had a bad "
        "contact less the others",
        facts={"left": share, "firsts": float(len(firsts) / years)},
    )  # fmt: skip


def _one_bad_said(gap: Told, share: float, horizon: int) -> str:
    others = share - gap.estimate
    return (
        f"Of 100 customers {100 * share:.1f} leave within {horizon} days of their first bad "
        f"contact; had it gone well, {100 * max(others, 0.0):.1f} would have."
    )


def _ever_bad(study: Study) -> Told:
    known = contacts(study.dataset)
    bad = (~nw.col("bad_from").is_null()).cast(nw.Int64)
    flags = known.frame.with_columns(bad=bad).group_by("customer_id").agg(n=nw.col("bad").max())
    every = study.risk.frame.select("customer_id").unique()
    flags = every.join(flags, on="customer_id", how="left")
    return ever(study, flags.select("customer_id", marked=nw.col("n").fill_null(0) > 0))[0]


# -- channels ----------------------------------------------------------------------------------


def channels(study: Study) -> Answer:
    """Compare customers of several channels, joined without coming again, with those of one.

    On days one after another, by the contacts of the window before; both sides have several
    contacts. Held equal: how many, how many failed, tenure, month, value, attributes.

    Parameters
    ----------
    study : Study
        The customers.
    """
    if "channel" not in study.dataset.columns("interactions"):
        return Answer(why="contacts have no channel; table interactions wants the column channel")
    if isinstance(study.marks, str):
        return Answer(why=study.marks)
    steps = order(study.dataset).cut(_SESSION_DAYS)
    used = _used(study, steps)
    few = np.log1p(used[["contacts", "bad"]].to_numpy(float))
    several = (used["channels"] >= _SEVERAL).to_numpy()
    joined = several & (used["handoffs"] > 0).to_numpy() & (used["again"] == 0).to_numpy()
    one = (used["channels"] == 1).to_numpy()
    seen, horizon = study.seen, study.options.horizon_days
    kept = (joined | one) & (used["contacts"] >= _SEVERAL).to_numpy() & (seen.weight > 0)
    sides = [len(np.unique(seen.customer[kept & side])) for side in (joined, one)]
    if min(sides) < study.options.least or not seen.left[kept].any():
        names = ("several joined channels", "one channel")
        told = " and ".join(f"{n:,} of {name}" for n, name in zip(sides, names, strict=True))
        return Answer(why=f"too few customers ({told}); {study.options.least} of either are wanted")
    x = np.column_stack([joined, study.equal, few, few**2])[kept]
    gap = compared(x, 1.0 - seen.left[kept], seen.customer[kept], np.ones(1), seen.weight[kept])
    claimed = _KEPT[0] ** (horizon / _YEAR) - _KEPT[1] ** (horizon / _YEAR)
    raw, lives = _ever_several(study, steps)
    lived = {m: 100 * (1 - lives[m][0] / max(lives[m][1], 1)) for m in (True, False)}
    alone = kept & one
    stay = 100 * (1 - np.average(seen.left[alone], weights=seen.weight[alone]))
    return Answer(
        gap,
        raw,
        said=f"Of 100 customers of one channel {stay:.1f} stay {horizon} days, and of those like "
        f"them whose channels were joined {stay + 100 * gap.estimate:.1f}. Over whole lives, "
        f"{lived[True]:.0f} of 100 who ever used several channels are still there, and "
        f"{lived[False]:.0f} of those of one.",
        differs="To use several channels takes time and contacts: over whole lives, those who "
        "stayed long have used more of them, and busy customers are loyal anyway.",
        held=f"adjusted: staying {horizon} days, of customers whose contacts of the "
        f"{study.options.window_days} days before came by several channels, handed on within a "
        "journey without coming again, less those of one channel; raw: still there at the end, of "
        "those who ever used several channels less those of one",
        facts={"claimed": claimed},
    )  # fmt: skip


def _used(study: Study, steps: Steps) -> pd.DataFrame:
    """Count what each row's customer had used in the window before the day."""
    rows = study.marks.rows.iloc[study.seen.rows]  # type: ignore[union-attr]
    sent = pd.DataFrame(
        {
            "row": np.arange(len(rows)),
            "customer_id": rows["customer_id"].to_numpy(),
            "until": rows["cut"].to_numpy(float),
        }
    )
    made = study.dataset.attach(sent).join(steps.contacts.people, on="customer_id", how="inner")
    pairs = made.join(_told(study, steps), on="who", how="inner")
    since = nw.col("until") - study.options.window_days
    pairs = pairs.filter((nw.col("at") < nw.col("until")) & (nw.col("at") >= since))
    counts = pairs.group_by("row").agg(
        contacts=nw.len(),
        channels=nw.col("channel").n_unique(),
        bad=how_many(nw.col("bad")),
        handoffs=nw.col("handed").sum(),
        again=nw.col("again").sum(),
    )
    found = counts.collect(backend="pandas").to_native().set_index("row").astype(float)
    return found.reindex(range(len(rows)), fill_value=0.0)


def _told(study: Study, steps: Steps) -> Frame:
    """Give contacts of a known channel, but for those at which customers leave."""
    exits = set(exit_touchpoints(study.dataset))
    places = [i for i, t in enumerate(steps.contacts.touchpoints) if t in exits]
    frame = steps.frame.filter((nw.col("channel") >= 0) & ~nw.col("touchpoint").is_in(places))
    flag = handed().fill_null(False).cast(nw.Int64)
    return frame.select(
        "who", "at", "channel", "bad", handed=flag, again=nw.col("again").cast(nw.Int64)
    )


def _ever_several(study: Study, steps: Steps) -> tuple[Told, dict[bool, tuple[int, int]]]:
    by_customer = steps.frame.filter(nw.col("channel") >= 0).group_by("who")
    used = by_customer.agg(several=nw.col("channel").n_unique() >= _SEVERAL)
    flags = used.join(steps.contacts.people, on="who", how="inner")
    gap, lives = ever(study, flags.select("customer_id", marked=nw.col("several")))
    return Told(-gap.estimate, -gap.high, -gap.low, gap.n), lives


def by_silence(study: Study) -> bool:
    """Tell whether leaving is silence, of which contacts are part of the definition."""
    return isinstance(study.dataset.settings.churn, Inactivity)
