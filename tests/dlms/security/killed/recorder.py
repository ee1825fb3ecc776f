"""The recorder on the wire: every (key, system title, invocation counter) that passes, in both directions.

It holds the keys, and finds out by the tag which one protects a message: what a message says of its key is not believed.
Keys that came along (dedicated, wrapped, agreed) are keys of their own.  A proof of HLS GMAC is a message too: its nonce
is of the same series, and it is found inside the APDU that carries it.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

from dlms.acse import Aare, Aarq, decode_acse
from dlms.apdu import ActionRequestNormal, ActionResponseNormal, decode_apdu
from dlms.apdu.initiate import InitiateRequest
from dlms.apdu.protected import (
    CIPHERING,
    ENVELOPE_TAGS,
    GENERAL_DED,
    GENERAL_GLO,
    SIGNING,
    AgreedKey,
    GeneralCiphering,
    GeneralDedCiphering,
    GeneralGloCiphering,
    GeneralSigning,
    ServiceCiphered,
    WrappedKey,
    prefixed,
)
from dlms.codec import decode
from dlms.errors import DlmsError
from dlms.security.providers import MemoryKeyProvider

TAG, HEAD = 12, 5
PROOF = 17
"""Octets of a proof of HLS GMAC: security control, counter, tag."""


class Triple(NamedTuple):
    """What must never come twice."""

    key: str
    title: bytes
    counter: int


@dataclasses.dataclass(frozen=True, slots=True)
class Sighting:
    """Where a triple was seen: in whose life, on which connection, in which octets."""

    life: int
    connection: int
    octets: bytes


@dataclasses.dataclass
class Keys:
    """What both ends hold: every encryption key there was, the authentication keys, the master keys."""

    encryption: list[bytes]
    authentication: list[bytes]
    master: list[bytes]
    agree: Callable[[GeneralCiphering], bytes] = lambda message: b""
    """The key of a general-ciphering message with an agreed one."""


class Recorder:
    """Keeps what it sees; `titles` are those of client and server.

    `more_keys` is asked once for each message whose key is not known, and adds to `keys`.
    """

    def __init__(
        self, keys: Keys, titles: tuple[bytes, bytes], more_keys: Callable[[Keys], None] = lambda keys: None
    ) -> None:
        self.keys, self.titles, self._more_keys = keys, titles, more_keys
        self.seen: dict[Triple, Sighting] = {}
        self.repeated: list[tuple[Triple, Sighting, Sighting]] = []
        """Triples that came again, in other octets or from another life or connection."""
        self.same_message = 0
        """Messages that came again, octet for octet, on the same connection: a frame repeated, a datagram answered again."""
        self.unknown: list[bytes] = []
        """Messages that no key opens."""
        self.proofs = 0
        self._dedicated: list[bytes] = []
        self._challenges: dict[tuple[int, bytes], bytes] = {}
        """What the end with this title has to answer on a connection."""

    def apdu(self, data: bytes, title: bytes, life: int, connection: int) -> None:
        """One APDU as it passes, sent by the end with this system title."""
        if data[:1] in (b"\x60", b"\x61", b"\x62", b"\x63"):
            acse = decode_acse(data)
            if isinstance(acse, Aarq):
                self._challenges[connection, self.titles[1]] = acse.calling_authentication_value or b""
            elif isinstance(acse, Aare):
                self._challenges[connection, self.titles[0]] = acse.responding_authentication_value or b""
            data = acse.user_information or b""
        while data[:1] == bytes((SIGNING,)):
            data = decode(GeneralSigning, data).content
        if data[:1] and data[0] in ENVELOPE_TAGS:
            data = self._envelope(data, title, life, connection)
        if data:
            self._plain(data, title, life, connection)

    def last_sent(self, title: bytes) -> int:
        """The highest counter of this title under the keys that both ends have had from the beginning."""
        names = [_name(key) for key in self.keys.encryption]
        return max(one.counter for one in self.seen if one.title == title and one.key in names)

    def _envelope(self, data: bytes, title: bytes, life: int, connection: int) -> bytes:
        header, candidates = b"", [*self.keys.encryption]
        if data[0] == CIPHERING:
            message = decode(GeneralCiphering, data)
            title, content, header = message.originator_system_title, message.content, prefixed(*message.header)
            candidates = self._described(message) or candidates
        elif data[0] in (GENERAL_GLO, GENERAL_DED):
            general = decode(GeneralGloCiphering if data[0] == GENERAL_GLO else GeneralDedCiphering, data)
            title, content = general.system_title, general.content
        else:
            content = decode(ServiceCiphered, data).content
        if data[0] != CIPHERING:
            candidates = [*reversed(self._dedicated), *candidates]
        key = self._key(content, title, header, candidates)
        if key is None:
            self._more_keys(self.keys)
            key = self._key(content, title, header, self.keys.encryption)
        if key is None:
            self.unknown.append(data)
            return b""
        self._note(key, title, content, data, life, connection)
        return _keystream(key, title + content[1:HEAD], content[HEAD:-TAG])

    def _described(self, message: GeneralCiphering) -> list[bytes]:
        """The key that came along, where one did."""
        if isinstance(message.key_info, AgreedKey):
            return [self.keys.agree(message)]
        if not isinstance(message.key_info, WrappedKey):
            return []
        found = []
        for master in self.keys.master:
            try:
                found.append(aes_key_unwrap(master, message.key_info.key_ciphered_data))
            except InvalidUnwrap:
                continue
        return found

    def _key(self, content: bytes, title: bytes, header: bytes, keys: Iterable[bytes]) -> bytes | None:
        """The key whose tag fits.  Everything here is authenticated and encrypted."""
        nonce = title + content[1:HEAD]
        for key in dict.fromkeys(keys):
            plain = _keystream(key, nonce, content[HEAD:-TAG])
            for authentication in self.keys.authentication:
                # the library wants tags of 16 octets: what was opened is sealed again, and the tags are compared
                sealed = AESGCM(key).encrypt(nonce, plain, content[:1] + authentication + header)
                if sealed[: len(plain) + TAG] == content[HEAD:]:
                    return key
        return None

    def _proof_key(self, proof: bytes, title: bytes, challenge: bytes) -> bytes | None:
        """The key of a proof of HLS GMAC."""
        for key in self.keys.encryption:
            for authentication in self.keys.authentication:
                associated = proof[:1] + authentication + challenge
                if AESGCM(key).encrypt(title + proof[1:HEAD], b"", associated)[:TAG] == proof[HEAD:]:
                    return key
        return None

    def _plain(self, data: bytes, title: bytes, life: int, connection: int) -> None:
        """A dedicated key is learnt; the proofs of HLS GMAC are noted."""
        if data[:1] == InitiateRequest.prefix:
            made = decode(InitiateRequest, data).dedicated_key
            if made is not None and made not in self._dedicated:
                self._dedicated = [*self._dedicated[-7:], made]
            return
        try:
            apdu = decode_apdu(data)
        except DlmsError:
            return
        proof: object = None
        if isinstance(apdu, ActionRequestNormal):
            proof = apdu.parameters
        elif isinstance(apdu, ActionResponseNormal):
            proof = apdu.response.return_parameters
        if not isinstance(proof, bytes) or len(proof) != PROOF:
            return
        key = self._proof_key(proof, title, self._challenges.get((connection, title), b""))
        if key is not None:
            self.proofs += 1
            self._note(key, title, proof, proof, life, connection)

    def _note(self, key: bytes, title: bytes, head: bytes, octets: bytes, life: int, connection: int) -> None:
        triple = Triple(_name(key), title, int.from_bytes(head[1:HEAD], "big"))
        now = Sighting(life, connection, octets)
        before = self.seen.setdefault(triple, now)
        if before is now:
            return
        if before == now:
            self.same_message += 1
        else:
            self.repeated.append((triple, before, now))


def _name(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:16]


def _keystream(key: bytes, nonce: bytes, data: bytes) -> bytes:
    """AES in counter mode, as in GCM from its second block on."""
    decryptor = Cipher(algorithms.AES(key), modes.CTR(nonce + b"\0\0\0\2")).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def agreeing(providers: dict[bytes, MemoryKeyProvider]) -> Callable[[GeneralCiphering], bytes]:
    """Agreed keys, by the private key of the recipient; `providers` by system title."""

    def agree(message: GeneralCiphering) -> bytes:
        from dlms.security.certificates import Purpose

        originator, recipient = message.originator_system_title, message.recipient_system_title
        provider, info = providers[recipient], message.key_info
        size = provider.suite.public_key_length
        if info.key_parameters == b"\x01":
            return provider.agree(info.key_ciphered_data[:size], originator, recipient).reveal()
        point = provider.peer_key(originator, Purpose.KEY_AGREEMENT)
        return provider.agree(point, originator, recipient, transaction_id=message.transaction_id).reveal()

    return agree
