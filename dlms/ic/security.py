"""Security setup.  Blue Book, class 64."""

from __future__ import annotations

from typing import Any

from dlms.interface import Attribute, Interface, Method
from dlms.types import ArrayOf, Enum, OctetString, Structure

KEY_TRANSFER_DATA = ArrayOf(Structure(("key_id", Enum), ("key_wrapped", OctetString)))
CERTIFICATE_INFO = Structure(
    ("certificate_entity", Enum),
    ("certificate_type", Enum),
    ("serial_number", OctetString),
    ("issuer", OctetString),
    ("subject", OctetString),
    ("subject_alt_name", OctetString),
)


class SecuritySetup(Interface, class_id=64):
    """Keys and policy of associations.  The policy is a level: 0 nothing, 1 authenticated, 2 encrypted, 3 both.

    Blue Book, class 64 version 0.
    """

    security_policy = Attribute[int](2, Enum)
    security_suite = Attribute[int](3, Enum, static=True)
    client_system_title = Attribute[bytes](4, OctetString)
    server_system_title = Attribute[bytes](5, OctetString, static=True)
    security_activate = Method[int](1, Enum, 0x30)
    global_key_transfer = Method[list[Any]](2, KEY_TRANSFER_DATA, 0x38)


class SecuritySetupV1(Interface, class_id=64, version=1):
    """Keys, certificates and policy of associations.  The policy has the bits of `dlms.security.policy.Policy`.

    Its methods for key agreement and certificates are not declared.  Blue Book, class 64 version 1.
    """

    security_policy = Attribute[int](2, Enum)
    security_suite = Attribute[int](3, Enum, static=True)
    client_system_title = Attribute[bytes](4, OctetString)
    server_system_title = Attribute[bytes](5, OctetString, static=True)
    certificates = Attribute[list[Any]](6, ArrayOf(CERTIFICATE_INFO))
    security_activate = Method[int](1, Enum, 0x30)
    key_transfer = Method[list[Any]](2, KEY_TRANSFER_DATA, 0x38)


__all__ = ["SecuritySetup", "SecuritySetupV1"]
