"""Nodes replayed under pods with headroom and without: who waits, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.decision.headroom import decide_headroom
from capacity.model import DataError, NodeType
from capacity.model.headroom import BufferState, Headroom, HeadroomChange, HeadroomRules
from capacity.simulation.candidates import candidate_policies
from capacity.simulation.headroom import (
    HeadroomReplay,
    decided_buffer,
    pods_of,
    pool_for,
    replay_headroom,
    replay_nodes,
)
from capacity.simulation.hpa.spec import SYNC_PERIOD
from capacity.simulation.lanes import Rule
from capacity.simulation.pods import NodePool, Start, Starts
from capacity.simulation.stepping import Cluster, Service, Stage
from tests.plans import workload_of

POOL = NodePool(8, median=timedelta(minutes=2), standby=0.1)
QUARTER = pd.Timedelta("15min")


def usage(days: int = 21) -> pd.Series:
    """A day's course with noise, in quarters of an hour: 20 to 60 cores."""
    index = pd.date_range("2026-09-01", periods=96 * days, freq=QUARTER, tz="UTC")
    wave = 40 + 20 * np.sin(2 * np.pi * np.arange(len(index)) / 96)
    return pd.Series(wave * np.exp(np.random.default_rng(4).normal(0, 0.05, len(index))), index)


def test_headroom_spares_pods_the_wait_for_nodes_and_says_its_price() -> None:
    one = workload_of("web", ceiling=500, headroom=HeadroomRules())
    kept, bare = replay_headroom(usage(), one, HeadroomReplay(POOL, days=2))
    assert bare.misses > 10
    assert kept.misses < bare.misses / 5
    assert kept.waited < bare.waited / 5
    assert bare.node_hours < kept.node_hours < 2 * bare.node_hours
    assert kept.cost < kept.node_hours, "a node that is stopped costs a part"
    assert kept.days == pytest.approx(2, abs=0.02)


def test_without_rules_there_is_nothing_to_replay() -> None:
    with pytest.raises(DataError, match="expected headroom to replay"):
        replay_headroom(usage(2), workload_of("web"))


def test_nodes_that_stand_ready_take_a_step_at_once_and_those_that_come_late_are_missed_once() -> None:
    pods = np.repeat([8, 16, 8], [5, 20, 30])
    bare = replay_nodes(pods, np.zeros_like(pods), HeadroomReplay(POOL))
    assert bare.misses == 1
    assert bare.waited == 8 * bare.waiting_minutes
    assert 1 <= bare.waiting_minutes <= 8
    ready = replay_nodes(pods, np.repeat(8, len(pods)), HeadroomReplay(POOL))
    assert (ready.misses, ready.waited) == (0, 0.0)
    assert replay_nodes(pods, np.zeros_like(pods), HeadroomReplay(POOL)) == bare, "one seed, one course"


def test_pods_rise_at_once_and_come_down_calmly() -> None:
    index = pd.date_range("2026-09-01", periods=3, freq="10min", tz="UTC")
    one = workload_of("web", ceiling=500, target_utilization=0.5, headroom=HeadroomRules())
    pods = pods_of(pd.Series([1.0, 5.0, 1.0], index), one)
    assert pods.iloc[[0, 9, 10, 19, 20]].tolist() == [4, 4, 20, 20, 20]


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
