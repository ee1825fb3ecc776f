"""Data objects: values in the store, but for the invocation counters, which are those of the security setups.

The counter of the Security setup 0.b.43.0.e.255 is 0.b.43.1.e.255.  Blue Book, class 1 and OBIS codes of abstract objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlms.apdu.attribute import SelectiveAccess
from dlms.enums import AccessResult
from dlms.errors import AccessError, LocalProtocolError
from dlms.interface import AttributeRef
from dlms.server.objects.behaviour import Behaviour, Context
from dlms.values import DoubleLongUnsigned
from obis import Obis

if TYPE_CHECKING:
    from dlms.server.security import SecuritySetup

SETUP_CLASS = 64
_SETUP, _COUNTER = b"\x2b\x00", b"\x2b\x01"
"""Value groups C and D."""


def counter_of(setup: Obis) -> Obis:
    """The name of the invocation counter of a Security setup object."""
    name = bytes(setup)
    return Obis(name[:2] + _COUNTER + name[4:])


def _setup(ref: AttributeRef[Any], context: Context) -> SecuritySetup | None:
    """The setup whose counter an attribute is, None for every other attribute."""
    setups, name = context.device.security, bytes(ref.instance)
    if not setups or name[2:4] != _COUNTER or name[0] or ref.index != 2:
        return None
    return setups.get(Obis(name[:2] + _SETUP + name[4:]))


class DataBehaviour(Behaviour):
    """Everything but an invocation counter is the store's."""

    def get(self, ref: AttributeRef[Any], access: SelectiveAccess | None, context: Context) -> Any:
        """The last counter that was accepted under the setup's global unicast key, 0 before the first."""
        setup = _setup(ref, context)
        if setup is None:
            return super().get(ref, access, context)
        if access is not None:
            raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, ref)
        try:
            return DoubleLongUnsigned(setup.last_counter())
        except LocalProtocolError as fault:
            raise AccessError(AccessResult.OBJECT_UNAVAILABLE, ref) from fault

    def set(self, ref: AttributeRef[Any], value: Any, context: Context) -> None:
        """A counter is not written."""
        if _setup(ref, context) is not None:
            raise AccessError(AccessResult.READ_WRITE_DENIED, ref)
        super().set(ref, value, context)
