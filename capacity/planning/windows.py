"""From the quantile of every step to the quantile of every window's maximum, kept in the steps' own time.

A floor set at `now` covers the steps of a window; what it must serve is the maximum of the window, whose quantile is
above the highest of its steps' quantiles. `decide` takes the highest floor of the window, so it is enough that in
every window one step stands high enough (docs/decisions/0014).
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from capacity.domain import Forecast
from capacity.domain.arrays import Array
from capacity.stats import sliding_maxima


def planning_window(lead_time: timedelta, period: timedelta, step: timedelta) -> timedelta:
    """The steps that a floor set at any moment covers, ``[now, now + lead time + 2 periods]``, as a duration.

    >>> minute = timedelta(minutes=1)
    >>> planning_window(15 * minute, minute, 5 * minute)
    datetime.timedelta(seconds=1500)
    """
    reach = lead_time + 2 * period
    return step * (-(-reach // step) + 1)


def raise_to_windows(steps: Array, maxima: Array, width: int) -> Array:
    """Each window raises its own highest step to the window's quantile; the rest stays as it is.

    `steps` and `maxima` (..., steps): the quantile of each step, and of the maximum over the `width` steps from it on.
    Of the result every window's maximum is at least that window's quantile, and a step that is no window's highest is
    not raised.

    >>> raise_to_windows(np.array([1.0, 2.0, 5.0, 2.0]), np.array([2.5, 6.0, 6.0, 2.0]), 2).tolist()
    [1.0, 2.5, 6.0, 2.0]
    """
    count = steps.shape[-1]
    width = min(width, count)
    highest = sliding_maxima(steps, width)
    raised = steps.copy()
    for ahead in range(width):
        until = count - ahead
        its_highest = steps[..., ahead:] == highest[..., :until]
        part = raised[..., ahead:]
        np.maximum(part, maxima[..., :until], out=part, where=its_highest)
    return raised


def planned_demand(forecast: Forecast, quantile_level: float) -> Array:
    """What is planned for at each step (steps,): the level's quantile, raised to the windows' maxima where known."""
    steps = forecast.at(quantile_level).to_numpy(dtype=np.float64)
    if forecast.window is None:
        return steps
    maxima = forecast.maximum_at(quantile_level).to_numpy(dtype=np.float64)
    return raise_to_windows(steps, maxima, -(-forecast.window // forecast.step))
