"""The command: parse, call, print. Everything it does is a function of the library."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capacity import __version__
from capacity.domain import CapacityError, ConfigError
from capacity.edge.face import Face, FileArgument, NowOption, SampleOption, read_clock, read_duration, verb
from capacity.edge.screen import say

if TYPE_CHECKING:
    from datetime import datetime

    from capacity.domain import Plan
    from capacity.edge.controller import Outcome

DONE, FAILED, USAGE, HELD = 0, 1, 2, 3
PlanOption = Annotated[Path, typer.Option("--plan", help="The plan file.")]
PictureOption = Annotated[Path | None, typer.Option(help="Draw a picture to this file (.png, .svg).")]
OutOption = Annotated[Path, typer.Option("--plan", help="Where the plan goes; its picture lies beside it.")]
ToCluster = Annotated[bool, typer.Option("--to-cluster", help="Write the plan to ConfigMaps instead of files.")]
FromCluster = Annotated[bool, typer.Option("--from-cluster", help="Read the plan from ConfigMaps, not from a file.")]

app = typer.Typer(
    name="capacity",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Learn the seasonality of a business from its orders, move the floor of each autoscaler before the peak.\n\n"
    "Start with [bold]capacity plan --sample[/bold]. In order of the data: audit, forecast, plan, preview, apply.",
    epilog="Exit codes: 0 done, 1 data or cluster failed, 2 usage or configuration, 3 held for safety.",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"capacity {__version__}")
        raise typer.Exit


VersionOption = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")]


@app.callback()
def root(
    version: VersionOption = False,
) -> None:
    """Options before the command."""


@app.command(rich_help_panel="Look at the data")
@verb
def audit(
    face: Face,
    file: FileArgument = None,
    *,
    sample: SampleOption = False,
    quarantine: Annotated[Path, typer.Option(help="Where bad rows go.")] = Path("quarantine.parquet"),
) -> int:
    """Judge the orders: score, failures by rule, freshness. Bad rows are kept in a quarantine file, never dropped.

    Example: capacity audit orders.csv -c capacity.yaml
    """
    from capacity.edge.orders import OrderTable
    from capacity.edge.sheets import audit_sheet

    config = face.config(file=file, sample=sample)
    with face.stages("reading and judging orders") as advance, OrderTable.load(config.sales, config.timezone) as table:
        report = table.audit()
        written = table.write_quarantine(quarantine) if report.quarantined else 0
        advance()
    face.show(audit_sheet(report, read_clock(None), str(quarantine) if written else None))
    return HELD if report.verdict == "refuse" else DONE


@app.command(rich_help_panel="Look at the data")
@verb
def seasonality(
    face: Face, file: FileArgument = None, *, sample: SampleOption = False, picture: PictureOption = None
) -> int:
    """What repeats, how strongly, since when the level, and how the business grew against last year.

    Example: capacity seasonality --sample --picture seasons.png
    """
    from capacity.edge.planner import read_orders
    from capacity.edge.sheets import seasons_sheet

    config = face.config(file=file, sample=sample)
    with face.stages("reading orders", "looking for cycles", "drawing") as advance:
        orders = read_orders(config)
        advance()
        sheets = [seasons_sheet(sales, group, config.timezone) for group, sales in orders.histories.items()]
        advance()
        if picture is not None:
            from capacity.edge.plots import plot_seasons, save_figure

            save_figure(plot_seasons(next(iter(orders.histories.values())), config.timezone), picture)
            face.say(f"wrote {picture}")
        advance()
    for sheet in sheets:
        face.show(sheet)
    return DONE


@app.command(rich_help_panel="Look at the data")
@verb
def forecast(
    face: Face,
    file: FileArgument = None,
    *,
    sample: SampleOption = False,
    picture: PictureOption = None,
) -> int:
    """Forecast sales with quantiles over the horizon, from the seasons that the history really shows.

    Example: capacity forecast --sample --picture forecast.png
    """
    from capacity.domain import Forecast
    from capacity.edge.planner import forecast_orders, read_orders
    from capacity.edge.sheets import forecast_rows, forecast_sheet

    config = face.config(file=file, sample=sample)
    with face.stages("reading orders", "forecasting", "drawing") as advance:
        orders = read_orders(config)
        advance()
        found = forecast_orders(config, orders)
        forecasts = {group: one for group, one in found.items() if isinstance(one, Forecast)}
        advance()
        if picture is not None and forecasts:
            from capacity.edge.plots import plot_forecast, save_figure

            group, first = next(iter(forecasts.items()))
            save_figure(plot_forecast(first, orders.histories[group], config.timezone), picture)
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


@app.command(rich_help_panel="Look at the data")
@verb
def backtest(
    face: Face,
    file: FileArgument = None,
    *,
    sample: SampleOption = False,
    origins: Annotated[int, typer.Option(min=2, help="How many times in the past to forecast from.")] = 8,
    horizon: Annotated[str, typer.Option(help="How far each time; origins lie one horizon apart.")] = "7d",
    picture: PictureOption = None,
) -> int:
    """Would the forecast have been right? Forecast from past origins, without looking ahead, and score what came.

    Example: capacity backtest --sample --origins 8 --horizon 7d
    """
    from capacity.edge.planner import backtest_orders, read_orders
    from capacity.edge.sheets import backtest_sheet

    config = face.config(file=file, sample=sample)
    with face.stages("reading orders", "forecasting the past", "drawing") as advance:
        orders = read_orders(config)
        advance()
        results = backtest_orders(config, orders, read_duration("--horizon", horizon), origins)
        advance()
        if picture is not None:
            from capacity.edge.plots import plot_backtest, save_figure

            save_figure(plot_backtest(next(iter(results.values())), config.timezone), picture)
            face.say(f"wrote {picture}")
        advance()
    for group, result in results.items():
        face.show(backtest_sheet(result, group or "sales"))
    return DONE


@app.command(rich_help_panel="Plan")
@verb
def plan(
    face: Face,
    file: FileArgument = None,
    *,
    sample: SampleOption = False,
    out: Annotated[Path, typer.Option("--plan", help="Where the plan goes; its picture lies beside it.")] = Path(
        "plan.json"
    ),
    to_cluster: Annotated[
        bool, typer.Option("--to-cluster", help="Write the plan to ConfigMaps instead of files.")
    ] = False,
) -> int:
    """Plan replicas so that CPU and memory stay under the target utilization; write plan.json and plan.png.

    Example: capacity plan --sample
    """
    from capacity.edge.planner import QualityRefusedError, forecast_orders, make_plan, read_orders
    from capacity.edge.sheets import plan_sheet

    config = face.config(file=file, sample=sample)
    if not config.workloads:
        raise ConfigError("workloads: expected at least one workload to plan for, got none")
    with face.stages("reading orders", "forecasting", "planning", "writing") as advance:
        orders = read_orders(config)
        advance()
        forecasts = forecast_orders(config, orders)
        advance()
        try:
            planned = make_plan(config, orders, forecasts, read_clock(None))
        except QualityRefusedError as refusal:
            say(f"capacity: held: {refusal}")
            return HELD
        advance()
        written = _to_cluster(planned.plan) if to_cluster else _to_files(planned.plan, out, config.timezone)
        advance()
    face.show(plan_sheet(planned, config))
    face.say(f"wrote {', '.join(written)}")
    for (namespace, name), reason in planned.failures.items():
        say(f"capacity: {namespace}/{name}: not planned: {reason}")
    return HELD if planned.failures else DONE


def _to_files(plan: Plan, out: Path, timezone: str) -> list[str]:
    from capacity.edge.planfile import write_plan
    from capacity.edge.plots import plot_plan, save_figure

    if not out.name or out.is_dir():
        raise ConfigError(f"--plan: expected a file name such as plan.json, got {out}")
    picture = out.with_suffix(".png")
    try:
        write_plan(plan, out)
        save_figure(plot_plan(plan.workloads, timezone), picture)
    except OSError as error:
        raise ConfigError(f"--plan: {out} cannot be written: {error}") from error
    return [str(out), str(picture)]


def _to_cluster(plan: Plan) -> list[str]:
    from capacity.edge.cluster import ClusterWriter
    from capacity.edge.planmaps import write_plan_maps

    return [f"ConfigMap {name}" for name in write_plan_maps(ClusterWriter(), plan)]


@app.command(rich_help_panel="Move floors")
@verb
def preview(
    face: Face, *, plan: PlanOption = Path("plan.json"), from_cluster: FromCluster = False, now: NowOption = None
) -> int:
    """Read the autoscalers and show what `apply` would change, and why. It cannot write.

    Example: capacity preview -c capacity.yaml --plan plan.json
    """
    from capacity.edge.cluster import ClusterReader
    from capacity.edge.controller import preview as preview_pass
    from capacity.edge.passes import passes

    config, moment, reader = face.config(), read_clock(now), ClusterReader()
    work = passes(config, moment, None if from_cluster else plan, reader)
    outcomes = [outcome for one in work.ready for outcome in preview_pass(reader, one)]
    return _finish(face, "Preview: nothing was changed", [*outcomes, *work.failed], moment)


@app.command(rich_help_panel="Move floors")
@verb
def apply(
    face: Face, *, plan: PlanOption = Path("plan.json"), from_cluster: FromCluster = False, now: NowOption = None
) -> int:
    """One controller pass: preview, then patch each floor that must move. Running it twice changes nothing more.

    Example: capacity apply -c capacity.yaml --plan plan.json
    """
    from capacity.edge.cluster import ClusterWriter
    from capacity.edge.controller import apply as apply_pass
    from capacity.edge.passes import passes

    config, moment, writer = face.config(), read_clock(now), ClusterWriter()
    work = passes(config, moment, None if from_cluster else plan, writer)
    outcomes = [outcome for one in work.ready for outcome in apply_pass(writer, one)]
    return _finish(face, "Applied", [*outcomes, *work.failed], moment)


@app.command(rich_help_panel="Move floors")
@verb
def restore(face: Face, *, now: NowOption = None) -> int:
    """Give every floor and ceiling back as it was before the first touch, with its owner.

    Example: capacity restore -c capacity.yaml
    """
    from capacity.edge.cluster import ClusterWriter
    from capacity.edge.controller import restore as restore_pass

    config, moment = face.config(), read_clock(now)
    outcomes = list(restore_pass(ClusterWriter(), config.nouns(), moment))
    return _finish(face, "Restored", outcomes, moment)


@app.command(rich_help_panel="Reference")
@verb
def schema(face: Face) -> int:
    """Print the JSON Schema of capacity.yaml: editors complete and check it.

    Example: capacity schema > capacity.schema.json
    """
    from capacity.edge.config import Config

    del face
    typer.echo(json.dumps(Config.model_json_schema(), indent=1))
    return DONE


def _finish(face: Face, title: str, outcomes: list[Outcome], moment: datetime) -> int:
    from capacity.edge.passes import pass_sheet

    face.show(pass_sheet(title, outcomes, moment))
    for outcome in outcomes:
        if outcome.error is not None:
            say(f"capacity: error: {outcome.workload.namespace}/{outcome.workload.target}: {outcome.error}")
        for warning in outcome.warnings:
            say(f"capacity: {warning}")
    if any(outcome.error for outcome in outcomes):
        return FAILED
    return HELD if any(outcome.held for outcome in outcomes) else DONE


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code. Errors are one line on stderr, a traceback only with --debug."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = app(arguments, standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:
        if "--debug" in arguments:
            raise
        return _report(error)
    return code if isinstance(code, int) else DONE


def _report(error: Exception) -> int:
    formatted: Callable[[], str] | None = getattr(error, "format_message", None)  # the parser's own errors have it
    usage, message = formatted is not None, formatted() if formatted else str(error)
    if isinstance(error, CapacityError) or usage:
        say(f"capacity: error: {' '.join(message.split())}")
    else:
        say(f"capacity: error: unexpected {type(error).__name__}: {' '.join(message.split())}; --debug shows where")
    return USAGE if usage or isinstance(error, ConfigError) else FAILED


if __name__ == "__main__":
    sys.exit(main())
