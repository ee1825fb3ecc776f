"""The fields of one HDLC frame for people and programs: also of a damaged one, as far as they can be read."""

from __future__ import annotations

from typing import Any

from dlms.framing.llc import REQUEST, RESPONSE
from hdlc.address import Address, decode_address
from hdlc.errors import FrameError
from hdlc.fcs import verifies
from hdlc.frame import CONTROLS, Kind
from hdlc.negotiation import decode_parameters

LLC = (REQUEST, RESPONSE)


def length_subfield(body: bytes) -> int:
    """What the frame at the start of `body` says of its length: octets between its flags."""
    return (body[0] & 0x07) << 8 | body[1] if len(body) > 1 else 0


def frame_fields(body: bytes) -> dict[str, Any]:
    """The fields of the frame whose octets between the flags are `body`.

    `ok` tells whether the frame check verifies, `hcs_ok` (only where there is an information field) the header check.
    `dst`, `src`, `ctrl` are hex; `destination`, `source`, `control` the same opened; `info` and `information` are one.
    There are two names for some things because two collections of captures have two vocabularies.  Where octets are
    missing or an address cannot be read, the fields end there.
    """
    length = length_subfield(body)
    whole = len(body) == length
    segmented = bool(body and body[0] & 0x08)
    fields: dict[str, Any] = {"ok": whole and verifies(body), "length": length}
    fields |= {"segmented": segmented, "seg": segmented}
    try:
        destination, pos = decode_address(body, 2)
        source, at = decode_address(body, pos)
    except FrameError:
        return fields
    fields |= {"dst": body[2:pos].hex(), "src": body[pos:at].hex()}
    fields |= {"destination": _address(destination), "source": _address(source)}
    if at >= len(body):
        return fields
    fields |= {"ctrl": f"{body[at]:02x}", "control": _control(body[at])}
    return fields | _after_control(body, at + 1, length, whole)


def _after_control(body: bytes, at: int, length: int, whole: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    end = length - 2 if whole else len(body)
    if length - at > 2 and len(body) >= at + 2:
        info = body[at + 2 : end]
        fields |= {"hcs": body[at : at + 2].hex(), "hcs_ok": verifies(body[: at + 2])}
        fields |= {"information": info.hex(), "info": info.hex(), "info_len": len(info)}
        if info[:3] in LLC:
            fields["llc"] = info[:3].hex()
    else:
        fields |= {"information": "", "info": "", "info_len": 0}
    if whole:
        fields["fcs"] = body[-2:].hex()
    return fields


def _address(address: Address) -> dict[str, Any]:
    return {"len": address.size, "upper": address.upper, "lower": address.lower, "raw": address.encode().hex()}


def _control(octet: int) -> dict[str, Any]:
    kind, send_sequence, receive_sequence, poll_final = CONTROLS[octet]
    shown: dict[str, Any] = {"raw": octet, "type": kind.name}
    if kind == Kind.I:
        shown["ns"] = send_sequence
    if kind in (Kind.I, Kind.RR, Kind.RNR):
        shown["nr"] = receive_sequence
    return shown | {"pf": poll_final}


def parameter_fields(info: bytes) -> dict[str, Any]:
    """The link parameters in the information field of SNRM or UA.  Raises ParameterError."""
    found = decode_parameters(info)
    shown: dict[str, Any] = {
        "max_info_transmit": found.max_info_transmit,
        "max_info_receive": found.max_info_receive,
        "window_transmit": found.window_transmit,
        "window_receive": found.window_receive,
    }
    return shown | ({"user_data": found.user_data.hex()} if found.user_data else {})
