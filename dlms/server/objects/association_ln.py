"""Association LN: what the current association is.  Blue Book, class 15 version 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dlms.acse import context_oid, mechanism_oid
from dlms.apdu.attribute import SelectiveAccess
from dlms.apdu.initiate import DLMS_VERSION
from dlms.enums import AccessResult, Mechanism
from dlms.errors import AccessError
from dlms.interface import AttributeRef
from dlms.server.objects.behaviour import Behaviour, Context
from dlms.values import BitString, Enum, Integer, LongUnsigned, Unsigned

ASSOCIATED = 2


def _object_list(context: Context) -> list[Any]:
    return [served.list_element(booleans=True) for served in context.granted.objects.values()]


def _associated_partners_id(context: Context) -> tuple[Any, ...]:
    return Integer(context.granted.client_sap), LongUnsigned(context.granted.server_sap)


def _xdlms_context_info(context: Context) -> tuple[Any, ...]:
    agreed = context.negotiated
    bits = BitString(int(agreed.conformance).to_bytes(3, "big"), 24)
    sizes = LongUnsigned(agreed.max_receive), LongUnsigned(agreed.max_send)
    return bits, *sizes, Unsigned(DLMS_VERSION), Integer(0), b""


_VALUES: dict[str, Callable[[Context], Any]] = {
    "object_list": _object_list,
    "associated_partners_id": _associated_partners_id,
    "application_context_name": lambda context: context_oid(context.granted.context),
    "xdlms_context_info": _xdlms_context_info,
    "authentication_mechanism_name": lambda context: mechanism_oid(context.granted.mechanism),
    "association_status": lambda context: Enum(ASSOCIATED),
}


class AssociationLnBehaviour(Behaviour):
    """Everything but the logical name follows from the association that asks."""

    def get(self, ref: AttributeRef[Any], access: SelectiveAccess | None, context: Context) -> Any:
        """The values of the association that asks; the secret is never read."""
        name = ref.attribute.name if ref.attribute else ""
        if name not in _VALUES:
            return super().get(ref, access, context)
        if access is not None:
            raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, ref)
        return _VALUES[name](context)

    def set(self, ref: AttributeRef[Any], value: Any, context: Context) -> None:
        """The secret of the association that asks."""
        if ref.attribute is None or ref.attribute.name != "secret" or context.granted.mechanism is Mechanism.NONE:
            raise AccessError(AccessResult.READ_WRITE_DENIED, ref)
        if not isinstance(value, bytes) or not value:
            raise AccessError(AccessResult.TYPE_UNMATCHED, ref)
        context.device.secrets[context.granted.client_sap, context.granted.server_sap] = bytes(value)
