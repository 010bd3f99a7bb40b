"""The size of a volume over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """When a claim is expanded, and to which size."""

    claim: str


def volume_document(volume: VolumePlan) -> dict[str, Any]:
    """The plan of one volume as JSON values."""
    return {"claim": volume.claim}


def parse_volume(document: dict[str, Any]) -> VolumePlan:
    """The inverse of `volume_document`."""
    return VolumePlan(str(document["claim"]))
