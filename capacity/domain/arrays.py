"""Array types, one name each. No noun needs numpy to be built, so only who already uses it imports this module."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]  # values in a unit that the docstring names
Counts = NDArray[np.int64]  # replicas, pods, nodes
Mask = NDArray[np.bool_]
Places = NDArray[np.intp]  # positions along an axis
