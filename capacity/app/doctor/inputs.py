"""Checks versions, capacity.yaml, Prometheus and services, and that orders, usage and the calendar can be read."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pandas as pd
from packaging.requirements import Requirement
from packaging.version import Version

from capacity.decision.decide import longest_unnoticed
from capacity.model.check import Finding, State, isolated
from capacity.model.configuration import Config
from capacity.model.fields import duration_text
from capacity.model.settings import PrometheusSettings
from capacity.model.settings.monitoring import ServiceNowSettings, ServiceSettings
from capacity.monitoring.dispatch import ALERTMANAGER, PUSHGATEWAY, connect, connect_tickets
from capacity.quality import Audit
from capacity.series.calendar import holiday_events
from capacity.version import VERSION
from capacity.views.sheet import duration

NOTICED = timedelta(minutes=10)  # within which frozen metrics should be noticed
DISTRIBUTION = "capacity-ahead"  # what pip calls the package `capacity`
FIX_ORDERS = "correct sales.source, or mend what it names; `capacity audit` says more"
FIX_CALENDAR = "correct the file, or take its key out of calendar"
FIX_USAGE = "correct usage.source, its columns or usage.workload"
STATE_OF: dict[str, State] = {"ok": "ok", "warn": "warn", "refuse": "fail"}


def check_versions() -> Iterator[Finding]:
    """Python and capacity, then every library that is absent or outside the range that we declare."""
    own = f"capacity {VERSION}, Python {platform.python_version()}, Kubernetes client {version('kubernetes')}"
    try:
        declared = [Requirement(text) for text in requires(DISTRIBUTION) or ()]
    except PackageNotFoundError:
        yield Finding("versions", "ok", f"{own}; run from a checkout that is not installed: libraries are not checked")
        return
    wrong = [finding for one in declared if (finding := _library(one))]
    yield from wrong or [Finding("versions", "ok", own)]


def _library(wanted: Requirement) -> Finding | None:
    """A library that does not fit; what only an extra asks for is nobody's duty."""
    if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
        return None
    fix = f"python -m pip install '{wanted.name}{wanted.specifier}'"
    try:
        found = Version(version(wanted.name))
    except PackageNotFoundError:
        return Finding("versions", "fail", f"{wanted.name} is not installed", fix)
    if wanted.specifier.contains(found, prereleases=True):
        return None
    return Finding("versions", "warn", f"{wanted.name} {found} is installed, expected {wanted.specifier}", fix)


FIX_CONFIG = "`capacity schema` lists the keys, `capacity init` writes a first file"


def check_config(config: Config, name: str) -> Iterator[Finding]:
    """What there is to plan, then every file with a secret or a certificate."""
    count = len(config.workloads)
    if not count:
        yield Finding("config", "warn", f"{name}: no workloads", "name them under workloads, or run `capacity init`")
    else:
        yield Finding("config", "ok", f"{name}: {count} workload{'s' if count > 1 else ''}, clock {config.timezone}")
    if flat := config.unmoved():
        fix = "set what a sale adds (load: per_sale_per_hour), or name where usage is measured (prometheus, usage)"
        yield Finding(
            "load", "warn", f"no sale adds to the load of {', '.join(flat)}: their plans are straight lines", fix
        )
    yield from _unnoticed(config)
    files = dict(_files(config))
    broken = [finding for key, file in files.items() if (finding := _readable(key, file))]
    yield from broken
    if files and not broken:
        yield Finding("secrets", "ok", f"{len(files)} file{'s' if len(files) > 1 else ''} readable")


def _unnoticed(config: Config) -> Iterator[Finding]:
    """A period at which metrics that stand still are noticed late."""
    controller = config.controller
    longest = longest_unnoticed(controller.period, stamped=controller.metric_times)
    if longest <= NOTICED or controller.metric_times:
        return
    period, stamped = (
        duration_text(one) for one in (controller.period, longest_unnoticed(controller.period, stamped=True))
    )
    told = f"controller.period {period}: frozen metrics may go unnoticed for {duration_text(longest)}"
    fix = f"set controller.metric_times and install its overlay (then {stamped} at most), or use a period of 1m"
    yield Finding("config", "warn", told, fix)


def _files(config: Config) -> Iterator[tuple[str, Path]]:
    if config.prometheus is not None:
        yield from _of_prometheus(config.prometheus)
    services: dict[str, ServiceSettings | None] = {
        "telemetry.pushgateway": config.telemetry.pushgateway,
        "incidents.servicenow": config.incidents.servicenow,
        "incidents.alertmanager": config.incidents.alertmanager,
    }
    for name, service in services.items():
        for key in ("token_file", "password_file", "ca_file"):
            file = getattr(service, key, None)
            if file is not None:
                yield f"{name}.{key}", Path(file)
    messages = config.incidents.messages
    for name in messages.receivers:
        for key in ("url_file", "password_file", "ca_file"):
            file = getattr(getattr(messages, name), key, None)
            if file is not None:
                yield f"incidents.messages.{name}.{key}", Path(file)


def _of_prometheus(settings: PrometheusSettings) -> Iterator[tuple[str, Path]]:
    for key in ("token_file", "ca_file"):
        file = getattr(settings, key)
        if file is not None:
            yield f"prometheus.{key}", Path(file)
    for header, file in settings.header_files.items():
        yield f"prometheus.header_files.{header}", Path(file)


def _readable(key: str, file: Path) -> Finding | None:
    """What keeps us from one line of text in the file; its content is never shown."""
    fix = "mount the secret there, readable by this user, or correct the path"
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        return Finding("secrets", "fail", f"{key}: {file}: {error.strerror}", fix)
    except UnicodeDecodeError:
        return Finding("secrets", "fail", f"{key}: {file}: expected text, got bytes", fix)
    return None if text.strip() else Finding("secrets", "fail", f"{key}: {file}: empty", fix)


FIX_SERVICE = "correct its url, user or secret, or start it; without it only news are lost, no floor"


def check_services(config: Config) -> Iterator[Finding]:
    """Pushgateway, textfile folder, Alertmanager, ServiceNow: each one that is configured."""
    for name, ask in _asked(config).items():
        yield from isolated("services", partial(_answers, name, ask), FIX_SERVICE)
    folder = config.telemetry.textfile
    if folder is not None and not (folder.is_dir() and os.access(folder, os.W_OK)):
        yield Finding(
            "services", "fail", f"telemetry.textfile: {folder} is no folder we may write to", "make it, or chmod it"
        )
    elif folder is not None:
        yield Finding("services", "ok", f"textfile folder {folder} is writable")


def _asked(config: Config) -> dict[str, Callable[[], object]]:
    found: dict[str, Callable[[], object]] = {}
    telemetry, incidents = config.telemetry, config.incidents
    if telemetry.pushgateway is not None:
        found["Pushgateway"] = partial(_listed, telemetry.pushgateway, PUSHGATEWAY, "/api/v1/metrics")
    if incidents.alertmanager is not None:
        found["Alertmanager"] = partial(_listed, incidents.alertmanager, ALERTMANAGER, "/api/v2/alerts")
    if incidents.servicenow is not None:
        found["ServiceNow"] = partial(_tickets, incidents.servicenow)
    return found


def _answers(name: str, ask: Callable[[], object]) -> Iterator[Finding]:
    ask()
    yield Finding("services", "ok", f"{name} answers")


def _listed(settings: ServiceSettings, key: str, path: str) -> None:
    connect(settings, key).call("GET", path)


def _tickets(settings: ServiceNowSettings) -> None:
    connect_tickets(settings).tickets()


FIX_PROMETHEUS = "correct prometheus.url, token_file or ca_file, or start the server"
FIX_SERIES = "check name, metrics.kind, metrics.pods and prometheus.matchers"
LOOK = timedelta(hours=1)
MOST = 20  # workloads named; the rest is counted


def check_prometheus(config: Config, now: datetime) -> Iterator[Finding]:
    """One look at the last hour of every workload."""
    from capacity.sources.prometheus.usage import read_usages

    if config.prometheus is None:
        return
    settings = config.prometheus.model_copy(update={"cache": None, "retries": 0})
    begin = now - max(LOOK, 2 * settings.step)
    found = read_usages(settings, config.measured(), begin, now, now=now)
    lacking = {key: lack for key, usage in found.items() if (lack := _lack(usage, settings))}
    for key, lack in list(lacking.items())[:MOST]:
        state: State = "fail" if isinstance(found[key], Exception) else "warn"
        yield Finding("prometheus", state, f"{'/'.join(key)}: {lack}", FIX_SERIES)
    if len(lacking) > MOST:
        yield Finding("prometheus", "fail", f"and {len(lacking) - MOST:,} more workloads lack series", FIX_SERIES)
    if len(found) > len(lacking) or not found:
        yield Finding("prometheus", "ok", f"answers; {len(found) - len(lacking)} of {len(found)} workloads have series")


def _lack(usage: pd.DataFrame | Exception, settings: PrometheusSettings) -> str:
    """Which series of a workload have no value in the last hour; empty if none is missing."""
    from capacity.sources.prometheus.answers import QueryError

    if isinstance(usage, Exception):
        return str(usage) if isinstance(usage, QueryError) else "no series"
    asked = ["cpu", "memory", *(["requests"] if settings.requests else [])]
    missing = " and ".join(f"{name} series" for name in asked if usage[name].isna().all())
    return f"no {missing}" if missing else ""


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
    bad_rows = audit.score < audit.quality.warn_below
    fix = (
        "`capacity audit` keeps the bad rows in a file; correct them, or the rule"
        if bad_rows
        else "correct the source, or set the key that is named; `capacity audit` says more"
    )
    return Finding("orders", state, "; ".join((figures, *audit.reasons)), fix)


def _age(age: timedelta | None, horizon: timedelta) -> Finding:
    if age is None:
        return Finding(
            "orders", "fail", "no row is good, so none is the newest", "`capacity audit` says which rule fails"
        )
    old = f"the newest row is {duration(age)} old"
    if age <= horizon:
        return Finding("orders", "ok", old)
    fix = "provide newer orders, or lengthen forecast.horizon"
    return Finding("orders", "warn", f"{old}, and a plan covers only {duration(horizon)} after it", fix)


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
