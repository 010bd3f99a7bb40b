"""The verb that plans: from the orders to plan.json and plan.png, or to the cluster's ConfigMaps; or what-ifs."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.cli.advise import PolicyStore, choose_for_the_next, renewed_policies
from capacity.cli.command import DONE, HELD, CommandContext, SampleOption, read_clock, verb
from capacity.cli.options import Data, Drawing, FleetOptions, Service, Theme, write_file
from capacity.logs import LOGGER
from capacity.model import ConfigError, DataError
from capacity.views.sheet import Output

if TYPE_CHECKING:
    from capacity.cluster.message_memory import PlanMemory
    from capacity.model import Explanation, Plan, Scenario, Workload
    from capacity.model.configuration import Config
    from capacity.planning.result import PlanResult
    from capacity.views.plots import Figure

RESULT = "Where the plan goes"
SHOWN = 20  # workloads in a table; the plan has them all


@dataclass(frozen=True, slots=True)
class PlanData(Data):
    """What is planned for: whose orders, as of when, and what-ifs beside them."""

    now: Annotated[
        str | None,
        typer.Option(
            "--now", metavar="TIME", help="Plan as of this past time (RFC 3339), without the rows and usage after it."
        ),
    ] = None

    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario",
            metavar="WHAT-IF",
            help="Also plan for growth=+20%, promotion=FROM/UNTIL:+50% (dates), lost-zone, cancel=EVENT. Repeatable.",
        ),
    ] = None

    def moment(self, now: str | None = None) -> datetime:
        """When the plan is made. Raises `ConfigError` on a time that is still to come: nothing is known of it."""
        clock, asked = read_clock(None), Data.moment(self, now or self.now)
        if self.now is not None and asked > clock:
            raise ConfigError(f"--now: expected a time that has passed, got {self.now} at {clock:%Y-%m-%dT%H:%MZ}")
        return asked


@dataclass(frozen=True, slots=True)
class PlanOutput:
    """Where the plan goes."""

    out: Annotated[
        Path,
        typer.Option("--plan", help="File for the plan; its picture is written beside it.", rich_help_panel=RESULT),
    ] = Path("plan.json")
    to_cluster: Annotated[
        bool,
        typer.Option("--to-cluster", help="Write the plan to ConfigMaps instead of files.", rich_help_panel=RESULT),
    ] = False
    table: Annotated[
        bool,
        typer.Option(
            "--table",
            help="With --output csv: print the peaks instead of the floor of every step.",
            rich_help_panel=RESULT,
        ),
    ] = False
    choose: Annotated[
        bool, typer.Option("--choose", help="Choose each workload's policy again first, as `capacity advise` does.")
    ] = False


@verb
def plan(
    context: CommandContext,
    data: PlanData,
    goal: PlanOutput,
    service: Service,
    parts: FleetOptions,
    drawing: Drawing,
) -> int:
    """Plan replicas so that CPU and memory stay under the target utilization; write plan.json and plan.png.

    With --scenario, the plans are shown side by side and nothing is written.

    Example: capacity plan --sample
    """
    from capacity.app.advise import AdviceRequest, with_evidence, with_policies
    from capacity.app.fleet import uncollected
    from capacity.app.notify import Notifier
    from capacity.app.what_if import parse_scenarios
    from capacity.planning.orders import QualityRefusedError
    from capacity.planning.result import made_for

    read, now = data.planning_config(context, service), data.moment()
    config = read
    scenarios = parse_scenarios(data.scenario, config.timezone) if data.scenario else []
    config, remarks = _lead_times(config, now, to_cluster=goal.to_cluster)
    remarks += _straight(config)
    notifier = (
        Notifier.silent()
        if data.foreign or scenarios or data.now
        else Notifier.of(config, keeper=_keeper(config, goal))
    )
    with uncollected():
        try:
            if scenarios:
                return _compare(context, config, scenarios, now, past=data.now is not None)
            anew = list(config.workloads) if goal.choose else []
            choice = AdviceRequest(now, config.choice.days, anew, past=data.now is not None)
            store = PolicyStore(config.choice.policies, goal.to_cluster)
            policies = renewed_policies(context, config, store, choice, parts.fleet())
            asked, config = config, with_policies(config, policies)
            planned, took = _planned(context, config, parts, now, past=data.now is not None)
            planned = made_for(with_evidence(planned, policies), read)
        except QualityRefusedError as refusal:
            LOGGER.warning("held: %s", refusal)
            _say_warnings(notifier.audited(refusal.audit, read_clock(None)))
            return HELD
        except DataError as error:
            _say_warnings(notifier.failed([one.namespace for one in config.workloads], error, read_clock(None)))
            raise
        _write(context, planned, config, goal, drawing)
    if goal.to_cluster and not goal.choose and data.now is None:
        choose_for_the_next(context, asked, store, policies, now)
    for remark in remarks:
        context.say(remark)
    _say_failures(planned.failures)
    _say_warnings(notifier.planned(planned, took))
    return HELD if planned.failures else DONE


def _keeper(config: Config, goal: PlanOutput) -> PlanMemory | None:
    """Where it is kept what was told in messages, if anybody is told and the plan goes to the cluster."""
    if not goal.to_cluster or not config.incidents.messages.receivers or not config.workloads:
        return None
    from capacity.cluster.client import ClusterWriter
    from capacity.cluster.message_memory import PlanMemory

    return PlanMemory(ClusterWriter(), min(one.namespace for one in config.workloads))


def _planned(
    context: CommandContext, config: Config, parts: FleetOptions, now: datetime, *, past: bool
) -> tuple[PlanResult, timedelta]:
    """The plan, signed by this run, and how long reading, forecasting and planning took."""
    from capacity.app.plan import plan_fleet
    from capacity.planning.result import signed

    fleet, began = parts.fleet(), perf_counter()
    with context.count("planning") as progress:
        planned = plan_fleet(config, now, fleet, progress, past=past)
    return signed(planned, context.run.id), timedelta(seconds=perf_counter() - began)


def _write(context: CommandContext, planned: PlanResult, config: Config, goal: PlanOutput, drawing: Drawing) -> None:
    """The plan, and its picture where it is wanted; and the plan on the screen."""
    with context.stages("writing") as advance:
        written = _to_cluster(planned.plan) if goal.to_cluster else _to_files(planned.plan, goal.out)
        picture = drawing.picture or (None if goal.to_cluster else goal.out.with_suffix(".png"))
        if picture is not None:
            _draw(planned.plan, config, picture, drawing)
            written.append(str(picture))
        advance()
    _show(context, planned, config, peaks=goal.table)
    context.say(f"wrote {', '.join(written)}")


def _compare(context: CommandContext, config: Config, scenarios: list[Scenario], now: datetime, *, past: bool) -> int:
    """The plan as it is and one for each scenario, from one reading of the orders."""
    from capacity.app.reading import read_orders
    from capacity.planning.pipeline import PlanInputs, check_scenarios, make_plan
    from capacity.views.tables import scenarios_sheet

    with context.stages("reading orders", "planning") as advance:
        orders = read_orders(config, now, past=past)
        check_scenarios(config, orders, scenarios)
        advance()
        inputs = PlanInputs.of(config, orders, now)
        planned = make_plan(inputs)
        others = [(one, make_plan(inputs.under(one))) for one in scenarios]
        advance()
    context.show(scenarios_sheet(planned, others, config))
    for one in (planned, *(other for _, other in others)):
        _say_failures(one.failures)
    return HELD if any(one.failures for one in (planned, *(other for _, other in others))) else DONE


def _lead_times(config: Config, now: datetime, *, to_cluster: bool) -> tuple[Config, list[str]]:
    """Lead times learned from the cluster that the plan goes to; a plan for files asks no cluster."""
    from capacity.model.fields import AutoLeadTime

    pods = any(isinstance(item.lead_time, AutoLeadTime) for item in config.workloads)
    nodes = any(item.headroom and isinstance(item.headroom.lead_time, AutoLeadTime) for item in config.workloads)
    if not pods and not nodes:
        return config, []
    if not to_cluster:
        said = ["lead time of `auto`: 5 min assumed; --to-cluster and `capacity init` learn it from the pods"] * pods
        return config, said + ["lead time of nodes: not learned; --to-cluster learns it from the nodes"] * nodes
    from capacity.cluster.client import ClusterReader
    from capacity.cluster.start_times import learn_lead_times, learn_node_lead_times

    reader = ClusterReader()
    config, of_pods = learn_lead_times(config, reader, now) if pods else (config, [])
    config, of_nodes = learn_node_lead_times(config, reader)
    return config, of_pods + of_nodes


def _straight(config: Config) -> list[str]:
    """That a plan follows no sales; of very many workloads the first are named."""
    flat = config.unmoved()
    named = ", ".join(flat[:SHOWN]) + (f" and {len(flat) - SHOWN:,} more" if len(flat) > SHOWN else "")
    return [f"no sale adds to the load of {named}: see `capacity doctor`"] if flat else []


def _show(context: CommandContext, planned: PlanResult, config: Config, *, peaks: bool) -> None:
    """The plan on the screen; of very many workloads, a table has only those with the highest peaks.

    As CSV, the floor of every step, unless the table of `peaks` was asked for.
    """
    from capacity.views.tables import floor_lines, plan_sheet

    plans = planned.plan.workloads
    if context.output is Output.csv and not peaks:
        sys.stdout.writelines(floor_lines(planned))
        return
    if context.output is Output.table and len(plans) > SHOWN:
        highest = tuple(sorted(plans, key=lambda one: -one.peak.replicas)[:SHOWN])
        planned = replace(planned, plan=replace(planned.plan, workloads=highest))
        context.say(f"{len(plans):,} workloads planned; the {SHOWN} with the highest peaks:")
    context.show(plan_sheet(planned, config))


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
    from capacity.model.plan_file import write_plan

    if not out.name or out.is_dir():
        raise ConfigError(f"--plan: expected a file name such as plan.json, got {out}")
    write_file(lambda: write_plan(plan, out), "--plan", out)
    return [str(out)]


def _draw(plan: Plan, config: Config, picture: Path, drawing: Drawing) -> None:
    from capacity.views.plots import plot_plan, save_figure

    now = plan.created if plan.created < plan.valid_until else None  # a plan of old orders begins where they end
    save_figure(plot_plan(plan.workloads, config.timezone, now=now, theme=drawing.theme), picture)


def _to_cluster(plan: Plan) -> list[str]:
    from capacity.cluster.client import ClusterWriter
    from capacity.cluster.config_maps import write_plan_maps

    return [f"ConfigMap {name}" for name in write_plan_maps(ClusterWriter(), plan)]


@verb
def explain(
    context: CommandContext,
    workload: Annotated[str | None, typer.Argument(metavar="WORKLOAD", help="name or namespace/name.")] = None,
    *,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="A step of the plan (RFC 3339). Default: its peak.")
    ] = None,
    sample: SampleOption = False,
    drawing: Drawing,
) -> int:
    """Explain one planned floor, from sales to replicas, in parts that add up to it exactly.

    Example: capacity explain web --at 2011-12-13T12:00Z --sample
    """
    from capacity.app.advise import known_policies, with_policies
    from capacity.app.reading import read_orders
    from capacity.planning.explain import explain_plan
    from capacity.views.tables import advice_sentence, explain_sheet

    data = Data(sample=sample)
    config, now = data.planning_config(context), data.moment()
    kept = known_policies(config.choice.policies)
    config = with_policies(config, kept)
    chosen, moment = _workload(config, workload), None if at is None else _moment(at, config.timezone)
    with context.stages("reading orders", "forecasting and explaining") as advance:
        orders = read_orders(config, now)
        advance()
        explanation = explain_plan(config, orders, chosen, moment, now)
        advance()
    if chosen.key in kept:
        said = f"policy: {advice_sentence(kept[chosen.key].choice)}"
        explanation = replace(explanation, notes=(said, *explanation.notes))
    context.show(explain_sheet(explanation, config.timezone))
    drawing.save(context, lambda theme: _waterfall(explanation, config, theme))
    return DONE


def _waterfall(explanation: Explanation, config: Config, theme: Theme) -> Figure:
    from capacity.views.plots import plot_explanation

    return plot_explanation(explanation, config.timezone, theme=theme)


def _workload(config: Config, name: str | None) -> Workload:
    """The workload meant; without a name the only one. Raises `ConfigError`."""
    workloads = config.workloads
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
