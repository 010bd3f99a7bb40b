"""Quantities such as `500m` and `1Gi`: read, compared, and written in the server's canonical form.

`k8s.io/apimachinery/pkg/api/resource/quantity.go`: the largest suffix that leaves a whole number.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal
from typing import Any

FORM = re.compile(r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))(?P<suffix>[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?")
RULE = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
BINARY = {name: Decimal(1024) ** power for power, name in enumerate(("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))}
DECIMAL = {name: Decimal(1000) ** (power - 3) for power, name in enumerate(("n", "u", "m", "", *"kMGTPE"))}


def read_quantity(value: Any) -> Decimal:
    """Return the number a quantity stands for, or raise `ValueError` in the words of Go's decoder.

    >>> [float(read_quantity(text)) for text in ("500m", "1Ki", 2, "1e3")]
    [0.5, 1024.0, 2.0, 1000.0]
    """
    form = FORM.fullmatch(str(value))
    if isinstance(value, bool) or not form:
        raise ValueError(RULE)
    number, suffix = Decimal(form["number"]), form["suffix"] or ""
    if suffix[:1] in ("e", "E") and suffix not in ("E", "Ei"):
        return number * Decimal(10) ** int(suffix[1:])
    return number * (BINARY[suffix] if suffix.endswith("i") else DECIMAL[suffix])


@functools.lru_cache(4096)
def canonical(value: Any) -> str:
    """Return a quantity as the server writes it back, or raise `ValueError`.

    >>> canonical("0.05"), canonical("1024Mi"), canonical("1500m"), canonical("1536Mi"), canonical(1000), canonical("0")
    ('50m', '1Gi', '1500m', '1536Mi', '1k', '0')
    """
    return write_quantity(read_quantity(value), binary=str(value).endswith("i"))


def write_quantity(number: Decimal, *, binary: bool = False) -> str:
    """Return a number as a quantity; under 1 Ki the binary form is the decimal one.

    >>> write_quantity(Decimal(45 * 2**30), binary=True), write_quantity(Decimal("1.71")), write_quantity(Decimal(3))
    ('45Gi', '1710m', '3')
    """
    if number == 0:
        return "0"
    scales = BINARY if binary and abs(number) >= 1024 else DECIMAL
    if scales is BINARY:
        number = number.to_integral_value(ROUND_CEILING)
    for name, scale in reversed(scales.items()):
        if number % scale == 0:
            return f"{int(number / scale)}{name}"
    return f"{int((number / DECIMAL['n']).to_integral_value(ROUND_CEILING))}n"


def total(values: Iterable[Any]) -> Decimal:
    """Return the sum of quantities, of which an absent one counts nothing."""
    return sum((read_quantity(value) for value in values if value is not None), Decimal(0))
