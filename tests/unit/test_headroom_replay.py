"""Nodes replayed under pods with headroom and without: who waits, and what it costs."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.model import DataError
from capacity.model.headroom import HeadroomRules
from capacity.simulation.headroom import HeadroomReplay, pods_of, replay_headroom, replay_nodes
from capacity.simulation.pods import NodePool
from tests.plans import workload_of

POOL = NodePool(8, median=timedelta(minutes=2))
QUARTER = pd.Timedelta("15min")


def usage(days: int = 21) -> pd.Series:
    """A day's course with noise, in quarters of an hour: 20 to 60 cores."""
    index = pd.date_range("2026-09-01", periods=96 * days, freq=QUARTER, tz="UTC")
    wave = 40 + 20 * np.sin(2 * np.pi * np.arange(len(index)) / 96)
    return pd.Series(wave * np.exp(np.random.default_rng(4).normal(0, 0.05, len(index))), index)


def test_headroom_spares_pods_the_wait_for_nodes_and_says_its_price() -> None:
    one = workload_of("web", ceiling=500, headroom=HeadroomRules())
    kept, bare = replay_headroom(usage(), one, HeadroomReplay(POOL, days=2, standby=0.1))
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
