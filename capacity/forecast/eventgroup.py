"""Events as a conformal group of their own: what past events missed widens coming ones, ordinary days do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capacity.forecast.uplift import Effect, Occurrence, combined, coming_effect, spread_out
from capacity.model.arrays import Array, Places
from capacity.stats import ordered_quantiles

ENOUGH = 5  # events of a kind from which it is a group of its own
TRUST = 5.0  # events' worth of a log-normal spread that their own quantiles start from


@dataclass(frozen=True, slots=True)
class EventsAhead:
    """Coming events on the slots of a horizon: their factor and spread there, and the effects these come from."""

    slots: Places  # (H,)
    coming: tuple[Occurrence, ...]
    effects: dict[str, Effect]
    factor: Array  # (H,)
    spread: Array  # (H,)


def events_ahead(slots: Places, coming: Sequence[Occurrence], effects: dict[str, Effect]) -> EventsAhead:
    """What coming events do to a horizon."""
    factor, spread = coming_effect(slots, coming, effects)
    return EventsAhead(slots, tuple(coming), effects, factor, spread)


def widen_events(point: Array, quantiles: Array, levels: tuple[float, ...], ahead: EventsAhead) -> Array:
    """Quantiles (H, Q) widened on the slots of coming events, each kind by its own misses, by all kinds' where few."""
    every = np.concatenate([effect.misses for effect in ahead.effects.values()]) if ahead.effects else np.zeros(0)
    left = np.ones(len(point), dtype=bool)
    for kind in dict.fromkeys(event.kind for event in ahead.coming):
        taken = np.concatenate([event.slots for event in ahead.coming if event.kind == kind])
        here = np.isin(ahead.slots, taken) & left
        own = ahead.effects[kind].misses if kind in ahead.effects else every
        quantiles = widened(point, quantiles, levels, ahead.spread * here, own if len(own) >= ENOUGH else every)
        left &= ~here
    return quantiles


def widened(point: Array, quantiles: Array, levels: tuple[float, ...], spread: Array, misses: Array) -> Array:
    """Quantiles (H, Q) around the point (H,), widened where `spread` (H,) is not 0 by what events missed.

    `misses` are log factors of past events that the others did not foretell. Of n, the quantile at level
    p is the one at p (n + 1) / n; with few of them the log-normal spread keeps its say.

    >>> ten = np.full((1, 2), 10.0)
    >>> widened(ten[0, :1], ten, (0.5, 0.95), np.array([0.3]), np.linspace(-1, 1, 30)).round(1)
    array([[10. , 24.9]])
    """
    usual = spread_out(point, quantiles, levels, spread)
    if not len(misses) or not spread.any():
        return usual
    wanted = np.clip((np.asarray(levels) - 0.5) * (len(misses) + 1) / len(misses) + 0.5, 0.0, 1.0)
    few = 1.0 + 2.0 / max(len(misses), 2)  # as for the windows of ordinary steps
    extra = few * point[:, None] * np.expm1(np.quantile(misses - np.median(misses), wanted))  # (H, Q)
    own = combined(point, quantiles, levels, np.where(spread[:, None] > 0, extra, 0.0))
    say = len(misses) / (len(misses) + TRUST)
    mixed = np.where(spread[:, None] > 0, say * own + (1 - say) * usual, usual)
    return ordered_quantiles(mixed)
