"""The check sequence against its definition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hdlc.fcs import fcs16, fcs_octets, verifies


def bit_by_bit(data: bytes) -> int:
    """CRC-16/X-25 as ISO/IEC 13239 defines it: reflected polynomial 0x8408, preset and inverted end value."""
    register = 0xFFFF
    for octet in data:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ (0x8408 if register & 1 else 0)
    return register ^ 0xFFFF


def test_check_value() -> None:
    assert fcs16(b"123456789") == 0x906E
    assert fcs_octets(b"123456789") == b"\x6e\x90"


@given(st.binary(max_size=300))
def test_definition(data: bytes) -> None:
    assert fcs16(data) == bit_by_bit(data)
    assert verifies(data + fcs_octets(data))


@given(st.binary(min_size=1, max_size=100), st.data())
def test_one_wrong_octet_is_always_seen(data: bytes, draw: st.DataObject) -> None:
    octets = bytearray(data + fcs_octets(data))
    octets[draw.draw(st.integers(0, len(octets) - 1))] ^= draw.draw(st.integers(1, 255))
    assert not verifies(bytes(octets))
