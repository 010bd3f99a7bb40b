"""The report: one self-contained HTML page for managers, a section a file. It runs and fetches nothing."""

from __future__ import annotations

from capacity.views.report.page import report_page as report_page
from capacity.views.report.review import ReportData as ReportData
from capacity.views.report.review import ReportRequest as ReportRequest
