"""Finds what prevents a plan or a pass: each check is independent of the others, and none writes."""

from __future__ import annotations
