"""The nouns refuse what cannot be: every constructor with one thing wrong, and the arithmetic of a plan's floor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from capacity.model import (
    REASONS,
    CapacityError,
    ClusterError,
    ConfigError,
    DataError,
    Decision,
    Demand,
    Event,
    FloorChange,
    Forecast,
    LoadModel,
    Observation,
    Peak,
    Plan,
    PlanError,
    Quiet,
    Replica,
    Target,
    Workload,
    WorkloadPlan,
)
from tests.plans import derivation

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
NAIVE = datetime(2026, 11, 27, 12)  # noqa: DTZ001 - the naive time is what is tested
HOUR = timedelta(hours=1)
PEAK = Peak(NOON, 40.0, 4.0, 2.0**30, 9, 0.95)


def forecast(values: list[list[float]], levels: tuple[float, ...] = (0.5, 0.9), **wrong: Any) -> Forecast:
    steps = wrong.pop("steps", pd.date_range(NOON, periods=len(values), freq="h"))
    quantiles = pd.DataFrame(np.array(values, dtype=float).reshape(len(values), len(levels)), steps, list(levels))
    return Forecast(**{"origin": NOON - HOUR, "step": HOUR, "quantiles": quantiles, "unit": "sales", **wrong})


def workload(**wrong: Any) -> Workload:
    right = {"load": LoadModel(0, 1, 0, 0), "replica": Replica(0.5, 2**29), "floor": 2, "ceiling": 9}
    return Workload("shop", "web", **{**right, **wrong})


def plan(*floor: tuple[int, int], **wrong: Any) -> WorkloadPlan:
    changes = tuple(FloorChange(at, replicas, "r") for at, replicas in floor or ((0, 4), (2, 9), (3, 4)))
    right: dict[str, Any] = {"steps": 4, "safe_floor": 4, "ceiling": 9, "lead_time": timedelta(minutes=5)}
    rest = {"start": NOON, "step": HOUR, "floor": changes, "binding": "cpu", "peak": PEAK, "derivation": derivation()}
    return WorkloadPlan("shop", "web", **{**rest, **right, **wrong})


def whole_plan(**wrong: Any) -> Plan:
    right = {"created": NOON, "origin": NOON, "valid_until": NOON, "settings_hash": "x", "source": {}}
    return Plan(**{**right, "workloads": (plan(),), **wrong})


ILLEGAL: dict[str, tuple[Callable[[], Any], str]] = {
    "an event without zone": (lambda: Event("sale", NAIVE, NOON), "event sale: start must carry a time zone"),
    "an event that ends as it starts": (lambda: Event("sale", NOON, NOON), "expected start < end"),
    "an event with a negative uplift": (lambda: Event("sale", NOON, NOON + HOUR, "p", -0.1), "uplift must be >= 0"),
    "an event with an infinite uplift": (
        lambda: Event("sale", NOON, NOON + HOUR, "p", float("inf")),
        "uplift must be >= 0, got inf",
    ),
    "a forecast of nothing": (lambda: forecast([]), "at least one step"),
    "a forecast in local time": (
        lambda: forecast([[1, 2]], steps=pd.date_range(NOON, periods=1, freq="h").tz_convert("Europe/London")),
        "UTC, got Europe/London",
    ),
    "a forecast in naive time": (
        lambda: forecast([[1, 2]], steps=pd.date_range(NAIVE, periods=1, freq="h")),
        "UTC, got None",
    ),
    "a forecast that starts at its origin": (lambda: forecast([[1, 2]], origin=NOON), "origin \\+ step"),
    "a forecast with a naive origin": (lambda: forecast([[1, 2]], origin=NAIVE - HOUR), "origin must carry"),
    "a forecast with a gap": (
        lambda: forecast([[1, 2], [1, 2]], steps=pd.DatetimeIndex([NOON, NOON + 2 * HOUR])),
        "1:00:00 apart without gaps",
    ),
    "a step of no length": (lambda: forecast([[1, 2]], step=timedelta(0), origin=NOON), "step must be positive"),
    "crossing quantiles": (lambda: forecast([[2, 1]]), "must not cross"),
    "a negative quantile": (lambda: forecast([[-1, 1]]), ">= 0"),
    "a NaN quantile": (lambda: forecast([[float("nan"), 1]]), ">= 0, got a negative value or NaN"),
    "an infinite quantile": (lambda: forecast([[1, float("inf")]]), "finite"),
    "levels that descend": (lambda: forecast([[1, 2]], (0.9, 0.5)), "ascend"),
    "levels that repeat": (lambda: forecast([[1, 2]], (0.5, 0.5)), "without repeats"),
    "a level in percent": (lambda: forecast([[1, 2]], (0.5, 95)), "\\(0, 1\\), got"),
    "a level of one": (lambda: forecast([[1, 2]], (0.5, 1.0)), "\\(0, 1\\), got"),
    "no level": (lambda: forecast([[]], ()), "at least one quantile level"),
    "a negative load": (lambda: LoadModel(0, -0.1, 0, 0), "cpu_per_sale_per_hour must be >= 0, got -0.1"),
    "a load that is no number": (lambda: LoadModel(0, 0, float("nan"), 0), "memory_base must be >= 0, got nan"),
    "an endless load": (lambda: LoadModel(0, 0, 0, float("inf")), "memory_per_sale_per_hour"),
    "a replica without CPU": (lambda: Replica(0, 1), "cpu_request must be > 0, got 0"),
    "a replica without memory": (lambda: Replica(1, -1), "memory_request must be > 0, got -1"),
    "a floor of zero": (lambda: workload(floor=0), "shop/web: floor must be >= 1, got 0"),
    "a floor above the ceiling": (lambda: workload(floor=10), "floor 10 is above ceiling 9"),
    "a utilization of zero": (lambda: workload(target_utilization=0.0), "target_utilization must lie"),
    "a utilization in percent": (lambda: workload(target_utilization=80), "target_utilization must lie"),
    "a quantile level of one": (lambda: workload(quantile_level=1.0), "quantile_level must lie"),
    "a lead time in the past": (lambda: workload(lead_time=-HOUR), "lead_time must be >= 0"),
    "no zone": (lambda: workload(zones=0), "zones must be >= 1, got 0"),
    "a negative ceiling buffer": (lambda: workload(ceiling_buffer=-0.1), "buffer must be >= 0"),
    "a floor change before the plan": (lambda: FloorChange(-1, 2, "r"), "offset must be >= 0, got -1"),
    "a floor change to nothing": (lambda: FloorChange(0, 0, "r"), "floor must be >= 1, got 0"),
    "half a replica": (lambda: FloorChange(0, 1.5, "r"), "floor change is"),
    "True replicas": (lambda: FloorChange(0, True, "r"), "floor change is"),
    "a plan without floor": (lambda: plan(floor=()), "first floor must stand at offset 0"),
    "a plan that begins late": (lambda: plan((1, 4)), "first floor must stand at offset 0"),
    "a plan with unsorted changes": (lambda: plan((0, 4), (3, 5), (2, 6)), "must ascend"),
    "a plan with one offset twice": (lambda: plan((0, 4), (2, 5), (2, 6)), "must ascend"),
    "a plan with a change after its end": (lambda: plan((0, 4), (4, 5)), "beyond the last step"),
    "a plan above its ceiling": (lambda: plan((0, 10)), "floor 10 is above ceiling 9"),
    "a safe floor above the ceiling": (lambda: plan(safe_floor=10), "floor 10 is above ceiling 9"),
    "a safe floor of zero": (lambda: plan(safe_floor=0), "safe_floor must be >= 1"),
    "a plan of no step": (lambda: plan(steps=0), "at least one step"),
    "a plan in naive time": (lambda: plan(start=NAIVE), "plan of shop/web must carry a time zone"),
    "a plan with a negative lead time": (lambda: plan(lead_time=-HOUR), "lead_time"),
    "a peak of NaN sales": (lambda: replace(PEAK, sales=float("nan")), "peak"),
    "a peak of negative replicas": (lambda: replace(PEAK, replicas=-5), "peak"),
    "a peak at a level of 7": (lambda: replace(PEAK, quantile_level=7.0), "quantile"),
    "one workload planned twice": (lambda: whole_plan(workloads=(plan(), plan())), "each workload once"),
    "a plan created at no time": (lambda: whole_plan(created=NAIVE), "created must carry a time zone"),
    "a plan valid until no time": (lambda: whole_plan(valid_until=NAIVE), "valid_until must carry a time zone"),
    "a negative count observed": (lambda: Observation(1, 2, -1, 1), "counts must be >= 0"),
    "an observed floor above its ceiling": (lambda: Observation(3, 2, 1, 1), "floor 3 is above ceiling 2"),
    "a decision above its ceiling": (lambda: Decision(3, 2, "AsPlanned", 1), "floor <= ceiling, got \\(3, 2\\)"),
    "a decision without a known reason": (lambda: Decision(2, 2, "Luck", 1), "a reason that is known, got 'Luck'"),  # type: ignore[arg-type]
    "a decision below zero": (lambda: Decision(-1, 2, "AsPlanned", 1), "floor <= ceiling"),
}


@pytest.mark.parametrize(("build", "words"), ILLEGAL.values(), ids=ILLEGAL)
def test_illegal_values_cannot_be_built(build: Callable[[], Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        build()


@pytest.mark.parametrize(
    ("begin", "end", "highest"),
    [
        pytest.param(-2.0, -0.5, None, id="a span before the plan overlaps nothing"),
        pytest.param(-2.0, 0.0, 4, id="a closed span that ends as the plan starts overlaps the first step"),
        pytest.param(0.0, 0.5, 4, id="inside the first step"),
        pytest.param(0.0, 1.99, 4, id="just short of the rise"),
        pytest.param(0.0, 2.0, 9, id="a span that ends as the rise starts covers it"),
        pytest.param(2.99, 3.5, 9, id="the last minute of the rise still counts"),
        pytest.param(3.0, 3.5, 4, id="the rise is half open: over at its end"),
        pytest.param(3.99, 99.0, 4, id="beyond the end only the steps there are count"),
        pytest.param(4.0, 5.0, None, id="a span that begins at the end overlaps nothing"),
        pytest.param(-9.0, 99.0, 9, id="the whole plan"),
    ],
)
def test_the_floor_between_two_times_is_the_highest_of_the_steps_that_overlap(
    begin: float, end: float, highest: int | None
) -> None:
    assert plan().floor_between(NOON + begin * HOUR, NOON + end * HOUR) == highest


def test_a_plan_ends_after_its_last_step_and_knows_its_workloads() -> None:
    whole = whole_plan()
    assert whole.workloads[0].end == NOON + 4 * HOUR
    assert whole.workload("shop", "web") is whole.workloads[0]
    assert whole.workload("shop", "db") is None
    assert whole.workload("web", "shop") is None


def test_a_forecast_gives_the_column_of_a_level_and_refuses_one_it_has_not() -> None:
    made = forecast([[1, 2], [3, 4]])
    np.testing.assert_array_equal(made.at(0.9).to_numpy(), [2.0, 4.0])
    with pytest.raises(DataError, match=r"0\.95 was not forecast; these were: \[0\.5, 0\.9\]"):
        made.at(0.95)


@pytest.mark.parametrize("odd", ["memory", "sales"])
def test_demand_of_other_steps_is_refused(odd: str) -> None:
    late = forecast([[1, 2]], origin=NOON, steps=pd.date_range(NOON + HOUR, periods=1, freq="h"))
    parts = {"cpu": forecast([[1, 2]]), "memory": forecast([[1, 2]]), "sales": forecast([[1, 2]]), odd: late}
    with pytest.raises(DataError, match=f"CPU and {odd} demand must share their steps"):
        Demand(**parts)


@pytest.mark.parametrize(
    ("decision", "changes"),
    [
        pytest.param(Decision(4, 9, "AsPlanned", before=4), False, id="the same floor, no ceiling known"),
        pytest.param(Decision(4, 9, "AsPlanned", before=4, before_ceiling=9), False, id="floor and ceiling stay"),
        pytest.param(Decision(5, 9, "AsPlanned", before=4, before_ceiling=9), True, id="the floor moves"),
        pytest.param(Decision(4, 9, "AsPlanned", before=4, before_ceiling=8), True, id="only the ceiling moves"),
    ],
)
def test_a_decision_that_changes_something_asks_for_a_patch(decision: Decision, changes: bool) -> None:
    assert decision.changes is changes


def test_nouns_are_frozen_and_equal_by_value() -> None:
    assert plan() == plan()
    assert hash(Decision(1, 2, "AsPlanned", 1)) == hash(Decision(1, 2, "AsPlanned", 1))
    with pytest.raises(FrozenInstanceError):
        plan().ceiling = 99  # type: ignore[misc]


@pytest.mark.parametrize("kind", [ConfigError, DataError, PlanError, ClusterError])
def test_every_error_is_a_capacity_error_and_no_other(kind: type[CapacityError]) -> None:
    others = {ConfigError, DataError, PlanError, ClusterError} - {kind}
    assert issubclass(kind, CapacityError)
    assert not issubclass(kind, tuple(others))
    assert str(kind("expected 2, got 1")) == "expected 2, got 1"


def test_a_maximum_below_its_own_first_step_is_refused() -> None:
    steps = pd.date_range("2026-11-27", periods=2, freq="h", tz="UTC")
    quantiles, hour = pd.DataFrame({0.95: [4.0, 2.0]}, index=steps), timedelta(hours=1)
    maxima = pd.DataFrame({0.95: [4.5, 2.0]}, index=steps)
    origin = steps[0].to_pydatetime() - hour
    peaks = Forecast(origin, hour, quantiles, "sales", window=2 * hour, maxima=maxima)
    assert peaks.maximum_at(0.95).tolist() == [4.5, 2.0]
    with pytest.raises(DataError, match="must not be below its own first step"):
        Forecast(origin, hour, quantiles, "sales", window=2 * hour, maxima=maxima - 1)
    with pytest.raises(DataError, match="together or neither"):
        Forecast(origin, hour, quantiles, "sales", window=2 * hour)


def test_the_quiet_level_of_a_moment_is_the_last_that_began() -> None:
    quiet = plan(quiet=(Quiet(0, 500), Quiet(1, 2000)))
    assert [quiet.quiet_at(NOON + hours * HOUR) for hours in (-1, 0, 1, 4)] == [None, 500, 2000, None]
    assert plan().quiet_at(NOON) is None
    with pytest.raises(DataError, match="must ascend from 0"):
        plan(quiet=(Quiet(1, 500),))


def test_a_workloads_autoscaler_has_its_name_where_none_is_given() -> None:
    assert workload().target == Target("web")
    assert workload(target=Target("web-hpa")).target.name == "web-hpa"


def test_the_documentation_says_what_every_reason_means() -> None:
    page = (Path(__file__).parents[2] / "docs" / "plan-file.md").read_text(encoding="utf-8")
    assert [reason for reason in REASONS if f"`{reason}`" not in page] == []
