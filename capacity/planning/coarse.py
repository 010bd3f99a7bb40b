"""Rows that lie further apart than the steps they are counted in: a day's or a month's sales taken for an hour's."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.model import DataError, Forecast
from capacity.planning.pipeline import Histories

FEWEST = 4  # rows whose distances say something
MONTH = timedelta(days=28)  # the shortest
UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1)))


def coarse_groups(histories: Histories) -> dict[str | None, Forecast | DataError]:
    """Of each group whose rows are further apart than its steps, why it cannot be planned from."""
    found: dict[str | None, Forecast | DataError] = {}
    for group, history in histories.items():
        try:
            refuse_coarse_rows(history)
        except DataError as error:
            found[group] = error
    return found


def refuse_coarse_rows(history: pd.Series) -> None:
    """Raise `DataError` where no two rows are a step apart: each is then the total of a longer time.

    >>> days = pd.date_range("2026-01-05", periods=9, freq="D", tz="UTC")
    >>> refuse_coarse_rows(pd.Series(1.0, days).asfreq("h"))
    Traceback (most recent call last):
    capacity.model.errors.DataError: sales: expected a row in each step of 1h, got rows 1d apart: set sales.step: 1d
    """
    rows = history.index[history.notna().to_numpy()]
    if len(rows) < FEWEST:
        return
    step, apart = (history.index[1] - history.index[0]).to_pytimedelta(), np.diff(rows)
    if apart.min() < 2 * np.timedelta64(step):
        return
    usual = pd.Timedelta(np.median(apart)).to_pytimedelta()
    if usual >= MONTH:
        raise DataError(
            f"sales: plans are made on hours or days, got rows {_spoken(usual)} apart: give orders by hour or day "
            "(`forecast_sales` forecasts months)"
        )
    raise DataError(
        f"sales: expected a row in each step of {_spoken(step)}, got rows {_spoken(usual)} apart: "
        f"set sales.step: {_spoken(usual)}"
    )


def _spoken(span: timedelta) -> str:
    """A duration as settings have it.

    >>> _spoken(timedelta(hours=1)), _spoken(timedelta(days=30))
    ('1h', '30d')
    """
    return next((f"{span / unit:g}{name}" for name, unit in UNITS if span % unit == timedelta(0)), f"{span}")
