"""The X.509 profile of DLMS: what a certificate must be to be believed.

Green Book, public key certificates; Blue Book, Security setup version 1.  No revocation list is consulted: a device
drops a certificate when it is told to.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

from dlms.errors import LocalProtocolError
from dlms.security.points import public_octets
from dlms.security.subject import CertificateError, system_title_of
from dlms.security.suite import SUITE_1, SUITE_2, SecuritySuite

MAX_CERTIFICATE = 16_384
"""Octets of the longest certificate or request that is read."""


class Purpose(enum.IntEnum):
    """What the key of a device certificate is for; the values are those of certificate_type in Security setup."""

    SIGNATURE = 0
    KEY_AGREEMENT = 1
    TLS = 2

    @property
    def usages(self) -> frozenset[str]:
        """The bits of keyUsage that its certificates have."""
        return next(usages for usages, purpose in _USAGES.items() if purpose is self)


_USAGES = {
    frozenset({"digital_signature"}): Purpose.SIGNATURE,
    frozenset({"key_agreement"}): Purpose.KEY_AGREEMENT,
    frozenset({"digital_signature", "key_agreement"}): Purpose.TLS,
}
_AUTHORITY_USAGE = frozenset({"key_cert_sign", "crl_sign"})
_USAGE_BITS = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)

_AGREEMENT_BITS = ("encipher_only", "decipher_only")
"""These mean something beside keyAgreement only."""

_SUITE_OF_CURVE = {suite.curve_name: suite for suite in (SUITE_1, SUITE_2)}
SIGNATURE_OF_CURVE = {
    "secp256r1": SignatureAlgorithmOID.ECDSA_WITH_SHA256,
    "secp384r1": SignatureAlgorithmOID.ECDSA_WITH_SHA384,
}
T = TypeVar("T")
E = TypeVar("E", bound=x509.ExtensionType)
Document: TypeAlias = x509.Certificate | x509.CertificateSigningRequest

_FAULTS = (
    ValueError,
    TypeError,
    Warning,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_UNDERSTOOD = (x509.KeyUsage, x509.BasicConstraints, x509.ExtendedKeyUsage, x509.SubjectAlternativeName)


@dataclasses.dataclass(frozen=True)
class DeviceCertificate:
    """A device's certificate that has passed every rule, and what it says."""

    certificate: x509.Certificate
    system_title: bytes
    purpose: Purpose
    suite: SecuritySuite
    """The suite whose curve the key is on: 1 or 2."""

    @property
    def serial(self) -> int:
        """The serial number that its issuer gave."""
        return self.certificate.serial_number

    @property
    def issuer(self) -> bytes:
        """The issuer's name, DER."""
        return self.certificate.issuer.public_bytes()

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The certified key."""
        return key_of(self.certificate)[0]

    @property
    def public_octets(self) -> bytes:
        """The certified key as x || y."""
        return public_octets(self.public_key, self.suite)

    @property
    def der(self) -> bytes:
        """The certificate itself."""
        return self.certificate.public_bytes(serialization.Encoding.DER)


def read(der: bytes) -> x509.Certificate:
    """A certificate from its DER, readable in all its parts; says nothing about its worth.  Raises CertificateError."""
    if len(der) > MAX_CERTIFICATE:
        raise CertificateError(f"a certificate of {len(der)} octets is too long: at most {MAX_CERTIFICATE}")
    return parsed("certificate", lambda: _whole(x509.load_der_x509_certificate(der)))


def check_device(certificate: x509.Certificate, issuer: x509.Certificate, now: datetime.datetime) -> DeviceCertificate:
    """Every rule for the certificate of a device, one step of the chain.  `now` is aware.  Raises CertificateError."""
    suite = _check_form(certificate, now)
    if extension_of(certificate, x509.BasicConstraints) is not None:
        raise CertificateError("basicConstraints has no place in the certificate of a device")
    purpose = _USAGES.get(_usage(certificate))
    if purpose is None:
        raise CertificateError("keyUsage of a device is digitalSignature, keyAgreement, or both for TLS")
    _check_extended_usage(certificate, purpose)
    title = system_title_of(certificate.subject, extension_of(certificate, x509.SubjectAlternativeName))
    _check_issued(certificate, issuer)
    return DeviceCertificate(certificate, title, purpose, suite)


def check_authority(
    certificate: x509.Certificate, issuer: x509.Certificate, now: datetime.datetime, below: int = 0
) -> None:
    """Every rule for an authority that has `below` other authorities under it.  Raises CertificateError.

    A trust anchor is checked with itself as issuer.
    """
    _check_form(certificate, now)
    constraints = extension_of(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.value.ca or not constraints.critical:
        raise CertificateError("an authority has a critical basicConstraints that says so")
    if constraints.value.path_length is not None and below > constraints.value.path_length:
        raise CertificateError(f"the authority allows {constraints.value.path_length} others below it, not {below}")
    if _usage(certificate) != _AUTHORITY_USAGE:
        raise CertificateError("keyUsage of an authority is keyCertSign and cRLSign")
    if extension_of(certificate, x509.ExtendedKeyUsage) is not None:
        raise CertificateError("extendedKeyUsage has no place in the certificate of an authority")
    _check_issued(certificate, issuer)


def key_usage(*bits: str) -> x509.KeyUsage:
    """A keyUsage with these bits and no other."""
    return x509.KeyUsage(**{bit: bit in bits for bit in (*_USAGE_BITS, *_AGREEMENT_BITS)})


def parsed(what: str, parse: Callable[[], T]) -> T:
    """The one place where faults of the parser, and what it warns of, become ours."""
    try:
        return parse()
    except _FAULTS as fault:
        raise CertificateError(f"the {what} cannot be read: {fault}") from fault


def extension_of(document: Document, kind: type[E]) -> x509.Extension[E] | None:
    """The extension of this kind, None when there is none.  Raises CertificateError."""
    extensions = parsed("list of extensions", lambda: document.extensions)
    try:
        return extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def key_of(document: Document) -> tuple[ec.EllipticCurvePublicKey, SecuritySuite]:
    """The public key and the suite of its curve.  Raises CertificateError for another curve or kind of key."""
    key = parsed("public key", document.public_key)
    if not isinstance(key, ec.EllipticCurvePublicKey) or (suite := _SUITE_OF_CURVE.get(key.curve.name)) is None:
        raise CertificateError("the key is not on P-256 or P-384")
    return key, suite


def _whole(certificate: x509.Certificate) -> x509.Certificate:
    """The parser works on demand: this demands every part that is used later, so that no fault comes then."""
    for part in ("version", "serial_number", "subject", "issuer", "not_valid_before_utc", "not_valid_after_utc"):
        getattr(certificate, part)
    key_of(certificate)
    return certificate


def _check_form(certificate: x509.Certificate, now: datetime.datetime) -> SecuritySuite:
    """What holds for every certificate; gives the suite that its key belongs to."""
    if now.tzinfo is None:
        raise LocalProtocolError("the time of a verification needs a time zone")
    if certificate.version is not x509.Version.v3:
        raise CertificateError("a certificate is of version 3")
    if not 0 < certificate.serial_number < 1 << 159:
        raise CertificateError("a serial number is positive and has at most 20 octets")
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise CertificateError("the certificate is not valid at this time")
    for extension in parsed("list of extensions", lambda: certificate.extensions):
        if extension.critical and not isinstance(extension.value, _UNDERSTOOD):
            raise CertificateError(f"the critical extension {extension.oid.dotted_string} is not understood")
    return key_of(certificate)[1]


def _usage(certificate: x509.Certificate) -> frozenset[str]:
    """The bits of keyUsage, by name."""
    usage = extension_of(certificate, x509.KeyUsage)
    if usage is None or not usage.critical:
        raise CertificateError("keyUsage must be there and be critical")
    bits = (*_USAGE_BITS, *_AGREEMENT_BITS) if usage.value.key_agreement else _USAGE_BITS
    return frozenset(bit for bit in bits if getattr(usage.value, bit))


def _check_extended_usage(certificate: x509.Certificate, purpose: Purpose) -> None:
    extended = extension_of(certificate, x509.ExtendedKeyUsage)
    if extended is None:
        return
    if purpose is not Purpose.TLS:
        raise CertificateError("extendedKeyUsage has its place in TLS certificates only")
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH} & set(extended.value):
        raise CertificateError("extendedKeyUsage of a TLS certificate names server or client authentication")


def _check_issued(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """Name, curve, hash and signature of the issuer."""
    (_, suite), (issuer_key, issuer_suite) = key_of(certificate), key_of(issuer)
    if suite.coordinate_length > issuer_suite.coordinate_length:
        raise CertificateError("a key on P-384 is certified by a key on P-384 only")
    if certificate.signature_algorithm_oid != SIGNATURE_OF_CURVE[issuer_key.curve.name]:
        raise CertificateError("the signature is not ECDSA with the hash of the issuer's curve")
    own = extension_of(certificate, x509.AuthorityKeyIdentifier)
    above = extension_of(issuer, x509.SubjectKeyIdentifier)
    if own and above and own.value.key_identifier not in (None, above.value.digest):
        raise CertificateError("the issuer's key has another identifier than the certificate says")
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        raise CertificateError("the certificate is not signed by its issuer") from None
