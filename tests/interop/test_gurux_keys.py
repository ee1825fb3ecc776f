"""gurux-dlms, unmodified, against our keys: key wrap, signatures, key pairs and signing requests.

What it cannot do in Python is left out: it unwraps no key, wraps none of suite 2, agrees on no key, knows no P-384, and
reads no certificate whose keyUsage is critical.
"""

from __future__ import annotations

import secrets

import pytest

pytest.importorskip("gurux_dlms", reason="gurux-dlms is not installed (extra `interop`)")

from gurux_dlms.asn.GXPkcs10 import GXPkcs10
from gurux_dlms.ecdsa.GXEcdsa import GXEcdsa
from gurux_dlms.ecdsa.GXPrivateKey import GXPrivateKey
from gurux_dlms.ecdsa.GXPublicKey import GXPublicKey
from gurux_dlms.secure import GXDLMSSecureClient

from dlms.security import points, signature
from dlms.security.certificates import Purpose
from dlms.security.enrolment import request
from dlms.security.keyfile import DeviceKeys
from dlms.security.keys import KeySet, Secret
from dlms.security.signing_request import read_request
from dlms.security.suite import SUITE_0, SUITE_1
from dlms.security.wrap import unwrap, wrap

pytestmark = pytest.mark.interop

TITLE = bytes.fromhex("4D4D4D0000BC614E")
TRIES = 64


def key_pair() -> tuple[points.ec.EllipticCurvePrivateKey, GXPrivateKey, GXPublicKey]:
    """One key, as each side holds it."""
    ours = points.generate(SUITE_1)
    private, public = points.private_secret(ours, SUITE_1), points.public_octets(ours.public_key(), SUITE_1)
    theirs = GXPrivateKey.fromRawBytes(bytearray(private.reveal()))
    return ours, theirs, GXPublicKey.fromRawBytes(bytearray(b"\x04" + public))


def full(plain: bytes) -> bool:
    """Whether both halves need all their octets: the peer does not pad those that do not."""
    return len(plain) == 64 and plain[0] != 0 and plain[32] != 0


def test_a_key_that_it_wraps_is_unwrapped() -> None:
    for _ in range(8):
        master, key = secrets.token_bytes(16), secrets.token_bytes(16)
        wrapped = bytes(GXDLMSSecureClient.encrypt(bytearray(master), bytearray(key)))
        assert wrapped == wrap(Secret(master), Secret(key), SUITE_0)
        assert unwrap(Secret(master), wrapped, SUITE_0) == Secret(key)


def test_it_verifies_our_signatures() -> None:
    ours, _, public = key_pair()
    for text in (b"", b"text", secrets.token_bytes(1000)):
        signed = signature.sign(ours, SUITE_1, text)
        assert GXEcdsa(public).verify(bytearray(signed), bytearray(text))
        assert not GXEcdsa(public).verify(bytearray(signed), bytearray(text + b"!"))


def test_we_verify_its_signatures() -> None:
    ours, theirs, _ = key_pair()
    text = secrets.token_bytes(100)
    tries = (bytes(GXEcdsa(theirs).sign(bytearray(text))) for _ in range(TRIES))
    signature.verify(ours.public_key(), SUITE_1, next(filter(full, tries)), text)


def test_a_private_key_has_the_same_public_key_there() -> None:
    for _ in range(4):
        ours, theirs, public = key_pair()
        assert bytes(theirs.getPublicKey().rawValue) == bytes(public.rawValue)
        assert bytes(public.rawValue)[-64:] == points.public_octets(ours.public_key(), SUITE_1)


def test_it_reads_and_verifies_our_signing_request() -> None:
    device = DeviceKeys(KeySet(), SUITE_1, TITLE)
    for _ in range(TRIES):
        device, der = request(device, Purpose.SIGNATURE)
        if full(signature.plain_from_der(read_request(der).request.signature, SUITE_1)):
            break
    found = GXPkcs10(bytearray(der))  # raises for a signature that does not fit
    assert bytes(found.publicKey.rawValue)[-64:] == read_request(der).public_octets
    assert TITLE.hex().upper() in found.subject
