"""A certification authority for test benches: self-made, kept in one private file, and named for what it is.

Whoever has the file can certify any device, so that nothing outside a bench should trust it.
"""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dlms.errors import LocalProtocolError
from dlms.security import points
from dlms.security.certificates import Purpose, check_authority, key_of, key_usage, parsed
from dlms.security.signature import hash_of
from dlms.security.signing_request import read_request
from dlms.security.store import PrivateFileError, read_private, write_private
from dlms.security.subject import CertificateError
from dlms.security.suite import SecuritySuite

PREFIX = "TEST BENCH ONLY"
"""How the name of such an authority begins."""

_PEM = serialization.Encoding.PEM


@dataclasses.dataclass(frozen=True)
class BenchAuthority:
    """An authority and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = dataclasses.field(repr=False)

    @classmethod
    def create(cls, name: str, suite: SecuritySuite, now: datetime.datetime, days: int) -> BenchAuthority:
        """A new authority on the suite's curve.  Raises LocalProtocolError for a name or a time that cannot be."""
        key = points.generate(suite)
        subject = _subject(f"{PREFIX} {name}")
        builder = _builder(subject, subject, key.public_key(), now, days)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(key_usage("key_cert_sign", "crl_sign"), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        return cls(builder.sign(key, hash_of(suite)), key)

    @classmethod
    def load(cls, path: Path, now: datetime.datetime) -> BenchAuthority:
        """From a file that only its owner can read.  Raises PrivateFileError, CertificateError."""
        content = read_private(path)
        try:
            key = serialization.load_pem_private_key(content, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise PrivateFileError(f"{path}: not the private key and the certificate of an authority") from None
        certificate = parsed("authority", lambda: x509.load_pem_x509_certificate(content))
        check_authority(certificate, certificate, now)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise CertificateError("the private key is not that of the authority's certificate")
        return cls(certificate, key)

    def save(self, path: Path) -> None:
        """Private key and certificate, PEM, into a new file of mode 0600.  Raises PrivateFileError."""
        private = self.key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        write_private(path, private + self.certificate.public_bytes(_PEM))

    def issue(self, request: bytes, purpose: Purpose, now: datetime.datetime, days: int) -> bytes:
        """A device's certificate, DER, for a signing request, DER.  Raises CertificateError."""
        asked = read_request(request)
        suite = key_of(self.certificate)[1]
        if asked.suite.coordinate_length > suite.coordinate_length:
            raise CertificateError("a key on P-384 is certified by a key on P-384 only")
        public = key_of(asked.request)[0]
        builder = _builder(_subject(asked.system_title.hex().upper()), self.certificate.subject, public, now, days)
        builder = builder.add_extension(key_usage(*purpose.usages), critical=True)
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(above, critical=False)
        for extension in asked.request.extensions:
            if isinstance(extension.value, x509.SubjectAlternativeName):
                builder = builder.add_extension(extension.value, critical=False)
        return builder.sign(self.key, hash_of(suite)).public_bytes(serialization.Encoding.DER)


def _subject(name: str) -> x509.Name:
    try:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    except ValueError:
        raise LocalProtocolError(f"{name!r} cannot be the name of an authority: 1 to 64 characters can") from None


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime.datetime, days: int
) -> x509.CertificateBuilder:
    try:
        end = now + datetime.timedelta(days=days)
    except OverflowError:
        end = now
    if end <= now:
        raise LocalProtocolError(f"a certificate cannot be valid for {days} days from {now:%Y-%m-%d}")
    return x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number(), now, end)
