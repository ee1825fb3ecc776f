"""What a translation to XML or JSON starts from: the record of an APDU, and the APDUs inside of what was captured."""

from __future__ import annotations

from dlms.acse import ACSE
from dlms.apdu import APDUS
from dlms.apdu.protected import GeneralSigning, ServiceCiphered
from dlms.codec import Record, encode
from dlms.decode.application import decode_record
from dlms.decode.tree import INPUT, PLAINTEXT, REASSEMBLED, Decoded
from dlms.errors import DecodeError, LocalProtocolError

REGISTERED: frozenset[type[Record]] = frozenset((*APDUS, ServiceCiphered, *ACSE.values()))
"""Every record that is an APDU of its own."""


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
    """The APDU that the octets are, None when they are none or not its canonical encoding."""
    try:
        record = decode_record(octets, strict=False)
        return record if encode(record) == octets else None
    except (DecodeError, LocalProtocolError):
        return None


def innermost(decoded: Decoded, message: bytes) -> list[bytes]:
    """The octets of the APDUs that `decoded.value` tells of; `message` is what was decoded."""
    sources, found = {INPUT: message}, []
    for layer in decoded.layers:
        fields = layer.fields
        if layer.kind in ("reassembled", "mbus-message"):
            sources[REASSEMBLED] = bytes.fromhex(fields["octets" if layer.kind == "reassembled" else "apdu"])
        if layer.kind != "apdu" or layer.error is not None:
            continue
        apdu = sources[layer.within][layer.offset : layer.offset + layer.length]
        if any(fields is value for value in decoded.reading.values):
            found.append(apdu)
        if "plaintext" in fields:
            sources[PLAINTEXT] = bytes.fromhex(fields["plaintext"])
        elif isinstance(signed := decode_record(apdu, strict=False), GeneralSigning):
            sources[PLAINTEXT] = signed.content
    return found
