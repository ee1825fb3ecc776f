"""The wire types that declared records are made of: each decodes, encodes and has a JSON form.  A-XDR, IEC 61334-6."""

from __future__ import annotations

import dataclasses
import struct
from typing import (
    Annotated,
    Any,
    ClassVar,
)

from dlms import data as cosem_data
from dlms.axdr import decode_length, encode_length, take
from dlms.enums import Conformance
from dlms.errors import DecodeError, LocalProtocolError


class Codec:
    """Both directions of one wire type.  `pos` travels as a plain int, never as a stream."""

    def decode(self, buf: bytes, pos: int) -> tuple[Any, int]:
        """The value at `pos` and the offset behind it.  Raises DecodeError, IndexError or struct.error."""
        raise TypeError(f"{type(self).__name__} declares no decoder")

    def encode(self, value: Any, out: bytearray) -> None:
        """Append the encoding of `value`.  Raises LocalProtocolError or struct.error."""
        raise TypeError(f"{type(self).__name__} declares no encoder")

    def to_json(self, value: Any) -> Any:
        """The value as JSON types; octets become lower-case hex."""
        return value.hex() if isinstance(value, bytes) else value

    def from_json(self, value: Any) -> Any:
        """The inverse of `to_json`."""
        return value


@dataclasses.dataclass(frozen=True, slots=True)
class Fixed(Codec):
    """One `struct` format character: an unsigned or signed integer.  Neighbours are fused into a single Struct."""

    fmt: str

    def decode(self, buf: bytes, pos: int) -> tuple[Any, int]:
        one = struct.Struct(">" + self.fmt)
        return one.unpack_from(buf, pos)[0], pos + one.size

    def encode(self, value: Any, out: bytearray) -> None:
        out += struct.pack(">" + self.fmt, value)


@dataclasses.dataclass(frozen=True, slots=True)
class FixedOctets(Codec):
    """OCTET STRING of a fixed size: no length in front."""

    size: int

    @property
    def fmt(self) -> str:
        return f"{self.size}s"

    def decode(self, buf: bytes, pos: int) -> tuple[Any, int]:
        return take(buf, pos, self.size)

    def encode(self, value: Any, out: bytearray) -> None:
        if len(value) != self.size:
            raise LocalProtocolError(f"{self.size} octets wanted, {len(value)} given")
        out += value

    def from_json(self, value: Any) -> Any:
        return bytes.fromhex(value)


class LogicalName(FixedOctets):
    """A logical name: six octets; its JSON form is dotted."""

    def __init__(self) -> None:
        super().__init__(6)

    def to_json(self, value: Any) -> Any:
        return ".".join(str(octet) for octet in value)

    def from_json(self, value: Any) -> Any:
        return bytes(int(group) for group in value.split("."))


@dataclasses.dataclass(frozen=True, slots=True)
class Boolean(Codec):
    """BOOLEAN: any octet but zero is true, and True is encoded as 01.  Others come back as the (true) octet they were."""

    def decode(self, buf: bytes, pos: int) -> tuple[Any, int]:
        octet = buf[pos]
        return (octet if octet > 1 else octet == 1), pos + 1

    def encode(self, value: Any, out: bytearray) -> None:
        out.append(int(value))

    def to_json(self, value: Any) -> Any:
        return bool(value)


@dataclasses.dataclass(frozen=True, slots=True)
class Octets(Codec):
    """OCTET STRING with an A-XDR length in front."""

    def decode(self, buf: bytes, pos: int) -> tuple[bytes, int]:
        size, pos = decode_length(buf, pos)
        return take(buf, pos, size)

    def encode(self, value: Any, out: bytearray) -> None:
        out += encode_length(len(value))
        out += value

    def from_json(self, value: Any) -> Any:
        return bytes.fromhex(value)


@dataclasses.dataclass(frozen=True, slots=True)
class Rest(Codec):
    """Everything up to the end of the APDU, undecoded."""

    def decode(self, buf: bytes, pos: int) -> tuple[bytes, int]:
        return buf[pos:], len(buf)

    def encode(self, value: Any, out: bytearray) -> None:
        out += value

    def from_json(self, value: Any) -> Any:
        return bytes.fromhex(value)


@dataclasses.dataclass(frozen=True, slots=True)
class InvokeOctet(Codec):
    """Invoke-Id-And-Priority.  Bits 0-3 identify, bit 6 is the service class (confirmed), bit 7 the priority."""

    fmt: ClassVar[str] = "B"

    def decode(self, buf: bytes, pos: int) -> tuple[int, int]:
        return buf[pos], pos + 1

    def encode(self, value: Any, out: bytearray) -> None:
        out.append(value)

    def to_json(self, value: Any) -> Any:
        return {
            "raw": value,
            "invoke_id": value & 0x0F,
            "confirmed": bool(value & 0x40),
            "high_priority": bool(value & 0x80),
        }

    def from_json(self, value: Any) -> Any:
        return value["raw"]


@dataclasses.dataclass(frozen=True, slots=True)
class DataValue(Codec):
    """A COSEM Data value."""

    def decode(self, buf: bytes, pos: int) -> tuple[Any, int]:
        return cosem_data.decode_from(buf, pos)

    def encode(self, value: Any, out: bytearray) -> None:
        cosem_data.encode_to(value, out)

    def to_json(self, value: Any) -> Any:
        return cosem_data.to_json(value)

    def from_json(self, value: Any) -> Any:
        return cosem_data.from_json(value)


@dataclasses.dataclass(frozen=True, slots=True)
class Optional(Codec):
    """OPTIONAL: a presence octet, then the value."""

    inner: Codec

    def decode(self, buf: bytes, pos: int) -> tuple[Any, int]:
        present = buf[pos]
        if present == 0:
            return None, pos + 1
        if present != 1:
            raise DecodeError(f"presence octet {present:#04x}, 00 or 01 wanted", buf, pos)
        return self.inner.decode(buf, pos + 1)

    def encode(self, value: Any, out: bytearray) -> None:
        out.append(value is not None)
        if value is not None:
            self.inner.encode(value, out)

    def to_json(self, value: Any) -> Any:
        return None if value is None else self.inner.to_json(value)

    def from_json(self, value: Any) -> Any:
        return None if value is None else self.inner.from_json(value)


class OptionalOrAbsent(Optional):
    """OPTIONAL where None is a value of its own (null-data): absence is `ABSENT`."""

    def decode(self, buf: bytes, pos: int) -> tuple[Any, int]:
        return (ABSENT, pos + 1) if buf[pos] == 0 else Optional.decode(self, buf, pos)

    def encode(self, value: Any, out: bytearray) -> None:
        out.append(value is not ABSENT)
        if value is not ABSENT:
            self.inner.encode(value, out)

    def to_json(self, value: Any) -> Any:
        return None if value is ABSENT else self.inner.to_json(value)

    def from_json(self, value: Any) -> Any:
        return ABSENT if value is None else self.inner.from_json(value)


class _Absent:
    """There is no value, not even null-data."""

    def __repr__(self) -> str:
        return "ABSENT"

    def __reduce__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()


@dataclasses.dataclass(frozen=True, slots=True)
class DefaultTrue(Codec):
    """BOOLEAN DEFAULT TRUE: 00 stands for the default, 01 announces a value."""

    def decode(self, buf: bytes, pos: int) -> tuple[bool, int]:
        given = buf[pos]
        if given == 0:
            return True, pos + 1
        if given != 1:
            raise DecodeError(f"presence octet {given:#04x}, 00 or 01 wanted", buf, pos)
        return buf[pos + 1] != 0, pos + 2

    def encode(self, value: Any, out: bytearray) -> None:
        out += b"\x00" if value else b"\x01\x00"


@dataclasses.dataclass(frozen=True, slots=True)
class SequenceOf(Codec):
    """SEQUENCE OF: a count, then the elements.  No element is empty, so the count cannot exceed what is left."""

    inner: Codec

    def decode(self, buf: bytes, pos: int) -> tuple[list[Any], int]:
        count, start = decode_length(buf, pos)
        if count > len(buf) - start:
            raise DecodeError(f"{count} elements announced, {len(buf) - start} octets left", buf, pos)
        values, pos, decode_one = [], start, self.inner.decode
        for _ in range(count):
            value, pos = decode_one(buf, pos)
            values.append(value)
        return values, pos

    def encode(self, value: Any, out: bytearray) -> None:
        out += encode_length(len(value))
        for one in value:
            self.inner.encode(one, out)

    def to_json(self, value: Any) -> Any:
        return [self.inner.to_json(one) for one in value]

    def from_json(self, value: Any) -> Any:
        return [self.inner.from_json(one) for one in value]


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """The data-access-result alternative of a result: the peer said no, and this is its code."""

    result: int


@dataclasses.dataclass(frozen=True, slots=True)
class ResultOf(Codec):
    """CHOICE {data [0], data-access-result [1]}: the value itself, or a Refusal."""

    inner: Codec = DataValue()
    inner_name: str = "data"

    def decode(self, buf: bytes, pos: int) -> tuple[Any, int]:
        choice = buf[pos]
        if choice == 0:
            return self.inner.decode(buf, pos + 1)
        if choice == 1:
            return Refusal(buf[pos + 1]), pos + 2
        raise DecodeError(f"choice {choice} of data [0] and data-access-result [1]", buf, pos)

    def encode(self, value: Any, out: bytearray) -> None:
        if isinstance(value, Refusal):
            out += bytes((1, value.result))
        else:
            out.append(0)
            self.inner.encode(value, out)

    def to_json(self, value: Any) -> Any:
        if isinstance(value, Refusal):
            return {"data_access_result": value.result}
        return {self.inner_name: self.inner.to_json(value)}

    def from_json(self, value: Any) -> Any:
        if "data_access_result" in value:
            return Refusal(value["data_access_result"])
        return self.inner.from_json(value[self.inner_name])


@dataclasses.dataclass(frozen=True, slots=True)
class ConformanceBits(Codec):
    """The conformance block: [APPLICATION 31] BIT STRING of 24 bits, always 5F 1F 04 00 and three octets."""

    HEADER: ClassVar[bytes] = b"\x5f\x1f\x04\x00"

    def decode(self, buf: bytes, pos: int) -> tuple[Conformance, int]:
        header, start = take(buf, pos, 4)
        if header != self.HEADER:
            raise DecodeError(f"conformance block starts with {header.hex()}, not {self.HEADER.hex()}", buf, pos)
        octets, end = take(buf, start, 3)
        return Conformance(int.from_bytes(octets, "big")), end

    def encode(self, value: Any, out: bytearray) -> None:
        out += self.HEADER + int(value).to_bytes(3, "big")

    def to_json(self, value: Any) -> Any:
        names = [str(bit.name).lower().replace("_", "-") for bit in sorted(Conformance, reverse=True) if bit in value]
        return {"hex": f"{int(value):06x}", "bits": names}

    def from_json(self, value: Any) -> Any:
        return Conformance(int(value["hex"], 16))


class TaggedTime(bytes):
    """A date-time that was sent as a Data octet-string (09 0C ...) where a bare length was due."""


@dataclasses.dataclass(frozen=True, slots=True)
class OptionalTime(Codec):
    """A date-time as OCTET STRING of 12 octets, or of none.  Also accepts 09 0C, as some meters send it (TaggedTime)."""

    def decode(self, buf: bytes, pos: int) -> tuple[bytes, int]:
        size = buf[pos]
        if size == 0:
            return b"", pos + 1
        if size == 0x0C:
            return take(buf, pos + 1, 12)
        if size == 0x09 and buf[pos + 1] == 0x0C:
            time, pos = take(buf, pos + 2, 12)
            return TaggedTime(time), pos
        raise DecodeError(f"date-time of {size} octets, 0 or 12 wanted", buf, pos)

    def encode(self, value: Any, out: bytearray) -> None:
        if len(value) not in (0, 12):
            raise LocalProtocolError(f"date-time of {len(value)} octets, 0 or 12 wanted")
        out += b"\x09" if isinstance(value, TaggedTime) else b""
        out.append(len(value))
        out += value

    def to_json(self, value: Any) -> Any:
        return value.hex() or None

    def from_json(self, value: Any) -> Any:
        return bytes.fromhex(value or "")


U8 = Annotated[int, Fixed("B")]
I8 = Annotated[int, Fixed("b")]
U16 = Annotated[int, Fixed("H")]
U32 = Annotated[int, Fixed("I")]
BOOL = Annotated[bool, Boolean()]
OCTETS = Annotated[bytes, Octets()]
NAME = Annotated[bytes, LogicalName()]
INVOKE = Annotated[int, InvokeOctet()]
DATA = Annotated[Any, DataValue()]
TIME = Annotated[bytes, OptionalTime()]
