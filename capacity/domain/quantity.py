"""Kubernetes quantities ("500m", "1Gi") as numbers."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

_EXPONENTS = {"n": -3, "u": -2, "m": -1, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}


def parse_quantity(text: str | float) -> float:
    """A quantity in its base unit: cores for CPU, bytes for memory.

    The rule is that of the official client, which the controller would otherwise have to load; a test compares them.
    Raises `ValueError` where the text is no quantity.

    >>> parse_quantity("500m"), parse_quantity("1Gi"), parse_quantity(2)
    (0.5, 1073741824.0, 2.0)
    """
    if isinstance(text, int | float):
        return float(text)
    binary = text.endswith("i") and text[-2:-1] in set(_EXPONENTS) - {"k"}
    suffix = text[-2:] if binary else text[-1:] if text[-1:] in _EXPONENTS else ""
    try:
        number = Decimal(text.removesuffix(suffix))
    except InvalidOperation as error:
        raise ValueError(f"expected a quantity such as 500m or 1Gi, got {text!r}") from error
    base = 1024 if binary else 1000
    return float(number * Decimal(base) ** _EXPONENTS.get(suffix[:1], 0))
