"""SET on the server: one attribute, a list of them, and long values in blocks.  Green Book, SET service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dlms import data as cosem_data
from dlms.apdu.attribute import CosemAttributeDescriptorWithSelection, DataBlock
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
from dlms.axdr import encode_length
from dlms.codec import DataValue, Record, SequenceOf, decode_value
from dlms.enums import AccessResult
from dlms.errors import AccessError, DecodeError
from dlms.limits import MAX_LIST
from dlms.server.blocks import Incoming, Whole
from dlms.server.reach import Reach
from dlms.server.refusals import AnswerTooLong

First = SetRequestWithFirstDatablock | SetRequestWithListAndFirstDatablock
_VALUES = SequenceOf(DataValue())
_CONFIRMED = 0x40
_LIST_HEADER = 3
_LAST_NUMBER = 4
"""Octets of the block number behind the results, where the list came in blocks."""


class SetService:
    """Answers SET within `limit` octets.  A request whose service class is unconfirmed is carried out and not answered.

    Its answers know no blocks: a list whose results would not fit is refused before anything is written (AnswerTooLong).
    """

    def __init__(self, reach: Reach, limit: int) -> None:
        self._reach, self._limit = reach, limit
        self._incoming: Incoming[First] = Incoming()

    def stop(self) -> None:
        """Forget the blocks of a long value that is not complete."""
        self._incoming.stop()

    def normal(self, request: SetRequestNormal) -> Record | None:
        """One attribute."""
        result = self._reach.write(request.attribute, request.access, request.value)
        return SetResponseNormal(request.invoke, int(result)) if request.invoke & _CONFIRMED else None

    def with_list(self, request: SetRequestWithList) -> Record | None:
        """Several attributes; a refused one does not stop the others."""
        if request.invoke & _CONFIRMED:
            self._check_answer(len(request.descriptors))
        results = self._written(request.descriptors, request.values)
        return SetResponseWithList(request.invoke, results) if request.invoke & _CONFIRMED else None

    def first(self, request: First) -> Record:
        """The first block of a long value, or of a list of values."""
        if isinstance(request, SetRequestWithListAndFirstDatablock):
            self._check_answer(len(request.descriptors), _LAST_NUMBER)
        try:
            return self._taken(request.invoke, request.block, self._incoming.begin(request, request.invoke))
        except AccessError as refusal:
            return SetResponseLastDatablock(request.invoke, int(refusal.result), request.block.block_number)

    def block(self, request: SetRequestWithDatablock) -> Record:
        """A further block."""
        try:
            return self._taken(request.invoke, request.block, self._incoming.follow(request.block, request.invoke))
        except AccessError as refusal:
            return SetResponseLastDatablock(request.invoke, int(refusal.result), request.block.block_number)

    def _taken(self, invoke: int, block: DataBlock, whole: Whole[First] | None) -> Record:
        if whole is None:
            return SetResponseDatablock(invoke, block.block_number)
        first = whole.first
        try:
            if isinstance(first, SetRequestWithFirstDatablock):
                value = cosem_data.decode(whole.data)
                result = self._reach.write(first.attribute, first.access, value)
                return SetResponseLastDatablock(invoke, int(result), block.block_number)
            values = decode_value(_VALUES, whole.data)
        except DecodeError as fault:
            raise AccessError(AccessResult.TYPE_UNMATCHED) from fault
        return SetResponseLastDatablockWithList(invoke, self._written(first.descriptors, values), block.block_number)

    def _check_answer(self, count: int, behind: int = 0) -> None:
        """Each result takes an octet."""
        size = _LIST_HEADER + len(encode_length(count)) + count + behind
        if size > self._limit:
            raise AnswerTooLong(f"the results of {count} writes take {size} octets, {self._limit} can be told")

    def _written(
        self, descriptors: Sequence[CosemAttributeDescriptorWithSelection], values: Sequence[Any]
    ) -> list[int]:
        """The result of each.  Nothing is written when the lists do not belong together."""
        if len(descriptors) != len(values) or len(descriptors) > MAX_LIST:
            return [int(AccessResult.OTHER_REASON)] * len(descriptors)
        pairs = zip(descriptors, values, strict=True)
        return [int(self._reach.write(one.attribute, one.access, value)) for one, value in pairs]
