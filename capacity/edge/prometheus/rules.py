"""Recording rules: Prometheus adds the pods up as it scrapes them, and the planner asks for one ready series."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import yaml

from capacity.edge.prometheus.queries import RECORDED, RESOURCES, Wording, grouped
from capacity.edge.settings.usage import Measured, PrometheusSettings, Resource

HEADER = """\
# Recording rules of `capacity rules`: load them with `rule_files:` (or a PrometheusRule of the operator, under spec:),
# then set `prometheus: {recorded: true}`. They begin to be recorded when they are loaded; to fill in the past:
#   promtool tsdb create-blocks-from rules --start=<seconds> --url=<Prometheus> <this file>
"""
INSTANT = timedelta(minutes=5)  # the window in the names of the rules: `rate5m`


def recording_rules(settings: PrometheusSettings, workloads: Iterable[Measured]) -> str:
    """A rule file for these workloads: YAML, a group per resource and namespace.

    >>> text = recording_rules(PrometheusSettings(url="http://prometheus:9090"), [Measured("shop", "web")])
    >>> [group["name"] for group in yaml.safe_load(text)["groups"]]
    ['capacity-cpu-shop', 'capacity-memory-shop']
    """
    wording = Wording(settings, INSTANT)
    workloads = list(workloads)
    groups: dict[str, list[dict[str, Any]]] = {}
    for resource in RESOURCES:
        asked = [workload for workload in workloads if resource in workload.resources]
        for namespace, rule in _rules(resource, asked, wording):
            groups.setdefault(f"capacity-{resource}-{namespace}", []).append(rule)
    seconds = int(settings.scrape_interval.total_seconds())
    document = {"groups": [{"name": name, "interval": f"{seconds}s", "rules": rules} for name, rules in groups.items()]}
    return HEADER + yaml.safe_dump(document, sort_keys=False, width=10_000)


def _rules(resource: Resource, workloads: list[Measured], wording: Wording) -> Iterable[tuple[str, dict[str, Any]]]:
    """Every rule of a resource with its namespace."""
    record = RECORDED[resource]
    if wording.known(resource):
        for group in grouped(workloads, resource):
            labels = {"namespace": group.namespace}
            yield group.namespace, {"record": record, "expr": wording.instant(resource, group), "labels": labels}
    for workload in workloads:
        if own := wording.own(resource, workload):
            labels = {"namespace": workload.namespace, "workload": workload.name}
            yield workload.namespace, {"record": record, "expr": own, "labels": labels}
