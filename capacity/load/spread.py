"""What sales leave unexplained, as quantiles that grow with the load: the model's own uncertainty."""

from __future__ import annotations

import numpy as np

from capacity.domain.arrays import Array
from capacity.stats import row_quantiles

MEDIAN = np.array([0.5])
LEVELS = np.array(
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.998, 0.999, 0.9995]
)  # closest where plans are made; between them the quantiles are interpolated


def growth_power(rest: Array, fitted: Array) -> Array:
    """The power of the load with which errors grow, 0 to 1: least squares on logarithms of (W, T), (W,)."""
    known = ~np.isnan(rest) & (fitted > 0) & (np.abs(np.nan_to_num(rest)) > 0)
    x = np.log(np.where(known, fitted, 1.0))
    y = np.log(np.where(known, np.abs(rest), 1.0))
    count = np.maximum(known.sum(axis=1), 1)
    apart = np.where(known, x - ((x * known).sum(axis=1) / count)[:, None], 0.0)
    power = (apart**2).sum(axis=1)
    slope = (apart * y * known).sum(axis=1) / np.where(power > 0, power, 1.0)
    return np.asarray(np.where(power > 1e-9 * count, np.clip(slope, 0.0, 1.0), 0.0))


def spreads(rest: Array, fitted: Array) -> tuple[Array, Array, Array]:
    """Quantiles of errors brought to the typical load: excess (W, levels), typical (W,), power (W,).

    Of n errors the quantile at level q is their order statistic at q (n + 1), as conformal prediction has it: the
    next error exceeds it with the stated chance (Vovk et al., 2005). Beyond the sample the largest one stands.
    """
    usual = row_quantiles(np.where(np.isnan(rest), np.nan, fitted), MEDIAN)[:, 0]
    typical = np.maximum(np.nan_to_num(usual), 1e-300)
    power = growth_power(rest, fitted)
    factor = (np.maximum(fitted, 0.05 * typical[:, None]) / typical[:, None]) ** power[:, None]
    scaled = rest / factor
    count = (~np.isnan(scaled)).sum(axis=1)[:, None]
    ranks = np.clip((LEVELS * (count + 1) - 1) / np.maximum(count - 1, 1), 0.0, 1.0)
    return np.nan_to_num(row_quantiles(scaled, ranks)), typical, power
