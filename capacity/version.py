"""The version, once: the package, its wheel, plans and pages take it from here."""

VERSION = "0.2.0"
