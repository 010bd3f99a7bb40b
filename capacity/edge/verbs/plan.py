"""The verbs that plan: from the orders to plan.json and plan.png, or to the cluster; and that explain one number."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.domain import ConfigError
from capacity.edge.face import DONE, HELD, Face, FileArgument, SampleOption, read_clock, verb
from capacity.edge.screen import Output, say

if TYPE_CHECKING:
    from capacity.domain import Explanation, Plan, Scenario, Workload
    from capacity.edge.config import Config
    from capacity.edge.fleet import Fleet
    from capacity.edge.planner import Planned

OutOption = Annotated[Path, typer.Option("--plan", help="Where the plan goes; its picture lies beside it.")]
ToClusterOption = Annotated[bool, typer.Option("--to-cluster", help="Write the plan to ConfigMaps instead of files.")]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Processes that plan, where there are many workloads. Default: every core.")
]
DaskOption = Annotated[
    str | None, typer.Option("--cluster", metavar="TCP://...", help="Plan on the Dask workers of this scheduler.")
]
ShardsOption = Annotated[
    Path | None, typer.Option(help="Folder that keeps each part of the plan, so that a run cut off goes on.")
]
ScenarioOption = Annotated[
    list[str] | None,
    typer.Option(
        "--scenario",
        metavar="WHAT-IF",
        help="Also plan for growth=+20%, promotion=2026-11-27/2026-11-28:+50%, lost-zone, cancel=EVENT. Repeatable.",
    ),
]
SHOWN = 20  # workloads in a table; the plan has them all


@verb
def plan(
    face: Face,
    file: FileArgument = None,
    *,
    sample: SampleOption = False,
    out: OutOption = Path("plan.json"),
    to_cluster: ToClusterOption = False,
    workers: WorkersOption = None,
    cluster: DaskOption = None,
    shards: ShardsOption = None,
    scenario: ScenarioOption = None,
) -> int:
    """Plan replicas so that CPU and memory stay under the target utilization; write plan.json and plan.png.

    With scenarios their plans stand side by side, and nothing is written.

    Example: capacity plan --sample
    """
    from capacity.edge.fleet import Fleet
    from capacity.edge.planner import QualityRefusedError
    from capacity.edge.scenarios import parse_scenarios

    config = _planning_config(face, file, sample)
    scenarios = parse_scenarios(scenario or (), config.timezone)
    fleet = Fleet(workers, cluster, shards)
    try:
        if scenarios:
            return _compare(face, config, scenarios)
        planned = _planned(face, config, fleet)
    except QualityRefusedError as refusal:
        say(f"capacity: held: {refusal}")
        return HELD
    with face.stages("writing") as advance:
        written = _to_cluster(planned.plan) if to_cluster else _to_files(planned.plan, out, config.timezone)
        advance()
    _show(face, planned, config)
    face.say(f"wrote {', '.join(written)}")
    _say_failures(planned.failures)
    return HELD if planned.failures else DONE


@verb
def explain(
    face: Face,
    workload: Annotated[str | None, typer.Argument(metavar="[WORKLOAD]", help="name or namespace/name.")] = None,
    *,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="A step of the plan (RFC 3339). Default: its peak.")
    ] = None,
    sample: SampleOption = False,
    picture: Annotated[Path | None, typer.Option(help="Draw the waterfall to this file (.png, .svg).")] = None,
) -> int:
    """Take one planned floor apart, from sales to replicas: parts that add up to it exactly.

    Example: capacity explain web --at 2011-12-13T12:00Z --sample
    """
    from capacity.edge.explaining import explain_plan
    from capacity.edge.planner import read_orders
    from capacity.edge.sheets import explain_sheet

    config = _planning_config(face, None, sample)
    chosen, moment = _workload(config, workload), None if at is None else _moment(at, config.timezone)
    with face.stages("reading orders", "forecasting and explaining") as advance:
        orders = read_orders(config)
        advance()
        explanation = explain_plan(config, orders, chosen, moment, read_clock(None))
        advance()
    face.show(explain_sheet(explanation, config.timezone))
    if picture is not None:
        _draw(explanation, picture, config.timezone)
        face.say(f"wrote {picture}")
    return DONE


def _planning_config(face: Face, file: str | None, sample: bool) -> Config:
    config = face.config(file=file, sample=sample)
    if not config.workloads:
        raise ConfigError("workloads: expected at least one workload to plan for, got none")
    return config


def _planned(face: Face, config: Config, fleet: Fleet) -> Planned:
    from capacity.edge.fleet import plan_fleet

    with face.count("planning") as progress:
        return plan_fleet(config, read_clock(None), fleet, progress)


def _compare(face: Face, config: Config, scenarios: list[Scenario]) -> int:
    """The plan as it is and one for each scenario, from one reading of the orders."""
    from capacity.edge.planner import forecast_for_plans, make_plan, read_orders
    from capacity.edge.sheets import scenarios_sheet

    now = read_clock(None)
    with face.stages("reading orders", "planning") as advance:
        orders = read_orders(config)
        advance()
        planned = make_plan(config, orders, forecast_for_plans(config, orders), now)
        others = [
            (one.name, make_plan(config, orders, forecast_for_plans(config, orders, one), now, scenario=one))
            for one in scenarios
        ]
        advance()
    face.show(scenarios_sheet(planned, others, config))
    for one in (planned, *(other for _, other in others)):
        _say_failures(one.failures)
    return HELD if any(one.failures for one in (planned, *(other for _, other in others))) else DONE


def _workload(config: Config, name: str | None) -> Workload:
    """The workload meant; without a name the only one. Raises `ConfigError`."""
    workloads = config.nouns()
    found = [one for one in workloads if name in (None, one.name, f"{one.namespace}/{one.name}")]
    if len(found) != 1:
        known = ", ".join(f"{one.namespace}/{one.name}" for one in workloads)
        raise ConfigError(f"WORKLOAD: expected one of {known}, got {name or 'none'}")
    return found[0]


def _moment(text: str, timezone: str) -> datetime:
    """A time on the command line; without a zone on the business's clock. Raises `ConfigError`."""
    from zoneinfo import ZoneInfo

    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--at: expected a time such as 2026-11-27T18:00Z, got {text!r}") from error
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(timezone))


def _draw(explanation: Explanation, picture: Path, timezone: str) -> None:
    from capacity.edge.plots import plot_explanation, save_figure

    try:
        save_figure(plot_explanation(explanation, timezone), picture)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--picture: {picture} cannot be written: {error}") from error


def _show(face: Face, planned: Planned, config: Config) -> None:
    """The plan on the screen; of very many workloads, a table has only those with the highest peaks."""
    from capacity.edge.sheets import plan_sheet

    plans = planned.plan.workloads
    if face.output is Output.table and len(plans) > SHOWN:
        highest = tuple(sorted(plans, key=lambda one: -one.peak.replicas)[:SHOWN])
        planned = replace(planned, plan=replace(planned.plan, workloads=highest))
        face.say(f"{len(plans):,} workloads planned; the {SHOWN} with the highest peaks:")
    face.show(plan_sheet(planned, config))


def _say_failures(failures: dict[tuple[str, str], str]) -> None:
    """Each workload that could not be planned and why; where very many have one reason, it is said once."""
    by_reason: dict[str, list[str]] = {}
    for (namespace, name), reason in failures.items():
        by_reason.setdefault(reason, []).append(f"{namespace}/{name}")
    for reason, names in by_reason.items():
        for name in names[:SHOWN]:
            say(f"capacity: {name}: not planned: {reason}")
        if len(names) > SHOWN:
            say(f"capacity: and {len(names) - SHOWN:,} more not planned: {reason}")


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
