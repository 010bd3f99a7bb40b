"""Orders, wherever they lie: rows in DuckDB or in a database, judged and counted, and their audits over time."""

from __future__ import annotations
