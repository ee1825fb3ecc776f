"""Symmetric keys that never show themselves, and the set of them that one association uses."""

from __future__ import annotations

import dataclasses
import enum
import functools
import hmac
from typing import Any, NamedTuple, NoReturn, TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.hmac import HMAC

from dlms.errors import LocalProtocolError, SecurityError
from dlms.security.suite import SecuritySuite

FINGERPRINT_LENGTH = 16
"""Octets of a key's fingerprint."""

_FINGERPRINT_DOMAIN = b"dlms-meters key fingerprint v1"


class KeyMaterialError(LocalProtocolError, SecurityError):
    """A key is missing, has the wrong length for its suite, or is not a valid key.  The message never shows it."""


class Secret:
    """Octets that must not be seen: `reveal()` is the only way to them.

    repr, str and format show the length only, pickling is refused, equality takes constant time and exists between
    secrets only.  Immutable; a copy is the object itself.
    """

    __slots__ = ("__dict__", "_value")
    _value: bytes
    __hash__ = None  # type: ignore[assignment]  # a hash of a short secret is a way to guess it

    def __init__(self, value: bytes | bytearray | memoryview | Secret) -> None:
        octets = value._value if isinstance(value, Secret) else value
        if not isinstance(octets, bytes | bytearray | memoryview):
            raise KeyMaterialError(f"a secret is made of octets, not of {type(octets).__name__}")
        self._value = bytes(octets)

    @classmethod
    def from_hex(cls, text: str) -> Secret:
        """The secret written as hex digits, spaces allowed.  Raises KeyMaterialError, which does not show it."""
        try:
            return cls(bytes.fromhex(text))
        except (ValueError, TypeError):
            raise KeyMaterialError("a secret in hex has an even number of digits 0-9, a-f") from None

    def reveal(self) -> bytes:
        """The octets themselves: for a cipher or a key file, never for a log."""
        return self._value

    @functools.cached_property
    def aead(self) -> AESGCM:
        """AES-GCM under this key, made once.  Raises KeyMaterialError when the length is no AES key's."""
        return AESGCM(self.aes.key)

    @functools.cached_property
    def aes(self) -> AES:
        """The bare block cipher under this key, for modes that `aead` does not have.  Raises KeyMaterialError."""
        if len(self._value) not in (16, 32):
            raise KeyMaterialError(f"an AES key of 16 or 32 octets is needed, not {len(self._value)}")
        return AES(self._value)

    def fingerprint(self, purpose: bytes = b"") -> bytes:
        """16 octets that name this key in a store and tell nothing about it; other purposes give other names."""
        known = self._fingerprints.get(purpose)
        if known is None:
            digest = HMAC(self._value, hashes.SHA256())
            digest.update(_FINGERPRINT_DOMAIN + b"\0" + purpose)
            known = self._fingerprints[purpose] = digest.finalize()[:FINGERPRINT_LENGTH]
        return known

    @functools.cached_property
    def _fingerprints(self) -> dict[bytes, bytes]:
        """Those that were asked for, by purpose: every association asks."""
        return {}

    def __len__(self) -> int:
        return len(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return hmac.compare_digest(self._value, other._value) if isinstance(other, Secret) else NotImplemented

    def __repr__(self) -> str:
        return f"<Secret of {len(self._value)} octets>"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise KeyMaterialError("a secret cannot be pickled")


KeyLike: TypeAlias = "Secret | bytes"
"""What is accepted where a key is asked for; kept as a Secret."""


def secret_or_none(value: KeyLike | None) -> Secret | None:
    """`value` as a Secret; None stays None."""
    return value if value is None or isinstance(value, Secret) else Secret(value)


KEY_NAMES = ("encryption", "broadcast", "authentication", "master", "dedicated")
"""The keys of a KeySet."""


@dataclasses.dataclass(frozen=True, slots=True, init=False)
class KeySet:
    """The symmetric keys of one association; each is optional until a message needs it.

    `encryption` is the global unicast encryption key (GUEK), `broadcast` the global broadcast encryption key (GBEK),
    `authentication` the global authentication key (GAK), `master` the key-encrypting key (KEK), `dedicated` the
    encryption key that lives as long as the association.  Green Book, security keys.
    """

    encryption: Secret | None
    broadcast: Secret | None
    authentication: Secret | None
    master: Secret | None
    dedicated: Secret | None
    prepared: dict[tuple[int, bool], Any] = dataclasses.field(repr=False, compare=False)
    """What `protection` worked out for this set, by control octet and use of the dedicated key."""

    def __init__(
        self,
        encryption: KeyLike | None = None,
        broadcast: KeyLike | None = None,
        authentication: KeyLike | None = None,
        master: KeyLike | None = None,
        dedicated: KeyLike | None = None,
    ) -> None:
        values = (encryption, broadcast, authentication, master, dedicated)
        for name, value in zip(KEY_NAMES, values, strict=True):
            object.__setattr__(self, name, secret_or_none(value))
        object.__setattr__(self, "prepared", {})

    def replace(self, **changes: KeyLike | None) -> KeySet:
        """The same set with some keys changed: `keys.replace(dedicated=...)`."""
        return KeySet(**({name: getattr(self, name) for name in KEY_NAMES} | changes))

    def get(self, name: str, suite: SecuritySuite) -> Secret:
        """One key by the name of its field, checked against the suite's key length.

        Raises KeyMaterialError when the key is missing or has another length.
        """
        key: Secret | None = getattr(self, name)
        if key is None:
            raise KeyMaterialError(f"no {name} key is known")
        if len(key) != suite.key_length:
            raise KeyMaterialError(
                f"the {name} key has {len(key)} octets; security suite {suite.id} wants {suite.key_length}"
            )
        return key


class Phase(enum.StrEnum):
    """How far a new key has come; what each phase means, and what may follow, is said in `dlms.security.rotation`."""

    AGREEING = "agreeing"
    STORED = "stored"
    SENT = "sent"
    PROVEN = "proven"


class NextKey(NamedTuple):
    """The key that takes the place of an active one; while it is being agreed on, our ephemeral private key."""

    key: Secret
    phase: Phase
