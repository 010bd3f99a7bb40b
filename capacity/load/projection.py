"""Sales -> the load a workload must serve: CPU cores, memory bytes, requests per second, quantile by quantile."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.domain import Demand, Forecast, LoadModel, Response, Spread, require
from capacity.domain.arrays import Array
from capacity.load.answer import answer_maxima, answer_quantiles, volume_share
from capacity.load.course import Course, course_of, sales_per_step

HOUR = timedelta(hours=1)
NO_MEDIAN = "sales were forecast without a median: their distances and the load's own are added up"


def project_load(
    forecast: Forecast, load: LoadModel, *, history: pd.Series | None = None, window: timedelta | None = None
) -> Demand:
    """Demand = base + slope x sales per hour, for every step and quantile level of the forecast.

    With given costs the map rises with sales, so that a quantile of sales becomes the same quantile of demand. With a
    learned answer, distances from the median are combined as independent ones, by the root of their sum of squares:
    that of sales, of what sales left unexplained, of the line's own error (JCGM 100:2008, 5.1.2; exact for normal
    distributions). Where usage was seen in finer steps than sales, demand has those steps (see `Shape`).

    `history`: sales so far, for load that comes after its orders; without it the first step stands for what was
    before. Maxima over the forecast's window come along. Where demand has finer steps, `window` asks for those over so
    much time after any moment of a step, as in `forecast_sales`; it may be longer than a step of sales only where
    sales were forecast with it.

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
            cpu=_affine(forecast, load.cpu_base, load.cpu_per_sale_per_hour, "cores"),
            memory=_affine(forecast, load.memory_base, load.memory_per_sale_per_hour, "bytes"),
            sales=forecast,
        )
    shaped = next((one for one in learned if one.shape is not None), None)
    fine = None if shaped is None or shaped.shape is None else (shaped.shape.step, shaped.shape.timezone)
    course = course_of(forecast, fine, history, window)
    _require_maxima(course)
    cpu = load.cpu or _given(load.cpu_base, load.cpu_per_sale_per_hour)
    memory = load.memory or _given(load.memory_base, load.memory_per_sale_per_hour)
    return Demand(
        cpu=_answered(forecast, course, cpu, "cores"),
        memory=_answered(forecast, course, memory, "bytes"),
        sales=_sales_on(forecast, course, shaped),
        requests=None if load.requests is None else _answered(forecast, course, load.requests, "requests/s"),
    )


def _affine(forecast: Forecast, base: float, slope: float, unit: str) -> Forecast:
    steps_per_hour = HOUR / forecast.step
    demand = base + slope * steps_per_hour * forecast.quantiles
    maxima = None if forecast.maxima is None else base + slope * steps_per_hour * forecast.maxima
    return Forecast(
        forecast.origin, forecast.step, demand, unit, forecast.model, forecast.notes, forecast.window, maxima
    )


def _require_maxima(course: Course) -> None:
    """A window over several steps of sales needs sales forecast for it: their errors hang together."""
    known = course.window is None or course.maxima is not None or course.window <= course.sales_step
    require(
        known,
        "window {}: longer than a step of sales, {}: forecast sales with this window",
        course.window,
        course.sales_step,
    )


def _given(base: float, slope: float) -> Response:
    """Given costs as an answer without errors of its own."""
    exact = Spread(np.array([0.5]), np.array([0.0]), 1.0, 0.0)
    return Response(base, slope, 0.0, 0.0, 0.0, 0.0, exact)


def _answered(forecast: Forecast, course: Course, response: Response, unit: str) -> Forecast:
    maxima = None if course.window is None else _table(course, answer_maxima(course, response))
    origin = (course.steps[0] - course.step).to_pydatetime()
    quantiles = _table(course, answer_quantiles(course, response))
    notes = forecast.notes if 0.5 in course.levels else (*forecast.notes, NO_MEDIAN)
    return Forecast(origin, course.step, quantiles, unit, forecast.model, notes, course.window, maxima)


def _table(course: Course, quantiles: Array) -> pd.DataFrame:
    return pd.DataFrame(quantiles, index=course.steps, columns=list(course.levels))


def _sales_on(forecast: Forecast, course: Course, shaped: Response | None) -> Forecast:
    """Sales on the steps of demand: as they are, or within their step as load beyond idle lies."""
    if shaped is None or shaped.shape is None:
        return forecast
    share = volume_share(course, replace(shaped, lag=timedelta(0)), shaped.shape)
    origin = (course.steps[0] - course.step).to_pydatetime()
    unit = f"sales per {course.step}"
    return Forecast(
        origin=origin,
        step=course.step,
        quantiles=_table(course, sales_per_step(course, share)),
        unit=unit,
        model=forecast.model,
        notes=forecast.notes,
        unskilled=forecast.unskilled,
    )
