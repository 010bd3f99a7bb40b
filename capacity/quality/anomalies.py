"""Steps that are not what the forecast made before them says: the audit's own use of a forecast's interval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from capacity.model import Forecast, require
from capacity.model.data_quality import Finding, Severity


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One step whose value lies outside the interval that was forecast for it."""

    start: datetime
    actual: float
    low: float
    high: float


def find_anomalies(actual: pd.Series, forecast: Forecast) -> tuple[Anomaly, ...]:
    """The steps whose value lies outside the forecast's lowest and highest quantile; gaps are no anomalies.

    `actual` has the forecast's steps (or more); the forecast must have been made before them, with two levels or more.
    """
    require(len(forecast.quantiles.columns) >= 2, "anomalies: expected a forecast with at least two quantile levels")
    low, high = forecast.quantiles.iloc[:, 0], forecast.quantiles.iloc[:, -1]
    came = actual.reindex(forecast.quantiles.index)
    outside = came.index[(came < low) | (came > high)]
    return tuple(
        Anomaly(pd.Timestamp(at).to_pydatetime(), float(came[at]), float(low[at]), float(high[at])) for at in outside
    )


def anomaly_finding(name: str, found: tuple[Anomaly, ...], steps: int, severity: Severity) -> Finding | None:
    """The finding that more steps lie outside than the interval leaves to chance; None where they do not.

    `steps` were looked at; one step in ten, and at least two, may lie outside: the interval itself is an estimate.
    """
    if len(found) <= max(1, steps // 10):
        return None
    worst = max(found, key=lambda one: max(one.low - one.actual, one.actual - one.high))
    said = (
        f"{name}: {len(found)} of {steps} steps lie outside their forecast; at {worst.start:%Y-%m-%d %H:%M}Z "
        f"expected {worst.low:.4g} to {worst.high:.4g}, got {worst.actual:.4g}"
    )
    return Finding(name, severity, said)
