"""Three days of a shop on the Kubernetes double, at accelerated time: two ordinary ones and a Black Friday.

Nine workloads, each written by the tool that its team uses, follow one plan. Deploys put floors back, the planner is
killed, the metrics pipeline stands still, a quota fills. A simulated HPA of Kubernetes 1.36 syncs every 15 seconds and
pods take their time to start: what counts is that no minute had fewer ready pods than the plan says.

`python -m tests.three_days` prints the log of all three days.
"""

from __future__ import annotations

import math
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from capacity.app.control import apply
from capacity.app.floor_watch import FloorWatch
from capacity.app.reconciliation import Reconciliation
from capacity.cluster.client import ClusterReader, ClusterWriter
from capacity.cluster.config_maps import read_plan_maps, write_plan_maps
from capacity.decision import ControllerRules
from capacity.model import CapacityError, FloorChange, LoadModel, Peak, Plan, Replica, Target, Workload, WorkloadPlan
from capacity.model.outcome import Outcome
from capacity.simulation.hpa import Hpa, Memory, Proposed, normalize
from tests.double import KubernetesDouble, StatusError
from tests.mortal import Mortal
from tests.paper import Killed
from tests.plans import derivation

ROOT = Path(__file__).parents[1]
MINUTE, STEP = timedelta(minutes=1), timedelta(minutes=15)
WEDNESDAY = datetime(2026, 11, 25, tzinfo=UTC)  # three days: Wednesday, Thursday, and Black Friday
BLACK_FRIDAY, SATURDAY = WEDNESDAY + timedelta(days=2), WEDNESDAY + timedelta(days=3)
SYNC, REPAIR, START = 15, 2, timedelta(seconds=90)  # seconds of the HPA, of the loop's watch; until a pod is ready
PER_POD, CEILING, BASE = 300, 80, 3  # millicores a pod may use: 60 % of half a core
HORIZON = timedelta(hours=12)
Document = dict[str, Any]


@dataclass(frozen=True)
class Tool:
    """What writes a workload's autoscaler: its field manager and operation, and the floor in its manifest, if any.

    `take`: capacity may take the floor from it by force, as a tool that applies server-side holds on to its fields.
    """

    workload: str
    manager: str
    operation: str
    floor: int | None
    take: bool = False


TOOLS = (
    Tool("helm-4", "helm", "Apply", BASE, take=True),
    Tool("helm-3", "helm", "Update", BASE),
    Tool("kubectl-server-side", "kubectl", "Apply", None),
    Tool("kubectl-apply", "kubectl-client-side-apply", "Update", BASE),
    Tool("kubectl-patch", "kubectl-patch", "Update", BASE + 1),
    Tool("kubectl-edit", "kubectl-edit", "Update", BASE),
    Tool("argo-cd", "argocd-controller", "Apply", None),
    Tool("flux", "kustomize-controller", "Apply", None),
    Tool("terraform", "Terraform", "Apply", BASE, take=True),
)


def demand(place: int, at: datetime) -> float:
    """Millicores that the forecast says for a workload: lunch, evening, and a Friday of more than twice that."""
    hour = at.hour + at.minute / 60
    shape = 0.15 + 0.5 * math.exp(-(((hour - 12.5) / 2.5) ** 2)) + 0.85 * math.exp(-(((hour - 19.5) / 2.5) ** 2))
    friday = 1 + 1.6 * math.exp(-((((at - BLACK_FRIDAY) / timedelta(hours=1) - 19) / 6) ** 2))
    return (2200 + 300 * place) * shape * friday


def planned(place: int, at: datetime) -> int:
    """The plan's floor: what the step of this moment may need, for the upper end of the forecast."""
    begin = at - timedelta(minutes=at.minute % 15, seconds=at.second, microseconds=at.microsecond)
    most = max(demand(place, begin + minute * MINUTE) for minute in (0, 5, 10, 15))
    return min(CEILING, max(BASE, math.ceil(1.1 * most / PER_POD)))


def plan_of(now: datetime, tools: Sequence[Tool]) -> Plan:
    """What the planner makes at this moment: an hour that has passed, and half a day ahead."""
    start = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    steps = int((HORIZON + timedelta(hours=1)) / STEP)
    workloads = tuple(_workload_plan(place, tool.workload, start, steps) for place, tool in enumerate(tools))
    return Plan(start, now, workloads[0].end, "three days", {"name": "three days"}, workloads)


def _workload_plan(place: int, name: str, start: datetime, steps: int) -> WorkloadPlan:
    floors = [planned(place, start + step * STEP) for step in range(steps)]
    changes = [FloorChange(0, floors[0], "PlanStart")]
    for step in range(1, steps):
        if floors[step] != floors[step - 1]:
            reason = "DemandRising" if floors[step] > floors[step - 1] else "DemandFalling"
            changes.append(FloorChange(step, floors[step], reason))
    top = max(range(steps), key=floors.__getitem__)
    return WorkloadPlan(
        namespace="shop",
        name=name,
        start=start,
        step=STEP,
        steps=steps,
        floor=tuple(changes),
        binding="cpu",
        peak=Peak(start + top * STEP, 40.0, 4.0, 2.0**30, floors[top], 0.95),
        safe_floor=max(floors),
        ceiling=CEILING,
        lead_time=5 * MINUTE,
        derivation=derivation(),
    )


@dataclass
class Pods:
    """The pods of one workload, by the moment each is ready, and what its autoscaler remembers."""

    ready_at: list[datetime]
    memory: Memory = field(default_factory=Memory)
    recommended: int = BASE
    usage: float = 0.0

    def ready(self, now: datetime) -> int:
        """How many serve."""
        return sum(at <= now for at in self.ready_at)

    def scale(self, wanted: int, now: datetime, room: int) -> None:
        """Start pods as far as the quota has room, or end the youngest."""
        missing = min(wanted - len(self.ready_at), room)
        if missing > 0:
            self.ready_at += [now + START] * missing
        elif wanted < len(self.ready_at):
            self.ready_at = sorted(self.ready_at)[:wanted]


@dataclass(frozen=True)
class Spell:
    """A stretch of time in which something is wrong."""

    what: str
    begins: datetime
    ends: datetime

    def __contains__(self, now: datetime) -> bool:
        return self.begins <= now < self.ends


def spells() -> dict[str, Spell]:
    """What goes wrong, and when."""
    day = timedelta(days=1)
    return {
        "quota": Spell("quota", WEDNESDAY + timedelta(hours=18, minutes=30), WEDNESDAY + timedelta(hours=20)),
        "metrics": Spell("metrics", WEDNESDAY + day + timedelta(hours=9), WEDNESDAY + day + timedelta(hours=13)),
        "planner": Spell("planner", BLACK_FRIDAY + timedelta(hours=15), BLACK_FRIDAY + timedelta(hours=19)),
    }


@dataclass(frozen=True)
class Miss:
    """A minute in which a workload had fewer ready pods than planned."""

    at: datetime
    workload: str
    ready: int
    planned: int


@dataclass
class ThreeDays:
    """The shop, its double, and what happened. `guard`: the admission policy of k8s/guard is installed."""

    double: KubernetesDouble
    folder: Path
    guard: bool
    dice: random.Random
    tools: Sequence[Tool] = TOOLS
    repairs: bool = True
    """Whether the loop watches; without it, only passes put floors right."""
    log: list[str] = field(default_factory=list)
    misses: list[Miss] = field(default_factory=list)
    minutes: int = 0
    deploys: Counter[str] = field(default_factory=Counter)
    lowered: Counter[str] = field(default_factory=Counter)
    told: dict[str, str] = field(default_factory=dict)
    full_at: datetime = WEDNESDAY - timedelta(days=1)
    held_back: int = 0
    """Minutes in which a quota held pods back."""

    def __post_init__(self) -> None:
        self.wrong = spells()
        self.now = WEDNESDAY
        self.kubeconfig = self.double.kubeconfig(self.folder / "kubeconfig")
        self.writer = ClusterWriter(str(self.kubeconfig), requests_per_second=100_000)
        self.watch = FloorWatch(ClusterReader(str(self.kubeconfig)), [], clock=lambda: self.now.timestamp())
        self.pods = {tool.workload: Pods([WEDNESDAY - START] * BASE) for tool in self.tools}
        self.released: Counter[str] = Counter()
        self.workloads = [
            Workload(
                "shop",
                tool.workload,
                LoadModel(1, 0, 0, 0),
                Replica(1, 1),
                floor=BASE,
                ceiling=CEILING,
                target=Target(tool.workload, take=tool.take),
            )
            for tool in self.tools
        ]

    def run(self, begin: datetime, end: datetime, every: timedelta = MINUTE) -> None:
        """Live from begin to end, with a pass of the controller so often."""
        self.now = begin
        self._install()
        due = dict(self._deploys(begin, end))
        while self.now < end:
            minute = self.now
            self._happenings(begin)
            self._report()
            if (minute - begin) % every == timedelta(0):
                self._pass()
            self._seconds(minute, due.get(minute, ()))
            self.now = minute + timedelta(seconds=59)
            if minute - begin >= 2 * every + 2 * START:
                self._judge()
            self.now = minute + MINUTE
        if self.held_back:
            self._say("summary", f"{self.held_back} minutes in which a quota held pods back")
        self._say(
            "summary", f"{self.minutes:,} minutes of workloads judged, {len(self.misses)} with fewer pods than planned"
        )

    def _install(self) -> None:
        if self.guard:
            for item in yaml.safe_load_all((ROOT / "k8s" / "guard" / "policy.yaml").read_text(encoding="utf-8")):
                self.double.create(item)
        for place, tool in enumerate(self.tools):
            self.pods[tool.workload].ready_at = [self.now - START] * planned(place, self.now)
            self._write(tool, force=False)
        self._say(
            "cluster", f"{len(self.tools)} workloads; {'with' if self.guard else 'without'} the guard of k8s/guard"
        )
        write_plan_maps(self.writer, plan_of(self.now, self.tools))

    def _deploys(self, begin: datetime, end: datetime) -> Iterator[tuple[datetime, list[Tool]]]:
        """Each tool deploys twice a day at any time, and once in the two hours before the evening's peak."""
        moments: dict[datetime, list[Tool]] = {}
        days = max(1, round((end - begin) / timedelta(days=1)))
        for tool in self.tools:
            chosen = [
                begin + self.dice.randrange(5, max(6, int((end - begin) / MINUTE))) * MINUTE for _ in range(2 * days)
            ]
            evenings = [WEDNESDAY + timedelta(days=day, hours=17, minutes=self.dice.randrange(120)) for day in range(3)]
            for moment in (*chosen, *(one for one in evenings if begin + 5 * MINUTE < one < end)):
                moments.setdefault(moment, []).append(tool)
        yield from moments.items()

    def _happenings(self, begin: datetime) -> None:
        now = self.now
        for name, told in (
            ("metrics", ("metrics pipeline", "the readings stand still", "the readings move again")),
            ("planner", ("planner", "from now on it is killed in the middle of its writes", "it lives again")),
        ):
            if now == self.wrong[name].begins:
                self._say(told[0], told[1])
            if now == self.wrong[name].ends and begin < now:
                self._say(told[0], told[2])
        if now == self.wrong["quota"].begins:
            self._fill_quota()
        if now == self.wrong["quota"].ends and self.double.list("quota", "shop"):
            self.double.delete("quota", "shop", "team")
            self._say("quota", "the team's quota is lifted")
        if now.minute == 7:
            self._plan()

    def _fill_quota(self) -> None:
        most = sum(len(pods.ready_at) for pods in self.pods.values()) + 4
        metadata = {"name": "team", "namespace": "shop"}
        quota = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": metadata,
            "spec": {"hard": {"pods": str(most)}},
        }
        self.double.create(quota)
        self._say("quota", f"a quota of {most} pods is set, four more than there are")

    def _plan(self) -> None:
        plan = plan_of(self.now, self.tools)
        if self.now not in self.wrong["planner"]:
            write_plan_maps(self.writer, plan)
            self._say("planner", f"a plan until {plan.valid_until:%a %H:%M} is in force")
            return
        calls = self.dice.randrange(1, 6)
        try:
            write_plan_maps(Mortal(self.kubeconfig, calls, after=self.dice.random() < 0.5), plan)
            self._say("planner", "ended before it could be killed; its plan is in force")
        except Killed:
            self._say("planner", f"killed at call {calls} of its writes; a whole plan stays in force")

    def _report(self) -> None:
        """What the autoscalers report; while the pipeline stands still, what they reported last."""
        for place, (name, pods) in enumerate(self.pods.items()):
            if self.now not in self.wrong["metrics"] or not pods.usage:
                pods.usage = demand(place, self.now) * self.dice.uniform(0.85, 1.0)
            each = round(pods.usage / max(1, pods.ready(self.now)))
            current = {"name": "cpu", "current": {"averageUtilization": each // 5, "averageValue": f"{each}m"}}
            conditions = [
                {"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale"},
                {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound"},
            ]
            status = {
                "currentReplicas": len(pods.ready_at),
                "desiredReplicas": len(pods.ready_at),
                "conditions": conditions,
                "currentMetrics": [{"type": "Resource", "resource": current}],
            }
            self.double.patch("hpa", "shop", name, {"status": status}, subresource="status", manager="controllers")

    def _pass(self, chosen: frozenset[tuple[str, str]] | None = None) -> list[Outcome]:
        plan, unreadable = None, {}
        try:
            plan = read_plan_maps(self.writer, "shop", near=self.now)
        except CapacityError as error:
            unreadable = {"shop": str(error)}
        rules = ControllerRules()
        work = Reconciliation(self.workloads, plan, rules, self.now, unreadable=unreadable, chosen=chosen)
        outcomes = list(apply(self.writer, work))
        self._tell(outcomes)
        return outcomes

    def _seconds(self, minute: datetime, tools: Sequence[Tool]) -> None:
        """The syncs of the HPA in a minute, the deploys of this minute, and the repair that follows each.

        With the guard a deploy may come at any second; without it, not in the two seconds before a sync, in which
        nobody who only watches can help.
        """
        latest = SYNC - 1 if self.guard else SYNC - REPAIR - 1
        moments = [(1 + self.dice.randrange(latest), tool.workload, tool) for tool in tools]
        for second in range(0, 60, SYNC):
            self.now = minute + timedelta(seconds=second)
            self._sync()
            if second == 0:
                for offset, _, tool in sorted(moments):
                    self.now = minute + timedelta(seconds=offset)
                    self._deploy(tool)

    def _sync(self) -> None:
        for name, pods in self.pods.items():
            spec = self.double.get("hpa", "shop", name)["spec"]
            ratio = pods.usage / PER_POD / max(1, pods.ready(self.now))
            if abs(ratio - 1) > 0.1 or not pods.recommended:
                pods.recommended = max(1, math.ceil(pods.usage / PER_POD))
            hpa = Hpa(spec["minReplicas"], spec["maxReplicas"])
            proposed = Proposed(len(pods.ready_at), pods.recommended, self.now)
            found, pods.memory = normalize(hpa, pods.memory, proposed)
            pods.scale(found.replicas, self.now, self.room())

    def room(self) -> int:
        """Pods that the quota of the namespace still allows."""
        hard = [int(quota["spec"]["hard"]["pods"]) for quota in self.double.list("quota", "shop")]
        return min(hard, default=10**6) - sum(len(pods.ready_at) for pods in self.pods.values())

    def _deploy(self, tool: Tool) -> None:
        before = self._floor(tool)
        self.deploys[tool.workload] += 1
        try:
            self._write(tool, force=False)
        except StatusError as error:
            self._say(
                tool.workload, f"its deploy is refused ({error.reason}: {error.message.split(': ', 1)[1]}); forced"
            )
            self._write(tool, force=True)
        after, where = self._floor(tool), tool.workload
        way = f"{tool.manager} ({tool.operation})"
        if after < before:
            self.lowered[where] += 1
            self._say(where, f"deploy by {way} lowers the floor from {before} to {after}")
        else:
            self._say(where, f"deploy by {way}; the floor stays at {after}")
        self.now += timedelta(seconds=REPAIR)
        if self.repairs and self.watch.note(self.double.get("hpa", "shop", where)):
            self._pass(self.watch.taken())

    def _floor(self, tool: Tool) -> int:
        return int(self.double.get("hpa", "shop", tool.workload)["spec"]["minReplicas"])

    def _write(self, tool: Tool, *, force: bool) -> None:
        """What the tool sends: its manifest, with the number of the release in a label."""
        self.released[tool.workload] += 1
        item = autoscaler(tool, str(self.released[tool.workload]))
        if tool.operation == "Apply":
            self.double.apply(item, tool.manager, force=force)
        elif self.released[tool.workload] == 1:
            self.double.create(item, tool.manager)
        else:
            change = {"metadata": {"labels": item["metadata"]["labels"]}, "spec": item["spec"]}
            self.double.patch("hpa", "shop", tool.workload, change, manager=tool.manager)

    def _judge(self) -> None:
        """Judge a minute; not while a quota holds pods back, nor until those can have started that it held back."""
        full = bool(self.double.list("quota", "shop")) and self.room() <= 0
        self.full_at = self.now if full else self.full_at
        if self.now < self.full_at + START + MINUTE:
            self.held_back += 1
            return
        for place, (name, pods) in enumerate(self.pods.items()):
            ready, wanted = pods.ready(self.now), planned(place, self.now)
            self.minutes += 1
            if ready < wanted:
                self.misses.append(Miss(self.now, name, ready, wanted))
                self._say(name, f"MISSED: {ready} pods are ready, {wanted} are planned")

    def _tell(self, outcomes: Sequence[Outcome]) -> None:
        """One line for the floors that follow the plan in a pass, one for each that something else happened to."""
        moved = [one for one in outcomes if one.done and one.decision and one.decision.floor != one.decision.before]
        usual = [one for one in moved if one.decision and one.decision.reason in ("DemandRising", "DemandFalling")]
        if usual:
            before, after = (sum(getattr(one.decision, name) for one in usual) for name in ("before", "floor"))
            way = "rise" if after > before else "fall"
            who = f"{len(usual)} floors {way}" if len(usual) > 1 else f"1 floor {way}s"
            self._say("capacity", f"{who} with the plan, from {before} to {after} pods in all")
        for one in moved:
            if one not in usual:
                self._say("capacity", str(one))
        for one in outcomes:
            if one.error and one.error != self.told.get(one.where):
                self._say("capacity", str(one))
            self.told[one.where] = one.error or ""

    def _say(self, who: str, what: str) -> None:
        self.log.append(f"{self.now:%a %d %b %H:%M:%S}  {who:<20} {what}")


def autoscaler(tool: Tool, release: str) -> Document:
    """The manifest of a tool."""
    target = {"type": "Utilization", "averageUtilization": 60}
    spec: Document = {
        "maxReplicas": CEILING,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": tool.workload},
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    if tool.floor is not None:
        spec["minReplicas"] = tool.floor
    metadata = {"name": tool.workload, "namespace": "shop", "labels": {"release": release}}
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec}


def live(begin: datetime, end: datetime, *, guard: bool = False, seed: str = "1", repairs: bool = True) -> ThreeDays:
    """Live through a stretch of the three days on a double of its own."""
    with KubernetesDouble() as double, tempfile.TemporaryDirectory() as folder:
        double.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        days = ThreeDays(double, Path(folder), guard, random.Random(seed), repairs=repairs)
        days.run(begin, end)
        return days


if __name__ == "__main__":
    whole = live(WEDNESDAY, SATURDAY, guard="--guard" in sys.argv)
    sys.stdout.write("\n".join([*whole.log, ""]))
