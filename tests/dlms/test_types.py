"""Declared types: coercion, checks and descriptions."""

from __future__ import annotations

import datetime
import enum
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.axdr import EncodeError
from dlms.data import DONT_CARE, TypedInt, decode, encode, tag_of, type_name
from dlms.errors import LocalProtocolError
from dlms.types import (
    CHOICE,
    ArrayOf,
    BitString,
    Boolean,
    Choice,
    CompactArray,
    DataType,
    Date,
    DateOctets,
    DateTime,
    DateTimeOctets,
    DontCare,
    DoubleLongUnsigned,
    Enum,
    Float32,
    Float64,
    Integer,
    LongUnsigned,
    NullData,
    OctetString,
    Structure,
    Time,
    TimeOctets,
    Unsigned,
    Utf8String,
    VisibleString,
    coerce,
    describe,
)
from dlms.values import INTEGERS
from tests.dlms import data_values as some

SCALER_UNIT = Structure(("scaler", Integer), ("unit", Enum))
NOON = datetime.datetime(2024, 5, 6, 12, 30)


class Mode(enum.IntEnum):
    """A Python enumeration of a COSEM enum."""

    NORMAL = 1


class ScalerUnit(NamedTuple):
    """A structure with names on the Python side."""

    scaler: int
    unit: int


@given(st.sampled_from(INTEGERS), st.integers(-(2**65), 2**65))
def test_a_plain_int_takes_the_type_after_a_range_check(kind: type[TypedInt], value: int) -> None:
    if kind.low <= value <= kind.high:
        assert type(coerce(kind, value)) is kind
        assert coerce(kind, value) == value
    else:
        with pytest.raises(EncodeError, match=kind.type_name):
            coerce(kind, value)


@pytest.mark.parametrize(
    ("declared", "value", "typed"),
    [
        (Enum, Mode.NORMAL, Enum(1)),
        (Unsigned, Unsigned(3), Unsigned(3)),
        (Float32, 0.5, Float32(0.5)),
        (Float64, 2, Float64(2)),
        (Boolean, True, True),
        (NullData, None, None),
        (DontCare, DONT_CARE, DONT_CARE),
        (OctetString, b"ab", b"ab"),
        (OctetString(2), bytearray(b"ab"), b"ab"),
        (OctetString(12), DateTime.of(NOON), DateTime.of(NOON).raw),
        (VisibleString, "é", "é"),
        (VisibleString(2), "ab", "ab"),
        (Utf8String, "€", Utf8String("€")),
        (BitString, "01", BitString("01")),
        (DateTime, NOON, DateTime.of(NOON)),
        (Date, NOON.date(), Date.of(NOON.date())),
        (Time, NOON.time(), Time.of(NOON.time())),
        (DateTimeOctets, NOON, DateTime.of(NOON).raw),
        (DateTimeOctets, bytes(12), bytes(12)),
        (DateOctets, NOON.date(), Date.of(NOON.date()).raw),
        (TimeOctets, NOON.time(), Time.of(NOON.time()).raw),
        (SCALER_UNIT, (1, 30), (Integer(1), Enum(30))),
        (SCALER_UNIT, {"unit": 30, "scaler": 1}, (Integer(1), Enum(30))),
        (SCALER_UNIT, ScalerUnit(1, 30), (Integer(1), Enum(30))),
        (ArrayOf(Unsigned), [1, Unsigned(2)], [Unsigned(1), Unsigned(2)]),
        (Choice(Unsigned, LongUnsigned), LongUnsigned(1), LongUnsigned(1)),
        (Choice(NullData, SCALER_UNIT), (1, 30), (Integer(1), Enum(30))),
        (Choice(VisibleString, Boolean), True, True),
        (CHOICE, [Unsigned(1), (b"", None)], [Unsigned(1), (b"", None)]),
    ],
)
def test_what_fits(declared: DataType, value: Any, typed: Any) -> None:
    made = coerce(declared, value)
    assert encode(made) == encode(typed)
    assert declared.check(decode(encode(made)))


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        (Unsigned, True),
        (Unsigned, 1.0),
        (Unsigned, "1"),
        (Unsigned, None),
        (Unsigned, Enum(1)),
        (Enum, Unsigned(1)),
        (Float32, "1"),
        (Float32, True),
        (Float32, Float64(1)),
        (Float32, Unsigned(1)),
        (Float32, 1e39),
        (Boolean, 1),
        (NullData, 0),
        (OctetString, "ab"),
        (OctetString(6), b"ab"),
        (OctetString(6), DateTime.of(NOON)),
        (VisibleString, b"ab"),
        (VisibleString, "€"),
        (VisibleString, Utf8String("a")),
        (VisibleString(3), "ab"),
        (Utf8String, b"a"),
        (BitString, "2"),
        (DateTime, NOON.date()),
        (Date, NOON),
        (DateTimeOctets, bytes(5)),
        (DateTimeOctets, Date.of(NOON.date())),
        (DateTimeOctets, NOON.replace(tzinfo=datetime.timezone(datetime.timedelta(seconds=30)))),
        (SCALER_UNIT, (1,)),
        (SCALER_UNIT, [1, 30]),
        (SCALER_UNIT, {"scaler": 1}),
        (SCALER_UNIT, {"scaler": 1, "unit": 30, "more": 1}),
        (SCALER_UNIT, (128, 30)),
        (ArrayOf(Unsigned), (1, 2)),
        (ArrayOf(Unsigned), [1, 256]),
        (Choice(Unsigned, LongUnsigned), 1),
        (Choice(Float32, Float64), 1.0),
        (Choice(Unsigned, LongUnsigned), Enum(1)),
        (CHOICE, 1),
        (CHOICE, [1]),
        (CompactArray, b""),
        (DontCare, None),
    ],
)
def test_what_is_refused(declared: DataType, value: Any) -> None:
    with pytest.raises(EncodeError) as caught:
        coerce(declared, value)
    assert isinstance(caught.value, LocalProtocolError)


def test_the_part_that_does_not_fit_is_named() -> None:
    declared = ArrayOf(Structure(("name", OctetString(6)), ("scaler_unit", SCALER_UNIT)))
    with pytest.raises(EncodeError, match=r"element 1: scaler_unit: unit: 300 is outside 0\.\.255 of enum"):
        coerce(declared, [(bytes(6), (0, 1)), (bytes(6), (0, 300))])
    with pytest.raises(EncodeError, match=r"1 does not say which of unsigned \| enum it is"):
        coerce(Choice(Unsigned, Enum), 1)


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        (SCALER_UNIT, "structure{scaler integer, unit enum}"),
        (ArrayOf(OctetString(6)), "array of octet-string(6)"),
        (DateTimeOctets, "octet-string(12) date-time"),
        (Choice(NullData, Boolean, VisibleString(4)), "null-data | boolean | visible-string(4)"),
        (CHOICE, "CHOICE"),
        (DoubleLongUnsigned, "double-long-unsigned"),
        (CompactArray, "compact-array"),
        (DateTime, "date-time"),
    ],
)
def test_descriptions(declared: DataType, text: str) -> None:
    assert describe(declared) == text


@given(some.values)
def test_check_tells_types_apart(value: Any) -> None:
    """A decoded value has the type that its own class declares, and CHOICE takes everything."""
    assert CHOICE.check(value)
    assert coerce(CHOICE, value) is value
    by_name = {
        kind.type_name: kind for kind in (*INTEGERS, Float32, Float64, Utf8String, BitString, DateTime, Date, Time)
    }
    declared = by_name.get(type_name(value))
    for name, other in by_name.items():
        assert other.check(value) is (name == type_name(value))
    if declared is not None:
        assert tag_of(declared.coerce(value)) == tag_of(value)


def test_checks_of_compounds() -> None:
    assert SCALER_UNIT.check((Integer(0), Enum(30)))
    assert not SCALER_UNIT.check((Integer(0), Unsigned(30)))
    assert not SCALER_UNIT.check((Integer(0),))
    assert not SCALER_UNIT.check([Integer(0), Enum(30)])
    assert ArrayOf(Enum).check([Enum(1)])
    assert not ArrayOf(Enum).check([Unsigned(1)])
    assert Choice(NullData, Enum).check(None)
    assert not Choice(NullData, Enum).check(Unsigned(1))
    assert not CHOICE.check(1)
    assert repr(ArrayOf(SCALER_UNIT)) == "<array of structure{scaler integer, unit enum}>"
    assert repr(SCALER_UNIT) == "<structure{scaler integer, unit enum}>"
    assert repr(Choice(NullData, Enum)) == "<null-data | enum>"
    assert repr(CHOICE) == "CHOICE"
