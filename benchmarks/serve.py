"""`capacity serve` under load: the CPU of each answer, alone and with fifty readers at once, and memory over many.

The server is a process of its own on the bundled sample. Times are of its CPU, not of the clock: a busy machine changes
nothing. Four of seven answers are new ones, with a growth from nothing to +200 % that nobody has asked for before, in
no order: with much of it the days have too many changes, and a plan costs twice as much. The others are kept.

With fifty readers, the CPU of one answer is that of its own calls in worker threads, which the server measures thread
by thread and tells in a header, and an equal share of what the server spends beside them: reading requests and sending
answers.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count, cycle
from pathlib import Path
from typing import Any

import numpy as np
from urllib3 import PoolManager

READERS, REQUESTS, PARTS = 50, 12_000, 6
CPU_HEADER = "x-cpu-microseconds"
EACH = 40  # new answers of each kind, one after the other
ONE = "/v1/workloads/shop/web"
GROWTHS = 20_011  # a prime: as many different ones, of 0.01 % each


def growth(number: int) -> str:
    """Another growth for each number."""
    return f"growth={number * 7919 % GROWTHS / 1e4:.4f}"


KINDS: dict[str, Callable[[int], str]] = {
    "page": lambda _: "/workloads/shop/web",
    "plan": lambda _: f"{ONE}/plan",
    "forecast": lambda _: f"{ONE}/forecast",
    "new plan": lambda number: f"{ONE}/plan?{growth(number)}",
    "new forecast": lambda number: f"{ONE}/forecast?{growth(number)}",
    "new explanation": lambda number: f"{ONE}/explain?{growth(number)}",
    "new comparison": lambda number: f"{ONE}/compare?{growth(number)}",
}
TICKS = os.sysconf("SC_CLK_TCK")
numbers = count(1)


def run(data: Path, quick: bool) -> dict[str, Any]:
    """CPU and memory of the server."""
    del data
    requests = REQUESTS // 20 if quick else REQUESTS
    with running() as (address, pid):
        figures: dict[str, Any] = {name: _alone(address, pid, path) for name, path in KINDS.items()}
        figures["fifty readers"] = _together(address, pid, requests)
    return figures


@contextmanager
def running() -> Iterator[tuple[str, int]]:
    """A server on a free port, which tells the CPU of each answer: its address and its process."""
    words = [sys.executable, "-c", "from benchmarks.serve import serve_measured; serve_measured()"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        said = next(line for line in process.stderr if "listening on" in line)
        found = re.search(r"http://[^/]+", said)
        assert found is not None
        yield found[0], process.pid
    finally:
        process.terminate()
        process.wait()


def serve_measured() -> None:
    """`capacity serve --sample`, each of whose answers has the CPU of its calls in worker threads in a header."""
    import anyio.to_thread
    from starlette.types import ASGIApp

    from capacity.cli import main
    from capacity.web import application

    run_sync, create_app = anyio.to_thread.run_sync, application.create_app

    async def measured(call: Callable[..., Any], *given: Any, **options: Any) -> Any:
        def timed(*given: Any) -> Any:
            began = time.thread_time_ns()
            try:
                return call(*given)
            finally:
                spent.get().append(time.thread_time_ns() - began)

        return await run_sync(timed, *given, **options)

    def create_measured(*given: Any) -> ASGIApp:
        app = create_app(*given)

        async def answer(scope: Any, receive: Any, send: Any) -> None:
            mine: list[int] = []
            spent.set(mine)

            async def sent(message: Any) -> None:
                if message["type"] == "http.response.start":
                    told = (CPU_HEADER.encode(), str(sum(mine) // 1000).encode())
                    message = {**message, "headers": [*message["headers"], told]}
                await send(message)

            await app(scope, receive, sent)

        return answer

    anyio.to_thread.run_sync = measured  # type: ignore[assignment]
    application.create_app = create_measured  # type: ignore[assignment]
    sys.exit(main(["serve", "--sample", "--listen", "http://127.0.0.1:0"]))


spent: ContextVar[list[int]] = ContextVar("spent")


def _alone(address: str, pid: int, path: Callable[[int], str]) -> dict[str, float]:
    """One after the other, in milliseconds of CPU each."""
    client = PoolManager(maxsize=READERS)
    spent = []
    for _ in range(EACH):
        question = path(next(numbers))
        before = _cpu(pid)
        _get(client, address + question)
        spent.append(1000 * (_cpu(pid) - before))
    return {"mean ms": float(np.mean(spent)), "95th percentile ms": float(np.quantile(spent, 0.95))}


def _together(address: str, pid: int, requests: int) -> dict[str, float]:
    """CPU of the answers, and memory after each part of them."""
    paths = cycle(KINDS.values())
    client, before, held = PoolManager(maxsize=READERS), _ticks(pid), dict[str, float]()
    calls: list[float] = []
    with ThreadPoolExecutor(READERS) as readers:
        for part in range(1, PARTS + 1):
            questions = [next(paths)(next(numbers)) for _ in range(requests // PARTS)]
            calls += readers.map(lambda one: _get(client, address + one), questions)
            held[f"MB after {part * requests // PARTS}"] = _megabytes(pid)
    mean = 1000 * (_ticks(pid) - before) / len(calls)
    beside = max(0.0, mean - float(np.mean(calls)))
    return {"mean ms": mean, "95th percentile ms": float(np.quantile(calls, 0.95)) + beside, **held}


def _get(client: PoolManager, url: str) -> float:
    """Milliseconds of CPU in the worker threads of the server."""
    answer = client.request("GET", url)
    assert answer.status == 200, f"{url}: {answer.data[:300]!r}"
    return int(answer.headers[CPU_HEADER]) / 1000


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process has taken: of its threads, in nanoseconds from the scheduler."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _ticks(pid: int) -> float:
    """Seconds of CPU in whole ticks, also of threads that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _megabytes(pid: int) -> float:
    """Memory that a process holds."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024
