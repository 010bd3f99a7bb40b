"""What a forecast is asked for: horizon, quantile levels, holidays and events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from capacity.model.errors import require
from capacity.model.events import Event

DEFAULT_HORIZON = timedelta(days=14)
DEFAULT_LEVELS = (0.5, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class ForecastRequest:
    """What is asked of a forecast: how far, which quantiles, and what is known ahead.

    Parameters
    ----------
    horizon : timedelta
        How far ahead, from the end of the series on; it must hold at least one step of it. Default 14 days.
    quantile_levels : tuple of float
        Levels in (0, 1), ascending. Default 0.5, 0.9, 0.95 and 0.99.
    holidays : tuple of str
        Countries and states (GB-ENG, US) whose public holidays and bridge days count as events. Default none.
    events : tuple of Event
        Promotions, closures and the like, past ones to learn from and coming ones. Default none.
    timezone : str or None
        The clock on which the shape of days lives. Default: the one noted on the series.
    window : timedelta or None
        Ask also for the quantiles of the highest step of ``[t, t + window)`` from every step t. Default none.

    Raises
    ------
    DataError
        No forecast can be made for a value.

    Examples
    --------
    >>> ForecastRequest(timedelta(days=1), holidays=("GB-ENG",)).quantile_levels
    (0.5, 0.9, 0.95, 0.99)
    """

    horizon: timedelta = DEFAULT_HORIZON
    quantile_levels: tuple[float, ...] = DEFAULT_LEVELS
    holidays: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    timezone: str | None = None
    window: timedelta | None = None

    def __post_init__(self) -> None:
        require(self.horizon > timedelta(0), "horizon: expected a positive duration, got {}", self.horizon)
        require_levels(self.quantile_levels)
        if self.window is not None:
            require(self.window > timedelta(0), "window: expected a positive duration, got {}", self.window)


def require_levels(levels: tuple[float, ...]) -> None:
    """Refuse quantile levels outside of (0, 1), out of order, repeated or missing, with `DataError`."""
    require(bool(levels), "expected at least one quantile level, got none")
    require(all(0 < level < 1 for level in levels), "quantile levels must lie in (0, 1), got {}", levels)
    require(list(levels) == sorted(set(levels)), "quantile levels must ascend without repeats, got {}", levels)
