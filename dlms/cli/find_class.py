"""Which class an object has, when the user names only its code: ask for what the code suggests, then for the usual ones."""

from __future__ import annotations

from typing import Any

import typer

from dlms.client import Client
from dlms.enums import AccessResult
from dlms.errors import AccessError, LocalProtocolError
from dlms.interface import AttributeRef, Interface, attribute_ref, latest
from obis import Obis, ObisError, describe

USUAL = (1, 3, 4, 8, 7, 15, 12, 17, 23)
_ELSEWHERE = frozenset(
    (AccessResult.OBJECT_UNDEFINED, AccessResult.OBJECT_CLASS_INCONSISTENT, AccessResult.OBJECT_UNAVAILABLE)
)


def parse(text: str) -> tuple[int | None, Obis, int]:
    """`[CLASS/]CODE[:ATTRIBUTE]` -> class (None when not said), code, attribute (2 when not said).  Raises BadParameter."""
    try:
        return _parse(text)
    except (ObisError, ValueError) as fault:
        raise typer.BadParameter(f"{text!r} is not [CLASS/]CODE[:ATTRIBUTE]: {fault}") from fault


def _parse(text: str) -> tuple[int | None, Obis, int]:
    class_text, slash, rest = text.rpartition("/")
    class_id = int(class_text) if slash else None
    try:
        return class_id, Obis(rest), 2
    except ObisError:
        code, colon, attribute = rest.rpartition(":")
        if not colon or not attribute.lstrip("-").isdigit():
            raise
        if not 0 <= int(attribute) <= 0xFF:
            raise ValueError(f"attributes are numbered from 0 to 255, not {attribute}") from None
        return class_id, Obis(code), int(attribute)


def read(client: Client, class_id: int | None, code: Obis, attribute: int) -> tuple[AttributeRef[Any], Any]:
    """Read an attribute of an object whose class may not be known.  Raises the most telling AccessError."""
    if class_id is not None:
        ref = attribute_ref(class_id, code, attribute)
        return ref, client.get(ref)
    telling: AccessError | None = None
    for candidate in candidates(code):
        ref = attribute_ref(candidate, code, attribute)
        try:
            return ref, client.get(ref)
        except AccessError as refusal:
            if refusal.result not in _ELSEWHERE:
                raise
            if telling is None or refusal.result != AccessResult.OBJECT_UNDEFINED:
                telling = AccessError(refusal.result, code)
    assert telling is not None
    raise telling


def candidates(code: Obis) -> list[int]:
    """Classes to try, the likeliest first."""
    return list(dict.fromkeys((*describe(code).class_ids, *USUAL)))


def interface(client: Client, class_id: int | None, code: Obis) -> Interface:
    """The object as an address: its class is found by reading its logical name."""
    ref, _ = read(client, class_id, code, 1)
    of = latest(ref.class_id)
    if of is None:
        raise LocalProtocolError(f"{code} has class {ref.class_id}, which is not declared: read it by attribute")
    return of(code)
