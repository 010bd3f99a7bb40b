"""The forecaster as scikit-learn knows estimators: fit, predict, parameters that a grid can search over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from capacity.forecast.sales import forecast_sales
from capacity.model import DataError, Forecast, require
from capacity.model.arrays import Array

Ahead = str | int | timedelta | pd.DatetimeIndex | pd.DataFrame  # how far: a horizon, steps, or the times themselves


class SalesForecaster(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Forecast sales behind scikit-learn's interface: in pipelines, grids and other services.

    `y` is a series of sales with a regular UTC index. `X`, where given, is a frame on the same index; its columns are
    known ahead (a promotion's budget) and learned from, and a frame without columns gives the times alone, which is
    what a search over `TimeSeriesSplit` cuts. `point` is the quantile level that `predict` gives; the other parameters
    are those of `forecast_sales`.

    >>> from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
    >>> index = pd.date_range("2026-01-01", periods=24 * 28, freq="h", tz="UTC")
    >>> sales = pd.Series(10.0 + (index.hour - 12) ** 2, index)
    >>> SalesForecaster().fit(sales).predict("1D").round(3)[[0, 12]]
    array([154.,  10.])
    >>> grid = GridSearchCV(
    ...     SalesForecaster(),
    ...     {"point": [0.5, 0.95]},
    ...     cv=TimeSeriesSplit(n_splits=2, test_size=48),
    ...     scoring="neg_mean_absolute_error",
    ... )
    >>> grid.fit(pd.DataFrame(index=index), sales).best_params_
    {'point': 0.5}
    """

    def __init__(
        self,
        *,
        point: float = 0.5,
        quantile_levels: Sequence[float] = (0.5, 0.9, 0.95, 0.99),
        holidays: Sequence[str] = (),
        timezone: str | None = None,
    ) -> None:
        self.point = point
        self.quantile_levels = quantile_levels
        self.holidays = holidays
        self.timezone = timezone

    def fit(self, X: pd.DataFrame | pd.Series, y: pd.Series | None = None) -> Self:  # noqa: N803 - scikit-learn's name
        """Take the history: `fit(sales)`, or `fit(X, sales)` with what is known ahead. Raises `DataError`."""
        sales: Any = X if y is None else y
        known: Any = None if y is None else X
        require(isinstance(sales, pd.Series), "fit: expected y as a series of sales, got {}", type(sales).__name__)
        require(0 < self.point < 1, "point: expected a quantile level in (0, 1), got {}", self.point)
        require(
            isinstance(sales.index, pd.DatetimeIndex), "fit: expected y with a UTC index, got {}", sales.index.dtype
        )
        if known is not None:
            require(isinstance(known, pd.DataFrame), "fit: expected X as a frame, got {}", type(known).__name__)
            require(known.index.equals(sales.index), "fit: expected X and y on one index")
        self.sales_: pd.Series = sales
        self.known_: pd.DataFrame | None = None if known is None or not len(known.columns) else known
        self.n_features_in_ = 0 if known is None else len(known.columns)
        return self

    def predict(self, X: Ahead) -> Array:  # noqa: N803 - scikit-learn's name
        """The quantile at `point`, one value per step of what lies ahead: a horizon ("14D", steps) or its times."""
        ahead = self.forecast(X).at(self.point)
        return np.asarray(ahead if (times := _times(X)) is None else ahead.reindex(times), dtype=np.float64)

    def forecast(self, X: Ahead) -> Forecast:  # noqa: N803 - scikit-learn's name
        """The whole forecast, with its quantiles, as far as `X` reaches. Raises `DataError`."""
        check_is_fitted(self, "sales_")
        levels = tuple(sorted({*self.quantile_levels, self.point}))
        return forecast_sales(
            self.sales_,
            horizon=self._horizon(X),
            quantile_levels=levels,
            holidays=tuple(self.holidays),
            timezone=self.timezone,
            covariates=self._covariates(X),
        )

    def _horizon(self, ahead: Ahead) -> str | timedelta:
        step = (self.sales_.index[1:] - self.sales_.index[:-1]).min().to_pytimedelta()
        times, last = _times(ahead), self.sales_.index[-1]
        if times is not None:
            require(len(times) > 0 and times[0] > last, "predict: expected times after {}, got {}", last, times[:1])
            found: timedelta = (times[-1] - last).to_pytimedelta()
            return found
        return step * ahead if isinstance(ahead, int) else ahead  # type: ignore[return-value]  # no frame, no index

    def _covariates(self, ahead: Ahead) -> pd.DataFrame | None:
        if self.known_ is None:
            return None
        if not isinstance(ahead, pd.DataFrame):
            raise DataError(f"predict: expected X with columns {list(self.known_.columns)}, got {ahead}")
        return pd.concat([self.known_, ahead])


def _times(ahead: Ahead) -> pd.DatetimeIndex | None:
    if isinstance(ahead, pd.DataFrame):
        return pd.DatetimeIndex(ahead.index)
    return ahead if isinstance(ahead, pd.DatetimeIndex) else None
