"""Every APDU as JSON types, and back: `{"apdu": "get-request-normal", ...}` with the fields of its record.

The fields are those of `Record.to_json`.  What stands inside ACSE's user-information and gateway APDUs is opened where
it is an APDU, else `{"octets": hex}`.  Beside a field "date_time" may stand "date_time_tagged": true, and beside "last_block"
"last_block_octet", where the octets are not those that an encoder would choose.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Mapping
from typing import Any, cast

from dlms.acse import ACSE
from dlms.apdu import APDUS
from dlms.apdu.gateway import GatewayRequest, GatewayResponse
from dlms.apdu.protected import PLAIN, ServiceCiphered
from dlms.axdr import EncodeError
from dlms.codec import Boolean, OptionalTime, Record, TaggedTime, encode
from dlms.decode.application import MAX_NESTING, decode_record, name_of
from dlms.decode.records import carried_record, record_of
from dlms.errors import DlmsError

VIEWS = frozenset({"date_time_fields", "encrypted", "tag_verified", "plaintext", "plaintext_apdu"})
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

    Octets come back from `apdu_from_json` as they were when they are the canonical encoding.  Raises DecodeError for
    octets that are no APDU, LocalProtocolError for a record that has no encoding.
    """
    return _shown(record_of(apdu), 0)


def _shown(record: Record, nesting: int) -> dict[str, Any]:
    fields = record.to_json()
    inside, name = _CARRIED.get(type(record), ("", ""))
    if inside in fields:
        fields.pop(inside)
        value = getattr(record, inside)
        carried = carried_record(value) if nesting < MAX_NESTING else None
        fields[name] = {"octets": value.hex()} if carried is None else _shown(carried, nesting + 1)
    _put_beside(record, fields)
    return {"apdu": name_of(record), **fields}


def _put_beside(record: Record, fields: dict[str, Any]) -> None:
    """Add what the fields alone do not say: a date-time sent with a Data tag, the octet of a boolean other than 01."""
    for field, codec in record.layout:
        value = getattr(record, field)
        if isinstance(codec, OptionalTime) and isinstance(value, TaggedTime):
            fields[f"{field}_tagged"] = True
        elif isinstance(codec, Boolean) and value > 1:
            fields[f"{field}_octet"] = value
        for inner, shown in _inner_records(value, fields.get(record.json_names.get(field, field))):
            _put_beside(inner, shown)


def _restored(record: Record, fields: Mapping[str, Any]) -> Record:
    """The record with what `_put_beside` adds."""
    changed: dict[str, Any] = {}
    for field, codec in record.layout:
        value = getattr(record, field)
        if isinstance(codec, OptionalTime) and fields.get(f"{field}_tagged") is True:
            changed[field] = TaggedTime(value)
        elif isinstance(codec, Boolean) and f"{field}_octet" in fields:
            changed[field] = int(fields[f"{field}_octet"])
        inside = [_restored(*pair) for pair in _inner_records(value, fields.get(record.json_names.get(field, field)))]
        if inside:
            changed[field] = inside if isinstance(value, list) else inside[0]
    return dataclasses.replace(cast(Any, record), **changed) if changed else record


def _inner_records(value: Any, shown: Any) -> list[tuple[Record, Any]]:
    """The records in a field, each with its JSON members; those of an alternative stand under its name."""
    pairs = zip(value, shown, strict=True) if isinstance(value, list) and isinstance(shown, list) else [(value, shown)]
    return [
        (one, members.get(one.wire_name(), members))
        for one, members in pairs
        if isinstance(one, Record) and isinstance(members, dict)
    ]


def apdu_from_json(value: Any) -> Record:
    """The record of an APDU in its JSON form: the inverse of `apdu_to_json`.

    Members that say the same in another way ("invoke_id" beside "raw") may be left out, but not disagree.  Raises
    EncodeError, naming the member, for anything else: names that are unknown, missing members, values that do not fit.
    """
    return _record(value, 0)


def _record(value: Any, nesting: int) -> Record:
    name = value.get("apdu") if isinstance(value, Mapping) else None
    of = _BY_NAME.get(name) if isinstance(name, str) else None
    if of is None or not isinstance(name, str):
        raise EncodeError(f'"apdu": {name!r:.60} names no APDU')
    if nesting > MAX_NESTING:
        raise EncodeError(f"{name}: APDUs nested more than {MAX_NESTING} deep")
    fields = {member: one for member, one in value.items() if member != "apdu" and member not in VIEWS}
    if of is ServiceCiphered:
        fields.setdefault("tag", next(tag for tag in PLAIN if ServiceCiphered(tag, b"").name == name))
    inside, outside = _CARRIED.get(of, ("", ""))
    if fields.get(outside) is not None:
        fields[inside] = _carried(fields.pop(outside), nesting, f"{name}.{outside}").hex()
    try:
        made = _restored(of.from_json(fields), fields)
        meant = decode_record(encode(made), strict=False)
    except _FAULTS as fault:
        raise EncodeError(f"{name}: {_culprit(of, fields)}{_told(fault)}") from fault
    said = {member: one for member, one in value.items() if member != outside and member not in VIEWS}
    _check(said, _shown(meant, nesting), name)
    return made


def _carried(value: Any, nesting: int, place: str) -> bytes:
    """The octets of an APDU inside another: as hex, as `{"octets": hex}`, or with a name of its own."""
    if isinstance(value, Mapping) and "octets" in value and "apdu" not in value:
        value = value["octets"]
    try:
        return bytes.fromhex(value) if isinstance(value, str) else encode(_record(value, nesting + 1))
    except ValueError as fault:
        raise EncodeError(f"{place}: {fault}") from fault


def _culprit(of: type[Record], fields: Mapping[str, Any]) -> str:
    """The first member that its codec does not take, as a prefix; empty where that is not the reason."""
    for field, codec in of.layout:
        name = of.json_names.get(field, field)
        try:
            codec.encode(codec.from_json(fields.get(name)), bytearray())
        except _FAULTS:
            return f"{name}: " if name in fields else f"{name} is missing: "
    return ""


def _told(fault: Exception) -> str:
    return f"no member {fault}" if isinstance(fault, KeyError) else str(fault) or type(fault).__name__


def _check(given: Any, shown: Any, place: str) -> None:
    """Raises EncodeError where what is given says something that the record does not."""
    if isinstance(given, Mapping) and isinstance(shown, dict):
        for name, value in given.items():
            if value is None or (value is False and str(name).endswith("_tagged")):
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
