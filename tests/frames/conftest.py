from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from cxlab.data.dataset import Dataset, load

Make = Callable[..., Dataset]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write tables given as CSV text and load them."""

    def build(
        settings: str = "", as_of: str | None = None, **tables: str | pd.DataFrame
    ) -> Dataset:
        for name, table in tables.items():
            if isinstance(table, pd.DataFrame):
                table.to_csv(tmp_path / f"{name}.csv", index=False)
            else:
                text = "\n".join(line.strip() for line in table.strip().splitlines())
                (tmp_path / f"{name}.csv").write_text(text + "\n", encoding="utf-8")
        (tmp_path / "dataset.yml").write_text(settings, encoding="utf-8")
        return load(tmp_path, as_of)

    return build
