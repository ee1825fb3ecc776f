"""The public keys of the parties that we talk to: by system title, from certificates or trusted as they are."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from dlms.errors import SecurityError
from dlms.security import points, signature
from dlms.security.certificates import Purpose, read
from dlms.security.subject import CertificateError
from dlms.security.suite import SecuritySuite
from dlms.security.trust import CertificateStore

if TYPE_CHECKING:
    from dlms.security.keyfile import KeyFile


Fault: TypeAlias = tuple[bytes, SecurityError]
"""A certificate, DER, and why it was left out."""


class Refused(NamedTuple):
    """A certificate that was left out, and the rule that it breaks."""

    name: str
    """The entry of the key file, or "authority"."""
    purpose: str
    der: bytes
    fault: SecurityError


class Peers:
    """Public keys by system title and purpose.

    A certificate comes before a `point` (x || y) that is trusted without one.  `refused` are the certificates that
    were left out when a key file was read.  `clock` gives the time, aware, of what is verified later; without it no
    certificate can come later, and those that are there are not held against their last day.
    """

    def __init__(
        self,
        certificates: CertificateStore,
        points: Mapping[tuple[bytes, Purpose], bytes] | None = None,
        refused: tuple[Refused, ...] = (),
        clock: Callable[[], datetime.datetime] | None = None,
    ) -> None:
        self.certificates, self.refused = certificates, refused
        self._points, self._clock = dict(points or {}), clock

    @classmethod
    def of(cls, file: KeyFile, now: datetime.datetime, clock: Callable[[], datetime.datetime] | None = None) -> Peers:
        """Those of a key file, verified at `now`.  Raises CertificateError for an anchor that breaks a rule."""
        store, faults = store_of(file, now)
        refused = [Refused("authority", "", der, fault) for der, fault in faults]
        trusted: dict[tuple[bytes, Purpose], bytes] = {}
        for name, device in file.devices.items():
            title = device.system_title
            for purpose, der in device.certificates.items():
                try:
                    checked_for(store, der, title, Purpose[purpose.upper()], now)
                except SecurityError as fault:
                    refused.append(Refused(name, purpose, der, fault))
            if title is not None:
                trusted |= {(title, Purpose[one.upper()]): point for one, point in device.public_keys.items()}
        return cls(store, trusted, tuple(refused), clock or (lambda: now))

    def with_sent(self, system_title: bytes, der: bytes) -> Peers:
        """The same, and the certificate for signatures that a party sent of itself, where none of its keys is on file.

        Raises CertificateError for one that breaks a rule, is not vouched for, or is another party's.
        """
        if self._known(system_title, Purpose.SIGNATURE):
            return self
        if self._clock is None:
            raise CertificateError("a certificate that a party sends cannot be verified without a clock")
        store = self.certificates.copy()
        checked_for(store, der, system_title, Purpose.SIGNATURE, self._clock())
        return Peers(store, self._points, self.refused, self._clock)

    def _known(self, system_title: bytes, purpose: Purpose) -> bool:
        return (system_title, purpose) in self._points or self.certificates.find(system_title, purpose) is not None

    def key(self, system_title: bytes, purpose: Purpose, suite: SecuritySuite) -> bytes:
        """x || y of this party.  Raises SecurityError when it is not known, or on another curve than the suite's."""
        certificate = self.certificates.find(system_title, purpose)
        if certificate is not None:
            if self._clock is not None and self._clock() > certificate.certificate.not_valid_after_utc:
                raise SecurityError(f"the certificate of {system_title.hex()} is not valid any more")
            return points.public_octets(certificate.public_key, suite)
        point = self._points.get((system_title, purpose))
        if point is None:
            raise SecurityError(f"no {purpose.name.lower()} key of {system_title.hex()} is known and trusted")
        return points.public_octets(points.public_key(point, suite), suite)

    def verify(self, system_title: bytes, suite: SecuritySuite, signed: bytes, data: bytes) -> None:
        """Raises SecurityError unless `signed`, r || s, is this party's signature of `data`."""
        key = points.public_key(self.key(system_title, Purpose.SIGNATURE, suite), suite)
        signature.verify(key, suite, signed, data)


def store_of(file: KeyFile, now: datetime.datetime) -> tuple[CertificateStore, list[Fault]]:
    """Whom the file trusts, without its devices, and why authorities were left out.  Raises CertificateError."""
    store = CertificateStore([read(der) for der in file.anchors], now)
    return store, _add_authorities(store, file.authorities, now)


def checked_for(
    store: CertificateStore, der: bytes, title: bytes | None, purpose: Purpose, now: datetime.datetime
) -> None:
    """Adds a certificate, once it is that of this device and purpose.  Raises CertificateError."""
    certificate = read(der)
    found = store.verify(certificate, now)
    if found.system_title != title:
        known = "no system title" if title is None else title.hex()
        raise CertificateError(f"the certificate is that of {found.system_title.hex()}; the device has {known}")
    if found.purpose is not purpose:
        raise CertificateError(f"the certificate is one for {found.purpose.name.lower()}")
    store.add(certificate, now)


def _add_authorities(store: CertificateStore, authorities: tuple[bytes, ...], now: datetime.datetime) -> list[Fault]:
    """Adds them in whatever order they vouch for each other; gives why the rest was left out."""
    left = list(authorities)
    while left:
        faults: list[Fault] = []
        for der in left:
            try:
                store.add_authority(read(der), now)
            except SecurityError as fault:
                faults.append((der, fault))
        if len(faults) == len(left):
            return faults
        left = [der for der, _ in faults]
    return []
