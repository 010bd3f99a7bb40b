"""Plans volumes: reads their usage, forecasts sales as far ahead as needed, and plans each claim."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pandas as pd

from capacity.app.reading import load_orders, read_ahead, sales_of
from capacity.forecast import forecast_as_asked
from capacity.logs import LOGGER
from capacity.model import DataError, Forecast, Plan
from capacity.model.configuration import Config
from capacity.planning.orders import Histories, OrderData, request_of
from capacity.planning.result import PlanResult
from capacity.planning.volumes import PlannedVolumes, VolumeContext, look_ahead, plan_volumes, within_storage_quotas
from capacity.quality import Audit
from capacity.sources.volumes import volumes_of

LEVELS = (0.5, 0.95)
LEAST_DAYS = 28  # of sales: fewer do not explain writes


def volume_plans(config: Config, now: datetime, *, past: bool = False) -> PlannedVolumes:
    """The plan of every claim that the configuration names, within the storage quotas.

    Parameters
    ----------
    config : Config
        The configuration; its workloads name claims under `volumes`.
    now : datetime
        When the plan is made, with a time zone.
    past : bool
        Whether `now` lies in the past, and what came after it is left out. Default no.

    Returns
    -------
    PlannedVolumes
        The plans by workload, and why a claim has none.

    Raises
    ------
    DataError
        The usage or the orders cannot be read.
    """
    histories: Histories = {}
    if config.sales is not None:
        with load_orders(config, now, past=past) as table:
            histories = sales_of(table, {one.group for one in config.workloads if one.volumes})
    orders = OrderData(histories, Audit("orders", 0, 0), ahead=read_ahead(config))
    planned = planned_volumes(config, orders, now, past=past)
    quotas = {name: quota.storage for name, quota in config.supply.quotas.items() if quota.storage is not None}
    return replace(planned, plans=within_storage_quotas(planned.plans, quotas))


def planned_volumes(config: Config, orders: OrderData, now: datetime, *, past: bool = False) -> PlannedVolumes:
    """The plan of every claim, each on its own, with sales that were read already. Raises `DataError`."""
    usage = volumes_of(config, now, past=past)
    named = [one for one in config.workloads if one.volumes]
    groups = {one.group for one in named}
    sales = {group: days for group in groups if (days := _whole_days(orders.histories.get(group))) is not None}
    forecasts = _forecasts(config, orders, sales, look_ahead(named)) if usage else {}
    return plan_volumes(named, usage, VolumeContext(now, sales, forecasts))


def add_volumes(
    planned: PlanResult, config: Config, orders: OrderData, now: datetime, *, past: bool = False
) -> PlanResult:
    """The same plan with the plans of its volumes. If these fail, a warning is logged, and claims keep their size."""
    try:
        found = planned_volumes(config, orders, now, past=past)
    except DataError as error:
        LOGGER.warning("volumes: %s: claims keep their size", error)
        return planned
    for key, reasons in found.failures.items():
        for reason in reasons:
            LOGGER.warning("%s: volumes: %s", "/".join(key), reason)
    plan: Plan = planned.plan
    workloads = tuple(replace(one, volumes=found.plans.get(one.key, ())) for one in plan.workloads)
    return replace(planned, plan=replace(plan, workloads=workloads))


def _whole_days(history: pd.Series | None) -> pd.Series | None:
    """Sales by whole day; None where there are too few."""
    if history is None or len(history) < 2:
        return None
    step = history.index[1] - history.index[0]
    if step > pd.Timedelta(days=1):
        return None
    days = history.resample("1D").sum(min_count=1)
    last = history.index[-1] + step
    starts = pd.DatetimeIndex(days.index)
    whole: pd.Series = days.loc[(starts >= history.index[0]) & (starts <= last - pd.Timedelta(days=1))]
    return whole if len(whole) >= LEAST_DAYS else None


def _forecasts(
    config: Config, orders: OrderData, sales: dict[str | None, pd.Series], ahead: timedelta
) -> dict[str | None, Forecast]:
    """Daily sales as far as volumes are planned; a group that cannot be forecast is left out."""
    found: dict[str | None, Forecast] = {}
    for group, days in sales.items():
        asked = replace(request_of(config, orders, group), horizon=ahead + timedelta(days=2), quantile_levels=LEVELS)
        try:
            found[group] = forecast_as_asked(days, replace(asked, timezone="UTC"))
        except DataError as error:
            LOGGER.info("volumes: sales%s are not used: %s", "" if group is None else f" of {group}", error)
    return found
