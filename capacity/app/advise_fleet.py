"""The policies of many workloads, chosen in shards: what `advise` chooses for each, on the processes that plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from capacity.app.advise import Advice, AdviceRequest, Progress, advise_on
from capacity.app.fleet import Fleet, spread
from capacity.app.plan import Chunk, chunks_of, deal, folder_of, installed, orders_of
from capacity.app.reading import read_orders
from capacity.model import DataError, Workload
from capacity.model.configuration import Config

SIZE = 8  # workloads: a chunk is then about a minute of replay, and a lost one no more
NEXT_DAY = 32  # workloads of which only one day is new: together they fill the lanes of a replay
FOLDER = "policies"  # within the folder of shards: the steps of plans lie beside it


@dataclass(frozen=True, slots=True)
class Part:
    """The workloads of one chunk, and what is asked for them."""

    chunk: Chunk
    asked: AdviceRequest


def advise_fleet(
    config: Config,
    asked: AdviceRequest,
    fleet: Fleet | None = None,
    progress: Progress | None = None,
) -> Advice:
    """`advise`, with chunks of workloads on the processes or the Dask cluster of `fleet`; the choices are the same.

    Parameters
    ----------
    config : Config
        The configuration; its orders are read once.
    asked : AdviceRequest
        When the choice is made, with a time zone, for which workloads, and on how many days.
    fleet : Fleet or None
        What workloads are replayed on. Default: every core. A single chunk is replayed in this process.
    progress : callable or None
        Called with how many parts are done, and of how many; of several chunks they are the parts. Default none.

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
    fleet, workloads = fleet or Fleet(), asked.of(config)
    if config.sales is None or (len(workloads) <= SIZE and fleet.cluster is None):
        orders = read_orders(config, asked.now, past=asked.past)
        return advise_on(config, orders, replace(asked, workloads=workloads), progress)
    wanted = config.model_copy(update={"workloads": workloads})
    with folder_of(None if fleet.shards is None else fleet.shards / FOLDER) as folder:
        size = NEXT_DAY if all(one.key in asked.known for one in workloads) else SIZE
        chunks = chunks_of(wanted, asked.now, folder, deal(workloads, size), past=asked.past)
        parts = [Part(chunk, _of(chunk, asked)) for chunk in chunks]
        answers = _answers(parts, fleet, progress)
    return _joined(answers, workloads)


def _of(chunk: Chunk, asked: AdviceRequest) -> AdviceRequest:
    """What is asked for the workloads of a chunk."""
    known = {one.key: asked.known[one.key] for one in chunk.config.workloads if one.key in asked.known}
    return replace(asked, workloads=None, known=known)


def work_on(part: Part) -> Advice:
    """Choose for the workloads of a part; what cannot be replayed is in its failures."""
    chunk = part.chunk
    if chunk.versions != installed():
        return _failed(part, f"expected a worker with {chunk.versions}, got {installed()}: results would differ")
    try:
        return advise_on(chunk.config, orders_of(chunk), part.asked)
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
