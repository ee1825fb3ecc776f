"""Requests over a layer that loses APDUs: what is asked again, when, and which answers count."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from dlms.acse import Aarq, decode_acse
from dlms.apdu import (
    ActionResponseNormal,
    ExceptionResponse,
    GetRequestNext,
    GetResponseNormal,
    GetResponseWithDatablock,
    SetResponseNormal,
)
from dlms.apdu.access import AccessGetResult, AccessResponse
from dlms.apdu.action import ActionResult
from dlms.apdu.attribute import ResultBlock
from dlms.codec import encode
from dlms.data import DoubleLongUnsigned
from dlms.enums import ApplicationContext, Conformance
from dlms.errors import LinkError, OutcomeUnknown, ServiceRefused
from dlms.framing.hdlc import HdlcClient
from dlms.framing.wrapper import WrapperClient
from dlms.ic import Data, Register
from dlms.invoke_ids import RESERVED
from dlms.limits import COPY_S
from dlms.operations import Operation
from dlms.operations.access import Get, Set, access
from dlms.operations.associate import LN_CONFORMANCE, AssociationRequest
from dlms.operations.read import get
from dlms.operations.short_name import ShortNames
from dlms.operations.write import call, set_value
from tests.dlms.bench import TIMEOUT_S, Bench, accepting
from tests.dlms.test_operations_short_name import LISTED

ENERGY, OTHER = Register("1.0.1.8.0.255"), Data("0.0.96.1.0.255")
VALUE = DoubleLongUnsigned(7)
ONE = GetResponseNormal(0, DoubleLongUnsigned(1))
SHARE_S = TIMEOUT_S / 4
"""Three retries: four tries."""


ALL = LN_CONFORMANCE | Conformance.ACCESS
IN_BLOCKS = LN_CONFORMANCE | Conformance.GENERAL_BLOCK_TRANSFER


SN_ACCEPTING = encode(accepting(Conformance.READ | Conformance.WRITE)).replace(b"\x05\x08\x01\x01", b"\x05\x08\x01\x02")
SN_ACCEPTING = SN_ACCEPTING[:-2] + b"\xfa\0"


def lossy(conformance: Conformance = ALL) -> Bench:
    return Bench(AssociationRequest(conformance=conformance), reliable=False).open(conformance)


def invokes(bench: Bench) -> list[int]:
    return [apdu[2] & 0x0F for apdu in bench.framing.sent]


def test_which_layers_may_lose() -> None:
    assert HdlcClient(16, 1).reliable
    assert WrapperClient(16, 1).reliable
    assert not WrapperClient(16, 1, datagrams=True).reliable


def test_a_read_is_asked_again_with_its_share_of_the_budget() -> None:
    bench = lossy()
    ticket = bench.start(get(ENERGY.value))
    for tries in range(1, 4):
        assert bench.connection.next_timeout() == pytest.approx(100 + tries * SHARE_S)
        bench.wait(SHARE_S)
    assert invokes(bench) == [1, 2, 3, 4]
    assert {apdu[3:] for apdu in bench.framing.sent} == {bench.framing.sent[0][3:]}
    assert not ticket.done
    bench.wait(SHARE_S)
    with pytest.raises(LinkError, match="within 5 s"):
        ticket.result()
    assert len(bench.framing.sent) == 4


def test_timers_that_come_late_ask_once() -> None:
    bench = lossy()
    bench.start(get(ENERGY.value))
    bench.wait(2.5 * SHARE_S)
    assert invokes(bench) == [1, 2]
    bench.wait(0)
    assert invokes(bench) == [1, 2]
    assert bench.connection.next_timeout() == pytest.approx(100 + 3 * SHARE_S)


def test_the_answer_to_any_try_counts_once() -> None:
    bench = lossy()
    ticket = bench.start(get(ENERGY.value))
    bench.wait(SHARE_S)
    first = bytes((0xC4, 1, 0xC1)) + encode(ONE)[3:]
    bench.receive(first)
    assert ticket.result() == 1
    bench.receive(first)
    bench.answer(ONE)
    assert bench.connection.dropped == 2


def test_an_invoke_id_that_was_not_answered_is_not_used_again_soon() -> None:
    bench = lossy()
    bench.start(get(ENERGY.value))
    bench.wait(TIMEOUT_S)
    late = bench.framing.sent[0][2]
    bench.framing.sent.clear()
    for _ in range(30):
        ticket = bench.start(get(OTHER.value))
        bench.receive(bytes((0xC4, 1, late)) + encode(ONE)[3:])
        assert not ticket.done
        bench.answer(ONE)
        assert ticket.result() == 1
    assert late & 0x0F not in invokes(bench)
    assert bench.connection.dropped == 30


def test_all_invoke_ids_unanswered_and_still_there_are_some() -> None:
    bench = lossy()
    for _ in range(20):
        bench.start(set_value(ENERGY.value, VALUE))
        bench.wait(TIMEOUT_S)
    seen = invokes(bench)
    assert len(seen) == 20
    assert all(len(set(seen[at : at + 8])) == 8 for at in range(13))


def test_many_reads_that_nobody_answers_do_not_run_out_of_invoke_ids() -> None:
    """Further tries stop before that: each of the requests has an invoke-id of its own, and all come to an end."""
    bench = Bench(AssociationRequest(conformance=ALL), reliable=False, parallel=8).open(ALL)
    tickets = [bench.start(get(ENERGY.value)) for _ in range(20)]
    while not all(ticket.done for ticket in tickets):
        bench.wait(SHARE_S)
    assert bench.now < 100 + 4 * TIMEOUT_S
    assert set(invokes(bench)) == set(range(1, 16))
    assert len(invokes(bench)) == 20 + 3 * RESERVED


def test_what_changes_something_is_not_asked_with_the_number_that_the_same_had_lately() -> None:
    bench = lossy()
    given: list[int] = []
    for _ in range(3):
        for _ in range(14):
            bench.start(get(OTHER.value))
            bench.answer(ONE)
        ticket = bench.start(call(ENERGY.reset))
        given.append(bench.framing.sent[-1][2] & 0x0F)
        bench.answer(ActionResponseNormal(0, ActionResult(0)))
        assert ticket.result() is None
    assert len(set(given)) == 3


@pytest.mark.parametrize(
    "operation",
    [set_value(ENERGY.value, VALUE), call(ENERGY.reset), access([Get(ENERGY.value), Set(ENERGY.value, VALUE)])],
)
def test_what_changes_something_is_never_asked_again(operation: Operation[Any]) -> None:
    bench = lossy()
    ticket = bench.start(operation)
    for _ in range(4):
        bench.wait(SHARE_S)
    with pytest.raises(OutcomeUnknown):
        ticket.result()
    assert len(bench.framing.sent) == 1


def test_access_that_only_reads_is_asked_again() -> None:
    bench = lossy()
    ticket = bench.start(access([Get(ENERGY.value)]))
    bench.wait(SHARE_S)
    assert [apdu[2:5] for apdu in bench.framing.sent] == [b"\0\0\1", b"\0\0\2"]
    bench.receive(AccessResponse(1, b"", None, [DoubleLongUnsigned(1)], [AccessGetResult(0)]))
    assert ticket.result() == [1]


def test_the_next_block_is_not_asked_again() -> None:
    bench = lossy()
    ticket = bench.start(get(ENERGY.value))
    bench.answer(GetResponseWithDatablock(0, ResultBlock(False, 1, b"\x06\0")))
    assert isinstance(bench.asked, GetRequestNext)
    bench.wait(TIMEOUT_S)
    assert len(bench.framing.sent) == 2
    with pytest.raises(LinkError):
        ticket.result()


def test_blocks_that_an_earlier_try_began_are_not_gone_on_with() -> None:
    """The server has begun the transfer anew: its blocks could be those of another value."""
    bench = lossy()
    ticket = bench.start(get(ENERGY.value))
    bench.wait(SHARE_S)
    block = encode(GetResponseWithDatablock(0xC1, ResultBlock(False, 1, b"\x06\0")))
    bench.receive(block)
    assert bench.connection.dropped == 1
    assert len(bench.framing.sent) == 2
    bench.answer(GetResponseWithDatablock(0, ResultBlock(False, 1, b"\x06\0")))
    assert bench.framing.sent[-1][2] == bench.framing.sent[1][2]
    bench.answer(GetResponseWithDatablock(0, ResultBlock(True, 2, b"\0\0\1")))
    assert ticket.result() == 1


def test_general_blocks_are_not_asked_for_again_but_acknowledged_again() -> None:
    bench = lossy(IN_BLOCKS)
    ticket = bench.start(get(ENERGY.value))
    bench.receive(bytes.fromhex("e001 0001 0000 03 c401c1"))
    request, acknowledgement = bench.framing.sent
    assert bench.connection.next_timeout() == pytest.approx(bench.now + SHARE_S)
    for _ in range(3):
        bench.wait(SHARE_S)
    assert bench.framing.sent == [request, *[acknowledgement] * 4]
    bench.receive(bytes.fromhex("e081 0002 0000 03 001107"))
    assert ticket.result() == 7
    assert bench.framing.sent[-1] == bytes.fromhex("e0bf 0001 0002 00"), "the last block is acknowledged too"


def test_a_request_in_general_blocks_that_is_lost_is_sent_again() -> None:
    bench = lossy(IN_BLOCKS)
    bench.connection.association.negotiated = dataclasses.replace(bench.connection.negotiated, max_send=40)
    ticket = bench.start(set_value(OTHER.value, bytes(60)))
    bench.wait(SHARE_S)
    assert len(bench.framing.sent) == 1
    bench.wait(SHARE_S)
    first, again = bench.framing.sent
    assert first == again
    bench.wait(2 * SHARE_S)
    with pytest.raises(OutcomeUnknown, match="within 5 s"):
        ticket.result()


def test_a_meter_that_takes_no_more_blocks() -> None:
    bench = lossy(IN_BLOCKS)
    bench.connection.association.negotiated = dataclasses.replace(bench.connection.negotiated, max_send=40)
    ticket = bench.start(set_value(OTHER.value, bytes(60)))
    bench.receive(bytes.fromhex("e080 0001 0001 00"))
    bench.wait(TIMEOUT_S)
    assert len(bench.framing.sent) == 1
    with pytest.raises(OutcomeUnknown, match="takes no more blocks"):
        ticket.result()


def test_what_is_left_of_a_transfer_does_not_hinder_the_next() -> None:
    bench = Bench(AssociationRequest(conformance=IN_BLOCKS)).open(IN_BLOCKS)
    bench.start(get(ENERGY.value))
    bench.receive(bytes.fromhex("e001 0001 0000 03 c401c1"))
    bench.wait(TIMEOUT_S)
    ticket = bench.start(get(ENERGY.value))
    bench.receive(bytes.fromhex("e001 0001 0000 03 c401c2"))
    bench.receive(bytes.fromhex("e081 0002 0000 06 000600000001"))
    assert ticket.result() == 1


def test_short_names_have_no_invoke_ids_and_are_not_asked_again() -> None:
    bench = Bench(AssociationRequest(context=ApplicationContext.SN), reliable=False)
    opening = bench.connection.open(bench.now)
    bench.receive(SN_ACCEPTING)
    bench.framing.sent.clear()
    ticket = bench.start(ShortNames(opening.result()).object_list())
    for _ in range(4):
        bench.wait(SHARE_S)
    with pytest.raises(LinkError):
        ticket.result()
    assert len(bench.framing.sent) == 1


def test_with_short_names_the_copy_of_an_answer_does_not_answer_the_next_request() -> None:
    bench = Bench(AssociationRequest(context=ApplicationContext.SN), reliable=False)
    opening = bench.connection.open(bench.now)
    bench.receive(SN_ACCEPTING)
    names = ShortNames(opening.result(), datagrams=True)
    bench.start(names.object_list())
    bench.receive(LISTED)
    bench.wait(COPY_S)
    bench.receive(bytes.fromhex("0c010103"))
    bench.wait(COPY_S)
    bench.framing.sent.clear()
    first, second = (bench.start(names.set_value(ENERGY.value, DoubleLongUnsigned(one))) for one in (1, 2))
    written = bytes.fromhex("0d0100")
    bench.receive(written)
    assert first.done
    assert len(bench.framing.sent) == 1
    assert bench.connection.next_timeout() == pytest.approx(bench.now + COPY_S)
    bench.receive(written)
    assert bench.connection.dropped == 1
    bench.wait(COPY_S)
    assert len(bench.framing.sent) == 2
    assert not second.done
    bench.receive(written)
    assert second.result() is None


def test_the_aarq_is_asked_again_and_a_second_aare_does_no_harm() -> None:
    bench = Bench(reliable=False)
    opening = bench.connection.open(bench.now)
    bench.wait(SHARE_S)
    assert len(bench.framing.sent) == 2
    assert all(isinstance(decode_acse(apdu), Aarq) for apdu in bench.framing.sent)
    bench.receive(accepting())
    opening.result()
    ticket = bench.start(get(ENERGY.value))
    bench.receive(accepting())
    assert not ticket.done
    bench.answer(ONE)
    assert ticket.result() == 1


def test_general_blocks_of_an_association_that_is_over_do_not_hinder_the_next_opening() -> None:
    bench = Bench(reliable=False)
    opening = bench.connection.open(bench.now)
    bench.receive(bytes.fromhex("e041 0001 0001 03 c401c1"))
    assert not opening.done
    bench.receive(accepting())
    opening.result()


def test_an_abandoned_read_is_not_asked_again() -> None:
    bench = lossy()
    ticket = bench.start(get(ENERGY.value))
    bench.connection.abandon(ticket, bench.now)
    bench.wait(SHARE_S)
    assert len(bench.framing.sent) == 1


def test_a_refusal_that_may_be_for_another_request() -> None:
    """An exception-response has no invoke-id: one that comes late or twice must not pass for 'was not carried out'."""
    bench = lossy()
    write, read = bench.start(set_value(ENERGY.value, VALUE)), bench.start(get(ENERGY.value))
    bench.receive(ExceptionResponse(1, 1))
    with pytest.raises(OutcomeUnknown, match="nothing tells which"):
        write.result()
    bench.receive(ExceptionResponse(1, 1))
    with pytest.raises(ServiceRefused):
        read.result()


def test_answers_to_writes_and_calls() -> None:
    bench = lossy()
    write, action = bench.start(set_value(ENERGY.value, VALUE)), bench.start(call(ENERGY.reset))
    bench.answer(SetResponseNormal(0, 0))
    bench.answer(ActionResponseNormal(0, ActionResult(0)))
    assert (write.result(), action.result()) == (None, None)
