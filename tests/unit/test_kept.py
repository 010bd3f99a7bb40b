"""Values are made once for each key, also for threads that ask at the same time, and the newest stay."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from capacity.app.kept import Kept


def test_threads_that_ask_at_the_same_time_get_one_value() -> None:
    kept, begun, go, made = Kept[object](most=1), Event(), Event(), list[object]()

    def make() -> object:
        begun.set()
        assert go.wait(30)
        made.append(object())
        return made[-1]

    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(kept.get, "key", make)
        assert begun.wait(30)
        others = [threads.submit(kept.get, "key", make) for _ in range(3)]
        go.set()
        assert {id(one.result(30)) for one in [first, *others]} == {id(made[0])}
    assert len(made) == 1


def test_an_error_reaches_all_who_wait_and_is_not_kept() -> None:
    kept, begun, go = Kept[int](most=1), Event(), Event()

    def fail() -> int:
        begun.set()
        assert go.wait(30)
        raise ValueError("not today")

    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(kept.get, "key", fail)]
        assert begun.wait(30)
        asked.append(threads.submit(kept.get, "key", fail))
        go.set()
        for one in asked:
            with pytest.raises(ValueError, match="not today"):
                one.result(30)
    assert kept.get("key", lambda: 3) == 3


@pytest.mark.parametrize(
    ("most", "most_size", "stay"),
    [
        pytest.param(2, 100, ["b", "a"], id="the newest two, as they were asked for"),
        pytest.param(9, 5, ["a"], id="as many as fit by size"),
        pytest.param(9, 2, [], id="one that is larger than all may be is given, not kept"),
    ],
)
def test_what_was_asked_for_long_ago_goes(most: int, most_size: int, stay: list[str]) -> None:
    kept = Kept[int](most, lambda size: size, most_size)
    for key in ("a", "c", "b", "a"):
        assert kept.get(key, lambda: 3) == 3
    again = [key for key in ("a", "b") if kept.get(key, lambda: 4) == 3]
    assert sorted(again) == sorted(stay)
