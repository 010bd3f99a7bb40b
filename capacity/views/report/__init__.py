"""The report: one self-contained HTML page that a manager reads, a section a file. Nothing in it runs or is fetched."""

from __future__ import annotations

from capacity.views.report.page import report_page as report_page
from capacity.views.report.review import ReportData as ReportData
from capacity.views.report.review import ReportRequest as ReportRequest
