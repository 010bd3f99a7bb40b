"""The result of one check of `capacity doctor`: its state, what was found, and how to fix it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from capacity.model.errors import CapacityError, require

State = Literal["ok", "warn", "fail"]
STATES: tuple[State, ...] = ("ok", "warn", "fail")  # from good to bad


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `fix` says what to do, and is there unless the state is ok.

    >>> str(Finding("clock", "warn", "our clock is 3 min ahead", "start NTP"))
    'our clock is 3 min ahead: start NTP'
    """

    check: str
    state: State
    detail: str
    fix: str = ""

    def __post_init__(self) -> None:
        require((self.state == "ok") == (not self.fix), "finding: expected a fix unless ok, got {}", self)

    def __str__(self) -> str:
        text = f"{self.detail}: {self.fix}" if self.fix else self.detail
        return " ".join(text.split())


def isolated(check: str, run: Callable[[], Iterable[Finding]], fix: str) -> list[Finding]:
    """What a check finds; where it cannot look, that is its finding, and no other check's."""
    found: list[Finding] = []
    try:
        found.extend(run())
    except (CapacityError, OSError) as error:
        found.append(Finding(check, "fail", str(error), fix))
    return found


def worst(findings: Sequence[Finding]) -> State:
    """The worst state among them; ok where there is none."""
    return max((finding.state for finding in findings), key=STATES.index, default="ok")


class Part(StrEnum):
    """Whose rights are looked at: each runs under an account of its own."""

    both = "both"
    planner = "planner"
    controller = "controller"
