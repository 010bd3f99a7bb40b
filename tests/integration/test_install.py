"""k8s/README.md carried out, command by command: real kubectl, real Helm, `capacity` itself, a double of a cluster."""

from __future__ import annotations

import csv
import io
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from capacity.cli import main
from tests.double import INSTALLED, KubernetesDouble
from tests.rendering import FORMS, K8S, SYSTEM, WORKLOADS, Document, kustomize, title

PAGE = (K8S / "README.md").read_text(encoding="utf-8")
NAMESPACE = WORKLOADS
HOUR = timedelta(hours=1)
PLANNER, CONTROLLER = "capacity-planner", "capacity-controller"
pytestmark = pytest.mark.slow


def commands(page: str = PAGE) -> list[str]:
    """Every line of the shell blocks, in order."""
    return [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]


def words_of(command: str) -> list[str]:
    return shlex.split(command)


def other_way(tool: str) -> list[str]:
    """How each command of the page begins that belongs to the other of the two ways to install."""
    return {"kubectl": ["helm"], "helm": ["kubectl apply -k", "kubectl delete -k"]}[tool]


THEN = {  # what the controller says in its next pass after a command with these words
    "create job capacity-first-plan": "DemandRising",
    "create configmap capacity-switch": "SwitchedOff",
    "capacity/freeze=true": "Frozen",
}


class Machine:
    """A checkout, the programs on the path, and a kubeconfig; commands run as a stranger would type them."""

    def __init__(self, api: KubernetesDouble, folder: Path, tools: Path) -> None:
        self.api, self.folder = api, folder
        shutil.copytree(K8S, folder / "k8s")
        api.kubeconfig(folder / "kubeconfig")
        config = folder / "k8s" / "base" / "capacity.yaml"
        config.write_text(config.read_text().replace("days: 28", "days: 7"))  # of the replay: enough to choose from
        self.environment = {**os.environ, "HOME": str(folder), "PATH": f"{tools}:{os.environ['PATH']}"}
        orders(folder / "orders.csv")

    def run(self, command: str, token: str | None = None) -> str:
        """The output of a command that must succeed; with a token, as that identity."""
        words = words_of(command)
        if words[0] == "kubectl" and {("create", "job"), ("create", "namespace")} & set(pairwise(words)):
            return self._create(words)
        return self._run(words, token)

    def _run(self, words: list[str], token: str | None = None, stdin: str = "") -> str:
        config = self.api.kubeconfig(self.folder / "as-somebody", token) if token else self.folder / "kubeconfig"
        if words[0] == "capacity":
            return self._capacity(words[1:], config)
        done = subprocess.run(
            words,
            cwd=self.folder,
            env={**self.environment, "KUBECONFIG": str(config)},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{shlex.join(words)}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def _capacity(self, words: list[str], config: Path) -> str:
        out, said = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(said):
            patch.chdir(self.folder)
            patch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(config))
            code = main(words)
        assert code == 0, f"capacity {shlex.join(words)}: {out.getvalue()}\n{said.getvalue()}"
        return out.getvalue()

    def _create(self, words: list[str]) -> str:
        """As typed but for the sending: kubectl sends these in protobuf, which the double does not read."""
        made = self._run([*words, "--dry-run=client", "-o", "json"])
        return self._run(["kubectl", "apply", "-f", "-"], stdin=made)

    def pod(self, cron_job: str, *more: str) -> str:
        """The command of a CronJob, under its service account, on this machine's configuration."""
        (args,) = (args_of(item) for item in self.api.list("CronJob", SYSTEM) if named(item) == cron_job)
        args[args.index("-c") + 1] = "k8s/base/capacity.yaml"
        token = self.api.token(f"system:serviceaccount:{SYSTEM}:{cron_job}")
        return self._run(["capacity", *args, *more], token)

    def autoscaler(self) -> Document:
        return self.api.get("HorizontalPodAutoscaler", NAMESPACE, "web")

    def own(self) -> set[str]:
        """Everything that bears our name, and the releases of Helm."""
        kinds = installed_kinds() | {"Job", "ConfigMap", "Secret", "Lease"}
        found = [item for kind in kinds for item in self.api.list(kind, "")]
        return {title(item) for item in found if re.search(r"capacity|helm", named(item))}


def installed_kinds() -> set[str]:
    """Every kind that a manifest of k8s/ is of; the Prometheus operator's are left out: the double knows none."""
    written = [*(K8S / "base").rglob("*.yaml"), *(K8S / "components").rglob("*.yaml")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in written)
    return set(re.findall(r"^apiVersion: (?!kustomize|monitoring)\S+\nkind: (\w+)$", text, re.MULTILINE))


def named(item: Document) -> str:
    return str(item["metadata"]["name"])


def args_of(item: Document) -> list[str]:
    (container,) = item["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    return list(container["args"])


def orders(path: Path) -> None:
    """Eight weeks of orders until now, busier by day: what the page's first command reads."""
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["ordered_at", "order_id", "amount"])
        for hour in (end - HOUR * back for back in range(8 * 7 * 24, 0, -1)):
            count = 30 if 8 <= hour.hour < 20 else 8
            rows.writerows([f"{hour:%Y-%m-%dT%H:%M:%SZ}", f"{hour:%j%H}-{number}", "1.0"] for number in range(count))


@pytest.fixture
def machine(tmp_path: Path, kubetools: Path) -> Iterator[Machine]:
    with KubernetesDouble(INSTALLED) as api:
        api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        api.create(
            {
                "apiVersion": "autoscaling/v2",
                "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": "web", "namespace": NAMESPACE},
                "spec": {
                    "minReplicas": 2,
                    "maxReplicas": 60,
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                },
            }
        )
        yield Machine(api, tmp_path, kubetools)


@pytest.mark.parametrize("tool", ["kubectl", "helm"])
def test_page_installs_moves_and_removes(machine: Machine, tool: str) -> None:
    before, said = machine.autoscaler(), {}
    for command in commands():
        if command.startswith(("docker", *other_way(tool))):
            continue
        if command.endswith("k8s/guard"):  # no admission policies in the double: test_floor_guard.py
            continue
        said[command] = machine.run(command)
        if " create job " in command:  # what the cluster does next: the first plan
            machine.pod(PLANNER, "orders.csv")
        for words, reason in THEN.items():  # and the next pass of the controller
            if words in command:
                assert reason in machine.pod(CONTROLLER)
    after = machine.autoscaler()
    assert after["spec"] == before["spec"]
    assert after["metadata"].get("annotations") == before["metadata"].get("annotations")
    assert machine.own() == set()
    (preview,) = (text for command, text in said.items() if command.startswith("capacity preview"))
    assert f"{NAMESPACE}/web" in preview
    (description,) = (text for command, text in said.items() if "describe hpa" in command)
    assert "DemandRising" in description


def test_page_shows_both_ways_and_every_program_is_one_we_know() -> None:
    assert {words_of(command)[0] for command in commands()} == {"capacity", "docker", "helm", "kubectl"}
    for tool in ("kubectl", "helm"):
        for beginning in other_way(tool):
            assert any(command.startswith(beginning) for command in commands())


def test_docker_is_told_files_that_exist() -> None:
    (build,) = (words_of(command) for command in commands() if command.startswith("docker"))
    assert (K8S.parent / build[build.index("-f") + 1]).is_file()
    image = yaml.safe_load((K8S / "base" / "kustomization.yaml").read_text(encoding="utf-8"))["images"][0]
    assert build[build.index("-t") + 1] == f"{image['newName']}:{image['newTag']}"
    assert build[-1] == "."


def test_page_lists_every_form() -> None:
    for form in FORMS.values():
        assert f"`k8s/{form.folder}`" in PAGE
    sets = [word for line in PAGE.splitlines() for word in re.findall(r"`--set ([^`]+)`", line)]
    assert sorted(sets) == sorted(",".join(form.values) for form in FORMS.values() if form.values)


def test_kustomization_shown_on_the_page_renders(kubectl: str, tmp_path: Path) -> None:
    combined, further = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    k8s = Path(shutil.copytree(K8S, tmp_path / "k8s"))
    write_kustomization(k8s / "overlays" / "mine", combined)
    kinds = {item["kind"] for item in kustomize(kubectl, k8s / "overlays" / "mine")}
    assert {"ClusterRole", "Deployment", "PriorityClass"} <= kinds
    write_kustomization(k8s / "base" / "checkout", further)
    base = k8s / "base" / "kustomization.yaml"
    base.write_text(base.read_text().replace("  - workloads\n", "  - workloads\n  - checkout\n"))
    rendered = kustomize(kubectl, k8s / "base")
    assert {item["metadata"]["namespace"] for item in rendered if item["kind"] == "Role"} == {WORKLOADS, "checkout"}
    bound = {subject["namespace"] for item in rendered for subject in item.get("subjects", [])}
    assert bound == {SYSTEM}


def write_kustomization(folder: Path, text: str) -> None:
    """A folder with this kustomization.yaml."""
    folder.mkdir()
    (folder / "kustomization.yaml").write_text(text)
