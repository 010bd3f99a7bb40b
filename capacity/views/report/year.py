"""The sections on the coming twelve months and on volumes; each is there only where something is known of it."""

from __future__ import annotations

from capacity.model.outlook import Outlook
from capacity.views.report.review import ReportData
from capacity.views.report.section import Section, Table, picture
from capacity.views.sheet import count
from capacity.views.tables.outlook import columns, limit_lines, part_rows, record_lines
from capacity.views.tables.volumes import days_text

FEW = 3  # limits out of reach that are named
GROUPS = 4  # with a table of their own: more is a data sheet


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
            f"{one.used / one.capacity:.0%}",
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
    from capacity.views.plots.volumes import plot_volumes

    return Section("Volumes", words, (), [table], [picture(plot_volumes(plans, review.timezone), "volumes")])
