"""Every notebook runs from its first cell to its last, uses the public API alone, and is stored without outputs."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import capacity

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=4)


def code_of(notebook: nbformat.NotebookNode) -> str:
    lines = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code").splitlines()
    return "\n".join(line for line in lines if not line.startswith("%"))


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


def test_it_runs(notebook: nbformat.NotebookNode, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the kernel's own messaging libraries warn about themselves
        NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    pictures = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert pictures


def test_it_is_stored_without_outputs(notebook: nbformat.NotebookNode) -> None:
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in notebook.cells)


def test_it_defines_nothing_and_uses_public_names(notebook: nbformat.NotebookNode) -> None:
    tree = ast.parse(code_of(notebook))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda)]
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "cap"
    }
    assert used <= set(capacity.__all__)
