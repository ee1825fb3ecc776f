"""Access control and management.  Blue Book, classes 15 and 17."""

from __future__ import annotations

from typing import Any

from dlms.interface import Attribute, Interface, Method
from dlms.types import (
    CHOICE,
    ArrayOf,
    BitString,
    Choice,
    Enum,
    Integer,
    LongUnsigned,
    OctetString,
    Structure,
    Unsigned,
)

OBJECT_LIST_ELEMENT = Structure(
    ("class_id", LongUnsigned),
    ("version", Unsigned),
    ("logical_name", OctetString(6)),
    (
        "access_rights",
        Structure(
            (
                "attribute_access",
                ArrayOf(Structure(("attribute_id", Integer), ("access_mode", Enum), ("access_selectors", CHOICE))),
            ),
            # version 0 writes the mode of a method as a boolean in some books, as an enum in others
            ("method_access", ArrayOf(Structure(("method_id", Integer), ("access_mode", CHOICE)))),
        ),
    ),
)
OBJECT_IDENTIFIER = Choice(OctetString, CHOICE)
ASSIGNMENT = Structure(("sap", LongUnsigned), ("logical_device_name", OctetString))


class AssociationLn(Interface, class_id=15):
    """An association with logical names: its objects and how it was made.  Blue Book, class 15 version 0."""

    object_list = Attribute[list[Any]](2, ArrayOf(OBJECT_LIST_ELEMENT), static=True)
    associated_partners_id = Attribute[tuple[int, int]](
        3, Structure(("client_sap", Integer), ("server_sap", LongUnsigned)), static=True
    )
    application_context_name = Attribute[Any](4, OBJECT_IDENTIFIER, static=True)
    xdlms_context_info = Attribute[tuple[Any, ...]](
        5,
        Structure(
            ("conformance", BitString),
            ("max_receive_pdu_size", LongUnsigned),
            ("max_send_pdu_size", LongUnsigned),
            ("dlms_version_number", Unsigned),
            ("quality_of_service", Integer),
            ("cyphering_info", OctetString),
        ),
        static=True,
    )
    authentication_mechanism_name = Attribute[Any](6, OBJECT_IDENTIFIER, static=True)
    secret = Attribute[bytes](7, OctetString)
    association_status = Attribute[int](8, Enum)
    reply_to_hls_authentication = Method[bytes](1, OctetString, 0x60, OctetString)
    change_hls_secret = Method[bytes](2, OctetString, 0x68)
    add_object = Method[tuple[Any, ...]](3, OBJECT_LIST_ELEMENT, 0x70)
    remove_object = Method[tuple[Any, ...]](4, OBJECT_LIST_ELEMENT, 0x78)


class SapAssignment(Interface, class_id=17):
    """The logical devices of a physical device.  Blue Book, class 17 version 0."""

    sap_assignment_list = Attribute[list[Any]](2, ArrayOf(ASSIGNMENT), static=True)
    connect_logical_device = Method[tuple[Any, ...]](1, ASSIGNMENT, 0x20)
