"""Sizes decided for pods: what they may not fall below, what is remembered, limits, classes, and their replay."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.cluster.pod_sizes import read_pod, read_size_state, size_state
from capacity.decision.pod_sizing import (
    BLOCK,
    lowered_by_one,
    lowest_memory,
    noted_use,
    qos_class,
    resized,
    return_size,
)
from capacity.decision.vertical import decide_sizes, falls
from capacity.model import DataError, Target, Workload
from capacity.model.observation import Wishes
from capacity.model.outcome import Actuation, Outcome
from capacity.model.pod_observation import (
    ContainerState,
    Kept,
    ObservedPods,
    PodDecision,
    PodState,
    Resources,
    SizeMemory,
)
from capacity.model.pod_size import SizedContainer, SizeRange, Vertical
from capacity.monitoring.conditions import pass_conditions
from capacity.monitoring.samples import pass_samples
from capacity.simulation.vertical import PLAN, STATIC, VPA, SizeReplay, replay_sizes
from tests.database import plan_of_sizes, planned, sizes_of
from tests.plans import workload_of
from tests.scale import examples

NOON, GIB, MIB = datetime(2026, 11, 27, 12, tzinfo=UTC), 2**30, 2**20
HOUR = timedelta(hours=1)
APP = SizedContainer(cpu=SizeRange(0.5, 8), memory=SizeRange(GIB, 16 * GIB))


def workload(**vertical: Any) -> Workload:
    target = Target(kind="StatefulSet")
    sized = Vertical({"app": APP}, **vertical)
    return workload_of("db", floor=1, ceiling=1, target=target, scaling="vertical", vertical=sized)


def seen(cpu: int, used: int, *, memory: SizeMemory | None = None, size: int = 2 * GIB) -> ObservedPods:
    asked = Resources({"cpu": cpu, "memory": size})
    pod = PodState("db-0", "1", "n", (ContainerState("app", asked, used={"cpu": used, "memory": GIB}),))
    return ObservedPods((pod,), {"app": asked}, memory=memory or SizeMemory(moved_at=NOON - 3 * HOUR))


def requested(decision: Any) -> int:
    (one,) = decision.pods
    after: int = one.resources.get("app", one.pod.containers[0].asked).requests["cpu"]
    return after


PLANNED = plan_of_sizes(sizes_of([1000] * 12 + [1000, 3000, 3000, 1000, 1000, 1000] + [1000] * 6))


@pytest.mark.parametrize(
    ("minute", "cpu", "used", "after", "reason"),
    [
        pytest.param(0, 1000, 100, 1000, "AsPlanned", id="as planned"),
        pytest.param(51, 1000, 100, 1000, "AsPlanned", id="nine minutes before the peak"),
        pytest.param(53, 1000, 100, 3000, "DemandRising", id="a lead time and two periods before it"),
        pytest.param(0, 900, 100, 3000, "DemandRising", id="one rise for several"),
        pytest.param(-120, 1000, 1000, 1400, "UsageNeeds", id="more in use than was planned for, and a tenth ahead"),
        pytest.param(0, 8000, 7500, 8000, "UsageNeeds", id="but not above the maximum"),
        pytest.param(60, 3200, 100, 3200, "AsPlanned", id="less than a tenth is no reason to fall"),
        pytest.param(60, 6000, 100, 4500, "DemandFalling", id="down by a quarter"),
        pytest.param(60, 3500, 100, 3000, "DemandFalling", id="not below the plan where that is nearer"),
        pytest.param(60, 6000, 4400, 5500, "DemandFalling", id="not below what is in use"),
        pytest.param(60, 9000, 100, 6800, "DemandFalling", id="nor does it stay above the range"),
    ],
)
def test_cpu(minute: int, cpu: int, used: int, after: int, reason: str) -> None:
    now = NOON + timedelta(minutes=minute)
    decision = decide_sizes(PLANNED, workload(), seen(cpu, used), now)
    assert (requested(decision), decision.reason) == (after, reason)


def test_use_that_grows_beyond_its_plan_is_caught_up_with_and_not_chased() -> None:
    """A percent more in every minute: a size for the moment would be too small at each of them."""
    cpu, above, resizes = 1250, 0, 0
    for minute in range(30):
        used = round(1000 * 1.01**minute)
        above += used > 0.8 * cpu
        after = requested(decide_sizes(PLANNED, workload(), seen(cpu, used), NOON + timedelta(minutes=minute - 180)))
        resizes, cpu = resizes + (after != cpu), after
    assert above <= 4
    assert resizes <= 4


@given(st.integers(500, 9000), st.integers(0, 9000), st.integers(0, 1380))
@examples(80)
def test_deciding_again_changes_nothing_and_every_size_is_allowed(cpu: int, used: int, minute: int) -> None:
    now = NOON.replace(hour=0) + timedelta(minutes=minute)
    first = decide_sizes(PLANNED, workload(), seen(cpu, used), now)
    after = requested(first)
    assert min(cpu, 500) <= after <= max(cpu, 8000)
    again = decide_sizes(PLANNED, workload(), seen(after, used, memory=first.memory), now)
    assert requested(again) == after
    assert again.memory.moved_at == first.memory.moved_at


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(DataError, match="now must carry a time zone"):
        decide_sizes(PLANNED, workload(), seen(1000, 100), NOON.replace(tzinfo=None))


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 4000)), min_size=1, max_size=40))
@examples(80)
def test_memory_is_never_below_the_last_days_use_nor_lowered_unseen(looks: list[tuple[int, int]]) -> None:
    """Against every look of the last day, kept one by one; a gap of a block forbids any fall."""
    vertical, kept, now, all_looks = Vertical({"app": APP}), tuple[Kept, ...](), NOON, list[tuple[datetime, int]]()
    for minutes, used in looks:
        now += timedelta(minutes=minutes)
        kept = noted_use(kept, used, 1, now, vertical)
        all_looks.append((now, used))
    lowest = lowest_memory(kept, now, vertical)
    day = [used for at, used in all_looks if now - at <= timedelta(days=1)]
    blocks = {(at - NOON) // BLOCK for at, _ in all_looks}  # noon is the beginning of one
    whole = blocks >= set(range((now - timedelta(days=1) - NOON) // BLOCK, (now - NOON) // BLOCK + 1))
    assert (lowest is not None) == whole
    assert lowest is None or lowest >= max(day)
    assert len(kept) < 20, "the annotation stays short"


def test_an_older_peak_counts_half_after_each_half_life() -> None:
    vertical, kept = Vertical({"app": APP}), tuple[Kept, ...]()
    for hours in range(0, 24 * 4, 3):
        kept = noted_use(kept, 8000 if hours == 0 else 100, 1, NOON + hours * HOUR, vertical)
    found = [lowest_memory(kept, NOON + hours * HOUR, vertical) for hours in (93,)]
    assert found == [pytest.approx(8000 * 0.5 ** ((93 - 30) / 24), rel=0.01)]


def test_what_is_remembered_comes_back_from_its_annotation() -> None:
    memory = SizeMemory(
        moved_at=NOON,
        safe={("app", "cpu"): 900},
        held_since=NOON,
        used={"app": (Kept(NOON, 700),)},
        rooms={"db-0": ("uid", {"cpu": 3000})},
        unsupported={"db-1": "uid"},
        told={"db-0": "ResizeDeferred full"},
    )
    assert read_size_state(size_state(memory)) == memory
    for broken in (None, "", "[]", "null", '{"moved":5}', '{"used":{"app":[["x",1]]}}', '{"safe":{"app/gpu":1}}'):
        assert read_size_state(broken) == SizeMemory()


@pytest.mark.parametrize(
    ("rule", "expected"), [("proportional", {"cpu": 3000}), ("fixed", {"cpu": 1000})], ids=["in ratio", "fixed"]
)
def test_limits(rule: Any, expected: dict[str, int]) -> None:
    one = ContainerState("app", Resources({"cpu": 500}, {"cpu": 1000}))
    assert resized(one, one.asked, {"cpu": 1500}, rule).limits == expected


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ({"a": Resources()}, "BestEffort"),
        ({"a": Resources({"cpu": 1})}, "Burstable"),
        ({"a": Resources({"cpu": 1, "memory": 2}, {"cpu": 1, "memory": 2})}, "Guaranteed"),
        ({"a": Resources({"cpu": 1, "memory": 2}, {"cpu": 1, "memory": 2}), "b": Resources()}, "Burstable"),
        ({"a": Resources({"cpu": 1, "memory": 2}, {"cpu": 1, "memory": 3})}, "Burstable"),
    ],
    ids=["none", "a request", "all equal", "one container without", "a larger limit"],
)
def test_the_qos_class(containers: dict[str, Resources], expected: str) -> None:
    assert qos_class(containers) == expected


def usage(days: int = 12) -> tuple[pd.Series, pd.Series]:
    """A day's wave of CPU, in steps of half an hour, and memory that never moves."""
    index = pd.date_range("2026-11-01", periods=48 * days, freq="30min", tz="UTC")
    wave = 2 + 1.5 * np.sin(2 * np.pi * np.arange(len(index)) / 48)
    noise = np.random.default_rng(7).normal(1, 0.02, len(index))
    return pd.Series(wave * noise, index), pd.Series(3.0 * GIB, index)


def test_the_replay_finds_what_a_resize_saves() -> None:
    scores = {one.name: one for one in replay_sizes(*usage(), workload(), SizeReplay(days=3))}
    assert scores[PLAN].cost < 0.9 * scores[STATIC].cost
    assert scores[PLAN].over_target < 0.03 < scores[VPA].over_target
    assert (scores[STATIC].resizes_a_day, scores[PLAN].over_request) == (0.0, 0.0)


def test_the_replay_says_what_it_needs() -> None:
    with pytest.raises(DataError, match="expected a week before the 10 days replayed"):
        replay_sizes(*usage(), workload(), SizeReplay(days=10))


def test_replayed_sizes_do_not_know_what_is_to_come() -> None:
    """Another future changes nothing before it."""
    cpu, memory = usage()
    changed = cpu.copy()
    changed.iloc[-24:] *= 3
    scores = [
        {one.name: one for one in replay_sizes(one, memory, workload(), SizeReplay(days=1))} for one in (cpu, changed)
    ]
    first = [score[STATIC].cost for score in scores]
    assert first[0] == first[1]
    assert scores[1][PLAN].over_target > scores[0][PLAN].over_target


def test_pods_that_are_resized_are_told_in_metrics_and_fail_as_passes_do() -> None:
    sizes = {"cpu": 1.0}, {"cpu": 4.0}
    good = Actuation("vertical", "v1", "Pod", "db-0", *sizes, "DemandRising", done=True)
    outcome = Outcome(workload(), actuations=(good,))
    assert pass_conditions([outcome]) == []
    samples = {(one.name, one.labels): one.value for one in pass_samples(None, HOUR, [outcome], NOON, HOUR)}
    assert samples["capacity_actuator_cores", ("shop", "db", "vertical", "Pod/db-0")] == 4.0
    assert samples["capacity_pass_total", ("changed", "DemandRising")] == 1
    failed = Outcome(workload(), actuations=(replace(good, done=False, error="403 exceeded quota"),))
    (condition,) = pass_conditions([failed])
    assert (condition.name, condition.detail) == ("PassFailed", "db: Pod/db-0: 403 exceeded quota")


@pytest.mark.parametrize(
    ("generation", "observed", "unseen"),
    [
        pytest.param(3, 3, False, id="the kubelet has seen it"),
        pytest.param(4, 3, True, id="the kubelet has not seen the newest size"),
        pytest.param(4, None, False, id="an older kubelet says nothing"),
        pytest.param(None, None, False, id="an older server counts nothing"),
    ],
)
def test_no_other_pod_is_restarted_before_the_kubelet_has_seen_a_size(
    generation: int | None, observed: int | None, unseen: bool
) -> None:
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "observedGeneration": observed}
    pod = {"metadata": {"name": "db-0", "generation": generation}, "spec": {"containers": []}, "status": status}
    found = read_pod(pod)
    assert (found.may_restart_soon, found.busy) == (unseen, False)


MEMORY = Resources({"cpu": 500, "memory": 100}, {"memory": 1000})
GROWN = Resources({"cpu": 500, "memory": 900}, {"memory": 2000})
BOTH = Resources({"cpu": 5}, {"cpu": 9, "memory": 50})
GUARANTEED = Resources({"cpu": 5, "memory": 5}, {"cpu": 5, "memory": 5})
MORE = Resources({"cpu": 9, "memory": 5}, {"cpu": 9, "memory": 9})


@pytest.mark.parametrize(
    ("template", "asked", "used", "restarts", "reason", "said"),
    [
        pytest.param(MEMORY, replace(GROWN, limits={"memory": 1000}), 0, "", "Restored", "", id="given"),
        pytest.param(MEMORY, MEMORY, 0, "", "NothingToRestore", "", id="stands"),
        pytest.param(Resources({"cpu": 5}), Resources({"cpu": 9}), 0, "", "Restored", "", id="of one class"),
        pytest.param(GUARANTEED, MORE, 0, "", "QosKept", "another QoS class", id="of another class"),
        pytest.param(MEMORY, GROWN, 0, "memory", "Restoring", "app would be restarted for memory", id="by a restart"),
        pytest.param(MEMORY, GROWN, 951, "", "Restoring", "app uses 951 bytes", id="in use"),
        pytest.param(MEMORY, GROWN, 950, "", "Restored", "", id="free"),
        pytest.param(
            BOTH, replace(BOTH, limits={"cpu": 9, "memory": 90}), 0, "", "Restored", "", id="one limit of two"
        ),
        pytest.param(replace(BOTH, limits={"memory": 1}), BOTH, 0, "", "Restored", "", id="no use is measured"),
        pytest.param(MEMORY, replace(MEMORY, requests={"cpu": 9, "memory": 100}), 999, "", "Restored", "", id="of CPU"),
    ],
)
def test_a_size_is_given_back(
    template: Resources, asked: Resources, used: int, restarts: Any, reason: str, said: str
) -> None:
    changes = frozenset({restarts} if restarts else ())
    container = ContainerState("app", asked, used={"memory": used} if used else {}, restarts=changes)
    decision = return_size(PodState("db-0", "1", "n", (container,), ours=frozenset({"app"})), {"app": template})
    assert (decision.reason, decision.held) == (reason, reason in ("QosKept", "Restoring"))
    assert said in decision.detail


def test_the_class_is_kept_by_one_unit() -> None:
    small, equal = Resources({"cpu": 1}, {"cpu": 1}), Resources({"cpu": 2}, {"cpu": 2})
    assert lowered_by_one({"a": small, "b": equal}) == {"a": small, "b": Resources({"cpu": 1}, {"cpu": 2})}


def test_nothing_in_use_is_noted_as_nothing() -> None:
    assert [one.used for one in noted_use((), 0, 256, NOON, Vertical({"app": APP}))] == [0]


@pytest.mark.parametrize(
    ("blind", "pending", "noted"),
    [(None, "Infeasible", True), ("no metrics", "Infeasible", False), (None, None, True)],
)
def test_use_and_room_are_remembered_where_they_are_known(blind: str | None, pending: Any, noted: bool) -> None:
    observed = seen(1000, 100)
    pod = replace(observed.pods[0], pending=pending, room={"cpu": 3000})
    memory = decide_sizes(PLANNED, workload(), replace(observed, pods=(pod,), blind=blind), NOON).memory
    assert bool(memory.used) is noted
    assert memory.rooms == ({"db-0": ("1", {"cpu": 3000})} if pending else {})


def test_what_the_kubelet_defers_is_news_once() -> None:
    observed = seen(1000, 100)
    waits = replace(observed.pods[0], pending="Deferred", message="node is full")
    first = decide_sizes(PLANNED, workload(), replace(observed, pods=(waits,)), NOON)
    assert (first.reason, first.pods[0].news, list(first.memory.told)) == ("ResizeDeferred", True, ["db-0"])
    again = decide_sizes(PLANNED, workload(), replace(observed, pods=(waits,), memory=first.memory), NOON)
    assert (again.pods[0].news, again.memory.told) == (False, first.memory.told)
    served = decide_sizes(PLANNED, workload(), observed, NOON)
    assert (served.pods[0].news, served.memory.told) == (False, {})


def test_long_after_its_plan_a_pod_gets_its_safe_size_and_is_told_why() -> None:
    late = decide_sizes(PLANNED, workload(), seen(400, 0), NOON + 3 * 24 * HOUR)
    assert late.pods[0].reason == "PlanExpired"
    assert late.pods[0].detail.startswith("plan ended 2026-11-2")
    assert late.pods[0].held


@pytest.mark.parametrize(
    ("limit", "reason", "held"), [(3000, "DemandRising", False), (2999, "LimitReached", True)], ids=["just", "too low"]
)
def test_a_fixed_limit_bounds_a_request(limit: int, reason: str, held: bool) -> None:
    observed = seen(1000, 100)
    asked = Resources({"cpu": 1000, "memory": 2 * GIB}, {"cpu": limit})
    pod = replace(observed.pods[0], containers=(replace(observed.pods[0].containers[0], asked=asked),))
    one = decide_sizes(PLANNED, workload(limits="fixed"), replace(observed, pods=(pod,)), NOON + HOUR).pods[0]
    assert (one.reason, one.held) == (reason, held)


def test_memory_whose_day_was_not_seen_is_kept_and_says_so() -> None:
    observed = seen(1000, 100, size=8 * GIB)
    assert decide_sizes(PLANNED, workload(), observed, NOON).pods[0].reason == "MemoryKept"


@pytest.mark.parametrize(
    "wishes",
    [Wishes(excluded="x"), Wishes(frozen="x"), Wishes(unclear="x")],
    ids=["excluded", "frozen", "unclear"],
)
def test_what_people_stop_is_neither_changed_nor_noted(wishes: Wishes) -> None:
    decision = decide_sizes(PLANNED, workload(), replace(seen(1000, 100), wishes=wishes), NOON + HOUR)
    assert (decision.changes, decision.notes) == (False, False)


@pytest.mark.parametrize(
    ("cpu", "memory", "lowers"),
    [(900, 300, True), (1100, 100, True), (900, 100, True), (1100, 300, False), (1000, 200, False)],
    ids=["CPU comes down", "memory comes down", "both come down", "both rise", "both stay"],
)
def test_a_resize_lowers_where_any_request_comes_down(cpu: int, memory: int, lowers: bool) -> None:
    pod = PodState("db-0", "1", "n", (ContainerState("app", Resources({"cpu": 1000, "memory": 200})),))
    after = {"app": Resources({"cpu": cpu, "memory": memory})}
    assert falls(PodDecision(pod, after, "AsPlanned")) is lowers


@pytest.mark.parametrize(
    ("name", "uid", "kept"),
    [("db-0", "1", True), ("db-0", "2", False), ("db-1", "1", False)],
    ids=["it still runs", "another took its name", "it is gone"],
)
def test_the_room_of_a_pod_is_remembered_while_it_runs(name: str, uid: str, kept: bool) -> None:
    rooms = {name: (uid, {"cpu": 3000})}
    memory = decide_sizes(PLANNED, workload(), seen(1000, 100, memory=SizeMemory(rooms=rooms)), NOON).memory  # type: ignore[arg-type]
    assert memory.rooms == (rooms if kept else {})


@pytest.mark.parametrize(
    ("noted", "since"),
    [
        pytest.param(None, NOON, id="from now on"),
        pytest.param(NOON - HOUR, NOON - HOUR, id="since it was noted"),
        pytest.param(NOON + timedelta(minutes=2), NOON + timedelta(minutes=2), id="by a clock a little ahead"),
        pytest.param(NOON + timedelta(minutes=3), NOON, id="by a wrong clock"),
    ],
)
def test_a_plan_is_missing_since_it_was_first_missed(noted: datetime | None, since: datetime) -> None:
    decision = decide_sizes(None, workload(), seen(1000, 100, memory=SizeMemory(held_since=noted)), NOON)
    assert (decision.reason, decision.memory.held_since) == ("HeldNoPlan", since)


def test_what_a_bound_keeps_below_its_need_is_said_until_it_stands_higher() -> None:
    sizes = replace(sizes_of([1000] * 24), sizes=(planned("cpu", [1000] * 24, "max"),))
    reasons = [
        decide_sizes(plan_of_sizes(sizes), workload(), seen(cpu, 100), NOON).pods[0].reason for cpu in (900, 1000, 1001)
    ]
    assert reasons == ["MaxReached", "MaxReached", "AsPlanned"]


def test_what_the_kubelet_says_is_cut_to_200_characters() -> None:
    observed = seen(1000, 100)
    waits = replace(observed.pods[0], pending="Deferred", message="full " * 99)
    decision = decide_sizes(PLANNED, workload(), replace(observed, pods=(waits,)), NOON)
    assert decision.detail == ("full " * 99)[:200]


def test_a_burstable_pod_stays_so_by_one_millicore() -> None:
    observed = seen(1000, 100)
    asked = Resources({"cpu": 1000, "memory": 2 * GIB}, {"cpu": 3000, "memory": 2 * GIB})
    pod = replace(observed.pods[0], containers=(replace(observed.pods[0].containers[0], asked=asked),))
    decision = decide_sizes(PLANNED, workload(limits="fixed"), replace(observed, pods=(pod,)), NOON + HOUR)
    assert (requested(decision), decision.reason) == (2999, "DemandRising")


def restarting(*names: str, by: Any = ("cpu",), **pod: Any) -> ObservedPods:
    """Pods of a container that is restarted by what is named."""
    observed = seen(1000, 100)
    container = replace(observed.pods[0].containers[0], restarts=frozenset(by))
    return replace(observed, pods=tuple(replace(observed.pods[0], name=one, containers=(container,)) for one in names))


@pytest.mark.parametrize(
    ("allowed", "first", "reasons"),
    [
        pytest.param(True, {}, ["RestartInTurn", "DemandRising"], id="the last by name begins"),
        pytest.param(True, {"ready": False}, ["RestartInTurn"] * 2, id="none while one does not serve"),
        pytest.param(True, {"unseen": True}, ["RestartInTurn"] * 2, id="none while one is to be looked at"),
        pytest.param(False, {}, ["RestartRefused"] * 2, id="none without leave"),
    ],
)
def test_pods_are_restarted_in_turn_and_with_leave(allowed: bool, first: dict[str, Any], reasons: list[str]) -> None:
    observed = restarting("db-0", "db-1")
    pods = (replace(observed.pods[0], **first), observed.pods[1])
    decision = decide_sizes(PLANNED, workload(allow_restart=allowed), replace(observed, pods=pods), NOON + HOUR)
    assert [one.reason for one in decision.pods] == reasons
    assert [one.changes for one in decision.pods] == [reason == "DemandRising" for reason in reasons]


def test_a_container_is_restarted_for_one_of_the_resources_that_restart_it() -> None:
    observed = restarting("db-0", by=("cpu", "memory"))
    decision = decide_sizes(PLANNED, workload(allow_restart=True), observed, NOON + HOUR)
    assert (requested(decision), decision.reason) == (3000, "DemandRising")


def test_a_pod_has_its_turn_where_one_of_its_containers_is_restarted() -> None:
    observed = restarting("db-0")
    app = observed.pods[0].containers[0]
    pod = replace(observed.pods[0], containers=(app, replace(app, name="log", restarts=frozenset())))
    cpu = planned("cpu", [3000] * 24)
    sizes = replace(sizes_of([3000] * 24), sizes=(cpu, replace(cpu, container="log")))
    both = replace(workload(), vertical=Vertical({"app": APP, "log": APP}, allow_restart=True))
    (one,) = decide_sizes(plan_of_sizes(sizes), both, replace(observed, pods=(pod,)), NOON).pods
    assert (one.reason, list(one.resources)) == ("DemandRising", ["app", "log"])
