"""Annotations on a Deployment or StatefulSet whose pods are resized: its baseline, our record, and when it expires."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from capacity.model.fields import parse_time, rfc3339
from capacity.model.pod_observation import Kept, Resources, SizeMemory
from capacity.model.pod_size import RESOURCES

SIZE_BASELINE = "capacity/size-baseline"  # requests and limits of the template at our first touch, as JSON
SIZE_EXPIRES = "capacity/size-expires"  # when nobody renews the sizes by then, any pass gives them back
SIZE_STATE = "capacity/size-state"  # what passes remember, as JSON
SIZE_NOTES = (SIZE_BASELINE, SIZE_EXPIRES, SIZE_STATE)
LARGEST = 65536  # characters of an annotation that we read
NOTHING = SizeMemory()


def size_baseline(template: Mapping[str, Resources], now: datetime) -> str:
    """The baseline as an annotation: for people, since a restore returns what the template says then."""
    sizes = {name: {"requests": dict(one.requests), "limits": dict(one.limits)} for name, one in template.items()}
    return json.dumps({"containers": sizes, "noted": rfc3339(now)}, separators=(",", ":"))


def size_state(memory: SizeMemory) -> str:
    """What passes remember, as an annotation; what is not known is left out."""
    note: dict[str, Any] = {
        "moved": None if memory.moved_at is None else rfc3339(memory.moved_at),
        "held_since": None if memory.held_since is None else rfc3339(memory.held_since),
        "safe": {"/".join(key): amount for key, amount in memory.safe.items()},
        "used": {name: [[rfc3339(one.since), one.used] for one in kept] for name, kept in memory.used.items()},
        "rooms": {pod: [uid, dict(room)] for pod, (uid, room) in memory.rooms.items()},
        "unsupported": dict(memory.unsupported),
        "told": dict(memory.told),
    }
    return json.dumps({key: value for key, value in note.items() if value}, separators=(",", ":"))


def read_size_state(text: Any) -> SizeMemory:
    """The inverse of `size_state`; others may have written into it, and what cannot be read is as good as nothing."""
    try:
        note = json.loads(str(text)[:LARGEST]) if text is not None else {}
        return SizeMemory(
            moved_at=_moment(note.get("moved")),
            held_since=_moment(note.get("held_since")),
            safe={_key(key): _amount(amount) for key, amount in note.get("safe", {}).items()},
            used={
                str(name): tuple(Kept(parse_time(at), _amount(used)) for at, used in kept)
                for name, kept in note.get("used", {}).items()
            },
            rooms={str(pod): (str(uid), _room(room)) for pod, (uid, room) in note.get("rooms", {}).items()},
            unsupported={str(pod): str(node) for pod, node in note.get("unsupported", {}).items()},
            told={str(pod): str(told) for pod, told in note.get("told", {}).items()},
        )
    except (ValueError, TypeError, AttributeError, RecursionError):
        return NOTHING


def size_expiry(annotations: Mapping[str, Any]) -> datetime | None:
    """When the sizes are given back unless somebody renews them; None where that cannot be read."""
    text = annotations.get(SIZE_EXPIRES)
    try:
        return None if text is None else parse_time(str(text)[:64])
    except ValueError:
        return None


def _moment(text: Any) -> datetime | None:
    return None if text is None else parse_time(str(text))


def _key(text: str) -> Any:
    container, _, resource = text.rpartition("/")
    if resource not in RESOURCES:
        raise ValueError(f"resource {resource!r}")
    return container, resource


def _room(room: Mapping[str, Any]) -> Any:
    return {name: _amount(amount) for name, amount in room.items() if name in RESOURCES}


def _amount(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**62:
        raise ValueError(f"amount {value!r}")
    return value
