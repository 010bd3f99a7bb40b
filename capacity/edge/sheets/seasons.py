"""Seasonality as a sheet: cycles, level, growth."""

from __future__ import annotations

import dataclasses

import pandas as pd

from capacity.edge.planfile import rfc3339
from capacity.edge.screen import Sheet, clock
from capacity.levels import find_shifts
from capacity.outlook import Growth, past_growth
from capacity.seasonality import find_seasons, too_short_for


def seasons_sheet(sales: pd.Series, group: str | None, timezone: str) -> Sheet:
    """Which cycles are real and how strong, since when the level, and growth against the year before."""
    seasons, shifts, growth, short = find_seasons(sales), find_shifts(sales), past_growth(sales), too_short_for(sales)
    rows = [(season.name, season.season_length, f"{season.strength:.2f}") for season in seasons]
    footer = [] if seasons else ["no cycle stands out of the noise (strength 0.3; white noise scores 0.15 to 0.22)"]
    if short:
        footer.append(f"the history is short for a {' and a '.join(short)} cycle")
    footer += [f"level x {shift.ratio:.2f} since {clock(shift.at, timezone)}" for shift in shifts]
    footer.append(growth_line("last 28 days", growth))
    document = {
        "group": group,
        "seasons": [dataclasses.asdict(season) for season in seasons],
        "too_short_for": list(short),
        "shifts": [{"at": rfc3339(shift.at), "before": shift.before, "after": shift.after} for shift in shifts],
        "growth": {"mean": growth.mean, "peak": growth.peak, "reason": growth.reason},
    }
    title = f"Seasonality of {group or 'sales'}"
    return Sheet(title, ("cycle", "steps", "strength"), rows, document, tuple(footer))


def growth_line(what: str, growth: Growth) -> str:
    """Growth of the mean and of the peak in one line, or why it is not known."""
    if growth.mean is None or growth.peak is None:
        return f"{what} against last year: not known, {growth.reason}"
    return f"{what} against last year: mean {growth.mean:+.0%}, peak {growth.peak:+.0%}"
