"""One series of sales in, one calibrated forecast out: the product's main path."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import numpy as np
import pandas as pd

from capacity.forecast.course import LevelShift
from capacity.forecast.covariates import read_columns
from capacity.forecast.peaks import over_highest
from capacity.forecast.row import Question, occurrences, row_work
from capacity.forecast.setting import BatchForecast, Setting
from capacity.forecast.wallclock import WallClock, clock_of
from capacity.forecast.work import alone
from capacity.model import MONTH, DataError, Event, Forecast, require
from capacity.series.calendar import ONE_DAY, calendar_days, refuse_contradictions, uplift_notes
from capacity.series.seasons import NEEDED, calendar_seasons, clear_seasons, find_seasons, too_short_for
from capacity.series.steps import evened


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a forecast of sales: the keywords of `forecast_sales`."""

    horizon: str | timedelta
    quantile_levels: tuple[float, ...]
    holidays: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    timezone: str | None = None
    covariates: pd.DataFrame | None = field(default=None, compare=False)
    window: timedelta | None = None


def forecast_sales(
    sales: pd.Series,
    *,
    horizon: str | timedelta = "14D",
    quantile_levels: Sequence[float] = (0.5, 0.9, 0.95, 0.99),
    holidays: Sequence[str] = (),
    events: Sequence[Event] = (),
    timezone: str | None = None,
    covariates: pd.DataFrame | None = None,
    window: timedelta | None = None,
) -> Forecast:
    """Quantiles of sales for every step of the horizon, calibrated on what earlier forecasts would have missed.

    `sales`: one value >= 0 per step, regular UTC index up to gaps (missing steps or NaN; a gap is never zero), or month
    starts, UTC or local. The shape lives on the clock of `timezone` (default: the one `read_sales` noted), days of 23
    and 25 hours included. `holidays` are countries and states (GB-ENG, US) whose public holidays and bridge days are
    events; the days before and after them are too where past ones say so. `events` cover past and future: past ones are
    kept out of the normal shape and teach their uplift, coming ones are raised or lowered by it. `covariates`: columns
    such as price or campaign spend on the same steps, known on history and whole horizon; their effect is used where it
    would have helped. `window`: the highest step of ``[t, t + window)`` is forecast too, from every step t, as
    `maxima`; a part of a step counts as a whole one. `notes` say what was found and what was left out.

    Raises `DataError` for a series that is not regular, negative, infinite, or has fewer than 4 values.

    >>> index = pd.date_range("2026-01-01", periods=24 * 28, freq="h", tz="UTC")
    >>> forecast = forecast_sales(pd.Series(10.0 + (index.hour - 12) ** 2, index), horizon="1D")
    >>> [round(value) for value in forecast.at(0.5).iloc[:3]]
    [154, 131, 110]
    """
    asked = Asked(horizon, _ascending(quantile_levels), tuple(holidays), tuple(events), timezone, covariates, window)
    return alone(sales_work(sales, asked))


def sales_work(sales: pd.Series, asked: Asked) -> Generator[Question, BatchForecast, Forecast]:
    """The forecast of one series, paused where it needs the matrix path, so that many can be asked together."""
    refuse_contradictions(asked.events)
    clock = clock_of(sales, asked.timezone)
    step, future = clock.step, clock.after(sales.index[-1], steps_ahead(asked.horizon, clock.step))
    row = clock.row(sales.loc[: sales.last_valid_index()])  # steps after the last value are forecast, not filled
    ahead = np.maximum(clock.slots(future) - len(row), 0)  # a repeated hour right after the origin is the first step
    even = evened(sales) if clock.months else sales
    seasons = real_seasons(even.loc[: even.last_valid_index()], step)
    touched = 0 if asked.window is None else window_steps(asked.window, step)
    setting = Setting(step, int(ahead.max()) + 1, asked.quantile_levels, seasons, window=touched)
    known = (*asked.events, *calendar_days(asked.holidays, clock.first, future[-1] + step, clock.timezone))
    columns = None if asked.covariates is None else read_columns(asked.covariates, clock, row, future)
    answer = yield from row_work(row, setting, occurrences(known, clock, future[-1] + step), columns)
    quantiles = answer.quantiles[ahead]
    maxima = None if answer.maxima is None else over_highest(answer.maxima[ahead], quantiles, touched)
    given = uplift_notes(asked.events, future[0], future[-1] + step)
    table = partial(pd.DataFrame, index=future, columns=list(setting.quantile_levels))
    return Forecast(
        origin=sales.index[-1].to_pydatetime(),
        step=step,
        quantiles=table(quantiles),
        unit=str(sales.attrs.get("unit", f"sales per {_spoken(step)}")),
        model=answer.model,
        notes=(*_history_notes(even, step, seasons), *_level_note(answer.shift, clock), *answer.notes, *given),
        trust=answer.trust,
        window=touched * step if touched else None,
        maxima=None if maxima is None else table(maxima),
        unskilled=answer.unskilled,
    )


def window_steps(window: timedelta, step: timedelta) -> int:
    """The steps of ``[t, t + window)`` from the start of a step on, the last one counted whole.

    >>> window_steps(timedelta(minutes=90), timedelta(hours=1))
    2
    """
    require(window > timedelta(0), "window: expected a positive duration, got {}", window)
    return -(-window // step)


def real_seasons(sales: pd.Series, step: timedelta) -> tuple[int, ...]:
    """The calendar's seasons (steps) without those that the history is long enough to rule out: no cycle is invented.

    >>> index = pd.date_range("2026-01-01", periods=24 * 28, freq="h", tz="UTC")
    >>> real_seasons(pd.Series(10.0 + (index.hour - 12) ** 2, index), timedelta(hours=1))
    (24,)
    """
    calendar = calendar_seasons(step)
    if not any(NEEDED * season <= len(sales) for season in calendar):
        return calendar
    regular = sales.reindex(pd.date_range(sales.index[0], sales.index[-1], freq=step))
    if clear_seasons(regular, calendar):
        return calendar
    found = {season.season_length for season in find_seasons(regular)}
    return tuple(season for season in calendar if season in found or NEEDED * season > len(sales))


def _history_notes(sales: pd.Series, step: timedelta, seasons: tuple[int, ...]) -> tuple[str, ...]:
    """What the history shows and what it is too short or too patchy for."""
    notes = [] if seasons else ["no daily or weekly cycle stands out of the noise: the level is forecast"]
    steps = (sales.index[-1] - sales.index[0]) // step + 1
    short = too_short_for(sales)
    if short:
        notes.append(f"history of {steps * step / ONE_DAY:.0f} days is short for a {' and a '.join(short)} cycle")
    gaps = steps - int(sales.notna().sum())
    if gaps:
        notes.append(f"{gaps} of {steps} steps without data are gaps, not zero")
    return tuple(notes)


def _level_note(shift: LevelShift | None, clock: WallClock) -> tuple[str, ...]:
    """Since when, on the local calendar, the level is what it is."""
    if shift is None:
        return ()
    return (f"level since {clock.date(shift.slot)}: {shift.ratio:.2f} of before",)


def steps_ahead(horizon: str | timedelta, step: timedelta) -> int:
    """Whole steps in a horizon; of months, as many as come nearest to it.

    >>> steps_ahead("14D", timedelta(hours=6)), steps_ahead("365D", MONTH)
    (56, 12)
    """
    try:
        length = pd.Timedelta(horizon).to_pytimedelta()
    except ValueError as error:
        raise DataError(f"horizon: expected a duration such as 14D, got {horizon!r}") from error
    steps = round(length / step) if step % MONTH == timedelta(0) else int(length // step)
    require(steps >= 1, "horizon: expected at least one step of {}, got {}", step, length)
    return steps


def _ascending(quantile_levels: Sequence[float]) -> tuple[float, ...]:
    return tuple(sorted(float(level) for level in quantile_levels))


def _spoken(step: timedelta) -> str:
    names = {60: "minute", 3600: "hour", 86400: "day", 604800: "week"}
    if step % MONTH == timedelta(0):
        return {1: "month", 3: "quarter", 12: "year"}.get(step // MONTH, f"{step // MONTH} months")
    return names.get(int(step.total_seconds()), str(step))
