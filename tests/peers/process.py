"""A server as a child process: started on a free loopback port, waited for, and stopped for certain."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.waiting import HUNG, until

STOP = 10.0  # seconds to end after SIGTERM before SIGKILL
Command = Callable[[int], Sequence[str]]  # port -> words
Ready = Callable[[int], bool]  # port -> answers


def binary(*names: str) -> str:
    """Path of the first of `names` (commands or absolute paths) there is; else the test skips and names them all."""
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        pytest.skip(f"no {' or '.join(names)} on this machine: `make peers` installs it")
    return found


@contextmanager
def running(command: Command, ready: Ready, log: Path, user: str | None = None) -> Iterator[int]:
    """Run `command(port)` until the block ends; gives the port, once `ready(port)` says yes. Output goes to `log`.

    With `user`, and when this process is root, the server runs as that user. A port that somebody else took between
    choosing and binding is the one reason to try again.
    """
    for attempt in range(3):
        port = free_port()
        process = started(command(port), log, user)
        try:
            if came_up(process, ready, port):
                yield port
                return
            end = log.read_text(encoding="utf-8", errors="replace")[-2000:]
            if attempt == 2 or "in use" not in end:
                raise AssertionError(
                    f"{command(port)[0]} ended, or hung for {HUNG:.0f} s, before it was ready; its last words:\n{end}"
                )
        finally:
            stop(process)


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def started(words: Sequence[str], log: Path, user: str | None = None) -> subprocess.Popen[bytes]:
    """The process, in a group of its own (`stop` reaches its children) and dead if this one dies by SIGKILL."""
    with log.open("ab") as out:
        return subprocess.Popen(
            [*guard(user), *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )


def guard(user: str | None = None) -> list[str]:
    """Words before a command: the kernel kills it with its parent, and root runs it as `user`."""
    setpriv = shutil.which("setpriv")  # util-linux; without it a killed test run may leave its peers behind
    if setpriv is None:
        return []
    become = [f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user and os.geteuid() == 0 else []
    return [setpriv, "--pdeathsig", "KILL", *become, "--"]


def came_up(process: subprocess.Popen[bytes], ready: Ready, port: int) -> bool:
    """Wait until the process answers, however slow the machine; False at once when it ended."""
    answered = False

    def settled() -> bool:
        nonlocal answered
        answered = process.poll() is None and ready(port)
        return answered or process.poll() is not None

    with suppress(AssertionError):
        until(settled)
    return answered


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the process and its children: asked first, made to after `STOP` seconds."""
    signal_group(process, signal.SIGTERM)
    try:
        process.wait(STOP)
    except subprocess.TimeoutExpired:
        pass
    finally:
        signal_group(process, signal.SIGKILL)
        process.wait()


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
