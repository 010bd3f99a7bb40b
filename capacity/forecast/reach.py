"""How far short events reach: people come before a kick-off and stay after it, whatever the calendar says.

Otherwise what happened around past events would count as the normal shape of the day, and days without an event would
be expected to have its bumps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from capacity.forecast.uplift import LAST, Case, Occurrence, case_of, masked
from capacity.model.arrays import Array, Mask, Places

MINUTE = timedelta(minutes=1)
BEFORE, AFTER = timedelta(hours=2), timedelta(hours=4)  # at most
PART = timedelta(minutes=30)  # judged as one
LONGEST_STEP = timedelta(hours=1)
LONGEST = timedelta(hours=12)  # an event of whole days has its days around told by the calendar
LEAST_CASES = 4  # events of a kind: around fewer, chance alone may look like an effect
LEAST_EFFECT = 0.1  # log units, of the event and of a part
SHARE = 0.4  # of the event's effect: with .3, days of World Cup 98 were forecast a tenth worse
OFTEN = 0.7  # of the events around which the part must have shown the effect


@dataclass(frozen=True, slots=True)
class Reach:
    """By how many steps the events of a kind move sales before their start and after their end."""

    before: int = 0
    after: int = 0

    def note(self, kind: str, step: timedelta) -> str:
        """What a forecast says of it."""
        before, after = (int(steps * step / MINUTE) for steps in (self.before, self.after))
        return f"{kind}: moves sales from {before} min before its start to {after} min after its end"


def with_reach(row: Array, events: Sequence[Occurrence], step: timedelta) -> tuple[list[Occurrence], dict[str, Reach]]:
    """The events of a history (T,) and its horizon, short ones as long as past ones of their kind moved sales.

    A part of half an hour belongs to a kind if most of its events moved it in their own direction, typically by two
    fifths of what they did themselves, and if so did every part between. No event loses its own time: between two, what
    leads to the second is the second's. A coming event whose uplift is given keeps its times.

    >>> hours = np.tile(np.where(np.arange(24) < 8, 5.0, 10.0), 40)
    >>> matches = [Occurrence("", "match", np.arange(at, at + 2), None) for at in range(24 * 20 + 18, 960, 72)]
    >>> for match in matches:
    ...     hours[match.slots[0] - 1 : match.slots[-1] + 2] *= 3
    >>> longer, found = with_reach(hours, matches, timedelta(hours=1))
    >>> found["match"], longer[0].slots - matches[0].slots[0]
    (Reach(before=1, after=1), array([-1,  0,  1,  2]))
    """
    found = dict[str, Reach]()
    for kind in sorted({event.kind for event in events}) if step <= LONGEST_STEP else ():
        own = [event for event in events if event.kind == kind]
        past = [event for event in own if event.slots[0] < len(row)]
        if len(past) >= LEAST_CASES and max(len(event.slots) for event in own) * step <= LONGEST:
            reach = _reach(row, events, past[-LAST:], step)
            if reach != Reach():
                found[kind] = reach
    return _longer(events, found, len(row)), found


def _reach(row: Array, events: Sequence[Occurrence], past: Sequence[Occurrence], step: timedelta) -> Reach:
    """How far the past events of a kind reach."""
    cases = list(_cases(row, events, past, step))
    effect = _typical([_log(case, int(event.slots[0]), int(event.slots[-1]) + 1) for event, case in cases])
    if effect is None or abs(effect) < LEAST_EFFECT:
        return Reach()
    part, before, after = max(1, PART // step), 0, 0
    while before < BEFORE // step and _belongs(
        [_log(case, int(event.slots[0]) - before - part, int(event.slots[0]) - before) for event, case in cases], effect
    ):
        before += part
    while after < AFTER // step and _belongs(
        [
            _log(case, int(event.slots[-1]) + 1 + after, int(event.slots[-1]) + 1 + after + part)
            for event, case in cases
        ],
        effect,
    ):
        after += part
    return Reach(before, after)


def _cases(
    row: Array, events: Sequence[Occurrence], past: Sequence[Occurrence], step: timedelta
) -> Iterator[tuple[Occurrence, Case]]:
    """Each past event with what happened as far around it as it may reach, without the time of others."""
    kind, most, week = past[0].kind, Reach(BEFORE // step, AFTER // step), round(timedelta(weeks=1) / step)
    widest = [replace(event, slots=_around(event, most)) if event.kind == kind else event for event in events]
    normal, taken = masked(row, widest), _slots(events)
    for event in past:
        slots = np.union1d(np.setdiff1d(_around(event, most), taken), event.slots)
        case = case_of(row, normal, replace(event, slots=slots), week)
        if case is not None:
            yield event, case


def _belongs(logs: Sequence[float], effect: float) -> bool:
    """Whether a part with these log factors belongs to events with this one."""
    told, known = _typical(logs), [one for one in logs if np.isfinite(one)]
    if told is None or told * np.sign(effect) < max(LEAST_EFFECT, SHARE * abs(effect)):
        return False
    return bool((np.sign(known) == np.sign(effect)).mean() >= OFTEN)


def _typical(logs: Sequence[float]) -> float | None:
    """The median of enough cases; None of fewer."""
    known = [one for one in logs if np.isfinite(one)]
    return float(np.median(known)) if len(known) >= LEAST_CASES else None


def _log(case: Case, first: int, end: int) -> float:
    """The log factor of a case on some slots; NaN where they are not known."""
    here = (case.slots >= first) & (case.slots < end)
    actual, expected = case.actual[here].sum(), case.expected[here].sum()
    return float(np.log(actual / expected)) if actual > 0 and expected > 0 else float("nan")


def _slots(events: Sequence[Occurrence]) -> Places:
    return np.unique(np.concatenate([event.slots for event in events])) if events else np.zeros(0, dtype=np.intp)


def _around(event: Occurrence, reach: Reach) -> Places:
    """The slots of an event and those it reaches."""
    return np.arange(max(0, int(event.slots[0]) - reach.before), int(event.slots[-1]) + 1 + reach.after)


def _longer(events: Sequence[Occurrence], found: Mapping[str, Reach], known: int) -> list[Occurrence]:
    """The events with what they reach, as far as nobody else has it; `known` slots lie in the past."""
    if not found:
        return list(events)
    last = max(int(event.slots[-1]) for event in events) + max(reach.after for reach in found.values())
    own, led = np.zeros(last + 1, dtype=bool), np.zeros(last + 1, dtype=bool)
    grows = [event.kind in found and (event.uplift is None or event.slots[-1] < known) for event in events]
    for event, grow in zip(events, grows, strict=True):
        own[event.slots] = True
        led[_around(event, replace(found[event.kind], after=0)) if grow else event.slots] = True
    return [
        _grown(event, found[event.kind], own, led) if grow else event for event, grow in zip(events, grows, strict=True)
    ]


def _grown(event: Occurrence, reach: Reach, own: Mask, led: Mask) -> Occurrence:
    """An event with what it reaches: before it what is no event's own time, after it what leads to none either."""
    slots = _around(event, reach)
    early, late = slots[slots < event.slots[0]], slots[slots > event.slots[-1]]
    more = np.concatenate([early[~own[early]], event.slots, late[~led[late]]])
    return replace(event, slots=more, start=event.begins)
