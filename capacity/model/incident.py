"""How incidents are handled: which group gets a ticket, when it escalates, when it is reopened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field

from capacity.model.errors import require
from capacity.model.fields import STRICT

Job = Literal["plan", "pass"]


# Without news from its job an alert stays this long: a few passes of a minute, a few plannings of an hour.
LASTING: Mapping[Job, timedelta] = {"pass": timedelta(minutes=5), "plan": timedelta(hours=3)}


# The folder in the source of this project; `incidents.runbooks` names the address where you publish it.
RUNBOOKS = "docs/runbooks"


def runbook_url(place: str, name: str) -> str:
    """The address of a runbook: `{name}` stands in the place, or the place is a folder of Markdown files.

    >>> runbook_url("https://docs.example.com/{name}/", "DataStale"), runbook_url("docs/runbooks/", "DataStale")
    ('https://docs.example.com/DataStale/', 'docs/runbooks/DataStale.md')
    """
    return place.replace("{name}", name) if "{name}" in place else f"{place.rstrip('/')}/{name}.md"


@dataclass(frozen=True, slots=True)
class Route:
    """Whose tickets these are. The first route that fits counts."""

    __pydantic_config__ = STRICT

    group: Annotated[str, Field(min_length=1, description="Assignment group.")]
    conditions: Annotated[tuple[str, ...], Field(description="Conditions, as shell patterns: Plan*, DataStale.")] = (
        "*",
    )
    subjects: Annotated[tuple[str, ...], Field(description="Namespaces or sources, as shell patterns.")] = ("*",)
    escalate_to: Annotated[str | None, Field(description="Assignment group once it has lasted too long.")] = None

    def matches(self, condition: str, subject: str) -> bool:
        """Whether this route is that of a condition, by its name, of a subject.

        >>> Route("night shift", conditions=("Plan*",)).matches("PlanFailed", "shop")
        True
        """
        named = any(fnmatchcase(condition, pattern) for pattern in self.conditions)
        return named and any(fnmatchcase(subject, pattern) for pattern in self.subjects)


@dataclass(frozen=True, slots=True)
class Handling:
    """When tickets are escalated, and until when one that comes back is reopened rather than opened anew."""

    routes: tuple[Route, ...] = ()
    escalate_after: timedelta = timedelta(minutes=30)
    reopen_within: timedelta = timedelta(hours=4)

    def __post_init__(self) -> None:
        require(self.escalate_after > timedelta(0), "escalate_after must be > 0, got {}", self.escalate_after)
        require(self.reopen_within >= timedelta(0), "reopen_within must be >= 0, got {}", self.reopen_within)

    def route(self, condition: str, subject: str) -> Route | None:
        """The first route that takes the condition of this subject; None: the ticket system's own rules decide."""
        return next((route for route in self.routes if route.matches(condition, subject)), None)
