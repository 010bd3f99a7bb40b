"""Replicas on nodes: the packing against one pod at a time, its bounds, the course over hours, the money."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.model import DataError, NodeType, Supply, WorkloadPlan
from capacity.planning import Pods, fewest_possible, pack, plan_nodes, replica_price, share
from tests.plans import planned
from tests.scale import examples
from tests.unit.test_planning_limits import demand, workload

GIB = 2.0**30
NODE = NodeType("m", 4.0, 16 * GIB, price_per_hour=0.2, pods=20)
sizes = st.builds(
    Pods,
    st.just("pod"),
    st.integers(1, 40).map(lambda n: n / 10),
    st.integers(1, 160).map(lambda n: n * GIB / 10),
    st.integers(0, 30),
)


def slow_first_fit_decreasing(groups: list[Pods], node: NodeType) -> int:
    """Pod by pod, node by node."""
    nodes: list[list[float]] = []
    for pods in sorted(groups, key=lambda one: -max(one.cpu / node.cpu, one.memory / node.memory)):
        for _ in range(pods.count):
            for room in nodes:
                if room[0] >= pods.cpu - 1e-6 and room[1] >= pods.memory - 1 and room[2] >= 1:
                    break
            else:
                room = [node.cpu, node.memory, node.pods]
                nodes.append(room)
            room[0] -= pods.cpu
            room[1] -= pods.memory
            room[2] -= 1
    return len(nodes)


@examples(80)
@given(st.lists(sizes, max_size=6))
def test_groups_are_packed_within_the_stated_bounds(groups: list[Pods]) -> None:
    found, fewest = pack(groups, NODE), fewest_possible(groups, NODE)
    assert fewest <= found
    # Of any two nodes, what the later one holds did not fit into the earlier: together they are more than full in one
    # of three totals. So pairs of nodes are charged to CPU, memory or count, of which none exceeds the fewest nodes.
    assert found <= 2 * 3 * fewest + 1


@examples(80)
@given(st.lists(sizes, max_size=4))
def test_equal_pods_placed_together_are_packed_as_one_by_one(groups: list[Pods]) -> None:
    assert abs(pack(groups, NODE) - slow_first_fit_decreasing(groups, NODE)) <= max(1, len(groups) - 1)
    if len(groups) == 1:
        assert pack(groups, NODE) == slow_first_fit_decreasing(groups, NODE)


@pytest.mark.parametrize(
    ("groups", "nodes"),
    [
        pytest.param([], 0, id="nothing"),
        pytest.param([Pods("a", 1.0, GIB, 8)], 2, id="four to a node by CPU"),
        pytest.param([Pods("a", 0.1, 4 * GIB, 8)], 2, id="four to a node by memory"),
        pytest.param([Pods("a", 0.01, GIB / 100, 41)], 3, id="twenty to a node by count"),
        pytest.param([Pods("a", 3.0, GIB, 2), Pods("b", 1.0, GIB, 2)], 2, id="small ones beside large ones"),
        pytest.param([Pods("a", 0.8, GIB, 5)], 1, id="five times 0.8 are 4, floating point or not"),
    ],
)
def test_packing_by_hand(groups: list[Pods], nodes: int) -> None:
    assert pack(groups, NODE) == nodes


def plans(*courses: list[float], **changed: Any) -> list[WorkloadPlan]:
    return [planned(demand(course), workload(f"w{place}", **changed)) for place, course in enumerate(courses)]


def test_nodes_follow_the_plans_by_the_hour_and_cost_against_the_peak_always_up() -> None:
    nodes = plan_nodes(plans([1, 1, 8, 1]), [NODE], [None])
    assert [(change.hour, change.nodes) for change in nodes.changes] == [(0, 1), (2, 4), (3, 1)]
    assert (nodes.peak, nodes.fewest, nodes.today, nodes.today_known, nodes.mean) == (4, 4, 4, False, 1.75)
    assert nodes.cost_per_hour == pytest.approx(0.35)
    assert (nodes.cost_at_peak, nodes.cost_per_month) == (pytest.approx(0.8), pytest.approx(252.0))
    assert nodes.cost_per_month_today == pytest.approx(4 * 0.2 * 720)
    assert plan_nodes(plans([1, 1, 8, 1]), [NODE], [9]).today == 3


def test_the_cheapest_type_over_the_plan_is_taken() -> None:
    large = NodeType("xl", 32.0, 128 * GIB, price_per_hour=1.5)
    assert plan_nodes(plans([1, 1, 8, 1]), [large, NODE], [None]).node_type == "m"
    assert plan_nodes(plans([15, 15, 15, 15]), [large, NODE], [None]).node_type == "xl"


def test_a_pod_that_no_type_takes_is_named_with_its_size() -> None:
    with pytest.raises(DataError, match=r"a pod of shop/w0 fits on \(1 cores, 1 GiB\), got tiny \(0\.5 cores, 8 GiB\)"):
        plan_nodes(plans([1]), [NodeType("tiny", 0.5, 8 * GIB)], [None])
    with pytest.raises(DataError, match=r"pods of a to fit on a node m \(4 cores, 16 GiB\), got 5 cores"):
        pack([Pods("a", 5.0, GIB, 1)], NODE)


def test_lead_time_has_a_nodes_where_more_nodes_are_needed_and_not_otherwise() -> None:
    slow = NodeType("slow", 4.0, 16 * GIB, provisioning=timedelta(minutes=4))
    known = workload("w0")
    rising = share(plans([1, 1, 8, 1]), [known], Supply((slow,)))
    assert rising.plans[0].lead_time == known.lead_time + timedelta(minutes=4)
    assert "lead time includes 4 min for nodes: the plans need up to 3 more" in rising.plans[0].derivation.notes
    flat = share(plans([1, 1, 1, 1]), [known], Supply((slow,)))
    assert flat.plans[0].lead_time == known.lead_time


def test_a_type_that_fits_nothing_fails_by_name_and_the_plans_stand() -> None:
    made = plans([1, 2])
    shared = share(made, [workload("w0")], Supply((NodeType("tiny", 0.5, 8 * GIB),)))
    assert shared.plans == tuple(made)
    assert shared.nodes is None
    assert list(shared.failures) == [("supply", "node_types")]


def test_a_replica_costs_the_part_of_a_node_that_it_takes() -> None:
    assert replica_price(1.0, GIB, [NODE]) == pytest.approx(0.05)
    assert replica_price(0.1, 8 * GIB, [NODE]) == pytest.approx(0.1)
    assert replica_price(1.0, GIB, [NodeType("free", 4.0, 16 * GIB)]) is None


def test_plans_of_other_steps_and_starts_share_the_hours() -> None:
    first = planned(demand([1, 8], timedelta(hours=1)), workload("w0"))
    second = planned(demand([1, 1, 8, 1, 1, 1], timedelta(minutes=30)), workload("w1"))
    nodes = plan_nodes([first, second], [NODE], [None, None])
    assert nodes.hours == 3
    assert nodes.start == datetime(2026, 11, 27, tzinfo=UTC)
    assert [(change.hour, change.nodes) for change in nodes.changes] == [(0, 1), (1, 8), (2, 1)]
