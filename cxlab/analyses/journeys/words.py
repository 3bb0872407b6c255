"""What journeys come to, for the top of a report."""

from __future__ import annotations

from typing import Any

from cxlab.results import Finding, Findings, Result

__all__ = ["findings"]

_FIGURES = ("estimate", "conf_low", "conf_high")


def findings(result: Result, notebook: str = "03_journeys") -> Findings:
    """Word journeys for ``findings.json`` and the top of the report.

    Parameters
    ----------
    result : Result
        Of :func:`cxlab.analyses.journeys.run`.
    notebook : str
        The notebook that says so.
    """
    found = Findings()

    def add(name: str, part: str, row: Any, unit: str, n: int | None) -> None:
        middle, low, high = (None if row is None else float(row[c]) for c in _FIGURES)
        # That customers leave after a contact is no finding by itself.
        words = result.meta["fails"] if part == "" else result[part].sentence
        named = f"journeys.{name}"
        found.append(Finding(named, notebook, words, middle, low, high, unit, n))

    failed = result.table[(result.table["figure"] == "failed") & ~result.table["withheld"]]
    most = None if failed.empty else failed.loc[failed["estimate"].idxmax()]
    n = None if most is None else int(most["n"])
    add("map", "", most, "" if most is None else "share of contacts that fail", n)
    ends = result["ends"].table.set_index("term")
    if "abandoned" in ends.index:
        row = ends.loc["abandoned"]
        add("abandoned", "ends", row, "share of journeys abandoned", int(row["n"]))
    if len(table := result["handoffs"].table):
        unit = "difference of shares that fail"
        add("handoffs", "handoffs", table.iloc[-1], unit, result["handoffs"].meta["customers"])
    if len(result["loops"].table):
        add("loops", "loops", None, "", None)
    if len(table := result["experience"].table):
        best = table.loc[table["area"].idxmax()] if table["area"].notna().any() else table.iloc[0]
        area = {"estimate": best["area"], "conf_low": best["area_low"],
                "conf_high": best["area_high"]}  # fmt: skip
        add("experience", "experience", area, "area under the ROC curve", int(best["n"]))
    table = result["channels"].table
    if len(table) and (table["comparison"] == "adjusted").any():
        row = table[table["comparison"] == "adjusted"].iloc[-1]
        add("channels", "channels", row, "hazard ratio", result["channels"].meta["customers"])
    if "compared" in result.parts:
        add("compared", "compared", None, "", None)
    return found
