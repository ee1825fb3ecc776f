"""Keys and counters put together: what one association sends and receives under protection."""

from __future__ import annotations

from dlms.errors import SecurityError
from dlms.security.counters import Counters, MemoryCounterStore, ReceiveCounter, SendCounter
from dlms.security.protection import Unprotected, check_titles, opening
from dlms.security.providers import KeyProvider
from dlms.security.suite import SecurityControl


class Channel:
    """Protection between two system titles: draws counters, and accepts them in the only safe order.

    A received message passes: strong enough, counter fresh, tag right; only then is its counter kept, and only then
    is its plaintext given out.  Make a new Channel when a key changes.  `dedicated_counters` may forget: give them
    only to the side that made the dedicated key and knows that it is new; without them `counters` serve that key too.
    Raises SecurityError for a system title of another length, and for the same on both sides.
    """

    def __init__(
        self,
        provider: KeyProvider,
        counters: Counters,
        own_title: bytes,
        peer_title: bytes | None,
        *,
        dedicated_counters: Counters | None = None,
    ) -> None:
        check_titles(own_title)
        self.provider, self.own_title = provider, own_title
        self._peer_title: bytes | None = None
        if peer_title is not None:
            self.bind(peer_title)
        self._counters = counters
        self._dedicated_counters = counters if dedicated_counters is None else dedicated_counters
        self._sending: dict[tuple[bool, bool], SendCounter] = {}
        self._receiving: dict[tuple[bool, bool], ReceiveCounter] = {}

    @property
    def peer_title(self) -> bytes:
        """The peer's system title.  Raises SecurityError while it is not known."""
        if self._peer_title is None:
            raise SecurityError("the peer has not told its system title: nothing that it protects can be checked")
        return self._peer_title

    @property
    def known_peer(self) -> bytes | None:
        """The peer's system title, None while it is not known."""
        return self._peer_title

    def bind(self, peer_title: bytes) -> None:
        """From now on the peer is who has this title.  Raises SecurityError when it is bound to another one, or ours.

        A peer that tells its title proves it by the first tag that fits, as the title is part of every nonce.
        """
        check_titles(peer_title)
        if self.own_title == peer_title:
            raise SecurityError("both sides have the same system title: under one key their nonces would collide")
        if self._peer_title not in (None, peer_title):
            raise SecurityError(f"system title {peer_title.hex()}, where {self.peer_title.hex()} is expected")
        self._peer_title = peer_title

    def derived(self, provider: KeyProvider, *, forgetful: bool = False) -> Channel:
        """The same two ends under other keys, with the same counters or, for keys made just now, `forgetful` ones."""
        counters = Counters(MemoryCounterStore()) if forgetful else self._counters
        return Channel(provider, counters, self.own_title, self._peer_title)

    def protect(
        self, plaintext: bytes, control: SecurityControl, header: bytes = b"", *, dedicated: bool = False
    ) -> bytes:
        """A protected message with a fresh counter.  Raises LocalProtocolError, KeyMaterialError, of the store too."""
        counter = self.sending(broadcast=control.broadcast_key, dedicated=dedicated).draw()
        return self.provider.protect(plaintext, control, self.own_title, counter, header, dedicated=dedicated)

    def unprotect(
        self, body: bytes, required: SecurityControl, header: bytes = b"", *, dedicated: bool = False
    ) -> Unprotected:
        """The peer's message, when it is protected at least as `required` and fresh.

        When `required` asks for encryption only, a message without authentication is taken: it comes with `verified`
        False, and as anybody could have made it, its counter is not kept.  Raises SecurityError, CounterError.
        """
        control, value = opening(body)
        if not control.covers(required):
            raise SecurityError(f"security control {control.octet:02x} is weaker than {required.octet:02x}")
        counter = self.receiving(broadcast=control.broadcast_key, dedicated=dedicated)
        counter.check(value)
        verify = control.authenticated
        found = self.provider.unprotect(body, self.peer_title, header, verify=verify, dedicated=dedicated)
        if found.verified:
            counter.commit(value)
        return found

    def sending(self, *, broadcast: bool = False, dedicated: bool = False) -> SendCounter:
        """The counter of what we send under one of the keys.  Raises KeyMaterialError."""
        counter = self._sending.get((broadcast, dedicated))
        if counter is None:
            name, counters = self._of(broadcast, dedicated)
            counter = self._sending[broadcast, dedicated] = counters.sending(name, self.own_title)
        return counter

    def receiving(self, *, broadcast: bool = False, dedicated: bool = False) -> ReceiveCounter:
        """The counter of what the peer sends under one of the keys.  Raises KeyMaterialError, SecurityError."""
        counter = self._receiving.get((broadcast, dedicated))
        if counter is None:
            name, counters = self._of(broadcast, dedicated)
            counter = self._receiving[broadcast, dedicated] = counters.receiving(name, self.peer_title)
        return counter

    def _of(self, broadcast: bool, dedicated: bool) -> tuple[bytes, Counters]:
        """The name of a key among counters, and whose counters they are."""
        name = self.provider.fingerprint(broadcast=broadcast, dedicated=dedicated)
        return name, self._dedicated_counters if dedicated else self._counters
