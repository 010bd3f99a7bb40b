"""PostgreSQL counts whole steps, on the business's clock."""

from __future__ import annotations

from capacity.edge.orders.builtin import EPOCHS, NEWEST, OLDEST
from capacity.edge.orders.pushdown.buckets import SPLIT, Buckets, Casts, Judged, column, source_rows
from capacity.edge.orders.steps import DAY, MONDAY
from capacity.edge.settings import SalesSettings
from capacity.edge.sql import literal

NUMBERS = {"smallint", "integer", "bigint", "numeric", "real", "double precision"}
CASTS = Casts("CAST({} AS double precision)", "CAST({} AS text)")
FINITE = "amount NOT IN ('NaN', 'Infinity', '-Infinity')"
COUNTED = (
    f"SELECT CAST(start_at AS BIGINT) AS step_start, grp, {SPLIT} AS failed, value, row_count, "
    "to_timestamp(first_at) AS first, to_timestamp(last_at) AS last, exact AS on_step FROM buckets"
)


def postgresql(settings: SalesSettings, timezone: str, columns: dict[str, str]) -> Buckets | None:
    """The statement for columns of these types; None where times or amounts are text."""
    moment, amount = _moment(settings, timezone, columns), settings.value.sum
    if moment is None or (amount is not None and columns[amount] not in NUMBERS):
        return None
    start, exact = _step(settings, timezone)
    judged = Judged(source_rows(settings, moment, CASTS), start, exact, "extract(epoch FROM moment)", FINITE)
    return Buckets(judged.counted(settings), COUNTED)


def _step(settings: SalesSettings, timezone: str) -> tuple[str, str]:
    """The start of a moment's step, and whether the moment is that start."""
    seconds = int(settings.step.total_seconds())
    if seconds < DAY:
        since = "extract(epoch FROM moment)"
        return f"floor({since} / {seconds}) * {seconds}", f"mod({since}, {seconds}) = 0"
    local = f"(moment AT TIME ZONE {literal(timezone)})"
    day = f"extract(epoch FROM date_trunc('day', {local}))"
    return f"floor(({day} - {MONDAY}) / {seconds}) * {seconds} + {MONDAY}", f"date_trunc('day', {local}) = {local}"


def _moment(settings: SalesSettings, timezone: str, columns: dict[str, str]) -> str | None:
    name, kind = column(settings.time), columns[settings.time]
    if kind == "timestamp with time zone":
        return f"CASE WHEN isfinite({name}) THEN {name} END"
    if kind in ("timestamp without time zone", "date"):
        local = f"CAST({name} AS timestamp) AT TIME ZONE {literal(settings.timezone or timezone)}"
        return f"CASE WHEN isfinite({name}) THEN {local} END"
    if settings.time_format in EPOCHS and kind in NUMBERS:
        since = f"CAST({name} AS double precision) / {EPOCHS[settings.time_format]}"
        return f"CASE WHEN {since} BETWEEN {OLDEST} AND {NEWEST} THEN to_timestamp({since}) END"
    return None
