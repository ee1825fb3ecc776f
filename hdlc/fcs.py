"""The frame check sequence: CRC-16/X-25, computed at C speed.

`binascii.crc_hqx` runs the same polynomial with the most significant bit first, HDLC with the least significant:
mirroring the bits of every octet before, and of the result after, turns one into the other.
"""

from __future__ import annotations

from binascii import crc_hqx

MIRROR = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))
"""Each octet with its bits in reverse order, as a table for `bytes.translate`."""

PRESET = 0xFFFF
"""Start value of the check, and the mask that is applied to its end value."""

RESIDUE = 0x1D0F
"""What the mirrored check over some octets and their own sequence always comes to (0xF0B8 with its bits reversed)."""


def fcs16(data: bytes) -> int:
    """The check sequence over `data`; its wire form is `to_bytes(2, "little")`. ISO/IEC 13239, annex A."""
    return int.from_bytes(fcs_octets(data), "little")


def fcs_octets(data: bytes) -> bytes:
    """The two octets that follow `data` on the wire."""
    return (crc_hqx(data.translate(MIRROR), PRESET) ^ PRESET).to_bytes(2, "big").translate(MIRROR)


def verifies(data: bytes) -> bool:
    """Whether the last two octets are the check sequence of those before them."""
    return crc_hqx(data.translate(MIRROR), PRESET) == RESIDUE
