"""Node headroom: how much is planned, what a buffer asks for now, and how long nodes take."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.cluster.start_times import learn_node_lead_times, learned_lead_time, node_starts
from capacity.decision.headroom import decide_headroom
from capacity.forecast.totals import rank_correlations, sum_distance
from capacity.model import ClusterError, Demand, Forecast, NodeType, Workload
from capacity.model.configuration import Config
from capacity.model.headroom import BufferState, Headroom, HeadroomChange, HeadroomRules
from capacity.model.observation import Wishes
from capacity.planning.headroom import joined_headroom, plan_headroom, raised, with_headroom
from tests import plans
from tests.plans import workload_of

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
DAY = datetime(2026, 11, 27, tzinfo=UTC)
LEVELS = (0.5, 0.95, 0.99)


def planned(name: str, median: list[float], *, upper: float = 1.5, residuals: Any = None, **keys: Any) -> Any:
    """The plan of a workload whose demand has these medians in cores, and the workload."""
    index = pd.date_range(DAY, periods=len(median), freq="h")
    values = np.array(median)
    table = pd.DataFrame({0.5: values, 0.95: values * (1 + upper) / 2, 0.99: values * upper}, index)
    cpu = Forecast(DAY - HOUR, HOUR, table, "cores", residuals=residuals)
    memory = Forecast(DAY - HOUR, HOUR, table * 0 + 2**20, "bytes")
    rules = keys.pop("headroom", HeadroomRules(level=0.99))
    one = workload_of(name, **{"target_utilization": 0.5, "ceiling": 200, "headroom": rules, **keys})
    return plans.planned(Demand(cpu, memory), one), one


def pods(headroom: Headroom, at: datetime) -> int:
    found = headroom.between(at, at)
    assert found is not None
    return found


def test_headroom_is_what_the_upper_quantile_needs_beyond_the_floors() -> None:
    plan, one = planned("web", [4.0, 4.0, 8.0, 4.0, 4.0, 4.0])
    ahead = plan_headroom([plan], [one])
    assert [change.replicas for change in plan.floor] == [20, 40, 20], "5 and 10 cores at 50 % of half a core"
    assert pods(ahead, DAY) == 24 - 20, "6 cores at 0.99"
    early = DAY + 2 * HOUR - 30 * MINUTE  # the controller raises a floor once for half an hour
    assert pods(ahead, early - 30 * MINUTE) == 4, "a peak further ahead than node and pod need is no headroom"
    assert pods(ahead, early - 4 * MINUTE) == 40 - 20, "nodes for the floor stand before its pods are asked for"
    assert pods(ahead, DAY + 2 * HOUR - 5 * MINUTE) == 48 - 40, "nodes for the peak"
    assert pods(ahead, DAY + 2 * HOUR) == 48 - 40
    assert ahead.lead_time == 4 * MINUTE


def test_what_the_autoscaler_runs_at_the_median_needs_no_headroom() -> None:
    from capacity.model.policy import Policy

    plan, one = planned("web", [4.0] * 6, policy=Policy(50))
    assert {change.replicas for change in plan.floor} == {2}
    assert pods(plan_headroom([plan], [one]), DAY + HOUR) == pytest.approx(24 - 16, abs=1)


@pytest.mark.parametrize(
    ("keys", "types", "expected"),
    [
        pytest.param({}, (), 4 * MINUTE, id="nothing is known"),
        pytest.param({}, (NodeType("m", 8, 2**35, provisioning=7 * MINUTE),), 7 * MINUTE, id="given for the node type"),
        pytest.param(
            {"headroom": HeadroomRules(level=0.99, lead_time=9 * MINUTE)},
            (NodeType("m", 8, 2**35, provisioning=7 * MINUTE),),
            9 * MINUTE,
            id="given for the workload",
        ),
    ],
)
def test_nodes_lead_time(keys: dict[str, Any], types: tuple[NodeType, ...], expected: timedelta) -> None:
    plan, one = planned("web", [4.0] * 6, **keys)
    assert plan_headroom([plan], [one], types).lead_time == expected


def test_the_loss_of_a_zone_leaves_enough() -> None:
    plan, one = planned("web", [4.0] * 6, zones=3)
    alone, bare = plan_headroom([plan], [one]), plan_headroom([plan], [replace(one, zones=1)])
    assert pods(alone, DAY) == 3 * -(-pods(bare, DAY) // 2)


def test_nodes_by_type_cheapest_first() -> None:
    plan, one = planned("web", [4.0] * 6)
    types = (NodeType("big", 8, 2**35, 1.0), NodeType("small", 2, 2**33, 0.2), NodeType("tiny", 0.25, 2**30, 0.01))
    found = plan_headroom([plan], [one], types).nodes
    assert [(kind.node_type, kind.peak) for kind in found] == [("small", 1), ("big", 1)], "4 pods; none fits on tiny"


def errors(seed: int, shared: float, noise: np.ndarray) -> pd.DataFrame:
    own = np.random.default_rng(seed).normal(size=noise.shape)
    return pd.DataFrame(
        shared * noise + (1 - shared**2) ** 0.5 * own, pd.date_range(DAY, periods=len(noise), freq="-1D")
    )


def correlation(first: pd.DataFrame | None, second: pd.DataFrame | None) -> float:
    return float(raised(*rank_correlations([first, second]))[0, 1])


@pytest.mark.parametrize(("shared", "low", "high"), [(1.0, 0.99, 1.0), (0.0, 0.0, 0.45)])
def test_errors_that_go_together_are_found(shared: float, low: float, high: float) -> None:
    noise = np.random.default_rng(1).normal(size=(14, 48))
    assert low <= correlation(errors(2, shared, noise), errors(3, shared, noise)) <= high


def test_unknown_errors_are_taken_to_go_together() -> None:
    noise = np.random.default_rng(1).normal(size=(14, 48))
    assert correlation(None, errors(2, 0.0, noise)) == pytest.approx(1.0)
    assert correlation(errors(2, 0.0, noise), errors(3, 0.0, noise).head(3)) == pytest.approx(1.0)


def test_a_group_needs_less_than_its_workloads_alone_and_never_less_than_independence() -> None:
    noise = np.random.default_rng(1).normal(size=(14, 48))
    rules = HeadroomRules(level=0.99, group="edge")
    some = [
        planned(name, [8.0] * 6, residuals=errors(seed, 0.0, noise), headroom=rules)
        for seed, name in enumerate(("a", "b", "c", "d"), start=5)
    ]
    plans, workloads = [plan for plan, _ in some], [one for _, one in some]
    alone = sum(pods(plan_headroom([plan], [one]), DAY) for plan, one in some)
    together = plan_headroom(plans, workloads)
    assert alone / 2 <= pods(together, DAY) < alone
    assert (together.group, together.members) == ("edge", ("a", "b", "c", "d"))
    assert "go together by" in together.notes[0]
    found, failures = with_headroom(plans, workloads)
    assert [plan.headroom is not None for plan in found] == [True, False, False, False]
    assert failures == {}


def test_parts_of_a_group_from_two_chunks_are_added_up() -> None:
    rules = HeadroomRules(level=0.99, group="edge")
    first, second = (planned(name, [8.0] * 6, headroom=rules) for name in ("a", "b"))
    parts = [with_headroom([plan], [one])[0][0] for plan, one in (first, second)]
    left = joined_headroom(parts)
    assert left[0].headroom is not None
    assert left[1].headroom is None
    assert left[0].headroom.peak == sum(plan.headroom.peak for plan in parts if plan.headroom)
    assert left[0].headroom.members == ("a", "b")


@given(st.lists(st.floats(0, 1e3), min_size=2, max_size=5), st.floats(0, 1))
@settings(max_examples=30)
def test_sum_lies_between_independence_and_all_at_once(apart: list[float], together: float) -> None:
    distance = np.array(apart)[:, None]
    matrix = np.full((len(apart), len(apart)), together)
    np.fill_diagonal(matrix, 1.0)
    found = sum_distance(distance, matrix)[0]
    assert np.linalg.norm(distance) * (1 - 1e-9) <= found <= distance.sum() * (1 + 1e-9)


PLAN = Headroom(
    DAY, HOUR, 24, tuple(HeadroomChange(*c) for c in ((0, 2), (8, 6), (12, 1))), 0.95, 4 * MINUTE, 500, 2**29
)
READY = BufferState(2, provisioned=True, moved_at=DAY, expires=DAY + timedelta(days=2))


@pytest.mark.parametrize(
    ("seen", "at", "expected"),
    [
        pytest.param(BufferState(), HOUR, (2, "PeakAhead", False), id="made where there is none"),
        pytest.param(READY, HOUR, (2, "AsPlanned", False), id="stands"),
        pytest.param(READY, 7 * HOUR + 59 * MINUTE, (6, "PeakAhead", False), id="rises before the step"),
        pytest.param(replace(READY, replicas=6), 11 * HOUR + 45 * MINUTE, (6, "AsPlanned", False), id="not early down"),
        pytest.param(replace(READY, replicas=6), 12 * HOUR, (1, "PeakPassed", False), id="comes down after the peak"),
        pytest.param(
            replace(READY, replicas=9, edited=True), HOUR, (9, "HeldEdited", True), id="a person's more is kept"
        ),
        pytest.param(
            replace(READY, replicas=1, edited=True), HOUR, (2, "PeakAhead", False), id="a person's less is raised"
        ),
        pytest.param(replace(READY, foreign="helm"), HOUR, (2, "HeldForeignOwner", True), id="another's"),
        pytest.param(replace(READY, wishes=Wishes(excluded="x")), HOUR, (2, "Excluded", False), id="excluded"),
        pytest.param(replace(READY, wishes=Wishes(frozen="x")), HOUR, (2, "Frozen", False), id="frozen"),
        pytest.param(replace(READY, wishes=Wishes(unclear="x")), HOUR, (2, "HeldUnclearWish", True), id="unclear"),
        pytest.param(replace(READY, provisioned=False), HOUR, (2, "BufferNotProvisioned", True), id="no nodes"),
        pytest.param(
            replace(READY, provisioned=False, moved_at=DAY + HOUR - MINUTE),
            HOUR,
            (2, "AsPlanned", False),
            id="nodes had no time yet",
        ),
        pytest.param(
            replace(READY, provisioned=False, moved_at=DAY + HOUR - PLAN.lead_time - 2 * MINUTE),
            HOUR,
            (2, "BufferNotProvisioned", True),
            id="nodes had just their time",
        ),
        pytest.param(READY, 24 * HOUR, (2, "HeldPlanExpired", True), id="held from the end of the plan on"),
        pytest.param(READY, 30 * HOUR, (2, "HeldNoPlan", True), id="a hold that is over"),
        pytest.param(READY, 25 * HOUR, (2, "HeldPlanExpired", True), id="held after the plan"),
        pytest.param(READY, 31 * HOUR, (2, "HeldNoPlan", True), id="held until it expires"),
        pytest.param(READY, 49 * HOUR, (None, "PlanExpired", False), id="given back when it expires"),
        pytest.param(READY, -HOUR, (2, "HeldPlanNotStarted", True), id="before the plan"),
    ],
)
def test_decision(seen: BufferState, at: timedelta, expected: tuple[int | None, str, bool]) -> None:
    found = decide_headroom(PLAN, seen, DAY + at)
    assert (found.replicas, found.reason, found.held) == expected


def test_decision_says_how_long_nodes_take() -> None:
    assert decide_headroom(PLAN, READY, DAY + HOUR).detail == "2 pods at 0.95 within the nodes' 4 min"


@given(st.integers(0, 24 * 60 - 1), st.integers(0, 12))
@settings(max_examples=60)
def test_deciding_again_changes_nothing_and_never_lacks(minute: int, stands: int) -> None:
    now = DAY + minute * MINUTE
    first = decide_headroom(PLAN, BufferState(stands, provisioned=True), now)
    assert first.replicas is not None
    assert first.replicas >= pods(PLAN, now)
    again = decide_headroom(PLAN, BufferState(first.replicas, provisioned=True), now)
    assert (again.replicas, again.reason) == (first.replicas, "AsPlanned")


def pod(created: str, scheduled: str, node: str) -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": scheduled}
    return {
        "metadata": {"creationTimestamp": created},
        "spec": {"nodeName": node},
        "status": {"conditions": [condition]},
    }


def node(name: str, created: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "creationTimestamp": created}}


def at(second: int) -> str:
    return (DAY + timedelta(seconds=second)).isoformat()


def test_a_node_takes_from_the_pod_that_waited_to_the_one_it_took() -> None:
    nodes = [node("old", at(-900)), node("new", at(60)), node("claimed", at(60))]
    some = [
        pod(at(0), at(95), "new"),
        pod(at(20), at(95), "new"),
        pod(at(100), at(101), "new"),
        pod(at(0), at(2), "old"),
    ]
    claim = {
        "metadata": {"creationTimestamp": at(0)},
        "status": {
            "nodeName": "claimed",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": at(71)}],
        },
    }
    took = node_starts([*some, pod(at(0), at(400), "claimed")], nodes, [claim])
    assert [span.total_seconds() for span in took] == [71, 95], "an old node took nothing; a claim tells more exactly"
    assert learned_lead_time(took) is None


class Reader:
    """A cluster with these objects by path; what is missing is forbidden."""

    def __init__(self, **objects: list[dict[str, Any]]) -> None:
        self._objects = objects

    def objects(self, path: str) -> list[dict[str, Any]]:
        found = self._objects.get(path.rpartition("/")[2])
        if found is None:
            raise ClusterError(f"GET {path}: 403 forbidden", 403)
        return found


def config_of(*workloads: Workload) -> Config:
    return Config.model_validate({"sales": {"source": "o.csv", "time": "at"}}).model_copy(
        update={"workloads": workloads}
    )


def test_lead_time_of_nodes_is_learned_where_they_can_be_read() -> None:
    nodes = [node(f"n{i}", at(60)) for i in range(3)]
    some = [pod(at(0), at(100 + i), f"n{i}") for i in range(3)]
    config = config_of(workload_of("web", headroom=HeadroomRules()), workload_of("api"))
    learned, said = learn_node_lead_times(config, Reader(nodes=nodes, pods=some))
    assert learned.workloads[0].headroom is not None
    assert learned.workloads[0].headroom.lead_time == timedelta(seconds=105)
    assert said == ["nodes' lead time 105 s learned: 0.95 of 3 node starts"]
    same, said = learn_node_lead_times(config, Reader(pods=some))
    assert same is config
    assert "k8s/overlays/nodes" in said[0]
    assert learn_node_lead_times(config_of(workload_of("api")), Reader())[1] == []


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        pytest.param({"group": "edge", "level": 0.9}, {"group": "edge"}, "expected the same headroom", id="two levels"),
        pytest.param({"level": 1.0}, {}, "less than 1", id="a level of 1"),
        pytest.param({"group": ["a", "b"]}, {}, "string", id="two groups"),
        pytest.param({"lead_time": "soon"}, {}, "expected a duration", id="a lead time that is none"),
        pytest.param({"buffer": "balloon"}, {}, "CapacityBuffer", id="an unknown buffer"),
        pytest.param({"replicas": 3}, {}, "unexpected", id="an unknown key", marks=()),
    ],
)
def test_bad_configuration_is_refused(first: dict[str, Any], second: dict[str, Any], message: str) -> None:
    load = {"cpu": {"base": "1"}, "memory": {"base": "1Gi"}}
    common = {
        "namespace": "shop",
        "ceiling": 20,
        "load": load,
        "replica": {"cpu_request": "500m", "memory_request": "512Mi"},
    }
    some = [{**common, "name": name, "headroom": rules} for name, rules in (("web", first), ("api", second))]
    with pytest.raises(ValueError, match="(?i)" + message):
        Config.model_validate({"sales": {"source": "o.csv", "time": "at"}, "workloads": some})


def test_a_group_stays_in_one_namespace_and_its_level_is_forecast() -> None:
    common = {
        "ceiling": 20,
        "load": {"cpu": {"base": "1"}, "memory": {"base": "1Gi"}},
        "replica": {"cpu_request": "500m", "memory_request": "512Mi"},
        "name": "web",
        "headroom": {"group": "edge", "level": 0.975},
    }
    sales = {"source": "o.csv", "time": "at"}
    with pytest.raises(ValueError, match="expected workloads of one namespace"):
        Config.model_validate(
            {"sales": sales, "workloads": [{**common, "namespace": "shop"}, {**common, "namespace": "store"}]}
        )
    config = Config.model_validate({"sales": sales, "workloads": [{**common, "namespace": "shop"}]})
    assert 0.975 in config.forecast.quantile_levels
