"""Small things that must stay quick: the CPU they take beside what they may take."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pandas as pd

from capacity.series import find_shifts

IMPORT = "import time; began = time.process_time(); import {name}; print(time.process_time() - began)"
TRIES = 5  # the quickest counts: others are disturbed


def run(data: Path, quick: bool) -> dict[str, Any]:
    """Seconds of CPU of each, its budget, and whether it is kept; it needs no data."""
    del data
    tries = 1 if quick else TRIES
    return {
        "import capacity": _kept(lambda: _import("capacity"), 0.3, tries),
        "import capacity.cli": _kept(lambda: _import("capacity.cli"), 0.6, tries),
        "level shifts of 20,000 hours": _kept(_shifts, 0.2, tries),
    }


def _kept(measure: Callable[[], float], budget: float, tries: int) -> dict[str, Any]:
    spent = min(measure() for _ in range(tries))
    return {"cpu_seconds": spent, "budget": budget, "kept": spent < budget}


def _import(name: str) -> float:
    words = [sys.executable, "-c", IMPORT.format(name=name)]
    return float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def _shifts() -> float:
    index = pd.date_range("2024-01-01", periods=20_000, freq="h", tz="UTC")
    history = pd.Series(np.random.default_rng(0).poisson(20.0, len(index)).astype(float), index)
    began = process_time()
    find_shifts(history)
    return process_time() - began
