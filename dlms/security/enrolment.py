"""How a party of the key file comes to its certificates: a key pair is made, a certificate asked for, and put in force.

The new private key waits beside the old one until its certificate arrives; then both change in one write.  Blue Book,
Security setup version 1: generate_key_pair, generate_certificate_request, import_certificate, remove_certificate.
"""

from __future__ import annotations

import dataclasses
import datetime
from typing import NamedTuple

from cryptography import x509

from dlms.errors import LocalProtocolError
from dlms.security import points
from dlms.security.certificates import DeviceCertificate, Purpose, check_authority, read
from dlms.security.keyfile import PRIVATE_KEYS, DeviceKeys, KeyFile
from dlms.security.keys import Secret
from dlms.security.peers import checked_for, store_of
from dlms.security.signing_request import create_request
from dlms.security.subject import CertificateError

DEVICE, AUTHORITY, ANCHOR = "device", "authority", "anchor"


class Held(NamedTuple):
    """One certificate of a key file, read but not verified."""

    role: str
    """DEVICE, AUTHORITY or ANCHOR."""
    name: str
    """The entry; "" for the others."""
    purpose: str
    certificate: x509.Certificate
    der: bytes


def request(device: DeviceKeys, purpose: Purpose, hardware_type: str | None = None) -> tuple[DeviceKeys, bytes]:
    """The device with a new private key that waits for its certificate, and the signing request, DER.

    A key that waits already is asked for again.  Raises LocalProtocolError without a system title and in suite 0.
    """
    title = _title(device)
    if purpose.name.lower() not in device.requested:
        device = with_key_pair(device, purpose)
    waiting = points.private_key(device.requested[purpose.name.lower()], device.suite)
    return device, create_request(waiting, title, device.suite, hardware_type)


def with_key_pair(device: DeviceKeys, purpose: Purpose) -> DeviceKeys:
    """The device with a new private key that waits for its certificate, in place of one that waits already.

    Raises LocalProtocolError in suite 0.
    """
    waiting = points.private_secret(points.generate(device.suite), device.suite)
    return dataclasses.replace(device, requested={**device.requested, purpose.name.lower(): waiting})


def request_for_held(device: DeviceKeys, purpose: Purpose) -> bytes:
    """The signing request, DER, for the key that waits or else for the one in force.

    Raises LocalProtocolError where there is neither.
    """
    name = purpose.name.lower()
    key = device.requested.get(name) or device.private_key(name)
    if key is None:
        raise LocalProtocolError(f"no {name} key pair was generated")
    return create_request(points.private_key(key, device.suite), _title(device), device.suite)


def enrol(file: KeyFile, der: bytes, now: datetime.datetime, name: str | None = None) -> str:
    """Verifies the certificate of a device and keeps it; gives the entry that it belongs to.

    Without `name` that is the one entry with its system title.  Where the entry has a private key the certificate must
    be for that key, or for the one that waits, which then comes into force.  Raises CertificateError.
    """
    store, _ = store_of(file, now)
    found = store.verify(read(der), now)
    name = _entry(file, found.system_title) if name is None else name
    device = file[name]
    checked_for(store, der, device.system_title, found.purpose, now)
    file.devices[name] = _with_certificate(device, found, der)
    return name


def add_anchor(file: KeyFile, der: bytes, now: datetime.datetime) -> None:
    """Trusts an authority from now on: whoever says so has it from elsewhere.  Raises CertificateError."""
    certificate = read(der)
    check_authority(certificate, certificate, now)
    if der not in file.anchors:
        file.anchors = (*file.anchors, der)


def add_authority(file: KeyFile, der: bytes, now: datetime.datetime) -> None:
    """Keeps an authority that stands below an anchor.  Raises CertificateError."""
    store, _ = store_of(file, now)
    store.add_authority(read(der), now)
    if der not in file.authorities:
        file.authorities = (*file.authorities, der)


def held(file: KeyFile) -> list[Held]:
    """Every certificate of the file.  Raises CertificateError for one that cannot be read."""
    places = [(ANCHOR, "", "", der) for der in file.anchors]
    places += [(AUTHORITY, "", "", der) for der in file.authorities]
    for name, device in file.devices.items():
        places += [(DEVICE, name, purpose, der) for purpose, der in device.certificates.items()]
    return [Held(role, name, purpose, _readable(name or role, der), der) for role, name, purpose, der in places]


def remove(file: KeyFile, which: Held) -> None:
    """Forgets a certificate; a private key that it belongs to stays."""
    if which.role == DEVICE:
        device = file[which.name]
        left = {purpose: der for purpose, der in device.certificates.items() if purpose != which.purpose}
        file.devices[which.name] = dataclasses.replace(device, certificates=left)
    file.anchors = tuple(der for der in file.anchors if (ANCHOR, der) != (which.role, which.der))
    file.authorities = tuple(der for der in file.authorities if (AUTHORITY, der) != (which.role, which.der))


def _title(device: DeviceKeys) -> bytes:
    if device.system_title is None:
        raise LocalProtocolError("a certificate names a system title, and this entry has none")
    return device.system_title


def _readable(place: str, der: bytes) -> x509.Certificate:
    try:
        return read(der)
    except CertificateError as fault:
        raise CertificateError(f"{place}: {fault}") from fault


def _entry(file: KeyFile, system_title: bytes) -> str:
    names = [name for name, device in file.devices.items() if device.system_title == system_title]
    if len(names) != 1:
        raise CertificateError(f"{len(names)} entries have the certificate's system title {system_title.hex()}")
    return names[0]


def _with_certificate(device: DeviceKeys, found: DeviceCertificate, der: bytes) -> DeviceKeys:
    purpose = found.purpose.name.lower()
    certificates = {**device.certificates, purpose: der}
    waiting, active = device.requested.get(purpose), device.private_key(purpose)
    if waiting is not None and _fits(waiting, found):
        left = {other: key for other, key in device.requested.items() if other != purpose}
        changed = dataclasses.replace(device, certificates=certificates, requested=left)
        return changed.with_secret(PRIVATE_KEYS[purpose], waiting)
    expected = active or waiting
    if expected is not None and not _fits(expected, found):
        raise CertificateError(f"the certificate is for another {purpose} key than the one held here")
    return dataclasses.replace(device, certificates=certificates)


def _fits(private: Secret, found: DeviceCertificate) -> bool:
    """Whether a certificate is for this private key; a key of another length is on another curve."""
    if len(private) != found.suite.coordinate_length:
        return False
    key = points.private_key(private, found.suite)
    return points.public_octets(key.public_key(), found.suite) == found.public_octets
