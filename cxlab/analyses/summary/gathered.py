"""What the other notebooks of the run found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cxlab.data import history
from cxlab.data.history import NOW, History
from cxlab.errors import DataError, UsageError
from cxlab.results import Result, cell_text_read

__all__ = ["Gathered", "gather"]

_NO_DRIVERS = "In this run nothing was found to drive customers away, or to keep them."
_RATIO = ("hazard_ratio", "conf_low", "conf_high")
_COSTS = tuple(f"{n}{end}" for n in ("attributable_churn", "value_at_risk")
               for end in ("", "_low", "_high"))  # fmt: skip
_OF_TOUCHPOINTS = {
    c: c for c in ("rank", "touchpoint", "valence", *_RATIO, *_COSTS, "exposed_customers",
                   "verdict")
}  # fmt: skip
_OF_ATTRIBUTES = {
    **{"rank": "rank", "touchpoint": "touchpoint"},
    **dict(zip(("step_ratio", "step_low", "step_high"), _RATIO, strict=True)),
    **{"compared_with": "compared_with", "verdict": "verdict"},
}
_FINDING = ("id", "notebook", "statement", "estimate", "conf_low", "conf_high", "unit", "verdict")


@dataclass(frozen=True)
class Gathered:
    """What a run has found so far.

    Parameters
    ----------
    drivers : Result
        What drives customers away, or keeps them.
    findings : pandas.DataFrame
        ``id, notebook, statement, estimate, conf_low, conf_high, unit, verdict``.
    now : History or None
        Its numbers, with checks and how its notebooks ended; None where the folder has none.
    """

    drivers: Result
    findings: pd.DataFrame
    now: History | None


def gather(run: str, form: str, own: str) -> Gathered:
    """Read a run's folder.

    Parameters
    ----------
    run : str
        The folder.
    form : str
        Of the dataset.
    own : str
        The notebook that asks, which is not to sum up itself.

    Raises
    ------
    UsageError
        There is no such folder.
    DataError
        A file of it cannot be read.
    """
    folder = Path(run)
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder of a run")
    found = _findings(folder)
    others = found[found["notebook"] != own].reset_index(drop=True)
    return Gathered(_drivers(folder, form), others, _numbers(folder))


def _numbers(folder: Path) -> History | None:
    """Read the numbers of a run that is going on, or of one that is over."""
    over = sorted((folder / "state" / "after" / history.FOLDER).glob("*.parquet"))
    path = folder / NOW if (folder / NOW).is_file() else over[-1] if over else None
    return None if path is None else history.read(path)


def _drivers(folder: Path, form: str) -> Result:
    """Give what was found to drive; of a snapshot's numbers, the effect of a step worth telling."""
    snapshot = form == "snapshot"
    path = folder / ("tables/churn_drivers.csv" if snapshot else "drivers.csv")
    columns = _OF_ATTRIBUTES if snapshot else _OF_TOUCHPOINTS
    none = Result("drivers", pd.DataFrame(columns=list(columns.values())), sentence=_NO_DRIVERS)
    if not path.exists():
        return none
    # a touchpoint may be called NA, or 7
    texts = ("touchpoint", "compared_with")
    try:
        table = pd.read_csv(
            path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(texts, str)
        )
        leading = table.loc[table["verdict"].isin(["driver", "protective"]), list(columns)]
    except (ValueError, KeyError) as error:
        raise DataError(f"{path}: no table of drivers ({error})") from error
    leading = leading.rename(columns=columns).reset_index(drop=True)
    for name in leading.columns.intersection(texts):
        leading[name] = leading[name].map(cell_text_read)
    return Result("drivers", leading) if len(leading) else none


def _findings(folder: Path) -> pd.DataFrame:
    path = folder / "findings.json"
    if not path.exists():
        return pd.DataFrame(columns=list(_FINDING))
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["findings"]
        return pd.DataFrame([[f[c] for c in _FINDING] for f in found], columns=list(_FINDING))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: no findings ({error})") from error
