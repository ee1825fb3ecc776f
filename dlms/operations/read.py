"""GET: one attribute, with block transfer and selective access.  Green Book, GET service."""

from __future__ import annotations

from typing import Any

from dlms import data as cosem_data
from dlms.apdu.attribute import CosemAttributeDescriptor, ResultBlock, SelectiveAccess
from dlms.apdu.get import (
    GetRequestNext,
    GetRequestNormal,
    GetResponseNormal,
    GetResponseRaw,
    GetResponseWithDatablock,
)
from dlms.codec import Record, Refusal
from dlms.errors import AccessError, DecodeError, RemoteProtocolError
from dlms.interface import AttributeRef
from dlms.limits import MAX_BLOCKS, MAX_TRANSFER
from dlms.operations import Operation, Request


def descriptor(ref: AttributeRef[Any]) -> CosemAttributeDescriptor:
    """The wire form of an attribute reference."""
    return CosemAttributeDescriptor(ref.class_id, bytes(ref.instance), ref.index)


def get(ref: AttributeRef[Any], access: SelectiveAccess | None = None) -> Operation[Any]:
    """Read one attribute.  Raises AccessError when the meter refuses it."""
    reply = yield Request(GetRequestNormal(0, descriptor(ref), access), (GetResponseNormal, GetResponseWithDatablock))
    if isinstance(reply, GetResponseNormal):
        return accepted(reply.result, ref)
    return cosem_data.decode((yield from blocks(reply, ref)))


def get_encoded(ref: AttributeRef[Any], access: SelectiveAccess | None = None) -> Operation[bytes]:
    """Read one attribute and leave its Data encoded, for values that are decoded by columns."""
    reply = yield Request(GetRequestNormal(0, descriptor(ref), access), (GetResponseRaw, GetResponseWithDatablock))
    if not isinstance(reply, GetResponseRaw):
        return (yield from blocks(reply, ref))
    choice = reply.result[:1]
    if choice == b"\x01" and len(reply.result) == 2:
        raise AccessError(reply.result[1], ref)
    if choice != b"\x00":
        raise DecodeError("neither data [0] nor data-access-result [1]", reply.result, 0)
    return reply.result[1:]


def accepted(result: Any, ref: object) -> Any:
    """The value of a result.  Raises AccessError when it is a refusal."""
    if isinstance(result, Refusal):
        raise AccessError(result.result, ref)
    return result


def blocks(reply: Record, ref: object) -> Operation[bytes]:
    """Collect a long answer from its first block on.

    Raises RemoteProtocolError for a block out of order, without content, or beyond the limit; the association stays usable.
    """
    value, number = bytearray(), 0
    while isinstance(reply, GetResponseWithDatablock):
        block: ResultBlock = reply.block
        number += 1
        octets = accepted(block.result, ref)
        if block.block_number != number:
            raise RemoteProtocolError(f"block {block.block_number} of {ref}, {number} was due")
        if not octets and not block.last_block:
            raise RemoteProtocolError(f"block {number} of {ref} is empty")
        value += octets
        if len(value) > MAX_TRANSFER or number > MAX_BLOCKS:
            raise RemoteProtocolError(f"{ref} is longer than {MAX_TRANSFER} octets or {MAX_BLOCKS} blocks")
        if block.last_block:
            break
        reply = yield Request(GetRequestNext(0, number), (GetResponseWithDatablock, GetResponseNormal))
    else:
        raise AccessError(_refused_block(reply), ref)
    return bytes(value)


def _refused_block(reply: Record) -> int:
    if isinstance(reply, GetResponseNormal) and isinstance(reply.result, Refusal):
        return reply.result.result
    raise RemoteProtocolError(f"{reply.wire_name()} where a block was due")
