"""The same tasks on Dask's `distributed`: a scheduler hands them to workers, wherever they are. Its only import."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from capacity.domain import ClusterError, ConfigError
from capacity.edge.sql import one_line

Task = TypeVar("Task")
Answer = TypeVar("Answer")
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
