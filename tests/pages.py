"""Pages of docs/ as a reader follows them: files saved, commands and Python run, what they print beside what is shown.

What a fenced block is:

- with a title (```yaml title="capacity.yaml"): a file, saved under that name before the next block;
- `console`: commands after `$ `; `<!-- exits 3 -->` on the line before says that the last one ends so;
- `python`: run in order, one namespace for the page;
- anything right after one of those two: what was printed; `...` stands for whatever is there.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from capacity.cli import main

FENCE = re.compile(r"^(?:<!-- exits (\d) -->\n)?```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = ("console", "python")


@dataclass(frozen=True)
class Block:
    """One fenced block: its words, where they stand in the page, and whether it shows what the block before printed."""

    language: str
    title: str | None
    text: str
    span: tuple[int, int]
    exits: int
    shows: bool

    @property
    def commands(self) -> list[str]:
        """The lines after `$ `; a backslash at the end goes on in the next line."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]

    @property
    def abridged(self) -> bool:
        """Whether lines are left out of it."""
        return any(line.strip() == "..." for line in self.text.splitlines())


def blocks_of(text: str) -> list[Block]:
    """Every fenced block of a page, in order."""
    found: list[Block] = []
    ended, runs = 0, False
    for match in FENCE.finditer(text):
        exits, language, rest, body = match.groups()
        title = re.search(r'title="([^"]+)"', rest)
        shows = runs and title is None and language not in RUN and not text[ended : match.start()].strip()
        found.append(Block(language, title[1] if title else None, body, match.span(4), int(exits or 0), shows))
        ended, runs = match.end(), language in RUN and title is None
    return found


@dataclass
class Reader:
    """Somebody who types what a page says; `stand_ins`: addresses of examples and what answers for them."""

    folder: Path
    program: Callable[[str], str]
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    others: Callable[[], None] = lambda: None  # what the rest of the world does after each command
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "page"})

    def follow(self, text: str) -> Iterator[tuple[Block, str]]:
        """Do all that the page says; each block that shows output comes with what was printed in truth."""
        printed = ""
        for block in blocks_of(text):
            words = self._with(block.text, self.stand_ins)
            if block.title is not None:
                (self.folder / block.title).write_text(words, encoding="utf-8")
            elif block.language == "console":
                printed = "".join(self._typed(block))
            elif block.language == "python":
                printed = self._python(words)
            elif block.shows:
                yield block, self._with(printed, {real: shown for shown, real in self.stand_ins.items()})

    def _typed(self, block: Block) -> Iterator[str]:
        assert block.commands, f"a console block without a command: {block.text}"
        for command in block.commands:
            code = block.exits if command == block.commands[-1] else 0
            yield self._command(self._with(command, self.stand_ins), code)

    def _command(self, command: str, expected: int) -> str:
        words = shlex.split(command)
        into = words.index(">") if ">" in words else len(words)
        code, out, said = (self._capacity if words[0] == "capacity" else self._other)(words[:into])
        assert code == expected, f"$ {command}\nends with {code}, not {expected}: {said}{out}"
        self.others()
        if into == len(words):
            return out
        (self.folder / words[into + 1]).write_text(out, encoding="utf-8")
        return ""

    def _capacity(self, words: list[str]) -> tuple[int, str, str]:
        out, said = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
            code = main(words[1:])
        return code, out.getvalue(), said.getvalue()

    def _other(self, words: list[str]) -> tuple[int, str, str]:
        done = subprocess.run(
            [self.program(words[0]), *words[1:]],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def _python(self, words: str) -> str:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(words, "page", "exec"), self.names)
        return out.getvalue()

    @staticmethod
    def _with(text: str, stand_ins: Mapping[str, str]) -> str:
        for shown, real in stand_ins.items():
            text = text.replace(shown, real)
        return text


def plain(text: str) -> str:
    """Without the spaces at the ends of lines, which no reader sees."""
    return "".join(f"{line.rstrip()}\n" for line in text.strip("\n").splitlines())


def same(shown: str, printed: str) -> bool:
    """Whether a page shows what was printed; `...` stands for anything."""
    return doctest.OutputChecker().check_output(plain(shown), plain(printed), doctest.ELLIPSIS)


def rewritten(text: str, printed: list[tuple[Block, str]]) -> str:
    """The page with what was printed in truth; lines with `...` in them stay where they still hold, and so does a block
    that leaves lines out."""
    for block, truth in reversed(printed):
        if not block.abridged:
            kept = [line for line in block.text.splitlines() if "..." in line]
            lines = [next((line for line in kept if same(line, new)), new) for new in plain(truth).splitlines()]
            text = text[: block.span[0]] + plain("\n".join(lines)) + text[block.span[1] :]
    return text
