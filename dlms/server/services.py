"""The services of one association with logical names, by kind of request.

Which services were negotiated has been checked before.  A request other than the next block of a transfer ends that
transfer, in either direction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dlms.apdu import action, get
from dlms.apdu import set as set_
from dlms.apdu.access import AccessRequest
from dlms.association import NOTHING
from dlms.codec import Record, Refusal, encode
from dlms.enums import Conformance
from dlms.errors import LocalProtocolError, RemoteProtocolError
from dlms.quirks import Quirk
from dlms.server.access_service import AccessService
from dlms.server.action_service import ActionService
from dlms.server.blocks import LEAST_ANSWER, answer_limit
from dlms.server.get_service import GetService
from dlms.server.objects import Context
from dlms.server.reach import Reach
from dlms.server.refusals import AnswerTooLong
from dlms.server.set_service import SetService

_GOES_ON = (
    get.GetRequestNext,
    set_.SetRequestWithDatablock,
    action.ActionRequestNextPblock,
    action.ActionRequestWithPblock,
)


class Services:
    """Answers the requests of one association.  `frame_capacity` bounds answers where the meter keeps to one frame."""

    def __init__(self, context: Context, frame_capacity: int | None) -> None:
        self.context = context
        self.reach = reach = Reach(context)

        def limit(blocks: Conformance) -> int:
            return _limit(context, frame_capacity, blocks)

        self._limit, self._most = limit(Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ), limit(NOTHING)
        get_service = GetService(reach, self._limit)
        set_service = SetService(reach, self._most)
        action_service = ActionService(reach, limit(Conformance.BLOCK_TRANSFER_WITH_ACTION))
        self._stop = (get_service.stop, set_service.stop, action_service.stop)
        self._serve: dict[type[Record], Callable[[Any], Record | None]] = {
            get.GetRequestNormal: get_service.normal,
            get.GetRequestNext: get_service.next,
            get.GetRequestWithList: get_service.with_list,
            set_.SetRequestNormal: set_service.normal,
            set_.SetRequestWithList: set_service.with_list,
            set_.SetRequestWithFirstDatablock: set_service.first,
            set_.SetRequestWithListAndFirstDatablock: set_service.first,
            set_.SetRequestWithDatablock: set_service.block,
            action.ActionRequestNormal: action_service.normal,
            action.ActionRequestWithList: action_service.with_list,
            action.ActionRequestWithFirstPblock: action_service.first,
            action.ActionRequestWithListAndFirstPblock: action_service.first,
            action.ActionRequestWithPblock: action_service.block,
            action.ActionRequestNextPblock: action_service.next,
            AccessRequest: AccessService(reach, self._most).access,
        }

    def answer(self, request: Record) -> Record | None:
        """The response to a request, None when none is due.

        Raises RemoteProtocolError for a service that this server does not have, AnswerTooLong where the client could not be
        told how it went.
        """
        if self._most < LEAST_ANSWER:
            raise AnswerTooLong(f"no answer has room in {self._most} octets")
        serve = self._serve.get(type(request))
        if serve is None:
            raise RemoteProtocolError(f"{request.wire_name()} is not served")
        if not isinstance(request, _GOES_ON):
            for stop in self._stop:
                stop()
        return serve(request)

    def encode(self, reply: Record) -> bytes:
        """The bytes of a response, with the block lengths that the meter writes."""
        if isinstance(reply, get.GetResponseWithDatablock) and Quirk.LONG_BLOCK_LENGTH in self.context.device.quirks:
            written = _with_long_length(reply)
            if len(written) <= self._limit:
                return written
        return encode(reply)


def _limit(context: Context, frame_capacity: int | None, blocks: Conformance) -> int:
    limit = answer_limit(context.negotiated, blocks)
    general = Conformance.GENERAL_BLOCK_TRANSFER in context.negotiated.conformance
    if frame_capacity is not None and not general and Quirk.WHOLE_ROW_BLOCKS in context.device.quirks:
        return min(limit, frame_capacity)
    return limit


def _with_long_length(reply: get.GetResponseWithDatablock) -> bytes:
    """The octets of a block whose length takes three octets, however short it is."""
    block = reply.block
    if isinstance(block.result, Refusal):
        return encode(reply)
    octets: bytes = block.result
    if len(octets) > 0xFFFF:
        raise LocalProtocolError(f"a block of {len(octets)} octets does not fit in a length of two")
    head = bytes((*reply.prefix, reply.invoke, bool(block.last_block))) + block.block_number.to_bytes(4, "big")
    return head + b"\x00\x82" + len(octets).to_bytes(2, "big") + octets
