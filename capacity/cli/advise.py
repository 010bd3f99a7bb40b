"""The verb that chooses: which policy does best on each workload's own history; and where the choices are kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.cli.command import DONE, FAILED, CommandContext, verb
from capacity.cli.options import Data, Drawing, FleetOptions, write_file
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
