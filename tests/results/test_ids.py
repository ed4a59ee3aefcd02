"""Ids sort by time."""

from __future__ import annotations

import threading
import time
import uuid
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from mlscope.results import new_id


def test_an_id_is_a_uuid_of_version_7_with_the_time_in_front() -> None:
    before = time.time_ns() // 1_000_000
    value = uuid.UUID(new_id())
    assert value.version == 7
    assert value.variant == uuid.RFC_4122
    # A burst of ids may run ahead of the clock by fractions of a millisecond each.
    assert before <= value.int >> 80 <= time.time_ns() // 1_000_000 + 1000


def test_ids_of_one_process_increase_strictly_and_across_threads_never_repeat() -> None:
    made: list[list[str]] = [[] for _ in range(4)]
    threads = [
        threading.Thread(target=lambda mine: mine.extend(new_id() for _ in range(2000)), args=(ids,)) for ids in made
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(ids == sorted(ids) for ids in made)
    assert len({identifier for ids in made for identifier in ids}) == 8000


@given(st.lists(st.integers(min_value=0, max_value=2**47 * 1_000_000), min_size=2, max_size=20))
def test_ids_increase_even_when_the_clock_steps_back(times_ns: list[int]) -> None:
    with mock.patch("mlscope.results._ids._last", 0), mock.patch("time.time_ns", side_effect=times_ns):
        ids = [new_id() for _ in times_ns]
    assert ids == sorted(set(ids))
    assert all(len(identifier) == 32 for identifier in ids)


@given(st.integers(min_value=0, max_value=2**47), st.integers(min_value=1, max_value=2**40))
def test_a_later_millisecond_gives_a_greater_id_in_any_process(first_ms: int, step_ms: int) -> None:
    ids = []
    for milliseconds in (first_ms, first_ms + step_ms):
        with mock.patch("mlscope.results._ids._last", 0), mock.patch("time.time_ns", return_value=milliseconds * 10**6):
            ids.append(new_id())
    assert ids[0] < ids[1]
