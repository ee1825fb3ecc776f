"""The connection: who has the line, whose reply this is, what silence, nonsense and a lost line do."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.acse import Rlre
from dlms.apdu import (
    ActionResponseNormal,
    ConfirmedServiceError,
    DataNotification,
    DataNotificationConfirm,
    EventNotificationRequest,
    ExceptionResponse,
    GeneralBlockTransfer,
    GetRequestNormal,
    GetResponseNormal,
    GetResponseWithDatablock,
    InformationReportRequest,
    SetRequestNormal,
    SetResponseNormal,
    decode_apdu,
)
from dlms.apdu.action import ActionResult
from dlms.apdu.attribute import CosemAttributeDescriptor, ResultBlock
from dlms.apdu.short_name import VariableName
from dlms.association import State
from dlms.codec import Record, encode
from dlms.connection import Closed, Fault, Finished, Notification
from dlms.data import DoubleLongUnsigned, Unsigned
from dlms.enums import Conformance, Mechanism
from dlms.errors import (
    AccessError,
    DecodeError,
    LinkError,
    LocalProtocolError,
    OutcomeUnknown,
    RemoteProtocolError,
    ServiceRefused,
)
from dlms.ic import Data, Register
from dlms.operations import Operation, Request
from dlms.operations.associate import LN_CONFORMANCE, AssociationRequest
from dlms.operations.read import get, get_encoded
from dlms.operations.write import call, set_value
from dlms.quirks import Quirk
from dlms.trace import Trace
from tests.dlms.bench import SEGMENT, TIMEOUT_S, Bench, accepting

ENERGY, OTHER = Register("1.0.1.8.0.255"), Data("0.0.96.1.0.255")
ONE = GetResponseNormal(0, DoubleLongUnsigned(1))
TWO = GetResponseNormal(0, DoubleLongUnsigned(2))
PUSH = DataNotification(1, b"", Unsigned(7))
CONFIRMED_PUSH = DataNotification(1 << 30 | 5, b"", None)


# --- one at a time ------------------------------------------------------------------------------------------------


def test_first_come_first_served() -> None:
    bench = Bench().open()
    tickets = [bench.start(get(of)) for of in (ENERGY.value, OTHER.value, ENERGY.value)]
    for number, ticket in enumerate(tickets, 1):
        assert len(bench.framing.sent) == number
        bench.answer(GetResponseNormal(0, Unsigned(number)))
        assert ticket.result() == number
    assert [event for event in bench.events() if isinstance(event, Finished)] == [Finished(t) for t in tickets]


def test_invoke_ids_run_from_1_to_15_and_blocks_keep_theirs() -> None:
    bench = Bench().open()
    seen = []
    for _ in range(17):
        bench.start(get(ENERGY.value))
        seen.append(bench.invoke)
        bench.answer(ONE)
    assert seen == [0xC0 | number for number in (*range(1, 16), 1, 2)]
    ticket = bench.start(get(ENERGY.value))
    bench.answer(GetResponseWithDatablock(0, ResultBlock(False, 1, b"\x06\0\0")))
    assert bench.framing.sent[-1].hex() == "c002c300000001"
    bench.answer(GetResponseWithDatablock(0, ResultBlock(True, 2, b"\0\1")))
    assert ticket.result() == 1


@given(st.lists(st.integers(0, 0xFF), max_size=10))
def test_only_the_right_invoke_id_answers(octets: list[int]) -> None:
    bench = Bench().open()
    bench.start(get(ENERGY.value))
    bench.answer(ONE)
    ticket = bench.start(get(ENERGY.value))
    wrong = [octet for octet in octets if octet & 0x0F != bench.invoke & 0x0F]
    for octet in wrong:
        bench.receive(GetResponseNormal(octet, Unsigned(9)))
    assert not ticket.done
    assert bench.connection.dropped == len(wrong)
    bench.answer(TWO)
    assert ticket.result() == 2


def test_replies_that_nothing_waits_for_are_dropped_and_counted() -> None:
    bench = Bench().open()
    for unasked in (ONE, SetResponseNormal(1, 0), ExceptionResponse(1, 1), accepting(), Rlre(0)):
        bench.receive(unasked)
    assert bench.connection.dropped == 5
    assert bench.events() == []


# --- silence ------------------------------------------------------------------------------------------------------


def test_a_read_that_is_not_answered_is_a_link_error_and_the_line_goes_on() -> None:
    bench = Bench().open()
    first, second = bench.start(get(ENERGY.value)), bench.start(get(OTHER.value))
    assert bench.connection.next_timeout() == bench.now + TIMEOUT_S
    late = bench.invoke
    bench.wait(TIMEOUT_S)
    with pytest.raises(LinkError, match="get-request-normal within 5 s") as lost:
        first.result()
    assert not isinstance(lost.value, OutcomeUnknown)
    bench.receive(GetResponseNormal(late, Unsigned(9)))
    assert not second.done
    bench.answer(TWO)
    assert second.result() == 2


@pytest.mark.parametrize("operation", [set_value(ENERGY.value, Unsigned(1)), call(ENERGY.reset)], ids=["set", "call"])
def test_a_write_or_call_that_is_not_answered_is_unknown(operation: Operation[Any]) -> None:
    bench = Bench().open()
    ticket = bench.start(operation)
    bench.wait(TIMEOUT_S)
    with pytest.raises(OutcomeUnknown):
        ticket.result()
    assert len(bench.framing.sent) == 1


def test_timers_that_come_early_have_no_effect() -> None:
    bench = Bench().open()
    ticket = bench.start(get(ENERGY.value), timeout_s=2)
    assert bench.framing.given_s == 2
    for _ in range(10):
        bench.wait(0.19)
    assert not ticket.done
    assert bench.connection.next_timeout() == pytest.approx(bench.now + 0.1)
    bench.answer(ONE)
    bench.wait(100)
    assert ticket.result() == 1
    assert bench.connection.next_timeout() is None


def test_a_timeout_is_thrown_into_the_operation_which_may_go_on() -> None:
    def stubborn() -> Operation[str]:
        request = Request(GetRequestNormal(0, CosemAttributeDescriptor(3, bytes(6), 2)), (GetResponseNormal,))
        try:
            yield request
        except LinkError as silence:
            reply = yield request
            assert isinstance(reply, GetResponseNormal)
            return f"{reply.result} after {type(silence).__name__}"
        return "at once"

    bench = Bench().open()
    ticket = bench.start(stubborn())
    bench.wait(TIMEOUT_S)
    assert len(bench.framing.sent) == 2
    bench.answer(GetResponseNormal(0, "value"))
    assert ticket.result() == "value after LinkError"


def test_a_long_answer_has_its_time_again_with_each_segment() -> None:
    bench = Bench().open()
    ticket = bench.start(get(ENERGY.value))
    for _ in range(5):
        bench.wait(TIMEOUT_S - 1)
        bench.receive(SEGMENT)
    assert not ticket.done
    bench.wait(TIMEOUT_S)
    with pytest.raises(LinkError):
        ticket.result()


def test_half_an_answer_in_general_blocks_is_not_in_the_way_of_the_next() -> None:
    bench = Bench(AssociationRequest(conformance=LN_CONFORMANCE | Conformance.GENERAL_BLOCK_TRANSFER))
    bench.open(LN_CONFORMANCE | Conformance.GENERAL_BLOCK_TRANSFER)
    ticket = bench.start(get(ENERGY.value))
    for number in (1, 2, 3):
        bench.receive(GeneralBlockTransfer(0x01, number, 0, b"x"))
    bench.wait(TIMEOUT_S)
    with pytest.raises(LinkError):
        ticket.result()
    ticket = bench.start(get(ENERGY.value))
    whole = bytes((0xC4, 1, bench.invoke, 0, 0x11, 7))
    bench.receive(GeneralBlockTransfer(0x01, 1, 0, whole[:3]))
    bench.receive(GeneralBlockTransfer(0x81, 2, 0, whole[3:]))
    assert ticket.result() == 7


# --- giving up ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["reply", "deadline", "nonsense"])
def test_an_abandoned_exchange_keeps_the_line(by: str) -> None:
    bench = Bench().open()
    first, second = bench.start(get(ENERGY.value)), bench.start(get(OTHER.value))
    bench.connection.abandon(first, bench.now)
    with pytest.raises(OutcomeUnknown, match="abandoned"):
        first.result()
    assert len(bench.framing.sent) == 1
    if by == "reply":
        bench.answer(ONE)
        assert bench.connection.dropped == 1
    elif by == "deadline":
        bench.wait(TIMEOUT_S)
    else:
        bench.receive(b"\xc4\x01")
    assert len(bench.framing.sent) == 2
    bench.answer(TWO)
    assert second.result() == 2


def test_abandoning_what_waits_or_is_done() -> None:
    bench = Bench().open()
    first, second = bench.start(get(ENERGY.value)), bench.start(get(OTHER.value))
    bench.connection.abandon(second, bench.now)
    bench.answer(ONE)
    bench.connection.abandon(first, bench.now)
    assert first.result() == 1
    assert len(bench.framing.sent) == 1
    assert bench.connection.next_timeout() is None


def test_a_generator_is_closed_and_not_resumed() -> None:
    log = []

    def operation() -> Operation[None]:
        try:
            yield Request(GetRequestNormal(0, CosemAttributeDescriptor(3, bytes(6), 2)), (GetResponseNormal,))
            log.append("resumed")
        finally:
            log.append("closed")

    bench = Bench().open()
    ticket = bench.start(operation())
    bench.connection.abandon(ticket, bench.now)
    assert log == ["closed"]
    bench.answer(ONE)
    assert log == ["closed"]


# --- nonsense -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xc4\x01\xc2", b"\x61\x00", b"\xc4\x01\xc2\x00\x07", b"\xe0\x01"])
def test_what_cannot_be_decoded_fails_the_operation(data: bytes) -> None:
    bench = Bench().open()
    ticket = bench.start(get(ENERGY.value))
    bench.receive(data)
    with pytest.raises(RemoteProtocolError):
        ticket.result()
    assert bench.connection.association.state is State.OPEN


def test_an_unreadable_answer_to_a_write_leaves_its_outcome_unknown() -> None:
    bench = Bench().open()
    ticket = bench.start(set_value(ENERGY.value, Unsigned(1)))
    bench.receive(b"\xc5\x01")
    with pytest.raises(OutcomeUnknown, match="could not be understood") as unknown:
        ticket.result()
    assert isinstance(unknown.value.__cause__, DecodeError)


def test_what_cannot_be_decoded_while_nothing_waits_is_a_fault() -> None:
    bench = Bench().open()
    bench.receive(b"\xff\xff")
    (event,) = bench.events()
    assert isinstance(event, Fault)
    assert isinstance(event.error, DecodeError)


def test_a_push_that_cannot_be_decoded_does_not_fail_the_operation() -> None:
    bench = Bench().open()
    ticket = bench.start(get(ENERGY.value))
    for tag in (b"\x0f", b"\xc2", b"\x18"):
        bench.receive(tag + b"\x07")
    bench.answer(ONE)
    assert ticket.result() == 1
    assert [type(event) for event in bench.events()] == [Fault, Fault, Fault, Finished]


@pytest.mark.parametrize(
    "answer",
    [
        SetResponseNormal(0, 0),
        ActionResponseNormal(0, ActionResult(0)),
        GetRequestNormal(0, CosemAttributeDescriptor(1, bytes(6), 2)),
    ],
    ids=lambda apdu: apdu.wire_name(),
)
def test_an_answer_of_another_kind(answer: Record) -> None:
    bench = Bench().open()
    ticket = bench.start(get(ENERGY.value))
    bench.answer(answer)
    with pytest.raises(RemoteProtocolError, match=answer.wire_name()):
        ticket.result()
    bench.start(get(ENERGY.value))
    assert len(bench.framing.sent) == 2


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        (ExceptionResponse(1, 4), "service-not-allowed, pdu-too-long"),
        (ExceptionResponse(2, 77), r"service-unknown, other\(77\)"),
        (ConfirmedServiceError(5, 2, 1), "read, vde-state-error, 1"),
    ],
)
def test_services_that_are_refused(refusal: Record, says: str) -> None:
    bench = Bench().open()
    for operation in (get(ENERGY.value), set_value(ENERGY.value, Unsigned(1)), call(ENERGY.reset)):
        ticket = bench.start(operation)
        bench.receive(refusal)
        with pytest.raises(ServiceRefused, match=says):
            ticket.result()
    assert bench.connection.association.state is State.OPEN


@given(
    st.lists(
        st.binary(max_size=30) | st.sampled_from([encode(one) for one in (ONE, PUSH, CONFIRMED_PUSH)]), max_size=20
    )
)
def test_nothing_received_raises(pieces: list[bytes]) -> None:
    bench = Bench()
    bench.connection.open(bench.now)
    for piece in pieces:
        bench.start(get(ENERGY.value))
        bench.receive(piece)
        bench.wait(1)
    bench.wait(TIMEOUT_S * 50)


# --- what the server sends by itself ------------------------------------------------------------------------------


def test_notifications_become_events_and_reach_no_operation() -> None:
    bench = Bench().open()
    event = EventNotificationRequest(None, CosemAttributeDescriptor(3, bytes(6), 2), Unsigned(1))
    ticket = bench.start(get(ENERGY.value))
    bench.receive(PUSH)
    bench.receive(event)
    assert not ticket.done
    assert bench.events() == [Notification(PUSH), Notification(event)]
    assert len(bench.framing.sent) == 1
    bench.answer(ONE)
    assert ticket.result() == 1


EVENT = EventNotificationRequest(None, CosemAttributeDescriptor(3, bytes(6), 2), Unsigned(1))
REPORT = InformationReportRequest(None, [VariableName(0x100)], [Unsigned(1)])


@pytest.mark.parametrize("push", [PUSH, CONFIRMED_PUSH, EVENT, REPORT], ids=lambda apdu: apdu.wire_name())
def test_a_notification_that_was_not_agreed_on_is_refused(push: Record) -> None:
    """Neither delivered nor confirmed, and in the way of nothing."""
    bench = Bench().open(Conformance.GET)
    ticket = bench.start(get(ENERGY.value))
    bench.receive(push)
    (fault,) = bench.events()
    assert isinstance(fault, Fault)
    assert isinstance(fault.error, RemoteProtocolError)
    assert "was not negotiated" in str(fault.error)
    assert (bench.connection.dropped, len(bench.framing.sent)) == (1, 1)
    bench.answer(ONE)
    assert ticket.result() == 1


@pytest.mark.parametrize("push", [PUSH, CONFIRMED_PUSH, EVENT, REPORT], ids=lambda apdu: apdu.wire_name())
def test_without_an_association_every_notification_is_taken(push: Record) -> None:
    bench = Bench()
    bench.receive(push)
    assert bench.events() == [Notification(push)]
    assert bench.connection.dropped == 0


def test_a_confirmed_notification_is_acknowledged() -> None:
    bench = Bench().open()
    bench.receive(CONFIRMED_PUSH)
    confirm = decode_apdu(bench.framing.sent[-1])
    assert confirm == DataNotificationConfirm(CONFIRMED_PUSH.long_invoke_id_and_priority, b"")
    assert bench.framing.expects_reply[-1] is False


def test_a_confirmed_notification_that_comes_again_is_acknowledged_again_and_told_once() -> None:
    """The meter has not heard the confirmation.  Another message with the same number is another one."""
    bench = Bench().open()
    for _ in range(3):
        bench.receive(CONFIRMED_PUSH)
    assert bench.events() == [Notification(CONFIRMED_PUSH)]
    assert bench.connection.repeated == 2
    assert bench.framing.sent == [encode(DataNotificationConfirm(CONFIRMED_PUSH.long_invoke_id_and_priority, b""))] * 3
    other = dataclasses.replace(CONFIRMED_PUSH, body=Unsigned(1))
    bench.receive(other)
    bench.receive(PUSH)
    bench.receive(PUSH)
    assert bench.events() == [Notification(other), Notification(PUSH), Notification(PUSH)]
    assert (CONFIRMED_PUSH.invoke_id, CONFIRMED_PUSH.confirmed, PUSH.confirmed) == (5, True, False)


def test_a_notification_before_the_link_is_up_is_not_acknowledged() -> None:
    bench = Bench()
    bench.framing.up_at_once = False
    bench.connection.open(bench.now)
    bench.receive(CONFIRMED_PUSH)
    assert bench.events() == [Notification(CONFIRMED_PUSH)]
    assert bench.framing.sent == []


# --- what may not be asked ----------------------------------------------------------------------------------------


def test_oversize_requests_are_refused_here() -> None:
    bench = Bench().open(Conformance.SET, size=100)
    ticket = bench.start(set_value(OTHER.value, bytes(100)))
    with pytest.raises(LocalProtocolError, match="the peer receives 100"):
        ticket.result()
    assert bench.framing.sent == []


def test_an_aarq_that_the_framing_cannot_carry() -> None:
    bench = Bench(AssociationRequest(Mechanism.LLS, bytes(70_000)))
    with pytest.raises(LocalProtocolError, match="AARQ"):
        bench.connection.open(bench.now).result()


def test_services_that_were_not_negotiated_are_refused_here() -> None:
    bench = Bench().open(Conformance.GET)
    for operation in (set_value(ENERGY.value, Unsigned(1)), call(ENERGY.reset)):
        with pytest.raises(LocalProtocolError, match="was not negotiated"):
            bench.start(operation).result()
    assert bench.framing.sent == []


def test_services_before_the_association() -> None:
    bench = Bench()
    bench.framing.connect(bench.now)
    bench.wait(0)
    with pytest.raises(LocalProtocolError, match="while the association is closed"):
        bench.start(get(ENERGY.value)).result()


# --- a lost line --------------------------------------------------------------------------------------------------


def test_a_lost_line_fails_everything_that_runs_or_waits() -> None:
    bench = Bench().open()
    write, read = bench.start(set_value(ENERGY.value, Unsigned(1))), bench.start(get(ENERGY.value))
    bench.connection.line_lost("cut", bench.now)
    with pytest.raises(OutcomeUnknown, match="cut"):
        write.result()
    with pytest.raises(LinkError, match="cut") as lost:
        read.result()
    assert not isinstance(lost.value, OutcomeUnknown)
    assert bench.events()[-1] == Closed("cut")
    later = bench.start(get(ENERGY.value))
    with pytest.raises(LinkError, match="cut"):
        later.result()
    bench.connection.line_lost("again", bench.now)
    assert (bench.connection.closed, bench.connection.association.state) == ("cut", State.CLOSED)
    with pytest.raises(LinkError, match="cut"):
        bench.connection.open(bench.now).result()


def test_an_operation_that_goes_on_after_a_lost_line_is_told_again() -> None:
    def stubborn() -> Operation[int]:
        request = Request(GetRequestNormal(0, CosemAttributeDescriptor(3, bytes(6), 2)), (GetResponseNormal,))
        for tries in range(3):
            try:
                yield request
            except LinkError:
                continue
            return tries
        return 3

    bench = Bench().open()
    ticket = bench.start(stubborn())
    bench.connection.line_lost("cut", bench.now)
    assert ticket.result() == 3
    assert len(bench.framing.sent) == 1
    assert bench.connection.next_timeout() is None


# --- quirks and trace ---------------------------------------------------------------------------------------------


def test_a_meter_without_service_class() -> None:
    bench = Bench(quirks=frozenset((Quirk.NO_SERVICE_CLASS,))).open()
    bench.start(get(ENERGY.value))
    assert bench.invoke == 0x81
    bench.answer(ONE)
    bench.start(set_value(ENERGY.value, Unsigned(1)))
    assert bench.invoke == 0xC2
    assert isinstance(bench.asked, SetRequestNormal)


def test_an_encoded_read_is_not_decoded() -> None:
    bench = Bench().open()
    ticket = bench.start(get_encoded(ENERGY.value))
    bench.answer(GetResponseNormal(0, [Unsigned(1)]))
    assert ticket.result() == bytes.fromhex("01011101")
    ticket = bench.start(get_encoded(ENERGY.value))
    bench.receive(bytes((0xC4, 1, bench.invoke, 1, 3)))
    with pytest.raises(AccessError, match="read-write-denied"):
        ticket.result()
    ticket = bench.start(get_encoded(ENERGY.value))
    bench.receive(bytes((0xC4, 1, bench.invoke, 5)))
    with pytest.raises(DecodeError):
        ticket.result()


def test_the_trace_names_apdus() -> None:
    lines: list[str] = []
    bench = Bench(trace=Trace(lines.append)).open()
    bench.start(get(ENERGY.value))
    bench.answer(ONE)
    assert [line for line in lines if line[1] in "<>"] == [
        ">> AARQ",
        "<< AARE",
        ">> get-request-normal",
        "<< get-response-normal",
    ]


def test_nothing_is_left_of_a_transfer_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlms.operations.read.MAX_TRANSFER", 1000)
    bench = Bench().open()
    ticket = bench.start(get(ENERGY.value))
    blocks = 0
    while not ticket.done:
        blocks += 1
        bench.answer(GetResponseWithDatablock(0, ResultBlock(False, blocks, bytes(100))))
    with pytest.raises(RemoteProtocolError, match="longer than 1000"):
        ticket.result()
    assert blocks == 11
