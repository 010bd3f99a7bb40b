"""Copies of JSON values: several times as fast as `copy.deepcopy`, which looks for cycles that JSON cannot have."""

from __future__ import annotations

from typing import Any


def copied(value: Any) -> Any:
    """The value with dictionaries and lists of its own."""
    kind = type(value)
    if kind is dict:
        return {key: copied(part) if type(part) in _NESTED else part for key, part in value.items()}
    if kind is list:
        return [copied(part) if type(part) in _NESTED else part for part in value]
    return value


_NESTED = (dict, list)
