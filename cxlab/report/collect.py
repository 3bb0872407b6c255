"""Gather what the executed notebooks found and write it where others read it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cxlab.errors import AnalysisError
from cxlab.report.findings import drivers_text, write_drivers, write_findings
from cxlab.report.outputs import Harvest, Outputs, gather, read_outputs
from cxlab.report.plan import Plan
from cxlab.report.tables import write_tables
from cxlab.results import Result

__all__ = ["DRIVERS_RESULT", "collect", "write_found"]

DRIVERS_RESULT = "churn_drivers"
"""The result that becomes ``drivers.csv``."""


def collect(plan: Plan, folder: Path, names: Iterable[str]) -> tuple[Harvest, dict[str, str]]:
    """Gather what notebooks found, in the order given.

    Parameters
    ----------
    plan : Plan
        The run.
    folder : pathlib.Path
        Where the executed notebooks are.
    names : iterable of str
        The notebooks, each run to its end.

    Returns
    -------
    Harvest
        What was found.
    dict of str to str
        The notebooks whose outputs cannot be published, with the reason.
    """
    read: list[Outputs] = []
    refused: dict[str, str] = {}
    for name in names:
        try:
            outputs = read_outputs(
                folder / f"{name}.ipynb",
                include_customers=plan.spec.publish.include_customers,
            )
            _check_drivers(outputs)
        except AnalysisError as error:
            refused[name] = str(error)
        else:
            read.append(outputs)
    harvest, conflicts = gather(read)
    return harvest, refused | conflicts


def write_found(plan: Plan, harvest: Harvest, folder: Path) -> None:
    """Write ``findings.json``, ``drivers.csv`` and ``tables/``.

    Parameters
    ----------
    plan : Plan
        The run.
    harvest : Harvest
        What was found.
    folder : pathlib.Path
        Where to.
    """
    write_findings(
        folder / "findings.json",
        as_of=plan.dataset.as_of.isoformat(),
        name=plan.dataset.name,
        sha256=plan.dataset.sha256(),
        findings=harvest.findings.values(),
    )
    if DRIVERS_RESULT in harvest.results:
        result = Result.from_dict(harvest.results[DRIVERS_RESULT])
        write_drivers(result.table, folder / "drivers.csv")
    write_tables(harvest.tables, folder / "tables")


def _check_drivers(outputs: Outputs) -> None:
    """Refuse a driver table that cannot be written, as the fault of its notebook."""
    for data in outputs.results:
        if data["name"] == DRIVERS_RESULT:
            drivers_text(Result.from_dict(data).table)
