"""The actuators beside the floor, all driven the same way: observe and decide, hold where a guard says so, write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from capacity.app.actuation import ActuatorSteps, Due, Key, Situation, by_workload, written
from capacity.app.claims import CLAIMS
from capacity.app.headroom import HEADROOM
from capacity.app.vertical import VERTICAL
from capacity.cluster.act import announce_actuation
from capacity.cluster.client import ClusterReader, ClusterWriter
from capacity.logs import run_threads
from capacity.model import ClusterError
from capacity.model.actuation import Actuation
from capacity.model.outcome import Outcome

ACTUATORS: tuple[ActuatorSteps, ...] = (HEADROOM, VERTICAL, CLAIMS)
Stays = Callable[[Due], tuple[str, str] | None]  # the reason, and the sentence, why something may not be written now


def observe_actuators(reader: ClusterReader, situation: Situation, stays: Stays) -> list[Due]:
    """What every actuator decided, held where a guard or a person says so; nothing is written."""
    found = [due for one in ACTUATORS for due in one.observe(reader, situation)]
    return [_guarded(due, stays) for due in found]


def give_back_actuators(reader: ClusterReader, situation: Situation) -> Iterator[Due]:
    """What gives back everything that actuators of the situation's namespaces set."""
    for one in ACTUATORS:
        yield from one.give_back(reader, situation)


def actuate(
    writer: ClusterWriter,
    dues: Sequence[Due],
    situation: Situation,
    refusal: Callable[[str], str | None],
    parallel: int,
) -> dict[Key, tuple[Actuation, ...]]:
    """Write what is due, several at a time, each with its Event; the actuations of each workload."""
    act = partial(_acted, writer, situation, refusal)
    due = [one for one in dues if one.write is not None or one.tells]
    if parallel == 1 or len(due) < 2:
        made = {id(one): act(one) for one in due}
    else:
        with run_threads(parallel, "actuate") as pool:
            made = dict(zip(map(id, due), pool.map(act, due), strict=True))
    return by_workload((one, made.get(id(one), one.actuation)) for one in dues)


def actuated(outcomes: Iterable[Outcome], found: dict[Key, tuple[Actuation, ...]]) -> Iterator[Outcome]:
    """The outcomes of a pass, each with what the actuators did for its workload."""
    for outcome in outcomes:
        yield replace(outcome, actuations=found.get(outcome.workload.key, ()))


def _guarded(due: Due, stays: Stays) -> Due:
    reason = stays(due) if due.write is not None else None
    return due if reason is None else due.held(*reason)


def _acted(writer: ClusterWriter, situation: Situation, refusal: Callable[[str], str | None], due: Due) -> Actuation:
    """A write of one's own failure; the Event after it is worth no failure."""
    try:
        other = refusal(due.workload.namespace)
    except ClusterError as error:
        return replace(due.actuation, error=str(error))
    if other is not None:
        return due.held("HeldByOtherWriter", other).actuation
    made = written(writer, due)
    if due.tells or (made.done and made.changes) or made.reason != due.actuation.reason:
        announce_actuation(writer, due.workload, made, situation.now)
    return made
