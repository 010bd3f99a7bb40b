"""Kustomize and Helm install the same objects in every form; all are valid; values that make no sense are refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import capacity
from tests.rendering import (
    BASE,
    CONFIG,
    FORMS,
    K8S,
    NEWEST,
    OLDEST,
    Document,
    Form,
    chart,
    documents,
    kustomize,
    pod_of,
    run,
    shown,
    the,
    title,
    validate,
    without_release,
)

CHART = K8S / "chart"
DIGEST = "sha256:" + "0123456789abcdef" * 4
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
NEAR = f"affinity.podAffinity.{REQUIRED}[0]"
VOLUMES = [
    {"name": "config", "configMap": {"name": "capacity-config"}},
    {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
]
OWN = {"app.kubernetes.io/name": "capacity", "app.kubernetes.io/part-of": "capacity"}
SCRAPE = {  # the one who may call, where asked: Prometheus
    "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
    "ports": [{"protocol": "TCP", "port": 8080}],
}
each_form = pytest.mark.parametrize("form", [pytest.param(form, id=name) for name, form in FORMS.items()])
each_version = pytest.mark.parametrize("version", [OLDEST, NEWEST])


@pytest.fixture(scope="module")
def of_kustomize(kubectl: str) -> dict[str, list[Document]]:
    return {form.folder: kustomize(kubectl, K8S / form.folder) for form in FORMS.values()}


@pytest.fixture(scope="module")
def of_helm(helm: str) -> dict[str, list[Document]]:
    return {form.folder: chart(helm, form.values) for form in FORMS.values()}


def copied(folder: Path) -> Path:
    return Path(shutil.copytree(K8S, folder / "k8s"))


# -- the same, and valid ----------------------------------------------------------------------------------------------


def test_every_overlay_and_component_is_a_form() -> None:
    overlays = {path.parent.relative_to(K8S).as_posix() for path in K8S.glob("overlays/*/kustomization.yaml")}
    assert overlays == {form.folder for form in FORMS.values()} - {"base"}
    used = {Path(component).name for form in FORMS.values() for component in form.components}
    assert used == {path.name for path in (K8S / "components").iterdir()}


@each_form
def test_kustomize_and_helm_render_the_same_objects(
    form: Form, of_kustomize: dict[str, list[Document]], of_helm: dict[str, list[Document]]
) -> None:
    assert [title(document) for document in of_helm[form.folder]] == [
        title(document) for document in of_kustomize[form.folder]
    ]
    assert without_release(of_helm[form.folder]) == of_kustomize[form.folder]


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An overlay of all forms at once, in a copy of k8s/."""
    overlay = copied(tmp_path_factory.mktemp("forms")) / "overlays" / "everything"
    overlay.mkdir()
    components = list(dict.fromkeys(component for form in FORMS.values() for component in form.components))
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump({"resources": ["../../base"], "components": components}))
    return overlay


@pytest.fixture(scope="module")
def everything(kubectl: str, forms: Path) -> list[Document]:
    """All forms at once, as kubectl renders them."""
    return kustomize(kubectl, forms)


def test_all_forms_at_once_are_the_same_too(everything: list[Document], helm: str) -> None:
    assert everything == without_release(chart(helm, [value for form in FORMS.values() for value in form.values]))
    for document in everything:
        validate(document, NEWEST)


@each_version
def test_every_form_is_valid(version: str, of_kustomize: dict[str, list[Document]]) -> None:
    """An object that several forms hold is validated once."""
    found = {json.dumps(one, sort_keys=True): one for rendered in of_kustomize.values() for one in rendered}
    for document in found.values():
        validate(document, version)


def test_a_kubectl_of_the_machine_renders_the_same(everything: list[Document], forms: Path) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("no kubectl on the path: only the newest is asked")
    assert kustomize(kubectl, forms) == everything


@pytest.mark.parametrize("forms", [["as it comes"], list(FORMS)], ids=["as it comes", "all forms at once"])
def test_helm_lint_finds_nothing(forms: list[str], helm: str) -> None:
    sets = [word for name in forms for value in FORMS[name].values for word in ("--set", value)]
    assert "0 chart(s) failed" in run([helm, "lint", "--strict", str(CHART), *CONFIG, *sets])


# -- what the forms differ in -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["base", "overlays/everything"])
def test_namespace_and_image_of_the_base_reach_every_object(
    form: str, forms: Path, kubectl: str, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(forms.parents[1], tmp_path / "k8s"))
    base, rights = folder / "base" / "kustomization.yaml", folder / "base" / "workloads" / "kustomization.yaml"
    text = base.read_text().replace("namespace: capacity-system", "namespace: tools")
    base.write_text(text.replace("registry.example.com", "other.org"))
    rights.write_text(rights.read_text().replace("namespace: shop", "namespace: store"))
    rendered = kustomize(kubectl, folder / form)
    for item in rendered:
        where = "store" if item["kind"].startswith("Role") else "tools"
        assert item["metadata"].get("namespace", where) == where
    assert {subject["namespace"] for item in rendered for subject in item.get("subjects", [])} == {"tools"}
    images = {
        container["image"] for pod in filter(None, map(pod_of, rendered)) for container in pod["spec"]["containers"]
    }
    assert images == {f"other.org/capacity:{capacity.__version__}"}


def test_the_rules_are_the_same_in_a_namespace_and_in_the_cluster(of_kustomize: dict[str, list[Document]]) -> None:
    narrow, wide = of_kustomize["base"], of_kustomize["overlays/cluster-wide"]
    roles = [item for item in narrow if item["kind"] == "Role"]
    assert [len(role["rules"]) for role in roles] == [9, 2]
    for role in roles:
        assert the(wide, "ClusterRole", role["metadata"]["name"])["rules"] == role["rules"]
    assert not [item for item in wide if item["kind"] in ("Role", "RoleBinding")]


def test_only_forms_that_say_so_reach_beyond_their_namespace(
    of_kustomize: dict[str, list[Document]],
) -> None:
    wide = {folder for folder, rendered in of_kustomize.items() if any(beyond(item) for item in rendered)}
    assert wide == {
        "overlays/priority",
        "overlays/cluster-wide",
        "overlays/storage-classes",
        "overlays/nodes",
        "overlays/placeholder",
    }


def beyond(item: Document) -> bool:
    """Whether it belongs to no namespace."""
    return "Cluster" in item["kind"] or item["kind"] == "PriorityClass"


def test_loop_has_the_pod_of_the_cron_job_but_for_what_a_server_needs(of_kustomize: dict[str, list[Document]]) -> None:
    once = the(of_kustomize["base"], "CronJob", "capacity-controller")["spec"]["jobTemplate"]["spec"]["template"]
    loop = the(of_kustomize["overlays/loop"], "Deployment", "capacity-controller")["spec"]["template"]
    assert loop["metadata"] == once["metadata"]
    (first,), (second,) = once["spec"].pop("containers"), loop["spec"].pop("containers")
    assert set(first["args"]) - set(second["args"]) == {"apply", "--held-ok"}
    assert set(second.pop("args")) - set(first.pop("args")) == {"run", "--health-port", "8080"}
    assert {second.pop(name) is not None for name in ("ports", "livenessProbe", "readinessProbe")} == {True}
    assert second == first
    assert once["spec"].pop("restartPolicy") == "Never"
    assert once["spec"].pop("terminationGracePeriodSeconds") == 5
    assert loop["spec"].pop("topologySpreadConstraints")
    assert loop["spec"].pop("terminationGracePeriodSeconds") == 60
    assert loop["spec"] == once["spec"]


def test_a_database_needs_no_claim_and_its_password_is_a_secret(everything: list[Document]) -> None:
    for name in ("capacity-planner", "capacity-audit"):
        job = the(everything, "CronJob", name)
        assert "persistentVolumeClaim" not in json.dumps(job)
        (container,) = pod_of(job)["spec"]["containers"]
        (password,) = (item for item in container["env"] if item["name"] == "PGPASSWORD")
        assert password["valueFrom"] == {"secretKeyRef": {"name": "capacity-database", "key": "password"}}
        reached = [
            port["port"] for rule in the(everything, "NetworkPolicy", name)["spec"]["egress"] for port in rule["ports"]
        ]
        assert {5432, 9091, 9093} <= set(reached)


def test_the_audit_is_the_planners_pod_without_a_token(of_kustomize: dict[str, list[Document]]) -> None:
    jobs = [
        the(of_kustomize["overlays/audit"], "CronJob", name)["spec"] for name in ("capacity-planner", "capacity-audit")
    ]
    planner, audit = (pod_of({"spec": job})["spec"] for job in jobs)
    assert (audit.pop("automountServiceAccountToken"), planner.pop("automountServiceAccountToken")) == (False, True)
    assert planner.pop("serviceAccountName") == "capacity-planner"
    (planning,), (auditing,) = planner.pop("containers"), audit.pop("containers")
    assert audit == planner
    assert [auditing.pop("args"), planning.pop("args")[0]] == [["audit", "-c", "/etc/capacity/capacity.yaml"], "plan"]
    assert auditing.pop("resources") != planning.pop("resources")
    assert auditing == planning


def test_prometheus_finds_the_port_of_the_loop_and_keeps_our_labels(of_kustomize: dict[str, list[Document]]) -> None:
    rendered = of_kustomize["overlays/pod-monitor"]
    (endpoint,) = the(rendered, "PodMonitor", "capacity-controller")["spec"]["podMetricsEndpoints"]
    (container,) = pod_of(the(rendered, "Deployment", "capacity-controller"))["spec"]["containers"]
    (port,) = (port for port in container["ports"] if port["name"] == endpoint["port"])
    assert port["containerPort"] == int(container["args"][container["args"].index("--health-port") + 1])
    assert endpoint["honorLabels"] is True, "`namespace` would be that of our pod"
    assert SCRAPE in the(rendered, "NetworkPolicy", "capacity-controller")["spec"]["ingress"]


# -- whom it touches --------------------------------------------------------------------------------------------------


@each_form
def test_selectors_select_our_own_pods_and_no_others(form: Form, of_kustomize: dict[str, list[Document]]) -> None:
    rendered = of_kustomize[form.folder]
    pods = [pod["metadata"]["labels"] for pod in filter(None, map(pod_of, rendered))]
    assert all(labels.items() >= OWN.items() for labels in pods)
    selectors = [spec[key] for item in rendered if (spec := item.get("spec")) for key in spec if "elector" in key]
    assert len(selectors) >= 2
    for selector in selectors:
        wanted = selector.get("matchLabels", selector)  # a Service has the labels alone
        assert [labels for labels in pods if wanted.items() <= labels.items()], "it selects nothing"
        assert wanted["app.kubernetes.io/name"] == "capacity"
        assert "app.kubernetes.io/component" in wanted


@each_form
def test_pods_may_reach_name_service_and_api_server_and_nobody_reaches_them(
    form: Form, of_kustomize: dict[str, list[Document]]
) -> None:
    policies = [item["spec"] for item in of_kustomize[form.folder] if item["kind"] == "NetworkPolicy"]
    assert len(policies) == (3 if form.folder in ("overlays/audit", "overlays/serve") else 2)
    for policy in policies:
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        assert policy.get("ingress", []) in ([], [SCRAPE] if "monitoring.namespace=monitoring" in form.values else [])
        ports = {(port["protocol"], port["port"]) for rule in policy["egress"] for port in rule["ports"]}
        further = {5432, 9090, 9091, 9093}
        kept = {(protocol, port) for protocol, port in ports if port not in further}
        audits = policy["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "audit"
        assert kept == {("UDP", 53), ("TCP", 53), ("TCP", 443), *([] if audits else [("TCP", 6443)])}


@each_version
def test_every_optional_peer_of_the_network_policy_is_valid_when_switched_on(version: str) -> None:
    written = (BASE / "network-policy.yaml").read_text(encoding="utf-8")
    policies = documents(shown(written))
    assert [len(policy["spec"]["egress"]) for policy in policies] == [3, 4]
    assert [len(policy["spec"]["egress"]) for policy in documents(written)] == [2, 2]
    for policy in policies:
        validate(policy, version)


@pytest.mark.parametrize(("version", "ending", "place"), [(OLDEST, ".md", "/"), (NEWEST, ".html", "/{name}.html")])
def test_alerts_link_the_runbooks_where_they_are_published(helm: str, version: str, ending: str, place: str) -> None:
    site = "https://docs.example.com/runbooks"
    place = site + place
    rendered = chart(helm, ["monitoring.rules=true"], "--set-string", f"monitoring.runbooks={place}")
    rule = the(rendered, "PrometheusRule", "capacity")
    validate(rule, version)
    links = {link for link in all_of(rule, "runbook_url") if isinstance(link, str)}
    assert len(links) >= 10
    assert {link.rpartition("/")[0] for link in links} == {site}
    names = {link.rpartition("/")[2].removesuffix(ending) for link in links}
    assert {(K8S.parent / "docs" / "runbooks" / f"{name}.md").is_file() for name in names} == {True}


# -- the chart's own values -------------------------------------------------------------------------------------------


def test_chart_is_of_this_version() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert about["version"] == about["appVersion"] == capacity.__version__
    assert OLDEST in about["kubeVersion"]


@pytest.mark.parametrize(
    ("values", "field", "expected"),
    [
        pytest.param([f"image.digest={DIGEST}"], "image", f"registry.example.com/capacity@{DIGEST}", id="digest"),
        pytest.param(["workloads=name"], "workloads.csv", "name", id="table of workloads"),
        pytest.param(["image.tag=1.2.3"], "image", "registry.example.com/capacity:1.2.3", id="tag"),
        pytest.param(["image.pullSecrets={own}"], "imagePullSecrets", [{"name": "own"}], id="pull secret"),
        pytest.param(
            ["imagePullSecrets[0].name=own"], "imagePullSecrets", [{"name": "own"}], id="pull secret, as usual"
        ),
        pytest.param(["controller.image.repository=other"], "image", f"other:{capacity.__version__}", id="lean image"),
        pytest.param(
            [f"{NEAR}.labelSelector.matchLabels.a=b", f"{NEAR}.topologyKey=zone"],
            "podAffinity",
            {REQUIRED: [{"labelSelector": {"matchLabels": {"a": "b"}}, "topologyKey": "zone"}]},
            id="affinity",
        ),
        pytest.param(["podAnnotations.team=shop"], "annotations", {"team": "shop"}, id="annotation of pods"),
        pytest.param(["planner.serviceAccount.name=own"], "serviceAccountName", "own", id="account of another name"),
        pytest.param(
            ["controller.serviceAccount.annotations.role=r"], "annotations", {"role": "r"}, id="account's role"
        ),
        pytest.param(["extraVolumes[0].name=token"], "volumes", [*VOLUMES, {"name": "token"}], id="a further volume"),
        pytest.param(["nameOverride=floors"], "serviceAccountName", "floors-planner", id="another name"),
        pytest.param(["pods.nodeSelector.pool=system"], "nodeSelector", {"pool": "system"}, id="node selector"),
        pytest.param(["pods.tolerations[0].operator=Exists"], "tolerations", [{"operator": "Exists"}], id="toleration"),
        pytest.param(["pods.priorityClassName=high"], "priorityClassName", "high", id="priority"),
        pytest.param(["orders.claim=other"], "claimName", "other", id="another claim"),
        pytest.param(["controller.resources.limits.cpu=2"], "limits", {"cpu": 2, "memory": "256Mi"}, id="resources"),
        pytest.param(["controller.form=loop", "controller.replicas=3"], "replicas", 3, id="replicas"),
        pytest.param(["planner.schedule=*/15 * * * *"], "schedule", "*/15 * * * *", id="schedule"),
        pytest.param(["planner.activeDeadlineSeconds=600"], "activeDeadlineSeconds", 600, id="deadline"),
        pytest.param(["controller.egress[0].ports[0].port=9091"], "ports", [{"port": 9091}], id="a further peer"),
    ],
)
def test_values_reach_valid_objects(
    helm: str, of_helm: dict[str, list[Document]], values: list[str], field: str, expected: object
) -> None:
    rendered, usual = chart(helm, values), of_helm["base"]
    assert expected in list(all_of(rendered, field))
    assert expected not in list(all_of(usual, field))
    for document in (one for one in rendered if one not in usual):  # the others are valid: test_every_form_is_valid
        validate(document, NEWEST)


def test_every_container_has_the_further_environment_and_mounts(helm: str) -> None:
    rendered = chart(
        helm,
        [
            *("audit.enabled=true", "controller.form=loop"),
            *(
                "extraEnv[0].name=A",
                "extraEnv[0].value=b",
                "extraVolumes[0].name=t",
                "extraVolumes[0].emptyDir.medium=",
            ),
            *("extraVolumeMounts[0].name=t", "extraVolumeMounts[0].mountPath=/t"),
        ],
    )
    pods = list(filter(None, map(pod_of, rendered)))
    assert len(pods) == 3
    for pod in pods:
        (container,) = pod["spec"]["containers"]
        assert {"name": "A", "value": "b"} in container["env"]
        assert {"name": "t", "mountPath": "/t"} in container["volumeMounts"]
        assert "t" in {volume["name"] for volume in pod["spec"]["volumes"]}
    for document in rendered:
        validate(document, NEWEST)


def test_another_name_reaches_every_object_and_every_reference(helm: str) -> None:
    monitoring = ["monitoring.rules=true", "monitoring.dashboards=true", "monitoring.podMonitor=true"]
    forms = ["controller.form=loop", "audit.enabled=true", "targets.nodes=true", "targets.storageClasses=true"]
    rendered = chart(helm, ["nameOverride=floors", *monitoring, *forms])
    assert {item["metadata"]["name"].partition("-")[0] for item in rendered} == {"floors"}
    accounts = {item["metadata"]["name"] for item in rendered if item["kind"] == "ServiceAccount"}
    assert set(all_of(rendered, "serviceAccountName")) == accounts
    assert {subject["name"] for item in rendered for subject in item.get("subjects", [])} == accounts
    roles = {item["metadata"]["name"] for item in rendered if item["kind"] in ("Role", "ClusterRole")}
    assert {item["roleRef"]["name"] for item in rendered if "roleRef" in item} == roles
    assert set(all_of(rendered, "app.kubernetes.io/name")) == {"floors"}
    maps = {item["metadata"]["name"] for item in rendered if item["kind"] == "ConfigMap"}
    assert {one["name"] for one in all_of(rendered, "configMap") if isinstance(one, dict)} <= maps


def test_accounts_of_others_are_used_and_not_created(helm: str) -> None:
    values = [
        f"{part}.serviceAccount.{key}" for part in ("planner", "controller") for key in ("create=false", "name=own")
    ]
    rendered = chart(helm, values)
    assert not [item for item in rendered if item["kind"] == "ServiceAccount"]
    assert {subject["name"] for item in rendered for subject in item.get("subjects", [])} == {"own"}


def test_every_object_says_of_which_release_it_is(helm: str) -> None:
    for item in chart(helm, ["audit.enabled=true", "monitoring.rules=true", "monitoring.dashboards=true"]):
        labels = item["metadata"]["labels"]
        assert (
            labels.items()
            >= {
                "app.kubernetes.io/instance": "capacity",
                "app.kubernetes.io/version": capacity.__version__,
                "app.kubernetes.io/managed-by": "Helm",
            }.items()
        ), title(item)


def test_helm_test_examines_as_the_planner(helm: str) -> None:
    words = [helm, "template", "capacity", str(CHART), "-n", "shop", *CONFIG, "-s", "templates/tests/doctor.yaml"]
    (pod,) = documents(run(words))
    validate(pod, NEWEST)
    planner = pod_of(the(chart(helm), "CronJob", "capacity-planner"))
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    (container,), (planning,) = pod["spec"].pop("containers"), planner["spec"].pop("containers")
    for name in ("command", "args"):
        container.pop(name, None), planning.pop(name, None)
    assert container == planning
    assert {**pod["spec"], "terminationGracePeriodSeconds": 5} == planner["spec"]


def test_chart_is_packed_whole_for_a_registry(helm: str, tmp_path: Path) -> None:
    run([helm, "package", str(CHART), "-d", str(tmp_path)])
    with tarfile.open(tmp_path / f"capacity-{capacity.__version__}.tgz") as packed:
        names = set(packed.getnames())
    files = {f"capacity/{path.relative_to(CHART).as_posix()}" for path in CHART.rglob("*") if path.is_file()}
    assert names == files - {"capacity/.helmignore"}
    assert "capacity/README.md" in names


def all_of(node: object, field: str) -> Iterator[object]:
    """Every value that a field of this name has, however deep."""
    if isinstance(node, list):
        for item in node:
            yield from all_of(item, field)
    elif isinstance(node, dict):
        if field in node:
            yield node[field]
        yield from all_of(list(node.values()), field)


def test_network_policy_can_be_left_to_others(helm: str) -> None:
    assert {item["kind"] for item in chart(helm)} - {item["kind"] for item in chart(helm, ["networkPolicy=false"])} == {
        "NetworkPolicy"
    }


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        pytest.param("contrller.form=loop", "additional properties 'contrller' not allowed", id="a misspelled key"),
        pytest.param("controller.replica=3", "additional properties 'replica' not allowed", id="a key of no block"),
        pytest.param("scope=everywhere", "must be one of 'namespace', 'cluster'", id="an unknown scope"),
        pytest.param("controller.form=job", "must be one of 'cronjob', 'loop'", id="an unknown form"),
        pytest.param("controller.replicas=0", "minimum: got 0, want 1", id="a loop of nobody"),
        pytest.param("image.digest=sha256:abc", "does not match pattern", id="a short digest"),
        pytest.param("image.repository=", "does not match pattern", id="an image without a name"),
        pytest.param("planner.schedule=hourly", "does not match pattern", id="a schedule in words"),
        pytest.param("planner.activeDeadlineSeconds=soon", "want integer", id="a deadline in words"),
        pytest.param("controller.resources.limits.cpu=null", "missing property 'cpu'", id="no CPU limit"),
        pytest.param("controller.resources.requests.memory=lots", "does not match pattern", id="no quantity"),
        pytest.param("networkPolicy=maybe", "want boolean", id="neither yes nor no"),
        pytest.param("orders.claim=Orders", "does not match pattern", id="a claim no server would take"),
    ],
)
def test_values_that_make_no_sense_are_refused(helm: str, value: str, complaint: str) -> None:
    words = [helm, "template", "capacity", str(CHART), *CONFIG, "--set", value]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert complaint in done.stderr


def test_chart_without_a_configuration_says_how_to_give_one(helm: str) -> None:
    done = subprocess.run([helm, "template", str(CHART)], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "--set-file config=capacity.yaml" in done.stderr


def test_schema_describes_every_value() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert set(schema["properties"]) - {"global"} == set(values)
    for name, block in values.items():
        if isinstance(block, dict) and block:
            assert set(schema["properties"][name]["properties"]) == set(block), name
