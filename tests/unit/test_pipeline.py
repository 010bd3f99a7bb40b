"""The stages composed: one group's failure stays its own, and a plan knows where it came from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from capacity.forecast import forecast_sales
from capacity.load import project_load
from capacity.model import DataError, Forecast, ForecastRequest, LoadModel, Replica, Workload
from capacity.planning import Provenance, forecast_groups, plan_workload, plan_workloads

CREATED = datetime(2026, 1, 29, tzinfo=UTC)
REQUEST = ForecastRequest(horizon=timedelta(days=1), quantile_levels=(0.5, 0.95))
PROVENANCE = Provenance(CREATED, "abc", {"name": "orders.csv"})


def history(scale: float = 1.0, days: int = 28) -> pd.Series:
    index = pd.date_range("2026-01-01", periods=24 * days, freq="h", tz="UTC")
    return pd.Series(scale * (10.0 + (index.hour.to_numpy() - 12) ** 2), index)


def workload(name: str, group: str | None = None, cpu_per_sale: float = 0.01) -> Workload:
    load = LoadModel(0.5, cpu_per_sale, 2.0**30, 0.0)
    return Workload("shop", name, load, Replica(0.5, 2.0**30), floor=1, ceiling=60, group=group)


def test_a_group_that_cannot_be_forecast_never_stops_the_others() -> None:
    histories = {"good": history(), "short": history().iloc[:1], "negative": history(-1.0)}
    forecasts = forecast_groups(histories, REQUEST)
    assert isinstance(forecasts["good"], Forecast)
    assert isinstance(forecasts["short"], DataError)
    assert "got 1" in str(forecasts["short"])
    assert "expected values >= 0, got -154.0" in str(forecasts["negative"])


def test_the_pipeline_gives_the_numbers_of_its_stages() -> None:
    forecasts = forecast_groups({None: history()}, REQUEST)
    made, failures = plan_workloads(forecasts, [workload("web")], PROVENANCE)
    alone = forecast_sales(history(), horizon=timedelta(days=1), quantile_levels=(0.5, 0.95))
    assert failures == {}
    assert made.workloads == (plan_workload(project_load(alone, workload("web").load), workload("web")),)


def test_each_workload_is_driven_by_its_own_group() -> None:
    forecasts = forecast_groups({"north": history(), "south": history(3.0)}, REQUEST)
    made, _ = plan_workloads(forecasts, [workload("web", "north"), workload("api", "south")], PROVENANCE)
    web, api = made.workloads
    assert api.peak.sales > 2 * web.peak.sales


def test_a_workload_that_cannot_be_planned_is_named_and_the_others_are_planned() -> None:
    forecasts = forecast_groups({"north": history()}, REQUEST)
    workloads = [workload("web", "north"), workload("lost", "nowhere"), workload("huge", "north", 1e9)]
    made, failures = plan_workloads(forecasts, workloads, PROVENANCE)
    assert [plan.name for plan in made.workloads] == ["web"]
    assert set(failures) == {("shop", "lost"), ("shop", "huge")}
    assert "'nowhere'" in failures["shop", "lost"]
    assert "check units" in failures["shop", "huge"]


def test_a_workload_learns_why_its_group_has_no_forecast() -> None:
    forecasts = forecast_groups({"north": history(), "south": history().iloc[:1]}, REQUEST)
    _, failures = plan_workloads(forecasts, [workload("web", "north"), workload("api", "south")], PROVENANCE)
    assert failures == {("shop", "api"): str(forecasts["south"])}


def test_where_nothing_can_be_planned_that_is_an_error_with_every_reason() -> None:
    forecasts = forecast_groups({"north": history()}, REQUEST)
    with pytest.raises(DataError, match=r"'nowhere'.*; .*check units"):
        plan_workloads(forecasts, [workload("lost", "nowhere"), workload("huge", "north", 1e9)], PROVENANCE)
    with pytest.raises(DataError, match="at least one workload in the configuration, got none"):
        plan_workloads(forecasts, [], PROVENANCE)


def test_a_plan_is_valid_until_the_first_workload_runs_out() -> None:
    histories = {"early": history(days=26), "late": history(days=28)}
    forecasts = forecast_groups(histories, REQUEST)
    made, _ = plan_workloads(forecasts, [workload("web", "late"), workload("api", "early")], PROVENANCE)
    assert made.valid_until == histories["early"].index[-1] + timedelta(hours=25)
    assert made.origin == histories["early"].index[-1] + timedelta(minutes=45), "the last quarter that was known"
    assert (made.created, made.settings_hash, made.source) == (CREATED, "abc", {"name": "orders.csv"})
