"""Scenarios as people write them on the command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from capacity.model import CapacityError, ConfigError, Event, Scenario

FORMS = "growth=+20%, promotion=2026-11-27/2026-11-28:+50%, lost-zone, cancel=EVENT, or several joined by commas"


def parse_scenario(text: str, timezone: str) -> Scenario:
    """One `--scenario`; times without a zone are on the business's clock. Raises `ConfigError`.

    >>> parse_scenario("growth=+20%", "UTC")
    Scenario(name='growth=+20%', growth=0.2, promotions=(), lost_zone=False, cancelled=())
    """
    growth, lost_zone = 0.0, False
    promotions: list[Event] = []
    cancelled: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = part.partition("=")
        if key == "growth":
            growth = (1 + growth) * (1 + _share(part, value)) - 1
        elif key == "promotion":
            promotions.append(_promotion(part, value, timezone))
        elif part == "lost-zone":
            lost_zone = True
        elif key == "cancel" and value:
            cancelled.append(value)
        else:
            raise ConfigError(f"--scenario: expected {FORMS}, got {part!r}")
    if not text.strip(" ,"):
        raise ConfigError(f"--scenario: expected {FORMS}, got nothing")
    try:
        return Scenario(text, round(growth, 12), tuple(promotions), lost_zone, tuple(cancelled))
    except CapacityError as error:
        raise ConfigError(f"--scenario: {error}") from error


def _share(part: str, value: str) -> float:
    match = re.fullmatch(r"([+-]?\d+(?:\.\d+)?)%", value)
    if match is None:
        raise ConfigError(f"--scenario: expected a change such as +20% or -5%, got {part!r}")
    return float(match[1]) / 100


def _promotion(part: str, value: str, timezone: str) -> Event:
    match = re.fullmatch(r"([^/]+)/(.+):([+-][\d.]+%)", value)
    if match is None:
        raise ConfigError(f"--scenario: expected promotion=START/END:+50%, got {part!r}")
    try:
        start, end = (_moment(moment, timezone) for moment in match.group(1, 2))
        return Event(match[1] + "/" + match[2], start, end, "promotion", 1 + _share(part, match[3]))
    except (ValueError, CapacityError) as error:
        raise ConfigError(f"--scenario: {part}: {error}") from error


def _moment(text: str, timezone: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(timezone))


def parse_scenarios(texts: Sequence[str], timezone: str) -> list[Scenario]:
    """All of them, each once. Raises `ConfigError`."""
    if len(texts) != len(set(texts)):
        raise ConfigError(f"--scenario: expected each once, got {list(texts)}")
    return [parse_scenario(text, timezone) for text in texts]
