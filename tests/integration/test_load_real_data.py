"""Real sales with usage made from them, whose truth is known: an online retailer by days, rented bicycles by hours."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.forecast import forecast_sales
from capacity.load import learn_load, project_load
from capacity.model import Forecast, LoadModel
from tests.conftest import BUNDLED

RETAIL, BICYCLES = BUNDLED / "online_retail" / "hourly_sales.csv.gz", BUNDLED / "bike_sharing" / "hourly_rentals.csv.gz"
LEVELS = (0.1, 0.5, 0.9, 0.95, 0.99)
LONDON = "Europe/London"


def retail_orders() -> pd.Series:
    """Orders per hour of the retailer, UTC."""
    frame = pd.read_csv(RETAIL)
    local = pd.DatetimeIndex(pd.to_datetime(frame.iloc[:, 0])).tz_localize(LONDON, ambiguous="NaT", nonexistent="NaT")
    series = pd.Series(frame["orders"].to_numpy(dtype=float), local.tz_convert("UTC"))
    series = series.loc[series.index.notna()]
    return series.reindex(pd.date_range(series.index[0].ceil("D"), series.index[-1], freq="h"), fill_value=0.0)


def minute_usage(hourly: pd.Series, rng: np.random.Generator, step: str = "5min") -> pd.DataFrame:
    """Usage whose mean follows the orders of its hour: 0.5 cores idle, 0.1 per order and hour, gamma noise of 10 %."""
    steps = pd.date_range(hourly.index[0], hourly.index[-1] + pd.Timedelta("1h"), freq=step, inclusive="left")
    rate = hourly.reindex(steps.floor("h")).to_numpy()
    smooth = pd.Series(rate, steps).rolling("1h", center=True).mean().to_numpy()
    cpu = (0.5 + 0.1 * smooth) * rng.gamma(100, 0.01, len(steps))
    return pd.DataFrame({"cpu": cpu, "memory": 2e9 * rng.gamma(2500, 1 / 2500, len(steps))}, steps)


def known(sales: pd.Series) -> Forecast:
    """A forecast that knows the sales that came: what is left is the load's own uncertainty."""
    step = (sales.index[1] - sales.index[0]).to_pytimedelta()
    table = pd.DataFrame(dict.fromkeys(LEVELS, sales))
    return Forecast(sales.index[0].to_pydatetime() - step, step, table, "sales")


def business_days(hourly: pd.Series) -> pd.Series:
    """Orders by local days, named by the date."""
    days = hourly.index.tz_convert(LONDON).tz_localize(None).floor("D")
    return hourly.groupby(days).sum().tz_localize("UTC").asfreq("D")


def coverage(demand: Forecast, actual: pd.Series) -> dict[float, float]:
    """Share of what came at or below each quantile."""
    both = demand.quantiles.join(actual.rename("actual"), how="inner").dropna()
    return {level: float((both["actual"] <= both[level]).mean()) for level in LEVELS}


def test_a_years_volume_meets_weeks_of_minutes_and_held_out_usage_lies_as_deep_as_the_quantiles_say() -> None:
    """Daily sales known, shape learned from four weeks of five-minute usage, judged on the four weeks that followed."""
    hourly = retail_orders()
    end = pd.Timestamp("2011-11-07", tz="UTC")
    usage = minute_usage(hourly.loc[end - pd.Timedelta("28D") : end + pd.Timedelta("27D")], np.random.default_rng(1))
    days = business_days(hourly)
    report = learn_load(days, usage.loc[usage.index < end], timezone=LONDON)
    found = report.finding("cpu")
    assert found is not None
    assert found.verdict == "learned"
    assert found.response is not None
    assert found.response.shape is not None
    demand = project_load(known(days.loc["2011-11-08":"2011-12-03"]), report.model).cpu
    reached = coverage(demand, usage["cpu"])
    assert reached[0.9] == pytest.approx(0.9, abs=0.05)
    assert reached[0.95] == pytest.approx(0.95, abs=0.035)
    assert reached[0.99] >= 0.975
    volume = demand.at(0.5).sum() / usage["cpu"].reindex(demand.quantiles.index).sum()
    assert volume == pytest.approx(1.0, abs=0.1)


def test_a_forecast_of_days_and_the_loads_shape_together_cover_what_came() -> None:
    """The whole chain from six origins: years of daily sales, weeks of minutes for the shape; what came is held out."""
    hourly = retail_orders()
    days = business_days(hourly)
    steps, windows = [], []
    for origin in pd.date_range("2011-06-01", periods=6, freq="28D", tz="UTC"):
        around = hourly.loc[origin - pd.Timedelta("28D") : origin + pd.Timedelta("15D")]
        usage = minute_usage(around, np.random.default_rng(2), "15min")
        before = days.loc[days.index < origin]
        report = learn_load(before, usage.loc[usage.index < origin], timezone=LONDON)
        forecast = forecast_sales(before, horizon="14D", quantile_levels=LEVELS, timezone=LONDON)
        demand = project_load(forecast, report.model, history=before, window=timedelta(minutes=30)).cpu
        assert (demand.step, demand.window) == (timedelta(minutes=15), timedelta(minutes=45))
        steps.append(coverage(demand, usage["cpu"])[0.95])
        assert demand.maxima is not None
        highest = usage["cpu"][::-1].rolling(3, min_periods=3).max()[::-1]
        both = demand.maxima.join(highest.rename("actual"), how="inner").dropna()
        windows.append(float((both["actual"] <= both[0.95]).mean()))
    assert np.mean(steps) == pytest.approx(0.95, abs=0.04)
    assert np.mean(windows) == pytest.approx(0.96, abs=0.035)


def test_bicycles_by_hours_are_learned_exactly_and_cover_the_year_that_followed() -> None:
    frame = pd.read_csv(BICYCLES)
    sales = pd.Series(
        frame["users"].to_numpy(dtype=float), pd.date_range("2011-01-01", periods=len(frame), freq="h", tz="UTC")
    )
    rng = np.random.default_rng(3)
    cpu = pd.Series((1.0 + 0.03 * sales.shift(1).bfill()) * rng.gamma(60, 1 / 60, len(sales)), sales.index)
    usage = pd.DataFrame({"cpu": cpu, "memory": 4e9})
    report = learn_load(sales, usage.iloc[24 * 300 : 24 * 356], prior=LoadModel(1, 0, 4e9, 0))
    response = report.model.cpu
    assert response is not None
    assert response.lag == timedelta(hours=1)
    assert response.per_sale_per_hour == pytest.approx(0.03, rel=0.02)
    assert response.base == pytest.approx(1.0, rel=0.1)
    following = sales.iloc[24 * 356 : 24 * 600]
    reached = coverage(project_load(known(following), report.model, history=sales).cpu, cpu)
    assert reached[0.1] == pytest.approx(0.1, abs=0.03)
    assert reached[0.9] == pytest.approx(0.9, abs=0.03)
    assert reached[0.99] >= 0.975
