"""What the README says is what happens: its commands, their output, its Python, its links and files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from capacity.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    return [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]


def test_the_first_command_prints_what_the_readme_shows(capsys: pytest.CaptureFixture[str]) -> None:
    called = commands()[0].split("&& ")[-1]
    assert main(shlex.split(called)[1:]) == 0
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert printed == [line.rstrip() for line in blocks("text")[0].splitlines()]
    assert Path("plan.json").exists()
    assert Path("plan.png").read_bytes().startswith(b"\x89PNG")


def test_the_six_lines_of_python_run() -> None:
    (block,) = blocks("python")
    exec(compile(block, "README.md", "exec"), {})
    assert Path("web.png").exists()
    assert len([line for line in block.splitlines() if line and not line.startswith("import")]) == 6


def test_ci_runs_both_commands_of_the_readme() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    first, second = commands()
    assert first in script
    assert second in script


def test_every_link_to_a_file_leads_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_every_module_of_the_layout_exists() -> None:
    named = re.findall(r"capacity/[\w/.]+", blocks("text")[2])
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_verb_of_the_table_exists(capsys: pytest.CaptureFixture[str]) -> None:
    verbs = set(re.findall(r"`capacity (\w+)", README))
    for verb in verbs - {"yaml"}:
        assert main([verb, "--help"]) == 0, verb
        capsys.readouterr()
