"""Checks that orders, usage and the calendar can be read, and how old and good they are. It keeps nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pandas as pd

from capacity.model.check import Finding, State
from capacity.model.configuration import Config
from capacity.quality import Audit
from capacity.series.calendar import holiday_events
from capacity.views.sheet import duration

FIX_ORDERS = "correct sales.source, or mend what it names; `capacity audit` says more"
FIX_CALENDAR = "correct the file, or take its key out of calendar"
FIX_USAGE = "correct usage.source, its columns or usage.workload"
STATE_OF: dict[str, State] = {"ok": "ok", "warn": "warn", "refuse": "fail"}


def check_orders(config: Config, now: datetime) -> Iterator[Finding]:
    """The verdict of an audit, and the age of the newest good row."""
    from capacity.sources.audit_history import audit_orders
    from capacity.sources.table import OrderTable

    if config.sales is None:
        yield Finding("orders", "ok", "none: usage is forecast by itself")
        return
    with OrderTable.load(config.orders(), config.timezone, now) as table:
        audit = audit_orders(table, config).at(now)
    yield _quality(audit)
    yield _age(audit.age(now), config.forecast.horizon)


def _quality(audit: Audit) -> Finding:
    state = STATE_OF[audit.verdict]
    figures = f"{audit.source}: {audit.passed:,} of {audit.rows:,} rows good, score {audit.score:.4f}"
    if state == "ok":
        return Finding("orders", state, figures)
    fix = "`capacity audit` keeps the bad rows in a file; mend them, or the rule"
    return Finding("orders", state, "; ".join((figures, *audit.reasons)), fix)


def _age(age: timedelta | None, horizon: timedelta) -> Finding:
    if age is None:
        return Finding(
            "orders", "fail", "no row is good, so none is the newest", "`capacity audit` says which rule fails"
        )
    old = f"the newest row is {duration(age)} old"
    if age <= horizon:
        return Finding("orders", "ok", old)
    fix = "bring newer orders, or lengthen forecast.horizon"
    return Finding("orders", "warn", f"{old}, a plan reaches {duration(horizon)} from there and is over", fix)


def check_calendar(config: Config, now: datetime) -> Iterator[Finding]:
    """Holidays that are known, events and columns that can be read and reach the days to come."""
    from capacity.sources.orders import read_columns, read_events

    calendar, end = config.calendar, now + config.forecast.horizon
    if calendar.holidays:
        count = len(holiday_events(calendar.holidays, now, now + timedelta(days=365), config.timezone))
        yield Finding("calendar", "ok", f"holidays {', '.join(calendar.holidays)}: {count} in the next 365 days")
    if calendar.events is not None:
        events = read_events(calendar.events, config.timezone)
        coming = sum(event.end > now for event in events)
        yield Finding("calendar", "ok", f"{len(events)} events read, {coming} to come")
    if calendar.columns is not None:
        last = read_columns(calendar.columns, config.timezone).index.max()
        yield _columns(last, end)


def _columns(last: pd.Timestamp, end: datetime) -> Finding:
    if last >= pd.Timestamp(end - timedelta(days=1)):
        return Finding("calendar", "ok", f"columns known until {last:%Y-%m-%d}")
    detail = f"columns are known until {last:%Y-%m-%d}, the horizon ends {end.astimezone(UTC):%Y-%m-%d}"
    return Finding("calendar", "warn", detail, "add the days to come to calendar.columns")


def check_usage(config: Config, now: datetime) -> Iterator[Finding]:
    """Which workloads a usage file knows, and how old its newest measurement is."""
    from capacity.sources.usage import usage_of

    if config.usage is None:
        return
    tables = usage_of(config)
    missing = [item for item in config.workloads if item.key not in tables]
    for workload in missing[:20]:
        name = f"{workload.namespace}/{workload.name}"
        yield Finding("usage", "warn", f"{name}: no row is its own, its load stays as configured", FIX_USAGE)
    if tables:
        newest = max(table.index[-1] for table in tables.values())
        age = duration(pd.Timestamp(now) - newest)
        yield Finding("usage", "ok", f"{len(tables)} of {len(config.workloads)} workloads measured, newest {age} old")
