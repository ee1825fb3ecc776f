"""Association LN: what the current association is.  Blue Book, class 15 versions 0 to 3."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from dlms.acse import context_oid, mechanism_oid
from dlms.apdu.initiate import DLMS_VERSION
from dlms.enums import AccessResult
from dlms.errors import AccessError
from dlms.interface import MethodRef
from dlms.server.objects.association import AssociationBehaviour
from dlms.server.objects.behaviour import Context
from dlms.server.rights import Access, Rights, Served
from dlms.values import BitString, Enum, Integer, LongUnsigned, Unsigned
from obis import Obis

ASSOCIATED = 2
FIRST_WITH_BITS = 3
"""The version from which on access modes are bit masks."""


def _object_list(version: int, context: Context) -> list[Any]:
    listed = context.granted.objects.values()
    return [served.list_element(bits=version >= FIRST_WITH_BITS, booleans=version == 0) for served in listed]


def _associated_partners_id(context: Context) -> tuple[Any, ...]:
    return Integer(context.granted.client_sap), LongUnsigned(context.granted.server_sap)


def _xdlms_context_info(context: Context) -> tuple[Any, ...]:
    agreed = context.negotiated
    bits = BitString(int(agreed.conformance).to_bytes(3, "big"), 24)
    sizes = LongUnsigned(agreed.max_receive), LongUnsigned(agreed.max_send)
    return bits, *sizes, Unsigned(DLMS_VERSION), Integer(0), b""


_VALUES: dict[str, Callable[[Context], Any]] = {
    "associated_partners_id": _associated_partners_id,
    "application_context_name": lambda context: context_oid(context.granted.context),
    "xdlms_context_info": _xdlms_context_info,
    "authentication_mechanism_name": lambda context: mechanism_oid(context.granted.mechanism),
    "association_status": lambda context: Enum(ASSOCIATED),
}


class AssociationLnBehaviour(AssociationBehaviour):
    """Everything but the logical name follows from the association that asks, and its object list can change.

    An object that is added is one that another association of the same logical device sees, with rights that are no more
    than what that one has: nobody gets what the device grants to no client.
    """

    def __init__(self, version: int) -> None:
        self._bits = version >= FIRST_WITH_BITS
        super().__init__(
            {**_VALUES, "object_list": partial(_object_list, version)},
            {"add_object": self._add_object, "remove_object": _remove_object},
        )

    def _add_object(self, ref: MethodRef[Any], element: Any, context: Context) -> None:
        """Raises AccessError for what the logical device does not have, or for more than any association may do with it."""
        class_id, version, name = _named(ref, element)
        rights = self._rights(ref, element[3])
        key = class_id, Obis(name)
        sap, others = context.granted.server_sap, context.device.associations.values()
        found = [one.objects[key] for one in others if one.server_sap == sap and key in one.objects]
        allowing = [one for one in found if one.interface.version == version and _within(rights, one)]
        if not allowing:
            known = any(one.interface.version == version for one in found)
            raise AccessError(AccessResult.READ_WRITE_DENIED if known else AccessResult.OBJECT_UNDEFINED, ref)
        context.change(objects={**context.granted.objects, key: Served(allowing[0].interface, rights)})

    def _rights(self, ref: MethodRef[Any], listed: Any) -> Rights:
        """Access rights as this version lists them.  Raises AccessError."""
        attribute = Access.of_mask if self._bits else Access.of_level
        method = Access.of_mask if self._bits else Access.of_method_level
        try:
            attributes, methods = listed
            modes = {int(index): attribute(int(mode)) for index, mode, _ in attributes}
            calling = {int(index): method(int(mode)) for index, mode in methods}
        except (TypeError, ValueError) as fault:
            raise AccessError(AccessResult.TYPE_UNMATCHED, ref) from fault
        return Rights(modes, frozenset(index for index, mode in calling.items() if mode.readable), calling)


def _within(rights: Rights, served: Served) -> bool:
    """Whether these rights are no more than those that an object is served with."""
    attributes = all(
        mode.no_more_than(served.rights.access(index)) for index, mode in rights.attributes.items() if mode
    )
    methods = (rights.calling(index).no_more_than(served.rights.calling(index)) for index in rights.methods)
    return attributes and all(methods)


def _remove_object(ref: MethodRef[Any], element: Any, context: Context) -> None:
    """Raises AccessError for an object that is not in the list, and for the association itself: nobody could add it again."""
    class_id, version, name = _named(ref, element)
    key = class_id, Obis(name)
    held = context.granted.objects.get(key)
    if held is None or held.interface.version != version:
        raise AccessError(AccessResult.OBJECT_UNDEFINED, ref)
    if key == (ref.class_id, ref.instance):
        raise AccessError(AccessResult.READ_WRITE_DENIED, ref)
    context.change(objects={one: served for one, served in context.granted.objects.items() if one != key})


def _named(ref: MethodRef[Any], element: Any) -> tuple[int, int, bytes]:
    """Class, version and logical name of an object list element.  Raises AccessError."""
    match element:
        case (int(class_id), int(version), bytes(name), _) if len(name) == 6:
            return int(class_id), int(version), name
    raise AccessError(AccessResult.TYPE_UNMATCHED, ref)
