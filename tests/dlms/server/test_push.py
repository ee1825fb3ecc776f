"""What a server sends by itself, over the wrapper and HDLC, whole and in blocks, with and without an association."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.apdu import (
    DataNotification,
    DataNotificationConfirm,
    EventNotificationRequest,
    GeneralBlockTransfer,
    GetRequestNormal,
    InformationReportRequest,
)
from dlms.apdu.short_name import VariableName
from dlms.client import Client
from dlms.codec import Record, decode, encode
from dlms.connection import Connection, Fault, Notification
from dlms.enums import Conformance
from dlms.errors import LinkError, LocalProtocolError
from dlms.framing import Framing, Peer
from dlms.framing.hdlc import HdlcClient, HdlcServer
from dlms.framing.wrapper import HEADER, WrapperClient, WrapperServer, wrap
from dlms.operations.associate import AssociationRequest
from dlms.operations.read import descriptor, get
from dlms.server import Confirmed, Device, Session
from dlms.values import DoubleLongUnsigned
from hdlc.limits import MAX_QUEUED
from tests.dlms import short_name_meter
from tests.dlms.bench import Bench
from tests.dlms.server.devices import ENERGY, EVERYTHING, LONG, PEER, PUBLIC, SERVER, device
from tests.dlms.short_name_meter import client

C = Conformance
PUSHES = EVERYTHING | C.DATA_NOTIFICATION | C.EVENT_NOTIFICATION | C.GENERAL_BLOCK_TRANSFER
DATA = DataNotification(7, b"", [b"one", DoubleLongUnsigned(2)])
EVENT = EventNotificationRequest(None, descriptor(ENERGY.value), DoubleLongUnsigned(3))
REPORT = InformationReportRequest(None, [VariableName(0x100)], [DoubleLongUnsigned(4)])


def long_push(size: int) -> DataNotification:
    return DataNotification(8, b"", bytes(range(256)) * (size // 256) + bytes(size % 256))


def listener(*, hdlc: bool = False, conformance: Conformance = PUSHES, size: int = 0xFFFF) -> tuple[Client, Session]:
    """A client whose association is open, and the session at its other end."""
    request = AssociationRequest(conformance=conformance, max_receive=size)
    opened, medium = client(device(conformance=PUSHES), request, sap=PUBLIC, hdlc=hdlc)
    return opened, medium.session


def heard(reader: Client) -> list[Record]:
    """The notifications that have come with the answer to a read."""
    assert reader.get(ENERGY.value) == 1234
    assert not reader.faults
    found = list(reader.notifications)
    reader.notifications.clear()
    return found


@pytest.mark.parametrize("hdlc", [False, True])
def test_pushes_reach_the_notifications_and_no_operation(hdlc: bool) -> None:
    reader, session = listener(hdlc=hdlc)
    for apdu in (DATA, EVENT, DATA):
        session.push(PEER, apdu, 0.0)
    assert heard(reader) == [DATA, EVENT, DATA]
    assert heard(reader) == []


def test_short_names_report() -> None:
    reader, medium = client(short_name_meter.device())
    medium.session.push(PEER, REPORT, 0.0)
    reader.get(short_name_meter.ENERGY.value)
    assert list(reader.notifications) == [REPORT]


@given(hdlc=st.booleans(), size=st.integers(0, 3000), limit=st.sampled_from((40, 128, 1000)))
def test_long_pushes_go_in_blocks(hdlc: bool, size: int, limit: int) -> None:
    reader, session = listener(hdlc=hdlc, size=limit)
    apdu = long_push(size)
    capacity = min(limit, session.framing.push_capacity(PEER))
    if hdlc and size // (capacity - 9) > 60:
        return  # more than may wait for a turn
    session.push(PEER, apdu, 0.0)
    session.push(PEER, DATA, 0.0)
    assert heard(reader) == [apdu, DATA]


def test_blocks_of_a_push() -> None:
    reader, session = listener(size=60)
    session.push(PEER, long_push(120), 0.0)
    blocks = [decode(GeneralBlockTransfer, octets[HEADER.size :]) for octets in session.data_to_send()]
    assert [(b.block_number, b.last_block, b.streaming, b.window) for b in blocks] == [
        (1, False, True, 0),
        (2, False, True, 0),
        (3, True, False, 0),
    ]
    assert all(len(encode(block)) <= 60 for block in blocks)
    assert reader.connection.negotiated.max_receive == 60


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_push_whose_block_is_lost_is_lost_and_nothing_else(lost: int) -> None:
    _, session = listener(size=60)
    session.push(PEER, long_push(120), 0.0)
    pieces = [octets[HEADER.size :] for octets in session.data_to_send()]
    bench = Bench().open()
    ticket = bench.start(get(ENERGY.value))
    sent = len(bench.framing.sent)
    for piece in (*pieces[:lost], *pieces[lost + 1 :], *pieces):
        bench.receive(piece)
    assert bench.events() == [Notification(long_push(120))]
    assert len(bench.framing.sent) == sent, "nobody acknowledges them"
    assert not ticket.done


def test_blocks_of_a_push_that_break_the_rules_fail_no_operation() -> None:
    bench = Bench().open()
    ticket = bench.start(get(ENERGY.value))
    bench.receive(GeneralBlockTransfer(0x80, 1, 9, b"\x0f"))
    bench.receive(GeneralBlockTransfer(0x80, 1, 0, b"\x0f\xff"))
    assert [type(event) for event in bench.events()] == [Fault, Fault]
    assert not ticket.done


@pytest.mark.parametrize("associated", [False, True])
def test_a_push_in_blocks_that_want_acknowledgement(associated: bool) -> None:
    """Where an association is open, general blocks must have been agreed on; the exchange under way goes on."""
    bench = Bench(AssociationRequest(conformance=PUSHES))
    if associated:
        bench.open(PUSHES)
        ticket = bench.start(get(ENERGY.value))
    bench.framing.sent.clear()
    data = encode(long_push(60))
    bench.receive(GeneralBlockTransfer(0x02, 1, 0, data[:30]))
    assert decode(GeneralBlockTransfer, bench.framing.sent.pop()) == GeneralBlockTransfer(0xBF, 1, 1, b"")
    bench.receive(GeneralBlockTransfer(0x82, 2, 0, data[30:]))
    assert bench.events() == [Notification(long_push(60))]
    assert not associated or not ticket.done
    bench = Bench().open(C.GET | C.DATA_NOTIFICATION)
    bench.receive(GeneralBlockTransfer(0x02, 1, 0, data[:30]))
    (fault,) = bench.events()
    assert isinstance(fault, Fault)
    assert "not negotiated" in str(fault.error)


@pytest.mark.parametrize("hdlc", [False, True])
def test_a_push_without_an_association(hdlc: bool) -> None:
    """HDLC carries it in a UI frame with F, for no link orders the turns."""
    far = HdlcServer(server_saps=frozenset((SERVER,))) if hdlc else WrapperServer()
    session = Session({None: device()}, far)
    session.push(PEER, DATA, 0.0)
    near: Framing = HdlcClient(PUBLIC, SERVER) if hdlc else WrapperClient(PUBLIC, SERVER)
    connection = Connection(near, AssociationRequest())
    for piece in session.data_to_send():
        connection.receive_data(piece, 0.0)
    assert connection.next_event() == Notification(DATA)
    assert connection.data_to_send() == []


@pytest.mark.parametrize("associated", [False, True])
def test_a_confirmed_push_is_confirmed_and_that_is_not_answered(associated: bool) -> None:
    reader, session = listener()
    if not associated:
        session = Session({None: device()}, WrapperServer())
    confirmed = dataclasses.replace(DATA, long_invoke_id_and_priority=1 << 30 | 7)
    session.push(PEER, confirmed, 0.0)
    for piece in session.data_to_send():
        reader.connection.receive_data(piece, 0.0)
    answers = reader.connection.data_to_send()
    expected = DataNotificationConfirm(1 << 30 | 7, b"")
    assert answers == [wrap(PUBLIC, SERVER, encode(expected))]
    session.receive_data(answers[0], 0.0)
    assert session.data_to_send() == []
    assert session.next_event() == Confirmed(PEER, 7)
    assert session.next_event() is None


def test_a_confirmation_that_is_none_is_refused() -> None:
    session = Session({None: device()}, WrapperServer())
    session.receive_data(wrap(PUBLIC, SERVER, b"\x10\0"), 0.0)
    [answer] = session.data_to_send()
    assert answer[HEADER.size] == 0xD8


@pytest.mark.parametrize(
    ("apdu", "conformance", "says"),
    [
        (GetRequestNormal(0xC1, descriptor(ENERGY.value)), PUSHES, "nothing that a server sends"),
        (DATA, PUSHES & ~C.DATA_NOTIFICATION, "data-notification was not negotiated"),
        (EVENT, PUSHES & ~C.EVENT_NOTIFICATION, "event-notification was not negotiated"),
        (REPORT, PUSHES, "information-report was not negotiated"),
        (long_push(500), PUSHES & ~C.GENERAL_BLOCK_TRANSFER, "the client receives 100"),
    ],
)
def test_what_cannot_be_pushed(apdu: Record, conformance: Conformance, says: str) -> None:
    reader, session = listener(conformance=conformance, size=100)
    with pytest.raises(LocalProtocolError, match=says):
        session.push(PEER, apdu, 0.0)
    assert heard(reader) == []


def test_nobody_to_push_for() -> None:
    session = Session({None: device()}, WrapperServer())
    with pytest.raises(LocalProtocolError, match="no device"):
        session.push(Peer(PUBLIC, SERVER, 17), DATA, 0.0)


def test_an_hdlc_client_that_never_polls_or_has_no_address() -> None:
    _, session = listener(hdlc=True)
    session.data_to_send()
    for _ in range(MAX_QUEUED):
        session.push(PEER, DATA, 0.0)
    with pytest.raises(LinkError, match="wait to be sent"):
        session.push(PEER, DATA, 0.0)
    with pytest.raises(LocalProtocolError):
        session.push(Peer(1000, SERVER), DATA, 0.0)


def test_pushes_in_the_middle_of_a_long_read(monkeypatch: pytest.MonkeyPatch) -> None:
    request = AssociationRequest(conformance=PUSHES & ~C.GENERAL_BLOCK_TRANSFER, max_receive=100)
    reader, medium = client(device(conformance=PUSHES), request)
    send = medium.send

    def pushing(data: bytes) -> None:
        medium.session.push(PEER, DATA, 0.0)
        send(data)

    monkeypatch.setattr(medium, "send", pushing)
    assert reader.get(LONG.value) == bytes(range(256)) * 3
    assert set(map(encode, reader.notifications)) == {encode(DATA)}
    assert len(reader.notifications) > 3


def test_device_is_shared_by_sessions() -> None:
    """Each session knows its own clients only: a push goes where it is told to."""
    shared: Device = device(conformance=PUSHES)
    one, first = client(shared, AssociationRequest(conformance=PUSHES), sap=PUBLIC)
    two, second = client(shared, AssociationRequest(conformance=PUSHES), sap=PUBLIC)
    first.session.push(PEER, DATA, 0.0)
    assert (heard(one), heard(two)) == ([DATA], [])
    assert second.session is not first.session
