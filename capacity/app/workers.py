"""Many tasks over the processes of one machine, or over Dask's `distributed`. Its only import."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from capacity.model import ClusterError, ConfigError
from capacity.sources.sql import one_line

Task = TypeVar("Task")
Answer = TypeVar("Answer")


def cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    work: Callable[[Task], Answer], tasks: Sequence[Task], workers: int
) -> Iterator[tuple[Task, Answer | BaseException]]:
    """Each task with its answer, or the exception that ended it, as they come; at most `workers` run at a time.

    Where a process dies, the tasks that were running are tried again, each in a process of its own: what then dies
    again is the culprit, and its answer is the exception that says so.
    """
    waiting = list(reversed(tasks))
    while waiting:
        suspects: list[Task] = []
        with _pool(workers) as pool:
            running: dict[Future[Answer], Task] = {}
            while (waiting or running) and not suspects:
                while waiting and len(running) < workers:
                    task = waiting.pop()
                    running[pool.submit(work, task)] = task
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    task = running.pop(future)
                    if isinstance(future.exception(), BrokenProcessPool):
                        suspects.append(task)
                    else:
                        yield task, future.exception() or future.result()
            suspects += running.values()
        for task in suspects:
            yield task, _tried_alone(work, task)


def _tried_alone(work: Callable[[Task], Answer], task: Task) -> Answer | BaseException:
    with _pool(1) as pool:
        future = pool.submit(work, task)
        return future.exception() or future.result()


def _pool(workers: int) -> ProcessPoolExecutor:
    """New interpreters, never forks: a fork copies locks that other threads hold."""
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


CONNECT = 15  # seconds to reach the scheduler, and for a first worker to be there
AHEAD = 2  # tasks per thread that the scheduler knows of: enough that none waits, few enough to stay small
RETRIES = 2  # of a task whose worker failed it; a worker that dies is not counted, its tasks move on


def on_cluster(
    address: str, work: Callable[[Task], Answer], tasks: Sequence[Task]
) -> Iterator[tuple[Task, Answer | BaseException]]:
    """Each task with its answer, or the exception that ended it, as they come. Raises `ClusterError`, `ConfigError`."""
    try:
        from distributed import as_completed
    except ImportError as error:
        raise ConfigError("--cluster needs Dask: python -m pip install 'capacity-ahead[dask]'") from error
    with _connected(address) as client:
        threads = sum(client.nthreads().values())
        waiting = list(reversed(tasks))
        first = [waiting.pop() for _ in range(min(len(waiting), AHEAD * threads))]
        known = {_submit(client, work, task): task for task in first}
        completed = as_completed(list(known), loop=client.loop)
        for future in completed:
            yield known.pop(future), future.exception() if future.status == "error" else future.result()
            if waiting:
                task = waiting.pop()
                following = _submit(client, work, task)
                known[following] = task
                completed.add(following)


def _submit(client: Any, work: Callable[[Task], Answer], task: Task) -> Any:
    return client.submit(work, task, pure=False, retries=RETRIES)


def _connected(address: str) -> Any:
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(f"--cluster: no scheduler at {address}: {one_line(error)}") from error
    try:
        client.wait_for_workers(1, timeout=CONNECT)
    except TimeoutError as error:
        client.close()
        raise ClusterError(f"--cluster: the scheduler at {address} has no worker after {CONNECT} s") from error
    return client
