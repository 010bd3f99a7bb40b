"""Scenarios: forecasts and workloads as they would be if."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd

from capacity.model import DataError, Event, Forecast, Scenario, Workload
from capacity.model.arrays import Array
from capacity.series.calendar import covered, refuse_contradictions, uplift_notes


def forecast_if(forecast: Forecast, scenario: Scenario, known: Sequence[Event] = ()) -> Forecast:
    """The forecast with the scenario's growth, and its promotions' uplifts on the steps they cover.

    Where two promotions overlap their uplifts multiply, as two reasons to buy do; of one kind they must agree, and
    count once. They multiply what the forecast has of `known` events, too. The notes say so.

    Raises `DataError` where a promotion touches no step of the forecast: it lies in the past or beyond the horizon.

    >>> import pandas as pd
    >>> from datetime import timedelta
    >>> steps = pd.date_range("2026-11-27T01:00Z", periods=2, freq="h")
    >>> quantiles = pd.DataFrame({0.5: [40.0, 50.0]}, index=steps)
    >>> forecast = Forecast(steps[0].to_pydatetime() - timedelta(hours=1), timedelta(hours=1), quantiles, "sales")
    >>> forecast_if(forecast, Scenario("growth", growth=0.5)).at(0.5).tolist()
    [60.0, 75.0]
    """
    factor = (1 + scenario.growth) * _promoted(forecast, scenario.promotions)
    times = dict.fromkeys((f"{factor.min():.3g}", f"{factor.max():.3g}"))
    spoken = f"scenario {scenario.name}: sales as forecast, times {' to '.join(times)}"
    said = [spoken] if (factor != 1).any() else []
    maxima = None if forecast.maxima is None else forecast.maxima.mul(_reach(factor, forecast), axis=0)
    notes = (*forecast.notes, *said, *_overlaps(forecast, scenario.promotions, known))
    return replace(forecast, quantiles=forecast.quantiles.mul(factor, axis=0), maxima=maxima, notes=notes)


def _promoted(forecast: Forecast, promotions: Sequence[Event]) -> Array:
    """The promotions' factor on each step (steps,)."""
    refuse_contradictions(promotions)
    steps = pd.DatetimeIndex(forecast.quantiles.index)
    by_kind: dict[str, Array] = {}
    for promotion in promotions:
        touched = covered(promotion, steps, forecast.step)
        if not touched.any():
            raise _outside(promotion, steps[0], steps[-1] + forecast.step)
        by_kind.setdefault(promotion.kind, np.ones(len(steps)))[touched] = promotion.uplift
    product: Array = np.prod([np.ones(len(steps)), *by_kind.values()], axis=0)
    return product


def _overlaps(forecast: Forecast, promotions: Sequence[Event], known: Sequence[Event]) -> list[str]:
    """Which promotions overlap each other, and which an event that is in the forecast already."""
    start, end = forecast.origin + forecast.step, forecast.quantiles.index[-1] + forecast.step
    coming = [event for event in known if event.end > start and event.start < end]
    both = [(one, event) for one in promotions for event in coming if one.start < event.end and event.start < one.end]
    again = [
        f"promotion {one.name} comes on top of {event.kind} {event.name}, which is forecast" for one, event in both
    ]
    return [*uplift_notes(promotions, start, end), *again]


def check_scenario(
    scenario: Scenario, workloads: Sequence[Workload], events: Sequence[Event], ahead: tuple[datetime, datetime]
) -> None:
    """Raise `DataError` where the scenario asks for what cannot be, before anything is forecast for it.

    `ahead` is the time `[start, end)` that forecasts will cover.
    """
    start, end = ahead
    events_if(events, scenario, start)
    workloads_if(workloads, scenario)
    refuse_contradictions(scenario.promotions)
    for promotion in scenario.promotions:
        if promotion.end <= start or promotion.start >= end:
            raise _outside(promotion, start, end)


def _outside(promotion: Event, start: object, end: object) -> DataError:
    return DataError(
        f"promotion {promotion.name}: expected a time from {start} to {end}, which the forecast covers, got "
        f"{promotion.start} to {promotion.end}"
    )


def workloads_if(workloads: Sequence[Workload], scenario: Scenario) -> list[Workload]:
    """The workloads in what is left of their zones; a zone that is lost is not lost again.

    Raises `DataError` where no workload has more than one zone.
    """
    if not scenario.lost_zone:
        return list(workloads)
    if all(workload.zones == 1 for workload in workloads):
        raise DataError(f"scenario {scenario.name}: expected a workload with zones of more than 1, got none")
    return [replace(workload, zones=1) for workload in workloads]


def events_if(events: Sequence[Event], scenario: Scenario, origin: datetime) -> tuple[Event, ...]:
    """The events without the coming ones that are cancelled; past ones stay, as they teach. Raises `DataError`."""
    coming = {event.name for event in events if event.end > origin}
    for name in scenario.cancelled:
        if name not in coming:
            raise DataError(f"cancel: expected a coming event, one of {sorted(coming) or 'none'}, got {name!r}")
    return without_cancelled(events, scenario, origin)


def without_cancelled(events: Sequence[Event], scenario: Scenario, origin: datetime) -> tuple[Event, ...]:
    """The events without the coming ones that are cancelled, where any of them is."""
    return tuple(event for event in events if event.name not in scenario.cancelled or event.end <= origin)


def _reach(factor: np.ndarray, forecast: Forecast) -> np.ndarray:
    """The largest factor within each step's window: the maximum may lie in any of its steps (steps,)."""
    width = 1 if forecast.window is None else -(-forecast.window // forecast.step)
    return np.array([factor[at : at + width].max() for at in range(len(factor))])
