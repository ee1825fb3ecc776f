"""The provider in memory: each operation with the key that it is for."""

from __future__ import annotations

import functools

import pytest

from dlms.errors import LocalProtocolError, SecurityError
from dlms.security import agreement, points, protection, signature
from dlms.security.keys import KeyMaterialError, KeySet, Secret
from dlms.security.providers import KeyProvider, MemoryKeyProvider
from dlms.security.suite import SUITE_0, SUITE_1, SecurityControl
from tests.dlms.security.published import (
    C1_CLIENT_EPHEMERAL,
    C3_KEY,
    CLIENT_AGREE_PUBLIC,
    CLIENT_SIGN_PRIVATE,
    CLIENT_SIGN_PUBLIC,
    KEY_WRAP,
    PARTY_U,
    PARTY_V,
    SERVER_AGREE_PRIVATE,
    TRANSACTION_ID,
)

KEYS = KeySet(b"e" * 16, b"b" * 16, b"a" * 16, KEY_WRAP[0][0], b"d" * 16)
BOTH = SecurityControl.parse(0x31)


@pytest.fixture
def provider() -> KeyProvider:
    return MemoryKeyProvider(KEYS, SUITE_1, signing_key=CLIENT_SIGN_PRIVATE, agreement_key=SERVER_AGREE_PRIVATE)


@pytest.mark.parametrize("dedicated", [False, True])
def test_protects_as_protection_does(provider, dedicated):
    body = provider.protect(b"text", BOTH, PARTY_U, 7, b"\1\2", dedicated=dedicated)
    assert body == protection.protect(b"text", BOTH, KEYS, PARTY_U, 7, b"\1\2", dedicated=dedicated)
    assert provider.unprotect(body, PARTY_U, b"\1\2", dedicated=dedicated) == (b"text", BOTH, 7, True)
    alone = provider.protect(b"text", SecurityControl.parse(0x21), PARTY_U, 7, dedicated=dedicated)
    assert provider.unprotect(alone, PARTY_U, verify=False, dedicated=dedicated).plaintext == b"text"
    with pytest.raises(SecurityError):
        provider.unprotect(alone, PARTY_U, dedicated=dedicated)


def test_wraps_under_the_master_key(provider):
    _, key, wrapped = KEY_WRAP[0]
    assert provider.wrap(Secret(key)) == wrapped
    assert provider.unwrap(wrapped) == Secret(key)


def test_signs_with_the_signing_key(provider):
    key = points.public_key(CLIENT_SIGN_PUBLIC, SUITE_1)
    signature.verify(key, SUITE_1, provider.sign(b"text"), b"text")


def test_agrees_with_the_agreement_key(provider):
    assert provider.agree(CLIENT_AGREE_PUBLIC, PARTY_U, PARTY_V, transaction_id=TRANSACTION_ID) == Secret(C3_KEY)
    own = points.private_key(Secret(SERVER_AGREE_PRIVATE), SUITE_1)
    expected = agreement.agree(own, C1_CLIENT_EPHEMERAL, SUITE_1, PARTY_U, PARTY_V)
    assert provider.agree(C1_CLIENT_EPHEMERAL, PARTY_U, PARTY_V) == expected


def test_fingerprints_name_the_encryption_keys(provider):
    names = [provider.fingerprint(), provider.fingerprint(broadcast=True), provider.fingerprint(dedicated=True)]
    assert len(set(names)) == 3
    assert names[0] == Secret(b"e" * 16).fingerprint(b"invocation counter")
    twin = MemoryKeyProvider(KeySet(b"d" * 16, b"e" * 16), SUITE_0)
    assert twin.fingerprint() == names[2]
    assert twin.fingerprint(broadcast=True) == names[0]


def test_a_dedicated_key_comes_on_top(provider):
    made = MemoryKeyProvider(
        KEYS.replace(dedicated=None), SUITE_1, signing_key=CLIENT_SIGN_PRIVATE, agreement_key=SERVER_AGREE_PRIVATE
    )
    with pytest.raises(KeyMaterialError, match="no dedicated key"):
        made.fingerprint(dedicated=True)
    more = made.with_dedicated(Secret(b"d" * 16))
    assert more.fingerprint(dedicated=True) == provider.fingerprint(dedicated=True)
    assert more.suite is SUITE_1
    assert len(more.sign(b"")) == 64
    assert more.agree(CLIENT_AGREE_PUBLIC, PARTY_U, PARTY_V)
    assert more.protect(b"", BOTH, PARTY_U, 1) == provider.protect(b"", BOTH, PARTY_U, 1)
    with pytest.raises(KeyMaterialError):
        made.fingerprint(dedicated=True)


def test_missing_keys_are_named():
    empty = MemoryKeyProvider(KeySet(), SUITE_1)
    for use, name in (
        (functools.partial(empty.sign, b""), "signing"),
        (functools.partial(empty.agree, bytes(64), PARTY_U, PARTY_V), "agreement"),
        (functools.partial(empty.wrap, Secret(b"k" * 16)), "master"),
        (functools.partial(empty.unwrap, bytes(24)), "master"),
        (functools.partial(empty.protect, b"", BOTH, PARTY_U, 1), "encryption"),
        (functools.partial(empty.fingerprint, broadcast=True), "broadcast"),
    ):
        with pytest.raises(KeyMaterialError, match=f"no {name} key"):
            use()


def test_suite_0_neither_signs_nor_agrees():
    plain = MemoryKeyProvider(KEYS, signing_key=CLIENT_SIGN_PRIVATE, agreement_key=SERVER_AGREE_PRIVATE)
    assert plain.suite is SUITE_0
    with pytest.raises(LocalProtocolError, match="suite 0"):
        plain.sign(b"")
    with pytest.raises(LocalProtocolError, match="suite 0"):
        plain.agree(CLIENT_AGREE_PUBLIC, PARTY_U, PARTY_V)


def test_a_codec_serves_both_ways():
    class Doubling:
        def compress(self, data: bytes) -> bytes:
            return data + data

        def decompress(self, data: bytes) -> bytes:
            return data[: len(data) // 2]

    provider = MemoryKeyProvider(KEYS, SUITE_1, compression=Doubling()).with_dedicated(Secret(b"d" * 16))
    body = provider.protect(b"text", SecurityControl.parse(0xB1), PARTY_U, 1)
    assert len(body) == 5 + 8 + 12
    assert provider.unprotect(body, PARTY_U).plaintext == b"text"
