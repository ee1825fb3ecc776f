"""Invocation counters: strictly rising, leased, never wrapping; the same contract for both stores."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.errors import LocalProtocolError, SecurityError
from dlms.security.counters import (
    BLOCK,
    END,
    CounterError,
    CounterExhaustedError,
    CounterName,
    Counters,
    CounterStore,
    Direction,
    MemoryCounterStore,
    ReceiveCounter,
    SendCounter,
)
from dlms.security.store import SqliteCounterStore

SENT = CounterName(b"f" * 16, Direction.SENT, b"TTTTTTTT")
ACCEPTED = CounterName(b"f" * 16, Direction.ACCEPTED, b"TTTTTTTT")


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CounterStore]:
    if request.param == "memory":
        yield MemoryCounterStore()
    else:
        with SqliteCounterStore.create(tmp_path / "counters") as made:
            yield made


def test_leases_follow_each_other(store):
    assert store.next_free(SENT) == 0
    assert store.lease(SENT, 10) == range(10)
    assert store.lease(SENT, 5) == range(10, 15)
    assert store.next_free(SENT) == 15


def test_first_starts_a_series_and_only_that(store):
    assert store.lease(SENT, 3, first=100) == range(100, 103)
    assert store.lease(SENT, 3, first=7) == range(103, 106)


@pytest.mark.parametrize(
    "other",
    [
        SENT._replace(fingerprint=b"g" * 16),
        SENT._replace(system_title=b"UUUUUUUU"),
        SENT._replace(direction=Direction.ACCEPTED),
    ],
)
def test_series_are_told_apart(store, other):
    store.lease(SENT, 10)
    assert store.next_free(other) == 0
    assert store.accepted(other) is None


def test_the_last_lease_is_short_and_then_it_ends(store):
    store.lease(SENT, 1, first=END - 3)
    assert store.lease(SENT, 64) == range(END - 2, END)
    for _ in range(2):
        with pytest.raises(CounterExhaustedError, match="change the key"):
            store.lease(SENT, 1)


@pytest.mark.parametrize(("count", "first"), [(0, 0), (-1, 0), (1, -1)])
def test_senseless_leases_are_refused(store, count, first):
    with pytest.raises(LocalProtocolError, match="no sense"):
        store.lease(SENT, count, first)
    assert store.next_free(SENT) == 0


def test_skipping_goes_forward_only(store):
    store.lease(SENT, 10)
    assert store.skip_to(SENT, 11) == 1
    assert store.skip_to(SENT, 11) == 0
    assert store.skip_to(SENT, 5) == 0
    assert store.next_free(SENT) == 11
    with pytest.raises(CounterExhaustedError):
        store.skip_to(SENT, END)
    assert store.skip_to(SENT, END - 1) == END - 12
    assert store.lease(SENT, 2) == range(END - 1, END)
    assert store.skip_to(SENT, END) == 0


def test_accepting_goes_forward_only(store):
    assert store.accepted(ACCEPTED) is None
    store.accept(ACCEPTED, 0)
    assert store.accepted(ACCEPTED) == 0
    for old in (0, -1, END, END + 1):
        with pytest.raises(CounterError):
            store.accept(ACCEPTED, old)
    store.accept(ACCEPTED, 1)
    store.accept(ACCEPTED, END - 1)
    assert store.accepted(ACCEPTED) == END - 1
    with pytest.raises(CounterError):
        store.accept(ACCEPTED, END)


def test_drawing_never_repeats(store):
    counter = SendCounter(store, SENT, block=3)
    assert [counter.draw() for _ in range(8)] == list(range(8))
    assert store.next_free(SENT) == 9
    # another process, after a crash: the rest of the lease is skipped
    assert SendCounter(store, SENT, block=3).draw() == 9


def test_a_lease_is_kept_before_its_first_number_is_given():
    class Refusing(MemoryCounterStore):
        def _keep(self, name: CounterName, value: int) -> None:
            raise LocalProtocolError("disk full")

    with pytest.raises(LocalProtocolError, match="disk full"):
        SendCounter(Refusing(), SENT).draw()


def test_drawing_ends_before_the_last_number():
    counter = SendCounter(MemoryCounterStore(), SENT, first=END - 2)
    assert [counter.draw(), counter.draw()] == [0xFFFFFFFD, 0xFFFFFFFE]
    for _ in range(2):
        with pytest.raises(CounterExhaustedError):
            counter.draw()


def test_threads_never_draw_the_same_number():
    counter = SendCounter(MemoryCounterStore(lock=threading.Lock()), SENT, block=7)
    drawn: list[int] = []
    threads = [threading.Thread(target=lambda: drawn.extend(counter.draw() for _ in range(500))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(drawn)) == 2000


def test_the_lock_is_held_for_each_change():
    class Watched:
        held = 0

        def __enter__(self) -> None:
            self.held += 1

        def __exit__(self, *_: object) -> None:
            pass

    lock = Watched()
    store = MemoryCounterStore(lock=lock)
    store.lease(SENT, 1)
    store.skip_to(SENT, 5)
    store.accept(ACCEPTED, 5)
    assert lock.held == 3


def test_resynchronising_jumps_forward_within_bounds(store):
    counter = SendCounter(store, SENT, block=4)
    assert counter.draw() == 0
    assert counter.resynchronise(104, max_jump=100) == 100
    assert counter.draw() == 104
    with pytest.raises(SecurityError, match="a jump of 101: at most 100"):
        counter.resynchronise(108 + 101, max_jump=100)
    assert counter.draw() == 105


def test_resynchronising_never_goes_back(store):
    counter = SendCounter(store, SENT, block=4)
    drawn = [counter.draw() for _ in range(6)]
    for expected in (-1, 0, 3, 6, 7, 8):
        assert counter.resynchronise(expected, max_jump=0) == 0
        drawn.append(counter.draw())
    assert drawn == sorted(set(drawn))


@pytest.mark.parametrize(
    ("last", "value", "fresh"),
    [
        (None, 0, True),
        (None, 1, True),
        (None, END - 1, True),
        (None, END, False),
        (None, -1, False),
        (0, 0, False),
        (0, 1, True),
        (41, 40, False),
        (41, 41, False),
        (41, 42, True),
        (41, 1 << 31, True),
        (END - 2, END - 1, True),
        (END - 1, END - 1, False),
        (END - 1, END, False),
        (END - 1, 0, False),
    ],
)
def test_fresh_means_strictly_greater(store, last, value, fresh):
    counter = ReceiveCounter(store, ACCEPTED)
    if last is not None:
        counter.commit(last)
    expected = 0 if last is None else last + 1
    assert counter.expected == expected
    if fresh:
        counter.check(value)
        assert store.accepted(ACCEPTED) == last
        counter.commit(value)
        assert store.accepted(ACCEPTED) == value
    for refused in (counter.check, counter.commit):
        with pytest.raises(CounterError, match=f"invocation counter {value} refused") as refusal:
            refused(value)
        assert refusal.value.value == value
        assert refusal.value.expected == (value + 1 if fresh else expected)


@given(st.lists(st.integers(0, 30) | st.integers(END - 3, END + 3), max_size=20))
def test_accepted_numbers_rise(values):
    counter = ReceiveCounter(MemoryCounterStore(), ACCEPTED)
    taken: list[int] = []
    for value in values:
        assert counter.expected == (taken[-1] + 1 if taken else 0)
        with contextlib.suppress(CounterError):
            counter.commit(value)
            taken.append(value)
    assert taken == sorted(set(taken))
    assert END not in taken
    # what was refused was refused rightly
    assert all(any(kept >= value for kept in taken) or value >= END for value in set(values) - set(taken))


def test_what_was_passed_over_is_taken_once():
    counter = ReceiveCounter(MemoryCounterStore(), ACCEPTED)
    for value in (3, 7):
        counter.commit(value)
    for used in (0, 2, 3, 7, END):
        for refused in (counter.check_unused, counter.take):
            with pytest.raises(CounterError, match=f"counter {used} refused"):
                refused(used)
    for unused in (4, 5, 6, 8):
        counter.check_unused(unused)
    counter.take(5)
    for value in (4, 5, 6):
        with pytest.raises(CounterError):
            counter.take(value)
    assert counter.expected == 8
    counter.take(9)
    assert counter.expected == 10
    counter.take(8)
    with pytest.raises(CounterError):
        counter.take(8)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12)), max_size=12))
def test_no_number_is_taken_twice(steps):
    counter, used = ReceiveCounter(MemoryCounterStore(), ACCEPTED), set()
    for message, value in steps:
        with contextlib.suppress(CounterError):
            (counter.commit if message else counter.take)(value)
            assert value not in used
            used.add(value)


def crash(draws: int) -> Callable[[CounterStore], list[int]]:
    def run(store: CounterStore) -> list[int]:
        counter = SendCounter(store, SENT, block=5)
        return [counter.draw() for _ in range(draws)]

    return run


@given(st.lists(st.integers(0, 12), max_size=8))
def test_crashes_skip_and_never_repeat(runs):
    store, drawn = MemoryCounterStore(), []
    for draws in runs:
        drawn += crash(draws)(store)
    assert drawn == sorted(set(drawn))


def test_the_end_is_the_last_number_of_32_bits():
    assert END == 0xFFFFFFFF


def test_one_key_one_series():
    counters = Counters(MemoryCounterStore(), block=2, first=10)
    one, same = counters.sending(b"f", b"T"), counters.sending(b"f", b"T")
    assert [one.draw(), same.draw(), one.draw()] == [10, 11, 12]
    assert counters.sending(b"g", b"T").draw() == 10
    assert counters.sending(b"f", b"U").draw() == 10
    counters.receiving(b"f", b"T").commit(5)
    with pytest.raises(CounterError):
        counters.receiving(b"f", b"T").check(5)
    counters.receiving(b"f", b"U").check(5)
    counters.receiving(b"g", b"T").check(5)
    held = counters.receiving(b"f", b"T")
    held.commit(9)
    counters.receiving(b"f", b"T").take(7)
    with pytest.raises(CounterError):
        held.take(7)
    assert one.draw() == 13


def test_blocks_are_leased_as_asked():
    store = MemoryCounterStore()
    Counters(store, block=5).sending(b"g", b"T").draw()
    assert store.next_free(CounterName(b"g", Direction.SENT, b"T")) == 5
    Counters(store).sending(b"f", b"T").draw()
    assert store.next_free(CounterName(b"f", Direction.SENT, b"T")) == BLOCK == 64
