"""Values as people write them, in capacity.yaml and in Python: durations, shares, quantities, times and zones."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema, to_jsonable_python

from capacity.model.errors import DataError

STRICT = ConfigDict(extra="forbid")  # of every noun that is a block of capacity.yaml: an unknown key is an error
NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"  # RFC 1123 subdomain: what Kubernetes takes for an object's name
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


def duration_text(duration: timedelta) -> str:
    """The inverse of `parse_duration`, in the largest unit that leaves a whole number.

    >>> duration_text(timedelta(hours=36)), duration_text(timedelta(days=14)), duration_text(timedelta(0))
    ('36h', '14d', '0s')
    """
    seconds = duration.total_seconds()
    units = [unit for unit in ("d", "h", "m") if seconds and seconds % _UNITS[unit] == 0]
    unit = units[0] if units else "s"
    return f"{seconds / _UNITS[unit]:.15g}{unit}"


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


class AutoLeadTime(timedelta):
    """A lead time that nobody has set: learned from the pods where they can be read, five minutes until then."""

    @staticmethod
    def of(lead_time: timedelta) -> AutoLeadTime:
        """The duration that stands for `auto`."""
        return AutoLeadTime(seconds=lead_time.total_seconds())


# pod scheduled, image pulled, warmed up; AWS assumes the same for an instance
ASSUMED_LEAD_TIME = AutoLeadTime(minutes=5)


class AutoLevel(float):
    """A quantile level that nobody has set: `capacity advise` chooses one, until then this one stands."""


ASSUMED_LEVEL = AutoLevel(0.95)


@dataclass(frozen=True, slots=True)
class WrittenAs:
    """Says of a field that capacity.yaml writes its value in another form, and how the value is built from that."""

    form: Any
    build: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The schema of the form, and the function from it to the value."""
        return core_schema.no_info_after_validator_function(
            self.build,
            handler.generate_schema(self.form),
            serialization=core_schema.plain_serializer_function_ser_schema(_plain),
        )


def _plain(value: Any) -> Any:
    return to_jsonable_python(asdict(value) if hasattr(value, "__dataclass_fields__") else value)


def _lead_time(value: object) -> timedelta:
    return ASSUMED_LEAD_TIME if value == "auto" else parse_duration(value)


def _as_written(value: timedelta) -> str:
    return "auto" if isinstance(value, AutoLeadTime) else duration_text(value)


_TEXT = {"type": "string"}
_DURATION = {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*[smhdwSMHDW]\s*$", "examples": ["5m", "14d"]}
Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(duration_text, when_used="json"),
    WithJsonSchema(_DURATION),
]
_LEAD_TIME = {"anyOf": [{"const": "auto"}, _DURATION]}
LeadTime = Annotated[
    timedelta, BeforeValidator(_lead_time), WithJsonSchema(_LEAD_TIME), PlainSerializer(_as_written, when_used="json")
]
Share = Annotated[
    float, BeforeValidator(parse_share), WithJsonSchema({"type": ["string", "number"], "examples": ["10%"]})
]
Quantity = Annotated[
    float, BeforeValidator(_quantity), Field(ge=0), WithJsonSchema({"type": ["string", "number"], "examples": ["500m"]})
]
TimeZone = Annotated[str, BeforeValidator(parse_zone), WithJsonSchema(_TEXT)]


def keys_of(noun: type) -> set[str]:
    """The keys that a noun has in capacity.yaml: its fields, under their alias where they have one."""
    found = set()
    for name, hint in get_type_hints(noun, include_extras=True).items():
        aliases = [one.alias for one in getattr(hint, "__metadata__", ()) if isinstance(one, FieldInfo) and one.alias]
        found.add(aliases[0] if aliases else name)
    return found


_EXPONENTS = {"n": -3, "u": -2, "m": -1, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}


def parse_quantity(text: object) -> float:
    """A quantity in its base unit: cores for CPU, bytes for memory.

    The rule is that of the official client, which the controller would otherwise have to load; a test compares them.
    Raises `ValueError` where the text is no quantity.

    >>> parse_quantity("500m"), parse_quantity("1Gi"), parse_quantity(2)
    (0.5, 1073741824.0, 2.0)
    """
    if isinstance(text, int | float):
        return float(text)
    if not isinstance(text, str):
        raise ValueError(f"expected a quantity such as 500m or 1Gi, got {text!r}")
    binary = text.endswith("i") and text[-2:-1] in set(_EXPONENTS) - {"k"}
    suffix = text[-2:] if binary else text[-1:] if text[-1:] in _EXPONENTS else ""
    try:
        number = Decimal(text.removesuffix(suffix))
    except InvalidOperation as error:
        raise ValueError(f"expected a quantity such as 500m or 1Gi, got {text!r}") from error
    base = 1024 if binary else 1000
    return float(number * Decimal(base) ** _EXPONENTS.get(suffix[:1], 0))


DATE = r"\d{4}-\d{2}-\d{2}"


def settle(noun: object, where: str, read: Callable[[str, Any], Any], *names: str) -> None:
    """Turn fields that were given as text into values, while a frozen noun is being built. Raises `DataError`."""
    for name in names:
        value = getattr(noun, name)
        if isinstance(value, str):
            object.__setattr__(noun, name, read(f"{where}: {name}", value))


def quantity(where: str, value: Any) -> float:
    """Cores or bytes from a Kubernetes quantity.

    >>> quantity("replica: cpu_request", "500m")
    0.5
    """
    try:
        return parse_quantity(value)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error


def duration(where: str, value: Any) -> timedelta:
    """A duration from text.

    >>> duration("lead_time", "5m")
    datetime.timedelta(seconds=300)
    """
    try:
        return parse_duration(value)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error


def moment(where: str, value: Any, timezone: str = "UTC", *, end: bool = False) -> Any:
    """A time with a zone, from a date or a time with or without one; a date alone as an `end` is the end of that day.

    >>> moment("start", "2026-11-27", "Europe/Berlin").isoformat(), moment("end", "2026-11-27", end=True).isoformat()
    ('2026-11-27T00:00:00+01:00', '2026-11-28T00:00:00+00:00')
    """
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        value = value.isoformat()
    try:
        read = datetime.fromisoformat(str(value).strip())
        zone = UTC if timezone == "UTC" else ZoneInfo(timezone)
    except (ValueError, ZoneInfoNotFoundError) as error:
        expected = "expected a date or time such as 2026-11-27 or 2026-11-27T18:00"
        raise DataError(f"{where}: {expected}, got {value!r} in {timezone}") from error
    if end and re.fullmatch(DATE, str(value).strip()):
        read += timedelta(days=1)
    return read if read.tzinfo is not None else read.replace(tzinfo=zone)


def rfc3339(moment: datetime) -> str:
    """A time as RFC 3339 in UTC, with microseconds only where there are any.

    >>> rfc3339(datetime(2026, 11, 27, 18, tzinfo=UTC))
    '2026-11-27T18:00:00Z'
    """
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """The inverse of `rfc3339`; a time without zone is refused."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"expected a time with a zone such as 2026-11-27T18:00:00Z, got {text!r}")
    return moment.astimezone(UTC)


def time_or_none(text: object) -> datetime | None:
    """A time as the API server and our annotations write it, in UTC; None where there is none, or none with a zone.

    >>> time_or_none("2026-11-27T18:00:00Z"), time_or_none(None)
    (datetime.datetime(2026, 11, 27, 18, 0, tzinfo=datetime.timezone.utc), None)
    """
    try:
        return parse_time(str(text))
    except (ValueError, OverflowError):  # the latter: the first day of the calendar, from a zone east of UTC
        return None


class Settings(BaseModel):
    """A block of capacity.yaml: unknown keys are errors, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
