"""Findings of the doctor as a sheet: what is well first, in the order of the checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from capacity.edge.doctor.finding import Finding, worst
from capacity.edge.screen import Sheet


def doctor_sheet(findings: Sequence[Finding]) -> Sheet:
    """One row per finding, with what to do about it."""
    rows = [(one.state, one.check, str(one)) for one in findings]
    counts = Counter(one.state for one in findings)
    footer = f"ok {counts['ok']}, warn {counts['warn']}, fail {counts['fail']}"
    document = {"verdict": worst(findings), "findings": [asdict(one) for one in findings]}
    return Sheet("Doctor", ("state", "check", "what, and what to do"), rows, document, (footer,))
