"""The verbs to start with: a first look at a file, a first configuration, rules for Prometheus, and `doctor`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.cli.command import DONE, FAILED, HELD, CommandContext, NowOption, SampleOption, read_clock, verb
from capacity.cli.options import Reading, Service, write_file
from capacity.files import write_text
from capacity.model import ConfigError
from capacity.model.check import Part
from capacity.views.sheet import count

if TYPE_CHECKING:
    from datetime import datetime

    from capacity.app.init import PrometheusFindings
    from capacity.app.unconfigured import FileOptions
    from capacity.cluster.inventory import Inventory
    from capacity.model.configuration import Config
    from capacity.views.trial import TrialData


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
    """Write the file if it is a valid configuration. Raises `ConfigError` if the file exists."""
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
    from capacity.app.doctor import examine
    from capacity.model.check import worst
    from capacity.sources.sample import sample_config
    from capacity.views.tables import doctor_sheet

    path = sample_config() if sample else context.config_path
    with context.count("examining") as progress:
        findings = examine(path, read_clock(now), part, progress)
    context.show(doctor_sheet(findings))
    return CODES[worst(findings)]


SAMPLE_ZONE, SAMPLE_HOLIDAYS = "Europe/London", ("GB-ENG",)


@verb
def try_(
    context: CommandContext,
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="CSV or JSON (also .gz), Parquet, a glob, or a database's URL.")
    ] = None,
    *,
    sample: Annotated[bool, typer.Option("--sample", help="Try it on the bundled orders of a British shop.")] = False,
    reading: Reading,
    service: Service,
    days: Annotated[int, typer.Option(min=1, help="How many of the last days to replay; at least 7 to judge.")] = 28,
    page: Annotated[Path, typer.Option(help="File for the page.")] = Path("report.html"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a capacity.yaml that is there.")] = False,
) -> int:
    """Is it worth it? Guess how FILE is read, forecast it, test the forecast, and judge one typical service.

    Needs no configuration and no cluster. Writes a commented capacity.yaml to edit, and a page for a manager.

    Example: capacity try orders.csv --timezone Europe/Berlin --holidays DE-BE
    """
    from capacity.app.trial import try_orders
    from capacity.views.report import report_page
    from capacity.views.trial import trial_sheet

    options, typical = reading.file_options(), service.typical()
    file, options = source_of(file, options, sample=sample)
    with context.count("forecasting and replaying") as progress:
        trial, config = try_orders(file, options, typical, read_clock(None), days=days, progress=progress)
    context.show(trial_sheet(trial))
    write_file(lambda: write_text(page, report_page(trial.review)), "--page", page)
    context.say(f"wrote {page}: a page for managers")
    _write_config(context, file, config, trial, overwrite=overwrite)
    return DONE


def source_of(file: str | None, options: FileOptions, *, sample: bool) -> tuple[str, FileOptions]:
    """The file to read; for the sample with the time zone and holidays of its country. Raises `ConfigError`."""
    from capacity.sources.sample import sample_orders

    if (file is None) == (not sample):
        got = "neither" if file is None else "both"
        raise ConfigError(f"expected a FILE such as orders.csv, or --sample, got {got}")
    if file is not None:
        return file, options
    zone, holidays = options.timezone or SAMPLE_ZONE, options.holidays or SAMPLE_HOLIDAYS
    return str(sample_orders()), replace(options, timezone=zone, holidays=holidays)


def _write_config(context: CommandContext, file: str, config: Config, trial: TrialData, *, overwrite: bool) -> None:
    """Write a configuration to edit; an existing one stays as it is without --overwrite."""
    from capacity.app.trial import render_starter

    path = context.config_path
    if path.exists() and not overwrite:
        context.say(f"{path} exists and was not changed; --overwrite replaces it, -c NAME writes another file")
        return
    try:
        write_text(path, render_starter(file, config, trial, path.parent))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}; choose another -c") from error
    context.say(f"wrote {path}: edit the lines marked `# yours:`, then run `capacity doctor` and `capacity plan`")
