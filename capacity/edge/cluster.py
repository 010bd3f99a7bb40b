"""The only door to Kubernetes: one request function over the official client, with time limits and retries of our own.

Calls are dict-based: typed API classes cost up to 0.75 s of CPU at first use, a plain request costs nothing.
`ClusterReader` can only GET, by construction; `ClusterWriter` adds the writes.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from typing import Any

from capacity.domain import ClusterError

MANAGER = "capacity"  # our field manager in server-side apply
TIMEOUT = (3.05, 10.0)  # seconds to connect and to read: the client itself would wait for ever
PAGE = 500  # objects per LIST page, as kubectl asks
MERGE, APPLY, JSON_PATCH = "application/merge-patch+json", "application/apply-patch+yaml", "application/json-patch+json"
HPAS = "/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
CONFIGMAPS = "/api/v1/namespaces/{namespace}/configmaps"
EVENTS = "/apis/events.k8s.io/v1/namespaces/{namespace}/events"

Document = dict[str, Any]


class ClusterReader:
    """Reads HPAs and ConfigMaps. No method of it can write."""

    def __init__(self, kubeconfig: str | None = None) -> None:
        self._client = _connect(kubeconfig)

    def hpa(self, namespace: str, name: str) -> Document:
        """One HorizontalPodAutoscaler (autoscaling/v2)."""
        return self._request("GET", f"{HPAS.format(namespace=namespace)}/{name}")

    def hpas(self, namespace: str) -> Iterator[Document]:
        """Every HorizontalPodAutoscaler of a namespace, page by page."""
        yield from self.objects(HPAS.format(namespace=namespace))

    def objects(self, path: str) -> Iterator[Document]:
        """Every object of the collection at a path of the API, page by page."""
        query: list[tuple[str, str]] = [("limit", str(PAGE))]
        while True:
            page = self._request("GET", path, query=query)
            yield from page.get("items") or []
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return
            query = [("limit", str(PAGE)), ("continue", token)]

    def configmap(self, namespace: str, name: str) -> Document:
        """One ConfigMap."""
        return self._request("GET", f"{CONFIGMAPS.format(namespace=namespace)}/{name}")

    def _request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: list[tuple[str, str]] | None = None,
        kind: str | None = None,
    ) -> Document:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            answer = self._client.request(
                method,
                path,
                body=body,
                query_params=list(query or []),
                content_type=kind,
                serialize=False,
                _request_timeout=TIMEOUT,
            )
            text = answer.data
        except ApiException as error:
            raise _refusal(error, method, path) from error
        except (HTTPError, ssl.SSLError, OSError) as error:
            host = self._client.configuration.host
            raise ClusterError(f"no answer from the cluster at {host}: {_cause(error)}; is it reachable?") from error
        return _document(text, method, path)


class ClusterWriter(ClusterReader):
    """Reads, and writes what a decision says: HPAs, plan ConfigMaps, Events."""

    def apply_hpa(self, namespace: str, name: str, body: Document, *, force: bool) -> Document:
        """Server-side apply: we own the fields in `body`; `force` takes them from another manager."""
        query = [("force", "true")] if force else []
        return self._patch(f"{HPAS.format(namespace=namespace)}/{name}", body, APPLY, query)

    def merge_hpa(self, namespace: str, name: str, body: Document) -> Document:
        """Merge patch of an HPA; `metadata.resourceVersion` in the body makes it fail on a change in between."""
        return self._patch(f"{HPAS.format(namespace=namespace)}/{name}", body, MERGE)

    def json_patch_hpa(self, namespace: str, name: str, operations: list[Document]) -> Document:
        """JSON patch of an HPA."""
        return self._patch(f"{HPAS.format(namespace=namespace)}/{name}", operations, JSON_PATCH)

    def apply_configmap(self, namespace: str, name: str, body: Document) -> Document:
        """Create or replace a ConfigMap of our own."""
        return self._patch(f"{CONFIGMAPS.format(namespace=namespace)}/{name}", body, APPLY, [("force", "true")])

    def create_event(self, namespace: str, body: Document) -> Document:
        """Write an Event (events.k8s.io/v1)."""
        return self._request(
            "POST", EVENTS.format(namespace=namespace), body=body, query=_write_query(), kind="application/json"
        )

    def _patch(self, path: str, body: Any, kind: str, query: list[tuple[str, str]] | None = None) -> Document:
        return self._request("PATCH", path, body=body, query=[*_write_query(), *(query or [])], kind=kind)


def _write_query() -> list[tuple[str, str]]:
    """Strict: an unknown field is refused; without it the server drops the field and only a header says so."""
    return [("fieldManager", MANAGER), ("fieldValidation", "Strict")]


def _connect(kubeconfig: str | None) -> Any:
    """The official client from kubeconfig, else from inside the cluster; retries cover PATCH and honor Retry-After."""
    from kubernetes import client, config
    from kubernetes.dynamic import DynamicClient
    from urllib3 import Retry
    from yaml import YAMLError

    settings = client.Configuration()
    try:
        config.load_kube_config(config_file=kubeconfig, client_configuration=settings)
    except YAMLError as error:
        raise ClusterError(f"kubeconfig: expected YAML, got {' '.join(str(error).split())[:200]}") from error
    except config.ConfigException as outside:
        try:
            config.load_incluster_config(client_configuration=settings)
        except config.ConfigException:
            raise ClusterError(f"no cluster: {outside}; set KUBECONFIG or run inside a cluster") from outside
    settings.retries = Retry(
        total=4,
        read=2,  # a server that hangs is asked three times: half a minute, well within a pass
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=frozenset({"GET", "PATCH"}),  # not POST: an Event sent twice is two Events
        backoff_factor=0.1,
        raise_on_status=False,
    )
    return DynamicClient(client.ApiClient(settings), discoverer=_NoDiscovery)


class _NoDiscovery:
    """We name our few paths ourselves: discovery would cost four GETs without a time limit."""

    def __init__(self, client: Any, cache_file: Any) -> None:
        del client, cache_file


def _refusal(error: Any, method: str, path: str) -> ClusterError:
    """The server's own sentence. 429 answers in plain text, everything else with a Status."""
    try:
        status = json.loads(error.body)
        message = status["message"]
    except (TypeError, ValueError, KeyError):
        message = _text(error.body) or error.reason or "no reason given"
    hint = {401: "; is the token valid?", 403: "; see the Role in k8s/base"}.get(error.status, "")
    return ClusterError(
        f"{method} {path.rpartition('/')[2]}: {error.status} {' '.join(str(message).split())}{hint}", error.status
    )


def _text(body: Any) -> str:
    return (body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or ""))[:300]


def _cause(error: BaseException) -> str:
    """The innermost reason of a connection error, without the pool's own words around it."""
    reason = getattr(error, "reason", None)
    text = str(reason if isinstance(reason, BaseException) else error)
    return " ".join(text.split(": ", 1)[-1].split())[:200]


def _document(text: bytes | str, method: str, path: str) -> Document:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ClusterError(f"{method} {path}: expected JSON from the API server, got {_text(text)[:60]!r}") from error
    if not isinstance(document, dict):
        raise ClusterError(f"{method} {path}: expected an object from the API server, got {type(document).__name__}")
    return document
