"""Reads once what a plan is made from: orders, usage, and the files of future days.

`past`: `now` lies in the past, and everything after it is left out as if it had not happened yet: rows of orders, steps
of usage, samples of Prometheus. The calendar's files describe future days and are read in full.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd

from capacity.logs import LOGGER
from capacity.model import DataError
from capacity.model.arrays import Mask
from capacity.model.configuration import Config
from capacity.planning.orders import Histories, KnownAhead, OrderData
from capacity.planning.pipeline import measured_by
from capacity.quality import Finding
from capacity.sources.audit_history import audit_orders
from capacity.sources.orders import read_columns, read_events
from capacity.sources.sql import GOOD, literal, one_line
from capacity.sources.table import TOTAL, OrderTable
from capacity.sources.within_step import rows_within

if TYPE_CHECKING:
    from capacity.quality import Audit

Key = tuple[str, str]  # namespace and name of a workload


def read_orders(config: Config, now: datetime, *, past: bool = False, seen: datetime | None = None) -> OrderData:
    """Read and audit the orders once, sum the groups that the workloads name, and read usage. Raises `DataError`.

    `seen`: the time up to which rows are read, if it is later than `now`.
    """
    usages, unmeasured = read_usages(config, now, past=past)
    if config.sales is None:
        audit = with_usage_doubts(audit_measured(usages, config), usages, {}, config)
        return OrderData({}, audit, usages, unmeasured, read_ahead(config))
    with load_orders(config, seen or now, past=past) as table:
        groups = {workload.group for workload in config.workloads} or {None}
        asked = groups if table.settings.group else {None}
        histories, rows = sales_of(table, asked), rows_of(table, asked)
        audit = audit_orders(table, config)
    audit = with_usage_doubts(audit, usages, histories, config)
    ordered = {group: histories[group] for group in sorted(histories, key=str)}
    return OrderData(ordered, audit, usages, unmeasured, read_ahead(config), rows)


def load_orders(config: Config, now: datetime, *, past: bool = False) -> OrderTable:
    """The rows of the orders, audited and counted per step; with `past`, those before `now`. Raises `DataError`."""
    return OrderTable.load(config.orders(), config.timezone, now, before=now if past else None)


def read_ahead(config: Config) -> KnownAhead:
    """The files under `calendar:`. Raises `DataError` where one cannot be read."""
    calendar, zone = config.calendar, config.timezone
    events = read_events(calendar.events, zone) if calendar.events else []
    columns = read_columns(calendar.columns, zone) if calendar.columns else None
    own = {
        group: tuple(read_events(one.events, one.timezone or zone))
        for group, one in calendar.groups.items()
        if one.events is not None
    }
    return KnownAhead(tuple(events), columns, own)


def read_usages(config: Config, now: datetime, *, past: bool = False) -> tuple[dict[Key, pd.DataFrame], dict[Key, str]]:
    """Usage of the configured workloads, of the past in whole steps before `now`; and why a workload has none."""
    if config.usage is None and config.prometheus is None:
        return {}, {}
    from capacity.sources.usage import ended_steps, known_usage

    usages, unmeasured = known_usage(config, now)
    if not past:
        return usages, unmeasured
    known = {key: ended_steps(table, now) for key, table in usages.items()}
    return {key: table for key, table in known.items() if len(table)}, unmeasured


def audit_measured(usages: Mapping[Key, pd.DataFrame], config: Config) -> Audit:
    """The audit of usage where a plan is made without orders."""
    from capacity.quality.usage import audit_usages

    return audit_usages(usages.values(), measured_by(config))


def audit_data(table: OrderTable, config: Config, now: datetime) -> Audit:
    """The audit of the orders, with what is wrong with the usage that is read from a file beside them."""
    audit = audit_orders(table, config)
    if config.usage is None or not audit.passed:
        return audit
    try:
        usages, _ = read_usages(config, now)
    except DataError as error:
        return replace(audit, findings=(*audit.findings, Finding("usage", "refuse", str(error))))
    groups = {workload.group for workload in config.workloads} if table.settings.group else {None}
    return with_usage_doubts(audit, usages, sales_of(table, groups), config)


def with_usage_doubts(audit: Audit, usages: Mapping[Key, pd.DataFrame], histories: Histories, config: Config) -> Audit:
    """The audit with a finding for each doubt about the usage of a workload: it is learned from as sales are."""
    from capacity.quality.usage_doubts import usage_doubts
    from capacity.quality.usage_units import doubtful_usage

    known, found = _known_of_usage(config), []
    for workload in config.workloads:
        usage, sales = usages.get(workload.key), histories.get(workload.group)
        if usage is None or len(usage) < 2:
            continue
        whose = f"usage of {workload.namespace}/{workload.name}"
        doubts = usage_doubts(usage, workload, sales, known)
        for doubt in doubts:  # those of the file alone were told when it was read
            LOGGER.warning("%s: %s", whose, doubt)
        found += [Finding("usage", "warn", f"{whose}: {doubt}") for doubt in (*doubtful_usage(usage), *doubts)]
    return replace(audit, findings=(*audit.findings, *found)) if found else audit


def _known_of_usage(config: Config) -> frozenset[str]:
    """The columns of usage whose unit somebody has said, and `clock` where the clocks of sales and usage are."""
    from capacity.quality.usage_doubts import CLOCKS

    told = config.sales is not None and config.sales.timezone is not None
    if config.usage is None:  # queries that are ours give cores and bytes
        return frozenset({"cpu", "memory", *([CLOCKS] if told else [])})
    told = told and config.usage.timezone is not None
    return frozenset(config.usage.units) | ({CLOCKS} if told else set())


@dataclass(frozen=True, slots=True)
class StepIndex:
    """The steps (the same for every group), what a step without rows means, and which steps are ambiguous."""

    index: pd.DatetimeIndex
    timezone: str
    measured: bool
    unclear: Mask

    @staticmethod
    def of(table: OrderTable) -> StepIndex:
        """Of loaded orders. Raises `DataError` where there is no good row."""
        steps = table.steps()
        return StepIndex(steps, table.timezone, table.is_measurement(), table.unclear_steps(steps))

    def sales(self, database: duckdb.DuckDBPyConnection, rows: str) -> dict[str | None, pd.Series]:
        """Sales per step of the groups in `rows` (grp, step_start, value), in the order of their names.

        A step without rows is zero where rows are single orders, and a gap (NaN) in measurements.
        """
        coded = f"SELECT grp, row_number() OVER (ORDER BY grp) - 1 AS code FROM (SELECT DISTINCT grp FROM {rows})"
        try:
            groups = [name for name, _ in database.execute(f"{coded} ORDER BY code").fetchall()]
            query = f"SELECT code, step_start, value FROM {rows} JOIN ({coded}) USING (grp)"
            found = database.execute(query).fetchnumpy()
        except duckdb.Error as error:
            raise DataError(f"steps of sales cannot be read: {one_line(error)}") from error
        starts = self.index.as_unit("s").asi8
        seconds = int(starts[1] - starts[0]) if len(starts) > 1 else 1
        place = (np.asarray(found["step_start"]) - starts[0]) // seconds
        within = place < len(starts)  # the newest step may still be filling up
        table = np.full((len(groups), len(starts)), np.nan if self.measured else 0.0)
        table[np.asarray(found["code"])[within], place[within]] = np.asarray(found["value"])[within]
        table[:, self.unclear] = np.nan
        sales = {group: pd.Series(row, self.index, name="sales") for group, row in zip(groups, table, strict=True)}
        for series in sales.values():
            series.attrs["timezone"] = self.timezone
        return dict(sales)


GOOD_ROWS = f"(SELECT grp, step_start, value FROM counted WHERE {GOOD})"
ALL_TOGETHER = f"(SELECT '' AS grp, step_start, {TOTAL} AS value FROM {GOOD_ROWS} GROUP BY step_start)"


def rows_of(table: OrderTable, groups: Iterable[str | None]) -> Histories:
    """Rows in each part of the last steps of these groups; empty where the source has one row per step at most."""
    return {} if table.is_measurement() else rows_within(table.database, GOOD, table.settings.step, frozenset(groups))


def sales_of(table: OrderTable, groups: Iterable[str | None]) -> Histories:
    """Sales per step of these groups (None: all groups together). A group without rows is left out."""
    steps, named = StepIndex.of(table), sorted(group for group in groups if group is not None)
    found: dict[str | None, pd.Series] = {}
    if None in groups:
        found[None] = steps.sales(table.database, ALL_TOGETHER).popitem()[1]
    if not named:
        return found
    chosen = f"(SELECT * FROM {GOOD_ROWS} WHERE grp IN ({', '.join(map(literal, named))}))"
    return found | steps.sales(table.database, chosen)
