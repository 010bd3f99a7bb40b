"""The counting of orders as one SELECT for the database that holds them: one row per step, never one per order.

What a good row is, is said here a second time in another SQL; the tests hold it against DuckDB's own verdict on the
same rows.
"""

from __future__ import annotations

from collections.abc import Callable

from capacity.edge.orders.pushdown.buckets import Buckets as Buckets
from capacity.edge.orders.pushdown.postgresql import postgresql
from capacity.edge.orders.pushdown.sqlite import sqlite
from capacity.edge.settings import SalesSettings

STATEMENTS: dict[str, Callable[[SalesSettings, str, dict[str, str]], Buckets | None]] = {
    "postgresql": postgresql,
    "sqlite": sqlite,
}
