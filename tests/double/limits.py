"""LimitRanges: defaults for the containers of new pods, and the least and most that pods and claims may ask for.

`plugin/pkg/admission/limitranger/admission.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from tests.double.quantities import read_quantity, total
from tests.double.status import JSON

Amounts = Mapping[str, Decimal]


def add_defaults(ranges: Iterable[JSON], pod: JSON) -> None:
    """Give containers the requests and limits they do not name."""
    for limit in _limits(ranges, "Container"):
        for container in [*(pod["spec"].get("containers") or []), *pod["spec"].get("initContainers", [])]:
            resources = container.setdefault("resources", {})
            for part, source in (("limits", "default"), ("requests", "defaultRequest")):
                if limit.get(source):
                    resources[part] = limit[source] | resources.get(part, {})


def refusals(ranges: Iterable[JSON], kind: str, item: JSON) -> list[str]:
    """Return what LimitRanges say against a pod or a claim, in the words of the real server."""
    ranges = list(ranges)
    if kind == "PersistentVolumeClaim":
        asked = _read((item["spec"].get("resources") or {}).get("requests"))
        return [one for limit in _limits(ranges, kind) for one in _outside(limit, asked, asked)]
    containers = item["spec"].get("containers", [])
    each = [
        tuple(_read((one.get("resources") or {}).get(part)) for part in ("requests", "limits")) for one in containers
    ]
    found = [one for limit in _limits(ranges, "Container") for pair in each for one in _outside(limit, *pair)]
    pod = tuple(
        {name: total(one.get(name) for one in parts) for name in set().union(*parts)}
        for parts in zip(*each, strict=True)
    )
    return found + [one for limit in _limits(ranges, "Pod") for one in _outside(limit, *pod)]


def _limits(ranges: Iterable[JSON], kind: str) -> Iterator[JSON]:
    for one in ranges:
        yield from (limit for limit in one["spec"].get("limits", []) if limit.get("type") == kind)


def _read(amounts: JSON | None) -> dict[str, Decimal]:
    return {name: read_quantity(value) for name, value in (amounts or {}).items()}


def _outside(limit: JSON, requests: Amounts, limits: Amounts) -> Iterator[str]:
    kind = limit["type"]
    for name, least in limit.get("min", {}).items():
        yield from _under(
            f"minimum {name} usage per {kind} is {least}", read_quantity(least), requests.get(name), limits.get(name)
        )
    for name, most in limit.get("max", {}).items():
        yield from _over(
            f"maximum {name} usage per {kind} is {most}", read_quantity(most), requests.get(name), limits.get(name)
        )


def _under(rule: str, least: Decimal, request: Decimal | None, limit: Decimal | None) -> Iterator[str]:
    if request is None:
        yield f"{rule}. No request is specified"
    elif request < least:
        yield f"{rule}, but request is {_text(request)}"
    elif limit is not None and limit < least:
        yield f"{rule}, but limit is {_text(limit)}"


def _over(rule: str, most: Decimal, request: Decimal | None, limit: Decimal | None) -> Iterator[str]:
    if limit is None:
        yield f"{rule}. No limit is specified"
    elif limit > most:
        yield f"{rule}, but limit is {_text(limit)}"
    elif request is not None and request > most:
        yield f"{rule}, but request is {_text(request)}"


def _text(number: Decimal) -> str:
    return f"{number.normalize():f}"
