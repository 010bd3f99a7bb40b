"""The only code that speaks to Kubernetes. Readers and writers are kept apart: what previews cannot write.

Names load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from capacity.lazy import load_lazily

if TYPE_CHECKING:
    from capacity.cluster.client import ClusterReader as ClusterReader
    from capacity.cluster.client import ClusterWriter as ClusterWriter
    from capacity.cluster.config_maps import read_plan_maps as read_plan_maps
    from capacity.cluster.config_maps import write_plan_maps as write_plan_maps
    from capacity.cluster.inventory import Inventory as Inventory
    from capacity.cluster.inventory import read_inventory as read_inventory
    from capacity.cluster.lease import Lease as Lease
    from capacity.cluster.observe import list_autoscalers as list_autoscalers
    from capacity.cluster.observe import observe_workloads as observe_workloads

HOMES = {
    "capacity.cluster.client": ("ClusterReader", "ClusterWriter"),
    "capacity.cluster.config_maps": ("read_plan_maps", "write_plan_maps"),
    "capacity.cluster.inventory": ("Inventory", "read_inventory"),
    "capacity.cluster.lease": ("Lease",),
    "capacity.cluster.observe": ("observe_workloads", "list_autoscalers"),
}
__all__, __getattr__, __dir__ = load_lazily(__name__, HOMES)
