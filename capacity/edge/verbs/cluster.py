"""The verbs that meet the cluster: preview cannot write, apply moves floors, restore gives them back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from capacity.edge.face import DONE, FAILED, HELD, Face, NowOption, read_clock, verb
from capacity.edge.screen import say

if TYPE_CHECKING:
    from datetime import datetime

    from capacity.edge.controller import Outcome

PlanOption = Annotated[Path, typer.Option("--plan", help="The plan file.")]
FromCluster = Annotated[bool, typer.Option("--from-cluster", help="Read the plan from ConfigMaps, not from a file.")]


@verb
def preview(
    face: Face, *, plan: PlanOption = Path("plan.json"), from_cluster: FromCluster = False, now: NowOption = None
) -> int:
    """Read the autoscalers and show what `apply` would change, and why. It cannot write.

    Example: capacity preview -c capacity.yaml --plan plan.json
    """
    from capacity.edge.cluster import ClusterReader
    from capacity.edge.controller import preview as preview_pass
    from capacity.edge.passes import passes

    config, moment, reader = face.config(), read_clock(now), ClusterReader()
    work = passes(config, moment, None if from_cluster else plan, reader)
    outcomes = [outcome for one in work.ready for outcome in preview_pass(reader, one)]
    return _finish(face, "Preview: nothing was changed", [*outcomes, *work.failed], moment)


@verb
def apply(
    face: Face, *, plan: PlanOption = Path("plan.json"), from_cluster: FromCluster = False, now: NowOption = None
) -> int:
    """One controller pass: preview, then patch each floor that must move. Running it twice changes nothing more.

    Example: capacity apply -c capacity.yaml --plan plan.json
    """
    from capacity.edge.cluster import ClusterWriter
    from capacity.edge.controller import apply as apply_pass
    from capacity.edge.passes import passes

    config, moment, writer = face.config(), read_clock(now), ClusterWriter()
    work = passes(config, moment, None if from_cluster else plan, writer)
    outcomes = [outcome for one in work.ready for outcome in apply_pass(writer, one)]
    return _finish(face, "Applied", [*outcomes, *work.failed], moment)


@verb
def restore(face: Face, *, now: NowOption = None) -> int:
    """Give every floor and ceiling back as it was before the first touch, with its owner.

    Example: capacity restore -c capacity.yaml
    """
    from capacity.edge.cluster import ClusterWriter
    from capacity.edge.controller import restore as restore_pass

    config, moment = face.config(), read_clock(now)
    outcomes = list(restore_pass(ClusterWriter(), config.nouns(), moment))
    return _finish(face, "Restored", outcomes, moment)


def _finish(face: Face, title: str, outcomes: list[Outcome], moment: datetime) -> int:
    from capacity.edge.passes import pass_sheet

    face.show(pass_sheet(title, outcomes, moment))
    for outcome in outcomes:
        if outcome.error is not None:
            say(f"capacity: error: {outcome.workload.namespace}/{outcome.workload.target}: {outcome.error}")
        for warning in outcome.warnings:
            say(f"capacity: {warning}")
    if any(outcome.error for outcome in outcomes):
        return FAILED
    return HELD if any(outcome.held for outcome in outcomes) else DONE
