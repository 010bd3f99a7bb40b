"""The site of docs/: built without a warning, complete, and with nothing fetched from elsewhere."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import capacity
from capacity.cli import VERBS
from capacity.model.configuration import Config

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def words(page: Path) -> str:
    """What a page says, without its markup."""
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


def test_every_verb_key_and_public_name_is_in_the_reference(site: Path) -> None:
    commands = words(site / "reference/commands.html")
    keys = words(site / "reference/configuration.html")
    library = words(site / "reference/library.html")
    verbs = [verb.__name__ for group in VERBS.values() for verb in group]
    assert [verb for verb in verbs if f"capacity {verb}" not in commands] == []
    assert [key for key in Config.model_fields if key not in keys] == []
    assert [name for name in capacity.__all__ if name not in library] == []


def test_every_page_is_in_the_navigation(site: Path) -> None:
    home = (site / "index.html").read_text(encoding="utf-8")
    pages = [page.relative_to(site).as_posix() for page in site.rglob("*.html") if page.name != "404.html"]
    assert len(pages) > 30
    assert [page for page in pages if f'href="{page}"' not in home and page != "index.html"] == []


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    fetched = re.compile(
        r'<(?:script|img|iframe)[^>]+src="(?:https?:)?//|<link[^>]+stylesheet[^>]+href="(?:https?:)?//'
    )
    assert [page.name for page in site.rglob("*.html") if fetched.search(page.read_text(encoding="utf-8"))] == []
