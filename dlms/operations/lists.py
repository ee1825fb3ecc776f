"""Reading many attributes: with-list when that was negotiated, single reads otherwise, the same result either way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dlms.apdu.attribute import CosemAttributeDescriptorWithSelection
from dlms.apdu.get import GetRequestWithList, GetResponseNormal, GetResponseWithDatablock, GetResponseWithList
from dlms.association import Negotiated
from dlms.codec import Refusal, ResultOf, SequenceOf, decode_value
from dlms.enums import AccessResult, Conformance
from dlms.errors import AccessError, RemoteProtocolError
from dlms.interface import AttributeRef
from dlms.operations import Operation, Request
from dlms.operations.read import blocks, descriptor, get

_RESULTS = SequenceOf(ResultOf())
_HEADER = 4
_ELEMENT = 10
_MOST = 32
"""Attributes in one request: what the peer's PDU size allows, and no more than this."""


def get_many(refs: Sequence[AttributeRef[Any]], negotiated: Negotiated) -> Operation[list[Any]]:
    """The values in the order of `refs`; an AccessError stands where the meter refused one.

    A list that the meter refuses as a whole, such as one that is too long for its answer, is read one by one.
    """
    values: list[Any] = []
    for part in parts(refs, negotiated):
        if len(part) > 1:
            try:
                listed = yield from _get_list(part)
                for ref, value in zip(part, listed, strict=True):
                    # what found no room in the list may have room in an answer of its own
                    full = isinstance(value, AccessError) and value.result == AccessResult.DATA_BLOCK_UNAVAILABLE
                    values.append((yield from _get_one(ref)) if full else value)
                continue
            except AccessError:
                pass  # it says nothing about any of them
        for ref in part:
            values.append((yield from _get_one(ref)))
    return values


def parts(refs: Sequence[AttributeRef[Any]], negotiated: Negotiated) -> list[Sequence[AttributeRef[Any]]]:
    """Those that are asked for in one request: as many as fit where lists were negotiated, one by one where not."""
    fits = min(_MOST, ((negotiated.plain_send or 0xFFFF) - _HEADER) // _ELEMENT)
    size = max(1, fits) if Conformance.MULTIPLE_REFERENCES in negotiated.conformance else 1
    return [refs[start : start + size] for start in range(0, len(refs), size)]


def _get_one(ref: AttributeRef[Any]) -> Operation[Any]:
    try:
        return (yield from get(ref))
    except AccessError as refusal:
        return refusal


def _get_list(refs: Sequence[AttributeRef[Any]]) -> Operation[list[Any]]:
    elements = [CosemAttributeDescriptorWithSelection(descriptor(ref)) for ref in refs]
    replies = (GetResponseWithList, GetResponseWithDatablock, GetResponseNormal)
    reply = yield Request(GetRequestWithList(0, elements), replies)
    if isinstance(reply, GetResponseWithList):
        results = reply.results
    else:
        results = decode_value(_RESULTS, (yield from blocks(reply, f"a list of {len(refs)} attributes")))
    if len(results) != len(refs):
        raise RemoteProtocolError(f"{len(results)} results for {len(refs)} attributes")
    return [AccessError(r.result, ref) if isinstance(r, Refusal) else r for r, ref in zip(results, refs, strict=True)]
