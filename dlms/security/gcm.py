"""AES-GCM with the 12-octet tags of DLMS: a fast path, and the plain path that says what it must give.

The one-shot `AESGCM` class knows tags of 16 octets only.  GCM is counter mode, so encrypting a ciphertext under the
same nonce gives the plaintext, and encrypting that gives the full tag, whose first octets are then compared.  Two
passes of the one-shot class beat one pass of `Cipher` until the message is long: `PLAIN_FROM` is where they meet.
"""

from __future__ import annotations

import hmac
from typing import TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from dlms.security.keys import Secret
from dlms.security.suite import TAG_LENGTH

PLAIN_FROM = 20_480
"""From this many octets on, one pass of `Cipher` is faster than two of `AESGCM` (measured)."""

VIEW_FROM = 12_288
"""From this many octets on, a view of a message is cheaper than a copy (measured)."""

Octets: TypeAlias = bytes | memoryview
"""A ciphertext may be a view of its message."""

_FULL_TAG = 16
_CUT = TAG_LENGTH - _FULL_TAG


def seal(key: Secret, nonce: bytes, plaintext: bytes, associated: bytes, head: bytes = b"") -> bytes:
    """`head`, ciphertext and the first 12 octets of the tag."""
    sealed = key.aead.encrypt(nonce, plaintext, associated)
    if len(sealed) < VIEW_FROM:
        return head + sealed[:_CUT]
    return b"".join((head, memoryview(sealed)[:_CUT]))


def open_sealed(key: Secret, nonce: bytes, ciphertext: Octets, tag: bytes, associated: bytes) -> bytes | None:
    """The plaintext, or None when the 12-octet tag does not fit: nothing is released before it does."""
    if len(ciphertext) >= PLAIN_FROM:
        return open_plain(key, nonce, ciphertext, tag, associated)
    aead = key.aead
    candidate = aead.encrypt(nonce, ciphertext, None)[:-_FULL_TAG]
    expected = aead.encrypt(nonce, candidate, associated)[-_FULL_TAG:_CUT]
    return candidate if hmac.compare_digest(expected, tag) else None


def keystream(key: Secret, nonce: bytes, data: Octets) -> bytes:
    """Counter mode alone, which is its own inverse: encryption without authentication."""
    return key.aead.encrypt(nonce, data, None)[:-_FULL_TAG]


def mac(key: Secret, nonce: bytes, associated: bytes) -> bytes:
    """GMAC: the 12-octet tag over data that stays in clear."""
    return key.aead.encrypt(nonce, b"", associated)[:TAG_LENGTH]


def mac_fits(key: Secret, nonce: bytes, associated: bytes, tag: bytes) -> bool:
    """Whether this is the GMAC of `associated`, compared in constant time."""
    return hmac.compare_digest(mac(key, nonce, associated), tag)


def seal_plain(key: Secret, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """What `seal` gives, by way of `Cipher`."""
    encryptor = Cipher(key.aes, modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(associated)
    ciphertext = encryptor.update(plaintext) + encryptor.finalize()
    return ciphertext + encryptor.tag[:TAG_LENGTH]


def open_plain(key: Secret, nonce: bytes, ciphertext: Octets, tag: bytes, associated: bytes) -> bytes | None:
    """What `open_sealed` gives, by way of `Cipher`; used for long messages."""
    if len(tag) != TAG_LENGTH:
        return None
    decryptor = Cipher(key.aes, modes.GCM(nonce, tag, TAG_LENGTH)).decryptor()
    decryptor.authenticate_additional_data(associated)
    try:
        return decryptor.update(ciphertext) + decryptor.finalize()
    except InvalidTag:
        return None
