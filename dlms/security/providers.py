"""Who holds the keys: a port that a hardware module can fill, and the provider that holds them in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, Self

from dlms.security import protection, wrap
from dlms.security.keys import KeyLike, KeyMaterialError, KeySet, Secret, secret_or_none
from dlms.security.protection import Compression, Unprotected
from dlms.security.suite import SUITE_0, SecurityControl, SecuritySuite

if TYPE_CHECKING:
    from dlms.security.certificates import Purpose
    from dlms.security.peers import Peers

COUNTER_PURPOSE = b"invocation counter"
"""What a fingerprint is made for when it names a counter."""


class KeyProvider(Protocol):
    """The operations that need a key of one peer.  A provider never gives a global or a private key away.

    Errors are those of `protect`, `unprotect`, `wrap`, `signature.sign`, `agreement.agree` and `Peers`.
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

    def certificate(self, purpose: Purpose) -> bytes | None:
        """Our own certificate for a purpose, DER, to be given to the peer; None when there is none."""
        ...

    def peer_key(self, system_title: bytes, purpose: Purpose) -> bytes:
        """x || y of a party's static key, certified or trusted.  Raises SecurityError when there is none."""
        ...

    def verify(self, system_title: bytes, signature: bytes, data: bytes) -> None:
        """Raises SecurityError unless r || s is the signature of `data` by the party with this system title."""
        ...

    def with_sent_certificate(self, system_title: bytes, der: bytes) -> Self:
        """The same keys, and the certificate that this party sent of itself: for one association.

        What is on file comes before it.  Raises SecurityError for one that breaks a rule, is not vouched for, or is
        another party's.
        """
        ...

    def with_dedicated(self, key: Secret) -> Self:
        """The same keys and a dedicated key: for one association."""
        ...

    def with_encryption(self, key: Secret) -> Self:
        """The same keys, but for the global unicast encryption key: for one message or one association."""
        ...

    def with_transferred(self, wrapped: Mapping[str, bytes]) -> Self:
        """The same keys, but for those that came wrapped under the master key, by the name of the key that they replace."""
        ...

    def broadcasting(self) -> Self:
        """The same keys, with the broadcast key in place of the unicast one: for general-ciphering."""
        ...


class MemoryKeyProvider:
    """Keys in the memory of this process.

    `signing_key` and `agreement_key` are private keys as big-endian numbers in the width of the suite's curve.
    `certificates` are our own, DER, by purpose in lower case; `peers` knows the public keys of the others.
    """

    def __init__(
        self,
        keys: KeySet,
        suite: SecuritySuite = SUITE_0,
        *,
        signing_key: KeyLike | None = None,
        agreement_key: KeyLike | None = None,
        certificates: Mapping[str, bytes] | None = None,
        peers: Peers | None = None,
        compression: Compression | None = None,
    ) -> None:
        self._keys, self._suite, self._compression = keys, suite, compression
        self._certificates, self._peers = dict(certificates or {}), peers
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

    def certificate(self, purpose: Purpose) -> bytes | None:
        """Our own certificate for a purpose, DER, None when there is none."""
        return self._certificates.get(purpose.name.lower())

    def peer_key(self, system_title: bytes, purpose: Purpose) -> bytes:
        """x || y of a party's static key.  Raises SecurityError, KeyMaterialError when no public keys are held."""
        return self._known_peers().key(system_title, purpose, self._suite)

    def verify(self, system_title: bytes, signature: bytes, data: bytes) -> None:
        """Raises SecurityError unless it is this party's signature, KeyMaterialError when no public keys are held."""
        self._known_peers().verify(system_title, self._suite, signature, data)

    def _known_peers(self) -> Peers:
        if self._peers is None:
            raise KeyMaterialError("no public keys of other parties are known")
        return self._peers

    def with_sent_certificate(self, system_title: bytes, der: bytes) -> MemoryKeyProvider:
        """The same keys, and the certificate that this party sent of itself, once it is verified.  Raises SecurityError."""
        return self._replaced(self._keys, self._known_peers().with_sent(system_title, der))

    def with_keys(self, keys: KeySet) -> MemoryKeyProvider:
        """Other symmetric keys, the same private and public ones."""
        return self._replaced(keys, self._peers)

    def with_dedicated(self, key: Secret) -> MemoryKeyProvider:
        """The same keys and a dedicated key."""
        return self.with_keys(self._keys.replace(dedicated=key))

    def with_encryption(self, key: Secret) -> MemoryKeyProvider:
        """The same keys, but for the global unicast encryption key."""
        return self.with_keys(self._keys.replace(encryption=key))

    def with_transferred(self, wrapped: Mapping[str, bytes]) -> MemoryKeyProvider:
        """The same keys, but for new ones wrapped under the master key.  Raises SecurityError, KeyMaterialError."""
        return self.with_keys(self._keys.replace(**{name: self.unwrap(blob) for name, blob in wrapped.items()}))

    def broadcasting(self) -> MemoryKeyProvider:
        """The same keys, with the broadcast key in place of the unicast one.  Raises KeyMaterialError without one."""
        return self.with_keys(self._keys.replace(encryption=self._keys.get("broadcast", self._suite)))

    def _replaced(self, keys: KeySet, peers: Peers | None) -> MemoryKeyProvider:
        return MemoryKeyProvider(
            keys,
            self._suite,
            signing_key=self._signing_key,
            agreement_key=self._agreement_key,
            certificates=self._certificates,
            peers=peers,
            compression=self._compression,
        )


def _known(name: str, key: Secret | None) -> Secret:
    if key is None:
        raise KeyMaterialError(f"no {name} key is known")
    return key
