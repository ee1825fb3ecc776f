"""HLS GMAC in a ciphered context: the proof, the message around it and the initiate each have a nonce of their own."""

from __future__ import annotations

from typing import Any

import pytest

from dlms.apdu.action import ActionRequestNormal
from dlms.apdu.attribute import CosemMethodDescriptor
from dlms.ciphering import Shape
from dlms.codec import encode
from dlms.enums import ApplicationContext, Mechanism
from dlms.errors import SecurityError
from dlms.operations.objects import CURRENT_ASSOCIATION
from dlms.quirks import Quirk
from dlms.security.counters import CounterError, Counters
from dlms.security.hls import GmacScheme
from dlms.security.policy import AUTHENTICATED_ENCRYPTED, Envelope, Protection
from dlms.security.providers import MemoryKeyProvider
from dlms.security.suite import SUITE_0, SUITE_1, SecurityControl
from tests.dlms.secured import CLIENT_TITLE, World, world
from tests.dlms.server.test_symsec_cases import Manager
from tests.dlms.test_secured import LN, SN, talk, use

AUTHENTICATED = SecurityControl(0, authenticated=True)
SHARES = frozenset((Quirk.PROOF_SHARES_COUNTER,))
INITIATE, BETWEEN, MESSAGE = 10, 15, 20
"""Counters of what the client sends."""
ENVELOPES = [(envelope, False) for envelope in Envelope] + [(Envelope.SERVICE, True), (Envelope.GENERAL, True)]


@pytest.mark.parametrize(("envelope", "dedicated"), ENVELOPES)
@pytest.mark.parametrize("short", [False, True], ids=["ln", "sn"])
@pytest.mark.parametrize("ciphered", [False, True], ids=["plain", "ciphered"])
def test_no_nonce_is_used_twice(
    monkeypatch: pytest.MonkeyPatch, envelope: Envelope, dedicated: bool, short: bool, ciphered: bool
) -> None:
    """Neither of our ends protects anything with a key and a nonce that it used before, over two associations."""
    nonces: list[tuple[bytes, bytes, int]] = []
    protect = MemoryKeyProvider.protect

    def noted(self: Any, plaintext: bytes, control: Any, title: bytes, counter: int, *rest: Any, **options: Any) -> Any:
        key = self.fingerprint(broadcast=control.broadcast_key, dedicated=options.get("dedicated", False))
        nonces.append((key, title, counter))
        return protect(self, plaintext, control, title, counter, *rest, **options)

    monkeypatch.setattr(MemoryKeyProvider, "protect", noted)
    of = world(
        suite=SUITE_1 if envelope.describes_key else SUITE_0, context=ApplicationContext(1 + short + 2 * ciphered)
    )
    protection = AUTHENTICATED_ENCRYPTED if ciphered else Protection.NONE
    security = of.client(envelope=envelope, dedicated=dedicated, protection=protection)
    for _ in range(2):
        talk(of, use, auth=Mechanism.HLS_GMAC, context=SN if short else LN, security=security)
    assert len(nonces) >= (16 if ciphered else 4)
    assert len(set(nonces)) == len(nonces)


def proved(of: World, counter: int) -> bool:
    """Whether the server takes a proof with this counter, in a message with `MESSAGE`, after an initiate with `INITIATE`."""
    of.security = of.client(counters=Counters(of.client_store, block=1))
    manager = Manager(of)
    sending = manager.ciphering.channel.sending()
    sending.resynchronise(INITIATE, max_jump=1000)
    answer = manager.aarq()
    sending.resynchronise(MESSAGE, max_jump=1000)
    challenge = answer.responding_authentication_value or b""
    tagged = manager.ciphering.channel.provider.protect(challenge, AUTHENTICATED, CLIENT_TITLE, counter)
    method = CURRENT_ASSOCIATION.reply_to_hls_authentication
    asked = CosemMethodDescriptor(method.class_id, bytes(method.instance), method.index)
    request = encode(ActionRequestNormal(0xC1, asked, tagged[:5] + tagged[-12:]))
    reply: Any = manager.say(manager.close(request, AUTHENTICATED_ENCRYPTED, Shape()))
    return bool(reply.response.result == 0)


@pytest.mark.parametrize(
    ("counter", "unused"),
    [(0, False), (INITIATE - 1, False), (INITIATE, False), (BETWEEN, True), (MESSAGE, False), (MESSAGE + 1, True)],
)
def test_a_server_takes_a_proof_with_a_counter_of_its_own_only(counter: int, unused: bool) -> None:
    assert proved(world(), counter) is unused
    assert proved(world(quirks=SHARES), counter) is (unused or counter == MESSAGE)


@pytest.mark.parametrize("after", [0, 1])
def test_a_client_takes_a_proof_with_a_counter_of_its_own_only(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    def prove(self: GmacScheme, received: bytes, sent: bytes) -> bytes:
        """With the counter that the server draws next when `after` is 1."""
        if self.channel.own_title == CLIENT_TITLE:
            return honest(self, received, sent)
        counter = self.channel.sending().draw() + after
        tagged = self.channel.provider.protect(received, AUTHENTICATED, self.channel.own_title, counter)
        return tagged[:5] + tagged[-12:]

    honest = GmacScheme.prove
    monkeypatch.setattr(GmacScheme, "prove", prove)
    of = world(quirks=SHARES)
    if not after:
        talk(of, use)
        return
    with pytest.raises(SecurityError, match="invocation counter") as refusal:
        talk(of, use)
    assert isinstance(refusal.value, CounterError)


def test_the_proof_of_an_association_before_is_no_proof() -> None:
    """The gap between the last two messages of one association is closed by the proof that was in it."""
    of = world()
    assert proved(of, BETWEEN)
    channel = of.setup.ciphering(CLIENT_TITLE).channel
    scheme = GmacScheme(channel)
    object.__setattr__(scheme, "lowest", 0)
    with pytest.raises(CounterError):
        scheme.check(AUTHENTICATED.octet.to_bytes() + BETWEEN.to_bytes(4) + bytes(12), bytes(8), bytes(8))
