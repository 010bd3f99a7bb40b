"""The verbs that look at the data: seasonality, forecast, backtest. They write nothing but pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.edge.drawing import BacktestView, SeasonsView, Theme
from capacity.edge.face import DONE, FAILED, Face, read_duration, verb
from capacity.edge.logs import LOGGER
from capacity.edge.options import Data, Drawing
from capacity.edge.screen import Output, Sheet

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from capacity.backtest import Backtest
    from capacity.domain import Forecast
    from capacity.edge.config import Config
    from capacity.edge.planning.planner import Orders
    from capacity.edge.plots import Figure

    Forecasted = Mapping[str | None, Forecast]


@dataclass(frozen=True, slots=True)
class Rolling:
    """The origins of a backtest."""

    origins: Annotated[int, typer.Option(min=2, help="How many times in the past to forecast from.")] = 8
    horizon: Annotated[str, typer.Option(help="How far each time; origins lie one horizon apart.")] = "7d"


@verb
def seasonality(
    face: Face,
    data: Data,
    drawing: Drawing,
    draw: Annotated[SeasonsView, typer.Option(help="The usual week and the level, or the parts.")] = SeasonsView.week,
) -> int:
    """What repeats, how strongly, since when the level, and how the business grew against last year.

    Example: capacity seasonality --sample --picture seasons.png
    """
    from capacity.edge.planning.planner import read_orders
    from capacity.edge.sheets import seasons_sheet

    config = data.sales_config(face)
    with face.stages("reading orders", "looking for cycles", "drawing") as advance:
        histories = read_orders(config).histories
        advance()
        sheets = [seasons_sheet(sales, group, config.timezone) for group, sales in histories.items()]
        advance()
        drawing.save(face, lambda theme: _seasons(next(iter(histories.values())), config, draw, theme))
        advance()
    face.show(*sheets)
    return DONE


def _seasons(sales: pd.Series, config: Config, view: SeasonsView, theme: Theme) -> Figure:
    from capacity.edge.plots import plot_decomposition, plot_seasons

    plot = plot_seasons if view is SeasonsView.week else plot_decomposition
    return plot(sales, config.timezone, theme=theme)


@verb
def forecast(face: Face, data: Data, drawing: Drawing) -> int:
    """Forecast sales with quantiles over the horizon, from the seasons that the history really shows.

    Example: capacity forecast --sample --picture forecast.png
    """
    from capacity.domain import Forecast
    from capacity.edge.planning.planner import forecast_orders, read_orders

    config = data.sales_config(face)
    with face.stages("reading orders", "forecasting", "drawing") as advance:
        orders = read_orders(config)
        advance()
        found = forecast_orders(config, orders)
        forecasts = {group: one for group, one in found.items() if isinstance(one, Forecast)}
        advance()
        if forecasts:
            drawing.save(face, lambda theme: _fan(config, orders, forecasts, theme))
        advance()
    failures = {group: error for group, error in found.items() if not isinstance(error, Forecast)}
    for group, error in failures.items():
        LOGGER.error("%s: %s", group or "sales", error)
    if forecasts:
        face.show(_forecast_sheet(face, config, orders, forecasts))
    return FAILED if failures else DONE


def _fan(config: Config, orders: Orders, forecasts: Forecasted, theme: Theme) -> Figure:
    """The first group's forecast, behind its history, with the events around."""
    from capacity.edge.planning.planner import coming_events
    from capacity.edge.plots import plot_forecast

    group, first = next(iter(forecasts.items()))
    events = coming_events(config, orders)
    return plot_forecast(first, orders.histories[group], config.timezone, events=events, theme=theme)


def _forecast_sheet(face: Face, config: Config, orders: Orders, forecasts: Forecasted) -> Sheet:
    """Each day's highest step for people; CSV has every step."""
    from capacity.edge.sheets import forecast_rows, forecast_sheet

    if face.output is Output.csv:
        return forecast_rows(forecasts)
    return forecast_sheet(forecasts, orders.histories, config.timezone)


@verb
def backtest(
    face: Face,
    data: Data,
    rolling: Rolling,
    drawing: Drawing,
    draw: Annotated[BacktestView, typer.Option(help="What came, or how quantiles kept.")] = BacktestView.course,
) -> int:
    """Would the forecast have been right? Forecast from past origins, without looking ahead, and score what came.

    Example: capacity backtest --sample --origins 8 --horizon 7d
    """
    from capacity.edge.planning.planner import backtest_orders, read_orders
    from capacity.edge.sheets import backtest_sheet

    config = data.sales_config(face)
    with face.stages("reading orders", "forecasting the past", "drawing") as advance:
        orders = read_orders(config)
        advance()
        results = backtest_orders(config, orders, read_duration("--horizon", rolling.horizon), rolling.origins)
        advance()
        drawing.save(face, lambda theme: _tested(next(iter(results.values())), config, draw, theme))
        advance()
    face.show(*(backtest_sheet(result, group or "sales") for group, result in results.items()))
    return DONE


def _tested(result: Backtest, config: Config, view: BacktestView, theme: Theme) -> Figure:
    from capacity.edge.plots import plot_backtest, plot_calibration

    plot = plot_backtest if view is BacktestView.course else plot_calibration
    return plot(result, config.timezone, theme=theme)
