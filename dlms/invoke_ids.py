"""Invoke-ids: the number of a request, and what its octet says of class and priority.  Green Book, Invoke-Id-And-Priority."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

from dlms import apdu as services
from dlms.codec import Record
from dlms.limits import MAX_PARALLEL

CONFIRMED, HIGH_PRIORITY = 0x40, 0x80
INVOKE_IDS = 15
RESERVED = INVOKE_IDS - MAX_PARALLEL
"""Invoke-ids whose answer never came, the newest ones: they are not used again, for it may still come.

As many are there for further tries of what is under way: each of `MAX_PARALLEL` requests then still has one of its own.
"""
REMEMBERED = INVOKE_IDS * 2 // 3
"""Requests after which one is forgotten that changes something.  Less than a round of the invoke-ids, some of which is lost."""
LONG_INVOKE_ID = (1 << 24) - 1
LONG_CONFIRMED, LONG_HIGH_PRIORITY = 1 << 30, 1 << 31
CONTINUATIONS: tuple[type[Record], ...] = (
    services.GetRequestNext,
    services.SetRequestWithDatablock,
    services.ActionRequestNextPblock,
    services.ActionRequestWithPblock,
)
"""Requests that go on with the invoke-id of the one before."""


_NUMBERED = frozenset(b"\xc0\xc1\xc3\xc4\xc5\xc7")
"""The tags of GET, SET and ACTION, requests too: one that comes from a meter answers all the same, and wrongly."""


_CHANGING = frozenset(b"\xc1\xc3")
"""The tags of SET and ACTION."""


class InvokeIds:
    """Gives every request of an association its number: 1 to 15 in turn, 24 bits for ACCESS.

    Where APDUs come twice, what changes something does not get a number that it had lately: a server could not tell it from
    a copy.
    """

    def __init__(self, *, doubled: bool = False) -> None:
        self._doubled = doubled
        self._last = self._last_long = 0
        self._reserved: deque[int | None] = deque(maxlen=RESERVED)
        self._changed: dict[int, int] = {}
        """Invoke-id -> the hash of the last request with it that changes something."""

    def reserve(self, numbers: Iterable[int | None]) -> None:
        """These were not answered: they are not given again soon."""
        self._reserved.extend(numbers)

    def put(
        self, apdu: Record, data: bytes, kept: int | None, busy: Collection[int | None], *, confirmed: bool, high: bool
    ) -> tuple[bytes, int | None]:
        """The encoded request with its number in place, and that number (None where there is none).

        `kept` is the number that a request goes on with which goes on with the one before; those in `busy` are in use.
        """
        if apdu.layout[:1] and apdu.layout[0][0] == "invoke":
            if kept is not None and isinstance(apdu, CONTINUATIONS):
                number = kept
            elif self._doubled and data[0] in _CHANGING:
                number = self._next_for(hash(data), busy)
            else:
                number = self._next(busy)
            octet = (HIGH_PRIORITY if high else 0) | (CONFIRMED if confirmed else 0) | number
            return data[:2] + bytes((octet,)) + data[3:], number
        if isinstance(apdu, services.AccessRequest):
            self._last_long = self._last_long % LONG_INVOKE_ID + 1
            word = apdu.long_invoke_id_and_priority | (LONG_CONFIRMED if confirmed else 0) | self._last_long
            word |= LONG_HIGH_PRIORITY if high else 0
            return data[:1] + word.to_bytes(4, "big") + data[5:], self._last_long
        return data, None

    def _next(self, busy: Collection[int | None], request: int | None = None) -> int:
        """The next one that is free, and was not the last one of `request`; else the one that was unanswered longest ago."""
        number = self._last
        for _ in range(INVOKE_IDS):
            number = number % INVOKE_IDS + 1
            if number in self._reserved or number in busy:
                continue
            if request is None or self._changed.get(number) != request:
                self._last = number
                return number
        self._last = next((one for one in self._reserved if one not in busy), None) or self._last % INVOKE_IDS + 1
        return self._last

    def _next_for(self, request: int, busy: Collection[int | None]) -> int:
        """The next one for a request that changes something, whose hash with no number in place is `request`."""
        number = self._next(busy, request)
        self._changed.pop(number, None)
        self._changed[number] = request
        if len(self._changed) > REMEMBERED:
            del self._changed[next(iter(self._changed))]
        return number


def answered(data: bytes, to: Record) -> int | None:
    """The number in an encoded answer, where it has one of the kind that the request `to` goes out with."""
    in_access = isinstance(to, services.AccessRequest)
    if data[:1] == services.AccessResponse.prefix:
        return int.from_bytes(data[1:5], "big") & LONG_INVOKE_ID if in_access else None
    return data[2] & 0x0F if len(data) > 2 and data[0] in _NUMBERED and not in_access else None
