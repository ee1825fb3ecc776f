"""A request whose data do not fit in one APDU: what goes in the first block, what in those after it.  Green Book, blocks."""

from __future__ import annotations

from collections.abc import Callable

from dlms.apdu.attribute import DataBlock
from dlms.association import Negotiated
from dlms.codec import Record, encode
from dlms.errors import LocalProtocolError, OutcomeUnknown, RemoteProtocolError
from dlms.limits import MAX_APDU, MAX_TRANSFER
from dlms.operations import Operation, Request

_LENGTH = 3
"""Octets that the length of a block's data takes at most; blocks are shorter than 64 KiB."""


def fits(request: Record, negotiated: Negotiated) -> bool:
    """Whether a request fits in one APDU."""
    return len(encode(request)) <= (negotiated.plain_send or MAX_APDU)


def send_blocks(
    payload: bytes,
    first: Callable[[DataBlock], Record],
    further: Callable[[DataBlock], Record],
    acknowledgement: type[Record],
    final: tuple[type[Record], ...],
    negotiated: Negotiated,
) -> Operation[Record]:
    """Send `payload` in blocks: `first` and `further` make the APDU around a block.  Returns the reply to the last one.

    Raises LocalProtocolError when the peer's PDU size leaves no room for data, RemoteProtocolError when it acknowledges
    another block than the one that was sent.
    """

    def acknowledged(reply: Record) -> int | None:
        return None if isinstance(reply, final) else getattr(reply, "block_number", 0)

    return exchange_blocks(payload, first, further, (acknowledgement, *final), acknowledged, negotiated)


def exchange_blocks(
    payload: bytes,
    first: Callable[[DataBlock], Record],
    further: Callable[[DataBlock], Record],
    replies: tuple[type[Record], ...],
    acknowledged: Callable[[Record], int | None],
    negotiated: Negotiated,
    *,
    read_only: bool = False,
) -> Operation[Record]:
    """`send_blocks` where what a reply holds tells its meaning: the block that it acknowledges, None when it is final."""
    if len(payload) > MAX_TRANSFER:
        raise LocalProtocolError(f"a value of {len(payload)} octets, {MAX_TRANSFER} at most")
    limit = negotiated.plain_send or MAX_APDU
    number, pos, make = 0, 0, first
    while True:
        room = limit - len(encode(make(DataBlock(False, 0, b"")))) - _LENGTH + 1
        if room < 1:
            raise LocalProtocolError(f"no room for data in APDUs of {limit} octets")
        number += 1
        piece = payload[pos : pos + room]
        pos += len(piece)
        last = pos >= len(payload)
        request = make(DataBlock(last, number, piece))
        reply = yield Request(request, replies, read_only)
        answered = acknowledged(reply)
        if answered is None:
            _check_final(reply, number, last)
            return reply
        if last or answered != number:
            raise RemoteProtocolError(f"{reply.wire_name()} does not answer block {number}")
        make = further


def _check_final(reply: Record, number: int, last: bool) -> None:
    """A final answer belongs to the block that was sent, and before the last block it can only be a refusal.

    Raises OutcomeUnknown otherwise: what the peer did with the part that it has is not known.
    """
    if getattr(reply, "block_number", number) != number:
        raise OutcomeUnknown(f"{reply.wire_name()} answers another block than {number}")
    if not last and not _refuses(reply):
        raise OutcomeUnknown(f"{reply.wire_name()} after block {number}, which was not the last")


def _refuses(reply: Record) -> bool:
    """Whether a final answer says no, to all of a list."""
    results = getattr(reply, "results", None)
    if results is not None:
        return all(_code(one) for one in results)
    return bool(_code(getattr(reply, "response", reply)))


def _code(outcome: object) -> int:
    """The result code of an outcome, in whichever form a service writes it; 0 is success."""
    if isinstance(outcome, int):
        return outcome
    return int(getattr(outcome, "data_access_result", 0) or getattr(outcome, "result", 0))
