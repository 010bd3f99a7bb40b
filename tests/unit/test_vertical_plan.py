"""The requests that are planned for pods resized in place: need, bounds, memory that is kept, supply."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.model import (
    ChangeHours,
    DataError,
    Demand,
    Forecast,
    Freeze,
    Limits,
    NodeType,
    PlanError,
    Quota,
    Supply,
    Target,
    Workload,
    parse_plan,
    plan_text,
)
from capacity.model.configuration import Config, describe
from capacity.model.plan import Plan, WorkloadPlan
from capacity.model.pod_size import PodSizes, SizedContainer, SizeRange, Vertical
from capacity.planning import plan_workload, share
from capacity.planning.vertical import decayed_peak
from tests.database import configured
from tests.plans import workload_of
from tests.scale import examples

MIDNIGHT, HOUR, GIB = datetime(2026, 11, 27, tzinfo=UTC), timedelta(hours=1), 2**30
APP = SizedContainer(cpu=SizeRange(0.5, 8), memory=SizeRange(GIB, 16 * GIB))


def demand_of(cores: list[float], gib: list[float] | None = None, hours: int = 1) -> Demand:
    """Demand of the whole workload at quantile 0.95, by the hour."""
    steps = pd.date_range(MIDNIGHT, periods=len(cores), freq=f"{hours}h")
    tables = [pd.DataFrame({0.95: values}, steps, dtype=float) for values in (cores, gib or [0.1] * len(cores))]
    origin = MIDNIGHT - hours * HOUR
    cpu = Forecast(origin, hours * HOUR, tables[0], "cores")
    return Demand(cpu, Forecast(origin, hours * HOUR, tables[1] * GIB, "bytes"))


def workload(vertical: Vertical | None = None, pods: int = 1, **chosen: Any) -> Workload:
    """`db`, whose container `app` may be resized."""
    usual = {"floor": pods, "ceiling": pods, "target": Target(kind="StatefulSet"), "scaling": "vertical"}
    return workload_of("db", **{**usual, "vertical": vertical or Vertical({"app": APP}), **chosen})


def sizes_of(plan: WorkloadPlan) -> PodSizes:
    assert plan.sizes is not None
    return plan.sizes


def course(plan: WorkloadPlan, container: str = "app", resource: str = "cpu") -> list[float]:
    """The planned request at each step: cores, or GiB."""
    sizes = sizes_of(plan)
    (one,) = (size for size in sizes.sizes if size.key == (container, resource))
    unit = 1000 if resource == "cpu" else GIB
    return [one.highest(at, at).amount / unit for at in range(sizes.steps)]


def test_a_request_keeps_its_pod_under_the_target_at_the_quantile() -> None:
    plan = plan_workload(demand_of([0.8, 3.2, 1.0]), workload())
    assert course(plan) == [1.0, 4.0, 1.3], "demand / 0.8, up to the next 100m"
    assert [change.replicas for change in plan.floor] == [1], "the number of pods never moves"
    assert plan.lead_time == timedelta(minutes=5)
    assert plan.resources["cpu_request_millicores"] == 4000


@pytest.mark.parametrize(
    ("vertical", "pods", "expected"),
    [
        pytest.param(Vertical({"app": APP}), 4, {"app": 1.0}, id="spread over the pods"),
        pytest.param(Vertical({"app": APP}, share=1.0), 4, {"app": 4.0}, id="a primary carries all of it"),
        pytest.param(
            Vertical({"app": APP, "proxy": SizedContainer(cpu=SizeRange(0.1, 8), part=0.25)}),
            1,
            {"app": 3.0, "proxy": 1.0},
            id="containers carry their parts",
        ),
        pytest.param(
            Vertical({"app": SizedContainer(cpu=SizeRange(0.5, 8, step=2.5))}), 1, {"app": 5.0}, id="in steps"
        ),
    ],
)
def test_what_a_container_carries(vertical: Vertical, pods: int, expected: dict[str, float]) -> None:
    plan = plan_workload(demand_of([3.2]), workload(vertical, pods))
    assert {name: course(plan, name)[0] for name in expected} == expected


def test_the_loss_of_a_zone_leaves_the_other_pods_at_most_full() -> None:
    assert course(plan_workload(demand_of([3.0]), workload(pods=3, zones=3)))[0] == 1.5, "two pods carry 3 cores"
    primary = Vertical({"app": APP}, share=1.0)
    assert course(plan_workload(demand_of([3.2]), workload(primary, 3, zones=3)))[0] == 4.0, "which fails over whole"


@pytest.mark.parametrize(
    ("cores", "binding", "request_"),
    [(0.1, "min", 0.5), (3.2, "demand", 4.0), (20.0, "max", 8.0)],
    ids=["the minimum", "the demand", "the maximum"],
)
def test_what_binds_a_request_is_said(cores: float, binding: str, request_: float) -> None:
    plan = plan_workload(demand_of([cores]), workload())
    change = sizes_of(plan).sizes[0].peak
    assert (change.binding, change.amount / 1000) == (binding, request_)
    short = [note for note in plan.derivation.notes if "below its need" in note]
    assert bool(short) == (binding == "max")


def test_memory_is_kept_for_a_day_and_then_follows_its_decayed_peak() -> None:
    gib = [2.0] * 6 + [8.0] + [2.0] * 65
    kept = course(plan_workload(demand_of([0.4] * 72, gib), workload()), resource="memory")
    assert kept[5:7] == [2.5, 10.0]
    assert kept[6:30] == [10.0] * 24, "a day after its peak nothing is given back"
    assert kept[29] > kept[31] > kept[40] > kept[52]
    assert kept[53] == pytest.approx(5.0, abs=0.2), "another day later the peak counts half"
    at_once = Vertical({"app": APP}, memory_keep=timedelta(0))
    assert course(plan_workload(demand_of([0.4] * 72, gib), workload(at_once)), resource="memory")[7] == 2.5


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=30), st.integers(1, 40), st.floats(0.1, 50))
@examples(60)
def test_the_decayed_peak_is_what_a_slow_loop_finds(values: list[float], keep: int, half_life: float) -> None:
    expected = []
    for at in range(len(values)):
        ages = [max(0, at - then - keep + 1) for then in range(at + 1)]
        expected.append(max(value * 0.5 ** (age / half_life) for value, age in zip(values, ages, strict=False)))
    np.testing.assert_allclose(decayed_peak(np.array(values), keep, half_life), expected, rtol=1e-9)


def test_sizes_do_not_move_in_freezes_nor_outside_of_hours() -> None:
    frozen = Limits(freezes=(Freeze(MIDNIGHT + HOUR, MIDNIGHT + 3 * HOUR),))
    cores = [0.8, 0.8, 3.2, 0.8, 0.8, 0.8]
    assert course(plan_workload(demand_of(cores), workload(limits=frozen)))[:3] == [4.0] * 3
    hours = Limits(hours=(ChangeHours(time(0), time(1)),))
    assert course(plan_workload(demand_of(cores), workload(limits=hours))) == [4.0] * 6


def shared(plans: list[WorkloadPlan], workloads: list[Workload], supply: Supply) -> tuple[WorkloadPlan, ...]:
    return share(plans, workloads, supply).plans


def test_a_pod_fits_on_the_largest_node() -> None:
    db = workload(Vertical({"app": APP, "proxy": SizedContainer(cpu=SizeRange(0.5, 4), part=0.5)}))
    nodes = (NodeType("small", 2, 8 * GIB), NodeType("large", 4, 16 * GIB))
    (plan,) = shared([plan_workload(demand_of([0.8, 6.4]), db)], [db], Supply(nodes))
    assert [course(plan, name)[1] for name in ("app", "proxy")] == [2.0, 2.0]
    assert {one.peak.binding for one in sizes_of(plan).sizes if one.resource == "cpu"} == {"node"}
    assert any("the largest node" in note for note in plan.derivation.notes)


def test_sizes_and_counts_stay_within_a_quota_together() -> None:
    db, web = workload(pods=2), workload_of("web", floor=1, ceiling=20)
    plans = [plan_workload(demand_of([0.8, 9.6]), db), plan_workload(demand_of([0.4, 8.0]), web)]
    assert [course(plans[0])[1], plans[1].peak.replicas] == [6.0, 20]
    db_plan, web_plan = shared(plans, [db, web], Supply(quotas={"shop": Quota(cpu=9)}))
    assert 2 * course(db_plan)[1] + 0.5 * web_plan.peak.replicas <= 9
    assert (course(db_plan)[1], web_plan.peak.replicas) == (4.2, 1), "pods that cannot be more are served first"
    assert sizes_of(db_plan).sizes[0].peak.binding == "quota"


@given(st.lists(st.floats(0.1, 30), min_size=2, max_size=12), st.floats(0.6, 20), st.integers(1, 3))
@examples(40)
def test_within_a_quota_nothing_but_minimums_passes_it(cores: list[float], quota: float, pods: int) -> None:
    db = workload(pods=pods)
    plan = plan_workload(demand_of(cores), db)
    (cut,) = shared([plan], [db], Supply(quotas={"shop": Quota(cpu=quota)}))
    for before, after in zip(course(plan), course(cut), strict=True):
        assert 0.5 <= after <= before
        assert pods * after <= max(quota, pods * 0.5) + 1e-9
        if pods * before <= quota:
            assert after == before


def test_the_frame_of_a_plan_shows_requests_and_how_busy_they_are() -> None:
    frame = plan_workload(demand_of([0.8, 3.2], [0.4, 0.4]), workload()).to_frame()
    assert frame["cpu_request"].tolist() == [1.0, 4.0]
    assert frame["memory_request"].tolist() == [GIB, GIB]
    np.testing.assert_allclose(frame["utilization"], [0.8, 0.8])


def test_a_plan_with_sizes_comes_back_from_its_file() -> None:
    db = workload(Vertical({"app": APP}, lead_time=timedelta(minutes=7)))
    plan = plan_workload(demand_of([0.8, 3.2, 9.0, 1.0]), db)
    whole = Plan(MIDNIGHT, MIDNIGHT, plan.end, "", {}, (plan,))
    text = plan_text(whole)
    assert parse_plan(text, "plan").workloads[0].sizes == plan.sizes
    for bad in ('"cpu", "start"', '"changes": [[0, 1000'):
        assert bad in text
    with pytest.raises(PlanError, match="expected cpu or memory"):
        parse_plan(text.replace('"resource": "cpu"', '"resource": "gpu"'), "plan")
    with pytest.raises(PlanError, match="a size change is"):
        parse_plan(text.replace("[[0, 1000", "[[0, -1"), "plan")


def test_a_pass_reads_only_the_days_around_it() -> None:
    plan = plan_workload(demand_of([0.8 + 3.2 * (at % 2) for at in range(24 * 14)]), workload())
    text = plan_text(Plan(MIDNIGHT, MIDNIGHT, plan.end, "", {}, (plan,)))
    now = MIDNIGHT + timedelta(days=7)
    (near,) = parse_plan(text, "plan", near=now).workloads
    assert len(sizes_of(near).sizes[0].changes) < 110
    until = now + timedelta(hours=3)
    assert (
        sizes_of(near).between(now, until)["app", "cpu"].amount
        == sizes_of(plan).between(now, until)["app", "cpu"].amount
    )


BAD: list[tuple[dict[str, Any], str]] = [
    ({"target": {"kind": "HorizontalPodAutoscaler"}}, "scaling: vertical needs target.kind Deployment or StatefulSet"),
    ({"target": {}}, "scaling: vertical needs target.kind Deployment or StatefulSet"),
    ({"ceiling": 4}, "scaling: vertical keeps the number of pods: floor and ceiling differ, (3, 4)"),
    ({"scaling": "horizontal"}, "expected vertical: with scaling: vertical, and only with it"),
    ({"vertical": None}, "expected vertical: with scaling: vertical, and only with it"),
    ({"policy": {"floors": "none", "target": 60}}, "scaling: vertical has no policy"),
    ({"headroom": {}}, "scaling: vertical adds no pods that need nodes"),
    ({"vertical": {"containers": {"app": {"memory": {"min": "1", "max": "8"}}}}}, "memory in bytes or as 4Gi, got"),
    ({"vertical": {"containers": {"app": {"cpu": {"min": "1Gi", "max": "4Gi"}}}}}, "cpu in cores or as 500m, got"),
    ({"vertical": {"containers": {}}}, "vertical: expected at least one container, got none"),
    ({"vertical": {"containers": {"app": {}}}}, "container: expected cpu or memory, got neither"),
    ({"vertical": {"containers": {"app": {"cpu": {"min": "2", "max": "1"}}}}}, "size: min 2.0 is above max 1.0"),
    ({"vertical": {"containers": {"app": {"cpu": {"min": "x", "max": "1"}}}}}, "expected a Kubernetes quantity"),
    ({"vertical": {"containers": {"app": {"cpu": {"min": "1", "max": "2", "step": "0"}}}}}, "greater than 0"),
    ({"vertical": {"containers": {"App!": {"cpu": {"min": "1", "max": "2"}}}}}, "match pattern"),
    (
        {"vertical": {"containers": {"app": {"cpu": {"min": "1", "max": "2"}}}, "limits": "none"}},
        "'proportional' or 'fixed'",
    ),
    (
        {"vertical": {"containers": {"app": {"cpu": {"min": "1", "max": "2"}, "part": "150%"}}}},
        "less than or equal to 1",
    ),
    (
        {"vertical": {"containers": {n: {"cpu": {"min": "1", "max": "2"}, "part": "60%"} for n in ("a", "b")}}},
        "the parts of the containers add up to 1.2",
    ),
]


@pytest.mark.parametrize(("changed", "said"), BAD, ids=[said[:40] for _, said in BAD])
def test_bad_configuration_is_refused_with_what_to_do(changed: dict[str, Any], said: str) -> None:
    from pydantic import ValidationError

    document = {"sales": {"source": "orders.csv", "time": "at"}, "workloads": [{**configured(), **changed}]}
    if changed.get("vertical", ...) is None:
        del document["workloads"][0]["vertical"]  # type: ignore[index]
    with pytest.raises((ValidationError, DataError)) as caught:
        Config.model_validate(document)
    assert said in describe(caught.value) if isinstance(caught.value, ValidationError) else said in str(caught.value)


def test_a_workload_that_counts_pods_keeps_its_settings_hash() -> None:
    plain = {key: value for key, value in configured().items() if key not in ("scaling", "vertical")}
    documents = [
        {"sales": {"source": "o.csv", "time": "at"}, "workloads": [one]}
        for one in (plain, {**plain, "scaling": "horizontal"})
    ]
    assert len({Config.model_validate(document).settings_hash() for document in documents}) == 1
