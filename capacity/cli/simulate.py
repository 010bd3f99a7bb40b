"""The verb that replays the past: would the plan have held, against the HPA alone and the optimum."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.cli.advise import chosen_workloads
from capacity.cli.command import DONE, FAILED, CommandContext, read_duration, verb
from capacity.cli.options import PICTURE, Data, Drawing, SimulationView, Theme
from capacity.logs import LOGGER

if TYPE_CHECKING:
    from capacity.model import Workload
    from capacity.model.configuration import Config
    from capacity.planning.orders import OrderData
    from capacity.simulation.replay import Replay, Schedule
    from capacity.simulation.result import Simulation
    from capacity.simulation.vertical import SizeScore
    from capacity.views.plots import Figure


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
            drawing.save(context, lambda theme: _drawn(results[0], draw, theme))
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


def _drawn(result: Simulation, view: SimulationView, theme: Theme) -> Figure:
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
