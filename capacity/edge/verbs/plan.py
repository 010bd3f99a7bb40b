"""The verbs that plan: from the orders to plan.json and plan.png, or to the cluster; and that explain one number."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.domain import ConfigError
from capacity.edge.face import DONE, HELD, Face, FileArgument, SampleOption, read_clock, verb
from capacity.edge.screen import say

if TYPE_CHECKING:
    from capacity.domain import Explanation, Plan, Workload
    from capacity.edge.config import Config
    from capacity.edge.planner import Planned

ScenarioOption = Annotated[
    list[str] | None,
    typer.Option(
        "--scenario",
        metavar="WHAT-IF",
        help="Also plan for growth=+20%, promotion=2026-11-27/2026-11-28:+50%, lost-zone, cancel=EVENT. Repeatable.",
    ),
]


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
    scenario: ScenarioOption = None,
) -> int:
    """Plan replicas so that CPU and memory stay under the target utilization; write plan.json and plan.png.

    With scenarios their plans stand side by side, and nothing is written.

    Example: capacity plan --sample
    """
    from capacity.edge.planner import QualityRefusedError, forecast_for_plans, make_plan, read_orders
    from capacity.edge.scenarios import parse_scenarios
    from capacity.edge.sheets import plan_sheet

    config = _planning_config(face, file, sample)
    scenarios = parse_scenarios(scenario or (), config.timezone)
    with face.stages("reading orders", "forecasting", "planning", "writing") as advance:
        orders = read_orders(config)
        advance()
        forecasts = forecast_for_plans(config, orders)
        advance()
        try:
            planned = make_plan(config, orders, forecasts, read_clock(None))
            others = [
                (one.name, make_plan(config, orders, forecast_for_plans(config, orders, one), read_clock(None), one))
                for one in scenarios
            ]
        except QualityRefusedError as refusal:
            say(f"capacity: held: {refusal}")
            return HELD
        advance()
        written = [] if others else _written(planned.plan, out, config.timezone, to_cluster)
        advance()
    if others:
        return _compare(face, planned, others, config)
    face.show(plan_sheet(planned, config))
    face.say(f"wrote {', '.join(written)}")
    return _say_failures(planned)


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


def _compare(face: Face, planned: Planned, others: list[tuple[str, Planned]], config: Config) -> int:
    from capacity.edge.sheets import scenarios_sheet

    face.show(scenarios_sheet(planned, others, config))
    return max(_say_failures(planned), *(_say_failures(other, f"{name}: ") for name, other in others))


def _say_failures(planned: Planned, prefix: str = "") -> int:
    for (namespace, name), reason in planned.failures.items():
        say(f"capacity: {prefix}{namespace}/{name}: not planned: {reason}")
    return HELD if planned.failures else DONE


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


def _written(plan: Plan, out: Path, timezone: str, to_cluster: bool) -> list[str]:
    return _to_cluster(plan) if to_cluster else _to_files(plan, out, timezone)


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
