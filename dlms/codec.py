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

from dlms.errors import DecodeError, LocalProtocolError
from dlms.wire_types import (
    ABSENT,
    BOOL,
    DATA,
    I8,
    INVOKE,
    NAME,
    OCTETS,
    TIME,
    U8,
    U16,
    U32,
    Boolean,
    Codec,
    ConformanceBits,
    DataValue,
    DefaultTrue,
    Fixed,
    FixedOctets,
    InvokeOctet,
    LogicalName,
    Octets,
    Optional,
    OptionalOrAbsent,
    OptionalTime,
    Refusal,
    Rest,
    ResultOf,
    SequenceOf,
    TaggedTime,
)


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


__all__ = [
    "ABSENT",
    "Alternatives",
    "BOOL",
    "Boolean",
    "Codec",
    "ConformanceBits",
    "DATA",
    "DataValue",
    "DefaultTrue",
    "Fixed",
    "FixedOctets",
    "I8",
    "INVOKE",
    "InvokeOctet",
    "LogicalName",
    "NAME",
    "Nested",
    "OCTETS",
    "Octets",
    "Optional",
    "OptionalOrAbsent",
    "OptionalTime",
    "Record",
    "Refusal",
    "Rest",
    "ResultOf",
    "SequenceOf",
    "TIME",
    "TaggedTime",
    "U16",
    "U32",
    "U8",
    "codec_of",
    "decode",
    "decode_behind",
    "decode_value",
    "encode",
    "record",
    "wire_table",
]
