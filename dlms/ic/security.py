"""Security setup and Communication port protection.  Blue Book, classes 64 and 124."""

from __future__ import annotations

from typing import Any

from dlms.interface import Attribute, Interface, Method
from dlms.types import (
    ArrayOf,
    Choice,
    DoubleLongUnsigned,
    Enum,
    Integer,
    LongUnsigned,
    OctetString,
    Structure,
    Unsigned,
)

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


class CommunicationPortProtection(Interface, class_id=124):
    """Failed authentications lock a port, for longer each time.  Times are seconds.  Blue Book, class 124 version 0."""

    protection_mode = Attribute[int](2, Enum, static=True)
    allowed_failed_attempts = Attribute[int](3, LongUnsigned, static=True)
    initial_lockout_time = Attribute[int](4, DoubleLongUnsigned, static=True)
    steepness_factor = Attribute[int](5, Unsigned, static=True)
    max_lockout_time = Attribute[int](6, DoubleLongUnsigned, static=True)
    port_reference = Attribute[bytes](7, OctetString, static=True)
    protection_status = Attribute[int](8, Enum)
    failed_attempts = Attribute[int](9, DoubleLongUnsigned)
    cumulative_failed_attempts = Attribute[int](10, DoubleLongUnsigned)
    reset = Method[int](1, Integer, 0x50)


__all__ = ["CommunicationPortProtection", "SecuritySetup", "SecuritySetupV1"]
