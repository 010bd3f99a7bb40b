"""The outlook over twelve months: orders, usage and volumes are read, and the months worked out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pandas as pd

from capacity.app.reading import read_orders
from capacity.logs import LOGGER
from capacity.model import ConfigError, DataError, LoadReport, Scenario
from capacity.model.configuration import Config
from capacity.model.outlook import Outlook
from capacity.planning.orders import OrderData, known_events, request_of, require_quality
from capacity.planning.outlook import HORIZON, OutlookInputs, make_outlook
from capacity.planning.pipeline import learn_load_of
from capacity.series.scenarios import events_if
from capacity.sources.volumes import volumes_of


def capacity_outlook(
    config: Config, now: datetime, scenarios: Sequence[Scenario] = (), *, past: bool = False
) -> list[Outlook]:
    """What the next twelve months need, as things go on and in each scenario.

    Parameters
    ----------
    config : Config
        The configuration, with at least one workload.
    now : datetime
        When the outlook is made, with a time zone.
    scenarios : sequence of Scenario
        What-ifs. Default none.
    past : bool
        Whether `now` lies in the past, and what came after it is left out. Default no.

    Returns
    -------
    list of Outlook
        As things go on, then one per scenario.

    Raises
    ------
    DataError
        The orders are too bad, or too short to say anything of a year.
    """
    if not config.workloads:
        raise ConfigError("workloads: expected at least one workload, got none")
    orders = read_orders(config, now, past=past)
    require_quality(orders.audit.at(now))
    return outlook_of(config, orders, now, scenarios, past=past)


def outlook_of(
    config: Config, orders: OrderData, now: datetime, scenarios: Sequence[Scenario] = (), *, past: bool = False
) -> list[Outlook]:
    """The same from orders that were read already."""
    far = config.model_copy(update={"forecast": config.forecast.model_copy(update={"horizon": HORIZON})})
    request = request_of(far, orders)
    reports = learn_load_of(config, orders)
    workloads = []
    usage: dict[tuple[str, str], pd.DataFrame] = {}
    for workload in config.workloads:
        report = reports.get(workload.key)
        workloads.append(replace(workload, load=report.model) if isinstance(report, LoadReport) else workload)
        if workload.group not in orders.histories and workload.key in orders.usages:
            usage[workload.key] = orders.usages[workload.key]
    own = {group: request_of(far, orders, group) for group in orders.histories}
    volumes = _volumes(config, now, past=past)
    inputs = OutlookInputs(workloads, config.supply, orders.histories, request, now, usage, volumes, own)
    for scenario in scenarios:
        events_if(known_events(orders, request), scenario, now)  # refuses to cancel what does not come
    return make_outlook(inputs, scenarios)


def _volumes(config: Config, now: datetime, *, past: bool) -> dict[tuple[str, str], pd.DataFrame]:
    try:
        return volumes_of(config, now, past=past)
    except DataError as error:
        LOGGER.warning("volumes: %s: no outlook on storage", error)
        return {}
