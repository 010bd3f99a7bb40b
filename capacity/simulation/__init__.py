"""Would the plan have worked? The HPA's own rules, a cluster that starts pods, policies, the optimum, and scores.

Pure: no file, no clock, no network; randomness is a numpy Generator. `capacity.simulation.hpa` loads nothing heavy.
"""

from __future__ import annotations
