"""A task that ends its process: light to import, because every process of the pool imports it."""

from __future__ import annotations

import os


def dies_on_three(number: int) -> int:
    """The square; the process ends as if killed where the number is 3, and fails where it is 5."""
    if number == 3:
        os._exit(9)
    if number == 5:
        raise ValueError("five")
    return number * number
