"""A history checked once: regular, not negative, on the business's wall clock, with its events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from capacity.domain import DataError, Event, require
from capacity.events import covered

Array = npt.NDArray[np.float64]
DAY = timedelta(days=1)
NEIGHBOURS = 4  # weeks on either side against which an event's uplift is measured


@dataclass(frozen=True)
class History:
    """Sales per step (UTC, gaps as NaN), the wall clock they follow, and events past and coming."""

    sales: pd.Series
    step: timedelta
    timezone: str
    events: tuple[Event, ...]

    @classmethod
    def of(cls, sales: pd.Series, timezone: str, events: Sequence[Event]) -> Self:
        """Check a series and take it as history; a missing step becomes a gap. Raises `DataError`."""
        checked = _checked(sales)
        index = pd.DatetimeIndex(checked.index)
        step = _smallest_step(index)
        regular = checked.reindex(pd.date_range(index[0], index[-1], freq=pd.Timedelta(step)))
        require(len(checked) == int(regular.index.isin(index).sum()), "steps must be {} apart throughout", step)
        return cls(regular, step, timezone, tuple(events))

    @property
    def index(self) -> pd.DatetimeIndex:
        """The steps known, UTC."""
        return pd.DatetimeIndex(self.sales.index)

    @property
    def origin(self) -> datetime:
        """Start of the last step known."""
        return self.index[-1].to_pydatetime()

    @property
    def step_name(self) -> str:
        """The step as a person writes it: 1 h, 1 d, 5 min."""
        minutes = self.step / timedelta(minutes=1)
        return (
            f"{minutes / 1440:g} d"
            if minutes >= 1440
            else f"{minutes / 60:g} h"
            if minutes >= 60
            else f"{minutes:g} min"
        )

    def until(self, known: int) -> History:
        """The history as it was when only its first `known` steps had happened."""
        return History(self.sales.iloc[:known], self.step, self.timezone, self.events)

    def steps_in(self, horizon: str | timedelta) -> int:
        """How many steps the horizon holds; at least one."""
        try:
            steps = int(pd.Timedelta(horizon) / pd.Timedelta(self.step))
        except ValueError as error:
            raise DataError(f"horizon: expected a duration such as 14D, got {horizon!r}") from error
        require(steps >= 1, "horizon: expected at least one step of {}, got {}", self.step, horizon)
        return steps

    def ahead(self, steps: int) -> pd.DatetimeIndex:
        """The coming steps, UTC."""
        return pd.date_range(self.index[-1] + self.step, periods=steps, freq=pd.Timedelta(self.step))

    def wall_clock(self, index: pd.DatetimeIndex) -> npt.NDArray[np.int64]:
        """Each step's number on the wall clock: equal remainders by a season's length mean equal phases, DST or not."""
        local = index if self.step >= DAY else index.tz_convert(self.timezone)
        seconds = local.tz_localize(None).as_unit("s").asi8
        return np.asarray(seconds // int(self.step.total_seconds()), dtype=np.int64)

    def uplifts(self, index: pd.DatetimeIndex) -> Array:
        """The factor that events put on each step; contradicting kinds multiply, unknown uplifts are learned."""
        factors = np.ones(len(index))
        for event in self.events:
            touched = covered(event, index, self.step)
            if touched.any():
                factors[touched] *= event.uplift if event.uplift is not None else self.learned_uplift(event)
        return factors

    def in_event(self) -> npt.NDArray[np.bool_]:
        """Which known steps some event covers."""
        inside = np.zeros(len(self.sales), dtype=bool)
        for event in self.events:
            inside |= covered(event, self.index, self.step)
        return inside

    def learned_uplift(self, event: Event) -> float:
        """Mean ratio of past events of this name (else kind) to the same hours of the weeks around; 1 without any.

        Shrunk towards 1 by one pseudo-event, so that a single lucky day does not double a plan.
        """
        past = [other for other in self.events if other.end <= self.sales.index[-1] and other.kind == event.kind]
        same = [other for other in past if other.name == event.name] or past
        ratios = [ratio for ratio in map(self._ratio, same) if ratio is not None]
        return float(np.mean([*ratios, 1.0]))

    def _ratio(self, event: Event) -> float | None:
        inside = covered(event, self.index, self.step)
        actual = float(self.sales[inside].sum())
        week = max(1, round(7 * DAY / self.step))
        places = np.flatnonzero(inside)
        around = [places + week * shift for shift in range(-NEIGHBOURS, NEIGHBOURS + 1) if shift]
        values = self.sales.to_numpy(dtype=float)
        usual = [float(np.nansum(values[at])) for at in around if len(at) and at[0] >= 0 and at[-1] < len(values)]
        expected = float(np.median(usual)) if usual else 0.0
        return actual / expected if expected > 0 else None


def _checked(sales: pd.Series) -> pd.Series:
    require(isinstance(sales, pd.Series), "expected a pandas Series, got {}", type(sales).__name__)
    require(isinstance(sales.index, pd.DatetimeIndex), "expected a time index, got {}", type(sales.index).__name__)
    require(len(sales) >= 2, "a forecast needs at least 2 steps of history, got {}", len(sales))
    index = pd.DatetimeIndex(sales.index)
    require(index.tz is not None, "expected a UTC index, got naive times: use tz_localize")
    require(
        sales.index.is_unique,
        "expected each step once, got duplicates such as {}",
        _first(sales.index.duplicated(), sales),
    )
    require(sales.index.is_monotonic_increasing, "expected ascending steps, got an unsorted index: use sort_index")
    values = sales.to_numpy(dtype=float)
    require(bool(np.isfinite(values).any()), "expected numbers, got NaN throughout")
    require(not np.isinf(values).any(), "expected finite sales, got infinity at {}", _first(np.isinf(values), sales))
    require(not (values < 0).any(), "expected sales >= 0, got a negative value at {}", _first(values < 0, sales))
    clean = pd.Series(values, index.tz_convert("UTC").as_unit("ns"), name="sales")
    return clean.loc[clean.first_valid_index() : clean.last_valid_index()]


def _first(mask: npt.NDArray[np.bool_], sales: pd.Series) -> object:
    return sales.index[int(np.argmax(mask))] if mask.any() else None


def _smallest_step(index: pd.DatetimeIndex) -> timedelta:
    require(len(index) >= 2, "a forecast needs at least 2 steps with data, got {}", len(index))
    return pd.Timedelta(np.diff(index.asi8).min(), unit="ns").to_pytimedelta()
