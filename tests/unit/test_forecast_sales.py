"""forecast_sales: what it refuses, what it falls back to, and the business's wall clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.forecast import forecast_sales
from capacity.model import DataError, Event

HOURS = 24 * 28


def hourly(values: np.ndarray | list[float], start: str = "2026-01-05", freq: str = "h") -> pd.Series:
    return pd.Series(np.asarray(values, dtype=float), pd.date_range(start, periods=len(values), freq=freq, tz="UTC"))


def noisy(steps: int = HOURS, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 10 + 5 * np.sin(np.arange(steps) * 2 * np.pi / 24) + rng.poisson(2, steps)


def scattered(share: float) -> np.ndarray:
    values = noisy()
    values[np.random.default_rng(1).random(len(values)) < share] = np.nan
    return values


def with_value(place: int, value: float) -> np.ndarray:
    values = noisy()
    values[place] = value
    return values


REFUSED = [
    pytest.param(lambda: hourly(noisy()).iloc[::-1], "unsorted", id="unsorted steps are refused"),
    pytest.param(lambda: pd.concat([hourly(noisy())] * 2), "unique", id="steps that come twice are refused"),
    pytest.param(lambda: pd.Series(noisy()), "expected times, got numbers", id="an index of numbers is refused"),
    pytest.param(lambda: hourly(with_value(9, -1)), ">= 0, got -1", id="negative sales are refused"),
    pytest.param(lambda: hourly(with_value(9, np.inf)), "finite", id="infinite sales are refused"),
    pytest.param(lambda: hourly([1, 2, 3]), "at least 4 steps", id="three values are refused"),
    pytest.param(lambda: hourly(np.full(99, np.nan)), "at least 4 steps", id="nothing but gaps is refused"),
    pytest.param(lambda: hourly(noisy()).astype(str) + "x", "numbers", id="text is refused"),
    pytest.param(
        lambda: hourly(noisy()).set_axis(hourly(noisy()).index[:-1].append(pd.DatetimeIndex(["2026-03-01 00:20Z"]))),
        "apart up to gaps",
        id="a step off the grid is refused",
    ),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_bad_history_is_refused_with_expected_and_got(make, message):
    with pytest.raises(DataError, match=message):
        forecast_sales(make())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"horizon": "10min"}, "at least one step", id="a horizon below one step"),
        pytest.param({"horizon": "soon"}, "such as '14d'", id="a horizon that is no duration"),
        pytest.param({"quantile_levels": ()}, "at least one quantile level", id="no quantile level"),
        pytest.param({"quantile_levels": (0.5, 1.0)}, r"\(0, 1\)", id="a quantile level of one"),
        pytest.param({"quantile_levels": (0.5, 0.5)}, "repeats", id="a quantile level twice"),
        pytest.param({"timezone": "Mars/Olympus"}, "Europe/Berlin", id="a time zone nobody knows"),
    ],
)
def test_bad_question_is_refused(given, message):
    with pytest.raises(DataError, match=message):
        forecast_sales(hourly(noisy()), **given)


FALLBACKS = [
    pytest.param(np.zeros(HOURS), "no variation", id="all zero"),
    pytest.param(np.full(HOURS, 7.0), "no variation", id="constant"),
    pytest.param(scattered(0.9), "are gaps, not zero", id="nine of ten steps missing"),
    pytest.param(with_value(300, 1e12), "masked as outliers", id="one outlier of 1e12"),
    pytest.param(with_value(-1, 1e12), "masked as outliers", id="the outlier is the last step"),
    pytest.param(noisy(24 * 7), "short for a season of 168", id="one season only"),
    pytest.param(noisy(30), "longer than the history", id="a horizon longer than the history"),
    pytest.param(noisy(4), "short for a season", id="four values"),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("values", "note"), FALLBACKS)
def test_poor_history_falls_back_and_says_so(values, note):
    forecast = forecast_sales(hourly(values), horizon="2D")
    assert any(note in said for said in forecast.notes), forecast.notes
    highest = np.nanmax(np.where(values < 1e9, values, np.nan))
    assert forecast.quantiles.to_numpy().max() <= 6 * highest + 1e-9


def test_constant_sales_are_forecast_exactly():
    quantiles = forecast_sales(hourly(np.full(HOURS, 7.0)), horizon="2D").quantiles
    np.testing.assert_allclose(quantiles, 7.0, rtol=1e-6)


def test_an_outlier_of_1e12_hardly_moves_the_forecast():
    clean = forecast_sales(hourly(noisy()), horizon="1D").at(0.95)
    dirty = forecast_sales(hourly(with_value(300, 1e12)), horizon="1D").at(0.95)
    np.testing.assert_allclose(dirty, clean, rtol=0.15)


def test_a_gap_is_not_zero():
    values = noisy()
    values[-100:-60] = np.nan
    with_gap = forecast_sales(hourly(values), horizon="1D").at(0.5)
    whole = forecast_sales(hourly(noisy()), horizon="1D").at(0.5)
    np.testing.assert_allclose(with_gap, whole, rtol=0.25)


def test_missing_steps_and_nan_steps_are_the_same_gap():
    values = noisy()
    values[200:230] = np.nan
    series = hourly(values)
    np.testing.assert_array_equal(
        forecast_sales(series, horizon="1D").quantiles, forecast_sales(series.dropna(), horizon="1D").quantiles
    )


def test_a_gap_at_the_end_is_forecast_from_the_last_value():
    values = noisy()
    values[-5:] = np.nan
    forecast = forecast_sales(hourly(values), horizon="1D")
    assert forecast.quantiles.index[0] == pd.Timestamp("2026-02-02", tz="UTC")
    longer = forecast_sales(hourly(values[:-5]), horizon="29h")
    np.testing.assert_allclose(forecast.quantiles.to_numpy()[:, 0], longer.quantiles.to_numpy()[5:, 0], rtol=1e-6)


@pytest.mark.parametrize("step", ["10s", "1min", "5min", "15min", "1h", "6h", "1D", "7D", "30D"])
def test_every_step_from_seconds_to_months_is_forecast(step):
    values = noisy(400)
    forecast = forecast_sales(hourly(values, freq=step), horizon=20 * pd.Timedelta(step))
    assert forecast.step == pd.Timedelta(step)
    assert len(forecast.quantiles) == 20


def local_shape(start: str, end: str, zone: str) -> pd.Series:
    index = pd.date_range(start, end, freq="h", tz=zone, inclusive="left").tz_convert("UTC")
    local = index.tz_convert(zone)
    return pd.Series(np.where(local.hour == 9, 100.0, 10.0 + local.day_of_week), index)


@pytest.mark.parametrize(
    ("end", "name"), [("2026-03-27", "spring forward"), ("2026-10-23", "fall back")], ids=lambda value: str(value)
)
def test_the_peak_stays_at_nine_on_the_wall_clock_when_the_clocks_change(end, name):
    zone = "Europe/Berlin"
    sales = local_shape("2026-01-01" if name == "spring forward" else "2026-07-01", end, zone)
    forecast = forecast_sales(sales, horizon="5D", timezone=zone).at(0.5)
    peaks = forecast[forecast > 50].index.tz_convert(zone)
    assert list(peaks.hour) == [9] * 5


def test_the_time_zone_noted_on_the_series_is_used():
    sales = local_shape("2026-01-01", "2026-03-27", "Europe/Berlin")
    sales.attrs["timezone"] = "Europe/Berlin"
    noted = forecast_sales(sales, horizon="4D").quantiles
    np.testing.assert_array_equal(noted, forecast_sales(sales, horizon="4D", timezone="Europe/Berlin").quantiles)


def test_the_hour_that_comes_twice_right_after_the_origin_is_forecast():
    index = pd.date_range("2026-09-01", "2026-10-25 00:00", freq="h", tz="UTC")
    forecast = forecast_sales(pd.Series(10.0, index), horizon="6h", timezone="Europe/Berlin")
    np.testing.assert_allclose(forecast.at(0.5), 10.0)


def promotion(day: int, uplift: float | None = None, kind: str = "promotion") -> Event:
    start = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(days=day)
    return Event("sale", start, start + timedelta(days=1), kind, uplift)


def test_an_uplift_is_learned_from_past_events_and_applied():
    values = noisy(24 * 56)
    past = [promotion(day) for day in (10, 24, 38, 45)]
    for day in (10, 24, 38, 45):
        values[24 * day : 24 * (day + 1)] *= 3
    plain = forecast_sales(hourly(values), horizon="2D", events=past).at(0.5)
    raised = forecast_sales(hourly(values), horizon="2D", events=[*past, promotion(57)])
    lift = raised.at(0.5).iloc[24:].sum() / plain.iloc[24:].sum()
    assert 2.5 < lift < 3.1
    np.testing.assert_allclose(raised.at(0.5).iloc[:24], plain.iloc[:24])
    assert any("promotion: uplift 2." in note or "promotion: uplift 3." in note for note in raised.notes)


def test_a_given_uplift_is_applied_as_it_is():
    plain = forecast_sales(hourly(noisy()), horizon="2D")
    raised = forecast_sales(hourly(noisy()), horizon="2D", events=[promotion(29, 2.0)])
    np.testing.assert_allclose(raised.quantiles.iloc[24:], 2 * plain.quantiles.iloc[24:])


def test_an_event_never_seen_before_widens_the_forecast_and_is_noted():
    plain = forecast_sales(hourly(noisy()), horizon="2D")
    unknown = forecast_sales(hourly(noisy()), horizon="2D", events=[promotion(29, kind="strike")])
    assert (unknown.at(0.95).iloc[24:] > plain.at(0.95).iloc[24:]).all()
    assert any("strike: never seen before" in note for note in unknown.notes)


def test_events_that_contradict_each_other_are_refused():
    with pytest.raises(DataError, match="one uplift at a time"):
        forecast_sales(hourly(noisy()), events=[promotion(29, 2.0), promotion(29, 3.0)])


def test_a_past_outage_is_kept_out_of_the_normal_shape():
    values = noisy()
    values[-60:-36] = 0.0
    outage = Event(
        "outage", *(pd.Timestamp("2026-02-02", tz="UTC") - pd.Timedelta(hours=h) for h in (60, 36)), "outage"
    )
    told = forecast_sales(hourly(values), horizon="1D", events=[outage]).at(0.5)
    whole = forecast_sales(hourly(noisy()), horizon="1D").at(0.5)
    np.testing.assert_allclose(told, whole, rtol=0.25)


def test_an_event_that_covers_everything_counts_as_normal():
    always = Event("always", datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), "promotion")
    forecast = forecast_sales(hourly(noisy()), horizon="1D", events=[always])
    assert any("counts as normal" in note for note in forecast.notes)


def test_what_an_event_does_on_its_weekday_is_learned():
    days = np.arange(7 * 60)
    lift = np.where(days % 14 == 5, 3.0, np.where(days % 14 == 8, 1.5, 1.0))  # every other Saturday and Tuesday
    values = np.random.default_rng(0).poisson(200 * lift).astype(float)
    past = [promotion(int(day)) for day in days[lift > 1]]
    coming = [promotion(7 * 60 + 5), promotion(7 * 60 + 8)]
    forecast = forecast_sales(hourly(values, freq="D"), horizon="10D", events=[*past, *coming]).at(0.5)
    np.testing.assert_allclose(forecast.iloc[[5, 8]] / forecast.iloc[[4, 7]].to_numpy(), [3.0, 1.5], rtol=0.1)


@pytest.mark.parametrize(
    ("step", "window", "touched"),
    [
        pytest.param("1h", timedelta(minutes=5), 1, id="minutes within hours are one step"),
        pytest.param("1h", timedelta(hours=2), 2, id="whole hours are counted"),
        pytest.param("5min", timedelta(minutes=12), 3, id="a part of a step counts as one"),
        pytest.param("1D", timedelta(days=40), 40, id="a window longer than the horizon"),
    ],
)
def test_the_maximum_over_a_window_comes_with_every_step(step, window, touched):
    forecast = forecast_sales(hourly(noisy(), freq=step), horizon=30 * pd.Timedelta(step), window=window)
    assert forecast.window == touched * pd.Timedelta(step)
    ahead = forecast.quantiles.iloc[::-1].rolling(touched, min_periods=1).max().iloc[::-1]
    assert (forecast.maxima >= ahead - 1e-9).all(axis=None)
    np.testing.assert_allclose(forecast.maxima.iloc[-1], forecast.quantiles.iloc[-1])


def test_a_coming_event_raises_the_maximum_of_every_window_that_touches_it():
    plain = forecast_sales(hourly(noisy()), horizon="2D", window=timedelta(hours=2))
    raised = forecast_sales(hourly(noisy()), horizon="2D", events=[promotion(29, 3.0)], window=timedelta(hours=2))
    np.testing.assert_allclose(raised.maxima.iloc[24:], 3 * plain.maxima.iloc[24:])
    assert (raised.maxima.iloc[23] >= raised.quantiles.iloc[24]).all()


def test_far_ahead_a_windows_maximum_lies_as_far_over_its_steps_as_nearby():
    forecast = forecast_sales(hourly(noisy()), horizon="40D", window=timedelta(hours=4))
    over = [
        forecast.maxima[0.5].iloc[at] / forecast.quantiles[0.5].iloc[at : at + 4].max()
        for at in (24 * 7 * 3 + 5, 24 * 7 * 5 + 5)
    ]
    assert over[1] == pytest.approx(over[0], rel=1e-3)
    assert over[0] > 1.01


def test_a_window_of_nothing_is_refused():
    with pytest.raises(DataError, match="window: expected a positive duration"):
        forecast_sales(hourly(noisy()), window=timedelta(0))


def test_what_past_quantiles_covered_is_said():
    notes = forecast_sales(hourly(noisy()), horizon="1D").notes
    assert any("coverage on past origins at 0.5: " in note for note in notes)
