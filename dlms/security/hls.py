"""High level security: how client and server prove to each other that they know the secret.

Four passes: the client sends the challenge CtoS, the server StoC; the client answers f(StoC), the server f(CtoS).
Each mechanism is a `Scheme`, one function for both sides: `prove(received, sent)`.  A `Handshake` runs one of them
in the only order that is safe for its side, once.  Green Book, HLS authentication.
"""

from __future__ import annotations

import dataclasses
import enum
import hmac
import secrets
from collections.abc import Callable
from functools import partial
from typing import Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dlms.enums import Mechanism
from dlms.errors import LocalProtocolError, SecurityError
from dlms.security.channel import Channel
from dlms.security.counters import check_fresh
from dlms.security.keys import KeyLike, KeyMaterialError, Secret
from dlms.security.protection import check_titles, opening
from dlms.security.suite import TAG_LENGTH, SecurityControl

MAX_CHALLENGE = 64
"""Octets of the longest challenge."""

WEAK = frozenset({Mechanism.HLS, Mechanism.HLS_MD5, Mechanism.HLS_SHA1})
"""Mechanisms that bind neither the two titles nor both challenges: they must be allowed explicitly."""

_GMAC_HEAD = 5


def min_challenge(mechanism: Mechanism) -> int:
    """Octets of the shortest challenge: 32 for ECDSA, else 8."""
    return 32 if mechanism is Mechanism.HLS_ECDSA else 8


def new_challenge(mechanism: Mechanism, length: int | None = None) -> bytes:
    """A challenge of `length` random octets; without `length` 32, or 64 for ECDSA.

    Raises LocalProtocolError for a length that the mechanism does not allow.
    """
    shortest = min_challenge(mechanism)
    length = max(32, 2 * shortest) if length is None else length
    if not shortest <= length <= MAX_CHALLENGE:
        raise LocalProtocolError(f"a challenge of {length} octets is not allowed: {shortest} to {MAX_CHALLENGE} are")
    return secrets.token_bytes(length)


def check_challenge(mechanism: Mechanism, received: bytes, sent: bytes) -> None:
    """Refuses a peer's challenge that is too short, too long, or our own sent back.  Raises SecurityError."""
    shortest = min_challenge(mechanism)
    if not shortest <= len(received) <= MAX_CHALLENGE:
        raise SecurityError(f"a challenge has {shortest} to {MAX_CHALLENGE} octets, this one {len(received)}")
    if received == sent:
        raise SecurityError("the peer sent our own challenge back")


class Scheme(Protocol):
    """One mechanism with one side's secrets.  `received` is the peer's challenge, `sent` our own."""

    @property
    def mechanism(self) -> Mechanism:
        """Which mechanism this is."""
        ...

    def prove(self, received: bytes, sent: bytes) -> bytes:
        """Our answer to the challenge that we received."""
        ...

    def check(self, answer: bytes, received: bytes, sent: bytes) -> None:
        """Judges the peer's answer to the challenge that we sent.  Raises SecurityError."""
        ...


VendorFunction = Callable[[Secret, bytes], bytes]
"""Mechanism 2: the answer from the secret and a challenge."""


def aes_128_ecb(secret: Secret, challenge: bytes) -> bytes:
    """The common choice for mechanism 2: AES-128 in ECB mode, secret and challenge padded with zeros to 16 octets.

    No book defines it; other vendors do other things.  Raises KeyMaterialError for a secret longer than 16 octets.
    """
    if len(secret) > 16:
        raise KeyMaterialError(f"the AES scheme of mechanism 2 takes a secret of at most 16 octets, not {len(secret)}")
    encryptor = Cipher(algorithms.AES(secret.reveal().ljust(16, b"\0")), modes.ECB()).encryptor()
    return encryptor.update(challenge + bytes(-len(challenge) % 16)) + encryptor.finalize()


VENDOR_SCHEMES: dict[str, VendorFunction] = {"aes-128-ecb": aes_128_ecb}
"""What can stand behind mechanism 2, by name."""


def _digest_answer(algorithm: hashes.HashAlgorithm, *parts: bytes) -> bytes:
    digest = hashes.Hash(algorithm)
    for part in parts:
        digest.update(part)
    return digest.finalize()


def _md5(secret: Secret, challenge: bytes) -> bytes:
    return _digest_answer(hashes.MD5(), challenge, secret.reveal())


def _sha1(secret: Secret, challenge: bytes) -> bytes:
    return _digest_answer(hashes.SHA1(), challenge, secret.reveal())


_WEAK_FUNCTIONS: dict[Mechanism, VendorFunction] = {Mechanism.HLS_MD5: _md5, Mechanism.HLS_SHA1: _sha1}


class SecretScheme:
    """Mechanisms 2, 3 and 4: the answer depends on secret and challenge alone.

    3 is MD5(challenge || secret), 4 is SHA-1 of the same, 2 is `vendor`.  A third party can make one side answer for
    the other, so that the caller must say `allow_weak=True`.
    """

    def __init__(
        self,
        mechanism: Mechanism,
        secret: KeyLike,
        *,
        allow_weak: bool = False,
        vendor: VendorFunction = aes_128_ecb,
    ) -> None:
        if mechanism not in WEAK:
            raise LocalProtocolError(f"{mechanism.name} is not a mechanism of secret and challenge alone")
        if not allow_weak:
            raise LocalProtocolError(f"{mechanism.name} is weak and must be allowed explicitly")
        self.mechanism = mechanism
        self._secret = _not_empty(secret)
        self._function = _WEAK_FUNCTIONS.get(mechanism, vendor)

    def prove(self, received: bytes, sent: bytes) -> bytes:
        """The function of the mechanism over the challenge that we received."""
        return self._function(self._secret, received)

    def check(self, answer: bytes, received: bytes, sent: bytes) -> None:
        """The function of the mechanism over our own challenge is the answer.  Raises SecurityError."""
        _compare(self._function(self._secret, sent), answer)


@dataclasses.dataclass(frozen=True)
class Sha256Scheme:
    """Mechanism 6: SHA-256(secret || prover's title || verifier's title || challenge received || challenge sent)."""

    secret: Secret
    own_title: bytes
    peer_title: bytes
    mechanism: Mechanism = dataclasses.field(default=Mechanism.HLS_SHA256, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "secret", _not_empty(self.secret))  # bytes that slipped in would show in the repr
        check_titles(self.own_title, self.peer_title)

    def prove(self, received: bytes, sent: bytes) -> bytes:
        """Our answer."""
        return self._answer(self.own_title, self.peer_title, received, sent)

    def check(self, answer: bytes, received: bytes, sent: bytes) -> None:
        """What the peer must answer is what it answered.  Raises SecurityError."""
        _compare(self._answer(self.peer_title, self.own_title, sent, received), answer)

    def _answer(self, *parts: bytes) -> bytes:
        return _digest_answer(hashes.SHA256(), self.secret.reveal(), *parts)


@dataclasses.dataclass(frozen=True)
class GmacScheme:
    """Mechanism 5: SC || IC || GMAC over the received challenge, with the channel's keys, titles and counters.

    It is the tag of a message that is authenticated only and whose content is the challenge, left out.  In a ciphered
    context the answer travels in a message whose own counter was drawn after the answer's and accepted before it, so that
    the answer's counter may be lower; it must be one that nothing had that was accepted since the scheme was made.  Two
    messages with one nonce give the authentication key away: only for a peer that does just that, the message and the
    answer in it may have the same (`shares_counter`).
    """

    channel: Channel
    shares_counter: bool = False
    mechanism: Mechanism = dataclasses.field(default=Mechanism.HLS_GMAC, init=False)
    lowest: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lowest", self.channel.receiving().expected)

    @property
    def control(self) -> SecurityControl:
        """Authenticated only, unicast, in the suite of the keys."""
        return SecurityControl(self.channel.provider.suite.id, authenticated=True)

    def prove(self, received: bytes, sent: bytes) -> bytes:
        """Our answer, 17 octets; draws a counter."""
        message = self.channel.protect(received, self.control)
        return message[:_GMAC_HEAD] + message[-TAG_LENGTH:]

    def check(self, answer: bytes, received: bytes, sent: bytes) -> None:
        """The answer is a fresh tag over our challenge, its security control exactly this.  Raises SecurityError."""
        if len(answer) != _GMAC_HEAD + TAG_LENGTH or answer[0] != self.control.octet:
            raise SecurityError(f"an answer of HLS GMAC has 17 octets and starts with {self.control.octet:02x}")
        _, value = opening(answer)
        check_fresh(value, self.lowest - 1)
        counter = self.channel.receiving()
        shared = self.shares_counter and value == counter.expected - 1
        if not shared:
            counter.check_unused(value)
        body = answer[:_GMAC_HEAD] + sent + answer[_GMAC_HEAD:]
        self.channel.provider.unprotect(body, self.channel.peer_title)
        object.__setattr__(self, "lowest", value + 1)
        if not shared:
            counter.take(value)


@dataclasses.dataclass(frozen=True)
class EcdsaScheme:
    """Mechanism 7: the signature of prover's title || verifier's title || challenge received || challenge sent.

    `sign(data)` gives r || s with our signing key; `verify(signature, data)` raises SecurityError unless it is the
    peer's: `functools.partial(signature.verify, peer_key, suite)`.
    """

    sign: Callable[[bytes], bytes]
    verify: Callable[[bytes, bytes], None]
    own_title: bytes
    peer_title: bytes
    mechanism: Mechanism = dataclasses.field(default=Mechanism.HLS_ECDSA, init=False)

    def __post_init__(self) -> None:
        check_titles(self.own_title, self.peer_title)

    def prove(self, received: bytes, sent: bytes) -> bytes:
        """Our signature."""
        return self.sign(self.own_title + self.peer_title + received + sent)

    def check(self, answer: bytes, received: bytes, sent: bytes) -> None:
        """The peer's signature is right.  Raises SecurityError."""
        self.verify(answer, self.peer_title + self.own_title + sent + received)


def scheme_of(
    mechanism: Mechanism,
    secret: bytes,
    own_title: bytes,
    peer_title: bytes,
    channel: Channel | None,
    *,
    shares_counter: bool = False,
    vendor: VendorFunction | None = None,
) -> Scheme:
    """One side's scheme; who chose a weak mechanism has allowed it.  `shares_counter` is for HLS GMAC, `vendor` for 2.

    `secret` and the titles are looked at where the mechanism needs them, and so is `channel`, whose provider also signs and
    verifies.  Raises SecurityError without the channel that is needed, or for a bad title, KeyMaterialError for an empty
    secret.
    """
    if mechanism in WEAK:
        return SecretScheme(mechanism, secret, allow_weak=True, vendor=vendor or aes_128_ecb)
    if mechanism is Mechanism.HLS_SHA256:
        return Sha256Scheme(Secret(secret), own_title, peer_title)
    if channel is None:
        raise SecurityError(f"{mechanism.name} needs keys")
    if mechanism is Mechanism.HLS_GMAC:
        return GmacScheme(channel, shares_counter)
    return EcdsaScheme(channel.provider.sign, partial(channel.provider.verify, peer_title), own_title, peer_title)


class Role(enum.StrEnum):
    """Which side of the association."""

    CLIENT = "client"
    SERVER = "server"


class _Step(enum.StrEnum):
    """What a handshake does, in the words of its methods."""

    RECEIVE = "receive"
    PROVE = "prove"
    CHECK = "check"


_ORDER = {
    Role.CLIENT: (_Step.RECEIVE, _Step.PROVE, _Step.CHECK),
    # a server that proved itself first would answer anybody's challenge
    Role.SERVER: (_Step.RECEIVE, _Step.CHECK, _Step.PROVE),
}


class Handshake:
    """One authentication of one association: `challenge` goes out, then the steps of the role, each once.

    A client does receive, prove, check; a server receive, check, prove.  Anything refused ends it: the next attempt
    takes a new Handshake with a new challenge.  Only `authenticated` tells success.
    """

    def __init__(self, mechanism: Mechanism, role: Role, challenge_length: int | None = None) -> None:
        self.mechanism, self.role = mechanism, role
        self.challenge = new_challenge(mechanism, challenge_length)
        self._received = b""
        self._scheme: Scheme | None = None
        self._steps = list(_ORDER[role])
        self._failed = False

    def __repr__(self) -> str:
        return f"<Handshake of a {self.role}, {self.mechanism.name}>"

    @property
    def authenticated(self) -> bool:
        """Whether the peer has proved itself and every step was done."""
        return not self._failed and not self._steps

    def answers(self, mechanism: Mechanism, challenge: bytes | None) -> bool:
        """Whether this waits for the proof of the peer that sent `challenge`."""
        waits = not self._failed and self._steps[:1] == [_Step.CHECK]
        return waits and (mechanism, challenge) == (self.mechanism, self._received)

    def receive(self, challenge: bytes, scheme: Scheme) -> None:
        """Takes the peer's challenge, and the scheme, which may need the peer's title and so comes now.

        Raises SecurityError when the challenge is not a legal one, LocalProtocolError for another mechanism's scheme.
        """
        self._enter(_Step.RECEIVE)
        if scheme.mechanism is not self.mechanism:
            raise LocalProtocolError(f"a scheme of {scheme.mechanism.name} does not serve {self.mechanism.name}")
        check_challenge(self.mechanism, challenge, self.challenge)
        self._received, self._scheme = challenge, scheme
        self._leave()

    def prove(self) -> bytes:
        """Our answer to the peer's challenge."""
        self._enter(_Step.PROVE)
        answer = self._known_scheme().prove(self._received, self.challenge)
        self._leave()
        return answer

    def check(self, answer: bytes) -> None:
        """Judges the peer's answer to our challenge.  Raises SecurityError."""
        self._enter(_Step.CHECK)
        self._known_scheme().check(answer, self._received, self.challenge)
        self._leave()

    def _known_scheme(self) -> Scheme:
        assert self._scheme is not None, "the order of the steps puts `receive` first"
        return self._scheme

    def _enter(self, step: _Step) -> None:
        """The step has begun: until `_leave` the handshake counts as failed."""
        if self._failed or not self._steps or self._steps[0] is not step:
            self._failed = True
            raise LocalProtocolError(f"this HLS handshake of a {self.role} cannot {step} now")
        self._failed = True

    def _leave(self) -> None:
        self._failed = False
        del self._steps[0]


def _compare(expected: bytes, answer: bytes) -> None:
    if not hmac.compare_digest(expected, answer):
        raise SecurityError("the answer to the challenge is wrong: the peer does not know the secret")


def _not_empty(secret: KeyLike) -> Secret:
    kept = Secret(secret)
    if not kept:
        raise KeyMaterialError("an empty secret proves nothing")
    return kept
