"""Where a certificate carries the system title of its device: common name or HardwareModuleName."""

from __future__ import annotations

import re

from cryptography import x509
from cryptography.x509.oid import NameOID

from dlms.errors import LocalProtocolError, SecurityError
from dlms.security.protection import check_titles

HARDWARE_MODULE_NAME = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4")
"""The otherName that can carry a system title.  RFC 4108."""


_TITLE_DIGITS = re.compile("[0-9A-Fa-f]{16}")
_SHORTEST, _LONGEST = 15, 0x7F + 2
"""Octets of a HardwareModuleName that holds a system title: hwType of one octet, and lengths of one octet."""


class CertificateError(SecurityError):
    """A certificate or a request that breaks a rule of the profile; the message names the rule."""


def hardware_module_name(hardware_type: str, system_title: bytes) -> bytes:
    """SEQUENCE { hwType OBJECT IDENTIFIER, hwSerialNum OCTET STRING }, DER.  RFC 4108.

    `hardware_type` is written with dots, at most 63 octets when encoded.  Raises LocalProtocolError.
    """
    check_titles(system_title)
    try:
        arcs = [int(arc) for arc in x509.ObjectIdentifier(hardware_type).dotted_string.split(".")]
    except ValueError:
        raise LocalProtocolError(f"{hardware_type!r} is not an object identifier") from None
    content = b"".join(map(_base128, [40 * arcs[0] + arcs[1], *arcs[2:]]))
    inner = bytes((0x06, len(content))) + content + bytes((0x04, len(system_title))) + system_title
    return bytes((0x30, len(inner))) + inner


def system_title_of(subject: x509.Name, alternative: x509.Extension[x509.SubjectAlternativeName] | None) -> bytes:
    """The system title in a HardwareModuleName or, as 16 hex digits, in the common name; both must agree.

    Raises CertificateError when there is none, or when there is more than one.
    """
    found = {title for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME) if (title := _hex(name.value))}
    if alternative is not None:
        for other in alternative.value.get_values_for_type(x509.OtherName):
            if other.type_id == HARDWARE_MODULE_NAME:
                found.add(_serial_number(other.value))
    if len(found) != 1:
        raise CertificateError(f"a device certificate names one system title, not {len(found)}")
    return found.pop()


def _hex(text: str | bytes) -> bytes | None:
    """A system title in hex; None for another common name."""
    if not isinstance(text, str) or _TITLE_DIGITS.fullmatch(text) is None:
        return None
    return bytes.fromhex(text)


def _serial_number(der: bytes) -> bytes:
    """hwSerialNum of a HardwareModuleName whose lengths all take one octet, as they do with 8 octets of number."""
    size = len(der)
    fits = _SHORTEST <= size <= _LONGEST and der.startswith(bytes((0x30, size - 2, 0x06, size - 14)))
    if not fits or der[-10:-8] != b"\x04\x08":
        raise CertificateError("the HardwareModuleName is not a sequence of hwType and a system title")
    return der[-8:]


def _base128(arc: int) -> bytes:
    """One arc of an object identifier."""
    septets = [arc & 0x7F]
    while arc := arc >> 7:
        septets.append(0x80 | arc & 0x7F)
    return bytes(reversed(septets))
