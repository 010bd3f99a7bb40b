"""From a series of sales: its steps, seasons, levels, growth, calendar, and what would happen if.

Names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from capacity.lazy import load_lazily

if TYPE_CHECKING:
    from capacity.series.breakdown import break_down_sales as break_down_sales
    from capacity.series.breakdown import decompose_sales as decompose_sales
    from capacity.series.calendar import bridge_days as bridge_days
    from capacity.series.calendar import covered as covered
    from capacity.series.calendar import days_around as days_around
    from capacity.series.calendar import holiday_events as holiday_events
    from capacity.series.calendar import month_ends as month_ends
    from capacity.series.calendar import overlapping as overlapping
    from capacity.series.calendar import paydays as paydays
    from capacity.series.frames import as_sales as as_sales
    from capacity.series.frames import countries as countries
    from capacity.series.frames import duration_of as duration_of
    from capacity.series.growth import ComingGrowth as ComingGrowth
    from capacity.series.growth import Growth as Growth
    from capacity.series.growth import coming_growth as coming_growth
    from capacity.series.growth import coming_peak as coming_peak
    from capacity.series.growth import past_growth as past_growth
    from capacity.series.levels import Shift as Shift
    from capacity.series.levels import find_shifts as find_shifts
    from capacity.series.scenarios import events_if as events_if
    from capacity.series.scenarios import forecast_if as forecast_if
    from capacity.series.scenarios import workloads_if as workloads_if
    from capacity.series.seasons import Season as Season
    from capacity.series.seasons import calendar_seasons as calendar_seasons
    from capacity.series.seasons import find_seasons as find_seasons
    from capacity.series.seasons import real_seasons as real_seasons
    from capacity.series.seasons import too_short_for as too_short_for
    from capacity.series.seasons import unproven as unproven
    from capacity.series.seasons import unproven_of as unproven_of
    from capacity.series.steps import evened as evened
    from capacity.series.steps import months_apart as months_apart
    from capacity.series.steps import rolling_median as rolling_median

HOMES = {
    "capacity.series.breakdown": ("break_down_sales", "decompose_sales"),
    "capacity.series.calendar": (
        "bridge_days",
        "covered",
        "days_around",
        "holiday_events",
        "month_ends",
        "overlapping",
        "paydays",
    ),
    "capacity.series.frames": ("as_sales", "countries", "duration_of"),
    "capacity.series.growth": ("ComingGrowth", "Growth", "coming_growth", "coming_peak", "past_growth"),
    "capacity.series.levels": ("Shift", "find_shifts"),
    "capacity.series.scenarios": ("events_if", "forecast_if", "workloads_if"),
    "capacity.series.seasons": (
        "Season",
        "calendar_seasons",
        "find_seasons",
        "real_seasons",
        "too_short_for",
        "unproven",
        "unproven_of",
    ),
    "capacity.series.steps": ("evened", "months_apart", "rolling_median"),
}
__all__, __getattr__, __dir__ = load_lazily(__name__, HOMES)
