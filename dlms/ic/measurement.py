"""Parameters and measurement data.  Blue Book, classes 1, 3, 4 and 7."""

from __future__ import annotations

from typing import Any

from dlms.interface import Attribute, Interface, Method
from dlms.types import (
    CHOICE,
    ArrayOf,
    DateTimeOctets,
    DoubleLongUnsigned,
    Enum,
    Integer,
    LongUnsigned,
    OctetString,
    Structure,
)

SCALER_UNIT = Structure(("scaler", Integer), ("unit", Enum))
CAPTURE_OBJECT = Structure(
    ("class_id", LongUnsigned),
    ("logical_name", OctetString(6)),
    ("attribute_index", Integer),
    ("data_index", LongUnsigned),
)

BY_RANGE = 1
"""Selective access: rows between two values of a column."""
BY_ENTRY = 2
"""Selective access: rows by number."""


class Data(Interface, class_id=1):
    """A value without a unit.  Blue Book, class 1."""

    value = Attribute[Any](2, CHOICE)


class Register(Interface, class_id=3):
    """A value with its scaler and unit.  Blue Book, class 3."""

    value = Attribute[Any](2, CHOICE)
    scaler_unit = Attribute[tuple[int, int]](3, SCALER_UNIT, static=True)
    reset = Method[int](1, Integer, 0x28)


class ExtendedRegister(Interface, class_id=4):
    """A value with its scaler, unit, status and the time of its capture.  Blue Book, class 4."""

    value = Attribute[Any](2, CHOICE)
    scaler_unit = Attribute[tuple[int, int]](3, SCALER_UNIT, static=True)
    status = Attribute[Any](4, CHOICE)
    capture_time = Attribute[bytes](5, DateTimeOctets)
    reset = Method[int](1, Integer, 0x38)


class ProfileGeneric(Interface, class_id=7, version=1):
    """A table of captured values.  Blue Book, class 7 version 1."""

    buffer = Attribute[list[Any]](2, CHOICE, selectors=(BY_RANGE, BY_ENTRY))
    capture_objects = Attribute[list[Any]](3, ArrayOf(CAPTURE_OBJECT), static=True)
    capture_period = Attribute[int](4, DoubleLongUnsigned, static=True)
    sort_method = Attribute[int](5, Enum, static=True)
    sort_object = Attribute[tuple[Any, ...]](6, CAPTURE_OBJECT, static=True)
    entries_in_use = Attribute[int](7, DoubleLongUnsigned)
    profile_entries = Attribute[int](8, DoubleLongUnsigned, static=True)
    reset = Method[int](1, Integer, 0x58)
    capture = Method[int](2, Integer, 0x60)
