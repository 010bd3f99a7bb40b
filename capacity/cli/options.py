"""Groups of options: a verb that takes one of these dataclasses has all of its options."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.cli.command import CommandContext, FileArgument, SampleOption, read_clock, read_duration
from capacity.model import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from capacity.app.fleet import Fleet
    from capacity.app.unconfigured import FileOptions, TypicalService
    from capacity.model.configuration import Config
    from capacity.quality.column_roles import Guess
    from capacity.sources.sample import Sample
    from capacity.views.plots import Figure


PatchOption = Annotated[
    Path | None, typer.Option(help="Write the recommended requests as a patch; it is never applied.")
]


class Theme(StrEnum):
    """The paper that a picture is drawn for."""

    light = "light"
    dark = "dark"


PICTURE = "Picture"
PictureOption = Annotated[
    Path | None, typer.Option(help="Draw a picture to this file (.png, .svg).", rich_help_panel=PICTURE)
]
ThemeOption = Annotated[Theme, typer.Option(help="Colours of the picture.", rich_help_panel=PICTURE)]


class SeasonsView(StrEnum):
    """What `seasonality` draws."""

    week = "week"
    decomposition = "decomposition"


class BacktestView(StrEnum):
    """What `backtest` draws."""

    series = "series"
    calibration = "calibration"


class SimulationView(StrEnum):
    """What `simulate` draws."""

    series = "series"
    frontier = "frontier"
    utilization = "utilization"


READING = "How orders are read (by default as capacity.yaml says, otherwise guessed)"
CALENDAR = "Calendar and horizon"
SERVICE = "If no workload is configured"
FLEET = "Many workloads"
SAMPLE = "sample:"  # before the name of a bundled sample, in place of a FILE


@dataclass(frozen=True, slots=True)
class Reading:
    """How the orders are read. Overrides capacity.yaml and what would be guessed."""

    time: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column with the time of the order.", rich_help_panel=READING)
    ] = None
    value: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column to sum up, distinct:COLUMN, or rows to count rows.", rich_help_panel=READING
        ),
    ] = None
    step: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Length of a step: 1h, 15m, 1d.", rich_help_panel=READING)
    ] = None
    time_format: Annotated[
        str | None,
        typer.Option(
            metavar="FORM", help="day_first, month_first, epoch, serial or a strptime form.", rich_help_panel=READING
        ),
    ] = None
    decimal: Annotated[
        str | None, typer.Option(metavar="SIGN", help="Decimal sign of numbers: . or ,", rich_help_panel=READING)
    ] = None
    query: Annotated[
        str | None,
        typer.Option(metavar="SELECT", help="The rows, where FILE is a database's URL.", rich_help_panel=READING),
    ] = None
    timezone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="The business's clock, such as Europe/Berlin.", rich_help_panel=CALENDAR),
    ] = None
    holidays: Annotated[
        list[str] | None,
        typer.Option(metavar="COUNTRY", help="Public holidays: GB-ENG, US-CA. Repeatable.", rich_help_panel=CALENDAR),
    ] = None
    horizon: Annotated[
        str | None, typer.Option(metavar="DURATION", help="How far to look ahead: 14d.", rich_help_panel=CALENDAR)
    ] = None

    def asks(self) -> bool:
        """Whether any option says how orders are read."""
        return any(getattr(self, option.name) is not None for option in fields(Reading))

    def file_options(self) -> FileOptions:
        """The options as values. Raises `ConfigError`, which names the option."""
        from capacity.app.unconfigured import FileOptions
        from capacity.model.fields import parse_zone
        from capacity.sources.guessing import Given

        if self.decimal not in (None, ".", ","):
            raise ConfigError(f"--decimal: expected . or a comma, got {self.decimal!r}")
        try:
            zone = None if self.timezone is None else parse_zone(self.timezone)
        except ValueError as error:
            raise ConfigError(f"--timezone: {error}") from error
        step, horizon = (
            None if text is None else read_duration(option, text)
            for option, text in (("--step", self.step), ("--horizon", self.horizon))
        )
        countries = tuple(name.strip() for text in self.holidays or () for name in text.split(",") if name.strip())
        given = Given(self.time, self.value, step, self.time_format, self.decimal, self.query)
        return FileOptions(given, zone, countries, horizon)


@dataclass(frozen=True, slots=True)
class Service:
    """The service that is assumed where no workload is configured."""

    cores_per_order: Annotated[
        str | None,
        typer.Option(
            metavar="CORES",
            help="Cores that one more order an hour adds, such as 120m. Default: 4 cores in the busiest hours.",
            rich_help_panel=SERVICE,
        ),
    ] = None
    start_time: Annotated[
        str,
        typer.Option(metavar="DURATION", help="Time from a new pod to a ready one.", rich_help_panel=SERVICE),
    ] = "5m"

    def typical(self) -> TypicalService:
        """The service as a value. Raises `ConfigError`, which names the option."""
        from capacity.app.unconfigured import TypicalService
        from capacity.model.fields import parse_quantity

        try:
            cores = None if self.cores_per_order is None else parse_quantity(self.cores_per_order)
            return TypicalService(cores, read_duration("--start-time", self.start_time))
        except DataError as error:
            raise ConfigError(str(error)) from error
        except ValueError as error:
            raise ConfigError(f"--cores-per-order: {error}") from error


@dataclass(frozen=True, slots=True)
class Data(Reading):
    """Which orders: those of the configuration, those of a FILE (with or without a configuration), or the sample's."""

    file: FileArgument = None
    sample: SampleOption = False

    @property
    def bundled(self) -> Sample | None:
        """The sample to use instead of a configuration. Raises `ConfigError` if there is none of this name."""
        from capacity.sources.sample import FILES

        if self.file is None or not self.file.startswith(SAMPLE):
            return "shop" if self.sample else None
        name = self.file.removeprefix(SAMPLE)
        if name not in FILES:
            raise ConfigError(f"FILE: expected {' or '.join(SAMPLE + one for one in FILES)}, got {self.file}")
        return name

    @property
    def foreign(self) -> bool:
        """Whether the orders are not those of the configured job; results are then not reported to anyone."""
        return self.file is not None or self.sample

    def bare(self, context: CommandContext) -> bool:
        """Whether there is a FILE and no configuration of it."""
        return self.file is not None and self.bundled is None and not context.configured

    def config(self, context: CommandContext) -> Config:
        """The configuration with these orders and options; guessed if there is only a FILE. Raises `ConfigError`."""
        if self.file and self.sample:
            raise ConfigError("expected one of FILE and --sample, got both")
        if not self.asks() and (self.file is None or self.bundled is not None):
            return context.config(self.bundled)
        from capacity.app.unconfigured import bare_config, with_options

        options = self.file_options()
        if self.bundled is not None:
            return with_options(context.config(self.bundled), options)
        if self.file is None or not self.bare(context):
            return with_options(context.config(), options, self.file)
        config, guess = bare_config(self.file, options)
        context.say(guess_words(guess))
        return config

    def sales_config(self, context: CommandContext) -> Config:
        """The same. Raises `ConfigError` if no sales are configured."""
        config = self.config(context)
        config.orders()
        return config

    def planning_config(self, context: CommandContext, service: Service | None = None) -> Config:
        """The same, with a workload to plan for: a typical service if there is only a FILE. Raises `ConfigError`."""
        config = self.config(context)
        if config.workloads:
            return config
        if self.file is None or context.configured:
            raise ConfigError("workloads: expected at least one workload to plan for, got none")
        return _with_service(context, config, (service or Service()).typical())

    def moment(self, now: str | None = None) -> datetime:
        """The given time, otherwise the clock's; for a sample the end of its orders."""
        from capacity.sources.sample import SAMPLE_NOWS

        return read_clock(now) if now is not None or self.bundled is None else SAMPLE_NOWS[self.bundled]


def guess_words(guess: Guess) -> str:
    """How a file without a configuration is read, and the options that change it, in one line."""
    from capacity.model.fields import duration_text

    settings, counting = guess.settings, guess.counting
    clock = "" if settings.time_of_day is None else f" and {settings.time_of_day!r}"
    return (
        f"no configuration: times from {settings.time!r}{clock} (--time), orders as {counting.written!r} (--value), "
        f"steps of {duration_text(settings.step)} (--step)"
    )


def _with_service(context: CommandContext, config: Config, service: TypicalService) -> Config:
    """The configuration with one typical service, sized for the orders; its assumptions are printed."""
    from capacity.app.reading import read_orders
    from capacity.app.unconfigured import service_words, with_service

    sales = next(iter(read_orders(config, read_clock(None)).histories.values()))
    config = with_service(config, sales, service)
    words = service_words(config.workloads[0], sales, service)
    context.say(f"no workload is configured: assumed {words} (--cores-per-order, --start-time)")
    return config


@dataclass(frozen=True, slots=True)
class Drawing:
    """Whether a picture is drawn, and for which paper."""

    picture: PictureOption = None
    theme: ThemeOption = Theme.light

    def save(self, context: CommandContext, plot: Callable[[Theme], Figure]) -> None:
        """Draw to the given file and say so; nothing if no file was given."""
        if self.picture is None:
            return
        from capacity.views.plots import save_figure

        save_figure(plot(self.theme), self.picture)
        context.say(f"wrote {self.picture}")


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """Which processes plan many workloads."""

    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Number of processes (needs Dask). Default: one per core.", rich_help_panel=FLEET),
    ] = None
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster", metavar="TCP://...", help="Use the workers of this Dask scheduler.", rich_help_panel=FLEET
        ),
    ] = None
    shards: Annotated[
        Path | None,
        typer.Option(
            help="Folder that keeps each part of the plan, so that an interrupted run can resume.",
            rich_help_panel=FLEET,
        ),
    ] = None

    def fleet(self) -> Fleet:
        """Where workloads are planned, or their policies chosen. Raises `ConfigError`."""
        from capacity.app.fleet import Fleet

        return Fleet(self.workers, self.cluster, self.shards)


@dataclass(frozen=True, slots=True)
class PlanPlace:
    """Where the plan is read from."""

    plan: Annotated[Path, typer.Option("--plan", help="The plan file.")] = Path("plan.json")
    from_cluster: Annotated[
        bool, typer.Option("--from-cluster", help="Read the plan from ConfigMaps, not from a file.")
    ] = False

    @property
    def file(self) -> Path | None:
        """The file; None: each namespace's ConfigMaps."""
        return None if self.from_cluster else self.plan


def write_file(write: Callable[[], None], option: str, file: Path) -> None:
    """Write a file. Raises `ConfigError`, which names the option, if that fails."""
    try:
        write()
    except OSError as error:
        raise ConfigError(
            f"{option}: {file} cannot be written: {error.strerror or error}; choose another place"
        ) from error
