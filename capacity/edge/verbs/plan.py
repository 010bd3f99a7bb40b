"""The verb that plans: from the orders to plan.json and plan.png, or to the cluster's ConfigMaps; or what-ifs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.domain import ConfigError, DataError
from capacity.domain.fields import AutoLeadTime
from capacity.edge.drawing import PlanView
from capacity.edge.face import DONE, HELD, Face, read_clock, verb
from capacity.edge.logs import LOGGER
from capacity.edge.options import Data, Drawing, PatchOption
from capacity.edge.screen import Output

if TYPE_CHECKING:
    from capacity.domain import Plan, Scenario
    from capacity.edge.config import Config
    from capacity.edge.planning.planner import Planned
    from capacity.edge.planning.requests import Advice

SHOWN = 20  # workloads in a table; the plan has them all


@dataclass(frozen=True, slots=True)
class PlanData(Data):
    """What is planned for: whose orders, and what-ifs beside them."""

    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario",
            metavar="WHAT-IF",
            help="Also plan for growth=+20%, promotion=FROM/UNTIL:+50% (dates), lost-zone, cancel=EVENT. Repeatable.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Goal:
    """Where the plan goes."""

    out: Annotated[Path, typer.Option("--plan", help="Where the plan goes; its picture lies beside it.")] = Path(
        "plan.json"
    )
    to_cluster: Annotated[bool, typer.Option("--to-cluster", help="Write the plan to ConfigMaps instead of files.")] = (
        False
    )
    requests_patch: PatchOption = None


@dataclass(frozen=True, slots=True)
class Parts:
    """Who plans, where there are many workloads."""

    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that plan, where there are many workloads. Default: every core."),
    ] = None
    cluster: Annotated[
        str | None, typer.Option("--cluster", metavar="TCP://...", help="Plan on the Dask workers of this scheduler.")
    ] = None
    shards: Annotated[
        Path | None, typer.Option(help="Folder that keeps each part of the plan, so that a run cut off goes on.")
    ] = None


@dataclass(frozen=True, slots=True)
class PlanDrawing(Drawing):
    """A picture of the plan."""

    draw: Annotated[PlanView, typer.Option(help="Demand and replicas, or utilization.")] = PlanView.demand


@verb
def plan(face: Face, data: PlanData, goal: Goal, parts: Parts, drawing: PlanDrawing) -> int:
    """Plan replicas so that CPU and memory stay under the target utilization; write plan.json and plan.png.

    With scenarios their plans stand side by side, and nothing is written.

    Example: capacity plan --sample
    """
    from capacity.edge.bulletin import Bulletin
    from capacity.edge.planning.planner import QualityRefusedError
    from capacity.edge.planning.scenarios import parse_scenarios

    config = data.planning_config(face)
    scenarios, now = parse_scenarios(data.scenario or (), config.timezone), read_clock(None)
    config, remarks = _lead_times(config, now, to_cluster=goal.to_cluster)
    remarks += _straight(config)
    bulletin = Bulletin.silent() if data.foreign or scenarios else Bulletin.of(config)
    try:
        if scenarios:
            return _compare(face, config, scenarios, now)
        planned, took = _planned(face, config, parts, now)
    except QualityRefusedError as refusal:
        LOGGER.warning("held: %s", refusal)
        _say_warnings(bulletin.audited(refusal.audit, read_clock(None)))
        return HELD
    except DataError as error:
        _say_warnings(bulletin.failed([one.namespace for one in config.workloads], error, read_clock(None)))
        raise
    _write(face, planned, config, goal, drawing)
    for remark in remarks:
        face.say(remark)
    _say_failures(planned.failures)
    _say_warnings(bulletin.planned(planned, took))
    return HELD if planned.failures else DONE


def _planned(face: Face, config: Config, parts: Parts, now: datetime) -> tuple[Planned, timedelta]:
    """The plan, signed by this run, and how long reading, forecasting and planning took."""
    from capacity.edge.planning.fleet import Fleet, plan_fleet
    from capacity.edge.planning.planner import signed

    fleet, began = Fleet(parts.workers, parts.cluster, parts.shards), perf_counter()
    with face.count("planning") as progress:
        planned = plan_fleet(config, now, fleet, progress)
    return signed(planned, face.run.id), timedelta(seconds=perf_counter() - began)


def _write(face: Face, planned: Planned, config: Config, goal: Goal, drawing: PlanDrawing) -> None:
    """The plan, its picture and the advice where they are wanted, and the plan on the screen."""
    with face.stages("writing") as advance:
        written = _to_cluster(planned.plan) if goal.to_cluster else _to_files(planned.plan, goal.out)
        picture = drawing.picture or (None if goal.to_cluster else goal.out.with_suffix(".png"))
        if picture is not None:
            _draw(planned.plan, config, picture, drawing)
            written.append(str(picture))
        advance()
    _show(face, planned, config, _advice(config, goal.requests_patch))
    written += [] if goal.requests_patch is None else [str(goal.requests_patch)]
    face.say(f"wrote {', '.join(written)}")


def _compare(face: Face, config: Config, scenarios: list[Scenario], now: datetime) -> int:
    """The plan as it is and one for each scenario, from one reading of the orders."""
    from capacity.edge.planning.planner import Basis, make_plan, read_orders
    from capacity.edge.sheets import scenarios_sheet

    with face.stages("reading orders", "planning") as advance:
        orders = read_orders(config)
        advance()
        basis = Basis.of(config, orders, now)
        planned = make_plan(basis)
        others = [(one, make_plan(basis.under(one))) for one in scenarios]
        advance()
    face.show(scenarios_sheet(planned, others, config))
    for one in (planned, *(other for _, other in others)):
        _say_failures(one.failures)
    return HELD if any(one.failures for one in (planned, *(other for _, other in others))) else DONE


def _lead_times(config: Config, now: datetime, *, to_cluster: bool) -> tuple[Config, list[str]]:
    """Lead times learned from the cluster that the plan goes to; a plan for files asks no cluster."""
    if not any(isinstance(item.lead_time, AutoLeadTime) for item in config.workloads):
        return config, []
    if not to_cluster:
        return config, ["lead time of `auto`: 5 min assumed; --to-cluster and `capacity init` learn it from the pods"]
    from capacity.edge.cluster.client import ClusterReader
    from capacity.edge.cluster.starts import learn_lead_times

    return learn_lead_times(config, ClusterReader(), now)


def _straight(config: Config) -> list[str]:
    """That a plan follows no sales; of very many workloads the first are named."""
    flat = config.unmoved()
    named = ", ".join(flat[:SHOWN]) + (f" and {len(flat) - SHOWN:,} more" if len(flat) > SHOWN else "")
    return [f"no sale adds to the load of {named}: see `capacity doctor`"] if flat else []


def _advice(config: Config, patch: Path | None) -> Advice:
    """What usage advises to request; written as a patch where asked."""
    from capacity.edge.planning.requests import advise, write_patch

    advice = advise(config)
    if patch is not None:
        write_patch(advice, config, patch)
    return advice


def _show(face: Face, planned: Planned, config: Config, advice: Advice) -> None:
    """The plan on the screen; of very many workloads, a table has only those with the highest peaks."""
    from capacity.edge.sheets import plan_sheet

    plans = planned.plan.workloads
    if face.output is Output.table and len(plans) > SHOWN:
        highest = tuple(sorted(plans, key=lambda one: -one.peak.replicas)[:SHOWN])
        planned = replace(planned, plan=replace(planned.plan, workloads=highest))
        face.say(f"{len(plans):,} workloads planned; the {SHOWN} with the highest peaks:")
    face.show(plan_sheet(planned, config, advice))


def _say_warnings(warnings: list[str]) -> None:
    for warning in warnings:
        LOGGER.warning("%s", warning)


def _say_failures(failures: dict[tuple[str, str], str]) -> None:
    """Each workload that could not be planned and why; where very many have one reason, it is said once."""
    by_reason: dict[str, list[str]] = {}
    for (namespace, name), reason in failures.items():
        by_reason.setdefault(reason, []).append(f"{namespace}/{name}")
    for reason, names in by_reason.items():
        for name in names[:SHOWN]:
            LOGGER.warning("%s: not planned: %s", name, reason)
        if len(names) > SHOWN:
            LOGGER.warning("and %s more not planned: %s", f"{len(names) - SHOWN:,}", reason)


def _to_files(plan: Plan, out: Path) -> list[str]:
    from capacity.edge.planfile import write_plan

    if not out.name or out.is_dir():
        raise ConfigError(f"--plan: expected a file name such as plan.json, got {out}")
    try:
        write_plan(plan, out)
    except OSError as error:
        raise ConfigError(
            f"--plan: {out} cannot be written: {error.strerror or error}; choose another place"
        ) from error
    return [str(out)]


def _draw(plan: Plan, config: Config, picture: Path, drawing: PlanDrawing) -> None:
    """Demand and replicas of the highest peaks; or the planned utilization of the highest one as a calendar."""
    from capacity.edge.plots import plot_plan, plot_utilization, save_figure

    theme, timezone = drawing.theme, config.timezone
    highest = max(plan.workloads, key=lambda one: one.peak.replicas)
    if drawing.draw is PlanView.demand or highest.demand is None:
        save_figure(plot_plan(plan.workloads, timezone, theme=theme), picture)
        return
    target = highest.derivation.target.utilization
    planned = highest.to_frame()["utilization"]
    save_figure(plot_utilization(planned, timezone, target=target, name=highest.label, theme=theme), picture)


def _to_cluster(plan: Plan) -> list[str]:
    from capacity.edge.cluster.client import ClusterWriter
    from capacity.edge.cluster.planmaps import write_plan_maps

    return [f"ConfigMap {name}" for name in write_plan_maps(ClusterWriter(), plan)]
