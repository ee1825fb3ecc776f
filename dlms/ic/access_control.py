"""Access control and management.  Blue Book, classes 12, 15 and 17."""

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
    Long,
    LongUnsigned,
    OctetString,
    Structure,
    Unsigned,
)

ACCESS_RIGHTS = (
    (
        "attribute_access",
        ArrayOf(Structure(("attribute_id", Integer), ("access_mode", Enum), ("access_selectors", CHOICE))),
    ),
    # version 0 writes the mode of a method as a boolean in some books, as an enum in others
    ("method_access", ArrayOf(Structure(("method_id", Integer), ("access_mode", CHOICE)))),
)
OBJECT_LIST_ELEMENT = Structure(
    ("class_id", LongUnsigned),
    ("version", Unsigned),
    ("logical_name", OctetString(6)),
    ("access_rights", Structure(*ACCESS_RIGHTS)),
)
SHORT_NAME_LIST_ELEMENT = Structure(
    ("base_name", Long), ("class_id", LongUnsigned), ("version", Unsigned), ("logical_name", OctetString(6))
)
ATTRIBUTE_IDENTIFICATION = Structure(
    ("class_id", LongUnsigned), ("logical_name", OctetString(6)), ("attribute_index", Integer)
)
USER = Structure(("user_id", Unsigned), ("user_name", CHOICE))
OBJECT_IDENTIFIER = Choice(OctetString, CHOICE)
ASSIGNMENT = Structure(("sap", LongUnsigned), ("logical_device_name", OctetString))


class AssociationSn(Interface, class_id=12):
    """An association with short names: its objects and their base names.  Blue Book, class 12 version 0.

    The methods that the book reserves from older versions are left out.
    """

    object_list = Attribute[list[Any]](2, ArrayOf(SHORT_NAME_LIST_ELEMENT), static=True)
    read_by_logicalname = Method[list[Any]](3, ArrayOf(ATTRIBUTE_IDENTIFICATION), 0x30, CHOICE)
    change_lls_secret = Method[bytes](5, OctetString, 0x40, secret=True)
    change_hls_secret = Method[bytes](6, OctetString, 0x48, secret=True)
    reply_to_hls_authentication = Method[bytes](8, OctetString, 0x58, OctetString)


class AssociationSnV1(AssociationSn, class_id=12, version=1):
    """With the access rights of the objects.  Blue Book, class 12 version 1."""

    access_rights_list = Attribute[list[Any]](3, ArrayOf(Structure(("base_name", Long), *ACCESS_RIGHTS)), static=True)


class AssociationSnV2(AssociationSnV1, class_id=12, version=2):
    """With the security setup.  Blue Book, class 12 version 2."""

    security_setup_reference = Attribute[bytes](4, OctetString(6), static=True)


class AssociationSnV3(AssociationSnV2, class_id=12, version=3):
    """With the users of the client's side.  Blue Book, class 12 version 3."""

    user_list = Attribute[list[Any]](5, ArrayOf(USER), static=True)
    current_user = Attribute[tuple[Any, ...]](6, USER)
    add_user = Method[tuple[Any, ...]](9, USER, 0x60)
    remove_user = Method[tuple[Any, ...]](10, USER, 0x68)


class AssociationSnV4(AssociationSnV3, class_id=12, version=4):
    """With access modes as bit masks, those of Association LN version 3.  Blue Book, class 12 version 4."""


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
    secret = Attribute[bytes](7, OctetString, secret=True)
    association_status = Attribute[int](8, Enum)
    reply_to_hls_authentication = Method[bytes](1, OctetString, 0x60, OctetString)
    change_hls_secret = Method[bytes](2, OctetString, 0x68, secret=True)
    add_object = Method[tuple[Any, ...]](3, OBJECT_LIST_ELEMENT, 0x70)
    remove_object = Method[tuple[Any, ...]](4, OBJECT_LIST_ELEMENT, 0x78)


class AssociationLnV1(AssociationLn, class_id=15, version=1):
    """With the security setup.  Modes of methods are numbers: 0 none, 1 allowed, 2 authenticated.  Version 1."""

    security_setup_reference = Attribute[bytes](9, OctetString(6), static=True)


class AssociationLnV2(AssociationLnV1, class_id=15, version=2):
    """With the users of the client's side.  Blue Book, class 15 version 2."""

    user_list = Attribute[list[Any]](10, ArrayOf(USER), static=True)
    current_user = Attribute[tuple[Any, ...]](11, USER)
    add_user = Method[tuple[Any, ...]](5, USER, 0x80)
    remove_user = Method[tuple[Any, ...]](6, USER, 0x88)


class AssociationLnV3(AssociationLnV2, class_id=15, version=3):
    """With access modes as bit masks: those of `dlms.security.policy.Access`.  Blue Book, class 15 version 3."""


class SapAssignment(Interface, class_id=17):
    """The logical devices of a physical device.  Blue Book, class 17 version 0."""

    sap_assignment_list = Attribute[list[Any]](2, ArrayOf(ASSIGNMENT), static=True)
    connect_logical_device = Method[tuple[Any, ...]](1, ASSIGNMENT, 0x20)
