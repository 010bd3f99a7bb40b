"""The fast HPA of many lanes is the exact one; pods are conserved; equal seeds give equal runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from capacity.simulation import Cluster, NodePool, Reactive, Rule, Seen, Service, Start, ZoneLoss, run_cluster
from capacity.simulation.hpa import Hpa, Memory, Metric, Pod, Reading, Scale, sync
from capacity.simulation.hpa.spec import SYNC_PERIOD
from tests.scale import examples

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
OLD = NOW - timedelta(days=2)
sights = st.tuples(st.integers(0, 12), st.integers(0, 6), st.integers(0, 250))
floors = st.integers(0, 9)


def pods(counted: int, unready: int, utilization: int) -> tuple[Pod, ...]:
    measured = Pod(started=OLD, transition=OLD, request=100, usage=utilization, sampled=NOW)
    return (*[measured] * counted, *[Pod(phase="Pending", ready=None, request=100)] * unready)


@given(
    st.integers(10, 120),
    st.sampled_from([0, 15, 60, 300]),
    st.integers(10, 30),
    st.lists(st.tuples(sights, floors), min_size=1, max_size=40),
)
@example(10, 0, 10, [((0, 0, 0), 0), ((1, 0, 0), 0), ((1, 0, 1), 0)])  # from zero, where the floor is zero
@examples(150)
def test_every_lane_is_the_exact_hpa(
    target: int, window: int, ceiling: int, course: list[tuple[tuple[int, int, int], int]]
) -> None:
    rule = Rule(target, timedelta(seconds=window), ceiling)
    first = np.array([5, 5])
    fast = Reactive([rule, Rule(50)], SYNC_PERIOD, first)
    replicas, memory = np.array([5, 5]), Memory()
    for place, ((counted, unready, utilization), floor) in enumerate(course):
        hpa = Hpa(floor, ceiling, (Metric(target=target),), downscale_stabilization=rule.stabilization)
        reading = Reading(pods(counted, unready, utilization))
        answer = sync(hpa, Scale(int(replicas[0]), counted, memory), [reading], NOW + place * SYNC_PERIOD)
        seen = Seen(*(np.array([value, value]) for value in (counted, unready, utilization)))
        replicas = fast.wanted(replicas, np.array([floor, floor]), seen)
        assert replicas[0] == answer.replicas, (place, answer)
        memory = answer.memory


@given(st.integers(0, 10_000), st.booleans(), st.floats(0.0, 0.9), st.booleans())
@examples(25)
def test_pods_are_conserved_and_what_is_ready_exists(seed: int, nodes: bool, retries: float, lost: bool) -> None:
    random = np.random.default_rng(seed)
    demand = random.gamma(2.0, 20.0, (240, 3))
    floor = random.integers(1, 9, (240, 1)).repeat(3, axis=1)
    cluster = Cluster(
        Service(5.0, contention=0.01),
        Start(timedelta(minutes=1), failure=0.2),
        nodes=NodePool(4, timedelta(minutes=2)) if nodes else None,
        retries=retries,
        losses=(ZoneLoss(timedelta(minutes=40)),) if lost else (),
    )
    rules = [Rule(60), Rule(80, timedelta(0), ceiling=12), Rule(follows=False)]
    run = run_cluster(cluster, demand, floor, rules, np.random.default_rng(seed))
    assert (run.ready >= 0).all()
    assert (run.pods >= run.ready).all()
    assert (run.pods[:, 1] <= 12).all()
    np.testing.assert_array_equal(run.pods[1:, 2], floor[:-1, 2])
    assert (run.offered >= demand).all()
    assert (run.started >= np.maximum(np.diff(run.pods, axis=0, append=run.pods[-1:]), 0)).all()
    again = run_cluster(cluster, demand, floor, rules, np.random.default_rng(seed))
    np.testing.assert_array_equal(run.ready, again.ready)


def test_a_constant_demand_settles_and_is_never_moved_again() -> None:
    demand, floor = np.full((2000, 1), 100.0), np.full((2000, 1), 2)
    run = run_cluster(Cluster(Service(10.0)), demand, floor, [Rule(50)], np.random.default_rng(3))
    assert (run.pods[400:, 0] == 20).all()


@pytest.mark.parametrize("median", [1, 5, 15])
def test_starts_take_what_they_are_said_to(median: int) -> None:
    floor = np.concatenate([np.full((10, 1), 1), np.full((1500, 1), 4001)])
    start = Start(timedelta(minutes=median), failure=0.0)
    run = run_cluster(
        Cluster(Service(1.0), start),
        np.zeros_like(floor, float),
        floor,
        [Rule(follows=False)],
        np.random.default_rng(4),
    )
    ready = (run.ready[:, 0] - 1) / 4000
    after = np.searchsorted(ready, [0.5, 0.95]) - 10
    np.testing.assert_allclose(after * 0.25, [median, 2 * median], rtol=0.08, atol=0.3)


def test_a_lost_zone_is_replaced_when_its_nodes_are_given_up() -> None:
    floor = np.full((200, 1), 9)
    cluster = Cluster(Service(1.0), Start(timedelta(minutes=1), 0.0), losses=(ZoneLoss(timedelta(minutes=10)),))
    run = run_cluster(cluster, np.zeros((200, 1)), floor, [Rule(follows=False)], np.random.default_rng(5))
    ready = run.ready[:, 0]
    assert (ready[:40] == 9).all()
    assert (ready[40:60] == 6).all()
    assert ready[-1] == 9
    assert run.started.sum() == 3


def test_retries_keep_an_overload_alive_that_would_otherwise_end() -> None:
    demand = np.full((240, 1), 9.0)
    demand[20:40] = 30.0
    floor = np.full((240, 1), 10)
    calm, storm = (
        run_cluster(
            Cluster(Service(1.0), retries=share), demand, floor, [Rule(follows=False)], np.random.default_rng(6)
        )
        for share in (0.0, 0.95)
    )
    assert (calm.utilization_of(0) > 1).sum() == 20
    assert (storm.utilization_of(0) > 1).sum() > 60
    lost = np.maximum(calm.offered[:, 0] - calm.service.capacity(calm.ready[:, 0]), 0.0)
    assert lost.sum() == pytest.approx(20 * 20.0)


def test_a_node_without_room_delays_its_pods() -> None:
    floor = np.concatenate([np.full((10, 1), 4), np.full((600, 1), 12)])
    ready = {}
    for name, nodes in (("room", None), ("none", NodePool(4, timedelta(minutes=10)))):
        cluster = Cluster(Service(1.0), Start(timedelta(minutes=1), 0.0), nodes=nodes)
        run = run_cluster(cluster, np.zeros_like(floor, float), floor, [Rule(follows=False)], np.random.default_rng(7))
        ready[name] = int(np.argmax(run.ready[:, 0] == 12))
    assert ready["none"] > ready["room"] + 12
