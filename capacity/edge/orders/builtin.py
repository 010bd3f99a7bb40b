"""The rules that every source is judged by, whatever its settings; and which numbers of seconds are a time at all."""

from __future__ import annotations

READABLE = "readable_row"  # the CSV reader could not split the line into the file's columns
GROUP = "readable_group"  # the group column is empty: the row would be in no series
TIME = "readable_time"  # the time column is empty, or not a time in the given format
VALUE = "readable_value"  # the value column is empty, not a number, or not finite
NOT_NEGATIVE = "value_not_negative"  # a negative amount cancels demand that was served: it is not demand
PLAUSIBLE = "plausible_time"  # the time is ahead of the clock, or years or far away from that of all other rows
BUILT_IN = (READABLE, TIME, PLAUSIBLE, VALUE, NOT_NEGATIVE, GROUP)
EPOCHS = {"epoch": 1, "epoch_ms": 10**3, "epoch_us": 10**6, "epoch_ns": 10**9}  # time_format: parts of a second
OLDEST, NEWEST = -2208988800, 7258118400  # 1900 and 2200: milliseconds read as seconds are no time at all
