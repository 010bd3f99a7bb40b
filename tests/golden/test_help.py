"""Help that teaches: every verb has an example that parses; documented keys and reasons are those in use."""

from __future__ import annotations

import json
import re
import shlex
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from capacity.cli import app, main
from capacity.cli.options import CALENDAR, FLEET, PICTURE, READING, SERVICE

ROOT = Path(__file__).parents[2]
SHARED = (READING, CALENDAR, SERVICE, PICTURE, FLEET, "Every command")
VERBS = [command.callback.__name__ for command in app.registered_commands if command.callback]


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_an_example_that_parses(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    printed = capsys.readouterr().out
    typed = [line for line in printed.splitlines() if "<bool>" in line and "--help" not in line]
    assert typed == [], "a flag takes no value"
    text = " ".join(printed.split())
    example = re.search(r"Example: capacity (.+?) (?:>|[╭│])", text)
    assert example is not None, text
    words = shlex.split(example[1])
    assert words[0] == verb
    assert main([*words, "--help"]) == 0


def test_no_verb_has_more_than_seven_options_of_its_own_and_no_shared_panel_more() -> None:
    """Own are all but those of a panel that several verbs have alike; what to draw is own, its panel or not."""
    panels: dict[str, dict[str, set[str]]] = defaultdict(dict)
    own: dict[str, set[str]] = {}
    for name, command in get_command(app).commands.items():
        options = [one for one in command.params if one.param_type_name == "option"]
        own[name] = {one.name for one in options if one.name == "draw" or _panel(one) not in SHARED}
        for option in options:
            if option.name not in own[name]:
                panels[_panel(option)].setdefault(name, set()).add(option.name)
    assert {name: options for name, options in own.items() if len(options) > 7} == {}
    assert set(panels) == set(SHARED)
    for panel, takers in panels.items():
        assert len(takers) > 1, panel
        assert len(set(map(frozenset, takers.values()))) == 1, f"{panel}: the same options wherever it stands"
        assert len(next(iter(takers.values()))) <= 7, panel


def _panel(option: Any) -> str:
    return getattr(option, "rich_help_panel", None) or "Options"


def test_the_verbs_stand_in_the_order_of_the_data() -> None:
    assert VERBS == [
        "try",
        "init",
        "doctor",
        "audit",
        "seasonality",
        "forecast",
        "backtest",
        "load",
        "advise",
        "plan",
        "explain",
        "volumes",
        "outlook",
        "simulate",
        "report",
        "preview",
        "apply",
        "run",
        "restore",
        "rehearse",
        "status",
        "serve",
        "rules",
        "schema",
    ]


def test_the_schema_knows_every_key_of_the_sample(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    sample = yaml.safe_load((ROOT / "capacity/sample/capacity.yaml").read_text(encoding="utf-8"))
    assert set(sample) <= set(schema["properties"])
    assert schema["additionalProperties"] is False


def test_the_plan_file_page_names_every_key_that_is_written() -> None:
    assert main(["plan", "--sample", "--quiet"]) == 0
    plan = json.loads(Path("plan.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs/plan-file.md").read_text(encoding="utf-8")
    (workload,) = plan["workloads"]
    written = {*plan, *plan["source"], *workload, *workload["peak"], *workload["resources"]}
    assert {key for key in written if f"`{key}`" not in page} == set()


def test_every_reason_in_the_code_is_on_the_plan_file_page() -> None:
    page = (ROOT / "docs/plan-file.md").read_text(encoding="utf-8")
    deciding = ("planning/[a-z]*.py", "decision/[a-z]*.py", "app/control.py", "cluster/o*.py", "model/*observation.py")
    files = [file for pattern in deciding for file in (ROOT / "capacity").glob(pattern)]
    sources = "".join(file.read_text(encoding="utf-8") for file in files)
    kinds = {"HorizontalPodAutoscaler", "ScaledObject", "StatefulSet", "MoveFloor", "BestEffort"}
    reasons = set(re.findall(r'"((?:[A-Z][a-z]+){2,})"', sources)) - kinds
    assert len(reasons) > 20
    assert {reason for reason in reasons if f"`{reason}`" not in page} == set()
