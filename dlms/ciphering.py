"""What one association says under protection: plain APDUs in, envelopes out, and back.  Sans-IO; both ends use it.

An envelope has at most one layer of ciphering and one signature.  Where the ciphering envelope carries any APDU the
signature is inside it; a service-specific one must hold its own service, so that the signature goes around it.  What is
opened was proven: the layer strong enough, the counter fresh, the tag right, the titles those of the two ends.  Green
Book, protection of xDLMS APDUs.
"""

from __future__ import annotations

import dataclasses
import secrets
from typing import NamedTuple

from dlms.apdu.protected import (
    CIPHERING,
    DED,
    ENVELOPE_TAGS,
    GENERAL_DED,
    GENERAL_GLO,
    GLO,
    GLOBAL_BROADCAST,
    GLOBAL_UNICAST,
    MASTER,
    PLAIN,
    SIGNING,
    AgreedKey,
    GeneralCiphering,
    GeneralDedCiphering,
    GeneralGloCiphering,
    GeneralSigning,
    IdentifiedKey,
    ServiceCiphered,
    WrappedKey,
    prefixed,
)
from dlms.codec import decode, encode
from dlms.errors import LocalProtocolError, SecurityError
from dlms.security.channel import Channel
from dlms.security.counters import Counters
from dlms.security.keys import Secret
from dlms.security.policy import AUTHENTICATED_ENCRYPTED, PROTECTIONS, Envelope, Protection
from dlms.security.protection import SYSTEM_TITLE_LENGTH, check_titles
from dlms.security.providers import KeyProvider
from dlms.security.suite import TAG_LENGTH, SecurityControl, SecuritySuite

TRANSACTION_ID = 16
"""Octets of our transaction-ids: random, as under a static key agreement one that repeats would repeat a key."""
_KEY_SET = 0x40
"""The bit of a security control that names the broadcast key."""
_ONE_PASS, _STATIC = b"\x01", b"\x02"
_HEAD = 5
_PROTECTION_BITS = 4
"""Where the two lowest bits of `Protection` stand in a security control."""
_LENGTH = 4
"""Octets of the longest length that an APDU needs."""


class Shape(NamedTuple):
    """How an envelope is made, apart from what it protects.  A response has the shape of its request."""

    envelope: Envelope = Envelope.SERVICE
    dedicated: bool = False
    broadcast: bool = False
    compressed: bool = False
    transaction_id: bytes = b""
    """That of a general-ciphering or -signing request: its response repeats it."""

    @property
    def holds_any(self) -> bool:
        """Whether any APDU can be inside, one that refuses too."""
        return self.envelope is not Envelope.SERVICE


class Opened(NamedTuple):
    """What an envelope held: a plain APDU, what protected it, and the envelope's shape."""

    plain: bytes
    protection: Protection
    shape: Shape

    def __repr__(self) -> str:
        return f"Opened({len(self.plain)} octets, {self.protection}, {self.shape.envelope})"


@dataclasses.dataclass(frozen=True, slots=True)
class Security:
    """What a client holds to talk to one meter under protection.

    `system_title` is ours; `peer_title` that of the meter, None to believe the one that it tells (what it sends must
    then be protected with it).  `protection` is what requests get and responses must have.  With `dedicated` each
    association makes a key of its own.  Encryption without authentication proves nothing and must be allowed.  Where
    anything is signed, our certificate goes along when the association is asked for, unless `tell_certificate` is False.
    Raises LocalProtocolError for what does not go together.
    """

    provider: KeyProvider
    counters: Counters
    system_title: bytes
    peer_title: bytes | None = None
    protection: Protection = AUTHENTICATED_ENCRYPTED
    envelope: Envelope = Envelope.SERVICE
    dedicated: bool = False
    broadcast: bool = False
    compressed: bool = False
    allow_unauthenticated: bool = False
    tell_certificate: bool = True

    def __post_init__(self) -> None:
        try:
            check_titles(self.system_title, *(() if self.peer_title is None else (self.peer_title,)))
        except SecurityError as fault:
            raise LocalProtocolError(str(fault)) from None
        ciphered = self.protection & AUTHENTICATED_ENCRYPTED
        if ciphered == Protection.ENCRYPTED and not self.allow_unauthenticated:
            raise LocalProtocolError("encryption without authentication proves nothing: it must be allowed by name")
        if self.dedicated and (self.envelope.describes_key or self.broadcast):
            raise LocalProtocolError("a dedicated key serves unicast glo- and ded- envelopes only")
        if self.broadcast and self.envelope.describes_key and self.envelope is not Envelope.IDENTIFIED:
            raise LocalProtocolError(f"there is no broadcast key in an envelope with a {self.envelope} key")
        if self.protection & Protection.SIGNED and self.provider.suite.curve_name is None:
            raise LocalProtocolError("security suite 0 has no signatures")

    def certificate(self, *, signing: bool) -> bytes | None:
        """Our certificate for the AARQ, DER, where the authentication is by `signing` or what we send is signed."""
        signs = signing or bool(self.protection & Protection.SIGNED)
        if not signs or not self.tell_certificate or self.provider.suite.curve_name is None:
            return None
        from dlms.security.certificates import Purpose  # X.509 is loaded by who signs

        return self.provider.certificate(Purpose.SIGNATURE)

    @property
    def shape(self) -> Shape:
        """How requests are wrapped."""
        return Shape(self.envelope, self.dedicated, self.broadcast, self.compressed)

    @property
    def general(self) -> bool:
        """Whether the envelopes need the conformance bit general-protection."""
        return self.envelope is not Envelope.SERVICE or bool(self.protection & Protection.SIGNED)

    @property
    def overhead(self) -> int:
        """Octets that a protected APDU has more than a plain one, at most."""
        return overhead(self.envelope, self.protection, self.provider.suite)


def overhead(envelope: Envelope, protection: Protection, suite: SecuritySuite) -> int:
    """Octets that protection adds to an APDU, at most."""
    added = 0
    if protection & AUTHENTICATED_ENCRYPTED:
        added += 1 + _LENGTH + _HEAD + TAG_LENGTH
        if envelope is not Envelope.SERVICE:
            added += 1 + SYSTEM_TITLE_LENGTH
        if envelope.describes_key:
            key = max(suite.key_length + 8, suite.public_key_length + suite.signature_length)
            added += 1 + TRANSACTION_ID + 1 + SYSTEM_TITLE_LENGTH + 2 + 3 + _LENGTH + key
    if protection & Protection.SIGNED:
        added += 1 + 1 + TRANSACTION_ID + 2 * (1 + SYSTEM_TITLE_LENGTH) + 2 + _LENGTH + 2 + suite.signature_length
    return added


class Claim(NamedTuple):
    """What the outside of a protected APDU says of it: nothing of that is proven."""

    title: bytes | None
    """Whose APDU it is, None where the envelope does not say it."""
    broadcast: bool
    """Whether the broadcast key protects it."""


def claimed(data: bytes) -> Claim:
    """What a protected APDU says of itself.  Raises DecodeError."""
    if data[0] == SIGNING:
        signed = decode(GeneralSigning, data)
        inside = signed.content[:1]
        ciphered = bool(inside) and inside[0] in ENVELOPE_TAGS and inside[0] != SIGNING
        return Claim(signed.originator_system_title, ciphered and claimed(signed.content).broadcast)
    if data[0] == CIPHERING:
        message = decode(GeneralCiphering, data)
        return Claim(message.originator_system_title, message.key_info == IdentifiedKey(GLOBAL_BROADCAST))
    if data[0] in (GENERAL_GLO, GENERAL_DED):
        general = decode(GeneralGloCiphering if data[0] == GENERAL_GLO else GeneralDedCiphering, data)
        return Claim(general.system_title, _in_broadcast(general.content))
    return Claim(None, _in_broadcast(decode(ServiceCiphered, data).content))


def _in_broadcast(content: bytes) -> bool:
    return bool(content and content[0] & _KEY_SET)


class Ciphering:
    """Opens and closes the envelopes of one association.  Raises SecurityError, CounterError, KeyMaterialError.

    `channel` has the keys, the counters and the two titles; with a dedicated key it must have that too.  `broadcast`
    tells which of the two global keys the peer must use.
    """

    def __init__(self, channel: Channel, *, broadcast: bool = False, allow_unauthenticated: bool = False) -> None:
        self.channel = channel
        self._broadcast, self._allow_unauthenticated = broadcast, allow_unauthenticated
        self._made: dict[Envelope, tuple[Channel, bytes]] = {}

    # closing

    def close(self, apdu: bytes, protection: Protection, shape: Shape) -> bytes:
        """`apdu` with this protection around it; as it is when there is none."""
        ciphered = bool(protection & AUTHENTICATED_ENCRYPTED)
        signed = bool(protection & Protection.SIGNED)
        outside = shape.envelope is Envelope.SERVICE and apdu[0] in GLO
        if signed and not (ciphered and outside):
            apdu = self._signed(apdu, shape)
        if ciphered:
            apdu = self._ciphered(apdu, protection, shape)
        return self._signed(apdu, shape) if signed and ciphered and outside else apdu

    def ready(self, protection: Protection, shape: Shape) -> None:
        """Makes sure that `close` will find a key and a counter.  Raises what it raises."""
        if not protection & AUTHENTICATED_ENCRYPTED:
            return
        if shape.envelope.describes_key:
            self._sending(shape, shape.transaction_id)[0].sending().ready()
        else:
            self.channel.sending(broadcast=shape.broadcast, dedicated=shape.dedicated).ready()

    def _ciphered(self, apdu: bytes, protection: Protection, shape: Shape) -> bytes:
        described = shape.envelope.describes_key
        control = self._control(protection, shape.broadcast and not described, shape.compressed)
        if described:
            return self._general_ciphering(apdu, control, shape)
        content = self.channel.protect(apdu, control, dedicated=shape.dedicated)
        tag = (DED if shape.dedicated else GLO).get(apdu[0])
        if shape.envelope is Envelope.SERVICE and tag is not None:
            return encode(ServiceCiphered(tag, content))
        kind = GeneralDedCiphering if shape.dedicated else GeneralGloCiphering
        return encode(kind(self.channel.own_title, content))

    def _control(self, protection: Protection, broadcast: bool, compressed: bool = False) -> SecurityControl:
        bits = int(protection & AUTHENTICATED_ENCRYPTED) << _PROTECTION_BITS | broadcast << 6 | compressed << 7
        return SecurityControl.parse(self.channel.provider.suite.id | bits)

    def _general_ciphering(self, apdu: bytes, control: SecurityControl, shape: Shape) -> bytes:
        transaction_id = shape.transaction_id or secrets.token_bytes(TRANSACTION_ID)
        channel, key_info = self._sending(shape, transaction_id)
        header = self._header(transaction_id, shape.broadcast)
        content = channel.protect(apdu, control, prefixed(*header))
        return encode(GeneralCiphering(*header, key_info, content))

    def _header(self, transaction_id: bytes, broadcast: bool) -> tuple[bytes, bytes, bytes, bytes, bytes]:
        """Transaction-id, originator, recipient (nobody: everybody), date-time and other information of what we send."""
        return transaction_id, self.channel.own_title, b"" if broadcast else self.channel.peer_title, b"", b""

    def _sending(self, shape: Shape, transaction_id: bytes) -> tuple[Channel, IdentifiedKey | WrappedKey | AgreedKey]:
        """The channel whose key protects what we send, and how the message describes that key."""
        if shape.envelope is Envelope.IDENTIFIED:
            key_id = GLOBAL_BROADCAST if shape.broadcast else GLOBAL_UNICAST
            return self._global_channel(shape.broadcast), IdentifiedKey(key_id)
        if shape.envelope is Envelope.STATIC:
            return self._static_channel(transaction_id, by_us=True), AgreedKey(_STATIC, b"")
        if shape.envelope not in self._made:
            self._made[shape.envelope] = self._new_key(shape.envelope)
        channel, blob = self._made[shape.envelope]
        return channel, WrappedKey(MASTER, blob) if shape.envelope is Envelope.WRAPPED else AgreedKey(_ONE_PASS, blob)

    def _new_key(self, envelope: Envelope) -> tuple[Channel, bytes]:
        """A key made for what we send in this association, and what tells it to the peer."""
        provider = self.channel.provider
        if envelope is Envelope.WRAPPED:
            key = Secret(secrets.token_bytes(provider.suite.key_length))
            blob = provider.wrap(key)
        else:
            from dlms.security import agreement, points  # public key code is loaded by who uses it

            ephemeral = points.generate(provider.suite)
            titles = self.channel.own_title, self.channel.peer_title
            key = agreement.agree(ephemeral, self._peer_point(), provider.suite, *titles)
            blob = agreement.signed_ephemeral(ephemeral.public_key(), provider.suite, provider.sign)
        return self.channel.derived(provider.with_encryption(key), forgetful=True), blob

    def _global_channel(self, broadcast: bool) -> Channel:
        """The channel of an identified key."""
        return self.channel.derived(self.channel.provider.broadcasting()) if broadcast else self.channel

    def _static_channel(self, transaction_id: bytes, *, by_us: bool) -> Channel:
        own, peer = self.channel.own_title, self.channel.peer_title
        titles = (own, peer) if by_us else (peer, own)
        provider = self.channel.provider
        key = provider.agree(self._peer_point(), *titles, transaction_id=transaction_id)
        return self.channel.derived(provider.with_encryption(key))

    def _peer_point(self) -> bytes:
        from dlms.security.certificates import Purpose

        return self.channel.provider.peer_key(self.channel.peer_title, Purpose.KEY_AGREEMENT)

    def _signed(self, apdu: bytes, shape: Shape) -> bytes:
        header = self._header(shape.transaction_id or secrets.token_bytes(TRANSACTION_ID), shape.broadcast)
        signature = self.channel.provider.sign(prefixed(*header, apdu))
        return encode(GeneralSigning(*header, apdu, signature))

    # opening

    def open(self, data: bytes, required: Protection = Protection.NONE) -> Opened:
        """The plain APDU inside, when its protection covers `required`.

        What is refused leaves every counter as it was; one that was refused for its signature alone, inside a layer of
        ciphering that proved itself, has used its counter up.
        """
        found, shape = Protection.NONE, Shape()
        while data[:1] and data[0] in ENVELOPE_TAGS:
            if data[0] == SIGNING:
                if Protection.SIGNED in found:
                    raise SecurityError("an APDU is signed twice")
                data, transaction_id = self._verified(data)
                found |= Protection.SIGNED
                if not shape.transaction_id:
                    shape = shape._replace(transaction_id=transaction_id)
            else:
                if found & AUTHENTICATED_ENCRYPTED:
                    raise SecurityError("an APDU is ciphered twice")
                signed = shape
                data, layer, shape = self._deciphered(data, required)
                found |= layer
                if signed.transaction_id and not shape.transaction_id:
                    shape = shape._replace(transaction_id=signed.transaction_id)
        if not found.covers(required):
            raise SecurityError(f"the APDU is {found}; it must be {required}")
        return Opened(data, found, shape)

    def _deciphered(self, data: bytes, required: Protection) -> tuple[bytes, Protection, Shape]:
        wanted = required & AUTHENTICATED_ENCRYPTED
        if not self._allow_unauthenticated:
            wanted |= Protection.AUTHENTICATED
        inside, header, channel = None, b"", self.channel
        broadcast = self._broadcast
        if data[0] == CIPHERING:
            message = decode(GeneralCiphering, data)
            channel, envelope = self._receiving(message)
            header, content = prefixed(*message.header), message.content
            shape = Shape(envelope, broadcast=broadcast, transaction_id=message.transaction_id)
            broadcast = False  # the key description names the key set, and the security control must not
        elif data[0] in (GENERAL_GLO, GENERAL_DED):
            general = decode(GeneralGloCiphering if data[0] == GENERAL_GLO else GeneralDedCiphering, data)
            self._check_peer(general.system_title)
            content, shape = general.content, Shape(Envelope.GENERAL, data[0] == GENERAL_DED, broadcast)
        else:
            service = decode(ServiceCiphered, data)
            content, inside = service.content, PLAIN[service.tag]
            shape = Shape(Envelope.SERVICE, service.dedicated, broadcast)
        opened = channel.unprotect(content, self._control(wanted, broadcast), header, dedicated=shape.dedicated)
        if inside is not None and opened.plaintext[:1] != bytes((inside,)):
            raise SecurityError(
                f"an envelope {data[0]:#04x} holds an APDU of tag {opened.plaintext[:1].hex() or 'none'}"
            )
        layer = PROTECTIONS[opened.control.octet >> _PROTECTION_BITS & int(AUTHENTICATED_ENCRYPTED)]
        if opened.control.compressed:
            shape = shape._replace(compressed=True)
        return opened.plaintext, layer, shape

    def _receiving(self, message: GeneralCiphering) -> tuple[Channel, Envelope]:
        """The channel of the key that a general-ciphering message describes."""
        self._check_parties(message)
        provider = self.channel.provider
        match message.key_info:
            case IdentifiedKey(key_id) if key_id == (GLOBAL_BROADCAST if self._broadcast else GLOBAL_UNICAST):
                return self._global_channel(self._broadcast), Envelope.IDENTIFIED
            case WrappedKey(kek_id, blob) if kek_id == MASTER:
                return self.channel.derived(provider.with_encryption(provider.unwrap(blob))), Envelope.WRAPPED
            case AgreedKey(parameters, blob) if parameters == _ONE_PASS:
                return self._one_pass(blob), Envelope.ONE_PASS
            case AgreedKey(parameters, blob) if parameters == _STATIC and not blob:
                return self._static_channel(message.transaction_id, by_us=False), Envelope.STATIC
        raise SecurityError("the key of a general-ciphering message is none that this association uses")

    def _one_pass(self, blob: bytes) -> Channel:
        from dlms.security import agreement

        provider = self.channel.provider
        ephemeral = agreement.verified_ephemeral(blob, provider.suite, self._verify)
        key = provider.agree(ephemeral, self.channel.peer_title, self.channel.own_title)
        return self.channel.derived(provider.with_encryption(key))

    def _verified(self, data: bytes) -> tuple[bytes, bytes]:
        """The content of a signed APDU whose signature is the peer's, and its transaction-id."""
        message = decode(GeneralSigning, data)
        self._check_parties(message)
        self._verify(message.signature, prefixed(*message.header, message.content))
        return message.content, message.transaction_id

    def _verify(self, signature: bytes, data: bytes) -> None:
        self.channel.provider.verify(self.channel.peer_title, signature, data)

    def _check_parties(self, message: GeneralCiphering | GeneralSigning) -> None:
        self._check_peer(message.originator_system_title)
        if message.recipient_system_title not in (self.channel.own_title, b"" if self._broadcast else None):
            raise SecurityError(f"the APDU is meant for {message.recipient_system_title.hex() or 'nobody'}, not for us")

    def _check_peer(self, title: bytes) -> None:
        if title != self.channel.peer_title:
            raise SecurityError(f"the APDU comes from {title.hex()}, not from {self.channel.peer_title.hex()}")
