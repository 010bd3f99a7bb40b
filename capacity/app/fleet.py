"""Runs the chunks of many workloads in this process or on Dask's `distributed`, which only this module imports."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from capacity.logs import LOGGER
from capacity.model import ClusterError, ConfigError
from capacity.sources.sql import one_line

Task = TypeVar("Task")
Answer = TypeVar("Answer")
INSTALL = "python -m pip install 'capacity-ahead[dask]'"
SIZE = 250  # workloads: their arrays stay in some hundred MB, and a lost chunk is a few seconds of work


@dataclass(frozen=True, slots=True)
class Fleet:
    """Where workloads are planned: on processes of this machine, or on a Dask cluster.

    Parameters
    ----------
    workers : int or None
        Processes of this machine; 1 plans in this process. Default: one for every core. More than one chunk on more
        than one process needs Dask's `distributed`.
    cluster : str or None
        Address of a Dask scheduler, such as `tcp://scheduler:8786`. Default none: this machine.
    shards : Path or None
        A folder that keeps steps and shards, so that an interrupted run can resume. Every worker must see it under the
        same path. Default none: nothing is kept. A cluster needs one.
    size : int
        How many workloads make a chunk. Series of one chunk are forecast in one array, so the size belongs to the
        settings of a run. Default 250.

    Raises
    ------
    ConfigError
        A value is below 1, or `cluster` is given with `workers` or without `shards`.
    """

    workers: int | None = None
    cluster: str | None = None
    shards: Path | None = None
    size: int = SIZE

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"--workers: expected 1 or more, got {self.workers}")
        if self.cluster is not None and self.shards is None:
            raise ConfigError("--cluster needs --shards DIR: a folder that every worker sees under the same path")
        if self.cluster is not None and self.workers is not None:
            raise ConfigError("expected --workers (processes here) or --cluster, got both")
        if self.size < 1:
            raise ConfigError(f"size: expected a chunk of 1 workload or more, got {self.size}")


def cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(
    work: Callable[[Task], Answer], tasks: Sequence[Task], fleet: Fleet
) -> Iterator[tuple[Task, Answer | BaseException]]:
    """Each task with its answer, or the exception that ended it, as they come.

    If a worker dies, its task moves to another; a task whose workers die repeatedly is answered with an exception that
    says so. Raises `ClusterError`, `ConfigError`.
    """
    workers = min(fleet.workers or cores(), len(tasks))
    if fleet.cluster is None and workers > 1 and find_spec("distributed") is None:
        LOGGER.info("planned in one process: Dask spreads chunks over %d: %s", workers, INSTALL)
        workers = 1
    if fleet.cluster is None and workers <= 1:
        for task in tasks:
            yield task, work(task)
        return
    with ExitStack() as stack:
        address = fleet.cluster or stack.enter_context(_processes(workers))
        client = stack.enter_context(_connected(address))
        yield from _answers(client, work, tasks, AHEAD if fleet.cluster else 1)


CONNECT = 15  # seconds to reach the scheduler, and for a first worker to be there
AHEAD = 2  # tasks per thread of a cluster: enough that none waits for the wire, few enough to stay small
RETRIES = 2  # of a task whose worker failed it; a worker that dies is not counted, its tasks move on
KEPT_MEMORY = {  # bytes, for glibc's malloc: what arrays free stays with the worker, which asks for it again at once
    "MALLOC_TRIM_THRESHOLD_": 256 * 2**20,  # Dask's 64 KiB give it back thousands of times a second
    "MALLOC_MMAP_THRESHOLD_": 32 * 2**20,  # the most that glibc takes
    "MALLOC_TOP_PAD_": 16 * 2**20,
}
DEATHS = 2  # of workers under one task: the next one ends the task, not the run


def _answers(
    client: Any, work: Callable[[Task], Answer], tasks: Sequence[Task], ahead: int
) -> Iterator[tuple[Task, Answer | BaseException]]:
    """`ahead`: tasks per thread that the scheduler knows of; a task that waits at a worker that dies is blamed too."""
    from distributed import as_completed

    def submit(task: Task) -> Any:
        return client.submit(work, task, pure=False, retries=RETRIES)

    waiting = list(reversed(tasks))
    first = [waiting.pop() for _ in range(min(len(waiting), ahead * sum(client.nthreads().values())))]
    known = {submit(task): task for task in first}
    completed = as_completed(list(known), loop=client.loop)
    for future in completed:
        done = known.pop(future)
        if waiting:  # before the answer is looked at, so that no worker waits for that
            task = waiting.pop()
            following = submit(task)
            known[following] = task
            completed.add(following)
        yield done, future.exception() if future.status == "error" else future.result()


@contextmanager
def _processes(workers: int) -> Iterator[str]:
    """A Dask cluster of processes of this machine, each with one thread; gives its address.

    New interpreters, never forks: a fork copies locks that other threads hold.
    """
    import dask
    from distributed import LocalCluster

    kept = {f"distributed.nanny.pre-spawn-environ.{name}": size for name, size in KEPT_MEMORY.items()}
    settings = kept | {
        "distributed.scheduler.allowed-failures": DEATHS,
        "distributed.scheduler.worker-saturation": 1.0,
        "distributed.scheduler.http.routes": [],  # nobody looks at a page of this cluster
        "distributed.worker.http.routes": [],
    }
    with (
        dask.config.set(settings),
        tempfile.TemporaryDirectory(prefix="capacity-") as folder,
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            local_directory=folder,
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster.scheduler_address


def _connected(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError(f"--cluster needs Dask: {INSTALL}") from error
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
