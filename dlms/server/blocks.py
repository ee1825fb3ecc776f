"""Long values in blocks, as the services move them: what goes out piece by piece, what comes in, and how long it may be."""

from __future__ import annotations

import dataclasses
from typing import Generic, Protocol, TypeVar

from dlms.apdu.attribute import DataBlock
from dlms.association import NOTHING, Negotiated
from dlms.enums import AccessResult, ActionCode, Conformance
from dlms.errors import AccessError
from dlms.general_block import HEADER
from dlms.limits import MAX_APDU, MAX_BLOCKS, MAX_TRANSFER
from dlms.server.transfer import Payload

INVOKE_ID = 0x0F
_AROUND = 9
"""Octets of an APDU with a block, without the length and the data: tag, choice, invoke, last, number, result choice."""
LEAST_ANSWER = 8
"""Octets of the longest answer that says no more than how one request went: to the last block of a SET."""
_LENGTHS = ((1, 0x7F), (2, 0xFF), (3, 0xFFFF))
"""(octets of a length, the most that it says)."""


def answer_limit(negotiated: Negotiated, blocks: Conformance = NOTHING) -> int:
    """Octets of the longest answer that the client can be told, before protection.

    `blocks` are those of the service itself.  With them an answer is cut at one APDU; without, general blocks carry as much
    as a transfer may have.
    """
    size = negotiated.max_send or MAX_APDU
    if Conformance.GENERAL_BLOCK_TRANSFER in negotiated.conformance:
        whole = min(MAX_TRANSFER, MAX_BLOCKS * (size - HEADER))
        size = min(MAX_APDU, whole) if blocks & negotiated.conformance else whole
    return max(0, size - negotiated.overhead)


def room(limit: int, *, around: int = _AROUND, long_length: bool = False) -> int:
    """Octets of data in an APDU of `limit` octets; with `long_length` their length always takes three.  May be negative.

    `around` are the octets of the APDU without the length and the data.
    """
    forms = _LENGTHS[-1:] if long_length else _LENGTHS
    return max(min(limit - around - size, most) for size, most in forms)


@dataclasses.dataclass(frozen=True, slots=True)
class Codes:
    """What a service says when a transfer in blocks goes wrong."""

    aborted: int
    none_in_progress: int
    wrong_number: int


GET = Codes(AccessResult.LONG_GET_ABORTED, AccessResult.NO_LONG_GET_IN_PROGRESS, AccessResult.DATA_BLOCK_NUMBER_INVALID)
SET = Codes(AccessResult.LONG_SET_ABORTED, AccessResult.NO_LONG_SET_IN_PROGRESS, AccessResult.DATA_BLOCK_NUMBER_INVALID)
ACTION = Codes(ActionCode.LONG_ACTION_ABORTED, ActionCode.NO_LONG_ACTION_IN_PROGRESS, ActionCode.LONG_ACTION_ABORTED)


class WithBlock(Protocol):
    """A request that carries a block."""

    @property
    def block(self) -> DataBlock: ...


T = TypeVar("T", bound=WithBlock)


class Outgoing:
    """The long answer that is under way, if any.  `codes` are those of its service."""

    def __init__(self, codes: Codes = GET) -> None:
        self._codes = codes
        self._payload: Payload | None = None
        self._number = 0

    def begin(self, payload: Payload, room: int) -> DataBlock:
        """The first block, with at most `room` octets of data.

        Raises AccessError when the rows are gone, and when there is no room for any data.
        """
        self._payload, self._number = payload, 0
        return self._next(room)

    def follow(self, number: int, room: int) -> DataBlock:
        """The block behind `number`, which must be the last one sent.  Raises AccessError and ends the transfer otherwise."""
        if self._payload is None:
            raise AccessError(self._codes.none_in_progress)
        if number != self._number:
            self.stop()
            raise AccessError(self._codes.wrong_number)
        return self._next(room)

    def stop(self) -> None:
        """Forget what is left."""
        self._payload = None

    def _next(self, room: int) -> DataBlock:
        payload = self._payload
        assert payload is not None
        if room < 1:
            raise AccessError(AccessResult.DATA_BLOCK_UNAVAILABLE)
        self._payload = None  # a refusal while the rows are encoded ends the transfer
        piece = payload.take(room)
        self._number += 1
        if payload.fits(0):
            return DataBlock(True, self._number, piece)
        self._payload = payload
        return DataBlock(False, self._number, piece)


@dataclasses.dataclass(frozen=True, slots=True)
class Whole(Generic[T]):
    """A long request that is complete: the request that began it, and all its data."""

    first: T
    data: bytes


class Incoming(Generic[T]):
    """The long request that is under way, if any; its blocks are the `block` of each request.

    `codes` are those of its service.
    """

    def __init__(self, codes: Codes = SET) -> None:
        self._codes = codes
        self._first: T | None = None
        self._invoke = 0
        self._data = bytearray()
        self._number = 0

    def begin(self, request: T, invoke: int = 0) -> Whole[T] | None:
        """Take the first block.  None when more must come.  Raises AccessError."""
        self.stop()
        self._first, self._invoke = request, invoke & INVOKE_ID
        return self._add(request, request.block)

    def follow(self, block: DataBlock, invoke: int = 0) -> Whole[T] | None:
        """Take a further block.  None when more must come.  Raises AccessError and ends the transfer.

        One with another invoke-id belongs to another request: a datagram that came late must not mix two values.
        """
        if self._first is None or invoke & INVOKE_ID != self._invoke:
            self.stop()
            raise AccessError(self._codes.none_in_progress)
        return self._add(self._first, block)

    def stop(self) -> None:
        """Forget what has come."""
        self._first, self._number = None, 0
        self._data.clear()

    def _add(self, first: T, block: DataBlock) -> Whole[T] | None:
        self._number += 1
        if block.block_number != self._number:
            self.stop()
            raise AccessError(self._codes.wrong_number)
        if len(self._data) + len(block.raw_data) > MAX_TRANSFER or not (block.raw_data or block.last_block):
            self.stop()
            raise AccessError(self._codes.aborted)
        self._data += block.raw_data
        if not block.last_block:
            return None
        whole = Whole(first, bytes(self._data))
        self.stop()
        return whole
