"""From the usage of volumes to the sizes that their claims ask for, ahead of the need."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import ceil

import numpy as np
import pandas as pd

from capacity.forecast.fill import DAY, HOUR, Driver, FillPaths, fill_paths
from capacity.model import DataError, Forecast, Workload, require
from capacity.model.arrays import Array
from capacity.model.volume import GIB, DaysLeft, Shortage, SizeStep, VolumePlan, VolumeRules
from capacity.stats import normal_quantiles

Key = tuple[str, str]  # namespace and name of a claim
FEWEST_DAYS = timedelta(days=45)  # that a plan looks ahead; further where sizes are to last longer
STALE = timedelta(days=1)  # and three steps: usage that ended before says nothing of now
LEAST_CAPACITY = 2**20  # bytes: no volume is smaller, so a smaller number is not in bytes
LEAST_USED = 4096  # bytes: one block of a file system; less is in another unit
OVERFULL = 1.05  # of the capacity: more in use is another unit
SHRUNK = 0.95  # of the capacity before: less is a new claim under the same name
MARGIN = HOUR  # before the need: the planner runs once an hour
MOST_STEPS = 64
EARLY, MIDDLE, LATE = 0.05, 0.5, 0.95


@dataclass(frozen=True, slots=True)
class FillCurve:
    """What a picture shows of a plan: the usage that was seen, and quantiles of each coming step, in bytes."""

    seen: pd.Series
    ahead: pd.DataFrame  # columns: quantile levels
    highest: pd.Series  # the quantile of the maximum that is planned for


@dataclass(frozen=True, slots=True)
class VolumeContext:
    """What volumes are planned with beside their usage: the time, and sales with their forecast, by group and day."""

    now: datetime
    sales: Mapping[str | None, pd.Series] = field(default_factory=dict)
    forecasts: Mapping[str | None, Forecast] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlannedVolumes:
    """The plans of claims by workload, and why a claim or a rule has none."""

    plans: Mapping[Key, tuple[VolumePlan, ...]] = field(default_factory=dict)
    failures: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)


def plan_volumes(
    workloads: Sequence[Workload], usage: Mapping[Key, pd.DataFrame], context: VolumeContext
) -> PlannedVolumes:
    """Plan every claim that the workloads name, each for itself; one that cannot be planned never stops the others.

    `usage` has a table for each claim, as `plan_volume` wants it.
    """
    plans: dict[Key, list[VolumePlan]] = {}
    failures: dict[Key, list[str]] = {}
    for workload in workloads:
        for rules in workload.volumes:
            names = [name for namespace, name in usage if _is_of(workload, rules, namespace, name)]
            if not names:
                what = rules.claim or f"{rules.template}-{workload.name}-N"
                failures.setdefault(workload.key, []).append(f"no usage of claim {what}: is it mounted and measured?")
            for name in sorted(names):
                table = usage[workload.namespace, name]
                try:
                    driver = _driver(workload.group, table, context)
                    plans.setdefault(workload.key, []).append(
                        plan_volume(rules, name, table, context.now, driver=driver)
                    )
                except DataError as error:
                    failures.setdefault(workload.key, []).append(f"claim {name}: {error}")
    made = {key: tuple(found) for key, found in plans.items()}
    return PlannedVolumes(made, {key: tuple(found) for key, found in failures.items()})


def look_ahead(workloads: Sequence[Workload]) -> timedelta:
    """How far the plans of these workloads' volumes look."""
    asked = [rules.lasts * 2 + rules.lead_time for one in workloads for rules in one.volumes]
    return max([FEWEST_DAYS, *asked])


def _is_of(workload: Workload, rules: VolumeRules, namespace: str, name: str) -> bool:
    return namespace == workload.namespace and rules.matches(name, workload.name)


def plan_volume(
    rules: VolumeRules, claim: str, usage: pd.DataFrame, now: datetime, *, driver: pd.DataFrame | None = None
) -> VolumePlan:
    """The sizes of one claim over the coming weeks.

    Parameters
    ----------
    rules : VolumeRules
        What is asked for.
    claim : str
        Name of the claim.
    usage : DataFrame
        Regular UTC index; columns `used` and `capacity` in bytes, and where known `inodes_used`, `inodes` and `size`
        (bytes that the claim asks for). NaN for gaps.
    now : datetime
        When the plan is made, with a time zone.
    driver : DataFrame or None
        Sales per step of `usage` and of the steps ahead, with their log deviation: columns `sales` and `spread`.
        Default none: writes are forecast by themselves.

    Returns
    -------
    VolumePlan
        Its steps keep the share in use under the target with the stated probability.

    Raises
    ------
    DataError
        The usage is too short or too old, or contradicts itself, as it does in another unit.

    Examples
    --------
    >>> index = pd.date_range("2026-11-01", periods=500, freq="h", tz="UTC")
    >>> usage = pd.DataFrame({"used": GIB * (2 + 0.01 * np.arange(500)), "capacity": 10.0 * GIB}, index)
    >>> plan = plan_volume(VolumeRules("data"), "data", usage, index[-1].to_pydatetime() + HOUR)
    >>> round(plan.until_target.middle, 1), plan.steps[0].size // GIB
    (4.2, 15)
    """
    table = _by_the_hour(_of_this_claim(usage, now))
    step = table.index[1] - table.index[0]
    horizon = ceil(max(FEWEST_DAYS, rules.lasts * 2 + rules.lead_time) / step)
    capacity, used = float(table["capacity"].iloc[-1]), float(table["used"].dropna().iloc[-1])
    random = np.random.default_rng(zlib.crc32(claim.encode()))
    begin = table.index[-1] + step
    paths = fill_paths(
        table["used"].to_numpy(dtype=np.float64),
        step.to_pytimedelta(),
        horizon,
        random=random,
        driver=_aligned(driver, table, horizon),
    )
    inodes = _inode_paths(table, horizon, random)
    size = _size(table, capacity)
    bounds = _Bounds(rules, capacity, size / capacity, begin.to_pydatetime(), step.to_pytimedelta())
    need = paths.highest(rules.probability)
    if inodes is not None:
        need = np.maximum(need, inodes.highest(rules.probability) * capacity)
    steps, short_by = bounds.steps(need, size, now)
    target, full = (_left(paths, inodes, share * capacity, share) for share in (rules.target, 1.0))
    return VolumePlan(
        claim=claim,
        start=now,
        until=(begin + horizon * step).to_pydatetime(),
        size=size,
        capacity=round(capacity),
        used=round(used),
        steps=steps,
        until_target=target,
        until_full=full,
        target=rules.target,
        probability=rules.probability,
        cooldown=rules.cooldown,
        lead_time=rules.lead_time,
        binding="inodes" if _inodes_bind(paths, inodes, capacity) else "bytes",
        short_by=short_by,
        per_sale=paths.per_sale,
        notes=paths.notes,
        curve=_curve(table, paths, need, rules),
    )


def _of_this_claim(usage: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """The rows of the claim as it is now: those before it was created again are another volume's."""
    seen = usage.dropna(subset=["used", "capacity"])
    require(len(seen) >= 2, "usage: expected at least two measurements with used and capacity, got {}", len(seen))
    step = usage.index[1] - usage.index[0]
    age = now - (seen.index[-1] + step).to_pydatetime()
    require(age <= max(STALE, 3 * step), "usage: expected it up to now, it ended {} ago", str(age).split(".")[0])
    capacity = seen["capacity"].to_numpy(dtype=np.float64)
    require(
        capacity[-1] >= LEAST_CAPACITY, "usage: expected a capacity in bytes, got {:g}: is it in GiB?", capacity[-1]
    )
    used = seen["used"].to_numpy(dtype=np.float64)
    expected = "usage: expected used in bytes, got {:g}: is it in GiB?"
    require(used[-1] == 0 or used[-1] >= LEAST_USED, expected, used[-1])
    over = used[-1] / capacity[-1]
    require(over <= OVERFULL, "usage: expected used bytes within the capacity, got {:.3g} times it: units?", over)
    shrunk = np.flatnonzero(capacity[1:] < SHRUNK * capacity[:-1])
    return usage.loc[seen.index[shrunk[-1] + 1] :] if len(shrunk) else usage.loc[seen.index[0] :]


def _by_the_hour(usage: pd.DataFrame) -> pd.DataFrame:
    """The highest of each hour counted back from the newest measurement; longer steps as they are."""
    table = usage.loc[: usage["used"].last_valid_index()].copy()
    table["capacity"] = table["capacity"].ffill()
    require(len(table) >= 2, "usage: expected at least two measurements of this claim, got {}", len(table))
    step = table.index[1] - table.index[0]
    if step >= pd.Timedelta(HOUR):
        return table
    origin = table.index[-1] + step
    hourly: pd.DataFrame = table.resample("1h", origin=origin, closed="left", label="left").max()
    hourly["capacity"] = table["capacity"].resample("1h", origin=origin, closed="left", label="left").last().ffill()
    require(len(hourly) >= 2, "usage: expected at least two hours of this claim, got {}", len(hourly))
    return hourly


def _size(table: pd.DataFrame, capacity: float) -> int:
    """What the claim asks for; where nobody says, the GiB that the file system's capacity fills."""
    known = table["size"].dropna() if "size" in table else pd.Series(dtype=float)
    return round(float(known.iloc[-1])) if len(known) else ceil(capacity / GIB) * GIB


def _inode_paths(table: pd.DataFrame, horizon: int, random: np.random.Generator) -> FillPaths | None:
    """Inodes in use as a share of those there are; None where they are not known or not limited."""
    if "inodes" not in table or "inodes_used" not in table:
        return None
    total = table["inodes"].to_numpy(dtype=np.float64)
    share = table["inodes_used"].to_numpy(dtype=np.float64) / np.where(total > 0, total, np.nan)
    if np.isfinite(share[-24:]).sum() == 0 or np.isfinite(share).sum() < len(share) / 2:
        return None
    now = share * total / total[np.isfinite(total)][-1]  # of the inodes there are now
    return fill_paths(now, (table.index[1] - table.index[0]).to_pytimedelta(), horizon, random=random)


def _left(paths: FillPaths, inodes: FillPaths | None, bound: float, share: float) -> DaysLeft:
    """Days until the first of both runs out."""
    days = []
    for level in (EARLY, MIDDLE, LATE):
        known = [paths.days_until(bound, level), None if inodes is None else inodes.days_until(share, level)]
        days.append(min((one for one in known if one is not None), default=None))
    return DaysLeft(*days)


def _inodes_bind(paths: FillPaths, inodes: FillPaths | None, capacity: float) -> bool:
    """Whether the inodes are the fuller of both at the end of what is looked at."""
    return inodes is not None and float(inodes.highest(MIDDLE)[-1]) > float(paths.highest(MIDDLE)[-1]) / capacity


@dataclass(frozen=True, slots=True)
class _Bounds:
    """One claim's rules, capacity, bytes asked for per byte of the file system, and the grid of its forecast."""

    rules: VolumeRules
    capacity: float
    overhead: float
    begin: datetime
    step: timedelta

    def steps(self, need: Array, size: int, now: datetime) -> tuple[tuple[SizeStep, ...], Shortage]:
        """Sizes over time for the highest bytes (H,) that are planned for, and what stood in their way."""
        found: list[SizeStep] = []
        rules, earliest = self.rules, now
        while len(found) < MOST_STEPS:
            over = np.flatnonzero(need > rules.target * size / self.overhead)
            if not len(over):
                return tuple(found), ""
            due = self.begin + int(over[0]) * self.step - rules.lead_time - MARGIN
            at = max(due, earliest)
            larger = self._larger(size, self._needed(need, at))
            if larger <= size:
                return tuple(found), "max"
            found.append(SizeStep(at.replace(microsecond=0), larger))
            size, earliest = larger, at + max(rules.cooldown, timedelta(seconds=1))
        return tuple(found), ""

    def _needed(self, need: Array, at: datetime) -> float:
        """Bytes that the claim must have to last from `at` until the following step."""
        last = at + self.rules.lead_time + max(self.rules.lasts, self.rules.cooldown)
        slot = min(len(need) - 1, max(0, (last - self.begin) // self.step))
        return float(need[slot]) * self.overhead / self.rules.target

    def _larger(self, size: int, wanted: float) -> int:
        """In steps of the class from what stands, up to whole GiB, at most the largest that is allowed."""
        grown = size + ceil(max(wanted - size, 1.0) / self.rules.step) * self.rules.step
        whole = ceil(grown / GIB) * GIB
        return whole if self.rules.max is None else min(whole, int(self.rules.max // GIB) * GIB)


def within_storage_quotas(
    plans: Mapping[Key, tuple[VolumePlan, ...]], quotas: Mapping[str, float]
) -> dict[Key, tuple[VolumePlan, ...]]:
    """The plans with their steps in the order of time, while the quota of their namespace has room (bytes)."""
    kept = {key: list(found) for key, found in plans.items()}
    for namespace, quota in quotas.items():
        mine = [(key, place) for key, found in kept.items() if key[0] == namespace for place in range(len(found))]
        room = quota - sum(kept[key][place].size for key, place in mine)
        coming = [(step, key, place) for key, place in mine for step in kept[key][place].steps]
        allowed: dict[tuple[Key, int], list[SizeStep]] = {one: [] for one in mine}
        for step, key, place in sorted(coming, key=lambda one: one[0].at):
            before = [kept[key][place].size, *(one.size for one in allowed[key, place])][-1]
            fits = int(min(step.size, before + max(0.0, room)) // GIB) * GIB
            if fits > before:
                allowed[key, place].append(replace(step, size=fits))
                room -= fits - before
            if fits < step.size:
                kept[key][place] = replace(kept[key][place], short_by="quota")
        for (key, place), steps in allowed.items():
            kept[key][place] = replace(kept[key][place], steps=tuple(steps))
    return {key: tuple(found) for key, found in kept.items()}


def _driver(group: str | None, usage: pd.DataFrame, context: VolumeContext) -> pd.DataFrame | None:
    """Sales of each hour of the usage and of the forecast, as their day's mean, with the log deviation ahead."""
    sales, forecast = context.sales.get(group), context.forecasts.get(group)
    if sales is None or forecast is None or len(usage) < 2:
        return None
    levels = [float(level) for level in forecast.quantiles.columns.tolist()]
    middle, high = forecast.at(MIDDLE), forecast.at(levels[-1])
    days = pd.concat([sales.loc[: forecast.quantiles.index[0] - pd.Timedelta(1, "s")], middle])
    deviation = float(normal_quantiles([levels[-1]])[0])
    spread = pd.Series(np.log(np.maximum(high, 1e-9) / np.maximum(middle, 1e-9)) / deviation, middle.index)
    table = pd.DataFrame({"sales": days / 24.0, "spread": spread.reindex(days.index).fillna(0.0)})
    end = table.index[-1] + pd.Timedelta(DAY)
    hours = pd.date_range(table.index[0], end, freq="h", inclusive="left")
    return table.reindex(hours, method="ffill")


def _aligned(driver: pd.DataFrame | None, table: pd.DataFrame, horizon: int) -> Driver | None:
    """The driver on the steps of the writes and of the horizon; None where it does not cover both."""
    if driver is None or table.index[1] - table.index[0] != pd.Timedelta(HOUR):
        return None
    ahead = pd.date_range(table.index[-1] + pd.Timedelta(HOUR), periods=horizon, freq="h")
    past = driver["sales"].reindex(table.index[1:], method="nearest", tolerance=pd.Timedelta(HOUR))
    coming = driver.reindex(ahead, method="nearest", tolerance=pd.Timedelta(HOUR))
    if past.isna().mean() > 0.1 or coming["sales"].isna().any():
        return None
    values = [column.to_numpy(dtype=np.float64) for column in (coming["sales"], coming["spread"])]
    return Driver(past.ffill().bfill().to_numpy(dtype=np.float64), *values)


def _curve(table: pd.DataFrame, paths: FillPaths, need: Array, rules: VolumeRules) -> FillCurve:
    step = table.index[1] - table.index[0]
    ahead = pd.date_range(table.index[-1] + step, periods=len(need), freq=step)
    levels = sorted({EARLY, MIDDLE, rules.probability})
    quantiles = pd.DataFrame({level: paths.quantiles(level) for level in levels}, ahead)
    return FillCurve(table["used"], quantiles, pd.Series(need, ahead))
