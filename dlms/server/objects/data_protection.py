"""Data protection: attributes and methods of other objects, protected by themselves.  Blue Book, class 30.  Experimental.

Parameter structures are our own, as `dlms.protected_buffer` says.  Reads, writes and calls have the rights of the association;
the protection of the buffer counts as one of the request.  Other Data protection objects are not reached.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dlms.apdu.attribute import CosemAttributeDescriptor, CosemMethodDescriptor, SelectiveAccess
from dlms.codec import ABSENT
from dlms.enums import AccessResult
from dlms.errors import AccessError, DecodeError, LocalProtocolError, SecurityError
from dlms.interface import AttributeRef, MethodRef
from dlms.limits import MAX_LIST
from dlms.server.objects.behaviour import Behaviour, Context
from dlms.values import Enum

if TYPE_CHECKING:
    from dlms.security.policy import Protection
    from dlms.server.data_protection import DataProtection

CLASS = 30


class DataProtectionBehaviour(Behaviour):
    """The state is that of the device for the object (`dlms.server.data_protection.DataProtection`)."""

    def get(self, ref: AttributeRef[Any], access: SelectiveAccess | None, context: Context) -> Any:
        """What is protected and how; the buffer is made when it is read."""
        from dlms.protected_buffer import parameters_of

        state, name = _state(ref, context), "" if ref.attribute is None else ref.attribute.name
        if access is not None:
            raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, ref)
        values: dict[str, Callable[[], Any]] = {
            "protection_buffer": lambda: _read(state, state.objects, state.get | state.required.response, context, ref),
            "protection_object_list": lambda: state.objects,
            "protection_parameters_get": lambda: parameters_of(state.get),
            "protection_parameters_set": lambda: parameters_of(state.set),
            "required_protection": lambda: Enum(int(state.required)),
        }
        if name not in values:
            raise AccessError(AccessResult.OBJECT_UNDEFINED, ref)
        return values[name]()

    def set(self, ref: AttributeRef[Any], value: Any, context: Context) -> None:
        """The buffer writes the attributes that it holds; the rest is not written."""
        state = _state(ref, context)
        if ref.attribute is None or ref.attribute.name != "protection_buffer":
            raise AccessError(AccessResult.READ_WRITE_DENIED, ref)
        for code in _written(state, state.objects, state.set, value, context, ref):
            if code != AccessResult.SUCCESS:
                raise AccessError(int(code), ref)

    def call(self, ref: MethodRef[Any], parameter: Any, context: Context) -> Any:
        """Read, write or call, protected as the parameters say and at least as is required."""
        from dlms.protected_buffer import parameters_of, protection_of

        state, name = _state(ref, context), "" if ref.method is None else ref.method.name
        try:
            if name == "get_protected_attributes":
                objects, parameters = parameter
                protection = protection_of(parameters) | state.required.response
                return parameters_of(protection), _read(state, objects, protection, context, ref)
            target, parameters, buffer = parameter
            protection = protection_of(parameters)
            if name == "set_protected_attributes":
                return [Enum(code) for code in _written(state, target, protection, buffer, context, ref)]
            if name == "invoke_protected_method":
                answered = protection | state.required.response
                return parameters_of(answered), _called(state, target, protection, answered, buffer, context, ref)
        except SecurityError as fault:
            raise AccessError(AccessResult.READ_WRITE_DENIED, ref) from fault
        except (TypeError, ValueError) as fault:
            raise AccessError(AccessResult.TYPE_UNMATCHED, ref) from fault
        raise AccessError(AccessResult.OBJECT_UNDEFINED, ref)


def _state(ref: AttributeRef[Any] | MethodRef[Any], context: Context) -> DataProtection:
    state = context.device.protections.get(ref.instance)
    if state is None:
        raise AccessError(AccessResult.OBJECT_UNAVAILABLE, ref)
    return state


def _read(state: DataProtection, objects: Any, protection: Protection, context: Context, ref: Any) -> bytes:
    """The values of attributes in a protected buffer, null-data for each that the association may not read."""
    from dlms.protected_buffer import sealed

    values = tuple(context.reach.value(one) for one in _attributes(objects, ref))
    try:
        return sealed(values, protection, state.channel)
    except (SecurityError, LocalProtocolError) as fault:
        raise AccessError(AccessResult.OTHER_REASON, ref) from fault


def _written(
    state: DataProtection, objects: Any, protection: Protection, buffer: Any, context: Context, ref: Any
) -> list[int]:
    """The result of each; nothing is written when values and attributes do not belong together."""
    attributes = _attributes(objects, ref)
    values, found = _opened(state, protection, buffer, ref)
    if len(values) != len(attributes):
        raise AccessError(AccessResult.TYPE_UNMATCHED, ref)
    with context.reach.inside(found):
        pairs = zip(attributes, values, strict=True)
        return [int(context.reach.write(attribute, None, value)) for attribute, value in pairs]


def _called(
    state: DataProtection,
    method: Any,
    protection: Protection,
    answered: Protection,
    buffer: Any,
    context: Context,
    ref: Any,
) -> bytes:
    """What a method returned, protected.  Nothing is called whose answer could not be."""
    from dlms.protected_buffer import ready, sealed

    match method:
        case (int(class_id), bytes(name), int(index)) if len(name) == 6 and class_id != CLASS:
            asked = CosemMethodDescriptor(class_id, name, index)
        case _:
            raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, ref)
    values, found = _opened(state, protection, buffer, ref)
    if len(values) != 1:
        raise AccessError(AccessResult.TYPE_UNMATCHED, ref)
    ready(answered, state.channel)
    with context.reach.inside(found):
        result = context.reach.call(asked, values[0])
    if result.result != AccessResult.SUCCESS:
        raise AccessError(result.result, ref)
    returned = None if result.return_parameters is ABSENT else result.return_parameters
    return sealed((returned,), answered, state.channel)


def _opened(state: DataProtection, protection: Protection, buffer: Any, ref: Any) -> tuple[tuple[Any, ...], Protection]:
    """Raises AccessError for a buffer that is not protected as it says, or less than is required."""
    from dlms.protected_buffer import opened

    try:
        return opened(buffer, protection | state.required.request, state.channel)
    except DecodeError as fault:
        raise AccessError(AccessResult.TYPE_UNMATCHED, ref) from fault
    except SecurityError as fault:
        raise AccessError(AccessResult.READ_WRITE_DENIED, ref) from fault


def _attributes(objects: Any, ref: Any) -> list[CosemAttributeDescriptor]:
    """The attributes that a list names, whole.  Raises AccessError."""
    found = []
    for one in objects if isinstance(objects, list) and len(objects) <= MAX_LIST else (None,):
        match one:
            case (int(class_id), bytes(name), int(index), 0, None) if len(name) == 6 and class_id != CLASS:
                found.append(CosemAttributeDescriptor(class_id, name, index))
            case _:
                raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, ref)
    return found
