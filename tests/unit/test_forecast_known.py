"""What is known ahead, for many series at once: events and columns, pooled over events and over series."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from capacity.forecast import Known, Occurrence, Setting, forecast_batch, forecast_sales
from capacity.forecast.uplift import Effect, learn_effects, proven_kinds
from capacity.model import DataError

DAY = timedelta(days=1)
DAYS, HORIZON = 140, 14
PAST, COMING = (10, 24, 38, 52, 66, 80, 94, 108), 145


def sales(series: int = 4, lift: float = 3.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.poisson(100 + 20 * (np.arange(DAYS) % 7 < 5), (series, DAYS)).astype(float)
    values[:, PAST] *= lift
    return values


def promotions(*slots: int, uplift: float | None = None) -> tuple[Occurrence, ...]:
    return tuple(Occurrence("sale", "promotion", np.array([slot]), uplift) for slot in slots)


SETTING = Setting(DAY, HORIZON, (0.5, 0.95), window=2)


def test_an_uplift_is_learned_and_put_on_every_series():
    plain = forecast_batch(sales(), SETTING, Known(promotions(*PAST)))
    raised = forecast_batch(sales(), SETTING, Known(promotions(*PAST, COMING)))
    lift = raised.quantiles[:, COMING - DAYS, 0] / plain.quantiles[:, COMING - DAYS, 0]
    np.testing.assert_allclose(lift, 3.0, rtol=0.15)
    np.testing.assert_array_equal(raised.quantiles[:, 0], plain.quantiles[:, 0])
    assert (raised.maxima[:, COMING - DAYS - 1] >= raised.quantiles[:, COMING - DAYS]).all()


def test_a_series_that_saw_no_event_leans_on_the_others():
    values = sales(5)
    values[0, list(PAST)] = np.nan
    plain = forecast_batch(values, SETTING, Known(promotions(*PAST)))
    raised = forecast_batch(values, SETTING, Known(promotions(*PAST, COMING)))
    assert raised.point[0, COMING - DAYS] / plain.point[0, COMING - DAYS] == pytest.approx(3.0, rel=0.2)


def test_a_given_uplift_is_applied_as_it_is():
    plain = forecast_batch(sales(), SETTING, Known(promotions(*PAST)))
    raised = forecast_batch(sales(), SETTING, Known((*promotions(*PAST), *promotions(COMING, uplift=2.0))))
    np.testing.assert_allclose(raised.quantiles[:, COMING - DAYS], 2 * plain.quantiles[:, COMING - DAYS])


def test_columns_move_the_series_that_follow_them():
    rng = np.random.default_rng(0)
    price = rng.choice([8.0, 10.0, 12.0], (6, DAYS + HORIZON))
    values = rng.poisson(200 * (price[:, :DAYS] / 10) ** -2.0).astype(float)
    told = forecast_batch(values, SETTING, Known(columns=price[:, :, None]))
    cheap, dear = price[:, DAYS:] == 8.0, price[:, DAYS:] == 12.0
    assert told.point[cheap].mean() / told.point[dear].mean() == pytest.approx((8 / 12) ** -2.0, rel=0.15)


@pytest.mark.parametrize(
    ("known", "message"),
    [
        pytest.param(Known(columns=np.ones((4, DAYS, 1))), "columns of shape", id="columns that end at the origin"),
        pytest.param(Known(columns=np.full((4, DAYS + HORIZON, 1), np.nan)), "finite columns", id="a gap ahead"),
        pytest.param(
            Known((Occurrence("all", "all", np.arange(DAYS), None),)), "less than half", id="an event all the time"
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:All-NaN")
def test_what_cannot_be_known_is_refused(known, message):
    with pytest.raises(DataError, match=message):
        forecast_batch(sales(), SETTING, known)


def days(kind: str, *slots: int) -> list[Occurrence]:
    return [Occurrence(kind, kind, np.array([slot]), None) for slot in slots]


@pytest.mark.parametrize(
    ("factor", "slots", "proven"),
    [
        pytest.param(1.6, (10, 24, 38, 52, 66, 80), True, id="an effect that comes every time"),
        pytest.param(1.0, (10, 24, 38, 52, 66, 80), False, id="no effect at all"),
        pytest.param(1.6, (10, 24, 38), False, id="three occurrences prove nothing"),
    ],
)
def test_days_around_holidays_must_foretell_what_they_were_not_learned_from(factor, slots, proven):
    row = sales(1, 1.0)[0]
    row[list(slots)] *= factor
    found = proven_kinds(row, days("before holiday", *slots), frozenset({"before holiday"}), 7)
    assert found == (frozenset({"before holiday"}) if proven else frozenset())


def closed_on(days: tuple[str, ...], seed: int = 0) -> pd.Series:
    """Two years and some months of daily sales with a weekly shape, nothing sold on some days."""
    index = pd.date_range("2024-01-01", "2026-12-20", freq="D", tz="UTC")
    usual = 100 * np.array([1, 1, 1, 1, 1.3, 1.5, 0.7])[index.day_of_week]
    sales = pd.Series(np.random.default_rng(seed).poisson(usual).astype(float), index)
    return sales.where(~pd.Series(index.strftime("%m-%d"), index).isin(days), 0.0)


def test_a_holiday_that_was_closed_each_time_is_closed_for_certain():
    sales = closed_on(("12-25", "12-26", "01-01"))
    quantiles = forecast_sales(sales, horizon="14D", holidays=["GB-ENG"]).quantiles
    assert (quantiles.loc["2026-12-25"] == 0).all()
    assert (quantiles.loc["2027-01-01"] == 0).all()
    assert quantiles.loc["2026-12-23", 0.5] > 80


def test_open_holidays_do_not_suffer_from_closed_ones():
    """Closed at Christmas, as usual at Easter: neither makes the other uncertain."""
    sales = closed_on(("12-25", "12-26", "01-01")).loc[:"2026-04-02"]
    known = forecast_sales(sales, horizon="5D", holidays=["GB-ENG"]).quantiles
    plain = forecast_sales(sales, horizon="5D").quantiles
    friday = "2026-04-03"  # Good Friday
    assert abs(known.loc[friday, 0.5] / plain.loc[friday, 0.5] - 1) < 0.15
    assert known.loc[friday, 0.95] < 1.5 * plain.loc[friday, 0.95]


def test_one_closed_holiday_may_have_been_an_accident():
    sales = closed_on(()).loc[:"2024-12-24"]
    sales.loc["2024-05-06"] = 0.0
    quantiles = forecast_sales(sales, horizon="3D", holidays=["GB-ENG"]).quantiles
    assert quantiles.loc["2024-12-25", 0.95] > 0


def feasts_of(seed: int, uplifts: tuple[float, float]) -> Effect:
    """What is learned of a dozen events that did one thing and the other by turns, among noisy days."""
    row = 100 * np.exp(np.random.default_rng(seed).normal(0, 0.15, 7 * 80))
    feasts = [Occurrence("feast", "feast", np.array([slot]), None) for slot in range(30, 530, 37)]
    for place, feast in enumerate(feasts):
        row[feast.slots] *= uplifts[place % 2]
    return learn_effects(row, feasts, 1, 7)["feast"]


def test_events_widen_the_interval_by_what_they_did_beyond_the_noise_of_ordinary_days() -> None:
    nothing, anything = ([feasts_of(seed, uplifts) for seed in range(5)] for uplifts in ((1.0, 1.0), (2.0, 0.5)))
    assert np.mean([effect.spread for effect in nothing]) < 0.12  # of a noise of 0.15
    assert np.mean([np.abs(effect.misses).mean() for effect in nothing]) < 0.1
    assert min(effect.spread for effect in anything) > 0.6
