"""Random faults, thousands of runs: no buffer of nodes shrinks without every reason to, no claim is asked to shrink.

The judge knows what really happened (`World`), reads only the writes that reached the server, and shares no code with
the decisions.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from capacity.app import Reconciliation, apply, restore
from capacity.cluster import ClusterWriter
from capacity.decision import ControllerRules
from capacity.model import ClusterError, Plan, Target
from capacity.model.headroom import Headroom, HeadroomChange, HeadroomRules
from capacity.model.volume import GIB, DaysLeft, SizeStep, VolumePlan, VolumeRules
from tests.paper import Document, Killed, Paper, _copied, _found
from tests.plans import workload_of, workload_plan
from tests.property.test_fault_runs import hpa

START = datetime(2026, 3, 28, 20, tzinfo=UTC)  # clocks change in this night
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BEGIN, STEPS = START - HOUR, 60
RULES = ControllerRules(hold_for=30 * MINUTE)
COOLDOWN, LEAD = 6 * HOUR, 10 * MINUTE
API = "autoscaling.x-k8s.io/v1beta1"
PLANS = (*["good"] * 9, "unreadable", "silent", "expired", "future")
WISHES: tuple[Document, ...] = (
    *[{}] * 12,
    {"capacity/exclude": "true"},
    {"capacity/freeze": "true"},
    {"capacity/freeze": "x"},
)
RULES_OF = {
    "web": HeadroomRules(),
    "jobs": HeadroomRules(buffer="placeholder"),
    "api": HeadroomRules(group="edge"),
    "cart": HeadroomRules(group="edge"),
}
BUFFERS = {"capacity-web": "web", "capacity-jobs": "jobs", "capacity-group-edge": "api"}  # and whose plan holds each
CLAIMS = {"data-0": "fast", "data-1": "fast", "old": "fixed", "lost": "gone", "new": "fast"}
MOST = 40  # GiB: no plan asks for more
WORKLOADS = [
    *(workload_of(name, headroom=rules, target=Target(name)) for name, rules in RULES_OF.items()),
    workload_of("db", volumes=tuple(VolumeRules(claim=name) for name in CLAIMS)),
]
Sizes = dict[str, int]  # GiB by claim


@dataclass
class Write:
    """A write that reached the server: pods of a buffer, GiB of a claim; `after` None: it was removed."""

    name: str
    before: int | None
    after: int | None


@dataclass
class World:
    """What is really so, by object where it differs."""

    dice: random.Random
    now: datetime = START
    headroom: dict[str, list[int]] = field(default_factory=dict)  # pods by hour, of each buffer
    sizes: dict[str, list[int]] = field(default_factory=dict)  # GiB by hour, of each claim; ascending
    wishes: dict[str, Document] = field(default_factory=dict)  # by buffer, claim or autoscaler
    foreign: set[str] = field(default_factory=set)
    edited: set[str] = field(default_factory=set)
    grown: dict[str, datetime] = field(default_factory=dict)
    renewed: dict[str, datetime] = field(default_factory=dict)
    plan: str = "good"
    defined: bool = True
    negative: bool = True
    off: bool = False
    skew: timedelta = timedelta(0)
    kill: float = 0.0
    refuse: float = 0.0

    def strike(self, call: str) -> None:
        """Before each call: the process dies, or the API server does not answer."""
        if self.dice.random() < self.kill:
            raise Killed
        if self.dice.random() < self.refuse:
            raise ClusterError(f"{call} refused", self.dice.choice([None, 403, 409, 429, 500, 503]))


class Cluster(Paper):
    """Buffers and claims on paper; it has no call that touches a pod."""

    def __init__(self, world: World) -> None:
        super().__init__(world.strike)
        self.world, self.made, self.claims = world, dict[str, Document](), dict[str, Document]()
        self.written: list[Write] = []
        for name in RULES_OF:
            self.autoscalers[name] = hpa(name, 4)
        for name, storage in CLAIMS.items():
            self.claims[name] = self._stamped(claim(name, storage, world.dice.randint(2, 12)))

    def document(self, path: str) -> Document:
        self._before("get")
        if path == "/apis/autoscaling.x-k8s.io":
            if not self.world.defined:
                raise ClusterError("404", 404)
            return {"versions": [{"version": "v1beta1"}]}
        if "priorityclasses" in path:
            return {"value": -10 if self.world.negative else 10}
        return _copied(_found(self.made, path))

    def objects(self, path: str, labels: str = "", *, limit: int = 0, fields: str = "") -> Iterator[Document]:
        self._before("list")
        if path.endswith("/persistentvolumeclaims"):
            return iter([_copied(item) for item in self.claims.values()])
        kept = [item for where, item in self.made.items() if where.startswith(path + "/")]
        return iter([_copied(item) for item in kept if not labels or item["metadata"].get("labels")])

    def storage_class(self, name: str) -> Document:
        self._before("get")
        return _found({"fast": {"allowVolumeExpansion": True}, "fixed": {}}, name)

    def apply_object(self, path: str, body: Document) -> Document:
        self._before("apply")
        name, stands = body["metadata"]["name"], self.made.get(path)
        if "resourceVersion" in body["metadata"]:
            self._locked(_found(self.made, path), body)
        item = self._stamped(_copied(body))
        item["metadata"].setdefault("uid", name)
        item["metadata"]["managedFields"] = [{"manager": "capacity", "fieldsV1": {"f:spec": {}}}]
        self.made[path] = item
        if "spec" in body:
            self.written.append(
                Write(name, None if stands is None else stands["spec"]["replicas"], body["spec"]["replicas"])
            )
        self._before("answer")
        return _copied(item)

    def delete_object(self, path: str, uid: str) -> Document:
        self._before("delete")
        item = _found(self.made, path)
        assert uid == item["metadata"]["uid"]
        del self.made[path]
        if "spec" in item:
            self.written.append(Write(item["metadata"]["name"], item["spec"]["replicas"], None))
        self._before("answer")
        return item

    def claim(self, namespace: str, name: str) -> Document:
        self._before("get")
        return _copied(self.claims[name])

    def merge_claim(self, namespace: str, name: str, body: Document) -> Document:
        self._before("patch")
        item = self.claims[name]
        self._locked(item, body)
        notes = item["metadata"]["annotations"]
        for key, text in body["metadata"]["annotations"].items():
            notes.pop(key, None) if text is None else notes.update({key: text})
        if "spec" in body:
            asked = body["spec"]["resources"]["requests"]
            self.written.append(Write(name, requested(item), int(asked["storage"][:-2])))
            if CLAIMS[name] != "fast":
                raise ClusterError("403 only dynamically provisioned pvc can be resized", 403)
            item["spec"]["resources"]["requests"] = asked
        self._stamped(item)
        self._before("answer")
        return _copied(item)

    def spec_of(self, name: str) -> Document | None:
        """A buffer as it stands; None where there is none."""
        return next((one for one in self.made.values() if one["metadata"]["name"] == name and "spec" in one), None)


def claim(name: str, storage: str, size: int) -> Document:
    return {
        "metadata": {"name": name, "namespace": "shop", "uid": name, "annotations": {}},
        "spec": {"storageClassName": storage, "resources": {"requests": {"storage": f"{size}Gi"}}},
        "status": {"phase": "Bound", "capacity": {"storage": f"{size}Gi"}},
    }


def requested(item: Document) -> int:
    return int(item["spec"]["resources"]["requests"]["storage"][:-2])


def capacity(item: Document) -> int:
    return int(item["status"]["capacity"]["storage"][:-2])


def planned_headroom(world: World, name: str, start: datetime) -> Headroom:
    changes = tuple(HeadroomChange(at, pods) for at, pods in enumerate(world.headroom[name]))
    group = "edge" if name == "capacity-group-edge" else None
    return Headroom(start, HOUR, STEPS, changes, 0.95, 4 * MINUTE, 500, 2**29, group, ("api", "cart") if group else ())


def planned_volume(world: World, name: str, start: datetime) -> VolumePlan:
    sizes, left = world.sizes[name], DaysLeft(0.5, 1.0, 2.0)
    rises = [at for at in range(1, STEPS) if sizes[at] > sizes[at - 1]]
    steps = tuple(SizeStep(start + HOUR * at, sizes[at] * GIB) for at in rises)
    end, size = start + HOUR * STEPS, min(sizes) * GIB
    return VolumePlan(name, start, end, size, size, size // 2, steps, left, left, 0.8, 0.95, COOLDOWN, LEAD)


def plan_now(world: World) -> tuple[Plan | None, dict[str, str]]:
    if world.plan == "unreadable":
        return None, {"shop": "truncated"}
    start = BEGIN + {"expired": -timedelta(days=5), "future": timedelta(days=5)}.get(world.plan, timedelta(0))
    made = [
        workload_plan(name, start=start, steps=STEPS, headroom=planned_headroom(world, buffer, start))
        for buffer, name in BUFFERS.items()
    ]
    claims = tuple(planned_volume(world, name, start) for name in CLAIMS)
    made.append(workload_plan("db", start=start, steps=STEPS, volumes=claims))
    kept = () if world.plan == "silent" else tuple(made)
    return Plan(START, START, START + timedelta(days=1), "x", {}, kept), {}


def most(steps: list[int], begin: datetime, end: datetime) -> int | None:
    """The highest of the hours that touch a span; None where none does."""
    touched = [one for at, one in enumerate(steps) if BEGIN + HOUR * at <= end and BEGIN + HOUR * (at + 1) > begin]
    return max(touched, default=None)


def falls(one: Write) -> bool:
    """Whether less is asked for than before."""
    return one.before is not None and (one.after is None or one.after < one.before)


def unjustified(world: World, cluster: Cluster, one: Write) -> list[str]:
    """Every reason why this write should not have been."""
    autoscaler = world.wishes.get(BUFFERS.get(one.name, "db"), {})
    unread = world.refuse > 0 and not falls(one)  # an autoscaler that cannot be read stops falls only
    found = {
        "switched off": world.off,
        "somebody asked not to": world.wishes.get(one.name, {}) != {} or (autoscaler != {} and not unread),
        "it is somebody else's": one.name in world.foreign,
        **(_of_claim(world, cluster, one) if one.name in CLAIMS else _of_buffer(world, one)),
    }
    return [reason for reason, holds in found.items() if holds]


def _of_buffer(world: World, one: Write) -> dict[str, bool]:
    placeholder = one.name == "capacity-jobs"
    refused = {
        "there is no definition": not world.defined and not placeholder,
        "it would push pods out": not world.negative and placeholder and one.after is not None,
    }
    if not falls(one):
        return refused
    need = most(world.headroom[one.name], world.now + world.skew, world.now + world.skew + 2 * MINUTE)
    removed = one.after is None
    renewed = world.renewed.get(one.name)
    return {
        **refused,
        "removed before it expired": removed and (renewed is None or world.now < renewed),
        "nothing said so": not removed and world.plan != "good",
        "below the need": not removed and (need is None or (one.after or 0) < need),
        "a person had set it": one.name in world.edited and not removed,
        "the clock was wrong": abs(world.skew) > 2 * MINUTE,
    }


def _of_claim(world: World, cluster: Cluster, one: Write) -> dict[str, bool]:
    item, wish = cluster.claims[one.name], world.wishes.get(one.name, {})
    before, after = one.before or 0, one.after or 0
    now = world.now + world.skew
    need = most(world.sizes[one.name], now, now + LEAD)
    since = abs(now - world.grown[one.name]) if one.name in world.grown else COOLDOWN
    return {
        "asked to shrink": after <= before or after < capacity(item),
        "somebody asked not to": wish != {},
        "nothing said so": world.plan != "good",
        "more than the need": need is None or after > need,
        "more than any plan allows": after > MOST,
        "not bound": item["status"]["phase"] != "Bound",
        "its class cannot": CLAIMS[one.name] != "fast"
        and world.refuse == 0,  # where it cannot be read, it is asked for
        "the last change is not over": before > capacity(item) or item["status"].get("conditions", []) != [],
        "too soon after the last": since < COOLDOWN - MINUTE,
        "another claim of the name": capacity(item) < 0.9 * min(world.sizes[one.name]),
    }


def one_run(seed: int) -> tuple[int, int, list[str]]:
    """Passes under random faults; how many buffers fell and how many claims grew, and what was wrong with any."""
    dice = random.Random(seed)
    world = World(dice)
    cluster = Cluster(world)
    for name in BUFFERS:
        world.headroom[name] = [dice.choice([0, 0, 2, 5, 9, 20]) for _ in range(STEPS)]
    for name, item in cluster.claims.items():
        rises = sorted(dice.randrange(STEPS) for _ in range(3))
        first = requested(item)
        world.sizes[name] = [min(MOST, first + 4 * sum(at >= rise for rise in rises)) for at in range(STEPS)]
    if dice.random() < 0.1:
        cluster.claims["new"] = cluster._stamped(claim("new", "fast", 1))
        world.sizes["new"] = [8] * STEPS
    fell, grew, wrong = 0, 0, list[str]()
    for _ in range(8):
        shake(world, cluster)
        cluster.written.clear()
        wrong += one_pass(world, cluster)
        for one in cluster.written:
            wrong += [f"seed {seed}: {one}: {why}" for why in unjustified(world, cluster, one)]
            grew += one.name in CLAIMS
            fell += falls(one)
            note(world, cluster, one)
    return fell, grew, [*wrong, *(f"seed {seed}: restored: {why}" for why in left_over(world, cluster))]


def note(world: World, cluster: Cluster, one: Write) -> None:
    """What the judge remembers of a write."""
    if CLAIMS.get(one.name) not in (None, "fast"):
        return
    if one.name in CLAIMS:
        world.grown[one.name] = world.now + world.skew
        return
    world.edited.discard(one.name)
    stands = cluster.spec_of(one.name)
    until = None if stands is None else stands["metadata"]["annotations"].get("capacity/expires")
    if until is None:
        world.renewed.pop(one.name, None)
    else:
        world.renewed[one.name] = datetime.fromisoformat(until)


def left_over(world: World, cluster: Cluster) -> list[str]:
    """What a restore in calm weather leaves behind: nothing of ours, and every claim as large as it was."""
    world.kill = world.refuse = 0.0
    world.defined = True
    sizes = {name: requested(item) for name, item in cluster.claims.items()}
    cluster.leases.clear()
    outcomes = list(restore(cast(ClusterWriter, cluster), WORKLOADS, world.now))
    kept = [one["metadata"]["name"] for one in cluster.made.values() if one["metadata"]["name"] not in world.foreign]
    notes = [name for name, item in cluster.claims.items() if "capacity/baseline" in item["metadata"]["annotations"]]
    shrunk = [name for name, item in cluster.claims.items() if requested(item) != sizes[name]]
    errors = [one.error for outcome in outcomes for one in outcome.actuations if one.error]
    return [f"{one} is left" for one in (*kept, *notes, *shrunk, *errors)]


def shake(world: World, cluster: Cluster) -> None:
    """Time passes, and things happen."""
    dice = world.dice
    world.now += dice.choice([0.2, 1, 5, 31, 40, 120, 300, 400]) * MINUTE
    world.plan = dice.choice(PLANS)
    world.off, world.defined, world.negative = (dice.random() < share for share in (0.05, 0.9, 0.9))
    cluster.configmaps = {"capacity-switch": {"data": {"enabled": "false"}}} if world.off else {}
    world.skew = dice.choice([timedelta(0)] * 11 + [HOUR, -HOUR])
    world.kill, world.refuse = dice.choice([(0.0, 0.0)] * 8 + [(0.1, 0.0), (0.0, 0.2)])
    cluster.server_time = world.now
    cluster.leases.clear()  # a killed pass's Lease has run out by the next
    world.wishes = {}
    things: list[tuple[str, Document | None]] = [*cluster.claims.items(), *cluster.autoscalers.items()]
    things += [(name, cluster.spec_of(name)) for name in BUFFERS]
    for name, item in things:
        if item is not None:
            annotate(world, name, item)
    for name in BUFFERS:
        disturb_buffer(world, cluster, name)
    for name, item in cluster.claims.items():
        disturb_claim(world, cluster, name, item)


def annotate(world: World, name: str, item: Document) -> None:
    wish = world.dice.choice(WISHES)
    if wish:
        world.wishes[name] = wish
    notes = item["metadata"].setdefault("annotations", {})
    for key in ("capacity/exclude", "capacity/freeze"):
        notes.pop(key, None)
    notes.update(wish)


def disturb_buffer(world: World, cluster: Cluster, name: str) -> None:
    """A person sets more, or removes it; somebody else makes one of the same name."""
    dice, stands = world.dice, cluster.spec_of(name)
    path = {"capacity-jobs": "/apis/apps/v1/namespaces/shop/deployments/"}.get(
        name, f"/apis/{API}/namespaces/shop/capacitybuffers/"
    )
    if stands is None:
        world.edited.discard(name)
        if dice.random() < 0.03:
            kind, api = ("Deployment", "apps/v1") if name == "capacity-jobs" else ("CapacityBuffer", API)
            metadata = {"name": name, "namespace": "shop", "uid": f"their-{name}", "annotations": {}}
            made = {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": {"replicas": 30}}
            cluster.made[path + name] = cluster._stamped(made)
            world.foreign.add(name)
    elif name not in world.foreign and dice.random() < 0.05:
        stands["spec"]["replicas"] = 50
        cluster._stamped(stands)
        world.edited.add(name)
    elif name not in world.foreign and dice.random() < 0.03:
        del cluster.made[path + name]
        world.wishes.pop(name, None)
        world.edited.discard(name)


def disturb_claim(world: World, cluster: Cluster, name: str, item: Document) -> None:
    """An expansion is done or stays, a claim is lost, somebody else sets its size and would set it again."""
    dice, status = world.dice, item["status"]
    if dice.random() < 0.7:
        status["capacity"]["storage"] = item["spec"]["resources"]["requests"]["storage"]
    resizing = {"type": "FileSystemResizePending", "status": "True"}
    status["conditions"] = [resizing] if dice.random() < 0.05 else []
    status["phase"] = "Pending" if dice.random() < 0.03 else "Bound"
    if name not in world.foreign and dice.random() < 0.02:
        fields: Document = {"f:spec": {"f:resources": {"f:requests": {"f:storage": {}}}}}
        item["metadata"]["managedFields"] = [{"manager": "argocd-controller", "operation": "Apply", "fieldsV1": fields}]
        world.foreign.add(name)
    cluster._stamped(item)


def one_pass(world: World, cluster: Cluster) -> list[str]:
    plan, unreadable = plan_now(world)
    work = Reconciliation(WORKLOADS, plan, RULES, world.now + world.skew, unreadable, real_time=True, parallel=1)
    found = []
    try:
        for outcome in apply(cast(ClusterWriter, cluster), work):
            found += [one.error for one in outcome.actuations if one.error and "unexpected answer" in one.error]
    except Killed:
        pass
    return found


def test_random_faults_shrink_no_buffer_and_no_claim() -> None:
    judge(range(20))


@pytest.mark.slow
@pytest.mark.no_cover
@pytest.mark.runs(100)
def test_thousands_of_random_runs_shrink_no_buffer_and_no_claim(runs: int, dice: random.Random) -> None:
    first = dice.randrange(10**9)
    judge(range(first, first + runs))


def judge(seeds: range) -> None:
    fell, grew, wrong = zip(*map(one_run, seeds), strict=True)
    assert [why for whys in wrong for why in whys][:10] == []
    assert sum(fell) > len(seeds) / 4, "a controller that never lowers anything would pass"
    assert sum(grew) > len(seeds) / 2, "one that never asks for anything, as well"


LESS, MORE = Write("capacity-web", 9, 5), Write("data-0", 10, 14)


@pytest.mark.parametrize(
    ("changed", "write", "why"),
    [
        ({"plan": "future"}, LESS, "nothing said so"),
        ({"off": True}, LESS, "switched off"),
        ({"skew": HOUR}, LESS, "the clock was wrong"),
        ({"edited": {"capacity-web"}}, LESS, "a person had set it"),
        ({"foreign": {"capacity-web"}}, LESS, "it is somebody else's"),
        ({"defined": False}, LESS, "there is no definition"),
        ({"negative": False}, Write("capacity-jobs", 9, 5), "it would push pods out"),
        ({"wishes": {"capacity-web": {"capacity/exclude": "true"}}}, LESS, "somebody asked not to"),
        ({"wishes": {"web": {"capacity/freeze": "true"}}}, LESS, "somebody asked not to"),
        ({}, Write("capacity-web", 9, 4), "below the need"),
        ({}, Write("capacity-web", 9, None), "removed before it expired"),
        ({}, Write("data-0", 10, 9), "asked to shrink"),
        ({}, Write("data-0", 10, 15), "more than the need"),
        ({"plan": "silent"}, MORE, "nothing said so"),
        ({"grown": {"data-0": START - HOUR}}, MORE, "too soon after the last"),
        ({"wishes": {"data-0": {"capacity/freeze": "true"}}}, MORE, "somebody asked not to"),
        ({}, replace(MORE, name="old"), "its class cannot"),
        ({}, Write("data-0", 12, 14), "the last change is not over"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_judge_sees_each_wrong(changed: dict[str, Any], write: Write, why: str) -> None:
    good = World(
        random.Random(0),
        headroom=dict.fromkeys(BUFFERS, [5] * STEPS),
        sizes=dict.fromkeys(CLAIMS, [14] * STEPS),
    )
    cluster = Cluster(good)
    for name in CLAIMS:
        cluster.claims[name] = claim(name, CLAIMS[name], 10)
        good.sizes[name] = [10] * 2 + [14] * (STEPS - 2)
    good.now += HOUR
    assert unjustified(good, cluster, LESS) == []
    assert unjustified(good, cluster, MORE) == []
    world = replace(good, **changed)
    if "grown" in changed:
        world.grown = {"data-0": world.now - HOUR}
    assert why in unjustified(world, cluster, write)
