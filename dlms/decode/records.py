"""What a translation to XML or JSON starts from: the record of an APDU, and the APDUs inside of what was captured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dlms.acse import ACSE, decode_acse
from dlms.apdu import APDUS, BY_PREFIX, decode_apdu
from dlms.apdu.protected import GeneralSigning, ServiceCiphered
from dlms.codec import DATA, Record, decode, encode, record
from dlms.decode.hdlc_fields import LLC
from dlms.decode.tree import INPUT, PLAINTEXT, REASSEMBLED, Decoded, Layer
from dlms.errors import DecodeError, LocalProtocolError

REGISTERED: frozenset[type[Record]] = frozenset((*APDUS, ServiceCiphered, *ACSE.values()))
"""Every record that is an APDU of its own."""


@record
class BareData(Record):
    """A Data value without an APDU around it."""

    value: DATA


MAX_NESTING = 8
"""APDUs within APDUs: gateway, signature, ciphering, blocks."""


def decode_record(data: bytes, *, strict: bool) -> Record:
    """Any APDU, of xDLMS or ACSE.  Raises DecodeError."""
    return decode_acse(data, strict=strict) if data[:1] and data[0] in ACSE else decode_apdu(data, strict=strict)


def decode_as(of: type[Record], data: bytes) -> Record:
    """What an APDU of class `of` should be, or bare Data.  Raises DecodeError."""
    return decode(of, data, strict=False) if of is BareData else decode_record(data, strict=False)


def starts_apdu(data: bytes) -> bool:
    """Whether an APDU begins with these octets.  LLC octets, which a gateway APDU might have too, are none."""
    known = data[:1] and (data[0] in ACSE or data[:1] in BY_PREFIX or data[:2] in BY_PREFIX)
    return bool(known) and data[:3] not in LLC


def name_of(record: Record) -> str:
    """The standard's name of an APDU."""
    return record.name if isinstance(record, ServiceCiphered) else record.wire_name()


def class_name(data: bytes) -> str | None:
    """The name of the APDU that `data` begins like, None when that is not known."""
    found = ACSE.get(data[0]) if data else None
    other = found or BY_PREFIX.get(data[:2]) or BY_PREFIX.get(data[:1])
    if other is ServiceCiphered:
        return ServiceCiphered(data[0], b"").name
    return None if other is None else other.wire_name()


def record_of(apdu: Record | bytes) -> Record:
    """The registered record of an APDU.

    Raises DecodeError for what is no APDU, LocalProtocolError for a record that has no encoding.
    """
    record = apdu if isinstance(apdu, Record) else decode_record(apdu, strict=False)
    wire = encode(record)
    if isinstance(record, ServiceCiphered) and (problems := record.problems()):
        raise LocalProtocolError("; ".join(problems))
    return record if type(record) in REGISTERED else decode_record(wire, strict=False)


def carried_record(octets: bytes) -> Record | None:
    """The APDU that the octets are, None when they are none, or none that has an encoding."""
    try:
        record = decode_record(octets, strict=False)
        encode(record)
        return record
    except (DecodeError, LocalProtocolError):
        return None


class Captured(NamedTuple):
    """One APDU of a capture, and what was understood inside it that its own octets do not show: deciphered, or joined."""

    apdu: bytes
    inside: list[bytes]


def outermost(decoded: Decoded, message: bytes) -> list[Captured]:
    """The APDUs that frames carry, or that `message`, which was decoded, is."""
    found: list[Captured] = []
    for layer, apdu in _apdus(decoded, message):
        fields = layer.fields
        if apdu is not None and not layer.inside:
            found.append(Captured(apdu, []))
        if apdu is None and "blocks" in fields and found:
            found[-1].inside.append(bytes.fromhex(fields["octets"]))
        for opened in (fields, fields.get("user_information")):
            if apdu is not None and isinstance(opened, dict) and "plaintext" in opened:
                found[-1].inside.append(bytes.fromhex(opened["plaintext"]))
    return found


def innermost(decoded: Decoded, message: bytes) -> list[bytes]:
    """The octets of the APDUs that `decoded.value` tells of; `message` is what was decoded."""
    values = decoded.reading.values
    return [
        apdu
        for layer, apdu in _apdus(decoded, message)
        if apdu is not None and layer.error is None and any(layer.fields is value for value in values)
    ]


def _apdus(decoded: Decoded, message: bytes) -> Iterator[tuple[Layer, bytes | None]]:
    """Every layer, with its octets where it is an APDU that was decoded."""
    sources = {INPUT: message}
    for layer in decoded.layers:
        fields = layer.fields
        if layer.kind in ("reassembled", "mbus-message"):
            sources[REASSEMBLED] = bytes.fromhex(fields["octets" if layer.kind == "reassembled" else "apdu"])
        if layer.kind != "apdu" or (layer.error is not None and fields.keys() == {"apdu"}):
            yield layer, None
            continue
        apdu = sources[layer.within][layer.offset : layer.offset + layer.length]
        yield layer, apdu
        if "plaintext" in fields:
            sources[PLAINTEXT] = bytes.fromhex(fields["plaintext"])
        elif fields["apdu"] == GeneralSigning.wire_name():
            sources[PLAINTEXT] = bytes.fromhex(fields["content"])
