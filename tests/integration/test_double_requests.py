"""What a request may say beside its body: options, selectors, pages; as a kube-apiserver 1.36.2 answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.double import KubernetesDouble, Wire
from tests.double.manifests import autoscaler, deployment

HPAS = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
MAPS = "/api/v1/namespaces/default/configmaps"
EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"
PODS = "/api/v1/namespaces/default/pods"
MATCH, ONLY = "resourceVersionMatch", 'only "metadata.name", "metadata.namespace"'


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with KubernetesDouble() as double:
        for item in (autoscaler(labels={"app": "web", "n": "3"}), deployment()):
            double.create(item)
        with Wire(double) as connection:
            yield connection


@pytest.mark.parametrize(
    ("kind", "query", "field", "words"),
    [
        pytest.param("merge", {"force": "true"}, "force", "may not be specified for non-apply patch", id="force"),
        pytest.param("merge", {"dryRun": "all"}, "dryRun", 'Unsupported value: ["all"]', id="a dry run of odd case"),
        pytest.param("json", {"fieldValidation": "strict"}, "fieldValidation", '"Ignore", "Strict"', id="a level"),
        pytest.param("merge", {"fieldManager": "m" * 129}, "fieldManager", "more than 128 bytes", id="a long manager"),
        pytest.param("merge", {"fieldManager": "a\nb"}, "fieldManager", "U+000A (at position 1)", id="a line end"),
        pytest.param("apply", {}, "fieldManager", "is required for apply patch", id="an apply of nobody"),
    ],
)
@pytest.mark.parametrize("name", ["web", "missing"])
def test_wrong_options_are_refused_before_anything_is_looked_at(
    wire: Wire, kind: str, query: dict[str, str], field: str, words: str, name: str
) -> None:
    answer = wire.send("PATCH", f"{HPAS}/{name}", "{", kind, **query)
    assert (answer.status, answer.json["details"]["kind"]) == (422, "PatchOptions")
    assert [cause["field"] for cause in answer.json["details"]["causes"]] == [field]
    assert words in answer.json["message"]


def test_a_body_that_is_no_patch_is_refused_first(wire: Wire) -> None:
    answer = wire.send("PATCH", f"{HPAS}/missing", "{", "application/json", dryRun="odd")
    assert (answer.status, answer.json["message"]) == (415, "415: Unsupported Media Type")


@pytest.mark.parametrize(
    ("text", "forced"), [("true", True), ("1", True), ("yes", True), ("false", False), ("0", False)]
)
def test_whatever_is_not_false_is_force(wire: Wire, text: str, forced: bool) -> None:
    answer = wire.send("PATCH", f"{HPAS}/web", autoscaler(floor=7), "apply", fieldManager="x", force=text, dryRun="All")
    assert answer.status == (200 if forced else 409)


def test_an_object_is_read_before_it_is_looked_for(wire: Wire) -> None:
    missing = {**autoscaler("missing"), "spec": "x"}
    assert wire.send("PUT", f"{HPAS}/missing", missing).status == 400
    assert wire.send("PUT", f"{HPAS}/missing", autoscaler("missing")).status == 404


@pytest.mark.parametrize(
    ("path", "query", "code", "words"),
    [
        pytest.param(HPAS, {"limit": "x"}, 400, 'strconv.ParseInt: parsing "x"', id="no number of objects"),
        pytest.param(HPAS, {"limit": "-1"}, 200, "", id="less than none is all"),
        pytest.param(HPAS, {"resourceVersion": "abc"}, 400, "invalid resource version", id="no version"),
        pytest.param(HPAS, {MATCH: "Exact"}, 422, "unless resourceVersion is provided", id="a match of no version"),
        pytest.param(HPAS, {MATCH: "Exact", "resourceVersion": "0"}, 422, "is forbidden", id="exactly any version"),
        pytest.param(HPAS, {MATCH: "Odd", "resourceVersion": "0"}, 422, "Unsupported value", id="an odd match"),
        pytest.param(HPAS, {"continue": "odd"}, 400, "continue key is not valid", id="no token"),
        pytest.param(
            HPAS, {"fieldSelector": "spec.x=1"}, 400, f'"spec.x" is not a known field selector: {ONLY}', id="f"
        ),
        pytest.param(PODS, {"fieldSelector": "spec.x=1"}, 400, "field label not supported: spec.x", id="f of pods"),
        pytest.param(PODS, {"fieldSelector": "spec.nodeName=n"}, 200, "", id="pods of a node"),
        pytest.param(EVENTS, {"fieldSelector": "reason=Raised,type!=Normal"}, 200, "", id="events by reason"),
        pytest.param(HPAS, {"fieldSelector": "odd"}, 400, "invalid selector: 'odd'; can't understand 'odd'", id="no f"),
        pytest.param(f"{HPAS}/web", {"resourceVersion": "abc"}, 500, "strconv.ParseUint", id="one of no version"),
    ],
)
def test_lists(wire: Wire, path: str, query: dict[str, str], code: int, words: str) -> None:
    answer = wire.send("GET", path, **query)
    assert answer.status == code
    assert words in answer.json.get("message", "")


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("app=web", True),
        ("app==web,n!=4", True),
        ("app in (db, web),n", True),
        ("app notin (web)", False),
        ("tier notin (web)", True),
        ("!tier", True),
        ("!app", False),
        ("tier", False),
        ("n>2,n<4", True),
        ("n>3", False),
        ("app>2", False),
        ("app=", False),
        ("tier!=", True),
        ("a b", "found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("=x", "found '=', expected: !, identifier, or 'end of string'"),
        ("app=web,", "found '', expected: identifier after ','"),
        ("app in web", "found 'web' expected: '('"),
        ("app in ()", False),
        ("app notin ()", True),
        ("app in (web,)", True),
        ("app in (web", "found '', expected: ',' or ')'"),
        ("app in (web db)", "found 'db', expected: ',' or ')'"),
        ("app=web db", "found 'db', expected: ',' or 'end of string'"),
        ("app==>", "found '>', expected: identifier"),
        ("!", "found '', expected: identifier"),
        ("app=-x", 'values[0][app]: Invalid value: "-x"'),
        ("n>x", "the value must be an integer"),
        ("a/b/c", 'Invalid value: "a/b/c": a valid label key must consist of'),
    ],
)
def test_label_selectors(wire: Wire, selector: str, found: bool | str) -> None:
    answer = wire.send("GET", HPAS, labelSelector=selector)
    if isinstance(found, str):
        assert answer.status == 400
        assert found in answer.json["message"]
    else:
        assert bool(answer.json["items"]) is found


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        pytest.param({"propagationPolicy": "Odd"}, 422, '"Foreground", "Background", "Orphan", "nil"', id="a policy"),
        pytest.param({"dryRun": ["x"]}, 422, 'Unsupported value: ["x"]', id="a dry run"),
        pytest.param("{", 400, "couldn't get version/kind; json parse error", id="no JSON"),
        pytest.param("[]", 400, "couldn't get version/kind; json parse error", id="no object"),
        pytest.param("null", 404, "not found", id="nothing"),
    ],
)
def test_options_of_deletions(wire: Wire, body: Any, code: int, words: str) -> None:
    answer = wire.send("DELETE", f"{MAPS}/missing", body)
    assert answer.status == code
    assert words in answer.json["message"]


def test_a_generated_name_is_cut(wire: Wire) -> None:
    named = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "a" * 200}}
    name = wire.send("POST", MAPS, named).json["metadata"]["name"]
    assert name.startswith("a" * 58)
    assert len(name) == 63


@pytest.mark.parametrize(
    ("part", "key", "text", "code"),
    [
        pytest.param("data", "a", "", 201, id="an empty text"),
        pytest.param("data", "..", "x", 422, id="a key of two points"),
        pytest.param("data", "..a", "x", 422, id="a key that begins with two"),
        pytest.param("binaryData", "a", "aGVs\nbG8=", 201, id="base64 of two lines"),
        pytest.param("binaryData", "a", "aGVsbG8", 400, id="base64 cut off"),
        pytest.param("binaryData", "a", "aGVs!G8=", 400, id="no base64"),
    ],
)
def test_config_maps(wire: Wire, part: str, key: str, text: str, code: int) -> None:
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, part: {key: text}}
    answer = wire.send("POST", MAPS, item, dryRun="All")
    assert answer.status == code
    assert code != 201 or answer.json[part] == {key: text.replace("\n", "")}


def test_the_case_of_an_annotations_key_does_not_matter_and_an_empty_one_stays(wire: Wire) -> None:
    notes = {"Example.com/a": "", "capacity/freeze": ""}
    answer = wire.send("PATCH", f"{HPAS}/web", {"metadata": {"annotations": notes}}, "merge", dryRun="All")
    assert answer.json["metadata"]["annotations"] == notes
    assert wire.send("PATCH", f"{HPAS}/web", {"metadata": {"annotations": {"/a": ""}}}, "merge").status == 422


def test_a_template_keeps_the_requests_it_does_not_say_and_a_pod_takes_its_limits(wire: Wire) -> None:
    container = {"name": "app", "image": "img:1", "resources": {"limits": {"cpu": "1"}}}
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    changed = wire.send("PATCH", f"{DEPLOYMENTS}/web", patch, "merge", dryRun="All").json
    assert changed["spec"]["template"]["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "1"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [container]}}
    made = wire.send("POST", PODS, pod, dryRun="All").json
    assert made["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "1"}


@pytest.mark.parametrize(
    ("kind", "change", "code", "field"),
    [
        pytest.param("merge", {"metadata": {"uid": "1"}}, 422, "metadata.uid", id="another uid in a patch"),
        pytest.param("put", {"metadata": {"name": "web", "uid": "1"}}, 409, "", id="another uid in an object"),
        pytest.param("apply", {"kind": "Odd"}, 400, "", id="an apply of another kind"),
        pytest.param("apply", {"metadata": {}}, 200, "", id="an apply without a name means that of its path"),
    ],
)
def test_who_means_another_object_is_refused(wire: Wire, kind: str, change: Any, code: int, field: str) -> None:
    body = change if kind == "merge" else {**autoscaler(), **change}
    query = {"fieldManager": "x", **({"force": "true"} if kind == "apply" else {})}
    answer = wire.send("PUT" if kind == "put" else "PATCH", f"{HPAS}/web", body, kind if kind != "put" else "", **query)
    assert answer.status == code
    causes = (answer.json.get("details") or {}).get("causes", [])
    assert {cause["field"] for cause in causes} == ({field} if field else set())


def test_an_apply_that_changes_nothing_has_no_time(wire: Wire) -> None:
    same = {**autoscaler(), "spec": {"minReplicas": 2}}
    answer = wire.send("PATCH", f"{HPAS}/web", same, "apply", fieldManager="new", dryRun="All").json
    entries = {entry["manager"]: entry for entry in answer["metadata"]["managedFields"]}
    assert "time" not in entries["new"]
    assert entries["kubectl-client-side-apply"]["time"]


ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
EVENT = {
    "apiVersion": "events.k8s.io/v1",
    "kind": "Event",
    "metadata": {"name": "a"},
    "eventTime": "2026-11-27T18:00:00.000000Z",
    "reportingController": "capacity",
    "reportingInstance": "capacity-1",
    "action": "MoveFloor",
    "reason": "Raised",
    "regarding": {"kind": "Pod", "namespace": "default", "name": "a"},
    "type": "Normal",
}


@pytest.mark.parametrize(
    ("path", "item", "fields"),
    [
        pytest.param(ROLES, {"rules": [{}]}, ["verbs", "apiGroups", "resources"], id="a rule of nothing"),
        pytest.param(
            ROLES, {"rules": [{"verbs": ["get"], "apiGroups": [""]}]}, ["resources"], id="a rule of no resource"
        ),
        pytest.param(REVIEWS, {"spec": {}}, ["resourceAttributes"], id="a review of nothing"),
        pytest.param(EVENTS, {"series": {}}, ["count", "lastObservedTime"], id="a series of nothing"),
        pytest.param(EVENTS, {"reportingController": "a b"}, ["reportingController"], id="a reporter of two words"),
        pytest.param(EVENTS, {"metadata": {"generateName": "AB-"}}, ["generateName", "name"], id="a name of no host"),
    ],
)
def test_what_says_too_little_is_refused(wire: Wire, path: str, item: dict[str, Any], fields: list[str]) -> None:
    base = EVENT if path == EVENTS else {"metadata": {"name": "a"}} if path == ROLES else {}
    answer = wire.send("POST", path, {**base, **item}, dryRun="All")
    assert [cause["field"].rpartition(".")[2] for cause in answer.json["details"]["causes"]] == fields


def test_annotations_count_as_a_generation_of_deployments_alone(wire: Wire) -> None:
    note = {"metadata": {"annotations": {"capacity/state": "{}"}}}
    made = wire.send("PATCH", f"{DEPLOYMENTS}/web", note, "merge", dryRun="All").json["metadata"]
    assert made["generation"] == 2


def test_who_scales_to_nothing_owns_nothing(wire: Wire) -> None:
    wire.send("PATCH", f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 0}}, "merge", fieldManager="x")
    entries = wire.send("GET", f"{DEPLOYMENTS}/web").json["metadata"]["managedFields"]
    assert not any("f:replicas" in entry["fieldsV1"].get("f:spec", {}) for entry in entries)


@pytest.mark.parametrize(
    ("ceiling", "words"),
    [(0, "Required value: must be set and greater than 0"), (-5, "must be greater than or equal to 1")],
)
def test_a_ceiling_of_nothing_is_none(wire: Wire, ceiling: int, words: str) -> None:
    answer = wire.send("PATCH", f"{HPAS}/web", {"spec": {"maxReplicas": ceiling}}, "merge")
    assert words in answer.json["details"]["causes"][0]["message"]
