"""A decoded message as an indented tree for people, without passwords and keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dlms.cosem_time import DateTime
from dlms.data import from_json
from dlms.decode.faithful import WHOLE
from dlms.decode.tree import INPUT, Decoded, Layer

INDENT = "  "
MAX_HEX = 64
"""Hex digits of one value that are printed."""

SECRET = frozenset({"authentication_value", "dedicated_key"})
"""Fields that may hold a password or a key: only their size is told."""

CARRIED = frozenset(
    {"information", "info", "payload", "data", "plaintext", "llc", "seg", "dst", "src", "ctrl", "date_time_fields"}
    | {"carried_apdu"}
)
"""Hex that the layers inside tell better, or that another field of the same layer tells."""

_SECRETIVE = re.compile(r"(e6e[67]00)?(60|0101[12]0)")
"""Octets that begin like an AARQ, or an initiate-request with a dedicated key."""


def tree(decoded: Decoded, places: Mapping[int, str] | None = None) -> Iterator[str]:
    """Line after line: what it is, its layers with their fields, notes and errors.

    `places` are words for what begins at some offsets of the input, such as a packet of a capture.
    """
    untold = dict(places or {})
    yield f"{decoded.kind or 'unknown'}: {'understood' if decoded.ok else decoded.error}"
    yield from lacking(decoded)
    for layer in decoded.layers:
        if layer.within == INPUT and (told := untold.pop(layer.offset, None)) is not None:
            yield told
        yield from _layer(layer)
    for other in decoded.also:
        yield f"also readable as {other.kind}"


def lacking(decoded: Decoded) -> Iterator[str]:
    """What is missing although all frames are understood, a line each."""
    if decoded.incomplete:
        yield "incomplete: a message in segments or blocks lacks its end or its beginning"
    if decoded.undecoded:
        yield "undecoded: there are octets that are no whole APDU where one is due"


def _layer(layer: Layer) -> Iterator[str]:
    where = f"offset {layer.offset}" + ("" if layer.within == INPUT else f" of the {layer.within} octets")
    name = layer.fields.get("apdu") if layer.kind == "apdu" else None
    yield f"{layer.kind}{f' {name}' if name else ''}  ({where}, length {layer.length})"
    if "type" in layer.fields and layer.kind == "data":
        yield from _value("value", layer.fields, 1)
    else:
        for field, value in layer.fields.items():
            if field not in CARRIED and not (field == "apdu" and layer.kind in ("apdu", "mbus-message")):
                yield from _field(field, value, 1)
    yield from (f"{INDENT}note: {note}" for note in layer.notes)
    if layer.error is not None:
        yield f"{INDENT}error: {layer.error}"


def _field(name: str, value: Any, depth: int) -> Iterator[str]:
    if value is None:
        return
    if name in SECRET:
        yield f"{INDENT * depth}{name}: <{len(value) // 2} octets, not shown>"
    elif isinstance(value, dict) and "type" in value and "raw" not in value:
        yield from _value(name, value, depth)
    elif isinstance(value, dict | list):
        yield from _nested(name, value, depth)
    else:
        yield f"{INDENT * depth}{name}: {_plain(name, value)}"


def _nested(name: str, value: dict[str, Any] | list[Any], depth: int) -> Iterator[str]:
    if isinstance(value, list) and not any(isinstance(item, dict | list) for item in value):
        yield f"{INDENT * depth}{name}: {', '.join(map(str, value))}"
        return
    if isinstance(value, dict) and not any(isinstance(item, dict | list) for item in value.values()):
        told = [f"{key} {_plain(key, item)}" for key, item in value.items() if item is not None and key not in SECRET]
        if not SECRET & value.keys() and sum(map(len, told)) < 100:
            yield f"{INDENT * depth}{name}: {', '.join(told)}"
            return
    yield f"{INDENT * depth}{name}"
    items = value.items() if isinstance(value, dict) else ((f"[{at}]", item) for at, item in enumerate(value))
    for key, item in items:
        if key not in CARRIED or (key == "data" and isinstance(item, dict)):
            yield from _field(key, item, depth + 1)


def _value(name: str, value: dict[str, Any], depth: int) -> Iterator[str]:
    """A Data value in its JSON form."""
    kind, content = value["type"], value.get("value")
    if not isinstance(content, list):
        yield f"{INDENT * depth}{name}: {kind}{_scalar(value)}"
        return
    yield f"{INDENT * depth}{name}: {kind} of {len(content)}"
    for at, item in enumerate(content):
        yield from _value(f"[{at}]", item, depth + 1)


def _scalar(value: dict[str, Any]) -> str:
    content: Any = value.get("value")
    if value["type"] == "octet-string":
        return f" {_shortened(content)}{_meaning(bytes.fromhex(content))}"
    if value["type"] in ("date-time", "date", "time"):
        return f" {from_json(value)}"
    if value["type"] in ("visible-string", "utf8-string"):
        return f" {content!r}"
    return "" if content is None else f" {content}"


def _meaning(octets: bytes) -> str:
    """What octets of six or twelve, or printable ones, most often are."""
    if len(octets) == 6:
        return f" = {'.'.join(map(str, octets))}"
    if len(octets) == 12 and not DateTime(octets).problems:
        return f" = {DateTime(octets)}"
    return f" = {octets.decode('ascii')!r}" if octets and all(32 <= octet < 127 for octet in octets) else ""


def _plain(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in ("octets", WHOLE) and _SECRETIVE.match(str(value)):
        return f"<{len(value) // 2} octets, not shown: there may be a password or a key in them>"
    if name in ("date_time", "time") and isinstance(value, str) and len(value) == 24:
        return f"{value}{_meaning(bytes.fromhex(value))}"
    return _shortened(value) if isinstance(value, str) else str(value)


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_HEX else f"{text[:MAX_HEX]}... ({len(text) // 2} octets)"
