"""A real Prometheus, with a history that was written before it started."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.peers.http import HttpPeer, on
from tests.peers.process import binary, running

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Prometheus(HttpPeer):
    """A running server; `folder` holds its configuration, its rules and its log."""

    folder: Path

    def query(self, expression: str, at: datetime) -> list[dict[str, Any]]:
        """The instant vector of an expression: one item per series, `metric` and `value` [time, text]."""
        found = self.json("/api/v1/query", query=expression, time=at.timestamp())
        return list(found["data"]["result"])


def openmetrics(series: Mapping[str, pd.Series]) -> str:
    """Histories as OpenMetrics text: one gauge per key such as `cpu{pod="a"}`, samples at the index's UTC times.

    >>> at = pd.date_range("2026-11-01", periods=2, freq="1min", tz="UTC")
    >>> print(openmetrics({'cpu{pod="a"}': pd.Series([1.0, 2.0], at)}))
    # TYPE cpu gauge
    cpu{pod="a"} 1.0 1793491200
    cpu{pod="a"} 2.0 1793491260
    # EOF
    <BLANKLINE>
    """
    lines = []
    for name, keys in groupby(sorted(series), key=lambda key: key.partition("{")[0]):
        lines.append(f"# TYPE {name} gauge")
        lines.extend(sample for key in keys for sample in samples(key, series[key]))
    return "\n".join([*lines, "# EOF", ""])


def samples(key: str, values: pd.Series) -> list[str]:
    """One line per value that is there: a gap stays a gap."""
    known = values.dropna()
    seconds = known.index.as_unit("s").asi8 if isinstance(known.index, pd.DatetimeIndex) else np.asarray(known.index)
    return [f"{key} {value!r} {at}" for value, at in zip(known.astype(float).tolist(), seconds.tolist(), strict=True)]


@contextmanager
def running_prometheus(
    folder: Path,
    *,
    history: str = "",
    rules: Document | None = None,
    config: Document | None = None,
    flags: Sequence[str] = (),
) -> Iterator[Prometheus]:
    """A Prometheus that lives until the block ends, in `folder` (empty, its own).

    `history` is OpenMetrics text (`openmetrics` makes it) of any age, written as blocks before the start; `rules` is a
    rule file and `config` a prometheus.yml, each as Python data. Without `config` it scrapes nothing and alerts nobody.
    `flags` are further words of its command. The admin API (delete series), `POST /-/reload` and remote write are
    switched on.
    """
    program = binary("prometheus")
    if history:
        backfill(folder, history)
    settings = {**(config or {})}
    if rules is not None:
        (folder / "rules.yml").write_text(json.dumps(rules), encoding="utf-8")  # JSON is YAML
        settings["rule_files"] = [*settings.get("rule_files", []), str(folder / "rules.yml")]
    (folder / "prometheus.yml").write_text(json.dumps(settings), encoding="utf-8")
    words = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=100y",  # a history of any age is kept
        "--web.enable-admin-api",
        "--web.enable-lifecycle",
        "--web.enable-remote-write-receiver",
        *flags,
    ]
    with running(
        lambda port: [*words, f"--web.listen-address=127.0.0.1:{port}"],
        lambda port: on(port).ready(),
        folder / "prometheus.log",
    ) as port:
        yield Prometheus(on(port).url, folder)


def backfill(folder: Path, history: str) -> None:
    """Write OpenMetrics text as TSDB blocks; blocks of 15 days, because many small ones take 25 times as long."""
    source = folder / "history.om"
    source.write_text(history, encoding="utf-8")
    words = [binary("promtool"), "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=360h"]
    done = subprocess.run([*words, str(source), str(folder / "data")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
