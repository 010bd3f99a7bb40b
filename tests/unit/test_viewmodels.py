"""View models: computed once, the same on the table, the page, the picture and the card."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.model import Bar, Explanation
from capacity.views import view_bars, view_workload, view_workloads
from capacity.views.tables import explain_sheet
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
