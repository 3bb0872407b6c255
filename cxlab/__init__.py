"""Which touchpoints of a customer's journey drive churn, how sure are we, what is it worth?

The public names are loaded when first used, so that ``import cxlab`` and ``cxlab --help``
stay quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cxlab.data.dataset import Dataset, load
    from cxlab.errors import CxlabError
    from cxlab.lab.explore import Explorer, explore
    from cxlab.results import Check, Finding, Findings, Kept, Listing, Plain, Result

__all__ = [
    "Check",
    "CxlabError",
    "Dataset",
    "Explorer",
    "Finding",
    "Findings",
    "Kept",
    "Listing",
    "Plain",
    "Result",
    "explore",
    "load",
]
__version__ = "0.1.0"

_HOMES = {
    "Check": "cxlab.results",
    "CxlabError": "cxlab.errors",
    "Dataset": "cxlab.data.dataset",
    "Explorer": "cxlab.lab.explore",
    "Finding": "cxlab.results",
    "Findings": "cxlab.results",
    "Kept": "cxlab.results",
    "Listing": "cxlab.results",
    "Plain": "cxlab.results",
    "Result": "cxlab.results",
    "explore": "cxlab.lab.explore",
    "load": "cxlab.data.dataset",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'cxlab' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return [*__all__, "__version__"]
