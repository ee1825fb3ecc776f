"""GET on the server: one attribute, a list of them, and the blocks of a long answer.  Green Book, GET service."""

from __future__ import annotations

from dlms.apdu.attribute import CosemAttributeDescriptor, DataBlock, ResultBlock, SelectiveAccess
from dlms.apdu.get import (
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseListRaw,
    GetResponseNormal,
    GetResponseRaw,
    GetResponseWithDatablock,
)
from dlms.axdr import encode_length
from dlms.codec import Record, Refusal
from dlms.enums import AccessResult, Conformance
from dlms.errors import AccessError
from dlms.limits import MAX_LIST
from dlms.quirks import Quirk
from dlms.server.blocks import INVOKE_ID, Outgoing, room
from dlms.server.reach import Reach
from dlms.server.transfer import REFUSAL_SIZE, Payload, Result, Results, what_fits

_NORMAL_HEADER = 4
_LIST_HEADER = 3


class GetService:
    """Answers GET within `limit` octets an APDU."""

    def __init__(self, reach: Reach, limit: int) -> None:
        self._reach, self._limit = reach, limit
        long_length = Quirk.LONG_BLOCK_LENGTH in reach.context.device.quirks and room(limit, long_length=True) > 0
        self._room = room(limit, long_length=long_length)
        self._in_blocks = Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ in reach.context.negotiated.conformance
        self._outgoing = Outgoing()
        self._invoke_id = 0

    def stop(self) -> None:
        """End the long answer that is under way."""
        self._outgoing.stop()

    def normal(self, request: GetRequestNormal) -> Record:
        """One attribute, in blocks when it is too long for one APDU."""
        try:
            payload = self._reach.read(request.attribute, request.access)
            if payload.fits(self._limit - _NORMAL_HEADER):
                return GetResponseRaw(request.invoke, b"\x00" + payload.take(self._limit))
        except AccessError as refusal:
            return GetResponseNormal(request.invoke, Refusal(refusal.result))
        return self._begin(request.invoke, payload)

    def with_list(self, request: GetRequestWithList) -> Record:
        """Several attributes; a refused one does not stop the others, nor one that is too long where there are no blocks."""
        count = len(request.descriptors)
        header = encode_length(count)
        least = _LIST_HEADER + len(header) + REFUSAL_SIZE * count
        if count > MAX_LIST or (not self._in_blocks and least > self._limit):
            return GetResponseNormal(request.invoke, Refusal(int(AccessResult.OTHER_REASON)))
        results = [self._result(element.attribute, element.access) for element in request.descriptors]
        if not self._in_blocks:
            return GetResponseListRaw(request.invoke, what_fits(header, results, self._limit - _LIST_HEADER))
        whole = Results(header, results)
        if whole.fits(self._limit - _LIST_HEADER):
            return GetResponseListRaw(request.invoke, whole.take(self._limit))
        return self._begin(request.invoke, whole)

    def _result(self, attribute: CosemAttributeDescriptor, access: SelectiveAccess | None) -> Result:
        """One element of a list; a buffer whose first rows are gone is refused here."""
        try:
            payload = self._reach.read(attribute, access)
            payload.fits(0)
        except AccessError as refusal:
            return Refusal(refusal.result)
        return payload

    def next(self, request: GetRequestNext) -> Record:
        """The next block, when the number is that of the last one and the request the same; else the transfer ends."""
        if request.invoke & INVOKE_ID != self._invoke_id:
            self.stop()
        try:
            block = self._outgoing.follow(request.block_number, self._room)
        except AccessError as refusal:
            ended = ResultBlock(True, request.block_number, Refusal(refusal.result))
            return GetResponseWithDatablock(request.invoke, ended)
        return _response(request.invoke, block)

    def _begin(self, invoke: int, payload: Payload) -> Record:
        if not self._in_blocks:
            return GetResponseNormal(invoke, Refusal(int(AccessResult.DATA_BLOCK_UNAVAILABLE)))
        try:
            self._invoke_id = invoke & INVOKE_ID
            return _response(invoke, self._outgoing.begin(payload, self._room))
        except AccessError as refusal:
            return GetResponseNormal(invoke, Refusal(refusal.result))


def _response(invoke: int, block: DataBlock) -> Record:
    return GetResponseWithDatablock(invoke, ResultBlock(block.last_block, block.block_number, block.raw_data))
