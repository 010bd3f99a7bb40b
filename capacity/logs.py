"""Logs of a run on stderr, as text for people or as JSON lines; each run has an id that plans, Events and tickets bear.

Whoever has something to tell calls `LOGGER`, with facts for machines in `extra`. The command calls `set_up_logs` once;
where capacity is used as a library its caller decides what becomes of the records.
"""

from __future__ import annotations

import json
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TextIO
from uuid import uuid4

LOGGER = logging.getLogger("capacity")
LOGGER.addHandler(logging.NullHandler())
MARKS = {logging.WARNING: "capacity: ", logging.ERROR: "capacity: error: "}  # in text; a remark stands by itself
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}  # all other attributes are facts


class LogForm(StrEnum):
    """How logs are written."""

    text = "text"
    json = "json"


@dataclass(frozen=True, slots=True)
class Run:
    """One call of the command: its id, its verb, and how it writes its logs."""

    id: str
    verb: str
    form: LogForm = LogForm.text

    @classmethod
    def begin(cls, verb: str, form: LogForm) -> Run:
        """A run with an id of its own; whatever is logged from now on is logged by it."""
        run = cls(uuid4().hex[:12], verb, form)
        _CURRENT.set(run)
        return run


# Read from within libraries' callbacks, too: passing the run through every call would name it in each signature.
_CURRENT: ContextVar[Run] = ContextVar("run")


def current_run() -> Run:
    """The run that logs; without an id where capacity is used as a library."""
    return _CURRENT.get(Run("", "library"))


def run_threads(many: int, name: str) -> ThreadPoolExecutor:
    """As many threads, called so, whose logs and Events are those of the current run."""
    return ThreadPoolExecutor(many, name, initializer=_CURRENT.set, initargs=(current_run(),))


class TextFormatter(logging.Formatter):
    """A record as one line for people.

    >>> TextFormatter().format(logging.makeLogRecord({"levelno": logging.WARNING, "msg": "metrics not pushed"}))
    'capacity: metrics not pushed'
    """

    def format(self, record: logging.LogRecord) -> str:
        """The message, marked by its level."""
        return f"{MARKS.get(record.levelno, '')}{record.getMessage()}"


class JsonFormatter(logging.Formatter):
    """A record as one JSON line: time, level, run, verb, message, and what the caller gave as `extra`.

    >>> fields = {"levelname": "WARNING", "msg": "metrics not pushed", "subject": "shop"}
    >>> line = json.loads(JsonFormatter().format(logging.makeLogRecord(fields)))
    >>> line["level"], line["verb"], line["message"], line["subject"]
    ('warning', 'library', 'metrics not pushed', 'shop')
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record's fields; facts never take the place of one of ours."""
        run, facts = current_run(), {key: value for key, value in vars(record).items() if key not in STANDARD}
        own = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "run": run.id,
            "verb": run.verb,
            "message": record.getMessage(),
        }
        return json.dumps({**own, **{key: value for key, value in facts.items() if key not in own}}, default=str)


class _Stderr(logging.Handler):
    """Writes to stderr as it is at that moment, in the form that the current run was asked for."""

    def emit(self, record: logging.LogRecord) -> None:
        if current_run().form is LogForm.json:
            sys.stderr.write(f"{JsonFormatter().format(record)}\n")
        else:
            write_line(TextFormatter().format(record), sys.stderr)


_STDERR = _Stderr()


def set_up_logs() -> None:
    """Write what is logged to stderr, from remarks up; `end_run` takes it back."""
    LOGGER.addHandler(_STDERR)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False


def end_run() -> None:
    """What is logged from now on is logged by no run, and not by us: the process may go on as a library."""
    _CURRENT.set(Run("", "library"))
    LOGGER.removeHandler(_STDERR)
    LOGGER.setLevel(logging.NOTSET)
    LOGGER.propagate = True


def write_line(text: str, stream: TextIO) -> None:
    """A line: on a terminal wrapped at words by rich, which a job in a cluster need not load.

    While a progress bar is shown, rich stands in for the stream and prints what is written above the bar.
    """
    if not stream.isatty() or hasattr(stream, "rich_proxied_file"):
        stream.write(f"{text}\n")
        return
    from rich.console import Console

    Console(file=stream, highlight=False).print(text, markup=False, emoji=False)
