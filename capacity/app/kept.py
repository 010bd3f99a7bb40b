"""Values that are made once for each key, also where several threads ask for one at the same time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


@dataclass(slots=True)
class Kept(Generic[Value]):
    """The values that were asked for last, at most so many; an error is not kept.

    Parameters:
        most: how many values stay.
        size: how large a value is, in the unit of `most_size`. Default: values have no size.
        most_size: how large all of them together may be.
    """

    most: int
    size: Callable[[Value], int] = lambda _: 0
    most_size: int = 0
    _values: OrderedDict[object, Value] = field(default_factory=OrderedDict)
    _making: dict[object, Future[Value]] = field(default_factory=dict)
    _total: int = 0
    _lock: Lock = field(default_factory=Lock)

    def get(self, key: object, make: Callable[[], Value]) -> Value:
        """The kept value of this key, else what `make` gives or is giving in another thread; raises what it raises.

        >>> kept = Kept[str](most=1)
        >>> kept.get("plan", lambda: "made"), kept.get("plan", lambda: "made again")
        ('made', 'made')
        """
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            waiting = self._making.get(key)
            if waiting is None:
                made = self._making[key] = Future()
        return self._made(key, make, made) if waiting is None else waiting.result()

    def _made(self, key: object, make: Callable[[], Value], promise: Future[Value]) -> Value:
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                del self._making[key]
            promise.set_exception(error)
            raise
        with self._lock:
            del self._making[key]
            self._keep(key, value)
        promise.set_result(value)
        return value

    def _keep(self, key: object, value: Value) -> None:
        self._values[key] = value
        self._total += self.size(value)
        while len(self._values) > self.most or self._total > self.most_size:
            _, oldest = self._values.popitem(last=False)
            self._total -= self.size(oldest)
