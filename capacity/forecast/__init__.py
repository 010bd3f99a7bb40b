"""History to quantile forecast: members, calibration, choice."""

from capacity.forecast.batch import Known as Known
from capacity.forecast.batch import forecast_batch as forecast_batch
from capacity.forecast.renewal import kinds_near as kinds_near
from capacity.forecast.renewal import renew_forecast as renew_forecast
from capacity.forecast.sales import duration_of as duration_of
from capacity.forecast.sales import forecast_as_asked as forecast_as_asked
from capacity.forecast.sales import forecast_many as forecast_many
from capacity.forecast.sales import forecast_sales as forecast_sales
from capacity.forecast.series import Prepared as Prepared
from capacity.forecast.series import finish as finish
from capacity.forecast.series import prepare as prepare
from capacity.forecast.series import steps_ahead as steps_ahead
from capacity.forecast.series import window_steps as window_steps
from capacity.forecast.setting import FINE as FINE
from capacity.forecast.setting import BatchForecast as BatchForecast
from capacity.forecast.setting import Setting as Setting
from capacity.forecast.uplift import Occurrence as Occurrence
from capacity.forecast.wallclock import clock_of as clock_of
from capacity.forecast.wallclock import regular_step as regular_step
