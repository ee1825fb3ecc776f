"""ACTION on the server: one method, a list of them, and long parameters and results in blocks.  Green Book, ACTION service.

What a block of a single long answer carries is the returned Data alone, as in GET; of a list, the list of results.
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
from dlms.codec import ABSENT, DataValue, Nested, Record, SequenceOf, decode_value, encode
from dlms.enums import ActionCode, Conformance
from dlms.errors import AccessError, DecodeError
from dlms.limits import MAX_LIST
from dlms.server.blocks import ACTION, Incoming, Outgoing, Whole, room
from dlms.server.reach import Reach
from dlms.server.transfer import Encoded

First = ActionRequestWithFirstPblock | ActionRequestWithListAndFirstPblock
_VALUES = SequenceOf(DataValue())
_RESULTS = SequenceOf(Nested(ActionResult))
_CONFIRMED = 0x40


class ActionService:
    """Answers ACTION within `limit` octets an APDU.  A request of the unconfirmed service class is not answered."""

    def __init__(self, reach: Reach, limit: int) -> None:
        self._reach, self._limit = reach, limit
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
        results = self._called(request.descriptors, request.parameters)
        return self._answer_list(request.invoke, results) if request.invoke & _CONFIRMED else None

    def first(self, request: First) -> Record:
        """The first block of long parameters."""
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
        """The next block of a long answer."""
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

    def _answer(self, invoke: int, result: ActionResult) -> Record:
        response = ActionResponseNormal(invoke, result)
        if len(encode(response)) <= self._limit:
            return response
        return self._begin(invoke, cosem_data.encode(result.return_parameters), response)

    def _answer_list(self, invoke: int, results: list[ActionResult]) -> Record:
        response = ActionResponseWithList(invoke, results)
        if len(encode(response)) <= self._limit:
            return response
        encoded = bytearray()
        _RESULTS.encode(results, encoded)
        return self._begin(invoke, bytes(encoded), response)

    def _begin(self, invoke: int, data: bytes, response: Record) -> Record:
        """The first block; without block transfer the method has run, but its answer cannot be given."""
        if Conformance.BLOCK_TRANSFER_WITH_ACTION not in self._reach.context.negotiated.conformance:
            refused = ActionResult(int(ActionCode.OTHER_REASON), ABSENT)
            return ActionResponseNormal(invoke, refused)
        block = self._outgoing.begin(Encoded(data), room(self._limit))
        return ActionResponseWithPblock(invoke, block)
