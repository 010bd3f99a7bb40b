"""The plan file: reading undoes writing, and no truncated text passes for a plan."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from capacity.model import (
    Derivation,
    FloorChange,
    Peak,
    PeakSales,
    Plan,
    PlanError,
    QuotaCut,
    ReplicaNeed,
    RequestNeed,
    Shortfall,
    TargetUtilization,
    TrackRecord,
    Trust,
    WorkloadPlan,
    parse_plan,
    parse_time,
    plan_text,
    rfc3339,
)
from tests.scale import examples

EPOCH = datetime(1995, 1, 1, tzinfo=UTC)
some = examples(50)
times = st.integers(0, 10**15).map(lambda microseconds: EPOCH + timedelta(microseconds=microseconds))
names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
thousandths = st.integers(0, 10**9).map(lambda number: number / 1000)
words = st.text(st.characters(codec="utf-8"), max_size=20)
reasons = words.filter(str.isprintable)
json_values = st.dictionaries(words, st.none() | st.booleans() | st.integers() | words | st.lists(words), max_size=4)


@st.composite
def workload_plans(draw: st.DrawFn, name: str) -> WorkloadPlan:
    """A plan whose quantities are no finer than its file: thousandths of sales and cores, whole bytes and seconds."""
    offsets = sorted({0, *draw(st.lists(st.integers(1, 200), max_size=10))})
    floors = draw(st.lists(st.integers(1, 500), min_size=len(offsets), max_size=len(offsets)))
    ceiling = max(floors) + draw(st.integers(0, 50))
    return WorkloadPlan(
        namespace=draw(names),
        name=name,
        start=draw(times),
        step=draw(st.integers(60, 604_800)) * timedelta(seconds=1),
        steps=offsets[-1] + draw(st.integers(1, 50)),
        floor=tuple(FloorChange(at, floor, draw(reasons)) for at, floor in zip(offsets, floors, strict=True)),
        binding=draw(st.sampled_from(["cpu", "memory"])),
        peak=draw(peaks),
        safe_floor=draw(st.integers(1, ceiling)),
        ceiling=ceiling,
        lead_time=draw(st.integers(0, 10_000)) * timedelta(seconds=1),
        resources=draw(st.dictionaries(words, st.integers(), max_size=3)),
        derivation=draw(derivations),
    )


counts = st.integers(0, 10**6)
shares = st.integers(0, 10_000).map(lambda share: share / 10_000)
levels = st.integers(1, 999).map(lambda level: level / 1000)
trusts = st.builds(
    lambda coverage, skill: Trust(tuple(sorted(coverage.items())), skill), st.dictionaries(levels, shares), shares
)
derivations = st.builds(
    Derivation,
    cpu_millicores=counts,
    memory_bytes=st.integers(0, 2**50),
    target=st.builds(TargetUtilization, levels, st.sampled_from(["target", "pool", "zones"]), words),
    need=st.builds(ReplicaNeed, counts, counts, st.none() | st.builds(RequestNeed, counts, thousandths, words)),
    floor=counts,
    ceiling=counts,
    zones=st.integers(1, 5),
    shortfall=st.builds(Shortfall, counts, counts, counts, thousandths),
    window=st.none() | st.integers(1, 10_000).map(lambda seconds: timedelta(seconds=seconds)),
    model=words,
    notes=st.lists(words, max_size=3).map(tuple),
    sales=st.none() | st.builds(PeakSales, st.none() | thousandths, thousandths),
    track_record=st.none() | st.builds(TrackRecord, words, trusts),
    quota=st.none() | st.builds(QuotaCut, counts, counts),
)
peaks = st.builds(
    Peak,
    at=times,
    sales=thousandths,
    cpu_cores=thousandths,
    memory_bytes=st.integers(0, 2**50).map(float),
    replicas=st.integers(1, 10**6),
    quantile_level=st.integers(1, 999).map(lambda level: level / 1000),
)


@st.composite
def whole_plans(draw: st.DrawFn) -> Plan:
    """Up to three workloads of different names."""
    workloads = [draw(workload_plans(name)) for name in draw(st.lists(names, max_size=3, unique=True))]
    created, origin, valid_until = draw(times), draw(times), draw(times)
    return Plan(created, origin, valid_until, draw(words), draw(json_values), tuple(workloads))


@some
@given(whole_plans())
def test_reading_undoes_writing(plan: Plan) -> None:
    assert parse_plan(plan_text(plan), "plan.json") == plan


@some
@given(whole_plans())
def test_writing_undoes_reading(plan: Plan) -> None:
    text = plan_text(plan)
    assert plan_text(parse_plan(text, "plan.json")) == text


@some
@given(whole_plans(), st.floats(0, 1, exclude_max=True))
def test_a_text_truncated_anywhere_is_refused(plan: Plan, share: float) -> None:
    text = plan_text(plan).rstrip()
    with pytest.raises(PlanError, match=r"^plan\.json: expected a whole plan"):
        parse_plan(text[: int(share * len(text))], "plan.json")


@examples(20)
@given(whole_plans(), st.data())
def test_whatever_stands_in_a_place_it_is_a_plan_or_a_plan_error(plan: Plan, data: st.DataObject) -> None:
    document = json.loads(plan_text(plan))
    place: Any = document
    keys = [data.draw(st.sampled_from(list(place)))]
    while isinstance(place[keys[-1]], dict | list) and place[keys[-1]] and data.draw(st.booleans()):
        place = place[keys[-1]]
        keys.append(data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place)))))
    odd = [None, True, -1, 0, 10**400, 1e308, float("nan"), float("inf"), "", "x", [], {}, [[]], [0, 1, "r"]]
    place[keys[-1]] = data.draw(st.sampled_from(odd))
    try:
        parsed = parse_plan(json.dumps(document), "plan.json")
    except PlanError as error:
        assert "\n" not in str(error)  # noqa: PT017 - whether it is refused depends on the place
    else:
        assert parse_plan(plan_text(parsed), "plan.json") == parsed


@some
@given(times)
@example(datetime(2026, 3, 29, 1, tzinfo=UTC))
def test_times_survive_to_the_microsecond(moment: datetime) -> None:
    assert parse_time(rfc3339(moment)) == moment
    assert rfc3339(moment).endswith("Z")
