"""Reads what volumes hold, from files or from Prometheus, as one table per claim."""

from __future__ import annotations

from datetime import datetime

import pandas as pd

from capacity.model import ConfigError
from capacity.model.configuration import Config
from capacity.sources.usage import ended_steps, read_measurements

Key = tuple[str, str]  # namespace and name of a claim


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
        from capacity.sources.prometheus.volumes import read_volumes

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
