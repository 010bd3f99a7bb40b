"""The verb that shows plans in a browser, and to programs as a JSON API."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.cli.advise import POLICIES, PoliciesOption
from capacity.cli.command import DONE, CommandContext, NowOption, read_clock, read_duration, verb
from capacity.cli.options import Data
from capacity.logs import LOGGER
from capacity.model import CapacityError, ConfigError

if TYPE_CHECKING:
    from capacity.app.serve import LiveData, Served
    from capacity.model.configuration import Config

EXTRA = "pip install 'capacity-ahead[serve]'"
LONGEST = timedelta(days=1)
ACCESS = "Address and access"


@verb
def serve(
    context: CommandContext,
    data: Data,
    *,
    plan: Annotated[Path | None, typer.Option("--plan", help="Show this plan file, without its orders.")] = None,
    from_cluster: Annotated[
        bool, typer.Option("--from-cluster", help="Show the plans in the cluster's ConfigMaps.")
    ] = False,
    policies: PoliciesOption = POLICIES,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; any address other than loopback needs a token.", rich_help_panel=ACCESS
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any free one.", rich_help_panel=ACCESS)
    ] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help="File with the token that readers must show.", rich_help_panel=ACCESS),
    ] = None,
    base_path: Annotated[
        str, typer.Option(metavar="PATH", help="Path behind a proxy, such as /capacity.", rich_help_panel=ACCESS)
    ] = "",
    scenarios: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Let readers save what-ifs there. Default: nothing is written.",
            rich_help_panel=ACCESS,
        ),
    ] = None,
    refresh: Annotated[
        str, typer.Option(metavar="DURATION", help="Reload the data when it is older than this; 0s: never.")
    ] = "5m",
    now: NowOption = None,
) -> int:
    """Show plans in a browser and as a JSON API: why each number, and what if. It cannot write to the cluster.

    Example: capacity serve --sample
    """
    try:
        import uvicorn

        from capacity.web.application import create_app
        from capacity.web.state import WebSettings
    except ModuleNotFoundError as error:
        raise ConfigError(f"capacity serve needs {error.name}, which is not installed: {EXTRA}") from error
    settings = WebSettings(base_path.rstrip("/"), _token(token_file), _folder(scenarios))
    if settings.token is None and not _loopback(host):
        raise ConfigError(f"--host {host}: expected --token-file beside an address that other machines reach, got none")
    live = _live(context, data, plan, policies, now, from_cluster=from_cluster, refresh=refresh)
    stands = _stands(context, data, live, now)
    settings = replace(settings, stands=stands)
    app = create_app(live, lambda: stands or datetime.now(UTC), settings)
    with _socket(host, port) as listening:
        address = f"http://{'localhost' if _loopback(host) else host}:{listening.getsockname()[1]}{settings.base_path}/"
        context.say(f"listening on {address}; the API is described at {address}docs; Ctrl-C ends it")
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, server_header=False))
        server.run(sockets=[listening])
    return DONE


def _live(
    context: CommandContext,
    data: Data,
    plan: Path | None,
    policies: Path,
    now: str | None,
    *,
    from_cluster: bool,
    refresh: str,
) -> LiveData:
    from capacity.app.serve import LiveData, Moment, read_choices, served_cluster, served_file, served_orders

    span = read_duration("--refresh", refresh)
    every = None if span <= timedelta(0) else span
    if plan is not None and from_cluster:
        raise ConfigError("expected one of --plan and --from-cluster, got both")
    if plan is not None:
        config = _optional(context)
        return LiveData(lambda: served_file(plan, config), every)
    if from_cluster:
        known = context.config()
        return LiveData(lambda: served_cluster(known), every)
    with context.stages("reading, forecasting and planning") as advance:
        config = data.planning_config(context)
        bare, fixed = data.bare(context), now is not None or data.sample

        def read() -> Served:
            seen = None if now is None else read_clock(None)
            moment = Moment(data.moment(now), seen, at_end=bare and now is None)
            return served_orders(config, moment, read_choices(policies))

        live = LiveData(read, None if fixed else every)
        advance()
    return live


def _stands(context: CommandContext, data: Data, live: LiveData, now: str | None) -> datetime | None:
    """The time at which the page lives, where that is not the clock's: a past one, or the end of the orders."""
    known = live.current().orders
    past = now is not None or data.sample or data.bare(context)
    return known.now if past and known is not None else None


def _optional(context: CommandContext) -> Config | None:
    """The configuration beside a plan file, for its clock and currency; None where there is none that can be read."""
    if not context.configured:
        return None
    try:
        return context.config()
    except CapacityError as error:
        LOGGER.warning("times are in UTC: %s", error)
        return None


def _token(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--token-file: {file} cannot be read: {error}") from error


def _folder(path: Path | None) -> Path | None:
    if path is not None and not path.is_dir():
        raise ConfigError(f"--scenarios: expected a folder, got {path}; make it first")
    return path


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise ConfigError(f"--host {host} --port {port}: cannot listen there: {error.strerror or error}") from error
    return listening
