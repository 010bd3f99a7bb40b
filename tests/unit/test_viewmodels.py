"""View models: computed once, the same on the table, the page, the picture and the card."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.model import Bar, Explanation, Plan
from capacity.planning.result import PlanResult
from capacity.quality import Audit
from capacity.views import view_bars, view_workload, view_workloads
from capacity.views.tables import explain_sheet, floor_lines
from tests.unit.test_shown import plan, whole

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


def explanation(sizes: list[int]) -> Explanation:
    bars = tuple(Bar(f"bar {place}", size, "") for place, size in enumerate(sizes))
    return Explanation("shop", "web", AT, "cpu", 3, bars, 4, AT + timedelta(hours=1))


@given(st.lists(st.integers(-9_000, 9_000), min_size=1, max_size=12))
def test_bars_hang_where_the_last_one_ended_and_end_at_the_floor(sizes: list[int]) -> None:
    sizes = [*sizes, 3_000 - sum(sizes)]
    shown = explanation(sizes)
    bars = view_bars(shown)
    assert [bar.before for bar in bars] == [0.0, *(bar.total for bar in bars[:-1])]
    assert bars[-1].total == 3.0
    assert [row[2] for row in explain_sheet(shown, "UTC").rows] == [f"{bar.total:.3f}" for bar in bars]
    assert [bar.total for bar in bars] == list(shown.to_frame()["total"])


def test_a_workload_at_a_glance_agrees_with_its_plan() -> None:
    one = plan()
    view, steps = view_workload(one), one.to_frame()["floor"]
    assert (view.replicas, view.fewest, view.ceiling) == (steps.max(), steps.min(), one.ceiling)
    assert view.mean == pytest.approx(steps.mean())
    assert view.gib * 2**30 == pytest.approx(one.peak.memory_bytes)
    assert view.target == pytest.approx(80)


def test_workloads_are_listed_by_their_peaks() -> None:
    views = view_workloads(whole().workloads)
    assert {view.label for view in views} == {"shop/web", "shop/api"}
    assert [view.replicas for view in views] == sorted((view.replicas for view in views), reverse=True)


def all_known() -> Plan:
    made = whole()
    return replace(made, workloads=tuple(replace(one, demand=plan().demand) for one in made.workloads))


def none_known() -> Plan:
    made = whole()
    return replace(made, workloads=tuple(replace(one, demand=None) for one in made.workloads))


@pytest.mark.parametrize("make", [all_known, whole, none_known])
def test_the_floors_as_csv_are_the_frame_of_the_plan(make: Callable[[], Plan]) -> None:
    """Whether the demand behind the plans is known of all of them, of the first, or of none."""
    text = "".join(floor_lines(PlanResult(make(), Audit("orders.csv", 10, 10))))
    read = pd.read_csv(io.StringIO(text), index_col="start", parse_dates=True)
    pd.testing.assert_frame_equal(read, make().to_frame(), check_dtype=False, check_freq=False, check_index_type=False)
