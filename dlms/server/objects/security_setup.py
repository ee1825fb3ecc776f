"""Security setup: what protects associations, and how a client changes it.  Blue Book, class 64 versions 0 and 1.

The state is that of the device for the object (`dlms.server.security.SecuritySetup`).  Keys come wrapped under the master
key, all of a call or none; the next APDU needs the new ones, and the answer to the call still goes out under the old.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dlms.apdu.attribute import SelectiveAccess
from dlms.enums import AccessResult
from dlms.errors import AccessError, LocalProtocolError, SecurityError
from dlms.interface import AttributeRef, MethodRef
from dlms.security.policy import KEY_IDS, LEVELS, Policy
from dlms.server.objects.behaviour import Behaviour, Context
from dlms.values import Enum

if TYPE_CHECKING:
    from dlms.server.security import SecuritySetup

_KEYS = {key_id: name for name, key_id in KEY_IDS.items()}
_ALL_BITS = sum(Policy)


def _level(policy: Policy) -> Enum:
    """A policy as version 0 writes it: the lowest level that demands no less."""
    return Enum(next(level for level, one in enumerate(LEVELS) if not policy & LEVELS[3] & ~one))


_VALUES: dict[str, Callable[[SecuritySetup], Any]] = {
    "security_suite": lambda setup: Enum(setup.provider.suite.id),
    "client_system_title": lambda setup: setup.client_title,
    "server_system_title": lambda setup: setup.system_title,
    "certificates": lambda setup: [],
}


class SecuritySetupBehaviour(Behaviour):
    """What both versions do; `levels` are the policies by number in version 0, None where a policy is bits."""

    def __init__(self, levels: tuple[Policy, ...] | None) -> None:
        self._levels = levels

    def get(self, ref: AttributeRef[Any], access: SelectiveAccess | None, context: Context) -> Any:
        """The state of the setup that this object is."""
        setup, name = _setup(ref, context), "" if ref.attribute is None else ref.attribute.name
        if access is not None:
            raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, ref)
        if name == "security_policy":
            return Enum(int(setup.policy)) if self._levels is None else _level(setup.policy)
        if name not in _VALUES:
            raise AccessError(AccessResult.OBJECT_UNDEFINED, ref)
        return _VALUES[name](setup)

    def set(self, ref: AttributeRef[Any], value: Any, context: Context) -> None:
        """Nothing is written: the policy is activated, keys are transferred."""
        raise AccessError(AccessResult.READ_WRITE_DENIED, ref)

    def call(self, ref: MethodRef[Any], parameter: Any, context: Context) -> Any:
        """Activate a policy, which is never weaker than the one that holds, or take new keys."""
        setup, name = _setup(ref, context), "" if ref.method is None else ref.method.name
        if name == "security_activate":
            setup.policy = self._activated(ref, setup.policy, parameter)
        elif name in ("global_key_transfer", "key_transfer"):
            setup.provider = _transferred(ref, setup, parameter)
        else:
            raise AccessError(AccessResult.OBJECT_UNDEFINED, ref)
        setup.changed()

    def _activated(self, ref: MethodRef[Any], held: Policy, wanted: Any) -> Policy:
        """Version 0 counts its levels up; in version 1 no bit is ever taken away."""
        if not isinstance(wanted, Enum):
            raise AccessError(AccessResult.TYPE_UNMATCHED, ref)
        if self._levels is not None:
            if not _level(held) <= wanted < len(self._levels):
                raise AccessError(AccessResult.READ_WRITE_DENIED, ref)
            return self._levels[wanted]
        if wanted & ~_ALL_BITS or held & ~wanted:
            raise AccessError(AccessResult.READ_WRITE_DENIED, ref)
        return Policy(wanted)


def _setup(ref: AttributeRef[Any] | MethodRef[Any], context: Context) -> SecuritySetup:
    setup = context.device.security.get(ref.instance)
    if setup is None:
        raise AccessError(AccessResult.OBJECT_UNAVAILABLE, ref)
    return setup


def _transferred(ref: MethodRef[Any], setup: SecuritySetup, changes: Any) -> Any:
    """The provider with the new keys.  Raises AccessError, and no key is changed then."""
    if not isinstance(changes, list) or not changes:
        raise AccessError(AccessResult.TYPE_UNMATCHED, ref)
    wrapped: dict[str, bytes] = {}
    for change in changes:
        match change:
            case (int(key_id), bytes(blob)) if key_id in _KEYS and _KEYS[key_id] not in wrapped:
                wrapped[_KEYS[key_id]] = blob
            case _:
                raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, ref)
    try:
        return setup.provider.with_transferred(wrapped)
    except (SecurityError, LocalProtocolError) as fault:
        raise AccessError(AccessResult.OTHER_REASON, ref) from fault
