"""Every relative link and anchor in README, docs, k8s, benchmarks and the notebooks' text leads somewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("docs", "k8s", "notebooks", "benchmarks", "examples", "tests/data", ".github")
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(
            path
            for folder in FOLDERS
            for path in (ROOT / folder).rglob("*")
            if path.suffix in (".md", ".ipynb") and ".ipynb_checkpoints" not in path.parts
        ),
    ]
)
FENCED = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]*`")
INLINE = re.compile(r"\]\(\s*<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\s*\)")
DEFINED = re.compile(r"^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
ATTRIBUTE = re.compile(r"(?:href|src)=\"([^\"]+)\"")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
NAMED = re.compile(r"(?:id|name)=\"([^\"]+)\"|\{#([\w-]+)\}")
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


def text_of(page: Path) -> str:
    """A page without its blocks of code; of a notebook, its Markdown cells."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells)
    return FENCED.sub("", text)


def links(page: Path) -> Iterator[str]:
    """Targets of its relative links, pictures and definitions."""
    text = INLINE_CODE.sub("", text_of(page))
    for pattern in (INLINE, DEFINED, ATTRIBUTE):
        yield from (unquote(target) for target in pattern.findall(text) if not ELSEWHERE.match(target))


@lru_cache
def anchors(page: Path) -> frozenset[str]:
    """What an anchor may name: headings as GitHub and as the site spell them, and ids given by hand."""
    text = text_of(page)
    found = {one for pair in NAMED.findall(text) for one in pair if one}
    for heading in HEADING.findall(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        kept = re.sub(r"[^\w\s-]", "", plain)
        found |= {kept.replace(" ", "-"), re.sub(r"[-\s]+", "-", kept).strip("-")}
    return frozenset(found)


def dead(page: Path) -> list[str]:
    """Links of a page that lead nowhere."""
    return [target for target in links(page) if not _leads(page, target)]


def _leads(page: Path, target: str) -> bool:
    place, _, anchor = target.partition("#")
    file = (page.parent / place).resolve() if place else page
    if not file.exists():
        return False
    return not anchor or file.suffix not in (".md", ".ipynb") or anchor in anchors(file)


def test_pages_are_found() -> None:
    assert {"README.md", "docs/index.md", "k8s/README.md"} <= {page.relative_to(ROOT).as_posix() for page in PAGES}
    assert any(page.suffix == ".ipynb" for page in PAGES)
    assert len([target for page in PAGES for target in links(page)]) > 50


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_link_is_dead(page: Path) -> None:
    assert dead(page) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("[a](other.md)", [], id="a page"),
        pytest.param("[a](other.md#two-words)", [], id="a heading"),
        pytest.param("[a](other.md#set-sum)", [], id="a heading with code in it"),
        pytest.param("[a](#here)\n\n## Here", [], id="a heading of its own"),
        pytest.param("[a](https://example.com/x)", [], id="another site is not asked"),
        pytest.param("`[a](absent.md)`\n\n```\n[b](absent.md)\n```", [], id="code is no link"),
        pytest.param("[a](absent.md)", ["absent.md"], id="no such page"),
        pytest.param("![a](absent.png)", ["absent.png"], id="no such picture"),
        pytest.param("[a](other.md#absent)", ["other.md#absent"], id="no such heading"),
        pytest.param("[a](#absent)", ["#absent"], id="no such heading of its own"),
        pytest.param("[a][b]\n\n[b]: absent.md", ["absent.md"], id="no such page, by reference"),
        pytest.param('<img src="absent.png">', ["absent.png"], id="no such picture, in HTML"),
    ],
)
def test_a_dead_link_is_found(tmp_path: Path, text: str, found: list[str]) -> None:
    (tmp_path / "other.md").write_text("# Other\n\n## Two words\n\n## Set `sum`\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    assert dead(page) == found
