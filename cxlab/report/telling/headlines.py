"""What a run found that somebody who reads a single line should read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["headlines"]

_FIRST = ("drivers.summary", "summary.churn", "summary.changed", "summary.next")
_LEAD = "driver"  # the verdict that comes next


def headlines(run: Path, most: int) -> list[str]:
    """Give what a run found, what matters most first.

    The answer of the driver table comes first, then what the page says that sums up, then each
    driver, then the rest in the order of the pages.

    Parameters
    ----------
    run : pathlib.Path
        The run's folder.
    most : int
        How many statements; fewer where there are not as many, none of a file that is broken.
    """
    try:
        read = json.loads((run / "findings.json").read_text(encoding="utf-8"))
        found = sorted(read["findings"], key=_place)
        statements = [str(f["statement"]) for f in found]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return list(dict.fromkeys(statements))[:most]


def _place(finding: Mapping[str, Any]) -> int:
    if finding["id"] in _FIRST:
        return _FIRST.index(finding["id"])
    return len(_FIRST) + (finding.get("verdict") != _LEAD)
