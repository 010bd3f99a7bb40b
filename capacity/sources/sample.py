"""The files of the bundled sample. Data and licence: capacity/sample/ATTRIBUTION.md."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from capacity.model.settings import UsageSettings

SAMPLE = files("capacity") / "sample"
SAMPLE_NOW = datetime(2011, 12, 9, 12, tzinfo=UTC)  # the end of its last whole hour: the sample lives at its own time


def sample_config() -> Path:
    """The configuration of the bundled sample: real hourly orders and one example workload.

    Returns
    -------
    Path
        A capacity.yaml.
    """
    return Path(str(SAMPLE / "capacity.yaml"))


def sample_usage() -> UsageSettings:
    """The usage of the sample's invented service over the last 28 days of its orders: what `load` learns from."""
    file = str(SAMPLE / "usage.csv.gz")
    return UsageSettings(source=file, time="time", cpu="cpu_cores", memory="memory_bytes", replicas="replicas")


def sample_orders() -> Path:
    """The orders of the bundled sample, per hour, of an online retailer from December 2009 to December 2011.

    Returns
    -------
    Path
        A compressed CSV with the columns `timestamp` (UK time) and `orders`.

    Examples
    --------
    >>> sample_orders().name
    'orders.csv.gz'
    """
    return Path(str(SAMPLE / "orders.csv.gz"))
