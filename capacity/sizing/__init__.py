"""What replicas can serve, how many a demand needs, what each should request, and at which utilization it is safe."""

from capacity.domain import fit_throughput as fit_throughput
from capacity.sizing.pool import pool_utilization as pool_utilization
from capacity.sizing.pool import wait_probability as wait_probability
from capacity.sizing.pool import wait_quantile as wait_quantile
from capacity.sizing.replicas import MOST_REPLICAS as MOST_REPLICAS
from capacity.sizing.replicas import replicas_needed as replicas_needed
from capacity.sizing.requests import RequestAdvice as RequestAdvice
from capacity.sizing.requests import advise_requests as advise_requests
from capacity.sizing.requests import same_target as same_target
from capacity.sizing.target import SafeTarget as SafeTarget
from capacity.sizing.target import safe_target as safe_target
from capacity.sizing.throughput import peak_throughput as peak_throughput
from capacity.sizing.throughput import replicas_for_requests as replicas_for_requests
from capacity.sizing.tolerance import highest_target as highest_target
from capacity.sizing.tolerance import highest_tolerated_utilization as highest_tolerated_utilization
