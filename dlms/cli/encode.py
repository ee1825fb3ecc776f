"""`dlms encode`: an APDU written as XML or JSON becomes octets."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from dlms.axdr import EncodeError
from dlms.limits import MAX_TRANSFER

MAX_OCTETS = MAX_TRANSFER
"""The longest document that is read."""

_DECLARED = re.compile(r"(?=<\?xml\s)")
"""Where a document of XML begins."""
_SPACE = re.compile(r"\s*")


def encode(
    source: Annotated[str, typer.Argument(metavar="FILE|-", help="APDUs as XML or JSON; - for stdin.")],
) -> None:
    """Turn APDUs and Data written as XML or JSON, as `dlms decode --xml` and `--json` do, into hex, one a line.

    Documents may follow each other. Of what `dlms decode --json` writes, the APDUs in the frames are taken, as they were
    sent: ciphered or in blocks.
    """
    for octets in list(_apdus(_text(source))):
        print(octets.hex())


def _text(source: str) -> str:
    if source == "-":
        octets = sys.stdin.buffer.read(MAX_OCTETS + 1)
    else:
        with Path(source).open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    if len(octets) > MAX_OCTETS:
        raise EncodeError(f"a document of more than {MAX_OCTETS} octets")
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise EncodeError(f"the document is not UTF-8 at octet {fault.start}") from fault


def _apdus(text: str) -> Iterator[bytes]:
    """The octets of all APDUs; documents of XML begin with <."""
    if text.lstrip().startswith("<"):
        from dlms.decode.xml import from_xml

        documents = [one for one in _DECLARED.split(text) if one and not one.isspace()]
        for number, document in enumerate(documents, 1):
            yield _of_document(from_xml, document, number, len(documents))
        return
    from dlms.decode.json import apdu_from_json

    values = [apdu for document in _json_documents(text) for apdu in _captured(document)]
    if not values:
        raise EncodeError("no APDU in the document")
    for number, value in enumerate(values, 1):
        yield _of_document(apdu_from_json, value, number, len(values))


def _of_document(encode_one: Callable[[Any], bytes], document: Any, number: int, count: int) -> bytes:
    """The octets of one of several documents, whose number is told beside a fault."""
    try:
        return encode_one(document)
    except EncodeError as fault:
        if count == 1:
            raise
        raise EncodeError(f"APDU {number} of {count}: {fault}") from fault


def _json_documents(text: str) -> Iterator[object]:
    """JSON documents, one behind the other."""
    import json

    decoder, at = json.JSONDecoder(), _behind_space(text, 0)
    try:
        while at < len(text) or not at:
            document, at = decoder.raw_decode(text, at)
            at = _behind_space(text, at)
            yield document
    except (ValueError, RecursionError) as fault:
        raise EncodeError(f"neither XML nor JSON: {fault!s:.200}") from fault


def _behind_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _captured(document: object) -> list[object]:
    """The APDUs and Data in one document: of those that `dlms decode --json` tells of, the ones that are in no other."""
    if not isinstance(document, dict) or not isinstance(document.get("layers"), list):
        return [document]
    kinds = ("apdu", "data")
    layers = [layer for layer in document["layers"] if isinstance(layer, dict) and layer.get("kind") in kinds]
    for layer in layers:
        if "error" in layer and isinstance(fields := layer.get("fields"), dict) and fields.keys() == {"apdu"}:
            raise EncodeError(f"this APDU was not decoded: {layer['error']!s:.200}")
    return [layer.get("fields") for layer in layers if layer.get("inside") is not True]
