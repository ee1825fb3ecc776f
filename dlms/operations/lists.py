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
_UNTOLD = object()
"""In the place of a value that must be asked for by itself."""


def get_many(refs: Sequence[AttributeRef[Any]], negotiated: Negotiated) -> Operation[list[Any]]:
    """The values in the order of `refs`; an AccessError stands where the meter refused one.

    A list that the meter refuses as a whole, and what found no room in the answer to one, is read one by one.
    """
    values: list[Any] = []
    for part in parts(refs, negotiated):
        listed = (yield from _get_list(part)) if len(part) > 1 else [_UNTOLD]
        for ref, value in zip(part, listed, strict=True):
            values.append((yield from _get_one(ref)) if value is _UNTOLD else value)
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
    """The values of a list, `_UNTOLD` where the answer says nothing about one."""
    elements = [CosemAttributeDescriptorWithSelection(descriptor(ref)) for ref in refs]
    replies = (GetResponseWithList, GetResponseWithDatablock, GetResponseNormal)
    reply = yield Request(GetRequestWithList(0, elements), replies)
    if isinstance(reply, GetResponseWithList):
        results = reply.results
    else:
        try:
            encoded = yield from blocks(reply, f"a list of {len(refs)} attributes")
        except AccessError:
            return [_UNTOLD] * len(refs)
        results = decode_value(_RESULTS, encoded)
    if len(results) != len(refs):
        raise RemoteProtocolError(f"{len(results)} results for {len(refs)} attributes")
    return [_told(result, ref) for result, ref in zip(results, refs, strict=True)]


def _told(result: Any, ref: AttributeRef[Any]) -> Any:
    if not isinstance(result, Refusal):
        return result
    return _UNTOLD if result.result == AccessResult.DATA_BLOCK_UNAVAILABLE else AccessError(result.result, ref)
