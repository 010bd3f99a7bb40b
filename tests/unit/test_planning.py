"""Demand to plan: counts by hand, bounds with their reasons, the peak, and the numbers that explain it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from capacity.load import project_load
from capacity.model import (
    DataError,
    Demand,
    FloorChange,
    Forecast,
    LoadModel,
    PeakSales,
    Replica,
    Workload,
    WorkloadPlan,
)
from capacity.planning import explain_floor
from capacity.views.view_models import view_workload
from tests.plans import planned

START = datetime(2026, 11, 27, tzinfo=UTC)
LOAD = LoadModel(cpu_base=0.0, cpu_per_sale_per_hour=0.1, memory_base=0.0, memory_per_sale_per_hour=0.0)


def demand(median: Sequence[float], high: Sequence[float] | None = None, load: LoadModel = LOAD) -> Demand:
    """Sales per hour, at the median and at 0.95 (default: the same), as demand."""
    steps = pd.date_range(START, periods=len(median), freq="h")
    quantiles = pd.DataFrame({0.5: median, 0.95: high or median}, steps, dtype=float)
    return project_load(Forecast(START - timedelta(hours=1), timedelta(hours=1), quantiles, "sales", "m", ("n",)), load)


def workload(**changed: Any) -> Workload:
    """One core at 50 % serves five sales per hour."""
    chosen: dict[str, Any] = {"floor": 2, "ceiling": 10, "target_utilization": 0.5, "load": LOAD}
    return Workload("shop", "web", replica=Replica(1.0, 2.0**30), **{**chosen, **changed})


def floors(plan: WorkloadPlan) -> list[tuple[int, int, str]]:
    return [(change.offset, change.replicas, change.reason) for change in plan.floor]


@pytest.mark.parametrize(
    ("sales", "expected"),
    [
        pytest.param([15, 15, 15], [(0, 3, "PlanStart")], id="flat demand is one change"),
        pytest.param(
            [15, 30, 30, 15],
            [(0, 3, "PlanStart"), (1, 6, "DemandRising"), (3, 3, "DemandFalling")],
            id="up and down, each with its reason",
        ),
        pytest.param([15, 15.1], [(0, 3, "PlanStart"), (1, 4, "DemandRising")], id="a fraction needs a whole replica"),
        pytest.param([0, 15], [(0, 2, "StaticFloor"), (1, 3, "DemandRising")], id="below the floor the floor stands"),
        pytest.param([10, 15], [(0, 2, "PlanStart"), (1, 3, "DemandRising")], id="a need of exactly the floor is need"),
        pytest.param([15, 500], [(0, 3, "PlanStart"), (1, 10, "CeilingReached")], id="above the ceiling it is cut"),
        pytest.param([50, 15], [(0, 10, "PlanStart"), (1, 3, "DemandFalling")], id="exactly the ceiling is not cut"),
        pytest.param([500, 0], [(0, 10, "CeilingReached"), (1, 2, "StaticFloor")], id="from one bound to the other"),
    ],
)
def test_floors_change_only_where_the_need_does_and_say_why(sales: list[float], expected: list[Any]) -> None:
    assert floors(planned(demand(sales), workload())) == expected


def test_the_plan_takes_the_workloads_quantile_level() -> None:
    both = demand([15, 15], [30, 15])
    assert floors(planned(both, workload(quantile_level=0.95)))[0][1] == 6
    assert floors(planned(both, workload(quantile_level=0.5)))[0][1] == 3
    with pytest.raises(DataError, match=r"0\.9 was not forecast"):
        planned(both, workload(quantile_level=0.9))


@pytest.mark.parametrize(
    ("memory_per_sale", "binding", "replicas"),
    [
        pytest.param(0.05 * 2**30, "cpu", 6, id="CPU needs more"),
        pytest.param(0.2 * 2**30, "memory", 12, id="memory needs more"),
        pytest.param(0.1 * 2**30, "cpu", 6, id="both need exactly the same: CPU"),
    ],
)
def test_the_larger_of_cpu_and_memory_binds(memory_per_sale: float, binding: str, replicas: int) -> None:
    load = LoadModel(0.0, 0.1, 0.0, memory_per_sale)
    plan = planned(demand([30], load=load), workload(load=load, ceiling=20))
    assert (plan.binding, plan.floor[0].replicas, plan.peak.replicas) == (binding, replicas, replicas)
    assert getattr(plan.derivation.need, binding) == replicas


@pytest.mark.parametrize(
    ("memory_per_sale", "binding", "why"),
    [
        pytest.param(0.105 * 2**30, "memory", "up to a whole replica, as many as CPU", id="5.9 to 5.6"),
        pytest.param(0.095 * 2**30, "cpu", "up to a whole replica, as many as memory", id="5.3 to 5.6"),
        pytest.param(0.05 * 2**30, "cpu", "up to a whole replica", id="2.8 to 5.6: no tie"),
    ],
)
def test_of_as_many_replicas_the_larger_need_before_rounding_binds_and_the_tie_is_said(
    memory_per_sale: float, binding: str, why: str
) -> None:
    load = LoadModel(0.0, 0.1, 0.0, memory_per_sale)
    one, given = workload(load=load, ceiling=20), demand([28, 1], load=load)
    plan = planned(given, one)
    tied = "as many" in why
    assert (plan.binding, plan.bounds[0], plan.floor[0].replicas) == (binding, binding, 6)
    assert (plan.derivation.need.tied, view_workload(plan).binding == "cpu and memory") == (tied, tied)
    explained = explain_floor(given, one, plan, plan.start)
    assert (explained.resource, next(bar.why for bar in explained.bars if bar.name == "rounding")) == (binding, why)


def test_the_peak_is_the_step_of_highest_need_and_of_those_of_highest_demand() -> None:
    plan = planned(demand([15, 28, 29, 27]), workload())
    assert plan.peak.at == START + timedelta(hours=2)
    assert (plan.peak.sales, plan.peak.replicas, plan.peak.quantile_level) == (29.0, 6, 0.95)
    assert plan.peak.cpu_cores == pytest.approx(2.9)


def test_an_honored_ceiling_says_how_often_and_by_how_much_it_cuts() -> None:
    short = planned(demand([15, 55, 70, 50]), workload()).derivation.shortfall
    assert (short.steps, short.replicas) == (2, 4)


@pytest.mark.parametrize(
    ("highest", "buffer", "ceiling"),
    [
        pytest.param(50, 0.1, 10, id="a need within the ceiling leaves it"),
        pytest.param(55, 0.0, 11, id="no buffer: exactly the need"),
        pytest.param(60, 0.1, 14, id="12 and a tenth, rounded up"),
        pytest.param(100, 0.1, 22, id="20 and a tenth are exactly 22, floating point or not"),
        pytest.param(250, 0.1, 55, id="50 and a tenth are exactly 55"),
    ],
)
def test_a_ceiling_with_a_buffer_rises_to_the_need_and_no_further(highest: int, buffer: float, ceiling: int) -> None:
    plan = planned(demand([15, highest]), workload(ceiling_buffer=buffer))
    assert plan.ceiling == ceiling
    assert max(change.replicas for change in plan.floor) == highest // 5
    assert plan.derivation.shortfall.steps == 0


def test_zones_are_planned_for() -> None:
    plan = planned(demand([30]), workload(zones=3, target_utilization=1.0))
    assert plan.peak.replicas == 6  # three cores: 3 replicas in two zones are 2 each, in three zones 6


def test_the_safe_floor_is_the_median_of_the_days_highest_floors() -> None:
    days = [[15.0] * 23 + [peak] for peak in (20.0, 25.0, 50.0)]
    plan = planned(demand([value for day in days for value in day]), workload())
    assert plan.safe_floor == 5
    even = planned(demand([value for day in days[:2] for value in day]), workload())
    assert even.safe_floor == 5, "a median between 4 and 5 is rounded up"


def test_the_plan_carries_what_the_controller_needs() -> None:
    plan = planned(demand([15, 30]), workload(lead_time=timedelta(minutes=7)))
    assert (plan.start, plan.step, plan.steps, plan.end) == (
        START,
        timedelta(hours=1),
        2,
        START + timedelta(hours=2),
    )
    assert (plan.key, plan.lead_time, plan.ceiling) == (("shop", "web"), timedelta(minutes=7), 10)
    assert plan.resources == {"cpu_request_millicores": 1000, "memory_request_bytes": 2**30}
    assert (plan.derivation.model, plan.derivation.notes[0]) == ("m", "n")
    assert all(isinstance(change, FloorChange) for change in plan.floor)


def test_the_explanation_leads_from_sales_to_replicas() -> None:
    derived = planned(demand([20], [30]), workload()).derivation
    assert (derived.sales, derived.cpu_millicores) == (PeakSales(20.0, 30.0), 3000)
    assert derived.cpu_millicores / 1000 / derived.target.utilization == derived.need.cpu == 6


def test_a_need_beyond_any_cluster_is_refused() -> None:
    with pytest.raises(DataError, match="check units"):
        planned(demand([1e9]), workload())
