"""A-XDR lengths and slices, shared by the Data codec and the APDU layouts (IEC 61334-6)."""

from __future__ import annotations

from dlms.errors import DecodeError, LocalProtocolError

MAX_LENGTH = 0xFFFF_FFFF
"""The largest length that four length octets can say."""


class EncodeError(LocalProtocolError, ValueError):
    """A value without an encoding in the declared type: wrong type, out of range, nested too deep. Nothing was sent."""


def decode_length(buf: bytes, pos: int) -> tuple[int, int]:
    """The length at `pos` and the offset behind it: one octet up to 7F, else 80 + n and n octets, n = 1..4.

    Non-minimal forms are accepted, since meters send them.  Raises DecodeError for the indefinite form (80), for more
    than four length octets and where the buffer ends.
    """
    if pos >= len(buf):
        raise DecodeError("a length is missing", buf, pos)
    first = buf[pos]
    if first < 0x80:
        return first, pos + 1
    size = first & 0x7F
    if not 1 <= size <= 4:
        raise DecodeError(f"length of {size} octets, at most 4" if size else "indefinite length", buf, pos)
    raw, end = take(buf, pos + 1, size)
    return int.from_bytes(raw, "big"), end


def encode_length(size: int) -> bytes:
    """The shortest form of a length.  Raises EncodeError above `MAX_LENGTH`."""
    if 0 <= size < 0x80:
        return bytes((size,))
    if not 0 <= size <= MAX_LENGTH:
        raise EncodeError(f"length {size} is outside 0..{MAX_LENGTH}")
    raw = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(raw),)) + raw


def take(buf: bytes, pos: int, size: int) -> tuple[bytes, int]:
    """The `size` octets at `pos` and the offset behind them; never silently short.  Raises DecodeError."""
    end = pos + size
    if end > len(buf):
        raise DecodeError(f"{size} octets wanted, {max(0, len(buf) - pos)} left", buf, pos)
    return buf[pos:end], end
