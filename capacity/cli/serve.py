"""The verb that shows plans in a browser, and to programs as a JSON API."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from capacity.cli.command import DONE, CommandContext, NowOption, read_clock, verb
from capacity.cli.options import Data
from capacity.logs import LOGGER
from capacity.model import CapacityError, ConfigError

if TYPE_CHECKING:
    from capacity.app.serve import LiveData, Served
    from capacity.model.configuration import Config

EXTRA = "pip install 'capacity-ahead[serve]'"
ACCESS = "Address and access"
PORT = 8000


@dataclass(frozen=True, slots=True)
class Place:
    """Where the page listens, and its path behind a proxy ("" for none)."""

    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str) -> Place:
        """The place that a URL names. Raises `ConfigError` on what is not `http://HOST[:PORT][/PATH]`."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ConfigError(f"--listen: expected a URL such as http://127.0.0.1:8000, got {url!r}") from error
        if parts.scheme != "http" or host is None or parts.query or parts.fragment or parts.username:
            raise ConfigError(
                f"--listen: expected a URL such as http://127.0.0.1:8000/capacity, got {url!r}; "
                "for https, put a proxy that speaks TLS in front"
            )
        return cls(host, PORT if port is None else port, parts.path.rstrip("/"))

    def __str__(self) -> str:
        """As a URL."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}{self.path}"


@verb
def serve(
    context: CommandContext,
    data: Data,
    *,
    plan: Annotated[Path | None, typer.Option("--plan", help="Show this plan file, without its orders.")] = None,
    from_cluster: Annotated[
        bool, typer.Option("--from-cluster", help="Show the plans in the cluster's ConfigMaps.")
    ] = False,
    listen: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="Where to listen: host, port (0: any free one), and the path behind a proxy, as in "
            "http://0.0.0.0:8000/capacity. A host other than loopback needs a token.",
            rich_help_panel=ACCESS,
        ),
    ] = "http://127.0.0.1:8000",
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help="File with the token that readers must show.", rich_help_panel=ACCESS),
    ] = None,
    scenarios: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Let readers save what-ifs there. Default: nothing is written.",
            rich_help_panel=ACCESS,
        ),
    ] = None,
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
    place = Place.of(listen)
    settings = WebSettings(place.path, _token(token_file), _folder(scenarios))
    if settings.token is None and not _loopback(place.host):
        raise ConfigError(f"--listen {listen}: expected --token-file beside a host that others reach, got none")
    live = _live(context, data, plan, now, from_cluster=from_cluster)
    stands = _stands(context, data, live, now)
    settings = replace(settings, stands=stands)
    app = create_app(live, lambda: stands or datetime.now(UTC), settings)
    with _socket(place) as listening:
        host = "localhost" if _loopback(place.host) else place.host
        address = f"http://{host}:{listening.getsockname()[1]}{place.path}/"
        context.say(f"listening on {address}; the API is described at {address}docs; Ctrl-C ends it")
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, server_header=False))
        server.run(sockets=[listening])
    return DONE


def _live(
    context: CommandContext,
    data: Data,
    plan: Path | None,
    now: str | None,
    *,
    from_cluster: bool,
) -> LiveData:
    from capacity.app.serve import LiveData, Moment, read_choices, served_cluster, served_file, served_orders

    if plan is not None and from_cluster:
        raise ConfigError("expected one of --plan and --from-cluster, got both")
    if plan is not None:
        config = _optional(context)
        return LiveData(lambda: served_file(plan, config), _refresh(config))
    if from_cluster:
        known = context.config()
        return LiveData(lambda: served_cluster(known), _refresh(known))
    with context.stages("reading, forecasting and planning") as advance:
        config = data.planning_config(context)
        bare, fixed = data.bare(context), now is not None or data.bundled is not None

        def read() -> Served:
            seen = None if now is None else read_clock(None)
            moment = Moment(data.moment(now), seen, at_end=bare and now is None)
            return served_orders(config, moment, read_choices(config.choice.policies))

        live = LiveData(read, None if fixed else _refresh(config))
        advance()
    return live


def _refresh(config: Config | None) -> timedelta | None:
    """The age from which data is read again; None: never."""
    from capacity.model.settings import ServeSettings

    return (ServeSettings() if config is None else config.serve).refresh or None


def _stands(context: CommandContext, data: Data, live: LiveData, now: str | None) -> datetime | None:
    """The time at which the page lives, where that is not the clock's: a past one, or the end of the orders."""
    known = live.current().orders
    past = now is not None or data.bundled is not None or data.bare(context)
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


def _socket(place: Place) -> socket.socket:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((place.host, place.port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise ConfigError(f"--listen {place}: cannot listen there: {error.strerror or error}") from error
    return listening
