"""What the server says of itself: version, health, groups, resources, and that it validates fields.

https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
"""

from __future__ import annotations

from tests.double.calls import Place
from tests.double.resources import Catalogue
from tests.double.status import JSON

VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2",
    "gitCommit": "$Format:%H$",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.27.3",
    "compiler": "gc",
    "platform": "linux/amd64",
}
"""The answer of the server the recording was made with (exchange 90)."""
HEALTH = ("/healthz", "/readyz", "/livez")
CREATE_ONLY = "selfsubjectaccessreviews"


def discover(path: str, catalogue: Catalogue) -> JSON | None:
    """Return the discovery document of a path, or None."""
    parts = path.strip("/").split("/")
    if parts == ["version"]:
        return dict(VERSION)
    if parts == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"]}
    if parts == ["apis"]:
        groups = [_group(name, versions) for name, versions in catalogue.groups().items()]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    if parts[:2] == ["openapi", "v3"]:
        return _openapi(parts[2:], catalogue)
    if parts[0] == "apis" and len(parts) == 2 and parts[1] in catalogue.groups():
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1], catalogue.groups()[parts[1]])}
    if parts == ["api", "v1"]:
        return _resources("", "v1", catalogue)
    if parts[0] == "apis" and len(parts) == 3:
        return _resources(parts[1], parts[2], catalogue)
    return None


def _group(name: str, versions: list[str]) -> JSON:
    entries = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": entries, "preferredVersion": entries[0]}


def _resources(group: str, version: str, catalogue: Catalogue) -> JSON | None:
    lines = []
    for resource, _ in catalogue.serving(group, version):
        line = resource.entry()
        if resource.plural == CREATE_ONLY:
            line |= {"verbs": ["create"]}
            del line["storageVersionHash"]
        lines += [line, *resource.subresource_entries()]
    if not lines:
        return None
    name = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": lines}


def _openapi(parts: list[str], catalogue: Catalogue) -> JSON | None:
    """Return just enough OpenAPI for kubectl to learn that PATCH takes `fieldValidation`."""
    versions = ["api/v1"] + [f"apis/{name}/{one}" for name, many in catalogue.groups().items() for one in many]
    if not parts:
        return {"paths": {name: {"serverRelativeURL": f"/openapi/v3/{name}"} for name in versions}}
    name = "/".join(parts)
    if name not in versions:
        return None
    group, version = ("", "v1") if parts[0] == "api" else (parts[1], parts[2])
    paths = {}
    for resource, view in catalogue.serving(group, version):
        kind = {"group": view.group, "version": view.version, "kind": resource.kind}
        middle = "/namespaces/{namespace}" if resource.namespaced else ""
        parameters = [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}]
        patch = {"x-kubernetes-group-version-kind": kind, "parameters": parameters, "responses": {}}
        paths[f"/{name}{middle}/{resource.plural}/{{name}}"] = {"patch": patch}
    return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.36.2"}, "paths": paths}


def is_served_group(place: Place, catalogue: Catalogue) -> bool:
    """Tell whether a path is of a group version there is; else the real server has no Status for it, only text."""
    return (place.group, place.version) == ("", "v1") or place.version in catalogue.groups().get(place.group, [])
