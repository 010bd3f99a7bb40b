"""Nodes replayed under pods with headroom and without: who waits, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from capacity.decision.headroom import decide_headroom
from capacity.model import NodeType
from capacity.model.headroom import BufferState, Headroom, HeadroomChange, HeadroomRules
from capacity.simulation.candidates import candidate_policies
from capacity.simulation.case import Case, Promise
from capacity.simulation.headroom import OnNodes, alone, decided_buffer, pool_for, replay_on_nodes, with_node_lead_time
from capacity.simulation.hpa.spec import SYNC_PERIOD
from capacity.simulation.lanes import Rule
from capacity.simulation.pods import NodePool, Start, Starts
from capacity.simulation.policies import Policy
from capacity.simulation.stepping import Cluster, Service, Stage
from tests.plans import workload_of

MINUTES = 600


def case_of(demand: list[float]) -> Case:
    """A minute of demand before those that are judged, on pods of 100 units that start within seconds."""
    start = datetime(2026, 9, 1, tzinfo=UTC)
    cluster = Cluster(Service(100.0), Start(timedelta(seconds=1), failure=0.0))
    return Case(np.array([demand[0], *demand]), start, timedelta(minutes=1), 1, cluster, Promise(floor=8))


def lanes_of(case: Case, *ahead: int) -> list[OnNodes]:
    """An autoscaler at 80 % for each count of pods for which nodes are ready."""
    floor = np.full(case.judged_ticks, 8)
    return [OnNodes(f"{pods} ready", Policy("hpa", floor, Rule(80)), np.full_like(floor, pods)) for pods in ahead]


def test_nodes_that_stand_ready_take_a_step_at_once_and_those_that_come_late_are_missed_once() -> None:
    case = case_of(np.repeat([600.0, 1200.0], MINUTES // 2).tolist())
    pool = NodePool(8, median=timedelta(minutes=2), standby=0.1)
    bare, ready = replay_on_nodes(case, lanes_of(case, 0, 8), pool, 3)
    assert (bare.misses, ready.misses, ready.waiting_minutes) == (1, 0, 0)
    assert 1 <= bare.waiting_minutes <= 9
    assert bare.node_hours == pytest.approx(bare.cost), "nothing stands ready"
    each = MINUTES / 60
    assert bare.node_hours == pytest.approx(1.5 * each, abs=0.2)
    assert ready.node_hours == pytest.approx(bare.node_hours + each, abs=0.1)
    assert ready.cost == pytest.approx(bare.cost + 0.1 * each, abs=0.1), "a node that is stopped costs a tenth"
    assert replay_on_nodes(case, lanes_of(case, 0, 8), pool, 3) == (bare, ready), "one seed, one result"


def test_the_buffer_of_a_replay_is_decided_as_in_every_minute_of_production() -> None:
    begin, random = datetime(2026, 9, 1, tzinfo=UTC), np.random.default_rng(3)
    plans = {}
    for hour in (1, 5, 8):
        changes = tuple(HeadroomChange(at, int(random.integers(0, 6))) for at in range(0, 36, 3))
        start = begin + timedelta(hours=hour)
        lead = timedelta(minutes=4)
        plans[start + timedelta(minutes=7)] = Headroom(start, timedelta(minutes=5), 36, changes, 0.95, lead, 500, 2**29)
    state, plan, expected = BufferState(), None, []
    for minute in range(15 * 60):
        now = begin + timedelta(minutes=minute)
        plan = plans.get(now, plan)
        state = replace(state, replicas=decide_headroom(plan, state, now).replicas, provisioned=True)
        expected.append(state.replicas or 0)
    assert decided_buffer(plans, begin, 15 * 60).tolist() == expected
    assert len(set(expected)) > 3


def test_a_pool_holds_what_the_cheapest_type_of_node_holds() -> None:
    web = workload_of("web", headroom=HeadroomRules(lead_time=timedelta(minutes=6), standby_price=0.2))
    cpu, memory = web.replica.cpu_request, web.replica.memory_request
    types = [NodeType("dear", 4 * cpu, 40 * memory, 1.0), NodeType("cheap", 8 * cpu, 80 * memory, 1.0)]
    assert pool_for(web, types) == NodePool(8, median=timedelta(minutes=3), standby=0.2)
    assert pool_for(web, types[:1]).pods_per_node == 4
    assert pool_for(web).pods_per_node == 8


def test_headroom_is_replayed_with_the_lead_time_that_is_planned_with() -> None:
    slow = NodeType("slow", 4, 2**34, 1.0, provisioning=timedelta(minutes=9))
    assumed, given = workload_of("web", headroom=HeadroomRules()), HeadroomRules(lead_time=timedelta(minutes=2))
    rules = with_node_lead_time(assumed, [slow]).headroom
    assert rules is not None
    assert rules.lead_time == timedelta(minutes=9)
    assert with_node_lead_time(replace(assumed, headroom=given), [slow]).headroom == given
    assert with_node_lead_time(workload_of("web"), [slow]).headroom is None


def test_what_the_autoscaler_alone_needs_is_planned_at_a_level_that_was_forecast() -> None:
    web = workload_of("web", quantile_level=0.9, headroom=HeadroomRules(level=0.99))
    assert alone(web).quantile_level == 0.99
    assert alone(replace(web, headroom=None)).quantile_level == 0.9


def test_every_policy_is_tried_on_nodes_that_are_ready_and_the_autoscaler_alone_also_on_those_that_are_not() -> None:
    web = workload_of("web", headroom=HeadroomRules(level=0.9))
    known = candidate_policies(replace(web, headroom=None))
    found = candidate_policies(web)
    assert [replace(one, headroom=None) for one in found[: len(known)]] == known
    assert {one.headroom for one in found[: len(known)]} == {0.9}
    bare = found[len(known) :]
    assert {one.headroom for one in bare} == {None}
    assert {one.target for one in bare if not one.has_floors} == {one.target for one in known if not one.has_floors}
    assert candidate_policies(web, ()) == candidate_policies(replace(web, headroom=None), ()), "nothing is forecast"


def test_an_autoscaler_on_ready_nodes_never_waits_and_pays_for_their_room() -> None:
    """Two lanes grow beyond the node that stands, which holds eight pods; the second lane keeps one more ready."""
    pool = NodePool(8, median=timedelta(minutes=3), standby=0.25)
    cluster = Cluster(Service(1.0), Start(timedelta(seconds=15), failure=0.0), nodes=pool)
    ahead = np.array([0, 8])
    starts = Starts([(2, cluster.start, np.random.default_rng(2))], SYNC_PERIOD)
    stage = Stage(cluster, np.array([8, 8]), [Rule(follows=False)] * 2, starts, ahead)
    assert stage.nodes is not None
    ready = []
    for at in range(120):
        floor = np.full(2, 8 if at < 10 else 14)
        ready.append(stage.step(at, np.zeros(2), floor, ahead).ready)
    late, early = (np.array(ready) == 14).argmax(axis=0)
    assert early <= 13 < late
    assert stage.nodes.misses.tolist() == [1, 0]
    np.testing.assert_allclose(stage.nodes.beyond(np.array([14, 14])), [2, 2 + 0.25 * 8])
