"""How a message is protected and wrapped, and what a policy or an access right demands.  Blue Book, Security setup.

The bits of a policy (Security setup version 1) and those of an access mode (Association LN version 3) are the same.
"""

from __future__ import annotations

import enum


class Protection(enum.IntFlag):
    """What protects one message."""

    NONE = 0
    AUTHENTICATED = 1
    ENCRYPTED = 2
    SIGNED = 4

    def covers(self, required: Protection) -> bool:
        """Whether nothing of `required` is missing."""
        return not int(required) & ~int(self)

    # every message takes several of these, and those of `enum` take a fifth of the time of protecting one

    def __and__(self, other: int) -> Protection:
        return PROTECTIONS[int.__and__(self, other)]

    def __or__(self, other: int) -> Protection:
        return PROTECTIONS[int.__or__(self, other)]

    def __str__(self) -> str:
        return " and ".join(str(bit.name).lower() for bit in Protection if bit in self) or "unprotected"


PROTECTIONS = tuple(map(Protection, range(8)))
"""Every protection that there is, by its number."""

AUTHENTICATED_ENCRYPTED = Protection.AUTHENTICATED | Protection.ENCRYPTED
"""What a new security context asks for unless somebody says otherwise."""

_REQUEST, _RESPONSE, _ONE_SIDE = 2, 5, 7


class Envelope(enum.StrEnum):
    """In which kind of APDU protected ones travel, and which key protects them."""

    SERVICE = "service"
    """glo- and ded-: the tag tells the service inside.  Services that have no such tag travel in `GENERAL`."""
    GENERAL = "general"
    """general-glo- and general-ded-ciphering."""
    IDENTIFIED = "identified"
    """general-ciphering with the global key, unicast or broadcast."""
    WRAPPED = "wrapped"
    """general-ciphering with a key made for it, wrapped under the master key."""
    ONE_PASS = "one-pass"
    """general-ciphering with a key agreed by C(1e,1s): our ephemeral key, the peer's static one."""
    STATIC = "static"
    """general-ciphering with a key agreed by C(0e,2s): both static, a new key for each transaction-id."""

    @property
    def describes_key(self) -> bool:
        """Whether it is general-ciphering, which says whose message it is, for whom, and under which key."""
        return self not in (Envelope.SERVICE, Envelope.GENERAL)


class Policy(enum.IntFlag):
    """The protection that requests and responses must have, as the bits of Security setup version 1."""

    NOTHING = 0
    AUTHENTICATED_REQUEST = 1 << 2
    ENCRYPTED_REQUEST = 1 << 3
    SIGNED_REQUEST = 1 << 4
    AUTHENTICATED_RESPONSE = 1 << 5
    ENCRYPTED_RESPONSE = 1 << 6
    SIGNED_RESPONSE = 1 << 7

    @property
    def request(self) -> Protection:
        """What a request must have at the least."""
        return PROTECTIONS[int(self) >> _REQUEST & _ONE_SIDE]

    @property
    def response(self) -> Protection:
        """What a response must have at the least."""
        return PROTECTIONS[int(self) >> _RESPONSE & _ONE_SIDE]

    @classmethod
    def both(cls, protection: Protection) -> Policy:
        """The same protection of requests and responses."""
        return cls(protection << _REQUEST | protection << _RESPONSE)


ALL_BITS = sum(Policy)
"""Every bit that a policy can have."""


class Access(enum.IntFlag):
    """Access mode of an attribute or method: READ is also the right to call a method.

    The numbers are those of Association LN version 3: beside reading and writing, the protection that the request must have
    and the response will have.
    """

    NONE = 0
    READ = 1
    WRITE = 2
    READ_WRITE = 3
    AUTHENTICATED_REQUEST = int(Policy.AUTHENTICATED_REQUEST)
    ENCRYPTED_REQUEST = int(Policy.ENCRYPTED_REQUEST)
    SIGNED_REQUEST = int(Policy.SIGNED_REQUEST)
    AUTHENTICATED_RESPONSE = int(Policy.AUTHENTICATED_RESPONSE)
    ENCRYPTED_RESPONSE = int(Policy.ENCRYPTED_RESPONSE)
    SIGNED_RESPONSE = int(Policy.SIGNED_RESPONSE)

    @property
    def readable(self) -> bool:
        """Whether a GET is served."""
        return bool(self & 1)

    @property
    def writable(self) -> bool:
        """Whether a SET is served."""
        return bool(self & 2)

    @property
    def policy(self) -> Policy:
        """The protection that this access wants."""
        return Policy(self & ~3)

    @property
    def level(self) -> int:
        """The access mode as the versions before 3 write it: 0 to 3, or 4 to 6 where a request must be authenticated."""
        return (self & 3) + (3 if self & Access.AUTHENTICATED_REQUEST and self & 3 else 0)

    @property
    def method_level(self) -> int:
        """The mode of a method as the versions before 3 write it: 0 no access, 1 access, 2 when authenticated."""
        return bool(self & 1) + bool(self & 1 and self & Access.AUTHENTICATED_REQUEST)

    @classmethod
    def of_level(cls, mode: int) -> Access:
        """What an access mode of the versions before 3 allows: nothing where it is none."""
        if mode in (4, 5, 6):
            return cls(mode - 3) | cls.AUTHENTICATED_REQUEST
        return cls(mode) if 0 <= mode <= 3 else cls.NONE

    @classmethod
    def of_method_level(cls, mode: int) -> Access:
        """The same of a method."""
        return {1: cls.READ, 2: cls.READ | cls.AUTHENTICATED_REQUEST}.get(mode, cls.NONE)

    @classmethod
    def of_mask(cls, mode: int) -> Access:
        """What an access mode of Association LN version 3 or Association SN version 4 allows: nothing where it is none."""
        return cls(mode) if 0 <= mode <= 0xFF else cls.NONE

    def no_more_than(self, other: Access) -> bool:
        """Whether this allows nothing that `other` does not, and wants all the protection that `other` wants."""
        return not self & 3 & ~other and not (other & ~3) & ~self

    def __str__(self) -> str:
        sides = ((">", self.policy.request), ("<", self.policy.response))
        marks = "".join(
            mark + "".join(_LETTERS[bit] for bit in Protection if bit in side) for mark, side in sides if side
        )
        return "r" * self.readable + "w" * self.writable + marks


_LETTERS = {Protection.AUTHENTICATED: "a", Protection.ENCRYPTED: "e", Protection.SIGNED: "s"}
"""How rights name a protection in short: `rw>ae<a` is read and written by requests that are authenticated and encrypted,
and answered authenticated."""

KEY_IDS = {"encryption": 0, "broadcast": 1, "authentication": 2, "master": 3}
"""key_id of key_transfer and key_agreement, by the name of the key in a KeySet.  Blue Book, Security setup."""

LEVELS = tuple(Policy.both(Protection(level)) for level in range(4))
"""The policies of Security setup version 0 by their number: nothing, authenticated, encrypted, both."""

AUTHENTICATED_ENCRYPTED_POLICY = Policy.both(AUTHENTICATED_ENCRYPTED)
"""The policy of a new security context unless somebody says otherwise."""
