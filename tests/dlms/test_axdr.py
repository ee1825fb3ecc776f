"""A-XDR lengths and slices."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.axdr import MAX_LENGTH, EncodeError, decode_length, encode_length, take
from dlms.errors import DecodeError, LocalProtocolError
from tests.vectors import shared


@given(st.integers(0, MAX_LENGTH) | st.sampled_from((0, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x10000, MAX_LENGTH)))
def test_round_trip_in_the_shortest_form(size: int) -> None:
    raw = encode_length(size)
    assert decode_length(raw, 0) == (size, len(raw))
    assert len(raw) == (1 if size < 0x80 else 1 + (size.bit_length() + 7) // 8)


@pytest.mark.parametrize("text", ["8105", "820005", "83000005", "8400000005"])
def test_longer_forms_are_accepted(text: str) -> None:
    raw = bytes.fromhex(text)
    assert decode_length(b"\xaa" + raw, 1) == (5, 1 + len(raw))


@pytest.mark.parametrize(
    ("text", "offset"), [("", 0), ("80", 0), ("850000000001", 0), ("ff", 0), ("81", 1), ("8201", 1), ("84ffffff", 1)]
)
def test_refused_with_the_offset(text: str, offset: int) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_length(bytes.fromhex(text), 0)
    assert caught.value.offset == offset


@pytest.mark.parametrize("size", [-1, MAX_LENGTH + 1])
def test_a_length_without_a_form(size: int) -> None:
    with pytest.raises(EncodeError) as caught:
        encode_length(size)
    assert isinstance(caught.value, LocalProtocolError)
    assert isinstance(caught.value, ValueError)


def test_take_is_never_silently_short() -> None:
    assert take(b"abcd", 1, 3) == (b"bcd", 4)
    assert take(b"", 0, 0) == (b"", 0)
    with pytest.raises(DecodeError, match=r"4 octets wanted, 3 left at offset 1 of 4"):
        take(b"abcd", 1, 4)
    with pytest.raises(DecodeError, match="0 left"):
        take(b"abcd", 9, 1)


@pytest.mark.vectors
def test_vectors() -> None:
    lengths = [record for record in shared.records("apdu_dev") if record["kind"] == "axdr_length"]
    assert lengths
    for record in lengths:
        _check(bytes.fromhex(record["hex"]), record["expect"])


def _check(raw: bytes, expect: dict[str, Any]) -> None:
    if raw[0] == 0x88:
        # The source's encoder goes up to eight length octets; we stop at four (MAX_LENGTH) and refuse more.
        with pytest.raises(DecodeError, match="length of 8 octets"):
            decode_length(raw, 0)
        return
    assert decode_length(raw, 0) == (expect["length"], len(raw))
    assert encode_length(expect["length"]) == raw
