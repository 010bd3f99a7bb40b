"""The tables of a simulation (one row per policy, the verdict below) and of the choice of a policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from capacity.model.choice import Choice, Evidence, PaysFrom, choice_document
from capacity.model.fields import rfc3339
from capacity.model.policy import Objective
from capacity.views.sheet import Sheet, count, duration

if TYPE_CHECKING:
    from capacity.simulation.case import Miss, Score
    from capacity.simulation.headroom import HeadroomScore
    from capacity.simulation.policies import Trial
    from capacity.simulation.result import Simulation
    from capacity.simulation.vertical import SizeScore

DAY = 1440  # minutes
SHOWN = ("policy", ">100 %", ">cap", "slow", "lost", "pod-h", "x best", "starts/d", "moves/d")


def simulation_sheet(result: Simulation) -> Sheet:
    """The named policies, the best HPA of the sweep at the plan's overload, and the verdict; JSON has the sweep too."""
    return Sheet(
        title=f"{result.name}: Simulation of {duration(result.days)}, every policy on the same demand",
        columns=SHOWN,
        rows=[_row(trial) for trial in result.named],
        document=_document(result),
        footer=(result.verdict, *_notes(result)),
    )


def sizes_sheet(name: str, scores: Sequence[SizeScore], days: int) -> Sheet:
    """A pod that is resized: what each way to size it costs, and how often it is busier than its target."""
    from capacity.simulation.vertical import CORE_IN_GIB

    rows = [
        (
            one.name,
            f"{one.cost:.2f}",
            f"{one.over_target * DAY:.0f}",
            f"{one.over_request * DAY:.0f}",
            f"{one.resizes_a_day:.1f}",
        )
        for one in scores
    ]
    return Sheet(
        title=f"{name}: Replay of one pod over {days} days, every way to size it on the same demand",
        columns=("sized by", "cost", ">target", ">request", "resizes/d"),
        rows=rows,
        document={"name": name, "days": days, "sizes": [asdict(one) for one in scores]},
        footer=(
            f"cost: mean request in cores, {CORE_IN_GIB:g} GiB of memory as one; minutes a day over the target, and "
            "over the request",
        ),
    )


def nodes_sheet(name: str, scores: Sequence[HeadroomScore]) -> Sheet:
    """Nodes under the pods of a simulation, with headroom and without: who waited for a node, and what nodes cost."""
    days = scores[0].days
    rows = [
        (
            one.name,
            f"{one.misses / days:.1f}",
            f"{one.waiting_minutes / days:.1f}",
            f"{one.node_hours:,.0f}",
            f"{one.cost:,.0f}",
        )
        for one in scores
    ]
    return Sheet(
        title=f"{name}: Nodes under these pods over {days:.0f} days, with headroom and without",
        columns=("pods", "misses/d", "min waiting/d", "node-h", "cost"),
        rows=rows,
        document={"name": name, "nodes": [asdict(one) for one in scores]},
        footer=(
            "misses: times a day at which pods began to wait for a node; cost: in hours of a full node, standby nodes "
            "at headroom.standby_price",
        ),
    )


def _row(trial: Trial) -> tuple[object, ...]:
    score = trial.score
    return (
        trial.name,
        f"{score.overload_minutes:.0f}",
        f"{score.cap_breach_minutes:.0f}",
        f"{score.slo_minutes:.0f}",
        f"{100 * score.lost_share:.3f} %",
        f"{score.pod_hours:,.0f}",
        f"{score.over_clairvoyant:.2f}",
        f"{score.starts_per_day:.0f}",
        f"{score.floor_changes_per_day:.0f}",
    )


def _notes(result: Simulation) -> tuple[str, ...]:
    return (
        ">100 %, >cap: minutes over 100 % and over the target; slow: minutes in which the p99 wait exceeds one service "
        "time; x best: pod-hours divided by the clairvoyant's",
        *_busy_note(result),
        f"{count(result.plans, 'plan')} made, none from data after its origin",
        "within a step, demand follows a smooth path with the same total; visits behind counted orders are spread at "
        "random",
    )


def _busy_note(result: Simulation) -> tuple[str, ...]:
    if not result.busy:
        return ()
    plan, alone = result.busy[result.plan.name], result.busy[result.alone.name]
    return (
        f"in the busiest 1 % and at events ({24 * plan.days:.3g} h): {plan.cap_breach_minutes:.0f} min over the target "
        f"with the plan, {alone.cap_breach_minutes:.0f} min with {result.alone.name} alone; "
        f"{plan.overload_minutes:.0f} and {alone.overload_minutes:.0f} min over 100 %",
    )


def _document(result: Simulation) -> dict[str, Any]:
    return {
        "name": result.name,
        "begin": rfc3339(result.begin),
        "days": round(result.plan.score.days, 6),
        "target_utilization": result.promise.target,
        "verdict": result.verdict,
        "saving": round(result.saving, 6),
        "misses": [_miss(miss) for miss in result.misses],
        "policies": {trial.name: _scores(trial.score) for trial in result.trials},
        "busy": {name: _scores(score) for name, score in result.busy.items()},
    }


def _scores(score: Score) -> dict[str, float]:
    from capacity.simulation.result import COLUMNS  # tables of choices, which every plan shows, do without

    return {key: round(value(score), 6) for key, value in COLUMNS.items()}


def _miss(miss: Miss) -> dict[str, Any]:
    finite = miss.utilization < float("inf")
    return {
        "start": rfc3339(miss.start),
        "minutes": miss.length.total_seconds() / 60,
        "utilization": round(miss.utilization, 4) if finite else None,
        "pods_were_starting": miss.late,
    }


CHOICE_COLUMNS = ("", "policy", "cost/day", "vs today", "min >target/day", "95 %", "kept", "min >100 %/day")
WAITS = "node waits/day"
SAYS = {
    "FloorsPay": "floors from the forecast pay: no plain autoscaler meets the objective at a lower cost",
    "PlainHpaIsEnough": "floors add nothing here: no floor schedule is 1 % cheaper than the plain autoscaler",
    "FixedCountIsEnough": "no schedule meets the objective for less than the replicas of four weeks' peak, all day",
    "NoSkill": "floors add nothing here: the forecast does not beat the seasonal naive",
    "LeastExpectedCost": "the least expected total of replicas and overload",
    "NothingKeepsTheMinutes": "no policy that was tried meets the objective: this one has the least expected cost",
    "TooShort": "the history is too short to judge policies: keep the autoscaler as it is",
}


def choice_sheet(choice: Choice, patch: str | None = None, snippet: str | None = None) -> Sheet:
    """One row for today, one for the recommended policy, one for each rival; then what to change, in words.

    `patch` sets an advised target at once, `snippet` is what to write in Git.
    """
    rows = [_choice_row("today", choice.today, choice), _choice_row("recommended", choice.recommended, choice)]
    rows += [] if choice.meanwhile is None else [_choice_row("until then", choice.meanwhile, choice)]
    rows += [_choice_row("rival", one, choice) for one in choice.rivals]
    return Sheet(
        title=f"{choice.namespace}/{choice.name}: policies replayed on the last {choice.recommended.days} days",
        columns=CHOICE_COLUMNS if choice.today.node_waits is None else (*CHOICE_COLUMNS, WAITS),
        rows=rows,
        document=choice_document(choice),
        footer=(
            advice_sentence(choice),
            *choice.remarks,
            *_pays_from(choice.pays_from),
            *_to_change(patch, snippet),
            *_nodes(choice),
            *_until(choice),
            _legend(choice),
        ),
    )


def choices_sheet(sheets: Sequence[Sheet]) -> Sheet:
    """The choices of several workloads as one sheet: the JSON is a list of theirs, the CSV their rows one below the
    other."""
    columns = max((tuple(sheet.columns) for sheet in sheets), key=len, default=CHOICE_COLUMNS)
    return Sheet(
        title="policies replayed on each workload's own history",
        columns=("workload", *columns),
        rows=[
            (sheet.title.split(":")[0], *row, *("" for _ in columns[len(row) :]))
            for sheet in sheets
            for row in sheet.rows
        ],
        document=[sheet.document for sheet in sheets],
        footer=tuple(f"{sheet.title.split(':')[0]}: {sheet.footer[0]}" for sheet in sheets),
    )


def advice_sentence(choice: Choice) -> str:
    """What to do, and what it brings: one sentence.

    Names the policy, its cost against today's, and the minutes that it keeps.
    """
    policy, found = choice.policy, choice.recommended
    what = "keep things as they are" if policy == choice.today.policy else _instruction(choice)
    what = "run a fixed number of replicas" if choice.reason == "FixedCountIsEnough" else what
    kept = f"it kept {_share(found)} of minutes at {_against(choice.change)} today, which kept {_share(choice.today)}"
    kept = f"today's policy kept {_share(found)} of minutes" if policy == choice.today.policy else kept
    return f"{what}: {_says(choice)}. {_objective(choice.objective)}: {kept}." + (
        "" if choice.meanwhile is None else f" Until {_what(choice)}: {choice.in_force}."
    )


def _says(choice: Choice) -> str:
    if choice.reason == "FloorsPay" and choice.today.policy.target is None:
        return "floors from the forecast pay: no fixed number of replicas meets the objective at a lower cost"
    return SAYS[choice.reason]


def _what(choice: Choice) -> str:
    """What somebody has to do first."""
    if choice.policy.target is None:
        return "that number of replicas is set"
    return "that target is set" if choice.policy.standing == "advised" else "it is removed"


def _instruction(choice: Choice) -> str:
    policy = choice.policy
    target = f"set averageUtilization to {policy.target}" if policy.standing != "stands" else ""
    target = f"let the controller {target}" if policy.standing == "managed" else target
    steps = [f"plan floors from the forecast at quantile level {policy.quantile_level:g}"] if policy.has_floors else []
    steps += [target] if target else []
    steps += ["remove `headroom`"] if policy.headroom is None and choice.today.policy.headroom else []
    return " and ".join(steps) or "keep the autoscaler as it is"


def _objective(objective: Objective) -> str:
    if objective.overload_cost is not None:
        return f"Objective: least total with {objective.overload_cost:g} an hour of overload"
    return f"Objective: {100 * objective.minutes:.4g} % of minutes at or under the target"


def _choice_row(role: str, found: Evidence, choice: Choice) -> tuple[object, ...]:
    low, high = found.minutes_interval
    today = choice.today.cost
    return (
        role,
        str(found.policy),
        f"{found.cost:,.1f}",
        "" if not today else f"{100 * (found.cost / today - 1):+.1f} %",
        f"{found.minutes_above:.1f}",
        f"{low:.1f} to {high:.1f}",
        _share(found),
        f"{found.overload_minutes:.1f}",
        *(() if found.node_waits is None else (f"{found.node_waits:.1f}",)),
    )


def _share(found: Evidence) -> str:
    """The share of minutes kept, rounded down: 100 % is said of what never failed.

    >>> f"{int(0.99999 * 10_000) / 100:.2f} %"
    '99.99 %'
    """
    return f"{int(found.kept_share * 10_000 + 1e-6) / 100:.2f} %"


def _against(change: float) -> str:
    if abs(change) < 0.005:
        return "the cost of"
    return f"{100 * abs(change):.0f} % {'more' if change > 0 else 'less'} than"


def _until(choice: Choice) -> tuple[str, ...]:
    if choice.meanwhile is None:
        return ()
    follows = f"until then `capacity plan` follows: {choice.in_force}"
    if choice.policy.target is None:
        return (f"{follows}; once a fixed number is set, the workload can leave the configuration",)
    if choice.policy.standing != "advised":
        return (follows,)
    return (
        f"{follows}; add `autoscaler: {{target: {choice.policy.target}}}` to the configuration once the target is set",
    )


def _nodes(choice: Choice) -> tuple[str, ...]:
    """What nodes that are kept ready spare and cost, where the recommended policy is known with them and without."""
    mine = choice.recommended
    known = [mine, choice.today, *choice.rivals]
    alike = [one for one in known if replace(one.policy, headroom=mine.policy.headroom) == mine.policy]
    kept = next((one for one in alike if one.policy.headroom is not None), None)
    bare = next((one for one in alike if one.policy.headroom is None), None)
    if kept is None or bare is None or kept.node_waits is None or bare.node_waits is None:
        return ()
    return (
        f"headroom at {kept.policy.headroom:g}: pods begin to wait for a node {kept.node_waits:.1f} times a day, "
        f"{bare.node_waits:.1f} without it; a day costs {kept.cost:,.1f} with it and {bare.cost:,.1f} without",
    )


def _pays_from(found: PaysFrom | None) -> tuple[str, ...]:
    """From which start time, or which steepness of demand, floors would pay."""
    if found is None:
        return ()
    now, slow = (f"{span.total_seconds() / 60:g} min" for span in (found.now, found.slow))
    rise, slow_rise = (f"{100 * share:.0f} %" for share in (found.rise, found.slow_rise))
    steep = f"demand now rises by up to {rise} of its daily peak within {now}"
    if not found.found:
        return (f"floors would not pay if pods took {slow} to start either; {steep}",)
    return (
        f"floors from the forecast would pay if pods took {slow} to start, not {now}, or if demand rose by "
        f"{slow_rise} of its daily peak within {now}; {steep}",
    )


def _to_change(patch: str | None, snippet: str | None) -> tuple[str, ...]:
    at_once = () if patch is None else (f"to apply it: {patch}",)
    return at_once if snippet is None else (*at_once, f"in Git, in its spec: {snippet}")


def _legend(choice: Choice) -> str:
    nodes = "" if choice.today.node_waits is None else ", with the nodes' room beside them"
    return (
        f"cost in {choice.unit} a day, from the creation of pods to their deletion{nodes}; minutes of a day whose mean "
        "utilization, of CPU or memory, lies above the target; 95 % interval over resampled days"
    )
