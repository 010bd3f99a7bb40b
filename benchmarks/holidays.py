"""Held-out holidays: a day ahead, with and without knowing the calendar; and ordinary days, which must not change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from benchmarks.datasets import SKIPPED, find
from capacity.forecast import forecast_sales
from capacity.series.calendar import holiday_events
from capacity.stats import pinball

LEVELS = (0.5, 0.95)
DAY = timedelta(days=1)
ORDINARY = 17  # days apart, of ordinary days that are judged too: every weekday comes by


@dataclass(frozen=True, slots=True)
class Business:
    """One series with a calendar: `first` is the first day that is judged, after some holidays have been seen."""

    path: str
    column: str
    zone: str
    codes: tuple[str, ...]
    first: str
    drop: int = 0  # last steps that are only partly filled

    def read(self, file: Path) -> pd.Series:
        """Hourly values in UTC; the file is on the local clock."""
        frame = pd.read_csv(file)
        local = pd.DatetimeIndex(pd.to_datetime(frame.iloc[:, 0])).tz_localize(
            ZoneInfo(self.zone), ambiguous="NaT", nonexistent="NaT"
        )
        values = pd.Series(frame[self.column].to_numpy(dtype=float), local)[local.notna()].tz_convert("UTC")
        hourly = values.resample("1h").sum(min_count=1)
        return hourly.iloc[: len(hourly) - self.drop]


BUSINESSES = {
    "retail": Business(
        "online_retail/hourly_sales.csv.gz", "orders", "Europe/London", ("GB-ENG",), "2010-12-20", drop=12
    ),
    "bikes": Business("bike_sharing/hourly_rentals.csv.gz", "users", "America/New_York", ("US-DC",), "2011-11-01"),
    "taxi": Business("nab/realKnownCause/nyc_taxi.csv", "value", "America/New_York", ("US-NY",), "2014-10-01"),
}


def days_of(business: Business, series: pd.Series) -> tuple[list[pd.Timestamp], list[pd.Timestamp]]:
    """The local midnights of judged holidays, and of ordinary days in between."""
    zone = ZoneInfo(business.zone)
    first, last = pd.Timestamp(business.first, tz=zone), series.index[-1].tz_convert(zone) - DAY
    known = holiday_events(business.codes, first.to_pydatetime(), last.to_pydatetime(), business.zone)
    holidays = [pd.Timestamp(event.start) for event in known]
    near = {(day + shift * DAY).date() for day in holidays for shift in range(-2, 3)}
    ordinary = pd.date_range(first, last, freq=ORDINARY * DAY)
    return holidays, [day for day in ordinary if day.date() not in near]


def losses(series: pd.Series, business: Business, day: pd.Timestamp, codes: Sequence[str]) -> list[float]:
    """Mean pinball loss at each level over one day that was forecast at its midnight, over the mean of the series."""
    origin = day.tz_convert("UTC")
    known, actual = series[: origin - pd.Timedelta("1h")], series[origin : origin + pd.Timedelta("23h")]
    forecast = forecast_sales(known, horizon=DAY, quantile_levels=LEVELS, holidays=codes, timezone=business.zone)
    mean = float(known.mean())
    return [
        float(np.nanmean(pinball(actual.to_numpy(), forecast.at(level).reindex(actual.index).to_numpy(), level))) / mean
        for level in LEVELS
    ]


def measure(business: Business, series: pd.Series, every: int = 1) -> dict[str, float]:
    """Mean losses on holidays and on ordinary days, with and without the calendar."""
    holidays, ordinary = days_of(business, series)
    answer: dict[str, float] = {"days": len(holidays[::every])}
    for kind, days in (("", holidays[::every]), ("ordinary_", ordinary[::every])):
        for name, codes in (("with", business.codes), ("without", ())):
            rows = np.array([losses(series, business, day, codes) for day in days])
            for place, level in enumerate(LEVELS):
                answer[f"{kind}{name}_pinball{100 * level:.0f}"] = round(float(rows[:, place].mean()), 5)
    return answer


def run(data: Path, quick: bool = False) -> dict[str, Any]:
    """Every business that is there; `quick` takes each third day."""
    answer: dict[str, Any] = {}
    for name, business in BUSINESSES.items():
        file = find(data, business.path, f"holidays {name}")
        answer[name] = SKIPPED if file is None else measure(business, business.read(file), 3 if quick else 1)
    return answer
