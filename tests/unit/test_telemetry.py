"""Samples of what happened, and the text they become."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families

from capacity.app import Reconciliation
from capacity.decision import ControllerRules
from capacity.model import (
    DataError,
    Decision,
    Demand,
    FloorChange,
    Forecast,
    LoadModel,
    Observation,
    Plan,
    QuotaCut,
    Readings,
    Replica,
    Shortfall,
    TrackRecord,
    Trust,
    Workload,
)
from capacity.model.outcome import Outcome
from capacity.monitoring import (
    METRICS,
    Exposition,
    Sample,
    ahead_samples,
    audit_samples,
    pass_conditions,
    pass_samples,
    plan_samples,
    samples,
    write_textfile,
)
from capacity.planning.result import current_demand
from capacity.quality import Audit, Quality, StepCount
from tests.conftest import PlanOf
from tests.plans import derivation, workload_plan

PER_WORKLOAD = 12  # series of a workload whose plan is read back: peaks, floors, replicas, usage, utilization, held
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FLOOR = Sample("capacity_floor_replicas", 9, ("shop", "web"))


def parsed(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def demand(cores: list[float], start: datetime = NOON) -> Demand:
    steps = pd.date_range(start, periods=len(cores), freq="h")
    table = pd.DataFrame({0.5: cores, 0.95: np.array(cores) * 2}, index=steps)
    cpu = Forecast(start - HOUR, HOUR, table, "cores")
    return Demand(cpu, Forecast(start - HOUR, HOUR, table * 2**30, "bytes"))


@pytest.mark.parametrize(
    ("name", "value", "labels", "words"),
    [
        ("capacity_speed", 1.0, (), "unknown metric"),
        ("capacity_floor_replicas", 1.0, ("shop",), "expected labels"),
        ("capacity_floor_replicas", float("nan"), ("shop", "web"), "finite"),
        ("capacity_floor_replicas", float("inf"), ("shop", "web"), "finite"),
    ],
    ids=["a name not in the table", "a label missing", "NaN", "infinity"],
)
def test_a_sample_that_cannot_be(name: str, value: float, labels: tuple[str, ...], words: str) -> None:
    with pytest.raises(DataError, match=words):
        Sample(name, value, labels)


@pytest.mark.parametrize("name", METRICS)
def test_every_name_carries_its_unit_and_every_label_is_a_word(name: str) -> None:
    metric = METRICS[name]
    units = ("_replicas", "_cores", "_bytes", "_seconds", "_ratio", "_total", "_info")
    counts = ("_workloads", "_rows", "_failures", "_reached", "_held", "_lowered")
    assert name.startswith("capacity_")
    assert name.endswith((*units, *counts))
    assert (metric.kind == "counter") == name.endswith("_total")
    assert metric.help.endswith(".")
    assert all(label.isidentifier() for label in metric.labels)


def test_gauges_are_replaced_and_counters_added_up() -> None:
    exposition = Exposition()
    done = Sample("capacity_pass_total", 2, ("done", "DemandRising"))
    exposition.update([FLOOR, done])
    exposition.update([done])
    text = "".join(str(family) for family in exposition.collect())
    assert "capacity_floor_replicas" not in text
    assert "value=4" in text


def test_the_text_is_read_back_by_the_client_librarys_own_parser() -> None:
    odd = Sample("capacity_audit_score_ratio", 0.995, ('orders "of\n2026\\".csv',))
    values = parsed(Exposition.of([FLOOR, odd]).text())
    assert values[("capacity_floor_replicas", (("namespace", "shop"), ("workload", "web")))] == 9
    assert values[("capacity_audit_score_ratio", (("source", 'orders "of\n2026\\".csv'),))] == 0.995


def test_a_textfile_is_whole(tmp_path: Path) -> None:
    write_textfile([FLOOR], tmp_path / "capacity.prom")
    assert [path.name for path in tmp_path.iterdir()] == ["capacity.prom"]
    assert parsed((tmp_path / "capacity.prom").read_text())


def test_the_audit_in_samples() -> None:
    audit = Audit("orders.csv", 1000, 990, {"price": 10, "date": 3}, {"date": 3}, NOON - HOUR, NOON, 0, Quality())
    values = {(sample.name, sample.labels): sample.value for sample in audit_samples(audit, NOON + HOUR)}
    assert values[("capacity_audit_score_ratio", ("orders.csv",))] == 0.99
    assert values[("capacity_audit_rows", ("orders.csv", "repaired"))] == 3
    assert values[("capacity_audit_rule_failures", ("orders.csv", "price"))] == 10
    assert values[("capacity_data_latency_seconds", ("orders.csv",))] == 3600


@pytest.mark.parametrize(
    ("hours", "cores"),
    [(-3, 1.0), (0, 1.0), (1.5, 2.0), (3, None)],
    ids=["before the plan: its first step", "the first step", "within a step", "after the end: nothing"],
)
def test_demand_of_the_step_of_now(plan_of: PlanOf, hours: float, cores: float | None) -> None:
    made = plan_of(web=[4, 9, 9])
    workload = made.workloads[0]
    object.__setattr__(workload, "demand", demand([1.0, 2.0, 3.0]))
    plan, now = Plan(NOON, NOON, NOON, "x", {}, (workload,)), NOON + hours * HOUR
    samples = plan_samples(plan, 1, HOUR, current_demand(plan.workloads, now))
    values = {(sample.name, sample.labels): sample.value for sample in samples}
    assert values.get(("capacity_forecast_demand_cores", ("shop", "web", "0.5"))) == cores
    assert values[("capacity_plan_workloads", ("failed",))] == 1
    assert values[("capacity_plan_peak_replicas", ("shop", "web"))] == 9


def test_the_coming_hours_have_the_highest_floor_demand_and_utilization_of_their_steps() -> None:
    floor = (FloorChange(0, 4, "PlanStart"), FloorChange(1, 9, "DemandRising"))
    api = workload_plan("api")
    web = workload_plan("web", steps=3, floor=floor, demand=demand([1.0, 4.0, 3.0], api.start))
    created = web.start + timedelta(minutes=70)
    plan = Plan(created, created, web.end, "x", {}, (web, api))
    values = {(sample.name, sample.labels): sample.value for sample in ahead_samples(plan)}
    times = [value for (name, _), value in values.items() if name == "capacity_ahead_timestamp_seconds"]
    assert times == [(web.start + number * HOUR).timestamp() for number in range(1, 49)]
    assert values[("capacity_ahead_replicas", ("shop", "web", "0h"))] == 9, "the hour that has begun"
    assert ("capacity_ahead_replicas", ("shop", "web", "2h")) not in values, "the plan has ended"
    assert values[("capacity_ahead_demand_cores", ("shop", "web", "0.5", "0h"))] == 4.0
    assert values[("capacity_ahead_demand_bytes", ("shop", "web", "0.95", "1h"))] == 3.0 * 2 * 2**30
    cores = web.resources["cpu_request_millicores"] / 1000
    memory = 8.0 * 2**30 / web.resources["memory_request_bytes"]
    utilization = max(8.0 / cores, memory) / 9
    assert values[("capacity_ahead_utilization_ratio", ("shop", "web", "0h"))] == pytest.approx(utilization)
    assert ("capacity_ahead_utilization_ratio", ("shop", "api", "0h")) not in values, "its demand was not kept"


@pytest.mark.parametrize(
    ("minutes", "floors"), [(15, [7, 9]), (120, [4, 4, 5, 5])], ids=["steps of quarters", "steps of two hours"]
)
def test_steps_of_any_length_become_hours(minutes: int, floors: list[int]) -> None:
    changes = {15: ((0, 4), (2, 7), (4, 9), (5, 8)), 120: ((0, 4), (1, 5))}[minutes]
    floor = tuple(FloorChange(offset, replicas, "PlanStart") for offset, replicas in changes)
    web = workload_plan("web", step=timedelta(minutes=minutes), steps={15: 8, 120: 2}[minutes], floor=floor)
    plan = Plan(web.start, web.start, web.end, "x", {}, (web,))
    found = {sample.labels[-1]: sample.value for sample in ahead_samples(plan) if "replicas" in sample.name}
    assert found == {f"{hour}h": value for hour, value in enumerate(floors)}


def test_an_installation_is_a_label_of_everything() -> None:
    values = parsed(Exposition.of([FLOOR], "shop").text())
    labels = (("installation", "shop"), ("namespace", "shop"), ("workload", "web"))
    assert values == {("capacity_floor_replicas", labels): 9}


def test_each_group_says_once_how_right_its_forecast_was(plan_of: PlanOf) -> None:
    record = TrackRecord("all", Trust(((0.95, 0.94),), 0.2))
    web, api = plan_of(web=[4, 9], api=[4, 9]).workloads
    trusted = tuple(replace(one, derivation=derivation(track_record=record)) for one in (web, api))
    samples = plan_samples(Plan(NOON, NOON, NOON, "x", {}, trusted), 0, HOUR)
    values = [
        (sample.name, sample.labels, sample.value) for sample in samples if "group" in METRICS[sample.name].labels
    ]
    assert values == [
        ("capacity_forecast_coverage_ratio", ("all", "0.95"), 0.94),
        ("capacity_forecast_skill_ratio", ("all",), 0.2),
    ]
    untried = plan_samples(plan_of(web=[4, 9]), 0, HOUR)
    assert not [sample for sample in untried if "group" in METRICS[sample.name].labels]


def workloads_of(count: int, plan_of: PlanOf) -> list[Sample]:
    """Every sample of a planning and of a pass over so many workloads, each held with a detail of its own."""
    names = [f"w{number}" for number in range(count)]
    plan = plan_of(**{name: [4, 9, 9] for name in names})
    load, replica = LoadModel(1.0, 0.1, 2**30, 0), Replica(0.5, 2**29)
    workloads = [Workload("shop", name, load, replica, floor=2, ceiling=20) for name in names]
    seen = Observation(2, 20, 4, 4, readings=Readings(cpu_millicores=900, memory_bytes=2**30))
    held = [Decision(2, 20, "HeldNoMetrics", before=2, detail=f"of {one.name}", held=True) for one in workloads]
    outcomes = [Outcome(one, decision, observation=seen) for one, decision in zip(workloads, held, strict=True)]
    work = Reconciliation(workloads, plan, ControllerRules(), NOON)
    return [
        *plan_samples(plan, 0, HOUR, current_demand(plan.workloads, NOON)),
        *pass_samples(work.plan, work.policy.period, outcomes, NOON, HOUR),
    ]


def test_series_grow_with_workloads_alone_and_no_label_holds_a_text(plan_of: PlanOf) -> None:
    few, many = workloads_of(10, plan_of), workloads_of(110, plan_of)
    series = {(sample.name, sample.labels) for sample in many}
    assert len(series) == len({*((sample.name, sample.labels) for sample in few)}) + 100 * PER_WORKLOAD
    assert all(re.fullmatch(r"[\w.-]+", label) for sample in many for label in sample.labels), "a text is no label"


def test_a_cut_floor_says_by_what_and_how_hot_it_will_be(plan_of: PlanOf) -> None:
    plan = plan_of(web=[9] * 24)
    short = replace(plan.workloads[0], derivation=derivation(shortfall=Shortfall(replicas=2), quota=QuotaCut(60, 1)))
    web = Workload("shop", "web", LoadModel(1.0, 0.1, 2**30, 0), Replica(0.5, 2**29), 2, 20)
    seen = Observation(9, 20, 9, 9)
    for decision, cut in ((Decision(9, 20, "QuotaReached", 9), 1), (Decision(9, 20, "AsPlanned", 9), 0)):
        work = Reconciliation([web], replace(plan, workloads=(short,)), ControllerRules(), NOON)
        found = pass_samples(work.plan, work.policy.period, [Outcome(web, decision, observation=seen)], NOON, HOUR)
        values = {(sample.name, sample.labels): sample.value for sample in found}
        assert values.get(("capacity_limit_reached", ("shop", "web", decision.reason)), 0) == cut
        expected = (9 + 3 * cut) / 9 * web.target_utilization
        assert values[("capacity_forecast_utilization_ratio", ("shop", "web"))] == pytest.approx(expected)


def test_every_sample_name_is_written_by_somebody(plan_of: PlanOf) -> None:
    source = Path(samples.__file__).read_text()
    assert {name for name in METRICS if f'"{name}"' not in source} == set()


@pytest.mark.parametrize(
    ("current", "desired", "ceiling", "found"),
    [
        pytest.param(4, 6, 20, False, id="the autoscaler is adding replicas: the remedy runs"),
        pytest.param(4, 4, 20, True, id="it wants no more, and it is hot"),
        pytest.param(4, 6, 4, True, id="it wants more than its ceiling allows"),
    ],
)
def test_hot_is_an_incident_where_the_autoscaler_adds_nothing_more(
    current: int, desired: int, ceiling: int, found: bool
) -> None:
    web = Workload("shop", "web", LoadModel(1.0, 0.1, 2**30, 0), Replica(0.5, 2**29), floor=2, ceiling=20)
    hot = Readings(cpu_millicores=1900, memory_bytes=2**20)  # 95 % of four replicas of 500m
    seen = Observation(2, ceiling, current, desired, readings=hot)
    outcome = Outcome(web, Decision(2, ceiling, "AsPlanned", before=2), observation=seen)
    assert ([one.name for one in pass_conditions([outcome])] == ["UtilizationHigh"]) is found


def test_the_newest_whole_step_says_how_complete_it_is() -> None:
    hours = [StepCount(NOON + place * HOUR, rows, rows, 40.0) for place, rows in enumerate([40, 30, 5])]
    audit = Audit("orders.csv", 100, 100, counts=tuple(hours))
    values = {sample.name: sample.value for sample in audit_samples(audit, NOON + 3 * HOUR)}
    assert values["capacity_data_completeness_ratio"] == 0.75, "the last step is still filling"
    untold = {sample.name for sample in audit_samples(Audit("orders.csv", 100, 100), NOON)}
    assert "capacity_data_completeness_ratio" not in untold, "absent is not zero"
