"""The verb that chooses: which policy does best on each workload's own history."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.cli.command import DONE, FAILED, CommandContext, verb
from capacity.cli.options import Data, Drawing, FleetOptions, write_file
from capacity.logs import LOGGER
from capacity.model import ConfigError
from capacity.views.sheet import Output

if TYPE_CHECKING:
    from capacity.app.advise import Advice
    from capacity.model import Workload
    from capacity.model.choice import Choice
    from capacity.model.configuration import Config
    from capacity.model.policies import Policies
    from capacity.views.options import Theme
    from capacity.views.plots import Figure

PoliciesOption = Annotated[
    Path, typer.Option("--policies", help="File with the chosen policies: advise writes it, plan reads it.")
]
POLICIES = Path("policies.json")


@verb
def advise(
    face: CommandContext,
    *,
    data: Data,
    days: Annotated[
        int | None,
        typer.Option(min=1, help="How many of the last days to replay; at least 7 to choose. Default: choice.days."),
    ] = None,
    workload: Annotated[str | None, typer.Option(help="Only this namespace/name; default: every workload.")] = None,
    policies: PoliciesOption = POLICIES,
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
    from capacity.app.advise import AdviceRequest
    from capacity.app.advise_fleet import advise_fleet

    config = data.planning_config(face)
    config.orders()
    chosen = counted_workloads(config, workload)
    with face.count("replaying") as progress:
        now, known = data.moment(), kept_policies(config, policies, to_cluster=to_cluster)
        asked = AdviceRequest(now, days or config.choice.days, chosen, known)
        advice = advise_fleet(config, asked, parts.fleet(), progress)
    _show(face, config, advice)
    if advice.choices:
        drawing.save(face, lambda theme: _drawn(advice.choices[0], theme))
    if advice.choices:
        kept = {**known, **advice.policies}
        face.say(f"wrote {', '.join(keep_policies(kept, policies, to_cluster=to_cluster))}")
    for (namespace, name), reason in advice.failures.items():
        LOGGER.error("%s/%s: %s", namespace, name, reason)
    return FAILED if advice.failures else DONE


def kept_policies(config: Config, path: Path, *, to_cluster: bool) -> Policies:
    """The policies kept so far: in the file, or in the namespaces of the workloads."""
    from capacity.app.advise import known_policies

    if not to_cluster:
        return known_policies(path)
    from capacity.cluster.client import ClusterReader
    from capacity.cluster.policy_maps import read_policy_maps

    return read_policy_maps(ClusterReader(), sorted({one.namespace for one in config.workloads}))


def keep_policies(policies: Policies, path: Path, *, to_cluster: bool) -> list[str]:
    """Write the policies where they are kept; returns what was written."""
    if to_cluster:
        from capacity.cluster.client import ClusterWriter
        from capacity.cluster.policy_maps import write_policy_maps

        return [f"ConfigMap {name}" for name in write_policy_maps(ClusterWriter(), policies.values())]
    from capacity.model.policies import write_policies

    write_file(lambda: write_policies(policies.values(), path), "--policies", path)
    return [str(path)]


def _drawn(choice: Choice, theme: Theme) -> Figure:
    from capacity.views.plots import plot_choice

    return plot_choice(choice, theme=theme)


def _show(face: CommandContext, config: Config, advice: Advice) -> None:
    """A table for each workload; as JSON or CSV all of them at once."""
    from capacity.app.advise import target_patch, target_snippet
    from capacity.views.tables import choice_sheet, choices_sheet

    known = {one.key: one for one in config.workloads}
    sheets = [
        choice_sheet(one, target_patch(known[one.key], one), target_snippet(known[one.key], one))
        for one in advice.choices
    ]
    if face.output in (Output.json, Output.csv):
        face.show(choices_sheet(sheets))
    else:
        face.show(*sheets)


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
