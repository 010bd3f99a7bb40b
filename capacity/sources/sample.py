"""The files of the bundled sample. Data and licence: capacity/sample/ATTRIBUTION.md."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Literal

from capacity.model.settings import UsageSettings

SAMPLE = files("capacity") / "sample"
Sample = Literal["shop", "office"]
FILES: dict[Sample, str] = {"shop": "capacity.yaml", "office": "office.yaml"}
SAMPLE_NOWS: dict[Sample, datetime] = {  # the end of its last whole hour: a sample lives at its own time
    "shop": datetime(2011, 12, 9, 12, tzinfo=UTC),
    "office": datetime(2024, 8, 22, 16, tzinfo=UTC),
}


def sample_config(name: Sample = "shop") -> Path:
    """The configuration of a bundled sample: real data and one example workload.

    Parameters
    ----------
    name : {"shop", "office"}
        The shop's hourly orders, for which a plain autoscaler is enough (the default); or a service that follows
        working hours and whose pods start slowly, for which floors from the forecast pay.

    Returns
    -------
    Path
        A capacity.yaml.

    Examples
    --------
    >>> sample_config().name, sample_config("office").name
    ('capacity.yaml', 'office.yaml')
    """
    return Path(str(SAMPLE / FILES[name]))


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
