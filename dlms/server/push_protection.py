"""How a device protects what it pushes outside of an association.  Green Book, protection of xDLMS APDUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlms.ciphering import Ciphering, Shape
from dlms.errors import LocalProtocolError, SecurityError
from dlms.security.channel import Channel
from dlms.security.policy import AUTHENTICATED_ENCRYPTED, Envelope, Protection

if TYPE_CHECKING:
    from dlms.server.security import SecuritySetup


class PushProtection:
    """Pushes to one recipient under the keys and the counters of a security setup, and what it answers.

    `recipient` is its system title.  Protection is this one and what the policy of the setup wants of responses besides.
    With `broadcast` the broadcast key is used, which every recipient has.  Raises LocalProtocolError for an envelope in
    which a push cannot travel, and where the protection does not tell a repetition: that takes authentication.
    """

    def __init__(
        self,
        setup: SecuritySetup,
        recipient: bytes,
        protection: Protection = AUTHENTICATED_ENCRYPTED,
        envelope: Envelope = Envelope.GENERAL,
        *,
        broadcast: bool = False,
    ) -> None:
        if envelope is Envelope.SERVICE:
            raise LocalProtocolError("a push outside of an association travels in an envelope that names its sender")
        if broadcast and envelope not in (Envelope.GENERAL, Envelope.IDENTIFIED):
            raise LocalProtocolError(f"there is no broadcast key in an envelope with a {envelope} key")
        if Protection.AUTHENTICATED not in protection:
            raise LocalProtocolError(f"a push that is only {protection} can be repeated by anybody")
        self._setup, self._recipient, self._protection = setup, recipient, protection
        self._shape = Shape(envelope, broadcast=broadcast)
        self._provider, self._ciphering = setup.provider, self._made()

    def close(self, notification: bytes) -> bytes:
        """The notification in its envelope.  Raises LocalProtocolError, KeyMaterialError."""
        protection = self._protection | self._setup.policy.response
        return self._current().close(notification, protection, self._shape)

    def open(self, confirm: bytes) -> bytes:
        """The plain confirmation of a push.  Raises SecurityError for one that is weaker than the push."""
        return self._current().open(confirm, self._protection).plain

    def _current(self) -> Ciphering:
        if self._setup.provider is not self._provider:  # keys were changed since the last push
            self._provider, self._ciphering = self._setup.provider, self._made()
        return self._ciphering

    def _made(self) -> Ciphering:
        setup = self._setup
        try:
            return Ciphering(Channel(setup.provider, setup.counters, setup.system_title, self._recipient))
        except SecurityError as fault:
            raise LocalProtocolError(str(fault)) from fault


__all__ = ["PushProtection"]
