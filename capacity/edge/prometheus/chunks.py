"""A stretch of time in pieces that Prometheus answers: under its limit of points, on the grid of steps.

A step is named by its start and Prometheus looks back, so that the value of [t, t + step) is asked for at t + step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one question asks for: values at `start`, `start + step`, ..., `last` (seconds since 1970)."""

    start: int
    last: int
    step: int

    @property
    def points(self) -> int:
        """Values of each series."""
        return (self.last - self.start) // self.step + 1


def cell_seconds(step: timedelta) -> int:
    """How long the smallest piece is that is kept or asked for: an hour, or one step where steps are longer."""
    return max(HOUR, int(step.total_seconds()))


def cells(begin: datetime, end: datetime, step: timedelta) -> range:
    """The starts (seconds since 1970) of the cells that hold [begin, end).

    >>> from datetime import UTC
    >>> at = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)
    >>> list(cells(at, at + timedelta(hours=1), timedelta(minutes=5))) == [1795514400, 1795518000]
    True
    """
    size = cell_seconds(step)
    first = int(begin.timestamp()) // size * size
    last = -(-int(end.timestamp()) // size) * size
    return range(first, last, size)


def chunks(wanted: Iterable[int], step: timedelta, max_points: int) -> Iterator[Chunk]:
    """The questions that fetch these cells: neighbours together, each under `max_points` points.

    >>> list(chunks([0, 3600, 10800], timedelta(minutes=30), max_points=100))
    [Chunk(start=1800, last=7200, step=1800), Chunk(start=12600, last=14400, step=1800)]
    """
    seconds, size = int(step.total_seconds()), cell_seconds(step)
    most = max(1, max_points * seconds // size)  # cells in one question
    run: list[int] = []
    for cell in sorted(wanted):
        if run and (cell != run[-1] + size or len(run) == most):
            yield Chunk(run[0] + seconds, run[-1] + size, seconds)
            run = []
        run.append(cell)
    if run:
        yield Chunk(run[0] + seconds, run[-1] + size, seconds)
