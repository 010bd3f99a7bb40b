"""The benchmarks' traces: what is bundled is what it says it is, the folder of a user comes first, gaps are named."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks import hourly, policies, traces
from benchmarks.datasets import BUNDLED, content_digest, find, sources

TAXI = "nab/realKnownCause/nyc_taxi.csv"
NASA = "nasa_http/requests_per_minute_july.csv.gz"
BIKES = "bike_sharing/hourly_rentals.csv.gz"


def test_every_bundled_file_is_attributed_and_has_the_content_that_was_attributed() -> None:
    here = {path.relative_to(BUNDLED).as_posix() for path in BUNDLED.rglob("*") if path.is_file()} - {"ATTRIBUTION.md"}
    assert len(here) >= 10
    assert {name: content_digest(BUNDLED / name) for name in here} == {name: sources()[name].digest for name in here}


def test_every_bundled_file_has_a_licence_that_allows_it() -> None:
    allowed = {"CC BY 4.0", "Apache-2.0", "MIT"}
    assert {sources()[name].licence for name in sources() if (BUNDLED / name).exists()} <= allowed


def test_every_file_that_a_benchmark_names_is_listed() -> None:
    named = {trace.path for trace in (*traces.TRACES.values(), *policies.TRACES.values())}
    named |= {path for path, _ in hourly.SERIES.values()} | {traces.TAXI}
    assert named <= set(sources())


def test_the_folder_of_a_user_comes_before_what_is_bundled(tmp_path: Path) -> None:
    assert find(tmp_path, TAXI, "test") == BUNDLED / TAXI
    mine = tmp_path / TAXI
    mine.parent.mkdir(parents=True)
    shutil.copy(BUNDLED / TAXI, mine)
    assert find(tmp_path, TAXI, "test") == mine


def test_how_a_file_was_compressed_does_not_matter(tmp_path: Path) -> None:
    mine = tmp_path / BIKES
    mine.parent.mkdir(parents=True)
    mine.write_bytes(gzip.compress(gzip.decompress((BUNDLED / BIKES).read_bytes()), compresslevel=1))
    assert find(tmp_path, BIKES, "test") == mine


def test_a_file_of_other_content_is_not_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (TAXI, NASA):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(gzip.compress(b"timestamp,value\n"))
    assert find(tmp_path, TAXI, "test") == BUNDLED / TAXI
    assert find(tmp_path, NASA, "traces nasa") is None
    said = capsys.readouterr().err
    assert said.startswith(f"traces nasa: skipped, {tmp_path / NASA} has another content; expected {NASA}")


def test_what_is_missing_is_named_with_source_licence_and_checksum(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert find(tmp_path, NASA, "traces nasa") is None
    said = capsys.readouterr().err
    assert all(
        text in said
        for text in ("traces nasa: skipped", str(tmp_path), "<https://github.com/", "licence:", sources()[NASA].digest)
    )


def test_from_a_clone_alone_a_benchmark_measures_what_is_bundled_and_keeps_other_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    monkeypatch.setattr(command, "NAMES", ("m4_hourly", "nab"))
    (tmp_path / "m4_hourly.md").write_text("measured before", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["benchmarks", "all"])
    assert command.main() == 0
    printed = capsys.readouterr()
    found: dict[str, Any] = json.loads(printed.out.splitlines()[-1])
    assert found["nab"]["series"] == 3
    assert "m4_hourly: skipped" in printed.err
    assert (tmp_path / "m4_hourly.md").read_text(encoding="utf-8") == "measured before"
    assert "| series | 3 |" in (tmp_path / "nab.md").read_text(encoding="utf-8")
