"""Reads only the days of a plan that one pass needs: two weeks of a thousand workloads would take too much memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

REACH = timedelta(days=2)  # either way of now: more than any lead time
CHANGES = ("floor", "quiet", "changes")  # the last: of headroom, sizes and volumes, which have steps of their own


def cut_changes(now: datetime) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A hook for `json.loads`: of each list of changes, keep those that speak of times within `REACH` of `now`.

    What has no such list, or is not as expected, passes through for the reader to judge.

    >>> from datetime import UTC
    >>> hook = cut_changes(datetime(2026, 11, 27, tzinfo=UTC))
    >>> plan = {"start": "2026-11-20T00:00:00Z", "step": 86400, "floor": [[0, 2, "r"], [3, 4, "r"], [9, 1, "r"]]}
    >>> hook(plan)["floor"]
    [[0, 4, 'r'], [9, 1, 'r']]
    """

    def hook(document: dict[str, Any]) -> dict[str, Any]:
        if not ("start" in document and "step" in document and any(key in document for key in CHANGES)):
            return document
        try:
            start, step = datetime.fromisoformat(document["start"]), timedelta(seconds=document["step"])
            first, last = (now - REACH - start) // step, (now + REACH - start) // step
            kept = {key: _kept(document[key], first, last) for key in CHANGES if document.get(key)}
        except (TypeError, ValueError, IndexError, ArithmeticError):
            return document
        return {**document, **kept}

    return hook


def _kept(changes: list[list[Any]], first: int, last: int) -> list[list[Any]]:
    """The change in force at `first` (named by offset 0, as a plan must begin) and those after it up to `last`."""
    last = max(last, 0)
    begin = max((place for place, change in enumerate(changes) if change[0] <= first), default=0)
    kept = [change for change in changes[begin:] if change[0] <= last]
    return [[0, *kept[0][1:]], *kept[1:]] if kept else changes[:1]
