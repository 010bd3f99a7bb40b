"""Reads capacity.yaml and its table of workloads, with paths relative to the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from capacity.logs import LOGGER
from capacity.model import ConfigError
from capacity.model.configuration import Config, describe
from capacity.model.settings import PrometheusSettings

FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where PyYAML was built with it: ten times as fast


class _OnceLoader(FAST):  # type: ignore[misc]  # which of two loaders is known when it runs
    """The safe loader, which refuses a mapping that has a key twice: PyYAML would take the last without a word."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """The mapping of a node."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            place = f"line {node.start_mark.line + 1}"
            raise yaml.YAMLError(f"the key {twice!r} twice in the block that begins in {place}: keep one of them")
        return super().construct_mapping(node, deep)


LOADER = _OnceLoader
FIXED = {"EST": "America/New_York", "MST": "America/Denver", "HST": "Pacific/Honolulu"}  # zones that keep winter time
MANY_CORES, LEAST_BYTES, MANY_BYTES = 64.0, 2.0**20, 2.0**43  # of one pod
MAX_BYTES = 4 * 2**20  # a configuration is a few kB; four MiB is somebody's data in the wrong place


def read_config(path: str | Path) -> Config:
    """Read and check a configuration file.

    Parameters
    ----------
    path : str or Path
        The file, capacity.yaml by convention, with at most 4 MiB. Relative paths in it are relative to its folder.

    Returns
    -------
    Config
        The checked configuration; workloads of its `workload_table` follow those of `workloads`.

    Raises
    ------
    ConfigError
        The file cannot be read, or a value is wrong: the message names the key, what was expected and what was found.

    Examples
    --------
    >>> from capacity.sources import sample_config
    >>> [workload.name for workload in read_config(sample_config()).workloads]
    ['web']
    """
    file = Path(path)
    data = _with_table(_read_yaml(file), file.parent)
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{file.name}: {describe(error)}") from error
    for doubt in doubts(config):
        LOGGER.warning("%s: %s", file.name, doubt)
    return _anchor(config, file.parent)


def doubts(config: Config) -> tuple[str, ...]:
    """What of a configuration is allowed, and seldom meant: pods of a few bytes, zones without summer time.

    >>> doubts(Config.model_validate({"timezone": "EST", "sales": {"source": "orders.csv", "time": "at"}}))
    ('timezone: expected the zone of a place, got EST, which has no summer time; is America/New_York meant?',)
    """
    found = []
    zones = {"timezone": config.timezone, "sales.timezone": config.sales.timezone if config.sales else None}
    zones |= {"usage.timezone": config.usage.timezone if config.usage else None}
    for key, zone in zones.items():
        if zone in FIXED:
            found.append(
                f"{key}: expected the zone of a place, got {zone}, which has no summer time; is {FIXED[zone]} meant?"
            )
        elif zone is not None and zone.startswith("Etc/GMT") and zone[7:8] in ("+", "-"):
            sign = "-" if zone[7] == "+" else "+"
            found.append(f"{key}: expected the zone of a place, got {zone}, which is UTC{sign}{zone[8:]} all year")
    for workload in config.workloads:
        where, replica = f"workloads: {workload.namespace}/{workload.name}", workload.replica
        if replica.cpu_request >= MANY_CORES:
            found.append(
                f"{where}: expected the cores of one pod as cpu_request, got {replica.cpu_request:g}; thousandths of a "
                "core are written with an m, such as 500m"
            )
        if not LEAST_BYTES <= replica.memory_request <= MANY_BYTES:
            found.append(
                f"{where}: expected the bytes of one pod as memory_request, got {replica.memory_request:g}; write "
                "them with a unit, such as 512Mi"
            )
    return tuple(found)


def _with_table(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The configuration with the workloads of its table among its own."""
    table = data.get("workload_table")
    if not isinstance(table, str):
        return data
    from capacity.sources.workload_table import read_workload_table

    own = data.get("workloads") or []
    return {**data, "workloads": [*own, *read_workload_table(folder / table)]} if isinstance(own, list) else data


def _read_yaml(file: Path) -> Any:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{file.name}: expected at most {MAX_BYTES} bytes, got {file.stat().st_size}")
        data = yaml.load(file.read_text(encoding="utf-8"), Loader=LOADER)  # noqa: S506 - both loaders are safe ones
    except FileNotFoundError as error:
        raise ConfigError(
            f"no configuration {file}: write one (`capacity init`, or `capacity try` with your orders), name another "
            "with -c, or use --sample where the command has it"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file.name}: expected YAML, got {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{file.name}: expected keys such as `sales:` and `workloads:`, got {type(data).__name__}")
    return data


def _anchor(config: Config, folder: Path) -> Config:
    sales, usage, calendar = config.sales, config.usage, config.calendar
    volumes = config.volume_usage
    if sales is not None:
        if isinstance(sales.source, str) and "://" not in sales.source:
            sales = sales.model_copy(update={"source": str(folder / sales.source)})
        lists = {key: tuple(rule.beside(folder) for rule in getattr(sales, key)) for key in ("select", "rules")}
        sales = sales.model_copy(update=lists)
    if usage is not None and "://" not in usage.source:
        usage = usage.model_copy(update={"source": str(folder / usage.source)})
    if volumes is not None and "://" not in volumes.source:
        volumes = volumes.model_copy(update={"source": str(folder / volumes.source)})
    monitoring = {"telemetry": config.telemetry.beside(folder), "incidents": config.incidents.beside(folder)}
    config = config.model_copy(update={"sales": sales, "usage": usage, "volume_usage": volumes, **monitoring})
    files = {key: getattr(calendar, key) for key in ("events", "columns")}
    anchored: dict[str, Any] = {key: str(folder / name) for key, name in files.items() if name is not None}
    anchored["groups"] = {
        group: own.model_copy(update={"events": str(folder / own.events)}) if own.events is not None else own
        for group, own in calendar.groups.items()
    }
    config = config.model_copy(update={"calendar": calendar.model_copy(update=anchored)})
    if config.prometheus is None:
        return config
    return config.model_copy(update={"prometheus": _anchor_prometheus(config.prometheus, folder)})


def _anchor_prometheus(settings: PrometheusSettings, folder: Path) -> PrometheusSettings:
    files = {key: getattr(settings, key) for key in ("token_file", "ca_file", "cache")}
    anchored: dict[str, Any] = {key: str(folder / name) for key, name in files.items() if name is not None}
    anchored["header_files"] = {name: str(folder / file) for name, file in settings.header_files.items()}
    return settings.model_copy(update=anchored)
