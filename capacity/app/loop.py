"""Runs passes from the configuration and the plans, once or in a loop; SIGTERM lets the current pass finish."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

from capacity.app.floor_watch import FloorWatch
from capacity.app.reconciliation import Reconciliation
from capacity.cluster.client import ClusterReader, ClusterWriter
from capacity.cluster.config_maps import read_plan_maps
from capacity.cluster.lease import SHORTEST, Lease, identity
from capacity.decision.guards import PlanCheck, check_plan
from capacity.logs import LOGGER
from capacity.model import CapacityError, ConfigError, Plan
from capacity.model.configuration import Config
from capacity.model.fields import rfc3339
from capacity.model.outcome import Outcome, outcome_document, summary
from capacity.model.plan_file import read_plan
from capacity.views.sheet import Sheet, count


def make_pass(
    config: Config, now: datetime, plan_file: Path | None, reader: ClusterReader, *, real_time: bool = False
) -> Reconciliation:
    """The pass at `now`, with the plan from a file, or (None) from the ConfigMaps of each namespace.

    A plan that cannot be read, or that contradicts the configuration, counts as no plan, and the reason is reported:
    raised floors are held, then lowered when they expire. `real_time`: `now` is the clock's time, and may be compared
    with that of the API server.
    """
    workloads = config.workloads
    if not workloads:
        raise ConfigError("workloads: expected at least one workload, got none")
    controller = config.controller
    brake, home = controller.brake, controller.home
    began = monotonic()
    work = Reconciliation(
        workloads, None, controller.policy(), now, brake=brake, home=home, real_time=real_time, began=began
    )
    work = replace(work, metric_times=controller.metric_times)
    settings = config.fingerprints()
    checked, unreadable = list[tuple[Plan, PlanCheck]](), dict[str, str]()
    namespaces = sorted({workload.namespace for workload in workloads})
    for some in (namespaces,) if plan_file is not None else ([one] for one in namespaces):
        try:
            plan = read_plan_maps(reader, some[0], near=now) if plan_file is None else read_plan(plan_file, near=now)
            checked.append((plan, check_plan(plan, workloads, settings)))
        except CapacityError as error:
            unreadable |= dict.fromkeys(some, str(error))
    contradicted = {key: why for _, check in checked for key, why in check.refused.items()}
    noted = {key: why for _, check in checked for key, why in check.noted.items()}
    plans = _joined([plan for plan, _ in checked])
    return replace(work, plan=plans, unreadable=unreadable, contradicted=contradicted, noted=noted)


def _joined(plans: Sequence[Plan]) -> Plan | None:
    """One plan with the workloads of all namespaces; the plans may have been made at different times."""
    if not plans:
        return None
    return replace(plans[0], workloads=tuple(workload for plan in plans for workload in plan.workloads))


def pass_sheet(title: str, outcomes: Sequence[Outcome], now: datetime) -> Sheet:
    """One row per workload: from, to, reason, why."""
    rows: list[tuple[object, ...]] = []
    for outcome in outcomes:
        decision = outcome.decision
        if decision is not None:
            target = "" if outcome.target is None else str(outcome.target)
            move = " ; ".join(filter(None, [outcome.floor_move, outcome.ceiling_move, target]))
            rows.append((outcome.where, move, decision.reason, outcome.error or decision.detail))
        elif outcome.error is not None:
            rows.append((outcome.where, "", "Error", outcome.error))
        for one in outcome.actuations:
            why = one.error or one.detail
            rows.append((f"{outcome.workload.namespace}/{one.where}", one.move, one.reason, why))
    document = {**summary(outcomes, now), "decisions": [outcome_document(outcome) for outcome in outcomes]}
    return Sheet(title, ("autoscaler", "floor", "reason", "why"), rows, document, (pass_footer(outcomes, now),))


def pass_footer(outcomes: Sequence[Outcome], now: datetime) -> str:
    """The pass in one line: workloads, changed, held, failed."""
    figures = summary(outcomes, now)
    counts = ", ".join(f"{figures[name]} {name}" for name in ("changed", "held", "failed"))
    return f"{rfc3339(now.replace(microsecond=0))}: {count(len(outcomes), 'workload')}, {counts}"


PERIODS = 3  # without renewal a leader is followed by another after this many periods


@dataclass
class Leader:
    """The Leases that elect one leader among several loops, for each namespace."""

    writer: ClusterWriter
    namespaces: Sequence[str]
    period: timedelta
    holder: str = field(default_factory=identity)

    def lead(self) -> dict[str, str | None]:
        """Acquire or renew the Lease of each namespace. Returns who else leads there; None if we lead."""
        return {namespace: self._lease(namespace).acquire(datetime.now(UTC)) for namespace in self.namespaces}

    def keep(self, namespace: str) -> str | None:
        """Renew one Lease during a long pass. Returns who else leads there; None if we still lead."""
        return self._lease(namespace).acquire(datetime.now(UTC))

    def resign(self) -> None:
        """Release the Leases, so that another loop can lead at once."""
        for namespace in self.namespaces:
            self._lease(namespace).release(datetime.now(UTC))

    def _lease(self, namespace: str) -> Lease:
        return Lease(self.writer, namespace, self.holder, max(SHORTEST, PERIODS * self.period))


def repair_between(
    watch: FloorWatch, repair: Callable[[frozenset[tuple[str, str]]], None], stop: threading.Event
) -> Callable[[float], None]:
    """What to do between two passes: repair what the watch finds, until the time is over or the loop must stop."""

    def between(seconds: float) -> None:
        ends = monotonic() + seconds
        while not stop.is_set() and (left := ends - monotonic()) > 0:
            watch.wake.wait(left)
            found = watch.taken()
            if not found or stop.is_set():
                continue
            try:
                repair(found)
            except CapacityError as error:
                LOGGER.error("%s", error)

    return between


@contextmanager
def stopping(woken: threading.Event | None = None) -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set; the previous handlers are restored afterwards.

    `woken`, the event that a loop waits for, is set with it.
    """
    stop = threading.Event()

    def end(*_: object) -> None:
        stop.set()
        if woken is not None:
            woken.set()

    former = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def repeat(
    one_pass: Callable[[], None],
    period: timedelta,
    stop: threading.Event,
    between: Callable[[float], None] | None = None,
) -> None:
    """Run a pass every period, measured from start to start, until told to stop. A failed pass is logged and retried.

    `between` waits the given number of seconds, and may work meanwhile. Default: sleep.
    """
    while not stop.is_set():
        began = datetime.now(UTC)
        try:
            one_pass()
        except CapacityError as error:
            LOGGER.error("%s", error)
        left = max(0.0, (began + period - datetime.now(UTC)).total_seconds())
        if between is None:
            stop.wait(left)
        else:
            between(left)
