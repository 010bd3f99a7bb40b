"""Sends metrics, alerts, tickets and messages when a job ends. If sending fails, the job continues with a warning."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

from capacity.files import write_text
from capacity.logs import LOGGER, LogForm, current_run
from capacity.model import CapacityError, DataError

if TYPE_CHECKING:
    from capacity.app.reconciliation import Reconciliation
    from capacity.model import Plan, WorkloadPlan
    from capacity.model.configuration import Config
    from capacity.model.outcome import Outcome
    from capacity.model.settings import IncidentSettings, TelemetrySettings
    from capacity.model.settings.monitoring import MessageSettings
    from capacity.monitoring.conditions import Condition, Scope
    from capacity.monitoring.export import Exposition
    from capacity.monitoring.metrics import Sample
    from capacity.planning.result import PlanResult
    from capacity.quality import Audit

# Jobs at the Pushgateway, names of textfiles. A push takes the place of the job's last one: audits are a job of their
# own, whether the planner made them or `capacity audit`, so that a planning that refuses its data forgets no plan.
PLANNER, AUDIT, CONTROLLER = "capacity-planner", "capacity-audit", "capacity-controller"
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Notifier:
    """Where the results of this configuration's jobs are sent. Empty settings load no library."""

    telemetry: TelemetrySettings
    incidents: IncidentSettings
    exposition: Exposition | None = None  # of a running controller: what /metrics shows
    timezone: str = "UTC"
    keeper: Keeper | None = None  # of what was told in messages

    @classmethod
    def of(cls, config: Config, exposition: Exposition | None = None, keeper: Keeper | None = None) -> Notifier:
        """What the configuration asks for; `keeper` keeps what was told, unless the configuration names a file."""
        file = config.incidents.messages.memory
        if file is not None:
            keeper = FileKeeper(file)
        return cls(config.telemetry, config.incidents, exposition, config.timezone, keeper)

    @classmethod
    def silent(cls) -> Notifier:
        """A notifier that sends nothing: for other data than the job's, and for what-ifs."""
        from capacity.model.settings import IncidentSettings, TelemetrySettings

        return cls(TelemetrySettings(), IncidentSettings())

    @property
    def measures(self) -> bool:
        """Whether metrics are shown, pushed or written anywhere."""
        somewhere = (self.exposition, self.telemetry.pushgateway, self.telemetry.textfile)
        return any(place is not None for place in somewhere)

    @property
    def reports(self) -> bool:
        """Whether conditions become alerts, tickets, messages or JSON log lines."""
        incidents = self.incidents.servicenow is not None or self.incidents.alertmanager is not None
        return incidents or bool(self.incidents.messages.receivers) or current_run().form is LogForm.json

    def planned(self, planned: PlanResult, took: timedelta) -> list[str]:
        """Report a plan and the audit of its data. Returns one warning for each failure to send."""
        plan, now, warnings = planned.plan, planned.plan.created, []
        if self.measures:
            from capacity.monitoring.samples import ahead_samples, audit_samples, plan_samples

            warnings += self._send_metrics(audit_samples(planned.audit, now), AUDIT)
            samples = [
                *plan_samples(plan, len(planned.failures), took, planned.demand),
                *ahead_samples(plan, planned.ahead),
            ]
            warnings += self._send_metrics(samples, PLANNER)
        warnings += self._report_plan(planned.audit, planned.failures, plan.workloads, now)
        return [*warnings, *self._tell_plan(plan)]

    def audited(self, audit: Audit, now: datetime) -> list[str]:
        """Report an audit: on its own, or of data too bad to plan from."""
        from capacity.monitoring.samples import audit_samples

        return [*self._send_metrics(audit_samples(audit, now), AUDIT), *self._report_plan(audit, {}, (), now)]

    def failed(self, namespaces: Iterable[str], error: CapacityError, now: datetime) -> list[str]:
        """Report a run that produced no plan; the metrics of the last plan stay."""
        from capacity.monitoring.conditions import Condition, Scope

        subjects = sorted(set(namespaces))
        conditions = [Condition("PlanFailed", subject, " ".join(str(error).split())) for subject in subjects]
        return self._report(conditions, Scope("plan", set(subjects)), now)

    def passed(self, work: Reconciliation, outcomes: Sequence[Outcome], now: datetime, took: timedelta) -> list[str]:
        """Report a pass."""
        from capacity.monitoring.conditions import Scope, pass_conditions
        from capacity.monitoring.samples import pass_samples

        warnings = self._send_metrics(pass_samples(work.plan, work.policy.period, outcomes, now, took), CONTROLLER)
        scope = Scope("pass", {outcome.workload.namespace for outcome in outcomes})
        return [*warnings, *self._report(pass_conditions(outcomes), scope, now)]

    def change_window(self, now: datetime) -> tuple[str | None, list[str]]:
        """The change that is in progress, if change windows are read; and a warning for each failure to read them."""
        settings = self.incidents.servicenow
        if settings is None or settings.change_windows is None:
            return None, []
        from capacity.monitoring.dispatch import connect_tickets

        try:
            return connect_tickets(settings).change_window(now, settings.change_windows), []
        except CapacityError as error:
            return None, [f"change windows not read, none assumed: {error}"]

    def _report_plan(
        self,
        audit: Audit,
        failures: Mapping[tuple[str, str], str],
        plans: Sequence[WorkloadPlan],
        now: datetime,
    ) -> list[str]:
        if not self.reports:
            return []
        from capacity.monitoring.conditions import Scope, plan_conditions

        namespaces = {plan.namespace for plan in plans} | {namespace for namespace, _ in failures}
        return self._report(plan_conditions(audit, failures), Scope("plan", {audit.source, *namespaces}), now)

    def _report(self, conditions: Sequence[Condition], scope: Scope, now: datetime) -> list[str]:
        _log(conditions)
        settings, warnings = self.incidents, list[str]()
        if settings.servicenow is not None or settings.alertmanager is not None:
            from capacity.monitoring.dispatch import connect_incidents

            warnings += connect_incidents(settings).report(conditions, scope, now)
        if settings.messages.receivers:
            linked = [replace(condition, runbooks=settings.runbooks) for condition in conditions]
            warnings += tell_breaches(settings.messages, self.keeper, linked, scope, now)
        return warnings

    def _tell_plan(self, plan: Plan) -> list[str]:
        if self.incidents.messages.plans is None:
            return []
        return tell_plan(self.incidents.messages, plan, self.timezone)

    def _send_metrics(self, samples: Sequence[Sample], job: str) -> list[str]:
        warnings = []
        if self.exposition is not None:
            self.exposition.update(samples)
        folder = self.telemetry.textfile
        try:
            if self.telemetry.pushgateway is not None:
                _push(self.telemetry, samples, job)
        except CapacityError as error:
            warnings.append(f"metrics not pushed: {error}")
        try:
            if folder is not None:
                from capacity.monitoring.export import write_textfile

                write_textfile(samples, folder / f"{job}.prom", self.telemetry.installation)
        except OSError as error:
            warnings.append(f"metrics not written: {folder}: {error.strerror}")
        return warnings


def _push(settings: TelemetrySettings, samples: Sequence[Sample], job: str) -> None:
    from capacity.monitoring.dispatch import connect_gateway

    gateway = connect_gateway(settings)
    if gateway is not None:
        gateway.push(samples, job)


def _log(conditions: Sequence[Condition]) -> None:
    """Log the conditions and their automatic remediation where logs are JSON; people read the tickets instead."""
    if current_run().form is not LogForm.json:
        return
    for one in conditions:
        facts = {"condition": one.name, "subject": one.subject, "detail": one.detail}
        LOGGER.warning("%s", one.title, extra={**facts, "remediation": one.kind.remediation})


class Keeper(Protocol):
    """Stores JSON values beyond the life of this process."""

    def load(self) -> object:
        """The stored values; None if there are none."""

    def save(self, document: object) -> None:
        """Replace the stored values."""


@dataclass(frozen=True, slots=True)
class FileKeeper:
    """A file beside the configuration, written whole."""

    path: Path

    def load(self) -> object:
        """The JSON values of the file; None where it is absent or cut."""
        try:
            return json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def save(self, document: object) -> None:
        """Write the file. Raises `DataError`."""
        try:
            write_text(self.path, json.dumps(document))
        except OSError as error:
            raise DataError(f"{self.path}: cannot be written: {error.strerror or error}") from error


def tell_breaches(
    settings: MessageSettings,
    keeper: Keeper | None,
    conditions: Sequence[Condition],
    scope: Scope,
    now: datetime,
) -> list[str]:
    """Send the messages that are due, and remember them. Returns one warning for each failure.

    Without a keeper every current breach is sent. A message that could not be sent is due again.
    """
    from capacity.monitoring.messages import Manner, due_messages, memory_document, read_memory, send

    try:
        known = {} if keeper is None else read_memory(keeper.load())
    except CapacityError as error:
        return [f"messages not sent: the record of sent messages cannot be read: {error}"]
    manner = Manner(settings.least == "critical", settings.repeat)
    messages, kept = due_messages(conditions, scope, known, now, manner)
    warnings = list(send(settings, messages))
    if keeper is None or kept == known or (messages and len(warnings) == len(settings.receivers)):
        return warnings
    try:
        keeper.save(memory_document(kept))
    except CapacityError as error:
        warnings.append(f"messages sent, but not recorded: {error}")
    return warnings


def tell_plan(settings: MessageSettings, plan: Plan, timezone: str) -> list[str]:
    """Send the plan if it was made in the hour that begins at `settings.plans`. Returns a warning for each failure."""
    from capacity.monitoring.messages import plan_message, send

    zone = ZoneInfo(timezone)
    if settings.plans is None or not is_time_of(settings.plans, plan.created.astimezone(zone)):
        return []
    return list(send(settings, [plan_message(plan, zone)]))


def is_time_of(hour: time, local: datetime) -> bool:
    """Whether a local time lies within the hour that begins at a time of day.

    >>> [is_time_of(time(23, 30), datetime(2026, 11, 27, *at)) for at in ((23, 29), (23, 30), (0, 29), (0, 30))]
    [False, True, True, False]
    """
    begun = datetime.combine(local.date(), hour, local.tzinfo)
    return any(timedelta(0) <= local - (begun - timedelta(days=days)) < HOUR for days in (0, 1))
