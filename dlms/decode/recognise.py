"""What some octets are: every reading that leaves none of them over, the most telling one first."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from dlms.data import TAGS
from dlms.decode.application import Application, read_data, told
from dlms.decode.carriers import read_identification, read_mbus, read_wrapper
from dlms.decode.frames import HdlcLayers
from dlms.decode.hdlc_fields import LLC
from dlms.decode.keys import Keys
from dlms.decode.records import class_name, starts_apdu
from dlms.decode.tree import Decoded, Layer, Piece, Reading
from dlms.errors import DecodeError, LocalProtocolError
from dlms.limits import MAX_TRANSFER

NO_KEYS = Keys()

_HDLC = re.compile(rb"\x7e[\xa0-\xaf]")
_MBUS = re.compile(rb"\x68([\x03-\xff])\1\x68", re.DOTALL)


class Kind(NamedTuple):
    """One kind of octets: whether some may hold it, whether they begin like it, and how it is read."""

    may_be: Callable[[bytes], bool]
    begins: Callable[[bytes], bool]
    read: Callable[[Piece, Application], None]


def _read_hdlc(piece: Piece, application: Application) -> None:
    if not HdlcLayers(application).read(piece):
        raise DecodeError("no HDLC frame", piece.data, 0)
    application.finish()


def _read_wrapper(piece: Piece, application: Application) -> None:
    if not piece.data:
        raise DecodeError("no octets")
    read_wrapper(piece, application)
    application.finish()


def _read_mbus(piece: Piece, application: Application) -> None:
    if not read_mbus(piece, application):
        raise DecodeError("no M-Bus frame", piece.data, 0)
    application.finish()


def _read_llc(piece: Piece, application: Application) -> None:
    application.llc(piece)
    application.finish()


def _read_apdu(piece: Piece, application: Application) -> None:
    application.apdu(piece)
    application.finish()


def _starts_data(data: bytes) -> bool:
    return bool(data) and data[0] in TAGS


def _starts_llc(data: bytes) -> bool:
    return data[:3] in LLC


def _starts_wrapper(data: bytes) -> bool:
    return data[:2] == b"\x00\x01" and len(data) >= 8


def _starts_line(data: bytes) -> bool:
    return data[:1] == b"/"


_KINDS: dict[str, Kind] = {
    "hdlc": Kind(lambda data: _HDLC.search(data) is not None, lambda data: data[:1] == b"\x7e", _read_hdlc),
    "wrapper": Kind(_starts_wrapper, _starts_wrapper, _read_wrapper),
    "mbus": Kind(lambda data: _MBUS.search(data) is not None, lambda data: _MBUS.match(data) is not None, _read_mbus),
    "llc": Kind(_starts_llc, _starts_llc, _read_llc),
    "apdu": Kind(starts_apdu, starts_apdu, _read_apdu),
    "data": Kind(_starts_data, _starts_data, lambda piece, application: read_data(piece, application.reading)),
    "iec62056-21": Kind(
        _starts_line, _starts_line, lambda piece, application: read_identification(piece, application.reading)
    ),
}
"""In the order of preference: what has a check of its own first."""

KINDS: tuple[str, ...] = tuple(_KINDS)
"""What octets can be."""


def decode(data: bytes, *, keys: Keys | None = None, kind: str | None = None, verify: bool = True) -> Decoded:
    """What `data` is and says; nothing that is received raises.

    Without `kind` every kind of KINDS is tried; a reading that leaves no octet over is preferred to one with noise
    around its frames, and others as complete are in `also`.  With `kind` only that one counts, and "apdu" then also
    refuses what is wrong in meaning only.  `keys` decipher; with `verify` False also what no tag proves.  At most
    MAX_TRANSFER octets.  Raises LocalProtocolError for a kind that does not exist.
    """
    if kind is not None and kind not in _KINDS:
        raise LocalProtocolError(f"{kind!r} is no kind of octets; known are {', '.join(KINDS)}")
    if not data or len(data) > MAX_TRANSFER:
        return _nothing(f"{len(data)} octets: 1 to {MAX_TRANSFER} are looked at")
    data = bytes(data)
    if kind is not None:
        return Decoded(_read(kind, data, keys or NO_KEYS, verify, strict=kind == "apdu"))
    tried = [_read(name, data, keys or NO_KEYS, verify) for name, one in _KINDS.items() if one.may_be(data)]
    for exact in (True, False):
        complete = [reading for reading in tried if reading.error is None and reading.exact is exact]
        if complete:
            return Decoded(complete[0], tuple(complete[1:]))
    begun = [reading for reading in tried if _KINDS[reading.kind].begins(data)]
    return Decoded((begun or tried)[0]) if tried else _nothing(f"not recognised: starts with {data[:8].hex(' ')}")


def _read(name: str, data: bytes, keys: Keys, verify: bool, strict: bool = False) -> Reading:
    reading, piece = Reading(name), Piece(data)
    try:
        _KINDS[name].read(piece, Application(reading, keys, verify, strict))
    except DecodeError as fault:
        error = told(fault, data)
        _begun(piece.part(3) if data[:3] in LLC else piece, reading, error)
        reading.fail(None, error)
    return reading


def _begun(piece: Piece, reading: Reading, error: str) -> None:
    """Name the APDU that the octets begin like."""
    name = class_name(piece.data)
    if reading.kind in ("llc", "apdu") and name is not None:
        reading.layers.append(Layer.of("apdu", piece, {"apdu": name}, error))


def _nothing(error: str) -> Decoded:
    return Decoded(Reading("", error=error))
