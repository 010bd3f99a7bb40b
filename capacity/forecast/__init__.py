"""History to quantile forecast: members, calibration, choice."""

from capacity.forecast.batch import forecast_batch as forecast_batch
from capacity.forecast.setting import BatchForecast as BatchForecast
from capacity.forecast.setting import Setting as Setting
