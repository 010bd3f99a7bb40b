"""A real Pushgateway, alone on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers.http import HttpPeer, on
from tests.peers.process import binary, running


@contextmanager
def running_pushgateway(folder: Path) -> Iterator[HttpPeer]:
    """A Pushgateway that lives until the block ends and keeps nothing; what it holds is `text("/metrics")`."""
    program = binary("prometheus-pushgateway", "pushgateway")
    with running(
        # Debian patches the default: without an empty file it keeps what earlier runs pushed.
        lambda port: [program, f"--web.listen-address=127.0.0.1:{port}", "--persistence.file="],
        lambda port: on(port).ready(),
        folder / "pushgateway.log",
    ) as port:
        yield on(port)
