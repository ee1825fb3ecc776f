"""Files of text that hold octets: as the tools write dumps, base64, and lines of hex."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dlms.cli.app import execute
from dlms.decode.dumps import base64_octets, dumped, hex_octets, messages
from tests.dlms.decode.test_recognise import GET, SAMPLES, hdlc

FRAME = hdlc(b"\xe6\xe6\x00" + GET)
LONG = bytes(range(256)) + b"ab cd ef 01"


def printable(octets: bytes) -> str:
    return "".join(chr(octet) if 32 <= octet < 127 else "." for octet in octets)


def rows(octets: bytes) -> list[tuple[int, bytes]]:
    return [(at, octets[at : at + 16]) for at in range(0, len(octets), 16)]


def xxd(octets: bytes, group: int = 2) -> str:
    """As `xxd` writes it."""
    width = 32 + (16 // group) - 1
    return "".join(f"{at:08x}: {row.hex(' ', -group):<{width}}  {printable(row)}\n" for at, row in rows(octets))


def hexdump(octets: bytes) -> str:
    """As `hexdump -vC` writes it."""
    lines = [
        f"{at:08x}  {row[:8].hex(' '):<23}  {row[8:].hex(' '):<23}  |{printable(row)}|\n" for at, row in rows(octets)
    ]
    return "".join([*lines, f"{len(octets):08x}\n"])


def od(octets: bytes) -> str:
    """As `od -v -A x -t x1` writes it."""
    return "".join([*(f"{at:06x} {row.hex(' ')}\n" for at, row in rows(octets)), f"{len(octets):06x}\n"])


def wireshark(octets: bytes) -> str:
    """As Wireshark copies octets."""
    return "".join(f"{at:04x}   {row.hex(' '):<47}   {printable(row)}\n" for at, row in rows(octets))


def tcpdump(octets: bytes) -> str:
    """As `tcpdump -X` writes it, without its lines about packets."""
    return "".join(f"\t0x{at:04x}:  {row.hex(' ', -2):<39}  {printable(row)}\n" for at, row in rows(octets))


FORMS = {
    "xxd": xxd,
    "xxd-1": lambda octets: xxd(octets, 1),
    "xxd-4": lambda octets: xxd(octets, 4),
    "hexdump": hexdump,
    "od": od,
    "wireshark": wireshark,
    "tcpdump": tcpdump,
}


@pytest.mark.parametrize("form", FORMS)
@given(st.binary(min_size=1, max_size=70))
def test_dumps_of_every_tool(form: str, octets: bytes) -> None:
    assert messages(FORMS[form](octets).encode("latin-1")) == [octets]


@pytest.mark.parametrize("form", FORMS)
@example(["ab cd ef 01 23  ab"])
@example(["00000000"])
@given(st.lists(st.text("abcdef 0123456789", min_size=1, max_size=40), min_size=1, max_size=3))
def test_characters_beside_that_look_like_hex(form: str, texts: list[str]) -> None:
    wanted = [text.encode() for text in texts]
    assert messages("".join(map(FORMS[form], wanted)).encode()) == wanted


def test_repeated_lines() -> None:
    octets = b"\x09\x7e" + bytes(14) + bytes(64) + b"\x01\x02"
    lines = hexdump(octets).splitlines()
    short = [lines[0], lines[1], "*", *lines[5:]]
    assert dumped(short) == [octets]
    for wrong in (
        ["*", *short],
        [lines[0], "*", "00000015"],
        [lines[0], "*", "0fffffff  00  |.|"],
        [short[2], short[0]],
    ):
        assert dumped(wrong) is None


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["00000000"],
        ["00000010: 7ea0"],
        ["0000 7e a0", "0003 01"],
        ["0000 7e a0", "0001 01"],
        ["0000 7e a0", "zz"],
        ["00000000: 7e zz", "00000002: 01"],
        ["0000000 a07e 0c0e"],
    ],
)
def test_what_is_no_dump(lines: list[str]) -> None:
    """Words without a colon may be in any byte order: refused, not guessed."""
    assert dumped(lines) is None


@given(st.lists(st.text("0123456789abcdefxyz*:| \t", max_size=40), max_size=6))
def test_any_lines(lines: list[str]) -> None:
    for octets in dumped([line for line in lines if line.strip()]) or ():
        assert isinstance(octets, bytes)


def test_base64() -> None:
    coded = base64.b64encode(LONG).decode()
    wrapped = base64.encodebytes(LONG)
    assert messages(coded.encode()) == [LONG]
    assert messages(wrapped) == [LONG]
    assert messages(b"# one a line\n" + base64.b64encode(FRAME) + b"\n" + base64.b64encode(GET) + b"\n") == [FRAME, GET]
    assert base64_octets(["AAAAAAA"]) is None
    assert base64_octets(["AAAA====AAAA"]) is None
    assert messages(SAMPLES["iec62056-21"]) == [SAMPLES["iec62056-21"]]
    assert messages(b"/ABC5XYZ12345678\r\n") == [b"/ABC5XYZ12345678\r\n"]


def test_lines_of_hex_and_octets_as_they_are() -> None:
    assert messages(f"# two\n{GET.hex(' ')}\n\n{FRAME.hex()}\n".encode()) == [GET, FRAME]
    assert messages(FRAME) == [FRAME]
    assert messages(b"") == [b""]
    assert messages(b"no octets\n") == [b"no octets\n"]
    assert hex_octets("7e:a0-07 03") == bytes.fromhex("7ea00703")
    assert hex_octets("7ea") is None


@pytest.mark.parametrize("form", [*FORMS, "base64"])
def test_the_command_reads_them(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "capture.txt"
    file.write_text(base64.b64encode(FRAME).decode() if form == "base64" else FORMS[form](FRAME) * 2)
    assert execute(["decode", str(file)]) == 0
    assert capsys.readouterr().out.count("apdu get-request-normal  (offset 12, length 13)") == 1 + (form != "base64")
