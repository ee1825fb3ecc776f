"""Rows: what the template decodes is what the plain decoder decodes, and it encodes back."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms import rows as rows_module
from dlms.axdr import EncodeError, encode_length
from dlms.compact_array import ArrayType, CompactArray, ScalarType, StructureType
from dlms.data import DONT_CARE, BitString, Date, DateTime, Float32, Float64, Time, Utf8String, decode, encode
from dlms.errors import DecodeError
from dlms.rows import Rows, RowTemplate, decode_rows
from dlms.types import (
    CHOICE,
    Boolean,
    DontCare,
    DoubleLongUnsigned,
    Enum,
    Integer,
    LongUnsigned,
    NullData,
    OctetString,
    Unsigned,
    VisibleString,
)
from dlms.values import INTEGERS
from tests.dlms import data_values as some


def _of_size(size: int) -> list[st.SearchStrategy[Any]]:
    octets = st.binary(min_size=size, max_size=size)
    return [octets, octets.map(lambda raw: raw.decode("latin-1")), octets.map(Utf8String.from_octets)]


cells = st.one_of(
    [st.just(some.integers_of(kind)) for kind in INTEGERS]
    + [st.sampled_from(_of_size(size)) for size in (0, 1, 12, 127, 128, 300)]
    + [
        st.just(one)
        for one in (some.floats, some.doubles, some.date_times, st.booleans(), st.none(), st.just(DONT_CARE))
    ]
    + [st.builds(lambda text: st.just(BitString(text)), st.text("01", max_size=20))]
)
"""Strategies of cells whose size on the wire is the same in all rows."""

shapes = st.recursive(
    cells, lambda inner: st.lists(inner, min_size=1, max_size=4).map(lambda parts: st.tuples(*parts)), max_leaves=8
)
equal_rows = st.lists(shapes, min_size=1, max_size=6).flatmap(lambda parts: st.lists(st.tuples(*parts), max_size=8))
odd_rows = st.lists(st.lists(some.values, max_size=4).map(tuple), max_size=6)


def same(one: Any, other: Any) -> bool:
    """Equality in which a NaN is equal to itself."""
    if isinstance(one, list | tuple) and type(one) is type(other) and len(one) == len(other):
        return all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)


def plain(value: Any) -> bool:
    """Whether no part of a row is a number with a DLMS type."""
    if isinstance(value, tuple):
        return all(map(plain, value))
    return not isinstance(value, int | float) or type(value) in (int, float, bool)


def has_nan(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(has_nan, value))
    return isinstance(value, float) and math.isnan(value)


@given(equal_rows)
def test_equal_rows(rows: list[tuple[Any, ...]]) -> None:
    payload = encode(rows)
    decoded = decode_rows(payload)
    assert same(decoded.rows, decode(payload))
    assert plain(tuple(decoded.rows))
    if not rows:
        assert decoded == Rows((), [])
        return
    template = RowTemplate.learn(payload, 2)
    assert template is not None
    assert template.header == decoded.header
    assert template.matching(payload, 2, len(rows)) == len(rows)
    assert same(template.decode(payload, 2, len(rows)), decoded.rows)
    if not has_nan(rows):  # plain floats do not promise the payload of a NaN
        assert template.encode(decoded.rows) == template.encode(rows) == payload[2:]


@given(st.lists(equal_rows | odd_rows, max_size=3))
def test_rows_of_any_shape(parts: list[list[tuple[Any, ...]]]) -> None:
    payload = encode([row for part in parts for row in part])
    assert same(decode_rows(payload).rows, decode(payload))


@given(equal_rows, st.data())
def test_damaged_rows(rows: list[tuple[Any, ...]], draw: st.DataObject) -> None:
    """A damaged payload is refused by both decoders or decoded alike by both."""
    raw = bytearray(encode(rows))
    raw[draw.draw(st.integers(0, len(raw) - 1))] = draw.draw(st.integers(0, 255))
    payload = bytes(raw[: draw.draw(st.integers(1, len(raw)))])
    try:
        expected = decode(payload)
    except DecodeError:
        with pytest.raises(DecodeError):
            decode_rows(payload)
        return
    try:
        decoded = decode_rows(payload)
    except DecodeError:
        assert not isinstance(expected, list) or not all(isinstance(row, tuple) for row in expected)
        return
    assert same(decoded.rows, expected)


def profile(count: int) -> bytes:
    row = "0208 090c07e40102030405060000ff00 120102 0600010203 0fff" + "0601010203" * 4
    return b"\x01" + encode_length(count) + bytes.fromhex(row) * count


def test_a_profile() -> None:
    payload = profile(1000)
    decoded = decode_rows(payload)
    assert decoded.header == (OctetString(12), LongUnsigned, DoubleLongUnsigned, Integer, *[DoubleLongUnsigned] * 4)
    assert decoded.rows == decode(payload)
    assert RowTemplate.of_types(decoded.header).encode(decoded.rows) == payload[4:]


@pytest.mark.parametrize("at", [0, 1, 63, 64, 65, 998, 999])
def test_a_row_that_deviates(at: int) -> None:
    """null-data for the clock of one row among a thousand."""
    values = decode(profile(1000))
    values[at] = (None, *values[at][1:])
    payload = encode(values)
    decoded = decode_rows(payload)
    assert decoded.rows == values
    assert decoded.header[0] == OctetString(12)
    assert plain(tuple(decoded.rows))


def test_clocks_left_out_by_most_rows() -> None:
    """Null-data compression: only the first row of each day has its clock."""
    values = [(b"c" * 12 if number % 96 == 0 else None, Unsigned(number % 256)) for number in range(1000)]
    decoded = decode_rows(encode(values))
    assert decoded.rows == values
    assert decoded.header == (OctetString(12), Unsigned)


def test_more_shapes_than_are_learnt() -> None:
    values = [(bytes(number), Unsigned(1)) for number in range(20)] * 3
    decoded = decode_rows(encode(values))
    assert decoded.rows == values
    assert decoded.header == (OctetString, Unsigned)


@pytest.mark.parametrize(
    ("rows", "header"),
    [
        ([(Unsigned(1),), (Enum(1),)], (CHOICE,)),
        ([("a",), ("bb",)], (VisibleString,)),
        ([(None,), (Unsigned(1),), (None,)], (Unsigned,)),
        ([(Unsigned(1),), (Unsigned(1), True)], (Unsigned, Boolean)),
        ([((Unsigned(1), b""),), ((Enum(1), b"a"),)], ((CHOICE, OctetString),)),
        ([((Unsigned(1),),), ((Unsigned(1), b"a"),)], (CHOICE,)),
        ([([Unsigned(1)],)], (CHOICE,)),
        ([(DONT_CARE,)], (DontCare,)),
        ([(CompactArray(ScalarType(17), b""),)], (CompactArray,)),
    ],
)
def test_headers_of_mixed_rows(rows: list[tuple[Any, ...]], header: tuple[Any, ...]) -> None:
    assert decode_rows(encode(rows)) == Rows(header, rows)


def test_compact_arrays_have_rows_too() -> None:
    shape = StructureType((ScalarType(18), ScalarType(0)))
    payload = encode(CompactArray.of(shape, [(1, None), (2, None)]))
    assert decode_rows(payload) == Rows((LongUnsigned, NullData), [(1, None), (2, None)])
    with pytest.raises(DecodeError, match="no structures"):
        decode_rows(encode(CompactArray.of(ArrayType(1, ScalarType(17)), [[1]])))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "an array of rows wanted"),
        ("0200", "an array of rows wanted"),
        ("01", "length is missing"),
        ("01847fffffff00", "2147483647 rows announced, 1 octets left"),
        ("018400ffffff", "rows announced"),
        ("01021101", "rows announced|no structure"),
        ("01011101", "no structure"),
        ("010102011101aa", "1 octets left over"),
        ("01010201", "ends too early|elements announced"),
        ("0101020109", "ends too early"),
        ("01010201090541", "5 octets wanted"),
        ("010202011102010b11", "elements announced|not assigned"),
    ],
)
def test_hostile_payloads(text: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        decode_rows(bytes.fromhex(text))


def test_runs_are_bounded_and_rows_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "MAX_NODES", 100)
    assert len(decode_rows(profile(1000)).rows) == 1000
    ragged = encode([(bytes(number % 7), None) for number in range(101)])
    with pytest.raises(DecodeError, match="more than 100 runs"):
        decode_rows(ragged)


def test_nesting_is_bounded() -> None:
    for depth in (40, 10_000):
        with pytest.raises(DecodeError, match="nested more than"):
            decode_rows(b"\x01\x01" + b"\x02\x01" * depth + b"\x11\x00")


def test_rows_of_many_different_widths() -> None:
    """A wide row before many empty ones must not make each of them dear."""
    values = [(None,) * 5000] + [()] * 5000
    decoded = decode_rows(encode(values))
    assert decoded.rows == values
    assert decoded.header == (NullData,) * 5000


ROW = (OctetString(2), VisibleString(3), Boolean, Float32, Float64, NullData, (DateTime, Enum), Date, Time)


def test_a_template_of_types() -> None:
    template = RowTemplate.of_types(ROW)
    clock, day, hour = DateTime(bytes(12)), Date(bytes(5)), Time(bytes(4))
    rows = [(b"ab", "xyz", flag, 0.5, 0.25, None, (clock, 3), day, hour) for flag in (True, False)]
    typed = [
        (b"ab", "xyz", flag, Float32(0.5), Float64(0.25), None, (clock, Enum(3)), day, hour) for flag in (True, False)
    ]
    assert template.header == ROW
    assert b"\x01\x02" + template.encode(rows) == encode(typed)
    assert template.decode(template.encode(rows), 0, 2) == rows
    assert template.encode([]) == b""
    assert RowTemplate.of_types((NullData,)).encode([(None,), (None,)]) == bytes.fromhex("02010002 0100")
    with pytest.raises(DecodeError, match="do not all fit"):
        template.decode(template.encode(rows), 0, 3)


@pytest.mark.parametrize(
    ("types", "row"),
    [
        ((Unsigned,), (256,)),
        ((Unsigned,), ("a",)),
        ((Unsigned,), (1.5,)),
        ((Unsigned,), (1, 2)),
        ((Unsigned, Unsigned), (1,)),
        ((OctetString(2),), (b"abc",)),
        ((OctetString(2),), (b"a",)),
        ((OctetString(2),), ("ab",)),
        ((VisibleString(2),), ("€€",)),
        ((VisibleString(2),), ("abc",)),
        ((Float32,), (1e39,)),
        ((NullData,), (1,)),
        ((DateTime,), (b"",)),
        ((DateTime,), (Date(bytes(5)),)),
        (((Unsigned,),), (1,)),
        (((Unsigned,),), ((1, 2),)),
    ],
)
def test_rows_that_do_not_fit(types: tuple[Any, ...], row: tuple[Any, ...]) -> None:
    with pytest.raises(EncodeError, match="do not fit the template"):
        RowTemplate.of_types(types).encode([row])


@pytest.mark.parametrize("types", [(), (OctetString,), (BitString,), (CHOICE,), (Unsigned,) * 128])
def test_types_without_a_fixed_size(types: tuple[Any, ...]) -> None:
    with pytest.raises(EncodeError):
        RowTemplate.of_types(types)


@pytest.mark.parametrize("text", ["1101", "0200", "0201", "02010100", "0201090541", "02010b", "0201098500"])
def test_rows_that_teach_nothing(text: str) -> None:
    assert RowTemplate.learn(bytes.fromhex(text), 0) is None


def test_no_numpy_comes_with_rows() -> None:
    code = (
        "import sys, dlms.rows, dlms.data, dlms.types, dlms.reading\n"
        "sys.exit(not {'numpy', 'asyncio', 'socket', 'zoneinfo'}.isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
