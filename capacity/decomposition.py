"""Sales taken apart: level, cycles, and what neither explains; the parts add up to what was sold."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.days import rolling_median
from capacity.domain import require
from capacity.months import evened
from capacity.seasonality import DAY, YEAR, decomposition, find_seasons

LONGEST = timedelta(weeks=26)  # of fine history that is taken apart: half a year shows the cycles of today
HOUR = timedelta(hours=1)


def decompose_sales(sales: pd.Series) -> pd.DataFrame:
    """A history (regular UTC index, gaps as NaN) as level + one column per cycle + rest: its newest half year, three
    years where its steps are days or longer.

    Columns: `sales`, `level`, each cycle of `find_seasons` that fits twice by its name, `rest`; all in the unit of the
    sales, means of an hour where steps are finer. MSTL (Bandara, Hyndman and Bergmeir, 2021), robust against single
    extremes; gaps are filled by a straight line to find the parts, and have no `rest`. Without a cycle the level is
    the running median over a day's or a week's steps. Raises `DataError` on fewer than 8 steps with data.

    >>> index = pd.date_range("2026-01-01", periods=24 * 28, freq="h", tz="UTC")
    >>> parts = decompose_sales(pd.Series(10.0 + (index.hour - 12) ** 2, index))
    >>> list(parts.columns), round(float(parts["rest"].abs().max()), 6)
    (['sales', 'level', 'daily', 'rest'], 0.0)
    """
    seen = int(sales.notna().sum())
    require(seen >= 8, "decompose: expected at least 8 steps with data, got {}", seen)
    series = evened(sales)
    step: timedelta = (series.index[1:] - series.index[:-1]).min().to_pytimedelta()
    recent = series.loc[series.index > series.index[-1] - (3 * YEAR if step >= DAY else LONGEST)]
    hourly = recent.resample(HOUR).mean() if step < HOUR else recent.asfreq(pd.Timedelta(step))
    factor = 1.0 if step >= HOUR else step / HOUR
    whole = hourly.interpolate(limit_direction="both")
    lengths = {round(season.season_length * factor): season.name for season in find_seasons(sales)}
    fitting = {length: name for length, name in lengths.items() if 2 <= length <= len(whole) // 2}
    parts = _parts(whole, fitting)
    parts.insert(0, "sales", hourly)
    parts["rest"] = hourly - parts.drop(columns="sales").sum(axis=1)
    return parts.rename_axis("start")


def _parts(whole: pd.Series, lengths: dict[int, str]) -> pd.DataFrame:
    if not lengths:
        window = min(len(whole), 24 if len(whole) > 48 else 7)
        level = rolling_median(whole.to_numpy(dtype=np.float64), window, center=True, least=1)
        return pd.DataFrame({"level": level}, whole.index)
    from statsmodels.tsa.seasonal import MSTL  # slow to load: only where a decomposition is due

    fit = MSTL(whole.to_numpy(), periods=sorted(lengths), stl_kwargs=decomposition(min(lengths))).fit()
    cycles = np.asarray(fit.seasonal).reshape(len(whole), -1)
    named = {lengths[length]: cycles[:, place] for place, length in enumerate(sorted(lengths))}
    return pd.DataFrame({"level": np.asarray(fit.trend), **named}, whole.index)
