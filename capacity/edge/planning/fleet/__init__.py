"""The pipeline over many workloads: chunks in processes of this machine, or on Dask; one workload is one chunk."""

from capacity.edge.planning.fleet.run import Fleet as Fleet
from capacity.edge.planning.fleet.run import plan_fleet as plan_fleet
