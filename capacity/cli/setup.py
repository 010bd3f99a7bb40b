"""The verbs that set things up: a first configuration, recording rules for Prometheus, and `doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.cli.command import DONE, FAILED, HELD, CommandContext, NowOption, SampleOption, read_clock, verb
from capacity.model import ConfigError
from capacity.model.check import Part
from capacity.views.sheet import count

if TYPE_CHECKING:
    from datetime import datetime

    from capacity.app.init import PrometheusFindings
    from capacity.cluster.inventory import Inventory

Namespaces = Annotated[
    list[str] | None, typer.Option("--namespace", "-n", help="Read only this namespace. Repeatable.")
]
PrometheusUrl = Annotated[str | None, typer.Option("--prometheus", help="URL of Prometheus, to measure usage with.")]
TokenFile = Annotated[str | None, typer.Option("--prometheus-token", help="File with a bearer token for it.")]
CaFile = Annotated[str | None, typer.Option("--prometheus-ca", help="File with the authority of its certificate.")]
Zone = Annotated[str, typer.Option("--timezone", help="The business's clock.")]


@verb
def init(
    context: CommandContext,
    *,
    namespace: Namespaces = None,
    prometheus: PrometheusUrl = None,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    timezone: Zone = "UTC",
) -> int:
    """Look at the cluster (and Prometheus) and write a first, commented capacity.yaml. It never overwrites one.

    Example: capacity init -c capacity.yaml --prometheus http://prometheus:9090
    """
    from capacity.app.init import find_room, render_config
    from capacity.cluster.client import ClusterReader
    from capacity.cluster.inventory import read_inventory
    from capacity.model.fields import parse_zone

    if context.config_path.exists():
        raise ConfigError(
            f"{context.config_path}: expected no file there, got one; it is not overwritten: give another -c"
        )
    try:
        parse_zone(timezone)
    except ValueError as error:
        raise ConfigError(f"--timezone: {error}") from error
    settings = {"url": prometheus, "token_file": token_file, "ca_file": ca_file}
    now = read_clock(None)
    with context.stages("looking at the cluster", "looking at Prometheus", "writing") as advance:
        reader = ClusterReader()
        inventory = read_inventory(reader, namespace or (), now)
        room = find_room(reader, inventory)
        advance()
        findings = None if prometheus is None else _inspect(settings, inventory, now)
        advance()
        _write(render_config(inventory, findings, timezone, room), context.config_path)
        advance()
    context.say(
        f"wrote {context.config_path}: {count(len(inventory.found), 'workload')}, {len(inventory.left_out)} left out"
    )
    for finding in room:
        context.say(f"{finding.detail}; {finding.fix}")
    context.say(
        "next: set what it marks `# yours:` (your orders, what a sale adds to each load), then `capacity doctor`"
    )
    return DONE


@verb
def rules(context: CommandContext) -> int:
    """Print recording rules that aggregate pods in Prometheus, so that the planner reads one series per workload.

    Example: capacity rules -c capacity.yaml > capacity-rules.yaml
    """
    from capacity.sources.prometheus.queries import recording_rules

    config = context.config()
    if config.prometheus is None:
        raise ConfigError("prometheus: expected a block with the url of a server, got none; see `capacity schema`")
    typer.echo(recording_rules(config.prometheus, config.measured()), nl=False)
    return DONE


def _inspect(given: dict[str, str | None], inventory: Inventory, now: datetime) -> PrometheusFindings:
    from pydantic import ValidationError

    from capacity.app.init import inspect_prometheus
    from capacity.model import Metrics
    from capacity.model.configuration import describe
    from capacity.model.settings import Measured, PrometheusSettings

    try:
        settings = PrometheusSettings.model_validate({key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        raise ConfigError(f"--prometheus: {describe(error)}") from error
    workloads = [Measured(one.namespace, one.name, Metrics(kind=one.pods_like)) for one in inventory.found]
    return inspect_prometheus(settings, workloads, now)


def _write(text: str, path: Path) -> None:
    """Write the file, which must not be there, only if it reads as a configuration."""
    import yaml

    from capacity.model.configuration import Config

    Config.model_validate(yaml.safe_load(text))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigError(f"{path}: expected no file there, got one; it is not overwritten: give another -c") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}; choose another place") from error


PartOption = Annotated[
    Part, typer.Option("--part", help="Whose permissions to check: each part has its own service account.")
]
CODES = {"ok": DONE, "warn": HELD, "fail": FAILED}


@verb
def doctor(
    context: CommandContext, *, sample: SampleOption = False, part: PartOption = Part.both, now: NowOption = None
) -> int:
    """Check configuration, data, Prometheus, cluster, permissions, clock and versions. It writes nothing.

    Exit code 0: all is well; 3: warnings; 1: something fails.

    Example: capacity doctor -c capacity.yaml
    """
    from capacity.app.doctor.examination import examine
    from capacity.model.check import worst
    from capacity.sources.sample import sample_config
    from capacity.views.tables import doctor_sheet

    path = sample_config() if sample else context.config_path
    with context.count("examining") as progress:
        findings = examine(path, read_clock(now), part, progress)
    context.show(doctor_sheet(findings))
    return CODES[worst(findings)]
