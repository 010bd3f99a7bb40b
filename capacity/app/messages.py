"""Tells people of breaches and plans, in Slack, in Teams and by e-mail, and remembers what was told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

from capacity.files import write_text
from capacity.model import CapacityError, DataError

if TYPE_CHECKING:
    from capacity.model import Plan
    from capacity.model.settings.monitoring import MessageSettings
    from capacity.monitoring import Condition, Scope

HOUR = timedelta(hours=1)


class Keeper(Protocol):
    """Where JSON values outlive this process."""

    def load(self) -> object:
        """What is kept; None: nothing."""

    def save(self, document: object) -> None:
        """Keep this in the place of what was."""


@dataclass(frozen=True, slots=True)
class FileKeeper:
    """A file beside the configuration, written whole."""

    path: Path

    def load(self) -> object:
        """The JSON values of the file; None where it is absent or cut."""
        try:
            return json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def save(self, document: object) -> None:
        """Write the file. Raises `DataError`."""
        try:
            write_text(self.path, json.dumps(document))
        except OSError as error:
            raise DataError(f"{self.path}: cannot be written: {error.strerror or error}") from error


def tell_breaches(
    settings: MessageSettings,
    keeper: Keeper | None,
    conditions: Sequence[Condition],
    scope: Scope,
    now: datetime,
) -> list[str]:
    """Tell what is due, and remember it; returns what stood in the way, one line each.

    Without a keeper every breach that holds is told. What nobody could be sent is due again.
    """
    from capacity.monitoring.messages import Manner, due_messages, memory_document, read_memory, send

    try:
        known = {} if keeper is None else read_memory(keeper.load())
    except CapacityError as error:
        return [f"messages not sent: what was told is not known: {error}"]
    manner = Manner(settings.least == "critical", settings.repeat)
    messages, kept = due_messages(conditions, scope, known, now, manner)
    warnings = list(send(settings, messages))
    if keeper is None or kept == known or (messages and len(warnings) == len(settings.receivers)):
        return warnings
    try:
        keeper.save(memory_document(kept))
    except CapacityError as error:
        warnings.append(f"messages sent, not remembered: {error}")
    return warnings


def tell_plan(settings: MessageSettings, plan: Plan, timezone: str) -> list[str]:
    """Tell the plan if it was made in the hour that begins at `settings.plans`; returns what stood in the way."""
    from capacity.monitoring.messages import plan_message, send

    zone = ZoneInfo(timezone)
    if settings.plans is None or not is_time_of(settings.plans, plan.created.astimezone(zone)):
        return []
    return list(send(settings, [plan_message(plan, zone)]))


def is_time_of(hour: time, local: datetime) -> bool:
    """Whether a local time lies within the hour that begins at a time of day.

    >>> [is_time_of(time(23, 30), datetime(2026, 11, 27, *at)) for at in ((23, 29), (23, 30), (0, 29), (0, 30))]
    [False, True, True, False]
    """
    begun = datetime.combine(local.date(), hour, local.tzinfo)
    return any(timedelta(0) <= local - (begun - timedelta(days=days)) < HOUR for days in (0, 1))
