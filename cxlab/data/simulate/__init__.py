"""Simulated customers whose truth is known; see :mod:`cxlab.data.simulate.engine`."""

from __future__ import annotations

from cxlab.data.simulate.engine import DAYS, Simulation, simulate
from cxlab.data.simulate.files import write
from cxlab.data.simulate.worlds import WORLDS, World

__all__ = ["DAYS", "WORLDS", "Simulation", "World", "simulate", "write"]
