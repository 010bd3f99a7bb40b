"""When it matters: the busiest minutes and those near events, judged apart from the many in which anything holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from capacity.domain import Event
from capacity.domain.arrays import Array, Mask
from capacity.simulation.case import Case
from capacity.simulation.hpa.spec import SYNC_PERIOD

BUSIEST = 0.01  # of all ticks, those of the highest demand


def busy_ticks(case: Case, events: Sequence[Event]) -> Mask:
    """Which of the judged ticks (ticks,) are among the busiest hundredth, or lie within an event or a lead time of it.

    >>> from datetime import UTC, timedelta
    >>> from capacity.simulation.cluster import Cluster
    >>> from capacity.simulation.scores import Promise
    >>> from capacity.simulation.service import Service
    >>> begin = datetime(2026, 3, 2, tzinfo=UTC)
    >>> case = Case(np.arange(200.0), begin, timedelta(minutes=1), 100, Cluster(Service(1.0)), Promise())
    >>> int(busy_ticks(case, ()).sum())
    4
    """
    demand: Array = case.ticks(case.demand)[-case.judged_ticks :]
    count = max(1, round(BUSIEST * len(demand)))
    busy: Mask = np.zeros(len(demand), dtype=bool)
    busy[np.argsort(demand, kind="stable")[-count:]] = True
    for event in events:
        busy[_tick(case, event.start - case.lead) : _tick(case, event.end)] = True
    return busy


def _tick(case: Case, moment: datetime) -> int:
    """The judged tick at a moment, the nearest there is."""
    return int(np.clip((moment - case.moment(case.begin)) // SYNC_PERIOD, 0, case.judged_ticks))
