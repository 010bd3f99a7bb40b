"""Growth and the time of year: how the level moved a year ago, applied to a forecast of today's level."""

from __future__ import annotations

import numpy as np

from capacity.forecast.origins import Origins
from capacity.model.arrays import Array
from capacity.stats import running_totals

SMOOTH = 1 / 13  # of a year: four weeks are wide enough to leave no single day in the drift
STEEPEST = 3.0  # a year ago's level may have tripled or fallen to a third over the horizon; more was another business
TRUST = 0.7  # of last year's drift (in logs) is expected again; one cycle is little evidence


def with_last_years_drift(forecast: Array, filled: Array, year: int, origins: Origins) -> Array:
    """A forecast (N, K + 1, H) times the change of the smoothed level over the same steps a year ago.

    `year` is its length in steps. Needs `year` and half a smoothing window before the earliest origin.
    """
    half = max(1, round(SMOOTH * year / 2))
    total = running_totals(filled)
    ahead = np.minimum(
        np.arange(origins.horizon), year - half
    )  # what lies further ahead is not known a year ago either
    then = origins.ends[:, None] - year + ahead  # (K + 1, H)
    level = total[:, then + half] - total[:, then - half]  # (N, K + 1, H)
    start = origins.ends - year
    before = total[:, start] - total[:, start - half]  # the half window up to the origin: what today's level is like
    before = np.maximum(before * 2, 1e-3 * level.mean(axis=2) + 1e-300)
    return np.asarray(forecast * np.clip(level / before[:, :, None], 1 / STEEPEST, STEEPEST) ** TRUST)


def reaches_back(origins: Origins, year: int) -> bool:
    """Whether every origin has seen the year and the smoothing window that the drift needs."""
    return 0 < year <= int(origins.ends.min()) - round(SMOOTH * year / 2) - 1
