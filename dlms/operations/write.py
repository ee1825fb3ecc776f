"""SET and ACTION: writing one attribute, calling one method.  Green Book, SET and ACTION services."""

from __future__ import annotations

from typing import Any

from dlms.apdu.action import ActionRequestNormal, ActionResponseNormal
from dlms.apdu.attribute import CosemMethodDescriptor, SelectiveAccess
from dlms.apdu.set import SetRequestNormal, SetResponseNormal
from dlms.codec import ABSENT
from dlms.enums import AccessResult
from dlms.errors import AccessError
from dlms.interface import AttributeRef, MethodRef, typed
from dlms.operations import Operation, Request
from dlms.operations.read import accepted, descriptor


def set_value(ref: AttributeRef[Any], value: Any, access: SelectiveAccess | None = None) -> Operation[None]:
    """Write one attribute.  Raises LocalProtocolError for a wrong type, AccessError when the meter refuses."""
    request = SetRequestNormal(0, descriptor(ref), access, typed(ref, value))
    reply = yield Request(request, (SetResponseNormal,), read_only=False)
    assert isinstance(reply, SetResponseNormal)
    if reply.result != AccessResult.SUCCESS:
        raise AccessError(reply.result, ref)


def call(ref: MethodRef[Any], parameter: Any = ABSENT) -> Operation[Any]:
    """Call one method; ABSENT sends the parameter that its class declares as default (integer 0), when it declares one.

    Returns what the method returned, None for nothing.  Raises AccessError when the meter refuses.
    """
    method = CosemMethodDescriptor(ref.class_id, bytes(ref.instance), ref.index)
    given = typed(ref, 0 if ref.method is not None else None) if parameter is ABSENT else typed(ref, parameter)
    request = ActionRequestNormal(0, method, ABSENT if given is None else given)
    reply = yield Request(request, (ActionResponseNormal,), read_only=False)
    assert isinstance(reply, ActionResponseNormal)
    if reply.response.result != AccessResult.SUCCESS:
        raise AccessError(reply.response.result, ref)
    returned = reply.response.return_parameters
    return None if returned is ABSENT else accepted(returned, ref)
