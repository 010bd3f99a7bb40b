"""From a history to a calibrated quantile forecast.

`forecast_sales` forecasts one series, `forecast_many` many, each in two phases: `prepare` lays it on the wall clock and
takes out what is known to move it, the steady rests are forecast in a batch, `finish` puts back what was taken out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from capacity.forecast.backtest import Backtest as Backtest
from capacity.forecast.backtest import backtest_sales as backtest_sales
from capacity.forecast.batch import Known as Known
from capacity.forecast.batch import forecast_batch as forecast_batch
from capacity.forecast.gaps import steps_ahead as steps_ahead
from capacity.forecast.sales import forecast_as_asked as forecast_as_asked
from capacity.forecast.sales import forecast_many as forecast_many
from capacity.forecast.sales import forecast_sales as forecast_sales
from capacity.forecast.series import Prepared as Prepared
from capacity.forecast.series import finish as finish
from capacity.forecast.series import prepare as prepare
from capacity.forecast.series import window_steps as window_steps
from capacity.forecast.settings import FINE as FINE
from capacity.forecast.settings import BatchForecast as BatchForecast
from capacity.forecast.settings import Setting as Setting
from capacity.forecast.totals import forecast_total as forecast_total
from capacity.forecast.uplift import Occurrence as Occurrence
from capacity.forecast.wallclock import clock_of as clock_of
from capacity.forecast.wallclock import regular_step as regular_step

if TYPE_CHECKING:
    from capacity.forecast.estimator import SalesForecaster as SalesForecaster


def __getattr__(name: str) -> Any:
    """`SalesForecaster` is loaded when it is asked for: scikit-learn takes a second and 70 MiB."""
    if name != "SalesForecaster":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from capacity.forecast.estimator import SalesForecaster

    return SalesForecaster
