"""What is done once, in the process that all notebooks' processes are forked from.

Loaded there after everything else, and nowhere else.
"""

from __future__ import annotations

import atexit
import gc

from cxlab.data.prepared import made_by
from cxlab.report.running.kernels import register

__all__: list[str] = []

made_by()  # which code this is: all of it is read
register()  # which kernels there are: what is installed is looked through
# Each fork would else go over all that is loaded, and so copy it, before it does anything.
gc.collect()
gc.freeze()
atexit.register(gc.unfreeze)  # what ends with this process is to be let go, or libraries complain
