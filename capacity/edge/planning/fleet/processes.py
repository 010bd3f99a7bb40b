"""Many tasks over the processes of one machine; a process that dies takes one task with it, not the run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

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
