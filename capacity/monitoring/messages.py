"""Which breaches are due to be told to people, and the words of a breach and of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from capacity.monitoring.conditions import CONDITIONS, Condition, Correlation, Scope

if TYPE_CHECKING:
    from capacity.model import Plan, WorkloadPlan

MOST = 10  # workloads of a plan that are named


@dataclass(frozen=True, slots=True)
class Message:
    """A title and a few lines, for people; `link` is where to read on."""

    title: str
    text: str
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """Since when a breach is known, and when it was last told; None: not yet."""

    since: datetime
    at: datetime | None = None


Memory = Mapping[str, Told]  # by correlation


@dataclass(frozen=True, slots=True)
class Manner:
    """How breaches are told: from which severity on, and after what time again."""

    critical_only: bool = False
    repeat: timedelta = timedelta(hours=4)

    def wants(self, condition: Condition) -> bool:
        """Whether a breach of this severity is told at all."""
        return not self.critical_only or condition.kind.severity == "critical"


def due_messages(
    conditions: Sequence[Condition], scope: Scope, known: Memory, now: datetime, manner: Manner
) -> tuple[list[Message], dict[str, Told]]:
    """What is to be told now, and what will then be known.

    A breach is told once it has lasted as long as its kind asks for, again after `manner.repeat`, and when it is over.
    What lies outside the scope of this job stays as it is known.

    >>> from datetime import UTC
    >>> now, stale = datetime(2026, 11, 27, tzinfo=UTC), Condition("PlanStale", "shop", "no plan")
    >>> told, known = due_messages([stale], Scope("pass", {"shop"}), {}, now, Manner())
    >>> [one.title for one in told], list(known)
    (['[critical] shop: the plan has ended and there is no new one'], ['capacity/PlanStale/shop'])
    >>> due_messages([stale], Scope("pass", {"shop"}), known, now, Manner())[0]
    []
    >>> over, known = due_messages([], Scope("pass", {"shop"}), known, now, Manner())
    >>> over[0].title, known
    ('[resolved] shop: the plan has ended and there is no new one', {})
    """
    holding = {one.correlation: one for one in conditions if manner.wants(one)}
    kept = {name: told for name, told in known.items() if name in holding or not scope.covers(name)}
    over = [_over(name) for name, told in known.items() if name not in kept and told.at is not None]
    messages = [message for message in over if message is not None]
    for name, condition in holding.items():
        told = kept.get(name, Told(now))
        if _due(told, condition, now, manner):
            messages.append(_breach(condition))
            told = Told(told.since, now)
        kept[name] = told
    return messages, kept


def _due(told: Told, condition: Condition, now: datetime, manner: Manner) -> bool:
    if told.at is None:
        return now - told.since >= condition.kind.patience
    return now - told.at >= manner.repeat


def _breach(condition: Condition) -> Message:
    """A message with a link to the runbook; where no address was configured, it names the file."""
    text = f"{condition.detail}\nWhat happens by itself: {condition.kind.remediation}."
    title, published = f"[{condition.kind.severity}] {condition.title}", "://" in condition.runbook
    if published:
        return Message(title, text, condition.runbook)
    return Message(title, f"{text}\nRunbook: {condition.runbook}")


def _over(name: str) -> Message | None:
    ours = Correlation.parse(name)
    if ours is None or ours.name not in CONDITIONS:
        return None
    title = Condition(ours.name, ours.subject, "").title
    return Message(f"[resolved] {title}", "The condition is over.")


def plan_message(plan: Plan, zone: tzinfo) -> Message:
    """The peaks of a plan, the highest first, in the times of a zone."""
    highest = sorted(plan.workloads, key=lambda one: one.peak.replicas, reverse=True)
    more = len(highest) - MOST
    until = plan.valid_until.astimezone(zone)
    count = f"{len(highest)} workload{'' if len(highest) == 1 else 's'}"
    lines = [*_peaks(highest[:MOST], plan.created, zone), *([f"and {more} more"] if more > 0 else [])]
    return Message(f"Plan of {count}, valid until {until:%a %d %b %H:%M}", "\n".join(lines))


def _peaks(plans: Sequence[WorkloadPlan], now: datetime, zone: tzinfo) -> Iterator[str]:
    for plan in plans:
        asked = plan.floor_between(now, now)
        today = "" if asked is None else f", {asked} now"
        at = plan.peak.at.astimezone(zone)
        yield f"{plan.label}: {plan.peak.replicas} replicas at the peak, {at:%a %d %b %H:%M}{today}"


def memory_document(known: Memory) -> dict[str, list[str | None]]:
    """What is known as JSON values: by correlation, since when and when it was told."""
    return {
        name: [told.since.isoformat(), None if told.at is None else told.at.isoformat()] for name, told in known.items()
    }


def read_memory(document: object) -> dict[str, Told]:
    """What is known, of JSON values that others may have changed: what cannot be read is not known.

    >>> found = read_memory({"capacity/PlanStale/shop": ["2026-11-27T00:00:00+00:00", None], "x": "y"})
    >>> {name: (str(told.since), told.at) for name, told in found.items()}
    {'capacity/PlanStale/shop': ('2026-11-27 00:00:00+00:00', None)}
    """
    found = {}
    for name, value in document.items() if isinstance(document, dict) else ():
        try:
            since, at = value
            told = Told(_time(since), None if at is None else _time(at))
        except (TypeError, ValueError):
            continue
        found[str(name)] = told
    return found


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("expected a time with a zone")
    return found
