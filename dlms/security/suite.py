"""The security suites as data, and the security control octet that opens every protected message."""

from __future__ import annotations

import dataclasses
import functools

from dlms.errors import SecurityError

TAG_LENGTH = 12
"""Octets of an authentication tag, in every suite."""


@dataclasses.dataclass(frozen=True, slots=True)
class SecuritySuite:
    """One security suite: which algorithms belong together.  Green Book, security suites.

    Lengths are octets.  `hash_name` and `curve_name` are None in suite 0, which has no public key algorithms.
    """

    id: int
    key_length: int
    """Of encryption, authentication, dedicated and master key alike."""
    cipher: str
    wrap: str
    hash_name: str | None = None
    curve_name: str | None = None
    coordinate_length: int = 0
    """Of one coordinate of a point, and of each half of a signature."""
    compression: str | None = None
    tag_length: int = TAG_LENGTH

    @property
    def public_key_length(self) -> int:
        """Octets of a public key on the wire: x || y."""
        return 2 * self.coordinate_length

    @property
    def signature_length(self) -> int:
        """Octets of a signature on the wire: r || s."""
        return 2 * self.coordinate_length


SUITE_0 = SecuritySuite(0, 16, "AES-GCM-128", "AES-128-key-wrap")
SUITE_1 = SecuritySuite(1, 16, "AES-GCM-128", "AES-128-key-wrap", "sha256", "secp256r1", 32, "V.44")
SUITE_2 = SecuritySuite(2, 32, "AES-GCM-256", "AES-256-key-wrap", "sha384", "secp384r1", 48, "V.44")

SUITES = {suite.id: suite for suite in (SUITE_0, SUITE_1, SUITE_2)}


def suite(number: int) -> SecuritySuite:
    """The suite with this number.  Raises SecurityError for a number that the book does not define."""
    found = SUITES.get(number)
    if found is None:
        raise SecurityError(f"security suite {number} is not defined: only 0, 1 and 2 are")
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class SecurityControl:
    """The security control octet.  Green Book, security control byte.

    Bits 0-3 suite, 4 authenticated, 5 encrypted, 6 key set (0 unicast, 1 broadcast), 7 compressed.  Every octet
    can be parsed and shown; an undefined suite is refused when its parameters are asked for.
    """

    suite: int = 0
    authenticated: bool = False
    encrypted: bool = False
    broadcast_key: bool = False
    compressed: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.suite <= 15:
            raise SecurityError(f"a security suite number has four bits: {self.suite} does not fit")

    @classmethod
    def parse(cls, octet: int) -> SecurityControl:
        """The fields of one octet, 0..255; equal octets give the same object."""
        return _parsed(octet)

    @property
    def octet(self) -> int:
        """The octet as it stands on the wire."""
        flags = self.authenticated << 4 | self.encrypted << 5 | self.broadcast_key << 6 | self.compressed << 7
        return self.suite | flags

    def format(self) -> bytes:
        """The octet as bytes of length 1."""
        return bytes((self.octet,))

    @property
    def parameters(self) -> SecuritySuite:
        """The suite's algorithms and lengths.  Raises SecurityError when the suite is not defined."""
        return suite(self.suite)

    def covers(self, required: SecurityControl) -> bool:
        """Whether a message protected like this satisfies `required`: same suite and key set, nothing weaker."""
        return (
            self.suite == required.suite
            and self.broadcast_key == required.broadcast_key
            and self.authenticated >= required.authenticated
            and self.encrypted >= required.encrypted
        )


@functools.lru_cache(maxsize=256)
def _parsed(octet: int) -> SecurityControl:
    if not 0 <= octet <= 255:
        raise SecurityError(f"a security control is one octet: {octet} does not fit")
    return SecurityControl(octet & 15, *(bool(octet & bit) for bit in (0x10, 0x20, 0x40, 0x80)))
