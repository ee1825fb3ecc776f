"""The floor: the same octets through `struct`, `binascii`, numpy and OpenSSL, with no protocol logic at all."""

from __future__ import annotations

import itertools
import struct
from binascii import crc_hqx
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.benchmarks import messages as m
from tests.benchmarks.case import Contestant

_MIRROR = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))
_ROW = struct.Struct(">4x12sxHxIxbxIxIxIxI")
_MARKED_ROW = struct.Struct(">4s12sBHBIBbBIBIBIBI")
_COLUMNS = np.dtype(
    {
        "names": list("abcdefgh"),
        "formats": ["(12,)u1", ">u2", ">u4", "i1", ">u4", ">u4", ">u4", ">u4"],
        "offsets": [4, 17, 20, 25, 27, 32, 37, 42],
        "itemsize": 46,
    }
)
_NATIVE = tuple(zip("abcdefgh", ("u1", "u2", "u4", "i1", "u4", "u4", "u4", "u4"), strict=True))
_GET = struct.Struct(">4xI")
_LIST, _SET = struct.Struct(">" + "xxI" * len(m.LIST_VALUES)), struct.Struct("5s6s6s")
_AARE = struct.Struct(">17xB17xIH")
_AARQ = struct.Struct(">30s8s12sIH")
_FRAME = struct.Struct(">BHBBBH128sHB")
_AEAD = AESGCM(m.KEY)
_SEALED, _NONCE, _ASSOCIATED = m.SEALED, m.NONCE, m.ASSOCIATED


def _crc(data: bytes) -> int:
    return crc_hqx(data.translate(_MIRROR), 0xFFFF)


def _decode_frame() -> tuple[int, int, tuple[Any, ...]]:
    frame = m.RECEIVED_FRAME
    return _crc(frame[1:8]), _crc(frame[1:-1]), _FRAME.unpack(frame)


def _encode_frame() -> bytes:
    head = b"\xa0\x89\x03\x21\x10"
    head += (_crc(head) ^ 0xFFFF).to_bytes(2, "big").translate(_MIRROR) + m.INFO
    return b"\x7e" + head + (_crc(head) ^ 0xFFFF).to_bytes(2, "big").translate(_MIRROR) + b"\x7e"


def _encode_row(clock: bytes, status: int, quality: int, exponent: int, a: int, b: int, c: int, d: int) -> bytes:
    head = b"\x02\x08\x09\x0c"
    return _MARKED_ROW.pack(head, clock, 0x12, status, 6, quality, 0x0F, exponent, 6, a, 6, b, 6, c, 6, d)


def _encode_profile() -> bytes:
    return m.PROFILE[: m.PROFILE_ROWS_AT] + b"".join(itertools.starmap(_encode_row, m.VALUES))


def _columns() -> list[Any]:
    """A copy of each column in native order, as ours: a view alone would do no work at all."""
    fields = np.frombuffer(m.PROFILE, _COLUMNS, m.ROWS, m.PROFILE_ROWS_AT)
    return [fields[name].astype(native) for name, native in _NATIVE]


def _rows_of(columns: list[Any]) -> list[tuple[Any, ...]]:
    clocks, *numbers = (column.tolist() for column in columns)
    return list(zip(map(bytes, clocks), *numbers, strict=True))


def _frame_view(result: tuple[int, int, tuple[Any, ...]]) -> tuple[int, bytes]:
    header_check, check, fields = result
    assert header_check == check == 0x1D0F, "neither check sequence leaves its residue"
    return fields[4], fields[6]


FLOOR = {
    "HDLC decode": Contestant(_decode_frame, _frame_view),
    "HDLC encode": Contestant(_encode_frame),
    "GET-response decode": Contestant(lambda: _GET.unpack_from(m.GET_RESPONSE, 1)[0]),
    "GET-response with list": Contestant(lambda: _LIST.unpack_from(m.GET_LIST_RESPONSE, 4), list),
    "SET-request encode": Contestant(
        lambda: _SET.pack(m.SET_REQUEST[:5], m.SET_NAME, m.SET_REQUEST[11:17]) + m.LONG_VALUE
    ),
    "profile to rows": Contestant(lambda: list(_ROW.iter_unpack(m.PROFILE[m.PROFILE_ROWS_AT :]))),
    "profile to columns": Contestant(_columns, _rows_of),
    "profile encode": Contestant(_encode_profile),
    "profile encode, typed": Contestant(_encode_profile),
    "AARQ encode": Contestant(lambda: _AARQ.pack(m.AARQ[:30], m.SECRET, m.AARQ[38:50], m.CONFORMANCE, m.MAX_PDU)),
    "AARE decode": Contestant(lambda: _AARE.unpack_from(m.AARE)),
    "glo-get-response": Contestant(lambda: _AEAD.decrypt(_NONCE, _SEALED, _ASSOCIATED), lambda plain: plain[7:]),
    "general-glo-ciphering": Contestant(lambda: _AEAD.decrypt(_NONCE, _SEALED, _ASSOCIATED), lambda plain: plain[7:]),
}
"""For the protected messages one pass of `AESGCM`, over the same plaintext with a tag of 16 octets."""
