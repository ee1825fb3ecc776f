"""SET and ACTION: writing attributes, calling methods, in blocks where they are long.  Green Book, SET and ACTION services."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dlms import data as cosem_data
from dlms.apdu.action import (
    ActionRequestNextPblock,
    ActionRequestNormal,
    ActionRequestWithFirstPblock,
    ActionRequestWithPblock,
    ActionResponseNextPblock,
    ActionResponseNormal,
    ActionResponseWithPblock,
)
from dlms.apdu.attribute import CosemAttributeDescriptorWithSelection, CosemMethodDescriptor, SelectiveAccess
from dlms.apdu.set import (
    SetRequestNormal,
    SetRequestWithDatablock,
    SetRequestWithFirstDatablock,
    SetRequestWithList,
    SetRequestWithListAndFirstDatablock,
    SetResponseDatablock,
    SetResponseLastDatablock,
    SetResponseLastDatablockWithList,
    SetResponseNormal,
    SetResponseWithList,
)
from dlms.association import Negotiated
from dlms.axdr import encode_length
from dlms.codec import ABSENT, Record
from dlms.enums import AccessResult, Conformance
from dlms.errors import AccessError, RemoteProtocolError
from dlms.interface import AttributeRef, MethodRef, typed
from dlms.limits import MAX_TRANSFER
from dlms.operations import Operation, Request
from dlms.operations.outgoing import fits, send_blocks
from dlms.operations.read import accepted, descriptor

UNLIMITED = Negotiated()
"""Nothing is known of the peer: no limit of size, and no blocks."""

_MOST = 32
"""Attributes in one list: what every server takes."""

Assignment = tuple[AttributeRef[Any], Any]
"""What to write where."""


def set_value(
    ref: AttributeRef[Any], value: Any, access: SelectiveAccess | None = None, negotiated: Negotiated = UNLIMITED
) -> Operation[None]:
    """Write one attribute.  Raises LocalProtocolError for a wrong type, AccessError when the meter refuses."""
    held = typed(ref, value)
    request = SetRequestNormal(0, descriptor(ref), access, held)
    if fits(request, negotiated) or Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE not in negotiated.conformance:
        reply = yield Request(request, (SetResponseNormal,), read_only=False)
    else:
        reply = yield from send_blocks(
            cosem_data.encode(held),
            lambda block: SetRequestWithFirstDatablock(0, descriptor(ref), access, block),
            lambda block: SetRequestWithDatablock(0, block),
            SetResponseDatablock,
            (SetResponseLastDatablock, SetResponseNormal),
            negotiated,
        )
    result = reply.result if isinstance(reply, SetResponseNormal | SetResponseLastDatablock) else None
    if result != AccessResult.SUCCESS:
        raise AccessError(AccessResult.OTHER_REASON if result is None else result, ref)


def set_many(assignments: Sequence[Assignment], negotiated: Negotiated) -> Operation[list[AccessError | None]]:
    """Write several attributes, with-list where that was negotiated: None for each that was written, else the refusal."""
    held = [(ref, typed(ref, value)) for ref, value in assignments]
    outcomes: list[AccessError | None] = []
    for start in range(0, len(held), _MOST):
        part = held[start : start + _MOST]
        if _in_a_list(part, negotiated):
            outcomes += yield from _set_list(part, negotiated)
            continue
        for ref, value in part:
            try:
                yield from set_value(ref, value, None, negotiated)
                outcomes.append(None)
            except AccessError as refusal:
                outcomes.append(refusal)
    return outcomes


def _in_a_list(held: Sequence[Assignment], negotiated: Negotiated) -> bool:
    if len(held) < 2 or Conformance.MULTIPLE_REFERENCES not in negotiated.conformance:
        return False
    in_blocks = Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE in negotiated.conformance
    return in_blocks or fits(_list_request(held), negotiated)


def _list_request(held: Sequence[Assignment]) -> SetRequestWithList:
    descriptors = [CosemAttributeDescriptorWithSelection(descriptor(ref)) for ref, _ in held]
    return SetRequestWithList(0, descriptors, [value for _, value in held])


def _set_list(held: Sequence[Assignment], negotiated: Negotiated) -> Operation[list[AccessError | None]]:
    request = _list_request(held)
    descriptors, values = request.descriptors, request.values
    if fits(request, negotiated):
        reply = yield Request(request, (SetResponseWithList, SetResponseNormal), read_only=False)
    else:
        reply = yield from send_blocks(
            encode_length(len(values)) + b"".join(map(cosem_data.encode, values)),
            lambda block: SetRequestWithListAndFirstDatablock(0, descriptors, block),
            lambda block: SetRequestWithDatablock(0, block),
            SetResponseDatablock,
            (SetResponseLastDatablockWithList, SetResponseLastDatablock),
            negotiated,
        )
    results = _results(reply, len(held))
    return [
        None if r == AccessResult.SUCCESS else AccessError(r, ref) for r, (ref, _) in zip(results, held, strict=True)
    ]


def _results(reply: Record, count: int) -> Sequence[int]:
    """The results of a list; a single refusal stands for all."""
    if isinstance(reply, SetResponseWithList | SetResponseLastDatablockWithList):
        if len(reply.results) != count:
            raise RemoteProtocolError(f"{len(reply.results)} results for {count} attributes")
        return reply.results
    assert isinstance(reply, SetResponseNormal | SetResponseLastDatablock)
    if reply.result == AccessResult.SUCCESS:
        raise RemoteProtocolError(f"{reply.wire_name()} in answer to a list")
    return [reply.result] * count


def call(ref: MethodRef[Any], parameter: Any = ABSENT, negotiated: Negotiated = UNLIMITED) -> Operation[Any]:
    """Call one method; ABSENT sends integer 0 where its class is declared, and no parameter where it is not.

    Returns what the method returned, None for nothing.  Raises AccessError when the meter refuses.
    """
    method = CosemMethodDescriptor(ref.class_id, bytes(ref.instance), ref.index)
    if parameter is ABSENT:
        given = ABSENT if ref.method is None else typed(ref, 0)
    else:
        given = typed(ref, parameter)
    request = ActionRequestNormal(0, method, given)
    replies = (ActionResponseNormal, ActionResponseWithPblock)
    if fits(request, negotiated) or Conformance.BLOCK_TRANSFER_WITH_ACTION not in negotiated.conformance:
        reply = yield Request(request, replies, read_only=False)
    else:
        reply = yield from send_blocks(
            cosem_data.encode(given),
            lambda block: ActionRequestWithFirstPblock(0, method, block),
            lambda block: ActionRequestWithPblock(0, block),
            ActionResponseNextPblock,
            replies,
            negotiated,
        )
    if isinstance(reply, ActionResponseWithPblock):
        return cosem_data.decode((yield from _returned(reply, ref)))
    assert isinstance(reply, ActionResponseNormal)
    if reply.response.result != AccessResult.SUCCESS:
        raise AccessError(reply.response.result, ref)
    returned = reply.response.return_parameters
    return None if returned is ABSENT else accepted(returned, ref)


def _returned(reply: Record, ref: MethodRef[Any]) -> Operation[bytes]:
    """Collect long return parameters from their first block on.  The method has been carried out by then."""
    value, number = bytearray(), 0
    while True:
        number += 1
        if isinstance(reply, ActionResponseNormal):
            raise AccessError(reply.response.result, ref)
        assert isinstance(reply, ActionResponseWithPblock)
        block = reply.block
        if block.block_number != number or (not block.raw_data and not block.last_block):
            raise RemoteProtocolError(f"block {block.block_number} of {ref}, {number} was due")
        value += block.raw_data
        if len(value) > MAX_TRANSFER:
            raise RemoteProtocolError(f"{ref} returned more than {MAX_TRANSFER} octets")
        if block.last_block:
            return bytes(value)
        reply = yield Request(ActionRequestNextPblock(0, number), (ActionResponseWithPblock, ActionResponseNormal))
