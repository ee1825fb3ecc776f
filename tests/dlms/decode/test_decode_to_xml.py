"""`dlms decode --xml`, and which APDUs of a capture it shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dlms.apdu import GatewayRequest, GeneralBlockTransfer, GeneralSigning
from dlms.cli.app import execute
from dlms.codec import encode
from dlms.decode import decode
from dlms.decode.records import innermost, outermost
from dlms.decode.xml import from_xml, to_xml
from hdlc import Address, Frame, Kind
from tests.dlms.decode.test_ciphering import BOTH, FILE, keys
from tests.dlms.decode.test_ciphering import GET as CIPHERED_GET
from tests.dlms.decode.test_recognise import GET, SAMPLES, hdlc

SIGNING = encode(GeneralSigning(b"", b"", b"", b"", b"", GET, b"\x55" * 64))


def segments(info: bytes) -> bytes:
    """One message in two HDLC frames."""
    client, server = Address(16), Address(1)
    first = Frame(Kind.I, server, client, info[:7], segmented=True, poll_final=False)
    return first.encode() + Frame(Kind.I, server, client, info[7:], send_sequence=1).encode()


BLOCKS = [
    encode(GeneralBlockTransfer(control, n, 0, part)) for control, n, part in ((1, 1, GET[:5]), (0x81, 2, GET[5:]))
]


@pytest.mark.parametrize(
    ("message", "inside"),
    [
        (GET, [GET]),
        (SAMPLES["wrapper"], [GET]),
        (SAMPLES["hdlc"] + hdlc(b"\xe6\xe6\x00" + GET, number=1), [GET, GET]),
        (SAMPLES["mbus"], [GET]),
        (SAMPLES["data"], []),
        (segments(b"\xe6\xe6\x00" + GET), [GET]),
        (SIGNING, [GET]),
        (BOTH, [CIPHERED_GET]),
        (GET[:-1], []),
    ],
    ids=["apdu", "wrapper", "two-frames", "mbus", "data", "segments", "signing", "ciphered", "damaged"],
)
def test_innermost(message: bytes, inside: list[bytes]) -> None:
    assert innermost(decode(message, keys=keys()), message) == inside


def test_outermost() -> None:
    gateway = encode(GatewayRequest(1, b"\x05", BOTH))
    assert outermost(decode(gateway, keys=keys()), gateway) == [(gateway, [CIPHERED_GET])]
    assert outermost(decode(SIGNING), SIGNING) == [(SIGNING, [])]
    assert outermost(decode(GET[:-1]), GET[:-1]) == []
    message = b"".join(hdlc(b"\xe6\xe6\x00" + block, number=n) for n, block in enumerate(BLOCKS))
    assert outermost(decode(message), message) == [(BLOCKS[0], []), (BLOCKS[1], [GET])]


def test_blocks_are_joined() -> None:
    message = b"".join(Frame(Kind.UI, Address(1), Address(16), b"\xe6\xe6\x00" + block).encode() for block in BLOCKS)
    assert innermost(decode(message), message) == [GET]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["decode", "--xml", SAMPLES["hdlc"].hex()]) == 0
    text = capsys.readouterr().out
    assert text == to_xml(GET)
    assert from_xml(text) == GET
    key_file = tmp_path / "keys.json"
    key_file.write_text(json.dumps(FILE))
    assert execute(["decode", "--xml", BOTH.hex(), "--keys", str(key_file)]) == 0
    assert capsys.readouterr().out == to_xml(BOTH, [CIPHERED_GET])
    assert execute(["decode", "--xml", "--innermost", BOTH.hex(), "--keys", str(key_file)]) == 0
    assert capsys.readouterr().out == to_xml(CIPHERED_GET)
    assert execute(["decode", "--xml", BOTH.hex()]) == 0
    assert "<x:glo-get-request>" in capsys.readouterr().out


def test_what_is_missing_is_told_beside_the_xml(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["decode", "--xml", BLOCKS[0].hex()]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("<")
    assert shown.err.startswith("dlms: warning: incomplete: ")


def test_what_has_no_xml(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["decode", "--xml", SAMPLES["iec62056-21"].hex()]) == 1
    assert capsys.readouterr().err == "dlms: no APDU in the message\n"
    assert execute(["decode", "--xml", GET[:-1].hex()]) == 1
    assert capsys.readouterr().out == ""
    assert execute(["decode", "--xml", "--json", GET.hex()]) == 2
    assert execute(["decode", "--innermost", GET.hex()]) == 2
