"""What policies did on replayed days, one row a day, and policies.json, which keeps it beside the chosen policy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from capacity.files import write_text
from capacity.model.arrays import Array
from capacity.model.choice import Choice, choice_document, parse_choice, parse_policy, policy_document
from capacity.model.errors import CapacityError, PlanError, require, require_aware
from capacity.model.fields import parse_time, rfc3339
from capacity.model.policy import Policy

DAY = timedelta(days=1)
DIGITS = 4  # that are kept of a score: rows read back from a file then equal those that were written
POLICIES_SCHEMA = "capacity.policies/v2"


@dataclass(frozen=True, slots=True)
class DailyScores:
    """What each candidate did on each day, all (days, candidates): a new day is a new row.

    `pod_hours` count from a pod's creation to its deletion. `above` are the minutes whose mean utilization (over their
    ticks, of usage by ready replicas x request) passes the target, `overload` those that pass 100 %. `lost` is the
    share of the day's load beyond what was ready, `starts` counts pods. Where nodes were replayed, `room` is what their
    unused room costs, in pod-hours, and `waits` counts how often pods began to wait for a node; 0 elsewhere.
    """

    pod_hours: Array
    above: Array
    overload: Array
    lost: Array
    starts: Array
    room: Array = field(default_factory=lambda: np.empty(0))
    waits: Array = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        for name in NODE_SCORES:
            if not getattr(self, name).size:
                object.__setattr__(self, name, np.zeros_like(self.pod_hours))
        shapes = {getattr(self, name).shape for name in SCORES}
        require(
            len(shapes) == 1 and self.pod_hours.ndim == 2,
            "daily scores must share one shape (days, candidates), got {}",
            shapes,
        )

    @property
    def days(self) -> int:
        """How many days."""
        return int(self.pod_hours.shape[0])

    @property
    def paid_hours(self) -> Array:
        """Hours of pods, and of the room beside them that is paid for: (days, candidates)."""
        return self.pod_hours + self.room

    def before(self, day: int) -> DailyScores:
        """The days before one."""
        return self.each(lambda values: values[:day])

    def last(self, days: int) -> DailyScores:
        """The last days; all of them where there are fewer."""
        return self.each(lambda values: values[max(0, len(values) - days) :])

    def of(self, candidates: Sequence[int]) -> DailyScores:
        """Some of the candidates."""
        chosen = list(candidates)
        return self.each(lambda values: values[:, chosen])

    def followed_by(self, later: DailyScores) -> DailyScores:
        """These days and later ones, of the same candidates."""
        return DailyScores(*(np.concatenate([getattr(self, name), getattr(later, name)]) for name in SCORES))

    def each(self, change: Callable[[Array], Array]) -> DailyScores:
        """Every score changed alike."""
        return DailyScores(*(change(getattr(self, name)) for name in SCORES))


NODE_SCORES = ("room", "waits")
SCORES = ("pod_hours", "above", "overload", "lost", "starts", *NODE_SCORES)


@dataclass(frozen=True, slots=True)
class Tried:
    """Candidates and what each did on each day. `begin` is the first replayed day's start.

    `skill`: of the replayed forecasts over the seasonal naive, their mean; None where it is not known, or nothing was
    forecast. `under` tells what the workload and the replay were: only rows under equal conditions may stand in one
    table.
    """

    policies: tuple[Policy, ...]
    scores: DailyScores
    begin: datetime
    skill: float | None
    remarks: tuple[str, ...] = ()
    under: str = ""

    def __post_init__(self) -> None:
        require_aware("begin", self.begin)
        many = self.scores.pod_hours.shape[1]
        require(len(self.policies) == many, "expected scores of {} policies, got {}", len(self.policies), many)

    @property
    def end(self) -> datetime:
        """Where the last replayed day ends."""
        return self.begin + self.scores.days * DAY

    @property
    def has_skill(self) -> bool:
        """Whether the forecasts beat the seasonal naive, as far as that is known."""
        return self.skill is None or self.skill > 0

    def continues(self, before: Tried | None) -> bool:
        """Whether these days follow those of `before` and were replayed under the same conditions."""
        return (
            before is not None
            and before.end == self.begin
            and (before.under, before.policies) == (self.under, self.policies)
        )

    def after(self, before: Tried, days: int) -> Tried:
        """The last days of both, these following those of `before`."""
        require(self.continues(before), "expected days that follow {}, got them from {}", before.end, self.begin)
        scores = before.scores.followed_by(self.scores).last(days)
        skill = _mean_skill(((before.skill, scores.days - self.scores.days), (self.skill, self.scores.days)))
        return Tried(self.policies, scores, self.end - scores.days * DAY, skill, self.remarks, self.under)


def _mean_skill(parts: tuple[tuple[float | None, int], ...]) -> float | None:
    """The mean of skills by their days; None where none is known."""
    known = [(skill, max(days, 0)) for skill, days in parts if skill is not None]
    total = sum(days for _, days in known)
    return sum(skill * days for skill, days in known) / total if total else None


@dataclass(frozen=True, slots=True)
class Advised:
    """A choice and the days that it was made from; `tried` None: they were not kept."""

    choice: Choice
    tried: Tried | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name of the workload."""
        return self.choice.key


Policies = dict[tuple[str, str], Advised]  # by namespace and name of the workload


def write_policies(policies: Iterable[Advised], path: str | Path) -> None:
    """Write chosen policies as JSON, whole or not at all: a reader never meets half a file."""
    write_text(path, policies_text(policies))


def policies_text(policies: Iterable[Advised]) -> str:
    """Chosen policies as JSON text, for each workload a line of its own."""
    workloads = ",\n".join(f"  {json.dumps(_document(one))}" for one in policies)
    return f'{{\n "schema": {json.dumps(POLICIES_SCHEMA)},\n "workloads": [\n{workloads}\n ]\n}}\n'


def read_policies(path: str | Path) -> Policies:
    """The chosen policies of a file by namespace and name. Raises `PlanError` where it cannot be read."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise PlanError(f"no policies {file}: choose them with `capacity advise`") from error
    except (OSError, ValueError) as error:
        raise PlanError(f"{file}: expected policies as JSON, got what cannot be read ({error})") from error
    return parse_policies(text, str(file))


def parse_policies(text: str, where: str) -> Policies:
    """The chosen policies in a JSON text; `where` names it in errors. Raises `PlanError`."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PlanError(f"{where}: expected policies as JSON, got what cannot be read ({error})") from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != POLICIES_SCHEMA:
        raise PlanError(f"{where}: expected schema {POLICIES_SCHEMA}, got {schema!r}; run `capacity advise` again")
    try:
        found = [_parsed(one) for one in document["workloads"]]
    except KeyError as error:
        raise PlanError(f"{where}: expected the key {error}, which is missing") from error
    except (CapacityError, TypeError, ValueError, AttributeError) as error:
        raise PlanError(f"{where}: {error}") from error
    return {one.key: one for one in found}


def _document(one: Advised) -> dict[str, Any]:
    return {**choice_document(one.choice), "replayed": None if one.tried is None else _days_document(one.tried)}


def _days_document(tried: Tried) -> dict[str, Any]:
    """A row for each day, in it a number for each candidate."""
    known = [name for name in SCORES if name not in NODE_SCORES or getattr(tried.scores, name).any()]
    rows = {name: _short(getattr(tried.scores, name).tolist()) for name in known}
    return {
        "begin": rfc3339(tried.begin),
        "under": tried.under,
        "skill": tried.skill,
        "remarks": list(tried.remarks),
        "policies": [policy_document(one) for one in tried.policies],
        **rows,
    }


def _short(rows: list[list[float]]) -> list[list[float]]:
    """Whole numbers without their `.0`: most minutes are."""
    return [[int(value) if value == int(value) else value for value in row] for row in rows]


def _parsed(document: dict[str, Any]) -> Advised:
    days = document["replayed"]
    return Advised(parse_choice(document), None if days is None else _days(days))


def _days(document: dict[str, Any]) -> Tried:
    begin: datetime = parse_time(document["begin"])
    return Tried(
        policies=tuple(parse_policy(one) for one in document["policies"]),
        scores=DailyScores(
            *(
                np.array(document.get(name, ()) if name in NODE_SCORES else document[name], dtype=np.float64)
                for name in SCORES
            )
        ),
        begin=begin,
        skill=None if document["skill"] is None else float(document["skill"]),
        remarks=tuple(map(str, document["remarks"])),
        under=str(document["under"]),
    )
