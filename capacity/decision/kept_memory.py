"""What a container's memory may not be lowered below: the highest use of the last day, and older peaks, decayed.

Uses are kept in blocks of six hours, rounded up, so that a steady use is noted four times a day and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from capacity.model.pod_observation import Kept
from capacity.model.pod_size import Vertical

BLOCK = timedelta(hours=6)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HALVINGS = 3  # an older peak counts an eighth then, and is forgotten


def noted_use(kept: Sequence[Kept], used: int, step: int, now: datetime, vertical: Vertical) -> tuple[Kept, ...]:
    """The blocks with a use of this moment, without those that say nothing any more.

    >>> from capacity.model.pod_size import SizedContainer, SizeRange
    >>> app = Vertical({"app": SizedContainer(memory=SizeRange(2.0**28, 2.0**32, 2.0**28))})
    >>> [one] = noted_use((), 700, 256, datetime(2026, 11, 27, 14, 30, tzinfo=UTC), app)
    >>> one.since.hour, one.used
    (12, 768)
    """
    since = EPOCH + (now - EPOCH) // BLOCK * BLOCK
    here = [one.used for one in kept if one.since == since]
    blocks = [*(one for one in kept if one.since < since), Kept(since, max(-(-used // step) * step, *here, 0))]
    return tuple(one for at, one in enumerate(blocks) if _tells(one, blocks[at + 1 :], now, vertical))


def _tells(one: Kept, later: Sequence[Kept], now: datetime, vertical: Vertical) -> bool:
    """Whether a block counts: it is of the last day, which must be seen whole, or higher than all after it."""
    age = now - (one.since + BLOCK) - vertical.memory_keep
    if age <= timedelta(0):
        return True
    return age <= HALVINGS * vertical.memory_half_life and all(after.used < one.used for after in later)


def lowest_memory(kept: Sequence[Kept], now: datetime, vertical: Vertical) -> int | None:
    """The memory below which a container may not be lowered; None where a part of the day was not looked at."""
    if not vertical.memory_keep:
        return 0
    looked = {one.since for one in kept}
    first = EPOCH + (now - vertical.memory_keep - EPOCH) // BLOCK * BLOCK
    blocks = (now - first) // BLOCK + 1
    if any(first + at * BLOCK not in looked for at in range(blocks)):
        return None
    return max((_decayed(one, now, vertical) for one in kept), default=0)


def _decayed(one: Kept, now: datetime, vertical: Vertical) -> int:
    over = now - (one.since + BLOCK) - vertical.memory_keep
    return one.used if over <= timedelta(0) else round(one.used * 0.5 ** (over / vertical.memory_half_life))
