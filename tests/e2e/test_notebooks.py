"""Every notebook runs from its first cell to its last, uses the public API alone, and is stored without outputs."""

from __future__ import annotations

import ast
import re
import warnings
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import capacity

FOLDER = Path(__file__).parents[2] / "notebooks"
SHORTER = {
    "Replay(days=7)": "Replay(days=2)",
    "days=8, past=True": "days=3, past=True",
}  # the same code over fewer days
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=4)


def code_of(notebook: nbformat.NotebookNode) -> str:
    lines = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code").splitlines()
    return "\n".join(line for line in lines if not line.startswith("%"))


def test_there_is_a_notebook_for_each_question() -> None:
    assert [path.stem[3:] for path in NOTEBOOKS] == [
        "seasonality",
        "backtest_and_trust",
        "from_sales_to_load",
        "peak_plan",
        "would_it_have_held",
        "on_kubernetes",
    ]


def test_it_asks_a_question_and_ends_with_an_answer(notebook: nbformat.NotebookNode) -> None:
    first, *_, answer, last = notebook.cells
    assert first.cell_type == "markdown"
    assert re.search(r"\n\n[*][*][^*]+[?][*][*]\n", first.source)
    assert answer.source.startswith("## The answer")
    assert "print(" in last.source


@pytest.mark.slow
def test_it_runs(notebook: nbformat.NotebookNode, tmp_path: Path) -> None:
    for cell in notebook.cells:
        for whole, part in SHORTER.items():
            cell.source = cell.source.replace(whole, part)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the kernel's own messaging libraries warn about themselves
        NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(tmp_path)}}).execute()
    pictures = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert pictures
    said = [output.text for output in notebook.cells[-1].outputs if output.output_type == "stream"]
    assert len("".join(said)) > 80, "the answer is said in words"
    assert not [
        output for cell in notebook.cells for output in cell.get("outputs", []) if output.get("name") == "stderr"
    ]


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
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("capacity"):
            assert str(node.module).count(".") == 1, "names come from the packages, not from their modules"
