"""Security setup.  Blue Book, class 64."""

from __future__ import annotations

from typing import Any

from dlms.interface import Attribute, Interface, Method
from dlms.types import ArrayOf, Choice, Enum, OctetString, Structure

KEY_TRANSFER_DATA = ArrayOf(Structure(("key_id", Enum), ("key_wrapped", OctetString)))
KEY_AGREEMENT_DATA = ArrayOf(Structure(("key_id", Enum), ("key_data", OctetString)))
CERTIFICATE_INFO = Structure(
    ("certificate_entity", Enum),
    ("certificate_type", Enum),
    ("serial_number", OctetString),
    ("issuer", OctetString),
    ("subject", OctetString),
    ("subject_alt_name", OctetString),
)
CERTIFICATE_IDENTIFICATION = Structure(
    ("certificate_identification_type", Enum),
    (
        "certification_identification_options",
        Choice(
            Structure(("certificate_entity", Enum), ("certificate_type", Enum), ("system_title", OctetString)),
            Structure(("serial_number", OctetString), ("issuer", OctetString)),
        ),
    ),
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

    What names a certificate is in `dlms.security.identification`.  Blue Book, class 64 version 1.
    """

    security_policy = Attribute[int](2, Enum)
    security_suite = Attribute[int](3, Enum, static=True)
    client_system_title = Attribute[bytes](4, OctetString)
    server_system_title = Attribute[bytes](5, OctetString, static=True)
    certificates = Attribute[list[Any]](6, ArrayOf(CERTIFICATE_INFO))
    security_activate = Method[int](1, Enum, 0x30)
    key_transfer = Method[list[Any]](2, KEY_TRANSFER_DATA, 0x38)
    key_agreement = Method[list[Any]](3, KEY_AGREEMENT_DATA, 0x40, KEY_AGREEMENT_DATA)
    generate_key_pair = Method[int](4, Enum, 0x48)
    generate_certificate_request = Method[int](5, Enum, 0x50, OctetString)
    import_certificate = Method[bytes](6, OctetString, 0x58)
    export_certificate = Method[tuple[Any, ...]](7, CERTIFICATE_IDENTIFICATION, 0x60, OctetString)
    remove_certificate = Method[tuple[Any, ...]](8, CERTIFICATE_IDENTIFICATION, 0x68)


__all__ = ["SecuritySetup", "SecuritySetupV1"]
