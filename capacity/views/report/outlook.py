"""The sections on what comes: peaks, the plan for them, costs, the next twelve months, and volumes."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pandas as pd
from markupsafe import Markup

from capacity.model import Forecast, NodePlan, WorkloadPlan
from capacity.model.outlook import Outlook
from capacity.series.growth import coming_growth, coming_peak
from capacity.stats import nearest_level
from capacity.views.report.review import ReportData
from capacity.views.report.section import Section, Table, drawn, picture, sheet_section
from capacity.views.sheet import NO_CURRENCY, clock, count, moment, money
from capacity.views.tables.outlook import columns, days_text, limit_lines, part_rows, record_lines
from capacity.views.tables.simulation import choice_sheet
from capacity.views.view_models import WorkloadView, view_workload

DAYS = 5  # of the highest that are listed: a working week
GROUPS = 4  # whose peaks are listed and drawn: more is a data sheet
FEW = 3  # limits out of reach that are named


def peaks_section(review: ReportData) -> Section:
    """The next peak of each group in words, the fan with its events, and the highest days."""
    words, tables, pictures, notes = [], [], [], []
    for place, (name, forecast) in enumerate(list(review.outlooks.items())[:GROUPS]):
        words.append(f"{_sentence(name, forecast, review.timezone)} {_growth(review, name, forecast)}")
        tables.append(_table(name, forecast, review.timezone))
        pictures.append(drawn(partial(_figure, review, name, forecast), f"forecast{place}"))
        notes += [f"{name}: {note}" for note in (f"model: {forecast.model}", *forecast.notes)]
    failed = [
        f"{group or 'sales'}: no forecast: {one}"
        for group, one in review.forecasts.items()
        if not isinstance(one, Forecast)
    ]
    return Section("When it gets busy", words or ["No forecast could be made."], failed, tables, pictures, notes)


def _sentence(name: str, forecast: Forecast, timezone: str) -> str:
    peak = coming_peak(forecast)
    return (
        f"The next peak of {name} is on {clock(peak.at, timezone)} ({timezone}): {peak.expected:,.4g} {forecast.unit} "
        f"are expected, and it stays at or under {peak.high:,.4g} with a chance of {100 * peak.high_level:g} %."
    )


def _growth(review: ReportData, name: str, forecast: Forecast) -> str:
    group, history = next(item for item in review.history.items() if (item[0] or "sales") == name)
    return f"Growth: {coming_growth(history, forecast, review.config.calendar.holidays_of(group)).words}."


def _table(name: str, forecast: Forecast, timezone: str) -> Table:
    """The highest step of each of the busiest days, by the median."""
    levels = [float(level) for level in forecast.quantiles.columns]
    middle = nearest_level(levels)
    table: Any = forecast.quantiles
    local: Any = pd.DatetimeIndex(table.index).tz_convert(timezone).normalize()
    tops = table.loc[table.iloc[:, middle].groupby(local).idxmax()].sort_values(levels[middle], ascending=False)
    shown = [level for level in levels if level >= 0.5]
    rows = [
        (clock(moment(at), timezone), *(f"{values[level]:,.4g}" for level in shown))
        for at, values in tops.iloc[:DAYS].iterrows()
    ]
    head = [
        f"busiest days of {name} ({timezone})",
        *("expected" if level == 0.5 else f"quantile {level:g}" for level in shown),
    ]
    return Table(head, rows, frozenset(range(1, len(head))))


def _figure(review: ReportData, name: str, forecast: Forecast) -> Any:
    from capacity.views.plots.forecast import plot_forecast

    history = next(sales for group, sales in review.history.items() if (group or "sales") == name)
    return plot_forecast(forecast, history, review.timezone, events=review.events)


DRAWN, LISTED = 2, 20  # workloads with the highest peaks: in pictures, in the table
HOUR = 3600.0


def plan_section(review: ReportData) -> Section:
    """Each workload's peak and usual floor, the calendar of utilization, and the plans that the first page lacks."""
    plans = review.plans
    if not plans:
        return Section("What is planned", [f"No plan was made. The last good plan stays in force. Why: {review.held}"])
    views = [view_workload(plan) for plan in plans[:LISTED]]
    words = [_plan_sentence(view, review.timezone) for view in views[:DRAWN]]
    if len(plans) > DRAWN:
        words.append(f"{len(plans)} workloads are planned in all; the table has those with the highest peaks.")
    rows = [_row(view, review.timezone) for view in views]
    head = ("workload", f"peak ({review.timezone})", "replicas", "cores", "GiB", "mean", "fewest", "ceiling")
    table = Table(head, rows, frozenset(range(2, len(head))))
    level = ", ".join(sorted({f"{plan.peak.quantile_level:g}" for plan in plans}))
    notes = [
        f"The plan serves the {level} quantile of demand: in that share of steps, demand is expected to be no higher.",
        "Replicas are the floor (minReplicas) that is set; the autoscaler still adds above it, up to the ceiling.",
    ]
    return Section("What is planned", words, (), [table], _pictures(review, plans[:DRAWN]), notes)


DECIDES = {"cpu": "CPU decides", "memory": "memory decides", "cpu and memory": "CPU and memory decide"}


def _plan_sentence(view: WorkloadView, timezone: str) -> str:
    return (
        f"{view.label} gets {view.replicas} replicas for its peak on {clock(view.peak_at, timezone)} and {view.fewest} "
        f"when it is quiet; {DECIDES[view.binding]}. At the load planned for, "
        f"utilization stays at or under {view.target:.0f} %."
    )


def _row(view: WorkloadView, timezone: str) -> tuple[object, ...]:
    return (
        view.label,
        clock(view.peak_at, timezone),
        view.replicas,
        f"{view.cores:.2f}",
        "–" if view.gib is None else f"{view.gib:.2f}",
        f"{view.mean:.1f}",
        view.fewest,
        view.ceiling,
    )


def _pictures(review: ReportData, plans: tuple[WorkloadPlan, ...]) -> list[Markup]:
    from capacity.views.plots import plot_plan, plot_utilization

    found: list[Markup] = []
    for place, plan in enumerate(plans):
        if place:  # that of the highest peak is on the first page
            found.append(drawn(partial(plot_plan, plan, review.timezone, now=review.now), f"plan{place}"))
        if plan.demand is not None and plan.step.total_seconds() <= HOUR:
            target, planned = plan.derivation.target.utilization, plan.to_frame()["utilization"]
            figure = plot_utilization(planned, review.timezone, target=target, name=plan.label)
            found.append(picture(figure, f"utilization{place}"))
    return found


ONE_HOUR = timedelta(hours=1)
UNPRICED = "Prices are not configured (supply.node_types), so cost is counted in replica-hours, not in money."


def cost_section(review: ReportData) -> Section:
    """The money of the plan beside that of what runs today; and replica-hours beside the peak kept up all the time."""
    words = cost_words(review)
    if review.planned is None or review.planned.plan.nodes is None:
        return Section("What it costs", words)
    table = _cost_table(review.planned.plan.nodes, review.config.supply.currency)
    return Section("What it costs", words, (), [table])


def cost_words(review: ReportData) -> list[str]:
    """The same in sentences."""
    if not review.plans or review.planned is None:
        return ["Not known: no plan was made."]
    nodes = review.planned.plan.nodes
    hours = sum(plan.mean_floor * _hours(plan) for plan in review.plans)
    always = sum(max(change.replicas for change in plan.floor) * _hours(plan) for plan in review.plans)
    counted = (
        f"The plan asks for {hours:,.0f} replica-hours, {100 * (1 - hours / always):.0f} % fewer than the "
        f"{always:,.0f} of keeping every peak up all the time."
    )
    today = {one.key: one.today for one in review.config.workloads}
    counts = [today.get(plan.key) for plan in review.plans]
    known = [count for count in counts if count is not None]
    if nodes is None and len(known) == len(counts):
        runs = sum(count * _hours(plan) for count, plan in zip(known, review.plans, strict=True))
        counted = f"The plan asks for {hours:,.0f} replica-hours; what runs today takes {runs:,.0f} in the same time."
    return [counted, UNPRICED] if nodes is None else [*_money(nodes, review.config.supply.currency), counted]


def _hours(plan: WorkloadPlan) -> float:
    return plan.steps * plan.step / ONE_HOUR


def _money(nodes: NodePlan, currency: str) -> list[str]:
    words = [f"The plan fills {nodes.mean:.1f} nodes of {nodes.node_type} on average and {nodes.peak} at the peak."]
    if nodes.price_per_hour:
        today = "what runs today costs" if nodes.today_known else "keeping the peak always up would cost"
        saved = nodes.cost_per_month_today - nodes.cost_per_month
        words.append(
            f"That is {money(nodes.cost_per_month, currency)} a month of 30 days; {today} "
            f"{money(nodes.cost_per_month_today, currency)}: {money(abs(saved), currency)} "
            f"{'less' if saved >= 0 else 'more'} with the plan."
        )
    return words


def policy_sections(review: ReportData) -> list[Section]:
    """What the policies of the highest peaks did on the replayed days."""
    choices = review.choices or [plan.choice for plan in review.plans if plan.choice is not None]
    return [sheet_section(choice_sheet(choice)) for choice in choices[:DRAWN]]


def _cost_table(nodes: NodePlan, currency: str) -> Table:
    unit = f" ({currency or NO_CURRENCY})"
    head = ("", "nodes", f"an hour{unit}", f"a month{unit}")
    price, today = nodes.price_per_hour, "today" if nodes.today_known else "peak always up"
    rows = [
        ("plan, on average", f"{nodes.mean:.1f}", f"{nodes.cost_per_hour:,.2f}", f"{nodes.cost_per_month:,.2f}"),
        ("plan, at the peak", nodes.peak, f"{nodes.cost_at_peak:,.2f}", ""),
        (today, nodes.today, f"{nodes.today * price:,.2f}", f"{nodes.cost_per_month_today:,.2f}"),
    ]
    return Table(head, rows, frozenset({1, 2, 3}))


def year_sections(review: ReportData) -> list[Section]:
    """The outlook over twelve months, and the volumes of the plan."""
    return [section for section in (_outlook(review), _volumes(review)) if section is not None]


def _outlook(review: ReportData) -> Section | None:
    """By month what everything needs together, which limits are reached when, and how far off that was before."""
    year = review.year
    if year is None:
        return None
    head = columns(review.config.supply.currency)
    parts = [*(year.parts[:GROUPS] if len(year.parts) > 1 else ()), year.total]
    tables = [_known(Table((f"{head[0]} ({part.name})", *head[1:]), part_rows(part))) for part in parts]
    peak = max(year.total.months, key=lambda need: need.replicas.high)
    words = [
        f"Within twelve months the most is needed in {peak.month:%B %Y}: {peak.replicas.middle:,.0f} replicas are "
        f"expected at the peak, {peak.replicas.high:,.0f} at quantile 0.95.",
        *record_lines(year.track_record),
    ]
    return Section("The next twelve months", words, _limits(year), tables, (), year.notes)


def _limits(year: Outlook) -> list[str]:
    """The limits that may be reached; of many others only how many there are."""
    others = [one for one in year.limits if one.early is None]
    if len(others) <= FEW:
        return limit_lines(year.limits)
    reached = limit_lines([one for one in year.limits if one.early is not None])
    return [*reached, f"The other {len(others)} limits are not reached within twelve months"]


def _known(table: Table) -> Table:
    """The table without the columns of which nothing is known."""
    keep = [place for place in range(len(table.columns)) if any(str(row[place]) != "-" for row in table.rows)]
    rows = [tuple(row[place] for place in keep) for row in table.rows]
    return Table(tuple(table.columns[place] for place in keep), rows)


def _volumes(review: ReportData) -> Section | None:
    """How full each volume is, how long it lasts, and its next size; with a picture where the plan was just made."""
    plans = {plan.key: plan.volumes for plan in review.plans if plan.volumes}
    volumes = [(key[0], one) for key, found in plans.items() for one in found]
    if not volumes:
        return None
    rows = [
        (
            f"{namespace}/{one.claim}",
            f"{100 * one.used / one.capacity:.0f} %",
            days_text(one.until_full, (one.until - one.start).days),
            f"{one.size / 2**30:.4g}",
            "-" if one.next_step is None else f"{one.next_step.size / 2**30:.4g} from {one.next_step.at:%Y-%m-%d} on",
        )
        for namespace, one in volumes
    ]
    short = sum(one.short_by != "" for _, one in volumes)
    words = [f"{count(len(volumes), 'volume')} are planned; {short} of them need more than max or the quota allows."]
    table = Table(("claim", "in use", "days until full", "GiB", "next GiB"), rows, frozenset({1, 3}))
    drawn = any(one.curve is not None for _, one in volumes)
    if not drawn:
        return Section("Volumes", words, (), [table])
    from capacity.views.plots.plan import plot_volumes

    return Section("Volumes", words, (), [table], [picture(plot_volumes(plans, review.timezone), "volumes")])
