"""What a pandas user tries first: frames and series in any zone, text for quantities and times, short answers."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

import capacity as cap
from capacity.cli import main
from capacity.series import as_sales
from capacity.shown import given_fields
from tests.unit.test_shown import LOAD, WEB, backtest, explanation, forecast, plan, report, whole

HOURS = pd.date_range("2026-01-05", periods=24 * 21, freq="h")
ORDERS = pd.DataFrame({"when": HOURS, "orders": np.random.default_rng(2).poisson(20 + 15 * np.sin(HOURS.hour / 4))})
HOURLY = ORDERS.set_index("when")["orders"]
NEW_YORK = HOURLY.tz_localize("America/New_York")


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        pytest.param(ORDERS, {"time": "when", "value": "orders"}, id="a frame"),
        pytest.param(ORDERS, {}, id="a frame with one column of times and one of numbers"),
        pytest.param(ORDERS.assign(when=ORDERS["when"].astype(str)), {"time": "when"}, id="times as text"),
        pytest.param(ORDERS.set_index("when"), {}, id="a frame with an index"),
        pytest.param(HOURLY, {}, id="a series"),
        pytest.param(HOURLY.tz_localize("UTC"), {}, id="in UTC"),
        pytest.param(HOURLY.to_period("h"), {}, id="periods"),
        pytest.param(HOURLY.sample(frac=1, random_state=1), {}, id="unsorted"),
    ],
)
def test_the_same_totals_in_every_form_are_the_same_sales(data: Any, keys: dict[str, str]) -> None:
    known = as_sales(data, **keys)
    assert (known.index[0], str(known.index.tz)) == (pd.Timestamp("2026-01-05T00:00Z"), "UTC")
    np.testing.assert_array_equal(known, HOURLY)
    np.testing.assert_array_equal(cap.read_sales(data, **keys), HOURLY)


@settings(max_examples=5, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.integers(0, 99)), min_size=5, max_size=40),
    st.sampled_from(["UTC", "America/New_York", "Asia/Tokyo", "Europe/London"]),
)
def test_both_doors_read_a_zoned_series_alike(values: list[int | None], zone: str) -> None:
    values = [1, *values, 1]
    series = pd.Series(values, pd.date_range("2026-03-28", periods=len(values), freq="h", tz=zone), dtype=float)
    known, counted = as_sales(series), cap.read_sales(series, step="1h")
    assert known.attrs.get("timezone", "UTC") == counted.attrs["timezone"] == zone
    pd.testing.assert_series_equal(known.dropna(), counted.dropna(), check_freq=False, check_names=False)


def test_a_new_york_index_is_taken_with_its_clock() -> None:
    made = cap.forecast_sales(NEW_YORK, horizon=24, holidays="US")
    assert made.quantiles.index[0] == NEW_YORK.index[-1] + timedelta(hours=1)
    assert len(made.quantiles) == 24
    days = as_sales(NEW_YORK.resample("D").sum())
    assert days.index[0] == pd.Timestamp("2026-01-05T00:00Z"), "a day is named by its date"


def test_text_becomes_values_when_a_noun_is_built() -> None:
    replica, load = cap.Replica("500m", "512Mi"), cap.LoadModel("500m", "120m", "1Gi")
    assert (replica.cpu_request, replica.memory_request) == (0.5, 2**29)
    assert (load.cpu_per_sale_per_hour, load.memory_base) == (0.12, 2**30)
    web = cap.Workload("shop", "web", load, replica, floor=2, ceiling=9, lead_time="90s")
    assert web.lead_time == timedelta(seconds=90)
    sale = cap.Event("sale", start="2013-01-03", end="2013-01-03 18:00", timezone="Europe/Berlin")
    assert (sale.start, sale.end) == (datetime(2013, 1, 2, 23, tzinfo=UTC), datetime(2013, 1, 3, 17, tzinfo=UTC))
    assert cap.Event("sale", "2013-01-03", "2013-01-04").end == datetime(2013, 1, 5, tzinfo=UTC)
    assert cap.ForecastRequest("7d", holidays="GB").holidays == ("GB",)
    assert cap.Costs(start="2m").start == timedelta(minutes=2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: cap.Replica("many", "1Gi"), "cpu_request: expected a quantity such as 500m or 1Gi, got 'many'"),
        (lambda: cap.Event("x", "3 Jan", "4 Jan"), "event x: start: expected a date or time such as 2026-11-27"),
        (lambda: cap.forecast_sales(HOURLY, horizon="14"), "expected a duration such as '14d'"),
        (lambda: cap.forecast_sales(HOURLY, horizon=168.0), "or a whole number of steps, got 168.0"),
        (lambda: cap.forecast_sales(ORDERS["orders"]), "time: expected times, got numbers"),
        (lambda: cap.forecast_sales(ORDERS.assign(y=1)), "one column of numbers, got orders, y; give value="),
        (lambda: cap.forecast_sales(pd.concat([HOURLY, HOURLY])), "one row for each step, got 2026-01-05"),
        (lambda: cap.read_sales([1, 2]), "expected a Series or DataFrame with times, a file, or"),
        (lambda: cap.read_sales(ORDERS.head(0)), "DataFrame: expected rows of orders, got none"),
        (lambda: cap.read_sales(ORDERS, time="nope"), "no column 'nope'"),
        (lambda: cap.plan(ORDERS, target_utilization=80), "0.8 is 80 %"),
        (lambda: cap.plan(ORDERS, lead_time="soon"), "lead_time: expected a duration such as 90s"),
    ],
)
def test_a_stumble_says_what_to_do(call: Any, words: str) -> None:
    with pytest.raises(cap.CapacityError) as caught:
        call()
    assert words in str(caught.value)


def test_one_call_plans_as_the_command_does() -> None:
    """Equal rows and settings give equal floors, from a notebook or from capacity.yaml."""
    ORDERS.to_csv("orders.csv", index=False)
    load = {"cpu": {"base": 0.5, "per_sale_per_hour": "100m"}, "memory": {"base": "1Gi"}}
    web = {"namespace": "shop", "name": "web", "floor": 2, "ceiling": 60, "load": load, "lead_time": "3m"}
    web["replica"] = {"cpu_request": "500m", "memory_request": "512Mi"}
    sales = {"source": "orders.csv", "time": "when", "value": {"sum": "orders"}, "freshness": {"within": "36500d"}}
    config = {"sales": sales, "forecast": {"horizon": "3d"}, "workloads": [web]}
    Path("capacity.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert main(["plan", "-q", "--now", "2026-01-26T00:00Z"]) == 0
    by_command = cap.read_plan("plan.json").workload("shop", "web")
    asked = {"cores_per_order": "100m", "idle_cores": 0.5, "idle_memory": "1Gi", "floor": 2, "ceiling": 60}
    by_call = cap.plan(ORDERS, horizon=72, lead_time="3m", name="web", namespace="shop", **asked)
    assert by_call.floor == by_command.floor
    assert cap.plan(ORDERS, horizon="1d").derivation.notes[0].startswith("assumed one service that uses 4 cores")


def test_csv_of_a_plan_has_the_floor_of_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--sample", "-q", "-o", "csv"]) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out), index_col="start", parse_dates=True)
    made = cap.read_plan("plan.json").workload("shop", "web").to_frame()
    assert table["floor"].tolist() == made["floor"].tolist()
    assert table.index.equals(made.index)


def test_a_forecast_comes_back_from_its_frame_and_from_a_file() -> None:
    made = forecast()
    again = cap.Forecast.from_frame(made.to_frame())
    assert (again.origin, again.step, again.unit, again.notes) == (made.origin, made.step, made.unit, made.notes)
    pd.testing.assert_frame_equal(again.quantiles, made.quantiles, check_freq=False, check_names=False)
    pd.testing.assert_frame_equal(again.maxima, made.maxima, check_freq=False, check_names=False)
    made.to_frame().to_csv("forecast.csv")
    text = pd.read_csv("forecast.csv", index_col="start")
    read = cap.Forecast.from_frame(text, unit=made.unit, window=made.window)
    np.testing.assert_allclose(read.quantiles, made.quantiles, rtol=1e-12)
    with pytest.raises(cap.DataError, match=r"expected columns such as q0\.5"):
        cap.Forecast.from_frame(made.to_frame().drop(columns=["q0.5", "q0.95"]))


def test_sales_read_again_are_the_same_sales() -> None:
    sales = cap.read_sales(NEW_YORK)
    for again in (sales.to_frame(), sales.reset_index()):
        pd.testing.assert_series_equal(cap.read_sales(again, timezone="America/New_York"), sales)


def test_texts_are_short_and_one_line_in_a_list() -> None:
    demand = cap.project_load(forecast(), cap.LoadModel(0.5, 0.1))
    for noun in (plan(), whole(), forecast(), demand, report(), explanation(), backtest(), cap.audit_sales(ORDERS)):
        assert 40 < len(str(noun)) < 1200
        assert len(repr(noun)) < 250
        assert "\n" not in repr(noun)
    assert "8 replicas" in str(plan()) or "replicas" in str(plan())
    assert repr(cap.LoadModel("500m", "120m")) == "LoadModel(cpu_base=0.5, cpu_per_sale_per_hour=0.12)"


SMALL = [
    cap.Replica("500m", "1Gi"),
    cap.LoadModel("500m", "120m"),
    cap.Workload("shop", "web", cap.LoadModel("500m", "120m"), cap.Replica("500m", "1Gi"), floor=2, ceiling=9),
    cap.Event("sale", "2026-01-01", "2026-01-02"),
    cap.Scenario("a fifth more", growth=0.2),
    cap.Limits(step_up=3),
    cap.Costs(price_per_hour=0.04),
    cap.Policy(70),
    cap.Objective(),
    cap.ControllerRules(),
    cap.Observation(floor=4, ceiling=60, current=5, desired=5),
    cap.Decision(9, 60, "DemandRising", before=4),
    cap.ForecastRequest(),
    cap.Evidence(cap.Policy(70), 7, 90.0, 3.0, 0.0, (80.0, 99.0), (2.0, 4.0), (0.0, 0.0)),
]


@pytest.mark.parametrize("noun", SMALL, ids=lambda noun: type(noun).__name__)
def test_every_small_noun_has_a_card(noun: Any) -> None:
    card = noun._repr_html_()
    assert type(noun).__name__ in card
    assert card.count("<table>") == bool(given_fields(noun)), "its fields that are not at their defaults, if any"


def test_pictures_go_where_they_are_asked_to() -> None:
    for noun in (plan(), forecast(), explanation(), backtest()):
        left, right = Figure().subplots(1, 2)
        assert noun.plot(ax=left) is left
        assert left.has_data()
        assert not right.has_data()


def test_pictures_of_several_panels_take_as_many_axes_and_say_how_many() -> None:
    for noun, rows, columns in ((whole(), 2, 1), (report(), 1, 2)):
        axes = Figure().subplots(rows, columns)
        assert noun.plot(ax=axes) is axes
        assert all(one.has_data() for one in axes.ravel())
        with pytest.raises(cap.DataError, match=rf"ax: this picture has {rows * columns} panels, so expected .* got 1"):
            noun.plot(ax=Figure().subplots())


def test_a_picture_of_a_plan_tells_where_it_starts_to_rise_and_what_determines_the_need() -> None:
    made = cap.plan_workload(cap.project_load(forecast(), LOAD), replace(WEB, floor=6))
    assert set(made.bounds) == {"floor", "cpu"}
    assert made.bounds[0] == "floor", "at night"
    rise = made.rise_to(made.peak.at)
    assert rise is not None
    first = made.floor_between(rise + made.lead_time, rise + made.lead_time)
    before = made.floor_between(rise, rise)
    assert before is not None
    assert first is not None
    assert before < first <= made.peak.replicas
    assert rise < made.peak.at - made.lead_time
