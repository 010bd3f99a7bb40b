"""The off switch: one ConfigMap key that anybody on call can set, outside every configuration, read at each pass."""

from __future__ import annotations

from capacity.domain import ClusterError
from capacity.edge.cluster.client import ABSENT, ClusterReader

NAME, KEY = "capacity-switch", "enabled"
ON = ("true", "on", "yes", "1")


def read_switch(reader: ClusterReader, namespace: str) -> str | None:
    """Why nothing may move, None where all may. No ConfigMap, or no key in it: on. Any text but a clear yes: off."""
    try:
        found = reader.configmap(namespace, NAME)
    except ClusterError as error:
        if error.status == ABSENT:
            return None
        raise
    value = (found.get("data") or {}).get(KEY)
    if value is None or str(value).strip().lower() in ON:
        return None
    return f"ConfigMap {namespace}/{NAME} says {KEY}: {str(value)[:20]!r}"
