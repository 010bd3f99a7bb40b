"""The picture of a forecast: its median, its bands, and the history it continues."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
from matplotlib.figure import Figure

from capacity.domain import Forecast
from capacity.edge.plots.canvas import BLACK, bands, legend, on_clock, time_axis

RECENT = timedelta(days=14)  # of history before a forecast: two weeks show the shape that is continued


def plot_forecast(forecast: Forecast, history: pd.Series | None = None, timezone: str = "UTC") -> Figure:
    """The median and the bands up to each higher quantile, with the last two weeks of the history before them."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots()
    if history is not None:
        recent = history.loc[history.index > pd.Timestamp(forecast.origin) - RECENT]
        axes.plot(on_clock(recent.index, timezone), recent.to_numpy(), color=BLACK, lw=1, label="sales so far")
    bands(axes, forecast.quantiles, timezone)
    axes.set_title(f"Forecast: {forecast.model}", loc="left", fontsize=11)
    axes.set_ylabel(forecast.unit)
    time_axis(axes, timezone)
    legend(axes)
    return figure
