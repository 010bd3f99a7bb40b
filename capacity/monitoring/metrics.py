"""The metrics that capacity speaks of itself: names, units and labels in one table, and one sample of one of them.

Names follow OpenMetrics: the unit is the suffix, ratios lie in 0..1, times are Unix seconds. Labels are bounded by the
configuration: a workload, a source, a rule, a quantile level, a reason of the documented list; and by the
field managers of the cluster, of which there are a handful.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from capacity.model import require

Kind = Literal["gauge", "counter"]
WORKLOAD = ("namespace", "workload")
CLAIM = (*WORKLOAD, "claim")
OBJECT = (*WORKLOAD, "actuator", "object")
AHEAD = (*WORKLOAD, "horizon")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name, what it counts, its labels, and who writes it (`plan`, `pass`, `audit`)."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    kind: Kind = "gauge"
    writer: str = "pass"


METRICS = {
    metric.name: metric
    for metric in (
        # the planner, once an hour
        Metric(
            "capacity_forecast_demand_cores",
            "CPU demand forecast for the current step.",
            (*WORKLOAD, "quantile"),
            writer="plan",
        ),
        Metric(
            "capacity_forecast_demand_bytes",
            "Memory demand forecast for the current step.",
            (*WORKLOAD, "quantile"),
            writer="plan",
        ),
        Metric(
            "capacity_forecast_coverage_ratio",
            "Share of past steps at or under the quantile, over the rolling origins.",
            ("group", "quantile"),
            writer="plan",
        ),
        Metric(
            "capacity_forecast_skill_ratio",
            "One minus the error over that of the seasonal naive, over the rolling origins.",
            ("group",),
            writer="plan",
        ),
        Metric("capacity_plan_peak_replicas", "Replicas at the highest step of the plan.", WORKLOAD, writer="plan"),
        Metric(
            "capacity_plan_peak_timestamp_seconds", "When the highest step of the plan begins.", WORKLOAD, writer="plan"
        ),
        Metric(
            "capacity_ahead_timestamp_seconds",
            "When the hour of a horizon begins: 0h is the hour in which the plan was made.",
            ("horizon",),
            writer="plan",
        ),
        Metric(
            "capacity_ahead_replicas",
            "The highest planned floor of the hour; of the 100 workloads with the highest peaks.",
            AHEAD,
            writer="plan",
        ),
        Metric(
            "capacity_ahead_demand_cores",
            "The highest CPU demand forecast for the hour, at the median and at the plan's level.",
            (*WORKLOAD, "quantile", "horizon"),
            writer="plan",
        ),
        Metric(
            "capacity_ahead_demand_bytes",
            "The highest memory demand forecast for the hour, at the median and at the plan's level.",
            (*WORKLOAD, "quantile", "horizon"),
            writer="plan",
        ),
        Metric(
            "capacity_ahead_utilization_ratio",
            "The highest utilization of the hour at the planned floor and the plan's level: 1 - headroom.",
            AHEAD,
            writer="plan",
        ),
        Metric("capacity_plan_created_timestamp_seconds", "When the plan was made.", writer="plan"),
        Metric("capacity_plan_valid_until_timestamp_seconds", "When the plan's last step ends.", writer="plan"),
        Metric("capacity_plan_duration_seconds", "How long reading, forecasting and planning took.", writer="plan"),
        Metric(
            "capacity_plan_workloads",
            "Workloads of the last planning, by outcome: planned or failed.",
            ("outcome",),
            writer="plan",
        ),
        Metric(
            "capacity_volume_used_ratio", "Share of a claim's bytes in use when it was planned.", CLAIM, writer="plan"
        ),
        Metric(
            "capacity_volume_until_full_seconds",
            "Time until a claim of its present size is full, by quantile; absent beyond what the plan looks at.",
            (*CLAIM, "quantile"),
            writer="plan",
        ),
        Metric(
            "capacity_volume_next_bytes",
            "The next size that a claim is to ask for; absent where its size lasts, or max or quota allow no more.",
            CLAIM,
            writer="plan",
        ),
        # the audit of the inputs
        Metric("capacity_audit_score_ratio", "Share of rows that pass every rule.", ("source",), writer="audit"),
        Metric(
            "capacity_audit_rows",
            "Rows of the last audit, by result: passed, quarantined or repaired.",
            ("source", "result"),
            writer="audit",
        ),
        Metric(
            "capacity_audit_rule_failures",
            "Rows that failed a rule in the last audit.",
            ("source", "rule"),
            writer="audit",
        ),
        Metric(
            "capacity_data_latency_seconds",
            "How late orders became available, at the last audit.",
            ("source",),
            writer="audit",
        ),
        Metric(
            "capacity_data_completeness_ratio",
            "Rows of the newest whole step over those usual in that hour of the week, at most 1.",
            ("source",),
            writer="audit",
        ),
        # the controller, every pass
        Metric("capacity_plan_replicas", "The floor that the plan asks for now.", WORKLOAD),
        Metric("capacity_plan_age_seconds", "Time since the plan was made.", ("namespace",)),
        Metric("capacity_floor_replicas", "The floor (minReplicas) after the pass.", WORKLOAD),
        Metric("capacity_ceiling_replicas", "The ceiling (maxReplicas) after the pass.", WORKLOAD),
        Metric("capacity_current_replicas", "Replicas that run.", WORKLOAD),
        Metric("capacity_desired_replicas", "Replicas that the autoscaler wants.", WORKLOAD),
        Metric("capacity_usage_cores", "CPU that the running replicas use together.", WORKLOAD),
        Metric("capacity_usage_bytes", "Memory that the running replicas use together.", WORKLOAD),
        Metric(
            "capacity_utilization_ratio",
            "Usage over request of the running replicas, as the autoscaler sees it.",
            (*WORKLOAD, "resource"),
        ),
        Metric(
            "capacity_forecast_utilization_ratio",
            "Utilization expected within the lead time at the floor that is set.",
            WORKLOAD,
        ),
        Metric(
            "capacity_ceiling_reached", "1 where the plan needs more than the ceiling within the lead time.", WORKLOAD
        ),
        Metric(
            "capacity_limit_reached",
            "1 where the floor stands below the need within the lead time: by ceiling, budget or quota.",
            (*WORKLOAD, "reason"),
        ),
        Metric("capacity_held", "1 where the floor was held for safety, by reason.", (*WORKLOAD, "reason")),
        Metric(
            "capacity_floor_lowered",
            "1 where others lowered the floor since our last write, by the field manager that did.",
            (*WORKLOAD, "manager"),
        ),
        Metric(
            "capacity_floor_missing_replicas",
            "Replicas that a floor lacks though they had time to start, by what keeps most of them; absent where none "
            "does.",
            (*WORKLOAD, "cause"),
        ),
        Metric(
            "capacity_ready_replicas", "Replicas that are ready, in the passes that count them: after a rise.", WORKLOAD
        ),
        Metric("capacity_actuator_replicas", "Replicas that an actuator beside the floor keeps of an object.", OBJECT),
        Metric("capacity_actuator_cores", "Cores that an actuator beside the floor gives an object.", OBJECT),
        Metric(
            "capacity_actuator_bytes",
            "Bytes of memory or storage that an actuator beside the floor gives an object.",
            (*OBJECT, "resource"),
        ),
        Metric(
            "capacity_actuator_held",
            "1 where an actuator holds an object or could not write it, by reason.",
            (*OBJECT, "reason"),
        ),
        Metric("capacity_pass_total", "Workloads worked on, by outcome and reason.", ("outcome", "reason"), "counter"),
        Metric("capacity_pass_duration_seconds", "How long the pass took."),
        Metric("capacity_pass_timestamp_seconds", "When the pass ended."),
        Metric("capacity_build_info", "1, with the version that runs.", ("version",)),
    )
}

PAGE = """# Metrics

The column "written by" names the job that exports a metric: `plan` is the planner, `audit` is every planning run and
every `capacity audit`, and `pass` is every pass of the controller. A Pushgateway and textfiles show them as the jobs
`capacity-planner`, `capacity-audit` and `capacity-controller`. Metric names contain the unit; ratios lie between 0 and
1, and times are Unix seconds. A job that ends pushes its metrics to a Pushgateway, `capacity run` serves them on
`/metrics`, and both write a textfile if you configure one. `telemetry.installation` adds the label `installation` to
all of them: set it if several installations share a Pushgateway or a node.

The metrics `capacity_ahead_*` hold the coming 48 hours, one series per hour (`horizon`: `0h` to `47h`), for the 100
workloads with the highest peaks: 288 series each, also in fleets that are planned in several chunks. The dashboards
draw them ahead of now with one query; in a panel whose time range ends in the future:

```promql
last_over_time(capacity_ahead_replicas[50h])
and on (job, instance, installation, horizon)
(last_over_time(capacity_ahead_timestamp_seconds[50h]) == (time() - time() % 3600))
```

Mimir and Cortex cut queries that reach into the future: set `-querier.max-query-into-future=0` there.

| metric | kind | labels | written by | meaning |
|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one metric of the table; the labels in the table's order.

    >>> Sample("capacity_floor_replicas", 9, ("shop", "web")).labels
    ('shop', 'web')
    """

    name: str
    value: float
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require(self.name in METRICS, "unknown metric {}", self.name)
        expected = METRICS[self.name].labels
        require(len(self.labels) == len(expected), "{}: expected labels {}, got {}", self.name, expected, self.labels)
        require(abs(self.value) < float("inf"), "{}: expected a finite number, got {}", self.name, self.value)


def metrics_page() -> str:
    """The metric reference in Markdown, as `docs/metrics.md` holds it."""
    rows = [
        f"| `{metric.name}` | {metric.kind} | {', '.join(metric.labels)} | {metric.writer} | {metric.help} |"
        for metric in METRICS.values()
    ]
    return PAGE + "\n".join(rows) + "\n"
