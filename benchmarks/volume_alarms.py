"""Alarms that a volume fills up: ours beside the usual rule on `predict_linear`, on stores that are cleaned up.

The rule is KubePersistentVolumeFillingUp of the kubernetes-mixin: less than 15 % is left, and the line through the last
six hours ends below zero in four days, for an hour. Ours fires where the store is full within four days in half of the
futures, or 98 % is in use. An alarm is false if the store is not full eight days after it began; a store that gets
full is missed if no alarm stood in the four days before, up to two hours before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.datasets import find
from capacity.forecast.fill import fill_paths
from capacity.model.arrays import Array, Mask

HOUR, GIB = timedelta(hours=1), 2.0**30
WEEK, DAY = 168, 24
AHEAD, LOOK = 4 * DAY, 6  # hours: of the rule's `[6h], 4 * 24 * 3600`
LEFT = 0.15
ALMOST = 0.98  # in use: full for all that an alarm is for
EVERY = 6  # hours between two looks of ours; the rule looks every hour
BEGIN = 4 * WEEK  # hours of history before either is judged
TOO_LATE = 2  # hours before the store is full
QUIET = DAY  # hours without an alarm after which the next one is a new one
PUBLIC = {  # what is stored: one row of so many bytes per event, with a table that is always there
    "orders": ("online_retail/hourly_sales.csv.gz", "orders", 60_000.0),
    "rentals": ("bike_sharing/hourly_rentals.csv.gz", "users", 8_000.0),
    "requests": ("worldcup98/requests_per_minute.csv.gz", "requests", 100.0),
}


@dataclass(frozen=True, slots=True)
class Store:
    """Bytes in use by the hour, and the bytes there are."""

    name: str
    used: Array
    capacity: float

    @property
    def full(self) -> int | None:
        """The hour at which it is full; None where it never is."""
        reached = np.flatnonzero(self.used >= self.capacity)
        return int(reached[0]) if len(reached) else None


def stored(writes: Array, every: int, keep: float, base: float, skipped: tuple[int, ...] = ()) -> Array:
    """Bytes in use by the hour: what was written, less what each cleanup removes; `keep` is the share it leaves."""
    used, kept, number = np.empty(len(writes)), 0.0, 0
    for hour, written in enumerate(writes.tolist()):
        kept += written
        if hour and hour % every == 0:
            kept *= 1.0 if number in skipped else keep
            number += 1
        used[hour] = base + kept
    return used


def generated(seed: int) -> Iterator[Store]:
    """Stores of twenty weeks: with room, filling slowly, with growth, with a cleanup that fails, with a runaway log."""
    random, hours = np.random.default_rng(seed), 20 * WEEK
    hour = np.arange(hours)
    day = 1 + 0.5 * np.sin(2 * np.pi * (hour % DAY - 8) / DAY)
    noise = random.gamma(4, 1 / 4, hours) * np.repeat(np.exp(0.2 * random.standard_normal(hours // DAY)), DAY)
    writes = 0.1 * GIB * day * np.where(hour // DAY % 7 >= 5, 0.6, 1.0) * noise
    for every, name in ((WEEK, "weekly"), (DAY, "daily"), (2 * WEEK, "fortnightly")):
        for room in (1.03, 1.1, 1.25):
            used = stored(writes, every, 0.2, 20 * GIB)
            yield Store(f"{name}, {room:g} of its peak", used, room * used.max())
    growing = stored(writes * np.exp(0.05 * hour / WEEK), WEEK, 0.3, 20 * GIB)
    yield Store("weekly, growing", growing, float(np.quantile(growing, 0.97)))
    kept = stored(writes, WEEK, 0.75, 20 * GIB) + 0.15 * np.cumsum(writes)
    yield Store("weekly, part is kept", kept, float(kept[: 17 * WEEK].max()))
    yield Store("no cleanup", np.cumsum(writes), float(np.cumsum(writes)[17 * WEEK]))
    failing = stored(writes, WEEK, 0.2, 20 * GIB, tuple(range(14, 20)))
    yield Store("cleanups stop", failing, float(failing[: 14 * WEEK].max() + 4 * WEEK / 7 * writes.mean()))
    sudden = stored(writes * np.where((hour > 16.4 * WEEK), 6.0, 1.0), WEEK, 0.2, 20 * GIB)
    yield Store("a runaway writer", sudden, 1.5 * float(sudden[: 16 * WEEK].max()))
    doubled = stored(writes * np.where((hour > 14.4 * WEEK), 2.0, 1.0), WEEK, 0.2, 20 * GIB)
    yield Store("writes double", doubled, 1.02 * float(np.quantile(doubled[15 * WEEK :], 0.9)))


def public(data: Path) -> Iterator[Store]:
    """Stores of public events: all rows kept for good, or a week's rows removed every week."""
    for name, (path, column, size) in PUBLIC.items():
        file = find(data, path, f"volume alarms of {name}")
        if file is None:
            continue
        frame = pd.read_csv(file)
        at = pd.to_datetime(frame.iloc[:, 0])
        events = pd.Series(frame[column].to_numpy(dtype=float), at).resample("1h").sum().to_numpy(dtype=float)
        writes = np.nan_to_num(events)[: 40 * WEEK] * size
        kept = np.cumsum(writes)
        yield Store(f"{name}, all kept", kept, float(kept[round(0.9 * len(kept))]))
        for every, what in ((WEEK, "weekly"), (2 * WEEK, "fortnightly")):
            used = stored(writes, every, 0.1, 0.2 * float(kept.max()))
            for room in (0.9, 1.03, 1.15):
                yield Store(f"{name}, {what}, {room:g} of its peak", used, room * float(used.max()))


def linear_alarms(store: Store, end: int, left: float = LEFT) -> Mask:
    """Where the rule on `predict_linear` fires, hour by hour, from its look at the values up to each hour."""
    slots = np.arange(LOOK + 1) - LOOK
    windows = np.lib.stride_tricks.sliding_window_view(store.used[:end], LOOK + 1)
    slope = (
        (windows - windows.mean(axis=1, keepdims=True)) @ (slots - slots.mean()) / ((slots - slots.mean()) ** 2).sum()
    )
    ahead = windows.mean(axis=1) + slope * (AHEAD - slots.mean())
    low = (1 - windows[:, -1] / store.capacity < left) & (ahead > store.capacity)
    fires = np.zeros(end, dtype=bool)
    fires[LOOK:] = low
    fires[1:] &= fires[:-1].copy()
    return fires


def our_alarms(store: Store, end: int) -> Mask:
    """Where ours fires: at each look, held until the next."""
    fires = np.zeros(end, dtype=bool)
    for hour in range(BEGIN, end, EVERY):
        paths = fill_paths(store.used[: hour + 1], HOUR, AHEAD, random=np.random.default_rng(hour))
        fires[hour : hour + EVERY] = paths.chance(store.capacity, AHEAD * HOUR) >= 0.5
    fires[BEGIN:] |= store.used[BEGIN:end] >= ALMOST * store.capacity
    return fires


def judged(store: Store, fires: Mask) -> tuple[int, int]:
    """False alarms, and whether the store's getting full was missed."""
    full, end = store.full, len(fires)
    on = np.flatnonzero(fires[BEGIN:]) + BEGIN
    begins = on[np.concatenate([[True], np.diff(on) > QUIET])] if len(on) else on
    last = end if full is None else full
    false = sum(1 for hour in begins.tolist() if last - hour > 2 * AHEAD)
    missed = 0 if full is None else int(not fires[max(BEGIN, full - AHEAD) : full - TOO_LATE + 1].any())
    return false, missed


def volume_figures(data: Path, quick: bool) -> dict[str, Any]:
    """Stores, how many get full, false and missed alarms of both; and of the rule without its 15 %."""
    stores = [*generated(11), *([] if quick else [*generated(12), *generated(13)]), *public(data)]
    stores = [one for one in stores if one.full is None or one.full > BEGIN + 2 * AHEAD]
    totals = dict.fromkeys(
        (
            "volume_false_alarms",
            "volume_missed",
            "volume_false_alarms_predict_linear",
            "volume_missed_predict_linear",
            "volume_false_alarms_predict_linear_alone",
        ),
        0,
    )
    for store in stores:
        end = len(store.used) if store.full is None else store.full + 1
        ours, rule, alone = (
            judged(store, one)
            for one in (our_alarms(store, end), linear_alarms(store, end), linear_alarms(store, end, 1.0))
        )
        for name, value in zip(totals, (*ours, *rule, alone[0]), strict=True):
            totals[name] += value
    return {"volumes": len(stores), "volumes_full": sum(one.full is not None for one in stores), **totals}
