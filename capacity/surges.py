"""What a known event does to the minutes ahead: the level now, times how sales rose after this moment in past events.

A forecast of sales knows the day; a match, a sale's opening or a mailing moves sales several-fold within minutes, and
how far it has come already says most about what follows. Events are matched by kind and hour, and anchored at their
start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from capacity.domain import Event, Forecast, require

Array = NDArray[np.float64]

BEFORE, AFTER = timedelta(hours=2), timedelta(hours=4)  # around an event's start: people come early and stay on
REMEMBERED = 10  # past events: more are older, and a crowd grows
LEAST = 2  # past events without which nothing is known of a kind
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Past:
    """Sales on a regular grid up to the origin: `values` (steps,), the start of the first step, the step."""

    values: Array
    first: pd.Timestamp
    step: timedelta

    def place(self, moment: object) -> int:
        return int((pd.Timestamp(moment) - self.first) // self.step)  # type: ignore[arg-type]


def with_surges(forecast: Forecast, sales: pd.Series, events: Sequence[Event]) -> Forecast:
    """The forecast with the steps near an event replaced: level now x quantiles of what followed at this distance.

    `sales` end at the forecast's origin. For a step h ahead the ratios ``sales(start + d + h) / sales(start + d)`` of
    past events of the same kind and hour of day are taken, d being how far the origin lies from this event's start.
    Never below the forecast's own quantile of the same level where fewer than `REMEMBERED` events are known.

    Raises `DataError` where sales end elsewhere than at the origin.

    >>> step = timedelta(minutes=5)
    >>> index = pd.date_range("2026-03-01", periods=4 * 288, freq=step, tz="UTC")
    >>> sales = pd.Series(10.0 + 90.0 * ((index.hour >= 19) & (index.hour < 21)), index).iloc[: 3 * 288 + 19 * 12]
    >>> matches = [Event("match", day, day + timedelta(hours=2), "match") for day in index[19 * 12 :: 288]]
    >>> ahead = pd.date_range(sales.index[-1] + step, periods=12, freq=step)
    >>> plain = Forecast(sales.index[-1], step, pd.DataFrame({0.9: 10.0}, ahead), "sales")
    >>> float(with_surges(plain, sales, matches).at(0.9).iloc[0])
    100.0
    """
    past = _Past(sales.to_numpy(dtype=np.float64), sales.index[0], forecast.step)
    at_origin = sales.index[-1] == pd.Timestamp(forecast.origin)
    require(bool(at_origin), "surges: expected sales up to {}, got {}", forecast.origin, sales.index[-1])
    quantiles = forecast.quantiles.to_numpy(dtype=np.float64).copy()  # (steps, levels)
    levels = [float(level) for level in forecast.quantiles.columns]
    for event in events:
        expected, inside, known = _expected(event, past, events, (len(quantiles), levels))
        if known >= LEAST:
            surged = expected if known >= REMEMBERED else np.maximum(expected, quantiles)
            quantiles = np.where(inside[:, None], surged, quantiles)
    table = pd.DataFrame(quantiles, index=forecast.quantiles.index, columns=forecast.quantiles.columns)
    return replace(forecast, quantiles=table, window=None, maxima=None)


def _expected(
    event: Event, past: _Past, events: Sequence[Event], shape: tuple[int, list[float]]
) -> tuple[Array, NDArray[np.bool_], int]:
    """Quantiles (steps, levels) of this event's sales, which steps lie near it, and from how many past events."""
    horizon, levels = shape
    now = len(past.values)  # the first step not yet known
    distance = now - past.place(event.start)
    relative = distance + np.arange(horizon)
    inside = (relative >= -(BEFORE // past.step)) & (relative < AFTER // past.step)
    if not inside.any():
        return np.zeros((horizon, len(levels))), inside, 0
    starts = sorted(past.place(other.start) for other in events if _alike(event, other))
    usable = [at for at in starts if at + distance >= 1 and at + distance + horizon <= now][-REMEMBERED:]
    if not usable:
        return np.zeros((horizon, len(levels))), inside, 0
    ratios = np.array([_ratios(past.values, at + distance, horizon) for at in usable])  # (events, steps)
    level = past.values[now - 1]
    return np.asarray(level * np.nanquantile(ratios, levels, axis=0).T), inside, len(usable)


def _alike(event: Event, other: Event) -> bool:
    """Of one kind, earlier, and at about the same hour."""
    apart = event.start - other.start
    of_day = min(apart % DAY, -apart % DAY)
    return other.kind == event.kind and apart > timedelta(0) and of_day <= HOUR


def _ratios(values: Array, at: int, horizon: int) -> Array:
    level = values[at - 1]
    return np.asarray(values[at : at + horizon] / level if level > 0 else np.ones(horizon))
