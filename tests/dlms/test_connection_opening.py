"""Opening and closing a connection: what an AARE may say, silence, refusals, release."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from dlms.acse import Aare, Aarq, Diagnostic, Rlre, context_oid, decode_acse, mechanism_oid
from dlms.apdu import (
    ConfirmedServiceError,
    DataNotification,
    GetResponseNormal,
)
from dlms.association import State
from dlms.codec import encode
from dlms.connection import Closed, Finished
from dlms.data import DoubleLongUnsigned, Unsigned
from dlms.enums import Conformance, Mechanism
from dlms.errors import (
    AssociationRefused,
    LinkError,
    LocalProtocolError,
    RemoteProtocolError,
    SecurityError,
)
from dlms.framing import Disconnected
from dlms.ic import Data, Register
from dlms.operations.associate import AssociationRequest
from dlms.operations.read import get
from dlms.quirks import Quirk
from tests.dlms.bench import TIMEOUT_S, Bench, accepting

ENERGY, OTHER = Register("1.0.1.8.0.255"), Data("0.0.96.1.0.255")
ONE = GetResponseNormal(0, DoubleLongUnsigned(1))
TWO = GetResponseNormal(0, DoubleLongUnsigned(2))
PUSH = DataNotification(1, b"", Unsigned(7))
CONFIRMED_PUSH = DataNotification(1 << 30 | 5, b"", None)


def test_opening() -> None:
    bench = Bench(AssociationRequest(Mechanism.LLS, b"12345"))
    ticket = bench.connection.open(bench.now)
    asked = decode_acse(bench.framing.sent[-1])
    assert isinstance(asked, Aarq)
    assert asked.calling_authentication_value == b"12345"
    with pytest.raises(LocalProtocolError, match="still running"):
        ticket.result()
    bench.receive(accepting(Conformance.GET, 200))
    assert ticket.result() == bench.connection.negotiated
    assert (ticket.result().max_send, ticket.result().conformance) == (200, Conformance.GET)
    assert bench.events() == [Finished(ticket)]


def test_nothing_is_sent_before_the_layer_below_is_up() -> None:
    bench = Bench()
    bench.framing.up_at_once = False
    first, second = bench.connection.open(bench.now), bench.start(get(ENERGY.value))
    assert bench.framing.sent == []
    bench.framing.events.append(Disconnected("nobody there"))
    bench.wait(0)
    for ticket in (first, second):
        with pytest.raises(LinkError, match="nobody there"):
            ticket.result()
    assert bench.events()[-1] == Closed("nobody there")


def test_refused() -> None:
    bench = Bench()
    ticket = bench.connection.open(bench.now)
    refusal = ConfirmedServiceError(1, 6, 3)
    bench.receive(Aare(result=1, diagnostic=Diagnostic(1, 13), user_information=encode(refusal)))
    with pytest.raises(AssociationRefused, match=r"rejected-permanent, authentication-failure \(.*pdu-size") as refused:
        ticket.result()
    assert (refused.value.result, refused.value.diagnostic) == (1, 13)
    assert bench.connection.association.state is State.CLOSED


RESPONSE = bytes.fromhex("0800065f1f040000101d00800007")


@pytest.mark.parametrize(
    ("information", "problem"),
    [
        (RESPONSE.replace(b"\x06", b"\x05"), "version 5"),
        (RESPONSE[:-2] + b"\xfa\x00", "VAA name"),
        (RESPONSE[:-3] + b"\x0b\x00\x07", "PDU size of 11"),
        (RESPONSE.replace(b"\x00\x10\x1d", b"\x40\x10\x1d"), "not proposed"),
        (RESPONSE[:-1], "initiate-response"),
        (None, "initiate-response"),
    ],
)
def test_an_aare_that_agrees_to_something_else(information: bytes | None, problem: str) -> None:
    bench = Bench()
    ticket = bench.connection.open(bench.now)
    bench.receive(Aare(None, None, 0, Diagnostic(1, 0), user_information=information))
    with pytest.raises(RemoteProtocolError, match=problem):
        ticket.result()
    assert bench.connection.association.state is State.CLOSED
    bench.open()  # nothing of the failed attempt is in the way of another


def test_an_aare_in_another_context() -> None:
    bench = Bench()
    ticket = bench.connection.open(bench.now)
    other = bytes.fromhex("60857405080103")
    bench.receive(Aare(None, other, 0, Diagnostic(1, 0), user_information=RESPONSE))
    with pytest.raises(RemoteProtocolError, match="context"):
        ticket.result()


@pytest.mark.parametrize(
    ("changed", "error", "problem"),
    [
        ({"diagnostic": Diagnostic(1, 13)}, RemoteProtocolError, "accepts with authentication-failure"),
        ({"diagnostic": Diagnostic(1, 14)}, RemoteProtocolError, "accepts with authentication-required"),
        ({"diagnostic": Diagnostic(1, 1)}, RemoteProtocolError, "accepts with no-reason-given"),
        ({"diagnostic": Diagnostic(2, 2)}, RemoteProtocolError, "accepts with no-common-acse-version"),
        ({"application_context_name": context_oid(2)}, RemoteProtocolError, "sn, ln wanted"),
        ({"application_context_name": context_oid(77)}, RemoteProtocolError, r"other\(77\), ln wanted"),
        ({"application_context_name": b"nonsense"}, RemoteProtocolError, "unknown, ln wanted"),
        ({"mechanism_name": mechanism_oid(0)}, SecurityError, "none, lls wanted"),
        ({"mechanism_name": mechanism_oid(5)}, RemoteProtocolError, "hls-gmac, lls wanted"),
        ({"mechanism_name": b"nonsense"}, RemoteProtocolError, "unknown, lls wanted"),
        ({"protocol_version": b"\x02\x40"}, RemoteProtocolError, "protocol version"),
    ],
    ids=str,
)
def test_an_aare_that_accepts_and_contradicts_itself(
    changed: dict[str, Any], error: type[Exception], problem: str
) -> None:
    bench = Bench(AssociationRequest(Mechanism.LLS, b"12345"))
    ticket = bench.connection.open(bench.now)
    bench.receive(dataclasses.replace(accepting(), **changed))
    with pytest.raises(error, match=problem) as refused:
        ticket.result()
    assert type(refused.value) is error
    assert bench.connection.association.state is State.CLOSED
    bench.open()


def test_an_aare_that_says_more_than_it_must() -> None:
    bench = Bench(AssociationRequest(Mechanism.LLS, b"12345"))
    ticket = bench.connection.open(bench.now)
    bench.receive(dataclasses.replace(accepting(), protocol_version=b"\x07\x80", mechanism_name=mechanism_oid(1)))
    assert ticket.result().mechanism is Mechanism.LLS


def test_silence_while_opening_leaves_a_connection_that_can_try_again() -> None:
    bench = Bench()
    ticket = bench.connection.open(bench.now)
    bench.wait(TIMEOUT_S)
    with pytest.raises(LinkError, match=r"AARQ within 5 s"):
        ticket.result()
    bench.receive(accepting())  # late: it opens nothing
    assert bench.connection.association.state is State.CLOSED
    assert bench.connection.dropped == 1
    bench.open()
    assert bench.framing.connects == 1


def test_release_and_disconnect() -> None:
    bench = Bench().open()
    ticket = bench.connection.release(bench.now)
    assert bench.framing.sent[-1].hex() == "6203800100"
    bench.receive(Rlre(0))
    ticket.result()
    assert bench.connection.association.state is State.CLOSED
    bench.connection.disconnect(bench.now)
    assert bench.connection.closed == "requested"
    bench.connection.disconnect(bench.now)
    assert bench.framing.disconnects == 1


def test_release_that_the_server_does_not_want() -> None:
    bench = Bench().open()
    ticket = bench.connection.release(bench.now)
    bench.receive(Rlre(1))
    with pytest.raises(RemoteProtocolError, match="reason 1"):
        ticket.result()


def test_release_without_an_association_or_by_quirk_sends_nothing() -> None:
    for bench in (Bench(), Bench(quirks=frozenset((Quirk.NO_RELEASE,)))):
        ticket = bench.connection.open(bench.now)
        bench.receive(accepting() if bench.connection.quirks else Aare(result=1, diagnostic=Diagnostic(1, 1)))
        assert ticket.done
        bench.framing.sent.clear()
        bench.connection.release(bench.now).result()
        assert bench.framing.sent == []
