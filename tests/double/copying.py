"""Copies of JSON values: several times as fast as `copy.deepcopy`, which looks for cycles that JSON cannot have."""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")


def copied(value: T) -> T:
    """The value with dictionaries and lists of its own."""
    made: T = _copied(value)
    return made


def _copied(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return {key: _copied(part) if type(part) in _NESTED else part for key, part in value.items()}
    if kind is list:
        return [_copied(part) if type(part) in _NESTED else part for part in value]
    return value


_NESTED = (dict, list)
