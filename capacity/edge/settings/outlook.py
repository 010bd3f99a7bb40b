"""`calendar:` and `forecast:` - what is known about the days to come, how far to look and how sure to be."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from capacity.edge.fields import Duration
from capacity.edge.settings.block import Settings


class CalendarSettings(Settings):
    """What is known about the days to come."""

    holidays: tuple[str, ...] = Field((), description="Countries or states with public holidays: GB, GB-ENG, US-CA.")
    events: str | None = Field(None, description="CSV file: name,start,end,kind,uplift; an empty uplift is learned.")
    payday: int | None = Field(None, ge=1, le=31, description="Day of the month; on a weekend the working day before.")
    month_ends: bool = Field(False, description="Whether the last day of a month is a day of its own.")
    columns: str | None = Field(None, description="CSV: time, then columns known ahead (price, spend), one row a step.")


class ForecastSettings(Settings):
    """How far, and at which quantile levels."""

    horizon: Duration = Field(timedelta(days=14), description="How far ahead. Default 14d.")
    quantile_levels: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field((0.5, 0.9, 0.95, 0.99), min_length=1)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if list(self.quantile_levels) != sorted(set(self.quantile_levels)):
            raise ValueError(f"quantile_levels: expected ascending without repeats, got {list(self.quantile_levels)}")
        return self
