"""What is found once, in the process that all notebooks' processes are forked from."""

from __future__ import annotations

from cxlab.data.prepared import made_by
from cxlab.report.running.kernels import register

__all__: list[str] = []

made_by()  # which code this is: all of it is read
register()  # which kernels there are: what is installed is looked through
