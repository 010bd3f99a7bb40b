"""Where the traces lie: under the folder that `--data` names, else in `benchmarks/data`; what is missing is named."""

from __future__ import annotations

import gzip
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

BUNDLED = Path(__file__).with_name("data")
SKIPPED = {"skipped": "no data"}  # the row of a table whose file is not there
ROW = re.compile(r"^\| `([^`]+)` \| (.+) \| (.+) \| (.+) \| `([0-9a-f]{64})` \|$", re.MULTILINE)
LINK = re.compile(r"\[([^]]+)\]\(([^)]+)\)")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a file comes from, under which licence, and the sha256 of its (uncompressed) content."""

    origin: str
    licence: str
    digest: str


@lru_cache
def sources() -> Mapping[str, Source]:
    """By file: its row in ATTRIBUTION.md, the one place that says what a file is."""
    rows = ROW.findall((BUNDLED / "ATTRIBUTION.md").read_text(encoding="utf-8"))
    return {name: Source(LINK.sub(r"\1 <\2>", origin), licence, digest) for name, origin, licence, _, digest in rows}


def content_digest(path: Path) -> str:
    """The sha256 of a file, of a `.gz` that of what is in it."""
    content = path.read_bytes()
    return sha256(gzip.decompress(content) if path.suffix == ".gz" else content).hexdigest()


def find(data: Path, name: str, wanted_by: str) -> Path | None:
    """The file `name` (such as `nab/realKnownCause/nyc_taxi.csv`) under `data`, else among those bundled.

    A file whose content is not the one that the figures were measured on is not used. None where there is no other;
    stderr then says that `wanted_by` is skipped, and what to get from where.
    """
    source = sources()[name]
    others = []
    for path in dict.fromkeys(((data / name).resolve(), (BUNDLED / name).resolve())):
        if path.is_file():
            if content_digest(path) == source.digest:
                return path
            others.append(f"{path} has another content; ")
    sys.stderr.write(
        f"{wanted_by}: skipped, {''.join(others)}expected {name} under {data} with sha256 {source.digest}; "
        f"source: {source.origin}; licence: {source.licence}\n"
    )
    return None
