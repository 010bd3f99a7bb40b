"""Finds what prevents a plan or a pass: one check a file, each independent of the others. None of them writes."""

from __future__ import annotations
