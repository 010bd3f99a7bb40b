"""The only door to Kubernetes: one request function over the official client, with time limits and retries of our own.

Calls are dict-based: typed API classes cost up to 0.75 s of CPU at first use, a plain request costs nothing.
`ClusterReader` can only GET, by construction; `ClusterWriter` adds the writes.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from inspect import signature
from threading import Lock
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from capacity.model import ClusterError, NoClusterError

if TYPE_CHECKING:
    from capacity.cluster.kinds import Document, Kind

MANAGER = "capacity"  # our field manager in server-side apply
TIMEOUT = (3.05, 10.0)  # seconds to connect and to read: the client itself would wait for ever
PAGE = 500  # objects per LIST page, as kubectl asks
MERGE, APPLY, JSON_PATCH = "application/merge-patch+json", "application/apply-patch+yaml", "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"  # containers by name; a merge patch would replace their list
CONFIGMAPS = "/api/v1/namespaces/{namespace}/configmaps"
PODS = "/api/v1/namespaces/{namespace}/pods"
EVENTS = "/apis/events.k8s.io/v1/namespaces/{namespace}/events"
CLAIMS = "/api/v1/namespaces/{namespace}/persistentvolumeclaims"
STORAGE_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
LARGEST = 64 * 2**20  # bytes of one answer: a page of 500 HPAs takes 2 MB, an object at most 1.5 MB
POLITE = 500.0  # requests a second on average; eight at a time and the server's priority and fairness slow us before
FIRST_WAIT = 0.1  # seconds before the third try, doubled each time: four retries take 1.4 s
PATIENCE = 10.0  # seconds of Retry-After that we wait at most: a pass has less than a minute
OUTAGE, AGAIN = 20.0, 0.5  # seconds to wait for a server that restarts, and between two tries; a pass has a minute
ABSENT, CONFLICT = 404, 409
DRY_RUN = ("dryRun", "All")  # the server judges the request in full and stores nothing


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the API server, and how many seconds it may take to connect and to read."""

    method: str
    path: str
    body: Any = None
    query: Sequence[tuple[str, str]] = ()
    kind: str | None = None  # the media type of the body
    timeout: tuple[float, float] = TIMEOUT


class ClusterReader:
    """Reads autoscalers, ConfigMaps and Leases. No method of it can write.

    `server_time` is the API server's own clock in its last answer, which came at `answered_at` (seconds of this
    process's monotonic clock); None before the first.

    Parameters
    ----------
    kubeconfig : str or None
        The kubeconfig file. Default: the one that KUBECONFIG names, or the user's; inside a cluster the pod's own
        account.
    requests_per_second : float
        Most requests per second that are sent. Default 500.

    Raises
    ------
    ClusterError
        The kubeconfig cannot be read, or no cluster is configured.
    """

    def __init__(self, kubeconfig: str | None = None, *, requests_per_second: float = POLITE) -> None:
        self._client = _connect(kubeconfig)
        self._pace = Pace(requests_per_second)
        self._outage = Outage()
        self.server_time: datetime | None = None
        self.answered_at: float | None = None

    def target(self, kind: Kind, namespace: str, name: str) -> Document:
        """One object that has a floor."""
        return self._request("GET", f"{kind.path.format(namespace=namespace)}/{name}")

    def targets(self, kind: Kind, namespace: str) -> Iterator[Document]:
        """Every object of a kind in a namespace, page by page."""
        yield from self.objects(kind.path.format(namespace=namespace))

    def document(self, path: str) -> Document:
        """One object, or a page of discovery, at a path of the API."""
        return self._request("GET", path)

    def objects(self, path: str, labels: str = "", *, limit: int = PAGE, fields: str = "") -> Iterator[Document]:
        """Every object of the collection at a path of the API that the selectors take, page by page."""
        asked = [("limit", str(limit)), ("labelSelector", labels), ("fieldSelector", fields)]
        asked = [(key, value) for key, value in asked if value]
        query = asked
        while True:
            page = self._request("GET", path, query=query)
            yield from page.get("items") or []
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return
            query = [*asked, ("continue", token)]

    def watch(self, kind: Kind, namespace: str, seconds: int) -> Iterator[Document]:
        """Every object of a kind in a namespace as it is now, then each change as an event, for so many seconds."""
        path = kind.path.format(namespace=namespace)
        query = [("watch", "true"), ("timeoutSeconds", str(seconds))]
        answer = self._answer(Call("GET", path, query=query, timeout=(TIMEOUT[0], seconds + TIMEOUT[1])))
        rest = b""
        try:
            for chunk in answer.stream(None):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (_document(line, "WATCH", path) for line in lines if line.strip())
        except _broken() as error:
            raise ClusterError(f"WATCH {kind.plural}: {_cause(error)}; passes go on without it") from error
        finally:
            answer.close()

    def configmap(self, namespace: str, name: str) -> Document:
        """One ConfigMap."""
        return self._request("GET", f"{CONFIGMAPS.format(namespace=namespace)}/{name}")

    def pod(self, namespace: str, name: str) -> Document:
        """One pod."""
        return self._request("GET", f"{PODS.format(namespace=namespace)}/{name}")

    def lease(self, namespace: str, name: str) -> Document:
        """One Lease."""
        return self._request("GET", f"{LEASES.format(namespace=namespace)}/{name}")

    def claim(self, namespace: str, name: str) -> Document:
        """One PersistentVolumeClaim."""
        return self._request("GET", f"{CLAIMS.format(namespace=namespace)}/{name}")

    def storage_class(self, name: str) -> Document:
        """One StorageClass, which belongs to the cluster and not to a namespace."""
        return self._request("GET", f"{STORAGE_CLASSES}/{name}")

    def _note_time(self, date: str | None) -> None:
        moment = _date(date)
        if moment is not None:
            self.server_time, self.answered_at = moment, monotonic()

    def _request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: list[tuple[str, str]] | None = None,
        kind: str | None = None,
    ) -> Document:
        answer = self._answer(Call(method, path, body, query or (), kind, TIMEOUT))
        try:
            text = answer.read(LARGEST + 1) or answer.data  # an older client has read it already
        except _broken() as error:
            raise self._unanswered(error) from error
        if len(text) > LARGEST:
            answer.close()
            raise ClusterError(f"{method} {path}: expected at most {LARGEST} bytes from the API server, got more")
        return _document(text, method, path)

    def _answer(self, call: Call) -> Any:
        """The answer, its body not yet read. A server that answered before and listens no more may be restarting."""
        began = monotonic()
        while True:
            try:
                self._outage.refuse()
                return self._asked(call)
            except _broken() as error:
                if not (self.answered_at is not None and _unheard(error) and self._outage.outlasts(began)):
                    raise self._unanswered(error) from error
                sleep(AGAIN)

    def _asked(self, call: Call) -> Any:
        from kubernetes.client.exceptions import ApiException

        self._pace.wait()
        try:
            answer = self._client.request(
                call.method,
                call.path,
                body=call.body,
                query_params=list(call.query),
                content_type=call.kind,
                serialize=False,
                _request_timeout=call.timeout,
            )
        except ApiException as error:
            self._outage.end()
            raise _refusal(error, call.method, call.path) from error
        self._outage.end()
        self._note_time(answer.headers.get("Date"))
        return answer

    def _unanswered(self, error: BaseException) -> ClusterError:
        host = self._client.configuration.host
        return ClusterError(f"no answer from the cluster at {host}: {_cause(error)}; is it reachable?")


class ClusterWriter(ClusterReader):
    """Reads, and writes what a decision asks for: targets, plan ConfigMaps, Events, and the Lease that guards writers.

    Parameters
    ----------
    kubeconfig : str or None
        The kubeconfig file. Default: the one that KUBECONFIG names, or the user's; inside a cluster the pod's own
        account.
    requests_per_second : float
        Most requests per second that are sent. Default 500.

    Raises
    ------
    ClusterError
        The kubeconfig cannot be read, or no cluster is configured.
    """

    def apply_target(self, kind: Kind, namespace: str, name: str, body: Document) -> Document:
        """Server-side apply by force: from now on we own the fields in `body`, whoever had them before."""
        return self._patch(f"{kind.path.format(namespace=namespace)}/{name}", body, APPLY, [("force", "true")])

    def merge_target(self, kind: Kind, namespace: str, name: str, body: Document) -> Document:
        """Merge patch; `metadata.resourceVersion` in the body makes it fail on a change in between."""
        return self._patch(f"{kind.path.format(namespace=namespace)}/{name}", body, MERGE)

    def scale_target(self, kind: Kind, namespace: str, name: str, body: Document) -> Document:
        """Merge patch of the `scale` subresource; returns a Scale, not the object."""
        return self._patch(f"{kind.path.format(namespace=namespace)}/{name}/scale", body, MERGE)

    def json_patch_target(self, kind: Kind, namespace: str, name: str, operations: list[Document]) -> Document:
        """JSON patch."""
        return self._patch(f"{kind.path.format(namespace=namespace)}/{name}", operations, JSON_PATCH)

    def resize_pod(self, namespace: str, name: str, body: Document) -> Document:
        """Patch of the `resize` subresource: requests and limits of containers, and nothing else."""
        return self._patch(f"{PODS.format(namespace=namespace)}/{name}/resize", body, STRATEGIC)

    def apply_configmap(self, namespace: str, name: str, body: Document, *, dry_run: bool = False) -> Document:
        """Create or replace a ConfigMap of our own; `dry_run`: only ask whether the server would accept it."""
        asked = [("force", "true"), *([DRY_RUN] if dry_run else [])]
        return self._patch(f"{CONFIGMAPS.format(namespace=namespace)}/{name}", body, APPLY, asked)

    def merge_configmap(self, namespace: str, name: str, body: Document) -> Document:
        """Merge patch of a ConfigMap of our own; 404 where there is none."""
        return self._patch(f"{CONFIGMAPS.format(namespace=namespace)}/{name}", body, MERGE)

    def delete_configmap(self, namespace: str, name: str) -> Document:
        """Delete a ConfigMap of our own; 404 where there is none."""
        return self._request("DELETE", f"{CONFIGMAPS.format(namespace=namespace)}/{name}")

    def apply_object(self, path: str, body: Document) -> Document:
        """Server-side apply of an object of our own at a path of the API; made where it does not exist."""
        return self._patch(path, body, APPLY, [("force", "true")])

    def delete_object(self, path: str, uid: str) -> Document:
        """Delete an object of our own; 409 where another of the same name has taken its place."""
        body = {"preconditions": {"uid": uid}} if uid else None
        return self._request("DELETE", path, body=body, kind="application/json")

    def merge_claim(self, namespace: str, name: str, body: Document) -> Document:
        """Merge patch of a PersistentVolumeClaim, guarded by the resourceVersion in the body."""
        return self._patch(f"{CLAIMS.format(namespace=namespace)}/{name}", body, MERGE)

    def create_lease(self, namespace: str, body: Document) -> Document:
        """Create a Lease; 409 where somebody was faster."""
        return self._post(LEASES.format(namespace=namespace), body)

    def merge_lease(self, namespace: str, name: str, body: Document) -> Document:
        """Merge patch of a Lease, guarded by the resourceVersion in the body."""
        return self._patch(f"{LEASES.format(namespace=namespace)}/{name}", body, MERGE)

    def create_event(self, namespace: str, body: Document) -> Document:
        """Write an Event (events.k8s.io/v1)."""
        return self._post(EVENTS.format(namespace=namespace), body)

    def _post(self, path: str, body: Document) -> Document:
        return self._request("POST", path, body=body, query=_write_query(), kind="application/json")

    def _patch(self, path: str, body: Any, kind: str, query: list[tuple[str, str]] | None = None) -> Document:
        return self._request("PATCH", path, body=body, query=[*_write_query(), *(query or [])], kind=kind)


class ClusterAsker(ClusterWriter):
    """Asks whether the server would accept a write: whatever it sends that is no GET is a dry run."""

    def _answer(self, call: Call) -> Any:
        reads = call.method == "GET" or DRY_RUN in call.query
        return super()._answer(call if reads else _as_dry_run(call))


def _as_dry_run(call: Call) -> Call:
    """The call as a dry run. A server hears the query of a DELETE only where it has no body, so a body says it too."""
    body = {**call.body, DRY_RUN[0]: [DRY_RUN[1]]} if call.method == "DELETE" and call.body else call.body
    return replace(call, body=body, query=[*call.query, DRY_RUN])


def _broken() -> tuple[type[Exception], ...]:
    """What a connection that fails or breaks raises."""
    from urllib3.exceptions import HTTPError

    return HTTPError, ssl.SSLError, OSError


def _unheard(error: BaseException) -> bool:
    """Whether nobody listened: the request was not sent, so that sending it again cannot do it twice."""
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    return isinstance(getattr(error, "reason", None), ConnectTimeoutError | NewConnectionError)


def _write_query() -> list[tuple[str, str]]:
    """Strict: an unknown field is refused; without it the server drops the field and only a header says so."""
    return [("fieldManager", MANAGER), ("fieldValidation", "Strict")]


def _connect(kubeconfig: str | None) -> Any:
    """The official client, with our retries."""
    from kubernetes import client
    from kubernetes.dynamic import DynamicClient

    settings = _settings(kubeconfig)
    if settings.refresh_api_key_hook is not None:
        settings.refresh_api_key_hook = Refresh(settings.refresh_api_key_hook)
    settings.retries = _retries()
    settings.connection_pool_maxsize = 16  # eight writers at a time, watches beside them
    return DynamicClient(client.ApiClient(settings), discoverer=_NoDiscovery)


def _settings(kubeconfig: str | None) -> Any:
    """From kubeconfig, else from inside the cluster. Raises `ClusterError`."""
    from kubernetes import client, config
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
            raise NoClusterError(
                f"no cluster: {str(outside).rstrip(chr(46))}; set KUBECONFIG or run inside a cluster"
            ) from outside
    return settings


def _retries() -> Any:
    """They cover PATCH and honor Retry-After."""
    from urllib3 import Retry

    # Older urllib3 has no bound of its own on Retry-After.
    bound: dict[str, Any] = {"retry_after_max": PATIENCE} if "retry_after_max" in signature(Retry).parameters else {}
    return Retry(
        total=4,
        read=2,  # a server that hangs is asked three times: half a minute, well within a pass
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=frozenset({"GET", "PATCH", "DELETE"}),  # not POST: an Event sent twice is two Events
        backoff_factor=FIRST_WAIT,
        raise_on_status=False,
        **bound,
    )


class Refresh:
    """Renews the credentials at most once in `AT_MOST` seconds, one thread at a time.

    The client asks before each request, and each time goes through the environment for proxies: a fifth of a request's
    CPU. Once a second is often enough for a token that expires.
    """

    AT_MOST = 1.0

    def __init__(self, renew: Callable[[Any], None]) -> None:
        self._renew, self._due, self._lock = renew, 0.0, Lock()

    def __call__(self, settings: Any) -> None:
        """Renew where it is due."""
        with self._lock:
            if monotonic() >= self._due:
                self._renew(settings)
                settings.refresh_api_key_hook = self  # the renewal sets its own again
                self._due = monotonic() + self.AT_MOST


class Outage:
    """Since when nobody listens where the server did, over all threads: they wait for it together, and not one by one.

    Without this, each of hundreds of writes would try for itself: a pass would take longer than its minute.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._since: float | None = None
        self._tried = 0.0

    def outlasts(self, began: float) -> bool:
        """Note a try that nobody heard, of a request that began then; whether another is worth it."""
        now = self._clock()
        self._since, self._tried = (began if self._since is None else self._since), now
        return now - min(began, self._since) < OUTAGE

    def end(self) -> None:
        """Note an answer."""
        self._since = None

    def refuse(self) -> None:
        """Raise OSError where it lasts too long to try again, but for one request now and then."""
        now, since = self._clock(), self._since
        if since is not None and now - since >= OUTAGE and now - self._tried < OUTAGE:
            raise ConnectionError(f"nobody has listened there for {now - since:.0f} seconds")


class Pace:
    """How often we ask: `rate` requests a second on average, and twice as many at once."""

    def __init__(self, rate: float) -> None:
        self._rate, self._left, self._at, self._lock = rate, 2 * rate, monotonic(), Lock()

    def wait(self) -> None:
        """Return when the next request may go out; any number of threads may wait."""
        with self._lock:
            now = monotonic()
            self._left = min(2 * self._rate, self._left + (now - self._at) * self._rate) - 1
            self._at, owed = now, -self._left / self._rate
        if owed > 0:
            sleep(owed)


class _NoDiscovery:
    """We name our few paths ourselves: discovery would cost four GETs without a time limit."""

    def __init__(self, client: Any, cache_file: Any) -> None:
        del client, cache_file


def _refusal(error: Any, method: str, path: str) -> ClusterError:
    """The server's own sentence and causes. 429 answers in plain text, everything else with a Status."""
    try:
        status = json.loads(error.body)
        message = status["message"]
        causes = (status.get("details") or {}).get("causes") or []
        fields = [f"{cause.get('field', '')} {cause.get('reason', '')}".strip() for cause in causes]
    except (TypeError, ValueError, KeyError, AttributeError):
        message, fields = _text(error.body) or error.reason or "no reason given", []
    named = ", ".join(list(filter(None, fields))[:3])
    said = " ".join(str(message).split())[:500]
    hint = _hint(error.status, said)
    caused = f" [{named}]" if named else ""
    return ClusterError(f"{method} {path.rpartition('/')[2]}: {error.status} {said}{caused}{hint}", error.status)


POLICY_HINT = "; a policy of the cluster refused it: ask who runs that policy"


def _hint(status: int, said: str) -> str:
    """What to do next. RBAC says who cannot do what; any other 403 is a policy's, a quota's or a webhook's.

    A policy refuses with 422 unless it names another reason, a webhook with any code.
    """
    if status == 401:
        return "; is the token valid?"
    if "denied request" in said or "denied the request" in said:
        return POLICY_HINT
    if status != 403:
        return ""
    if "RBAC: " in said and said.endswith(" not found"):
        return "; see the Role in k8s/base, unless the API server has just started: for some seconds it knows none"
    if " cannot " in said or "no RBAC policy matched" in said:
        return "; see the Role in k8s/base"
    if "exceeded quota" in said:
        return "; raise the quota, or free what fills it"
    return POLICY_HINT if "admission" in said or "denied" in said else ""


def _date(text: str | None) -> datetime | None:
    """The `Date` header of an answer."""
    if text is None:
        return None
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None


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
