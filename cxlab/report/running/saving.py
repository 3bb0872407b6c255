"""papermill's engine, which saves a notebook when there is something to lose.

papermill writes the whole notebook before and after each cell, and checks it against its
schema each time; of a notebook with pictures that takes longer than many of its cells.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from jupyter_core.utils import run_sync
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from papermill.iorw import write_ipynb

__all__ = ["ENGINE", "register"]

ENGINE = "cxlab"
"""The engine's name, as papermill is given it."""
# A cell that runs as long is on disk as begun: a notebook that is ended there says where.
_SOON = 0.5


class _Manager(NotebookExecutionManager):
    """Notes what papermill tells it, and leaves writing to its engine."""

    def save(self, **kwargs: Any) -> None:
        """Write nothing: papermill asks for it twice a cell."""

    def write(self) -> None:
        """Write the notebook as it stands."""
        write_ipynb(self.nb, self.output_path)


class _Client(PapermillNotebookClient):
    """Writes the notebook while a cell runs that takes its time."""

    async def async_execute_cell(self, *given: Any, **named: Any) -> Any:
        """Execute a cell; the notebook is written once, if the cell is still running soon."""
        # On the loop that waits for the kernel: nothing else changes the notebook meanwhile.
        soon = asyncio.get_running_loop().call_later(_SOON, self.nb_man.write)
        try:
            return await super().async_execute_cell(*given, **named)
        finally:
            soon.cancel()

    execute_cell = run_sync(async_execute_cell)


class _Engine(NBClientEngine):
    """Runs a notebook; written at its start, in long cells, and where it goes wrong."""

    @classmethod
    def execute_notebook(
        cls, nb: Any, kernel_name: str, output_path: str | Path | None = None, **named: Any
    ) -> Any:
        """Run the notebook; papermill writes it once more when it has ended well."""
        for unused in ("input_path", "progress_bar", "autosave_cell_every"):
            named.pop(unused, None)
        manager = _Manager(nb, output_path=output_path, progress_bar=False)
        manager.notebook_start()
        manager.write()
        try:
            cls.execute_managed_notebook(manager, kernel_name, **named)
        except BaseException:
            manager.notebook_complete()
            manager.write()
            raise
        manager.notebook_complete()
        return manager.nb

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: _Manager, kernel_name: str, start_timeout: int = 60, **named: Any
    ) -> Any:
        """Run the cells with a client that writes while they run."""
        client = _Client(nb_man, startup_timeout=start_timeout, kernel_name=kernel_name, **named)
        return client.execute()


def register() -> None:
    """Make the engine known to papermill in this process."""
    papermill_engines.register(ENGINE, _Engine)
