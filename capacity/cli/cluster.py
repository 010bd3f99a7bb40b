"""The verbs that use the cluster: preview cannot write; apply, run and rehearse move floors; restore undoes it."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from capacity.app.collector import uncollected
from capacity.cli.command import DONE, FAILED, HELD, CommandContext, NowOption, read_clock, read_duration, verb
from capacity.cli.options import PlanPlace
from capacity.logs import LOGGER
from capacity.model import ConfigError
from capacity.views.sheet import Output, show_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path
    from threading import Event

    from capacity.app.loop import Leader
    from capacity.app.notify import Notifier
    from capacity.app.reconciliation import Reconciliation as Pass
    from capacity.cluster.client import ClusterReader, ClusterWriter
    from capacity.cluster.message_memory import LeaseMemory
    from capacity.model.configuration import Config
    from capacity.model.outcome import Outcome
    from capacity.monitoring.export import Exposition, Health

    Client = TypeVar("Client", bound=ClusterReader)


JsonLines = Annotated[bool, typer.Option("--json-lines", help="One JSON object per workload and line.")]
HeldOk = Annotated[bool, typer.Option("--held-ok", help="Exit with 0 instead of 3 if floors were held; for a CronJob.")]
HealthPort = Annotated[
    int, typer.Option("--health-port", min=0, max=65535, help="Port for /healthz, /readyz and /metrics; 0 disables it.")
]
LEAST_PATIENCE = 180.0  # seconds without a completed pass that still count as healthy


@verb
def preview(
    context: CommandContext,
    place: PlanPlace,
    *,
    server_dry_run: Annotated[
        bool,
        typer.Option("--server-dry-run", help="Ask the API server (dry run) whether it would accept each change."),
    ] = False,
    json_lines: JsonLines = False,
    now: NowOption = None,
) -> int:
    """Read the autoscalers and show what `apply` would change, and why. It cannot write.

    Example: capacity preview -c capacity.yaml --plan plan.json
    """
    from capacity.app.control import ask
    from capacity.app.control import preview as preview_pass
    from capacity.app.loop import make_pass, pass_sheet
    from capacity.cluster.client import ClusterAsker, ClusterReader

    config, moment = context.config(), read_clock(now)
    asker = _client(ClusterAsker, config) if server_dry_run else None
    reader = asker or _client(ClusterReader, config)
    work = make_pass(config, moment, place.file, reader, real_time=now is None)
    outcomes = list(preview_pass(reader, work) if asker is None else ask(asker, work))
    if json_lines:
        _show_json_lines(outcomes)
    else:
        context.show(pass_sheet("Preview: nothing was changed", outcomes, moment))
    return _finish(outcomes)


@verb
@uncollected()
def apply(
    context: CommandContext,
    place: PlanPlace,
    *,
    json_lines: JsonLines = False,
    held_ok: HeldOk = False,
    now: NowOption = None,
) -> int:
    """One controller pass: preview, then patch each floor that must move. Running it twice changes nothing more.

    Example: capacity apply -c capacity.yaml --plan plan.json
    """
    from capacity.app.control import apply as apply_pass
    from capacity.app.loop import make_pass, stopping
    from capacity.app.notify import Notifier
    from capacity.cluster.client import ClusterWriter

    config, moment = context.config(), read_clock(now)
    writer = _client(ClusterWriter, config)
    with stopping() as stop:
        work = make_pass(config, moment, place.file, writer, real_time=now is None)
        outcomes = _told(
            Notifier.of(config, keeper=_keeper(writer, config)),
            work,
            lambda one: apply_pass(writer, one, stop=stop.is_set),
        )
    _show(context, "Applied", outcomes, moment, json_lines=json_lines)
    return _finish(outcomes, held_ok=held_ok)


@verb
def run(
    context: CommandContext, place: PlanPlace, *, json_lines: JsonLines = False, health_port: HealthPort = 8080
) -> int:
    """Repeat `apply` every controller.period. If several run, one leads. SIGTERM ends it after the current pass.

    Example: capacity run -c capacity.yaml --from-cluster
    """
    from capacity.app.floor_watch import FloorWatch, watched
    from capacity.app.loop import Leader, repair_between, repeat, stopping
    from capacity.cluster.client import ClusterReader, ClusterWriter
    from capacity.monitoring.export import Exposition

    config = context.config()
    exposition = Exposition(config.telemetry.installation)
    period = config.controller.period
    writer = _client(ClusterWriter, config)
    leader = Leader(writer, sorted({workload.namespace for workload in config.workloads}), period)
    watch = FloorWatch(_client(ClusterReader, config), watched(config.workloads))

    with stopping(watch.wake) as stop, _healthy(period.total_seconds(), exposition, health_port) as health:

        def one_pass(only: frozenset[tuple[str, str]] | None = None) -> None:
            try:
                with uncollected():
                    outcomes, moment = _lead_one(context, _Loop(leader, place.file, exposition, stop), only)
                _show(context, "Applied", outcomes, moment, json_lines=json_lines)
                _finish(outcomes)
            finally:
                health.beat()

        watch.start()
        try:
            repeat(one_pass, period, stop, repair_between(watch, one_pass, stop))
        finally:
            watch.stop()
            leader.resign()
    return DONE


@verb
def restore(
    context: CommandContext,
    *,
    ramp: Annotated[
        bool, typer.Option("--ramp", help="Lower floors in the controller's steps, with pauses. Default: at once.")
    ] = False,
    expired: Annotated[
        bool, typer.Option("--expired", help="Only objects that no controller has renewed in time.")
    ] = False,
    json_lines: JsonLines = False,
    now: NowOption = None,
) -> int:
    """Restore every floor and ceiling to its value and owner before the first change.

    Example: capacity restore -c capacity.yaml
    """
    from capacity.app.control import restore as restore_pass
    from capacity.app.loop import stopping
    from capacity.cluster.client import ClusterWriter

    config = context.config()
    writer = _client(ClusterWriter, config)
    policy = config.controller.policy() if ramp else None
    with stopping() as stop:
        while True:
            moment = read_clock(now)
            outcomes = list(restore_pass(writer, config.workloads, moment, policy=policy, expired=expired))
            _show(context, "Restored", outcomes, moment, json_lines=json_lines)
            code = _finish(outcomes)
            more = any(o.decision is not None and o.decision.reason == "Restoring" for o in outcomes)
            if not more or now is not None or stop.wait(config.controller.step_every.total_seconds()):
                return code


def _client(kind: type[Client], config: Config) -> Client:
    return kind(requests_per_second=config.controller.requests_per_second)


@contextmanager
def _healthy(period: float, exposition: Exposition, port: int) -> Iterator[Health]:
    """Serve the loop's health on a port (0: on none) until the block ends."""
    from time import monotonic

    from capacity.monitoring.export import Health

    health = Health(monotonic, max(LEAST_PATIENCE, 3 * period), exposition)
    server = health.serve(port) if port else None
    try:
        yield health
    finally:
        if server is not None:
            server.shutdown()


@dataclass(frozen=True)
class _Loop:
    """What every pass of the loop shares."""

    leader: Leader
    plan: Path | None
    exposition: Exposition
    stop: Event


def _lead_one(
    context: CommandContext, loop: _Loop, only: frozenset[tuple[str, str]] | None
) -> tuple[list[Outcome], datetime]:
    """One pass over the namespaces that we lead, and its time; the configuration is read again for each pass.

    `only`: autoscalers by namespace and name, if only some must be repaired now.
    """
    from dataclasses import replace

    from capacity.app.control import apply as apply_pass
    from capacity.app.loop import make_pass
    from capacity.app.notify import Notifier
    from capacity.cluster.lease import Writers

    moment, config, writer = read_clock(None), context.config(), loop.leader.writer
    led = _led(context, loop.leader)
    work = make_pass(config, moment, loop.plan, writer, real_time=True)
    work = replace(work, workloads=tuple(workload for workload in work.workloads if workload.namespace in led))
    writers = Writers(writer, led, loop.leader.keep)

    def act(one: Pass) -> Iterable[Outcome]:
        return apply_pass(writer, one, writers, stop=loop.stop.is_set)

    if only is not None:
        return list(act(replace(work, chosen=only))), moment
    outcomes = _told(Notifier.of(config, loop.exposition, _keeper(writer, config)), work, act)
    return outcomes, moment


def _keeper(writer: ClusterWriter, config: Config) -> LeaseMemory | None:
    """Where the record of sent messages is kept; None if no messages are configured."""
    if not config.incidents.messages.receivers or not config.workloads:
        return None
    from capacity.cluster.message_memory import LeaseMemory

    return LeaseMemory(writer, config.controller.home or min(one.namespace for one in config.workloads))


def _led(context: CommandContext, leader: Leader) -> frozenset[str]:
    """The namespaces that we lead; who leads the others is logged."""
    leaders = leader.lead()
    for namespace, other in sorted(leaders.items()):
        if other is not None and not context.quiet:
            LOGGER.warning("%s is led by %s", namespace, other)
    return frozenset(namespace for namespace, other in leaders.items() if other is None)


def _told(notifier: Notifier, work: Pass, act: Callable[[Pass], Iterable[Outcome]]) -> list[Outcome]:
    """The outcomes of a pass, sent to everybody that the configuration names; held during a change window."""
    from dataclasses import replace
    from datetime import timedelta
    from time import perf_counter

    change, warnings = notifier.change_window(work.now)
    began = perf_counter()
    outcomes = list(act(replace(work, change=change)))
    took = timedelta(seconds=perf_counter() - began)
    for warning in [*warnings, *notifier.passed(work, outcomes, work.now + took, took)]:
        LOGGER.warning("%s", warning)
    return outcomes


def _show(
    context: CommandContext, title: str, outcomes: Sequence[Outcome], moment: datetime, *, json_lines: bool
) -> None:
    """Print one line per workload, easy to search with grep; other forms on request."""
    from capacity.app.loop import pass_footer, pass_sheet

    if json_lines:
        _show_json_lines(outcomes)
    elif context.output is Output.table:
        show_lines([" ".join(line.split()) for outcome in outcomes for line in outcome.lines])
        if context.verbose:
            context.say(pass_footer(outcomes, moment))
    else:
        context.show(pass_sheet(title, outcomes, moment))
    sys.stdout.flush()


def _show_json_lines(outcomes: Sequence[Outcome]) -> None:
    from capacity.model.outcome import outcome_document

    sys.stdout.write("".join(f"{json.dumps(outcome_document(outcome))}\n" for outcome in outcomes))


def _finish(outcomes: Sequence[Outcome], *, held_ok: bool = False) -> int:
    for outcome in outcomes:
        if outcome.error is not None:
            LOGGER.error("%s: %s", outcome.where, outcome.error)
        for one in outcome.actuations:
            if one.error is not None:
                LOGGER.error("%s/%s: %s", outcome.workload.namespace, one.where, one.error)
        for warning in outcome.warnings:
            LOGGER.warning("%s", warning)
    if any(outcome.failed for outcome in outcomes):
        return FAILED
    return HELD if not held_ok and any(outcome.held for outcome in outcomes) else DONE


WorkloadArgument = Annotated[str, typer.Argument(metavar="NAMESPACE/NAME", help="The workload to rehearse.")]
ToOption = Annotated[int | None, typer.Option("--to", min=1, help="The floor to rehearse.")]
PeakOption = Annotated[bool, typer.Option("--peak", help="Rehearse the highest floor of the plan.")]
WithinOption = Annotated[str, typer.Option("--within", metavar="DURATION", help="How long to wait for replicas.")]
BudgetOption = Annotated[
    float, typer.Option("--budget", metavar="HOURS", help="Replica hours that the rehearsal may cost.")
]


@verb
def rehearse(
    context: CommandContext,
    workload: WorkloadArgument,
    place: PlanPlace,
    *,
    to: ToOption = None,
    peak: PeakOption = False,
    within: WithinOption = "15m",
    budget: BudgetOption = 24.0,
) -> int:
    """Raise a floor as for a peak, measure how long replicas take to be ready and what delays them, and restore it.

    It never begins near a peak of the plan. Ctrl-C, the off switch and `capacity/freeze` on the object end it.
    Exit code 0: ready within the lead time; 3: later, or not at all; 1: it did not begin.

    Example: capacity rehearse shop/web --to 36 --from-cluster
    """
    from capacity.app.loop import make_pass, stopping
    from capacity.app.rehearse import Stage, find_workload
    from capacity.app.rehearse import rehearse as rehearse_workload
    from capacity.cluster.client import ClusterWriter
    from capacity.model.rehearsal import RehearsalLimits
    from capacity.views.tables.status import rehearsal_sheet

    if (to is None) != peak:
        raise ConfigError("expected --to REPLICAS or --peak, one of the two")
    limits = RehearsalLimits(read_duration("--within", within), budget)
    config = context.config()
    writer = ClusterWriter(requests_per_second=config.controller.requests_per_second)
    work = make_pass(config, _clock(), place.file, writer, real_time=True)
    one = find_workload(work, workload)
    context.say(f"{workload}: raising its floor if it is safe to; Ctrl-C restores it")
    with stopping() as stop:
        found = rehearse_workload(Stage(writer, work, one, _clock, stop.wait), to, limits)
    context.show(rehearsal_sheet(found))
    return DONE if found.in_time else HELD


def _clock() -> datetime:
    from datetime import UTC, datetime

    return datetime.now(UTC)
