"""Whether Prometheus answers, and has series for the workloads. Nothing is cached."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pandas as pd

from capacity.edge.config import Config
from capacity.edge.doctor.finding import Finding, State
from capacity.edge.settings import PrometheusSettings

FIX_PROMETHEUS = "correct prometheus.url, token_file or ca_file, or start the server"
FIX_SERIES = "check name, metrics.kind, metrics.pods and prometheus.matchers"
LOOK = timedelta(hours=1)
MOST = 20  # workloads named; the rest is counted


def check_prometheus(config: Config, now: datetime) -> Iterator[Finding]:
    """One look at the last hour of every workload."""
    from capacity.edge.prometheus import read_usages

    if config.prometheus is None:
        return
    settings = config.prometheus.model_copy(update={"cache": None, "retries": 0})
    begin = now - max(LOOK, 2 * settings.step)
    found = read_usages(settings, config.measured(), begin, now, now=now)
    lacking = {key: lack for key, usage in found.items() if (lack := _lack(usage, settings))}
    for key, lack in list(lacking.items())[:MOST]:
        state: State = "fail" if isinstance(found[key], Exception) else "warn"
        yield Finding("prometheus", state, f"{'/'.join(key)}: {lack}", FIX_SERIES)
    if len(lacking) > MOST:
        yield Finding("prometheus", "fail", f"and {len(lacking) - MOST:,} more workloads lack series", FIX_SERIES)
    if len(found) > len(lacking) or not found:
        yield Finding("prometheus", "ok", f"answers; {len(found) - len(lacking)} of {len(found)} workloads have series")


def _lack(usage: pd.DataFrame | Exception, settings: PrometheusSettings) -> str:
    """What a workload has no series of in the last hour; empty where nothing is missing."""
    from capacity.edge.prometheus.answers import QuestionError

    if isinstance(usage, Exception):
        return str(usage) if isinstance(usage, QuestionError) else "no series"
    asked = ["cpu", "memory", *(["requests"] if settings.requests else [])]
    missing = " and ".join(f"{name} series" for name in asked if usage[name].isna().all())
    return f"no {missing}" if missing else ""
