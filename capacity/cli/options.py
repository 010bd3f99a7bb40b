"""Groups of options: a verb that takes one of these dataclasses has all of its options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.cli.command import CommandContext, FileArgument, OfficeOption, SampleOption
from capacity.model import ConfigError
from capacity.views.options import PictureOption, Theme, ThemeOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from capacity.app.fleet import Fleet
    from capacity.model.configuration import Config
    from capacity.views.plots import Figure

PatchOption = Annotated[
    Path | None, typer.Option(help="Write the requests advised from usage as a patch; it is never applied.")
]


@dataclass(frozen=True, slots=True)
class Data:
    """Whose orders: those of the configuration, of a FILE in their place, or the bundled ones."""

    file: FileArgument = None
    sample: SampleOption = False
    office: OfficeOption = False

    @property
    def foreign(self) -> bool:
        """Whether somebody looks at other orders than the job's: then nobody is told of it."""
        return self.file is not None or self.sample or self.office

    def config(self, context: CommandContext) -> Config:
        """The configuration with these orders. Raises `ConfigError`."""
        return context.config(file=self.file, sample=self.sample, office=self.office)

    def sales_config(self, context: CommandContext) -> Config:
        """The same; without sales there is nothing to look at, and this says so."""
        config = self.config(context)
        config.orders()
        return config

    def planning_config(self, context: CommandContext) -> Config:
        """The same, with something to plan for. Raises `ConfigError`."""
        config = self.config(context)
        if not config.workloads:
            raise ConfigError("workloads: expected at least one workload to plan for, got none")
        return config


@dataclass(frozen=True, slots=True)
class Drawing:
    """Whether a picture is drawn, and for which paper."""

    picture: PictureOption = None
    theme: ThemeOption = Theme.light

    def save(self, context: CommandContext, plot: Callable[[Theme], Figure]) -> None:
        """Draw to the file that was asked for, and say so; nothing where none was."""
        if self.picture is None:
            return
        from capacity.views.plots import save_figure

        save_figure(plot(self.theme), self.picture)
        context.say(f"wrote {self.picture}")


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """Who works, where there are many workloads."""

    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processes that work, where there are many workloads (needs Dask). Default: every core."
        ),
    ] = None
    cluster: Annotated[
        str | None, typer.Option("--cluster", metavar="TCP://...", help="Work on the Dask workers of this scheduler.")
    ] = None
    shards: Annotated[
        Path | None, typer.Option(help="Folder that keeps each part of the plan, so that a run cut off goes on.")
    ] = None

    def fleet(self) -> Fleet:
        """What workloads are planned on, or their policies chosen. Raises `ConfigError`."""
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
    """Write a file; what stands in the way is a `ConfigError` that names the option."""
    try:
        write()
    except OSError as error:
        raise ConfigError(
            f"{option}: {file} cannot be written: {error.strerror or error}; choose another place"
        ) from error
