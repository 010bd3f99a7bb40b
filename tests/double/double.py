"""The double as tests use it: started in a `with`, filled and read from Python, talked to over HTTPS."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.double import builtin
from tests.double.access import ADMIN
from tests.double.api import Api
from tests.double.calls import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE, Call, Place
from tests.double.certificate import issue
from tests.double.copying import copied
from tests.double.faults import Faults
from tests.double.journal import Journal
from tests.double.resources import Resource
from tests.double.server import Server, serve
from tests.double.status import JSON
from tests.double.watches import Watch

PATCH_TYPES = {"merge": MERGE_PATCH, "strategic": STRATEGIC_MERGE, "json": JSON_PATCH, "apply": APPLY_PATCH}
KUBECTL = "kubectl-client-side-apply"
"""Who owns what `kubectl apply` created: nearly every HPA in the world."""
NAMESPACES = ("default", "kube-system")


class KubernetesDouble:
    """A Kubernetes API server for tests.

    The Python side (`create`, `get`, `patch`, ...) goes through the same code as HTTP, as the admin, and is not in the
    journal. It makes missing namespaces; over HTTP they are missing. `also` are resources beside the built-in ones,
    such as `INSTALLED`: what kubectl and Helm install.
    """

    def __init__(self, also: Sequence[Resource] = ()) -> None:
        self._api = Api(also)
        self.faults = Faults()
        self.journal = Journal()
        for name in NAMESPACES:
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def __enter__(self) -> Self:
        """Start serving."""
        certificate = issue()
        self._folder = tempfile.TemporaryDirectory(prefix="kubernetes-double-")
        self.ca_file = Path(self._folder.name) / "ca.crt"
        self.ca_file.write_bytes(certificate.authority_pem)
        self._server = Server(self._api, self.faults, self.journal, certificate.context)
        self._thread = serve(self._server)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up on everyone and stop."""
        self._server.stop()
        self._thread.join()
        self._folder.cleanup()

    @property
    def url(self) -> str:
        """Return where the server listens."""
        return f"https://127.0.0.1:{self._server.server_port}"

    def token(self, user: str = ADMIN) -> str:
        """Return the bearer token of a user, who is known from now on and may do nothing unless granted."""
        return self._api.access.token(user)

    def revoke(self, user: str) -> None:
        """Make a user's token worthless: 401."""
        self._api.access.revoke(user)

    def kubeconfig(self, path: Path, token: str | None = None, namespace: str = "default") -> Path:
        """Write a kubeconfig (JSON is YAML too) for a token, the admin's by default, and return its path."""
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file)}
        context = {"cluster": "double", "user": "tester", "namespace": namespace}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "double",
            "clusters": [{"name": "double", "cluster": cluster}],
            "users": [{"name": "tester", "user": {"token": token or self.token()}}],
            "contexts": [{"name": "double", "context": context}],
        }
        path.write_text(json.dumps(config, indent=1), encoding="utf-8")
        return path

    def create(self, item: Mapping[str, Any], manager: str = KUBECTL) -> JSON:
        """Create an object of any kind, with its status, and return it."""
        group, _, version = item["apiVersion"].rpartition("/")
        metadata = item["metadata"]
        place = self._place(item["kind"], metadata.get("namespace"), "", (group, version))
        if place.namespace and not self._exists(builtin.NAMESPACES, place.namespace):
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.namespace}})
        created = self._call("create", place, item, {"fieldManager": manager})
        resource, _ = self._api.catalogue.find(*place_id(place))
        if item.get("status") and "status" in resource.subresources:
            status, name = {"status": item["status"]}, created["metadata"]["name"]
            return self.patch(item["kind"], place.namespace, name, status, subresource="status", manager=manager)
        return created

    def define(self, definition: Mapping[str, Any]) -> Resource:
        """Create a CustomResourceDefinition and return what it defines."""
        created = self.create(definition)
        return self._api.catalogue.find_kind(created["spec"]["names"]["kind"])

    def load(self, item: Mapping[str, Any]) -> JSON:
        """Store an object as another cluster kept it, its uid, owners of fields and status included, and return it."""
        namespace = item["metadata"].get("namespace")
        if namespace and not self._exists(builtin.NAMESPACES, namespace):
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        with self._api.store.changed:
            return self._api.store.put(self._api.catalogue.find_kind(item["kind"]), dict(item))

    def get(self, kind: str, namespace: str | None, name: str) -> JSON:
        """Return an object by kind (`HorizontalPodAutoscaler`), plural or short name; 404 is a StatusError."""
        return self._call("get", self._place(kind, namespace, name))

    def served_versions(self, group: str) -> Sequence[str]:
        """Return the versions of a group, best first."""
        return self._api.catalogue.groups()[group]

    def list(self, kind: str, namespace: str | None = "") -> list[JSON]:
        """Return all objects of a kind, of one namespace or of all."""
        resource = self._api.catalogue.find_kind(kind)
        return copied(list(self._api.store.items(resource, namespace or "")))

    def patch(self, kind: str, namespace: str | None, name: str, body: Any, **how: str) -> JSON:
        """Patch an object; `type` (merge, strategic, json, apply), `manager`, `subresource` and `force` say how."""
        place = self._place(kind, namespace, name)
        place = Place(place.group, place.version, place.plural, place.namespace, name, how.get("subresource", ""))
        force = {"force": how["force"]} if "force" in how else {}
        query = {"fieldManager": how.get("manager", KUBECTL), **force}
        return self._call("patch", place, body, query, PATCH_TYPES[how.get("type", "merge")])

    def apply(self, item: Mapping[str, Any], manager: str, *, force: bool = False) -> JSON:
        """Server-side apply an object."""
        group, _, version = item["apiVersion"].rpartition("/")
        metadata = item["metadata"]
        place = self._place(item["kind"], metadata.get("namespace"), metadata["name"], (group, version))
        query = {"fieldManager": manager, "force": str(force).lower()}
        return self._call("patch", place, item, query, APPLY_PATCH)

    def delete(self, kind: str, namespace: str | None, name: str) -> JSON:
        """Delete an object."""
        return self._call("delete", self._place(kind, namespace, name))

    def grant(
        self, user: str, role: Mapping[str, Any] | Sequence[Mapping[str, Any]], namespace: str = "default"
    ) -> str:
        """Give a user the rules of a Role or ClusterRole manifest (or a list of rules) and return the user's token.

        An empty namespace grants them in the whole cluster.
        """
        rules = list(role.get("rules", []) if isinstance(role, Mapping) else role)
        kind, where = ("Role", {"namespace": namespace}) if namespace else ("ClusterRole", {})
        number = len(self.list("roles")) + len(self.list("clusterroles"))
        metadata = {"name": f"granted-{number}", **where}
        version = "rbac.authorization.k8s.io/v1"
        self.create({"apiVersion": version, "kind": kind, "metadata": metadata, "rules": rules})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": metadata["name"]}
        self.create(
            {
                "apiVersion": version,
                "kind": f"{kind}Binding",
                "metadata": metadata,
                "roleRef": reference,
                "subjects": [{"kind": "User", "name": user}],
            }
        )
        return self.token(user)

    def watch(self, kind: str, namespace: str | None) -> Watch:
        """Return a watch of a collection that begins with what there is; its `events()` run until it is stopped."""
        place = self._place(kind, namespace, "")
        resource, view = self._api.catalogue.find(*place_id(place))
        return Watch(self._api.store, Call(ADMIN, "watch", resource, view, place, {}, "", "python", b""), lambda: False)

    def forget_history(self) -> None:
        """Compact etcd: every resourceVersion and list token from before now is too old (410)."""
        with self._api.store.changed:
            self._api.store.forget_history()

    def _exists(self, resource: Resource, name: str) -> bool:
        return self._api.store.get(resource, "", name) is not None

    def _place(self, kind: str, namespace: str | None, name: str, version: tuple[str, str] | None = None) -> Place:
        resource = self._api.catalogue.find_kind(kind)
        group, number = version or (resource.stored.group, resource.stored.version)
        where = (namespace or "default") if resource.namespaced else ""
        return Place(group, number, resource.plural, where, name)

    def _call(
        self, verb: str, place: Place, body: Any = None, query: Mapping[str, str] | None = None, content_type: str = ""
    ) -> JSON:
        resource, view = self._api.catalogue.find(*place_id(place))
        content = b"" if body is None else json.dumps(body).encode()
        call = Call(ADMIN, verb, resource, view, place, query or {}, content_type, "python", content)
        return self._api.answer(call).body


def place_id(place: Place) -> tuple[str, str, str]:
    """Return the group, version and plural of a place."""
    return place.group, place.version, place.plural
