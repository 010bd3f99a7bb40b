"""What every verb shares: which configuration it reads, how it prints, and how much it logs."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import typer

from capacity.logs import LOGGER, LogForm, Run
from capacity.model import ConfigError
from capacity.views.sheet import Output, Sheet, show

if TYPE_CHECKING:
    from rich.progress import Progress

    from capacity.model.configuration import Config
    from capacity.sources.sample import Sample

CONFIG = Path("capacity.yaml")  # read where no other is named; a FILE needs none
DONE, FAILED, USAGE, HELD = 0, 1, 2, 3  # exit codes, as the help and the README say them
ConfigOption = Annotated[
    Path, typer.Option("-c", "--config", help="The configuration file.", rich_help_panel="Every command")
]
OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="How to print results.", rich_help_panel="Every command")
]
QuietOption = Annotated[
    bool, typer.Option("-q", "--quiet", help="Print only results and errors.", rich_help_panel="Every command")
]
VerboseOption = Annotated[
    bool, typer.Option("-v", "--verbose", help="Show how long each stage took.", rich_help_panel="Every command")
]
DebugOption = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel="Every command")
]
LogFormOption = Annotated[
    LogForm, typer.Option("--log-format", help="Logs on stderr.", rich_help_panel="Every command")
]
SampleOption = Annotated[
    bool, typer.Option("--sample", help="Use the bundled orders and workload instead of a configuration.")
]
FileArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="FILE",
        help="Orders in place of sales.source, or without any capacity.yaml: CSV, JSON, Parquet, a glob, or a URL; "
        "or sample:office, the second bundled sample, a service that follows working hours.",
    ),
]
NowOption = Annotated[
    str | None, typer.Option("--now", metavar="TIME", help="Use this time (RFC 3339) instead of the current time.")
]
KEYWORD = inspect.Parameter.KEYWORD_ONLY
COMMON = (
    inspect.Parameter("config", KEYWORD, default=CONFIG, annotation=ConfigOption),
    inspect.Parameter("output", KEYWORD, default=Output.table, annotation=OutputOption),
    inspect.Parameter("quiet", KEYWORD, default=False, annotation=QuietOption),
    inspect.Parameter("verbose", KEYWORD, default=False, annotation=VerboseOption),
    inspect.Parameter("debug", KEYWORD, default=False, annotation=DebugOption),
    inspect.Parameter("log_format", KEYWORD, default=LogForm.text, annotation=LogFormOption),
)


@dataclass(frozen=True, slots=True)
class CommandContext:
    """One call of the command: its configuration's path, its output, its loudness."""

    config_path: Path
    output: Output
    quiet: bool
    verbose: bool
    run: Run

    @property
    def configured(self) -> bool:
        """Whether there is a configuration, or one was named that should be there."""
        return self.config_path != CONFIG or self.config_path.exists()

    def config(self, sample: Sample | None = None) -> Config:
        """The configuration, or that of a bundled sample. Raises `ConfigError`."""
        from capacity.app.configuration import read_config
        from capacity.sources.sample import sample_config

        return read_config(self.config_path if sample is None else sample_config(sample))

    def show(self, *sheets: Sheet) -> None:
        """Print results to stdout one after the other; as HTML all of them on one page."""
        if self.output is not Output.html:
            for sheet in sheets:
                show(sheet, self.output)
            return
        from capacity.views.report.page import sheets_page

        sys.stdout.write(sheets_page(sheets))

    def say(self, text: str) -> None:
        """A remark for whoever runs the command, unless quiet."""
        if not self.quiet:
            LOGGER.info("%s", text)

    @contextmanager
    def stages(self, *names: str) -> Iterator[Callable[[], None]]:
        """A progress bar on stderr over named stages; call what it yields as each ends. Only where a person looks."""
        bar = None if self.quiet or not _watched() else _progress_bar()
        began, done = perf_counter(), 0

        def advance() -> None:
            nonlocal began, done
            if self.verbose:
                self.say(f"{names[done]}: {perf_counter() - began:.2f} s")
            began, done = perf_counter(), done + 1
            if bar is not None:
                bar.update(bar.task_ids[0], advance=1, description=names[min(done, len(names) - 1)])

        with bar or nullcontext():
            if bar is not None:
                bar.add_task(names[0], total=len(names))
            yield advance

    @contextmanager
    def count(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """A progress bar on stderr over parts of one stage; call what it yields with how many of how many are done."""
        bar = None if self.quiet or not _watched() else _progress_bar()
        began = perf_counter()

        def progress(done: int, total: int) -> None:
            if bar is not None:
                bar.update(bar.task_ids[0], completed=done, total=total, description=f"{name} {done} of {total}")

        with bar or nullcontext():
            if bar is not None:
                bar.add_task(name, total=None)
            yield progress
        if self.verbose:
            self.say(f"{name}: {perf_counter() - began:.2f} s")


def _watched() -> bool:
    """Whether a person looks at stderr, on a terminal that can draw over a line."""
    if not sys.stderr.isatty():
        return False
    from rich.console import Console

    return not Console(stderr=True).is_dumb_terminal


def _progress_bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def verb(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command `(context, ...)` the options that every command has; typer sees one flat signature.

    A parameter that is a dataclass stands for its fields: options that belong together (`capacity.cli.options`).
    """
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    groups: dict[str, Any] = {
        parameter.name: parameter.annotation for parameter in own if is_dataclass(parameter.annotation)
    }
    flat = [one for parameter in own for one in _flat(parameter)]

    @functools.wraps(command)
    def called(**given: Any) -> int:
        common = {parameter.name: given.pop(parameter.name) for parameter in COMMON}
        run = Run.begin(command.__name__, common["log_format"])
        context = CommandContext(common["config"], common["output"], common["quiet"], common["verbose"], run)
        made = {
            name: group(**{one.name: given.pop(one.name) for one in fields(group)}) for name, group in groups.items()
        }
        return command(context, **made, **given)

    del called.__wrapped__
    called.__name__ = command.__name__.rstrip("_")  # `try` is a keyword
    signature = inspect.Signature([*flat, *map(_plain, COMMON)], return_annotation=int)
    called.__signature__ = signature  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in signature.parameters.values()} | {"return": int}
    return called


def _flat(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    """The parameter as typer may see it: by keyword; of a group, one for each field."""
    group: Any = parameter.annotation
    if not is_dataclass(group):
        return [_plain(parameter.replace(kind=KEYWORD))]
    kinds = get_type_hints(group, include_extras=True)
    inside = [
        inspect.Parameter(one.name, KEYWORD, default=one.default, annotation=kinds[one.name]) for one in fields(group)
    ]
    return list(map(_plain, inside))


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    """A flag takes no value: help must not show a type behind it, as typer does since 0.29."""
    if get_origin(parameter.annotation) is Annotated and get_args(parameter.annotation)[0] is bool:
        get_args(parameter.annotation)[1].metavar = ""
    return parameter


def read_clock(text: str | None) -> datetime:
    """The time to decide for: the given one, else the clock's. Raises `ConfigError` on a time without zone."""
    if text is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--now: expected a time such as 2026-11-27T18:00:00Z, got {text!r}") from error
    if moment.tzinfo is None:
        raise ConfigError(f"--now: expected a time with a zone such as 2026-11-27T18:00:00Z, got {text!r}")
    return moment.astimezone(UTC)


def read_duration(option: str, text: str) -> timedelta:
    """A duration given on the command line. Raises `ConfigError` naming the option."""
    from capacity.model.fields import parse_duration  # pydantic comes with it: help needs none

    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from error
