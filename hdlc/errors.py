"""Every error that hdlc raises on purpose.

HdlcError
+-- FrameError        octets that are not a frame, or a frame that cannot be written (also a ValueError)
+-- ParameterError    a link parameter out of range, or a parameter field that cannot be read (also a ValueError)
+-- LinkStateError    you asked for something that the link does not do now: nothing was sent
"""

from __future__ import annotations

import enum


class Fault(enum.StrEnum):
    """What is wrong with the octets of a frame."""

    FORMAT = "format"
    """The frame format type is not 3: the first octet is not Ax."""

    LENGTH = "length"
    """The length subfield is too small, or does not agree with the octets that are there."""

    SHORT = "short"
    """The octets end inside the header."""

    ADDRESS = "address"
    """An address of three octets, or of more than four."""

    HCS = "header-check"
    """The header check sequence does not verify."""

    FCS = "frame-check"
    """The frame check sequence does not verify."""

    FLAG = "closing-flag"
    """No flag stands where the length subfield says that the frame ends."""

    PARTIAL = "partial"
    """The octets stopped in the middle of the frame."""

    VALUE = "value"
    """Only when encoding: a field does not fit its place in the frame."""


def excerpt(data: bytes, offset: int) -> str:
    """The octets around `offset` as hex, the one at `offset` in brackets."""
    start = max(0, offset - 4)
    here = data[offset : offset + 1].hex() or "end"
    parts = ("..." if start else "", data[start:offset].hex(" "), f"[{here}]", data[offset + 1 : offset + 8].hex(" "))
    return " ".join(part for part in parts if part)


class HdlcError(Exception):
    """Root: catch this to catch everything that hdlc raises on purpose."""


class FrameError(HdlcError, ValueError):
    """Octets that are not a frame, or a frame that cannot be written as octets.

    `fault` classifies it, `data` holds the octets, `offset` is where they went wrong; the message shows those around.
    """

    def __init__(self, what: str, data: bytes = b"", offset: int | None = None, fault: Fault = Fault.VALUE) -> None:
        self.what, self.data, self.offset, self.fault = what, bytes(data), offset, fault

    def __str__(self) -> str:
        # Written only when somebody reads it: a reader of a noisy line raises thousands that nobody does.
        if self.offset is None:
            return self.what
        return f"{self.what} at offset {self.offset} of {len(self.data)}: {excerpt(self.data, self.offset)}"


class ParameterError(HdlcError, ValueError):
    """A link parameter is outside its range, or the parameter field of an SNRM or UA frame cannot be read."""


class LinkStateError(HdlcError):
    """You asked for something that the link does not do in its present state. Nothing was sent or changed."""
