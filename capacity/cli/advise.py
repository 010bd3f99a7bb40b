"""The verbs that replay history: `advise` chooses a policy and keeps the choice, `simulate` judges the plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.cli.command import DONE, FAILED, CommandContext, read_duration, verb
from capacity.cli.options import PICTURE, Data, Drawing, FleetOptions, SimulationView, Theme, write_file
from capacity.logs import LOGGER
from capacity.model import CapacityError, ClusterError, ConfigError
from capacity.views.sheet import Output

if TYPE_CHECKING:
    from datetime import datetime

    from capacity.app.advise import Advice, AdviceRequest
    from capacity.app.fleet import Fleet
    from capacity.cli.options import Theme
    from capacity.model import Workload
    from capacity.model.choice import Choice
    from capacity.model.configuration import Config
    from capacity.model.policies import Policies
    from capacity.planning.orders import OrderData
    from capacity.simulation.replay import Replay, Schedule
    from capacity.simulation.result import Simulation
    from capacity.simulation.vertical import SizeScore
    from capacity.views.plots import Figure


CHOOSING = timedelta(minutes=10)  # after the plan is in force; the CronJob of k8s/base may take 30


@dataclass(frozen=True, slots=True)
class PolicyStore:
    """Where chosen policies are kept: in a file (`choice.policies`), or in ConfigMaps of the workloads' namespaces."""

    file: Path
    in_cluster: bool

    def read(self, config: Config) -> Policies:
        """The policies kept so far."""
        from capacity.app.advise import known_policies

        if not self.in_cluster:
            return known_policies(self.file)
        from capacity.cluster.client import ClusterReader
        from capacity.cluster.policy_maps import read_policy_maps

        return read_policy_maps(ClusterReader(), sorted({one.namespace for one in config.workloads}))

    def write(self, policies: Policies) -> list[str]:
        """Keep these; returns what was written."""
        if self.in_cluster:
            from capacity.cluster.client import ClusterWriter
            from capacity.cluster.policy_maps import write_policy_maps

            return [f"ConfigMap {name}" for name in write_policy_maps(ClusterWriter(), policies.values())]
        from capacity.model.policies import write_policies

        write_file(lambda: write_policies(policies.values(), self.file), "choice.policies", self.file)
        return [str(self.file)]


@verb
def advise(
    context: CommandContext,
    *,
    data: Data,
    days: Annotated[
        int | None,
        typer.Option(min=1, help="How many of the last days to replay; at least 7 to choose. Default: choice.days."),
    ] = None,
    workload: Annotated[str | None, typer.Option(help="Only this namespace/name; default: every workload.")] = None,
    to_cluster: Annotated[
        bool, typer.Option("--to-cluster", help="Keep the policies in ConfigMaps beside the plan instead of a file.")
    ] = False,
    parts: FleetOptions,
    drawing: Drawing,
) -> int:
    """Choose the cheapest policy that meets the objective, by replaying targets and floors on the last weeks.

    Writes the choice and its evidence to policies.json; `capacity plan` follows it.

    Example: capacity advise --sample --picture choice.png
    """
    from capacity.app.advise import AdviceRequest, advise_fleet

    config = data.planning_config(context)
    config.orders()
    chosen, store = counted_workloads(config, workload), PolicyStore(config.choice.policies, to_cluster)
    with context.count("replaying") as progress:
        known = store.read(config)
        asked = AdviceRequest(data.moment(), days or config.choice.days, chosen, known)
        advice = advise_fleet(config, asked, parts.fleet(), progress)
    _show(context, config, advice)
    if advice.choices:
        drawing.save(context, lambda theme: _drawn(advice.choices[0], theme))
        context.say(f"wrote {', '.join(store.write({**known, **advice.policies}))}")
    for (namespace, name), reason in advice.failures.items():
        LOGGER.error("%s/%s: %s", namespace, name, reason)
    return FAILED if advice.failures else DONE


def renewed_policies(
    context: CommandContext, config: Config, store: PolicyStore, asked: AdviceRequest, fleet: Fleet
) -> Policies:
    """The policies kept; those `asked` for, else those of a file that are too old, are chosen anew first, and kept.

    Where there is no file, none is chosen unasked: the first choice replays weeks.
    """
    from capacity.app.advise import advise_fleet, outdated

    known = _kept(config, store)
    workloads = list(asked.workloads or ())
    if not workloads and known and not store.in_cluster:
        workloads = outdated(config, known, asked.now)
    if not workloads:
        return known
    with context.count("choosing policies") as progress:
        advice = advise_fleet(config, replace(asked, workloads=workloads, known=known), fleet, progress)
    return _with_chosen(known, advice, store)


def choose_for_the_next(
    context: CommandContext, config: Config, store: PolicyStore, known: Policies, now: datetime
) -> None:
    """Once the plan is in force, choose what has no policy or an old one, as time allows: the next plan follows it.

    A choice that fails or takes long never keeps a plan from being made; the next run goes on with the oldest.
    """
    from capacity.app.advise import AdviceRequest, advise_on, outdated
    from capacity.app.reading import read_orders

    due, ends = outdated(config, known, now), monotonic() + CHOOSING.total_seconds()
    if not due:
        return
    try:
        with context.count("choosing policies") as progress:
            orders, asked = read_orders(config, now), AdviceRequest(now, config.choice.days, due, known)
            advice = advise_on(config, orders, asked, progress, stop=lambda: monotonic() >= ends)
        _with_chosen(known, advice, store)
    except CapacityError as error:
        LOGGER.warning("no policy chosen: %s", error)


def _kept(config: Config, store: PolicyStore) -> Policies:
    """The policies kept. Where a cluster's cannot be read, the plan is made all the same and says so."""
    try:
        return store.read(config)
    except ClusterError as error:
        LOGGER.warning("policies: %s", error)
        return {}


def _with_chosen(known: Policies, advice: Advice, store: PolicyStore) -> Policies:
    """The policies known, with those that were chosen anew, and kept for the next run."""
    for (namespace, name), reason in advice.failures.items():
        LOGGER.warning("%s/%s: no policy chosen: %s", namespace, name, reason)
    known = {**known, **advice.policies}
    if advice.policies:
        store.write(known)
    return known


def _drawn(choice: Choice, theme: Theme) -> Figure:
    from capacity.views.plots import plot_choice

    return plot_choice(choice, theme=theme)


def _show(context: CommandContext, config: Config, advice: Advice) -> None:
    """A table for each workload; as JSON or CSV all of them at once."""
    from capacity.app.advise import target_patch, target_snippet
    from capacity.views.tables import choice_sheet, choices_sheet

    known = {one.key: one for one in config.workloads}
    sheets = [
        choice_sheet(one, target_patch(known[one.key], one), target_snippet(known[one.key], one))
        for one in advice.choices
    ]
    if context.output in (Output.json, Output.csv):
        context.show(choices_sheet(sheets))
    else:
        context.show(*sheets)


def counted_workloads(config: Config, name: str | None) -> list[Workload]:
    """The workloads meant that have an autoscaler to advise. Raises `ConfigError` where there are none."""
    found = [one for one in chosen_workloads(config, name) if one.scaling == "horizontal"]
    if not found:
        raise ConfigError(
            "workloads: expected one that scales horizontally, got none: pods are resized by the plan alone"
        )
    return found


def chosen_workloads(config: Config, name: str | None) -> list[Workload]:
    """The workloads meant: all, or the one named. Raises `ConfigError`."""
    workloads = {f"{one.namespace}/{one.name}": one for one in config.workloads}
    if not workloads:
        raise ConfigError("workloads: expected at least one workload to advise, got none")
    if name is None:
        return list(workloads.values())
    if name not in workloads:
        raise ConfigError(f"--workload: expected one of {sorted(workloads)}, got {name!r}")
    return [workloads[name]]


@verb
def simulate(
    context: CommandContext,
    *,
    data: Data,
    days: Annotated[float, typer.Option(min=1, help="How many of the last days to replay.")] = 28,
    refit: Annotated[
        str | None,
        typer.Option(help="How often the model is fitted again. Default: 1d, or 1h for sales per minute."),
    ] = None,
    workload: Annotated[str | None, typer.Option(help="Only this namespace/name; default: every workload.")] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed for the random start times of pods; the same seed gives the same result.")
    ] = 7,
    draw: Annotated[
        SimulationView, typer.Option(help="What to draw: time series, cost, or a calendar.", rich_help_panel=PICTURE)
    ] = SimulationView.series,
    drawing: Drawing,
) -> int:
    """Replay the last weeks: what forecast, plan and decisions would have done, compared with the HPA alone.

    It uses the policy that `capacity advise` chose, if there is one.

    Example: capacity simulate --sample --picture simulation.png
    """
    from capacity.app.advise import known_policies, with_policies
    from capacity.app.reading import read_orders
    from capacity.views.tables import nodes_sheet, simulation_sheet, sizes_sheet

    config = data.planning_config(context)
    config = with_policies(config, known_policies(config.choice.policies))
    config.orders()
    chosen = chosen_workloads(config, workload)
    replay = _replay(config, days, refit, seed)
    with context.stages("reading orders", "replaying", "drawing") as advance:
        orders = read_orders(config, data.moment())
        advance()
        counted = [one for one in chosen if one.scaling == "horizontal"]
        results, failures = _simulated(config, orders, counted, replay)
        sized = _resized(orders, [one for one in chosen if one.scaling == "vertical"], round(days), failures)
        advance()
        if results:
            drawing.save(context, lambda theme: _drawn_replay(results[0], draw, theme))
        advance()
    sheets = [simulation_sheet(result) for result in results]
    sheets += [nodes_sheet(result.name, result.nodes) for result in results if result.nodes]
    context.show(*sheets, *(sizes_sheet(name, scores, round(days)) for name, scores in sized.items()))
    for key, reason in failures.items():
        LOGGER.error("%s: %s", key, reason)
    return FAILED if failures else DONE


def _resized(
    orders: OrderData, workloads: list[Workload], days: int, failures: dict[str, str]
) -> dict[str, list[SizeScore]]:
    """Each workload that scales vertically, by name; why one cannot be replayed is added to the failures."""
    from capacity.model import DataError
    from capacity.simulation.vertical import SizeReplay, replay_sizes_of_sales

    found = {}
    for workload in workloads:
        name = f"{workload.namespace}/{workload.name}"
        try:
            found[name] = replay_sizes_of_sales(orders.histories[workload.group], workload, SizeReplay(days=days))
        except KeyError:
            failures[name] = f"no sales of group {workload.group!r}"
        except DataError as error:
            failures[name] = str(error)
    return found


def _drawn_replay(result: Simulation, view: SimulationView, theme: Theme) -> Figure:
    """The view asked for; the calendar is that of the plan's own utilization."""
    import pandas as pd

    from capacity.views.plots import plot_frontier, plot_simulation, plot_utilization

    if view is SimulationView.series:
        return plot_simulation(result, theme=theme)
    if view is SimulationView.frontier:
        return plot_frontier(result, theme=theme)
    lane = result.plan.lane.utilization
    ticks = pd.date_range(result.begin, periods=len(lane), freq=pd.Timedelta(result.tick))
    target = result.promise.target
    return plot_utilization(pd.Series(lane, ticks), result.timezone, target=target, name=result.name, theme=theme)


def _replay(config: Config, days: float, refit: str | None, seed: int) -> Replay:
    from capacity.forecast import FINE
    from capacity.simulation.replay import Replay, Schedule

    usual = "1h" if config.orders().step <= FINE else "1d"
    schedule = Schedule(every=read_duration("--refit", refit or usual), pace=config.controller.policy())
    return Replay(days=days, schedule=schedule, seed=seed)


def _schedule(config: Config, workload: Workload, replay: Replay) -> Schedule:
    """How often the model is fitted; under a chosen policy as often as it was replayed."""
    follows = workload.policy is not None and workload.policy.floors == "forecast"
    return replace(replay.schedule, every=config.choice.refit) if follows else replay.schedule


def _on_nodes(config: Config, replay: Replay, workload: Workload) -> tuple[Replay, Workload]:
    """A replay on the nodes that a workload with headroom has, and the workload with their lead time."""
    from capacity.simulation.headroom import pool_for, with_node_lead_time

    types = config.supply.node_types
    if workload.headroom is None:
        return replay, workload
    return replace(replay, nodes=pool_for(workload, types)), with_node_lead_time(workload, types)


def _simulated(
    config: Config, orders: OrderData, workloads: list[Workload], replay: Replay
) -> tuple[list[Simulation], dict[str, str]]:
    """Each workload on its own: one that cannot be simulated never stops the others."""
    from capacity.model import DataError
    from capacity.planning.orders import request_of
    from capacity.planning.pipeline import planned_window
    from capacity.simulation.replay import simulate as replayed

    results, failures = [], {}
    for place, workload in enumerate(workloads):
        try:
            sales = orders.histories[workload.group]
            own = replace(replay, seed=replay.seed + place, schedule=_schedule(config, workload, replay))
            own, workload = _on_nodes(config, own, workload)
            request = request_of(config, orders, workload.group)
            asked = replace(request, window=planned_window(config, workload, sales))
            rows = orders.rows.get(workload.group)
            results.append(replayed(sales, workload, request=asked, replay=own, rows=rows))
        except KeyError:
            failures[f"{workload.namespace}/{workload.name}"] = f"no sales of group {workload.group!r}"
        except DataError as error:
            failures[f"{workload.namespace}/{workload.name}"] = str(error)
    return results, failures
