"""What volumes hold, from the kubelet's own figures in Prometheus: an hour a step, the highest of each hour."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import pandas as pd

from capacity.model import DataError, Workload
from capacity.model.settings.usage import PrometheusSettings
from capacity.model.volume import VolumeRules
from capacity.sources.prometheus.answers import Chunk, QueryError, Series
from capacity.sources.prometheus.client import Prometheus
from capacity.sources.prometheus.queries import text

Key = tuple[str, str]  # namespace and name of a claim
HOUR = 3600
CLAIM = "persistentvolumeclaim"
FIGURES = {
    "used": "kubelet_volume_stats_used_bytes",
    "capacity": "kubelet_volume_stats_capacity_bytes",
    "inodes_used": "kubelet_volume_stats_inodes_used",
    "inodes": "kubelet_volume_stats_inodes",
    "size": "kube_persistentvolumeclaim_resource_requests_storage_bytes",
}
NEEDED = ("used", "capacity")


def read_volumes(
    settings: PrometheusSettings, workloads: Iterable[Workload], begin: datetime, end: datetime
) -> dict[Key, pd.DataFrame]:
    """The usage of every claim that the workloads name and Prometheus knows, on a regular UTC index.

    Columns are `used` and `capacity` (bytes) and, where somebody counts them, `inodes_used`, `inodes` and `size` (bytes
    that the claim asks for); NaN for gaps. Raises `DataError` where Prometheus does not answer.
    """
    server = Prometheus(settings)
    found: dict[Key, dict[str, pd.Series]] = {}
    for namespace, claims in _claims(workloads).items():
        for figure in FIGURES:
            for name, values in _asked(server, (namespace, claims, figure), begin, end).items():
                found.setdefault((namespace, name), {})[figure] = values
    return {key: _table(columns) for key, columns in found.items() if set(NEEDED) <= set(columns)}


def question(settings: PrometheusSettings, namespace: str, claims: str, figure: str) -> str:
    """The query of one figure of the claims that a regular expression names, by claim.

    Several pods may mount a claim, and several jobs may scrape a kubelet: all say the same, so the highest is taken.
    """
    where = {**settings.matchers, "namespace": namespace}
    labels = ",".join(f"{label}={text(value)}" for label, value in where.items())
    series = f"{FIGURES[figure]}{{{labels},{CLAIM}=~{text(claims)}}}"
    return f"max by ({CLAIM}) (max_over_time({series}[1h]))"


def _claims(workloads: Iterable[Workload]) -> Mapping[str, str]:
    """By namespace, the claims that its workloads name, as one regular expression."""
    named: dict[str, list[str]] = {}
    for workload in workloads:
        for rules in workload.volumes:
            named.setdefault(workload.namespace, []).append(_pattern(rules, workload.name))
    return {namespace: "|".join(patterns) for namespace, patterns in named.items()}


def _pattern(rules: VolumeRules, workload: str) -> str:
    if rules.claim is not None:
        return re.sub(r"\.", "[.]", rules.claim)
    return re.sub(r"\.", "[.]", f"{rules.template}-{workload}") + "-[0-9]+"


def _asked(server: Prometheus, what: tuple[str, str, str], begin: datetime, end: datetime) -> dict[str, pd.Series]:
    """One figure by claim, each hour named by its start; no question asks for more points than the server gives."""
    query, most = question(server.settings, *what), server.settings.max_points
    first, last = (int(at.timestamp()) // HOUR * HOUR for at in (begin, end))
    parts: dict[str, list[pd.Series]] = {}
    for start in range(first + HOUR, last + 1, most * HOUR):
        chunk = Chunk(start, min(last, start + (most - 1) * HOUR), HOUR)
        for series in server.query_range(query, chunk):
            parts.setdefault(_name(series), []).append(_values(series, chunk))
    return {name: pd.concat(some) for name, some in parts.items()}


def _name(series: Series) -> str:
    name = series.labels.get(CLAIM)
    if name is None:
        raise QueryError(f"volumes: expected series with the label {CLAIM}, got {dict(series.labels)}")
    return name


def _values(series: Series, chunk: Chunk) -> pd.Series:
    seconds, values = series.values(chunk)
    index = pd.to_datetime(seconds - HOUR, unit="s", utc=True)
    return pd.Series(values, pd.DatetimeIndex(index)).where(lambda found: found.between(0, float("inf"), "left"))


def _table(columns: Mapping[str, pd.Series]) -> pd.DataFrame:
    table = pd.DataFrame(dict(columns)).sort_index()
    steps = pd.date_range(table.index[0], table.index[-1], freq=timedelta(hours=1))
    if table.index.has_duplicates:
        raise DataError("volumes: expected each hour of a claim once, got some twice")
    return table.reindex(steps)
