"""Reads what volumes hold, from files or from the kubelet's own figures in Prometheus, as one table per claim."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import pandas as pd

from capacity.model import ConfigError, DataError, Workload
from capacity.model.configuration import Config
from capacity.model.settings.usage import PrometheusSettings
from capacity.model.volume import VolumeRules
from capacity.sources.prometheus.answers import Chunk, QueryError, Series
from capacity.sources.prometheus.client import Prometheus
from capacity.sources.prometheus.queries import text
from capacity.sources.usage import ended_steps, read_measurements

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


def volumes_of(config: Config, now: datetime, *, past: bool = False) -> dict[Key, pd.DataFrame]:
    """Usage of the claims that the workloads name, up to `now`: from `volume_usage:`, else from Prometheus.

    Each table has a regular UTC index and the columns `used` and `capacity` in bytes, and where known `inodes_used`,
    `inodes` and `size`; NaN for gaps. `past`: what came after `now` is left out. Raises `DataError` where the usage
    cannot be read: absent is not zero.
    """
    named = [workload for workload in config.workloads if workload.volumes]
    if not named:
        return {}
    if config.volume_usage is None:
        if config.prometheus is None:
            raise ConfigError("volumes: expected volume_usage or prometheus in the configuration, got neither")
        return read_volumes(config.prometheus, named, now - config.prometheus.history, now)
    tables = _by_claim(read_measurements(config.volume_usage), config)
    return {key: ended_steps(table, now) for key, table in tables.items()} if past else tables


def _by_claim(tables: dict[str, pd.DataFrame], config: Config) -> dict[Key, pd.DataFrame]:
    """Tables by namespace and claim; a bare name is enough where only one namespace has such a claim."""
    found: dict[Key, pd.DataFrame] = {}
    namespaces = sorted({one.namespace for one in config.workloads})
    for called, table in tables.items():
        namespace, _, claim = called.rpartition("/")
        for one in [namespace] if namespace else namespaces:
            if _is_named(config, one, claim) and (namespace or _only_in(config, claim) == one):
                found[one, claim] = table
    return found


def _is_named(config: Config, namespace: str, claim: str) -> bool:
    mine = (one for one in config.workloads if one.namespace == namespace)
    return any(rules.matches(claim, one.name) for one in mine for rules in one.volumes)


def _only_in(config: Config, claim: str) -> str | None:
    """The only namespace that names a claim of this name; None where several do."""
    found = {one.namespace for one in config.workloads if _is_named(config, one.namespace, claim)}
    return found.pop() if len(found) == 1 else None


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
