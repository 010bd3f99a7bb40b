"""What every route of one application shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from fastapi import Request

from capacity.app.serve import LiveData
from capacity.model import ConfigError
from capacity.web.responses import KeptAnswers


@dataclass(frozen=True, slots=True)
class WebSettings:
    """How the page is served.

    Parameters:
        base_path: path in front of every address, behind a proxy: "/capacity". Default none.
        token: what a reader must show. Default none: everybody who reaches the port may read.
        scenarios: folder in which readers may save what-ifs. Default none: nothing can be written.
        stands: the time at which the page lives, where that is not the clock's. Default none.
        hosts: names by which the page may be asked for where there is no token. Default: this machine's own.
    """

    base_path: str = ""
    token: str | None = None
    scenarios: Path | None = None
    stands: datetime | None = None
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")

    def __post_init__(self) -> None:
        path = self.base_path
        if path and (not path.startswith("/") or path.endswith("/") or "//" in path or set(path) & set("?#<>\"' ")):
            raise ConfigError(f"--listen: expected a path such as /capacity, got {path!r}")
        if self.token is not None and (
            len(self.token) < 16 or not self.token.isascii() or not self.token.isprintable()
        ):
            raise ConfigError("--token-file: expected at least 16 printable ASCII characters")


@dataclass(frozen=True, slots=True)
class State:
    """The data shown now, the settings, the clock, and the answers that are kept."""

    live: LiveData
    settings: WebSettings
    now: Callable[[], datetime]
    kept: KeptAnswers = field(default_factory=KeptAnswers)


def state_of(request: Request) -> State:
    """The state of the application that was asked."""
    state: State = request.app.state.capacity
    return state
