"""Renders the page: sections and sheets through templates that escape every value."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from capacity.model.fields import rfc3339
from capacity.version import VERSION
from capacity.views.report.front import front_page
from capacity.views.report.outlook import cost_section, peaks_section, plan_section, policy_sections, year_sections
from capacity.views.report.risks import changes_section, risks_section
from capacity.views.report.section import page_templates, sheet_section
from capacity.views.report.trust import objectives_section, outcome_section, quality_section, trust_section
from capacity.views.sheet import clock

if TYPE_CHECKING:
    from capacity.views.report.review import ReportData
    from capacity.views.sheet import Sheet


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
