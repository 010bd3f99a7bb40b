"""The verbs that look at data: seasonality, forecast, backtest, audit and load. They never touch the cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.cli.command import DONE, FAILED, HELD, CommandContext, SampleOption, read_clock, read_duration, verb
from capacity.cli.options import (
    PICTURE,
    BacktestView,
    Data,
    Drawing,
    PatchOption,
    SeasonsView,
    Theme,
)
from capacity.logs import LOGGER
from capacity.model import ConfigError, DataError
from capacity.views.sheet import Output, Sheet

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from capacity.forecast.backtest import Backtest
    from capacity.model import Forecast
    from capacity.model.configuration import Config
    from capacity.planning.orders import OrderData as Orders
    from capacity.planning.orders import Reports
    from capacity.views.plots import Figure

    Forecasted = Mapping[str | None, Forecast]


WEEK = "7d"  # of a backtest: how far each time, where nothing else was asked


@verb
def seasonality(
    context: CommandContext,
    data: Data,
    drawing: Drawing,
    draw: Annotated[
        SeasonsView,
        typer.Option(help="What to draw: the usual week and the level, or the decomposition.", rich_help_panel=PICTURE),
    ] = SeasonsView.week,
) -> int:
    """Show what repeats and how strongly, changes of the level, and growth against the same weeks last year.

    Example: capacity seasonality --sample --picture seasons.png
    """
    from capacity.app.reading import read_orders
    from capacity.views.tables import seasons_sheet

    config = data.sales_config(context)
    with context.stages("reading orders", "looking for cycles", "drawing") as advance:
        histories = read_orders(config, data.moment()).histories
        advance()
        sheets = [
            seasons_sheet(sales, group, config.timezone, config.calendar.holidays_of(group))
            for group, sales in histories.items()
        ]
        advance()
        drawing.save(context, lambda theme: _draw_seasons(next(iter(histories.values())), config, draw, theme))
        advance()
    context.show(*sheets)
    return DONE


def _draw_seasons(sales: pd.Series, config: Config, view: SeasonsView, theme: Theme) -> Figure:
    from capacity.views.plots import plot_decomposition, plot_seasons

    plot = plot_seasons if view is SeasonsView.week else plot_decomposition
    return plot(sales, config.timezone, theme=theme)


@verb
def forecast(context: CommandContext, data: Data, drawing: Drawing) -> int:
    """Forecast sales over the horizon, with quantiles, from the seasons found in the history.

    Example: capacity forecast --sample --picture forecast.png
    """
    from capacity.app.reading import read_orders
    from capacity.model import Forecast
    from capacity.planning.pipeline import forecast_orders

    config = data.sales_config(context)
    with context.stages("reading orders", "forecasting", "drawing") as advance:
        orders = read_orders(config, data.moment())
        advance()
        found = forecast_orders(config, orders)
        forecasts = {group: one for group, one in found.items() if isinstance(one, Forecast)}
        advance()
        if forecasts:
            drawing.save(context, lambda theme: _draw_forecast(config, orders, forecasts, theme))
        advance()
    failures = {group: error for group, error in found.items() if not isinstance(error, Forecast)}
    for group, error in failures.items():
        LOGGER.error("%s: %s", group or "sales", error)
    if forecasts:
        context.show(_forecast_sheet(context, config, orders, forecasts))
    return FAILED if failures else DONE


def _draw_forecast(config: Config, orders: Orders, forecasts: Forecasted, theme: Theme) -> Figure:
    """The first group's forecast, behind its history, with the events around."""
    from capacity.planning.orders import coming_events
    from capacity.views.plots import plot_forecast

    group, first = next(iter(forecasts.items()))
    events = coming_events(config, orders, group)
    return plot_forecast(first, orders.histories[group], config.timezone, events=events, theme=theme)


def _forecast_sheet(context: CommandContext, config: Config, orders: Orders, forecasts: Forecasted) -> Sheet:
    """Each day's highest step for people; CSV has every step."""
    from capacity.views.tables import forecast_rows, forecast_sheet

    if context.output is Output.csv:
        return forecast_rows(forecasts)
    return forecast_sheet(forecasts, orders.histories, config.timezone, config.calendar.holidays_of)


@verb
def backtest(
    context: CommandContext,
    data: Data,
    drawing: Drawing,
    origins: Annotated[int, typer.Option(min=2, help="How many times in the past to forecast from.")] = 8,
    draw: Annotated[
        BacktestView,
        typer.Option(help="What to draw: forecast and actual, or calibration.", rich_help_panel=PICTURE),
    ] = BacktestView.series,
) -> int:
    """Test the forecast: repeat it from past times, without later data, and compare it with what happened.

    The past times are one --horizon apart (default: 7d).

    Example: capacity backtest --sample --origins 8 --horizon 7d
    """
    from capacity.app.reading import read_orders
    from capacity.planning.pipeline import backtest_orders
    from capacity.views.tables import backtest_sheet

    config = data.sales_config(context)
    with context.stages("reading orders", "forecasting the past", "drawing") as advance:
        orders = read_orders(config, data.moment())
        advance()
        results = backtest_orders(config, orders, read_duration("--horizon", data.horizon or WEEK), origins)
        advance()
        drawing.save(context, lambda theme: _draw_backtest(next(iter(results.values())), config, draw, theme))
        advance()
    context.show(*(backtest_sheet(result, group or "sales") for group, result in results.items()))
    return DONE


def _draw_backtest(result: Backtest, config: Config, view: BacktestView, theme: Theme) -> Figure:
    from capacity.views.plots import plot_backtest, plot_calibration

    plot = plot_backtest if view is BacktestView.series else plot_calibration
    return plot(result, config.timezone, theme=theme)


HistoryOption = Annotated[Path, typer.Option(help="Folder that keeps every audit, one Parquet file each.")]
SinceOption = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Show the audits of the last 7d, 24h, ... instead of a new one.")
]


@verb
def audit(
    context: CommandContext,
    data: Data,
    *,
    quarantine: Annotated[Path, typer.Option(help="File for the bad rows.")] = Path("quarantine.parquet"),
    history: HistoryOption = Path("audits"),
    since: SinceOption = None,
) -> int:
    """Check the orders: score, failures by rule, freshness. Bad rows are kept in a quarantine file, never dropped.

    The result goes to the configured metrics, alerts, tickets and messages, unless you name another FILE.
    Exit code 0: ok or a warning; 3: refused, no plan would be made. Audits are kept; --since lists them.

    Example: capacity audit orders.csv -c capacity.yaml
    """
    if since is not None:
        return _show_history(context, history, since)
    from capacity.app.notify import Notifier
    from capacity.app.reading import audit_data
    from capacity.sources.audit_history import (
        append_audit,
        compared,
        forget_audits,
        forget_file,
        read_audits,
    )
    from capacity.sources.table import OrderTable
    from capacity.views.tables import audit_sheet

    config, now = data.config(context), data.moment()
    with (
        context.stages("reading and judging orders", "writing") as advance,
        OrderTable.load(config.orders(), config.timezone, now) as table,
    ):
        report = compared(audit_data(table, config, now).at(now), read_audits(history))
        advance()
        expired = now - config.orders().quarantine.retention
        forget_audits(history, expired)
        forget_file(quarantine, expired)
        written = table.write_quarantine(quarantine) if report.quarantined else 0
        append_audit(history, report, now)
        advance()
    context.show(audit_sheet(report, now, str(quarantine) if written else None))
    notifier = Notifier.silent() if data.foreign else Notifier.of(config)
    for warning in notifier.audited(report, now):
        LOGGER.warning("%s", warning)
    return HELD if report.verdict == "refuse" else DONE


def _show_history(context: CommandContext, folder: Path, since: str) -> int:
    from capacity.sources.audit_history import read_audits
    from capacity.views.tables import history_sheet

    if not folder.is_dir():
        raise ConfigError(f"--history: no folder {folder}: audits are kept there once `capacity audit` has run")
    history = read_audits(folder, read_clock(None) - read_duration("--since", since))
    context.show(history_sheet(history))
    latest = history.audits.iloc[-1]["verdict"] if len(history.audits) else "ok"
    return HELD if latest == "refuse" else DONE


@verb
def load(
    context: CommandContext,
    *,
    sample: SampleOption = False,
    requests_patch: PatchOption = None,
    drawing: Drawing,
) -> int:
    """Show what a sale costs in CPU, memory and requests: confidence interval, lag, and since which deploy.

    If usage includes replicas, also show what a replica should request; with `throughput: history`, what it serves.

    Example: capacity load --sample --picture load.png
    """
    from capacity.app.reading import read_orders
    from capacity.planning.pipeline import learn_load_of
    from capacity.planning.sizing import advise_workloads
    from capacity.sources.sample import sample_usage
    from capacity.views.tables import load_sheet
    from capacity.views.tables.load import write_patch

    config, now = context.config("shop" if sample else None), Data(sample=sample).moment()
    if sample:
        config = config.model_copy(update={"usage": sample_usage()})
    if config.usage is None and config.prometheus is None:
        raise ConfigError(
            "usage: expected where usage is measured, or prometheus, got nothing: load is learned from it"
        )
    with context.stages("reading orders and usage", "learning", "drawing") as advance:
        orders = read_orders(config, now)
        advance()
        reports = learn_load_of(config, orders)
        advance()
        if drawing.picture is not None:
            _save_load_picture(context, reports, drawing.picture, drawing.theme)
        advance()
    advice = advise_workloads(orders.usages)
    if requests_patch is not None:
        write_patch(advice, config, requests_patch)
        context.say(f"wrote {requests_patch}")
    failures = {key: report for key, report in reports.items() if isinstance(report, DataError)}
    for (namespace, name), error in failures.items():
        LOGGER.error("%s/%s: %s", namespace, name, error)
    context.show(load_sheet(reports, config, advice))
    return FAILED if failures else DONE


def _save_load_picture(context: CommandContext, reports: Reports, picture: Path, theme: Theme) -> None:
    """The first workload that has something to show; says so where none has."""
    from capacity.model import LoadReport
    from capacity.views.plots import can_plot_load, plot_load, save_figure

    shown = [one for one in reports.values() if isinstance(one, LoadReport) and can_plot_load(one)]
    if not shown:
        LOGGER.info("%s is not drawn: sales explain no load, see the verdicts", picture)
        return
    save_figure(plot_load(shown[0], theme=theme), picture)
    context.say(f"wrote {picture}{f' of {shown[0].name}' if len(reports) > 1 else ''}")
