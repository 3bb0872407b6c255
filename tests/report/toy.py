"""A stand-in for a dataset, and a program that renders with it: ``python toy.py SPEC [OUT]``."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from cxlab.data.dataset import Dataset
from cxlab.report.render import render

FAULTS = Path(__file__).parents[1] / "faults"
SHIPPED = Path(__file__).parents[2] / "notebooks"


@dataclass(frozen=True)
class ToyDataset:
    name: str = "toy"
    as_of: dt.date = dt.date(2026, 6, 30)
    form: str = "events"
    tables: tuple[str, ...] = ("customers", "interactions")

    @property
    def day(self) -> str | None:
        return None if self.form == "snapshot" else self.as_of.isoformat()

    def missing(self, needs: Iterable[str]) -> str | None:
        return Dataset.missing(self, needs)  # type: ignore[arg-type]

    def sha256(self) -> dict[str, str]:
        return {"interactions": "cd" * 32, "customers": "ab" * 32}

    def settings_sha256(self) -> str:
        return "ef" * 32

    def replaced(self) -> list[str]:
        return []

    def partitions(self) -> dict[str, Any]:
        return {}

    snapshot = None
    where = ""
    segment = None
    read: ClassVar[dict[str, Any]] = {}

    def columns(self, table: str) -> tuple[str, ...]:
        return ()

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def keep_for(self, run: Path) -> None:
        """Do nothing: there is no snapshot."""


def load_toy(path: Path, as_of: dt.date | None = None) -> ToyDataset:
    return ToyDataset(as_of=as_of or dt.date(2026, 6, 30))


def write_spec(folder: Path, **given: Any) -> Path:
    """Write a spec of the notebooks that go well, changed as given; None leaves a key out."""
    import yaml

    spec = {"title": "Toy <report>", "dataset": "data", "notebooks": ["summary", "drivers"]} | given
    path = folder / "toy.yml"
    path.write_text(yaml.safe_dump({k: v for k, v in spec.items() if v is not None}))
    return path


if __name__ == "__main__":
    run = render(Path(sys.argv[1]), out=Path(sys.argv[2]), load=load_toy)
    sys.stdout.write(f"{run.path.name} {run.status}\n")
