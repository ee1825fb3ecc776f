"""Columns: the numpy view against the plain decoder, and back to bytes."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.axdr import EncodeError
from dlms.columns import Columns, clock_faces, decode_columns, deviations_min, encode_columns, numeric
from dlms.cosem_time import CosemTimeError, DateTime
from dlms.data import Enum, Float32, Float64, Unsigned, decode, encode
from dlms.errors import DecodeError
from dlms.rows import RowTemplate, decode_rows
from dlms.types import Boolean, DoubleLongUnsigned, Integer, Long64Unsigned, LongUnsigned, OctetString, VisibleString
from dlms.values import INTEGERS
from tests.dlms import data_values as some
from tests.dlms.test_rows import equal_rows, odd_rows, profile, same

numeric_cells = st.one_of(
    [st.just(some.integers_of(kind)) for kind in INTEGERS]
    + [st.just(one) for one in (some.floats, some.doubles, st.booleans(), st.binary(min_size=3, max_size=3))]
)
numeric_rows = st.lists(numeric_cells, min_size=1, max_size=6).flatmap(
    lambda parts: st.lists(st.tuples(*parts), min_size=1, max_size=8)
)


def rows_of(columns: Columns) -> list[tuple[Any, ...]]:
    """The rows again, octets as bytes and numbers as Python's."""
    lists = [
        [bytes(value) for value in array] if array.dtype == np.uint8 and array.ndim == 2 else array.tolist()
        for array in columns.values()
    ]
    return list(zip(*lists, strict=True))


@given(numeric_rows)
def test_numeric_rows(rows: list[tuple[Any, ...]]) -> None:
    payload = encode(rows)
    columns = decode_columns(payload)
    assert same(rows_of(columns), decode(payload))
    assert columns.count == len(rows)
    assert all(array.dtype != object for array in columns.values())
    assert all(array.dtype.isnative and array.flags.c_contiguous for array in columns.values())
    template = RowTemplate.of_types(columns.header)
    assert encode_columns(template, list(columns.values())) == payload[2:]


@given(equal_rows | odd_rows)
def test_rows_of_any_shape(rows: list[tuple[Any, ...]]) -> None:
    payload = encode(rows)
    if len({len(row) for row in rows}) > 1:
        with pytest.raises(DecodeError, match="different lengths"):
            decode_columns(payload)
        return
    columns = decode_columns(payload)
    assert columns.header == decode_rows(payload).header
    assert same(rows_of(columns), decode(payload) if columns.header else [])


@given(numeric_rows, st.data())
def test_damaged_rows(rows: list[tuple[Any, ...]], draw: st.DataObject) -> None:
    """A damaged payload is refused by both decoders or decoded alike by both."""
    raw = bytearray(encode(rows))
    raw[draw.draw(st.integers(0, len(raw) - 1))] = draw.draw(st.integers(0, 255))
    payload = bytes(raw[: draw.draw(st.integers(1, len(raw)))])
    try:
        expected = decode_rows(payload).rows
    except DecodeError:
        with pytest.raises(DecodeError):
            decode_columns(payload)
        return
    try:
        columns = decode_columns(payload)
    except DecodeError:
        assert len({len(row) for row in expected}) > 1
        return
    assert same(rows_of(columns), expected if columns.header else [])


def test_a_profile() -> None:
    columns = decode_columns(profile(1000))
    assert [str(array.dtype) for array in columns.values()] == ["uint8", "uint16", "uint32", "int8", *["uint32"] * 4]
    assert columns[0].shape == (1000, 12)
    assert (columns[1] == 0x0102).all()
    assert len(columns) == 8
    assert list(columns) == list(range(8))


def test_null_data_makes_a_column_of_objects() -> None:
    columns = decode_columns(encode([(Unsigned(1), None, b"ab"), (Unsigned(2), Enum(3), b"cd")]))
    assert columns[0].dtype == np.uint8
    assert columns[1].tolist() == [None, 3]
    assert columns[2].tolist() == [[97, 98], [99, 100]]


def test_no_rows() -> None:
    assert dict(decode_columns(b"\x01\x00")) == {}


WIDE = (Integer, LongUnsigned, Long64Unsigned, Float32, Float64, Boolean, OctetString(2))


def wide(**instead: Any) -> list[Any]:
    """Arrays for `WIDE`, none of them at wire width."""
    arrays = {
        "Integer": np.array([-128, 127]),
        "LongUnsigned": np.array([0, 65535]),
        "Long64Unsigned": np.array([0, 2**63], np.uint64),
        "Float32": np.array([0.5, np.inf]),
        "Float64": np.array([0.25, -1], np.float32),
        "Boolean": np.array([True, False]),
        "OctetString": np.array([[1, 2], [3, 4]], np.uint16),
    }
    return list((arrays | instead).values())


def test_arrays_that_are_wider_than_the_wire() -> None:
    encoded = encode_columns(RowTemplate.of_types(WIDE), wide())
    assert decode_columns(b"\x01\x02" + encoded).header == WIDE
    assert decode(b"\x01\x02" + encoded) == [
        (-128, 0, 0, 0.5, 0.25, True, b"\1\2"),
        (127, 65535, 2**63, np.inf, -1.0, False, b"\3\4"),
    ]


@pytest.mark.parametrize(
    "instead",
    [
        {"Integer": np.array([-129, 0])},
        {"LongUnsigned": np.array([0, 65536])},
        {"LongUnsigned": np.array([-1, 0])},
        {"LongUnsigned": np.array([0.5, 1])},
        {"LongUnsigned": np.array([True, False])},
        {"LongUnsigned": np.array([1, 2, 3])},
        {"LongUnsigned": np.array([1, None])},
        {"Float32": np.array([1e39, 0])},
        {"Float64": np.array([1, 2])},
        {"Boolean": np.array([0, 1])},
        {"OctetString": np.array([1, 2], np.uint8)},
        {"OctetString": np.array([[1, 2], [3, 256]], np.uint16)},
    ],
)
def test_arrays_that_do_not_fit(instead: dict[str, Any]) -> None:
    with pytest.raises(EncodeError, match="column"):
        encode_columns(RowTemplate.of_types(WIDE), wide(**instead))


def test_templates_without_columns() -> None:
    assert not numeric(RowTemplate.of_types((VisibleString(3),)))
    for types in ((VisibleString(3),), ((Unsigned,),)):
        with pytest.raises(EncodeError, match="encodes rows, not columns"):
            encode_columns(RowTemplate.of_types(types), [np.zeros(1)])
    with pytest.raises(EncodeError, match="1 columns, 2 wanted"):
        encode_columns(RowTemplate.of_types((Unsigned, DoubleLongUnsigned)), [np.zeros(1, np.uint8)])


def test_no_rows_are_encoded() -> None:
    assert encode_columns(RowTemplate.of_types((Unsigned,)), [np.zeros(0, np.int64)]) == b""


EDGES = st.sampled_from((0, 1, 2, 12, 13, 23, 24, 28, 29, 30, 31, 32, 59, 60, 99, 100, 0xFD, 0xFE, 0xFF))
clocks = st.builds(
    lambda year, rest, tail: year.to_bytes(2, "big") + bytes(rest) + tail,
    st.sampled_from((0, 1, 1900, 1970, 2000, 2023, 2024, 9999, 10000, 0xFFFF)),
    st.lists(EDGES, min_size=7, max_size=7),
    st.binary(min_size=3, max_size=3),
)


@given(st.lists(clocks, min_size=1, max_size=20))
def test_clock_faces_against_cosem_time(octets: list[bytes]) -> None:
    """Day of week and deviation do not count for the face."""
    column = np.frombuffer(b"".join(octets), np.uint8).reshape(-1, 12)
    faces = clock_faces(column)
    assert faces.dtype == np.dtype("datetime64[ms]")
    for raw, face in zip(octets, faces.tolist(), strict=True):
        assert face == _face(raw)
    assert deviations_min(column).tolist() == [DateTime(raw).deviation for raw in octets]


def _face(raw: bytes) -> datetime.datetime | None:
    try:
        return DateTime(raw[:4] + b"\xff" + raw[5:9] + bytes(3)).naive()
    except CosemTimeError:
        return None


def test_columns_that_are_no_clocks() -> None:
    for wrong in (np.zeros((2, 5), np.uint8), np.zeros(12, np.uint8), np.zeros((2, 12), np.int16)):
        for refuse in (clock_faces, deviations_min):
            with pytest.raises(EncodeError, match="column of date-times"):
                refuse(wrong)
