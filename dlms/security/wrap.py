"""Key wrap: how a new key travels under the master key.  RFC 3394; Green Book, key transport."""

from __future__ import annotations

from cryptography.hazmat.primitives import keywrap

from dlms.errors import SecurityError
from dlms.security.keys import KeyMaterialError, Secret
from dlms.security.suite import SecuritySuite

OVERHEAD = 8
"""Octets that wrapping adds: the integrity check value."""


def wrap(master: Secret, key: Secret, suite: SecuritySuite) -> bytes:
    """`key` wrapped under `master`, 8 octets longer.  Raises KeyMaterialError unless both have the suite's length."""
    _check_length("master", master, suite)
    _check_length("wrapped", key, suite)
    return keywrap.aes_key_wrap(master.reveal(), key.reveal())


def unwrap(master: Secret, wrapped: bytes, suite: SecuritySuite) -> Secret:
    """The key inside.  Raises SecurityError when the integrity check fails or the length is not that of the suite."""
    _check_length("master", master, suite)
    if len(wrapped) != suite.key_length + OVERHEAD:
        raise SecurityError(f"a wrapped key has {suite.key_length + OVERHEAD} octets, this one {len(wrapped)}")
    try:
        return Secret(keywrap.aes_key_unwrap(master.reveal(), wrapped))
    except keywrap.InvalidUnwrap:
        raise SecurityError("the wrapped key does not fit the master key") from None


def _check_length(name: str, key: Secret, suite: SecuritySuite) -> None:
    if len(key) != suite.key_length:
        raise KeyMaterialError(f"the {name} key has {len(key)} octets; suite {suite.id} wants {suite.key_length}")
