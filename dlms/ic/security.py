"""Security setup, Communication port protection and Data protection.  Blue Book, classes 64, 124 and 30."""

from __future__ import annotations

from typing import Any

from dlms.interface import Attribute, Interface, Method
from dlms.types import (
    CHOICE,
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


PROTECTED_ATTRIBUTE = Structure(
    ("class_id", LongUnsigned),
    ("logical_name", OctetString(6)),
    ("attribute_index", Integer),
    ("data_index", LongUnsigned),
    ("restriction", CHOICE),
)
PROTECTION_PARAMETERS = ArrayOf(Structure(("protection_type", Enum), ("protection_options", CHOICE)))
PROTECTED = Structure(("protection_parameters", PROTECTION_PARAMETERS), ("protected_buffer", OctetString))


class DataProtection(Interface, class_id=30):
    """Values that are protected for their reader, however they travel.  Experimental.  Blue Book, class 30 version 0.

    Attributes are the book's.  The structures of the methods' parameters are not established publicly: those here are our
    own (`dlms.protected_buffer` says what they hold), and work with nobody but ourselves.
    """

    protection_buffer = Attribute[bytes](2, OctetString)
    protection_object_list = Attribute[list[Any]](3, ArrayOf(PROTECTED_ATTRIBUTE), static=True)
    protection_parameters_get = Attribute[list[Any]](4, PROTECTION_PARAMETERS, static=True)
    protection_parameters_set = Attribute[list[Any]](5, PROTECTION_PARAMETERS, static=True)
    required_protection = Attribute[int](6, Enum, static=True)
    get_protected_attributes = Method[tuple[Any, ...]](
        1,
        Structure(("object_list", ArrayOf(PROTECTED_ATTRIBUTE)), ("parameters", PROTECTION_PARAMETERS)),
        0x30,
        PROTECTED,
    )
    set_protected_attributes = Method[tuple[Any, ...]](
        2,
        Structure(
            ("object_list", ArrayOf(PROTECTED_ATTRIBUTE)),
            ("parameters", PROTECTION_PARAMETERS),
            ("protected_buffer", OctetString),
        ),
        0x38,
        ArrayOf(Enum),
    )
    invoke_protected_method = Method[tuple[Any, ...]](
        3,
        Structure(
            (
                "method",
                Structure(("class_id", LongUnsigned), ("logical_name", OctetString(6)), ("method_index", Integer)),
            ),
            ("parameters", PROTECTION_PARAMETERS),
            ("protected_buffer", OctetString),
        ),
        0x40,
        PROTECTED,
    )


__all__ = ["CommunicationPortProtection", "DataProtection", "SecuritySetup", "SecuritySetupV1"]
