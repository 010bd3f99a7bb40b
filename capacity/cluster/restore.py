"""Give back: value first, then ownership, then our annotations go. Each write is guarded; running again finishes."""

from __future__ import annotations

from dataclasses import replace

from capacity.cluster.act import write
from capacity.cluster.annotations import Baseline
from capacity.cluster.autoscaler import Autoscaler
from capacity.cluster.client import CONFLICT, ClusterWriter
from capacity.cluster.lease import TRIES
from capacity.cluster.metric_target import METRICS, baseline_owner, baseline_target, move_target, target_move
from capacity.decision import ControllerRules, lowest_floor
from capacity.model import ClusterError, Decision, Observation, Workload
from capacity.model.outcome import Outcome


def give_back(
    writer: ClusterWriter, workload: Workload, autoscaler: Autoscaler, policy: ControllerRules | None
) -> Outcome:
    """One object as it was before our first touch: at once, or (with a policy) a step towards it, held until there."""
    first = autoscaler.observation  # a try that ended half-way has moved the floor already: say from where
    for attempt in range(1, TRIES + 1):
        baseline, observed = autoscaler.notes.baseline, autoscaler.observation
        if baseline is None:
            detail = "never touched, or restored already"
            floor, ceiling = observed.floor, observed.ceiling
            return Outcome(workload, Decision(floor, ceiling, "NothingToRestore", floor, detail=detail))
        try:
            step = _step(autoscaler, observed, policy)
            if step is not None:
                if step.changes:
                    write(writer, autoscaler, step, autoscaler.notes.expires)
                return Outcome(workload, step, done=step.changes)
            left = _returned(writer, workload, autoscaler, baseline)
        except ClusterError as error:
            if error.status != CONFLICT or attempt == TRIES:
                raise
            autoscaler = autoscaler.reread(writer.target(autoscaler.kind, workload.namespace, autoscaler.name))
            continue
        edited = first.edited_by is not None
        expected = observed.floor if edited else first.baseline_floor
        return Outcome(workload, _checked(left, expected, first), done=True)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _step(autoscaler: Autoscaler, observed: Observation, policy: ControllerRules | None) -> Decision | None:
    """The next step of a ramp; None where the baseline is one step away, or there is no ramp to walk."""
    baseline = observed.baseline_floor
    if policy is None or baseline is None or observed.edited_by is not None or observed.floor <= baseline:
        return None
    lowest = lowest_floor(baseline, observed, autoscaler.now, policy)
    if lowest <= baseline:
        return None
    memory = observed.memory if lowest == observed.floor else replace(observed.memory, moved_at=autoscaler.now)
    detail = f"on the way to its baseline {baseline}"
    return Decision(
        lowest, observed.ceiling, "Restoring", observed.floor, observed.ceiling, detail, ("StepDown",), True, memory
    )


def _returned(writer: ClusterWriter, workload: Workload, autoscaler: Autoscaler, baseline: Baseline) -> Autoscaler:
    kind, namespace, name = autoscaler.kind, workload.namespace, autoscaler.name
    value = autoscaler.restored(baseline)
    if value is not None and kind.scaled:
        writer.scale_target(kind, namespace, name, value)
        autoscaler = autoscaler.reread(writer.target(kind, namespace, name))
    elif value is not None:
        autoscaler = autoscaler.reread(writer.merge_target(kind, namespace, name, value))
    metrics = []
    if baseline_target(autoscaler) is not None:
        metrics = [(METRICS, baseline_owner(autoscaler))]
        back = target_move(autoscaler, None)
        if back is not None and back.refused is None:
            autoscaler = autoscaler.reread(move_target(writer, autoscaler, back))
    return autoscaler.reread(writer.json_patch_target(kind, namespace, name, autoscaler.released(baseline, metrics)))


def _checked(left: Autoscaler, expected: int | None, observed: Observation) -> Decision:
    """The value must have survived the hand-over."""
    if left.floor != expected:
        raise ClusterError(f"restore: expected the floor {expected} to stay, got {left.floor}; set it by hand")
    return Decision(left.floor, left.ceiling, "Restored", observed.floor, observed.ceiling)
