"""Every APDU as JSON types, and back: `{"apdu": "get-request-normal", ...}` with the fields of its record.

The fields are those of `Record.to_json`.  What stands inside ACSE's user-information and gateway APDUs is opened where
it is an APDU, else `{"octets": hex}`.  Where the octets are not those that an encoder would choose, "encoding" says which:
`{"result.data.length": 3, "block.last_block": "ff"}` is a length that takes three octets, and a true that is FF.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from dlms.acse import ACSE
from dlms.apdu import APDUS
from dlms.apdu.gateway import GatewayRequest, GatewayResponse
from dlms.apdu.notification import DataNotification
from dlms.apdu.protected import PLAIN, ServiceCiphered
from dlms.axdr import EncodeError
from dlms.codec import Record, decode, encode
from dlms.decode.faithful import Form, encoding_of, restored
from dlms.decode.records import MAX_NESTING, BareData, carried_record, decode_record, name_of, record_of
from dlms.errors import DlmsError

VIEWS = frozenset({"date_time_fields", "trailing", "encrypted", "tag_verified", "plaintext", "plaintext_apdu"})
"""Members that `dlms decode` adds to those of an APDU; they are passed over."""

_CARRIED: Mapping[type[Record], tuple[str, str]] = {
    **dict.fromkeys(ACSE.values(), ("user_information", "user_information")),
    **dict.fromkeys((GatewayRequest, GatewayResponse), ("apdu", "carried_apdu")),
}
"""Fields that hold an APDU, and their names here: "apdu" says which APDU this is."""

_FAULTS = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, StopIteration, struct.error, DlmsError)
"""What codecs raise for values that are not theirs."""
_BY_NAME: Mapping[str, type[Record]] = {
    **{of.wire_name(): of for of in (*APDUS, *ACSE.values())},
    **{ServiceCiphered(tag, b"").name: ServiceCiphered for tag in PLAIN},
}


def apdu_to_json(apdu: Record | bytes) -> dict[str, Any]:
    """The name and the fields of an APDU as JSON types; passwords and keys in it are shown.

    Octets come back from `apdu_from_json` as they were.  Raises DecodeError for octets that are no APDU,
    LocalProtocolError for a record that has no encoding.
    """
    record = record_of(apdu)
    return _shown(record, apdu if isinstance(apdu, bytes) else encode(record), 0)


def _shown(record: Record, wire: bytes, nesting: int) -> dict[str, Any]:
    fields = record.to_json()
    encoding = encoding_of(record, fields, wire)
    inside, name = _CARRIED.get(type(record), ("", ""))
    if inside in fields:
        fields.pop(inside)
        value = getattr(record, inside)
        carried = carried_record(value) if nesting < MAX_NESTING else None
        fields[name] = {"octets": value.hex()} if carried is None else _shown(carried, value, nesting + 1)
    return {"apdu": name_of(record), **fields, **encoding}


def apdu_from_json(value: Any) -> bytes:
    """The octets of an APDU, or of bare Data, in its JSON form: the inverse of `apdu_to_json` and `data_to_json`.

    Members that say the same in another way ("invoke_id" beside "raw") may be left out, but not disagree.  Raises
    EncodeError, naming the member, for anything else: names that are unknown, missing members, values that do not fit.
    """
    if isinstance(value, Mapping) and "apdu" not in value and "type" in value:
        return _data_octets(value)
    return _octets_of(value, 0)


def data_to_json(octets: bytes) -> dict[str, Any]:
    """A bare Data value as JSON types: `{"type": "double-long-unsigned", "value": 1}`, lossless as APDUs are.

    Raises DecodeError for octets that are none.
    """
    record = decode(BareData, octets)
    shown = record.to_json()
    return {**shown["value"], **encoding_of(record, shown, octets)}


def _data_octets(value: Mapping[str, Any]) -> bytes:
    """The octets of bare Data.  Raises EncodeError."""
    said = {member: one for member, one in value.items() if member != "encoding"}
    try:
        record = BareData.from_json({"value": said})
        plain = encode(record)
    except _FAULTS as fault:
        raise EncodeError(f"data: {_told(fault)}") from fault
    _check(said, record.to_json()["value"], "data")
    return _restored(BareData, plain, value, "data")


def _octets_of(value: Any, nesting: int) -> bytes:
    name = value.get("apdu") if isinstance(value, Mapping) else None
    of = _BY_NAME.get(name) if isinstance(name, str) else None
    if of is None or not isinstance(name, str):
        raise EncodeError(f'"apdu": {name!r:.60} names no APDU')
    if nesting > MAX_NESTING:
        raise EncodeError(f"{name}: APDUs nested more than {MAX_NESTING} deep")
    said = {member: one for member, one in value.items() if member not in VIEWS}
    if of is DataNotification and "entries" in said and "body" not in said:
        said["body"] = {member: said.pop(member) for member in ("enum", "entries") if member in said}
    fields = {member: one for member, one in said.items() if member not in ("apdu", "encoding")}
    if of is ServiceCiphered:
        fields.setdefault("tag", next(tag for tag in PLAIN if ServiceCiphered(tag, b"").name == name))
    inside, outside = _CARRIED.get(of, ("", ""))
    if fields.get(outside) is not None:
        fields[inside] = _carried(fields.pop(outside), nesting, f"{name}.{outside}").hex()
    try:
        plain = encode(of.from_json(fields))
        meant = decode_record(plain, strict=False)
    except _FAULTS as fault:
        raise EncodeError(f"{name}: {_culprit(of, fields) or _told(fault)}") from fault
    _check(
        {member: one for member, one in said.items() if member not in (outside, "encoding")},
        _shown(meant, plain, nesting),
        name,
    )
    return _restored(of, plain, said, name)


def _restored(of: type[Record], plain: bytes, said: Mapping[str, Any], name: str) -> bytes:
    """The encoding that the member "encoding" tells.  Raises EncodeError."""
    try:
        return restored(of, plain, _forms(said.get("encoding")))
    except EncodeError as fault:
        raise EncodeError(f"{name}.encoding: {fault}") from fault


def _forms(given: Any) -> dict[str, Form]:
    """The forms of "encoding".  Raises EncodeError."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise EncodeError("an object of paths wanted")
    forms: dict[str, Form] = {}
    for path, form in given.items():
        if type(form) is not int and not isinstance(form, str):
            raise EncodeError(f"{path!s:.80}: a number of octets, or octets in hex wanted")
        try:
            forms[path] = form if isinstance(form, int) else bytes.fromhex(form)
        except ValueError as fault:
            raise EncodeError(f"{path!s:.80}: not octets in hex") from fault
    return forms


def _carried(value: Any, nesting: int, place: str) -> bytes:
    """The octets of an APDU inside another: as hex, as `{"octets": hex}`, or with a name of its own."""
    if isinstance(value, Mapping) and "octets" in value and "apdu" not in value:
        value = value["octets"]
    try:
        return bytes.fromhex(value) if isinstance(value, str) else _octets_of(value, nesting + 1)
    except ValueError as fault:
        raise EncodeError(f"{place}: {fault}") from fault


def _culprit(of: type[Record], fields: Mapping[str, Any]) -> str:
    """The first member that its codec does not take, and why; empty where that is not the reason."""
    for field, codec in of.layout:
        name = of.json_names.get(field, field)
        try:
            codec.encode(codec.from_json(fields.get(name)), bytearray())
        except _FAULTS as fault:
            return f"{name}: {_told(fault)}" if name in fields else f"{name} is missing"
    return ""


def _told(fault: Exception) -> str:
    if isinstance(fault, TypeError | AttributeError):
        return "another JSON type wanted"  # what Python says tells of our code, not of the document
    return f"no member {fault}" if isinstance(fault, KeyError) else str(fault) or type(fault).__name__


def _check(given: Any, shown: Any, place: str) -> None:
    """Raises EncodeError where what is given says something that the record does not."""
    if isinstance(given, Mapping) and isinstance(shown, dict):
        for name, value in given.items():
            if value is None:
                continue
            if name not in shown:
                raise EncodeError(f"{place}: member {str(name)!r:.60} is unknown here")
            _check(value, shown[name], f"{place}.{name}")
    elif isinstance(given, list) and isinstance(shown, list) and len(given) == len(shown):
        for place_in_list, (one, other) in enumerate(zip(given, shown, strict=True)):
            _check(one, other, f"{place}[{place_in_list}]")
    elif not _same(given, shown):
        raise EncodeError(f"{place}: disagrees with the other members, or is written in another form")


def _same(given: Any, shown: Any) -> bool:
    if isinstance(given, str) and isinstance(shown, str):
        return given == shown or given.replace(" ", "").lower() == shown
    if isinstance(shown, float) and isinstance(given, int | float):
        return True  # a float32 is rounded to what four octets hold
    return bool(given == shown)
