"""The behaviour of a class without any of its own: every attribute is a value in the store."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from dlms.apdu.attribute import SelectiveAccess
from dlms.association import Negotiated
from dlms.enums import AccessResult
from dlms.errors import AccessError, LocalProtocolError
from dlms.interface import AttributeRef, MethodRef
from dlms.server.device import Device, ServerAssociation

if TYPE_CHECKING:
    from dlms.server.reach import Reach
    from dlms.server.security import ServerCiphering


@dataclasses.dataclass(slots=True)
class Context:
    """On whose behalf an object is asked: the device, the association that was granted, and what was negotiated.

    `ciphering` has the envelopes of the association in a ciphered context, `user` is who the client says that it is, where
    the association asks for it; `reach` is what the request can do with other objects, with its own protection and rights.
    """

    device: Device
    granted: ServerAssociation
    negotiated: Negotiated
    ciphering: ServerCiphering | None = None
    user: int | None = None
    reach: Reach = dataclasses.field(init=False, repr=False)

    def came(self, title: bytes | None) -> None:
        """The client has proved itself, and the system title that it says it has where the mechanism binds that."""
        setup = self.device.setup(self.granted)
        if setup is not None and title is not None and self.granted.mechanism.with_titles:
            setup.client_title = title

    def change(self, **changes: Any) -> None:
        """Change the association that was granted: for everybody from the next association on, for this one at once.

        Raises AccessError when the device cannot keep the change, which then does not hold.
        """
        try:
            self.granted = self.device.change(self.granted, **changes)
        except LocalProtocolError as fault:
            raise AccessError(AccessResult.TEMPORARY_FAILURE) from fault


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
