"""From sales to load: costs given or learned from usage, projected onto the coming steps.

Names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from capacity.lazy import load_lazily

if TYPE_CHECKING:
    from capacity.load.learning import explained_load as explained_load
    from capacity.load.learning import learn_load as learn_load
    from capacity.load.learning import learn_loads as learn_loads
    from capacity.load.projection import demand_of as demand_of
    from capacity.load.projection import project_load as project_load
    from capacity.load.throughput import MOST_REPLICAS as MOST_REPLICAS
    from capacity.load.throughput import learn_throughput as learn_throughput
    from capacity.load.throughput import peak_throughput as peak_throughput
    from capacity.load.throughput import reached_by as reached_by
    from capacity.load.throughput import replicas_for_requests as replicas_for_requests
    from capacity.model.load import LoadModel as LoadModel
    from capacity.model.load import LoadReport as LoadReport
    from capacity.model.serving import Throughput as Throughput
    from capacity.model.serving import ThroughputReport as ThroughputReport
    from capacity.model.serving import fit_throughput as fit_throughput

HOMES = {
    "capacity.load.learning": ("explained_load", "learn_load", "learn_loads"),
    "capacity.load.projection": ("demand_of", "project_load"),
    "capacity.load.throughput": (
        "MOST_REPLICAS",
        "learn_throughput",
        "peak_throughput",
        "reached_by",
        "replicas_for_requests",
    ),
    "capacity.model.load": ("LoadModel", "LoadReport"),
    "capacity.model.serving": ("Throughput", "ThroughputReport", "fit_throughput"),
}
__all__, __getattr__, __dir__ = load_lazily(__name__, HOMES)
