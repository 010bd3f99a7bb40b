"""Projects sales to the demand of a workload; what sales do not explain is forecast from its own usage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from capacity.load.alignment import AlignedSales, align_sales, sales_per_step, week_slots
from capacity.load.profile import Parts, even_weights, gains, mean_variance, reconcile
from capacity.load.regression import effective
from capacity.model import (
    DataError,
    Demand,
    Forecast,
    LoadModel,
    LoadReport,
    Response,
    Shape,
    Spread,
    Workload,
    require,
)
from capacity.model.arrays import Array, Places
from capacity.stats import nearest_level, normal_quantiles, ordered_quantiles, running_maxima, sliding_maxima

HOUR = timedelta(hours=1)
QUIET = 0.05  # of the typical load: below it errors shrink no further


@dataclass(frozen=True, slots=True)
class _Centre:
    """The load expected at each step (T,), how much of a move in sales' load it takes (T,), and its own doubt (T,)."""

    load: Array
    share: Array
    doubt: Array


def load_quantiles(aligned: AlignedSales, response: Response) -> Array:
    """Quantiles of the load at each step: (T, Q)."""
    return _combined(aligned, response, aligned.rates, 1)


def load_maxima(aligned: AlignedSales, response: Response) -> Array:
    """Quantiles of the maximum of the load over the window from each step on, never below a step in it: (T, Q).

    The maximum of n errors stays below their quantile at ``level^(1/n)`` at least as often as the level says, whether
    they are independent or rise together (Slepian, 1962). Sales over the window have quantiles of their own.
    """
    count = aligned.window_steps
    wide = aligned.maxima is not None and (not aligned.fine or count * aligned.step > aligned.sales_step)
    steps = _combined(aligned, response, aligned.rates, count)
    answer = sliding_maxima(np.maximum(steps, load_quantiles(aligned, response)), count, axis=0)
    if wide and aligned.maxima is not None:
        together = _combined(aligned, response, aligned.maxima, count)
        answer = np.maximum(answer, sliding_maxima(together, count, axis=0) if aligned.fine else together)
    return running_maxima(answer, 1)


def _combined(aligned: AlignedSales, response: Response, rates: Array, errors: int) -> Array:
    """Quantiles (T, Q): the centre, and distances from it combined; `errors` steps share one maximum."""
    levels = np.array(aligned.levels)
    middle = nearest_level(levels)
    effective_rates = effective(
        aligned.at(rates, response.lag), _saturation(response), np.array([response.highest or np.inf])
    )
    centre = _centre(aligned, response, effective_rates, middle)
    slope = response.per_sale_per_hour
    by_sales = centre.share[:, None] * slope * (effective_rates - effective_rates[:, middle : middle + 1])
    size = np.maximum(centre.load, QUIET * response.spread.typical) / response.spread.typical
    growth = (size**response.spread.power)[:, None]
    excess, usual = _excess(response, levels ** (1 / errors)), _excess(response, np.array([0.5]))
    normal = normal_quantiles(levels)
    distance = effective_rates[:, middle] - response.center
    own = np.sqrt(response.level_error**2 + (response.slope_error * distance) ** 2) * centre.share
    by_line = np.sqrt(own**2 + centre.doubt**2)[:, None] * normal
    if abs(levels[middle] - 0.5) > 1e-9:  # no median to measure from: the sum is on the safe side
        return ordered_quantiles(centre.load[:, None] + by_sales + growth * excess + by_line)
    by_rest = growth * (excess - usual)
    root = np.sqrt(by_sales**2 + by_rest**2 + by_line**2)
    up = np.where(levels >= 0.5, 1.0, -1.0)
    if errors > 1:
        up = np.where(by_rest >= 0, 1.0, up)
    return ordered_quantiles(centre.load[:, None] + growth * usual + up * root)


def _saturation(response: Response) -> Array:
    return np.array([response.saturation or np.inf])


def _excess(response: Response, levels: Array) -> Array:
    """The error's quantiles at any levels, linear between those known on the scale of a normal distribution."""
    known, asked = normal_quantiles(response.spread.levels), normal_quantiles(np.minimum(levels, 1 - 1e-12))
    return np.asarray(np.interp(asked, known, response.spread.excess))


def _centre(aligned: AlignedSales, response: Response, effective_rates: Array, middle: int) -> _Centre:
    load = response.base + response.per_sale_per_hour * effective_rates[:, middle]
    even = np.ones(len(load))
    if response.shape is not None:
        return _shaped_centre(aligned, response, response.shape, effective_rates)
    if response.extra is not None:
        slot = week_slots(aligned.steps, response.extra.step, response.extra.timezone)
        load = np.maximum(load + response.extra.values[slot], 0.0)
    return _Centre(load, even, np.zeros(len(load)))


def volume_share(aligned: AlignedSales, response: Response, shape: Shape) -> Array:
    """How each step's load beyond idle lies to its mean over the step of sales: (T,), mean one."""
    slot = week_slots(aligned.steps, shape.step, shape.timezone)
    weights = even_weights(shape.weights[None, slot], aligned.parents(response.lag), len(aligned.index))
    return np.asarray(weights[0], dtype=np.float64)


def _shaped_centre(aligned: AlignedSales, response: Response, shape: Shape, effective_rates: Array) -> _Centre:
    """Volume from sales, shape from usage, reconciled; far from what usage knows, sales are believed.

    What usage alone says of a level weeks ahead may be wrong by a whole yearly season, of which weeks of metrics know
    nothing: its variance is at least the squared difference to what sales say, less sales' own (method of moments).
    """
    slot = week_slots(aligned.steps, shape.step, shape.timezone)
    share = volume_share(aligned, response, shape)
    parents = _from_zero(aligned.parents(response.lag))
    size = int(parents.max()) + 1
    firsts = np.flatnonzero(np.diff(parents, prepend=-1))
    levels = np.array(aligned.levels)
    middle = nearest_level(levels)
    wholes = response.base + response.per_sale_per_hour * effective_rates[firsts]  # (S, Q)
    doubt = shape.total_variance + _sales_variance(wholes, levels, middle)
    own = Parts(shape.own[slot], shape.noise[slot], share, np.zeros(size), parents)
    usual = own.mean(own.forecast)
    level = np.maximum(shape.level_variance * usual**2, (wholes[:, middle] - usual) ** 2 - doubt)
    parts = Parts(own.forecast, own.noise, share, level, parents)
    load = reconcile(parts, wholes[:, middle], doubt)
    whole_gain = mean_variance(parts) / np.maximum(mean_variance(parts) + doubt, 1e-300)
    left = ((1 - whole_gain) * np.sqrt(shape.level_variance) * usual)[parents] * share
    return _Centre(load, gains(parts, doubt), left)


def _from_zero(parents: Places) -> Places:
    return np.asarray(np.cumsum(np.diff(parents, prepend=parents[0]) > 0), dtype=np.intp)


def _sales_variance(wholes: Array, levels: Array, middle: int) -> Array:
    """The variance of the load that sales bring, from the quantile next to 0.9: (S,)."""
    place = nearest_level(levels, 0.9)
    if place == middle:
        return np.zeros(len(wholes))
    above, at = normal_quantiles(levels[[place, middle]])
    return np.asarray(((wholes[:, place] - wholes[:, middle]) / (above - at)) ** 2)


NO_MEDIAN = "sales were forecast without a median: their distances and the load's own are added up"


def project_load(
    forecast: Forecast, load: LoadModel, *, history: pd.Series | None = None, window: timedelta | None = None
) -> Demand:
    """Project a forecast of sales to the load of a workload: demand = base + slope x sales per hour.

    With given costs the map rises with sales, so that a quantile of sales becomes the same quantile of demand. With a
    learned response, distances from the median are combined as independent ones, by the root of their sum of squares:
    that of sales, of what sales left unexplained, and of the line's own error (JCGM 100:2008, 5.1.2; exact for normal
    distributions). Where usage was seen in finer steps than sales, demand has those steps.

    Parameters
    ----------
    forecast : Forecast
        Sales per step; its quantile levels and the maxima over its window come along.
    load : LoadModel
        Given costs, or what `learn_load` learned.
    history : Series or None
        Sales so far, for load that comes after its orders. Default none: the first step stands for what was before.
    window : timedelta or None
        Where demand has finer steps than sales, ask for the maxima over so much time after any moment of a step. It
        may be longer than a step of sales only where sales were forecast with it. Default none.

    Returns
    -------
    Demand
        CPU (cores), memory (bytes), sales (per step) and, where they were learned, requests (per second), on the same
        steps and quantile levels.

    Raises
    ------
    DataError
        `window` is longer than a step of sales, and sales were not forecast with it.

    Examples
    --------
    >>> import pandas as pd
    >>> steps = pd.date_range("2026-11-27T01:00Z", periods=1, freq="h")
    >>> quantiles = pd.DataFrame({0.5: [40.0]}, index=steps)
    >>> forecast = Forecast(steps[0] - steps.freq, pd.Timedelta("1h"), quantiles, "sales per 1 h")
    >>> float(project_load(forecast, LoadModel(0.5, 0.1, 2**30, 0.0)).cpu.at(0.5).iloc[0])
    4.5
    """
    learned = [one for one in (load.cpu, load.memory, load.requests) if one is not None]
    if not learned:
        return Demand(
            cpu=_linear(forecast, load.cpu_base, load.cpu_per_sale_per_hour, "cores"),
            memory=_linear(forecast, load.memory_base, load.memory_per_sale_per_hour, "bytes"),
            sales=forecast,
        )
    shaped = next((one for one in learned if one.shape is not None), None)
    fine = None if shaped is None or shaped.shape is None else (shaped.shape.step, shaped.shape.timezone)
    aligned = align_sales(forecast, fine, history, window)
    _require_maxima(aligned)
    cpu = load.cpu or _exact_response(load.cpu_base, load.cpu_per_sale_per_hour)
    memory = load.memory or _exact_response(load.memory_base, load.memory_per_sale_per_hour)
    return Demand(
        cpu=_load_forecast(forecast, aligned, cpu, "cores"),
        memory=_load_forecast(forecast, aligned, memory, "bytes"),
        sales=_sales_on(forecast, aligned, shaped),
        requests=None if load.requests is None else _load_forecast(forecast, aligned, load.requests, "requests/s"),
    )


def _linear(forecast: Forecast, base: float, slope: float, unit: str) -> Forecast:
    cost = slope * (HOUR / forecast.step)  # per sale in a step
    demand = _on_same_steps(forecast.quantiles, base, cost)
    maxima = None if forecast.maxima is None else _on_same_steps(forecast.maxima, base, cost)
    return Forecast(
        forecast.origin, forecast.step, demand, unit, forecast.model, forecast.notes, forecast.window, maxima
    )


def _on_same_steps(sales: pd.DataFrame, base: float, cost: float) -> pd.DataFrame:
    return pd.DataFrame(base + cost * sales.to_numpy(dtype=np.float64), sales.index, sales.columns)


def _require_maxima(aligned: AlignedSales) -> None:
    """A window over several steps of sales needs sales forecast for it: their errors hang together."""
    known = aligned.window is None or aligned.maxima is not None or aligned.window <= aligned.sales_step
    require(
        known,
        "window {}: longer than a step of sales, {}: forecast sales with this window",
        aligned.window,
        aligned.sales_step,
    )


def _exact_response(base: float, slope: float) -> Response:
    """Given costs as an answer without errors of its own."""
    exact = Spread(np.array([0.5]), np.array([0.0]), 1.0, 0.0)
    return Response(base, slope, 0.0, 0.0, 0.0, 0.0, exact)


def _load_forecast(forecast: Forecast, aligned: AlignedSales, response: Response, unit: str) -> Forecast:
    maxima = None if aligned.window is None else _table(aligned, load_maxima(aligned, response))
    origin = (aligned.steps[0] - aligned.step).to_pydatetime()
    quantiles = _table(aligned, load_quantiles(aligned, response))
    notes = forecast.notes if 0.5 in aligned.levels else (*forecast.notes, NO_MEDIAN)
    return Forecast(origin, aligned.step, quantiles, unit, forecast.model, notes, aligned.window, maxima)


def _table(aligned: AlignedSales, quantiles: Array) -> pd.DataFrame:
    return pd.DataFrame(quantiles, index=aligned.steps, columns=list(aligned.levels))


def _sales_on(forecast: Forecast, aligned: AlignedSales, shaped: Response | None) -> Forecast:
    """Sales on the steps of demand: as they are, or within their step as load beyond idle lies."""
    if shaped is None or shaped.shape is None:
        return forecast
    share = volume_share(aligned, replace(shaped, lag=timedelta(0)), shaped.shape)
    origin = (aligned.steps[0] - aligned.step).to_pydatetime()
    unit = f"sales per {aligned.step}"
    return Forecast(
        origin=origin,
        step=aligned.step,
        quantiles=_table(aligned, sales_per_step(aligned, share)),
        unit=unit,
        model=forecast.model,
        notes=forecast.notes,
        unskilled=forecast.unskilled,
        residuals=forecast.residuals,
    )


ForecastUsage = Callable[[pd.Series, datetime], Forecast]  # (usage of one resource, until) -> its forecast
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
