"""Hypothesis strategies for Data values, and a second codec of the scalars that shares no code with ours."""

from __future__ import annotations

from typing import Any

import construct
from hypothesis import strategies as st

from dlms.compact_array import ArrayType, CompactArray, Description, ScalarType, StructureType
from dlms.data import DONT_CARE, BitString, Date, DateTime, Float32, Float64, Time, TypedInt, Utf8String
from dlms.values import INTEGERS

NUMBERS = {
    5: construct.Int32sb,
    6: construct.Int32ub,
    13: construct.Int8ub,
    15: construct.Int8sb,
    16: construct.Int16sb,
    17: construct.Int8ub,
    18: construct.Int16ub,
    20: construct.Int64sb,
    21: construct.Int64ub,
    22: construct.Int8ub,
    23: construct.Float32b,
    24: construct.Float64b,
    28: construct.Int8sb,
    29: construct.Int16sb,
    30: construct.Int32sb,
    31: construct.Int8ub,
    32: construct.Int16ub,
    33: construct.Int32ub,
}
"""Contents of the numeric types by tag, written down from the standard's table."""

SHORT_OCTETS = construct.Prefixed(construct.Int8ub, construct.GreedyBytes)
"""A string of less than 128 octets."""


def integers_of(kind: type[TypedInt]) -> st.SearchStrategy[TypedInt]:
    """All values of one integer type, its bounds more often than others."""
    return st.builds(kind, st.integers(kind.low, kind.high) | st.sampled_from((kind.low, kind.high)))


bits = st.builds(BitString, st.text("01", max_size=40))
texts = st.text(st.characters(max_codepoint=255), max_size=20)
floats = st.builds(Float32.from_octets, st.binary(min_size=4, max_size=4))
doubles = st.builds(Float64.from_octets, st.binary(min_size=8, max_size=8))
date_times = st.builds(DateTime, st.binary(min_size=12, max_size=12))
utf8 = st.builds(Utf8String.from_octets, st.binary(max_size=20)) | st.builds(Utf8String, st.text(max_size=10))
times = (
    date_times | st.builds(Date, st.binary(min_size=5, max_size=5)) | st.builds(Time, st.binary(min_size=4, max_size=4))
)
numbers = st.one_of([integers_of(kind) for kind in INTEGERS])

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.just(DONT_CARE),
    st.binary(max_size=20),
    st.binary(min_size=126, max_size=260),
    bits,
    texts,
    utf8,
    floats,
    doubles,
    times,
    numbers,
)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Arrays and structures of `inner`."""
    return st.lists(inner, max_size=5) | st.lists(inner, max_size=5).map(tuple)


descriptions: st.SearchStrategy[Description] = st.recursive(
    st.builds(ScalarType, st.sampled_from((0, 3, 4, 6, 9, 10, 16, 18, 22, 23, 25, 255))),
    lambda inner: (
        st.builds(ArrayType, st.integers(0, 3), inner)
        | st.builds(StructureType, st.lists(inner, max_size=3).map(tuple))
    ),
    max_leaves=5,
)

compact_arrays = st.builds(
    lambda description, contents: CompactArray(StructureType((ScalarType(17), description)), contents),
    descriptions,
    st.binary(max_size=30),
)

values = st.recursive(scalars | compact_arrays, nested, max_leaves=12)
"""Any Data value."""
