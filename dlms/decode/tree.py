"""What is understood of some octets: layers from the outside in, and the values of the innermost ones."""

from __future__ import annotations

import dataclasses
from typing import Any

INPUT, REASSEMBLED, PLAINTEXT = "input", "reassembled", "plaintext"
"""What an offset counts in: the octets as given, a message put together from pieces, or what was deciphered."""


def counted(count: int, noun: str) -> str:
    """A number of things in words: 1 octet, 2 octets."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """Octets to be understood, and where the first of them stands."""

    data: bytes
    offset: int = 0
    within: str = INPUT

    def part(self, start: int, end: int | None = None) -> Piece:
        """The octets from `start` to `end` of this piece."""
        return Piece(self.data[start:end], self.offset + start, self.within)


@dataclasses.dataclass(slots=True)
class Layer:
    """One thing that was understood: `length` octets at `offset` of what `within` names.

    `fields` are JSON types.  `notes` tell what is unusual but understood; `error` what is wrong with this layer.  `inside`
    says that it is an APDU inside another one.
    """

    kind: str
    offset: int
    length: int
    fields: dict[str, Any]
    within: str = INPUT
    notes: list[str] = dataclasses.field(default_factory=list)
    error: str | None = None
    inside: bool = False

    @classmethod
    def of(cls, kind: str, piece: Piece, fields: dict[str, Any], error: str | None = None) -> Layer:
        """A layer that covers `piece`."""
        return cls(kind, piece.offset, len(piece.data), fields, piece.within, error=error)

    def to_json(self) -> dict[str, Any]:
        """JSON types; `within`, `inside`, `notes` and `error` only where they say something."""
        shown: dict[str, Any] = {"kind": self.kind, "offset": self.offset, "length": self.length}
        if self.within != INPUT:
            shown["within"] = self.within
        if self.inside:
            shown["inside"] = True
        shown["fields"] = self.fields
        if self.notes:
            shown["notes"] = self.notes
        if self.error is not None:
            shown["error"] = self.error
        return shown


@dataclasses.dataclass(slots=True)
class Reading:
    """One way to read the input, as far as it goes.

    `exact` says that it leaves no octet over.  `values` are the APDUs and Data inside, `carriers` the fields of frames
    that hold none.  `encrypted` says that a part stayed ciphered; `verified` is None where nothing was deciphered, and
    False where any of it was shown without a check of its tag.  `incomplete` says that a message in segments or a
    transfer in blocks lacks its end or its beginning, `undecoded` that octets stand where an APDU is due and are none.
    """

    kind: str
    layers: list[Layer] = dataclasses.field(default_factory=list)
    values: list[Any] = dataclasses.field(default_factory=list)
    carriers: list[Any] = dataclasses.field(default_factory=list)
    error: str | None = None
    exact: bool = True
    encrypted: bool = False
    verified: bool | None = None
    incomplete: bool = False
    undecoded: bool = False

    def noise(self, octets: bytes, layer: Layer, where: str) -> None:
        """Tell of octets that belong to no frame."""
        if octets:
            self.exact = False
            shown = octets[:32].hex(" ") + (" ..." if len(octets) > 32 else "")
            layer.notes.append(f"{counted(len(octets), 'octet')} of noise {where} the frame: {shown}")

    def fail(self, layer: Layer | None, error: str) -> None:
        """Note what is wrong; the first error is that of the whole reading."""
        if layer is not None and layer.error is None:
            layer.error = error
        if self.error is None:
            self.error = error

    def tag_checked(self, verified: bool) -> None:
        """Take account of one message whose protection was taken off."""
        self.verified = verified and self.verified is not False

    @property
    def value(self) -> Any:
        """The innermost thing understood; a list of them where the input held several messages."""
        found = self.values or self.carriers
        return found[0] if len(found) == 1 else found or None


@dataclasses.dataclass(frozen=True, slots=True)
class Decoded:
    """The answer to `decode`: the preferred reading of some octets, and in `also` others that are as complete."""

    reading: Reading
    also: tuple[Reading, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything was understood, or recognised as ciphered."""
        return self.reading.error is None

    @property
    def error(self) -> str | None:
        """The first thing that is wrong, None when nothing is."""
        return self.reading.error

    @property
    def incomplete(self) -> bool:
        """Whether a message in segments or a transfer in blocks lacks its end or its beginning in the input."""
        return self.reading.incomplete

    @property
    def undecoded(self) -> bool:
        """Whether octets stand where an APDU is due, and are none or only a part of one."""
        return self.reading.undecoded

    @property
    def kind(self) -> str:
        """What the octets are: one of KINDS."""
        return self.reading.kind

    @property
    def layers(self) -> list[Layer]:
        """From the outside in, message after message."""
        return self.reading.layers

    @property
    def value(self) -> Any:
        """The innermost thing understood, as JSON types; see the reading."""
        return self.reading.value

    def to_json(self) -> dict[str, Any]:
        """`{"ok": true, "kind", "layers", "value"}` or `{"ok": false, "error", "layers", "kind"}`, as JSON types.

        The "kind" of a failure is absent where not even that is known.  "encrypted" is there, and true, where a part
        stayed ciphered; "verified" where something was deciphered; "also" where there are other readings.
        "incomplete" and "undecoded", in either form, are there, and true, where something is missing; see the reading.
        """
        reading = self.reading
        if reading.error is not None:
            failed = {"ok": False, "error": reading.error, "layers": _layers(reading)}
            return failed | ({"kind": reading.kind} if reading.kind else {}) | _lacking(reading)
        shown: dict[str, Any] = {"ok": True, "kind": reading.kind}
        if reading.encrypted:
            shown["encrypted"] = True
        if reading.verified is not None:
            shown["verified"] = reading.verified
        shown |= _lacking(reading) | {"layers": _layers(reading), "value": reading.value}
        if self.also:
            shown["also"] = [{"kind": o.kind, "layers": _layers(o), "value": o.value} for o in self.also]
        return shown


def _lacking(reading: Reading) -> dict[str, bool]:
    lacking = {"incomplete": reading.incomplete, "undecoded": reading.undecoded}
    return {name: True for name, there in lacking.items() if there}


def _layers(reading: Reading) -> list[dict[str, Any]]:
    return [layer.to_json() for layer in reading.layers]
