"""What a controller pays at every start: it never loads the forecasting stack, and the package itself loads at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("pandas", "numpy", "duckdb", "matplotlib", "statsmodels", "sklearn", "sqlalchemy", "holidays")
UNWANTED = (
    *HEAVY,
    "scipy",
    "jinja2",
    "capacity.app.fleet",
    "capacity.sources",
    "capacity.views.plots",
    "capacity.views.cards",
)


@pytest.mark.parametrize(
    "modules",
    [
        pytest.param("capacity", id="the package"),
        pytest.param("capacity.cli", id="the command, before a verb is chosen"),
        pytest.param(
            "capacity.cli, capacity.app.loop, capacity.cluster.client, kubernetes.dynamic",
            id="apply",
        ),
    ],
)
def test_nothing_heavy_is_loaded_by(modules: str) -> None:
    script = f"import sys, {modules}; print([name for name in {UNWANTED!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
