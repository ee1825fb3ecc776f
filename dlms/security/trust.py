"""Whom a party trusts: anchors, authorities below them, and the device certificates that they vouch for."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from dlms.errors import LocalProtocolError
from dlms.security.certificates import (
    DeviceCertificate,
    Purpose,
    check_authority,
    check_device,
)
from dlms.security.subject import CertificateError

MAX_CHAIN = 4
"""Authorities between a device and what is trusted, the trusted one included."""


class CertificateStore:
    """Trust anchors, authorities and device certificates of one party; nothing enters without being verified.

    Anchors come with the constructor, out of band, and stay.  There is one certificate for each device and purpose:
    a new one takes the place of the old.
    """

    def __init__(self, anchors: Iterable[x509.Certificate], now: datetime.datetime) -> None:
        self._anchors = tuple(anchors)
        for anchor in self._anchors:
            check_authority(anchor, anchor, now)
        self._authorities: list[x509.Certificate] = []
        self._devices: dict[tuple[bytes, Purpose], DeviceCertificate] = {}

    @property
    def anchors(self) -> tuple[x509.Certificate, ...]:
        """What is trusted without proof."""
        return self._anchors

    def verify(self, certificate: x509.Certificate, now: datetime.datetime) -> DeviceCertificate:
        """The certificate of a device, its whole chain verified at `now`.  Raises CertificateError."""
        chain = self._chain(certificate)
        found = check_device(certificate, chain[0], now)
        self._check_chain(chain, now)
        return found

    def add(self, certificate: x509.Certificate, now: datetime.datetime) -> DeviceCertificate:
        """Verifies the certificate of a device and keeps it.  Raises CertificateError."""
        found = self.verify(certificate, now)
        self._devices[found.system_title, found.purpose] = found
        return found

    def add_authority(self, certificate: x509.Certificate, now: datetime.datetime) -> None:
        """Verifies an authority below the anchors and keeps it.  Raises CertificateError."""
        chain = self._chain(certificate)
        self._check_chain([certificate, *chain], now)
        if certificate not in self._authorities:
            self._authorities.append(certificate)

    def find(self, system_title: bytes, purpose: Purpose) -> DeviceCertificate | None:
        """By system title; the caller verifies again when time has passed."""
        return self._devices.get((system_title, purpose))

    def find_serial(self, issuer: bytes, serial: int) -> DeviceCertificate | None:
        """By the issuer's name, DER, and serial number."""
        found = (device for device in self._devices.values() if (device.issuer, device.serial) == (issuer, serial))
        return next(found, None)

    def remove(self, certificate: DeviceCertificate) -> None:
        """Forgets a device's certificate.  Raises LocalProtocolError when it is not here."""
        key = certificate.system_title, certificate.purpose
        if self._devices.get(key) != certificate:
            raise LocalProtocolError("the certificate is not in the store")
        del self._devices[key]

    def copy(self) -> CertificateStore:
        """One with the same content, to which more can be added."""
        made = CertificateStore.__new__(CertificateStore)
        made._anchors, made._authorities, made._devices = self._anchors, list(self._authorities), dict(self._devices)
        return made

    def __iter__(self) -> Iterator[DeviceCertificate]:
        return iter(tuple(self._devices.values()))

    def _chain(self, certificate: x509.Certificate) -> list[x509.Certificate]:
        """The authorities above a certificate, up to an anchor."""
        chain: list[x509.Certificate] = []
        current = certificate
        while len(chain) < MAX_CHAIN:
            anchor = _issuer_among(current, self._anchors)
            if anchor is not None:
                return [*chain, anchor]
            above = _issuer_among(current, self._authorities)
            if above is None:
                raise CertificateError("no trust anchor vouches for the certificate")
            chain.append(above)
            current = above
        raise CertificateError(f"more than {MAX_CHAIN} authorities above the certificate")

    @staticmethod
    def _check_chain(chain: list[x509.Certificate], now: datetime.datetime) -> None:
        for below, authority in enumerate(chain):
            issuer = chain[below + 1] if below + 1 < len(chain) else authority
            check_authority(authority, issuer, now, below)


def _issuer_among(certificate: x509.Certificate, candidates: Iterable[x509.Certificate]) -> x509.Certificate | None:
    """The first candidate whose name and signature fit; the rules are checked by who uses it."""
    for candidate in candidates:
        try:
            certificate.verify_directly_issued_by(candidate)  # compares the names first
        except (ValueError, TypeError, InvalidSignature):
            continue
        return candidate
    return None
