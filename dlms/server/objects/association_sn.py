"""Association SN: the objects of the current association and their base names.  Blue Book, class 12 versions 0 to 4."""

from __future__ import annotations

from functools import partial
from typing import Any

from dlms.apdu.attribute import CosemAttributeDescriptor
from dlms.enums import AccessResult
from dlms.errors import AccessError
from dlms.interface import MethodRef
from dlms.limits import MAX_LIST
from dlms.server.objects.association import AssociationBehaviour, change_lls_secret
from dlms.server.objects.behaviour import Context
from dlms.values import Long, LongUnsigned, Unsigned

FIRST_WITH_BITS = 4
"""The version from which on access modes are bit masks."""


def _object_list(context: Context) -> list[Any]:
    objects = context.granted.objects
    found = []
    for key, base in context.device.base_names(context.granted).by_object.items():
        of = objects[key].interface
        found.append((signed(base), LongUnsigned(of.class_id), Unsigned(of.version), bytes(of.instance)))
    return found


def _access_rights_list(bits: bool, context: Context) -> list[Any]:
    objects = context.granted.objects
    placed = context.device.base_names(context.granted).by_object
    return [(signed(base), *objects[key].access_rights(bits=bits)) for key, base in placed.items()]


def signed(base_name: int) -> Long:
    """A base name as the object list holds it: a long, negative from 0x8000 on."""
    return Long(base_name - 0x10000 if base_name >= 0x8000 else base_name)


def _read_by_logicalname(ref: MethodRef[Any], parameter: Any, context: Context) -> tuple[Any, ...]:
    """The values of attributes by class, logical name and index, in their order, as a structure.

    null-data stands for one that the association may not read, or that has no room for its own selection.
    Raises AccessError for what is no list of attributes.
    """
    found = []
    for one in parameter if isinstance(parameter, list) and len(parameter) <= MAX_LIST else (None,):
        match one:
            case (int(class_id), bytes(name), int(index)) if len(name) == 6:
                found.append(context.reach.value(CosemAttributeDescriptor(class_id, name, index)))
            case _:
                raise AccessError(AccessResult.TYPE_UNMATCHED, ref)
    return tuple(found)


class AssociationSnBehaviour(AssociationBehaviour):
    """Both lists follow from the association that asks; access modes are bit masks from version 4 on."""

    def __init__(self, version: int) -> None:
        rights = partial(_access_rights_list, version >= FIRST_WITH_BITS)
        super().__init__(
            {"object_list": _object_list, "access_rights_list": rights},
            {"change_lls_secret": change_lls_secret, "read_by_logicalname": _read_by_logicalname},
        )
