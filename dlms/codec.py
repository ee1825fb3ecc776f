"""How a wire record is declared once: decoder, encoder, JSON form, table of the layout and test strategy follow from it.

A record is a frozen dataclass whose annotations name codecs:

    @record
    class GetRequestNext(Record, prefix="C002"):
        invoke: Invoke
        block_number: U32

Values travel as `(buf, pos) -> (value, pos)`, never through a stream object.  Neighbouring fixed fields are fused into one
`struct.Struct` when the class is made.  `decode` is the one boundary where low-level faults become `DecodeError`.
"""

from __future__ import annotations

import dataclasses
import re
import struct
from collections.abc import Mapping, Sequence
from typing import (
    Annotated,
    Any,
    ClassVar,
    Self,
    TypeVar,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
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


class Record:
    """Base of every declared layout; `record` fills in the class attributes."""

    __slots__ = ()
    prefix: ClassVar[bytes] = b""
    """The octets that every encoding starts with: the APDU's tag and, where there is one, its choice."""
    layout: ClassVar[tuple[tuple[str, Codec], ...]] = ()
    """(field name, codec) in wire order."""
    steps: ClassVar[tuple[tuple[tuple[str, ...], Any], ...]] = ()
    """(field names, the struct of a run of fixed fields or the codec of another one), for the encoder."""
    reads: ClassVar[tuple[tuple[Any, Any, int], ...]] = ()
    """(how the slots are filled, how the values are read, octets of a run or 0), for the decoder."""
    sizes: ClassVar[tuple[tuple[str, int], ...]] = ()
    """(field name, octets) of those whose size is fixed."""
    checked: ClassVar[bool] = False
    """Whether `problems` may find any."""
    json_names: ClassVar[Mapping[str, str]] = {}
    """Names in the JSON form, where they are not those of the fields."""

    def __init_subclass__(cls, *, prefix: str = "", **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if prefix:
            cls.prefix = bytes.fromhex(prefix)
        cls.checked = cls.problems is not Record.problems

    @classmethod
    def decode_from(cls, buf: bytes, pos: int) -> tuple[Self, int]:
        """The record whose fields start at `pos` (behind the prefix) and the offset behind it."""
        made = object.__new__(cls)  # its slots are filled as they are read: half the time of a frozen __init__
        for put, read, size in cls.reads:
            if size:
                for put_one, value in zip(put, read(buf, pos), strict=True):
                    put_one(made, value)
                pos += size
            else:
                value, pos = read(buf, pos)
                put(made, value)
        return made, pos

    def encode_to(self, out: bytearray) -> None:
        """Append the fields, without the prefix."""
        for name, size in self.sizes:
            if len(getattr(self, name)) != size:  # a struct would pad or cut it without a word
                raise LocalProtocolError(f"{name}: {size} octets wanted, {len(getattr(self, name))} given")
        for names, step in self.steps:
            if type(step) is struct.Struct:
                out += step.pack(*[getattr(self, name) for name in names])
            else:
                step.encode(getattr(self, names[0]), out)

    @classmethod
    def wire_name(cls) -> str:
        """The name of the standard in lower case: `get-request-normal`."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()

    def problems(self) -> list[str]:
        """What is wrong with the meaning of a record whose layout is right.  Empty for most records."""
        return []

    def to_json(self) -> dict[str, Any]:
        """The fields by name, each in the JSON form of its codec."""
        names = self.json_names
        return {names.get(name, name): codec.to_json(getattr(self, name)) for name, codec in self.layout}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        names = cls.json_names
        return cls(**{name: codec.from_json(value.get(names.get(name, name))) for name, codec in cls.layout})


R = TypeVar("R", bound=Record)


@dataclasses.dataclass(frozen=True, slots=True)
class Nested(Codec):
    """A record inside a record, without a tag of its own."""

    of: type[Record]

    def decode(self, buf: bytes, pos: int) -> tuple[Any, int]:
        return self.of.decode_from(buf, pos)

    def encode(self, value: Any, out: bytearray) -> None:
        value.encode_to(out)

    def to_json(self, value: Any) -> Any:
        return value.to_json()

    def from_json(self, value: Any) -> Any:
        return self.of.from_json(value)


@dataclasses.dataclass(frozen=True, slots=True)
class Alternatives(Codec):
    """CHOICE between records: one octet selects the record that follows.  Its JSON form is {name: fields}."""

    by_tag: tuple[tuple[int, type[Record]], ...]

    def decode(self, buf: bytes, pos: int) -> tuple[Any, int]:
        for tag, of in self.by_tag:
            if tag == buf[pos]:
                return of.decode_from(buf, pos + 1)
        raise DecodeError(f"choice {buf[pos]}, one of {[tag for tag, _ in self.by_tag]} wanted", buf, pos)

    def encode(self, value: Any, out: bytearray) -> None:
        for tag, of in self.by_tag:
            if isinstance(value, of):
                out.append(tag)
                return value.encode_to(out)
        raise LocalProtocolError(f"{value!r} is none of {[of.__name__ for _, of in self.by_tag]}")

    def to_json(self, value: Any) -> Any:
        return {value.wire_name(): value.to_json()}

    def from_json(self, value: Any) -> Any:
        name, fields = next(iter(value.items()))
        for _, of in self.by_tag:
            if of.wire_name() == name:
                return of.from_json(fields)
        raise LocalProtocolError(f"{name!r} is none of {[of.wire_name() for _, of in self.by_tag]}")


@dataclass_transform(frozen_default=True)
def record(cls: type[R]) -> type[R]:
    """Class decorator: a frozen dataclass whose annotations are its wire layout."""
    made = cast("type[R]", dataclasses.dataclass(frozen=True, slots=True)(cls))
    hints = get_type_hints(made, include_extras=True)
    made.layout = tuple((f.name, codec_of(f.name, hints[f.name])) for f in dataclasses.fields(cast(Any, made)))
    made.steps = _fuse(made.layout)
    made.reads = tuple(_read(made, names, step) for names, step in made.steps)
    made.sizes = tuple((name, codec.size) for name, codec in made.layout if isinstance(codec, FixedOctets))
    return made


def codec_of(name: str, hint: Any) -> Codec:
    """The codec that an annotation names.  Raises TypeError when it names none."""
    if get_origin(hint) is Annotated:
        codec = get_args(hint)[1]
        return codec if isinstance(codec, Codec) else Nested(codec)
    if isinstance(hint, type) and issubclass(hint, Record):
        return Nested(hint)
    raise TypeError(f"field {name!r}: {hint!r} names no codec")


def _fuse(layout: Sequence[tuple[str, Codec]]) -> tuple[tuple[tuple[str, ...], Any], ...]:
    """Neighbouring fixed fields become one struct.Struct."""
    steps: list[tuple[tuple[str, ...], Any]] = []
    for name, codec in layout:
        fmt = getattr(codec, "fmt", None)
        if fmt is None:
            steps.append(((name,), codec))
        elif steps and isinstance(steps[-1][1], struct.Struct):
            names, run = steps[-1]
            steps[-1] = (*names, name), struct.Struct(run.format + fmt)
        else:
            steps.append(((name,), struct.Struct(">" + fmt)))
    return tuple(steps)


def _read(made: type[Record], names: tuple[str, ...], step: Any) -> tuple[Any, Any, int]:
    """One step of the decoder: a run of fixed fields, or a single value with the offset behind it."""
    puts = tuple(vars(made)[name].__set__ for name in names)
    if not isinstance(step, struct.Struct):
        return puts[0], step.decode, 0
    if len(puts) > 1:
        return puts, step.unpack_from, step.size
    unpack, size = step.unpack_from, step.size
    return puts[0], lambda buf, pos: (unpack(buf, pos)[0], pos + size), 0


def decode(cls: type[R], data: bytes, *, strict: bool = True) -> R:
    """Decode a whole encoding of `cls`; trailing octets are refused.

    Raises DecodeError with the offset for anything that does not follow the layout and, when `strict`, for what the
    layout allows but the meaning does not (`Record.problems`).
    """
    if not data.startswith(cls.prefix):
        raise DecodeError(f"{cls.wire_name()} starts with {cls.prefix.hex()}", data, 0)
    return decode_behind(cls, data, strict)


def decode_behind(cls: type[R], data: bytes, strict: bool) -> R:
    """`decode` for data whose prefix has been looked at."""
    try:
        value, end = cls.decode_from(data, len(cls.prefix))
    except (struct.error, IndexError) as fault:
        raise DecodeError(f"{cls.wire_name()} ends too early", data, len(data)) from fault
    if end != len(data):
        raise DecodeError(f"{cls.wire_name()}: {len(data) - end} octets left over", data, end)
    if strict and cls.checked and (problems := value.problems()):
        raise DecodeError(f"{cls.wire_name()}: {'; '.join(problems)}", data, 0)
    return value


def decode_value(codec: Codec, data: bytes) -> Any:
    """Decode a whole encoding of one codec's value, such as a list that arrived in blocks.  Raises DecodeError."""
    try:
        value, end = codec.decode(data, 0)
    except (struct.error, IndexError) as fault:
        raise DecodeError("the value ends too early", data, len(data)) from fault
    if end != len(data):
        raise DecodeError(f"{len(data) - end} octets left over behind the value", data, end)
    return value


def encode(value: Record) -> bytes:
    """The whole encoding of a record.  Raises LocalProtocolError when a field does not fit its wire type."""
    out = bytearray(value.prefix)
    try:
        value.encode_to(out)
    except LocalProtocolError:
        raise
    except (struct.error, OverflowError, TypeError, ValueError, AttributeError) as fault:
        raise LocalProtocolError(f"{value.wire_name()} cannot be encoded: {fault}") from fault
    return bytes(out)


def wire_table(cls: type[Record]) -> str:
    """Markdown rows for the reference, straight from the declaration."""
    return "\n".join(f"| {name} | {codec!r} |" for name, codec in cls.layout)
