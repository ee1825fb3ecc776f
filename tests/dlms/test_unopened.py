"""Envelopes that cannot be opened: what they do to the request that waits, to its answer, and to the next one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.apdu import DataNotification, EventNotificationRequest, ExceptionResponse
from dlms.ciphering import Ciphering, Shape
from dlms.codec import Record, encode
from dlms.connection import Connection, Fault, Finished, Notification, Ticket
from dlms.enums import ApplicationContext, Conformance, Mechanism
from dlms.errors import DlmsError, LinkError, OutcomeUnknown, SecurityError, ServiceRefused
from dlms.events import Event
from dlms.framing.wrapper import WrapperClient, WrapperServer, wrap
from dlms.limits import MAX_UNOPENED, RESPONSE_TIMEOUT_S
from dlms.operations import Operation
from dlms.operations.associate import AssociationRequest
from dlms.operations.read import descriptor, get
from dlms.operations.short_name import ShortNames
from dlms.operations.write import set_value
from dlms.security.counters import CounterError, Counters, MemoryCounterStore
from dlms.security.policy import AUTHENTICATED_ENCRYPTED, Envelope, Protection
from dlms.security.providers import MemoryKeyProvider
from dlms.security.suite import SUITE_0, SUITE_1, SecuritySuite
from dlms.server import Session
from dlms.server.security import SecuritySetup
from dlms.values import DoubleLongUnsigned
from tests.dlms.bench import Bench, Clocked
from tests.dlms.secured import CLIENT_TITLE, EVERYTHING, MANAGER, SECRET, SERVER_TITLE, World, key_set, world
from tests.dlms.server.devices import ENERGY, LONG, SERVER

PUSHES = EVERYTHING | Conformance.DATA_NOTIFICATION | Conformance.EVENT_NOTIFICATION
PUSH = DataNotification(7, b"", DoubleLongUnsigned(2))
EVENT = EventNotificationRequest(None, descriptor(ENERGY.value), DoubleLongUnsigned(3))
GENERAL = [one for one in Envelope if one is not Envelope.SERVICE]


class Line(Clocked):
    """Client and server with each other, one APDU at a time, so that something can come before the answer."""

    def __init__(
        self,
        of: World,
        *,
        datagrams: bool = False,
        parallel: int = 1,
        context: ApplicationContext = ApplicationContext.LN_CIPHERED,
        **changes: Any,
    ) -> None:
        self.of, self.now = of, 0.0
        self.session = Session({None: of.device}, WrapperServer(datagrams=datagrams))
        request = AssociationRequest(
            conformance=PUSHES,
            context=context,
            mechanism=Mechanism.HLS_GMAC,
            secret=SECRET,
            security=of.client(**changes),
        )
        self.framing = WrapperClient(MANAGER, SERVER, datagrams=datagrams)
        self.connection = Connection(self.framing, request, parallel=parallel)
        opening = self.connection.open(self.now)
        while not opening.done:
            self.give(*self.answers())
        opening.result()
        self.events()

    def answers(self) -> list[bytes]:
        """What the server answers to what the client has said."""
        for data in self.connection.data_to_send():
            self.session.receive_data(data, self.now)
        return self.session.data_to_send()

    def give(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.connection.receive_data(piece, self.now)

    def start(self, operation: Operation[Any]) -> Ticket[Any]:
        return self.connection.start(operation, self.now)

    def envelope(self, apdu: Record, envelope: Envelope = Envelope.GENERAL, *, strange: bool = False) -> bytes:
        """The APDU in an envelope of the server's; a strange one is made with other keys."""
        ciphering = stranger() if strange else self.of.setup.ciphering(CLIENT_TITLE)
        return wrap(SERVER, MANAGER, ciphering.close(encode(apdu), AUTHENTICATED_ENCRYPTED, Shape(envelope)))


def stranger() -> Ciphering:
    """Envelopes with the right titles and the wrong keys."""
    provider = MemoryKeyProvider(key_set(SUITE_0, 99))
    made = SecuritySetup(provider, Counters(MemoryCounterStore()), SERVER_TITLE).ciphering(CLIENT_TITLE)
    for _ in range(20):  # its counter is fresh: only the tag is wrong
        made.close(encode(PUSH), AUTHENTICATED_ENCRYPTED, Shape(Envelope.GENERAL))
    return made


def flipped(data: bytes, octet: int = -1) -> bytes:
    changed = bytearray(data)
    changed[octet] ^= 1
    return bytes(changed)


def pushes(**options: Any) -> World:
    return world(conformance=PUSHES, **options)


def faults(events: list[Event]) -> list[DlmsError]:
    return [event.error for event in events if isinstance(event, Fault)]


SPOILERS: dict[str, Callable[[Line, Record, Envelope], bytes]] = {
    "wrong key": lambda line, apdu, envelope: line.envelope(apdu, envelope, strange=True),
    "flipped bit": lambda line, apdu, envelope: flipped(line.envelope(apdu, envelope)),
    "replayed": lambda line, apdu, envelope: replayed(line, line.envelope(apdu, envelope)),
}


def replayed(line: Line, push: bytes) -> bytes:
    line.give(push)
    assert [type(event) for event in line.events()] == [Notification]
    return push


@pytest.mark.parametrize("kind", SPOILERS)
@pytest.mark.parametrize(
    ("apdu", "envelope"), [(PUSH, Envelope.GENERAL), (EVENT, Envelope.GENERAL), (EVENT, Envelope.SERVICE)]
)
def test_a_spoilt_notification_is_reported_and_the_request_goes_on(kind: str, apdu: Record, envelope: Envelope) -> None:
    line = Line(pushes())
    spoilt = SPOILERS[kind](line, apdu, envelope)
    ticket = line.start(get(ENERGY.value))
    answers = line.answers()
    line.give(spoilt)
    assert not ticket.done
    assert line.connection.dropped == 1
    assert [type(fault) for fault in faults(line.events())] == [CounterError if kind == "replayed" else SecurityError]
    if kind == "replayed":
        assert answers
    line.give(*answers)
    assert ticket.result() == 1234


@pytest.mark.parametrize("suite", [SUITE_0, SUITE_1], ids=["suite0", "suite1"])
@pytest.mark.parametrize("envelope", GENERAL)
@pytest.mark.parametrize("signed", [False, True])
def test_every_general_envelope(suite: SecuritySuite, envelope: Envelope, signed: bool) -> None:
    if suite is SUITE_0 and (signed or envelope in (Envelope.ONE_PASS, Envelope.STATIC)):
        return
    line = Line(pushes(suite=suite))
    protection = AUTHENTICATED_ENCRYPTED | (Protection.SIGNED if signed else Protection.NONE)
    ciphering = line.of.setup.ciphering(CLIENT_TITLE)
    ticket = line.start(get(ENERGY.value))
    answers = line.answers()
    for _ in range(2):
        line.give(flipped(wrap(SERVER, MANAGER, ciphering.close(encode(PUSH), protection, Shape(envelope)))))
    assert len(faults(line.events())) == line.connection.dropped == 2
    line.give(*answers)
    assert ticket.result() == 1234
    line.give(wrap(SERVER, MANAGER, ciphering.close(encode(PUSH), protection, Shape(envelope))))
    assert Notification(PUSH) in line.events()


@given(st.data())
def test_any_bit_of_a_notification(data: st.DataObject) -> None:
    """Wherever the bit is: the request lives, or it ends at once with an error of ours where the tag became an answer's."""
    line = Line(pushes())
    push = line.envelope(PUSH)
    ticket = line.start(get(ENERGY.value))
    answers = line.answers()
    line.give(flipped(push, data.draw(st.integers(9, len(push) - 1))))
    assert not ticket.done
    assert len(faults(line.events())) == 1
    line.give(*answers)
    assert ticket.result() == 1234


@pytest.mark.parametrize("tag", ["db", "dc", "dd", "df", "ca", "d2", "38", "58"])
def test_without_any_keys(tag: str) -> None:
    bench = Bench().open()
    ticket = bench.start(get(ENERGY.value))
    bench.receive(bytes.fromhex(tag) + encode(PUSH))
    assert not ticket.done
    (fault,) = faults(bench.events())
    assert isinstance(fault, SecurityError)
    assert bench.connection.dropped == 1
    bench.receive(bytes.fromhex("c401") + bytes((bench.invoke,)) + bytes.fromhex("00 1107"))
    assert ticket.result() == 7


@pytest.mark.parametrize("tag", ["cc", "d4"])
def test_an_answer_without_any_keys_fails_its_request(tag: str) -> None:
    bench = Bench().open()
    ticket = bench.start(get(ENERGY.value))
    bench.receive(bytes.fromhex(tag + "0101"))
    with pytest.raises(SecurityError, match="no keys"):
        ticket.result()


def test_an_answer_that_cannot_be_opened_fails_its_request_at_once() -> None:
    line = Line(pushes())
    ticket = line.start(get(ENERGY.value))
    line.give(*map(flipped, line.answers()))
    with pytest.raises(SecurityError):
        ticket.result()
    write = line.start(set_value(LONG.value, b"x"))
    line.give(*map(flipped, line.answers()))
    with pytest.raises(OutcomeUnknown, match="could not be understood"):
        write.result()


@pytest.mark.parametrize("read", [True, False])
def test_an_answer_in_an_envelope_that_does_not_say_so_fails_its_request_when_time_is_up(read: bool) -> None:
    line = Line(pushes(), envelope=Envelope.GENERAL)
    ticket = line.start(get(ENERGY.value) if read else set_value(LONG.value, b"x"))
    line.give(*map(flipped, line.answers()))
    assert not ticket.done
    line.wait(RESPONSE_TIMEOUT_S)
    with pytest.raises(SecurityError if read else OutcomeUnknown, match=r"no answer .* what came meanwhile") as failed:
        ticket.result()
    assert isinstance(failed.value.__cause__, SecurityError)
    again = line.start(get(ENERGY.value))
    line.give(*line.answers())
    assert again.result() == 1234, "the association lives on"


def test_a_line_that_is_cut_is_no_matter_of_security() -> None:
    line = Line(pushes())
    ticket = line.start(get(ENERGY.value))
    line.give(line.envelope(PUSH, strange=True))
    line.connection.line_lost("cut", line.now)
    with pytest.raises(LinkError, match=r"^cut$"):
        ticket.result()


def test_envelopes_do_not_keep_a_request_alive() -> None:
    line = Line(pushes())
    ticket = line.start(get(ENERGY.value))
    for _ in range(MAX_UNOPENED):
        line.give(line.envelope(PUSH, strange=True))
        assert not ticket.done
        line.wait(RESPONSE_TIMEOUT_S / MAX_UNOPENED)
    with pytest.raises(SecurityError, match="no answer"):
        ticket.result()


def test_a_flood_of_envelopes_ends_the_request_and_not_the_association() -> None:
    """Each costs an attempt to open it: their number is bounded, as whoever sends them could cut the line as well."""
    line = Line(pushes())
    ticket = line.start(get(ENERGY.value))
    answers = line.answers()
    line.give(*[line.envelope(PUSH, strange=True)] * MAX_UNOPENED)
    assert not ticket.done
    line.give(line.envelope(PUSH, strange=True))
    with pytest.raises(SecurityError):
        ticket.result()
    line.give(*answers)
    again = line.start(get(ENERGY.value))
    line.give(*line.answers())
    assert again.result() == 1234
    assert line.connection.dropped == MAX_UNOPENED + 2


def test_nothing_that_waits_means_nothing_to_fail() -> None:
    line = Line(pushes())
    line.give(*[line.envelope(PUSH, strange=True)] * 3)
    assert len(faults(line.events())) == 3
    ticket = line.start(get(ENERGY.value))
    line.give(*line.answers())
    assert ticket.result() == 1234


@pytest.mark.parametrize("datagrams", [False, True])
def test_an_answer_that_comes_twice_is_none_to_the_next_request(datagrams: bool) -> None:
    """Its counter has been: over datagrams that is the network's doing, over a stream it is somebody's will."""
    line = Line(pushes(), datagrams=datagrams)
    first = line.start(get(ENERGY.value))
    answers = line.answers()
    line.give(*answers)
    assert first.result() == 1234
    second = line.start(get(ENERGY.scaler_unit))
    line.give(*answers)
    assert not second.done
    assert [type(fault) for fault in faults(line.events())] == [CounterError]
    line.give(*line.answers())
    assert len(second.result()) == 2
    third = line.start(get(ENERGY.value))
    line.give(*answers)
    line.wait(RESPONSE_TIMEOUT_S)
    with pytest.raises(SecurityError, match=r"what came meanwhile: invocation counter"):
        third.result()


@pytest.mark.parametrize("spoiler", ["flipped", "refused"])
def test_with_short_names_what_is_no_answer_ends_the_connection(spoiler: str) -> None:
    """The answer to the first request may still come, under a good tag: it must not pass for that to the second."""
    of = pushes(context=ApplicationContext.SN_CIPHERED)
    line = Line(of, context=ApplicationContext.SN_CIPHERED)
    names = ShortNames(line.connection.negotiated)
    listed = line.start(names.object_list())
    while not listed.done:
        line.give(*line.answers())
    first, second = line.start(names.get(ENERGY.value)), line.start(names.get(ENERGY.scaler_unit))
    answers = line.answers()
    line.give(flipped(answers[0]) if spoiler == "flipped" else wrap(SERVER, MANAGER, encode(ExceptionResponse(1, 1))))
    with pytest.raises(SecurityError if spoiler == "flipped" else ServiceRefused):
        first.result()
    line.give(*answers)
    with pytest.raises(LinkError):
        second.result()
    assert line.connection.closed is not None


def test_an_answer_among_several_that_cannot_be_opened() -> None:
    """Nobody knows whose it was: each has its own answer or, when time is up, the reason why it has none."""
    line = Line(pushes(), parallel=2)
    tickets = [line.start(get(ENERGY.value)), line.start(get(ENERGY.scaler_unit))]
    first, second = line.answers()
    line.give(flipped(first), second)
    assert [ticket.done for ticket in tickets] == [False, True]
    assert [type(event) for event in line.events()] == [Fault, Finished]
    line.wait(RESPONSE_TIMEOUT_S)
    with pytest.raises(SecurityError, match="no answer"):
        tickets[0].result()


def test_a_key_that_only_the_peer_speaks_of_is_the_fault_of_the_peer() -> None:
    line = Line(pushes())
    ticket = line.start(get(ENERGY.value))
    (answer,) = line.answers()
    line.give(answer[:8] + b"\xd4" + answer[9:])
    with pytest.raises(SecurityError, match="no dedicated key"):
        ticket.result()
