"""The forecaster behind scikit-learn's interface: its own checks, clones, a grid over time, pandas in, numbers out."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import capacity as cap
from capacity import forecast  # its SalesForecaster imports scikit-learn when it is asked for: a second of collecting

INDEX = pd.date_range("2026-01-05", periods=24 * 28, freq="h", tz="UTC")
TIMES = pd.DataFrame(index=INDEX)


@pytest.fixture
def sales() -> pd.Series:
    noise = np.random.default_rng(7).lognormal(0, 0.1, len(INDEX))
    return pd.Series((10 + (INDEX.hour.to_numpy() - 12) ** 2) * noise, INDEX)


# Of scikit-learn's checks those that speak of the interface; the others fit on rows that have no times.
@pytest.mark.parametrize(
    "check",
    [
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_estimator_tags_renamed",
        "check_get_params_invariance",
        "check_mixin_order",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_set_params",
        "check_valid_tag_types",
    ],
)
def test_scikit_learn_says_it_is_an_estimator(check: str) -> None:
    from sklearn.utils import estimator_checks  # a second to load: not where tests are collected

    getattr(estimator_checks, check)("SalesForecaster", forecast.SalesForecaster())


def test_it_forecasts_what_forecast_sales_forecasts(sales: pd.Series) -> None:
    known = cap.forecast_sales(sales, horizon="2D", quantile_levels=(0.5, 0.9, 0.95, 0.99))
    for ahead in ("2D", 48, pd.Timedelta("2D").to_pytimedelta(), known.quantiles.index, known.to_frame()[[]]):
        np.testing.assert_array_equal(forecast.SalesForecaster().fit(sales).predict(ahead), known.at(0.5))
    high = forecast.SalesForecaster(point=0.95).fit(sales)
    np.testing.assert_array_equal(high.predict("2D"), known.at(0.95))
    pd.testing.assert_frame_equal(high.forecast("2D").quantiles, known.quantiles)


def test_it_sits_in_a_grid_over_time(sales: pd.Series) -> None:
    from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score

    splits = TimeSeriesSplit(n_splits=3, test_size=48)
    scoring = "neg_mean_absolute_error"
    grid = GridSearchCV(forecast.SalesForecaster(), {"point": [0.5, 0.99]}, cv=splits, scoring=scoring)
    grid.fit(TIMES, sales)
    assert grid.best_params_ == {"point": 0.5}
    assert grid.best_estimator_.predict("1D").shape == (24,)
    scores = cross_val_score(forecast.SalesForecaster(), TIMES, sales, cv=TimeSeriesSplit(2, test_size=24, gap=24))
    assert (scores > 0.8).all(), "R squared of a plain daily cycle"


def test_columns_known_ahead_are_learned_from() -> None:
    rng, index = np.random.default_rng(0), pd.date_range("2025-06-02", periods=214, freq="D", tz="UTC")
    prices = pd.DataFrame({"price": rng.choice([8.0, 9.0, 10.0, 11.0], len(index))}, index)
    sold = pd.Series(rng.poisson(200 * (prices["price"] / 10) ** -2).astype(float), index)
    ahead = prices.iloc[200:]
    fitted = forecast.SalesForecaster().fit(prices.iloc[:200], sold.iloc[:200])
    assert fitted.n_features_in_ == 1
    cheap, dear = (fitted.predict(ahead.assign(price=price)).sum() for price in (8.0, 11.0))
    assert cheap / dear == pytest.approx((11 / 8) ** 2, rel=0.2)
    with pytest.raises(cap.DataError, match=r"expected X with columns \['price'\]"):
        fitted.predict("1D")


def test_clones_know_nothing_and_pickles_everything(sales: pd.Series) -> None:
    fitted = forecast.SalesForecaster(point=0.9, holidays=("DE",), timezone="Europe/Berlin").fit(sales)
    from sklearn.base import clone
    from sklearn.exceptions import NotFittedError

    fresh = clone(fitted)
    assert fresh.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        fresh.predict("1D")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict("1D"), fitted.predict("1D"))
    assert fresh.set_params(point=0.5).point == 0.5


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda sales: forecast.SalesForecaster().fit(np.ones((9, 1)), np.ones(9)), "expected y as a series of sales"),
        (lambda sales: forecast.SalesForecaster().fit(sales.reset_index(drop=True)), "expected y with a UTC index"),
        (lambda sales: forecast.SalesForecaster().fit(TIMES.iloc[1:], sales), "expected X and y on one index"),
        (lambda sales: forecast.SalesForecaster(point=2).fit(sales), r"expected a quantile level in \(0, 1\), got 2"),
        (lambda sales: forecast.SalesForecaster().fit(sales).predict(INDEX[:3]), "expected times after 2026-02-01"),
    ],
    ids=["no series", "no times", "other times", "no level", "the past"],
)
def test_what_cannot_be_fitted_says_why(work: Callable[[pd.Series], object], message: str, sales: pd.Series) -> None:
    with pytest.raises(cap.DataError, match=message):
        work(sales)
