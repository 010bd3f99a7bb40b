"""The first page, for a manager: whether the next peak is safe, what that costs, how sure it is, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from markupsafe import Markup

from capacity.forecast.backtest import Backtest
from capacity.model import WorkloadPlan
from capacity.model.choice import Choice, Evidence
from capacity.series.growth import coming_peak
from capacity.views.report.outlook import cost_words
from capacity.views.report.review import ReportData
from capacity.views.report.risks import actions, doubts, threats
from capacity.views.report.section import drawn
from capacity.views.report.trust import skill_sentence
from capacity.views.sheet import amount, clock, money
from capacity.views.tables.choice import advice_sentence

Answer = Literal["Yes", "No", "Not certain"]
KINDS: dict[Answer, str] = {"Yes": "yes", "No": "no", "Not certain": "unsure"}
NAMED = 3  # reasons, workloads and actions on the first page: the details have them all
PICTURE_HEIGHT = 3.2  # inches: the page has room for one


@dataclass(frozen=True, slots=True)
class Part:
    """One question of the page with its answer in sentences; `points` is a list under them."""

    title: str
    words: tuple[str, ...]
    points: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FrontPage:
    """The answer, why it is so, and the other questions; `kind` is the answer as the style sheet names it."""

    question: str
    answer: Answer
    why: tuple[str, ...]
    parts: tuple[Part, ...]
    pictures: tuple[Markup, ...] = field(default=(), repr=False)

    @property
    def kind(self) -> str:
        """yes, no or unsure."""
        return KINDS[self.answer]


def front_page(review: ReportData) -> FrontPage:
    """What a manager reads first; it fits on one A4 page."""
    answer, why = _answer(review)
    question = "Are we safe for the next peak?" if review.request.month is None else "Were we safe for the peak?"
    return FrontPage(question, answer, why, (_cost(review), _trust(review), _to_do(review)), tuple(_pictures(review)))


def _answer(review: ReportData) -> tuple[Answer, tuple[str, ...]]:
    """No where something is in the way of the peak, not certain where the forecast or the data is in doubt."""
    peak = tuple(_peaks(review))
    if found := threats(review):
        return "No", (*found[:NAMED], *_more(len(found)), *peak[:1])
    if found := doubts(review):
        return "Not certain", (*found[:NAMED], *_more(len(found)), *peak, *_ready(review))
    return "Yes", (*peak, *_ready(review))


def _more(count: int) -> Iterator[str]:
    if count > NAMED:
        yield f"{count - NAMED} more are listed under details."


def _peaks(review: ReportData) -> Iterator[str]:
    """The next peak of the largest group of sales."""
    for name, forecast in list(review.outlooks.items())[:1]:
        peak = coming_peak(forecast)
        yield (
            f"The next peak of {name} is expected on {clock(peak.at, review.timezone)}: about {amount(peak.expected)} "
            f"{forecast.unit}, and with a chance of {100 * peak.high_level:g} % at most {amount(peak.high)}."
        )


def _ready(review: ReportData) -> Iterator[str]:
    """What stands ready for the highest peaks."""
    from capacity.views.plots.plan import rise_to_peak

    for plan in review.plans[:NAMED]:
        rise = rise_to_peak(plan)
        ahead = "" if rise is None else f", raised from {clock(rise, review.timezone)} on"
        yield (
            f"{plan.label} will have {plan.peak.replicas} replicas by then{ahead}. That keeps utilization at or under "
            f"{100 * plan.derivation.target.utilization:.0f} % with a chance of {100 * plan.peak.quantile_level:g} %"
            f"{_room(plan)}."
        )
    if len(review.plans) > NAMED:
        yield f"The other {len(review.plans) - NAMED} workloads stay below their ceilings, too."


def _room(plan: WorkloadPlan) -> str:
    times = plan.ceiling / plan.peak.replicas
    return f"; the ceiling of {plan.ceiling} allows {times:.1f} times as many" if times > 1 else "; that is its ceiling"


def _cost(review: ReportData) -> Part:
    """Of a chosen policy against today's autoscaler; else of the plan against what runs today or the peak kept up."""
    choices = _choices(review)
    words = [_choice_words(choice, review.config.supply.currency) for choice in choices[:NAMED]]
    return Part("Cost against today", tuple(words) or tuple(cost_words(review)))


def _choices(review: ReportData) -> list[Choice]:
    return [*review.choices] or [plan.choice for plan in review.plans if plan.choice is not None]


def _choice_words(choice: Choice, currency: str) -> str:
    found, today = choice.recommended, choice.today
    where, days = f"{choice.namespace}/{choice.name}", found.days
    if found.policy == today.policy:
        kept = f"it costs {_price(found, choice, currency)} and is {_minutes(found)} above the target"
        return f"{where}: nothing changes. In a replay of the last {days} days {kept}."
    change = f"{abs(choice.change):.0%} {'more' if choice.change > 0 else 'less'}"
    return (
        f"{where}: {_price(found, choice, currency)} with {found.policy}, {change} than today's {today.policy} "
        f"({_price(today, choice, currency)}), in a replay of the last {days} days. It is {_minutes(found)} above the "
        f"target; today {_minutes(today)}."
    )


def _price(found: Evidence, choice: Choice, currency: str) -> str:
    priced = choice.unit != "pod-hours"
    return f"{money(found.cost, currency) if priced else f'{found.cost:,.0f} pod-hours'} a day"


def _minutes(found: Evidence) -> str:
    return f"{found.minutes_above:.1f} minutes a day"


def _trust(review: ReportData) -> Part:
    results = [(group or "sales", one) for group, one in review.backtests.items() if isinstance(one, Backtest)]
    words = [skill_sentence(name, one) for name, one in results[:1]]
    if not words:
        words = ["Not known yet: the history is too short to test forecasts on it."]
    score = f"{review.audit.passed:,} of {review.audit.rows:,} rows of orders pass every rule."
    return Part("How sure this is", (*words, score))


def _to_do(review: ReportData) -> Part:
    """What somebody has to do, the most pressing first; the advice on policies; or that there is nothing."""
    advised = [
        f"{choice.namespace}/{choice.name}: {advice_sentence(choice).partition(':')[0]}."
        for choice in _choices(review)
        if choice.policy != choice.today.policy
    ]
    found = [*actions(review), *advised]
    if not found:
        return Part("What to do", ("Nothing: the plan can be applied as it is.",))
    return Part("What to do", (), (*found[:NAMED], *_more(len(found))))


def _pictures(review: ReportData) -> Iterator[Markup]:
    """The plan of the highest peak; where there is none, the forecast."""
    from capacity.views.plots.forecast import plot_forecast
    from capacity.views.plots.plan import plot_plan

    if review.plans:
        yield drawn(partial(plot_plan, review.plans[0], review.timezone), "front", PICTURE_HEIGHT)
        return
    for name, forecast in list(review.outlooks.items())[:1]:
        history = next(sales for group, sales in review.history.items() if (group or "sales") == name)
        yield drawn(partial(plot_forecast, forecast, history, review.timezone), "front", PICTURE_HEIGHT)
