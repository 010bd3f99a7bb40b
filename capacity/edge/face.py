"""What every command shares: which configuration, how to print, how much to say. One decorator, no globals."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from capacity.domain import ConfigError
from capacity.edge.config import Config, read_config
from capacity.edge.fields import parse_duration
from capacity.edge.logs import LogForm, Run
from capacity.edge.sample import sample_config
from capacity.edge.screen import Output, Sheet, say, show_all

if TYPE_CHECKING:
    from rich.progress import Progress

DONE, FAILED, USAGE, HELD = 0, 1, 2, 3  # exit codes, as the help and the README say them
ConfigOption = Annotated[
    Path, typer.Option("-c", "--config", help="The configuration.", rich_help_panel="Every command")
]
OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="How to print results.", rich_help_panel="Every command")
]
QuietOption = Annotated[
    bool, typer.Option("-q", "--quiet", help="Only results and errors.", rich_help_panel="Every command")
]
VerboseOption = Annotated[
    bool, typer.Option("-v", "--verbose", help="Say how long each stage took.", rich_help_panel="Every command")
]
DebugOption = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel="Every command")
]
LogFormOption = Annotated[
    LogForm, typer.Option("--log-format", help="Remarks on stderr.", rich_help_panel="Every command")
]
SampleOption = Annotated[
    bool, typer.Option("--sample", help="Use the bundled orders and workload instead of a configuration.")
]
FileArgument = Annotated[
    str | None,
    typer.Argument(metavar="[FILE]", help="Orders to read instead of sales.source: CSV, .gz, Parquet or a glob."),
]
NowOption = Annotated[
    str | None, typer.Option("--now", metavar="TIME", help="Decide as of this time (RFC 3339) instead of the clock's.")
]


@dataclass(frozen=True, slots=True)
class Face:
    """One call of the command: its configuration's path, its output, its loudness."""

    config_path: Path
    output: Output
    quiet: bool
    verbose: bool
    run: Run

    def config(self, *, file: str | None = None, sample: bool = False) -> Config:
        """The configuration; `file` takes the place of its source. Raises `ConfigError`."""
        if sample and file:
            raise ConfigError("expected FILE or --sample, got both")
        config = read_config(sample_config() if sample else self.config_path)
        if file is None:
            return config
        return config.model_copy(update={"sales": config.orders().model_copy(update={"source": file})})

    def show(self, *sheets: Sheet) -> None:
        """Print results."""
        show_all(sheets, self.output)

    def say(self, text: str) -> None:
        """Remark on stderr, unless quiet."""
        say(text, quiet=self.quiet)

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
    """Give a command `(face, ...)` the options that every command has; typer sees one flat signature."""
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

    @functools.wraps(command)
    def called(**given: Any) -> int:
        common = {name: given.pop(name) for name in ("config", "output", "quiet", "verbose", "debug", "log_format")}
        run = Run.begin(command.__name__, common["log_format"])
        return command(Face(common["config"], common["output"], common["quiet"], common["verbose"], run), **given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    common = [
        inspect.Parameter("config", keyword, default=Path("capacity.yaml"), annotation=ConfigOption),
        inspect.Parameter("output", keyword, default=Output.table, annotation=OutputOption),
        inspect.Parameter("quiet", keyword, default=False, annotation=QuietOption),
        inspect.Parameter("verbose", keyword, default=False, annotation=VerboseOption),
        inspect.Parameter("debug", keyword, default=False, annotation=DebugOption),
        inspect.Parameter("log_format", keyword, default=LogForm.console, annotation=LogFormOption),
    ]
    parameters = [*(parameter.replace(kind=keyword) for parameter in own), *common]
    del called.__wrapped__
    called.__signature__ = inspect.Signature(parameters, return_annotation=int)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters} | {"return": int}
    return called


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
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from error


def planning_config(face: Face, file: str | None, sample: bool) -> Config:
    """The configuration, with something to plan for. Raises `ConfigError`."""
    config = face.config(file=file, sample=sample)
    if not config.workloads:
        raise ConfigError("workloads: expected at least one workload to plan for, got none")
    return config
