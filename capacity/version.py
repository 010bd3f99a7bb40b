"""The version, once: the package, its wheel, plans and pages take it from here."""

from __future__ import annotations

VERSION = "0.3.0"
