"""Kubernetes quantities ("500m", "1Gi") to numbers, by the official client's own parser."""

from __future__ import annotations


def parse_quantity(text: str | float) -> float:
    """A quantity in its base unit: cores for CPU, bytes for memory.

    >>> parse_quantity("500m"), parse_quantity("1Gi"), parse_quantity(2)
    (0.5, 1073741824.0, 2.0)
    """
    if isinstance(text, int | float):
        return float(text)
    from kubernetes.utils.quantity import parse_quantity as parse  # heavy: imported only where a quantity is text

    return float(parse(text))
