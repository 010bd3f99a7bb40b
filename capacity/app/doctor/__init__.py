"""What stands in the way of a plan or of a pass: one check a file, each on its own, none of them writes."""

from __future__ import annotations
