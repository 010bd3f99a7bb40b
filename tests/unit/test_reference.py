"""What is written from something else is what it would be written as now."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reference import CHARTED, ROOT, references


@pytest.mark.parametrize("path", references(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_reference_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == references()[path](), "write it again: make reference"


def test_decisions_are_numbered_one_by_one() -> None:
    files = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    for number, file in enumerate(files, start=1):
        assert file.name.startswith(f"{number:04}-")
        assert file.read_text(encoding="utf-8").startswith(f"# {number}. ")


def test_the_chart_holds_no_other_copies() -> None:
    assert {path for path in CHARTED.rglob("*") if path.is_file()} <= set(references())
