"""A history on its full grid: as it is known, with its gaps, and as it is served, with short ones bridged."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd

from capacity.forecast import regular_step
from capacity.model import require

DAY = timedelta(days=1)


def on_grid(sales: pd.Series) -> tuple[timedelta, pd.Series, pd.Series]:
    """The step; the history on its full grid with gaps as NaN; and the same with short gaps bridged, to be served.

    Only what is served is bridged, in straight lines: forecasts see the gaps, so that nothing after an origin reaches
    it. Raises `DataError` for a gap of more than a day.

    >>> hours = pd.Series([1.0, None, 3.0, 4.0, 5.0], pd.date_range("2026-01-01", periods=5, freq="h", tz="UTC"))
    >>> step, known, served = on_grid(hours)
    >>> known.isna().tolist(), served.tolist()
    ([False, True, False, False, False], [1.0, 2.0, 3.0, 4.0, 5.0])
    """
    step = regular_step(sales)
    steps = pd.date_range(sales.index[0], sales.index[-1], freq=pd.Timedelta(step))
    grid = sales.reindex(steps)
    grid.attrs = dict(sales.attrs)
    filled = grid.interpolate(limit=max(1, int(DAY / step)), limit_area="inside")
    gaps = filled.index[filled.isna()]
    first = f"{gaps[0]:%Y-%m-%dT%H:%MZ}" if len(gaps) else "none"
    require(gaps.empty, "expected no gap longer than a day, got one at {}", first)
    return step, grid, filled
