"""Audits over time."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, slots=True)
class AuditHistory:
    """Audits, oldest first: a row each, with its time, source, verdict, score, rows by result, failures and reasons.

    `broken` are the files that could not be read.
    """

    audits: pd.DataFrame
    broken: tuple[str, ...] = ()
