"""Annotations on an object: our own record of it, and how people steer it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from capacity.cluster.ownership import Owner
from capacity.model import ClusterError, Memory, Wishes
from capacity.model.fields import parse_time, rfc3339, time_or_none
from capacity.model.observation import CAUSES

BASELINE = "capacity/baseline"  # bounds and their owners before our first touch, as JSON
EXPIRES = "capacity/expires"  # when nobody renews the floor by then, any pass gives it back
STATE = "capacity/state"  # what passes remember, as JSON
FLOOR = "capacity/floor"  # the floor of our last write: shows who lowered it since, and a policy may guard it
TARGET_BASELINE = "capacity/target-baseline"  # the CPU target and its owner before our first move of it, as JSON
TARGET = "capacity/target"  # the target of our last move: shows who moved it since
REHEARSAL = "capacity/rehearsal"  # "36 until 2026-11-27T04:20:00Z": at least this floor until then
OURS = (BASELINE, EXPIRES, STATE, FLOOR, TARGET_BASELINE, TARGET, REHEARSAL)
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
    floor: int | None = None


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
        _count(annotations.get(FLOOR)),
    )


def _count(text: Any) -> int | None:
    found = re.fullmatch(r"[0-9]{1,6}", str(text), re.ASCII)
    return int(found[0]) if found else None


def read_expiry(annotations: Mapping[str, Any]) -> datetime | None:
    """When the floor is given back unless somebody renews it."""
    return time_or_none(annotations.get(EXPIRES))


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
        "first_look": None if memory.looked_first is None else rfc3339(memory.looked_first),
        "alike": memory.alike or None,
        "still": None if memory.still_since is None else rfc3339(memory.still_since),
        "short": None if memory.short_since is None else rfc3339(memory.short_since),
        "short_for": memory.short_for,
        "slow": None if memory.slow_start is None else round(memory.slow_start.total_seconds()),
        "slow_at": None if memory.slow_at is None else rfc3339(memory.slow_at),
    }
    return json.dumps({key: value for key, value in note.items() if value is not None}, separators=(",", ":"))


def _memory(text: Any) -> Memory:
    try:
        note = json.loads(str(text)[:LARGEST]) if text is not None else {}
        safe, held_for, mark = note.get("safe_floor"), note.get("held_for"), note.get("mark")
        return Memory(
            moved_at=time_or_none(note.get("moved")),
            safe_floor=safe if isinstance(safe, int) and not isinstance(safe, bool) and safe >= 1 else None,
            held_for=None if held_for is None else str(held_for),
            held_since=time_or_none(note.get("held_since")),
            mark=None if mark is None else str(mark),
            looked_at=time_or_none(note.get("looked")),
            looked_first=time_or_none(note.get("first_look")),
            alike=note["alike"] if type(note.get("alike")) is int and note["alike"] > 0 else 0,
            still_since=time_or_none(note.get("still")),
            short_since=time_or_none(note.get("short")),
            short_for=note["short_for"] if note.get("short_for") in CAUSES else None,
            slow_start=_seconds(note.get("slow")),
            slow_at=time_or_none(note.get("slow_at")),
        )
    except (ValueError, TypeError, AttributeError, RecursionError):
        return NOTHING


def _seconds(number: Any) -> timedelta | None:
    return timedelta(seconds=number) if type(number) is int and 0 < number < 10**6 else None


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


EXCLUDE, EXCLUDE_UNTIL, FREEZE, FORCE_FLOOR = (
    "capacity/exclude",
    "capacity/exclude-until",
    "capacity/freeze",
    "capacity/force-floor",
)
PAUSED = ("autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-replicas")
PAUSED_SCALE_OUT = "autoscaling.keda.sh/paused-scale-out"
SHOWN = 40  # characters of a foreign text that we repeat


def read_wishes(annotations: Mapping[str, Any], now: datetime) -> Wishes:
    """What people ask of this object now; a wish that cannot be read becomes `unclear`, which holds the floor."""
    try:
        return Wishes(
            excluded=_excluded(annotations, now),
            frozen=_frozen(annotations),
            no_rise=_set(annotations, PAUSED_SCALE_OUT),
            floor=_floor(annotations),
            rehearsed=read_rehearsal(annotations, now),
        )
    except ValueError as error:
        return Wishes(unclear=str(error))


def rehearsal_text(floor: int, until: datetime) -> str:
    """A rehearsal as an annotation."""
    return f"{floor} until {rfc3339(until.replace(microsecond=0))}"


def read_rehearsal(annotations: Mapping[str, Any], now: datetime) -> int | None:
    """The floor of a rehearsal that runs now; None where none does: one that cannot be read is none."""
    found = re.fullmatch(r"([1-9][0-9]{0,5}) until (\S{1,40})", str(annotations.get(REHEARSAL)), re.ASCII)
    ends = None if found is None else time_or_none(found[2])
    return int(found[1]) if found is not None and ends is not None and now < ends else None


def _excluded(annotations: Mapping[str, Any], now: datetime) -> str | None:
    if _flag(annotations, EXCLUDE):
        return f"annotation {EXCLUDE}"
    until = annotations.get(EXCLUDE_UNTIL)
    if until is None:
        return None
    try:
        ends = parse_time(str(until))
    except ValueError as error:
        raise ValueError(_unclear(EXCLUDE_UNTIL, "a time such as 2026-11-28T06:00:00Z", until)) from error
    return f"annotation {EXCLUDE_UNTIL} {ends:%Y-%m-%dT%H:%MZ}" if now < ends else None


def _frozen(annotations: Mapping[str, Any]) -> str | None:
    if _flag(annotations, FREEZE):
        return f"annotation {FREEZE}"
    return next((text for key in PAUSED if (text := _set(annotations, key)) is not None), None)


def _set(annotations: Mapping[str, Any], key: str) -> str | None:
    """KEDA takes any text but false for true."""
    value = annotations.get(key)
    return None if value is None or str(value).lower() == "false" else f"annotation {key}"


def _flag(annotations: Mapping[str, Any], key: str) -> bool:
    value = str(annotations.get(key, "false")).lower()
    if value not in ("true", "false"):
        raise ValueError(_unclear(key, "true or false", value))
    return value == "true"


def _floor(annotations: Mapping[str, Any]) -> int | None:
    value = annotations.get(FORCE_FLOOR)
    if value is None:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,5}", str(value), re.ASCII):
        raise ValueError(_unclear(FORCE_FLOOR, "a count from 1 to 999999", value))
    return int(value)


def _unclear(key: str, expected: str, got: object) -> str:
    return f"annotation {key}: expected {expected}, got {str(got)[:SHOWN]!r}; correct or remove it"
