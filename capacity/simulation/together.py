"""Work that needs replays in between, of many workloads side by side: what waits for a replay is replayed together."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from capacity.model import DataError
from capacity.model.policies import DailyScores
from capacity.simulation.days import MOST_LANES, Task, replay_together

T = TypeVar("T")
Replaying = Generator[Task, DailyScores, T]  # yields what is to be replayed, is sent its scores, returns the answer


def finish(work: Replaying[T]) -> T:
    """The answer of one work, each of its tasks replayed alone. Raises what the work raises."""
    found = finish_together([work])[0]
    if isinstance(found, DataError):
        raise found
    return found


def finish_together(works: Iterable[Replaying[T]]) -> list[T | DataError]:
    """The answer of each work, or the error that ended it; equal to what `finish` gives of each.

    A work is begun only when those before it wait for a replay; replays begin once enough lanes wait.
    """
    found, waiting = dict[int, T | DataError](), list[_Waiting[T]]()
    for place, work in enumerate(works):
        waiting += _until_next(place, work, None, found)
        if sum(one.task.lanes for one in waiting) >= MOST_LANES:
            waiting = _replayed(waiting, found)
    while waiting:
        waiting = _replayed(waiting, found)
    return [found[place] for place in sorted(found)]


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T]):
    """A work that waits for the scores of a task."""

    place: int
    work: Replaying[T]
    task: Task


def _replayed(waiting: list[_Waiting[T]], found: dict[int, T | DataError]) -> list[_Waiting[T]]:
    """Those that wait again, once each has got its scores."""
    scores = replay_together([one.task for one in waiting])
    return [
        again
        for one, its in zip(waiting, scores, strict=True)
        for again in _until_next(one.place, one.work, its, found)
    ]


def _until_next(
    place: int, work: Replaying[T], scores: DailyScores | None, found: dict[int, T | DataError]
) -> list[_Waiting[T]]:
    """The work, waiting for its next replay; none where it has ended: its answer is then found."""
    try:
        return [_Waiting(place, work, next(work) if scores is None else work.send(scores))]
    except StopIteration as end:
        found[place] = end.value
    except DataError as error:
        found[place] = error
    return []
