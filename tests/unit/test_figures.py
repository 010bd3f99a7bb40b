"""The page of figures: its rows are cells of the results, and what got worse says why."""

from __future__ import annotations

import pytest

from benchmarks.figures import PARTS, Figure, read_page

CASES = [
    pytest.param(Figure("s", "p", "r", "c", 10.0), 10.2, False, id="slower within noise"),
    pytest.param(Figure("s", "p", "r", "c", 10.0), 10.4, True, id="slower"),
    pytest.param(Figure("s", "p", "r", "c", 10.0), 5.0, False, id="faster"),
    pytest.param(Figure("skill", "p", "r", "c", 0.2, "more"), 0.19, True, id="less of what should be more"),
    pytest.param(Figure("skill", "p", "r", "c", 0.2, "more"), 0.3, False, id="more of it"),
    pytest.param(Figure("covered", "p", "r", "c", 0.94, 0.95), 0.958, False, id="nearer, from above"),
    pytest.param(Figure("covered", "p", "r", "c", 0.94, 0.95), 0.97, True, id="further, from above"),
    pytest.param(Figure("s", "p", "r", "c"), 1e9, False, id="0.1 did not measure it"),
]


@pytest.mark.parametrize(("figure", "today", "worse"), CASES)
def test_what_is_worse(figure: Figure, today: float, worse: bool) -> None:
    assert figure.worse(today) is worse


def test_no_cell_is_shown_twice_and_every_page_says_when_it_was_measured() -> None:
    cells = [(one.page, one.row, one.column) for part in PARTS.values() for one in part]
    assert len(set(cells)) == len(cells) > 90
    assert all(read_page(name).measured.startswith("20") for name in {page for page, _, _ in cells})
