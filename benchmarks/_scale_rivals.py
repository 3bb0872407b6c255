"""What one would do without cxlab: fit a Cox model with time-varying exposures by hand.

Each is given what cxlab has to find: the half-life, and that no touchpoint has to be parted
off. Each fits one model, with the decayed contacts and failures of all touchpoints, plan and
value, and tenure as the time. A process of its own each, called by :mod:`scale`; what is done so
far is written down, so that one that runs out of time tells how far it got.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from _scale_data import DAYS, FIRST_DAY, HALF_LIFE
from _scale_run import write_json

R_SCRIPT = Path(__file__).with_name("_scale_tmerge.R")
_WEEK = 7
_PER_EVENT = 20  # base rows a churn, drawn uniformly
_INSTANT = 1e-6  # days: a tenth of a second
_RATE = np.log(2.0) / HALF_LIFE


class Progress:
    """What has been done, in a file that is whole at every moment.

    Parameters
    ----------
    file : Path
        Where to write: ``done`` (stage -> seconds), then ``rows``, ``coef`` and ``se``.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.told: dict[str, object] = {}
        self.done: dict[str, float] = {}
        self._since = time.perf_counter()

    def mark(self, stage: str, **more: object) -> None:
        """Tell that a stage is done, and what else is known now."""
        now = time.perf_counter()
        self.done[stage] = now - self._since
        self._since = now
        self.told |= {"done": self.done} | more
        write_json(self.file, self.told)


def read(data: Path) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Read customers and contacts, times in days since the feed began.

    Parameters
    ----------
    data : Path
        The dataset's folder.

    Returns
    -------
    tuple
        Customers in order of their number (``started``; ``entry`` and ``exit``, between which
        they are followed; ``event``, attributes), contacts (``who``, ``at``, ``point``,
        ``bad``), and the touchpoints.
    """
    people = pd.read_parquet(data / "customers.parquet")
    day = pd.Timedelta(days=1)
    started = (people["started_at"] - FIRST_DAY) / day
    ended = (people["ended_at"] - FIRST_DAY) / day
    plans = pd.get_dummies(people["plan"], prefix="plan", drop_first=True, dtype=float)
    known = pd.DataFrame(
        {
            "who": np.arange(len(people)),
            "started": started,
            "entry": started.clip(lower=0.0),
            "exit": ended.fillna(DAYS),
            "event": ended.notna().astype(int),
            "value": (people["monthly_value"] - people["monthly_value"].mean()) / 30.0,
        }
    ).join(plans)
    columns = ["customer_id", "occurred_at", "touchpoint", "outcome"]
    contacts = pd.read_parquet(data / "interactions", columns=columns)
    point = pd.Categorical(contacts["touchpoint"])
    log = pd.DataFrame(
        {
            "who": pd.Index(people["customer_id"]).get_indexer(contacts["customer_id"]),
            "at": (contacts["occurred_at"] - FIRST_DAY) / day,
            "point": point.codes.astype(int),
            "bad": (contacts["outcome"] == "failed").to_numpy(),
        }
    )
    return known, log, list(point.categories)


def whole_days(people: pd.DataFrame) -> pd.DataFrame:
    """Give the customers with their times as whole days, the day of the exit included.

    Times that many customers share make a Cox model far faster to fit.
    """
    first = np.floor(people[["started", "entry"]]).astype(int)
    last = np.ceil(people["exit"]).clip(lower=first["entry"] + 1).astype(int)
    return people.assign(started=first["started"], entry=first["entry"], exit=last)


def exposure_names(points: list[str]) -> list[str]:
    """Name the exposures: all contacts at each touchpoint, then the failed ones."""
    return [f"all {p}" for p in points] + [f"bad {p}" for p in points]


def steps(
    people: pd.DataFrame, log: pd.DataFrame, points: list[str], grid: float | None = None
) -> pd.DataFrame:
    """Give the exposures wherever a timeline changes, a row for each contact or day of contacts.

    They hold until the customer's next contact: a timeline changes only where something
    happens, so between contacts the exposures of these routes do not decay.

    Parameters
    ----------
    people, log, points
        As :func:`read` gives them.
    grid : float, optional
        Length of a day: contacts of a day make one row, which holds from the next day on and is
        aged to its middle (default: each contact makes a row at its own time).
    """
    log = log.sort_values(["who", "at"], kind="stable")
    at, who = log["at"].to_numpy(), log["who"].to_numpy()
    grown = np.exp(_RATE * at)
    values = np.zeros((len(log), 2 * len(points)))
    place, bad = log["point"].to_numpy(), log["bad"].to_numpy()
    values[np.arange(len(log)), place] = grown
    values[np.flatnonzero(bad), len(points) + place[bad]] = grown[bad]
    names = exposure_names(points)
    summed = pd.DataFrame(values, columns=names).groupby(who).cumsum()
    entry = people["entry"].to_numpy()[who]
    if grid is None:
        since = np.maximum(at, entry + _INSTANT)  # a contact's time is to the second
        aged = since
    else:
        since = (np.floor(at / grid) + 1) * grid
        aged = since + grid / 2
    last = np.append((who[1:] != who[:-1]) | (since[1:] != since[:-1]), True)
    last &= since < people["exit"].to_numpy()[who]
    found = summed[last] * np.exp(-_RATE * aged[last])[:, None]
    tenure = since[last] - people["started"].to_numpy()[who[last]]
    return found.assign(who=who[last], time=tenure)


def weeks(people: pd.DataFrame, log: pd.DataFrame, points: list[str]) -> pd.DataFrame:
    """Give a row for each customer and week at risk, exposures as of its beginning.

    Parameters
    ----------
    people, log, points
        As :func:`read` gives them.

    Returns
    -------
    DataFrame
        ``who, start, stop, event``, the exposures, and attributes; time is weeks of tenure.
    """
    count, many = len(people), DAYS // _WEEK + 1
    week = (log["at"].to_numpy() // _WEEK).astype(int)
    # Each contact at the middle of the week after its own; from there on a week at a time.
    fresh = np.exp(-_RATE * ((week + 1.5) * _WEEK - log["at"].to_numpy()))
    cell = week * count + log["who"].to_numpy()
    keep = np.exp(-_RATE * _WEEK)
    days = whole_days(people)
    entry, last = days["entry"] // _WEEK, (days["exit"] - 1) // _WEEK
    length = (last - entry + 1).to_numpy()
    who = np.repeat(people["who"].to_numpy(), length)
    at = np.arange(len(who)) - np.repeat(np.cumsum(length) - length, length)
    at += entry.to_numpy()[who]
    found = {}
    for name, kind in (("all", None), ("bad", log["bad"].to_numpy())):
        for k, point in enumerate(points):
            mine = log["point"].to_numpy() == k
            mine = mine if kind is None else mine & kind
            load = np.bincount(cell[mine], fresh[mine], many * count).reshape(many, count)
            for w in range(1, many):
                load[w] += keep * load[w - 1]
            found[f"{name} {point}"] = np.where(at > 0, load[at - 1, who], 0.0)
    start = at - (days["started"] // _WEEK).to_numpy()[who]
    event = people["event"].to_numpy()[who] * (at == last.to_numpy()[who])
    known = {c: people[c].to_numpy()[who] for c in _attributes(people)}
    return pd.DataFrame(
        {"who": who, "start": start, "stop": start + 1, "event": event} | found | known
    )


def _attributes(people: pd.DataFrame) -> list[str]:
    return ["value", *(c for c in people if c.startswith("plan_"))]


def _cox(frame: pd.DataFrame, weights: str | None = None) -> dict[str, object]:
    from lifelines import CoxTimeVaryingFitter

    fitted = CoxTimeVaryingFitter().fit(
        frame,
        id_col="who",
        event_col="event",
        start_col="start",
        stop_col="stop",
        weights_col=weights,
    )
    return {"coef": fitted.params_.to_dict(), "se": fitted.standard_errors_.to_dict()}


def lifelines(data: Path, progress: Progress) -> None:
    """Go lifelines' own way: the log added to a timeline as it is, and the fit."""
    people, log, points = read(data)
    _timeline(people, steps(people, log, points), points, progress)


def lifelines_days(data: Path, progress: Progress) -> None:
    """Go the same way with times rounded to days."""
    people, log, points = read(data)
    people = whole_days(people)
    _timeline(people, steps(people, log, points, 1.0), points, progress)


def _timeline(
    people: pd.DataFrame, changes: pd.DataFrame, points: list[str], progress: Progress
) -> None:
    from lifelines.utils import add_covariate_to_timeline, to_long_format

    progress.mark("exposures", rows=len(changes))
    people = people.assign(time=people["exit"] - people["started"])
    base = to_long_format(people, "time")
    base["start"] = people["entry"] - people["started"]
    base = base.drop(columns=["started", "entry", "exit"])
    frame = add_covariate_to_timeline(base, changes, "who", "time", "event")
    names = exposure_names(points)
    frame[names] = frame[names].fillna(0.0)
    progress.mark("timeline", rows=len(frame))
    progress.mark("fit", **_cox(frame))


def pandas(data: Path, progress: Progress) -> None:
    """Write the weekly rows by hand, all of them, and fit."""
    people, log, points = read(data)
    frame = weeks(people, log, points)
    progress.mark("exposures", rows=len(frame))
    progress.mark("fit", **_cox(frame))


def sampled(data: Path, progress: Progress) -> None:
    """Write the weekly rows by hand, keep every churn and some others with weights, and fit."""
    people, log, points = read(data)
    frame = weeks(people, log, points)
    event = frame["event"].to_numpy() == 1
    share = min(1.0, _PER_EVENT * event.sum() / (~event).sum())
    drawn = event | (np.random.default_rng(0).random(len(frame)) < share)
    frame = frame[drawn].assign(weight=np.where(event, 1.0, 1.0 / share)[drawn])
    progress.mark("exposures", rows=len(frame))
    progress.mark("fit", **_cox(frame, "weight"))


def r(data: Path, progress: Progress) -> None:
    """Let R's survival build the timeline (tmerge) and fit (coxph)."""
    people, log, points = read(data)
    people = whole_days(people)
    changes = steps(people, log, points, 1.0)
    progress.mark("exposures", rows=len(changes))
    names, attributes = exposure_names(points), _attributes(people)
    plain = ["who", "entry", "exit", "started", "event", *attributes]
    with tempfile.TemporaryDirectory() as folder:
        for name, table, columns in (
            ("people", people, plain),
            ("changes", changes, ["who", "time", *names]),
        ):
            # R reads doubles column by column far faster than text.
            table[columns].to_numpy(float).T.tofile(Path(folder) / name)
        words = [str(len(people)), str(len(changes)), str(len(points)), str(len(attributes))]
        call = ["Rscript", "--vanilla", str(R_SCRIPT), folder, *words]
        out = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True).stdout
        for line in out.splitlines():
            stage, seconds, rows = line.split()
            progress.mark(stage, rows=int(rows))
            progress.done[stage] = float(seconds)
        fitted = np.fromfile(Path(folder) / "coef").reshape(2, -1)
    keys = [*attributes, *names]
    coef, se = (dict(zip(keys, row.tolist(), strict=True)) for row in fitted)
    progress.mark("back", coef=coef, se=se)


RIVALS: dict[str, Callable[[Path, Progress], None]] = {
    "lifelines": lifelines,
    "lifelines-days": lifelines_days,
    "pandas": pandas,
    "sampled": sampled,
    "r": r,
}


def has_r() -> bool:
    """Tell whether R is there, with survival."""
    if shutil.which("Rscript") is None:
        return False
    call = ["Rscript", "--vanilla", "-e", "library(survival)"]
    return subprocess.run(call, check=False, capture_output=True).returncode == 0


def main() -> None:
    """Run one rival: its name, the dataset, the file to write."""
    name, data, file = sys.argv[1:]
    RIVALS[name](Path(data), Progress(Path(file)))


if __name__ == "__main__":
    main()
