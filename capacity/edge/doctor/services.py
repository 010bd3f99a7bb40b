"""Whether the services that are told of plans and troubles answer. They are only read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial

from capacity.edge.config import Config
from capacity.edge.doctor.finding import Finding, isolated
from capacity.edge.services import servicenow_of, web_of

FIX_SERVICE = "correct its url, user or secret, or start it; without it only news are lost, no floor"


def check_services(config: Config) -> Iterator[Finding]:
    """Pushgateway, textfile folder, Alertmanager, ServiceNow: each one that is configured."""
    for name, ask in _asked(config).items():
        yield from isolated("services", partial(_answers, name, ask), FIX_SERVICE)
    folder = config.telemetry.textfile
    if folder is not None and not (folder.is_dir() and os.access(folder, os.W_OK)):
        yield Finding(
            "services", "fail", f"telemetry.textfile: {folder} is no folder we may write to", "make it, or chmod it"
        )
    elif folder is not None:
        yield Finding("services", "ok", f"textfile folder {folder} is writable")


def _asked(config: Config) -> dict[str, Callable[[], object]]:
    found: dict[str, Callable[[], object]] = {}
    telemetry, incidents = config.telemetry, config.incidents
    if telemetry.pushgateway is not None:
        found["Pushgateway"] = partial(web_of(telemetry.pushgateway).call, "GET", "/api/v1/metrics")
    if incidents.alertmanager is not None:
        found["Alertmanager"] = partial(web_of(incidents.alertmanager).call, "GET", "/api/v2/alerts")
    if incidents.servicenow is not None:
        found["ServiceNow"] = servicenow_of(incidents.servicenow).tickets
    return found


def _answers(name: str, ask: Callable[[], object]) -> Iterator[Finding]:
    ask()
    yield Finding("services", "ok", f"{name} answers")
