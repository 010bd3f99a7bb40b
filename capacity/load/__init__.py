"""From sales to load: costs given or learned from usage, projected onto the coming steps."""

from __future__ import annotations

from capacity.load.learning import explained_load as explained_load
from capacity.load.learning import learn_load as learn_load
from capacity.load.learning import learn_loads as learn_loads
from capacity.load.projection import project_load as project_load
from capacity.load.throughput import learn_throughput as learn_throughput
