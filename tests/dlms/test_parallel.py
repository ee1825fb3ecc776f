"""Several reads under way at once, and priorities: who is asked when, which answer is whose, what has the line alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.apdu import (
    ExceptionResponse,
    GetRequestNext,
    GetRequestNormal,
    GetResponseNormal,
    GetResponseWithDatablock,
    SetRequestNormal,
    SetResponseNormal,
)
from dlms.apdu.attribute import ResultBlock
from dlms.client import connect
from dlms.codec import Record, encode
from dlms.connection import Connection, Fault, Finished, Ticket
from dlms.enums import ApplicationContext, Conformance
from dlms.errors import AccessError, DecodeError, LinkError, LocalProtocolError, OutcomeUnknown, ServiceRefused
from dlms.framing.hdlc import HdlcClient
from dlms.framing.wrapper import WrapperClient
from dlms.ic import Data, Register
from dlms.operations.access import Get, access
from dlms.operations.associate import LN_CONFORMANCE, AssociationRequest
from dlms.operations.read import descriptor, get, get_encoded
from dlms.operations.write import set_value
from dlms.values import Unsigned
from tests.dlms.bench import TIMEOUT_S, Bench
from tests.dlms.served import memory_name, served
from tests.dlms.server.devices import ENERGY, EVERYTHING, LONG, PROFILE, device

OTHER = Data("0.0.96.1.0.255")
PRIORITIES = Conformance.PRIORITY_MANAGEMENT_SUPPORTED


class Several(Bench):
    """A bench whose connection lets several reads be under way."""

    def __init__(self, parallel: int = 3, conformance: Conformance = LN_CONFORMANCE, **options: Any) -> None:
        super().__init__(AssociationRequest(conformance=conformance), **options)
        self.connection = Connection(
            self.framing, AssociationRequest(conformance=conformance), timeout_s=TIMEOUT_S, parallel=parallel
        )
        self.open(conformance)

    def reads(self, count: int) -> list[Ticket[Any]]:
        return [self.start(get(Register(f"1.0.{number}.8.0.255").value)) for number in range(1, count + 1)]

    def give(self, invoke: int, apdu: Record) -> None:
        """An answer to the request with this number."""
        data = encode(apdu)
        self.receive(data[:2] + bytes((0xC0 | invoke,)) + data[3:])

    @property
    def numbers(self) -> list[int]:
        return [apdu[2] & 0x0F for apdu in self.framing.sent]


def value(number: int) -> GetResponseNormal:
    return GetResponseNormal(0, Unsigned(number))


# --- how many ---------------------------------------------------------------------------------------------------------


@given(st.permutations(range(3)))
def test_answers_in_any_order_go_to_those_who_asked(order: list[int]) -> None:
    bench = Several()
    tickets = bench.reads(4)
    assert bench.numbers == [1, 2, 3]
    for place in order:
        bench.give(place + 1, value(place + 1))
        assert tickets[place].result() == place + 1
    assert bench.numbers == [1, 2, 3, 4]
    bench.give(4, value(4))
    assert tickets[3].result() == 4
    assert bench.connection.dropped == 0
    assert bench.connection.next_timeout() is None


def test_one_at_a_time_unless_it_is_asked_for() -> None:
    bench = Bench().open()
    for _ in range(3):
        bench.start(get(ENERGY.value))
    assert len(bench.framing.sent) == 1


@pytest.mark.parametrize("parallel", [0, 9])
def test_no_more_than_there_are_numbers_for(parallel: int) -> None:
    with pytest.raises(LocalProtocolError, match="1 to 8"):
        Connection(WrapperClient(16, 1), AssociationRequest(), parallel=parallel)
    with pytest.raises(LocalProtocolError, match="1 to 1"):
        Connection(HdlcClient(16, 1), AssociationRequest(), parallel=2)


@pytest.mark.parametrize("answered", [None, 1])
def test_numbers_that_are_in_use_are_not_given_again(answered: int | None) -> None:
    bench = Several(8)
    bench.reads(30)
    for number in range(2, 16):
        bench.give(number, value(number))
    assert bench.numbers[:15] == list(range(1, 16))
    assert 1 not in bench.numbers[1:]
    assert len(set(bench.numbers[-8:])) == 8


def test_general_blocks_and_short_names_do_not_say_whose_they_are() -> None:
    bench = Several(3, LN_CONFORMANCE | Conformance.GENERAL_BLOCK_TRANSFER)
    assert bench.connection.parallel == 1
    bench.reads(3)
    assert len(bench.framing.sent) == 1
    short = Connection(WrapperClient(16, 1), AssociationRequest(context=ApplicationContext.SN), parallel=3)
    short.open(0.0)
    short.association.negotiated = short.negotiated.__class__(context=ApplicationContext.SN)
    assert short.parallel == 1


# --- what has the line to itself --------------------------------------------------------------------------------------


def test_a_write_waits_for_the_reads_before_it_and_the_reads_after_it_for_the_write() -> None:
    bench = Several()
    first, second = bench.reads(2)
    write = bench.start(set_value(OTHER.value, Unsigned(1)))
    third = bench.start(get(OTHER.value))
    assert bench.numbers == [1, 2]
    bench.give(2, value(2))
    bench.give(1, value(1))
    assert (first.result(), second.result()) == (1, 2)
    assert isinstance(bench.asked, SetRequestNormal)
    assert bench.numbers == [1, 2, 3]
    bench.give(3, SetResponseNormal(0, 0))
    assert write.result() is None
    bench.give(4, value(4))
    assert third.result() == 4


def test_a_read_whose_answer_comes_in_blocks_is_asked_again_alone() -> None:
    """The request behind it has ended the transfer at the server, which has one at a time."""
    bench = Several()
    long, short = bench.reads(2)
    bench.give(1, GetResponseWithDatablock(0, ResultBlock(False, 1, b"\x09\x04ab")))
    assert bench.numbers == [1, 2]
    bench.reads(1)
    assert bench.numbers == [1, 2], "nobody may come between"
    bench.give(2, value(2))
    assert short.result() == 2
    assert bench.numbers == [1, 2, 3]
    bench.give(3, GetResponseWithDatablock(0, ResultBlock(False, 1, b"\x09\x04ab")))
    assert bench.asked == GetRequestNext(0xC3, 1)
    bench.give(3, GetResponseWithDatablock(0, ResultBlock(True, 2, b"cd")))
    assert long.result() == b"abcd"
    assert isinstance(bench.asked, GetRequestNormal)


REFUSED = ExceptionResponse(1, 1)


@given(st.permutations(range(4)), st.integers(0, 3), st.integers(0, 3))
def test_a_refusal_without_a_number_fails_none_but_the_refused(order: list[int], refused: int, at: int) -> None:
    """Whenever it comes among the answers, and whomever it means: that one is asked again alone, and refused for certain."""
    bench = Several(4)
    tickets = bench.reads(4)
    answers = [place for place in order if place != refused]
    for place in answers[:at]:
        bench.give(place + 1, value(place))
    bench.receive(REFUSED)
    if at < 3:
        (late,) = bench.reads(1)
        for place in answers[at:]:
            assert bench.numbers == [1, 2, 3, 4], "no more is asked until it is known whom it meant"
            bench.give(place + 1, value(place))
        assert bench.asked == GetRequestNormal(0xC5, descriptor(Register(f"1.0.{refused + 1}.8.0.255").value))
        bench.receive(REFUSED)
        bench.give(6, value(6))
        assert late.result() == 6
    assert [tickets[place].result() for place in answers] == answers
    with pytest.raises(ServiceRefused):
        tickets[refused].result()


def test_a_request_that_is_asked_again_may_be_answered_after_all() -> None:
    bench = Several()
    first, second = bench.reads(2)
    bench.receive(REFUSED)
    bench.give(2, value(2))
    assert bench.numbers == [1, 2, 3]
    bench.give(1, value(9))
    assert not first.done, "that is not the answer to what is asked now"
    bench.give(3, value(1))
    assert (first.result(), second.result()) == (1, 2)
    assert bench.connection.dropped == 1


def test_as_many_refusals_as_requests() -> None:
    bench = Several()
    tickets = bench.reads(4)
    for _ in range(2):
        bench.receive(REFUSED)
    assert bench.numbers == [1, 2, 3]
    bench.receive(REFUSED)
    assert bench.numbers == [1, 2, 3, 4]
    bench.give(4, value(1))
    bench.receive(REFUSED)
    bench.give(6, value(3))
    assert tickets[0].result() == 1
    with pytest.raises(ServiceRefused):
        tickets[1].result()
    assert tickets[2].result() == 3
    bench.give(7, value(4))
    assert tickets[3].result() == 4


def test_a_refusal_and_a_silence_are_asked_again_each_by_itself() -> None:
    bench = Several()
    first, second = bench.reads(2)
    bench.receive(REFUSED)
    bench.wait(TIMEOUT_S)
    assert bench.numbers == [1, 2, 3]
    bench.receive(REFUSED)
    with pytest.raises(ServiceRefused):
        first.result()
    assert bench.numbers == [1, 2, 3, 4]
    bench.wait(TIMEOUT_S)
    with pytest.raises(LinkError, match="no answer"):
        second.result()


def test_a_refusal_beside_an_answer_that_makes_no_sense() -> None:
    bench = Several()
    first, second = bench.reads(2)
    third = bench.start(get(OTHER.value))
    bench.receive(REFUSED)
    bench.receive(bytes((0xC4, 1, 0xC1, 7)))
    with pytest.raises(DecodeError):
        first.result()
    bench.receive(bytes((0xC4, 1, 0xC2, 7)))
    with pytest.raises(DecodeError):
        second.result()
    assert bench.numbers == [1, 2, 3, 4], "it may have meant the third"
    bench.give(4, value(3))
    assert third.result() == 3


def test_what_was_abandoned_is_not_asked_again() -> None:
    bench = Several()
    first, second = bench.reads(2)
    bench.connection.abandon(first, bench.now)
    bench.receive(REFUSED)
    bench.give(2, value(2))
    assert second.result() == 2
    assert bench.numbers == [1, 2]
    (third,) = bench.reads(1)
    bench.give(3, value(3))
    assert third.result() == 3


def test_a_refusal_of_a_request_that_was_given_up_fails_no_other() -> None:
    """It may be late: a read is asked again, a write waits for its own answer."""
    bench = Several()
    bench.reads(1)
    bench.wait(TIMEOUT_S)
    (read,) = bench.reads(1)
    bench.receive(REFUSED)
    assert not read.done
    assert bench.numbers == [1, 2, 3]
    bench.give(3, value(3))
    assert read.result() == 3
    bench.reads(1)
    bench.wait(TIMEOUT_S)
    write = bench.start(set_value(OTHER.value, Unsigned(1)))
    bench.receive(REFUSED)
    assert not write.done
    bench.give(5, SetResponseNormal(0, 0))
    assert write.result() is None


def test_what_was_refused_for_certain_is_refused_at_once() -> None:
    bench = Several()
    for number in (1, 2):
        write = bench.start(set_value(OTHER.value, Unsigned(number)))
        bench.receive(REFUSED)
        with pytest.raises(ServiceRefused):
            write.result()
    bench.reads(1)
    bench.wait(TIMEOUT_S)
    bench.give(3, value(3))
    assert bench.connection.dropped == 1
    write = bench.start(set_value(OTHER.value, Unsigned(1)))
    bench.receive(REFUSED)
    with pytest.raises(ServiceRefused):
        write.result()


def test_a_write_that_may_have_been_refused_has_an_unknown_outcome() -> None:
    bench = Several()
    bench.reads(1)
    bench.wait(TIMEOUT_S)
    write = bench.start(set_value(OTHER.value, Unsigned(1)))
    bench.receive(REFUSED)
    bench.wait(TIMEOUT_S)
    with pytest.raises(OutcomeUnknown, match="what came meanwhile: exception-response"):
        write.result()


def test_the_last_of_many_goes_on_with_its_blocks_at_once() -> None:
    bench = Several()
    short, long = bench.reads(2)
    bench.give(1, value(1))
    bench.give(2, GetResponseWithDatablock(0, ResultBlock(False, 1, b"\x09\x04ab")))
    assert bench.asked == GetRequestNext(0xC2, 1)
    bench.give(2, GetResponseWithDatablock(0, ResultBlock(True, 2, b"cd")))
    assert (short.result(), long.result()) == (1, b"abcd")


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_late_and_foreign_answers_are_dropped() -> None:
    bench = Several()
    bench.reads(2)
    bench.give(7, value(7))
    bench.give(1, value(1))
    bench.give(1, value(9))
    assert bench.connection.dropped == 2


def test_nonsense_fails_the_one_that_it_answers_and_no_other() -> None:
    bench = Several()
    first, second, third = bench.reads(3)
    bench.receive(bytes((0xC4, 1, 0xC2, 7)))
    with pytest.raises(DecodeError):
        second.result()
    bench.receive(b"\xff\xff")
    assert isinstance(bench.events()[-1], Fault)
    assert [first.done, third.done] == [False, False]
    bench.give(1, value(1))
    assert first.result() == 1


def test_silence_fails_each_in_its_time() -> None:
    bench = Several()
    (first,) = bench.reads(1)
    bench.wait(1)
    second = bench.start(get(OTHER.value))
    bench.wait(TIMEOUT_S - 1)
    with pytest.raises(LinkError, match="within 5 s"):
        first.result()
    assert not second.done
    bench.give(1, value(1))
    bench.give(2, value(2))
    assert second.result() == 2


def test_a_lost_line_fails_all_and_those_that_wait_for_it() -> None:
    bench = Several()
    reads = bench.reads(2)
    write, last = bench.start(set_value(OTHER.value, Unsigned(1))), bench.start(get(OTHER.value))
    bench.connection.line_lost("cut", bench.now)
    for ticket in (*reads, write, last):
        with pytest.raises(LinkError, match="cut") as lost:
            ticket.result()
        assert not isinstance(lost.value, OutcomeUnknown), "it was not sent"
    assert sum(isinstance(event, Finished) for event in bench.events()) == 4


def test_what_waits_for_the_line_can_be_abandoned() -> None:
    bench = Several()
    (read,) = bench.reads(1)
    write = bench.start(set_value(OTHER.value, Unsigned(1)))
    bench.connection.abandon(write, bench.now)
    bench.give(1, value(1))
    assert read.result() == 1
    assert bench.numbers == [1]


def test_an_encoded_read_and_a_decoded_one_side_by_side() -> None:
    bench = Several(conformance=LN_CONFORMANCE)
    encoded, decoded = bench.start(get_encoded(ENERGY.value)), bench.start(get(ENERGY.value))
    several = bench.start(access([Get(ENERGY.value)]))
    bench.give(2, value(7))
    bench.give(1, value(7))
    bench.receive(bytes.fromhex("da 00000001 00 00 01 11 08 01 01 00"))
    assert (encoded.result(), decoded.result(), several.result()) == (b"\x11\x07", 7, [8])


# --- priorities -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("agreed", "high", "octet"), [(True, True, 0xC1), (True, False, 0x41), (False, True, 0x41)])
def test_the_priority_bit_is_set_where_it_was_agreed_on_and_wanted(agreed: bool, high: bool, octet: int) -> None:
    conformance = LN_CONFORMANCE if agreed else LN_CONFORMANCE & ~PRIORITIES
    bench = Bench().open(conformance)
    bench.connection.start(get(ENERGY.value), bench.now, high_priority=high)
    assert bench.invoke == octet
    bench = Bench().open(conformance)
    bench.connection.start(access([Get(ENERGY.value)]), bench.now, high_priority=high)
    assert bench.framing.sent[-1][1] == octet & 0xC0


def test_high_priority_goes_first() -> None:
    bench = Bench().open()
    refs = {"first": ENERGY.value, "low": OTHER.value, "low too": PROFILE.buffer, "high": ENERGY.scaler_unit}
    for name, ref in refs.items():
        bench.connection.start(get(ref), bench.now, high_priority=name in ("high", "first"))
    order: list[str] = []
    for _ in refs:
        asked = bench.asked
        assert isinstance(asked, GetRequestNormal)
        order += [name for name, ref in refs.items() if asked.attribute == descriptor(ref)]
        bench.answer(value(1))
    assert order == ["first", "high", "low", "low too"]


# --- the client -------------------------------------------------------------------------------------------------------

REFS = [ENERGY.value, LONG.value, ENERGY.scaler_unit, PROFILE.buffer, PROFILE.capture_period, OTHER.value] * 3


@pytest.mark.parametrize("lists", [False, True])
@pytest.mark.parametrize("size", [120, 0xFFFF])
def test_many_in_parallel_is_the_same_as_one_by_one(lists: bool, size: int) -> None:
    conformance = EVERYTHING if lists else EVERYTHING & ~Conformance.MULTIPLE_REFERENCES
    meter = device(conformance=conformance, max_receive=size)
    refs = [*REFS, Register("1.0.99.99.99.255").value]
    with served(memory_name(), meter) as url:
        with connect(url) as one_by_one:
            expected = one_by_one.get_many(refs)
        with connect(url, parallel=8, max_receive=size) as client:
            found = client.get_many(refs)
            assert client.connection.dropped == 0
    assert found[:-1] == expected[:-1]
    assert isinstance(found[-1], AccessError)
    assert isinstance(expected[-1], AccessError)


def test_many_are_under_way_at_once() -> None:
    """The meter hears as many requests as are wanted before it answers the first."""
    bench = Several(4, EVERYTHING & ~Conformance.MULTIPLE_REFERENCES)
    tickets = bench.reads(6)
    assert bench.numbers == [1, 2, 3, 4]
    for number in range(1, 5):
        bench.give(number, value(number))
    assert [ticket.done for ticket in tickets] == [True] * 4 + [False] * 2
