"""The only code that touches files, clock, network, cluster or screen."""

from __future__ import annotations
