"""Makes certificates, also such that break one rule each."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import hashlib
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from dlms.security.certificates import Purpose, read
from dlms.security.subject import HARDWARE_MODULE_NAME, hardware_module_name

NOW = datetime.datetime(2026, 1, 15, 12, 0, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
TITLE = bytes.fromhex("4D4D4D0000BC614E")
P256, P384 = ec.SECP256R1(), ec.SECP384R1()
Extensions = dict[str, tuple[x509.ExtensionType, bool] | None]


@functools.cache
def key(name: str, curve: str = "secp256r1") -> ec.EllipticCurvePrivateKey:
    """One key for each name and curve, the same in every run."""
    number = int.from_bytes(hashlib.sha256(f"{name} {curve}".encode()).digest()[1:], "big")
    return ec.derive_private_key(number, {"secp256r1": P256, "secp384r1": P384, "secp521r1": ec.SECP521R1()}[curve])


@functools.cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def usage(*bits: str) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign "
        "encipher_only decipher_only"
    )
    return x509.KeyUsage(**{bit: bit in bits for bit in names.split()})


USAGES = {
    Purpose.SIGNATURE: usage("digital_signature"),
    Purpose.KEY_AGREEMENT: usage("key_agreement"),
    Purpose.TLS: usage("digital_signature", "key_agreement"),
}


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def hardware_name(octets: bytes) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.OtherName(HARDWARE_MODULE_NAME, octets)])


@dataclasses.dataclass(frozen=True)
class Issuer:
    """An authority: its certificate and key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def forge(
    subject: str,
    subject_key: object,
    issuer_name: str,
    issuer_key: object,
    extensions: Extensions,
    *,
    serial: int = 1000,
    start: datetime.datetime = NOW - DAY,
    end: datetime.datetime = NOW + DAY,
    digest: hashes.HashAlgorithm | None = None,
) -> x509.Certificate:
    """A certificate, whatever it is worth."""
    curve = getattr(issuer_key, "curve", P256)
    builder = x509.CertificateBuilder(name(issuer_name), name(subject), subject_key.public_key(), serial, start, end)
    for extension in extensions.values():
        if extension is not None:
            builder = builder.add_extension(*extension)
    made = builder.sign(issuer_key, digest or (hashes.SHA384() if curve.name == "secp384r1" else hashes.SHA256()))
    return made


def authority(
    subject: str = "root", curve: str = "secp256r1", above: Issuer | None = None, *, path: int | None = None, **changes
) -> Issuer:
    """An authority that keeps the rules, but for the changes: extensions by name, or arguments of `forge`."""
    own = key(subject, curve)
    extensions: Extensions = {
        "usage": (usage("key_cert_sign", "crl_sign"), True),
        "constraints": (x509.BasicConstraints(True, path), True),
    }
    arguments = {field: changes.pop(field) for field in ("serial", "start", "end", "digest") if field in changes}
    above_name = above.certificate.subject.rfc4514_string()[3:] if above else subject
    above_key = above.key if above else own
    return Issuer(forge(subject, own, above_name, above_key, extensions | changes, **arguments), own)


def device(
    issuer: Issuer,
    purpose: Purpose = Purpose.SIGNATURE,
    *,
    subject: str = TITLE.hex().upper(),
    curve: str = "secp256r1",
    subject_key: object = None,
    **changes,
) -> x509.Certificate:
    """A device's certificate that keeps the rules, but for the changes."""
    extensions: Extensions = {"usage": (USAGES[purpose], True)}
    arguments = {field: changes.pop(field) for field in ("serial", "start", "end", "digest") if field in changes}
    above = issuer.certificate.subject.rfc4514_string()[3:]
    own = subject_key or key("device", curve)
    return forge(subject, own, above, issuer.key, extensions | changes, **arguments)


def patched(certificate: x509.Certificate, change: Callable[[bytes], bytes]) -> x509.Certificate:
    """The certificate read again from changed octets."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return read(change(certificate.public_bytes(Encoding.DER)))


def title_in_hardware_name(title: bytes = TITLE) -> tuple[x509.SubjectAlternativeName, bool]:
    return hardware_name(hardware_module_name("1.2.3.4.5", title)), False
