"""What usage must be before anything is learned from it: a regular table of gauges, in the units of the nouns."""

from __future__ import annotations

import numpy as np
import pandas as pd

from capacity.domain import DataError, require
from capacity.domain.arrays import Array
from capacity.load.grid import on_grid, spacing

RESOURCES = ("cpu", "memory", "requests")
UNITS = {"cpu": "cores", "memory": "bytes", "requests": "requests/s"}
RISING = 0.98  # share of changes that a counter goes up or stands; a gauge goes down as often as up
RISES = 0.5  # of changes are real rises: a gauge that mostly stands still is no counter


def checked_usage(usage: pd.DataFrame) -> pd.DataFrame:
    """Usage on its regular UTC steps, with the columns that are known and gaps as NaN.

    Raises `DataError` where the table is no usage: another index, no known column, no number, negative, infinite.
    """
    index = usage.index
    if not isinstance(index, pd.DatetimeIndex):
        raise DataError(f"usage: expected a DatetimeIndex in UTC, got {type(index).__name__}")
    known = [name for name in RESOURCES if name in usage.columns]
    require(bool(known), "usage: expected columns among {}, got {}", list(RESOURCES), [str(c) for c in usage.columns])
    step = spacing(index)
    try:
        table = usage[known].astype(float)
    except (TypeError, ValueError) as error:
        raise DataError(f"usage: expected numbers, got {usage[known].dtypes.to_dict()}") from error
    for name in known:
        values = table[name].to_numpy()
        require(not np.isinf(values).any(), "usage: {}: expected finite values or NaN for a gap, got infinity", name)
        lowest = np.nanmin(values, initial=0.0)
        require(bool(lowest >= 0), "usage: {}: expected {} >= 0, got {:g}", name, UNITS[name], lowest)
    return on_grid(table, step)


def fault(resource: str, values: Array) -> str | None:
    """Why these values (T,) cannot be the usage of a resource; None where they can.

    >>> fault("cpu", np.arange(100.0))
    'it never falls: a counter, not a gauge; take its rate() per second'
    """
    seen = values[~np.isnan(values)]
    if not len(seen):
        return "there is no value at all"
    if not seen.any():
        return "it is zero throughout: a metric that measures nothing, not a workload that costs nothing"
    if resource != "memory" and _counts(seen):
        return "it never falls: a counter, not a gauge; take its rate() per second"
    return None


def _counts(seen: Array) -> bool:
    change = np.diff(seen)
    if len(change) < 24:
        return False
    return bool((change >= 0).mean() >= RISING and (change > 0).mean() >= RISES)
