"""What a server holds to talk under protection: the state of a Security setup object, and one association's use of it.

Blue Book, Security setup; Green Book, HLS authentication and protection of xDLMS APDUs.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from dlms.acse import Aarq
from dlms.apdu.protected import ENVELOPE_TAGS, GENERAL_TAGS
from dlms.ciphering import Ciphering, Opened, Shape, claimed, overhead
from dlms.enums import Conformance
from dlms.errors import DecodeError, DlmsError, SecurityError
from dlms.ic import Data
from dlms.interface import INTERFACES
from dlms.quirks import Quirk
from dlms.security.channel import Channel
from dlms.security.counters import Counters
from dlms.security.hls import Scheme, scheme_of
from dlms.security.keys import Secret
from dlms.security.policy import (
    AUTHENTICATED_ENCRYPTED,
    AUTHENTICATED_ENCRYPTED_POLICY,
    Envelope,
    Policy,
    Protection,
)
from dlms.security.providers import KeyProvider
from dlms.server.objects.invocation_counter import SETUP_CLASS, counter_of
from dlms.server.rights import Access, Rights, Served
from obis import Obis

if TYPE_CHECKING:
    from dlms.security.key_store import KeyStore
    from dlms.server.device import ServerAssociation

NOT_PROTECTED = Opened(b"", Protection.NONE, Shape())


@dataclasses.dataclass(slots=True)
class SecuritySetup:
    """The state of one Security setup object of one meter: keys, counters, policy.

    `system_title` is the meter's; `client_titles` are those that may open an association, None for all that know the keys.
    With `keys` (say `SecuritySetup.of`) every change goes there first, and what it does not keep does not hold; without
    them there is no key agreement and there are no certificates.  `changed` is called after a client has changed keys or
    policy, so that the change can be kept.
    """

    provider: KeyProvider
    counters: Counters
    system_title: bytes
    policy: Policy = AUTHENTICATED_ENCRYPTED_POLICY
    client_titles: frozenset[bytes] | None = None
    allow_unauthenticated: bool = False
    client_title: bytes = b""
    """The title of the client that opened the last association."""
    changed: Callable[[], None] = lambda: None
    keys: KeyStore | None = None

    @classmethod
    def of(cls, keys: KeyStore, counters: Counters, **options: Any) -> SecuritySetup:
        """The setup whose keys and policy a key store holds; `options` are the other fields."""
        if keys.device.policy is not None:
            options = {"policy": keys.device.policy, **options}
        return cls(keys.provider, counters, keys.system_title, keys=keys, **options)

    def transfer(self, wrapped: Mapping[str, bytes]) -> None:
        """Takes keys that came wrapped under the master key.  Raises SecurityError, LocalProtocolError."""
        if self.keys is None:
            self.provider = self.provider.with_transferred(wrapped)
        else:
            self.keys.transfer(wrapped)
            self.provider = self.keys.provider

    def activate(self, policy: Policy) -> None:
        """Changes the policy.  Raises LocalProtocolError when it cannot be kept."""
        if self.keys is not None:
            self.keys.activate(policy)
        self.policy = policy

    def last_counter(self) -> int:
        """The last invocation counter accepted under the global unicast key, 0 while there was none.

        Raises KeyMaterialError where there is no such key.
        """
        return self.counters.last_accepted(self.provider.fingerprint()) or 0

    def ciphering(
        self, client_title: bytes, dedicated: Secret | None = None, certificate: bytes | None = None
    ) -> Ciphering:
        """The envelopes of an association with this client.  Raises SecurityError for a title that is not let in.

        The client has made the dedicated key, so that its counters are kept like those of any other.  `certificate` is
        what it sent of itself, which must be right where no signing key of it is on file.
        """
        if self.client_titles is not None and client_title not in self.client_titles:
            raise SecurityError(f"system title {client_title.hex()} is not let in")
        provider = self.provider if dedicated is None else self.provider.with_dedicated(dedicated)
        if certificate is not None and provider.suite.curve_name is not None:
            provider = provider.with_sent_certificate(client_title, certificate)
        channel = Channel(provider, self.counters, self.system_title, client_title)
        return Ciphering(channel, allow_unauthenticated=self.allow_unauthenticated)


def security_objects(instance: Obis, version: int = 1, *, managed: bool = False) -> dict[tuple[int, Obis], Served]:
    """A Security setup object and its invocation counter for the table of an association: their values are the server's.

    Both can be read, as a public client does that has lost count; with `managed` the methods can be called.
    """
    setup = INTERFACES[SETUP_CLASS, version](instance)
    counter = Data(counter_of(instance))
    methods = frozenset(setup.methods) if managed else frozenset[int]()
    return {
        (one.class_id, one.instance): Served(one, Rights(dict.fromkeys(one.attributes, Access.READ), calls))
        for one, calls in ((setup, methods), (counter, frozenset[int]()))
    }


def scheme(
    granted: ServerAssociation,
    setup: SecuritySetup | None,
    aarq: Aarq,
    own_title: bytes,
    quirks: frozenset[Quirk] = frozenset(),
) -> Scheme:
    """What the server's side of a mechanism does.  Raises SecurityError when it lacks keys, a secret or the client's title."""
    mechanism, title, sent = granted.mechanism, aarq.calling_ap_title or b"", aarq.calling_ae_qualifier
    channel = setup.ciphering(title, certificate=sent).channel if setup is not None and mechanism.with_keys else None
    shares_counter = Quirk.PROOF_SHARES_COUNTER in quirks
    return scheme_of(
        mechanism, granted.secret, own_title, title, channel, shares_counter=shares_counter, vendor=granted.vendor
    )


class ServerCiphering:
    """The envelopes of one association in a ciphered context."""

    def __init__(
        self,
        setup: SecuritySetup,
        ciphering: Ciphering,
        initiate: Shape,
        dedicated: Secret | None = None,
        certificate: bytes | None = None,
    ) -> None:
        self.setup, self._ciphering, self._initiate = setup, ciphering, initiate
        self._provider, self._dedicated, self._certificate = setup.provider, dedicated, certificate
        self.general = False
        """Whether general-protection was negotiated."""
        self.owed = Protection.NONE
        """What the access rights want of any response, for which there must be room."""

    @property
    def client_title(self) -> bytes:
        """Whose association it is."""
        return self._ciphering.channel.peer_title

    def verify(self, signature: bytes, data: bytes) -> None:
        """Raises SecurityError unless r || s is this client's signature of `data`."""
        self._ciphering.channel.provider.verify(self.client_title, signature, data)

    @property
    def possible(self) -> Protection:
        """What a response can have: a signature where there is a key for it, and an envelope that holds it."""
        return AUTHENTICATED_ENCRYPTED | (Protection.SIGNED if self.general and self._signs else Protection.NONE)

    @functools.cached_property
    def _signs(self) -> bool:
        try:
            return bool(self.setup.provider.sign(b""))
        except DlmsError:
            return False

    def overhead(self, conformance: Conformance, request: Opened = NOT_PROTECTED) -> int:
        """Octets that protection adds to a response, at most: in an envelope such as that of the initiate, or of `request`."""
        envelope = self._initiate.envelope
        if request.shape.envelope.describes_key:
            envelope = request.shape.envelope
        elif envelope is Envelope.SERVICE and Conformance.GENERAL_PROTECTION in conformance:
            envelope = Envelope.GENERAL
        protection = AUTHENTICATED_ENCRYPTED | self.setup.policy.response | self.owed | request.protection
        return overhead(envelope, protection, self.setup.provider.suite)

    def close_initiate(self, response: bytes) -> bytes:
        """The initiate-response of an AARE or RLRE."""
        return self._ciphering.close(response, AUTHENTICATED_ENCRYPTED, self._initiate)

    def open_initiate(self, information: bytes | None) -> bytes:
        """The initiate-request of an RLRQ.  Raises SecurityError unless it is protected like that of an AARQ."""
        return opened_initiate(self._ciphering, information).plain

    def open(self, data: bytes, *, authenticating: bool) -> Opened:
        """A request.  Raises SecurityError for one that is weaker than the policy wants, CounterError for an old one.

        Before the client has proved itself the global key must be used, and what it sends be authenticated and encrypted.
        """
        if self.setup.provider is not self._provider:  # keys were changed since the last request
            self._provider = self.setup.provider
            self._ciphering = self.setup.ciphering(self.client_title, self._dedicated, self._certificate)
        required = AUTHENTICATED_ENCRYPTED if authenticating else self.setup.policy.request
        if not (data[:1] and data[0] in ENVELOPE_TAGS):
            if required:
                raise SecurityError(f"an APDU of tag {data[:1].hex()} is not protected; it must be {required}")
            return NOT_PROTECTED._replace(plain=data)
        if data[0] in GENERAL_TAGS and not (self.general or authenticating):
            raise SecurityError("general-protection was not negotiated")
        opened = self._ciphering.open(data, required)
        if authenticating and opened.shape.dedicated:
            raise SecurityError("the dedicated key serves after the authentication only")
        return opened

    def is_broadcast(self, data: bytes) -> bool:
        """Whether an APDU says that it is under the broadcast key: nothing of that is proven."""
        try:
            return bool(data[:1]) and data[0] in ENVELOPE_TAGS and claimed(data).broadcast
        except DecodeError:
            return False

    def open_broadcast(self, data: bytes) -> Opened:
        """A request under the broadcast key, always authenticated.  Raises SecurityError, CounterError."""
        if data[0] in GENERAL_TAGS and not self.general:
            raise SecurityError("general-protection was not negotiated")
        channel = self.setup.ciphering(self.client_title, None, self._certificate).channel
        return Ciphering(channel, broadcast=True).open(data, self.setup.policy.request | Protection.AUTHENTICATED)

    def ready(self, request: Opened, *, authenticating: bool) -> None:
        """Makes sure that the answer can be protected, before the request is carried out.

        Raises CounterExhaustedError, LocalProtocolError of the counter store, KeyMaterialError.
        """
        self._ciphering.ready(*self._answering(request, Protection.NONE, authenticating))

    def close(self, response: bytes, request: Opened, owed: Protection, *, authenticating: bool) -> bytes:
        """A response: protected as its request, and as the policy and the access rights (`owed`) want besides."""
        protection, shape = self._answering(request, owed, authenticating)
        return self._ciphering.close(response, protection, shape) if protection else response

    def _answering(self, request: Opened, owed: Protection, authenticating: bool) -> tuple[Protection, Shape]:
        protection = request.protection | owed | self.setup.policy.response
        if authenticating:
            protection |= AUTHENTICATED_ENCRYPTED
        return protection, request.shape if request.protection else self._initiate

    def close_push(self, notification: bytes) -> bytes:
        """A notification: protected as the policy wants responses."""
        return self._ciphering.close(notification, self.setup.policy.response, self._initiate)


def opened_initiate(ciphering: Ciphering, information: bytes | None) -> Opened:
    """An initiate-request out of its envelope.  Raises SecurityError for a plain one, or one under a dedicated key."""
    if not (information and information[0] in ENVELOPE_TAGS):
        raise SecurityError("the initiate-request is not protected")
    opened = ciphering.open(information, AUTHENTICATED_ENCRYPTED)
    if opened.shape.dedicated:
        raise SecurityError("an initiate-request under a dedicated key")
    return opened
