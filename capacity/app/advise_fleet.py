"""The policies of many workloads, chosen in shards: what `advise` chooses for each, on the processes that plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from capacity.app.advise import Advice, Progress, advise, advise_on
from capacity.app.fleet import Fleet, spread
from capacity.app.plan import Chunk, chunks_of, deal, folder_of, installed, orders_of
from capacity.model import DataError, Workload
from capacity.model.configuration import Config
from capacity.model.policies import Policies

SIZE = 8  # workloads: a chunk is then about a minute of replay, and a lost one no more
NEXT_DAY = 32  # workloads of which only one day is new: together they fill the lanes of a replay
FOLDER = "policies"  # within the folder of shards: the steps of plans lie beside it


@dataclass(frozen=True, slots=True)
class Part:
    """The workloads of one chunk, what was chosen for them before, when and on how many days a choice is made now."""

    chunk: Chunk
    now: datetime
    known: Policies
    days: int


def advise_fleet(
    config: Config,
    now: datetime,
    fleet: Fleet | None = None,
    *,
    days: int = 28,
    workloads: Sequence[Workload] | None = None,
    known: Policies | None = None,
    progress: Progress | None = None,
    past: bool = False,
) -> Advice:
    """`advise`, with chunks of workloads on the processes or the Dask cluster of `fleet`; the choices are the same.

    Parameters
    ----------
    config : Config
        The configuration; its orders are read once.
    now : datetime
        When the choice is made, with a time zone.
    fleet : Fleet or None
        What workloads are replayed on. Default: every core. A single chunk is replayed in this process.
    days, workloads, known, progress, past
        As `advise` takes them; of several chunks, `progress` counts chunks.

    Returns
    -------
    Advice
        The choice for each workload, and the reason for each that cannot be replayed.

    Raises
    ------
    DataError
        The orders cannot be read.
    ClusterError
        The Dask cluster does not answer.
    """
    fleet, asked = fleet or Fleet(), config.workloads if workloads is None else tuple(workloads)
    if config.sales is None or (len(asked) <= SIZE and fleet.cluster is None):
        return advise(config, now, days=days, workloads=asked, known=known, progress=progress, past=past)
    wanted = config.model_copy(update={"workloads": asked})
    with folder_of(None if fleet.shards is None else fleet.shards / FOLDER) as folder:
        size = NEXT_DAY if all(one.key in (known or {}) for one in asked) else SIZE
        chunks = chunks_of(wanted, now, folder, deal(asked, size), past=past)
        parts = [Part(chunk, now, _of(chunk, known or {}), days) for chunk in chunks]
        answers = _answers(parts, fleet, progress)
    return _joined(answers, asked)


def _of(chunk: Chunk, known: Policies) -> Policies:
    return {one.key: known[one.key] for one in chunk.config.workloads if one.key in known}


def work_on(part: Part) -> Advice:
    """Choose for the workloads of a part; what cannot be replayed is in its failures."""
    chunk = part.chunk
    if chunk.versions != installed():
        return _failed(part, f"expected a worker with {chunk.versions}, got {installed()}: results would differ")
    try:
        return advise_on(chunk.config, orders_of(chunk), part.now, days=part.days, known=part.known)
    except DataError as error:
        return _failed(part, str(error))


def _failed(part: Part, reason: str) -> Advice:
    return Advice((), {one.key: reason for one in part.chunk.config.workloads})


def _answers(parts: Sequence[Part], fleet: Fleet, progress: Progress | None) -> list[Advice]:
    answers: list[Advice] = []
    for part, answer in spread(work_on, parts, fleet):
        if isinstance(answer, BaseException):
            said = " ".join(str(answer).split())
            answer = _failed(part, f"its chunk ended with {type(answer).__name__}: {said}")
        answers.append(answer)
        if progress is not None:
            progress(len(answers), len(parts))
    return answers


def _joined(answers: Sequence[Advice], asked: Sequence[Workload]) -> Advice:
    """One answer, in the order of the configuration."""
    found = {key: one for answer in answers for key, one in answer.policies.items()}
    failures = {key: reason for answer in answers for key, reason in answer.failures.items()}
    policies = {one.key: found[one.key] for one in asked if one.key in found}
    choices = tuple(one.choice for one in policies.values())
    return Advice(choices, {one.key: failures[one.key] for one in asked if one.key in failures}, policies)
