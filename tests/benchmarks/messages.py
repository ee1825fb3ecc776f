"""The messages that every contestant gets and the values in them, made without any of the contestants."""

from __future__ import annotations

import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROWS = 1000
CLOCK = bytes.fromhex("07e801010100000000800000")

INFO = b"\xe6\xe7\x00" + bytes(range(125))
"""An information field of 128 octets that starts as every answer does, with the LLC header."""

CLIENT, SERVER = 16, 1


def crc_x25(data: bytes) -> bytes:
    """The frame check sequence bit by bit, straight from ISO/IEC 13239: slow, and nobody's but the benchmark's."""
    register = 0xFFFF
    for octet in data:
        register ^= octet
        for _ in range(8):
            register = register >> 1 ^ (0x8408 if register & 1 else 0)
    return (register ^ 0xFFFF).to_bytes(2, "little")


def _frame(destination: int, source: int, control: int) -> bytes:
    head = (0xA000 | 9 + len(INFO)).to_bytes(2, "big") + bytes((destination << 1 | 1, source << 1 | 1, control))
    head += crc_x25(head) + INFO
    return b"\x7e" + head + crc_x25(head) + b"\x7e"


RECEIVED_FRAME = _frame(CLIENT, SERVER, 0x30)
"""I frame of the server: N(S) 0, N(R) 1, F."""
SENT_FRAME = _frame(SERVER, CLIENT, 0x10)
"""I frame of the client: N(S) 0, N(R) 0, P."""

GET_RESPONSE = bytes.fromhex("c401c10006000004d2")
GET_VALUE = 1234
LIST_VALUES = list(range(1000, 1032))
GET_LIST_RESPONSE = b"\xc4\x03\xc1\x20" + b"".join(struct.pack(">BBI", 0, 6, value) for value in LIST_VALUES)

INVOKE = 0xC1
SET_NAME = bytes((0, 0, 96, 1, 10, 255))
LONG_VALUE = bytes(range(256)) * 16
SET_REQUEST = b"\xc1\x01\xc1\x00\x01" + SET_NAME + b"\x02\x00\x09\x82\x10\x00" + LONG_VALUE
"""Set-request-normal of attribute 2 of a Data object, 0.0.96.1.10.255, with 4096 octets."""


def row_values(number: int) -> tuple[bytes, int, int, int, int, int, int, int]:
    """Clock, logger status, data quality, exponent, and four energies."""
    clock = CLOCK[:5] + bytes((number // 3600 % 24, number // 60 % 60, number % 60)) + CLOCK[8:]
    energy = 1_000_000 + 17 * number
    return clock, number & 0x3FF, number << 4, -1 if number & 1 else 1, energy, energy // 7, energy // 3, energy // 11


def _row(values: tuple[bytes, int, int, int, int, int, int, int]) -> bytes:
    clock, status, quality, exponent, *energies = values
    head = b"\x02\x08\x09\x0c" + clock + struct.pack(">BHBIBb", 0x12, status, 6, quality, 0x0F, exponent)
    return head + b"".join(struct.pack(">BI", 6, energy) for energy in energies)


VALUES = [row_values(number) for number in range(ROWS)]
PROFILE = b"\x01\x82" + ROWS.to_bytes(2, "big") + b"".join(map(_row, VALUES))
"""The buffer of a load profile: array of 1000 structures of octet-string(12), u16, u32, i8 and 4 x u32."""
PROFILE_ROWS_AT = 4

SECRET = b"12345678"
CONFORMANCE = 0x00121D
"""Block transfer with get, multiple references, get, set, selective access, action."""
MAX_PDU = 0xFFFF
AARQ = bytes.fromhex(
    "6036a1090607608574050801018a0207808b0760857405080201ac0a8008"
    + SECRET.hex()
    + "be10040e01000000065f1f040000121dffff"
)
AARE = bytes.fromhex("6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f040000121d04c80007")
AARE_MAX_PDU = 0x04C8

TITLE = bytes.fromhex("4d4d4d0000bc614e")
"""System title of the Green Book's examples."""
KEY = bytes(range(16))
AUTHENTICATION_KEY = bytes(range(0xD0, 0xE0))
COUNTER = 0x01234567
PROTECTED_VALUE = bytes(range(190))
PLAIN_RESPONSE = b"\xc4\x01\xc1\x00\x09\x81\xbe" + PROTECTED_VALUE
NONCE = TITLE + COUNTER.to_bytes(4, "big")
ASSOCIATED = b"\x30" + AUTHENTICATION_KEY
SEALED = AESGCM(KEY).encrypt(NONCE, PLAIN_RESPONSE, ASSOCIATED)

PROTECTED_SIZES = (20, 128, 1024, 4096, 8192, 20_480, 65_535)
"""Octets of GET-responses from one register to the longest APDU."""


def get_response(size: int) -> bytes:
    """A GET-response of so many octets: an octet-string, its length always on three octets."""
    return b"\xc4\x01\xc1\x00\x09\x83" + (size - 9).to_bytes(3, "big") + (bytes(range(251)) * (size // 251 + 1))[9:size]


PLAIN = {size: get_response(size) for size in PROTECTED_SIZES}
PROTECTED = {
    size: b"\x30" + NONCE[8:] + AESGCM(KEY).encrypt(NONCE, plain, ASSOCIATED)[:-4] for size, plain in PLAIN.items()
}
"""The same under suite 0, authenticated and encrypted: SC || IC || ciphertext || tag of 12 octets."""


def glo(message: bytes) -> bytes:
    """A protected message in a glo-get-response."""
    return b"\xcc\x82" + len(message).to_bytes(2, "big") + message


_BODY = b"\x30" + COUNTER.to_bytes(4, "big") + SEALED[:-4]
GLO_RESPONSE = b"\xcc\x81" + bytes((len(_BODY),)) + _BODY
GENERAL_GLO_RESPONSE = b"\xdb\x08" + TITLE + b"\x81" + bytes((len(_BODY),)) + _BODY
