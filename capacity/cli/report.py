"""The verbs that report: a page for those who decide, objectives, the next twelve months, and volumes."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.cli.command import (
    DONE,
    FAILED,
    HELD,
    CommandContext,
    NowOption,
    SampleOption,
    read_clock,
    read_duration,
    verb,
)
from capacity.cli.options import Data, Drawing, PlanPlace, Theme
from capacity.files import write_text
from capacity.logs import LOGGER
from capacity.model import ConfigError

if TYPE_CHECKING:
    from capacity.model import Plan
    from capacity.model.configuration import Config
    from capacity.model.service_level import Status, WorkloadStatus
    from capacity.views.plots import Figure


WINDOW = timedelta(days=30)  # in which the promises are judged: the month that a review is about


@verb
def report(
    context: CommandContext,
    data: Data,
    *,
    page: Annotated[Path, typer.Option(help="File for the page.")] = Path("report.html"),
    month: Annotated[
        str | None,
        typer.Option(metavar="YYYY-MM", help="A month, as it was known on its first day. Default: the coming weeks."),
    ] = None,
    since: Annotated[Path | None, typer.Option(metavar="PLAN", help="An earlier plan.json: say what changed.")] = None,
    history: Annotated[Path, typer.Option(help="Folder with audits, if there is one.")] = Path("audits"),
    now: NowOption = None,
) -> int:
    """Write one HTML page: next peaks, plan, cost, trust, risks, what changed, data quality. It needs no network.

    Example: capacity report --sample --page report.html
    """
    from capacity.app.reading import read_orders
    from capacity.app.report import collect_report
    from capacity.app.unconfigured import orders_end
    from capacity.model.plan_file import read_plan
    from capacity.sources.audit_history import read_audits
    from capacity.views.report import ReportRequest, report_page

    config, moment = data.planning_config(context), data.moment(now)
    before = None if since is None else read_plan(since)
    question = ReportRequest(
        month, before, read_audits(history) if history.is_dir() else None, _status(config, moment, history)
    )
    with context.stages("reading orders", "forecasting, planning, testing", "drawing") as advance:
        orders = read_orders(config, moment, seen=max(moment, read_clock(None)))
        if data.bare(context) and now is None:  # a file that is looked at once lives at its own end
            moment = orders_end(orders) or moment
        advance()
        review = collect_report(config, orders, question, moment)
        advance()
        _write(page, report_page(review))
        advance()
    context.say(f"wrote {page}")
    return HELD if review.held or (review.planned is not None and review.planned.failures) else DONE


def _status(config: Config, now: datetime, audits: Path) -> Status:
    """The promises from audits, Prometheus and tickets, where those are configured; the cluster is not asked."""
    from capacity.app.status import read_status
    from capacity.model.service_level import WorkloadStatus

    return read_status(config, now, WINDOW, audits, lambda: WorkloadStatus(unknown="a report asks no cluster"))


def _write(page: Path, text: str) -> None:
    try:
        write_text(page, text)
    except OSError as error:
        raise ConfigError(
            f"--page: {page} cannot be written: {error.strerror or error}; choose another place"
        ) from error


WindowOption = Annotated[str, typer.Option(metavar="DURATION", help="How far back the objectives are judged.")]
AuditsOption = Annotated[Path, typer.Option("--history", help="Folder in which `capacity audit` keeps its audits.")]


@verb
def status(
    context: CommandContext,
    place: PlanPlace,
    *,
    sample: SampleOption = False,
    window: WindowOption = "30d",
    history: AuditsOption = Path("audits"),
    now: NowOption = None,
) -> int:
    """Show whether the service-level objectives are met, the error budget left, coming peaks, and held floors.

    Missing values are shown and do not affect the result. It cannot write.
    Exit code 0: all objectives met, nothing held; 3: otherwise; 1: a source failed.

    Example: capacity status --sample
    """
    from capacity.app.status import read_status
    from capacity.views.tables import status_sheet

    config, moment = context.config("shop" if sample else None), Data(sample=sample).moment(now)
    span = read_duration("--window", window)
    if span.total_seconds() < 60:
        raise ConfigError(f"--window: expected at least 1m, got {window}")
    if sample:
        status_now = _sample_status(config, moment, span)
    else:
        status_now = read_status(
            config, moment, span, history, lambda: _workload_status(config, moment, place.file, now is None)
        )
    context.show(status_sheet(status_now, config.timezone))
    for failure in status_now.failures:
        LOGGER.error("%s", failure)
    return _code(status_now)


def _sample_status(config: Config, now: datetime, window: timedelta) -> Status:
    """What one audit and one plan of the bundled orders say, at the end of those orders; there is no cluster."""
    from tempfile import TemporaryDirectory

    from capacity.app.plan import plan_fleet
    from capacity.app.status import read_status
    from capacity.model.service_level import WorkloadStatus
    from capacity.sources.audit_history import append_audit

    planned = plan_fleet(config, now)
    with TemporaryDirectory(prefix="capacity-") as folder:
        append_audit(Path(folder), planned.audit, now)
        known = WorkloadStatus(planned.plan, unknown="the sample has no cluster")
        return read_status(config, now, window, Path(folder), lambda: known)


def _code(found: Status) -> int:
    if found.failures:
        return FAILED
    late = any(one.late for one in found.workloads.heartbeats)
    return HELD if found.broken or found.workloads.held or late else DONE


def _workload_status(config: Config, now: datetime, plan: Path | None, real_time: bool) -> WorkloadStatus:
    """What a pass would do now, by a client that cannot write; without a cluster, the plan alone."""
    from capacity.app.control import preview
    from capacity.app.loop import make_pass
    from capacity.app.status import read_heartbeats
    from capacity.cluster.client import ClusterReader
    from capacity.model import CapacityError
    from capacity.model.service_level import WorkloadStatus

    if not config.workloads:
        return WorkloadStatus(unknown="no workloads are configured")
    try:
        reader = ClusterReader(requests_per_second=config.controller.requests_per_second)
    except CapacityError as error:
        return WorkloadStatus(plan=_plan_alone(plan, now), unknown=str(error))
    work = make_pass(config, now, plan, reader, real_time=real_time)
    beats = read_heartbeats(config, reader, work.plan, now) if plan is None else ()
    return WorkloadStatus(work.plan, tuple(preview(reader, work)), heartbeats=beats)


def _plan_alone(plan: Path | None, now: datetime) -> Plan | None:
    """The plan of a file, for its peaks; None where there is none to be read: that it is missing is said there."""
    from capacity.model import CapacityError
    from capacity.model.plan_file import read_plan

    try:
        return None if plan is None else read_plan(plan, near=now)
    except CapacityError:
        return None


@verb
def outlook(
    context: CommandContext,
    data: Data,
    *,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario", metavar="WHAT-IF", help="Also for growth=+20%, lost-zone, ... as with plan. Repeatable."
        ),
    ] = None,
    now: NowOption = None,
) -> int:
    """Show what the next twelve months need, by group and in total, and when today's limits are reached.

    Example: capacity outlook --sample --scenario growth=+30%
    """
    from capacity.app.outlook import capacity_outlook
    from capacity.app.what_if import parse_scenarios
    from capacity.views.tables import outlook_sheets

    config = data.planning_config(context)
    scenarios = parse_scenarios(scenario or [], config.timezone)
    found = capacity_outlook(config, read_clock(now), scenarios, past=now is not None)
    context.show(*outlook_sheets(found, config.supply.currency))
    return DONE


@verb
def volumes(context: CommandContext, drawing: Drawing, *, now: NowOption = None) -> int:
    """Show how full each claim is, in how many days it will be full, and its next size. It changes nothing.

    Example: capacity volumes -c capacity.yaml --picture volumes.png
    """
    from capacity.app.volumes import volume_plans
    from capacity.views.tables import volumes_sheet

    config, moment = context.config(), read_clock(now)
    if not any(one.volumes for one in config.workloads):
        raise ConfigError("workloads: expected one with volumes, got none: name its claims under volumes:")
    planned = volume_plans(config, moment, past=now is not None)
    context.show(volumes_sheet(planned.plans, planned.failures, moment, config.timezone))

    def plot(theme: Theme) -> Figure:
        from capacity.views.plots import plot_volumes

        return plot_volumes(planned.plans, config.timezone, theme=theme)

    if planned.plans:
        drawing.save(context, plot)
    return FAILED if planned.failures else DONE
