"""Read, Write and UnconfirmedWrite on the server.  Green Book, services with short names.

What has been negotiated has been checked before.  A refusal stands in the place of its variable; one that concerns the
whole request, such as a block out of order, is a list of one.  A request other than the next block of a transfer ends that
transfer, in either direction.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from dlms import data as cosem_data
from dlms.apdu.attribute import CosemAttributeDescriptor, CosemMethodDescriptor, DataBlock, SelectiveAccess
from dlms.apdu.short_name import (
    BlockNumber,
    BlockNumberAccess,
    DataAccessError,
    DataBlockResult,
    ParameterizedAccess,
    ReadDataBlockAccess,
    ReadRequest,
    ReadResponse,
    ReadResponseRaw,
    Success,
    UnconfirmedWriteRequest,
    VariableName,
    WriteDataBlockAccess,
    WriteRequest,
    WriteResponse,
)
from dlms.axdr import encode_length
from dlms.codec import ABSENT, Record, Refusal, decode, encode
from dlms.enums import AccessResult, Conformance
from dlms.errors import AccessError, DecodeError, RemoteProtocolError
from dlms.interface import MethodRef
from dlms.limits import MAX_LIST
from dlms.server.blocks import LEAST_ANSWER, Incoming, Outgoing, Whole, answer_limit, room
from dlms.server.objects import Context
from dlms.server.reach import Reach
from dlms.server.refusals import AnswerTooLong
from dlms.server.transfer import REFUSAL_SIZE, Encoded, Result, Results, Selected, what_fits

_AROUND_BLOCK = 6
"""Octets around the length and the data of a block in a ReadResponse: tag, count, choice, last, number."""
MAX_BLOCK_NUMBER = 0xFFFF


@dataclasses.dataclass(frozen=True, slots=True)
class Long:
    """The first block of a long request."""

    block: DataBlock


class ShortNameServices:
    """Answers the requests of one association with short names.

    Blocks are cut by the negotiated size alone: `frame_capacity` is there as every kind of services is made alike.
    """

    def __init__(self, context: Context, frame_capacity: int | None) -> None:
        self.context = context
        self.reach, negotiated = Reach(context), context.negotiated
        variables = Variables(context, self.reach)
        self._most = answer_limit(negotiated)
        self._read = ReadService(variables, answer_limit(negotiated, Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ))
        self._write = WriteService(variables, self._most)

    def answer(self, request: Record) -> Record | None:
        """The response to a request, None when none is due.

        Raises RemoteProtocolError for a service that does not belong to this context, AnswerTooLong where the client could
        not be told how it went.
        """
        if self._most < LEAST_ANSWER:
            raise AnswerTooLong(f"no answer has room in {self._most} octets")
        match request:
            case ReadRequest([BlockNumberAccess(number)]):
                return self._read.next(number)
            case ReadRequest([ReadDataBlockAccess(last, number, data)]):
                return self._read.block(DataBlock(last, number, data))
            case WriteRequest([WriteDataBlockAccess(last, number)], [bytes(data)]):
                return self._write.block(DataBlock(last, number, data))
        self._read.stop()
        self._write.stop()
        match request:
            case ReadRequest(variables):
                return self._read.answer(variables)
            case WriteRequest(variables, values):
                return self._write.answer(variables, values)
            case UnconfirmedWriteRequest(variables, values):
                self._write.carry_out(variables, values)
                return None
        raise RemoteProtocolError(f"{request.wire_name()} is not served")

    def encode(self, reply: Record) -> bytes:
        """The bytes of a response."""
        return encode(reply)


class Variables:
    """The attributes and methods of one association by short name."""

    def __init__(self, context: Context, reach: Reach) -> None:
        self.context = context
        self._reach, self._names = reach, context.device.base_names(context.granted)

    def read(self, variable: Record, in_blocks: bool) -> Encoded | Selected:
        """An attribute, a part of it, or what a method returns.  Raises AccessError.

        Without blocks, which carry what a method returns whatever its length, only those are called that return nothing.
        """
        if not isinstance(variable, VariableName | ParameterizedAccess):
            raise AccessError(AccessResult.OTHER_REASON)
        ref = self._names.find(variable.variable_name)
        access = None
        if isinstance(variable, ParameterizedAccess):
            if isinstance(ref, MethodRef):
                if not in_blocks and (ref.method is None or ref.method.returns is not None):
                    raise AccessError(AccessResult.OTHER_REASON, ref)
                returned = self._call(ref, variable.parameter)
                return Encoded(cosem_data.encode(returned if in_blocks else None))
            access = SelectiveAccess(variable.selector, variable.parameter)
        if isinstance(ref, MethodRef):
            raise AccessError(AccessResult.READ_WRITE_DENIED, ref)  # a plain read changes nothing
        return self._reach.read(CosemAttributeDescriptor(ref.class_id, ref.instance, ref.index), access)

    def write(self, variable: Record, value: Any) -> int:
        """Write an attribute, or call a method with `value` as its parameter; tells how it went."""
        if not isinstance(variable, VariableName | ParameterizedAccess):
            return int(AccessResult.OTHER_REASON)
        access = None
        if isinstance(variable, ParameterizedAccess):
            access = SelectiveAccess(variable.selector, variable.parameter)
        try:
            ref = self._names.find(variable.variable_name)
            if isinstance(ref, MethodRef):
                if access is not None:
                    raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, ref)
                self._call(ref, value)
                return int(AccessResult.SUCCESS)
        except AccessError as refusal:
            return refusal.result
        return self._reach.write(CosemAttributeDescriptor(ref.class_id, ref.instance, ref.index), access, value)

    def _call(self, ref: MethodRef[Any], parameter: Any) -> Any:
        result = self._reach.call(CosemMethodDescriptor(ref.class_id, ref.instance, ref.index), parameter)
        if result.result != AccessResult.SUCCESS:
            raise AccessError(result.result, ref)
        returned = result.return_parameters
        return None if returned is ABSENT else returned


class ReadService:
    """Answers Read within `limit` octets an APDU."""

    def __init__(self, variables: Variables, limit: int) -> None:
        self._variables, self._limit = variables, limit
        conformance = variables.context.negotiated.conformance
        self._in_blocks = Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ in conformance
        self._in_any_blocks = self._in_blocks or Conformance.GENERAL_BLOCK_TRANSFER in conformance
        self._incoming: Incoming[Long] = Incoming()
        self._outgoing = Outgoing()

    def stop(self) -> None:
        """End what is under way in either direction."""
        self._incoming.stop()
        self._outgoing.stop()

    def answer(self, variables: Sequence[Record]) -> Record:
        """The results in the order of the variables, in blocks when they are too long for one APDU."""
        header = encode_length(len(variables))
        least = 1 + len(header) + REFUSAL_SIZE * len(variables)
        if len(variables) > MAX_LIST or (not self._in_blocks and least > self._limit):
            return _read_refused(AccessResult.OTHER_REASON)
        results = [self._result(variable) for variable in variables]
        try:
            if not self._in_blocks:
                return ReadResponseRaw(what_fits(header, results, self._limit - 1))
            whole = Results(header, results)
            if whole.fits(self._limit - 1):
                return ReadResponseRaw(whole.take(self._limit))
            return _block(self._outgoing.begin(whole, room(self._limit, around=_AROUND_BLOCK)))
        except AccessError as refusal:
            return _read_refused(refusal.result)

    def next(self, number: int) -> Record:
        """The block behind `number`, when that is the last one sent; else the transfer ends."""
        self._incoming.stop()
        try:
            if number >= MAX_BLOCK_NUMBER:
                self._outgoing.stop()
            return _block(self._outgoing.follow(number, room(self._limit, around=_AROUND_BLOCK)))
        except AccessError as refusal:
            return _read_refused(refusal.result)

    def block(self, block: DataBlock) -> Record:
        """One block of a long request; the last one is answered as the whole request."""
        self._outgoing.stop()
        try:
            whole = _taken(self._incoming, block)
            if whole is None:
                return ReadResponse([BlockNumber(block.block_number)])
            request = decode(ReadRequest, ReadRequest.prefix + whole.data)
        except AccessError as refusal:
            return _read_refused(refusal.result)
        except DecodeError:
            return _read_refused(AccessResult.OTHER_REASON)
        if self._variables.context.negotiated.missing(request):
            return _read_refused(AccessResult.SCOPE_OF_ACCESS_VIOLATED)
        return self.answer(request.variables)

    def _result(self, variable: Record) -> Result:
        try:
            payload = self._variables.read(variable, self._in_any_blocks)
            payload.fits(0)  # a buffer whose first rows are gone is refused here
        except AccessError as refusal:
            return Refusal(refusal.result)
        return payload


class WriteService:
    """Answers Write within `limit` octets an APDU."""

    def __init__(self, variables: Variables, limit: int) -> None:
        self._variables, self._limit = variables, limit
        self._incoming: Incoming[Long] = Incoming()

    def stop(self) -> None:
        """Forget the blocks of a long request that is not complete."""
        self._incoming.stop()

    def answer(self, variables: Sequence[Record], values: Sequence[Any]) -> WriteResponse:
        """Write each; nothing is written when the results would not fit."""
        codes = self.carry_out(variables, values) if len(variables) <= (self._limit - 2) // 2 else None
        if codes is None:
            return _write_refused(AccessResult.OTHER_REASON)
        return WriteResponse([Success() if code == AccessResult.SUCCESS else DataAccessError(code) for code in codes])

    def carry_out(self, variables: Sequence[Record], values: Sequence[Any]) -> list[int] | None:
        """Write each; a refused one does not stop the others.  None: the lists do not belong together, nothing is written."""
        if len(variables) != len(values) or len(variables) > MAX_LIST:
            return None
        return [self._variables.write(variable, value) for variable, value in zip(variables, values, strict=True)]

    def block(self, block: DataBlock) -> WriteResponse:
        """One block of a long request; the last one is answered as the whole request."""
        try:
            whole = _taken(self._incoming, block)
            if whole is None:
                return WriteResponse([BlockNumber(block.block_number)])
            request = decode(WriteRequest, WriteRequest.prefix + whole.data)
        except AccessError as refusal:
            return _write_refused(refusal.result)
        except DecodeError:
            return _write_refused(AccessResult.OTHER_REASON)
        if self._variables.context.negotiated.missing(request):
            return _write_refused(AccessResult.SCOPE_OF_ACCESS_VIOLATED)
        return self.answer(request.variables, request.values)


def _taken(incoming: Incoming[Long], block: DataBlock) -> Whole[Long] | None:
    return incoming.begin(Long(block)) if block.block_number == 1 else incoming.follow(block)


def _block(block: DataBlock) -> Record:
    return ReadResponse([DataBlockResult(block.last_block, block.block_number, block.raw_data)])


def _read_refused(result: int) -> Record:
    return ReadResponse([DataAccessError(int(result))])


def _write_refused(result: int) -> WriteResponse:
    return WriteResponse([DataAccessError(int(result))])
