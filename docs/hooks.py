"""Pages that the code writes: commands, configuration and library, which `make reference` keeps in docs/reference.

On the site, the page on installing is made of k8s/README.md, and the library's page has whole docstrings.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from capacity import HOMES
from capacity.cli import VERBS, app
from capacity.cli.options import CALENDAR, FLEET, PICTURE, READING, SERVICE
from capacity.model.configuration import Config

ROOT = Path(__file__).resolve().parents[1]
FURTHER = {  # what the library page shows of each package beside the names at the top level
    "capacity.series": (
        *("Season", "decompose_sales", "find_shifts", "Shift"),
        *("past_growth", "coming_growth", "coming_peak", "Growth", "forecast_if"),
    ),
    "capacity.quality": ("Audit", "Rule", "audit_usage"),
    "capacity.forecast": ("SalesForecaster", "Backtest"),
    "capacity.load": ("LoadReport", "Throughput", "ThroughputReport", "fit_throughput", "learn_throughput"),
    "capacity.planning": (
        *("plan_many", "plan_nodes", "safe_target", "advise_requests", "highest_tolerated_utilization"),
    ),
    "capacity.simulation": ("Replay",),
    "capacity.model": ("Pool", "NodeType", "Quota", "Supply", "Explanation"),
    "capacity.views": (
        *("plot_seasons", "plot_decomposition", "plot_forecast", "plot_backtest", "plot_calibration", "plot_load"),
        *("plot_plan", "plot_explanation", "plot_utilization", "plot_simulation", "plot_frontier", "save_figure"),
    ),
}
SHARED = (READING, CALENDAR, SERVICE, PICTURE, FLEET, "Every command")  # panels of options that verbs have in common
FOLDERS = {"Runbooks": "runbooks", "Decisions": "decisions"}
INSTALL = "howto/install.md"
MANIFESTS = re.compile(r"\]\((?:\.\./)+k8s/README\.md(#[\w-]+)?\)")  # as links stand in the repository
LINK = re.compile(r"\[([^]]+)\]\((?!https?:|#)([^)]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page on installing; list in the navigation what it does not name: runbooks, decisions, any other page."""
    files.append(File.generated(config, INSTALL, content=install_page()))
    assert config.nav is not None
    found = sorted(file.src_uri for file in files.documentation_pages())
    for title, folder in FOLDERS.items():
        config.nav.append({title: [name for name in found if name.startswith(f"{folder}/")]})
    rest = [name for name in found if name not in set(named(config.nav))]
    if rest:
        config.nav.append({"More": rest})
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """The text of a page on the site: docstrings in the library's, and links to k8s/README.md as links to its page."""
    if page.file.src_uri == "reference/library.md":
        return markdown.partition("\n|")[0] + "\n\n" + docstrings()
    here = "../" * page.file.src_uri.count("/") + INSTALL
    return MANIFESTS.sub(lambda link: f"]({here}{link[1] or ''})", markdown)


def named(nav: Any) -> Iterator[str]:
    """Every page that a part of the navigation names."""
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from named(part)


def install_page() -> str:
    """k8s/README.md, whose links to manifests become their places in the repository."""
    text = (ROOT / "k8s" / "README.md").read_text(encoding="utf-8")
    text = LINK.sub(r"\1 (`k8s/\2`)", text)
    return text.replace("# Capacity on a cluster", "# Install it on a cluster", 1)


def commands_page() -> str:
    """Every verb with its help and its own options, in the order of the data; options that verbs share come first."""
    group: Any = typer.main.get_command(app)
    verbs = {verb.__name__: group.commands[verb.__name__] for panel in VERBS.values() for verb in panel}
    parts = [
        "# Commands\n\nEvery command writes results to stdout and everything else to stderr. " + str(app.info.epilog),
        "## Options that commands share\n\nA command has at most seven options of its own. The groups below have the "
        "same options and the same meaning wherever a command takes them; `--help` shows them in panels of their own.",
        *_shared(verbs),
    ]
    for panel, members in VERBS.items():
        parts.append(f"## {panel}")
        parts += [_command(verb.__name__, verbs[verb.__name__]) for verb in members]
    return "\n\n".join(parts) + "\n"


def _shared(verbs: Mapping[str, Any]) -> Iterator[str]:
    """Each group of options once, and which verbs take it."""
    for panel in SHARED:
        takers = [name for name, verb in verbs.items() if any(_panel(option) == panel for option in verb.params)]
        last = verbs[takers[-1]]
        who = "Every command." if len(takers) == len(verbs) else f"{', '.join(f'`{name}`' for name in takers)}."
        yield f"### {panel}\n\n{who}\n\n{_options(one for one in last.params if _panel(one) == panel)}"


def _command(name: str, command: Any) -> str:
    text, _, example = inspect.cleandoc(command.help or "").partition("Example: ")
    own = [option for option in command.params if _panel(option) not in SHARED]
    groups = dict.fromkeys(filter(None, map(_panel, command.params)))
    links = ", ".join(f"[{panel.lower()}](#{slug(panel)})" for panel in SHARED[:-1] if panel in groups)
    shown = f"\n\n```console\n$ {example.strip()}\n```" if example else ""
    options = f"\n\n{_options(own)}" if own else ""
    return f"### capacity {name}\n\n{text.strip()}{shown}{options}" + (f"\n\nIt also takes: {links}." if links else "")


def _panel(option: Any) -> str | None:
    """The group that an option belongs to; what to draw is each verb's own."""
    panel: str | None = getattr(option, "rich_help_panel", None)
    return None if panel == PICTURE and option.name == "draw" else panel


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub and the site make it."""
    return re.sub(r"[^\w\s-]", "", heading.lower()).replace(" ", "-")


def _options(options: Iterable[Any]) -> str:
    return "\n".join(("| option | meaning | default |", "|---|---|---|", *map(_option, options)))


def _option(option: Any) -> str:
    name = ", ".join(f"`{word}`" for word in option.opts)
    default = "" if option.default in (None, False) or callable(option.default) else f"`{option.default}`"
    return f"| {name} | {_cell(getattr(option, 'help', None) or 'input')} | {default} |"


def configuration_page() -> str:
    """Every key of capacity.yaml: its type, its default, its meaning; one table a block."""
    schema = Config.model_json_schema()
    parts = [
        "# Configuration\n\nThis page lists every key of `capacity.yaml`. Unknown keys are errors. "
        "`capacity schema` prints the same as a JSON Schema for editors.",
        _block("The whole file", schema),
    ]
    parts += [
        _block(name.removesuffix("Settings"), block) for name, block in schema["$defs"].items() if "properties" in block
    ]
    return "\n\n".join(parts) + "\n"


def _block(name: str, block: dict[str, Any]) -> str:
    needed = set(block.get("required", ()))
    rows = [
        " | ".join(
            (
                f"| `{key}`",
                _cell(_kind(value)),
                "needed" if key in needed else _default(value),
                f"{_cell(value.get('description', ''))} |",
            )
        )
        for key, value in block["properties"].items()
    ]
    about = inspect.cleandoc(block.get("description", ""))
    return f"## {name}\n\n{about}\n\n| key | type | default | meaning |\n|---|---|---|---|\n" + "\n".join(rows)


def _kind(value: dict[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2].removesuffix("Settings")
        return f"[{name}](#{name.lower()})"
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(_kind(one) for one in value["anyOf"] if one.get("type") != "null"))
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        return " or ".join(f"`{one}`" for one in value["enum"])
    if value.get("type") == "array":
        return f"list of {_kind(value.get('items', {}))}"
    kind = value.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _default(value: dict[str, Any]) -> str:
    default = value.get("default")
    return "" if default in (None, "", [], {}) or isinstance(default, dict) else f"`{default}`"


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


def library_page() -> str:
    """The public names in the order of the data flow, each with what it is; then further ones by package."""
    head = "# Library\n\n```python\nimport capacity as cap\n```\n\nEvery name has a docstring: `help(cap.read_sales)`."
    parts = [head, _names("capacity", [name for names in HOMES.values() for name in names])]
    for package, further in FURTHER.items():
        parts += [f"## {package}", _names(package, further)]
    return "\n\n".join(parts) + "\n"


def _names(package: str, names: Iterable[str]) -> str:
    rows = [f"| `{name}` | {_cell(_sentence(getattr(import_module(package), name)))} |" for name in names]
    return "\n".join(("| name | what it is |", "|---|---|", *rows))


def _sentence(noun: Any) -> str:
    """The first paragraph of a docstring."""
    return (inspect.getdoc(noun) or "").partition("\n\n")[0]


def docstrings() -> str:
    """What mkdocstrings shows in place of the tables: the docstring of each name."""
    names = [f"::: {home}.{name}" for home, names in HOMES.items() for name in names]
    for package, further in FURTHER.items():
        names += [f"## {package}", *(f"::: {home_of(package, name)}.{name}" for name in further)]
    return "\n\n".join(names) + "\n"


def home_of(package: str, name: str) -> str:
    """The module that defines a name which a package gives."""
    return str(getattr(import_module(package), name).__module__)
