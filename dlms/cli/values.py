"""Values as a user types them, in the type that the meter wants."""

from __future__ import annotations

import json
import re
from typing import Any

import typer

from dlms.cosem_time import DateTime
from dlms.data import from_json
from dlms.errors import LocalProtocolError
from dlms.interface import AttributeRef, MethodRef, typed
from dlms.typed import Typed
from dlms.types import CHOICE, DataType, DateTimeOctets, OctetString

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}\s*)*")
_WORDS = {"true": True, "false": False, "null": None}


def parse_value(text: str, ref: AttributeRef[Any], held: Any) -> Any:
    """The value to write.  Where the class leaves the type open it is that of the value held now; JSON says its own.

    Raises BadParameter when the text does not fit.
    """
    declared = CHOICE if ref.attribute is None else ref.attribute.type
    kind = type(held) if declared is CHOICE and isinstance(held, Typed) else declared
    return _parsed(text, ref, kind, held)


def parse_parameter(text: str, ref: MethodRef[Any]) -> Any:
    """The parameter to call a method with.  Raises BadParameter when the text does not fit."""
    return _parsed(text, ref, CHOICE if ref.method is None else ref.method.parameter, None)


def _parsed(text: str, ref: AttributeRef[Any] | MethodRef[Any], kind: DataType, held: Any) -> Any:
    try:
        if text.lstrip().startswith("{"):
            return typed(ref, from_json(json.loads(text)))
        return typed(ref, kind.coerce(_plain(text, kind, held)))
    except (LocalProtocolError, ValueError) as fault:
        raise typer.BadParameter(f"{text!r} for {ref}: {fault}") from fault


def _plain(text: str, kind: DataType, held: Any) -> Any:
    """The Python value that the text stands for."""
    if kind is DateTimeOctets and not _HEX.fullmatch(text):
        return DateTime.parse(text)
    if isinstance(held, bytes) or kind.describe().startswith(OctetString.describe()):
        if not _HEX.fullmatch(text):
            raise ValueError("octets are written in hex")
        return bytes.fromhex(text)
    if isinstance(held, str):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if text.lstrip("+-").isdigit():
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text
