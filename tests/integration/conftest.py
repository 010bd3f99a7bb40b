"""The shop that the controller's tests work on, and clients that neither dawdle nor give up."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path
from time import sleep

import pytest

from capacity.http import Bounds, HttpClient
from capacity.model import write_plan
from tests.conftest import PlanOf
from tests.double import KubernetesDouble
from tests.shop import Shop, hpa
from tests.waiting import HUNG


@pytest.fixture(autouse=True)
def _clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries follow each other at once: a test that means their waits hands the client its own `wait`.

    An answer may take as long as a slow machine needs: a test that means a server which hangs says so itself.
    """
    monkeypatch.setattr("capacity.cluster.client.FIRST_WAIT", 0.001)
    monkeypatch.setattr("capacity.cluster.client.TIMEOUT", (HUNG, HUNG))
    monkeypatch.setattr("capacity.http.CONNECT", HUNG)
    monkeypatch.setattr(HttpClient.__init__, "__defaults__", (None, lambda seconds: sleep(min(seconds, 0.01))))
    monkeypatch.setattr("capacity.http.Bounds", partial(Bounds, deadline=timedelta(seconds=HUNG)))


@pytest.fixture
def shop(
    kubernetes_double: KubernetesDouble,
    kubeconfig: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plan_of: PlanOf,
) -> Shop:
    # The client reads KUBECONFIG once, when it is imported.
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    shop = Shop(kubernetes_double, tmp_path)
    shop.configure("web")
    kubernetes_double.create(hpa())
    write_plan(plan_of(web=[4, 4, 9, 9, 3]), tmp_path / "plan.json")
    return shop
