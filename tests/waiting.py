"""Tests wait for conditions, never for a time: a machine may be as slow as it likes."""

from __future__ import annotations

import time
from collections.abc import Callable

POLL = 0.05  # seconds between two looks at a condition
HUNG = 900.0  # seconds after which whatever is waited for has hung: no judgement of speed; below pytest's own `timeout`


def until(condition: Callable[[], object], otherwise: Callable[[], object] | str = "it never happened") -> None:
    """Return once `condition()` is true; after `HUNG` seconds fail with `otherwise`, the text or what it returns."""
    ends = time.monotonic() + HUNG
    while not condition():
        assert time.monotonic() < ends, otherwise() if callable(otherwise) else otherwise
        time.sleep(POLL)
