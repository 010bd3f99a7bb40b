"""The report: one self-contained HTML page that a manager reads, a section a file. Nothing in it runs or is fetched."""

from capacity.edge.report.page import report_page as report_page
from capacity.edge.report.review import Question as Question
from capacity.edge.report.review import Review as Review
from capacity.edge.report.review import make_review as make_review
