"""Random faults, thousands of runs: no pod shrinks without every reason to, and none is restarted without leave.

The judge knows what really happened (`World`), reads only the resizes that reached the server, and shares no code with
the decision.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, cast

import pytest

from capacity.app import Reconciliation, apply
from capacity.cluster import ClusterWriter
from capacity.cluster.kinds import STATEFUL_SET, Kind
from capacity.decision import ControllerRules
from capacity.model import ClusterError, Freeze, Limits, Plan, Quiet, Target, Workload
from capacity.model.pod_size import PlannedSize, PodSizes, SizeChange, SizedContainer, SizeRange, Vertical
from tests.paper import Document, Killed, Paper, _copied
from tests.plans import workload_of, workload_plan

START = datetime(2026, 3, 28, 20, tzinfo=UTC)  # clocks change in this night
MINUTE, HOUR, MIB = timedelta(minutes=1), timedelta(hours=1), 2**20
RULES = ControllerRules(hold_for=30 * MINUTE)
BEGIN, STEPS = START - HOUR, 60
RANGES = SizedContainer(cpu=SizeRange(0.5, 8), memory=SizeRange(256 * MIB, 8192 * MIB))
FREEZE = Freeze(START + 6 * HOUR, START + 9 * HOUR)
LEAVE = {"db": None, "cache": False, "queue": True}  # whether memory restarts a container, and with leave
METRICS = (*["good"] * 14, "absent", "stale", "partial", "broken")
PLANS = (*["good"] * 9, "unreadable", "silent", "expired", "future")
WISHES: tuple[Document, ...] = (
    *[{}] * 20,
    {"capacity/freeze": "true"},
    {"capacity/exclude": "true"},
    {"capacity/freeze": "x"},
)
Sizes = dict[str, int]  # cpu in millicores, memory in MiB


def configured(name: str) -> Workload:
    vertical = Vertical({"app": RANGES}, allow_restart=LEAVE[name] is True)
    return workload_of(
        name,
        floor=2,
        ceiling=2,
        target=Target(name, "StatefulSet"),
        scaling="vertical",
        vertical=vertical,
        limits=Limits(freezes=(FREEZE,)),
    )


WORKLOADS = [configured(name) for name in LEAVE]


@dataclass
class Resize:
    """A resize that reached the server."""

    workload: str
    pod: str
    before: Sizes
    after: Sizes


@dataclass
class World:
    """What is really so, by workload where it differs."""

    dice: random.Random
    now: datetime = START
    needs: dict[str, list[Sizes]] = field(default_factory=dict)
    metrics: str = "good"
    usage: dict[str, Sizes] = field(default_factory=dict)
    seen: dict[str, list[tuple[datetime, int]]] = field(default_factory=dict)
    wishes: dict[str, Document] = field(default_factory=dict)
    plan: str = "good"
    bad_since: dict[str, datetime] = field(default_factory=dict)
    acted: frozenset[str] = frozenset()  # workloads on which an HPA or a VPA acts
    busy: set[str] = field(default_factory=set)
    edited: set[str] = field(default_factory=set)
    moved: dict[str, datetime] = field(default_factory=dict)
    off: bool = False
    skew: timedelta = timedelta(0)
    kill: float = 0.0
    refuse: float = 0.0
    quiet: int = 0

    def strike(self, call: str) -> None:
        """Before each call: the process dies, or the API server does not answer."""
        if self.dice.random() < self.kill:
            raise Killed
        if self.dice.random() < self.refuse:
            status = self.dice.choice([None, 403, 409, 429, 500, 503])
            raise ClusterError(f"{call} refused", status)


class Cluster(Paper):
    """Pods, their owners and their metrics on paper."""

    def __init__(self, world: World) -> None:
        super().__init__(world.strike)
        self.world, self.owners, self.pods = world, dict[str, Document](), dict[str, Document]()
        self.resized: list[Resize] = []
        for name in LEAVE:
            size = {"cpu": world.dice.randint(5, 60) * 100, "memory": world.dice.randint(4, 40) * 128}
            self.owners[name] = owner(name, size)
            for ordinal in range(2):
                self.pods[f"{name}-{ordinal}"] = pod(name, ordinal, size)

    def targets(self, kind: Kind, namespace: str) -> Iterator[Document]:
        self._before("list")
        if kind is STATEFUL_SET:
            return iter([_copied(item) for item in self.owners.values()])
        return iter([hpa(name) for name in self.world.acted] if kind.floor == "minReplicas" else [])

    def objects(self, path: str, labels: str = "", *, limit: int = 0, fields: str = "") -> Iterator[Document]:
        self._before("list")
        if "metrics.k8s.io" in path:
            return iter(measured(self.world, list(self.pods)))
        return iter([_copied(item) for item in self.pods.values()] if path.endswith("/pods") else [])

    def merge_target(self, kind: Kind, namespace: str, name: str, body: Document) -> Document:
        self._before("patch")
        notes = self.owners[name]["metadata"]["annotations"]
        for key, text in body["metadata"]["annotations"].items():
            notes.pop(key, None) if text is None else notes.update({key: text})
        return self.owners[name]

    def pod(self, namespace: str, name: str) -> Document:
        self._before("get")
        return _copied(self.pods[name])

    def resize_pod(self, namespace: str, name: str, body: Document) -> Document:
        self._before("resize")
        item = self.pods[name]
        self._locked(item, body)
        resources, before = item["spec"]["containers"][0]["resources"], size_of(item)
        for part, amounts in body["spec"]["containers"][0]["resources"].items():
            resources[part].update(amounts)
        fields = {"f:spec": {"f:containers": {'k:{"name":"app"}': {"f:resources": {}}}}}
        item["metadata"]["managedFields"] = [{"manager": "capacity", "subresource": "resize", "fieldsV1": fields}]
        self.resized.append(Resize(name.rpartition("-")[0], name, before, size_of(item)))
        self._stamped(item)
        self._before("answer")
        return _copied(item)


def owner(name: str, size: Sizes) -> Document:
    template = {"spec": {"containers": [{"name": "app", "resources": resources(size)}]}}
    metadata = {"name": name, "namespace": "shop", "uid": name, "resourceVersion": "0", "annotations": {}}
    return {"metadata": metadata, "spec": {"template": template}}


def resources(size: Sizes) -> Document:
    limits = {"cpu": f"{2 * size['cpu']}m", "memory": f"{size['memory']}Mi"}
    return {"requests": {"cpu": f"{size['cpu']}m", "memory": f"{size['memory']}Mi"}, "limits": limits}


def pod(name: str, ordinal: int, size: Sizes) -> Document:
    restarts = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}] if LEAVE[name] is not None else []
    reference = {"kind": "StatefulSet", "name": name, "controller": True}
    metadata = {"name": f"{name}-{ordinal}", "namespace": "shop", "uid": f"{name}-{ordinal}", "resourceVersion": "0"}
    return {
        "metadata": {**metadata, "ownerReferences": [reference]},
        "spec": {
            "nodeName": "n",
            "containers": [{"name": "app", "resources": resources(size), "resizePolicy": restarts}],
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def size_of(item: Document) -> Sizes:
    requests = item["spec"]["containers"][0]["resources"]["requests"]
    return {"cpu": int(requests["cpu"][:-1]), "memory": int(requests["memory"][:-2])}


def hpa(name: str) -> Document:
    target = {"type": "Utilization", "averageUtilization": 60}
    reference = {"kind": "StatefulSet", "name": name}
    metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    return {"metadata": {"name": name}, "spec": {"scaleTargetRef": reference, "metrics": metrics}}


def measured(world: World, pods: list[str]) -> list[Document]:
    """What metrics-server answers."""
    if world.metrics == "absent":
        raise ClusterError("404", 404)
    at = world.now + world.skew - (timedelta(hours=1) if world.metrics == "stale" else timedelta(0))
    found = []
    for name in pods[1:] if world.metrics == "partial" else pods:
        used = world.usage[name.rpartition("-")[0]]
        amounts: Document = {"cpu": f"{used['cpu']}m", "memory": f"{used['memory']}Mi"}
        if world.metrics == "broken" and name == pods[0]:
            amounts["cpu"] = world.dice.choice(["NaN", "", None])
        item = {
            "metadata": {"name": name},
            "timestamp": at.isoformat(),
            "containers": [{"name": "app", "usage": amounts}],
        }
        found.append(item)
    return found


def plan_now(world: World) -> tuple[Plan | None, dict[str, str]]:
    if world.plan == "unreadable":
        return None, {"shop": "truncated"}
    moved = {"expired": -timedelta(days=5), "future": timedelta(days=5)}.get(world.plan, timedelta(0))
    made = [] if world.plan == "silent" else [planned(world, name, BEGIN + moved) for name in LEAVE]
    return Plan(START, START, START + timedelta(days=1), "x", {}, tuple(made)), {}


def planned(world: World, name: str, start: datetime) -> Any:
    needs, sizes = world.needs[name], []
    for resource, unit in (("cpu", 1), ("memory", MIB)):
        changes = tuple(SizeChange(at, one[resource] * unit, "demand") for at, one in enumerate(needs))
        sizes.append(PlannedSize("app", cast(Any, resource), changes, SAFE[resource] * unit))
    made = PodSizes(start, HOUR, STEPS, tuple(sizes), 5 * MINUTE)
    return workload_plan(name, start=start, steps=STEPS, sizes=made, quiet=(Quiet(0, world.quiet),))


SAFE = {"cpu": 2000, "memory": 1024}


def need(world: World, name: str) -> Sizes | None:
    """The highest need of the steps that overlap what a pass must cover; None where the plan says nothing."""
    ends = world.now + world.skew + 7 * MINUTE
    touched = [
        one
        for place, one in enumerate(world.needs[name])
        if BEGIN + HOUR * place <= ends and BEGIN + HOUR * (place + 1) > world.now + world.skew
    ]
    return {key: max(one[key] for one in touched) for key in SAFE} if touched else None


def trusted(world: World, name: str) -> bool:
    """Whether every pod of a workload is measured; partial metrics lack those of one."""
    return world.metrics == "good" or (world.metrics == "partial" and name != next(iter(LEAVE)))


def unjustified(world: World, one: Resize) -> list[str]:
    """Every reason why this resize should not have been."""
    name, shrunk = one.workload, [key for key in SAFE if one.after[key] < one.before[key]]
    lost = world.now - world.bad_since.get(name, world.now) >= RULES.hold_for
    wanted = need(world, name) if world.plan == "good" else SAFE if lost or world.plan == "expired" else None
    restarts = one.after["memory"] != one.before["memory"] and LEAVE[name] is not None
    always = {
        "somebody else acts on it": name in world.acted,
        "somebody asked not to": world.wishes[name] != {},
        "switched off": world.off,
        "restarted without leave": restarts and LEAVE[name] is False,
        "restarted while another pod was busy": restarts and bool(world.busy & {f"{name}-0", f"{name}-1"}),
        "restarted in a freeze": restarts and FREEZE.start <= world.now + world.skew < FREEZE.end,
        "more than its range": not (one.after["cpu"] >= 500 and one.after["memory"] >= 256) and bool(shrunk),
    }
    if not shrunk:
        return [reason for reason, holds in always.items() if holds]
    since = world.now - world.moved.get(name, START - timedelta(days=3))
    used = world.usage[name]
    recent = [amount for at, amount in world.seen.get(name, []) if world.now - at < timedelta(days=1)]
    looked = [at for at, _ in world.seen.get(name, [])]
    found = {
        **always,
        "metrics could not be trusted": not trusted(world, name),
        "usage was below the quiet level": world.plan == "good" and 2 * used["cpu"] < world.quiet,
        "nothing said so": wanted is None,
        "below the need": wanted is not None and any(one.after[key] < wanted[key] for key in shrunk),
        "below what is used": any(one.after[key] * 0.8 < used[key] - 1 for key in shrunk),
        "more than a step": any(one.after[key] < ceil(one.before[key] * 0.75) - 1 for key in shrunk),
        "too soon after the last": since < timedelta(minutes=29),
        "below the last day's use": "memory" in shrunk and one.after["memory"] < max(recent, default=0),
        "a part of the day was not seen": "memory" in shrunk and (not looked or world.now - min(looked) < 18 * HOUR),
        "a person had set it": one.pod in world.edited,
        "the clock was wrong": abs(world.skew) > 2 * MINUTE,
    }
    return [reason for reason, holds in found.items() if holds]


def one_run(seed: int) -> tuple[int, int, list[str]]:
    """Passes under random faults; how many shrank and how many were restarted, and what was wrong with any."""
    dice = random.Random(seed)
    world = World(dice, quiet=dice.choice([0, 0, 300, 900]))
    low = dice.random() < 0.5
    for name in LEAVE:
        needs = [
            {"cpu": dice.randint(5, 20 if low else 80) * 100, "memory": dice.randint(2, 8 if low else 64) * 128}
            for _ in range(STEPS)
        ]
        world.needs[name] = needs
    cluster = Cluster(world)
    shrunk, restarted, wrong = 0, 0, list[str]()
    for _ in range(8):
        shake(world, cluster)
        cluster.resized.clear()
        one_pass(world, cluster)
        restarting = [
            one for one in cluster.resized if LEAVE[one.workload] and one.after["memory"] != one.before["memory"]
        ]
        for one in cluster.resized:
            wrong += [f"seed {seed}: {one}: {why}" for why in unjustified(world, one)]
            shrunk += one.after["cpu"] < one.before["cpu"] or one.after["memory"] < one.before["memory"]
            world.edited.discard(one.pod)
        restarted += len(restarting)
        pods = [one.workload for one in restarting]
        wrong += [f"seed {seed}: two pods restarted at once" for name in set(pods) if pods.count(name) > 1]
        world.moved |= {one.workload: world.now for one in cluster.resized}
    return shrunk, restarted, wrong


def shake(world: World, cluster: Cluster) -> None:
    """Time passes, and things happen."""
    dice = world.dice
    world.now += dice.choice([0.2, 1, 5, 31, 31, 40, 120, 300, 300, 355]) * MINUTE
    world.plan, world.metrics = dice.choice(PLANS), dice.choice(METRICS)
    world.off = dice.random() < 0.05
    cluster.configmaps = {"capacity-switch": {"data": {"enabled": "false"}}} if world.off else {}
    world.skew = dice.choice([timedelta(0)] * 11 + [HOUR, -HOUR])
    world.kill, world.refuse = dice.choice([(0.0, 0.0)] * 8 + [(0.1, 0.0), (0.0, 0.2)])
    world.acted = frozenset(name for name in LEAVE if dice.random() < 0.04)
    cluster.server_time = world.now
    cluster.leases.clear()  # a killed pass's Lease has run out by the next
    world.busy = {name for name in cluster.pods if dice.random() < 0.1}
    for name, item in cluster.pods.items():
        conditions = [{"type": "Ready", "status": "False" if name in world.busy else "True"}]
        if name in world.busy and dice.random() < 0.5:
            conditions = [
                {"type": "Ready", "status": "True"},
                {"type": "PodResizePending", "status": "True", "reason": "Deferred"},
            ]
        item["status"]["conditions"] = conditions
        if dice.random() < 0.03:
            item["spec"]["containers"][0]["resources"] = resources({"cpu": 6000, "memory": 6144})
            fields = {"f:spec": {"f:containers": {'k:{"name":"app"}': {"f:resources": {}}}}}
            item["metadata"]["managedFields"] = [{"manager": "kubectl", "subresource": "resize", "fieldsV1": fields}]
            cluster._stamped(item)
            world.edited.add(name)
    for name in LEAVE:
        world.usage[name] = {"cpu": dice.randint(1, 60) * 10, "memory": dice.randint(50, 700)}
        world.wishes[name] = dice.choice(WISHES)
        notes = cluster.owners[name]["metadata"]["annotations"]
        kept = {key: text for key, text in notes.items() if "size" in key}
        cluster.owners[name]["metadata"]["annotations"] = {**kept, **world.wishes[name]}


def one_pass(world: World, cluster: Cluster) -> None:
    plan, unreadable = plan_now(world)
    before = {name: _copied(item) for name, item in cluster.owners.items()}
    if world.plan in ("unreadable", "silent"):
        world.bad_since = {**dict.fromkeys(LEAVE, world.now), **world.bad_since}
    work = Reconciliation(WORKLOADS, plan, RULES, world.now + world.skew, unreadable, real_time=True, parallel=1)
    try:
        for outcome in apply(cast(ClusterWriter, cluster), work):
            assert outcome.decision is None
    except Killed:
        pass
    for name in LEAVE:
        noted = cluster.owners[name]["metadata"]["annotations"].get("capacity/size-state")
        fresh = noted != before[name]["metadata"]["annotations"].get("capacity/size-state")
        if fresh and trusted(world, name) and not world.skew:
            world.seen.setdefault(name, []).append((world.now, world.usage[name]["memory"]))
        undisturbed = not (world.kill or world.refuse or world.off or world.skew or name in world.acted)
        if world.plan == "good" and undisturbed and world.wishes[name] == {}:
            world.bad_since.pop(name, None)


def test_random_faults_shrink_and_restart_nothing_without_cause() -> None:
    judge(range(20))


@pytest.mark.slow
@pytest.mark.no_cover
@pytest.mark.runs(100)
def test_thousands_of_random_runs_shrink_and_restart_nothing_without_cause(runs: int, dice: random.Random) -> None:
    first = dice.randrange(10**9)
    judge(range(first, first + runs))


def judge(seeds: range) -> None:
    shrunk, restarted, wrong = zip(*map(one_run, seeds), strict=True)
    assert [why for whys in wrong for why in whys][:10] == []
    assert sum(shrunk) > len(seeds) / 2, "a controller that never lowers anything would pass"
    assert sum(restarted) > len(seeds) / 10, "one that never restarts anything where it may, as well"


GOOD = Resize("db", "db-0", {"cpu": 4000, "memory": 4096}, {"cpu": 3000, "memory": 3072})


@pytest.mark.parametrize(
    ("changed", "resize", "why"),
    [
        ({"metrics": "stale"}, GOOD, "metrics could not be trusted"),
        ({"plan": "future"}, GOOD, "nothing said so"),
        ({"off": True}, GOOD, "switched off"),
        ({"skew": HOUR}, GOOD, "the clock was wrong"),
        ({"edited": {"db-0"}}, GOOD, "a person had set it"),
        ({"wishes": {"db": {"capacity/freeze": "true"}}}, GOOD, "somebody asked not to"),
        ({"moved": {"db": START - MINUTE}}, GOOD, "too soon after the last"),
        ({"usage": {"db": {"cpu": 2900, "memory": 100}}}, GOOD, "below what is used"),
        ({"needs": {"db": [{"cpu": 3500, "memory": 100}] * STEPS}}, GOOD, "below the need"),
        ({"seen": {"db": [(START - 20 * HOUR, 4000)]}}, GOOD, "below the last day's use"),
        ({"seen": {}}, GOOD, "a part of the day was not seen"),
        ({"acted": frozenset({"db"})}, GOOD, "somebody else acts on it"),
        ({}, replace(GOOD, after={"cpu": 2000, "memory": 4096}), "more than a step"),
        ({}, replace(GOOD, workload="cache", pod="cache-0"), "restarted without leave"),
        ({"busy": {"queue-1"}}, replace(GOOD, workload="queue", pod="queue-0"), "restarted while another pod was busy"),
        ({"now": START + 7 * HOUR}, replace(GOOD, workload="queue", pod="queue-0"), "restarted in a freeze"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_judge_sees_each_wrong(changed: dict[str, Any], resize: Resize, why: str) -> None:
    usual = {name: {"cpu": 100, "memory": 100} for name in LEAVE}
    good = World(
        random.Random(0),
        needs={name: [{"cpu": 500, "memory": 256}] * STEPS for name in LEAVE},
        usage=usual,
        wishes={name: {} for name in LEAVE},
        seen={name: [(START - 23 * HOUR, 100)] for name in LEAVE},
    )
    assert unjustified(good, GOOD) == []
    assert why in unjustified(replace(good, **changed), resize)
