"""Which cycles are real, and how strong."""

from __future__ import annotations

from datetime import timedelta

_CYCLES = (timedelta(days=1), timedelta(days=7), timedelta(days=365, hours=6))


def calendar_seasons(step: timedelta) -> tuple[int, ...]:
    """Season lengths that the calendar suggests for a step.

    >>> calendar_seasons(timedelta(hours=1)), calendar_seasons(timedelta(days=1))
    ((24, 168), (7,))
    """
    if step >= timedelta(days=4):
        return (max(2, round(_CYCLES[2] / step)),) if step <= timedelta(days=182) else ()
    return tuple(round(cycle / step) for cycle in _CYCLES[:2] if cycle / step >= 2)
