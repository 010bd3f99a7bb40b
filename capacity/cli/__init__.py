"""The command line: a table of verbs. Everything they do is a function of the library."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from capacity.cli.advise import advise, simulate
from capacity.cli.cluster import apply, preview, rehearse, restore, run
from capacity.cli.command import DONE, FAILED, USAGE, CommandContext, verb
from capacity.cli.data import audit, backtest, forecast, load, seasonality
from capacity.cli.plan import explain, plan
from capacity.cli.report import outlook, report, status, volumes
from capacity.cli.serve import serve
from capacity.cli.setup import doctor, init, rules, try_
from capacity.logs import LOGGER, end_run, set_up_logs
from capacity.model import CapacityError, ConfigError
from capacity.model.errors import hide_secrets
from capacity.version import VERSION

app = typer.Typer(
    name="capacity",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Learn the seasonality of a business from its orders; move the floor of each autoscaler before the peak.\n\n"
    "Start with [bold]capacity plan --sample[/bold], or with your own orders: [bold]capacity try orders.csv[/bold]. "
    "The usual order is then audit, forecast, advise, plan, preview, apply.",
    epilog="Exit codes: 0: success; 1: data or cluster failed; 2: usage or configuration error; 3: held for safety.",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"capacity {VERSION}")
        raise typer.Exit


VersionOption = Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")]


@app.callback()
def root(
    version: VersionOption = False,
) -> None:
    """Options before the command."""


@verb
def schema(context: CommandContext) -> int:
    """Print the JSON Schema of capacity.yaml: editors complete and check it.

    Example: capacity schema > capacity.schema.json
    """
    from capacity.model.configuration import Config

    del context
    typer.echo(json.dumps(Config.model_json_schema(), indent=1))
    return DONE


VERBS = {
    "Begin": (try_, init, doctor),
    "Look at the data": (audit, seasonality, forecast, backtest, load),
    "Plan": (advise, plan, explain, volumes, outlook, simulate, report),
    "Move floors": (preview, apply, run, restore, rehearse),
    "Watch": (status, serve),
    "Reference": (rules, schema),
}
for panel, commands in VERBS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code. Errors are one line on stderr, a traceback only with --debug."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    set_up_logs()
    try:
        code = app(arguments, standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:  # noqa: BLE001 - every error ends as one line
        if "--debug" in arguments:  # an error's cause may quote a URL as a driver had it
            sys.stderr.write(hide_secrets("".join(traceback.format_exception(error))))
        return _report(error)
    finally:
        end_run()
    return code if isinstance(code, int) else DONE


def _report(error: Exception) -> int:
    formatted: Callable[[], str] | None = getattr(error, "format_message", None)  # the parser's own errors have it
    usage, message = formatted is not None, formatted() if formatted else str(error)
    if usage and not message.strip():
        return USAGE  # no command was given: the help is on the screen already
    if usage:
        message = f"{message.strip().rstrip('.')}; see `{_help_of(error)}`"
    if isinstance(error, CapacityError) or usage:
        LOGGER.error("%s", " ".join(message.split()))
    elif isinstance(error, ModuleNotFoundError) and error.name is not None and not error.name.startswith("capacity"):
        LOGGER.error(
            "this command needs %s, which is not installed here (the controller's image leaves it out): "
            "pip install capacity-ahead, or use the complete image",
            error.name,
        )
    else:
        LOGGER.error("unexpected %s: %s; --debug shows where", type(error).__name__, " ".join(message.split()))
    return USAGE if usage or isinstance(error, ConfigError) else FAILED


def _help_of(error: Exception) -> str:
    """The call that says what the parser would have understood."""
    context: Any = getattr(error, "ctx", None)
    if context is None or context.parent is None:
        return "capacity --help"
    return f"capacity {context.info_name} --help"


if __name__ == "__main__":
    sys.exit(main())
