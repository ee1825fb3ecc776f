"""Association SN: the objects of the current association and their base names.  Blue Book, class 12 versions 0 to 4."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dlms.apdu.attribute import SelectiveAccess
from dlms.enums import AccessResult, Mechanism
from dlms.errors import AccessError
from dlms.interface import AttributeRef, MethodRef
from dlms.server.objects.behaviour import Behaviour, Context
from dlms.values import Long, LongUnsigned, Unsigned


def _object_list(context: Context) -> list[Any]:
    objects = context.granted.objects
    found = []
    for key, base in context.device.base_names(context.granted).by_object.items():
        of = objects[key].interface
        found.append((signed(base), LongUnsigned(of.class_id), Unsigned(of.version), bytes(of.instance)))
    return found


def _access_rights_list(context: Context) -> list[Any]:
    objects = context.granted.objects
    placed = context.device.base_names(context.granted).by_object
    return [(signed(base), *objects[key].access_rights()) for key, base in placed.items()]


def signed(base_name: int) -> Long:
    """A base name as the object list holds it: a long, negative from 0x8000 on."""
    return Long(base_name - 0x10000 if base_name >= 0x8000 else base_name)


_VALUES: dict[str, Callable[[Context], Any]] = {
    "object_list": _object_list,
    "access_rights_list": _access_rights_list,
}


class AssociationSnBehaviour(Behaviour):
    """Both lists follow from the association that asks; the secret of low level security can be changed."""

    def get(self, ref: AttributeRef[Any], access: SelectiveAccess | None, context: Context) -> Any:
        """The lists of the association that asks, whole; other attributes from the store."""
        name = ref.attribute.name if ref.attribute else ""
        if name not in _VALUES:
            return super().get(ref, access, context)
        if access is not None:
            raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, ref)
        return _VALUES[name](context)

    def set(self, ref: AttributeRef[Any], value: Any, context: Context) -> None:
        """The lists cannot be written."""
        if ref.attribute is not None and ref.attribute.name in _VALUES:
            raise AccessError(AccessResult.READ_WRITE_DENIED, ref)
        super().set(ref, value, context)

    def call(self, ref: MethodRef[Any], parameter: Any, context: Context) -> Any:
        """change_LLS_secret acts on the association that asks; other methods go to the store."""
        if ref.method is None or ref.method.name != "change_lls_secret":
            return super().call(ref, parameter, context)
        if context.granted.mechanism is not Mechanism.LLS:
            raise AccessError(AccessResult.READ_WRITE_DENIED, ref)
        if not isinstance(parameter, bytes) or not parameter:
            raise AccessError(AccessResult.TYPE_UNMATCHED, ref)
        context.device.secrets[context.granted.client_sap, context.granted.server_sap] = bytes(parameter)
        return None
