"""The part of capacity whose rights `doctor` looks at: an option of the command, so it loads nothing."""

from __future__ import annotations

from enum import StrEnum


class Part(StrEnum):
    """Whose rights are looked at: each runs under an account of its own."""

    both = "both"
    planner = "planner"
    controller = "controller"
