"""A ServiceNow instance over TLS on loopback: the Table API, faults to order. PySNC, the official client, judges it.

Start it with ``ServiceNowDouble()`` as a context manager; `url`, `ca_pem` and `token` are what a client needs,
`rows("incident")` what it holds, `order(fault)` what goes wrong next.
"""

from tests.servicenow.server import ServiceNowDouble as ServiceNowDouble
