"""DuckDB's SQL for the step that holds a moment. Steps of days are business days, on the business's clock."""

from __future__ import annotations

from capacity.edge.settings import SalesSettings
from capacity.edge.sql import literal

DAY, MONDAY = 86400, 345600  # seconds; weeks begin on Monday, and 1970-01-05 was one


def step_start(moment: str, settings: SalesSettings, timezone: str) -> str:
    """The start of the step that holds a moment, in seconds since 1970; a step of days is named by its date."""
    seconds = int(settings.step.total_seconds())
    if seconds < DAY:
        return f"CAST(floor(epoch({moment}) / {seconds}) * {seconds} AS BIGINT)"
    local_day = f"epoch(date_trunc('day', timezone({literal(timezone)}, {moment})))"
    return f"CAST(floor(({local_day} - {MONDAY}) / {seconds}) * {seconds} + {MONDAY} AS BIGINT)"


def on_step(moment: str, settings: SalesSettings, timezone: str) -> str:
    """Whether a moment is the start of its step: a date without a time, or one measurement."""
    seconds = int(settings.step.total_seconds())
    if seconds < DAY:
        return f"epoch({moment}) % {seconds} = 0"
    local = f"timezone({literal(timezone)}, {moment})"
    return f"date_trunc('day', {local}) = {local}"
