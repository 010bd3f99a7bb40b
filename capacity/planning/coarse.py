"""Rows that lie further apart than the steps they are counted in: a day's or a month's sales taken for an hour's."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.model import DataError

FEWEST = 4  # rows whose distances say something
MONTH = timedelta(days=28)  # the shortest
UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1)))


def refuse_coarse_rows(history: pd.Series) -> None:
    """Raise `DataError` where no two rows are a step apart: each is then the total of a longer time.

    >>> days = pd.date_range("2026-01-05", periods=9, freq="D", tz="UTC")
    >>> refuse_coarse_rows(pd.Series(1.0, days).asfreq("h"))
    Traceback (most recent call last):
    capacity.model.errors.DataError: sales: expected a row in each step of 1h, got rows 1d apart: set sales.step: 1d
    """
    index = pd.DatetimeIndex(history.index)
    rows = index.asi8[history.notna().to_numpy()]
    if len(rows) < FEWEST:
        return
    step, apart = index[1] - index[0], np.diff(rows)
    if apart.min() < 2 * (index.asi8[1] - index.asi8[0]):
        return
    usual = pd.Timedelta(np.median(apart), unit=index.unit).to_pytimedelta()
    if usual >= MONTH:
        raise DataError(
            f"sales: plans are made on hours or days, got rows {_spoken(usual)} apart: give orders by hour or day "
            "(`forecast_sales` forecasts months)"
        )
    raise DataError(
        f"sales: expected a row in each step of {_spoken(step.to_pytimedelta())}, got rows {_spoken(usual)} apart: "
        f"set sales.step: {_spoken(usual)}"
    )


def _spoken(span: timedelta) -> str:
    """A duration as settings have it.

    >>> _spoken(timedelta(hours=1)), _spoken(timedelta(days=30))
    ('1h', '30d')
    """
    return next((f"{span / unit:g}{name}" for name, unit in UNITS if span % unit == timedelta(0)), f"{span}")
