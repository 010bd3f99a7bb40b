"""What is ready before the peak beside the floor: nodes, pods resized in place, alarms of volumes, a pass over all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.mixed_pass import mixed_figures
from benchmarks.node_headroom import headroom_figures
from benchmarks.vertical import vertical_figures
from benchmarks.volume_alarms import volume_figures

PARTS = (headroom_figures, vertical_figures, volume_figures, mixed_figures)


def run(data: Path, quick: bool) -> dict[str, Any]:
    """The figures of each actuator."""
    return {name: value for part in PARTS for name, value in part(data, quick).items()}
