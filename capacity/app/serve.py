"""What the local page and the JSON API show: plans with their orders, or plans from a file or a cluster."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic

import pandas as pd

from capacity.app.advise import known_policies, with_evidence
from capacity.app.reading import read_orders
from capacity.app.unconfigured import orders_end
from capacity.app.what_if import Key, PlannedOrders
from capacity.logs import LOGGER
from capacity.model import CapacityError, ConfigError, DataError, Plan, PlanError, WorkloadPlan
from capacity.model.configuration import Config
from capacity.model.plan_file import read_plan
from capacity.model.policies import Policies
from capacity.planning.orders import OrderData
from capacity.planning.pipeline import PlanInputs, make_plan

SHOWN_PAST = timedelta(days=28)  # of history beside what comes
FROM_FILE = "This page was opened from a plan file, which holds floors and evidence but no orders, so no forecast can be made from it. Start `capacity serve` with a capacity.yaml."  # noqa: E501
FROM_CLUSTER = "This page reads the plans of the cluster, which hold floors and evidence but no orders, so no forecast can be made from them. Run `capacity serve` where the orders can be read."  # noqa: E501


@dataclass(frozen=True, slots=True)
class Past:
    """The past of one workload: sales per step, and its usage if it was measured; in UTC, each may be missing.

    `came` are the sales from the plan's start on, if the plan was made as of a past time.
    """

    sales: pd.Series | None = None
    usage: pd.DataFrame | None = None
    came: pd.Series | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """The data that is shown. `version` changes with every change. If `orders` is None, `without` says why.

    `later`: everything that was read, if the plan was made as of a past time.
    """

    plan: Plan
    version: int
    timezone: str = "UTC"
    currency: str = ""
    failures: dict[Key, str] = field(default_factory=dict)
    orders: PlannedOrders | None = None
    later: OrderData | None = None
    without: str = ""

    def workload(self, key: Key) -> WorkloadPlan:
        """The plan of a workload. Raises `DataError` if there is none, with the reason if it is known."""
        plan = self.plan.workload(*key)
        if plan is None:
            raise DataError(self.failures.get(key) or f"no workload {key[0]}/{key[1]} in the plan")
        return plan

    def known(self) -> PlannedOrders:
        """The orders behind the plan. Raises `DataError` where there are none."""
        if self.orders is None:
            raise DataError(self.without)
        return self.orders

    def past(self, key: Key) -> Past:
        """The past of a workload: the last weeks before the plan, and the time since."""
        if self.orders is None:
            return Past()
        workload = self.orders.workload(key)
        sales = self.orders.orders.histories.get(workload.group)
        orders = self.later or self.orders.orders
        usage, came = orders.usages.get(key), None if self.later is None else orders.histories.get(workload.group)
        begin = self.workload(key).start - SHOWN_PAST
        return Past(
            None if sales is None else sales.loc[sales.index >= begin],
            None if usage is None else usage.loc[usage.index >= begin],
            None if came is None else came.loc[came.index >= self.workload(key).start],
        )


Read = Callable[[], Served]


@dataclass(frozen=True, slots=True)
class Moment:
    """When plans are made: at `now`, or with `at_end` where the orders end.

    `seen`: if `now` lies in the past, the time up to which later orders are shown.
    """

    now: datetime
    seen: datetime | None = None
    at_end: bool = False


def served_orders(config: Config, moment: Moment, policies: Policies | None = None) -> Served:
    """Read the orders, forecast and plan.

    As of a past time, what came after it is left out of the plan and shown beside it.
    Raises `DataError` or `ConfigError` where nothing can be planned.
    """
    if not config.workloads:
        raise ConfigError("workloads: expected at least one workload, got none")
    orders = read_orders(config, moment.now, past=moment.seen is not None)
    now = (orders_end(orders) if moment.at_end else None) or moment.now
    known = PlannedOrders(config, orders, now, dict(policies or {}))
    planned = make_plan(PlanInputs.of(known.config, orders, now, config.settings_hash()))
    planned = with_evidence(planned, known.policies)
    later = None if moment.seen is None else read_orders(config, moment.seen)
    return Served(planned.plan, 1, config.timezone, config.supply.currency, planned.failures, known, later)


def served_file(path: Path, config: Config | None = None) -> Served:
    """The plan of a file. Raises `PlanError`. `config` gives the business's clock and currency where there is one."""
    return _alone(read_plan(path), FROM_FILE, config)


def served_cluster(config: Config) -> Served:
    """The plans of the workloads' namespaces, read from their ConfigMaps. Raises `ClusterError` or `PlanError`."""
    from capacity.cluster.client import ClusterReader
    from capacity.cluster.config_maps import read_plan_maps

    reader = ClusterReader()
    plans, failures = list[Plan](), dict[Key, str]()
    for namespace in sorted({one.namespace for one in config.workloads}):
        try:
            plans.append(read_plan_maps(reader, namespace))
        except PlanError as error:
            failures |= {one.key: str(error) for one in config.workloads if one.namespace == namespace}
    if not plans:
        raise PlanError("; ".join(dict.fromkeys(failures.values())) or "no workloads are configured")
    joined = replace(plans[0], workloads=tuple(one for plan in plans for one in plan.workloads))
    return replace(_alone(joined, FROM_CLUSTER, config), failures=failures)


def _alone(plan: Plan, why: str, config: Config | None) -> Served:
    zone, currency = ("UTC", "") if config is None else (config.timezone, config.supply.currency)
    return Served(plan, 1, zone, currency, without=why)


def read_choices(path: Path) -> Policies:
    """The policies kept in a file. If they cannot be read, the reason is logged and there are none."""
    try:
        return known_policies(path)
    except CapacityError as error:
        LOGGER.warning("policies: %s", error)
        return {}


class LiveData:
    """The data that is shown now, read again once it is older than `every`; None: it is read once.

    It is read in the background: until the new data is ready, the previous data is shown. `failure` says why the last
    reading failed, and is empty if it succeeded.
    """

    def __init__(self, read: Read, every: timedelta | None = None) -> None:
        self._read, self._every = read, every
        self._lock = threading.Lock()
        self._served, self._at = read(), monotonic()
        self.failure = ""

    def current(self) -> Served:
        """The data to show now."""
        if (
            self._every is not None
            and monotonic() - self._at >= self._every.total_seconds()
            and self._lock.acquire(blocking=False)
        ):
            self._at = monotonic()
            threading.Thread(target=self._refresh, daemon=True).start()
        return self._served

    def put(self, served: Served) -> None:
        """Show other data from now on."""
        self._served = replace(served, version=self._served.version + 1)

    def _refresh(self) -> None:
        try:
            self.put(self._read())
            self.failure = ""
        except (CapacityError, OSError) as error:
            self.failure = str(error)
            LOGGER.warning("the previous plan is shown: %s", error)
        finally:
            self._lock.release()
