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
from dlms.codec import ABSENT, Record, decode, encode
from dlms.enums import AccessResult, Conformance
from dlms.errors import AccessError, DecodeError, RemoteProtocolError
from dlms.interface import MethodRef
from dlms.limits import MAX_APDU, MAX_LIST
from dlms.server.blocks import Incoming, Outgoing, Whole, room
from dlms.server.objects import Context
from dlms.server.reach import Reach
from dlms.server.transfer import Encoded, Joined, Payload, Selected

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
        limit = context.negotiated.plain_send or MAX_APDU
        if Conformance.GENERAL_BLOCK_TRANSFER in context.negotiated.conformance:
            limit = MAX_APDU  # longer answers go out in general blocks
        self.reach = Reach(context)
        variables = Variables(context, self.reach)
        self._read, self._write = ReadService(variables, limit), WriteService(variables, limit)

    def answer(self, request: Record) -> Record | None:
        """The response to a request, None when none is due.

        Raises RemoteProtocolError for a service that does not belong to this context.
        """
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
                self._write.answer(variables, values)
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

    def read(self, variable: Record) -> Encoded | Selected:
        """An attribute, a part of it, or what a method returns.  Raises AccessError."""
        if not isinstance(variable, VariableName | ParameterizedAccess):
            raise AccessError(AccessResult.OTHER_REASON)
        ref = self._names.find(variable.variable_name)
        access = None
        if isinstance(variable, ParameterizedAccess):
            if isinstance(ref, MethodRef):
                return Encoded(cosem_data.encode(self._call(ref, variable.parameter)))
            access = SelectiveAccess(variable.selector, variable.parameter)
        if isinstance(ref, MethodRef):
            raise AccessError(AccessResult.READ_WRITE_DENIED, ref)  # a plain read changes nothing
        payload = self._reach.read(CosemAttributeDescriptor(ref.class_id, ref.instance, ref.index), access)
        assert not isinstance(payload, Joined)
        return payload

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
        self._in_blocks = Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ in variables.context.negotiated.conformance
        self._incoming: Incoming[Long] = Incoming()
        self._outgoing = Outgoing()

    def stop(self) -> None:
        """End what is under way in either direction."""
        self._incoming.stop()
        self._outgoing.stop()

    def answer(self, variables: Sequence[Record]) -> Record:
        """The results in the order of the variables, in blocks when they are too long for one APDU."""
        header = encode_length(len(variables))
        if len(variables) > MAX_LIST or 1 + len(header) + 2 * len(variables) > self._limit:
            return _read_refused(AccessResult.OTHER_REASON)
        try:
            results = [self._result(variable) for variable in variables]
            if not self._in_blocks:
                return ReadResponseRaw(header + self._what_fits(results, self._limit - 1 - len(header)))
            whole = Joined([Encoded(header), *(part for result in results for part in result)])
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

    def _result(self, variable: Record) -> list[Encoded | Selected]:
        try:
            return [Encoded(b"\x00"), self._variables.read(variable)]
        except AccessError as refusal:
            return [_error(refusal.result)]

    def _what_fits(self, results: Sequence[Sequence[Encoded | Selected]], left: int) -> bytes:
        """The results without block transfer: what is too long for the APDU is refused, the rest is not."""
        found = bytearray()
        for place, parts in enumerate(results):
            allowed = left - len(found) - 2 * (len(results) - place - 1)
            one: Payload = Joined(parts)
            if not one.fits(allowed):
                one = _error(AccessResult.DATA_BLOCK_UNAVAILABLE)
            found += one.take(allowed)
        return bytes(found)


class WriteService:
    """Answers Write within `limit` octets an APDU."""

    def __init__(self, variables: Variables, limit: int) -> None:
        self._variables, self._limit = variables, limit
        self._incoming: Incoming[Long] = Incoming()

    def stop(self) -> None:
        """Forget the blocks of a long request that is not complete."""
        self._incoming.stop()

    def answer(self, variables: Sequence[Record], values: Sequence[Any]) -> WriteResponse:
        """Write each; a refused one does not stop the others.  Nothing is written when the lists do not belong together."""
        if len(variables) != len(values) or len(variables) > min(MAX_LIST, (self._limit - 2) // 2):
            return _write_refused(AccessResult.OTHER_REASON)
        codes = [self._variables.write(variable, value) for variable, value in zip(variables, values, strict=True)]
        return WriteResponse([Success() if code == AccessResult.SUCCESS else DataAccessError(code) for code in codes])

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


def _error(result: int) -> Encoded:
    return Encoded(bytes((1, result)))


def _block(block: DataBlock) -> Record:
    return ReadResponse([DataBlockResult(block.last_block, block.block_number, block.raw_data)])


def _read_refused(result: int) -> Record:
    return ReadResponse([DataAccessError(int(result))])


def _write_refused(result: int) -> WriteResponse:
    return WriteResponse([DataAccessError(int(result))])
