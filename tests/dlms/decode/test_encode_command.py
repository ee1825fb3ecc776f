"""The command `dlms encode`."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from dlms.cli.app import execute
from dlms.decode import decode
from dlms.decode.json import apdu_to_json
from dlms.decode.xml import to_xml

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
        (b'{"ok": false, "layers": []}', "names no APDU"),
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
