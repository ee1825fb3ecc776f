"""`dlms encode`: an APDU written as XML or JSON becomes octets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlms.axdr import EncodeError
from dlms.limits import MAX_TRANSFER

if TYPE_CHECKING:
    pass

MAX_OCTETS = MAX_TRANSFER
"""The longest document that is read."""


def encode(
    source: Annotated[str, typer.Argument(metavar="FILE|-", help="One APDU as XML or JSON; - for stdin.")],
) -> None:
    """Turn an APDU written as XML or JSON, as `dlms decode --xml` and `--json` write it, into hex."""
    print(_octets(_text(source)).hex())


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


def _octets(text: str) -> bytes:
    """By the first character: a document of XML begins with <."""
    if text.lstrip().startswith("<"):
        from dlms.decode.xml import from_xml

        return from_xml(text)
    from dlms.decode.json import apdu_from_json

    return apdu_from_json(_innermost(text))


def _innermost(text: str) -> object:
    """The APDU in a JSON document; that of `dlms decode --json` has it as "value" beside the layers around."""
    import json

    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise EncodeError(f"neither XML nor JSON: {fault!s:.200}") from fault
    if isinstance(document, dict) and "layers" in document:
        return document.get("value")
    return document
