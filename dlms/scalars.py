"""Contents of the scalar Data types, without their tag: decoders by tag, encoders by Python type.  Hot path.

Decoders are `(buf, pos) -> (value, pos)`; where the buffer ends too early they raise DecodeError, IndexError or
struct.error, and the caller that knows the offset turns the latter two into DecodeError.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from dlms.axdr import EncodeError, decode_length, encode_length, take
from dlms.cosem_time import Date, DateTime, Time
from dlms.errors import DecodeError
from dlms.values import DONT_CARE, INTEGERS, BitString, DontCare, Float32, Float64, TypedInt, Utf8String

Decoder = Callable[[bytes, int], tuple[Any, int]]
Encoder = Callable[[Any, bytearray], None]


def _null(buf: bytes, pos: int) -> tuple[None, int]:
    return None, pos


def _dont_care(buf: bytes, pos: int) -> tuple[DontCare, int]:
    return DONT_CARE, pos


def _boolean(buf: bytes, pos: int) -> tuple[bool, int]:
    return buf[pos] != 0, pos + 1


def _octets(buf: bytes, pos: int) -> tuple[bytes, int]:
    size = buf[pos]
    if size < 0x80:
        pos += 1
    else:
        size, pos = decode_length(buf, pos)
    end = pos + size
    if end > len(buf):
        raise DecodeError(f"{size} octets wanted, {len(buf) - pos} left", buf, pos)
    return buf[pos:end], end


def _visible_string(buf: bytes, pos: int) -> tuple[str, int]:
    raw, pos = _octets(buf, pos)
    return raw.decode("latin-1"), pos


def _utf8_string(buf: bytes, pos: int) -> tuple[Utf8String, int]:
    raw, pos = _octets(buf, pos)
    return Utf8String.from_octets(raw), pos


def _bit_string(buf: bytes, pos: int) -> tuple[BitString, int]:
    length, pos = decode_length(buf, pos)
    raw, pos = take(buf, pos, (length + 7) // 8)
    return BitString(raw, length), pos


def _octet_integer(kind: type[TypedInt]) -> Decoder:
    """Eight bits: all values are made beforehand."""
    values = tuple(kind(struct.unpack(kind.fmt, bytes((octet,)))[0]) for octet in range(256))

    def decode(buf: bytes, pos: int) -> tuple[Any, int]:
        return values[buf[pos]], pos + 1

    return decode


def _wide_integer(kind: type[TypedInt]) -> Decoder:
    """More than eight bits; the wire cannot say a value out of range, so the check of the constructor is left out."""
    one = struct.Struct(">" + kind.fmt)
    unpack, size, new = one.unpack_from, one.size, int.__new__

    def decode(buf: bytes, pos: int) -> tuple[Any, int]:
        return new(kind, unpack(buf, pos)[0]), pos + size

    return decode


def _fixed(make: Callable[[bytes], Any], size: int) -> Decoder:
    def decode(buf: bytes, pos: int) -> tuple[Any, int]:
        raw, pos = take(buf, pos, size)
        return make(raw), pos

    return decode


DECODERS: dict[int, Decoder] = {
    0: _null,
    3: _boolean,
    4: _bit_string,
    9: _octets,
    10: _visible_string,
    12: _utf8_string,
    23: _fixed(Float32.from_octets, 4),
    24: _fixed(Float64.from_octets, 8),
    25: _fixed(DateTime, 12),
    26: _fixed(Date, 5),
    27: _fixed(Time, 4),
    255: _dont_care,
    **{kind.tag: (_octet_integer if kind.fmt in "bB" else _wide_integer)(kind) for kind in INTEGERS},
}
"""Contents of one value, by tag."""


def _encode_nothing(value: Any, out: bytearray) -> None:
    """null-data and dont-care are their tag alone."""


def _encode_boolean(value: bool, out: bytearray) -> None:
    # 01 and FF are both seen in the field; FF is what published captures of Data values carry.
    out.append(0xFF if value else 0)


def _encode_octets(value: bytes, out: bytearray) -> None:
    out += encode_length(len(value))
    out += value


def _encode_visible_string(value: str, out: bytearray) -> None:
    try:
        _encode_octets(value.encode("latin-1"), out)
    except UnicodeEncodeError as fault:
        raise EncodeError(f"{value!r} is not a visible-string; Utf8String holds such characters") from fault


def _encode_utf8_string(value: Utf8String, out: bytearray) -> None:
    _encode_octets(value.to_octets(), out)


def _encode_bit_string(value: BitString, out: bytearray) -> None:
    out += encode_length(value.length)
    out += value.octets


def _encode_float(value: Float32 | Float64, out: bytearray) -> None:
    out += value.to_octets()


def _encode_time(value: DateTime | Date | Time, out: bytearray) -> None:
    out += value.raw


def _integer_encoder(kind: type[TypedInt]) -> Encoder:
    pack = struct.Struct(">" + kind.fmt).pack

    def encode(value: Any, out: bytearray) -> None:
        out += pack(value)

    return encode


ENCODERS: dict[int, Encoder] = {
    0: _encode_nothing,
    3: _encode_boolean,
    4: _encode_bit_string,
    9: _encode_octets,
    10: _encode_visible_string,
    12: _encode_utf8_string,
    23: _encode_float,
    24: _encode_float,
    25: _encode_time,
    26: _encode_time,
    27: _encode_time,
    255: _encode_nothing,
    **{kind.tag: _integer_encoder(kind) for kind in INTEGERS},
}
"""Contents of one value, by tag; the caller has chosen the tag by the value's type."""
