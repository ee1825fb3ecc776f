"""ACTION on the server: one method, a list of them, and long parameters and results in blocks.  Green Book, ACTION service.

What a block of a single long answer carries is the returned Data alone, as in GET; of a list, the list of results.

How much a method returns is known only when it has been carried out.  Where blocks are not there to carry it, the outcome is
told all the same: what has no room is replaced by the data-access-result data-block-unavailable behind the action's result.
A list for which even that has no room is refused before anything is called (AnswerTooLong).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dlms import data as cosem_data
from dlms.apdu.action import (
    ActionRequestNextPblock,
    ActionRequestNormal,
    ActionRequestWithFirstPblock,
    ActionRequestWithList,
    ActionRequestWithListAndFirstPblock,
    ActionRequestWithPblock,
    ActionResponseNextPblock,
    ActionResponseNormal,
    ActionResponseWithList,
    ActionResponseWithPblock,
    ActionResult,
)
from dlms.apdu.attribute import CosemMethodDescriptor, DataBlock
from dlms.axdr import encode_length
from dlms.codec import ABSENT, DataValue, Nested, Record, Refusal, SequenceOf, decode_value, encode
from dlms.enums import AccessResult, ActionCode, Conformance
from dlms.errors import AccessError, DecodeError
from dlms.limits import MAX_LIST
from dlms.server.blocks import ACTION, INVOKE_ID, Incoming, Outgoing, Whole, room
from dlms.server.reach import Reach
from dlms.server.refusals import AnswerTooLong
from dlms.server.transfer import Encoded

First = ActionRequestWithFirstPblock | ActionRequestWithListAndFirstPblock
_VALUES = SequenceOf(DataValue())
_RESULTS = SequenceOf(Nested(ActionResult))
_CONFIRMED = 0x40
_LIST_HEADER = 3
_UNTOLD = Refusal(int(AccessResult.DATA_BLOCK_UNAVAILABLE))
_LEAST = len(encode(ActionResult(int(ActionCode.SUCCESS), _UNTOLD)))
"""Octets of the outcome of a method without what it returned."""


class ActionService:
    """Answers ACTION within `limit` octets an APDU.  A request of the unconfirmed service class is not answered."""

    def __init__(self, reach: Reach, limit: int) -> None:
        self._reach, self._limit = reach, limit
        negotiated = Conformance.BLOCK_TRANSFER_WITH_ACTION in reach.context.negotiated.conformance
        self._in_blocks = negotiated and room(limit) > 0
        self._invoke_id = 0
        self._incoming: Incoming[First] = Incoming(ACTION)
        self._outgoing = Outgoing(ACTION)

    def stop(self) -> None:
        """End what is under way in either direction."""
        self._incoming.stop()
        self._outgoing.stop()

    def normal(self, request: ActionRequestNormal) -> Record | None:
        """One method."""
        result = self._reach.call(request.method, request.parameters)
        return self._answer(request.invoke, result) if request.invoke & _CONFIRMED else None

    def with_list(self, request: ActionRequestWithList) -> Record | None:
        """Several methods; a refused one does not stop the others."""
        if request.invoke & _CONFIRMED:
            self._check_answer(len(request.descriptors))
        results = self._called(request.descriptors, request.parameters)
        return self._answer_list(request.invoke, results) if request.invoke & _CONFIRMED else None

    def first(self, request: First) -> Record:
        """The first block of long parameters."""
        if isinstance(request, ActionRequestWithListAndFirstPblock):
            self._check_answer(len(request.descriptors))
        try:
            return self._taken(request.invoke, request.block, self._incoming.begin(request, request.invoke))
        except AccessError as refusal:
            return ActionResponseNormal(request.invoke, ActionResult(int(refusal.result), ABSENT))

    def block(self, request: ActionRequestWithPblock) -> Record:
        """A further block of long parameters."""
        try:
            return self._taken(request.invoke, request.block, self._incoming.follow(request.block, request.invoke))
        except AccessError as refusal:
            return ActionResponseNormal(request.invoke, ActionResult(int(refusal.result), ABSENT))

    def next(self, request: ActionRequestNextPblock) -> Record:
        """The next block, when the number is that of the last one and the request the same; else the transfer ends."""
        if request.invoke & INVOKE_ID != self._invoke_id:
            self._outgoing.stop()
        try:
            block = self._outgoing.follow(request.block_number, room(self._limit))
        except AccessError as refusal:
            return ActionResponseNormal(request.invoke, ActionResult(int(refusal.result), ABSENT))
        return ActionResponseWithPblock(request.invoke, block)

    def _taken(self, invoke: int, block: DataBlock, whole: Whole[First] | None) -> Record:
        if whole is None:
            return ActionResponseNextPblock(invoke, block.block_number)
        first = whole.first
        try:
            if isinstance(first, ActionRequestWithFirstPblock):
                return self._answer(invoke, self._reach.call(first.method, cosem_data.decode(whole.data)))
            parameters = decode_value(_VALUES, whole.data)
        except DecodeError as fault:
            raise AccessError(ActionCode.TYPE_UNMATCHED) from fault
        return self._answer_list(invoke, self._called(first.descriptors, parameters))

    def _called(self, methods: Sequence[CosemMethodDescriptor], parameters: Sequence[Any]) -> list[ActionResult]:
        """The result of each.  Nothing is called when the lists do not belong together."""
        if len(methods) != len(parameters) or len(methods) > MAX_LIST:
            return [ActionResult(int(ActionCode.OTHER_REASON), ABSENT)] * len(methods)
        return [self._reach.call(method, one) for method, one in zip(methods, parameters, strict=True)]

    def _check_answer(self, count: int) -> None:
        """At least the outcome of every method of a list must have room."""
        size = _LIST_HEADER + len(encode_length(count)) + _LEAST * count
        if not self._in_blocks and size > self._limit:
            raise AnswerTooLong(f"the outcomes of {count} calls take {size} octets, {self._limit} can be told")

    def _answer(self, invoke: int, result: ActionResult) -> Record:
        response = ActionResponseNormal(invoke, result)
        if len(encode(response)) <= self._limit:
            return response
        if self._in_blocks:
            return self._begin(invoke, cosem_data.encode(result.return_parameters))
        return ActionResponseNormal(invoke, ActionResult(result.result, _UNTOLD))

    def _answer_list(self, invoke: int, results: list[ActionResult]) -> Record:
        response = ActionResponseWithList(invoke, results)
        if len(encode(response)) <= self._limit:
            return response
        if self._in_blocks:
            encoded = bytearray()
            _RESULTS.encode(results, encoded)
            return self._begin(invoke, bytes(encoded))
        left = self._limit - _LIST_HEADER - len(encode_length(len(results))) - _LEAST * len(results)
        return ActionResponseWithList(invoke, _what_fits(results, left))

    def _begin(self, invoke: int, data: bytes) -> Record:
        """The first block."""
        self._invoke_id = invoke & INVOKE_ID
        return ActionResponseWithPblock(invoke, self._outgoing.begin(Encoded(data), room(self._limit)))


def _what_fits(results: Sequence[ActionResult], left: int) -> list[ActionResult]:
    """Every outcome, with what was returned as long as that takes `left` octets more than the outcomes alone."""
    told = []
    for result in results:
        more = len(encode(result)) - _LEAST
        if more > max(left, 0):
            result, more = ActionResult(result.result, _UNTOLD), 0
        left -= more
        told.append(result)
    return told
