"""The client's side of protection: what leaves gets an envelope, what arrives must come in one that is no weaker.

The initiate inside AARQ and RLRQ is always authenticated and encrypted under the global key, and so are passes 3 and 4 of a
high level authentication; everything after them is protected as the user asked.  Green Book, protection of xDLMS APDUs.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections import deque

from dlms.acse import ACSE, Aare, Aarq, Rlre, Rlrq
from dlms.apdu import ConfirmedServiceError, ExceptionResponse
from dlms.apdu.protected import ENVELOPE_TAGS
from dlms.association import NOTIFICATION_NEEDS
from dlms.ciphering import TRANSACTION_ID, Ciphering, Opened, Security, Shape
from dlms.codec import Record, encode
from dlms.enums import AssociationResult
from dlms.errors import SecurityError
from dlms.security.channel import Channel
from dlms.security.counters import Counters, MemoryCounterStore
from dlms.security.keys import Secret
from dlms.security.policy import AUTHENTICATED_ENCRYPTED, Envelope, Protection

UNPROTECTED_TAGS = (ExceptionResponse.prefix, ConfirmedServiceError.prefix)
"""Refusals that a server sends when it cannot protect them: they are believed as refusals of what only reads."""
NOTIFICATION_TAGS = tuple(of.prefix for of in NOTIFICATION_NEEDS)
_TRANSACTIONS = 64
"""Requests whose answers can still come."""


class ClientCiphering:
    """Envelopes of one connection.  A new AARQ begins anew, with a new dedicated key where one is wanted."""

    def __init__(self, security: Security) -> None:
        self.security, self._global_shape = security, security.shape._replace(dedicated=False)
        self._initiate = b""
        self._asked: Aarq | None = None
        self._transactions: deque[bytes] = deque(maxlen=_TRANSACTIONS)
        """Transaction-ids of this association's requests, where the key of an answer can come along."""
        self._ciphering = self._new(security)

    @property
    def channel(self) -> Channel:
        """The keys and the two titles of the association."""
        return self._ciphering.channel

    @staticmethod
    def _new(security: Security, dedicated: Secret | None = None) -> Ciphering:
        provider = security.provider if dedicated is None else security.provider.with_dedicated(dedicated)
        channel = Channel(
            provider,
            security.counters,
            security.system_title,
            security.peer_title,
            dedicated_counters=None if dedicated is None else Counters(MemoryCounterStore()),
        )
        return Ciphering(channel, broadcast=security.broadcast, allow_unauthenticated=security.allow_unauthenticated)

    def prepared(self, apdu: Record) -> Record:
        """An AARQ or RLRQ with its initiate protected; other APDUs as they are.

        A further try of one AARQ keeps its dedicated key: the answer to either may come.
        """
        if isinstance(apdu, Aarq) and apdu is not self._asked:
            self._transactions.clear()
            self._asked, self._initiate = apdu, self._begun(apdu)
        if isinstance(apdu, Aarq | Rlrq):
            return dataclasses.replace(apdu, user_information=self._global(self._initiate))
        return apdu

    def _begun(self, aarq: Aarq) -> bytes:
        """The initiate, with a dedicated key made now."""
        if not self.security.dedicated:
            if self._asked is not None:
                self._ciphering = self._new(self.security)
            return aarq.user_information or b""
        key = Secret(secrets.token_bytes(self.security.provider.suite.key_length))
        self._ciphering = self._new(self.security, key)
        return encode(dataclasses.replace(aarq.initiate(), dedicated_key=key.reveal()))

    def _global(self, initiate: bytes) -> bytes:
        shape = self._global_shape
        if self.channel.known_peer is None:  # general-ciphering names the recipient, which is not known yet
            shape = Shape(broadcast=shape.broadcast)
        return self._ciphering.close(initiate, AUTHENTICATED_ENCRYPTED, shape)

    def close(self, data: bytes, *, authenticating: bool, broadcast: bool = False) -> bytes:
        """An encoded APDU in the envelope that the user asked for; while `authenticating` in that of the initiate.

        A `broadcast` goes under the broadcast key, in an envelope that may have it, and is always authenticated.
        """
        if data[0] in ACSE:
            return data
        if authenticating:
            return self._ciphering.close(data, AUTHENTICATED_ENCRYPTED, self._numbered(self._global_shape))
        protection, shape = self.security.protection, self.security.shape
        if not broadcast:
            return self._ciphering.close(data, protection, self._numbered(shape))
        envelope = Envelope.IDENTIFIED if shape.envelope.describes_key else shape.envelope
        shape = shape._replace(envelope=envelope, dedicated=False, broadcast=True)
        return self._ciphering.close(data, protection | Protection.AUTHENTICATED, shape)

    def _numbered(self, shape: Shape) -> Shape:
        """With a transaction-id that the answer must repeat, where its key comes along.

        The counters of such a key begin with it, so that they do not tell an answer of an association before this one.
        """
        if not shape.envelope.describes_key or shape.envelope is Envelope.IDENTIFIED:
            return shape
        self._transactions.append(secrets.token_bytes(TRANSACTION_ID))
        return shape._replace(transaction_id=self._transactions[-1])

    def accepted(self, apdu: Record) -> Record:
        """An AARE or RLRE with its initiate deciphered.  Raises SecurityError for one that accepts without proof."""
        if not isinstance(apdu, Aare | Rlre):
            return apdu
        information = apdu.user_information or b""
        if isinstance(apdu, Aare):
            if apdu.responding_ap_title is not None:
                self.channel.bind(apdu.responding_ap_title)
                self._told(apdu.responding_ap_title, apdu.responding_ae_qualifier)
            proof_due = apdu.result == AssociationResult.ACCEPTED
        else:
            proof_due = apdu.reason in (None, 0)
        if information[:1] and information[0] in ENVELOPE_TAGS:
            opened = self._ciphering.open(information, AUTHENTICATED_ENCRYPTED)
            return dataclasses.replace(apdu, user_information=opened.plain)
        if proof_due:
            raise SecurityError(f"{apdu.wire_name()} accepts, but its initiate is not protected")
        return apdu

    def _of_now(self, opened: Opened) -> bytes:
        """The plain APDU of an answer that belongs to this association.  Raises SecurityError for another."""
        shape = opened.shape
        came_along = shape.envelope.describes_key and shape.envelope is not Envelope.IDENTIFIED
        if came_along and opened.plain[:1] not in NOTIFICATION_TAGS and shape.transaction_id not in self._transactions:
            raise SecurityError(f"transaction {shape.transaction_id.hex()} is none of this association: an old answer?")
        return opened.plain

    def _told(self, title: bytes, certificate: bytes | None) -> None:
        """The meter has sent its certificate, which must be right where no signing key of it is on file."""
        channel = self.channel
        if certificate is not None and channel.provider.suite.curve_name is not None:
            channel.provider = channel.provider.with_sent_certificate(title, certificate)

    def open(self, data: bytes, *, authenticating: bool) -> bytes:
        """The plain APDU.  Raises SecurityError for one that is weaker than what was asked for.

        Refusals may come without any; who asks takes them for what they are.
        """
        required = AUTHENTICATED_ENCRYPTED if authenticating else self.security.protection
        if data[:1] and data[0] in ENVELOPE_TAGS:
            return self._of_now(self._ciphering.open(data, required))
        if data[:1] in UNPROTECTED_TAGS or (data and data[0] in ACSE):
            return data
        if required:
            raise SecurityError(f"an APDU of tag {data[:1].hex()} is not protected; it must be {required}")
        return data
