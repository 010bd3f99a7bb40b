"""Floors as changes, each with the reason it begins; and the quiet levels below which traffic has vanished."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capacity.domain import Demand, FloorChange, Quiet
from capacity.domain.arrays import Counts
from capacity.planning.optimum import run_starts

QUIET_LEVEL = 0.05  # one hour in twenty lies below: with the observed usage below it as well, something is wrong


def floor_changes(floors: Counts, need: Counts, low: int, high: int) -> tuple[FloorChange, ...]:
    """Runs of equal floors. A run that stands below its need is cut: by the ceiling, or by the budget under it."""
    starts = run_starts(floors)
    needed = np.maximum.reduceat(need, starts).tolist()
    changes: list[FloorChange] = []
    before = 0
    for at, wanted in zip(starts.tolist(), needed, strict=True):
        here = int(floors[at])
        moved = "DemandRising" if here > before else "DemandFalling"
        reason = _bound(here, wanted, low, high) or ("PlanStart" if at == 0 else moved)
        changes.append(FloorChange(at, here, reason))
        before = here
    return tuple(changes)


def _bound(floor: int, need: int, low: int, high: int) -> str | None:
    if need > floor:
        return "CeilingReached" if floor == high else "BudgetReached"
    return "StaticFloor" if floor == low and need < low else None


def quiet_levels(demand: Demand) -> tuple[Quiet, ...]:
    """The low quantile of CPU demand, the least of each hour, as changes; empty where it was not forecast."""
    cpu = demand.cpu
    if QUIET_LEVEL not in [float(level) for level in cpu.quantiles.columns]:
        return ()
    millicores = np.floor(cpu.at(QUIET_LEVEL).to_numpy(dtype=float) * 1000).astype(np.int64)
    hours = pd.DatetimeIndex(cpu.quantiles.index).floor("h").asi8
    starts = run_starts(hours)
    least = np.minimum.reduceat(millicores, starts)
    keep = run_starts(least)
    return tuple(Quiet(int(offset), int(level)) for offset, level in zip(starts[keep], least[keep], strict=True))
