"""ECDSA in plain form: published examples, and what must not pass for a signature."""

from __future__ import annotations

import dataclasses
import functools

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from dlms.errors import LocalProtocolError, SecurityError
from dlms.security import points, signature
from dlms.security.keys import KeyMaterialError, Secret
from dlms.security.suite import SUITE_0, SUITE_1, SUITE_2, SecuritySuite
from tests.dlms.security.published import (
    C1_CLIENT_EPHEMERAL,
    C1_SIGNATURE,
    CLIENT_AGREE_PRIVATE,
    CLIENT_AGREE_PUBLIC,
    CLIENT_SIGN_PRIVATE,
    CLIENT_SIGN_PUBLIC,
    P384_MESSAGE,
    P384_PUBLIC,
    P384_SIGNATURE,
    SERVER_AGREE_PRIVATE,
    SERVER_AGREE_PUBLIC,
    SERVER_SIGN_PRIVATE,
    SERVER_SIGN_PUBLIC,
)

SUITES = {SUITE_1: ec.SECP256R1(), SUITE_2: ec.SECP384R1()}
PRIMES = {SUITE_1: 2**256 - 2**224 + 2**192 + 2**96 - 1, SUITE_2: 2**384 - 2**128 - 2**96 + 2**32 - 1}
ORDERS = {suite: points.ORDERS[suite.curve_name] for suite in SUITES}
C1_DATA = b"\0" + C1_CLIENT_EPHEMERAL


@functools.cache
def key_of(suite: SecuritySuite) -> ec.EllipticCurvePrivateKey:
    return points.private_key(Secret(bytes(range(1, suite.coordinate_length + 1))), suite)


def number(value: int, suite: SecuritySuite) -> bytes:
    return value.to_bytes(suite.coordinate_length, "big")


@pytest.mark.parametrize(
    ("private", "public"),
    [
        (CLIENT_SIGN_PRIVATE, CLIENT_SIGN_PUBLIC),
        (SERVER_SIGN_PRIVATE, SERVER_SIGN_PUBLIC),
        (CLIENT_AGREE_PRIVATE, CLIENT_AGREE_PUBLIC),
        (SERVER_AGREE_PRIVATE, SERVER_AGREE_PUBLIC),
    ],
)
def test_published_key_pairs(private, public):
    key = points.private_key(Secret(private), SUITE_1)
    assert points.public_octets(key.public_key(), SUITE_1) == public
    assert points.private_secret(key, SUITE_1) == Secret(private)


def test_published_signatures():
    signature.verify(points.public_key(CLIENT_SIGN_PUBLIC, SUITE_1), SUITE_1, C1_SIGNATURE, C1_DATA)
    signature.verify(points.public_key(P384_PUBLIC, SUITE_2), SUITE_2, P384_SIGNATURE, P384_MESSAGE)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.curve_name)
def test_orders_are_those_of_the_curves(suite):
    """(n-1) G is -G: the same x, the other y."""
    last = ec.derive_private_key(ORDERS[suite] - 1, SUITES[suite]).public_key().public_numbers()
    first = ec.derive_private_key(1, SUITES[suite]).public_key().public_numbers()
    assert last.x == first.x
    assert last.y == PRIMES[suite] - first.y


@given(data=st.data(), suite=st.sampled_from(list(SUITES)), message=st.binary(max_size=60))
def test_any_flipped_bit_is_refused(data, suite, message):
    key = key_of(suite)
    made = bytearray(signature.sign(key, suite, message))
    assert len(made) == suite.signature_length
    signature.verify(key.public_key(), suite, bytes(made), message)
    with pytest.raises(SecurityError):
        signature.verify(key.public_key(), suite, bytes(made), message + b"\0")
    bit = data.draw(st.integers(0, 8 * len(made) - 1))
    made[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SecurityError):
        signature.verify(key.public_key(), suite, bytes(made), message)


@given(data=st.data(), suite=st.sampled_from(list(SUITES)))
def test_plain_and_der_are_one(data, suite):
    half = st.integers(1, ORDERS[suite] - 1) | st.integers(1, 300)
    plain = number(data.draw(half), suite) + number(data.draw(half), suite)
    der = signature.der_from_plain(plain, suite)
    assert der[0] == 0x30
    assert signature.plain_from_der(der, suite) == plain


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.curve_name)
@pytest.mark.parametrize("half", ["r", "s"])
@pytest.mark.parametrize("value", ["0", "n", "n+1", "top"])
def test_halves_out_of_range(suite, half, value):
    n = ORDERS[suite]
    bad = {"0": 0, "n": n, "n+1": n + 1, "top": (1 << 8 * suite.coordinate_length) - 1}[value]
    r, s = (bad, 1) if half == "r" else (1, bad)
    for check in (
        lambda: signature.der_from_plain(number(r, suite) + number(s, suite), suite),
        lambda: signature.verify(key_of(suite).public_key(), suite, number(r, suite) + number(s, suite), b""),
        lambda: signature.plain_from_der(signature.encode_dss_signature(r, s), suite),
    ):
        with pytest.raises(SecurityError, match="out of range"):
            check()


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.curve_name)
def test_limits_of_the_range_are_inside(suite):
    for value in (1, ORDERS[suite] - 1):
        plain = number(value, suite) * 2
        assert signature.plain_from_der(signature.der_from_plain(plain, suite), suite) == plain


@dataclasses.dataclass(frozen=True)
class Case:
    """One signature that must not be believed, and why."""

    comment: str
    reason: str
    signature: bytes = C1_SIGNATURE
    data: bytes = C1_DATA
    public: bytes = CLIENT_SIGN_PUBLIC
    suite: SecuritySuite = SUITE_1


CASES = [
    Case("empty", "64 octets, this one 0", b""),
    Case("short", "64 octets, this one 63", C1_SIGNATURE[:-1]),
    Case("long", "64 octets, this one 65", C1_SIGNATURE + b"\0"),
    Case("DER where plain is due", "64 octets, this one", signature.der_from_plain(C1_SIGNATURE, SUITE_1)),
    Case("halves swapped", "does not fit", C1_SIGNATURE[32:] + C1_SIGNATURE[:32]),
    Case("all ones in r and s", "does not fit", number(1, SUITE_1) * 2),
    Case("last nibble flipped", "does not fit", C1_SIGNATURE[:-1] + bytes([C1_SIGNATURE[-1] ^ 0x0F])),
    Case("other data", "does not fit", data=C1_DATA[1:]),
    Case("other key", "does not fit", public=SERVER_SIGN_PUBLIC),
    Case("other suite", "96 octets, this one 64", suite=SUITE_2),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.comment)
def test_case(case):
    key = points.public_key(case.public, SUITE_1)
    with pytest.raises(SecurityError, match=case.reason):
        signature.verify(key, case.suite, case.signature, case.data)


@pytest.mark.parametrize("der", [b"", b"\x30\0", C1_SIGNATURE, b"\x30\x06\x02\x01\x01\x02\x01\x01\0"])
def test_bad_der(der):
    with pytest.raises(SecurityError, match="DER"):
        signature.plain_from_der(der, SUITE_1)


def test_keys_stay_on_their_curve():
    with pytest.raises(LocalProtocolError, match="cannot sign in security suite 2"):
        signature.sign(key_of(SUITE_1), SUITE_2, b"")
    with pytest.raises(SecurityError, match="cannot verify in security suite 2"):
        signature.verify(key_of(SUITE_1).public_key(), SUITE_2, number(1, SUITE_2) * 2, b"")
    for give in (points.public_octets, points.private_secret):
        key = key_of(SUITE_1)
        with pytest.raises(SecurityError, match="no place in security suite 2"):
            give(key.public_key() if give is points.public_octets else key, SUITE_2)


def test_suite_0_has_no_public_keys():
    for use in (
        lambda: points.generate(SUITE_0),
        lambda: points.public_key(b"", SUITE_0),
        lambda: points.private_key(Secret(b""), SUITE_0),
        lambda: signature.sign(key_of(SUITE_1), SUITE_0, b""),
        lambda: signature.verify(key_of(SUITE_1).public_key(), SUITE_0, b"", b""),
        lambda: signature.hash_of(SUITE_0),
    ):
        with pytest.raises(LocalProtocolError, match="suite 0 has no public key"):
            use()


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "64 octets, this one 0"),
        (b"\x04" + CLIENT_SIGN_PUBLIC, "64 octets, this one 65"),
        (CLIENT_SIGN_PUBLIC[:-1], "64 octets, this one 63"),
        (P384_PUBLIC, "64 octets, this one 96"),
        (bytes(64), "not a point"),
        (b"\xff" * 64, "not a point"),
        (CLIENT_SIGN_PUBLIC[32:] + CLIENT_SIGN_PUBLIC[:32], "not a point"),
        (CLIENT_SIGN_PUBLIC[:-1] + bytes([CLIENT_SIGN_PUBLIC[-1] ^ 1]), "not a point"),
        (number(PRIMES[SUITE_1], SUITE_1) + bytes(32), "not a point"),
    ],
)
def test_points_off_the_curve(octets, reason):
    with pytest.raises(SecurityError, match=reason):
        points.public_key(octets, SUITE_1)


def test_coordinates_are_below_the_prime():
    """x + p names the same point in a careless implementation: 5 and its root are such an x on P-256."""
    p = PRIMES[SUITE_1]
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    x = next(x for x in range(1, 99) if pow((x**3 - 3 * x + b) % p, (p - 1) // 2, p) == 1)
    y = pow((x**3 - 3 * x + b) % p, (p + 1) // 4, p)
    points.public_key(number(x, SUITE_1) + number(y, SUITE_1), SUITE_1)
    with pytest.raises(SecurityError, match="not a point"):
        points.public_key(number(x + p, SUITE_1) + number(y, SUITE_1), SUITE_1)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.curve_name)
def test_private_keys_lie_in_range(suite):
    n = ORDERS[suite]
    for value in (1, 2, n - 1):
        key = points.private_key(Secret(number(value, suite)), suite)
        assert points.private_secret(key, suite) == Secret(number(value, suite))
    for octets in (number(0, suite), number(n, suite), number(n + 1, suite), b"\1", b"", number(1, suite) + b"\0"):
        with pytest.raises(KeyMaterialError, match="not a private key"):
            points.private_key(Secret(octets), suite)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.curve_name)
def test_public_keys_are_padded(suite):
    """A coordinate with leading zeros keeps its width."""
    key = points.private_key(Secret(number(1, suite)), suite)
    octets = points.public_octets(key.public_key(), suite)
    assert len(octets) == suite.public_key_length
    assert points.public_octets(points.public_key(octets, suite), suite) == octets
