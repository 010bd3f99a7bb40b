"""Values of capacity.yaml as people write them: durations, shares, quantities, time zones."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import BeforeValidator, Field, WithJsonSchema

ASSUMED_LEAD_TIME = timedelta(minutes=5)  # pod scheduled, image pulled, warmed up; AWS assumes the same for an instance
LOCAL_NAMES = {"localtime", "posixrules", "Factory"}  # of the machine, not of a place: DuckDB does not know them
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_duration(value: object) -> timedelta:
    """A duration written as number and unit: s, m (minutes), h, d or w.

    >>> parse_duration("14d"), parse_duration("90s")
    (datetime.timedelta(days=14), datetime.timedelta(seconds=90))
    """
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdwSMHDW])\s*", str(value))
    if match is None:
        raise ValueError(f"expected a duration such as 90s, 5m, 6h, 14d or 2w, got {value!r}")
    try:
        return timedelta(seconds=float(match[1]) * _UNITS[match[2].lower()])
    except OverflowError as error:
        raise ValueError(f"expected a duration of at most 999999999 days, got {value!r}") from error


def parse_share(value: object) -> float:
    """A share written as 10% or 0.1."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", str(value))
    if match is not None:
        return float(match[1]) / 100
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f"expected a share such as 10% or 0.1, got {value!r}")


def _quantity(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"expected a Kubernetes quantity such as 500m or 1Gi, got {value!r}")
    try:
        return parse_quantity(value)
    except ValueError as error:
        raise ValueError(f"expected a Kubernetes quantity such as 500m or 1Gi, got {value!r}") from error


def parse_zone(value: object) -> str:
    """A time zone by its IANA name."""
    if str(value) not in available_timezones() - LOCAL_NAMES:
        raise ValueError(f"expected an IANA time zone such as Europe/London, got {value!r}")
    return str(value)


def _lead_time(value: object) -> object:
    return value if value == "auto" else parse_duration(value)


_TEXT = {"type": "string"}
_DURATION = {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*[smhdwSMHDW]\s*$", "examples": ["5m", "14d"]}
Duration = Annotated[timedelta, BeforeValidator(parse_duration), WithJsonSchema(_DURATION)]
_LEAD_TIME = {"anyOf": [{"const": "auto"}, _DURATION]}
LeadTime = Annotated[timedelta | Literal["auto"], BeforeValidator(_lead_time), WithJsonSchema(_LEAD_TIME)]
Share = Annotated[
    float, BeforeValidator(parse_share), WithJsonSchema({"type": ["string", "number"], "examples": ["10%"]})
]
Quantity = Annotated[
    float, BeforeValidator(_quantity), Field(ge=0), WithJsonSchema({"type": ["string", "number"], "examples": ["500m"]})
]
TimeZone = Annotated[str, BeforeValidator(parse_zone), WithJsonSchema(_TEXT)]


def parse_quantity(text: str | float) -> float:
    """A quantity in its base unit: cores for CPU, bytes for memory.

    >>> parse_quantity("500m"), parse_quantity("1Gi"), parse_quantity(2)
    (0.5, 1073741824.0, 2.0)
    """
    if isinstance(text, int | float):
        return float(text)
    from kubernetes.utils.quantity import parse_quantity as parse  # heavy: imported only where a quantity is text

    return float(parse(text))
