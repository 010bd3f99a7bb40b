"""The verb for a first look at a file of orders: no configuration, no cluster, one page and a capacity.yaml to edit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.cli.command import DONE, CommandContext, read_clock, verb
from capacity.cli.options import Reading, Service, write_file
from capacity.files import write_text
from capacity.model import ConfigError

if TYPE_CHECKING:
    from capacity.app.bare import Asked
    from capacity.model.configuration import Config
    from capacity.views.trial import TrialData


SAMPLE_ZONE, SAMPLE_HOLIDAYS = "Europe/London", ("GB-ENG",)


@verb
def try_(
    context: CommandContext,
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="CSV, .gz, Parquet, a glob, or a database's URL.")
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

    asked, typical = reading.asked(), service.typical()
    file, asked = source_of(file, asked, sample=sample)
    with context.count("forecasting and replaying") as progress:
        trial, config = try_orders(file, asked, typical, read_clock(None), days=days, progress=progress)
    context.show(trial_sheet(trial))
    write_file(lambda: write_text(page, report_page(trial.review)), "--page", page)
    context.say(f"wrote {page}: a page for managers")
    _write_config(context, file, config, trial, overwrite=overwrite)
    return DONE


def source_of(file: str | None, asked: Asked, *, sample: bool) -> tuple[str, Asked]:
    """The file to read; of the sample with the clock and the holidays of its country. Raises `ConfigError`."""
    from capacity.sources.sample import sample_orders

    if (file is None) == (not sample):
        got = "neither" if file is None else "both"
        raise ConfigError(f"expected a FILE such as orders.csv, or --sample, got {got}")
    if file is not None:
        return file, asked
    zone, holidays = asked.timezone or SAMPLE_ZONE, asked.holidays or SAMPLE_HOLIDAYS
    return str(sample_orders()), replace(asked, timezone=zone, holidays=holidays)


def _write_config(context: CommandContext, file: str, config: Config, trial: TrialData, *, overwrite: bool) -> None:
    """A configuration to edit; one that is there stays as it is unless that was asked."""
    from capacity.app.starter import render_starter

    path = context.config_path
    if path.exists() and not overwrite:
        context.say(f"{path} exists and was not changed; --overwrite replaces it, -c NAME writes another file")
        return
    try:
        write_text(path, render_starter(file, config, trial, path.parent))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}; choose another -c") from error
    context.say(f"wrote {path}: edit the lines marked `# yours:`, then run `capacity doctor` and `capacity plan`")
