"""Quantiles over the coming steps, of sales and of the demand that follows from them; and what is asked of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from capacity.model.errors import DataError, require, require_aware
from capacity.model.events import Event
from capacity.model.fields import duration, settle
from capacity.shown import plot_noun, shows_itself, with_card

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

DEFAULT_HORIZON = timedelta(days=14)
DEFAULT_LEVELS = (0.5, 0.9, 0.95, 0.99)
MONTH = timedelta(days=365, hours=6) / 12  # the mean month: the `step` of forecasts for calendar months
SHORTEST, LONGEST = timedelta(days=28, hours=-1), timedelta(days=31, hours=1)  # real ones, on a clock that may change
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}  # in the unit of an index


@with_card
@dataclass(frozen=True, slots=True)
class ForecastRequest:
    """What is asked of a forecast: how far, which quantiles, and what is known ahead.

    Parameters
    ----------
    horizon : timedelta or str
        How far ahead, from the end of the series on, such as ``"14d"``; it must hold at least one step of it. Default
        14 days.
    quantile_levels : tuple of float
        Levels in (0, 1), ascending. Default 0.5, 0.9, 0.95 and 0.99.
    holidays : tuple of str, or str
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
        settle(self, "forecast", duration, "horizon", "window")
        if isinstance(self.holidays, str):
            object.__setattr__(self, "holidays", (self.holidays,))
        require(self.horizon > timedelta(0), "horizon: expected a positive duration, got {}", self.horizon)
        require_levels(self.quantile_levels)
        strange = [event for event in self.events if not isinstance(event, Event)]
        require(not strange, "events: expected Event(...), got {!r}", *strange[:1])
        if self.window is not None:
            require(
                isinstance(self.window, timedelta), "window: expected a duration such as '1h', got {!r}", self.window
            )
            require(self.window > timedelta(0), "window: expected a positive duration, got {}", self.window)


def levels_of(levels: float | Sequence[float]) -> tuple[float, ...]:
    """Quantile levels in ascending order, from one or several. Raises `DataError` for what is no number.

    >>> levels_of(0.95), levels_of([0.99, 0.5])
    ((0.95,), (0.5, 0.99))
    """
    try:
        return tuple(sorted(float(level) for level in ((levels,) if isinstance(levels, float) else levels)))
    except (TypeError, ValueError) as error:
        raise DataError(f"quantile levels: expected numbers in (0, 1), got {levels!r}") from error


def require_levels(levels: tuple[float, ...]) -> None:
    """Refuse quantile levels outside of (0, 1), out of order, repeated or missing, with `DataError`."""
    require(bool(levels), "expected at least one quantile level, got none")
    require(all(0 < level < 1 for level in levels), "quantile levels must lie in (0, 1), got {}", levels)
    require(list(levels) == sorted(set(levels)), "quantile levels must ascend without repeats, got {}", levels)


@dataclass(frozen=True, slots=True)
class Trust:
    """How right forecasts from earlier origins were, as they would have been made then.

    `coverage`: per quantile level the share of steps at or under the quantile. `skill`: 1 - mean absolute error / the
    seasonal naive's; below 0 the naive is better.

    >>> Trust(((0.5, 0.493), (0.95, 0.955)), skill=0.31).covered(0.95)
    0.955
    """

    coverage: tuple[tuple[float, float], ...]
    skill: float

    def __post_init__(self) -> None:
        for level, share in self.coverage:
            require(0 < level < 1 and 0 <= share <= 1, "coverage: expected shares in [0, 1], got {}", (level, share))
        require(self.skill <= 1, "skill: expected a number of at most 1, got {}", self.skill)

    def covered(self, quantile_level: float) -> float | None:
        """The share of past steps at or under the quantile of this level; None where none was scored."""
        return dict(self.coverage).get(quantile_level)


@shows_itself
@dataclass(frozen=True, slots=True)
class Forecast:
    """Quantiles of a quantity over the coming steps.

    Parameters
    ----------
    origin : datetime
        The last step that the forecast knew.
    step : timedelta
        Length of a step. Calendar months begin with their first day and are as long as they are: their step is so many
        times `MONTH`.
    quantiles : DataFrame, shape (steps, levels)
        One row per step (UTC, by its start, the first one step after `origin`) and one column per quantile level in
        (0, 1), ascending. Values are in `unit`, finite, not negative, and do not cross.
    unit : str
        Such as "sales per 1 h", "cores", "bytes".
    model : str
        What made it, in words. Default empty.
    notes : tuple of str
        What a reader must know with it. Default none.
    window : timedelta or None
        The window of `maxima`. Default none.
    maxima : DataFrame or None, shape (steps, levels)
        At step t the quantiles of the maximum over ``[t, t + window)``, never below the quantile of any step in it. It
        is what a planner plans for. Default none.
    trust : Trust or None
        How right forecasts from earlier origins were. Default none: the history is too short to tell.
    unskilled : bool
        Whether the model showed no skill over the seasonal naive on past origins, which is then at least a part of
        what is served. Default no.
    residuals : DataFrame or None, shape (past origins, steps)
        Errors of the forecasts from past origins (actual minus forecast, over their usual size), indexed by the last
        step each knew; NaN where nothing came. They tell which forecasts err together. Default none.

    Raises
    ------
    DataError
        A value breaks one of these rules.

    Examples
    --------
    >>> import pandas as pd
    >>> from datetime import UTC
    >>> steps = pd.date_range("2026-11-27T01:00Z", periods=2, freq="h")
    >>> table = pd.DataFrame({0.5: [40.0, 50.0], 0.95: [60.0, 80.0]}, steps)
    >>> Forecast(datetime(2026, 11, 27, tzinfo=UTC), timedelta(hours=1), table, "sales per 1 h").at(0.95).tolist()
    [60.0, 80.0]
    """

    origin: datetime
    step: timedelta
    quantiles: pd.DataFrame  # (steps, levels)
    unit: str
    model: str = ""
    notes: tuple[str, ...] = ()
    window: timedelta | None = None
    maxima: pd.DataFrame | None = None  # (steps, levels)
    trust: Trust | None = None
    unskilled: bool = False
    residuals: pd.DataFrame | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_steps(self.origin, self.step, self.quantiles)
        _check_levels([float(level) for level in self.quantiles.columns.tolist()])
        values = self.quantiles.to_numpy(dtype=float)  # (steps, levels)
        _check_values(values)
        _check_maxima(self, values)

    def at(self, quantile_level: float) -> pd.Series:
        """The quantile at this level, one value per step; a level that was not forecast is refused."""
        return self.quantiles.iloc[:, self._column(quantile_level)]

    def maximum_at(self, quantile_level: float) -> pd.Series:
        """The quantile of the maximum over ``[t, t + window)`` at every step t; without a window, of the step alone."""
        table = self.quantiles if self.maxima is None else self.maxima
        return table.iloc[:, self._column(quantile_level)]

    def values_at(self, quantile_level: float) -> NDArray[np.float64]:
        """The quantile at this level as an array (steps,), which costs less than a series."""
        column: NDArray[np.float64] = self.quantiles.to_numpy(dtype=float)[:, self._column(quantile_level)]
        return column

    def maxima_at(self, quantile_level: float) -> NDArray[np.float64]:
        """`maximum_at` as an array (steps,)."""
        table = self.quantiles if self.maxima is None else self.maxima
        column: NDArray[np.float64] = table.to_numpy(dtype=float)[:, self._column(quantile_level)]
        return column

    def _column(self, quantile_level: float) -> int:
        levels = [float(level) for level in self.quantiles.columns.tolist()]
        require(quantile_level in levels, "quantile level {} was not forecast; these were: {}", quantile_level, levels)
        return levels.index(quantile_level)

    def to_frame(self) -> pd.DataFrame:
        """One row per step (index `start`, UTC); columns `q0.5`, `q0.95`, ... in the unit of the forecast.

        With a window also `maximum_q0.5`, ...: the quantiles of the maximum over ``[start, start + window)``.
        `from_frame` makes the forecast of it again; what has no column is noted in the frame's `attrs`.
        """
        table = self.quantiles.set_axis([f"q{float(level):g}" for level in self.quantiles.columns], axis=1)
        if self.maxima is not None:
            names = [f"maximum_q{float(level):g}" for level in self.maxima.columns]
            table = table.join(self.maxima.set_axis(names, axis=1))
        table = table.rename_axis("start")
        seconds = None if self.window is None else self.window.total_seconds()
        table.attrs = {"origin": self.origin.isoformat(), "step_seconds": self.step.total_seconds()}
        table.attrs |= {"unit": self.unit, "model": self.model, "notes": list(self.notes), "window_seconds": seconds}
        return table

    @staticmethod
    def from_frame(frame: pd.DataFrame, *, unit: str | None = None, window: timedelta | None = None) -> Forecast:
        """The forecast of a frame as `to_frame` gives it, also one that was written to a file and read again.

        `unit` and `window` are those that the frame noted (`attrs`), which a file does not keep. `trust` is not part of
        a frame. Raises `DataError` where columns or steps are none of a forecast.

        >>> import pandas as pd
        >>> from datetime import UTC
        >>> steps = pd.date_range("2026-11-27T01:00Z", periods=2, freq="h")
        >>> table = pd.DataFrame({0.5: [40.0, 50.0], 0.95: [60.0, 80.0]}, steps)
        >>> made = Forecast(datetime(2026, 11, 27, tzinfo=UTC), timedelta(hours=1), table, "orders per 1 h")
        >>> again = Forecast.from_frame(made.to_frame())
        >>> again.unit, again.quantiles.equals(made.quantiles)
        ('orders per 1 h', True)
        """
        import pandas as pd

        noted = frame.attrs
        table = frame.set_axis(pd.DatetimeIndex(pd.to_datetime(frame.index, utc=True)), axis=0).rename_axis(None)
        quantiles, maxima = _levels_of(table, "q"), _levels_of(table, "maximum_q")
        require(len(quantiles.columns) > 0, "forecast: expected columns such as q0.5, got {}", list(frame.columns))
        step = _step_of(table.index, noted.get("step_seconds"))
        if window is None and noted.get("window_seconds") is not None:
            window = timedelta(seconds=noted["window_seconds"])
        origin = datetime.fromisoformat(noted["origin"]) if "origin" in noted else table.index[0] - step
        has = window is not None and len(maxima.columns) > 0
        return Forecast(
            origin=origin,
            step=step,
            quantiles=quantiles,
            unit=unit or noted.get("unit", ""),
            model=noted.get("model", ""),
            notes=tuple(noted.get("notes", ())),
            window=window if has else None,
            maxima=maxima if has else None,
        )

    def plot(
        self, history: pd.Series | None = None, timezone: str = "UTC", *, theme: str = "light", ax: Any = None
    ) -> Any:
        """Draw the median, the bands between the quantiles and the end of the history if given.

        Returns the Figure, or `ax` where that was given.
        """
        return plot_noun(self, history, timezone, theme=theme, ax=ax)


def _levels_of(table: pd.DataFrame, prefix: str) -> pd.DataFrame:
    """The columns of quantiles, named by their levels."""
    found = {name: str(name).removeprefix(prefix) for name in table.columns if str(name).startswith(prefix)}
    try:
        return table[list(found)].set_axis([float(level) for level in found.values()], axis=1)
    except ValueError as error:
        raise DataError(f"forecast: expected columns such as {prefix}0.5, got {list(found)}") from error


def _step_of(index: Any, seconds: float | None) -> timedelta:
    require(len(index) > 1 or seconds is not None, "forecast: expected two steps or more, got {}", len(index))
    found: timedelta = timedelta(seconds=seconds) if seconds else (index[1] - index[0]).to_pytimedelta()
    return found


def _check_steps(origin: datetime, step: timedelta, quantiles: pd.DataFrame) -> None:
    index: Any = quantiles.index
    require(len(index) > 0, "a forecast needs at least one step, got none")
    require(str(getattr(index, "tz", None)) == "UTC", "steps must be in UTC, got {}", getattr(index, "tz", None))
    require_aware("origin", origin)
    require(step > timedelta(0), "step must be positive, got {}", step)
    if step % MONTH == timedelta(0):
        _check_months(step // MONTH, [origin, *index.to_pydatetime()])
        return
    starts, unit, begin = index.asi8, NANOSECONDS[index.unit], origin + step
    if int(starts[0]) * unit != (begin - EPOCH) // MICROSECOND * 1000:  # a number costs less than a time
        first = index[0].to_pydatetime()
        require(first == begin, "the first step must start at origin + step, {}, got {}", begin, first)
    if ((starts[1:] - starts[:-1]) * unit != step // MICROSECOND * 1000).any():
        gaps = {late - early for early, late in pairwise(index.to_pydatetime())}
        require(gaps <= {step}, "steps must be {} apart without gaps, got {}", step, sorted(gaps))


def _check_months(months: int, starts: list[datetime]) -> None:
    gaps = [late - early for early, late in pairwise(starts)]
    odd = [gap for gap in gaps if not months * SHORTEST <= gap <= months * LONGEST]
    require(not odd, "steps of {} months must be 28 to 31 days apart for each of them, got {}", months, odd[:1])


def _check_levels(levels: list[float]) -> None:
    require(len(levels) > 0, "a forecast needs at least one quantile level, got none")
    require(all(0 < level < 1 for level in levels), "quantile levels must lie in (0, 1), got {}", levels)
    require(levels == sorted(set(levels)), "quantile levels must ascend without repeats, got {}", levels)


def _check_values(values: NDArray[np.float64]) -> None:
    ordered = bool((values[:, 1:] >= values[:, :-1]).all())
    if ordered and bool((values[:, 0] >= 0).all()) and bool((values[:, -1] < float("inf")).all()):
        return  # of ordered values the first and the last speak for those between
    require(bool((values >= 0).all()), "quantiles must be numbers >= 0, got a negative value or NaN")
    require(bool((values < float("inf")).all()), "quantiles must be finite, got infinity")
    require(ordered, "quantiles must not cross")


def _check_maxima(forecast: Forecast, quantiles: NDArray[np.float64]) -> None:
    window, maxima = forecast.window, forecast.maxima
    require((window is None) == (maxima is None), "a forecast has window and maxima together or neither")
    if window is None or maxima is None:
        return
    require(window > timedelta(0), "window must be positive, got {}", window)
    same = maxima.columns.tolist() == forecast.quantiles.columns.tolist()  # a fifth of the time of their `equals`
    require(
        same and maxima.index.equals(forecast.quantiles.index),
        "maxima must have the steps and levels of the quantiles",
    )
    values = maxima.to_numpy(dtype=float)
    _check_values(values)
    require(bool((values >= quantiles).all()), "the maximum over a window must not be below its own first step")


@shows_itself
@dataclass(frozen=True, slots=True)
class Demand:
    """The load that a workload must serve, independent of our actions, for the whole workload.

    Parameters
    ----------
    cpu : Forecast
        CPU in cores.
    memory : Forecast
        Memory in bytes, on the same steps.
    sales : Forecast or None
        Sales per step, on the same steps. Default none: usage was forecast without them.
    requests : Forecast or None
        Requests per second, on the same steps. Default none: the load model does not know them.
    past : DataFrame or None
        The load before those steps, for pictures: `cpu` in cores, `memory` in bytes, by time (UTC). Default none.

    Raises
    ------
    DataError
        The forecasts do not share their steps.

    Examples
    --------
    >>> import pandas as pd
    >>> from datetime import UTC
    >>> steps = pd.date_range("2026-11-27T01:00Z", periods=1, freq="h")
    >>> midnight, hour = datetime(2026, 11, 27, tzinfo=UTC), timedelta(hours=1)
    >>> cpu = Forecast(midnight, hour, pd.DataFrame({0.95: [4.0]}, steps), "cores")
    >>> memory = Forecast(midnight, hour, pd.DataFrame({0.95: [2.0**31]}, steps), "bytes")
    >>> float(Demand(cpu, memory).cpu.at(0.95).iloc[0])
    4.0
    """

    cpu: Forecast
    memory: Forecast
    sales: Forecast | None = None
    requests: Forecast | None = None
    past: pd.DataFrame | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, forecast in (("memory", self.memory), ("sales", self.sales), ("requests", self.requests)):
            if forecast is None:
                continue
            same = forecast.step == self.cpu.step and forecast.quantiles.index.equals(self.cpu.quantiles.index)
            require(same, "CPU and {} demand must share their steps", name)


Levels = tuple[tuple[float, float], ...]  # quantile level and value


@dataclass(frozen=True, slots=True)
class CurrentDemand:
    """The demand forecast for the current step of a workload: (quantile level, value); cores and bytes."""

    namespace: str
    name: str
    cpu: Levels
    memory: Levels

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name


@dataclass(frozen=True, slots=True)
class DemandAhead:
    """The demand of the coming hours of a workload: what is kept of it where the forecasts themselves are not.

    `levels` holds for each quantile level the highest cores and bytes of each coming clock hour, NaN beyond the plan;
    `need` the replicas' worth of requests that each step of the plan asks for at its own level.
    """

    namespace: str
    name: str
    levels: tuple[tuple[float, tuple[float, ...], tuple[float, ...]], ...]
    need: tuple[float, ...]

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.namespace, self.name
