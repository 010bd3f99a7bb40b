"""Renders the page: the first one for a manager, then sections and sheets, by templates that escape every value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from capacity.forecast.backtest import Backtest
from capacity.model import WorkloadPlan
from capacity.model.choice import Choice, Evidence
from capacity.model.fields import rfc3339
from capacity.series.growth import coming_peak
from capacity.version import VERSION
from capacity.views.report.outlook import (
    cost_section,
    cost_words,
    peaks_section,
    plan_section,
    policy_sections,
    year_sections,
)
from capacity.views.report.review import ReportData
from capacity.views.report.risks import actions, changes_section, doubts, risks_section, threats
from capacity.views.report.section import drawn, page_templates, sheet_section
from capacity.views.report.trust import (
    objectives_section,
    outcome_section,
    quality_section,
    skill_sentence,
    trust_section,
)
from capacity.views.sheet import amount, clock, count, money
from capacity.views.tables.simulation import advice_sentence

if TYPE_CHECKING:
    from capacity.views.sheet import Sheet

Answer = Literal["Yes", "No", "Not certain"]
KINDS: dict[Answer, str] = {"Yes": "yes", "No": "no", "Not certain": "unsure"}
NAMED = 3  # reasons, workloads and actions on the first page: the details have them all
PRICED = 2  # workloads whose cost is told there
PICTURE_HEIGHT = 3.2  # inches: the page has room for one


def report_page(review: ReportData) -> str:
    """The capacity review as one HTML page: an A4 page for a manager, then details; nothing fetched, no script."""
    sections = [
        peaks_section(review),
        plan_section(review),
        cost_section(review),
        *policy_sections(review),
        *year_sections(review),
        trust_section(review),
        outcome_section(review),
        risks_section(review),
        objectives_section(review),
        changes_section(review),
        quality_section(review),
    ]
    return (
        _templates()
        .get_template("report.html")
        .render(
            title=_title(review),
            period=_period(review),
            front=front_page(review),
            sections=[section for section in sections if section is not None],
            provenance=_provenance(review),
            style=_style(),
        )
    )


def sheets_page(sheets: Sequence[Sheet]) -> str:
    """Sheets as a small page of their own: each with its title, its table, and what stands below it."""
    sections = [sheet_section(sheet) for sheet in sheets]
    title = sheets[0].title if sheets else "capacity"
    return _templates().get_template("sheets.html").render(title=title, sections=sections, style=_style())


def _title(review: ReportData) -> str:
    month = review.request.month
    return "Capacity review" if month is None else f"Capacity review of {review.begin:%B %Y}"


def _period(review: ReportData) -> str:
    begin, end = clock(review.begin, review.timezone), clock(review.end, review.timezone)
    return f"{begin} to {end} ({review.timezone}), as known on {clock(review.now, review.timezone)}"


def _provenance(review: ReportData) -> list[str]:
    lines = [f"Made by capacity {VERSION} from {review.audit.source} on {rfc3339(review.now)}."]
    if review.planned is not None:
        plan = review.planned.plan
        lines.append(
            f"Plan from {rfc3339(plan.origin)}, valid until {rfc3339(plan.valid_until)}, settings {plan.settings_hash}."
        )
    return lines


@cache
def _templates() -> Environment:
    return page_templates(PackageLoader("capacity.views.report", ""))


def _style() -> Markup:
    views = files("capacity.views")
    sheets = views.joinpath("page", "static", "base.css"), views.joinpath("report", "page.css")
    return Markup("\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets))  # noqa: S704 - ours


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
        return "Not certain", (*found[:NAMED], *_more(len(found)), *peak, *_ready(review, sure=False))
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


def _ready(review: ReportData, *, sure: bool = True) -> Iterator[str]:
    """What stands ready for that peak, of the workloads that need the most; without sales, for the plan's own peak."""
    for plan in review.plans[:NAMED]:
        at = _peak_of(review, plan)
        floor, rise = plan.floor_between(at, at) or plan.peak.replicas, plan.rise_to(at)
        when = "then" if review.outlooks else f"on {clock(plan.peak.at, review.timezone)}"
        ahead = "" if rise is None else f", raised from {clock(rise, review.timezone)} on"
        more = "" if plan.peak.replicas <= floor else f"; its highest need is {plan.peak.replicas} replicas"
        yield f"{plan.label} will have {floor} of at most {plan.ceiling} replicas {when}{ahead}{more}."
    if review.plans:
        yield _kept(review) if sure else f"If the forecast holds, {_kept(review).replace('That', 'that', 1)}"


def _kept(review: ReportData) -> str:
    """What these floors keep, and that no other workload is in the way."""
    targets = _range({100 * plan.derivation.target.utilization for plan in review.plans}, ".0f")
    levels = _range({100 * plan.peak.quantile_level for plan in review.plans}, "g")
    others = len(review.plans) - NAMED
    rest = "" if others <= 0 else f" The other {count(others, 'workload')} stay below their ceilings, too."
    return f"That keeps utilization at or under {targets} % with a chance of {levels} %.{rest}"


def _range(values: set[float], form: str) -> str:
    """One value, or the lowest to the highest.

    >>> _range({95.0}, "g"), _range({95.0, 99.0}, "g")
    ('95', '95 to 99')
    """
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


def _peak_of(review: ReportData, plan: WorkloadPlan) -> datetime:
    """The next peak of sales where the plan covers it, else the plan's own."""
    for forecast in list(review.outlooks.values())[:1]:
        at = coming_peak(forecast).at
        if plan.start <= at < plan.end:
            return at
    return plan.peak.at


def _cost(review: ReportData) -> Part:
    """Of a chosen policy against today's autoscaler; else of the plan against what runs today or the peak kept up."""
    choices = _choices(review)
    words = [_choice_words(choice, review.config.supply.currency) for choice in choices[:PRICED]]
    return Part("Cost against today", tuple(words) or tuple(cost_words(review)))


def _choices(review: ReportData) -> list[Choice]:
    return [*review.choices] or [plan.choice for plan in review.plans if plan.choice is not None]


def _choice_words(choice: Choice, currency: str) -> str:
    found, today = choice.recommended, choice.today
    where, days = f"{choice.namespace}/{choice.name}", found.days
    if found.policy == today.policy:
        kept = f"it costs {_price(found, choice, currency)} and is {_minutes(found)} above the target"
        return f"{where}: nothing changes. In a replay of the last {days} days {kept}."
    change = f"{100 * abs(choice.change):.0f} % {'more' if choice.change > 0 else 'less'}"
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
        yield drawn(partial(plot_plan, review.plans[0], review.timezone, now=review.now), "front", PICTURE_HEIGHT)
        return
    for name, forecast in list(review.outlooks.items())[:1]:
        history = next(sales for group, sales in review.history.items() if (group or "sales") == name)
        yield drawn(partial(plot_forecast, forecast, history, review.timezone), "front", PICTURE_HEIGHT)
