"""The command `dlms encode`."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest

from dlms.apdu import GatewayRequest, GeneralBlockTransfer, GeneralSigning
from dlms.cli.app import execute
from dlms.codec import encode
from dlms.decode import decode
from dlms.decode.json import apdu_to_json
from dlms.decode.xml import from_xml, to_xml
from tests.dlms.decode.test_ciphering import BOTH, FILE
from tests.dlms.decode.test_ciphering import GET as CIPHERED_GET
from tests.dlms.decode.test_recognise import hdlc

WIRE = bytes.fromhex("c001c100080000010000ff0200")


def encoded(content: bytes, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, output and errors for a file with this content."""
    file = folder / "apdu"
    file.write_bytes(content)
    code = execute(["encode", str(file)])
    printed = capsys.readouterr()
    return code, printed.out.strip(), printed.err


@pytest.mark.parametrize(
    "content",
    [
        to_xml(WIRE).encode(),
        b"\xef\xbb\xbf" + to_xml(WIRE).encode(),
        json.dumps(apdu_to_json(WIRE)).encode(),
        json.dumps(decode(WIRE).to_json()).encode(),
    ],
    ids=["xml", "xml-with-byte-order-mark", "json", "json-of-decode"],
)
def test_a_file(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert encoded(content, tmp_path, capsys) == (0, WIRE.hex(), "")


FRAME = hdlc(b"\xe6\xe6\x00" + WIRE)
BLOCKS = [
    encode(GeneralBlockTransfer(control, n, 0, part)) for control, n, part in ((1, 1, WIRE[:5]), (0x81, 2, WIRE[5:]))
]
SIGNED = encode(GeneralSigning(b"", b"", b"", b"", b"", WIRE, b"\x55" * 64))
MESSAGES = {
    "apdu": (WIRE, [WIRE]),
    "frames": (FRAME + hdlc(b"\xe6\xe6\x00" + WIRE, number=1), [WIRE, WIRE]),
    "gateway": (encode(GatewayRequest(1, b"\x05", WIRE)), None),
    "signed": (SIGNED, None),
    "ciphered": (BOTH, None),
    "blocks": (b"".join(hdlc(b"\xe6\xe6\x00" + block, number=n) for n, block in enumerate(BLOCKS)), BLOCKS),
    "boolean-01": (bytes.fromhex("c401c1000301"), None),
    "tagged-time": (bytes.fromhex("0f00000001090c07e8010101000000008000ff00"), None),
    "untagged-push": (bytes.fromhex("0f00000001 00 0202 1601 0101 0202 00030100010800ff02 1101"), None),
    "long-lengths": (bytes.fromhex("60811da109060760857405080101be10040e01000000065f1f040000181f0100"), None),
}


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("form", ["--xml", "--json"])
def test_what_decode_writes(form: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message, apdus = MESSAGES[name]
    (tmp_path / "keys.json").write_text(json.dumps(FILE))
    assert execute(["decode", form, message.hex(), "--keys", str(tmp_path / "keys.json")]) == 0
    document = capsys.readouterr().out
    wanted = "\n".join(apdu.hex() for apdu in apdus or [message])
    assert encoded(document.encode(), tmp_path, capsys) == (0, wanted, "")


def test_what_was_deciphered_is_told_in_a_comment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "keys.json").write_text(json.dumps(FILE))
    assert execute(["decode", "--xml", BOTH.hex(), "--keys", str(tmp_path / "keys.json")]) == 0
    comment = re.search("<!-- inside: (.*) -->", capsys.readouterr().out, re.DOTALL)
    assert comment is not None
    assert from_xml(comment[1].replace("x:", "")) == CIPHERED_GET
    text = to_xml(BOTH, [bytes.fromhex("c401c1000a042d2d2d3e"), b"\xff"])
    assert "-&#45;-&gt;" in text
    assert "<!-- inside: FF -->" in text
    assert from_xml(text) == BOTH


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(to_xml(WIRE).encode())))
    assert execute(["encode", "-"]) == 0
    assert capsys.readouterr().out.strip() == WIRE.hex()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "neither XML nor JSON"),
        (b"c001", "neither XML nor JSON"),
        (b"[" * 100_000, "neither XML nor JSON"),
        (b"\xff\xfe", "not UTF-8 at octet 0"),
        (b"{}", "names no APDU"),
        (b'{"ok": false, "layers": []}', "no APDU in the document"),
        (b"[]", "names no APDU"),
        (json.dumps(decode(WIRE[:-2]).to_json()).encode(), "not decoded: get-request-normal ends too early"),
        (f"{to_xml(WIRE)}<a/>".encode(), "no XML"),
        (f"{to_xml(WIRE)}{to_xml(WIRE).replace('>8<', '>x<')}".encode(), "APDU 2 of 2: xDLMS-APDU/get-request/"),
        (json.dumps(apdu_to_json(WIRE)).encode() + b"{}", "APDU 2 of 2: "),
        (json.dumps(apdu_to_json(WIRE)).encode() + b"x", "neither XML nor JSON"),
        (b"<a/>", "is no APDU here"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "declaration is refused"),
    ],
)
def test_what_is_no_apdu(content: bytes, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = encoded(content, tmp_path, capsys)
    assert (code, out) == (1, "")
    assert told in err
    assert err.count("\n") == 1


def test_a_document_that_is_too_long(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlms.cli.encode.MAX_OCTETS", 100)
    assert encoded(to_xml(WIRE).encode(), tmp_path, capsys)[::2] == (1, "dlms: a document of more than 100 octets\n")


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["encode", str(tmp_path / "none.xml")]) == 1
    assert "none.xml" in capsys.readouterr().err
