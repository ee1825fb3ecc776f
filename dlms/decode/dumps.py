"""Messages in a file of text or octets: lines of hex, dumps with offsets, base64, or octets as they are."""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from itertools import pairwise

from dlms.limits import MAX_TRANSFER

_SEPARATORS = str.maketrans("", "", " \t\r\n\v\f:-")
_DUMPED = re.compile(
    r"(?:0x)?([0-9A-Fa-f]{4,16})(?:[:>][ \t]+|[ \t]+(?=[0-9A-Fa-f]{2}(?:[ \t]|$)))(?=[0-9A-Fa-f]{2})(.*)"
)
"""A line of a dump: the offset, and what stands behind it: words of more than an octet behind a colon only, as others
are of the machine's byte order."""
_END = re.compile(r"(?:0x)?([0-9A-Fa-f]{4,16})[:>]?\s*")
"""The last line of some dumps: the offset alone."""
_BASE64 = re.compile(r"[A-Za-z0-9+/]{8,}={0,2}")
_WIDTH = 16
"""Octets of one line of a dump, where no other line tells."""


def messages(content: bytes) -> list[bytes]:
    """The messages that the content of a file holds.

    Hex text has one message a line; a dump whose offset begins at 0 again has another message there; blank lines and
    those with # in front are left out.  Base64 is one message, or one a line where every line is padded for itself.
    Anything else is one message as it is.
    """
    lines = [line.strip() for line in content.decode("latin-1").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    found = dumped(lines)
    if found is None and lines:
        by_line = [hex_octets(line) for line in lines]
        found = [octets for octets in by_line if octets is not None]
        found = found if len(found) == len(by_line) else base64_octets(lines)
    return [content] if found is None else found


def hex_octets(text: str) -> bytes | None:
    """Octets written in hex, with or without spaces, colons and hyphens; None when it is something else or nothing."""
    digits = text.translate(_SEPARATORS)
    if not digits or not digits.isascii() or len(digits) % 2:
        return None
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return None


def base64_octets(lines: Sequence[str]) -> list[bytes] | None:
    """Octets in base64; None when it is something else.  An identification line (/XXX) is something else."""
    if not all(_BASE64.fullmatch(line) for line in lines[:-1]) or lines[0].startswith("/"):
        return None
    alone = len({len(line) for line in lines[:-1]} | {len(lines[0])}) > 1 or any("=" in line for line in lines[:-1])
    try:
        return [binascii.a2b_base64(one, strict_mode=True) for one in (lines if alone else ["".join(lines)])]
    except (binascii.Error, ValueError):
        return None


def dumped(lines: Sequence[str]) -> list[bytes] | None:
    """The messages of a dump as xxd, hexdump -C, od -A x -t x1, tcpdump -X and Wireshark write it; None when it is none.

    A line holds as many octets as the offset of the next one says; * stands for lines that repeat the one before.
    """
    rows: list[tuple[int, str]] = []
    for line in lines:
        match = _DUMPED.fullmatch(line) or _END.fullmatch(line)
        if match is None and line != "*":
            return None
        rows.append((-1, "") if match is None else (int(match[1], 16), match[2] if match.lastindex == 2 else ""))
    if not rows or rows[0][0] != 0 or not rows[0][1]:
        return None
    found: list[bytearray] = []
    width, repeats = _WIDTH, False
    for (offset, text), (following, _) in pairwise([*rows, (0, "")]):
        if offset == -1:
            repeats = True
            continue
        if offset == 0:
            found.append(bytearray())
        if repeats and not _repeat(found[-1], width, offset):
            return None
        repeats = False
        if offset != len(found[-1]):
            return None
        size = following - offset if following > offset else None
        octets = _row(text, size, width if size is None else size)
        if octets is None or (size is not None and len(octets) != size and text):
            return None
        width = size or width
        found[-1] += octets
    return [bytes(one) for one in found]


def _repeat(message: bytearray, width: int, until: int) -> bool:
    """Repeat the last row up to an offset; False where that cannot be."""
    missing = until - len(message)
    if not message or missing < 0 or missing % width or until > MAX_TRANSFER:
        return False
    message += message[-width:] * (missing // width)
    return True


def _row(text: str, size: int | None, width: int) -> bytes | None:
    """The octets of one row, without the characters beside them: `size` of them, or at most `width`."""
    octets = b""
    cuts: list[tuple[bytes, str]] = []
    for word in re.finditer(r"\S+", text):
        if re.fullmatch("(?:[0-9A-Fa-f]{2})+", word[0]) is None:
            break
        octets += bytes.fromhex(word[0])
        if len(octets) > width:
            break
        cuts.append((octets, text[word.end() :].strip()))
    beside = [taken for taken, rest in cuts if rest and rest in _characters(taken)]
    others = [taken for taken, rest in cuts if not rest] + [taken for taken, rest in cuts if not _all_hex(rest)]
    for taken in beside[::-1] + others:
        if size in (None, len(taken)):
            return taken
    return None if text else b""


def _all_hex(text: str) -> bool:
    """Whether octets are left over: characters may look like hex, but not as every word of a row that goes on."""
    return re.fullmatch(r"[0-9A-Fa-f]{2}(?: [0-9A-Fa-f]{2})*", text) is not None


def _characters(octets: bytes) -> tuple[str, ...]:
    """What stands beside octets: the characters of ASCII, dots for others; some tools put marks around them."""
    told = "".join(chr(octet) if 32 <= octet < 127 else "." for octet in octets)
    return told.strip(), f"|{told}|", f">{told}<"
