"""Imports run one way.

``errors, results <- data <- frames <- models <- analyses <- report <- lab <- cli``
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "cxlab"

GROUND = {"errors", "results"}
BELOW_REPORT = GROUND | {"data", "frames", "models", "analyses"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "results": {"errors"},
    "data": GROUND,
    "frames": GROUND | {"data"},
    "models": GROUND,
    "analyses": BELOW_REPORT,
    "plots": {"results"},
    "report": BELOW_REPORT | {"plots"},
    "lab": BELOW_REPORT | {"plots", "report"},
    "cli": BELOW_REPORT | {"plots", "report", "lab"},
    "__main__": {"cli"},
}


def imports(package: Path) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Give (importing module, imported name) for every import from cxlab, as dotted parts."""
    for path in sorted(package.rglob("*.py")):
        here = path.relative_to(package.parent).with_suffix("").parts
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                stem = here[: len(here) - node.level] if node.level else ()
                stem += (node.module,) if node.module else ()
                names = [".".join((*stem, alias.name)) for alias in node.names]
            yield from ((here, tuple(n.split("."))) for n in names if n.split(".")[0] == "cxlab")


def violations(package: Path) -> list[str]:
    found = []
    for here, there in imports(package):
        # a name from the package itself comes from its __init__, above everything
        layer, target = here[1], there[1] if len(there) > 1 else "__init__"
        allowed = layer == "__init__" or target == layer or target in MAY_IMPORT.get(layer, set())
        if layer == target == "analyses" and here[2] not in ("__init__", *there[2:3]):
            allowed = False  # one analysis knows nothing of another
        if not allowed:
            found.append(f"{'.'.join(here)} imports {'.'.join(there)}")
    return found


def test_imports_run_one_way() -> None:
    assert violations(PACKAGE) == []


def test_every_module_has_a_layer() -> None:
    modules = {p.stem for p in PACKAGE.glob("*.py")} | {p.name for p in PACKAGE.glob("[a-z]*/")}
    assert modules <= {*MAY_IMPORT, "__init__"}


@pytest.mark.parametrize(
    ("module", "line", "wrong"),
    [
        ("data/contract.py", "from cxlab.errors import DataError", False),
        ("data/contract.py", "from cxlab.frames.periods import split", True),
        ("frames/__init__.py", "from .periods import split", False),
        ("models/hazard.py", "from ..data import load", True),
        ("models/hazard.py", "def f():\n    import cxlab.frames.engine", True),
        ("models/hazard.py", "from cxlab import frames", True),
        ("analyses/drivers.py", "from cxlab.models import hazard", False),
        ("analyses/drivers.py", "from . import summary", True),
        ("analyses/drivers.py", "from cxlab.analyses.summary import answer", True),
        ("analyses/__init__.py", "from .drivers import drivers", False),
        ("plots/forest.py", "from cxlab.results import Result", False),
        ("plots/forest.py", "from cxlab.errors import DataError", True),
        ("analyses/drivers.py", "from cxlab.plots import forest", True),
        ("report/render.py", "from cxlab.plots import forest", False),
        ("report/render.py", "from cxlab import load", True),
        ("lab/new.py", "import cxlab.cli", True),
        ("cli.py", "from cxlab.lab import new", False),
        ("__init__.py", "from cxlab.data import load", False),
        ("stray.py", "from cxlab.data import load", True),
    ],
)
def test_the_rule_can_fail(tmp_path: Path, module: str, line: str, wrong: bool) -> None:
    path = tmp_path / "cxlab" / module
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(line, "utf-8")
    assert bool(violations(tmp_path / "cxlab")) is wrong
