"""Keys and counters put together: what one association sends and receives under protection."""

from __future__ import annotations

from typing import NamedTuple

from dlms.errors import SecurityError
from dlms.security.counters import Counters, ReceiveCounter, SendCounter
from dlms.security.protection import Unprotected, check_titles, opening
from dlms.security.providers import KeyProvider
from dlms.security.suite import SecurityControl


class _Series(NamedTuple):
    """The two counters of one key."""

    sending: SendCounter
    receiving: ReceiveCounter


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
        peer_title: bytes,
        *,
        dedicated_counters: Counters | None = None,
    ) -> None:
        check_titles(own_title, peer_title)
        if own_title == peer_title:
            raise SecurityError("both sides have the same system title: under one key their nonces would collide")
        self.provider, self.own_title, self.peer_title = provider, own_title, peer_title
        self._counters = counters
        self._dedicated_counters = counters if dedicated_counters is None else dedicated_counters
        self._series: dict[tuple[bool, bool], _Series] = {}

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
        return self._of(broadcast, dedicated).sending

    def receiving(self, *, broadcast: bool = False, dedicated: bool = False) -> ReceiveCounter:
        """The counter of what the peer sends under one of the keys.  Raises KeyMaterialError."""
        return self._of(broadcast, dedicated).receiving

    def _of(self, broadcast: bool, dedicated: bool) -> _Series:
        series = self._series.get((broadcast, dedicated))
        if series is None:
            name = self.provider.fingerprint(broadcast=broadcast, dedicated=dedicated)
            counters = self._dedicated_counters if dedicated else self._counters
            series = _Series(counters.sending(name, self.own_title), counters.receiving(name, self.peer_title))
            self._series[broadcast, dedicated] = series
        return series
