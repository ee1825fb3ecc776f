"""ECDSA as DLMS writes it: r || s in fixed width, where X.509 has DER."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from dlms.errors import LocalProtocolError, SecurityError
from dlms.security.points import ORDERS, curve_name
from dlms.security.suite import SecuritySuite

_HASHES: dict[str, type[hashes.SHA256] | type[hashes.SHA384]] = {"sha256": hashes.SHA256, "sha384": hashes.SHA384}


def hash_of(suite: SecuritySuite) -> hashes.SHA256 | hashes.SHA384:
    """The suite's hash.  Raises LocalProtocolError for suite 0, which has none."""
    if suite.hash_name is None:
        raise LocalProtocolError(f"security suite {suite.id} has no public key algorithms")
    return _HASHES[suite.hash_name]()


def plain_from_der(der: bytes, suite: SecuritySuite) -> bytes:
    """r || s of a DER signature.  Raises SecurityError for bad DER, and for r or s outside 1..n-1."""
    try:
        halves = decode_dss_signature(der)
    except ValueError:
        raise SecurityError("not a DER signature") from None
    _check_range(*halves, suite)
    return b"".join(half.to_bytes(suite.coordinate_length, "big") for half in halves)


def der_from_plain(plain: bytes, suite: SecuritySuite) -> bytes:
    """The DER form of r || s.  Raises SecurityError for another length, and for r or s outside 1..n-1."""
    name = curve_name(suite)
    if len(plain) != suite.signature_length:
        raise SecurityError(f"a signature on {name} has {suite.signature_length} octets, this one {len(plain)}")
    width = suite.coordinate_length
    r, s = int.from_bytes(plain[:width], "big"), int.from_bytes(plain[width:], "big")
    _check_range(r, s, suite)
    return encode_dss_signature(r, s)


def sign(key: ec.EllipticCurvePrivateKey, suite: SecuritySuite, data: bytes) -> bytes:
    """The signature r || s of `data`.  Raises LocalProtocolError for a key on another curve than the suite's."""
    if key.curve.name != curve_name(suite):
        raise LocalProtocolError(f"a key on {key.curve.name} cannot sign in security suite {suite.id}")
    return plain_from_der(key.sign(data, ec.ECDSA(hash_of(suite))), suite)


def verify(key: ec.EllipticCurvePublicKey, suite: SecuritySuite, signature: bytes, data: bytes) -> None:
    """Raises SecurityError unless r || s is this key's signature of `data`."""
    der = der_from_plain(signature, suite)
    if key.curve.name != curve_name(suite):
        raise SecurityError(f"a key on {key.curve.name} cannot verify in security suite {suite.id}")
    try:
        key.verify(der, data, ec.ECDSA(hash_of(suite)))
    except InvalidSignature:
        raise SecurityError("the signature does not fit") from None


def _check_range(r: int, s: int, suite: SecuritySuite) -> None:
    """Both halves lie in 1..n-1: others pass for a signature in careless implementations.  FIPS 186-5, 6.4.2."""
    order = ORDERS[curve_name(suite)]
    if not (0 < r < order and 0 < s < order):
        raise SecurityError("the signature is out of range: r and s lie between 1 and n-1")
