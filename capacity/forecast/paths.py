"""What followed past moments, over the value before them."""

from __future__ import annotations

import numpy as np

from capacity.model.arrays import Array, Places


def ratios_after(values: Array, moments: Places, length: int) -> Array:
    """The `length` values (N, T) from each moment on, over the value before it (N, n, length); NaN where not known.

    >>> ratios_after(np.array([[2.0, 4, 6, 9]]), np.array([1, 3]), 2)
    array([[[2. , 3. ],
            [1.5, nan]]])
    """
    at, last = moments[:, None] + np.arange(-1, length), values.shape[1] - 1
    paths = np.where((at >= 0) & (at <= last), values[:, np.clip(at, 0, last)], np.nan)
    first = paths[:, :, :1]
    return np.asarray(paths[:, :, 1:] / np.where(first > 0, first, np.nan))
