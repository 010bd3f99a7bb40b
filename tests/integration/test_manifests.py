"""The manifests of k8s/: valid for every supported Kubernetes, restricted, and in step with the code they run."""

from __future__ import annotations

import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

import capacity
from capacity.app import read_config
from capacity.cli import main
from capacity.cluster import lease, policy_maps
from capacity.cluster.plan_index import names
from capacity.model.configuration import Config
from tests.rendering import BASE, NEWEST, OLDEST, SYSTEM, WORKLOADS, Document, documents, kustomize, title, validate

KUSTOMIZATION = yaml.safe_load((BASE / "kustomization.yaml").read_text(encoding="utf-8"))
RIGHTS = yaml.safe_load((BASE / "workloads" / "kustomization.yaml").read_text(encoding="utf-8"))
FILES = [*(f"workloads/{name}" for name in RIGHTS["resources"]), *KUSTOMIZATION["resources"][1:]]
WRITTEN = [item for name in FILES for item in documents((BASE / name).read_text(encoding="utf-8"))]
CRON_JOBS = [document for document in WRITTEN if document["kind"] == "CronJob"]
each_manifest = pytest.mark.parametrize("manifest", WRITTEN, ids=title)
each_cron_job = pytest.mark.parametrize("cron_job", CRON_JOBS, ids=title)


def the(kind: str, name: str) -> Document:
    (found,) = (document for document in WRITTEN if title(document) == f"{kind} {name}")
    return found


def job_of(cron_job: Document) -> Document:
    return cron_job["spec"]["jobTemplate"]["spec"]


def pod_of(cron_job: Document) -> Document:
    return job_of(cron_job)["template"]["spec"]


def container_of(cron_job: Document) -> Document:
    (container,) = pod_of(cron_job)["containers"]
    return container


@pytest.fixture(scope="module")
def rendered(kubectl: str) -> list[Document]:
    return kustomize(kubectl, BASE)


@pytest.fixture(scope="module")
def config() -> Config:
    return read_config(BASE / "capacity.yaml")


# -- valid ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@each_manifest
def test_every_manifest_is_valid_for_the_oldest_and_the_newest_kubernetes(manifest: Document, version: str) -> None:
    validate(manifest, version)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_a_misspelled_key_is_no_valid_manifest(version: str) -> None:
    cron_job = {**CRON_JOBS[0], "spec": {**CRON_JOBS[0]["spec"], "startingDeadlineSecond": 200}}
    with pytest.raises(kubernetes_validate.ValidationError, match="startingDeadlineSecond"):
        validate(cron_job, version)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_rendered_base_is_valid(rendered: list[Document], version: str) -> None:
    for manifest in rendered:
        validate(manifest, version)


def test_kustomization_lists_exactly_the_files_of_the_base() -> None:
    generated = [name for generator in KUSTOMIZATION["configMapGenerator"] for name in generator["files"]]
    assert KUSTOMIZATION["resources"][0] == "workloads"
    listed = ["kustomization.yaml", "workloads/kustomization.yaml", *FILES, *generated]
    assert sorted(listed) == sorted(path.relative_to(BASE).as_posix() for path in BASE.rglob("*") if path.is_file())


def test_the_base_renders_to_what_is_written_and_the_configuration(rendered: list[Document]) -> None:
    assert sorted(map(title, rendered)) == sorted([*map(title, WRITTEN), "ConfigMap capacity-config"])
    rights = {item["metadata"]["namespace"] for item in rendered if item["kind"].startswith("Role")}
    others = {item["metadata"]["namespace"] for item in rendered if not item["kind"].startswith("Role")}
    assert (rights, others) == ({WORKLOADS}, {SYSTEM})
    (config_map,) = (item for item in rendered if item["kind"] == "ConfigMap")
    assert config_map["data"] == {"capacity.yaml": (BASE / "capacity.yaml").read_text(encoding="utf-8")}


def test_rendered_bindings_name_the_namespace_of_their_service_accounts(rendered: list[Document]) -> None:
    subjects = [subject for item in rendered if item["kind"] == "RoleBinding" for subject in item["subjects"]]
    assert [subject.get("namespace") for subject in subjects] == [SYSTEM] * 2


def test_rendered_image_is_of_this_version(rendered: list[Document]) -> None:
    images = {container_of(item)["image"] for item in rendered if item["kind"] == "CronJob"}
    assert {image.rpartition(":")[2] for image in images} == {capacity.__version__}


# -- in step with the code --------------------------------------------------------------------------------------------


def test_configuration_loads_and_plans_for_the_namespace_of_its_rights(config: Config) -> None:
    assert {workload.namespace for workload in config.workloads} == {RIGHTS["namespace"]} == {WORKLOADS}
    assert config.controller.namespace == SYSTEM


def test_configuration_shows_every_block_a_user_may_write(config: Config) -> None:
    assert config.model_fields_set | set(commented()) == set(Config.model_fields)


@pytest.mark.parametrize("block", ["telemetry", "incidents", "serve", "supply"])
def test_a_block_is_one_that_a_user_may_take_the_mark_off(block: str) -> None:
    written = yaml.safe_load((BASE / "capacity.yaml").read_text(encoding="utf-8"))
    assert Config.model_validate({**written, block: yaml.safe_load(commented()[block])}).model_fields_set >= {block}


def commented() -> dict[str, str]:
    """The blocks that stand there as comments, each on one line."""
    return dict(re.findall(r"^# (\w+): (\S.*)$", (BASE / "capacity.yaml").read_text(encoding="utf-8"), re.MULTILINE))


@each_cron_job
def test_command_is_one_the_command_line_takes(cron_job: Document, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*container_of(cron_job)["args"], "--help"]) == 0
    assert container_of(cron_job)["args"][0] in capsys.readouterr().out


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(["applied", "--help"], id="a verb that is none"),
        pytest.param(["apply", "--to-cluster", "--help"], id="an option of another verb"),
    ],
)
def test_a_wrong_command_is_not_taken(args: list[str]) -> None:
    assert main(args) == 2


@each_cron_job
def test_configuration_is_mounted_where_the_command_reads_it(cron_job: Document) -> None:
    args = container_of(cron_job)["args"]
    read = Path(args[args.index("-c") + 1])
    (volume,) = (item for item in pod_of(cron_job)["volumes"] if "configMap" in item)
    (mount,) = (item for item in container_of(cron_job)["volumeMounts"] if item["name"] == volume["name"])
    (generator,) = KUSTOMIZATION["configMapGenerator"]
    assert volume["configMap"]["name"] == generator["name"]
    assert [str(Path(mount["mountPath"]) / name) for name in generator["files"]] == [str(read)]


def test_orders_are_read_from_the_claim_and_only_read(config: Config) -> None:
    planner = the("CronJob", "capacity-planner")
    (volume,) = (item for item in pod_of(planner)["volumes"] if "persistentVolumeClaim" in item)
    (mount,) = (item for item in container_of(planner)["volumeMounts"] if item["name"] == volume["name"])
    assert volume["persistentVolumeClaim"] == {"claimName": "capacity-orders", "readOnly": True}
    assert mount["readOnly"] is True
    assert isinstance(config.sales.source, str)
    assert Path(config.sales.source).is_relative_to(mount["mountPath"])


def test_controller_mounts_no_orders() -> None:
    volumes = pod_of(the("CronJob", "capacity-controller"))["volumes"]
    assert not [volume for volume in volumes if "persistentVolumeClaim" in volume]


@pytest.mark.parametrize(
    ("role", "others"),
    [
        pytest.param("capacity-planner", policy_maps.names(), id="planner, and the chosen policies"),
        pytest.param("capacity-controller", [lease.SWITCH_NAME], id="controller, and the off switch"),
    ],
)
def test_roles_name_the_config_maps_that_the_plan_is_written_to(role: str, others: list[str]) -> None:
    (rule,) = (rule for rule in the("Role", role)["rules"] if rule["resources"] == ["configmaps"])
    assert rule["resourceNames"] == [*names(), *(f"capacity-plan-{part}" for part in range(10)), *others]


def test_controller_may_change_no_lease_but_its_own() -> None:
    rules = [rule for rule in the("Role", "capacity-controller")["rules"] if rule["resources"] == ["leases"]]
    assert [(rule["verbs"], rule.get("resourceNames")) for rule in rules] == [
        (["create"], None),
        (["get", "patch"], [lease.NAME]),
    ]


# -- as whom ----------------------------------------------------------------------------------------------------------


@each_cron_job
def test_pod_is_restricted_and_never_privileged(cron_job: Document) -> None:
    pod, container = pod_of(cron_job), container_of(cron_job)
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers", "ephemeralContainers"} & set(pod)
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "privileged": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {kind for volume in pod["volumes"] for kind in volume} <= {
        "name",
        "configMap",
        "emptyDir",
        "persistentVolumeClaim",
    }


@each_cron_job
def test_the_only_writable_place_is_an_empty_tmp_where_home_is(cron_job: Document) -> None:
    pod, container = pod_of(cron_job), container_of(cron_job)
    writable = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"tmp": "/tmp"}
    assert [list(volume) for volume in pod["volumes"] if volume["name"] == "tmp"] == [["name", "emptyDir"]]
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    assert {environment["HOME"], environment["MPLCONFIGDIR"], container["workingDir"]} == {"/tmp"}


@each_cron_job
def test_cpu_and_memory_are_requested_and_limited(cron_job: Document) -> None:
    resources = container_of(cron_job)["resources"]
    assert [set(resources[bound]) for bound in ("requests", "limits")] == [{"cpu", "memory"}] * 2


@each_cron_job
def test_pod_runs_as_the_service_account_whose_role_bears_its_name(cron_job: Document) -> None:
    name = cron_job["metadata"]["name"]
    binding = the("RoleBinding", name)
    assert pod_of(cron_job)["serviceAccountName"] == the("ServiceAccount", name)["metadata"]["name"]
    assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": name}]


@each_cron_job
def test_token_is_mounted_only_where_it_is_asked_for(cron_job: Document) -> None:
    account = the("ServiceAccount", pod_of(cron_job)["serviceAccountName"])
    assert (account["automountServiceAccountToken"], pod_of(cron_job)["automountServiceAccountToken"]) == (False, True)


@each_manifest
def test_every_object_is_labelled_as_part_of_capacity(manifest: Document) -> None:
    component = manifest["metadata"]["name"].removeprefix("capacity-")
    assert manifest["metadata"]["labels"] == labels(component)


@each_cron_job
def test_pods_carry_no_label_that_selects_a_workload(cron_job: Document) -> None:
    component = cron_job["metadata"]["name"].removeprefix("capacity-")
    job = cron_job["spec"]["jobTemplate"]
    assert job["metadata"]["labels"] == job["spec"]["template"]["metadata"]["labels"] == labels(component)


def labels(component: str) -> dict[str, str]:
    prefix = "app.kubernetes.io"
    return {f"{prefix}/name": "capacity", f"{prefix}/component": component, f"{prefix}/part-of": "capacity"}


@each_manifest
def test_nothing_reaches_beyond_its_namespace(manifest: Document) -> None:
    assert not manifest["kind"].startswith("Cluster")
    assert "namespace" not in manifest["metadata"]
