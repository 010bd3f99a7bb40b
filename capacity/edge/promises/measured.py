"""What Prometheus has recorded of the promises, by the rules of k8s/monitoring."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from capacity.domain import DataError
from capacity.edge.prometheus.answers import Value
from capacity.edge.prometheus.client import Prometheus
from capacity.edge.promises.promise import TARGETS, Promise
from capacity.edge.screen import duration

SOURCE = "Prometheus"
SEEN_EVERY = 500  # parts of the window in which the first sample is looked for


@dataclass(frozen=True, slots=True)
class Recorded:
    """The series of a server over `window` up to `now`."""

    server: Prometheus
    now: datetime
    window: timedelta

    def uptime(self) -> Promise:
        """The share of evaluations at which a pass had ended in time."""
        found = self._ask(f"avg_over_time(capacity:available:bool[{self._span}])")
        return self._promise("uptime", found, "capacity:available:bool")

    def utilization(self) -> Promise:
        """The highest of any workload, and whose it is."""
        found = self._ask(f"topk(1, max_over_time(capacity:utilization:ratio[{self._span}]))")
        whose = [f"{one.labels.get('namespace')}/{one.labels.get('workload')}" for one in found]
        return self._promise("CPU and memory", found, "capacity:utilization:ratio", *whose)

    def quality(self) -> Promise:
        """The mean score of the worst source."""
        found = self._ask(f"min by (source) (avg_over_time(capacity_audit_score_ratio[{self._span}]))")
        return self._worst("data quality", found, "capacity_audit_score_ratio", min)

    def latency(self) -> Promise:
        """The 95th percentile of the worst source."""
        asked = f"max by (source) (quantile_over_time(0.95, capacity_data_latency_seconds[{self._span}]))"
        return self._worst("data latency", self._ask(asked), "capacity_data_latency_seconds", max)

    def restore(self) -> Promise:
        """Seconds in which a critical alert fired, over how often that began."""
        name, target = "capacity:critical:bool", TARGETS["time to restore"]
        share, changes = (self._ask(f"{of}_over_time({name}[{self._span}])") for of in ("avg", "sum"))
        began = self._ask(f"changes({name}[{self._span}])")
        if not share or not changes or not began:
            return self._promise(target.name, [], name)
        since = self._since(name)
        if changes[0].value == 0:
            return Promise(target, None, SOURCE, f"no critical alert{self._known(since)}", untried=True)
        times = max(1, math.ceil(began[0].value / 2))
        seconds = share[0].value * (self.now - since).total_seconds() / times
        return Promise(target, seconds, SOURCE, f"critical alerts: {times}{self._known(since)}")

    @property
    def _span(self) -> str:
        return f"{int(self.window.total_seconds())}s"

    def _ask(self, expression: str) -> list[Value]:
        return self.server.query(expression, self.now)

    def _worst(self, name: str, found: list[Value], series: str, worst: Callable[..., Value]) -> Promise:
        if not found:
            return self._promise(name, found, series)
        one = worst(found, key=lambda value: value.value)
        return self._promise(name, [one], series, str(one.labels.get("source")))

    def _promise(self, name: str, found: list[Value], series: str, *said: str) -> Promise:
        if not found:
            why = f"no series {series}: are the rules of k8s/monitoring loaded there, is telemetry configured?"
            return Promise(TARGETS[name], None, SOURCE, why)
        note = _joined(*said, self._known(self._since(series)))
        return Promise(TARGETS[name], found[0].value, SOURCE, note)

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
