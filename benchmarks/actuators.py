"""What is ready before the peak beside the floor: pods resized in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.vertical import vertical_figures


def run(data: Path, quick: bool) -> dict[str, Any]:
    """The figures of each actuator."""
    return vertical_figures(data, quick)
