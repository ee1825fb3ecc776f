"""Certificate signing requests: how a device asks for a certificate of a new key."""

from __future__ import annotations

import dataclasses

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dlms.errors import LocalProtocolError
from dlms.security.certificates import (
    MAX_CERTIFICATE,
    SIGNATURE_OF_CURVE,
    extension_of,
    key_of,
    parsed,
)
from dlms.security.points import curve_name, public_octets
from dlms.security.protection import check_titles
from dlms.security.signature import hash_of
from dlms.security.subject import HARDWARE_MODULE_NAME, CertificateError, hardware_module_name, system_title_of
from dlms.security.suite import SecuritySuite


@dataclasses.dataclass(frozen=True)
class Request:
    """A certificate signing request whose signature by its own key was verified."""

    request: x509.CertificateSigningRequest
    system_title: bytes
    public_octets: bytes
    suite: SecuritySuite

    @property
    def der(self) -> bytes:
        """The request itself."""
        return self.request.public_bytes(serialization.Encoding.DER)


def create_request(
    key: ec.EllipticCurvePrivateKey, system_title: bytes, suite: SecuritySuite, hardware_type: str | None = None
) -> bytes:
    """A certificate signing request, DER, signed by the new key itself.

    The subject's common name is the system title in 16 hex digits; with `hardware_type`, the manufacturer's object
    identifier of the device type, it stands in a HardwareModuleName too.
    """
    check_titles(system_title)
    if key.curve.name != curve_name(suite):
        raise LocalProtocolError(f"a key on {key.curve.name} has no place in security suite {suite.id}")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, system_title.hex().upper())])
    builder = x509.CertificateSigningRequestBuilder(name)
    if hardware_type is not None:
        other = x509.OtherName(HARDWARE_MODULE_NAME, hardware_module_name(hardware_type, system_title))
        builder = builder.add_extension(x509.SubjectAlternativeName([other]), critical=False)
    return builder.sign(key, hash_of(suite)).public_bytes(serialization.Encoding.DER)


def read_request(der: bytes) -> Request:
    """A request whose signature, curve and system title are right.  Raises CertificateError."""
    if len(der) > MAX_CERTIFICATE:
        raise CertificateError(f"a request of {len(der)} octets is too long: at most {MAX_CERTIFICATE}")
    request = parsed("request", lambda: x509.load_der_x509_csr(der))
    key, suite = key_of(request)
    if request.signature_algorithm_oid != SIGNATURE_OF_CURVE[key.curve.name] or not request.is_signature_valid:
        raise CertificateError("the request is not signed by its own key with the curve's hash")
    title = system_title_of(request.subject, extension_of(request, x509.SubjectAlternativeName))
    return Request(request, title, public_octets(key, suite), suite)
