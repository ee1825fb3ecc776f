"""Read and Write: attributes and methods by their short names, which the object list of the association tells.

Green Book, services with short names; Blue Book, short name references.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from dlms import data as cosem_data
from dlms.apdu.attribute import DataBlock, SelectiveAccess
from dlms.apdu.short_name import (
    READ_RESULTS,
    BlockNumber,
    BlockNumberAccess,
    DataAccessError,
    DataBlockResult,
    ParameterizedAccess,
    ReadData,
    ReadDataBlockAccess,
    ReadRequest,
    ReadResponseRaw,
    Success,
    UnconfirmedWriteRequest,
    VariableName,
    WriteDataBlockAccess,
    WriteRequest,
    WriteResponse,
)
from dlms.association import Negotiated
from dlms.codec import ABSENT, Record, decode_value, encode
from dlms.enums import AccessResult, Conformance
from dlms.errors import AccessError, LocalProtocolError, OutcomeUnknown, RemoteProtocolError, ReturnLost
from dlms.ic import AssociationLn, AssociationSn, AssociationSnV1, AssociationSnV4
from dlms.interface import INTERFACES, AttributeRef, MethodRef, typed
from dlms.limits import MAX_TRANSFER
from dlms.operations import Operation, Request
from dlms.operations.objects import MeterObject, object_list, short_name_objects, with_rights
from dlms.operations.outgoing import exchange_blocks, fits
from dlms.operations.write import Assignment, Call, carried_out
from obis import Obis

CURRENT_ASSOCIATION = AssociationSnV1("0.0.40.0.0.255")
BASE_NAME = 0xFA00
"""The base name of the current association, in every meter.  Blue Book, reserved base names."""
STEP = 8
"""From the short name of one attribute to that of the next."""
MAX_BLOCK_NUMBER = 0xFFFF
REPLY_TO_HLS = BASE_NAME + AssociationSn.methods[8].short_name_offset
"""The short name of reply_to_HLS_authentication, which is called before the object list can be read."""
_OBJECT_LIST = VariableName(BASE_NAME + STEP * (CURRENT_ASSOCIATION.object_list.index - 1))
_HEADER, _VARIABLE, _RESULT = 2, 3, 2
"""Octets of a list's tag and count, of a variable in a request, of a result in its answer (at least)."""
_MOST = 32
"""Variables in one request: what the PDU sizes allow, and no more than this."""

Ref = AttributeRef[Any] | MethodRef[Any]


class ShortNames:
    """The services of one association with short names.

    The object list is read once, when a name is first needed.  An object that is not in it is refused as undefined, and
    one that has another class as inconsistent, without asking the meter.

    Over `datagrams` a meter cannot tell a Write that is made again from one that the network has doubled, as nothing numbers
    them.  There, before the same is written or called twice in a row, the logical name of the association is read.
    """

    def __init__(self, negotiated: Negotiated, *, datagrams: bool = False) -> None:
        self._negotiated, self._datagrams = negotiated, datagrams
        self._changed: Record | None = None
        """The last request, where it has changed something."""
        self._objects: dict[tuple[int, Obis], MeterObject] | None = None
        self._bases: list[int] = []

    def get(self, ref: AttributeRef[Any], access: SelectiveAccess | None = None) -> Operation[Any]:
        """Read one attribute.  Raises AccessError when the meter refuses it."""
        return cosem_data.decode((yield from self.get_encoded(ref, access)))

    def get_encoded(self, ref: AttributeRef[Any], access: SelectiveAccess | None = None) -> Operation[bytes]:
        """Read one attribute and leave its Data encoded, for values that are decoded by columns."""
        variable = yield from self._attribute(ref, access)
        return (yield from self._get_variable(variable, ref))

    def get_many(self, refs: Sequence[AttributeRef[Any]]) -> Operation[list[Any]]:
        """The values in the order of `refs`; an AccessError stands where an attribute was refused.

        A list that the meter refuses as a whole, and what is too long for its answer, is read one by one.
        """
        found: list[Any] = yield from self._named(refs)
        for places in self._parts(found):
            part = [(found[place], refs[place]) for place in places]
            results = (yield from self._get_list(part)) if len(part) > 1 else [None]
            for place, (variable, ref), result in zip(places, part, results, strict=True):
                alone = result is None
                found[place] = (yield from self._get_one(variable, ref)) if alone else _value(result, ref)
        return found

    def parts(self, refs: Sequence[AttributeRef[Any]]) -> list[Sequence[AttributeRef[Any]]]:
        """All at once: without invoke-ids one request follows the other anyway."""
        return [refs]

    def set_value(
        self, ref: AttributeRef[Any], value: Any, access: SelectiveAccess | None = None, *, confirmed: bool = True
    ) -> Operation[None]:
        """Write one attribute.  Raises LocalProtocolError for a wrong type, AccessError when the meter refuses.

        Without confirmation nobody tells whether it was written, and it must fit in one APDU.
        """
        held = typed(ref, value)
        variable = yield from self._attribute(ref, access)
        yield from self._write_one(variable, held, ref, confirmed=confirmed)

    def set_many(self, assignments: Sequence[Assignment]) -> Operation[list[AccessError | None]]:
        """Write several attributes: None for each that was written, the AccessError of each that was refused."""
        held = [typed(ref, value) for ref, value in assignments]
        found: list[Any] = yield from self._named([ref for ref, _ in assignments])
        for places in self._parts(found):
            results = yield from self._write([found[place] for place in places], [held[place] for place in places])
            for place, result in zip(places, results, strict=True):
                found[place] = _refusal(result, assignments[place][0])
        return found

    def call(self, ref: MethodRef[Any], parameter: Any = ABSENT, *, confirmed: bool = True) -> Operation[Any]:
        """Call one method; ABSENT gives it integer 0 where its class is declared, and null-data where it is not.

        A method whose declaration says that it returns something is called by Read, any other by Write: then the answer
        only says that it was carried out, and None is returned.  Raises AccessError when the meter refuses, ReturnLost when
        it was carried out but not told what it returned, and LocalProtocolError when the method's short name is not known
        because its class is not declared.  Without confirmation it is called by UnconfirmedWrite, and nobody tells whether
        it was carried out.
        """
        absent = 0 if ref.method is not None else None
        given = typed(ref, absent if parameter is ABSENT else parameter)
        name = yield from self._method(ref)
        if not confirmed or ref.method is None or ref.method.returns is None:
            yield from self._write_one(VariableName(name), given, ref, confirmed=confirmed)
            return None
        variable = ParameterizedAccess(name, 0, given)
        try:
            encoded = yield from self._get_variable(variable, ref, read_only=False)
        except AccessError as refusal:
            if refusal.result == AccessResult.DATA_BLOCK_UNAVAILABLE:  # what a meter says to a value that has no room
                raise OutcomeUnknown(f"it may have been carried out, and the answer too long: {refusal}") from refusal
            raise
        with carried_out(ref):
            return cosem_data.decode(encoded)

    def call_many(self, calls: Sequence[Call]) -> Operation[list[Any]]:
        """Call several methods one by one: what each returned; the AccessError of each that was refused, ReturnLost."""
        outcomes: list[Any] = []
        for ref, parameter in calls:
            try:
                outcomes.append((yield from self.call(ref, parameter)))
            except (AccessError, ReturnLost) as error:
                outcomes.append(error)
        return outcomes

    def object_list(self, association: AssociationLn | AssociationSn | None = None) -> Operation[list[MeterObject]]:
        """The objects of an association, of the current one when None, with their rights where the meter tells them."""
        if association is not None:
            return (yield from object_list(association, self.get))
        listed = yield from self._listed()
        own = listed.get((AssociationSn.class_id, CURRENT_ASSOCIATION.instance))
        if own is None or own.version < AssociationSnV1.version:
            return list(listed.values())
        try:
            rights = yield from self.get(CURRENT_ASSOCIATION.access_rights_list)
        except AccessError:
            return list(listed.values())
        return with_rights(list(listed.values()), rights, masks=own.version >= AssociationSnV4.version)

    # names

    def _listed(self) -> Operation[dict[tuple[int, Obis], MeterObject]]:
        """The object list of the current association, read once."""
        if self._objects is None:
            encoded = yield from self._get_variable(_OBJECT_LIST, CURRENT_ASSOCIATION.object_list)
            listed = short_name_objects(cosem_data.decode(encoded))
            self._objects = {(one.class_id, one.instance): one for one in listed}
            self._bases = sorted(one.base_name for one in listed if one.base_name is not None)
        return self._objects

    def _find(self, ref: Ref) -> Operation[tuple[MeterObject, int]]:
        """The object of a reference and its base name.  Raises AccessError when the meter has no such object."""
        listed = yield from self._listed()
        found = listed.get((ref.class_id, ref.instance))
        if found is None or found.base_name is None:
            elsewhere = any(name == ref.instance for _, name in listed)
            code = AccessResult.OBJECT_CLASS_INCONSISTENT if elsewhere else AccessResult.OBJECT_UNDEFINED
            raise AccessError(code, ref)
        return found, found.base_name

    def _within(self, base: int, offset: int, ref: Ref) -> int:
        """The short name at an offset.  Raises AccessError where another object begins: its values are not these."""
        following = bisect_right(self._bases, base)
        end = self._bases[following] if following < len(self._bases) else 0x10000
        if not 0 <= offset < end - base:
            raise AccessError(AccessResult.OBJECT_UNDEFINED, ref)
        return base + offset

    def _attribute(self, ref: AttributeRef[Any], access: SelectiveAccess | None) -> Operation[Record]:
        """The variable of an attribute, which is one that the meter's version of the class has, where that is declared."""
        found, base = yield from self._find(ref)
        of = INTERFACES.get((found.class_id, found.version))
        if of is not None and ref.index not in of.attributes:
            raise AccessError(AccessResult.OBJECT_UNDEFINED, ref)
        name = self._within(base, STEP * (ref.index - 1), ref)
        return VariableName(name) if access is None else ParameterizedAccess(name, access.selector, access.parameters)

    def _method(self, ref: MethodRef[Any]) -> Operation[int]:
        """The short name of a method: its offset is that of the version which the meter has, where that is declared."""
        found, base = yield from self._find(ref)
        of = INTERFACES.get((found.class_id, found.version))
        method = of.methods.get(ref.index) if of is not None else ref.method
        if method is None:
            raise LocalProtocolError(f"{ref}: its short name is not known, as it is not declared")
        return self._within(base, method.short_name_offset, ref)

    def _named(self, refs: Sequence[AttributeRef[Any]]) -> Operation[list[Record | AccessError]]:
        """The variable of each attribute, or the refusal of one that the meter does not have."""
        found: list[Record | AccessError] = []
        for ref in refs:
            try:
                found.append((yield from self._attribute(ref, None)))
            except AccessError as refusal:
                if self._objects is None:
                    raise  # the object list itself is refused
                found.append(refusal)
        return found

    def _parts(self, found: Sequence[Record | AccessError]) -> list[list[int]]:
        """The places of the variables in `found`, cut into lists that fit in one request and in its answer."""
        known = [place for place, one in enumerate(found) if not isinstance(one, AccessError)]
        size = 1
        if Conformance.MULTIPLE_REFERENCES in self._negotiated.conformance:
            asked = ((self._negotiated.plain_send or 0xFFFF) - _HEADER) // _VARIABLE
            answered = ((self._negotiated.plain_receive or 0xFFFF) - _HEADER) // _RESULT
            size = max(1, min(_MOST, asked, answered))
        return [known[start : start + size] for start in range(0, len(known), size)]

    # Read

    def _get_variable(self, variable: Record, ref: Ref, *, read_only: bool = True) -> Operation[bytes]:
        octets = yield from self._read([variable], ref, read_only)
        if octets[:2] == b"\x01\x00":
            return octets[2:]
        raise AccessError(_whole_refusal(octets), ref)

    def _get_one(self, variable: Record, ref: AttributeRef[Any]) -> Operation[Any]:
        try:
            return cosem_data.decode((yield from self._get_variable(variable, ref)))
        except AccessError as refusal:
            return refusal

    def _get_list(self, part: Sequence[tuple[Record, AttributeRef[Any]]]) -> Operation[list[Any]]:
        """The result of each; None for those that must be read alone."""
        octets = yield from self._read([variable for variable, _ in part], f"a list of {len(part)} variables")
        results: list[Any] = decode_value(READ_RESULTS, octets)
        if len(results) == 1:
            _whole_refusal(octets)
            return [None] * len(part)
        if len(results) != len(part):
            raise RemoteProtocolError(f"{len(results)} results for {len(part)} variables")
        return [None if result == _TOO_LONG else result for result in results]

    def _read(self, variables: list[Record], ref: object, read_only: bool = True) -> Operation[bytes]:
        """The encoded list of results, out of its blocks where it is long."""
        request = ReadRequest(variables)
        yield from self._told_apart(None if read_only else request)
        in_blocks = Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ in self._negotiated.conformance
        if fits(request, self._negotiated) or not in_blocks:
            reply = yield Request(request, (ReadResponseRaw,), read_only)
        else:
            reply = yield from exchange_blocks(
                encode(request)[1:],
                _read_block,
                _read_block,
                (ReadResponseRaw,),
                _read_acknowledged,
                self._negotiated,
                read_only=read_only,
            )
        assert isinstance(reply, ReadResponseRaw)
        with contextlib.nullcontext() if read_only or reply.results[:2] != b"\x01\x02" else carried_out(ref):
            if reply.results[:2] == b"\x01\x02" and not in_blocks:
                raise RemoteProtocolError(f"a block of {ref}: block-transfer-with-get-or-read was not negotiated")
            return (yield from _collected(reply.results, ref, read_only))

    def _told_apart(self, request: Record | None) -> Operation[None]:
        """Put a Read between what changes something and the same once more; None for what changes nothing."""
        if self._datagrams and request is not None and request == self._changed:
            yield Request(ReadRequest([VariableName(BASE_NAME)]), (ReadResponseRaw,))
        self._changed = request

    # Write

    def _write_one(self, variable: Record, value: Any, ref: Ref, *, confirmed: bool = True) -> Operation[None]:
        if not confirmed:
            unanswered = UnconfirmedWriteRequest([variable], [value])
            yield from self._told_apart(unanswered)
            yield Request(unanswered, (), read_only=False)
            return
        [result] = yield from self._write([variable], [value])
        refusal = _refusal(result, ref)
        if refusal is not None:
            raise refusal

    def _write(self, variables: list[Record], values: list[Any]) -> Operation[list[Record]]:
        """The result of each; a single refusal stands for all."""
        request = WriteRequest(variables, values)
        yield from self._told_apart(request)
        in_blocks = Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE in self._negotiated.conformance
        if fits(request, self._negotiated) or not in_blocks:
            reply = yield Request(request, (WriteResponse,), read_only=False)
        else:
            reply = yield from exchange_blocks(
                encode(request)[1:], _write_block, _write_block, (WriteResponse,), _write_acknowledged, self._negotiated
            )
        assert isinstance(reply, WriteResponse)
        results = list(reply.results)
        if len(results) == 1 and isinstance(results[0], DataAccessError):
            return results * len(variables)
        if len(results) != len(variables):
            raise RemoteProtocolError(f"{len(results)} results for {len(variables)} variables")
        return results


_TOO_LONG = DataAccessError(int(AccessResult.DATA_BLOCK_UNAVAILABLE))


def _value(result: Record, ref: object) -> Any:
    """The value of one result, or the AccessError that it is."""
    if isinstance(result, ReadData):
        return result.data
    if isinstance(result, DataAccessError):
        return AccessError(result.data_access_result, ref)
    raise RemoteProtocolError(f"{result.wire_name()} in a list of results")


def _refusal(result: Record, ref: object) -> AccessError | None:
    if isinstance(result, Success):
        return None
    if isinstance(result, DataAccessError):
        return AccessError(result.data_access_result, ref)
    raise RemoteProtocolError(f"{result.wire_name()} in a list of results")


def _whole_refusal(octets: bytes) -> int:
    """The code of a list that is a single refusal.  Raises RemoteProtocolError when it is something else."""
    if octets[:2] == b"\x01\x01" and len(octets) == 3:
        return octets[2]
    raise RemoteProtocolError(f"{octets[:8].hex(' ')} does not begin the result that was due")


def _collected(octets: bytes, ref: object, read_only: bool) -> Operation[bytes]:
    """The encoded list of results, which is what the blocks carry.

    Raises RemoteProtocolError for a block out of order, without content, or beyond the limit; the association stays usable.
    """
    if octets[:2] != b"\x01\x02":
        return octets
    value, number = bytearray(), 0
    while octets[:2] == b"\x01\x02":
        [block] = decode_value(READ_RESULTS, octets)
        assert isinstance(block, DataBlockResult)
        number += 1
        if block.block_number != number or not (block.raw_data or block.last_block):
            raise RemoteProtocolError(f"block {block.block_number} of {ref}, {number} was due")
        value += block.raw_data
        if len(value) > MAX_TRANSFER:
            raise RemoteProtocolError(f"{ref} is longer than {MAX_TRANSFER} octets")
        if block.last_block:
            return bytes(value)
        reply = yield Request(ReadRequest([BlockNumberAccess(number)]), (ReadResponseRaw,), read_only)
        assert isinstance(reply, ReadResponseRaw)
        octets = reply.results
    raise AccessError(_whole_refusal(octets), ref)


def _read_block(block: DataBlock) -> ReadRequest:
    return ReadRequest([ReadDataBlockAccess(block.last_block, _numbered(block), block.raw_data)])


def _write_block(block: DataBlock) -> WriteRequest:
    return WriteRequest([WriteDataBlockAccess(block.last_block, _numbered(block))], [block.raw_data])


def _numbered(block: DataBlock) -> int:
    if block.block_number > MAX_BLOCK_NUMBER:
        raise LocalProtocolError(f"more than {MAX_BLOCK_NUMBER} blocks")
    return block.block_number


def _read_acknowledged(reply: Record) -> int | None:
    results = reply.results if isinstance(reply, ReadResponseRaw) else b""
    return int.from_bytes(results[2:], "big") if results[:2] == b"\x01\x03" else None


def _write_acknowledged(reply: Record) -> int | None:
    match reply:
        case WriteResponse([BlockNumber(number)]):
            return number
    return None
