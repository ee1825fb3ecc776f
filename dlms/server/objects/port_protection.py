"""Communication port protection: what protects a port, as an object.  Blue Book, class 124 version 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dlms.apdu.attribute import SelectiveAccess
from dlms.enums import AccessResult
from dlms.errors import AccessError, LocalProtocolError
from dlms.interface import AttributeRef, MethodRef, typed
from dlms.server.objects.behaviour import Behaviour, Context
from dlms.server.port_protection import PortProtection, ProtectionMode
from dlms.values import DoubleLongUnsigned, Enum, LongUnsigned, Unsigned

_VALUES: dict[str, Callable[[PortProtection, float], Any]] = {
    "protection_mode": lambda port, now: Enum(port.mode),
    "allowed_failed_attempts": lambda port, now: LongUnsigned(port.allowed_failed_attempts),
    "initial_lockout_time": lambda port, now: DoubleLongUnsigned(port.initial_lockout_s),
    "steepness_factor": lambda port, now: Unsigned(port.steepness_factor),
    "max_lockout_time": lambda port, now: DoubleLongUnsigned(port.max_lockout_s),
    "port_reference": lambda port, now: bytes(port.port_reference),
    "protection_status": lambda port, now: Enum(port.status(now)),
    "failed_attempts": lambda port, now: DoubleLongUnsigned(port.failed_attempts),
    "cumulative_failed_attempts": lambda port, now: DoubleLongUnsigned(port.cumulative_failed_attempts),
}
_WRITTEN = {
    "protection_mode": "mode",
    "allowed_failed_attempts": "allowed_failed_attempts",
    "initial_lockout_time": "initial_lockout_s",
    "steepness_factor": "steepness_factor",
    "max_lockout_time": "max_lockout_s",
}
"""What a client may write, as the state has it."""
_KINDS: dict[str, type[int]] = {"protection_mode": ProtectionMode}


class PortProtectionBehaviour(Behaviour):
    """The state is that of the device for the object (`dlms.server.port_protection.PortProtection`)."""

    def get(self, ref: AttributeRef[Any], access: SelectiveAccess | None, context: Context) -> Any:
        """The state of the port that this object protects, now."""
        port, name = _port(ref, context), "" if ref.attribute is None else ref.attribute.name
        if access is not None:
            raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, ref)
        if name not in _VALUES:
            raise AccessError(AccessResult.OBJECT_UNDEFINED, ref)
        return _VALUES[name](port, context.device.now)

    def set(self, ref: AttributeRef[Any], value: Any, context: Context) -> None:
        """How the port is protected; how it stands is not written."""
        port, name = _port(ref, context), "" if ref.attribute is None else ref.attribute.name
        if name not in _WRITTEN:
            raise AccessError(AccessResult.READ_WRITE_DENIED, ref)
        try:
            number = typed(ref, value)
        except LocalProtocolError as fault:
            raise AccessError(AccessResult.TYPE_UNMATCHED, ref) from fault
        if type(value) is not type(number):
            raise AccessError(AccessResult.TYPE_UNMATCHED, ref)
        try:
            port.change(_WRITTEN[name], _KINDS.get(name, int)(number))
        except (ValueError, LocalProtocolError) as fault:
            raise AccessError(AccessResult.OTHER_REASON, ref) from fault

    def call(self, ref: MethodRef[Any], parameter: Any, context: Context) -> Any:
        """reset forgets the failed attempts that count, and with them the lockout."""
        if ref.method is None or ref.method.name != "reset":
            raise AccessError(AccessResult.OBJECT_UNDEFINED, ref)
        _port(ref, context).reset()


def _port(ref: AttributeRef[Any] | MethodRef[Any], context: Context) -> PortProtection:
    port = context.device.ports.get(ref.instance)
    if port is None:
        raise AccessError(AccessResult.OBJECT_UNAVAILABLE, ref)
    return port
