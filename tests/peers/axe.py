"""axe-core, which judges whether a page is accessible: one script of npm, kept outside the checkout.

`python tests/peers/axe.py` fetches it and prints where it is; nothing but npm need be installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "axe-core@4.14.1"  # MPL-2.0
SHA256 = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"
TIMEOUT = 120.0  # seconds to download 3 MB


class UnavailableError(Exception):
    """The script is neither here nor to be had; the message says why."""


def fetch_axe() -> Path:
    """The file axe.min.js; downloaded the first time, from the cache afterwards."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "capacity-tests"
    script = cache / f"axe-{SHA256[:12]}.js"
    if not script.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            made = Path(work) / "axe.js"
            made.write_bytes(unpacked(download(Path(work))))
            made.replace(script)
    return script


def download(work: Path) -> Path:
    """The package, by npm (so from whatever registry npm is set up for), and only with the content we know."""
    npm = shutil.which("npm")
    if npm is None:
        raise UnavailableError(f"no npm on the path to fetch {PACKAGE} with")
    words = [npm, "pack", "--silent", "--ignore-scripts", "--pack-destination", str(work), PACKAGE]
    try:
        done = subprocess.run(
            words, cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{PACKAGE} took more than {TIMEOUT:.0f} s to download") from None
    if done.returncode != 0:
        raise UnavailableError(f"{PACKAGE} cannot be had: {done.stderr.strip()[-300:]}")
    package = next(work.glob("*.tgz"))
    found = hashlib.sha256(package.read_bytes()).hexdigest()
    if found != SHA256:
        raise UnavailableError(f"{PACKAGE}: expected the content {SHA256}, got {found}")
    return package


def unpacked(package: Path) -> bytes:
    """The script in the package."""
    with tarfile.open(package) as files:
        member = files.extractfile("package/axe.min.js")
        assert member is not None
        return member.read()


if __name__ == "__main__":
    try:
        print(fetch_axe())
    except UnavailableError as error:
        sys.exit(f"{error}; tests that need axe-core will skip")
