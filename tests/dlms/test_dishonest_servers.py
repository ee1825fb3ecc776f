"""Servers that answer what they were not asked, or too early: the client never takes that for success."""

from __future__ import annotations

from typing import Any

import pytest

from dlms.apdu import (
    ActionResponseNormal,
    SetResponseDatablock,
    SetResponseLastDatablock,
    SetResponseNormal,
)
from dlms.apdu.action import ActionResponseWithPblock, ActionResult
from dlms.apdu.attribute import DataBlock
from dlms.association import Negotiated
from dlms.codec import Record
from dlms.enums import ActionCode, Conformance
from dlms.errors import AccessError, OutcomeUnknown, ReturnLost
from dlms.ic import Data, Register
from dlms.operations import Operation, write

BLOCKS = Conformance.SET | Conformance.ACTION | Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE
SMALL = Negotiated(BLOCKS | Conformance.BLOCK_TRANSFER_WITH_ACTION, max_send=60)
VALUE = Data("0.0.96.1.0.255").value
RESET = Register("1.0.1.8.0.255").reset


def answered(operation: Operation[Any], replies: list[Record]) -> Any:
    """What an operation makes of these replies."""
    next(operation)
    try:
        for reply in replies:
            operation.send(reply)
    except StopIteration as end:
        return end.value
    raise AssertionError("the operation waits for more")


@pytest.mark.parametrize(
    "early", [SetResponseLastDatablock(0, 0, 1), SetResponseNormal(0, 0)], ids=lambda reply: reply.wire_name()
)
def test_success_before_the_last_block_is_none(early: Record) -> None:
    with pytest.raises(OutcomeUnknown, match="not the last"):
        answered(write.set_value(VALUE, bytes(300), None, SMALL), [early])


def test_a_refusal_before_the_last_block_counts() -> None:
    with pytest.raises(AccessError):
        answered(write.set_value(VALUE, bytes(300), None, SMALL), [SetResponseLastDatablock(0, 3, 1)])


def test_the_final_answer_names_the_block_that_was_sent() -> None:
    replies: list[Record] = [SetResponseDatablock(0, 1), SetResponseLastDatablock(0, 0, 77)]
    with pytest.raises(OutcomeUnknown, match="another block"):
        answered(write.set_value(VALUE, bytes(60), None, SMALL), replies)


def test_a_call_that_succeeds_before_its_parameters_are_there() -> None:
    method = Register("1.0.1.8.0.255").method_ref(99)
    with pytest.raises(OutcomeUnknown, match="not the last"):
        answered(write.call(method, bytes(300), SMALL), [ActionResponseNormal(0, ActionResult(0))])


def test_what_a_long_value_comes_to_when_all_goes_well() -> None:
    replies: list[Record] = [SetResponseDatablock(0, 1), SetResponseLastDatablock(0, 0, 2)]
    assert answered(write.set_value(VALUE, bytes(60), None, SMALL), replies) is None


LONG_RESULT = ActionResponseWithPblock(0, DataBlock(False, 1, b"\x09\x10"))


def test_a_call_that_was_carried_out_is_not_refused_by_what_comes_after() -> None:
    """The first block of what it returns says that it ran: that the rest is refused does not say that it did not."""
    refusal = ActionResponseNormal(0, ActionResult(ActionCode.LONG_ACTION_ABORTED))
    with pytest.raises(ReturnLost, match=r"carried out, .*: long-action-aborted"):
        answered(write.call(RESET, 0), [LONG_RESULT, refusal])


def test_a_call_whose_answer_breaks_off_has_an_unknown_outcome() -> None:
    operation = write.call(RESET, 0)
    assert not next(operation).read_only
    assert not operation.send(LONG_RESULT).read_only


def test_what_a_refused_call_says() -> None:
    with pytest.raises(AccessError, match="no-long-action-in-progress"):
        answered(write.call(RESET, 0), [ActionResponseNormal(0, ActionResult(16))])
