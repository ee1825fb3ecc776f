"""Several methods at once: in one request, in blocks, one by one, with the same result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.apdu import ActionRequestNormal, ActionRequestWithList, ActionResponseNormal, ActionResponseWithList
from dlms.apdu.action import ActionResponseNextPblock, ActionResponseWithPblock, ActionResult
from dlms.apdu.attribute import DataBlock
from dlms.association import Negotiated
from dlms.codec import ABSENT, Record
from dlms.enums import AccessResult, ApplicationContext, Conformance, Mechanism
from dlms.errors import AccessError, DlmsError, LocalProtocolError, RemoteProtocolError
from dlms.interface import MethodRef
from dlms.operations.associate import AssociationRequest
from dlms.operations.write import Call, call_many
from dlms.server.store import MemoryStore
from dlms.values import Integer
from tests.dlms import short_name_meter
from tests.dlms.server.devices import CLOCK, ENERGY, EVERYTHING, PASSWORDS, PROFILE, WRITER, device, store
from tests.dlms.short_name_meter import client

C = Conformance
UNDECLARED: MethodRef[Any] = MethodRef(9, ENERGY.instance, 1, None)
REFUSED = CLOCK.adjust_to_quarter
"""A method that nothing in the store stands for."""


def noting(answer: Any = None) -> tuple[MemoryStore, list[Any]]:
    """A store whose `reset` keeps its parameters and returns `answer`."""
    made, calls = store(), []

    def reset(parameter: Any) -> Any:
        calls.append(parameter)
        return answer

    made.methods[ENERGY.reset] = reset
    return made, calls


def shown(outcomes: list[Any]) -> list[Any]:
    return [outcome.result if isinstance(outcome, AccessError) else outcome for outcome in outcomes]


@given(
    parameters=st.lists(st.integers(-128, 127), max_size=40),
    size=st.sampled_from((60, 200, 0xFFFF)),
    answer=st.sampled_from((None, b"x" * 90)),
    bits=st.sets(st.sampled_from((C.MULTIPLE_REFERENCES, C.BLOCK_TRANSFER_WITH_ACTION))),
)
def test_all_ways_give_the_same(parameters: list[int], size: int, answer: Any, bits: set[Conformance]) -> None:
    held, calls = noting(answer)
    wanted = C.GET | C.ACTION
    for bit in bits:
        wanted |= bit
    if answer and size == 60:
        size = 200  # an answer that cannot be given at all is another matter
    request = AssociationRequest(Mechanism.LLS, PASSWORDS[WRITER], conformance=wanted, max_receive=size)
    writer, _ = client(device(held, max_receive=size), request, sap=WRITER)
    asked: list[Call] = [(ENERGY.reset, number) for number in parameters]
    asked.insert(len(asked) // 2, (REFUSED, 0))
    outcomes = shown(writer.call_many(asked))
    whole = [answer] * len(parameters)
    whole.insert(len(parameters) // 2, AccessResult.OBJECT_UNAVAILABLE)
    assert calls == parameters
    long_list = C.MULTIPLE_REFERENCES in bits and C.BLOCK_TRANSFER_WITH_ACTION not in bits and answer
    if not long_list:  # there the answer does not fit: the methods have run, and each says other-reason
        assert outcomes == whole


def test_a_list_is_one_request() -> None:
    writer, medium = client(device(), AssociationRequest(Mechanism.LLS, PASSWORDS[WRITER]), sap=WRITER)
    sent = len(medium.sent)
    assert writer.call_many([(ENERGY.reset, 1), (ENERGY.reset, ABSENT)]) == [None, None]
    assert len(medium.sent) == sent + 1
    assert medium.sent[-1][:2] == b"\xc3\x03"
    assert writer.call_many([(ENERGY.reset, 1)]) == [None]
    assert medium.sent[-1][:2] == b"\xc3\x01"
    assert writer.call_many([]) == []


def test_a_wrong_type_is_refused_before_anything_is_called() -> None:
    held, calls = noting()
    writer, _ = client(device(held), AssociationRequest(Mechanism.LLS, PASSWORDS[WRITER]), sap=WRITER)
    with pytest.raises(LocalProtocolError):
        writer.call_many([(ENERGY.reset, 1), (ENERGY.reset, "one")])
    assert calls == []


def test_short_names_call_one_by_one() -> None:
    meter = short_name_meter.device()
    writer, _ = client(meter, AssociationRequest(context=ApplicationContext.SN))
    missing = PROFILE.reset.__class__(3, CLOCK.instance, 1, ENERGY.reset.method)
    outcomes = shown(writer.call_many([(short_name_meter.ENERGY.reset, 0), (missing, 0)]))
    assert outcomes == [None, AccessResult.OBJECT_CLASS_INCONSISTENT]


GOOD, BAD = ActionResult(0), ActionResult(3)
ASKED: list[Call] = [(ENERGY.reset, 1), (ENERGY.reset, 2)]


def answered(*answers: Record, size: int = 0xFFFF, asked: Sequence[Call] = ASKED) -> list[Any]:
    """The outcome where the meter answers so, request by request."""
    operation = call_many(asked, Negotiated(EVERYTHING, size, size))
    request = next(operation)
    for answer in answers:
        assert any(isinstance(answer, kind) for kind in request.replies)
        try:
            request = operation.send(answer)
        except StopIteration as end:
            return shown(end.value)
    raise AssertionError(f"{request.apdu} is still to be answered")


def test_answers_to_a_list() -> None:
    assert answered(ActionResponseWithList(0, [GOOD, BAD])) == [None, 3]
    assert answered(ActionResponseNormal(0, BAD)) == [3, 3]
    blocks = [DataBlock(False, 1, b"\x02\0"), DataBlock(True, 2, b"\0\x03\0")]
    assert answered(*(ActionResponseWithPblock(0, block) for block in blocks)) == [None, 3]


@pytest.mark.parametrize(
    "answer",
    [
        ActionResponseNormal(0, GOOD),
        ActionResponseWithList(0, [GOOD]),
        ActionResponseWithList(0, []),
        ActionResponseWithPblock(0, DataBlock(True, 1, b"\x01\0\0")),
        ActionResponseWithPblock(0, DataBlock(True, 1, b"\x02\0\0")),
        ActionResponseWithPblock(0, DataBlock(False, 2, b"\x02\0\0")),
    ],
)
def test_answers_that_do_not_belong_to_the_list(answer: Record) -> None:
    with pytest.raises(RemoteProtocolError):
        answered(answer)


def test_a_list_in_blocks_that_is_acknowledged_oddly() -> None:
    with pytest.raises(DlmsError, match="does not answer block 1"):
        answered(ActionResponseNextPblock(0, 2), size=60, asked=[(UNDECLARED, bytes(50))] * 2)


def test_requests_of_the_list() -> None:
    operation = call_many(ASKED, Negotiated(C.ACTION | C.MULTIPLE_REFERENCES, 0xFFFF))
    request = next(operation).apdu
    assert isinstance(request, ActionRequestWithList)
    assert request.parameters == [Integer(1), Integer(2)]
    single = next(call_many(ASKED, Negotiated(C.ACTION, 0xFFFF))).apdu
    assert isinstance(single, ActionRequestNormal)
    undeclared = next(call_many([(UNDECLARED, ABSENT)] * 2, Negotiated(C.ACTION | C.MULTIPLE_REFERENCES))).apdu
    assert isinstance(undeclared, ActionRequestWithList)
    assert undeclared.parameters == [None, None]
