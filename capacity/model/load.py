"""The load model: CPU, memory and requests of a workload as a function of its sales, given or learned from usage."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from capacity.model.errors import DataError, require
from capacity.model.fields import STRICT, Quantity, WrittenAs, quantity, settle
from capacity.model.serving import ThroughputReport
from capacity.shown import plot_noun, shows_briefly, shows_itself

if TYPE_CHECKING:
    import pandas as pd

    from capacity.model.arrays import Array

Verdict = Literal["learned", "direct", "configured"]
NUMBERS = ("cpu_base", "cpu_per_sale_per_hour", "memory_base", "memory_per_sale_per_hour")


@dataclass(frozen=True, slots=True)
class Spread:
    """How far the load of one step lies from what its sales say: quantiles `excess` at `levels`, where demand is
    `typical`; they grow with demand to the power `power` (0: the same everywhere, 1: in proportion)."""

    levels: Array = field(repr=False, compare=False)  # (levels,), ascending in (0, 1)
    excess: Array = field(repr=False, compare=False)  # (levels,), unit of the resource
    typical: float
    power: float


@dataclass(frozen=True, slots=True)
class Pattern:
    """Load by slot of the week on the business's clock, Monday 00:00 first: `values` in the unit of the resource."""

    step: timedelta
    timezone: str
    values: Array = field(repr=False, compare=False)  # (slots of a week,)


@dataclass(frozen=True, slots=True)
class Shape:
    """How load moves within a step of sales, by slot of the week on the business's clock, Monday 00:00 first.

    `weights`: what part of the load beyond idle falls on each slot; the mean over a step of sales is one. `own`: the
    usual load of the slot by usage alone; `noise` its variance around what sales and weights say, `level_variance`
    (relative, squared) how far whole steps of sales lie from `own`, `total_variance` how far from what sales say.
    """

    step: timedelta
    timezone: str
    weights: Array = field(repr=False, compare=False)  # (slots of a week,)
    own: Array = field(repr=False, compare=False)  # (slots of a week,), unit of the resource
    noise: Array = field(repr=False, compare=False)  # (slots of a week,), squared unit
    level_variance: float
    total_variance: float


@dataclass(frozen=True, slots=True)
class Response:
    """How one resource answers to sales: ``base + per_sale_per_hour x sales per hour, lag earlier``, and how surely.

    `slope_error` and `level_error` are standard errors of the slope and of the load at `center` sales per hour.
    `saturation`: sales per hour at which half of the slope's effect is lost (Michaelis-Menten), None where the answer
    is straight; beyond `highest`, the most sales per hour seen, it goes on straight. `extra` is load of the slots of
    the week that sales do not explain (a nightly job); `shape` is there where usage has finer steps than sales.
    """

    base: float
    per_sale_per_hour: float
    slope_error: float
    level_error: float
    center: float
    highest: float
    spread: Spread
    lag: timedelta = timedelta(0)
    saturation: float | None = None
    shape: Shape | None = None
    extra: Pattern | None = None

    def __post_init__(self) -> None:
        for name in ("base", "per_sale_per_hour", "slope_error", "level_error", "center", "highest"):
            value = getattr(self, name)
            require(0 <= value < float("inf"), "response: {} must be >= 0, got {}", name, value)
        require(self.saturation is None or self.saturation > 0, "response: saturation must be > 0")

    @property
    def slope_interval(self) -> tuple[float, float]:
        """The slope's 95 % interval, from zero up."""
        return max(0.0, self.per_sale_per_hour - 1.96 * self.slope_error), (
            self.per_sale_per_hour + 1.96 * self.slope_error
        )


@shows_briefly
@dataclass(frozen=True, slots=True)
class LoadModel:
    """Demand = base + slope x sales per hour, for the whole workload.

    Parameters
    ----------
    cpu_base : float or str
        Cores without any sale, such as 0.5 or ``"500m"``.
    cpu_per_sale_per_hour : float or str
        Cores that one more sale per hour adds.
    memory_base : float or str
        Bytes without any sale, such as ``2**30`` or ``"1Gi"``. Default 0.
    memory_per_sale_per_hour : float or str
        Bytes that one more sale per hour adds. Default 0.
    cpu, memory, requests : Response or None
        What was learned from usage for CPU, memory and requests (per second). They hold more than the two numbers and
        are used in their place. Default none.

    Raises
    ------
    DataError
        A number is negative or infinite.

    Examples
    --------
    >>> LoadModel("500m", "120m", "1Gi").cpu_base
    0.5
    """

    cpu_base: float
    cpu_per_sale_per_hour: float
    memory_base: float = 0.0
    memory_per_sale_per_hour: float = 0.0
    cpu: Response | None = field(default=None, kw_only=True)
    memory: Response | None = field(default=None, kw_only=True)
    requests: Response | None = field(default=None, kw_only=True)

    if TYPE_CHECKING:

        def __init__(
            self,
            cpu_base: float | str,
            cpu_per_sale_per_hour: float | str,
            memory_base: float | str = 0.0,
            memory_per_sale_per_hour: float | str = 0.0,
            *,
            cpu: Response | None = None,
            memory: Response | None = None,
            requests: Response | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        settle(self, "load", quantity, *NUMBERS)
        for name in NUMBERS:
            value = getattr(self, name)
            require(0 <= value < float("inf"), "load: {} must be >= 0, got {}", name, value)


@dataclass(frozen=True, slots=True)
class ResourceLoad:
    """Demand of the whole workload for one resource: base + slope x sales per hour."""

    __pydantic_config__ = STRICT

    base: Annotated[Quantity, Field(description="Demand without any sale.")] = 0.0
    per_sale_per_hour: Annotated[Quantity, Field(description="Demand that one more sale per hour adds.")] = 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """What sales cost in CPU and memory."""

    __pydantic_config__ = STRICT

    cpu: ResourceLoad
    memory: ResourceLoad

    def model(self) -> LoadModel:
        """The model of these costs."""
        cpu, memory = self.cpu, self.memory
        return LoadModel(cpu.base, cpu.per_sale_per_hour, memory.base, memory.per_sale_per_hour)


GivenLoad = Annotated[LoadModel, WrittenAs(Load, Load.model)]


@dataclass(frozen=True, slots=True)
class Finding:
    """What usage says about one resource: `verdict` in one word, `words` in a sentence, and the figures behind them.

    `r2`: share of the load's variance that sales explain; `residual_season`: share of the rest that the hour of the
    week explains. `drift`: since when another answer holds, and `drift_ratio` the load at high sales since then over
    the one before. None: not known.
    """

    resource: str
    verdict: Verdict
    words: str
    points: int = 0
    r2: float | None = None
    response: Response | None = None
    residual_season: float | None = None
    drift: datetime | None = None
    drift_ratio: float | None = None
    notes: tuple[str, ...] = ()


@shows_itself
@dataclass(frozen=True, slots=True)
class LoadReport:
    """How a workload's load follows its sales: the model to plan with, and per resource why.

    `usage` (columns cpu, memory, requests; UTC) and `sales` are what was learned from; None where there was none.
    `throughput`: what its replicas serve, where history was asked for it, or why history does not tell.
    """

    name: str
    model: LoadModel
    findings: tuple[Finding, ...]
    usage: pd.DataFrame | None = field(default=None, repr=False, compare=False)
    sales: pd.Series | None = field(default=None, repr=False, compare=False)
    timezone: str = "UTC"
    throughput: ThroughputReport | DataError | None = field(default=None, compare=False)

    def finding(self, resource: str) -> Finding | None:
        """What was found about `cpu`, `memory` or `requests`; None where its usage was not given."""
        return next((finding for finding in self.findings if finding.resource == resource), None)

    @property
    def notes(self) -> tuple[str, ...]:
        """Every finding in words, and what must be known with it."""
        texts = [
            text for found in self.findings for text in (found.words, *(f"{found.resource}: {n}" for n in found.notes))
        ]
        return (*texts, *self._throughput_notes())

    def _throughput_notes(self) -> tuple[str, ...]:
        found = self.throughput
        if found is None:
            return ()
        if isinstance(found, DataError):
            return (f"throughput: not known: {found}; replicas are planned by CPU and memory alone",)
        return tuple(f"throughput: {text}" for text in (found.words, *found.notes))

    def to_frame(self) -> pd.DataFrame:
        """One row per resource (index `resource`): `verdict`, `points`, `r2`, `base`, `per_sale_per_hour`, its 95 %
        interval `low` to `high`, `lag`, `drift`; in the unit of the resource, NaN where not known."""
        import pandas as pd

        rows = {found.resource: _answer(found) for found in self.findings}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("resource")

    def plot(self, *, theme: str = "light", ax: Any = None) -> Any:
        """Draw load against sales with the fitted answer, and both over time.

        Returns the Figure, or `ax` where that was given: an array of axes, two for each resource that was learned.
        """
        return plot_noun(self, theme=theme, ax=ax)


def _answer(found: Finding) -> dict[str, Any]:
    """A finding as a row of plain values."""
    response = found.response
    known: dict[str, Any] = {"verdict": found.verdict, "points": found.points, "r2": found.r2}
    slope = (None, None) if response is None else response.slope_interval
    return {
        **known,
        "base": None if response is None else response.base,
        "per_sale_per_hour": None if response is None else response.per_sale_per_hour,
        "low": slope[0],
        "high": slope[1],
        "lag": None if response is None else response.lag,
        "drift": found.drift,
    }
