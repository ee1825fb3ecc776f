"""Invocation counters: one series for each key and direction, strictly rising, never repeated, never wrapping.

A nonce that is used twice under one key gives that key's authentication away, so numbers are leased from a store in
blocks, and a lease is durable before its first number is used: a crash skips numbers and repeats none.  A received
counter is checked before any cryptography and committed only after the tag was verified.
"""

from __future__ import annotations

import contextlib
import enum
import operator
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

from dlms.errors import LocalProtocolError, SecurityError

END = 0xFFFF_FFFF
"""The number that is never used: one that reaches it has to change the key.  Green Book, invocation counter."""

BLOCK = 64
"""Numbers leased at a time, and so the most that one crash skips."""


class CounterExhaustedError(LocalProtocolError):
    """Every number of this key is used up: only a new key helps."""


class CounterError(SecurityError):
    """A received invocation counter that is not greater than the last accepted one: repeated, or from the past.

    `expected` is the lowest number that would be accepted, as an exception-response reports it.
    """

    def __init__(self, value: int, expected: int) -> None:
        super().__init__(f"invocation counter {value} refused: at least {expected} expected, below {END}")
        self.value, self.expected = value, expected


class Direction(enum.StrEnum):
    """Whose numbers they are."""

    SENT = "sent"
    ACCEPTED = "accepted"

    __hash__ = str.__hash__
    """Names of series are looked up with every message; that of `enum` is not in C."""


class CounterName(NamedTuple):
    """Which series: a key by its fingerprint, a direction, and the originator's system title.

    Two associations, or the unicast and the broadcast set, that hold the same key share its series.
    """

    fingerprint: bytes
    direction: Direction
    system_title: bytes


class CounterStore(Protocol):
    """Where counters live.  Each change is durable, as far as the store promises it, before the call returns."""

    def lease(self, name: CounterName, count: int, first: int = 0) -> range:
        """Up to `count` numbers, at least one, that nobody got before; `first` starts a series not seen yet.

        Raises CounterExhaustedError when none is left, LocalProtocolError when they cannot be kept.
        """
        ...

    def skip_to(self, name: CounterName, value: int) -> int:
        """Lets the next lease start at `value` at the lowest; never goes back.  Gives how far it moved."""
        ...

    def next_free(self, name: CounterName) -> int:
        """Where the next lease starts; 0 for a series not seen yet."""
        ...

    def accepted(self, name: CounterName) -> int | None:
        """The last number accepted, None for a series not seen yet."""
        ...

    def series(self) -> dict[CounterName, int]:
        """Every series: where the next lease starts, or the last number accepted."""
        ...

    def accept(self, name: CounterName, value: int) -> None:
        """Keeps `value` as the last accepted.  Raises CounterError when it is not greater than the one kept."""
        ...


class MemoryCounterStore:
    """Counters that end with the process: for dedicated keys, for tests, for emulated meters.

    A key that outlives the process needs `dlms.security.store`.  Threads that share a store give it a `lock`.
    """

    def __init__(self, *, lock: AbstractContextManager[Any] | None = None) -> None:
        self._lock = contextlib.nullcontext() if lock is None else lock
        self._values: dict[CounterName, int] = {}

    def lease(self, name: CounterName, count: int, first: int = 0) -> range:
        """Up to `count` numbers that nobody got before.  Raises CounterExhaustedError."""
        with self._lock:
            numbers = leased(self._values.get(name, first), count)
            self._keep(name, numbers.stop)
            return numbers

    def skip_to(self, name: CounterName, value: int) -> int:
        """Moves a series forward; gives how far.  Raises CounterExhaustedError beyond the last number."""
        with self._lock:
            before = self.next_free(name)
            if value <= before:
                return 0
            self._keep(name, leased(value, 1).start)
            return value - before

    def next_free(self, name: CounterName) -> int:
        """Where the next lease starts; 0 for a series not seen yet."""
        return self._values.get(name, 0)

    def accepted(self, name: CounterName) -> int | None:
        """The last number accepted, None for a series not seen yet."""
        return self._values.get(name)

    def series(self) -> dict[CounterName, int]:
        """Every series: where the next lease starts, or the last number accepted."""
        return dict(self._values)

    def accept(self, name: CounterName, value: int) -> None:
        """Keeps `value` as the last accepted.  Raises CounterError when it is not greater."""
        with self._lock:
            check_fresh(value, self.accepted(name))
            self._keep(name, value)

    def _keep(self, name: CounterName, value: int) -> None:
        """One change; a store that outlives the process writes it down first."""
        self._values[name] = value


def leased(start: int, count: int) -> range:
    """The numbers of one lease: `count` of them, fewer at the end of the series.  Raises CounterExhaustedError."""
    if count < 1 or start < 0:
        raise LocalProtocolError(f"a lease of {count} numbers from {start} makes no sense")
    if start >= END:
        raise CounterExhaustedError("every invocation counter of this key is used up: change the key")
    return range(start, min(start + count, END))


def check_fresh(value: int, last: int | None) -> None:
    """Refuses a number that is not greater than the last, or that is the end of the series.  Raises CounterError."""
    expected = 0 if last is None else last + 1
    if not expected <= value < END:
        raise CounterError(value, expected)


class SendCounter:
    """Draws numbers for what we send under one key."""

    def __init__(self, store: CounterStore, name: CounterName, *, block: int = BLOCK, first: int = 0) -> None:
        self._store, self._name, self._block, self._first = store, name, block, first
        self._lease: Iterator[int] = iter(())

    def draw(self) -> int:
        """A number that was never drawn before.  Raises CounterExhaustedError, LocalProtocolError of the store."""
        while True:
            for number in self._lease:  # one step of a range iterator is atomic: two threads never get the same one
                return number
            self._lease = iter(self._store.lease(self._name, self._block, self._first))

    def ready(self) -> None:
        """Makes sure of a number before something is done that cannot be undone.  Raises what `draw` raises."""
        if not operator.length_hint(self._lease):
            self._lease = iter(self._store.lease(self._name, self._block, self._first))

    def resynchronise(self, expected: int, *, max_jump: int) -> int:
        """Goes forward to the number that the peer expects, and gives how far that was; never goes back.

        The peer's word is not authenticated, so a jump wears the key out at an attacker's will: it is the caller
        who asks for it, and `max_jump` bounds it.  Raises SecurityError beyond that.
        """
        jump = expected - self._store.next_free(self._name)
        if jump > max_jump:
            raise SecurityError(f"the peer expects invocation counter {expected}, a jump of {jump}: at most {max_jump}")
        self._lease = iter(())
        return self._store.skip_to(self._name, expected)


class ReceiveCounter:
    """Judges the numbers of what we receive under one key: `check`, then verify the tag, then `commit`.

    A proof of HLS GMAC is drawn before the message that carries it and judged after it: `take` lets in one number that
    the message passed over, once.
    """

    def __init__(self, store: CounterStore, name: CounterName) -> None:
        self._store, self._name = store, name
        self._passed_over = range(0)

    @property
    def expected(self) -> int:
        """The lowest number that would be accepted now."""
        last = self._store.accepted(self._name)
        return 0 if last is None else last + 1

    def check(self, value: int) -> None:
        """Refuses a number that is not fresh and changes nothing.  Raises CounterError."""
        check_fresh(value, self._store.accepted(self._name))

    def commit(self, value: int) -> None:
        """Keeps the number of a message whose tag was verified.  Raises CounterError when it is not fresh any more."""
        first = self.expected
        self._store.accept(self._name, value)
        self._passed_over = range(first, value)

    def check_unused(self, value: int) -> None:
        """Refuses a number that is neither fresh nor passed over by the last one: it was used.  Raises CounterError."""
        if value not in self._passed_over:
            self.check(value)

    def take(self, value: int) -> None:
        """Uses up a number that `check_unused` lets in.  Raises CounterError for any other."""
        self.check_unused(value)
        if value in self._passed_over:
            self._passed_over = range(0)
        else:
            self.commit(value)


class Counters:
    """The counters of one store; one for each name and direction, so that associations with one key share it."""

    def __init__(self, store: CounterStore, *, block: int = BLOCK, first: int = 0) -> None:
        self._store, self._block, self._first = store, block, first
        self._sending: dict[CounterName, SendCounter] = {}
        # what a stranger claims to be is forgotten with its association
        self._receiving: weakref.WeakValueDictionary[CounterName, ReceiveCounter] = weakref.WeakValueDictionary()

    def sending(self, fingerprint: bytes, own_title: bytes) -> SendCounter:
        """Of what we send under this key with this system title."""
        name = CounterName(fingerprint, Direction.SENT, own_title)
        fresh = SendCounter(self._store, name, block=self._block, first=self._first)
        return self._sending.setdefault(name, fresh)

    def receiving(self, fingerprint: bytes, peer_title: bytes) -> ReceiveCounter:
        """Of what this peer sends under this key.  What was accepted is the store's; what was passed over is forgotten."""
        name = CounterName(fingerprint, Direction.ACCEPTED, peer_title)
        counter = self._receiving.get(name)
        return self._receiving.setdefault(name, ReceiveCounter(self._store, name)) if counter is None else counter

    def last_accepted(self, fingerprint: bytes) -> int | None:
        """The highest number accepted under this key from whoever has it, None while there was none."""
        series = self._store.series().items()
        found = (value for name, value in series if name[:2] == (fingerprint, Direction.ACCEPTED))
        return max(found, default=None)
