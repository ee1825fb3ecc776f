"""GET, SET and ACTION against the objects that an association sees.  Green Book, LN services; limits of protocol.

Which services were negotiated has been checked before; here rights are checked, values fetched, long ones cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dlms import data as cosem_data
from dlms.apdu.action import ActionRequestNormal, ActionResponseNormal, ActionResult
from dlms.apdu.attribute import CosemAttributeDescriptor, ResultBlock, SelectiveAccess
from dlms.apdu.get import (
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseListRaw,
    GetResponseNormal,
    GetResponseRaw,
    GetResponseWithDatablock,
)
from dlms.apdu.set import SetRequestNormal, SetResponseNormal
from dlms.axdr import encode_length
from dlms.codec import ABSENT, Record, Refusal, encode
from dlms.enums import AccessResult, Conformance
from dlms.errors import AccessError, LocalProtocolError, RemoteProtocolError
from dlms.interface import AttributeRef
from dlms.limits import MAX_APDU, MAX_LIST
from dlms.quirks import Quirk
from dlms.server.objects import Context, behaviour
from dlms.server.rights import Served
from dlms.server.transfer import Encoded, Payload, Selected
from obis import Obis

_NORMAL_HEADER = 4
_BLOCK_HEADER = 12
_CONFIRMED = 0x40


class Services:
    """Answers the requests of one association.  `frame_capacity` bounds answers where the meter keeps to one frame."""

    def __init__(self, context: Context, frame_capacity: int | None) -> None:
        self.context = context
        self._limit = _answer_limit(context, frame_capacity)
        self._transfer: Payload | None = None
        self._block_number = 0

    def answer(self, request: Record) -> Record | None:
        """The response to a request, None when none is due.

        A request other than the next block ends a long answer that is under way.  Raises RemoteProtocolError for a
        service that this server does not have.
        """
        serve = _SERVED.get(type(request))
        if serve is None:
            raise RemoteProtocolError(f"{request.wire_name()} is not served")
        if not isinstance(request, GetRequestNext):
            self._transfer = None
        return serve(self, request)

    def encode(self, reply: Record) -> bytes:
        """The bytes of a response, with the block lengths that the meter writes."""
        if isinstance(reply, GetResponseWithDatablock) and Quirk.LONG_BLOCK_LENGTH in self.context.device.quirks:
            return _with_long_length(reply)
        return encode(reply)

    # GET

    def get(self, request: GetRequestNormal) -> Record:
        """One attribute, in blocks when it is too long for one APDU."""
        try:
            payload = self._read(request.attribute, request.access)
        except AccessError as refusal:
            return GetResponseNormal(request.invoke, Refusal(refusal.result))
        if payload.fits(self._limit - _NORMAL_HEADER):
            return GetResponseRaw(request.invoke, b"\x00" + payload.take(self._limit))
        return self._begin(request.invoke, payload)

    def get_list(self, request: GetRequestWithList) -> Record:
        """Several attributes; a refused one does not stop the others."""
        if len(request.descriptors) > MAX_LIST:
            return GetResponseNormal(request.invoke, Refusal(int(AccessResult.OTHER_REASON)))
        encoded = bytearray(encode_length(len(request.descriptors)))
        for element in request.descriptors:
            try:
                encoded += b"\x00" + self._read(element.attribute, element.access).take(MAX_APDU)
            except AccessError as refusal:
                encoded += bytes((1, refusal.result))
        if len(encoded) <= self._limit - _NORMAL_HEADER + 1:
            return GetResponseListRaw(request.invoke, bytes(encoded))
        return self._begin(request.invoke, Encoded(bytes(encoded)))

    def get_next(self, request: GetRequestNext) -> Record:
        """The next block, when the number is that of the last one."""
        if self._transfer is None:
            return _end_of_blocks(request, AccessResult.NO_LONG_GET_IN_PROGRESS)
        if request.block_number != self._block_number:
            self._transfer = None
            return _end_of_blocks(request, AccessResult.DATA_BLOCK_NUMBER_INVALID)
        return self._block(request.invoke)

    def _begin(self, invoke: int, payload: Payload) -> Record:
        if Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ not in self.context.negotiated.conformance:
            return GetResponseNormal(invoke, Refusal(int(AccessResult.DATA_BLOCK_UNAVAILABLE)))
        self._transfer, self._block_number = payload, 0
        return self._block(invoke)

    def _block(self, invoke: int) -> Record:
        assert self._transfer is not None
        self._block_number += 1
        try:
            piece = self._transfer.take(self._limit - _BLOCK_HEADER)
            last = self._transfer.fits(0)
        except AccessError as refusal:
            self._transfer = None
            return GetResponseWithDatablock(invoke, ResultBlock(True, self._block_number, Refusal(refusal.result)))
        if last:
            self._transfer = None
        return GetResponseWithDatablock(invoke, ResultBlock(last, self._block_number, piece))

    def _read(self, attribute: CosemAttributeDescriptor, access: SelectiveAccess | None) -> Payload:
        served = self._find(attribute.class_id, attribute.instance_id)
        ref = served.interface.attribute_ref(attribute.attribute_id)
        if not served.rights.access(ref.index).readable:
            raise AccessError(_refused(served, ref), ref)
        if ref.index == 1:
            return Encoded(cosem_data.encode(bytes(ref.instance)))
        value = behaviour(*_class_of(served)).get(ref, access, self.context)
        return value if isinstance(value, Selected) else Encoded(cosem_data.encode(value))

    # SET and ACTION

    def set(self, request: SetRequestNormal) -> Record | None:
        """One attribute."""
        attribute = request.attribute
        result = AccessResult.SUCCESS
        try:
            served = self._find(attribute.class_id, attribute.instance_id)
            of = served.interface
            ref = of.attribute_ref(attribute.attribute_id)
            if request.access is not None:
                raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, ref)
            if not served.rights.access(ref.index).writable:
                raise AccessError(_refused(served, ref), ref)
            behaviour(*_class_of(served)).set(ref, request.value, self.context)
        except AccessError as refusal:
            result = AccessResult(refusal.result)
        return SetResponseNormal(request.invoke, int(result)) if request.invoke & _CONFIRMED else None

    def call(self, request: ActionRequestNormal) -> Record | None:
        """One method."""
        method, returned, result = request.method, None, AccessResult.SUCCESS
        try:
            served = self._find(method.class_id, method.instance_id)
            of = served.interface
            ref = of.method_ref(method.method_id)
            if method.method_id not in served.rights.methods:
                known = method.method_id in of.methods
                raise AccessError(AccessResult.READ_WRITE_DENIED if known else AccessResult.OBJECT_UNDEFINED, ref)
            parameter = None if request.parameters is ABSENT else request.parameters
            returned = behaviour(*_class_of(served)).call(ref, parameter, self.context)
        except AccessError as refusal:
            result = AccessResult(refusal.result)
        answered = ActionResult(int(result), ABSENT if returned is None else returned)
        return ActionResponseNormal(request.invoke, answered) if request.invoke & _CONFIRMED else None

    def _find(self, class_id: int, instance: bytes) -> Served:
        objects = self.context.granted.objects
        served = objects.get((class_id, Obis(instance)))
        if served is not None:
            return served
        other_class = any(name == instance for _, name in objects)
        raise AccessError(AccessResult.OBJECT_CLASS_INCONSISTENT if other_class else AccessResult.OBJECT_UNDEFINED)


def _answer_limit(context: Context, frame_capacity: int | None) -> int:
    limit = context.negotiated.max_send or MAX_APDU
    if frame_capacity is not None and Quirk.WHOLE_ROW_BLOCKS in context.device.quirks:
        limit = min(limit, frame_capacity)
    return limit


def _class_of(served: Served) -> tuple[int, int]:
    return served.interface.class_id, served.interface.version


def _refused(served: Served, ref: AttributeRef[Any]) -> AccessResult:
    known = ref.index in served.interface.attributes
    return AccessResult.READ_WRITE_DENIED if known else AccessResult.OBJECT_UNDEFINED


def _end_of_blocks(request: GetRequestNext, result: AccessResult) -> Record:
    return GetResponseWithDatablock(request.invoke, ResultBlock(True, request.block_number, Refusal(int(result))))


def _with_long_length(reply: GetResponseWithDatablock) -> bytes:
    """The octets of a block whose length takes three octets, however short it is."""
    block = reply.block
    if isinstance(block.result, Refusal):
        return encode(reply)
    if len(block.result) > 0xFFFF:
        raise LocalProtocolError(f"a block of {len(block.result)} octets does not fit in a length of two")
    octets: bytes = block.result
    head = bytes((*reply.prefix, reply.invoke, bool(block.last_block))) + block.block_number.to_bytes(4, "big")
    return head + b"\x00\x82" + len(octets).to_bytes(2, "big") + octets


_SERVED: dict[type[Record], Callable[[Services, Any], Record | None]] = {
    GetRequestNormal: Services.get,
    GetRequestNext: Services.get_next,
    GetRequestWithList: Services.get_list,
    SetRequestNormal: Services.set,
    ActionRequestNormal: Services.call,
}
