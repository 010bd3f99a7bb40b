"""Whether Python and the libraries are of the versions that this package was made for."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement
from packaging.version import Version

from capacity import __version__
from capacity.edge.doctor.finding import Finding

DISTRIBUTION = "capacity-ahead"  # what pip calls the package `capacity`


def check_versions() -> Iterator[Finding]:
    """Python and capacity, then every library that is absent or outside the range that we declare."""
    own = f"capacity {__version__}, Python {platform.python_version()}, Kubernetes client {version('kubernetes')}"
    try:
        declared = [Requirement(text) for text in requires(DISTRIBUTION) or ()]
    except PackageNotFoundError:
        yield Finding("versions", "ok", f"{own}; run from a checkout that is not installed: libraries are not checked")
        return
    wrong = [finding for one in declared if (finding := _library(one))]
    yield from wrong or [Finding("versions", "ok", own)]


def _library(wanted: Requirement) -> Finding | None:
    """A library that does not fit; what only an extra asks for is nobody's duty."""
    if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
        return None
    fix = f"python -m pip install '{wanted.name}{wanted.specifier}'"
    try:
        found = Version(version(wanted.name))
    except PackageNotFoundError:
        return Finding("versions", "fail", f"{wanted.name} is not installed", fix)
    if wanted.specifier.contains(found, prereleases=True):
        return None
    return Finding("versions", "warn", f"{wanted.name} {found} is installed, expected {wanted.specifier}", fix)
