"""pytest fixtures of the double: register with `pytest_plugins = ["tests.double.fixtures"]`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.double import KubernetesDouble, Wire


@pytest.fixture
def kubernetes_double() -> Iterator[KubernetesDouble]:
    """An empty cluster of its own for each test (the certificate is made once)."""
    with KubernetesDouble() as double:
        yield double


@pytest.fixture
def kubeconfig(kubernetes_double: KubernetesDouble, tmp_path: Path) -> Path:
    """The path of a kubeconfig with the admin's token."""
    return kubernetes_double.kubeconfig(tmp_path / "kubeconfig")


@pytest.fixture
def wire(kubernetes_double: KubernetesDouble) -> Iterator[Wire]:
    """A bare connection of the admin."""
    with Wire(kubernetes_double) as wire:
        yield wire
