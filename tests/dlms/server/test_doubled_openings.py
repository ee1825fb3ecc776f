"""An AARQ that comes twice over datagrams: its client may take the answer to either, and both open the same association."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from dlms.acse import Aare, Aarq, decode_acse
from dlms.apdu import GetRequestNormal
from dlms.codec import encode
from dlms.enums import Mechanism
from dlms.framing.wrapper import HEADER, WrapperClient, WrapperServer, wrap
from dlms.ic import AssociationLn
from dlms.operations.associate import AssociationRequest, aarq
from dlms.operations.read import descriptor
from dlms.server import Session
from dlms.server.repeats import REPEAT_S
from tests.dlms import secured
from tests.dlms.plays import LN, LN_CIPHERED, SERVER, SN_CIPHERED, TIMEOUT_S, Kind, Play
from tests.line import ARRIVES, Fate

SHARE_S = TIMEOUT_S / 4
"""After which the client asks again."""
LATE = Fate(delay_s=1.1 * SHARE_S)
KINDS = pytest.mark.parametrize("kind", [LN, LN_CIPHERED, SN_CIPHERED], ids=["plain", "dedicated", "short-names"])


def play(kind: Kind, fates: Sequence[Fate]) -> Play:
    return Play(
        kind,
        lambda client: WrapperClient(client, SERVER, datagrams=True),
        lambda: WrapperServer(datagrams=True),
        fates,
        overtakes=True,
    )


def openings(of: Play) -> list[str]:
    """Who has sent AARQs and AAREs."""
    return [name for name, octets in of.line.carried if octets[HEADER.size] in (0x60, 0x61)]


@KINDS
def test_the_answer_to_the_first_try_comes_behind_the_second(kind: Kind) -> None:
    late = play(kind, [ARRIVES, LATE])
    assert late.open()
    assert openings(late) == ["near", "far", "near", "far"]
    late.step("set")
    late.step("get")
    late.check_writes(at_most_once=True)
    assert [done.error for done in late.done] == [None, None]


@KINDS
def test_the_second_try_is_lost_and_the_answer_to_the_first_late(kind: Kind) -> None:
    """Both tries have one dedicated key."""
    late = play(kind, [ARRIVES, LATE, Fate(lost=True)])
    assert late.open()
    late.step("set")
    assert late.done[0].error is None


@KINDS
def test_the_first_try_comes_behind_the_second(kind: Kind) -> None:
    """Under protection its counter is too old by then: what proves nothing ends nothing."""
    late = play(kind, [LATE])
    assert late.open()
    late.step("set")
    late.step("get")
    assert [done.error for done in late.done] == [None, None]


@KINDS
def test_a_copy_of_the_aarq_comes_while_the_association_is_in_use(kind: Kind) -> None:
    late = play(kind, [Fate(copies=2, echo_s=1.0)])
    assert late.open()
    while late.line.now < 3.0:
        late.step("get-long")
        late.step("set")
    late.check_writes(at_most_once=True)
    unprotected = not kind.context.ciphered  # there it is another opening, and ends the transfer that is under way
    assert sum(done.error is not None for done in late.done) <= unprotected


class Doubled:
    """A device with one association, over datagrams."""

    def __init__(self, mechanism: Mechanism, **options: Any) -> None:
        self.world = secured.world(mechanism, **options)
        self.session = Session({None: self.world.device}, WrapperServer(datagrams=True))

    def say(self, apdu: bytes, now: float = 0.0) -> bytes:
        """The answer to an APDU."""
        self.session.receive_data(wrap(secured.MANAGER, SERVER, apdu), now)
        return b"".join(self.session.data_to_send())[HEADER.size :]

    def challenge(self, asked: bytes, now: float = 0.0) -> bytes | None:
        """That of the answer to an AARQ."""
        answer = decode_acse(self.say(asked, now))
        assert isinstance(answer, Aare)
        return answer.responding_authentication_value


def plain_request() -> bytes:
    request = AssociationRequest(Mechanism.HLS_SHA1, secured.SECRET)
    return encode(aarq(request, b"a challenge of sixteen"))


def test_a_challenge_lasts_while_nobody_has_answered_it() -> None:
    meter = Doubled(Mechanism.HLS_SHA1, context=LN.context)
    asked = plain_request()
    first = meter.say(asked)
    assert meter.say(asked, REPEAT_S - 0.1) == first
    assert meter.challenge(asked, REPEAT_S) not in first, "later it is another opening"


def test_a_challenge_that_was_answered_is_not_made_again() -> None:
    meter = Doubled(Mechanism.HLS_SHA1, context=LN.context)
    asked = plain_request()
    first = meter.challenge(asked)
    meter.say(encode(GetRequestNormal(0xC1, descriptor(AssociationLn("0.0.40.0.0.255").object_list))))
    assert meter.challenge(asked) != first


def test_another_client_or_another_challenge_is_another_opening() -> None:
    meter = Doubled(Mechanism.HLS_SHA1, context=LN.context)
    asked = decode_acse(plain_request())
    assert isinstance(asked, Aarq)
    challenges = [
        meter.challenge(encode(dataclasses.replace(asked, **changes)))
        for changes in (
            {},
            {"calling_ap_title": b"OTHER001"},
            {"calling_authentication_value": b"another challenge, as long"},
            {},
        )
    ]
    assert len(set(challenges)) == 4
    assert meter.challenge(encode(dataclasses.replace(asked, calling_ae_invocation_id=1))) == challenges[-1]


def test_over_a_stream_every_aarq_is_another_opening() -> None:
    meter = Doubled(Mechanism.HLS_SHA1, context=LN.context)
    meter.session = Session({None: meter.world.device}, WrapperServer())
    assert meter.challenge(plain_request()) != meter.challenge(plain_request())


def test_a_refused_aarq_under_protection_leaves_the_association_as_it_is() -> None:
    """Whoever has heard one can say it again, or say anything; that ends nothing."""
    used = play(LN_CIPHERED, [])
    assert used.open()
    heard = [octets for name, octets in used.line.carried if octets[HEADER.size] == 0x60]
    used.step("get")
    answered = [octets for name, octets in used.line.carried if octets[HEADER.size] == 0x61]
    used.session.receive_data(heard[0], used.line.now)
    assert used.session.data_to_send() == answered, "a copy is answered as it was"
    for replayed in (heard[0], wrap(secured.MANAGER, SERVER, plain_request())):
        used.session.receive_data(replayed, used.line.now + 2 * REPEAT_S)
        assert decode_acse(used.session.data_to_send()[0][HEADER.size :]).result != 0  # type: ignore[attr-defined]
    used.step("get")
    assert [done.error for done in used.done] == [None, None]
