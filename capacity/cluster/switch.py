"""The off switch that anybody on call can set: a ConfigMap in the namespace."""

from __future__ import annotations

from capacity.cluster.client import ABSENT, ClusterReader
from capacity.model import ClusterError

SWITCH_NAME, SWITCH_KEY = "capacity-switch", "enabled"
ON = ("true", "on", "yes", "1")


def read_switch(reader: ClusterReader, namespace: str) -> str | None:
    """Why nothing may move, None where all may. No ConfigMap, or no key in it: on. Any text but a clear yes: off."""
    try:
        found = reader.configmap(namespace, SWITCH_NAME)
    except ClusterError as error:
        if error.status == ABSENT:
            return None
        raise
    value = (found.get("data") or {}).get(SWITCH_KEY)
    if value is None or str(value).strip().lower() in ON:
        return None
    return f"ConfigMap {namespace}/{SWITCH_NAME} says {SWITCH_KEY}: {str(value)[:20]!r}"
