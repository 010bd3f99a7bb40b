"""A real Alertmanager, alone on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.peers.http import HttpPeer, on
from tests.peers.process import binary, running

SILENT = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}


@contextmanager
def running_alertmanager(folder: Path, config: Mapping[str, Any] | None = None) -> Iterator[HttpPeer]:
    """An Alertmanager that lives until the block ends; without `config` (an alertmanager.yml) it tells nobody.

    What fires is `json("/api/v2/alerts")`; a Prometheus finds it through `{"alerting": {"alertmanagers":
    [{"static_configs": [{"targets": [peer.url.removeprefix("http://")]}]}]}}`.
    """
    program = binary("prometheus-alertmanager", "alertmanager")
    (folder / "alertmanager.yml").write_text(json.dumps(config or SILENT), encoding="utf-8")
    words = [
        program,
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alerts'}",
        "--cluster.listen-address=",  # alone: nothing listens beyond loopback
    ]
    with running(
        lambda port: [*words, f"--web.listen-address=127.0.0.1:{port}"],
        lambda port: on(port).ready(),
        folder / "alertmanager.log",
    ) as port:
        yield on(port)
