"""How a certificate in a device is named, and how it is listed.  Blue Book, Security setup version 1."""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

from cryptography import x509

from dlms.errors import LocalProtocolError
from dlms.security.certificates import extension_of
from dlms.values import Enum

_BY_ENTITY, _BY_SERIAL = 0, 1
_INTEGER = 0x02
_COMMON_NAME = bytes.fromhex("0603550403")
OTHER_TYPE = 3
"""certificate_type of what certifies no key of a device: of an authority."""


class Entity(enum.IntEnum):
    """Whose certificate it is, as seen from the device."""

    SERVER = 0
    CLIENT = 1
    AUTHORITY = 2
    OTHER = 3


class ByEntity(NamedTuple):
    """The certificate of a party, by its system title; `certificate_type` is a Purpose, or OTHER_TYPE."""

    entity: Entity
    certificate_type: int
    system_title: bytes

    def value(self) -> tuple[Any, ...]:
        """certificate_identification, as a Data value."""
        return Enum(_BY_ENTITY), (Enum(self.entity), Enum(self.certificate_type), self.system_title)


class BySerial(NamedTuple):
    """The certificate with this serial number of this issuer, whose name is DER."""

    serial: int
    issuer: bytes

    @property
    def serials(self) -> tuple[int, ...]:
        """The number, and the one inside where its octets can be a DER INTEGER: peers write the one or the other."""
        octets = self.serial.to_bytes(self.serial.bit_length() // 8 + 1, "big").lstrip(b"\0")
        if len(octets) > 2 and octets[0] == _INTEGER and octets[1] == len(octets) - 2:
            return self.serial, int.from_bytes(octets[2:], "big")
        return (self.serial,)

    def value(self) -> tuple[Any, ...]:
        """certificate_identification, as a Data value."""
        return Enum(_BY_SERIAL), (serial_octets(self.serial), self.issuer)


def identification(value: Any) -> ByEntity | BySerial:
    """The certificate_identification that a Data value is.  Raises LocalProtocolError for one that is none."""
    match value:
        case (Enum() as by, (Enum() as entity, Enum() as kind, bytes(title))) if by == _BY_ENTITY and entity < len(
            Entity
        ):
            return ByEntity(Entity(int(entity)), int(kind), title)
        case (Enum() as by, (bytes(serial), bytes(issuer))) if by == _BY_SERIAL and serial:
            return BySerial(int.from_bytes(serial, "big"), issuer)
    raise LocalProtocolError("not the identification of a certificate: by entity (0) or by serial number (1)")


class CertificateInfo(NamedTuple):
    """One element of the attribute `certificates`; the names are DER."""

    entity: int
    certificate_type: int
    serial: int
    issuer: bytes
    subject: bytes
    subject_alt_name: bytes
    """The extension's value, DER; empty where there is none."""

    @classmethod
    def of(cls, entity: Entity, certificate_type: int, certificate: x509.Certificate) -> CertificateInfo:
        """What a certificate says of itself."""
        alternative = extension_of(certificate, x509.SubjectAlternativeName)
        return cls(
            entity,
            certificate_type,
            certificate.serial_number,
            certificate.issuer.public_bytes(),
            certificate.subject.public_bytes(),
            b"" if alternative is None else alternative.value.public_bytes(),
        )

    @classmethod
    def parse(cls, value: Any) -> CertificateInfo:
        """From an element of the attribute.  Raises LocalProtocolError for one that is none."""
        match value:
            case (int(entity), int(kind), bytes(serial), bytes(issuer), bytes(subject), bytes(alternative)):
                return cls(int(entity), int(kind), int.from_bytes(serial, "big"), issuer, subject, alternative)
        raise LocalProtocolError(f"{value!r:.80} lists no certificate")

    @property
    def identification(self) -> BySerial:
        """What names it to the device."""
        return BySerial(self.serial, self.issuer)

    def value(self) -> tuple[Any, ...]:
        """The element as a Data value."""
        head = Enum(self.entity), Enum(self.certificate_type), serial_octets(self.serial)
        return *head, self.issuer, self.subject, self.subject_alt_name


def serial_octets(serial: int) -> bytes:
    """A serial number as the content of a DER INTEGER: positive, so that the first bit is none of it."""
    return serial.to_bytes(serial.bit_length() // 8 + 1, "big")


def common_name(der: bytes) -> str:
    """The common name in a DER name, for people; the whole in hex where there is none."""
    at = der.find(_COMMON_NAME)
    start = at + len(_COMMON_NAME) + 2
    if at < 0 or start > len(der):
        return der.hex()
    return der[start : start + der[start - 1]].decode("utf-8", "replace")
