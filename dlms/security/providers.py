"""Who holds the keys: a port that a hardware module can fill, and the provider that holds them in memory."""

from __future__ import annotations

from typing import Protocol, Self

from dlms.security import protection, wrap
from dlms.security.keys import KeyLike, KeyMaterialError, KeySet, Secret, secret_or_none
from dlms.security.protection import Compression, Unprotected
from dlms.security.suite import SUITE_0, SecurityControl, SecuritySuite

COUNTER_PURPOSE = b"invocation counter"
"""What a fingerprint is made for when it names a counter."""


class KeyProvider(Protocol):
    """The operations that need a key of one peer.  A provider never gives a global key away.

    Errors are those of `protect`, `unprotect`, `wrap`, `signature.sign` and `agreement.agree`.
    """

    @property
    def suite(self) -> SecuritySuite:
        """The security suite that the keys belong to."""
        ...

    def fingerprint(self, *, broadcast: bool = False, dedicated: bool = False) -> bytes:
        """16 octets that name an encryption key among counters: equal keys give equal names."""
        ...

    def protect(
        self,
        plaintext: bytes,
        control: SecurityControl,
        system_title: bytes,
        invocation_counter: int,
        header: bytes = b"",
        *,
        dedicated: bool = False,
    ) -> bytes:
        """`protection.protect` with the keys held here."""
        ...

    def unprotect(
        self, body: bytes, system_title: bytes, header: bytes = b"", *, verify: bool = True, dedicated: bool = False
    ) -> Unprotected:
        """`protection.unprotect` with the keys held here."""
        ...

    def wrap(self, key: Secret) -> bytes:
        """A key wrapped under the master key."""
        ...

    def unwrap(self, wrapped: bytes) -> Secret:
        """A key that arrived wrapped under the master key."""
        ...

    def sign(self, data: bytes) -> bytes:
        """r || s with the static signing key."""
        ...

    def agree(
        self, peer: bytes, party_u_title: bytes, party_v_title: bytes, *, transaction_id: bytes | None = None
    ) -> Secret:
        """An encryption key from the static agreement key and the peer's point: `agreement.agree`."""
        ...

    def with_dedicated(self, key: Secret) -> Self:
        """The same keys and a dedicated key: for one association."""
        ...


class MemoryKeyProvider:
    """Keys in the memory of this process.

    `signing_key` and `agreement_key` are private keys as big-endian numbers in the width of the suite's curve.
    """

    def __init__(
        self,
        keys: KeySet,
        suite: SecuritySuite = SUITE_0,
        *,
        signing_key: KeyLike | None = None,
        agreement_key: KeyLike | None = None,
        compression: Compression | None = None,
    ) -> None:
        self._keys, self._suite, self._compression = keys, suite, compression
        self._signing_key, self._agreement_key = secret_or_none(signing_key), secret_or_none(agreement_key)

    def __repr__(self) -> str:
        return f"<MemoryKeyProvider of suite {self._suite.id}>"

    @property
    def suite(self) -> SecuritySuite:
        """The security suite that the keys belong to."""
        return self._suite

    def fingerprint(self, *, broadcast: bool = False, dedicated: bool = False) -> bytes:
        """16 octets that name an encryption key.  Raises KeyMaterialError when that key is not known."""
        name = "dedicated" if dedicated else "broadcast" if broadcast else "encryption"
        return self._keys.get(name, self._suite).fingerprint(COUNTER_PURPOSE)

    def protect(
        self,
        plaintext: bytes,
        control: SecurityControl,
        system_title: bytes,
        invocation_counter: int,
        header: bytes = b"",
        *,
        dedicated: bool = False,
    ) -> bytes:
        """`protection.protect` with the keys held here."""
        return protection.protect(
            plaintext,
            control,
            self._keys,
            system_title,
            invocation_counter,
            header,
            dedicated=dedicated,
            compression=self._compression,
        )

    def unprotect(
        self, body: bytes, system_title: bytes, header: bytes = b"", *, verify: bool = True, dedicated: bool = False
    ) -> Unprotected:
        """`protection.unprotect` with the keys held here."""
        return protection.unprotect(
            body, self._keys, system_title, header, verify=verify, dedicated=dedicated, compression=self._compression
        )

    def wrap(self, key: Secret) -> bytes:
        """A key wrapped under the master key.  Raises KeyMaterialError."""
        return wrap.wrap(self._keys.get("master", self._suite), key, self._suite)

    def unwrap(self, wrapped: bytes) -> Secret:
        """A key that arrived wrapped under the master key.  Raises SecurityError, KeyMaterialError."""
        return wrap.unwrap(self._keys.get("master", self._suite), wrapped, self._suite)

    def sign(self, data: bytes) -> bytes:
        """r || s with the static signing key.  Raises KeyMaterialError when there is none."""
        from dlms.security import points, signature  # public key code is loaded by who uses it

        return signature.sign(points.private_key(_known("signing", self._signing_key), self._suite), self._suite, data)

    def agree(
        self, peer: bytes, party_u_title: bytes, party_v_title: bytes, *, transaction_id: bytes | None = None
    ) -> Secret:
        """An encryption key from the static agreement key.  Raises SecurityError, KeyMaterialError."""
        from dlms.security import agreement, points

        own = points.private_key(_known("agreement", self._agreement_key), self._suite)
        return agreement.agree(own, peer, self._suite, party_u_title, party_v_title, transaction_id=transaction_id)

    def with_dedicated(self, key: Secret) -> MemoryKeyProvider:
        """The same keys and a dedicated key."""
        return MemoryKeyProvider(
            self._keys.replace(dedicated=key),
            self._suite,
            signing_key=self._signing_key,
            agreement_key=self._agreement_key,
            compression=self._compression,
        )


def _known(name: str, key: Secret | None) -> Secret:
    if key is None:
        raise KeyMaterialError(f"no {name} key is known")
    return key
