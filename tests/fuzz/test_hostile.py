"""Hostile peers: whatever is sent, a server answers or is silent, a client ends with our errors, and neither takes for ever."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dlms.acse import ACSE
from dlms.apdu import APDUS, DataNotification, GetResponseNormal, GetResponseWithDatablock
from dlms.apdu.attribute import ResultBlock
from dlms.codec import Record, Refusal, encode
from dlms.connection import Connection, Ticket
from dlms.data import Unsigned
from dlms.enums import Conformance
from dlms.errors import DlmsError
from dlms.framing import llc
from dlms.framing.hdlc import HdlcClient, HdlcServer
from dlms.framing.wrapper import WrapperServer, wrap
from dlms.operations import Operation
from dlms.operations.associate import LN_CONFORMANCE, AssociationRequest
from dlms.operations.lists import get_many
from dlms.operations.objects import object_list
from dlms.operations.profiles import columns
from dlms.operations.read import get, get_encoded
from dlms.operations.write import call, set_many, set_value
from dlms.quirks import Quirk
from dlms.server import Session
from dlms.server.session import Close
from hdlc import Address, Kind
from tests.dlms import data_values
from tests.dlms.bench import Bench, accepting
from tests.dlms.server.devices import (
    CLOCK,
    ENERGY,
    EVERYTHING,
    LONG,
    NAME,
    PROFILE,
    PUBLIC,
    SERVER,
    WRITER,
    Dialogue,
    device,
    proposal,
)
from tests.dlms.strategies import records
from tests.hdlc.strategies import frames as some_frames

REQUESTS = tuple(of for of in (*APDUS, *ACSE.values()) if "response" not in of.wire_name())
RESPONSES = tuple(of for of in APDUS if "request" not in of.wire_name())
EVERY_BIT = EVERYTHING | Conformance.GENERAL_BLOCK_TRANSFER | Conformance.ACCESS | Conformance.READ | Conformance.WRITE


@st.composite
def mutated(draw: st.DrawFn, classes: tuple[type[Record], ...]) -> bytes:
    """An APDU of one of the classes, with some octets changed, left out or added."""
    wire = bytearray(encode(draw(st.sampled_from(classes).flatmap(records))))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(wire)))
        match draw(st.sampled_from(("set", "cut", "add"))):
            case "set" if place < len(wire):
                wire[place] = draw(st.integers(0, 255))
            case "cut":
                del wire[place:]
            case _:
                wire[place:place] = draw(st.binary(max_size=5))
    return bytes(wire) or b"\xc0"


@st.composite
def aimed(draw: st.DrawFn) -> bytes:
    """A request whose names are those of objects that are there, so that it gets further."""
    objects = (ENERGY, CLOCK, PROFILE, NAME, LONG)
    target = draw(st.sampled_from(objects))
    wire = encode(draw(st.sampled_from([of for of in REQUESTS if of.prefix[:1] in b"\xc0\xc1\xc3"]).flatmap(records)))
    named = target.class_id.to_bytes(2, "big") + bytes(target.instance) + bytes((draw(st.integers(0, 9)),))
    at = {1: 3, 4: 3, 2: 3, 3: 4, 5: 4}.get(wire[1], 3)
    return wire[:at] + named + wire[at + len(named) :]


def check_answers(answers: list[bytes], limit: int) -> None:
    assert len(answers) <= 64
    assert all(len(answer) <= limit + 8 for answer in answers)


# --- the server ---------------------------------------------------------------------------------------------------


@given(
    st.lists(mutated(REQUESTS) | aimed() | st.binary(min_size=1, max_size=40), max_size=8),
    st.sampled_from((0, 12, 30, 200, 0xFFFF)),
    st.booleans(),
)
def test_a_server_answers_anything(apdus: list[bytes], size: int, quirky: bool) -> None:
    served = device(conformance=EVERY_BIT, quirks=Quirk if quirky else ())
    dialogue = Dialogue(served).open(WRITER, EVERY_BIT, size)
    for apdu in apdus:
        dialogue.session.receive_data(wrap(WRITER, SERVER, apdu), 0.0)
        answers = dialogue.session.data_to_send()
        if apdu[:1] not in (b"\x60", b"\x62"):
            check_answers(answers, size or 0xFFFF)
    dialogue.open(WRITER)
    assert dialogue.is_associated(WRITER)


@given(st.lists(st.binary(max_size=60) | mutated(REQUESTS).map(lambda apdu: wrap(PUBLIC, SERVER, apdu)), max_size=8))
def test_a_server_on_a_stream_of_anything(pieces: list[bytes]) -> None:
    session = Session({None: device()}, WrapperServer())
    for number, piece in enumerate(pieces):
        session.receive_data(piece, float(number))
        session.handle_timeout(float(number))
        session.data_to_send()
    session.handle_timeout(1e6)
    closes = 0
    while (event := session.next_event()) is not None:
        closes += isinstance(event, Close)
    assert closes <= 1


METER, ME = Address(SERVER), Address(PUBLIC)
READ_ENERGY = bytes.fromhex("c001c100030100010800ff0200")
MESSAGES = st.sampled_from((llc.REQUEST + proposal(), llc.REQUEST + READ_ENERGY, llc.RESPONSE + encode(accepting())))


@st.composite
def hdlc_frames(draw: st.DrawFn, source: Address = ME, destination: Address = METER) -> bytes:
    """Any frame, most of them for the two stations here, some with a message that means something."""
    frame = draw(some_frames(max_info=30))
    if draw(st.integers(0, 4)):
        frame = dataclasses.replace(frame, destination=destination, source=source)
    if draw(st.booleans()) and frame.kind is Kind.I:
        frame = dataclasses.replace(frame, info=draw(MESSAGES), segmented=False)
    return frame.encode()


@given(st.lists(hdlc_frames() | st.binary(max_size=40), max_size=15))
def test_a_server_on_a_line_of_any_frames(pieces: list[bytes]) -> None:
    session = Session({None: device()}, HdlcServer(server_saps=frozenset((SERVER,))))
    for number, piece in enumerate(pieces):
        session.receive_data(piece, float(number))
        session.handle_timeout(number + 0.6)
        check_answers(session.data_to_send(), 2050)
    session.handle_timeout(1e6)
    assert session.next_timeout() is None
    assert session.next_event() is None


# --- the client ---------------------------------------------------------------------------------------------------

OPERATIONS: dict[str, Any] = {
    "get": lambda bench: get(ENERGY.value),
    "encoded": lambda bench: get_encoded(PROFILE.buffer),
    "list": lambda bench: get_many([ENERGY.value, NAME.value, LONG.value], bench.connection.negotiated),
    "set": lambda bench: set_value(NAME.value, bytes(300), None, bench.connection.negotiated),
    "set list": lambda bench: set_many([(NAME.value, b"x"), (LONG.value, b"y")], bench.connection.negotiated),
    "call": lambda bench: call(ENERGY.reset),
    "objects": lambda bench: object_list(),
    "columns": lambda bench: columns(PROFILE),
}


def outcome(ticket: Ticket[Any]) -> None:
    """It is done, and what it raises is ours."""
    assert ticket.done
    try:
        ticket.result()
    except DlmsError:
        return


@given(
    st.sampled_from(sorted(OPERATIONS)),
    st.lists(mutated(RESPONSES) | st.binary(max_size=40), max_size=10),
    st.sampled_from((0, 60, 0xFFFF)),
)
def test_a_client_of_a_meter_that_says_anything(name: str, answers: list[bytes], size: int) -> None:
    bench = Bench().open(size=size)
    operation: Operation[Any] = OPERATIONS[name](bench)
    ticket = bench.start(operation)
    for answer in answers:
        if bench.framing.sent and len(answer) > 2 and answer[0] in (0xC4, 0xC5, 0xC7):
            answer = answer[:2] + bytes((bench.invoke,)) + answer[3:]
        bench.receive(answer)
    while not ticket.done:
        bench.wait(1000)
    outcome(ticket)
    bench.connection.line_lost("end", bench.now)


@given(st.sampled_from(("get", "encoded", "objects", "columns")), data_values.values)
def test_a_client_of_a_meter_with_values_of_any_type(name: str, value: Any) -> None:
    bench = Bench().open()
    ticket = bench.start(OPERATIONS[name](bench))
    bench.answer(GetResponseNormal(0, value))
    outcome(ticket)


@given(mutated(tuple(ACSE.values())) | mutated(RESPONSES) | st.binary(max_size=40))
def test_a_client_whose_aarq_is_answered_with_anything(answer: bytes) -> None:
    bench = Bench()
    ticket = bench.connection.open(bench.now)
    bench.receive(answer)
    bench.wait(1000)
    outcome(ticket)


def test_a_client_of_a_meter_that_never_stops() -> None:
    """Blocks of one octet, each in time: the bound of a transfer ends it (here a small one), not patience."""
    bench = Bench().open()
    ticket = bench.start(get(ENERGY.value))
    for number in range(1, 3000):
        bench.answer(GetResponseWithDatablock(0, ResultBlock(False, number, b"x")))
        bench.wait(1.0)
    assert not ticket.done
    bench.answer(GetResponseWithDatablock(0, ResultBlock(True, 3000, Refusal(250))))
    outcome(ticket)


def test_a_flood_of_notifications_does_not_keep_an_exchange_alive() -> None:
    bench = Bench().open()
    ticket = bench.start(get(ENERGY.value))
    push = encode(DataNotification(1, b"", Unsigned(1)))
    for _ in range(100):
        bench.receive(push)
        bench.wait(0.1)
    outcome(ticket)


def test_a_flood_of_general_blocks_does_not_keep_an_exchange_alive() -> None:
    """Blocks that bring nothing new are no progress."""
    bench = Bench(AssociationRequest(conformance=LN_CONFORMANCE | Conformance.GENERAL_BLOCK_TRANSFER))
    bench.open(LN_CONFORMANCE | Conformance.GENERAL_BLOCK_TRANSFER)
    ticket = bench.start(get(ENERGY.value))
    for repeated in ("e04100010000027e7e", "e0c1000500000100", "e0010000000000"):
        for _ in range(60):
            bench.receive(bytes.fromhex(repeated))
            bench.wait(0.1)
    outcome(ticket)


@given(st.lists(hdlc_frames(METER, ME) | st.binary(max_size=40), max_size=15))
def test_a_client_on_a_line_of_any_frames(pieces: list[bytes]) -> None:
    connection = Connection(HdlcClient(PUBLIC, SERVER), AssociationRequest())
    tickets = [connection.open(0.0)]
    now = 0.0
    for piece in pieces:
        now += 0.3
        connection.receive_data(piece, now)
        connection.handle_timeout(now)
        connection.data_to_send()
    tickets.append(connection.start(get(ENERGY.value), now))
    for _ in range(200):
        due = connection.next_timeout()
        if due is None or all(ticket.done for ticket in tickets):
            break
        now = max(now, due)
        connection.handle_timeout(now)
        connection.data_to_send()
    if not tickets[-1].done:  # the link came up and nothing is asked for any more: the medium ends it
        connection.line_lost("end", now)
    for ticket in tickets:
        outcome(ticket)


def test_the_answers_of_these_tests_open_an_association() -> None:
    assert Bench().open().connection.negotiated.conformance == accepting().initiate().conformance
