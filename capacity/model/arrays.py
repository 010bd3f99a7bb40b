"""Array types, each defined once. `capacity.model` does not import this module: its nouns load without numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]  # values in a unit that the docstring names
Counts = NDArray[np.int64]  # replicas, pods, nodes
Mask = NDArray[np.bool_]
Places = NDArray[np.intp]  # positions along an axis
