"""The verb that tries a peak out before it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from capacity.cli.command import DONE, HELD, CommandContext, read_duration, verb
from capacity.cli.options import PlanPlace
from capacity.model import ConfigError

if TYPE_CHECKING:
    from datetime import datetime

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
    from capacity.views.tables.rehearsal import rehearsal_sheet

    if (to is None) != peak:
        raise ConfigError("expected --to REPLICAS or --peak, one of the two")
    limits = RehearsalLimits(read_duration("--within", within), budget)
    config = context.config()
    writer = ClusterWriter(requests_per_second=config.controller.requests_per_second)
    work = make_pass(config, _clock(), place.file, writer, real_time=True)
    one = find_workload(work, workload)
    context.say(f"{workload}: its floor rises if nothing speaks against it; Ctrl-C gives it back")
    with stopping() as stop:
        found = rehearse_workload(Stage(writer, work, one, _clock, stop.wait), to, limits)
    context.show(rehearsal_sheet(found))
    return DONE if found.in_time else HELD


def _clock() -> datetime:
    from datetime import UTC, datetime

    return datetime.now(UTC)
