"""Random faults, thousands of runs: no floor comes down without every reason that a floor needs to come down.

The judge knows what really happened (`World`), computes the need step by step, and shares no code with the decision.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, cast

import pytest

from capacity.app import Reconciliation, apply
from capacity.cluster import ClusterWriter
from capacity.decision import Brake, ControllerRules
from capacity.model import (
    ClusterError,
    FloorChange,
    LoadModel,
    Peak,
    Plan,
    Quiet,
    Replica,
    Target,
    Workload,
    WorkloadPlan,
)
from tests.paper import Document, Killed, Paper
from tests.plans import derivation

START = datetime(2026, 3, 28, 20, tzinfo=UTC)  # clocks change in this night
MINUTE = timedelta(minutes=1)
POLICY = ControllerRules(hold_for=timedelta(minutes=30), step_every=5 * MINUTE)
NAMES = ("web", "jobs")
METRICS = (*["good"] * 14, "absent", "inactive", "nan", "partial", "frozen", "null")
PLANS = (*["good"] * 9, "unreadable", "silent", "expired", "future")
WISHES: tuple[Document, ...] = (
    *[{}] * 20,
    {"capacity/freeze": "true"},
    {"capacity/exclude": "true"},
    {"capacity/force-floor": "x"},
    {"capacity/exclude-until": "soon"},
)
CAPACITY = 100  # millicores that a replica may use on average: the target of the HPA
WORKLOADS = [
    Workload("shop", name, LoadModel(1, 0, 0, 0), Replica(1, 1), floor=1, ceiling=60, target=Target(name))
    for name in NAMES
]


@dataclass
class World:
    """What is really so, by workload where it differs."""

    dice: random.Random
    now: datetime = START
    usage: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, str] = field(default_factory=dict)
    wishes: dict[str, Document] = field(default_factory=dict)
    plan: str = "good"
    bad_since: dict[str, datetime] = field(default_factory=dict)
    reported: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    skew: timedelta = timedelta(0)
    edited: set[str] = field(default_factory=set)
    off: bool = False
    kill: float = 0.0
    refuse: float = 0.0
    fell: dict[str, datetime] = field(default_factory=dict)
    floors: dict[str, list[int]] = field(default_factory=dict)
    quiet: int = 0
    plans: list[WorkloadPlan] = field(default_factory=list)

    def strike(self, call: str) -> None:
        """Before each call: the process dies, or the API server does not answer."""
        if self.dice.random() < self.kill:
            raise Killed
        if self.dice.random() < self.refuse:
            status = self.dice.choice([None, 403, 404, 409, 429, 500, 503])
            if call == "configmap" and status == 404:
                status = 403  # no server says of a switch that is there that it is not
            raise ClusterError(f"{call} refused", status)


def made_plan(world: World, name: str) -> WorkloadPlan:
    floors = world.floors[name]
    changes = tuple(FloorChange(at, value, "r") for at, value in enumerate(floors))
    return WorkloadPlan(
        namespace="shop",
        name=name,
        start=START - timedelta(hours=1),
        step=timedelta(minutes=15),
        steps=len(floors),
        floor=changes,
        binding="cpu",
        peak=Peak(START, 40.0, 4.0, 1e9, max(floors), 0.95),
        safe_floor=7,
        ceiling=60,
        lead_time=5 * MINUTE,
        derivation=derivation(),
        quiet=(Quiet(0, world.quiet),),
    )


def plan_now(world: World) -> tuple[Plan | None, dict[str, str]]:
    if world.plan == "unreadable":
        return None, {"shop": "truncated"}
    plans = world.plans = world.plans or [made_plan(world, name) for name in NAMES]
    moved = {"expired": -timedelta(days=3), "future": timedelta(days=3)}.get(world.plan, timedelta(0))
    plans = [replace(plan, start=plan.start + moved) for plan in plans] if moved else plans
    kept = () if world.plan == "silent" else tuple(plans)
    return Plan(START, START, plans[0].end, "x", {}, kept), {}


def report(world: World, item: Document) -> None:
    """The HPA's status, as the metrics of this moment make it."""
    name, kind = item["metadata"]["name"], world.metrics[item["metadata"]["name"]]
    replicas = max(item["spec"]["minReplicas"], ceil(world.usage[name] / CAPACITY))
    value = world.usage[name] // replicas
    current: Document = {
        "type": "Resource",
        "resource": {"name": "cpu", "current": {"averageValue": f"{value}m", "averageUtilization": value}},
    }
    used = {"averageValue": str(200 * 2**20 + 4096 * world.dice.randrange(10_000))}
    memory = {"type": "Resource", "resource": {"name": "memory", "current": used}}
    active = {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound"}
    status: Document = {
        "currentReplicas": replicas,
        "desiredReplicas": replicas,
        "conditions": [active],
        "currentMetrics": [current, memory],
    }
    if kind == "frozen" and name in world.reported:
        return
    world.reported[name] = world.now, world.usage[name]
    if kind == "absent":
        status = {"desiredReplicas": 0, "currentMetrics": None}
    elif kind == "inactive":
        status["conditions"] = [{**active, "status": "False", "reason": "FailedGetResourceMetric"}]
    elif kind == "nan":
        current["resource"]["current"] = {"averageValue": world.dice.choice(["NaN", "", "Infinity", "-5m", None])}
    elif kind == "partial":
        status["currentMetrics"] = [{"type": ""}, memory]
    elif kind == "null":
        status["currentMetrics"] = None
    item["status"] = status


def wanted(world: World, name: str) -> int:
    """Replicas that the usage last reported asks for."""
    return max(1, ceil(world.reported[name][1] / CAPACITY))


def hpa(name: str, floor: int) -> Document:
    target = {"type": "AverageValue", "averageValue": f"{CAPACITY}m"}
    return {
        "metadata": {"name": name, "namespace": "shop", "resourceVersion": "0", "annotations": {}},
        "spec": {
            "minReplicas": floor,
            "maxReplicas": 60,
            "scaleTargetRef": {"kind": "Deployment", "name": name},
            "metrics": [
                {"type": "Resource", "resource": {"name": "cpu", "target": target}},
                {"type": "Resource", "resource": {"name": "memory", "target": {**target, "averageValue": "10Gi"}}},
            ],
        },
    }


def need(world: World, name: str) -> int | None:
    """The highest floor of the steps that overlap what a pass must cover; None where the plan says nothing."""
    begin, step, ends = START - timedelta(hours=1), timedelta(minutes=15), world.now + 7 * MINUTE
    touched = [
        floor
        for place, floor in enumerate(world.floors[name])
        if begin + step * place <= ends and begin + step * (place + 1) > world.now
    ]
    return max(touched, default=None)


def unjustified(world: World, name: str, before: int, after: int) -> list[str]:
    """Every reason why this fall should not have been."""
    lost = world.now - world.bad_since.get(name, world.now) >= POLICY.hold_for
    reported_at, usage = world.reported[name]
    old = world.metrics[name] == "frozen" and world.now - reported_at > 2 * POLICY.step_every
    dead = old and usage // before >= 10  # below, an idle replica cannot be told from one that nobody measures
    low = need(world, name) if world.plan == "good" else 7 if lost or world.plan == "expired" else None
    least = 0 if low is None else max(low, min(before, wanted(world, name)))
    share = max(1, int(before * POLICY.step_down))
    since = world.now - world.fell.get(name, START - timedelta(days=1))
    found = {
        "metrics could not be trusted": dead or world.metrics[name] not in ("good", "frozen"),
        "usage was below the quiet level": world.plan == "good" and usage < world.quiet - 60,
        "nothing said so": low is None,
        "below the need": after < least,
        "more than a step": before - after > share,
        "too soon after the last": since < POLICY.step_every - MINUTE / 2,
        "somebody asked not to": world.wishes[name] != {},
        "a person had set it": name in world.edited,
        "switched off": world.off,
        "the clock was wrong": abs(world.skew) > timedelta(minutes=2),
        "below one": after < 1,
    }
    return [reason for reason, holds in found.items() if holds]


def one_run(seed: int) -> tuple[int, list[str]]:
    """Eight passes under random faults; how many falls there were, and what was wrong with any."""
    dice = random.Random(seed)
    world = World(dice, floors={name: [dice.randint(1, 40) for _ in range(40)] for name in NAMES})
    world.quiet = dice.choice([0, 300, 900])
    paper = Paper(world.strike)
    for name in NAMES:
        paper.autoscalers[name] = hpa(name, dice.randint(1, 50))
    falls, wrong = 0, list[str]()
    for _ in range(8):
        shake(world, paper)
        before = {name: paper.autoscalers[name]["spec"]["minReplicas"] for name in NAMES}
        one_pass(world, paper)
        for name in NAMES:
            after = paper.autoscalers[name]["spec"]["minReplicas"]
            if after < before[name]:
                falls += 1
                wrong += [
                    f"seed {seed}: {name} {before[name]} -> {after}: {why}"
                    for why in unjustified(world, name, before[name], after)
                ]
                world.fell[name] = world.now
            elif after > before[name]:
                world.edited.discard(name)
    return falls, wrong


def shake(world: World, paper: Paper) -> None:
    """Time passes, and things happen."""
    dice = world.dice
    world.now += dice.choice([0.0, 0.2, 1, 4, 5, 5, 5, 6, 6, 8, 40]) * MINUTE
    world.plan = dice.choice(PLANS)
    world.off = dice.random() < 0.05
    paper.configmaps = {"capacity-switch": {"data": {"enabled": "false"}}} if world.off else {}
    world.skew = dice.choice([timedelta(0)] * 9 + [timedelta(hours=1), -timedelta(hours=1)])
    world.kill, world.refuse = dice.choice([(0, 0)] * 6 + [(0.1, 0), (0, 0.2)])
    paper.server_time = world.now
    paper.leases.clear()  # a killed pass's Lease has run out by the next
    for name in NAMES:
        world.usage[name] = dice.choice([0, 250, 400, 700, 700, 2000]) + dice.randint(1, 60)
        world.metrics[name] = dice.choice(METRICS)
        world.wishes[name] = dice.choice(WISHES)
        item = paper.autoscalers[name]
        kept = {k: v for k, v in item["metadata"]["annotations"].items() if k in OURS}
        item["metadata"]["annotations"] = {**kept, **world.wishes[name]}
        if dice.random() < 0.05 and "capacity/baseline" in kept:
            paper.write(name, {"spec": {"minReplicas": dice.randint(1, 50)}}, "kubectl-edit")
            world.edited.add(name)
        report(world, item)


OURS = ("capacity/baseline", "capacity/state", "capacity/expires")


def one_pass(world: World, paper: Paper) -> None:
    plan, unreadable = plan_now(world)
    for name in NAMES:
        if world.plan in ("unreadable", "silent"):
            world.bad_since.setdefault(name, world.now)
    work = Reconciliation(
        WORKLOADS, plan, POLICY, world.now + world.skew, unreadable, Brake(at_least=9), real_time=True, parallel=1
    )
    undisturbed = not (world.kill or world.refuse or world.off or world.skew)
    try:
        for outcome in apply(cast(ClusterWriter, paper), work):
            assert outcome.decision is not None or outcome.error
    except Killed:
        return
    for name in NAMES:
        if world.plan == "good" and undisturbed and world.wishes[name] == {}:
            world.bad_since.pop(name, None)


def test_random_faults_scale_nothing_in_without_cause() -> None:
    judge(range(100))


@pytest.mark.slow
@pytest.mark.no_cover  # what it runs through, the hundred runs above do too; traced, it takes four times as long
@pytest.mark.runs(500)
def test_thousands_of_runs_of_random_faults_scale_nothing_in_without_cause(runs: int, dice: random.Random) -> None:
    first = dice.randrange(10**9)
    judge(range(first, first + runs))


def judge(seeds: range) -> None:
    falls, wrong = zip(*map(one_run, seeds), strict=True)
    assert [why for whys in wrong for why in whys][:10] == []
    assert sum(falls) > len(seeds) / 2, "a controller that never lowers anything would pass"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"metrics": {"web": "nan"}}, "metrics could not be trusted"),
        ({"plan": "future"}, "nothing said so"),
        ({"off": True}, "switched off"),
        ({"skew": timedelta(hours=1)}, "the clock was wrong"),
        ({"edited": {"web"}}, "a person had set it"),
        ({"wishes": {"web": {"capacity/freeze": "true"}}}, "somebody asked not to"),
        ({"fell": {"web": START - MINUTE}}, "too soon after the last"),
        ({"reported": {"web": (START, 4000)}}, "below the need"),
        ({"metrics": {"web": "frozen"}, "now": START + 11 * MINUTE}, "metrics could not be trusted"),
        ({"floors": {"web": [30] * 40}}, "below the need"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_judge_sees_each_wrong(changed: dict[str, Any], why: str) -> None:
    good = World(
        random.Random(0),
        usage={"web": 1000},
        metrics={"web": "good"},
        reported={"web": (START, 1000)},
        wishes={"web": {}},
        floors={"web": [5] * 40},
    )
    assert unjustified(good, "web", 30, 27) == []
    assert why in unjustified(replace(good, **changed), "web", 30, 27)
    assert "more than a step" in unjustified(good, "web", 30, 26)
