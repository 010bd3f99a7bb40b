"""The size of a workload's pods over time, for workloads that scale vertically."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PodSizes:
    """Requests and limits of named containers over time."""


def sizes_document(sizes: PodSizes) -> dict[str, Any]:
    """The sizes as JSON values."""
    del sizes
    return {}


def parse_sizes(document: dict[str, Any]) -> PodSizes:
    """The inverse of `sizes_document`."""
    del document
    return PodSizes()
