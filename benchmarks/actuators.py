"""What is ready before the peak beside the floor: alarms of volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.volume_alarms import volume_figures

PARTS = (volume_figures,)


def run(data: Path, quick: bool) -> dict[str, Any]:
    """The figures of each actuator."""
    return {name: value for part in PARTS for name, value in part(data, quick).items()}
