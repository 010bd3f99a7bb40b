"""Pauses Python's cycle collector; alone in its file, because a command pauses it before it loads anything else."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause Python's cycle collector: plans and imports have no cycles, and each collection would scan all again.

    The collector takes half of the time in which ten thousand plans are read and written, and a tenth of a pass that
    moves one floor.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
