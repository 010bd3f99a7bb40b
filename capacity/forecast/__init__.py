"""History to quantile forecast: members, calibration, choice."""

from __future__ import annotations

from capacity.forecast.batch import Known as Known
from capacity.forecast.batch import forecast_batch as forecast_batch
from capacity.forecast.renewal import kinds_near as kinds_near
from capacity.forecast.renewal import renew_forecast as renew_forecast
from capacity.forecast.sales import Asked as Asked
from capacity.forecast.sales import forecast_sales as forecast_sales
from capacity.forecast.sales import sales_work as sales_work
from capacity.forecast.setting import FINE as FINE
from capacity.forecast.setting import BatchForecast as BatchForecast
from capacity.forecast.setting import Setting as Setting
from capacity.forecast.uplift import Occurrence as Occurrence
from capacity.forecast.work import together as together
