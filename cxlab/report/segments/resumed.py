"""A run with ``each`` that was cut: which segments' reports stand, and which can be gone on with.

The comparing run writes down what it was asked and, as each segment's report ends, how it did;
a published one has both in its manifest. A good report is taken over; one that failed, or that
was being made, is gone on with as any other run; the others are made from the start.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cxlab.errors import CxlabError
from cxlab.report.earlier import RUN_ID, hashes, order
from cxlab.report.publish import Build, Share
from cxlab.report.resume import BUILDING, WORK, Cut, read_cut
from cxlab.report.segments.compared import Ended
from cxlab.report.segments.fan import slug
from cxlab.report.segments.groups import Group
from cxlab.report.spec import Plan
from cxlab.report.tables import write_text

__all__ = ["Past", "note_segment", "past_of"]

_SEGMENT = ".segment.json"


def note_segment(build: Build | Share, ended: Ended) -> None:
    """Write down how a segment's report ended, in case the comparing run is killed.

    Parameters
    ----------
    build : Build or Share
        The comparing run.
    ended : Ended
        How it ended.
    """
    write_text(build.work / f"{ended.folder}{_SEGMENT}", json.dumps(asdict(ended)))


@dataclass(frozen=True)
class Past:
    """What an earlier comparing run has left.

    Parameters
    ----------
    run_id : str
        The run; empty where there is none to go on with.
    told : mapping of str to mapping
        How segments' reports had ended, by segment.
    same : bool
        Whether the notebooks are what they were.
    """

    run_id: str = ""
    told: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    same: bool = False

    def stands(self, group: Group, place: Path) -> Ended | None:
        """Give how a segment's report ended, where it is good and still there as it was written.

        Parameters
        ----------
        group : Group
            The segment, as it is counted now.
        place : pathlib.Path
            The folder of the segments' folders.
        """
        had = self.told.get(group.where)
        if had is None or not self.same or had["status"] != "ok":
            return None
        name, run = slug(group.where), str(had["run"])
        if not RUN_ID.fullmatch(run):
            return None
        folder = place / name / run
        try:
            about = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            whole = (about["status"], about["sha256"]) == ("ok", hashes(folder))
        except (OSError, ValueError, KeyError):
            return None
        if not whole:
            return None
        ended = Ended(group.where, group.words, name, "ok", run=run, customers=group.customers,
                      churners=group.churners, places=group.places)  # fmt: skip
        return replace(ended, seconds=float(had["seconds"]), taken_from=self.run_id)

    def cut_of(self, group: Group, plan: Plan, place: Path) -> Cut | None:
        """Give a segment's run to go on with, if it has one that can be.

        Parameters
        ----------
        group : Group
            The segment.
        plan : Plan
            The run, of all segments together.
        place : pathlib.Path
            The folder of the segments' folders.
        """
        if not self.run_id:
            return None
        folder = place / slug(group.where)
        run = str(self.told.get(group.where, {}).get("run") or _left(folder, self.run_id))
        if not RUN_ID.fullmatch(run):
            return None
        try:
            return read_cut(folder, plan.spec_path, run)
        except CxlabError:  # what cannot be gone on with is made from the start
            return None


def _left(folder: Path, since: str) -> str:
    """Name the run of a segment that was being made when the comparing run was killed."""
    names = [p.name.removeprefix(BUILDING) for p in folder.glob(f"{BUILDING}*")]
    return max((n for n in names if order(n) >= order(since)), key=order, default="")


def _noted(folder: Path) -> Iterator[dict[str, Any]]:
    """Read how segments' reports had ended; a note that is not whole is none."""
    for path in sorted(folder.glob(f"*{_SEGMENT}")):
        with contextlib.suppress(ValueError):
            yield json.loads(path.read_text(encoding="utf-8"))


def past_of(plan: Plan) -> Past:
    """Read what the comparing run has left that is to be gone on with.

    Parameters
    ----------
    plan : Plan
        The run, of all segments together.
    """
    if plan.cut is None:
        return Past()
    cut = plan.cut
    if cut.unpublished:
        segments = list(_noted(cut.folder / WORK))
    else:
        about = json.loads((cut.folder / "manifest.json").read_text(encoding="utf-8"))
        segments = about["segments"]
    then = {name: had.source_sha256 for name, had in cut.run.manifest.rendered.items()}
    same = then == {name: plan.sources[name] for name in plan.order}
    return Past(cut.run.run_id, {each["where"]: each for each in segments}, same)
