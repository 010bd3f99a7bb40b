"""Sales as people hold them in pandas, made what everything else takes: one value per step, indexed in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

import numpy as np
import pandas as pd

from capacity.model import DataError, require

DAY = pd.Timedelta(days=1)
MONTH = pd.Timedelta(days=28)  # the shortest: month starts are instants, not dates
SHOWN = 12  # columns that an error names


def as_sales(
    data: pd.Series | pd.DataFrame, *, time: str | None = None, value: str | None = None, timezone: str | None = None
) -> pd.Series:
    """One value per step, indexed in UTC by the start of the step, from a series or frame with times in any zone.

    A step of days is named by its date. The zone of the times is noted as the business's clock, unless `timezone` is
    given. What has these steps already is returned as it is.

    Parameters
    ----------
    data : Series or DataFrame
        One row per step: indexed by times, or with a column of them.
    time : str or None
        The column with the times. Default: the index, else the only column of times.
    value : str or None
        The column with the sales. Default: the values of a series, or the only column of numbers.
    timezone : str or None
        The zone of times that have none, and the business's clock. Default: the zone of the times, else UTC.

    Returns
    -------
    Series
        Named `sales`, with `attrs["timezone"]`.

    Raises
    ------
    DataError
        There is no time or no amount, or it is not clear which column is meant.

    Examples
    --------
    >>> days = pd.DataFrame({"day": pd.date_range("2026-01-01", periods=3), "orders": [4, 5, 6]})
    >>> as_sales(days).index[0], as_sales(days).tolist()
    (Timestamp('2026-01-01 00:00:00+0000', tz='UTC'), [4, 5, 6])
    """
    if isinstance(data, pd.Series) and _is_ready(data, timezone):
        return _plain(data)
    times, values = _columns(data, time, value)
    index, zone = _in_utc(times, timezone)
    known = pd.Series(_plain(values).to_numpy(), index, name="sales")
    known = known[known.index.notna()].sort_index()
    twice = known.index[known.index.duplicated()]
    require(
        not len(twice),
        "sales: expected one row for each step, got {} twice: read_sales(data, time=...) counts single orders",
        twice[0] if len(twice) else "",
    )
    known.attrs = {**data.attrs, "timezone": zone}
    return known


def zone_of(index: pd.DatetimeIndex) -> str | None:
    """The IANA name of the zone of times; None of times without one, and of a mere offset.

    >>> zone_of(pd.date_range("2026-01-01", periods=2, tz="America/New_York"))
    'America/New_York'
    """
    name = str(index.tz)
    return name if index.tz is not None and name in available_timezones() else None


def _is_ready(data: pd.Series, timezone: str | None) -> bool:
    index = data.index
    return isinstance(index, pd.DatetimeIndex) and str(index.tz) == "UTC" and timezone in (None, _noted(data))


def _plain(values: pd.Series) -> pd.Series:
    """Numbers of a nullable kind as floats: what is absent is NaN."""
    nullable = pd.api.types.is_extension_array_dtype(values.dtype) and pd.api.types.is_numeric_dtype(values.dtype)
    if not nullable:
        return values
    made = pd.Series(values.to_numpy(dtype=float, na_value=np.nan), values.index, name=values.name)
    made.attrs = values.attrs
    return made


def _noted(data: pd.Series) -> str:
    return str(data.attrs.get("timezone", "UTC"))


def _columns(data: pd.Series | pd.DataFrame, time: str | None, value: str | None) -> tuple[Any, pd.Series]:
    """The times and the values."""
    if isinstance(data, pd.Series):
        return data.index, data
    if not isinstance(data, pd.DataFrame):
        raise DataError(f"sales: expected a Series or a DataFrame, got {type(data).__name__}")
    place = time_column(data, time)
    times: Any = data.index if place is None else data[place]
    return times, data[amount_column(data, value, place)]


def time_column(data: pd.DataFrame, time: str | None) -> str | None:
    """The column of a frame with the times; None for its index. Raises `DataError` where that is not clear."""
    if time is not None:
        if time == data.index.name:
            return None
        require(time in data.columns, "time: no column {!r}; the columns are {}", time, _listed(data))
        return time
    if isinstance(data.index, pd.DatetimeIndex | pd.PeriodIndex):
        return None
    found = [str(name) for name, kind in data.dtypes.items() if pd.api.types.is_datetime64_any_dtype(kind)]
    require(len(found) > 0, "time: expected a column or an index of times, got {}; give time=...", _listed(data))
    require(len(found) == 1, "time: expected one column of times, got {}; give time=...", ", ".join(found))
    return found[0]


def amount_column(data: pd.DataFrame, value: str | None, time: str | None) -> str:
    """The column of a frame with the amounts. Raises `DataError` where that is not clear."""
    if value is not None:
        require(value in data.columns, "value: no column {!r}; the columns are {}", value, _listed(data))
        return value
    found = [
        str(name)
        for name, kind in data.dtypes.items()
        if name != time and pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)
    ]
    require(
        len(found) == 1, "value: expected one column of numbers, got {}; give value=...", ", ".join(found) or "none"
    )
    return found[0]


def _listed(data: pd.DataFrame) -> str:
    names = [str(name) for name in data.columns]
    return ", ".join(names[:SHOWN]) + (" and more" if len(names) > SHOWN else "")


def _in_utc(times: Any, timezone: str | None) -> tuple[pd.DatetimeIndex, str]:
    """The starts of steps in UTC, and the business's clock; days and weeks are named by their local date."""
    index = _as_times(times)
    zone = timezone or zone_of(index) or "UTC"
    if zone not in available_timezones():
        raise DataError(f"timezone: expected a name such as Europe/Berlin, got {zone!r}")
    local = index if index.tz is None else index.tz_convert(zone).tz_localize(None)
    if _are_dates(local):
        return local.tz_localize("UTC"), zone
    return (_localized(index, zone) if index.tz is None else index).tz_convert("UTC"), zone


def _localized(index: pd.DatetimeIndex, zone: str) -> pd.DatetimeIndex:
    """Times without a zone as those of a clock. An hour that occurs twice is told by its order, once it is the first.

    Raises `DataError` for times that the clock skips.
    """
    try:
        return index.tz_localize(zone, ambiguous="infer")
    except ValueError:
        made = index.tz_localize(zone, ambiguous=np.ones(len(index), bool), nonexistent="NaT")
    skipped = index[made.isna()].dropna()
    wanted = "time: expected times of {}, got {}, which its clocks skip; give the zone in which the times were written"
    require(not len(skipped), wanted, zone, skipped[0] if len(skipped) else "")
    return made


def _are_dates(local: pd.DatetimeIndex) -> bool:
    """Whether all times are midnights, a day or more but less than a month apart."""
    known = local.dropna()
    if len(known) < 2 or bool((known != known.normalize()).any()):
        return False
    apart = np.diff(known.sort_values().unique().to_numpy())
    return len(apart) > 0 and DAY <= pd.Timedelta(apart.min()) < MONTH


def _as_times(times: Any) -> pd.DatetimeIndex:
    if isinstance(times, pd.PeriodIndex):
        return times.to_timestamp()
    if isinstance(times, pd.Series) and isinstance(times.dtype, pd.PeriodDtype):
        return pd.DatetimeIndex(times.dt.to_timestamp())
    kind: Any = getattr(times, "dtype", object)
    if pd.api.types.is_numeric_dtype(kind):
        raise DataError(f"time: expected times, got numbers ({kind}): give time=..., or index the series by time")
    try:
        text = pd.api.types.is_object_dtype(kind) or pd.api.types.is_string_dtype(kind)
        return pd.DatetimeIndex(pd.to_datetime(times, format="ISO8601" if text else None))
    except (ValueError, TypeError) as error:
        raise DataError(
            f"time: expected times or text such as 2026-11-27 18:00, got {next(iter(times), None)!r}: read_sales reads "
            "other forms"
        ) from error


def steps_of(horizon: str | timedelta | int, step: timedelta) -> timedelta:
    """A horizon as a duration: a number is a number of steps.

    >>> steps_of(168, timedelta(hours=1))
    datetime.timedelta(days=7)
    """
    if not isinstance(horizon, int):
        return duration_of(horizon)
    try:
        return horizon * step
    except OverflowError as error:
        raise DataError(
            f"horizon: expected a number of steps of {step} that a calendar holds, got {horizon}"
        ) from error


def duration_of(horizon: str | timedelta) -> timedelta:
    """A horizon as people write it ("14d", "36h", "1h30min") as a duration. Raises `DataError`.

    >>> duration_of("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    expected = "expected a duration such as '14d', or a whole number of steps"
    bare = horizon.strip().replace(".", "").isdigit() if isinstance(horizon, str) else isinstance(horizon, float)
    require(not bare, "horizon: {}, got {!r}", expected, horizon)
    try:
        length = pd.Timedelta(_pandas_units(horizon))
    except (ValueError, TypeError) as error:
        raise DataError(f"horizon: {expected}, got {horizon!r}") from error
    require(not pd.isna(length), "horizon: {}, got {!r}", expected, horizon)
    answer: timedelta = length.to_pytimedelta()
    return answer


def _pandas_units(horizon: str | timedelta) -> str | timedelta:
    """The text with units as every pandas reads them: hours and minutes small, days and weeks large."""
    return horizon.lower().replace("d", "D").replace("w", "W") if isinstance(horizon, str) else horizon


def countries(holidays: str | Sequence[str]) -> tuple[str, ...]:
    """Countries and states whose holidays count, one as a text or several.

    >>> countries("GB-ENG"), countries(["GB-ENG", "US"])
    (('GB-ENG',), ('GB-ENG', 'US'))
    """
    return tuple(holidays.replace(",", " ").split()) if isinstance(holidays, str) else tuple(holidays)
