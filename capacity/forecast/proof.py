"""Whether a kind of day earns its place: its effect must have foretold occurrences that it was not learned from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from capacity.forecast.uplift import Occurrence, event_cases, foretold_factor, masked
from capacity.model.arrays import Array

LEAST = 4  # occurrences: of fewer, chance alone may look like an effect
GAIN = 0.02  # share by which the error must fall over all of them
DOUBT = 0.5  # standard errors by which the mean gain must stand clear of that, as for a course


def proven_kinds(row: Array, past: Sequence[Occurrence], kinds: frozenset[str], week: int) -> frozenset[str]:
    """Of `kinds`, those whose held-out occurrences in a history (T,) came nearer by what the others of the kind say.

    What a step would have sold is the mean of the same step in the weeks around; steps of all other events are left out
    of it.

    >>> days = np.tile(10.0 + np.arange(7), 20)
    >>> days[[10, 24, 38, 52, 66, 80]] *= 2
    >>> paydays = [Occurrence("payday", "payday", np.array([slot]), None) for slot in (10, 24, 38, 52, 66, 80)]
    >>> month_ends = [Occurrence("month end", "month end", np.array([slot]), None) for slot in (3, 33, 63, 93, 123)]
    >>> sorted(proven_kinds(days, [*paydays, *month_ends], frozenset({"payday", "month end"}), 7))
    ['payday']
    """
    normal = masked(row, past)
    return frozenset(kind for kind in kinds if _proven(event_cases(row, normal, past, kind, week)))


def _proven(cases: Sequence[tuple[str, Array, Array]]) -> bool:
    """Cases are (name, actual, expected without an effect); told once with a factor of 1, once with the others'."""
    if len(cases) < LEAST:
        return False
    errors = np.array(
        [
            [np.abs(actual - expected * factor).mean() for factor in (1.0, foretold_factor(cases, place))]
            for place, (_, actual, expected) in enumerate(cases)
        ]
    )
    tiny = 1e-3 * errors.mean() + 1e-300
    ratio = np.log((errors[:, 1] + tiny) / (errors[:, 0] + tiny))
    doubt = DOUBT * ratio.std(ddof=1) / np.sqrt(len(ratio))
    plain, told = errors.sum(axis=0)
    return bool(ratio.mean() + doubt < np.log(1 - GAIN) and told < (1 - GAIN) * plain)
