"""The Python values that remember their DLMS type (Blue Book 4.1.5, Green Book 9.5: the Data CHOICE)."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any, ClassVar, Self

from dlms.axdr import EncodeError
from dlms.cosem_time import Date, DateTime, Time
from dlms.typed import Typed


class TypedInt(int, Typed):
    """An integer with a DLMS type.  Arithmetic gives plain ints.  Raises EncodeError outside `low..high`."""

    __slots__ = ()
    PLAIN: ClassVar[tuple[type, ...]] = (int,)
    tag: ClassVar[int]
    fmt: ClassVar[str]
    """The `struct` character of the contents."""
    low: ClassVar[int]
    high: ClassVar[int]

    def __init_subclass__(cls, *, tag: int, name: str, fmt: str) -> None:
        bits = 8 * struct.calcsize(">" + fmt)
        cls.tag, cls.type_name, cls.fmt = tag, name, fmt
        cls.low, cls.high = (0, (1 << bits) - 1) if fmt.isupper() else (-1 << bits - 1, (1 << bits - 1) - 1)

    def __new__(cls, value: int = 0) -> Self:
        if not cls.low <= value <= cls.high:
            raise EncodeError(f"{value} is outside {cls.low}..{cls.high} of {cls.type_name}")
        return int.__new__(cls, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({int(self)})"

    __str__ = int.__repr__


class Integer(TypedInt, tag=15, name="integer", fmt="b"):
    """Eight bits, signed."""

    __slots__ = ()


class Long(TypedInt, tag=16, name="long", fmt="h"):
    """Sixteen bits, signed."""

    __slots__ = ()


class DoubleLong(TypedInt, tag=5, name="double-long", fmt="i"):
    """Thirty-two bits, signed."""

    __slots__ = ()


class Long64(TypedInt, tag=20, name="long64", fmt="q"):
    """Sixty-four bits, signed."""

    __slots__ = ()


class Unsigned(TypedInt, tag=17, name="unsigned", fmt="B"):
    """Eight bits."""

    __slots__ = ()


class LongUnsigned(TypedInt, tag=18, name="long-unsigned", fmt="H"):
    """Sixteen bits."""

    __slots__ = ()


class DoubleLongUnsigned(TypedInt, tag=6, name="double-long-unsigned", fmt="I"):
    """Thirty-two bits."""

    __slots__ = ()


class Long64Unsigned(TypedInt, tag=21, name="long64-unsigned", fmt="Q"):
    """Sixty-four bits."""

    __slots__ = ()


class Enum(TypedInt, tag=22, name="enum", fmt="B"):
    """One octet whose values the interface class names."""

    __slots__ = ()


class Bcd(TypedInt, tag=13, name="bcd", fmt="B"):
    """One octet of binary coded decimal; the int is the octet, not the two digits."""

    __slots__ = ()


class DeltaInteger(TypedInt, tag=28, name="delta-integer", fmt="b"):
    """A signed difference of eight bits from the value before it."""

    __slots__ = ()


class DeltaLong(TypedInt, tag=29, name="delta-long", fmt="h"):
    """A signed difference of sixteen bits."""

    __slots__ = ()


class DeltaDoubleLong(TypedInt, tag=30, name="delta-double-long", fmt="i"):
    """A signed difference of thirty-two bits."""

    __slots__ = ()


class DeltaUnsigned(TypedInt, tag=31, name="delta-unsigned", fmt="B"):
    """A difference of eight bits upwards."""

    __slots__ = ()


class DeltaLongUnsigned(TypedInt, tag=32, name="delta-long-unsigned", fmt="H"):
    """A difference of sixteen bits upwards."""

    __slots__ = ()


class DeltaDoubleLongUnsigned(TypedInt, tag=33, name="delta-double-long-unsigned", fmt="I"):
    """A difference of thirty-two bits upwards."""

    __slots__ = ()


class Float32(float, Typed):
    """IEEE 754 single precision; the value is rounded to what four octets hold.  Raises EncodeError when it overflows.

    A NaN keeps its payload, also a signalling one, which a C conversion would alter.
    """

    __slots__ = ()
    PLAIN: ClassVar[tuple[type, ...]] = (float, int)
    tag: ClassVar[int] = 23
    type_name: ClassVar[str] = "float32"
    fmt: ClassVar[str] = "f"

    def __new__(cls, value: float = 0.0) -> Self:
        if not math.isfinite(value):
            return float.__new__(cls, value)
        try:
            return float.__new__(cls, struct.unpack(">f", struct.pack(">f", value))[0])
        except OverflowError as fault:
            raise EncodeError(f"{value} is too large for float32") from fault

    @classmethod
    def from_octets(cls, octets: bytes) -> Self:
        """From the four octets of the wire."""
        value = struct.unpack(">f", octets)[0]
        if value != value:
            (bits,) = struct.unpack(">I", octets)
            wide = (bits >> 31) << 63 | 0x7FF << 52 | (bits & 0x7F_FFFF) << 29
            value = struct.unpack(">d", wide.to_bytes(8, "big"))[0]
        return float.__new__(cls, value)

    def to_octets(self) -> bytes:
        """The four octets of the wire."""
        if self == self:
            return struct.pack(">f", self)
        wide = int.from_bytes(struct.pack(">d", self), "big")
        payload = (wide >> 29) & 0x7F_FFFF
        return ((wide >> 63) << 31 | 0xFF << 23 | (payload or 0x40_0000)).to_bytes(4, "big")

    def __repr__(self) -> str:
        return f"Float32({float(self)!r})"

    __str__ = float.__repr__


class Float64(float, Typed):
    """IEEE 754 double precision."""

    __slots__ = ()
    PLAIN: ClassVar[tuple[type, ...]] = (float, int)
    tag: ClassVar[int] = 24
    type_name: ClassVar[str] = "float64"
    fmt: ClassVar[str] = "d"

    @classmethod
    def from_octets(cls, octets: bytes) -> Self:
        """From the eight octets of the wire."""
        return cls(struct.unpack(">d", octets)[0])

    def to_octets(self) -> bytes:
        """The eight octets of the wire."""
        return struct.pack(">d", self)

    def __repr__(self) -> str:
        return f"Float64({float(self)!r})"

    __str__ = float.__repr__


class Utf8String(str, Typed):
    """utf8-string.  Octets that are not UTF-8 are kept as lone surrogates (PEP 383) and encode back identically.

    Raises EncodeError for any other lone surrogate: it has no UTF-8 form.
    """

    __slots__ = ()
    PLAIN: ClassVar[tuple[type, ...]] = (str,)
    tag: ClassVar[int] = 12
    type_name: ClassVar[str] = "utf8-string"

    def __new__(cls, text: str = "") -> Self:
        try:
            text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as fault:
            raise EncodeError(f"{text!r} has no UTF-8 form") from fault
        return str.__new__(cls, text)

    @classmethod
    def from_octets(cls, octets: bytes) -> Self:
        """From the octets of the wire."""
        return str.__new__(cls, octets.decode("utf-8", "surrogateescape"))

    def to_octets(self) -> bytes:
        """The octets of the wire."""
        return self.encode("utf-8", "surrogateescape")

    def __repr__(self) -> str:
        return f"Utf8String({str(self)!r})"

    def __str__(self) -> str:
        return str.__str__(self)


class BitString(Typed):
    """bit-string: `BitString("0101")`, or octets and a count of bits.  Bit 0 is the first one sent (the left one).

    What the wire has in the unused bits of the last octet is kept and takes part in equality.
    """

    __slots__ = ("length", "octets")
    PLAIN: ClassVar[tuple[type, ...]] = (str,)
    tag: ClassVar[int] = 4
    type_name: ClassVar[str] = "bit-string"
    length: int
    octets: bytes

    def __init__(self, bits: str | bytes, length: int | None = None) -> None:
        if isinstance(bits, str):
            if bits.strip("01") or length not in (None, len(bits)):
                raise EncodeError(f"{bits!r} is not a string of 0 and 1")
            length = len(bits)
            size = (length + 7) // 8
            bits = int(bits.ljust(8 * size, "0") or "0", 2).to_bytes(size, "big")
        length = 8 * len(bits) if length is None else length
        if len(bits) != (length + 7) // 8:
            raise EncodeError(f"{len(bits)} octets do not hold {length} bits")
        object.__setattr__(self, "length", length)
        object.__setattr__(self, "octets", bytes(bits))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a BitString is immutable: {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a BitString is immutable: {name}")

    def __reduce__(self) -> tuple[Any, ...]:
        return BitString, (self.octets, self.length)

    @property
    def padded(self) -> str:
        """All bits of the octets, the unused ones included."""
        return f"{int.from_bytes(self.octets, 'big'):0{8 * len(self.octets)}b}" if self.octets else ""

    def __str__(self) -> str:
        return self.padded[: self.length]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> bool:
        return str(self)[index] == "1"

    def __iter__(self) -> Iterator[bool]:
        return (bit == "1" for bit in str(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BitString) and (self.octets, self.length) == (other.octets, other.length)

    def __hash__(self) -> int:
        return hash((self.octets, self.length))

    def __repr__(self) -> str:
        return f"BitString('{self}')"


class DontCare(Typed):
    """dont-care, tag 255: a value that a condition does not look at.  `DONT_CARE` is the only one."""

    __slots__ = ()
    tag: ClassVar[int] = 255
    type_name: ClassVar[str] = "dont-care"

    def __new__(cls) -> DontCare:
        return DONT_CARE

    def __repr__(self) -> str:
        return "DONT_CARE"

    def __reduce__(self) -> str:
        return "DONT_CARE"


DONT_CARE: DontCare = object.__new__(DontCare)

INTEGERS: tuple[type[TypedInt], ...] = tuple(TypedInt.__subclasses__())
"""Every integer type."""

SCALARS: dict[int, type] = {
    0: type(None),
    3: bool,
    4: BitString,
    9: bytes,
    10: str,
    12: Utf8String,
    **{kind.tag: kind for kind in INTEGERS},
    23: Float32,
    24: Float64,
    25: DateTime,
    26: Date,
    27: Time,
    255: DontCare,
}
"""The Python type of every tag that holds one value."""

SCALAR_NAMES: dict[int, str] = {
    0: "null-data",
    3: "boolean",
    9: "octet-string",
    10: "visible-string",
    **{tag: kind.type_name for tag, kind in SCALARS.items() if hasattr(kind, "type_name")},
}
"""The standard's name of every tag in `SCALARS`."""
