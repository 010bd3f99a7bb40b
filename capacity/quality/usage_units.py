"""In which units usage was measured: counters, other units, shares of a limit, limits in the place of usage."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import timedelta

import numpy as np
import pandas as pd

from capacity.model.arrays import Array
from capacity.quality.usual import only_adds_up, unit_change

LEAST_TOLD = 48  # steps that say in which unit values are
LEAST_COUNTED = 24  # steps that say that values are those of a counter
RESETS = 0.05  # of the steps: a process begins anew more seldom, and what adds up by the day once in 24 hours
LEAST_RATE = 0.005  # cores or requests per second that a counter adds up
MANY_CORES = 50.0  # averages over a step are no whole numbers of cores
FEW_BYTES = 2.0**22  # a workload takes more
FEW_KIB = 2.0**16  # numbers from which too few bytes are KiB: as MiB they would be 64 GiB
PERCENT = "%"
SHARES = dict.fromkeys(("percent", "percentage", "pct", "perc", "%"), (PERCENT, "percent"))
KIB, MIB, GIB = ("Ki", "KiB"), ("Mi", "MiB"), ("Gi", "GiB")  # of which 1,024 are mostly meant, also by KB and MB
SIZES = {
    **dict.fromkeys(("kb", "kib", "ki", "kilobytes"), KIB),
    **dict.fromkeys(("mb", "mib", "mi", "megabytes"), MIB),
    **dict.fromkeys(("gb", "gib", "gi", "gigabytes"), GIB),
}
MILLICORES = dict.fromkeys(
    ("m", "mcore", "mcores", "millicore", "millicores", "millis", "mcpu", "milli"), ("m", "millicores")
)
NAMED_UNITS = {  # by the words in a column's name: the unit as in `units`, and how it is called
    "cpu": {**MILLICORES, **SHARES},
    **{name: {**SIZES, **SHARES} for name in ("memory", "used", "capacity")},
}
PAIR = ("cpu", "memory")
FEW_LIMITS = 2  # different values of a column that are limits or requests of few counts of replicas
LEAST_LIMIT = {"cpu": 0.5, "memory": 2.0**26}  # smaller values may be rounded so
LEAST_PER_CORE = 24 * 2.0**20  # bytes per core of a workload of many cores: its processes take more


def unlikely_units(usage: pd.DataFrame, known: Collection[str] = ()) -> tuple[str, ...]:
    """What of measured usage cannot be in cores, bytes or requests per second, in words: counters and other units.

    Of the columns in `known` somebody has said the unit.

    >>> index = pd.date_range("2026-01-01", periods=48, freq="h", tz="UTC")
    >>> for problem in unlikely_units(pd.DataFrame({"requests": 3e4 * np.arange(48), "memory": 512.0}, index)):
    ...     print(problem)
    requests: expected a rate, got 0 to 1.41e+06 that only rises, as a counter does; export its rate
    memory: expected bytes, got at most 512, as MiB are; set units: {memory: Mi}, or {memory: '1'} if they are bytes
    """
    problems = []
    for name in ("cpu", "requests", "memory"):
        column = usage[name].dropna() if name in usage.columns else pd.Series(dtype=float)
        if len(column) >= LEAST_COUNTED and column.max() > 0:
            span = usage.index[-1] - usage.index[0]
            found = _counter(name, column, span) or _changed_unit(name, column)
            problems.append(found or (None if name in known else _other_unit(name, column.to_numpy(dtype=float))))
    return tuple(problem for problem in problems if problem is not None)


def _counter(name: str, column: pd.Series, span: timedelta) -> str | None:
    values = column.to_numpy(dtype=float)
    if name == "memory" or not _is_counter(values, span):
        return None
    rate = "rate(container_cpu_usage_seconds_total[5m])" if name == "cpu" else "rate"
    said = f"{values.min():.3g} to {values.max():.3g}"
    return f"{name}: expected a rate, got {said} that only rises, as a counter does; export its {rate}"


def _changed_unit(name: str, column: pd.Series) -> str | None:
    changed = unit_change(column.to_numpy(dtype=float))
    if changed is None:
        return None
    return (
        f"{name}: expected one unit, got values about {changed[1]:.3g} times those before from "
        f"{column.index[changed[0]]:%Y-%m-%dT%H:%MZ} on; write them alike, or leave the older ones out"
    )


def _other_unit(name: str, values: Array) -> str | None:
    """Which unit values are in that are too large for cores or too small for bytes."""
    if len(values) < LEAST_TOLD:
        return None
    if name == "cpu" and values.max() >= MANY_CORES and (values % 1 == 0).all():
        return (
            f"cpu: expected cores, got whole numbers from {values.min():.3g} to {values.max():.3g}, as millicores are; "
            "set units: {cpu: m}, or {cpu: '1'} if they are cores"
        )
    if name != "memory" or values.max() >= FEW_BYTES:
        return None
    if values.max() <= 1:
        return (
            f"memory: expected bytes, got at most {values.max():.3g}, as shares of a limit are; multiply them by it, "
            "or export bytes"
        )
    most, unit = f"{values.max():.3g}", "Ki" if values.max() >= FEW_KIB else "Mi"
    percent = ", or percent of a limit" if values.max() <= 100 else ""
    return (
        f"memory: expected bytes, got at most {most}, as {unit}B are{percent}; set units: {{memory: {unit}}}, "
        "or {memory: '1'} if they are bytes"
    )


def _is_counter(values: Array, span: timedelta) -> bool:
    """Whether values are those of a counter that adds up something worth telling."""
    rises = np.maximum(np.diff(values), 0).sum()
    return rises >= LEAST_RATE * span.total_seconds() and only_adds_up(values, span, RESETS)


def doubtful_usage(usage: pd.DataFrame) -> tuple[str, ...]:
    """What of measured usage looks like something else, in words: limits, and cores in other units.

    >>> index = pd.date_range("2026-01-01", periods=48, freq="h", tz="UTC")
    >>> doubtful_usage(pd.DataFrame({"cpu": 4.0, "memory": 5e8 + np.arange(48.0)}, index))
    ('cpu takes no other values than 4 in 48 steps, as limits and requests do',)
    """
    found = []
    sound = {name: usage[name].dropna() for name in PAIR if name in usage.columns}
    for name, column in sound.items():
        values = np.unique(column)
        if len(column) >= LEAST_TOLD and len(values) <= FEW_LIMITS and values[-1] >= LEAST_LIMIT[name]:
            listed = " and ".join(f"{value:.6g}" for value in values)
            found.append(
                f"{name} takes no other values than {listed} in {len(column)} steps, as limits and requests do"
            )
    whole = sound["cpu"].to_numpy(dtype=float) if "cpu" in sound else np.array([])
    if len(whole) >= LEAST_TOLD and (whole % 1 == 0).all() and len(np.unique(whole)) > FEW_LIMITS:
        found.append(
            f"cpu is a whole number in all {len(whole)} steps, up to {whole.max():.6g}, as counts of pods or rounded "
            "cores are: export its decimals"
        )
    if len(sound) == len(PAIR):
        both = usage[list(PAIR)].dropna()
        cores, size = (float(both[name].median()) for name in PAIR) if len(both) >= LEAST_TOLD else (0.0, 0.0)
        if cores >= MANY_CORES and 0 < size < LEAST_PER_CORE * cores:
            found.append(
                f"cpu is about {cores:.4g} beside {size / 2**20:.4g} MiB of memory, less than its processes take: are "
                "these millicores, percent, or seconds of a step"
            )
    return tuple(found)


def unit_in_name(column: str, resource: str) -> str | None:
    """What a column's name says of its values, where they are not cores or bytes, in words with the remedy.

    >>> unit_in_name("memoryWorkingSetMiB", "memory")
    "expected bytes, got a column in MiB by its name; set units: {memory: Mi}, or {memory: '1'} if they are bytes"
    >>> unit_in_name("cpu_cores", "cpu")
    """
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+|%", re.sub(r"(?<![A-Z])([KMGT]i?B)\b", r"_\1", column))
    named = [word.lower() for word in words]
    base = "cores" if resource == "cpu" else "bytes"
    if resource == "cpu" and named[-2:] == ["seconds", "total"]:
        return f"expected cores, got a counter by its name; export rate({column}[5m])"
    units = NAMED_UNITS.get(resource, {})
    unit, spoken = next((units[word] for word in reversed(named) if word in units), (None, ""))
    if unit is None:
        return None
    if unit == PERCENT:
        return (
            f"expected {base}, got a column in percent by its name; multiply it by what is 100 %, or set units: "
            f"{{{resource}: '1'}} if they are {base}"
        )
    return (
        f"expected {base}, got a column in {spoken} by its name; set units: {{{resource}: {unit}}}, or {{{resource}: "
        f"'1'}} if they are {base}"
    )
