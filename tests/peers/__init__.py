"""Real peers on loopback, for tests: Prometheus, Alertmanager, Pushgateway, PostgreSQL, Chromium, kubectl and Helm.

`make peers` installs them. A test asks for a fixture by name (`tests/conftest.py` registers all); where a binary is
absent the test skips and says which. Every process ends with its test, even if the test run is killed.

| fixture | gives |
|---|---|
| `prometheus` | a starter: `prometheus(history=openmetrics({...}), rules={...}, config={...})` -> `Prometheus` |
| `alertmanager` | a starter: `alertmanager({"route": ..., "receivers": ...})` -> `HttpPeer` |
| `pushgateway` | a running `HttpPeer` |
| `postgres` | an empty database of its own: `Postgres`, with `.url` and `.sql("...")` |
| `chromium` | a `Chromium`: `.screenshot(page, png)`, `.text(page)`, `.console(page)`, `.pdf(page, file)` |
| `axe` | the path of the script axe.min.js, which judges whether a page is accessible |
| `kubectl`, `helm` | the path of the real binary |

For a peer shared by a whole module, wrap the context manager behind the fixture in a fixture of the module's scope:
`running_prometheus(folder, ...)`, `running_alertmanager(folder, ...)`, `running_pushgateway(folder)`.
"""

from tests.peers.alertmanager import running_alertmanager
from tests.peers.chromium import Chromium
from tests.peers.http import HttpPeer
from tests.peers.postgres import Postgres, PostgresServer, running_postgres
from tests.peers.process import binary, running
from tests.peers.prometheus import Prometheus, openmetrics, running_prometheus
from tests.peers.pushgateway import running_pushgateway

__all__ = [
    "Chromium",
    "HttpPeer",
    "Postgres",
    "PostgresServer",
    "Prometheus",
    "binary",
    "openmetrics",
    "running",
    "running_alertmanager",
    "running_postgres",
    "running_prometheus",
    "running_pushgateway",
]
