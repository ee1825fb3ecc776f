"""The OBIS code: six bytes A to F that name what a meter measures, logs or is set to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Self

from obis import pattern
from obis.errors import ObisError

GROUPS = "ABCDEF"
LETTERS = {"C": 96, "F": 97, "L": 98, "P": 99}
"""What a display shows instead of a number in groups C and D."""
ELECTRICITY, NO_CHANNEL, NOT_USED = 1, 0, 255

_HEX = re.compile(r"[0-9A-Fa-f]{12}|[0-9A-Fa-f]{2}(?: [0-9A-Fa-f]{2}){5}", re.ASCII)
_DOTTED = re.compile(r"([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)", re.ASCII)
_REDUCED = re.compile(
    r"(?:([0-9]+)-)?(?:([0-9]+):)?([0-9]+|[CFLPcflp])\.([0-9]+|[CFLPcflp])(?:\.([0-9]+))?(?:[*&]([0-9]+))?", re.ASCII
)
_NUMBER = re.compile(r"[0-9]+", re.ASCII)
_UNWANTED = re.compile(r"[^0-9.:*&\-CFLPcflp]")
_FORMS = "wanted is A.B.C.D.E.F, A-B:C.D.E*F or twelve hex digits"


class Obis(bytes):
    """An OBIS code: bytes of length six, so it encodes as an octet-string, sorts by group and is a dictionary key.

    Made of one text, of six bytes, or of six numbers 0..255:

    - `1.0.1.8.0.255`, all six groups;
    - `1-0:1.8.0*255`, where A, B, E and F may be left out: then A is 1 (electricity, whose displays use the short
      form), B 0, E and F 255. `&` instead of `*` marks a manual reset and is not kept. In C and D the letters C, F,
      L, P of a display stand for 96 to 99. A number has up to three digits, leading zeros are allowed;
    - `0100010800FF`, or with a blank after each pair: the octets in hexadecimal.

    Raises ObisError. Blue Book, OBIS: structure of the codes.
    """

    __slots__ = ()

    def __new__(cls, *parts: str | bytes | bytearray | memoryview | int) -> Self:
        if len(parts) == 1:
            (only,) = parts
            if isinstance(only, str):
                return super().__new__(cls, _read(only))
            if isinstance(only, (bytes, bytearray, memoryview)):
                return super().__new__(cls, _six(bytes(only)))
        return super().__new__(cls, _numbers(parts))

    @property
    def a(self) -> int:
        """Medium: 0 abstract, 1 electricity, ..."""
        return self[0]

    @property
    def b(self) -> int:
        """Channel, 0 for none."""
        return self[1]

    @property
    def c(self) -> int:
        """Physical quantity, or the kind of abstract object."""
        return self[2]

    @property
    def d(self) -> int:
        """Processing of the quantity: instantaneous, maximum, time integral, ..."""
        return self[3]

    @property
    def e(self) -> int:
        """Tariff rate, harmonic or another subdivision."""
        return self[4]

    @property
    def f(self) -> int:
        """Billing period; 255 for the current value."""
        return self[5]

    @property
    def reduced(self) -> str:
        """The code as `1-0:1.8.0*255`, all groups written out."""
        a, b, c, d, e, f = self
        return f"{a}-{b}:{c}.{d}.{e}*{f}"

    def matches(self, wanted: str) -> bool:
        """Whether the code fits a pattern such as `1.*.1-4.8.0,2.255`; ObisError when that is no pattern."""
        return all(map(frozenset.__contains__, pattern.parse(wanted), self))

    def __str__(self) -> str:
        return ".".join(map(str, self))

    def __repr__(self) -> str:
        return f"Obis('{self}')"


def _read(text: str) -> bytes:
    """The six bytes that a text names."""
    text = text.strip()
    match = _DOTTED.fullmatch(text)
    if match is not None:
        return _in_range(text, match.groups())
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    match = _REDUCED.fullmatch(text)
    if match is None:
        raise _fault(text)
    a, b, c, d, e, f = match.groups()
    return _in_range(text, (a or ELECTRICITY, b or NO_CHANNEL, c, d, e or NOT_USED, f or NOT_USED))


def _in_range(text: str, groups: Iterable[str | int]) -> bytes:
    """Groups of digits or letters to bytes; a number of more than three digits is not even converted."""
    values = [group if isinstance(group, int) else _value(group) for group in groups]
    if max(values) > 255:
        raise _too_large(text)
    return bytes(values)


def _value(group: str) -> int:
    """What one group stands for; 256 for all that is too large."""
    if group[0].isdigit():
        return int(group) if len(group) <= 3 else 256
    return LETTERS[group.upper()]


def _too_large(text: str) -> ObisError:
    """The error that points to the first number above 255."""
    fault = next(match for match in _NUMBER.finditer(text) if _value(match[0]) > 255)
    return ObisError(f"{fault[0][:12]} is not within 0..255 in three digits", text, fault.start())


def _fault(text: str) -> ObisError:
    """The error for a text in none of the forms: points to the first character that none of them goes on with."""
    if not text:
        return ObisError("the text is empty", " ")
    unwanted = _UNWANTED.search(text)
    if unwanted is not None:
        return ObisError(f"{unwanted[0]!r} has no place in it; {_FORMS}", text, unwanted.start())
    start = _REDUCED.match(text)
    return ObisError(_FORMS, text, start.end() if start else 0)


def _six(raw: bytes) -> bytes:
    if len(raw) != 6:
        raise ObisError(f"six octets are wanted, not {len(raw)}", raw[:20].hex(" ") or "b''")
    return raw


def _numbers(parts: tuple[object, ...]) -> bytes:
    if len(parts) != 6:
        raise ObisError(f"one text, six bytes or six numbers are wanted, not {len(parts)} values")
    for group, value in zip(GROUPS, parts, strict=True):
        if not isinstance(value, int) or not 0 <= value <= 255:
            shown = (
                value if isinstance(value, int) and value.bit_length() < 64 else f"a value of {type(value).__name__}"
            )
            raise ObisError(f"group {group} is {shown}, not a number within 0..255")
    return bytes(parts)  # type: ignore[arg-type]  # the loop has seen that they are integers
