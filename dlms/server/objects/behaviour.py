"""The behaviour of a class without any of its own: every attribute is a value in the store."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from dlms.apdu.attribute import SelectiveAccess
from dlms.association import Negotiated
from dlms.enums import AccessResult
from dlms.errors import AccessError
from dlms.interface import AttributeRef, MethodRef
from dlms.server.device import Device, ServerAssociation

if TYPE_CHECKING:
    from dlms.server.security import ServerCiphering


@dataclasses.dataclass(frozen=True, slots=True)
class Context:
    """On whose behalf an object is asked: the device, the association that was granted, and what was negotiated.

    `ciphering` has the envelopes of the association in a ciphered context.
    """

    device: Device
    granted: ServerAssociation
    negotiated: Negotiated
    ciphering: ServerCiphering | None = None


class Behaviour:
    """Gets, sets and calls go to the store.  All three raise AccessError to refuse."""

    def get(self, ref: AttributeRef[Any], access: SelectiveAccess | None, context: Context) -> Any:
        """The value of an attribute; a class that offers selections overrides this."""
        if access is not None:
            raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, ref)
        return context.device.store.get(ref)

    def set(self, ref: AttributeRef[Any], value: Any, context: Context) -> None:
        """Take a written value."""
        context.device.store.set(ref, value)

    def call(self, ref: MethodRef[Any], parameter: Any, context: Context) -> Any:
        """Carry out a method; returns what it returns, or None."""
        return context.device.store.call(ref, parameter)
