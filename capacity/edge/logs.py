"""Remarks of a run on stderr, for people or as JSON; each run has an id that plans, Events and tickets bear."""

from __future__ import annotations

import json
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from uuid import uuid4


class LogForm(StrEnum):
    """How remarks are written."""

    console = "console"
    json = "json"


class Level(StrEnum):
    """How much a remark matters."""

    info = "info"
    warning = "warning"
    error = "error"


PREFIXES = {Level.info: "", Level.warning: "capacity: ", Level.error: "capacity: error: "}  # for people


@dataclass(frozen=True, slots=True)
class Run:
    """One call of the command: its id, its verb, and how it speaks on stderr."""

    id: str
    verb: str
    form: LogForm = LogForm.console

    @classmethod
    def begin(cls, verb: str, form: LogForm) -> Run:
        """A run with an id of its own; whatever is said from now on is said by it."""
        run = cls(uuid4().hex[:12], verb, form)
        _CURRENT.set(run)
        return run


# Said from within libraries' callbacks, too: passing the run through every call would name it in each signature.
_CURRENT: ContextVar[Run] = ContextVar("run")


def current_run() -> Run:
    """The run that speaks; without an id where capacity is used as a library."""
    return _CURRENT.get(Run("", "library"))


def end_run() -> None:
    """What is said from now on is said by no run: the process may go on as a library."""
    _CURRENT.set(Run("", "library"))


def record(text: str, level: Level, now: datetime, run: Run, **facts: str) -> str:
    """A remark as one JSON line, with facts of its own.

    >>> at, run = datetime(2026, 11, 27, tzinfo=UTC), Run("3f2a", "plan")
    >>> line = json.loads(record("metrics not pushed", Level.warning, at, run))
    >>> line["level"], line["run"]
    ('warning', '3f2a')
    """
    fields = {"time": now.isoformat(), "level": level, "run": run.id, "verb": run.verb, "message": text, **facts}
    return json.dumps(fields)


def write_record(text: str, level: Level, **facts: str) -> None:
    """Write a remark of the current run to stderr as JSON."""
    sys.stderr.write(f"{record(text, level, datetime.now(UTC), current_run(), **facts)}\n")
