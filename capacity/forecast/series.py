"""One series of sales in two phases: `prepare` it for the batch forecast, then `finish` with its row of the batch.

What is known to move sales (events, columns, the trend) is taken out in the first phase and put back in the
second; between them, the steady rests of all series of one length and setting are forecast in one array.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache, partial

import numpy as np
import pandas as pd

from capacity.forecast.analogs import Analogs, find_analogs
from capacity.forecast.batch import LEAST_STEPS, forecast_steady, supported_seasons
from capacity.forecast.closures import REOPENED, with_reopening
from capacity.forecast.covariates import read_columns
from capacity.forecast.gaps import Gaps, Reach, Timeline, find_gaps, with_reach
from capacity.forecast.history import without_spikes
from capacity.forecast.holdout import UsedColumns, find_trend, use_columns
from capacity.forecast.maxima import carried_over, over_highest
from capacity.forecast.settings import BatchForecast, Setting
from capacity.forecast.trend import LevelShift, Trend
from capacity.forecast.uplift import (
    Effect,
    EventsAhead,
    Occurrence,
    events_ahead,
    learn_effects,
    masked,
    proven_kinds,
    spread_out,
    widen_events,
)
from capacity.forecast.wallclock import WallClock, checked_index, on_slots, usable_values
from capacity.model import MONTH, Forecast, ForecastRequest, Trust, require
from capacity.model.arrays import Array, Places
from capacity.series.calendar import uplift_notes
from capacity.series.seasons import DAY, WEEK, real_seasons, unproven
from capacity.series.steps import evened

USUAL = 0.3  # of the history: a kind of event that covers more is not an exception but how business goes
OFFERED = frozenset({"before holiday", "after holiday"})  # kinds that come with holidays: used where they foretell


@dataclass(frozen=True, slots=True)
class StepsAhead:
    """The steps of the horizon: their starts, and the slot of the wall clock each falls into, counted from the last.

    Where the clocks change, two steps share a slot, or a slot has no step.
    """

    origin: datetime
    step: timedelta
    starts: pd.DatetimeIndex  # (steps,)
    slots: Places  # (steps,)

    @staticmethod
    def of(timeline: Timeline, known: int) -> StepsAhead:
        """The steps of a horizon; `known` slots of the history hold values."""
        slots = np.maximum(timeline.ahead_slots - known, 0)  # an hour that comes twice is the first slot ahead again
        return StepsAhead(timeline.last, timeline.clock.step, timeline.ahead, slots)

    @property
    def end(self) -> pd.Timestamp:
        """Where the last step ends."""
        return self.starts[-1] + self.step


@dataclass(frozen=True, slots=True)
class KnownEvents:
    """The events that tell something: past ones, whose slots are gaps, and coming ones; kinds that are usual do not."""

    past: list[Occurrence]
    coming: list[Occurrence]
    usual: set[str]
    reach: Mapping[str, Reach]


@dataclass(frozen=True, slots=True)
class KnownAhead:
    """What is known of the slots ahead beside the steady rest, and how it was found."""

    events: EventsAhead
    factor: Array  # (H,), of events, columns and trend together
    spread: Array  # (H,), log units that columns and trend add
    notes: tuple[str, ...]
    shift: LevelShift | None  # the change of level that the history was brought over


@dataclass(frozen=True, slots=True)
class Prepared:
    """One series ready for the batch: its steady rest, what is asked of it, and what `finish` puts back.

    Series of one length and setting can be forecast in one array.
    """

    steady: Array  # (T,): the history on the wall clock without what moves it; NaN is a gap
    setting: Setting
    ahead: KnownAhead
    analogs: Analogs | None
    steps: StepsAhead
    unit: str
    notes: tuple[str, ...]  # on the history
    given: tuple[str, ...]  # on coming events whose uplift is given
    closure: Closure | None = None


@dataclass(frozen=True, slots=True)
class Closure:
    """A closure that a history ends with: for how long, and the same series with it as a gap."""

    closed_for: timedelta
    reopened: Prepared


class Timelines:
    """The timelines of series that are prepared one after the other: those of one index and request share one.

    What was asked is kept alive here, so that an identity stands for one object as long as this lives.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, str | None], tuple[Timeline, pd.Index, ForecastRequest]] = {}

    def of(self, sales: pd.Series, request: ForecastRequest) -> Timeline:
        """The timeline of a series. Raises `DataError` where its index or its request allow none."""
        zone = request.timezone or sales.attrs.get("timezone")
        key = (id(sales.index), id(request), zone)
        if key not in self._known:
            index = checked_index(sales)
            usable_values(sales)  # what is wrong with the values is said before what is wrong with the steps
            self._known[key] = Timeline.of(index, request, zone), sales.index, request
        return self._known[key][0]


def prepare(
    sales: pd.Series,
    request: ForecastRequest,
    covariates: pd.DataFrame | None = None,
    timelines: Timelines | None = None,
) -> Prepared:
    """The first phase: lay a series on the wall clock, find its seasons, take out what is known to move it.

    `covariates`: columns known on history and whole horizon; `timelines`: those of the series prepared before, which
    this one may share. Raises `DataError` for a series that is not regular, negative, infinite, or has fewer than 4
    values, and for a request that it cannot carry.
    """
    timeline = (timelines or Timelines()).of(sales, request)
    values = usable_values(sales)
    outages = find_gaps(values, timeline)
    believed = _without_gaps(sales, request, covariates, (timeline, outages, values))
    if outages.since is None or not outages.closed:
        return believed
    end, levels = int(timeline.slots[-1]) + 1, tuple(sorted({*request.quantile_levels, *REOPENED}))
    without = (timeline, outages.with_closure(end), values)
    reopened = _without_gaps(sales, replace(request, quantile_levels=levels), covariates, without)
    return replace(believed, closure=Closure((end - outages.since) * timeline.clock.step, reopened))


def _without_gaps(
    sales: pd.Series, request: ForecastRequest, covariates: pd.DataFrame | None, found: tuple[Timeline, Gaps, Array]
) -> Prepared:
    """A series prepared without its gaps, on its timeline, of values (steps,) that were checked."""
    timeline, outages, values = found
    clock = timeline.clock
    quiet = outages.out_of(values, timeline.slots)
    quiet = quiet[: np.flatnonzero(~np.isnan(quiet))[-1] + 1]  # steps after the last value are forecast, not filled
    row = on_slots(quiet, timeline.slots[: len(quiet)])
    steps = StepsAhead.of(timeline, len(row))
    seasons = real_seasons(_even(quiet, sales, clock), clock.step)
    window = 0 if request.window is None else window_steps(request.window, clock.step)
    setting = Setting(clock.step, int(steps.slots.max()) + 1, request.quantile_levels, seasons, window=window)
    columns = None if covariates is None else read_columns(covariates, clock, row, steps.starts)
    events = _events_of(row, timeline.events, setting)
    calm = masked(row, events.past)
    used = use_columns(without_spikes(calm[None, :])[0], setting, columns)
    trend = find_trend(without_spikes((calm / used.past)[None, :])[0], setting)
    known = used.past * trend.past
    ahead = _ahead(row / known, events, used, trend, setting)
    return Prepared(
        steady=calm / known,
        setting=setting,
        ahead=ahead,
        analogs=find_analogs(row, timeline.events, setting),
        steps=steps,
        unit=str(sales.attrs.get("unit", f"sales per {_spoken(clock.step)}")),
        notes=(
            *_history_notes(_even(values, sales, clock) if clock.months else sales, clock.step, seasons),
            *outages.notes(timeline),
            *_level_note(ahead.shift, clock),
            *_length_notes(row, setting),
        ),
        given=uplift_notes(request.events, steps.starts[0], steps.end),
    )


def _even(values: Array, sales: pd.Series, clock: WallClock) -> pd.Series:
    """The first steps of a series with these values; months on steps of one length."""
    even = pd.Series(values, sales.index if len(values) == len(sales) else sales.index[: len(values)])
    if not clock.months:
        return even
    even.attrs = sales.attrs
    return evened(even)


def finish(prepared: Prepared, batch: BatchForecast) -> Forecast:
    """The second phase: put back onto the forecast of the steady rest (a batch of one) what was taken out.

    Events multiply and widen, the trend and columns too; the minutes near an event follow past ones like it. Where the
    history ends with a closure, upper quantiles hold what the business sells if it opens again.
    """
    forecast, closure = _finished(prepared, batch), prepared.closure
    if closure is None:
        return forecast
    rest = closure.reopened
    reopened = _finished(rest, forecast_steady(rest.steady[None, :], rest.setting))
    return with_reopening(forecast, reopened, closure.closed_for)


def _finished(prepared: Prepared, batch: BatchForecast) -> Forecast:
    setting, ahead, steps = prepared.setting, prepared.ahead, prepared.steps
    quantiles = _put_back(batch, ahead, setting)
    maxima = None
    if batch.maxima is not None:
        maxima = carried_over(batch.maxima, batch.quantiles, quantiles[None], setting.window)[0]
    if prepared.analogs is not None:
        quantiles, maxima = prepared.analogs.over(quantiles, maxima)
    quantiles = quantiles[steps.slots]
    maxima = None if maxima is None else over_highest(maxima[steps.slots], quantiles, setting.window)
    trust = _trust(batch, setting)
    near = () if prepared.analogs is None else (prepared.analogs.note,)
    table = partial(pd.DataFrame, index=steps.starts, columns=_columns(setting.quantile_levels))
    return Forecast(
        origin=steps.origin,
        step=steps.step,
        quantiles=table(quantiles),
        unit=prepared.unit,
        model=batch.models[0],
        notes=(*prepared.notes, *batch.notes[0], *ahead.notes, *_coverage_note(trust), *near, *prepared.given),
        trust=trust,
        window=setting.window * steps.step if setting.window else None,
        maxima=None if maxima is None else table(maxima),
        unskilled=bool(batch.unskilled[0]),
        residuals=_residuals(batch, steps),
    )


@lru_cache(maxsize=16)  # the forecasts of one run have the same levels
def _columns(levels: tuple[float, ...]) -> pd.Index:
    return pd.Index(list(levels))


def _residuals(batch: BatchForecast, steps: StepsAhead) -> pd.DataFrame | None:
    """Errors of past origins by the step each knew last, so that those of two forecasts can be laid side by side."""
    found = batch.residuals
    if found is None:
        return None
    last = steps.starts[0] - (int(steps.slots[0]) + 1) * steps.step
    return pd.DataFrame(found.errors[0], index=_steps_before(last, steps.step, tuple(found.back.tolist())))


@lru_cache(maxsize=16)  # series of one run have the same origins
def _steps_before(last: pd.Timestamp, step: timedelta, back: tuple[int, ...]) -> pd.DatetimeIndex:
    """The steps that lie so many before `last`."""
    return pd.DatetimeIndex([last - count * step for count in back])


def _events_of(row: Array, events: Sequence[Occurrence], setting: Setting) -> KnownEvents:
    """The events of a history (T,) and its horizon without the kinds that tell nothing of it."""
    past = [event for event in events if event.slots[0] < len(row)]
    usual = _usual_kinds(row, past)
    past = [event for event in past if event.kind not in usual]
    unproven = _unproven(row, past, setting)
    events, reach = with_reach(row, [event for event in events if event.kind not in usual | unproven], setting.step)
    past = [event for event in events if event.slots[0] < len(row)]
    coming = [event for event in events if event.slots[-1] >= len(row)]
    return KnownEvents(past, coming, usual, reach)


def _ahead(rest: Array, events: KnownEvents, used: UsedColumns, trend: Trend, setting: Setting) -> KnownAhead:
    """What is known ahead; `rest` (T,) is the history without columns and trend."""
    effects = learn_effects(rest, events.past, _steps(setting.step, DAY), _steps(setting.step, WEEK), events.coming)
    ahead = events_ahead(np.arange(len(rest), len(rest) + setting.horizon), events.coming, effects)
    return KnownAhead(
        events=ahead,
        factor=ahead.factor * trend.ahead * used.ahead,
        spread=np.hypot(trend.spread, used.spread),
        notes=(*trend.notes, *used.notes, *_event_notes(events, effects, setting.step)),
        shift=trend.shift,
    )


def _put_back(batch: BatchForecast, ahead: KnownAhead, setting: Setting) -> Array:
    """Quantiles (H, Q) with what is known ahead."""
    levels, point = setting.quantile_levels, batch.point[0] * ahead.factor
    quantiles = widen_events(point, batch.quantiles[0] * ahead.factor[:, None], levels, ahead.events)
    return spread_out(point, quantiles, levels, ahead.spread)


def _trust(batch: BatchForecast, setting: Setting) -> Trust | None:
    """What the quantiles covered on the rolling origins, as they stood at the time, and the skill there."""
    covered = zip(setting.quantile_levels, batch.coverage[0].tolist(), strict=True)
    known = tuple((level, share) for level, share in covered if np.isfinite(share))
    return Trust(known, float(batch.skill[0])) if known else None


def _coverage_note(trust: Trust | None) -> tuple[str, ...]:
    said = ", ".join(
        f"{level:g}: {100 * share:.1f} %" for level, share in (trust.coverage if trust else ()) if level >= 0.5
    )
    return (f"coverage on past origins at {said}",) if said else ()


def _usual_kinds(row: Array, past: Sequence[Occurrence]) -> set[str]:
    """Kinds that cover too much of the history to be kept out of it, or all of what is known."""
    kinds = {event.kind for event in past}
    slots = {kind: np.unique(np.concatenate([event.slots for event in past if event.kind == kind])) for kind in kinds}
    usual = {kind for kind in kinds if (slots[kind] < len(row)).sum() > USUAL * len(row)}
    quiet = masked(row, [event for event in past if event.kind not in usual])
    return usual if (~np.isnan(quiet)).sum() >= LEAST_STEPS else kinds


def _unproven(row: Array, past: Sequence[Occurrence], setting: Setting) -> frozenset[str]:
    """Kinds of days that the calendar offers unasked and that did nothing to this series."""
    kinds = OFFERED & {event.kind for event in past}
    week = _steps(setting.step, WEEK)
    return OFFERED - proven_kinds(without_spikes(row[None, :])[0], past, kinds, week) if kinds else OFFERED


def _steps(step: timedelta, cycle: timedelta) -> int:
    return max(1, round(cycle / step))


def _event_notes(events: KnownEvents, effects: dict[str, Effect], step: timedelta) -> tuple[str, ...]:
    learned = {event.kind for event in events.coming if event.uplift is None}
    known = [
        f"{kind}: uplift {np.exp(effects[kind].by_slot.mean()):.2f} learned from {effects[kind].seen} past events"
        for kind in sorted(learned & set(effects))
    ]
    new = [f"{kind}: never seen before, no uplift assumed" for kind in sorted(learned - set(effects))]
    common = [
        f"{kind}: covers more than {100 * USUAL:.0f} % of the history and counts as normal"
        for kind in sorted(events.usual - OFFERED)
    ]
    reach = [events.reach[kind].note(kind, step) for kind in sorted(learned & set(events.reach))]
    return (*known, *reach, *new, *common)


def _length_notes(row: Array, setting: Setting) -> tuple[str, ...]:
    notes = []
    kept = supported_seasons(setting.seasons or (), len(row))
    dropped = [season for season in setting.seasons or () if season not in kept]
    if dropped:
        notes.append(f"history of {len(row)} steps is short for a season of {max(dropped)} steps; two are needed")
    if setting.horizon > len(row):
        notes.append(f"the horizon of {setting.horizon} steps is longer than the history of {len(row)}")
    return tuple(notes)


def _history_notes(sales: pd.Series, step: timedelta, seasons: tuple[int, ...]) -> tuple[str, ...]:
    """What the history shows and what it is too short or too patchy for."""
    notes = [] if seasons else ["no daily or weekly cycle stands out of the noise: the level is forecast"]
    steps = (sales.index[-1] - sales.index[0]) // step + 1
    notes += [f"history: {words}" for words in unproven(steps * step, step)]
    gaps = steps - int(np.isfinite(sales.to_numpy(dtype=np.float64)).sum())
    if gaps:
        notes.append(f"{gaps} of {steps} steps without data are gaps, not zero")
    return tuple(notes)


def _level_note(shift: LevelShift | None, clock: WallClock) -> tuple[str, ...]:
    """Since when, on the local calendar, the level is what it is."""
    if shift is None:
        return ()
    return (f"level since {clock.date(shift.slot)}: {shift.ratio:.2f} of before",)


def window_steps(window: timedelta, step: timedelta) -> int:
    """The steps of ``[t, t + window)`` from the start of a step on, the last one counted whole.

    >>> window_steps(timedelta(minutes=90), timedelta(hours=1))
    2
    """
    require(window > timedelta(0), "window: expected a positive duration, got {}", window)
    return -(-window // step)


def _spoken(step: timedelta) -> str:
    names = {60: "minute", 3600: "hour", 86400: "day", 604800: "week"}
    if step % MONTH == timedelta(0):
        return {1: "month", 3: "quarter", 12: "year"}.get(step // MONTH, f"{step // MONTH} months")
    minutes = step.total_seconds() / 60
    return names.get(int(step.total_seconds()), f"{minutes:g} minutes" if minutes < 120 else f"{minutes / 60:g} hours")
