"""The decision itself: which rule speaks, how far a floor moves, and with which reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final

from capacity.decision.reached import judge_rise
from capacity.model import CUTS, Clamp, Cut, Decision, Doubt, Memory, Observation, Reason, WorkloadPlan, require
from capacity.model.policy import ControllerRules

ROUNDING = 1e-9  # 10 x 1.1 is 11.000000000000002 to a computer


def lowest_floor(target: int, observation: Observation, now: datetime, policy: ControllerRules) -> int:
    """The lowest floor that a step down may reach now, towards `target`; the floor itself where a step came just now.

    >>> from datetime import UTC
    >>> lowest_floor(1, Observation(40, 60, 40, 40), datetime(2026, 11, 27, tzinfo=UTC), ControllerRules())
    36
    """
    floor = observation.floor
    if _moved_within(policy.step_every, observation, now, policy):
        return floor
    step = max(1, int(floor * policy.step_down + ROUNDING))
    if policy.half_life is not None:
        share = 1 - 0.5 ** (policy.step_every / policy.half_life)
        step = min(step, max(1, int((floor - target) * share + ROUNDING)))
    return max(0, floor - step)


def highest_floor(observation: Observation, now: datetime, policy: ControllerRules) -> int | None:
    """The highest floor that a ramp may reach now; None where floors rise at once."""
    if policy.step_up is None:
        return None
    if _moved_within(policy.period, observation, now, policy):
        return observation.floor
    return observation.floor + max(1, int(observation.floor * policy.step_up + ROUNDING))


def allowed_ceiling(need: int, observation: Observation, policy: ControllerRules) -> int:
    """Raised to need x (1 + buffer) where the policy allows; given back after the peak, never below what runs."""
    if policy.ceiling_buffer is None:
        return observation.ceiling
    if need > observation.ceiling:
        return ceil(need * (1 + policy.ceiling_buffer) - ROUNDING)
    baseline = observation.baseline_ceiling
    still_needed = max(need, observation.current, observation.desired, observation.floor)
    if baseline is not None and still_needed <= baseline < observation.ceiling:
        return baseline
    return observation.ceiling


def _moved_within(span: timedelta, observation: Observation, now: datetime, policy: ControllerRules) -> bool:
    """Whether our last move lies less than `span` back. A pass starts a little early or late: half a period is free.

    A move noted further ahead than `span` was noted by a wrong clock and says nothing.
    """
    moved = observation.memory.moved_at
    return moved is not None and -span <= now - moved < span - min(policy.period, span) / 2


STALE = timedelta(minutes=5)  # of a measurement: metrics-server measures every 15 s, adapters every minute or two
LOOK_EVERY = timedelta(minutes=5)  # at least, while a floor comes down: frozen metrics are found within ten minutes
LOOKS = 4  # after the first one that find the same: then metrics stand still


def longest_unnoticed(period: timedelta, *, stamped: bool) -> timedelta:
    """How long metrics may stand still at most before it is noticed, where the controller looks every `period`.

    `stamped`: whether the time of a measurement is known. Else `LOOKS` looks after the first must find the same: fewer
    would be equal by chance more than once in a thousand looks, however far apart they lie.

    >>> [str(longest_unnoticed(timedelta(minutes=5), stamped=stamped)) for stamped in (False, True)]
    ['0:30:00', '0:10:00']
    """
    return STALE + period if stamped else (LOOKS + 2) * period


def stand_still(observation: Observation, now: datetime, policy: ControllerRules) -> bool:
    """Whether metrics are old, or the same in several looks in a row, while a floor is too high; at most `hold_for`.

    A time stamp proves it either way. Who disregards metrics for ever is never wrong and never useful: after that time
    the floor follows the plan again, and never below what these readings ask for.
    """
    memory, old = observation.memory, _is_old(observation, now)
    still = _same_readings(observation) if old is None else old
    if not still:
        return False
    if memory.still_since is not None:
        return now < memory.still_since + policy.hold_for
    return bool(old) or _equal_looks(observation, now, policy) >= LOOKS


def second_look(observation: Observation, now: datetime, policy: ControllerRules) -> Memory | None:
    """What to remember while a step down waits for its second look; None where it need not wait.

    It waits for the time of a step since the first look: looking more often does not look twice. Where later looks find
    the same readings, `LOOKS` of them decide.
    """
    if not _tells(observation):
        return None
    memory, age = observation.memory, _age(observation.memory, now)
    first = memory.looked_first or memory.looked_at
    waited = first is not None and now - first >= max(policy.step_every, policy.period) - policy.period / 2
    waits = age is None or age > _memorable(policy) or not waited or _same_readings(observation)
    return looked_again(observation, now, policy) if waits else None


def looked_again(observation: Observation, now: datetime, policy: ControllerRules) -> Memory:
    """What to remember of a look at a floor that is too high and stays for now: how often it found the same.

    The observation's own memory where nothing is new. What differs is noted anew once the first look is old.
    """
    memory, age = observation.memory, _age(observation.memory, now)
    if not _tells(observation):
        return memory
    if age is None or age > _memorable(policy):
        return looked(observation, now)
    if not _same_readings(observation):
        anew = replace(looked(observation, now), looked_first=memory.looked_first)
        return anew if age >= _between(policy) else _noted(memory, 0)
    return _noted(memory, _equal_looks(observation, now, policy))


def looked(observation: Observation, now: datetime) -> Memory:
    """What to remember of this look."""
    readings, memory = observation.readings, observation.memory
    if readings is None:
        return memory
    old = _is_old(observation, now)
    still = memory.still_since if (_same_readings(observation) if old is None else old) else None
    return replace(memory, mark=readings.mark, looked_at=now, looked_first=now, still_since=still, alike=0)


def _tells(observation: Observation) -> bool:
    """Whether only looking again can tell that these metrics are alive, and it is not known yet that they are not."""
    readings = observation.readings
    timed = readings is not None and readings.measured_at is not None
    return readings is not None and readings.mark is not None and not timed and observation.memory.still_since is None


def _noted(memory: Memory, alike: int) -> Memory:
    return memory if alike == memory.alike else replace(memory, alike=alike)


def _equal_looks(observation: Observation, now: datetime, policy: ControllerRules) -> int:
    """How many looks, with this one, found what the first one found: at most one for each period counts.

    Soon after the first look they prove nothing yet: adapters may measure every minute or two only. Looks that nobody
    noted count where the first look is so old that all of them were due since then, and none of them took the step.
    """
    memory, age = observation.memory, _age(observation.memory, now)
    if age is None or age > _memorable(policy) or not _same_readings(observation):
        return 0
    between = _between(policy)
    if age >= between + (LOOKS - 1) * policy.period:
        return LOOKS
    first = max(policy.period, between - (LOOKS - 1) * policy.period)
    if age < first:
        return 0
    return min(memory.alike + 1, 1 + int((age - first) / policy.period))


def _is_old(observation: Observation, now: datetime) -> bool | None:
    """Whether the newest measurement is too old; None where its time is not known."""
    readings = observation.readings
    if readings is None or readings.measured_at is None:
        return None
    return now - readings.measured_at > STALE


def _same_readings(observation: Observation) -> bool:
    readings, memory = observation.readings, observation.memory
    return readings is not None and readings.mark is not None and readings.mark == memory.mark


def _age(memory: Memory, now: datetime) -> timedelta | None:
    """Of the last look; None where there was none, or a wrong clock noted it."""
    looked_at = memory.looked_at
    return None if looked_at is None or looked_at > now else now - looked_at


def _memorable(policy: ControllerRules) -> timedelta:
    """How old a look may be that still says something of now: two steps, and time for the looks after it."""
    return 2 * max(policy.step_every, policy.period) + LOOKS * policy.period


def _between(policy: ControllerRules) -> timedelta:
    """Least time between two looks that count: a step, but for a pass that starts a little early."""
    return max(min(policy.step_every, LOOK_EVERY), policy.period) - policy.period / 2


CUT: Final = "CeilingReached"
NO_PLAN: Final = "HeldNoPlan"
BRAKE: Final = "HeldBrake"
LOWERED: Final = "FloorLoweredByOthers"
STILL: Final = "HeldFrozenMetrics"
FORCE_FLOOR = "capacity/force-floor"  # the annotation by which a person sets a floor
WORTH = 0.25  # of a floor by which it must be too high to come down, under a plan of short steps,
LONG = 6  # unless it has stood for so many times the calm: then by as little as there is
FUTURE = timedelta(minutes=2)  # clocks of one cluster differ by less: a note from later was written by a wrong clock


def decide(
    plan: WorkloadPlan | None, observation: Observation, now: datetime, policy: ControllerRules | None = None
) -> Decision:
    """Decide which floor and ceiling to set now, and why. Deciding again on the result changes nothing within the same
    step.

    The floor covers every step that overlaps `[now, now + lead time + controller period + one spare period]`, so that
    a missed run leaves no gap. It rises at once (or on a ramp) and comes down in steps, never below what the
    autoscaler's own metrics ask for, and not at all while these are missing or usage lies below what the plan calls
    quiet. What people wrote on the object takes precedence. Without a plan the floor is held; after `hold_for` it
    moves to the safe floor.

    Parameters
    ----------
    plan : WorkloadPlan or None
        The plan to follow; None where there is none.
    observation : Observation
        What the cluster shows of the autoscaler.
    now : datetime
        The time to decide for, with a time zone.
    policy : ControllerRules or None
        How floors move. Default: `ControllerRules()`.

    Returns
    -------
    Decision
        The floor and ceiling to set, the reason, and what clamped them.

    Examples
    --------
    >>> from datetime import UTC
    >>> decide(None, Observation(4, 20, 4, 4), datetime(2026, 11, 27, tzinfo=UTC)).reason
    'HeldNoPlan'
    """
    require(now.tzinfo is not None, "now must carry a time zone, got the naive time {}", now)
    policy, now = (
        policy or ControllerRules(),
        now.astimezone(UTC),
    )  # a local clock would add hours across a change of clocks
    return _wished(observation, now, policy) or _planned(plan, observation, now, policy)


def hold(observation: Observation, reason: Reason, detail: str) -> Decision:
    """Everything stays as it is, and somebody should look.

    >>> hold(Observation(4, 20, 4, 4), "HeldNoPlan", "no plan names this workload").changes
    False
    """
    floor, ceiling, memory = observation.floor, observation.ceiling, observation.memory
    return Decision(floor, ceiling, reason, floor, ceiling, detail=detail, held=True, memory=memory)


def hold_marked(observation: Observation, reason: Reason, detail: str, now: datetime) -> Decision:
    """Held, and noted since when: a hold of this kind ends after some time."""
    held = hold(observation, reason, detail)
    memory = observation.memory
    if memory.held_for == reason and memory.held_since is not None and memory.held_since <= now + FUTURE:
        return held
    return replace(held, memory=replace(memory, held_for=reason, held_since=now), notes=True)


def _wished(observation: Observation, now: datetime, policy: ControllerRules) -> Decision | None:
    """What people, or an autoscaler at rest, ask for before any plan."""
    wishes = observation.wishes
    if wishes.excluded is not None:
        return replace(hold(observation, "Excluded", wishes.excluded), held=False)
    if observation.current == 0:
        return hold(observation, "ScaledToZero", "a floor does not wake a workload at 0 replicas")
    if wishes.unclear is not None:
        return hold(observation, "HeldUnclearWish", wishes.unclear)
    if wishes.frozen is not None:
        return hold(observation, "Frozen", wishes.frozen)
    if wishes.floor is None:
        return None
    moved = _move(wishes.floor, _trusted(observation), now, policy)
    return replace(moved, reason=CUT if CUT in moved.clamps else "Forced", detail=f"floor {wishes.floor} by annotation")


def _trusted(observation: Observation) -> Observation:
    """The observation without what is looked at twice: a person has looked."""
    readings = observation.readings
    return observation if readings is None else replace(observation, readings=replace(readings, mark=None))


def _planned(plan: WorkloadPlan | None, observation: Observation, now: datetime, policy: ControllerRules) -> Decision:
    if plan is None:
        return _unplanned(observation, now, policy)
    if now >= plan.end:
        return _expired(plan, observation, now, policy)
    reach = now + plan.lead_time + 2 * policy.period
    highest = plan.highest_between(now, reach)
    if highest is None or (now < plan.start and highest.replicas < observation.floor):
        return hold(observation, "HeldPlanNotStarted", f"the plan starts at {plan.start:%Y-%m-%dT%H:%MZ}")
    policy = _calmed_by(plan, policy)
    rehearsed = observation.wishes.rehearsed or 0
    need, look = max(highest.replicas, rehearsed), policy.look_ahead(plan.step)
    longer = plan.floor_between(now, reach + look) or need
    calm = _calm(need, longer, observation.floor, stood=_stood(observation, now, LONG * look)) if look else need
    decision = _followed(calm, plan, observation, now, policy.calmed(plan.step))
    if decision.held:
        return decision
    calmly = "" if calm == need else f"{calm} stands for a while, one change for several"
    decision = replace(decision, detail=_joined(_detail(plan, now, reach, need), calmly, decision.detail))
    by = next((cut for cut in CUTS if cut == highest.reason), None)
    decision = _repaired(decision if by is None else _cut(decision, by), observation)
    if rehearsed > highest.replicas:
        return replace(
            decision, reason="Rehearsing", detail=_joined(f"a rehearsal of {rehearsed} runs", decision.detail)
        )
    return judge_rise(decision, observation, now, plan.lead_time + 2 * policy.period)


def _repaired(decision: Decision, observation: Observation) -> Decision:
    """A rise that puts back what others took is no rise of demand, and says who took it."""
    was = observation.lowered_from
    if was is None or decision.floor <= observation.floor:
        return decision
    lowered = f"{observation.edited_by} lowered this floor from {was} to {observation.floor}"
    detail = _joined(lowered, decision.detail)
    return replace(decision, reason=decision.reason if decision.cut else LOWERED, detail=detail)


def _calmed_by(plan: WorkloadPlan, policy: ControllerRules) -> ControllerRules:
    """The rules under this plan: its policy, or the plan itself, may do without calm."""
    calm = plan.calm if plan.policy is None else plan.policy.calm
    return policy if calm else replace(policy, calm=timedelta(0))


def _calm(need: int, longer: int, floor: int, *, stood: bool) -> int:
    """Under a plan of short steps: one rise for several, and no fall that is soon taken back, or small and early.

    `need` is what must stand now, `longer` the highest of that and what follows; `stood`: the floor has for long.

    >>> [_calm(9, 12, floor, stood=False) for floor in (5, 10, 14, 17)], _calm(9, 12, 14, stood=True)
    ([12, 10, 14, 12], 12)
    """
    if floor < need or longer < floor * (1.0 if stood else 1 - WORTH):
        return longer
    return floor


def _stood(observation: Observation, now: datetime, span: timedelta) -> bool:
    """Whether our last move lies so far back; one from ahead was noted by a wrong clock."""
    moved = observation.memory.moved_at
    return moved is None or not timedelta(0) <= now - moved < span


def _followed(
    need: int, plan: WorkloadPlan, observation: Observation, now: datetime, policy: ControllerRules
) -> Decision:
    """The plan's need, unless coming down to it is in doubt."""
    doubt = _doubt(need, plan, observation, now, policy) if need < observation.floor else None
    decision = _move(need, observation, now, policy) if doubt is None else _held_in_doubt(observation, *doubt, now)
    decision = _awake(decision, observation, now)
    if observation.baseline_floor is None and not (decision.changes or decision.notes):
        return decision  # never touched, and nothing to note
    noted = replace(decision.memory, safe_floor=plan.safe_floor)
    if noted.held_for is not None and (noted.held_for != BRAKE or decision.floor <= need):
        return replace(decision, memory=replace(noted, held_for=None, held_since=None), notes=True)
    return replace(decision, memory=noted, notes=decision.notes or observation.memory.safe_floor is None)


def _held_in_doubt(observation: Observation, reason: Doubt, detail: str, now: datetime) -> Decision:
    """Held; since when metrics stand still is noted, because that hold has an end."""
    held, memory = hold(observation, reason, detail), observation.memory
    if reason != STILL or memory.still_since is not None:
        return held
    return replace(held, memory=replace(memory, still_since=now), notes=True)


def _awake(decision: Decision, observation: Observation, now: datetime) -> Decision:
    """The decision without the note that metrics stand still, once they moved."""
    readings = observation.readings
    moved = readings is not None and readings.mark is not None and not _same_readings(observation)
    old = _is_old(observation, now)
    if old is not None:
        moved = not old
    if not moved or decision.memory.still_since is None:
        return decision
    return replace(decision, memory=replace(decision.memory, still_since=None, alike=0), notes=True)


def _doubt(
    need: int, plan: WorkloadPlan | None, observation: Observation, now: datetime, policy: ControllerRules
) -> tuple[Doubt, str] | None:
    """Why the floor may not come down at all, as reason and detail. Nothing scales in because data vanished."""
    if observation.edited_by is not None:
        return "HeldEdited", f"{observation.edited_by} set this floor; the plan needs only {need}"
    readings = observation.readings
    if readings is None:
        return None
    if readings.blind is not None:
        return "HeldNoMetrics", f"the plan needs only {need}, but {readings.blind}"
    if stand_still(observation, now, policy):
        until = (observation.memory.still_since or now) + policy.hold_for
        measured = "" if readings.measured_at is None else f" since {readings.measured_at:%m-%d %H:%MZ}"
        return STILL, (
            f"the plan needs only {need}, but its metrics stand still{measured}; held until {until:%m-%d %H:%MZ}; "
            f"to end it, restart what serves metrics.k8s.io, or set {FORCE_FLOOR}"
        )
    quiet, usage = plan.quiet_at(now) if plan is not None else None, readings.cpu_millicores
    if quiet is not None and usage is not None and usage < quiet:
        return "HeldTrafficVanished", f"usage {usage}m is below the {quiet}m that a quiet hour has; an incident?"
    return None


def _unplanned(observation: Observation, now: datetime, policy: ControllerRules) -> Decision:
    """Held where it stands; what we raised moves to the last known safe floor when the hold is over."""
    missing, memory = "no plan names this workload", observation.memory
    if observation.baseline_floor is None:
        return hold(observation, NO_PLAN, missing)
    held = hold_marked(observation, NO_PLAN, missing, now)
    since = held.memory.held_since or now
    if held.notes or now < since + policy.hold_for:
        return replace(held, detail=f"{missing}; floor held until {since + policy.hold_for:%m-%d %H:%MZ}")
    safe = memory.safe_floor or max(observation.baseline_floor, 1)
    return _decayed(safe, f"{missing} since {since:%m-%d %H:%MZ}", observation, now, policy)


def _expired(plan: WorkloadPlan, observation: Observation, now: datetime, policy: ControllerRules) -> Decision:
    ended = f"plan ended {plan.end:%Y-%m-%dT%H:%MZ}"
    if now < plan.end + policy.hold_for:
        return hold(observation, "HeldPlanExpired", f"{ended}, floor held until {plan.end + policy.hold_for:%H:%MZ}")
    return _decayed(plan.safe_floor, ended, observation, now, policy)


def _decayed(safe: int, why: str, observation: Observation, now: datetime, policy: ControllerRules) -> Decision:
    """Towards the safe floor, in steps; a floor that may not come down stays."""
    doubt = _doubt(safe, None, observation, now, policy) if safe < observation.floor else None
    if doubt is not None:
        return _held_in_doubt(observation, *doubt, now)
    moved = _move(safe, observation, now, policy)
    moved = _awake(moved, observation, now)
    return replace(moved, reason="PlanExpired", detail=f"{why}: safe floor {safe}", held=True)


def _move(need: int, observation: Observation, now: datetime, policy: ControllerRules) -> Decision:
    """The floor as near to the need as ceiling, steps and the autoscaler's own demand allow, each clamp by its name."""
    before, ceiling = observation.floor, allowed_ceiling(need, observation, policy)
    wanted = min(need, ceiling)
    clamps: tuple[Clamp, ...] = (CUT,) if wanted < need else ()
    floor, clamp, detail = (
        _risen(wanted, observation, now, policy) if wanted > before else _fallen(wanted, observation, now, policy)
    )
    clamps += (clamp,) if clamp else ()
    floor = min(floor, ceiling)
    waiting = second_look(observation, now, policy) if floor < before else None
    if waiting is not None:
        return _look_twice(observation, ceiling, waiting)
    memory = observation.memory if floor == before else replace(observation.memory, moved_at=now)
    if floor < before:
        memory = looked(replace(observation, memory=memory), now)
    elif clamp == "StepDown":
        memory = looked_again(observation, now, policy)
    notes = floor == before and memory != observation.memory
    reason = _reason(floor, before, clamps)
    return Decision(floor, ceiling, reason, before, observation.ceiling, detail, clamps, memory=memory, notes=notes)


def _look_twice(observation: Observation, ceiling: int, memory: Memory) -> Decision:
    """The step down that is due waits: what says so must be seen to be alive first."""
    before, detail = observation.floor, "a floor comes down on two looks, a step apart, at metrics that move"
    notes = memory is not observation.memory
    return Decision(
        before,
        max(ceiling, before),
        "SecondLook",
        before,
        observation.ceiling,
        detail,
        ("StepDown",),
        memory=memory,
        notes=notes,
    )


def _risen(
    wanted: int, observation: Observation, now: datetime, policy: ControllerRules
) -> tuple[int, Clamp | None, str]:
    if observation.wishes.no_rise is not None:
        return observation.floor, "RisePaused", observation.wishes.no_rise
    highest = highest_floor(observation, now, policy)
    if highest is None or highest >= wanted:
        return wanted, None, ""
    return highest, "StepUp", ""


def _fallen(
    wanted: int, observation: Observation, now: datetime, policy: ControllerRules
) -> tuple[int, Clamp | None, str]:
    readings, before = observation.readings, observation.floor
    asked = 0 if readings is None or readings.wanted is None else min(readings.wanted, before)
    lowest = min(before, lowest_floor(max(wanted, asked), observation, now, policy))
    if asked >= lowest and asked > wanted:
        return asked, "AutoscalerNeeds", f"its metrics ask for {readings.wanted if readings else asked}"
    return max(wanted, lowest), "StepDown" if lowest > wanted else None, ""


def _cut(decision: Decision, by: Cut) -> Decision:
    """The plan itself was cut: the floor is the highest allowed, and short of the need. A lower ceiling goes first."""
    reason = CUT if CUT in decision.clamps else by
    return replace(decision, reason=reason, clamps=tuple(dict.fromkeys((by, *decision.clamps))))


def _reason(floor: int, before: int, clamps: tuple[Clamp, ...]) -> Reason:
    if CUT in clamps:
        return CUT
    if floor == before:
        return clamps[-1] if clamps else "AsPlanned"
    return "DemandRising" if floor > before else "DemandFalling"


def _detail(plan: WorkloadPlan, now: datetime, reach: datetime, need: int) -> str:
    text, peak = f"{need} until {reach:%H:%MZ}", plan.peak
    if peak.at >= now:
        text += f"; peak {peak.replicas} at {peak.at:%m-%d %H:%MZ}"
        rate = plan.peak_rate
        text += "" if rate is None else f", {rate:.4g} sales/h at {peak.quantile_level:g}"
    return text


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
