"""Pushes whose blocks the client acknowledges: whatever block is lost, whenever a request comes between."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.apdu import DataNotification, GeneralBlockTransfer, GetRequestNormal
from dlms.codec import Record, decode, encode
from dlms.connection import Connection, Fault, Notification, Ticket
from dlms.enums import ApplicationContext, Conformance, Mechanism
from dlms.errors import LinkError, LocalProtocolError
from dlms.framing.wrapper import HEADER, WINDOW, WrapperClient, WrapperServer, wrap
from dlms.limits import MAX_PUSHES, RESPONSE_TIMEOUT_S
from dlms.operations import Operation
from dlms.operations.associate import AssociationRequest
from dlms.operations.read import descriptor, get
from dlms.operations.write import set_value
from dlms.server import Close, Confirmed, Pushed, Session
from tests.dlms.secured import EVERYTHING as SECURED
from tests.dlms.secured import MANAGER, SECRET, world
from tests.dlms.server.devices import ENERGY, EVERYTHING, LONG, PASSWORDS, PEER, PUBLIC, SERVER, WRITER, device
from tests.dlms.server.test_push import DATA, EVENT, PUSHES, listener, long_push
from tests.line import Fate, Line, Station

C = Conformance
SIZE = 100
LONG_VALUE = bytes(range(256)) * 3


class Both:
    """A client and a session on a line; `lost` are the messages, counted from the first after opening, that get lost."""

    def __init__(
        self,
        request: AssociationRequest | None = None,
        *,
        datagrams: bool = False,
        lost: frozenset[int] = frozenset(),
        of: Any = None,
        sap: int = PUBLIC,
    ) -> None:
        framing = WrapperServer(datagrams=datagrams)
        self.session = Session({None: of or device(conformance=PUSHES)}, framing)
        self.connection = Connection(
            WrapperClient(sap, SERVER, datagrams=datagrams),
            request or AssociationRequest(conformance=PUSHES, max_receive=SIZE),
        )
        self.peer = PEER._replace(client_sap=sap)
        self.lost, self.count = frozenset[int](), 0
        self.line = Line(_station(self.connection), _station(self.session), self._fate)
        opening = self.connection.open(0.0)
        self.line.run(lambda: opening.done)
        opening.result()
        self.told()
        self.lost, self.count = lost, 0

    def _fate(self) -> Fate:
        self.count += 1
        return Fate(lost=self.count - 1 in self.lost)

    def push(self, apdu: Record) -> None:
        self.session.push(self.peer, apdu, self.line.now, acknowledged=True)

    def start(self, operation: Operation[Any]) -> Ticket[Any]:
        return self.connection.start(operation, self.line.now)

    def rest(self) -> None:
        """Until nothing more happens but that an idle server loses patience."""
        self.line.run(lambda: not self.line._arrivals and self._due() > self.line.now + 60)

    def _due(self) -> float:
        due = self.connection.next_timeout(), self.session.next_timeout()
        return min((moment for moment in due if moment is not None), default=1e9)

    def told(self) -> tuple[list[Record], list[Close | Confirmed | Pushed]]:
        """The notifications that the client has, and the events of the session."""
        heard: list[Record] = []
        while (event := self.connection.next_event()) is not None:
            assert not isinstance(event, Fault)
            if isinstance(event, Notification):
                heard.append(event.apdu)
        events = []
        while (told := self.session.next_event()) is not None:
            events.append(told)
        return heard, events


def _station(machine: Connection | Session) -> Station:
    return Station(machine.receive_data, machine.data_to_send, machine.next_timeout, machine.handle_timeout)


def blocks(pair: Both, end: str) -> list[GeneralBlockTransfer]:
    found = [octets[HEADER.size :] for name, octets in pair.line.carried if name == end]
    return [decode(GeneralBlockTransfer, apdu) for apdu in found if apdu[:1] == GeneralBlockTransfer.prefix]


@pytest.mark.parametrize("datagrams", [False, True])
@pytest.mark.parametrize("size", [0, 10, 90, 91, 500, 8000])
def test_what_is_pushed_arrives_once_and_that_is_told(datagrams: bool, size: int) -> None:
    pair = Both(datagrams=datagrams)
    pair.push(long_push(size))
    pair.rest()
    assert pair.told() == ([long_push(size)], [Pushed(PEER, long_push(size), True)])
    sent = blocks(pair, "far")
    assert [block.block_number for block in sent] == list(range(1, len(sent) + 1))
    assert sent[-1].last_block
    assert pair.session.framing.next_timeout() is not None
    assert pair.connection.next_timeout() is None


def test_windows() -> None:
    """The first block goes alone; its acknowledgement says how many the client takes in a row."""
    pair = Both()
    pair.push(long_push(8000))
    pair.rest()
    sent = blocks(pair, "far")
    turns = [1, *range(1 + WINDOW, len(sent), WINDOW), len(sent)]
    assert [block.block_number for block in sent if not block.streaming] == turns
    assert [block.block_number_ack for block in blocks(pair, "near")] == turns


@pytest.mark.parametrize("lost", range(14))
def test_any_lost_message_is_made_good(lost: int) -> None:
    """Blocks and acknowledgements alike, of two pushes, one after the other."""
    pair = Both(datagrams=True, lost=frozenset((lost,)))
    first, second = long_push(500), long_push(300)
    pair.push(first)
    pair.push(second)
    pair.rest()
    assert pair.told() == ([first, second], [Pushed(PEER, first, True), Pushed(PEER, second, True)])
    assert pair.count > 13


@given(st.frozensets(st.integers(0, 40), max_size=6), st.integers(0, 900))
def test_several_lost_messages(lost: frozenset[int], size: int) -> None:
    """What the client has it has once, and what is told as acknowledged it has."""
    pair = Both(datagrams=True, lost=lost)
    pair.push(long_push(size))
    pair.rest()
    heard, [told] = pair.told()
    assert isinstance(told, Pushed)
    assert heard in ([long_push(size)], [])
    assert heard or not told.acknowledged


@pytest.mark.parametrize("datagrams", [False, True])
@pytest.mark.parametrize("steps", range(9))
@pytest.mark.parametrize("size", [SIZE, 0xFFFF])
@pytest.mark.parametrize("write", [False, True])
def test_a_request_at_any_moment(datagrams: bool, steps: int, size: int, write: bool) -> None:
    """Its answer comes, in blocks too, and so does the push, which begins anew behind it."""
    of = device(conformance=PUSHES, max_receive=SIZE)
    request = AssociationRequest(
        conformance=PUSHES, max_receive=SIZE, mechanism=Mechanism.LLS, secret=PASSWORDS[WRITER]
    )
    pair = Both(request, datagrams=datagrams, of=of, sap=WRITER)
    push = long_push(500)
    pair.push(push)
    taken = iter(range(steps))
    pair.line.run(lambda: next(taken, None) is None)
    ticket = pair.start(
        set_value(LONG.value, LONG_VALUE) if write else get(LONG.value if size == SIZE else ENERGY.value)
    )
    pair.line.run(lambda: ticket.done)
    ticket.result()
    pair.rest()
    assert pair.told() == ([push], [Pushed(pair.peer, push, True)])
    assert pair.connection.next_timeout() is None


def test_pushes_wait_for_the_blocks_of_an_answer() -> None:
    pair = Both()
    ticket = pair.start(get(LONG.value))
    pair.line.run(lambda: bool(blocks(pair, "far")))
    pair.push(long_push(500))
    pair.line.run(lambda: ticket.done)
    assert ticket.result() == LONG_VALUE
    pair.rest()
    assert pair.told() == ([long_push(500)], [Pushed(PEER, long_push(500), True)])


@pytest.mark.parametrize("datagrams", [False, True])
def test_a_client_that_falls_silent(datagrams: bool) -> None:
    """What it does not take is told as not acknowledged, in bounded time; the next one has its turn."""
    pair = Both(datagrams=datagrams, lost=frozenset(range(100)))
    for apdu in (long_push(500), DATA):
        pair.push(apdu)
    pair.rest()
    assert pair.told() == ([], [Pushed(PEER, long_push(500), False), Pushed(PEER, DATA, False)])
    assert pair.count <= 2 * 4


@pytest.mark.parametrize("window", [0, 1])
def test_a_client_that_takes_turns_and_no_blocks(window: int) -> None:
    _, session = listener(size=SIZE)
    session.push(PEER, long_push(500), 0.0, acknowledged=True)
    for turn in range(40):
        session.receive_data(acknowledging(0, window), turn / 100)
    session.handle_timeout(2 * RESPONSE_TIMEOUT_S)
    assert session.next_event() == Pushed(PEER, long_push(500), False)
    assert session.next_event() is None


def acknowledging(number: int, window: int = 1) -> bytes:
    octets = bytes((0xE0, 0x80 | window)) + (1).to_bytes(2, "big") + number.to_bytes(2, "big") + b"\0"
    return HEADER.pack(1, PUBLIC, SERVER, len(octets)) + octets


def test_an_acknowledgement_of_more_than_was_sent_is_none() -> None:
    _, session = listener(size=SIZE)
    session.push(PEER, long_push(500), 0.0, acknowledged=True)
    session.data_to_send()
    session.receive_data(acknowledging(9), 0.0)
    assert (session.data_to_send(), session.next_event()) == ([], None)


def test_an_association_that_ends_takes_its_pushes_along() -> None:
    pair = Both(lost=frozenset(range(3)))
    pair.push(long_push(500))
    pair.push(DATA)
    released = pair.connection.release(0.0)
    pair.lost = frozenset()
    pair.line.run(lambda: released.done)
    assert pair.told()[1] == [Pushed(PEER, long_push(500), False), Pushed(PEER, DATA, False)]
    with pytest.raises(LocalProtocolError, match="nobody acknowledges"):
        pair.push(DATA)


def test_under_protection_a_push_that_was_interrupted_has_a_fresh_counter() -> None:
    conformance = SECURED | C.DATA_NOTIFICATION | C.GENERAL_BLOCK_TRANSFER
    of = world(conformance=conformance)
    request = AssociationRequest(
        conformance=conformance,
        context=ApplicationContext.LN_CIPHERED,
        mechanism=Mechanism.HLS_GMAC,
        secret=SECRET,
        security=of.client(),
        max_receive=200,
    )
    pair = Both(request, of=of.device, sap=MANAGER)
    push = long_push(900)
    pair.push(push)
    pair.line.run(lambda: len(blocks(pair, "far")) > 2)
    ticket = pair.start(get(ENERGY.value))
    pair.line.run(lambda: ticket.done)
    assert ticket.result() == 1234
    pair.rest()
    assert pair.told() == ([push], [Pushed(pair.peer, push, True)])


@pytest.mark.parametrize(
    ("hdlc", "conformance", "says"),
    [
        (False, PUSHES & ~C.GENERAL_BLOCK_TRANSFER, "general block transfer was not negotiated"),
        (False, PUSHES & ~C.DATA_NOTIFICATION, "data-notification was not negotiated"),
        (True, PUSHES, "must ask first"),
    ],
)
def test_what_cannot_be_pushed_so(hdlc: bool, conformance: Conformance, says: str) -> None:
    _, session = listener(hdlc=hdlc, conformance=conformance)
    with pytest.raises(LocalProtocolError, match=says):
        session.push(PEER, DATA, 0.0, acknowledged=True)
    unassociated = Session({None: device(conformance=EVERYTHING)}, WrapperServer())
    with pytest.raises(LocalProtocolError, match="nobody acknowledges"):
        unassociated.push(PEER, DataNotification(1, b"", None), 0.0, acknowledged=True)


def test_no_more_wait_than_the_bound() -> None:
    pair = Both()
    for _ in range(MAX_PUSHES):
        pair.push(EVENT)
    with pytest.raises(LinkError, match="wait to be sent"):
        pair.push(EVENT)
    pair.rest()
    heard, told = pair.told()
    assert heard == [EVENT] * MAX_PUSHES
    assert told == [Pushed(PEER, EVENT, True)] * MAX_PUSHES


def test_a_request_that_acknowledges_the_push_that_it_has_crossed() -> None:
    """Clients that take the first block of a push for that of an answer say so in the blocks of their request."""
    pair = Both()
    pair.push(long_push(500))
    request = encode(GetRequestNormal(0xC1, descriptor(ENERGY.value)))
    for number, ack, octets in ((1, 0, request[:5]), (2, 1, request[5:])):
        block = GeneralBlockTransfer((0x80 if number == 2 else 0) | 1, number, ack, octets)
        pair.session.receive_data(wrap(PUBLIC, SERVER, encode(block)), 0.0)
    answers = [decode(GeneralBlockTransfer, octets[HEADER.size :]) for octets in pair.session.data_to_send()]
    assert [answer.block_data[:1] for answer in answers] == [b"\x0f", b"", b"\xc4", b"\x0f"]
