"""Our own annotations on an object: the baseline before our first touch, its expiry, and what passes remember."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from capacity.domain import ClusterError, Memory
from capacity.edge.controller.targets.ownership import Owner
from capacity.edge.planfile import parse_time, rfc3339

BASELINE = "capacity/baseline"  # bounds and their owners before our first touch, as JSON
EXPIRES = "capacity/expires"  # when nobody renews the floor by then, any pass gives it back
STATE = "capacity/state"  # what passes remember, as JSON
OURS = (BASELINE, EXPIRES, STATE)
NOTHING = Memory()
LARGEST = 4096  # characters of an annotation that we read: ours take 300


@dataclass(frozen=True, slots=True)
class Baseline:
    """What to give back: floor and ceiling (None: the field was absent), and who owned each before our first touch."""

    floor: int | None
    ceiling: int | None
    floor_owner: Owner | None
    ceiling_owner: Owner | None


@dataclass(frozen=True, slots=True)
class Notes:
    """Our annotations as nouns."""

    baseline: Baseline | None = None
    baseline_text: str | None = None
    expires: datetime | None = None
    memory: Memory = NOTHING


def read_notes(annotations: Mapping[str, Any], name: str) -> Notes:
    """Our annotations; others may have written into them. Raises `ClusterError` on a baseline that cannot be read.

    A state or an expiry that cannot be read is as good as none: it is written again with the next move.
    """
    text = annotations.get(BASELINE)
    return Notes(
        None if text is None else _baseline(str(text), name),
        None if text is None else str(text),
        read_expiry(annotations),
        _memory(annotations.get(STATE)),
    )


def read_expiry(annotations: Mapping[str, Any]) -> datetime | None:
    """When the floor is given back unless somebody renews it."""
    return _moment(annotations.get(EXPIRES))


def baseline_text(baseline: Baseline, now: datetime) -> str:
    """The baseline as an annotation."""
    note = {
        "floor": baseline.floor,
        "ceiling": baseline.ceiling,
        "floor_owner": _owner_note(baseline.floor_owner),
        "ceiling_owner": _owner_note(baseline.ceiling_owner),
        "noted": rfc3339(now),
    }
    return json.dumps(note, separators=(",", ":"))


def state_text(memory: Memory) -> str:
    """What passes remember, as an annotation."""
    note = {
        "moved": None if memory.moved_at is None else rfc3339(memory.moved_at),
        "safe_floor": memory.safe_floor,
        "held_for": memory.held_for,
        "held_since": None if memory.held_since is None else rfc3339(memory.held_since),
        "mark": memory.mark,
        "looked": None if memory.looked_at is None else rfc3339(memory.looked_at),
    }
    return json.dumps({key: value for key, value in note.items() if value is not None}, separators=(",", ":"))


def _memory(text: Any) -> Memory:
    try:
        note = json.loads(str(text)[:LARGEST]) if text is not None else {}
        safe, held_for, mark = note.get("safe_floor"), note.get("held_for"), note.get("mark")
        return Memory(
            moved_at=_moment(note.get("moved")),
            safe_floor=safe if isinstance(safe, int) and not isinstance(safe, bool) and safe >= 1 else None,
            held_for=None if held_for is None else str(held_for),
            held_since=_moment(note.get("held_since")),
            mark=None if mark is None else str(mark),
            looked_at=_moment(note.get("looked")),
        )
    except (ValueError, TypeError, AttributeError, RecursionError):
        return NOTHING


def _moment(text: Any) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_time(str(text)[:64])
    except ValueError:
        return None


def _baseline(text: str, name: str) -> Baseline:
    try:
        note = json.loads(text[:LARGEST])
        floor, ceiling = note["floor"], note["ceiling"]
        counts = all(count is None or (type(count) is int and 0 <= count < 10**9) for count in (floor, ceiling))
        if not counts or (floor is not None and ceiling is not None and floor > ceiling):
            raise ValueError(f"floor {floor!r}, ceiling {ceiling!r}")
        return Baseline(floor, ceiling, _noted_owner(note.get("floor_owner")), _noted_owner(note.get("ceiling_owner")))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = str(error)[:80]
        raise ClusterError(f"{name}: annotation {BASELINE} cannot be read ({reason}); correct or remove it") from error


def _owner_note(owner: Owner | None) -> list[str] | None:
    return None if owner is None else [owner.manager, owner.operation]


def _noted_owner(note: Any) -> Owner | None:
    if note is None:
        return None
    manager, operation = note
    if operation not in ("Apply", "Update"):
        raise ValueError(f"operation {operation!r}")
    return Owner(str(manager)[:128], operation)
