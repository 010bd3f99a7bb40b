"""The verbs that look at the data: seasonality, forecast, backtest. They write nothing but pictures."""

from __future__ import annotations

from typing import Annotated

import typer

from capacity.edge.drawing import BacktestView, PictureOption, SeasonsView, Theme, ThemeOption
from capacity.edge.face import DONE, FAILED, Face, FileArgument, SampleOption, read_duration, verb
from capacity.edge.screen import say


@verb
def seasonality(
    face: Face,
    file: FileArgument = None,
    *,
    sample: SampleOption = False,
    picture: PictureOption = None,
    draw: Annotated[SeasonsView, typer.Option(help="The usual week and the level, or the parts.")] = SeasonsView.week,
    theme: ThemeOption = Theme.light,
) -> int:
    """What repeats, how strongly, since when the level, and how the business grew against last year.

    Example: capacity seasonality --sample --picture seasons.png
    """
    from capacity.edge.planning.planner import read_orders
    from capacity.edge.sheets import seasons_sheet

    config = face.config(file=file, sample=sample)
    config.orders()  # without sales there is nothing to look at, and this says so
    with face.stages("reading orders", "looking for cycles", "drawing") as advance:
        orders = read_orders(config)
        advance()
        sheets = [seasons_sheet(sales, group, config.timezone) for group, sales in orders.histories.items()]
        advance()
        if picture is not None:
            from capacity.edge.plots import plot_decomposition, plot_seasons, save_figure

            plot = plot_seasons if draw is SeasonsView.week else plot_decomposition
            save_figure(plot(next(iter(orders.histories.values())), config.timezone, theme=theme), picture)
            face.say(f"wrote {picture}")
        advance()
    face.show(*sheets)
    return DONE


@verb
def forecast(
    face: Face,
    file: FileArgument = None,
    *,
    sample: SampleOption = False,
    picture: PictureOption = None,
    theme: ThemeOption = Theme.light,
) -> int:
    """Forecast sales with quantiles over the horizon, from the seasons that the history really shows.

    Example: capacity forecast --sample --picture forecast.png
    """
    from capacity.domain import Forecast
    from capacity.edge.planning.planner import coming_events, forecast_orders, read_orders
    from capacity.edge.sheets import forecast_rows, forecast_sheet

    config = face.config(file=file, sample=sample)
    config.orders()  # without sales there is nothing to look at, and this says so
    with face.stages("reading orders", "forecasting", "drawing") as advance:
        orders = read_orders(config)
        advance()
        found = forecast_orders(config, orders)
        forecasts = {group: one for group, one in found.items() if isinstance(one, Forecast)}
        advance()
        if picture is not None and forecasts:
            from capacity.edge.plots import plot_forecast, save_figure

            group, first = next(iter(forecasts.items()))
            history, events = orders.histories[group], coming_events(config, orders.histories)
            save_figure(plot_forecast(first, history, config.timezone, events=events, theme=theme), picture)
            face.say(f"wrote {picture}")
        advance()
    failures = {group: error for group, error in found.items() if not isinstance(error, Forecast)}
    for group, error in failures.items():
        say(f"capacity: error: {group or 'sales'}: {error}")
    if forecasts:
        face.show(
            forecast_rows(forecasts)
            if face.output == "csv"
            else forecast_sheet(forecasts, orders.histories, config.timezone)
        )
    return FAILED if failures else DONE


@verb
def backtest(
    face: Face,
    file: FileArgument = None,
    *,
    sample: SampleOption = False,
    origins: Annotated[int, typer.Option(min=2, help="How many times in the past to forecast from.")] = 8,
    horizon: Annotated[str, typer.Option(help="How far each time; origins lie one horizon apart.")] = "7d",
    picture: PictureOption = None,
    draw: Annotated[BacktestView, typer.Option(help="What came, or how quantiles kept.")] = BacktestView.course,
    theme: ThemeOption = Theme.light,
) -> int:
    """Would the forecast have been right? Forecast from past origins, without looking ahead, and score what came.

    Example: capacity backtest --sample --origins 8 --horizon 7d
    """
    from capacity.edge.planning.planner import backtest_orders, read_orders
    from capacity.edge.sheets import backtest_sheet

    config = face.config(file=file, sample=sample)
    config.orders()  # without sales there is nothing to look at, and this says so
    with face.stages("reading orders", "forecasting the past", "drawing") as advance:
        orders = read_orders(config)
        advance()
        results = backtest_orders(config, orders, read_duration("--horizon", horizon), origins)
        advance()
        if picture is not None:
            from capacity.edge.plots import plot_backtest, plot_calibration, save_figure

            plot = plot_backtest if draw is BacktestView.course else plot_calibration
            save_figure(plot(next(iter(results.values())), config.timezone, theme=theme), picture)
            face.say(f"wrote {picture}")
        advance()
    face.show(*(backtest_sheet(result, group or "sales") for group, result in results.items()))
    return DONE
