"""Annotations by which people steer one object. Anybody may write them: each is checked, and doubt holds the floor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from capacity.domain import Wishes
from capacity.edge.planfile import parse_time

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
        )
    except ValueError as error:
        return Wishes(unclear=str(error))


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
