"""Declared types: what an attribute, parameter or selector of an interface class is, and how Python values become it.

The classes of typed values (`Unsigned`, `Enum`, `DateTime`, ...) are declarations themselves and are importable here.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

from dlms.axdr import EncodeError
from dlms.cosem_time import Date, DateTime, Time
from dlms.data import CompactArray, encode, type_name
from dlms.typed import DataType, Typed, refusal
from dlms.values import (
    Bcd,
    BitString,
    DontCare,
    DoubleLong,
    DoubleLongUnsigned,
    Enum,
    Float32,
    Float64,
    Integer,
    Long,
    Long64,
    Long64Unsigned,
    LongUnsigned,
    Unsigned,
    Utf8String,
)

__all__ = [
    "CHOICE",
    "ArrayOf",
    "Bcd",
    "BitString",
    "Boolean",
    "Choice",
    "CompactArray",
    "DataType",
    "Date",
    "DateOctets",
    "DateTime",
    "DateTimeOctets",
    "DontCare",
    "DoubleLong",
    "DoubleLongUnsigned",
    "Enum",
    "Float32",
    "Float64",
    "Integer",
    "Long",
    "Long64",
    "Long64Unsigned",
    "LongUnsigned",
    "NullData",
    "OctetString",
    "Structure",
    "Time",
    "TimeOctets",
    "Unsigned",
    "Utf8String",
    "VisibleString",
    "coerce",
    "describe",
]


@dataclasses.dataclass(frozen=True, slots=True)
class _Builtin:
    """A DLMS type whose values are those of a Python class: boolean, null-data."""

    name: str
    kind: type

    def coerce(self, value: Any) -> Any:
        """See `DataType.coerce`."""
        if not self.check(value):
            raise refusal(self.name, value)
        return value

    def check(self, value: Any) -> bool:
        """See `DataType.check`."""
        return type(value) is self.kind

    def describe(self) -> str:
        """See `DataType.describe`."""
        return self.name


@dataclasses.dataclass(frozen=True, slots=True)
class VisibleStringType:
    """visible-string: a str of Latin-1 characters, `size` of them when given.  `VisibleString(8)` declares the size."""

    size: int | None = None

    def __call__(self, size: int) -> VisibleStringType:
        return VisibleStringType(size)

    def coerce(self, value: Any) -> str:
        """See `DataType.coerce`."""
        if not self.check(value):
            raise refusal(self.describe(), value)
        encode(value)
        return str(value)

    def check(self, value: Any) -> bool:
        """See `DataType.check`."""
        right = isinstance(value, str) and not isinstance(value, Typed)
        return right and self.size in (None, len(value))

    def describe(self) -> str:
        """See `DataType.describe`."""
        return "visible-string" if self.size is None else f"visible-string({self.size})"


@dataclasses.dataclass(frozen=True, slots=True)
class OctetStringType:
    """octet-string: bytes, `size` of them when given.  `OctetString(6)` declares the size.

    A Date, Time or DateTime is taken as its octets.  `time_class` says which of them the octets hold; then the class of
    `datetime` that fits is taken too.
    """

    size: int | None = None
    time_class: type[Date | Time | DateTime] | None = None

    def __call__(self, size: int) -> OctetStringType:
        return OctetStringType(size)

    def coerce(self, value: Any) -> bytes:
        """See `DataType.coerce`."""
        if self.time_class is not None and isinstance(value, datetime.date | datetime.time):
            value = self.time_class.coerce(value)
        if isinstance(value, self.time_class or (Date, Time, DateTime)):
            value = value.raw
        octets = bytes(value) if isinstance(value, bytearray | memoryview) else value
        if not self.check(octets):
            raise refusal(self.describe(), value)
        return octets if isinstance(octets, bytes) else bytes(octets)

    def check(self, value: Any) -> bool:
        """See `DataType.check`."""
        return isinstance(value, bytes) and self.size in (None, len(value))

    def describe(self) -> str:
        """See `DataType.describe`."""
        size = "" if self.size is None else f"({self.size})"
        return f"octet-string{size}" + (f" {self.time_class.type_name}" if self.time_class else "")


class Structure:
    """structure: a tuple with named fields.  `Structure(("scaler", Integer), ("unit", Enum))`."""

    def __init__(self, *fields: tuple[str, DataType]) -> None:
        self.fields = fields
        self.names = tuple(name for name, _ in fields)

    def coerce(self, value: Any) -> tuple[Any, ...]:
        """See `DataType.coerce`.  Takes a tuple of all fields, or a mapping with exactly the fields' names."""
        if isinstance(value, Mapping):
            if set(value) != set(self.names):
                raise EncodeError(f"fields {', '.join(self.names)} wanted, not {', '.join(map(str, value))}")
            value = tuple(value[name] for name in self.names)
        if not isinstance(value, tuple) or len(value) != len(self.fields):
            raise refusal(self.describe(), value)
        return tuple(_part(of, one, name) for (name, of), one in zip(self.fields, value, strict=True))

    def check(self, value: Any) -> bool:
        """See `DataType.check`."""
        if not isinstance(value, tuple) or len(value) != len(self.fields):
            return False
        return all(of.check(one) for (_, of), one in zip(self.fields, value, strict=True))

    def describe(self) -> str:
        """See `DataType.describe`."""
        return f"structure{{{', '.join(f'{name} {of.describe()}' for name, of in self.fields)}}}"

    def __repr__(self) -> str:
        return f"<{self.describe()}>"


class ArrayOf:
    """array: a list whose elements have one type."""

    def __init__(self, element: DataType) -> None:
        self.element = element

    def coerce(self, value: Any) -> list[Any]:
        """See `DataType.coerce`.  Takes a list."""
        if not isinstance(value, list):
            raise refusal(self.describe(), value)
        return [_part(self.element, one, f"element {index}") for index, one in enumerate(value)]

    def check(self, value: Any) -> bool:
        """See `DataType.check`."""
        return isinstance(value, list) and all(map(self.element.check, value))

    def describe(self) -> str:
        """See `DataType.describe`."""
        return f"array of {self.element.describe()}"

    def __repr__(self) -> str:
        return f"<{self.describe()}>"


class Choice:
    """One of several types: the value's own type says which.  A plain int or float is refused: it does not say."""

    def __init__(self, *options: DataType) -> None:
        self.options = options

    def coerce(self, value: Any) -> Any:
        """See `DataType.coerce`.  The first option that takes the value wins."""
        if isinstance(value, int | float) and not isinstance(value, Typed | bool):
            raise EncodeError(f"{value!r} does not say which of {self.describe()} it is")
        for option in self.options:
            try:
                return option.coerce(value)
            except EncodeError:
                continue  # the next option may take it; the refusal below names them all
        raise refusal(self.describe(), value)

    def check(self, value: Any) -> bool:
        """See `DataType.check`."""
        return any(option.check(value) for option in self.options)

    def describe(self) -> str:
        """See `DataType.describe`."""
        return " | ".join(option.describe() for option in self.options)

    def __repr__(self) -> str:
        return f"<{self.describe()}>"


class _AnyType:
    """Whatever has a DLMS type of its own."""

    def coerce(self, value: Any) -> Any:
        """See `DataType.coerce`.  The value and all its parts must have a type."""
        encode(value)
        return value

    def check(self, value: Any) -> bool:
        """See `DataType.check`."""
        try:
            type_name(value)
        except EncodeError:
            return False
        return True

    def describe(self) -> str:
        """See `DataType.describe`."""
        return "CHOICE"

    def __repr__(self) -> str:
        return "CHOICE"


NullData = _Builtin("null-data", type(None))
Boolean = _Builtin("boolean", bool)
VisibleString = VisibleStringType()
OctetString = OctetStringType()
DateTimeOctets = OctetStringType(12, DateTime)
"""octet-string of 12 that holds a date-time, as most interface classes want it; takes a datetime."""
DateOctets = OctetStringType(5, Date)
"""octet-string of 5 that holds a date; takes a `datetime.date`."""
TimeOctets = OctetStringType(4, Time)
"""octet-string of 4 that holds a time; takes a `datetime.time`."""
CHOICE = _AnyType()
"""A CHOICE that the interface class leaves open: the value must carry its own type."""


def coerce(declared: DataType, value: Any) -> Any:
    """`value` in the declared type.  A plain int takes it after a range check; a CHOICE needs a typed value.

    Raises EncodeError that names the part which does not fit.
    """
    return declared.coerce(value)


def describe(declared: DataType) -> str:
    """The type in the standard's words: `structure{scaler integer, unit enum}`."""
    return declared.describe()


def _part(declared: DataType, value: Any, name: str) -> Any:
    try:
        return declared.coerce(value)
    except EncodeError as fault:
        raise EncodeError(f"{name}: {fault}") from fault
