"""Measures service-level objectives from audits, tickets and Prometheus, and when planner and controller last ran."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capacity.cluster.client import ABSENT, ClusterReader
from capacity.cluster.lease import NAME as LEASE
from capacity.http import HttpError
from capacity.model import CapacityError, ClusterError, DataError, Plan
from capacity.model.configuration import Config
from capacity.model.fields import time_or_none
from capacity.model.service_level import TARGETS, Heartbeat, ServiceLevelObjective, Status, WorkloadStatus
from capacity.sources.prometheus.answers import Value
from capacity.sources.prometheus.client import Prometheus
from capacity.views.sheet import count, duration

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "audits"
MOST = 0.95  # of the audits: one late night in twenty is no broken promise
CRONJOBS = "/apis/batch/v1/namespaces/{namespace}/cronjobs"
OURS = "app.kubernetes.io/part-of=capacity"
PASSES, LEAST = 3, timedelta(minutes=3)  # one missed pass is no news: floors cover two periods more than they must
PLANNINGS = timedelta(hours=3)  # of a planner that runs each hour


def latency_objective(audits: pd.DataFrame) -> ServiceLevelObjective:
    """How late the data of the worst source was in all but a twentieth of its audits.

    From an event to its row where the source says (`sales.available_at`); of totals, how long the next one was overdue;
    where a fresh row is expected and there was none, how old the newest was. Where an audit knows none of these, the
    age of the newest row is an upper bound: it can show that the promise is kept, but not that it is broken, since it
    also counts the hours without orders.
    """
    seen = audits.dropna(subset="newest")
    target = TARGETS["data latency"]
    if seen.empty:
        return ServiceLevelObjective(target, None, SOURCE, "no audit of this time has a good row")
    age = (seen["audited_at"] - seen["newest"]).dt.total_seconds()
    known = seen["latency_seconds"].astype(float)
    at_most, at_least = (_usual_most(seen["source"], known.fillna(other)) for other in (age, 0.0))
    kept, broken = at_most.max() < target.bound, at_least.max() >= target.bound
    if not kept and not broken:
        return ServiceLevelObjective(target, None, SOURCE, _unmeasured(str(at_most.idxmax()), at_most.max()))
    judged = at_least if broken else at_most
    worst = str(judged.idxmax())
    own = known.fillna(0.0 if broken else age)[seen["source"] == worst]
    note = f"{worst}, {count(len(own), 'audit')}, {duration_of(max(0.0, own.max()))} at most"
    return ServiceLevelObjective(target, float(judged.max()), SOURCE, note)


def _usual_most(source: pd.Series, seconds: pd.Series) -> pd.Series:
    """By source, what all but a twentieth of its audits keep; never below zero: a row may bear a time of its own clock.

    The nearest rank, so that it is the value of one audit.
    """
    ranked = seconds.clip(lower=0).sort_values().groupby(source)
    return ranked.agg(lambda own: own.iloc[math.ceil(MOST * len(own)) - 1])


def _unmeasured(source: str, age: float) -> str:
    return (
        f"not measurable: rows of {source} do not tell when they became available, and the newest was "
        f"{duration_of(age)} old; set sales.available_at to the column that does"
    )


def quality_objective(audits: pd.DataFrame) -> ServiceLevelObjective:
    """Good rows over rows of all audits, of the worst source."""
    rows = audits.groupby("source")[["passed", "rows"]].sum()
    known = rows[rows["rows"] > 0]
    if known.empty:
        return ServiceLevelObjective(TARGETS["data quality"], None, SOURCE, "no audit of this time has rows")
    shares = known["passed"] / known["rows"]
    worst = str(shares.idxmin())
    own = audits[(audits["source"] == worst) & (audits["rows"] > 0)]
    note = f"{worst}, {count(len(own), 'audit')}, lowest score {100 * own['score'].min():.2f} %"
    return ServiceLevelObjective(TARGETS["data quality"], float(shares.min()), SOURCE, note)


def duration_of(seconds: float) -> str:
    """Seconds as people read them."""
    return duration(timedelta(seconds=round(seconds)))


MEASURED_SOURCE = "Prometheus"
SEEN_EVERY = 500  # parts of the window in which the first sample is looked for


@dataclass(frozen=True, slots=True)
class RecordedObjectives:
    """The series of a server over `window` up to `now`. A server that does not answer is asked once."""

    server: Prometheus
    now: datetime
    window: timedelta
    _silent: list[HttpError] = field(default_factory=list)

    def uptime(self) -> ServiceLevelObjective:
        """The share of evaluations at which a pass had ended in time, of the worst installation."""
        found = self._ask(f"min(avg_over_time(capacity:available:bool[{self._span}]))")
        return self._objective("uptime", found, "capacity:available:bool")

    def utilization(self) -> ServiceLevelObjective:
        """The highest of any workload, and whose it is."""
        found = self._ask(f"topk(1, max_over_time(capacity:utilization:ratio[{self._span}]))")
        whose = [f"{one.labels.get('namespace')}/{one.labels.get('workload')}" for one in found]
        return self._objective("CPU and memory", found, "capacity:utilization:ratio", *whose)

    def quality(self) -> ServiceLevelObjective:
        """The mean score of the worst source."""
        found = self._ask(f"min by (source) (avg_over_time(capacity_audit_score_ratio[{self._span}]))")
        return self._worst("data quality", found, "capacity_audit_score_ratio", min)

    def latency(self) -> ServiceLevelObjective:
        """The 95th percentile of the worst source."""
        asked = f"max by (source) (quantile_over_time(0.95, capacity_data_latency_seconds[{self._span}]))"
        return self._worst("data latency", self._ask(asked), "capacity_data_latency_seconds", max)

    def restore(self) -> ServiceLevelObjective:
        """Seconds in which a critical alert fired, over how often that began, of the worst installation."""
        name, target = "capacity:critical:bool", TARGETS["time to restore"]
        share = self._ask(f"topk(1, avg_over_time({name}[{self._span}]))")
        began = self._ask(f"changes({name}[{self._span}]) and topk(1, avg_over_time({name}[{self._span}]))")
        if not share or not began:
            return self._objective(target.name, [], name)
        since = self._since(name)
        if share[0].value == 0:
            return ServiceLevelObjective(
                target, None, MEASURED_SOURCE, f"no critical alert{self._known(since)}", untried=True
            )
        times = max(1, math.ceil(began[0].value / 2))
        seconds = share[0].value * (self.now - since).total_seconds() / times
        return ServiceLevelObjective(target, seconds, MEASURED_SOURCE, f"critical alerts: {times}{self._known(since)}")

    @property
    def _span(self) -> str:
        return f"{int(self.window.total_seconds())}s"

    def _ask(self, expression: str) -> list[Value]:
        if self._silent:
            raise self._silent[0]
        try:
            return self.server.query(expression, self.now)
        except HttpError as error:
            self._silent.append(error)
            raise

    def _worst(self, name: str, found: list[Value], series: str, worst: Callable[..., Value]) -> ServiceLevelObjective:
        if not found:
            return self._objective(name, found, series)
        one = worst(found, key=lambda value: value.value)
        return self._objective(name, [one], series, str(one.labels.get("source")))

    def _objective(self, name: str, found: list[Value], series: str, *remarks: str) -> ServiceLevelObjective:
        if not found:
            why = f"no series {series}: are the rules of k8s/monitoring loaded there, is telemetry configured?"
            return ServiceLevelObjective(TARGETS[name], None, MEASURED_SOURCE, why)
        note = _joined(*remarks, self._known(self._since(series)))
        return ServiceLevelObjective(TARGETS[name], found[0].value, MEASURED_SOURCE, note)

    def _since(self, series: str) -> datetime:
        """When the window's first sample was seen."""
        every = max(60, int(self.window.total_seconds()) // SEEN_EVERY)
        found = self._ask(f"min(min_over_time(timestamp({series})[{self._span}:{every}s]))")
        if not found:
            return self.now
        try:
            return datetime.fromtimestamp(found[0].value, UTC)
        except (ValueError, OverflowError, OSError) as error:
            value = found[0].value
            raise DataError(f"Prometheus: expected the time of the first sample of {series}, got {value:g}") from error

    def _known(self, since: datetime) -> str:
        """Said where the series is younger than nine tenths of the window: what was before is not known."""
        age = self.now - since
        return "" if age > 0.9 * self.window else f"known for the last {duration(age)} only"


def _joined(*parts: str) -> str:
    """Parts of a note, the empty ones left out."""
    return ", ".join(filter(None, parts))


Read = Callable[[], ServiceLevelObjective]
RECORDED_ONLY = "needs prometheus.url: recording rules measure it"


def read_status(
    config: Config, now: datetime, window: timedelta, audits: Path, read_workloads: Callable[[], WorkloadStatus]
) -> Status:
    """Ask each source for what it knows. A source that fails leaves its promises unknown and is named in `failures`."""
    objectives: list[ServiceLevelObjective] = []
    failures: dict[str, None] = {}
    for name, read in _sources(config, now, window, audits).items():
        try:
            objectives.append(read())
        except CapacityError as error:
            failures[str(error)] = None
            objectives.append(ServiceLevelObjective(TARGETS[name], None, "", "its source failed"))
    workloads = read_workloads()
    errors = [f"{one.where}: {one.error}" for one in workloads.outcomes if one.error is not None]
    return Status(now, window, tuple(objectives), workloads, (*failures, *errors))


def _sources(config: Config, now: datetime, window: timedelta, audits: Path) -> Mapping[str, Read]:
    """By target: where it is read, the best source first that is configured."""
    recorded = _recorded(config, now, window)
    from_audits = _audited(audits, now, window)
    return {
        "uptime": recorded.get("uptime") or _unknown("uptime", RECORDED_ONLY),
        "time to restore": _tickets(config, now, window)
        or recorded.get("time to restore")
        or _unknown("time to restore", "needs incidents.servicenow or prometheus.url"),
        "data latency": from_audits.get("data latency")
        or recorded.get("data latency")
        or _no_audit("data latency", audits),
        "CPU and memory": recorded.get("CPU and memory") or _unknown("CPU and memory", RECORDED_ONLY),
        "data quality": from_audits.get("data quality")
        or recorded.get("data quality")
        or _no_audit("data quality", audits),
    }


def _recorded(config: Config, now: datetime, window: timedelta) -> dict[str, Read]:
    if config.prometheus is None:
        return {}
    from capacity.sources.prometheus.client import Prometheus

    seen = RecordedObjectives(Prometheus(config.prometheus), now, window)
    return {
        "uptime": seen.uptime,
        "time to restore": seen.restore,
        "data latency": seen.latency,
        "CPU and memory": seen.utilization,
        "data quality": seen.quality,
    }


def _audited(folder: Path, now: datetime, window: timedelta) -> dict[str, Read]:
    """Nothing where no audit of this time was kept."""
    if not folder.is_dir():
        return {}
    from capacity.sources.audit_history import read_audits

    audits = read_audits(folder, now - window).audits
    audits = audits[audits["audited_at"] <= now] if len(audits) else audits
    if audits.empty:
        return {}
    return {"data latency": lambda: latency_objective(audits), "data quality": lambda: quality_objective(audits)}


def _tickets(config: Config, now: datetime, window: timedelta) -> Read | None:
    settings = config.incidents.servicenow
    if settings is None:
        return None
    from capacity.monitoring.dispatch import connect_tickets
    from capacity.monitoring.tickets import restore_objective

    instance = connect_tickets(settings)
    return lambda: restore_objective(instance.past(now - window), now, window)


def _no_audit(name: str, folder: Path) -> Read:
    return _unknown(name, f"no audit of this time in {folder}/, and no prometheus is configured")


def _unknown(name: str, why: str) -> Read:
    return lambda: ServiceLevelObjective(TARGETS[name], None, "", why)


def read_heartbeats(config: Config, reader: ClusterReader, plan: Plan | None, now: datetime) -> tuple[Heartbeat, ...]:
    """The age of the plan, and of each namespace the runs of our CronJobs and the last renewal of the Lease."""
    workloads = dict.fromkeys(one.namespace for one in config.workloads)
    ours = config.controller.namespace
    pods = [ours] if ours is not None else [*filter(None, [config.controller.home]), *workloads]
    late = max(LEAST, PASSES * config.controller.period)
    found = [] if plan is None else [Heartbeat("plan", plan.created, now - plan.created > PLANNINGS, "made")]
    for namespace in dict.fromkeys([*pods, *workloads]):
        found += _jobs(reader, namespace, now, late) if namespace in pods else []
        found += _lease(reader, namespace)
    return tuple(found)


def _jobs(reader: ClusterReader, namespace: str, now: datetime, late: timedelta) -> Iterator[Heartbeat]:
    try:
        listed = list(reader.objects(CRONJOBS.format(namespace=namespace), labels=OURS))
    except ClusterError as error:
        yield Heartbeat(f"CronJobs in {namespace}", None, False, f"not known: {error}")
        return
    for one in listed:
        name = str(one["metadata"]["name"])
        patience = late if name.endswith("-controller") else PLANNINGS
        yield _job(f"CronJob {namespace}/{name}", one, now, patience)


def _job(what: str, job: dict[str, Any], now: datetime, patience: timedelta) -> Heartbeat:
    status = job.get("status") or {}
    ended, started = time_or_none(status.get("lastSuccessfulTime")), time_or_none(status.get("lastScheduleTime"))
    if (job.get("spec") or {}).get("suspend"):
        return Heartbeat(what, ended, True, "suspended")
    if ended is None:
        return Heartbeat(what, started, started is not None, "started, but never succeeded" if started else "never run")
    return Heartbeat(what, ended, now - ended > patience, "succeeded")


def _lease(reader: ClusterReader, namespace: str) -> Iterator[Heartbeat]:
    """The CronJob takes it only where it writes, so that its age is no alarm."""
    try:
        spec = reader.lease(namespace, LEASE).get("spec") or {}
    except ClusterError as error:
        if error.status != ABSENT:
            yield Heartbeat(f"Lease {namespace}/{LEASE}", None, False, f"not known: {error}")
        return
    holder = spec.get("holderIdentity")
    note = f"renewed, held by {holder}" if holder else "released"
    yield Heartbeat(f"Lease {namespace}/{LEASE}", time_or_none(spec.get("renewTime")), False, note)
