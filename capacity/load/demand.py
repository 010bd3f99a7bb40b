"""The demand of one workload: from sales where they explain its load, else forecast from its own usage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from capacity.load.projection import project_load
from capacity.model import DataError, Demand, Forecast, LoadReport, Workload

ForecastUsage = Callable[[pd.Series, datetime], Forecast]  # (usage of one resource, until) -> its forecast
HOUR = timedelta(hours=1)
UNITS = {"cpu": "cores", "memory": "bytes", "requests": "requests/s"}


def demand_of(
    workload: Workload,
    forecast: Forecast | None,
    report: LoadReport | None,
    forecast_usage: ForecastUsage,
    reach: timedelta | None = None,
) -> Demand:
    """Demand of a workload over the coming steps, each resource from what explains it best.

    `forecast` of sales and `report` on the load may each be missing; `forecast_usage` forecasts a resource from its own
    usage. Without a report the configured costs are used as they are. Where neither CPU nor memory answers to sales,
    or there are none, `Demand.sales` is None. `reach`: how long a floor must serve, where steps are finer than sales'.

    Raises `DataError` where neither sales nor usage can carry a demand.
    """
    if report is None:
        if forecast is None:
            raise DataError("neither sales nor usage: give `sales`, or `usage` of this workload")
        return project_load(forecast, workload.load)
    driven = [report.finding(resource) for resource in ("cpu", "memory")]
    if forecast is None or all(found is not None and found.verdict == "direct" for found in driven):
        return _from_usage(report, forecast_usage, forecast)
    demand = project_load(forecast, report.model, history=report.sales, window=reach)
    return _with_usage(demand, report, forecast_usage)


def _with_usage(demand: Demand, report: LoadReport, forecast_usage: ForecastUsage) -> Demand:
    """Demand whose resources that sales do not explain are forecast from their own usage, on the same steps."""
    cpu, memory, requests = (
        _own_forecast(report, name, demand.cpu, forecast_usage) for name in ("cpu", "memory", "requests")
    )
    return Demand(
        cpu=_with_load_notes(cpu or demand.cpu, report),
        memory=memory or demand.memory,
        sales=demand.sales and _with_load_notes(demand.sales, report),
        requests=requests or demand.requests,
    )


def _own_forecast(report: LoadReport, resource: str, like: Forecast, forecast_usage: ForecastUsage) -> Forecast | None:
    found = report.finding(resource)
    if found is None or found.verdict != "direct" or report.usage is None:
        return None
    until = like.quantiles.index[-1].to_pydatetime() + like.step
    return _on_steps(forecast_usage(_series(report.usage, resource), until), like)


def _series(usage: pd.DataFrame, resource: str) -> pd.Series:
    series = usage[resource].loc[usage[resource].first_valid_index() : usage[resource].last_valid_index()]
    series.attrs = {"unit": UNITS[resource]}
    return series


def _on_steps(forecast: Forecast, like: Forecast) -> Forecast:
    """A forecast on the steps of another: the value of the step each begins in, before the first one the first."""
    index, steps = (pd.DatetimeIndex(one.quantiles.index) for one in (forecast, like))
    if index.equals(steps):
        return forecast
    places = np.clip(index.searchsorted(steps, side="right") - 1, 0, len(index) - 1)
    quantiles = forecast.quantiles.iloc[places].set_axis(steps)
    maxima = None if forecast.maxima is None else forecast.maxima.iloc[places].set_axis(steps)
    return replace(forecast, origin=like.origin, step=like.step, quantiles=quantiles, maxima=maxima)


def _from_usage(report: LoadReport, forecast_usage: ForecastUsage, sales: Forecast | None) -> Demand:
    """Demand from usage alone: over the steps of the sales' forecast, or as far as is asked for.

    Usage that ended before sales did is forecast up to where they begin too, and the plan says so.
    """
    if report.usage is None:
        raise DataError("no sales, and no usage of this workload either")
    usage, forecasts = report.usage, dict[str, Forecast]()
    end = None if sales is None else sales.quantiles.index[-1].to_pydatetime() + sales.step
    for resource in usage.columns:
        finding = report.finding(resource)
        if finding is not None and finding.verdict == "direct":
            until = end or usage.index[-1].to_pydatetime()
            forecasts[resource] = _from_start_of_sales(forecast_usage(_series(usage, resource), until), sales)
    if not forecasts:
        raise DataError("no sales, and no resource whose usage can be forecast")
    first = next(iter(forecasts.values()))
    found = {name: _on_steps(forecast, first) for name, forecast in forecasts.items()}
    cpu, memory = (found.get(name) or _configured_base(report, name, first) for name in ("cpu", "memory"))
    return Demand(_with_load_notes(cpu, report), memory, None, found.get("requests"))


def _from_start_of_sales(forecast: Forecast, sales: Forecast | None) -> Forecast:
    """The forecast of usage from where that of sales begins; what is past by then is nobody's plan."""
    steps = pd.DatetimeIndex(forecast.quantiles.index)
    late = 0 if sales is None else int(steps.searchsorted(sales.quantiles.index[0]))
    if not 0 < late < len(steps):
        return forecast
    maxima = None if forecast.maxima is None else forecast.maxima.iloc[late:]
    note = f"usage ends {late * forecast.step / HOUR:g} h before sales do: what is planned lies so much further ahead"
    origin, notes = steps[late - 1].to_pydatetime(), (*forecast.notes, note)
    return replace(forecast, origin=origin, quantiles=forecast.quantiles.iloc[late:], maxima=maxima, notes=notes)


def _configured_base(report: LoadReport, resource: str, like: Forecast) -> Forecast:
    """The configured base of a resource whose usage is not known; its cost per sale needs sales."""
    base = getattr(report.model, f"{resource}_base")
    if getattr(report.model, f"{resource}_per_sale_per_hour"):
        raise DataError(f"{resource} costs something per sale, and there are no sales: give them, or its usage")
    flat = pd.DataFrame(base, like.quantiles.index, like.quantiles.columns, dtype=float)
    return replace(like, quantiles=flat, maxima=None if like.maxima is None else flat, unit=UNITS[resource])


def _with_load_notes(forecast: Forecast, report: LoadReport) -> Forecast:
    """A forecast that says what is known of the load beside what is known of sales."""
    return replace(forecast, notes=(*forecast.notes, *(note for note in report.notes if note not in forecast.notes)))
