"""What Association LN and Association SN have in common: secrets, users, the security setup.  Blue Book, classes 12 and 15.

A changed secret holds from the next association on.  The secret of HLS GMAC is the global keys and that of HLS ECDSA a
signing key: those are changed through the Security setup object, and refused here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dlms.apdu.attribute import SelectiveAccess
from dlms.enums import AccessResult, Mechanism
from dlms.errors import AccessError
from dlms.interface import AttributeRef, MethodRef
from dlms.server.objects.behaviour import Behaviour, Context
from dlms.values import Unsigned

MAX_SECRET = 64
"""Octets of the longest secret that is taken."""
MAX_VENDOR_SECRET = 16
"""The same for mechanism 2, whose common function takes no longer one."""
MAX_USER_NAME = 64
NOBODY = 0, ""
"""The current user where the association asks for none."""
NO_SETUP = bytes(6)


def change_secret(ref: object, secret: Any, context: Context) -> None:
    """Change the secret of the association that asks.  Raises AccessError."""
    longest = MAX_VENDOR_SECRET if context.granted.mechanism is Mechanism.HLS else MAX_SECRET
    if context.granted.mechanism is Mechanism.NONE or context.granted.mechanism.with_keys:
        raise AccessError(AccessResult.READ_WRITE_DENIED, ref)
    if not isinstance(secret, bytes) or not 0 < len(secret) <= longest:
        raise AccessError(AccessResult.TYPE_UNMATCHED, ref)
    context.change(secret=bytes(secret))


def change_hls_secret(ref: MethodRef[Any], secret: Any, context: Context) -> Any:
    """Change the secret of an association with high level security; without it the method means what the store says."""
    if context.granted.mechanism < Mechanism.HLS:
        return context.device.store.call(ref, secret)
    change_secret(ref, secret, context)


def change_lls_secret(ref: object, secret: Any, context: Context) -> None:
    """Change the password of an association with low level security.  Raises AccessError."""
    if context.granted.mechanism is not Mechanism.LLS:
        raise AccessError(AccessResult.READ_WRITE_DENIED, ref)
    change_secret(ref, secret, context)


def add_user(ref: MethodRef[Any], user: Any, context: Context) -> None:
    """Let a user in, or rename one.  From the first on, whoever associates must say who it is.  Raises AccessError."""
    number, name = _user(ref, user)
    context.change(users={**(context.granted.users or {}), number: name})


def remove_user(ref: MethodRef[Any], user: Any, context: Context) -> None:
    """Let a user in no more, but for the last: without any the association would be open to everybody.

    Both the number and the name must be right.  Raises AccessError.
    """
    number, name = _user(ref, user)
    users = dict(context.granted.users or {})
    if users.get(number) != name:
        raise AccessError(AccessResult.OBJECT_UNAVAILABLE, ref)
    del users[number]
    if not users:
        raise AccessError(AccessResult.READ_WRITE_DENIED, ref)
    context.change(users=users)


def _user(ref: object, user: Any) -> tuple[int, str]:
    match user:
        case (Unsigned() as number, str(name)) if len(name) <= MAX_USER_NAME:
            return int(number), str(name)
    raise AccessError(AccessResult.TYPE_UNMATCHED, ref)


def _current_user(context: Context) -> tuple[Unsigned, str]:
    number = context.user
    known = None if number is None else (context.granted.users or {}).get(number)
    return (Unsigned(0), "") if number is None or known is None else (Unsigned(number), known)


def _security_setup_reference(context: Context) -> bytes:
    setup = context.granted.security_setup
    return NO_SETUP if setup is None else bytes(setup)


VALUES: dict[str, Callable[[Context], Any]] = {
    "security_setup_reference": _security_setup_reference,
    "user_list": lambda context: [(Unsigned(one), name) for one, name in sorted((context.granted.users or {}).items())],
    "current_user": _current_user,
}
"""The attributes that both classes have."""

METHODS: dict[str, Callable[[MethodRef[Any], Any, Context], Any]] = {
    "add_user": add_user,
    "remove_user": remove_user,
    "change_hls_secret": change_hls_secret,
}
"""The methods that both classes have."""


class AssociationBehaviour(Behaviour):
    """Attributes follow from the association that asks (`values`), methods change it (`methods`); the rest is the store's."""

    def __init__(
        self,
        values: dict[str, Callable[[Context], Any]],
        methods: dict[str, Callable[[MethodRef[Any], Any, Context], Any]],
    ) -> None:
        self._values, self._methods = VALUES | values, METHODS | methods

    def get(self, ref: AttributeRef[Any], access: SelectiveAccess | None, context: Context) -> Any:
        """The values of the association that asks, whole; a secret is never read, other attributes come from the store."""
        name = ref.attribute.name if ref.attribute else ""
        if ref.attribute is not None and ref.attribute.secret:
            raise AccessError(AccessResult.READ_WRITE_DENIED, ref)
        if name not in self._values:
            return super().get(ref, access, context)
        if access is not None:
            raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED, ref)
        return self._values[name](context)

    def set(self, ref: AttributeRef[Any], value: Any, context: Context) -> None:
        """The secret of low level security is written; what follows from the association is not."""
        if ref.attribute is not None and ref.attribute.secret:
            return change_lls_secret(ref, value, context)
        if ref.attribute is None or ref.attribute.name in self._values:
            raise AccessError(AccessResult.READ_WRITE_DENIED, ref)
        super().set(ref, value, context)

    def call(self, ref: MethodRef[Any], parameter: Any, context: Context) -> Any:
        """Change the association that asks; other methods go to the store."""
        method = self._methods.get(ref.method.name if ref.method else "")
        return super().call(ref, parameter, context) if method is None else method(ref, parameter, context)
