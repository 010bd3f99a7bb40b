"""Twelve months ahead: from sales by day to the peak of each month, and what it needs of everything.

The peak hour of a month is its busiest day, as forecast, times the share that peak hours had of busiest days before.
What workloads need is added up as if all peaked at once and all erred the same way: totals are on the safe side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import reduce
from math import ceil
from operator import add
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from capacity.forecast import forecast_as_asked
from capacity.forecast.fill import fill_paths
from capacity.model import DataError, Forecast, ForecastRequest, NodeType, Quota, Scenario, Supply, Workload, require
from capacity.model.arrays import Array
from capacity.model.outlook import Interval, LimitReached, LookBack, MonthNeed, Outlook, OutlookPart
from capacity.model.volume import GIB
from capacity.planning.nodes import Pods, pack, replica_price
from capacity.planning.sizing import replicas_needed
from capacity.series.scenarios import forecast_if, workloads_if

Key = tuple[str, str]
MONTHS = 12
LEVELS = (0.05, 0.5, 0.95)
DAY, WINDOW = timedelta(days=1), timedelta(days=30)
HORIZON = timedelta(days=366 + 31 + 31)  # twelve whole months, and a window from the first day of the last one
LEAST_DAYS = 90  # of history: from fewer, nothing is said of a year
TWO_YEARS = 700  # days from which an outlook is tested on the past
DISTANCES = (91, 182, 364)
ORIGINS, STRIDE, LEAST_KNOWN = 4, 61, 365
BLOCKS = 12  # of thirty days, whose peak hours are compared with their busiest days
PROFILE = 8  # weeks that the usual week is made of
HIGH = 1.6448536269514722  # standard deviations of a normal at 0.95
GIVEN = ("cpu", "memory")


@dataclass(frozen=True, slots=True)
class Monthly:
    """A quantity by month, per hour: its total or mean (None: no total), and its peak; (months, levels).

    `profile` is the usual week around its mean, one value for each of its hours.
    """

    mean: Array
    peak: Array
    days: Array
    profile: Array


@dataclass(frozen=True, slots=True)
class OutlookInputs:
    """What an outlook is made from: workloads and supply, sales and usage by group and workload, the time and clock.

    `sales` at their own step; `usage` (columns cpu and memory) is asked for where a workload follows no sales;
    `volumes` by claim as `plan_volume` wants them; `own`: the request of each group that has a calendar of its own.
    """

    workloads: Sequence[Workload]
    supply: Supply
    sales: Mapping[str | None, pd.Series]
    request: ForecastRequest
    now: datetime
    usage: Mapping[Key, pd.DataFrame] = field(default_factory=dict)
    volumes: Mapping[Key, pd.DataFrame] = field(default_factory=dict)
    own: Mapping[str | None, ForecastRequest] = field(default_factory=dict)

    def of(self, group: str | None) -> OutlookInputs:
        """The same with the request of one group of sales, where it has its own."""
        return replace(self, request=self.own.get(group, self.request))


def make_outlook(inputs: OutlookInputs, scenarios: Sequence[Scenario] = ()) -> list[Outlook]:
    """The outlook as things go on, and in each scenario.

    Raises `DataError` where no group of sales and no usage is long enough.
    """
    months = coming_months(_known_until(inputs), str(inputs.request.timezone or "UTC"))
    forecasts, notes = _forecasts(inputs)
    record = tuple(
        one for group, sales in inputs.sales.items() for one in look_back(_name(group), _days(sales), inputs.of(group))
    )
    answers = []
    for scenario in (None, *scenarios):
        changed = {
            group: one if scenario is None else forecast_if(one, scenario, inputs.of(group).request.events)
            for group, one in forecasts.items()
        }
        workloads = inputs.workloads if scenario is None else workloads_if(inputs.workloads, scenario)
        factor = 1.0 if scenario is None else 1.0 + scenario.growth
        made = _Made(replace(inputs, workloads=workloads), changed, months, factor)
        answers.append(made.outlook("as forecast" if scenario is None else scenario.name, record, notes))
    return answers


def _known_until(inputs: OutlookInputs) -> datetime:
    """The end of what is known, or now where that is earlier: an old history looks ahead from its own end."""
    indices = [one.index for one in inputs.sales.values()] + [one.index for one in inputs.usage.values()]
    ends: list[datetime] = [index[-1].to_pydatetime() for index in indices if len(index)]
    return min([inputs.now, *ends])


def coming_months(now: datetime, timezone: str) -> list[date]:
    """The first days of the next twelve calendar months on the business's clock.

    >>> from datetime import UTC
    >>> months = coming_months(datetime(2026, 11, 27, tzinfo=UTC), "UTC")
    >>> months[0].isoformat(), months[-1].isoformat()
    ('2026-12-01', '2027-11-01')
    """
    local = now.astimezone(ZoneInfo(timezone))
    counted = [local.month + k for k in range(1, MONTHS + 1)]
    return [date(local.year + (number - 1) // 12, (number - 1) % 12 + 1, 1) for number in counted]


def look_back(name: str, days: pd.Series, inputs: OutlookInputs) -> Iterator[LookBack]:
    """How far off the busiest day of thirty was a quarter, half a year and a year before; nothing below two years."""
    if len(days) < TWO_YEARS:
        return
    for ahead in DISTANCES:
        rows = []
        for k in range(ORIGINS):
            end = len(days) - ahead - WINDOW.days - k * STRIDE
            if end < LEAST_KNOWN:
                break
            actual = float(days.iloc[end + ahead : end + ahead + WINDOW.days].max())
            forecast = _forecast(days.iloc[:end], inputs.request, timedelta(days=ahead + 2 * WINDOW.days))
            peak = [float(forecast.maximum_at(level).iloc[ahead]) for level in LEVELS]
            if actual > 0:
                rows.append((peak[1] / actual - 1, actual <= peak[2]))
        if rows:
            off = np.array([row[0] for row in rows])
            covered = float(np.mean([row[1] for row in rows]))
            yield LookBack(name, ahead, len(rows), float(np.abs(off).mean()), float(off.mean()), covered)


def _forecasts(inputs: OutlookInputs) -> tuple[dict[str | None, Forecast], tuple[str, ...]]:
    """Sales of each group by day; what cannot be forecast is a note, and an error where nothing else can."""
    found: dict[str | None, Forecast] = {}
    notes = []
    for group, sales in inputs.sales.items():
        try:
            found[group] = _forecast(_days(sales), inputs.of(group).request, HORIZON)
        except DataError as error:
            notes.append(f"{_name(group)}: no outlook: {error}")
    if not found and not inputs.usage:
        raise DataError("; ".join(notes) or "outlook: expected sales or usage, got neither")
    return found, tuple(notes)


def _forecast(days: pd.Series, request: ForecastRequest, horizon: timedelta) -> Forecast:
    require(len(days) >= LEAST_DAYS, "expected at least {} days of history, got {}", LEAST_DAYS, len(days))
    asked = replace(request, horizon=horizon, quantile_levels=LEVELS, window=WINDOW, timezone="UTC")
    return forecast_as_asked(days, asked)


def _days(history: pd.Series, how: str = "sum") -> pd.Series:
    """A history by whole day; steps of a day and longer as they are."""
    if len(history) < 2 or history.index[1] - history.index[0] >= pd.Timedelta(DAY):
        return history
    last = history.index[-1] + (history.index[1] - history.index[0])
    days: pd.Series = getattr(history.resample("1D"), how)(**({"min_count": 1} if how == "sum" else {}))
    starts = pd.DatetimeIndex(days.index)
    whole: pd.Series = days.loc[(starts >= history.index[0]) & (starts <= last - pd.Timedelta(DAY))]
    return whole


def _name(group: str | None) -> str:
    return "all sales" if group is None else group


@dataclass(frozen=True, slots=True)
class _Made:
    """One scenario being worked out."""

    inputs: OutlookInputs
    forecasts: Mapping[str | None, Forecast]
    months: list[date]
    growth: float

    def outlook(self, scenario: str, record: tuple[LookBack, ...], notes: tuple[str, ...]) -> Outlook:
        needs: dict[Key, _Need] = {}
        said = list(notes)
        for workload in self.inputs.workloads:
            try:
                needs[workload.key] = self._need(workload)
            except DataError as error:
                said.append(f"{workload.namespace}/{workload.name}: left out: {error}")
        require(bool(needs), "{}", "; ".join(said) or "outlook: expected at least one workload, got none")
        mine = [one for one in self.inputs.workloads if one.key in needs]
        groups: dict[str, list[Workload]] = {}
        for workload in mine:
            groups.setdefault(_name(workload.group), []).append(workload)
        parts = tuple(self._part(name, members, needs) for name, members in groups.items())
        total = self._part("total", mine, needs)
        said += self._unpriced(mine)
        return Outlook(scenario, parts, total, tuple(self._limits(mine, needs, total)), record, tuple(said))

    def _need(self, workload: Workload) -> _Need:
        forecast = self.forecasts.get(workload.group)
        sales: Array | None = None
        if forecast is not None:
            monthly = self._monthly(forecast, self.inputs.sales[workload.group])
            peak = _demand(workload, monthly.peak)
            usual = _demand(workload, monthly.mean[:, :, None] * monthly.profile)
            sales = monthly.mean * 24.0 * monthly.days[:, None]
        else:
            peak, usual = self._measured(workload)
        replicas = _replicas(workload, peak)  # (months, levels)
        mean = _replicas(workload, usual).mean(axis=2)
        storage = self._storage(workload)
        return _Need(replicas, peak, mean, sales, storage)

    def _measured(self, workload: Workload) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Peaks and usual weeks of CPU and memory from usage alone. Raises `DataError` where there is none."""
        usage = self.inputs.usage.get(workload.key)
        if usage is None or not set(GIVEN) <= set(usage.columns):
            raise DataError("expected sales of its group or usage of CPU and memory, got neither")
        courses = []
        for name in GIVEN:
            highest = _days(usage[name], "max")
            forecast = _forecast(highest, self.inputs.request, HORIZON)
            peak, mean, _ = _months_of(forecast, self.months)
            share = float(usage[name].mean() / max(float(highest.mean()), 1e-12))
            profile = _profile(usage[name])
            courses.append((peak * self.growth, (mean * self.growth * share)[:, :, None] * profile))
        return (courses[0][0], courses[1][0]), (courses[0][1], courses[1][1])

    def _monthly(self, forecast: Forecast, sales: pd.Series) -> Monthly:
        peak, mean, days = _months_of(forecast, self.months)
        middle, deviation = _peak_share(sales)
        spread = np.log(np.maximum(peak, 1e-9) / np.maximum(peak[:, 1:2], 1e-9))
        wide = np.sign(spread) * np.hypot(spread, np.array([HIGH, 0.0, HIGH]) * deviation)
        return Monthly(mean / 24.0, peak[:, 1:2] * np.exp(wide) * middle / 24.0, days, _profile(sales))

    def _storage(self, workload: Workload) -> dict[str, Array]:
        """Bytes that each claim of a workload must ask for by the end of each month (months, levels)."""
        found: dict[str, Array] = {}
        for (namespace, claim), usage in self.inputs.volumes.items():
            rules = next((one for one in workload.volumes if one.matches(claim, workload.name)), None)
            if namespace != workload.namespace or rules is None:
                continue
            days = _days(usage["used"], "max")
            if len(days) < 14:
                continue
            capacity = float(usage["capacity"].dropna().iloc[-1])
            known = usage["size"].dropna() if "size" in usage else pd.Series(dtype=float)
            size = float(known.iloc[-1]) if len(known) else ceil(capacity / GIB) * GIB
            random = np.random.default_rng(len(days))
            paths = fill_paths(days.to_numpy(dtype=np.float64), DAY, HORIZON.days, random=random)
            ends = [_until(days.index[-1], month) for month in self.months]
            need = np.stack([paths.highest(level) for level in LEVELS], axis=1)[np.clip(ends, 0, HORIZON.days - 1)]
            asked = np.ceil(need * (size / capacity) * self.growth / rules.target / GIB) * GIB
            found[claim] = np.maximum.accumulate(np.maximum(asked, size), axis=0)
        return found

    def _part(self, name: str, members: Sequence[Workload], needs: Mapping[Key, _Need]) -> OutlookPart:
        rows = []
        node = self._node(members)
        for place, month in enumerate(self.months):
            mine = [(workload, needs[workload.key]) for workload in members]
            replicas = [need.replicas[place] for _, need in mine]
            rows.append(
                MonthNeed(
                    month=month,
                    replicas=_interval(reduce(add, replicas)),
                    cores=_interval(reduce(add, [need.peak[0][place] for _, need in mine])),
                    memory=_interval(reduce(add, [need.peak[1][place] for _, need in mine])),
                    sales=_sales(mine, place),
                    storage=_stored(mine, place),
                    nodes=None if node is None else _packed(node, members, replicas),
                    cost=self._cost(mine, place),
                )
            )
        return OutlookPart(name, tuple(rows))

    def _node(self, members: Sequence[Workload]) -> NodeType | None:
        """The type that takes every pod for the least per core; None where none is configured or none takes them."""

        def takes(node: NodeType) -> bool:
            return all(
                one.replica.cpu_request <= node.cpu and one.replica.memory_request <= node.memory for one in members
            )

        fitting = [node for node in self.inputs.supply.node_types if takes(node)]
        return min(fitting, key=lambda node: (node.price_per_hour / node.cpu, node.name), default=None)

    def _price(self, workload: Workload) -> float | None:
        given = workload.costs.price_per_hour
        replica = workload.replica
        return (
            given
            if given is not None
            else replica_price(replica.cpu_request, replica.memory_request, self.inputs.supply.node_types)
        )

    def _cost(self, mine: Sequence[tuple[Workload, _Need]], place: int) -> Interval | None:
        prices = [self._price(workload) for workload, _ in mine]
        if any(price is None for price in prices):
            return None
        hours = 24.0 * _length(self.months[place])
        return _interval(
            sum(need.mean[place] * hours * float(price or 0.0) for (_, need), price in zip(mine, prices, strict=True))
        )

    def _unpriced(self, mine: Sequence[Workload]) -> list[str]:
        unknown = [f"{one.namespace}/{one.name}" for one in mine if self._price(one) is None]
        if not unknown:
            return []
        return [
            f"costs are not known: no price for {', '.join(unknown[:3])}: set costs.price_per_hour or supply.node_types"
        ]

    def _limits(
        self, mine: Sequence[Workload], needs: Mapping[Key, _Need], total: OutlookPart
    ) -> Iterator[LimitReached]:
        for workload in mine:
            label = f"ceiling of {workload.namespace}/{workload.name}"
            yield self._reached(label, workload.ceiling, "replicas", needs[workload.key].replicas)
            for claim, sizes in needs[workload.key].storage.items():
                rules = next(one for one in workload.volumes if one.matches(claim, workload.name))
                if rules.max is not None:
                    yield self._reached(f"max of claim {workload.namespace}/{claim}", rules.max, "bytes", sizes)
        supply = self.inputs.supply
        for namespace, quota in supply.quotas.items():
            some = [one for one in mine if one.namespace == namespace]
            if some:
                yield from self._quota(f"quota of {namespace}", quota, some, needs)
        if supply.cluster is not None:
            yield from self._quota("cluster", supply.cluster, mine, needs)
        node = self._node(mine)
        if node is not None and node.limit is not None:
            nodes = np.array([_levels(need.nodes) for need in total.months if need.nodes is not None])
            yield self._reached(f"limit of nodes {node.name}", node.limit, "nodes", nodes)

    def _quota(
        self, label: str, quota: Quota, some: Sequence[Workload], needs: Mapping[Key, _Need]
    ) -> Iterator[LimitReached]:
        requests = {
            ("cpu", "cores"): [needs[one.key].replicas * one.replica.cpu_request for one in some],
            ("memory", "bytes"): [needs[one.key].replicas * one.replica.memory_request for one in some],
            ("pods", "pods"): [needs[one.key].replicas for one in some],
            ("storage", "bytes"): [size for one in some for size in needs[one.key].storage.values()],
        }
        for (name, unit), asked in requests.items():
            value = getattr(quota, name)
            if value is not None and asked:
                yield self._reached(f"{label}: {name}", value, unit, reduce(add, asked))

    def _reached(self, limit: str, value: float, unit: str, needed: Array) -> LimitReached:
        """The first month beyond a limit, where the need (months, levels) may be and where it is expected to be."""
        first = [np.flatnonzero(needed[:, place] > value * (1 + 1e-9)) for place in (2, 1)]
        early, middle = (self.months[int(found[0])] if len(found) else None for found in first)
        return LimitReached(limit, float(value), unit, early, middle)


@dataclass(frozen=True, slots=True)
class _Need:
    """What one workload needs by month and level: replicas, CPU and memory at the peak, replicas on average, sales."""

    replicas: Array
    peak: tuple[Array, Array]
    mean: Array
    sales: Array | None
    storage: dict[str, Array]


def _months_of(forecast: Forecast, months: Sequence[date]) -> tuple[Array, Array, Array]:
    """Of a forecast by day: the peak day and the mean day of each month (months, levels), and days in each."""
    index = pd.DatetimeIndex(forecast.quantiles.index)
    starts = index.searchsorted(pd.DatetimeIndex(pd.to_datetime(list(months))).tz_localize("UTC"))
    lengths = [_length(month) for month in months]
    require(bool(starts[-1] + lengths[-1] <= len(index)), "outlook: the forecast ends before the last month does")
    maxima = forecast.maxima if forecast.maxima is not None else forecast.quantiles
    peak = maxima.to_numpy(dtype=np.float64)[starts]
    values = forecast.quantiles.to_numpy(dtype=np.float64)
    mean = np.stack([values[start : start + days].mean(axis=0) for start, days in zip(starts, lengths, strict=True)])
    return peak, mean, np.array(lengths, dtype=np.float64)


def _peak_share(sales: pd.Series) -> tuple[float, float]:
    """Peak steps over the mean of the busiest day, of past months: median, and deviation of the logarithm."""
    step = sales.index[1] - sales.index[0]
    per_day = max(1, round(pd.Timedelta(DAY) / step))
    values = sales.to_numpy(dtype=np.float64)
    if per_day < 2:
        return 1.0, 0.0
    days = np.nan_to_num(values[len(values) % per_day :]).reshape(-1, per_day)
    blocks = days[-min(len(days) // WINDOW.days, BLOCKS) * WINDOW.days :] if len(days) >= WINDOW.days else days
    parts = np.array_split(blocks, max(1, len(blocks) // WINDOW.days))
    shares = np.array([part.max() / max(part.mean(axis=1).max(), 1e-12) for part in parts if part.max() > 0])
    if not len(shares):
        return 1.0, 0.0
    return float(np.median(shares)), float(np.log(shares).std(ddof=1)) if len(shares) > 1 else 0.0


def _profile(history: pd.Series) -> Array:
    """The usual week around its mean, one value for each hour of it; of days, the same for all hours."""
    step = history.index[1] - history.index[0]
    per_week = max(1, round(pd.Timedelta(7 * DAY) / step))
    values = history.to_numpy(dtype=np.float64)[-PROFILE * per_week :]
    values = values[len(values) % per_week :] if len(values) >= per_week else values
    rows = np.nan_to_num(values).reshape(-1, min(per_week, len(values)))
    week = rows.mean(axis=0)
    return week / week.mean() if week.mean() > 0 else np.ones(1)


def _demand(workload: Workload, rate: Array) -> tuple[Array, Array]:
    """Cores and bytes at these sales per hour: as learned where it was, else as given."""
    load = workload.load
    cpu = (
        (load.cpu_base, load.cpu_per_sale_per_hour) if load.cpu is None else (load.cpu.base, load.cpu.per_sale_per_hour)
    )
    memory = (
        (load.memory_base, load.memory_per_sale_per_hour)
        if load.memory is None
        else (load.memory.base, load.memory.per_sale_per_hour)
    )
    return cpu[0] + cpu[1] * rate, memory[0] + memory[1] * rate


def _replicas(workload: Workload, demand: tuple[Array, Array]) -> Array:
    """Replicas that keep both under the target, never fewer than the floor; the ceiling does not bind here."""
    replica = workload.replica
    cpu = replicas_needed(demand[0], replica.cpu_request, workload)
    memory = replicas_needed(demand[1], replica.memory_request, workload)
    return np.maximum(np.maximum(cpu, memory), workload.floor).astype(np.float64)


def _until(last: pd.Timestamp, month: date) -> int:
    """Days from the end of a history to the end of a month."""
    end = pd.Timestamp(month, tz="UTC") + pd.Timedelta(_length(month), "D")
    return int((end - last) / pd.Timedelta(DAY)) - 1


def _length(month: date) -> int:
    return pd.Period(month, "M").days_in_month


def _interval(values: Array) -> Interval:
    low, middle, high = np.maximum.accumulate(np.asarray(values, dtype=np.float64)).tolist()
    return Interval(low, middle, high)


def _levels(interval: Interval) -> tuple[float, float, float]:
    return interval.low, interval.middle, interval.high


def _sales(mine: Sequence[tuple[Workload, _Need]], place: int) -> Interval | None:
    """Sales of a month, each group once; None where some follow none."""
    groups = {workload.group: need.sales for workload, need in mine}
    known = [sales[place] for sales in groups.values() if sales is not None]
    return _interval(reduce(add, known)) if known and len(known) == len(groups) else None


def _stored(mine: Sequence[tuple[Workload, _Need]], place: int) -> Interval | None:
    sizes = [size[place] for _, need in mine for size in need.storage.values()]
    return _interval(reduce(add, sizes)) if sizes else None


def _packed(node: NodeType, members: Sequence[Workload], replicas: Sequence[Array]) -> Interval:
    """Nodes that the pods of the month's peak fill at each level."""
    counts = []
    for level in range(len(LEVELS)):
        pods = [
            Pods(one.name, one.replica.cpu_request, one.replica.memory_request, int(count[level]))
            for one, count in zip(members, replicas, strict=True)
        ]
        counts.append(float(pack(pods, node)))
    return _interval(np.array(counts))
