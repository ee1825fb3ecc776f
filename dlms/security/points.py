"""Elliptic-curve keys as DLMS writes them: x || y for a public key, a big-endian number for a private one."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from dlms.errors import LocalProtocolError, SecurityError
from dlms.security.keys import KeyMaterialError, Secret
from dlms.security.suite import SecuritySuite

_CURVES: dict[str, ec.EllipticCurve] = {"secp256r1": ec.SECP256R1(), "secp384r1": ec.SECP384R1()}

ORDERS = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
}
"""Number of points of each curve.  NIST SP 800-186."""

_UNCOMPRESSED = b"\x04"


def curve_name(suite: SecuritySuite) -> str:
    """The suite's curve.  Raises LocalProtocolError for suite 0, which has none."""
    if suite.curve_name is None:
        raise LocalProtocolError(f"security suite {suite.id} has no public key algorithms")
    return suite.curve_name


def curve(suite: SecuritySuite) -> ec.EllipticCurve:
    """The suite's curve as `cryptography` knows it.  Raises LocalProtocolError for suite 0."""
    return _CURVES[curve_name(suite)]


def generate(suite: SecuritySuite) -> ec.EllipticCurvePrivateKey:
    """A new key pair on the suite's curve."""
    return ec.generate_private_key(curve(suite))


def public_key(octets: bytes, suite: SecuritySuite) -> ec.EllipticCurvePublicKey:
    """The public key x || y, checked to be a point of the curve.  Raises SecurityError."""
    on = curve(suite)
    if len(octets) != suite.public_key_length:
        raise SecurityError(f"a public key has {suite.public_key_length} octets, this one {len(octets)}")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(on, _UNCOMPRESSED + octets)
    except ValueError:
        raise SecurityError(f"the public key is not a point of {on.name}") from None


def public_octets(key: ec.EllipticCurvePublicKey, suite: SecuritySuite) -> bytes:
    """x || y of a public key.  Raises SecurityError when it is on another curve than the suite's."""
    if key.curve.name != curve_name(suite):
        raise SecurityError(f"a key on {key.curve.name} has no place in security suite {suite.id}")
    numbers, width = key.public_numbers(), suite.coordinate_length
    return numbers.x.to_bytes(width, "big") + numbers.y.to_bytes(width, "big")


def private_key(secret: Secret, suite: SecuritySuite) -> ec.EllipticCurvePrivateKey:
    """The private key with this number, 1..n-1, in the suite's width.  Raises KeyMaterialError."""
    on, number = curve(suite), int.from_bytes(secret.reveal(), "big")
    if len(secret) != suite.coordinate_length or not 0 < number < ORDERS[on.name]:
        raise KeyMaterialError(f"not a private key of {on.name}: {suite.coordinate_length} octets, 1 to n-1, are one")
    return ec.derive_private_key(number, on)


def private_secret(key: ec.EllipticCurvePrivateKey, suite: SecuritySuite) -> Secret:
    """The number of a private key, for a key file.  Raises SecurityError when it is on another curve."""
    public_octets(key.public_key(), suite)
    return Secret(key.private_numbers().private_value.to_bytes(suite.coordinate_length, "big"))
