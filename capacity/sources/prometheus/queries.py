"""What is asked of Prometheus for workloads, and the recording rules that make it cheap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import yaml

from capacity.model.settings.usage import USAGE, Measured, PrometheusSettings, Resource

RESOURCES: tuple[Resource, ...] = (*USAGE, "replicas")
CPU, MEMORY = "container_cpu_usage_seconds_total", "container_memory_working_set_bytes"
SUFFIX = "[bcdfghjklmnpqrstvwxz2456789]"  # the letters of Kubernetes' random suffixes, which spell no words
HASH = "[bcdf456789]"  # those that the ten digits of a pod-template-hash become (rand.SafeEncodeString)
REPLICA_SET = f"-{HASH}{{1,10}}-{SUFFIX}{{5}}"
POD_NAMES = {"Deployment": REPLICA_SET, "Rollout": REPLICA_SET, "StatefulSet": "-[0-9]+"}
WITHIN_POD = "container,container_name,cpu,id,image,name"  # labels of parts of a pod; others say who scraped it
RECORDED: dict[Resource, str] = {
    "cpu": "workload:cpu_cores:rate5m",
    "memory": "workload:memory_bytes:sum",
    "requests": "workload:requests_per_second:rate5m",
    "replicas": "workload:replicas:ready",
}
AT_ONCE = 200  # workloads in one question: some kB of query; krr's one question for 1,000 pods killed servers
SCRAPES = 4  # scrapes that a rate needs to live through a missed one, as the Prometheus documentation advises
LOOKS = timedelta(minutes=5)  # how often the sum of memory is looked at within a longer step


@dataclass(frozen=True, slots=True)
class Query:
    """One query: of which resource, and whom its series are: by the label `workload`, or all of one workload."""

    resource: Resource
    query: str
    workloads: tuple[tuple[str, str], ...]
    own: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Workloads whose pods one regular expression tells apart, so that one query asks for all of them."""

    namespace: str
    pods: str
    members: tuple[Measured, ...]

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """Namespace and name of each."""
        return tuple(member.key for member in self.members)


def grouped(workloads: Iterable[Measured], resource: Resource) -> Iterator[Group]:
    """The workloads by namespace and kind of pods, at most `AT_ONCE` together; without those of queries of their own.

    Pods with names of their own make a group of one: nothing in such a name says whose it is.
    """
    together: dict[tuple[str, str, str, str], list[Measured]] = defaultdict(list)
    for workload in workloads:
        metrics = workload.metrics
        if getattr(metrics, resource) is None:
            rule = metrics.pods or POD_NAMES[metrics.kind]
            alone = workload.name if metrics.pods else ""
            together[workload.namespace, metrics.kind, rule, alone].append(workload)
    for (namespace, _, rule, alone), members in together.items():
        for start in range(0, len(members), AT_ONCE):
            some = tuple(members[start : start + AT_ONCE])
            yield Group(namespace, rule if alone else f"({alternatives(some)}){rule}", some)


@dataclass(frozen=True, slots=True)
class Wording:
    """How questions are put: to this server, for values that each speak for one step."""

    settings: PrometheusSettings
    step: timedelta

    @property
    def window(self) -> timedelta:
        """What a rate looks back on: the step, and never fewer scrapes than survive a missed one."""
        return max(self.step, SCRAPES * self.settings.scrape_interval)

    def questions(self, workloads: Iterable[Measured]) -> Iterator[Query]:
        """As few as can be: one per namespace, kind of pods and resource, and one per query of one's own."""
        every = list(workloads)
        for resource in RESOURCES:
            asked = [workload for workload in every if resource in workload.resources]
            if self.settings.recorded:
                yield from self._recorded(resource, asked)
                continue
            for workload in asked:
                if own := self.own(resource, workload):
                    yield Query(resource, own, (workload.key,), own=True)
            if self.known(resource):
                for group in grouped(asked, resource):
                    yield Query(resource, self._over_step(resource, self.instant(resource, group)), group.keys)

    def known(self, resource: Resource) -> bool:
        """Whether a metric says it: who counts requests is for the configuration to say."""
        return resource != "requests" or self.settings.requests is not None

    def own(self, resource: Resource, workload: Measured) -> str | None:
        """The workload's own query of a resource, its window filled in."""
        query: str | None = getattr(workload.metrics, resource)
        return None if query is None else query.replace("$window", duration(self.window))

    def instant(self, resource: Resource, group: Group) -> str:
        """The value of now, one series per workload, named by the label `workload`."""
        if resource == "replicas":
            return self._ready(group)
        series = {"cpu": CPU, "memory": MEMORY, "requests": self.settings.requests or ""}[resource]
        container = "" if resource == "requests" else ',container!="",container!="POD"'
        selector = f"{series}{{{self._where(group.namespace)}{container},pod=~{text(group.pods)}}}"
        value = selector if resource == "memory" else f"rate({selector}[{duration(self.window)}])"
        alone = group.members[0].metrics.pods is not None
        if resource != "requests":  # a container that two jobs scrape is used once
            value = f"max(sum({value}) without ({WITHIN_POD})) by (pod)"
        if not alone:
            value = f"({value}) unless on (pod) ({self._of_others(group)})"
        named = f'{text(group.members[0].name)}, "", ""' if alone else f'"$1", "pod", {text(group.pods)}'
        return f'sum(label_replace({value}, "workload", {named})) by (workload)'

    def _of_others(self, group: Group) -> str:
        """The pods that another kind of object made, though they are named alike; none without kube-state-metrics.

        A Job, a CronJob or a DaemonSet may be called as one pod template's hash is; and a Rollout as a Deployment.
        """
        where, kind = self._where(group.namespace), group.members[0].metrics.kind
        pods = f"kube_pod_owner{{{where}"
        if kind == "StatefulSet":
            return f'max({pods},owner_kind!="StatefulSet"}}) by (pod)'
        sets = f'max(kube_replicaset_owner{{{where},owner_kind!="{kind}"}}) by (replicaset)'
        named = f'label_replace({pods},owner_kind="ReplicaSet"}}, "replicaset", "$1", "owner_name", "(.+)")'
        theirs = f"max({named} * on (replicaset) group_left () {sets}) by (pod)"
        return f'max({pods},owner_kind!="ReplicaSet"}}) by (pod) or {theirs}'

    def _ready(self, group: Group) -> str:
        """Ready replicas as kube-state-metrics counts them, under the workload's own name; two of it say the same."""
        kind = group.members[0].metrics.kind.lower()
        names = alternatives(group.members)
        if kind == "rollout":
            return self._ready_rollouts(group.namespace, names)
        series = f"kube_{kind}_status_replicas_ready{{{self._where(group.namespace)},{kind}=~{text(names)}}}"
        return f'max(label_replace({series}, "workload", "$1", "{kind}", "(.+)")) by (workload)'

    def _ready_rollouts(self, namespace: str, names: str) -> str:
        """Ready replicas of Rollouts: those of their ReplicaSets, as kube-state-metrics knows no Rollout."""
        where = self._where(namespace)
        ready = f"max(kube_replicaset_status_ready_replicas{{{where}}}) by (replicaset)"
        owned = f'kube_replicaset_owner{{{where},owner_kind="Rollout",owner_name=~{text(names)}}}'
        owner = f'max(label_replace({owned}, "workload", "$1", "owner_name", "(.+)")) by (replicaset, workload)'
        return f"sum({ready} * on (replicaset) group_left (workload) {owner}) by (workload)"

    def _over_step(self, resource: Resource, now: str) -> str:
        if resource in ("cpu", "requests") or self.step <= LOOKS:
            return now
        over = "max" if resource == "memory" else "avg"
        return f"{over}_over_time(({now})[{duration(self.step)}:{duration(max(LOOKS, self.settings.scrape_interval))}])"

    def _recorded(self, resource: Resource, workloads: list[Measured]) -> Iterator[Query]:
        together: dict[str, list[Measured]] = defaultdict(list)
        for workload in workloads:
            together[workload.namespace].append(workload)
        for namespace, members in together.items():
            for start in range(0, len(members), AT_ONCE):
                some = tuple(members[start : start + AT_ONCE])
                series = f"{RECORDED[resource]}{{{self._where(namespace)},workload=~{text(alternatives(some))}}}"
                over = "max" if resource == "memory" else "avg"
                query = f"{over}_over_time({series}[{duration(self.step)}])" if self.step > LOOKS else series
                yield Query(resource, query, tuple(one.key for one in some))

    def _where(self, namespace: str) -> str:
        found = {**self.settings.matchers, "namespace": namespace}
        return ",".join(f"{label}={text(value)}" for label, value in found.items())


def alternatives(workloads: Iterable[Measured]) -> str:
    """Their names as a regular expression; a name holds letters, digits, dashes and dots."""
    return "|".join(workload.name.replace(".", "[.]") for workload in workloads)


def text(value: str) -> str:
    """A string in PromQL.

    >>> print(text("shop"))
    "shop"
    """
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def duration(span: timedelta) -> str:
    """A duration in PromQL, in its largest whole unit.

    >>> duration(timedelta(minutes=90)), duration(timedelta(hours=2))
    ('90m', '2h')
    """
    seconds = int(span.total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


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
