"""Security setup: what protects associations, and how a client changes it.  Blue Book, class 64 versions 0 and 1.

The state is that of the device for the object (`dlms.server.security.SecuritySetup`).  The keys of a call are taken all or
none; the next APDU needs the new ones, and the answer to the call still goes out under the old.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from dlms.apdu.attribute import SelectiveAccess
from dlms.enums import AccessResult
from dlms.errors import AccessError, DlmsError, LocalProtocolError, SecurityError
from dlms.interface import AttributeRef, MethodRef
from dlms.security.policy import ALL_BITS, KEY_IDS, LEVELS, Policy
from dlms.server.objects.behaviour import Behaviour, Context
from dlms.values import Enum

if TYPE_CHECKING:
    from dlms.security.certificates import Purpose
    from dlms.security.key_store import KeyStore
    from dlms.server.security import SecuritySetup

_KEYS = {key_id: name for name, key_id in KEY_IDS.items()}


class Invoked(NamedTuple):
    """One call: the setup that it is for, the method, its parameter and the association that it came in."""

    setup: SecuritySetup
    ref: MethodRef[Any]
    parameter: Any
    context: Context


def _level(policy: Policy) -> Enum:
    """A policy as version 0 writes it: the lowest level that demands no less."""
    return Enum(next(level for level, one in enumerate(LEVELS) if not policy & LEVELS[3] & ~one))


_VALUES: dict[str, Callable[[SecuritySetup], Any]] = {
    "security_suite": lambda setup: Enum(setup.provider.suite.id),
    "server_system_title": lambda setup: setup.system_title,
    "certificates": lambda setup: [] if setup.keys is None else [one.value() for one in setup.keys.certificates()],
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
        if name == "client_system_title":
            ciphering = context.ciphering
            return setup.client_title if ciphering is None or ciphering.setup is not setup else ciphering.client_title
        if name not in _VALUES:
            raise AccessError(AccessResult.OBJECT_UNDEFINED, ref)
        return _VALUES[name](setup)

    def set(self, ref: AttributeRef[Any], value: Any, context: Context) -> None:
        """Nothing is written: the policy is activated, keys are transferred."""
        raise AccessError(AccessResult.READ_WRITE_DENIED, ref)

    def call(self, ref: MethodRef[Any], parameter: Any, context: Context) -> Any:
        """Activate a policy, which is never weaker than the one that holds, take new keys, or manage certificates."""
        setup, name = _setup(ref, context), "" if ref.method is None else ref.method.name
        returned = None
        try:
            if name == "security_activate":
                setup.activate(self._activated(ref, setup.policy, parameter))
            elif name in _METHODS:
                returned = _METHODS[name](Invoked(setup, ref, parameter, context))
            else:
                raise AccessError(AccessResult.OBJECT_UNDEFINED, ref)
        except (SecurityError, LocalProtocolError) as fault:
            raise AccessError(_result(fault), ref) from fault
        if name not in _ASKING:
            setup.changed()
        return returned

    def _activated(self, ref: MethodRef[Any], held: Policy, wanted: Any) -> Policy:
        """Version 0 counts its levels up; in version 1 no bit is ever taken away."""
        if not isinstance(wanted, Enum):
            raise AccessError(AccessResult.TYPE_UNMATCHED, ref)
        if self._levels is not None:
            if not _level(held) <= wanted < len(self._levels):
                raise AccessError(AccessResult.READ_WRITE_DENIED, ref)
            return self._levels[wanted]
        if wanted & ~ALL_BITS or held & ~wanted:
            raise AccessError(AccessResult.READ_WRITE_DENIED, ref)
        return Policy(wanted)


def _result(fault: DlmsError) -> AccessResult:
    """What the client is told of a change that was refused, or that could not be kept."""
    from dlms.security.store import PrivateFileError  # files are loaded by who has keys in one

    return AccessResult.TEMPORARY_FAILURE if isinstance(fault, PrivateFileError) else AccessResult.OTHER_REASON


def _setup(ref: AttributeRef[Any] | MethodRef[Any], context: Context) -> SecuritySetup:
    setup = context.device.security.get(ref.instance)
    if setup is None:
        raise AccessError(AccessResult.OBJECT_UNAVAILABLE, ref)
    return setup


def _by_name(call: Invoked) -> dict[str, bytes]:
    """What a call brings for keys, by their names: each once.  Raises AccessError."""
    if not isinstance(call.parameter, list) or not call.parameter:
        raise AccessError(AccessResult.TYPE_UNMATCHED, call.ref)
    found: dict[str, bytes] = {}
    for one in call.parameter:
        match one:
            case (int(key_id), bytes(octets)) if key_id in _KEYS and _KEYS[key_id] not in found:
                found[_KEYS[key_id]] = octets
            case _:
                raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, call.ref)
    return found


def _key_store(call: Invoked) -> KeyStore:
    if call.setup.keys is None:
        raise AccessError(AccessResult.OBJECT_UNAVAILABLE, call.ref)
    return call.setup.keys


def _purpose(call: Invoked) -> Purpose:
    from dlms.security.certificates import Purpose

    if not isinstance(call.parameter, Enum) or call.parameter not in [purpose.value for purpose in Purpose]:
        raise AccessError(AccessResult.TYPE_UNMATCHED, call.ref)
    return Purpose(int(call.parameter))


def _agreed(call: Invoked) -> list[Any]:
    """Both ends make the keys; the client is who the association is with, and it signs."""
    parts, keys, ciphering = _by_name(call), _key_store(call), call.context.ciphering
    if ciphering is None:  # nobody has said under which title
        raise AccessError(AccessResult.READ_WRITE_DENIED, call.ref)
    answers = keys.agree(parts, ciphering.client_title, ciphering.verify)
    call.setup.provider = keys.provider
    return [(Enum(KEY_IDS[name]), answer) for name, answer in answers.items()]


def _generated(call: Invoked) -> None:
    _key_store(call).generate(_purpose(call))


def _requested(call: Invoked) -> bytes:
    return _key_store(call).request(_purpose(call))


def _imported(call: Invoked) -> None:
    if not isinstance(call.parameter, bytes):
        raise AccessError(AccessResult.TYPE_UNMATCHED, call.ref)
    keys = _key_store(call)
    keys.take(call.parameter)
    call.setup.provider = keys.provider


def _exported(call: Invoked) -> bytes:
    from dlms.security.identification import identification

    return _key_store(call).export(identification(call.parameter))


def _removed(call: Invoked) -> None:
    from dlms.security.identification import identification

    keys = _key_store(call)
    keys.remove(identification(call.parameter))
    call.setup.provider = keys.provider


_METHODS: dict[str, Callable[[Invoked], Any]] = {
    "global_key_transfer": lambda call: call.setup.transfer(_by_name(call)),
    "key_transfer": lambda call: call.setup.transfer(_by_name(call)),
    "key_agreement": _agreed,
    "generate_key_pair": _generated,
    "generate_certificate_request": _requested,
    "import_certificate": _imported,
    "export_certificate": _exported,
    "remove_certificate": _removed,
}
_ASKING = ("generate_certificate_request", "export_certificate")
"""What changes nothing."""
