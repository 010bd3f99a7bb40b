"""How much of each long proof runs: the suite runs a twentieth of what `python -m tests.proof` runs.

`examples(60)` is for properties. A loop of many runs is marked `@pytest.mark.runs(500)` and takes the fixture `runs`;
a test that is one run as a whole takes the fixture `turn`. `--times` multiplies all three, `--seed` starts their dice.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings

TIMES = 20  # a whole proof, in suites
_times = 1


def choose(times: int) -> None:
    """Multiply every number of runs from now on; to be called before tests are imported.

    A slow machine is no failure of a property: no example has a deadline, nor has making one.
    """
    global _times
    _times = times
    patient = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
    settings.register_profile("patient", max_examples=100 * times, **patient)
    settings.load_profile("patient")


def times() -> int:
    """By how much the suite's numbers of runs are multiplied."""
    return _times


def examples(count: int) -> Any:
    """A decorator: hypothesis tries `count` examples of a property in the suite, more in a proof."""

    def limited(test: Any) -> Any:
        return pytest.mark.runs(count)(settings(max_examples=count * _times)(test))

    return limited
