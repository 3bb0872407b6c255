"""What customers say of failures, in sentences and as it is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from cxlab.analyses.what_to_fix.readable import interval, priced
from cxlab.analyses.what_to_fix.study import Study
from cxlab.analyses.what_to_fix.themes import Told
from cxlab.models.verdicts import ALPHA
from cxlab.results import Result, counted, listed, ratio_text

__all__ = ["readable", "sentence"]

_NONE = "–"
_MOST = 3
_OFTEN, _FASTER = "over ordinary contacts", "leaving, over other failures"


def sentence(study: Study, told: Told, read: float) -> str:
    """Say what stands out, and how much of it is heard at all.

    Parameters
    ----------
    study : Study
        What is known.
    told : Told
        What was found.
    read : float
        The share of the comments that were read.
    """
    lines = [_heard(told, read)]
    if told.table.empty:
        return "\n".join(lines + _small(study, told))
    lines += _often(told) + _faster(study, told) + _small(study, told)
    return "\n".join(lines)


def _heard(told: Told, read: float) -> str:
    if not told.tied:
        return (
            f"None of the {counted(told.given, 'comment')} can be tied to a contact (by "
            "interaction_id, or by customer and touchpoint in 14 days), so that what customers "
            "say of failures cannot be told."
        )
    spoken, every = sum(told.spoken.values()), sum(told.failures.values())
    by = [f"{s / max(told.failures[n], 1):.0%} at {n}" for n, s in told.spoken.items()]
    text = f"Customers spoke of {spoken:,} of the {every:,} failures at drivers ({listed(by, 6)})."
    if spoken < every:
        text += " Those who speak are not all, and may not be like the others."
    if spoken < every / 2:
        text += " Of most failures nobody has told what they were."
    if loose := told.given - told.tied:
        text += f" Of {counted(loose, 'comment')} it is not known which contact they are about."
    if read < 1:
        text += f" A sample of {read:.0%} of the comments was read; the rest count as not made."
    return text


def _often(told: Told) -> list[str]:
    table = told.table
    count = int(table["often_p"].notna().sum())
    if not count:
        return ["Too few comments are of failures and of ordinary contacts to compare them."]
    clear = table[(table["often_holm"] < ALPHA) & (table["often"] > 1)]
    if clear.empty:
        return [f"No theme comes with failures more often than with ordinary contacts beyond "
                f"chance ({counted(count, 'comparison')}, corrected)."]  # fmt: skip
    lines = [
        f"{r.touchpoint}: “{r.theme}” comes {_times(r, 'often')} as often when failures are "
        "spoken of as when ordinary contacts are."
        for r in clear.sort_values("often", ascending=False).head(_MOST).itertuples()
    ]
    if len(clear) > len(lines):
        lines.append(f"The table has {len(clear) - len(lines)} more that stand out.")
    return lines


def _faster(study: Study, told: Told) -> list[str]:
    table = told.table
    count = int(table["faster_p"].notna().sum())
    if not count:
        return ["Whether failures with one theme drive away more customers than others cannot be "
                "told: too few left after failures that anybody spoke of."]  # fmt: skip
    clear = table[table["faster_holm"] < ALPHA].sort_values("faster", ascending=False)
    if clear.empty:
        return [f"Of no theme can it be told that failures with it drive customers away more, or "
                f"less, than other failures that were spoken of ({counted(count, 'comparison')}, "
                "corrected)."]  # fmt: skip
    lines = [
        f"{r.touchpoint}: within {told.days[r.touchpoint]:.0f} days of saying “{r.theme}” of a "
        f"failure customers leave {_times(r, 'faster')} as fast as after other failures that were "
        "spoken of; nothing else is held equal."
        for r in clear.head(_MOST).itertuples()
    ]
    more = f" The table has {len(clear) - len(lines)} more." if len(clear) > _MOST else ""
    return [
        *lines,
        "Shares of the churn take failures of a touchpoint to hurt alike: of what hurts more than "
        f"others they are too low, of what hurts less too high.{more}",
    ]


def _small(study: Study, told: Told) -> list[str]:
    lines, least = [], study.options.min_group
    if told.tied and told.small:
        lines.append(f"Fewer than {least} customers spoke of failures at {listed(told.small, 6)}: "
                     "withheld.")  # fmt: skip
    if told.merged:
        lines.append(f"{counted(told.merged, 'theme')} of fewer than {least} customers at a driver "
                     "(or from which these could be told) are taken together.")  # fmt: skip
    return lines


def _times(row: Any, name: str) -> str:
    middle, low, high = (ratio_text(getattr(row, name + e)) for e in ("", "_low", "_high"))
    return f"{middle} times (95% interval {low} to {high})"


def readable(study: Study, table: pd.DataFrame) -> Result:
    """Give the rows as they are read.

    Parameters
    ----------
    study : Study
        What is known.
    table : pandas.DataFrame
        Of :func:`cxlab.analyses.what_to_fix.themes.by_theme`.
    """
    code = study.dataset.settings.currency or ""
    cost = f"money a month, {code}" if code else "money a month"
    rows = [
        {
            "touchpoint": r["touchpoint"],
            "what is said of failures": r["theme"],
            "customers": f"{r['n']:,.0f}" if np.isfinite(r["n"]) else _NONE,
            "failures (share)": f"{r['failures']:,.0f} ({r['failure_share']:.1%})",
            "share of the churn": _share(r),
            _OFTEN: _ratio(r, "often"),
            _FASTER: _ratio(r, "faster"),
            "churns": interval(r, "estimate", "conf_low", "conf_high"),
            cost: priced(r, "money", "money_low", "money_high"),
        }
        for _, r in table.iterrows()
    ]
    shown = pd.DataFrame(rows)
    for column in (_OFTEN, _FASTER, cost):
        if column in shown and (shown[column] == _NONE).all():
            shown = shown.drop(columns=column)
    return Result("what_to_fix_themes", shown)


def _share(row: Any) -> str:
    if not np.isfinite(row["share"]):
        return _NONE
    return f"{row['share']:.1%} ({row['share_low']:.1%} to {row['share_high']:.1%})"


def _ratio(row: Any, name: str) -> str:
    if not np.isfinite(row[name]):
        return _NONE
    middle, low, high = (ratio_text(row[c]) for c in (name, f"{name}_low", f"{name}_high"))
    star = " *" if row[f"{name}_holm"] < ALPHA else ""
    return f"{middle} ({low} to {high}){star}"
