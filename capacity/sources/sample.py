"""The bundled sample: where its files lie. Data and licence: capacity/sample/ATTRIBUTION.md."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

SAMPLE = files("capacity") / "sample"


def sample_config() -> Path:
    """The configuration of the bundled sample: real hourly orders and one example workload."""
    return Path(str(SAMPLE / "capacity.yaml"))


def sample_orders() -> Path:
    """The bundled sample: orders per hour of an online retailer, CSV with `timestamp` (UK time) and `orders`.

    >>> sample_orders().name
    'orders.csv.gz'
    """
    return Path(str(SAMPLE / "orders.csv.gz"))
