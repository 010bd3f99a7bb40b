"""Sales -> the load a workload must serve: CPU cores and memory bytes, quantile by quantile."""

from __future__ import annotations

from datetime import timedelta

from capacity.domain import Demand, Forecast, LoadModel

HOUR = timedelta(hours=1)


def project_load(forecast: Forecast, load: LoadModel) -> Demand:
    """Demand = base + slope x sales per hour, for every step and quantile level of the forecast.

    The map rises with sales, so that a quantile of sales becomes the same quantile of demand.

    >>> import pandas as pd
    >>> steps = pd.date_range("2026-11-27T01:00Z", periods=1, freq="h")
    >>> quantiles = pd.DataFrame({0.5: [40.0]}, index=steps)
    >>> forecast = Forecast(steps[0] - steps.freq, pd.Timedelta("1h"), quantiles, "sales per 1 h")
    >>> float(project_load(forecast, LoadModel(0.5, 0.1, 2**30, 0.0)).cpu.at(0.5).iloc[0])
    4.5
    """
    return Demand(
        cpu=_affine(forecast, load.cpu_base, load.cpu_per_sale_per_hour, "cores"),
        memory=_affine(forecast, load.memory_base, load.memory_per_sale_per_hour, "bytes"),
        sales=forecast,
    )


def _affine(forecast: Forecast, base: float, slope: float, unit: str) -> Forecast:
    steps_per_hour = HOUR / forecast.step
    demand = base + slope * steps_per_hour * forecast.quantiles
    return Forecast(forecast.origin, forecast.step, demand, unit, forecast.model, forecast.notes)
