"""Credentials are renewed in time, and not before each of a thousand requests."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from capacity.cluster import client
from capacity.cluster.client import Refresh


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that a test may move on."""
    seconds = [100.0]
    monkeypatch.setattr(client, "monotonic", lambda: seconds[0])
    return seconds


def test_credentials_are_renewed_once_a_second_though_the_renewal_sets_itself_again(clock: list[float]) -> None:
    renewed: list[float] = []
    settings = SimpleNamespace()

    def renew(given: SimpleNamespace) -> None:
        renewed.append(clock[0])
        given.refresh_api_key_hook = renew  # as the official loader does

    settings.refresh_api_key_hook = Refresh(renew)
    for passed in (0.0, 0.4, 0.5, 0.2, 0.8, 5.0):
        clock[0] += passed
        settings.refresh_api_key_hook(settings)
    assert renewed == [pytest.approx(100.0), pytest.approx(101.1), pytest.approx(106.9)]
