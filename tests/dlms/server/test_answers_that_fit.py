"""Nothing is carried out whose result could not be told: sizes of answers are known before a list is begun."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms import data as cosem_data
from dlms.apdu import (
    AccessRequest,
    AccessResponse,
    ActionRequestNextPblock,
    ActionRequestNormal,
    ActionRequestWithFirstPblock,
    ActionRequestWithList,
    ActionRequestWithListAndFirstPblock,
    ActionRequestWithPblock,
    ActionResponseNextPblock,
    ActionResponseNormal,
    ActionResponseWithList,
    ActionResponseWithPblock,
    ExceptionResponse,
    GeneralBlockTransfer,
    SetRequestNormal,
    SetRequestWithList,
    SetRequestWithListAndFirstDatablock,
    SetResponseDatablock,
    SetResponseLastDatablockWithList,
    SetResponseNormal,
    SetResponseWithList,
    decode_apdu,
)
from dlms.apdu.access import (
    AccessAction,
    AccessActionResult,
    AccessGet,
    AccessGetResult,
    AccessSet,
    AccessSetResult,
)
from dlms.apdu.action import ActionResult
from dlms.apdu.attribute import CosemAttributeDescriptorWithSelection, CosemMethodDescriptor, DataBlock
from dlms.association import Negotiated
from dlms.axdr import encode_length
from dlms.codec import ABSENT, Nested, Record, Refusal, SequenceOf, decode_value, encode
from dlms.data import DoubleLongUnsigned, Integer
from dlms.enums import AccessResult, ActionCode, Conformance
from dlms.ic import AssociationLn
from dlms.interface import MethodRef
from dlms.limits import MAX_APDU, MAX_TRANSFER
from dlms.operations.associate import SN_CONFORMANCE, AssociationRequest
from dlms.operations.read import descriptor
from dlms.server import MemoryStore
from dlms.server.blocks import answer_limit
from tests.dlms.server.devices import (
    ASSOCIATION,
    ENERGY,
    EVERYTHING,
    LONG,
    NAME,
    PROFILE,
    WRITER,
    Dialogue,
    device,
    store,
)
from tests.dlms.short_name_meter import SN, Wire
from tests.dlms.short_name_meter import device as short_name_device

C = Conformance
ALL = EVERYTHING | C.ACCESS
IN_GENERAL = ALL | C.GENERAL_BLOCK_TRANSFER
SINGLY = ALL & ~C.BLOCK_TRANSFER_WITH_ACTION
CONFIRMED = 1 << 30
PDU_TOO_LONG = ExceptionResponse(1, 4)
UNTOLD = Refusal(int(AccessResult.DATA_BLOCK_UNAVAILABLE))
RESULTS = SequenceOf(Nested(ActionResult))


class Counting(MemoryStore):
    """Knows how often it was written and called; `returned` is what its methods return."""

    def __init__(self, returned: Any = None) -> None:
        super().__init__(store().values)
        self.done, self.returned = 0, returned

    def set(self, ref: Any, value: Any) -> None:
        """One more."""
        self.done += 1

    def call(self, ref: Any, parameter: Any) -> Any:
        """One more."""
        self.done += 1
        return self.returned


def opened(size: int, conformance: Conformance = ALL, returned: Any = None) -> tuple[Dialogue, Counting]:
    held = Counting(returned)
    return Dialogue(device(held, conformance=conformance)).open(WRITER, conformance, size), held


def method(ref: MethodRef[Any]) -> CosemMethodDescriptor:
    return CosemMethodDescriptor(ref.class_id, bytes(ref.instance), ref.index)


ELEMENT = CosemAttributeDescriptorWithSelection(descriptor(ENERGY.value))
RESET = method(ENERGY.reset)
VALUE = DoubleLongUnsigned(1)


def calls(count: int) -> ActionRequestWithList:
    return ActionRequestWithList(0xC1, [RESET] * count, [Integer(0)] * count)


def writes(count: int) -> SetRequestWithList:
    return SetRequestWithList(0xC1, [ELEMENT] * count, [VALUE] * count)


def accesses(count: int, flags: int = CONFIRMED) -> AccessRequest:
    return AccessRequest(flags | 7, b"", [AccessSet(descriptor(ENERGY.value))] * count, [VALUE] * count)


# --- SET ------------------------------------------------------------------------------------------------------------


def test_a_list_of_writes_whose_results_do_not_fit_is_refused_before_any() -> None:
    dialogue, held = opened(40)
    assert dialogue.ask(writes(37), WRITER) == PDU_TOO_LONG
    assert held.done == 0
    assert dialogue.ask(writes(36), WRITER) == SetResponseWithList(0xC1, [0] * 36)
    assert held.done == 36


def test_nobody_waits_for_the_results_of_unconfirmed_writes() -> None:
    dialogue, held = opened(40)
    assert dialogue.say(SetRequestWithList(0x81, [ELEMENT] * 60, [VALUE] * 60), WRITER) is None
    assert held.done == 60


def test_a_list_of_writes_in_blocks_is_refused_with_its_first_block() -> None:
    dialogue, held = opened(40)
    block = DataBlock(False, 1, b"\x21")
    assert dialogue.ask(SetRequestWithListAndFirstDatablock(0xC1, [ELEMENT] * 33, block), WRITER) == PDU_TOO_LONG
    values = encode_length(32) + cosem_data.encode(VALUE) * 32
    first = SetRequestWithListAndFirstDatablock(0xC1, [ELEMENT] * 32, DataBlock(True, 1, values))
    assert dialogue.ask(first, WRITER) == SetResponseLastDatablockWithList(0xC1, [0] * 32, 1)
    assert held.done == 32


def test_a_long_list_of_results_goes_out_in_general_blocks() -> None:
    dialogue, held = opened(40, IN_GENERAL)
    answer = dialogue.ask(writes(60), WRITER)
    assert isinstance(answer, GeneralBlockTransfer)
    assert held.done == 60


# --- ACTION ---------------------------------------------------------------------------------------------------------


def test_a_method_whose_return_has_no_room_tells_that_it_was_carried_out() -> None:
    dialogue, held = opened(12, SINGLY, bytes(5))
    told = ActionResponseNormal(0xC1, ActionResult(int(ActionCode.SUCCESS), UNTOLD))
    assert dialogue.ask(ActionRequestNormal(0xC1, RESET, Integer(0)), WRITER) == told
    assert held.done == 1
    held.returned = bytes(4)
    assert dialogue.ask(ActionRequestNormal(0xC1, RESET, Integer(0)), WRITER) == ActionResponseNormal(
        0xC1, ActionResult(0, bytes(4))
    )


def test_long_parameters_with_a_long_return() -> None:
    dialogue, held = opened(40, returned=bytes(1000))
    assert dialogue.ask(ActionRequestWithFirstPblock(0xC1, RESET, DataBlock(False, 1, b"\x0f")), WRITER) == (
        ActionResponseNextPblock(0xC1, 1)
    )
    answer = dialogue.ask(ActionRequestWithPblock(0xC1, DataBlock(True, 2, b"\x00")), WRITER)
    assert isinstance(answer, ActionResponseWithPblock)
    assert held.done == 1


def test_the_outcomes_of_a_list_are_told_and_what_fits_of_the_returns() -> None:
    dialogue, held = opened(40, SINGLY, bytes(10))
    assert dialogue.ask(calls(10), WRITER) == PDU_TOO_LONG
    assert held.done == 0
    answer = dialogue.ask(calls(5), WRITER)
    held_back, given = ActionResult(0, UNTOLD), ActionResult(0, bytes(10))
    assert answer == ActionResponseWithList(0xC1, [given, *[held_back] * 4])
    assert len(encode(answer)) <= 40
    held.returned = None
    assert dialogue.ask(calls(9), WRITER) == ActionResponseWithList(0xC1, [ActionResult(0, ABSENT)] * 9)


def test_a_list_of_calls_goes_out_in_blocks_where_there_are_any() -> None:
    dialogue, held = opened(40, returned=bytes(10))
    answer, collected = dialogue.ask(calls(20), WRITER), b""
    while isinstance(answer, ActionResponseWithPblock):
        collected += answer.block.raw_data
        if answer.block.last_block:
            break
        answer = dialogue.ask(ActionRequestNextPblock(0xC1, answer.block.block_number), WRITER)
    assert decode_value(RESULTS, collected) == [ActionResult(0, bytes(10))] * 20
    assert held.done == 20


def test_a_long_list_of_outcomes_goes_out_in_general_blocks() -> None:
    dialogue, held = opened(16, SINGLY | C.GENERAL_BLOCK_TRANSFER, bytes(10))
    assert isinstance(dialogue.ask(calls(30), WRITER), GeneralBlockTransfer)
    assert held.done == 30


def test_blocks_of_another_request_end_a_long_answer() -> None:
    dialogue, _ = opened(40, returned=bytes(100))
    assert isinstance(dialogue.ask(ActionRequestNormal(0xC1, RESET, Integer(0)), WRITER), ActionResponseWithPblock)
    ended = ActionResponseNormal(0xC2, ActionResult(int(ActionCode.NO_LONG_ACTION_IN_PROGRESS)))
    assert dialogue.ask(ActionRequestNextPblock(0xC2, 1), WRITER) == ended


def test_a_return_of_more_than_an_apdu_goes_out_in_general_blocks() -> None:
    dialogue, held = opened(0xFFFF, SINGLY | C.GENERAL_BLOCK_TRANSFER, bytes(70_000))
    answer = dialogue.ask(ActionRequestNormal(0xC1, RESET, Integer(0)), WRITER)
    assert isinstance(answer, GeneralBlockTransfer)
    assert held.done == 1


# --- ACCESS ---------------------------------------------------------------------------------------------------------


def test_an_access_whose_results_do_not_fit_is_refused_before_anything_is_done() -> None:
    dialogue, held = opened(40)
    assert dialogue.ask(accesses(11), WRITER) == PDU_TOO_LONG
    assert dialogue.ask(accesses(4, CONFIRMED | 1 << 28), WRITER) == PDU_TOO_LONG, "self-descriptive ones are longer"
    assert held.done == 0
    answer = dialogue.ask(accesses(10), WRITER)
    assert isinstance(answer, AccessResponse)
    assert answer.results == [AccessSetResult(0)] * 10
    assert held.done == 10


def test_an_unconfirmed_access_is_carried_out_whatever_its_size() -> None:
    dialogue, held = opened(40)
    assert dialogue.say(accesses(60, 0), WRITER) is None
    assert held.done == 60


def test_a_read_in_an_access_that_has_no_room_is_refused_in_its_place() -> None:
    dialogue, held = opened(60)
    specifications: list[Record] = [
        AccessGet(descriptor(ENERGY.value)),
        AccessGet(descriptor(LONG.value)),
        AccessGet(descriptor(PROFILE.buffer)),
        AccessSet(descriptor(ENERGY.value)),
        AccessGet(descriptor(NAME.value)),
    ]
    answer = dialogue.ask(AccessRequest(CONFIRMED | 7, b"", specifications, [None, None, None, VALUE, None]), WRITER)
    assert isinstance(answer, AccessResponse)
    assert answer.data == [1234, None, None, None, b"TST0000000000001"]
    assert answer.results == [
        AccessGetResult(0),
        AccessGetResult(14),
        AccessGetResult(14),
        AccessSetResult(0),
        AccessGetResult(0),
    ]
    assert held.done == 1


def test_an_access_calls_what_returns_something_only_where_that_can_be_told() -> None:
    """Its results cannot say both that a method was carried out and that what it returned has no room."""
    returning = method(AssociationLn(bytes(ASSOCIATION.instance)).reply_to_hls_authentication)
    request = AccessRequest(CONFIRMED | 7, b"", [AccessAction(returning), AccessAction(RESET)], [b"x", Integer(0)])
    dialogue, held = opened(100, returned=b"y")
    answer = dialogue.ask(request, WRITER)
    assert isinstance(answer, AccessResponse)
    assert answer.results == [AccessActionResult(int(ActionCode.OTHER_REASON)), AccessActionResult(0)]
    assert (answer.data, held.done) == ([None, b"y"], 1)
    dialogue, held = opened(100, IN_GENERAL, returned=b"y")
    answer = dialogue.ask(request, WRITER)
    assert isinstance(answer, AccessResponse)
    assert answer.results == [AccessActionResult(0), AccessActionResult(0)]
    assert (answer.data, held.done) == ([b"y", b"y"], 2)


# --- short names ----------------------------------------------------------------------------------------------------


def short_names(size: int, conformance: Conformance) -> tuple[Wire, Counting]:
    served = short_name_device(conformance=conformance)
    held = Counting(bytes(50))
    held.values = served.store.values  # type: ignore[attr-defined]
    served.store = held
    wire = Wire(served)
    wire.associate(AssociationRequest(context=SN, max_receive=size, conformance=conformance))
    return wire, held


SN_VALUE, SN_RESET = "0138", "0158"
"""Value and method of the energy, as `test_short_name_services` has the names."""


def test_a_write_whose_results_do_not_fit_is_refused_before_any() -> None:
    wire, held = short_names(30, SN_CONFORMANCE)
    name = SN_VALUE
    assert wire.ask("060f" + f"02{name}" * 15 + "0f" + "0600000001" * 15) == bytes.fromhex("0d0101fa")
    assert held.done == 0
    assert wire.ask("160f" + f"02{name}" * 15 + "0f" + "0600000001" * 15) == b""
    assert held.done == 15
    assert wire.ask("060e" + f"02{name}" * 14 + "0e" + "0600000001" * 14) == bytes.fromhex("0d0e" + "00" * 14)
    assert held.done == 29


def test_a_read_calls_what_returns_something_only_where_that_can_be_told() -> None:
    returning, reset = "04fa58000900", f"04{SN_RESET}000f00"  # reply_to_HLS_authentication, which the store answers
    wire, held = short_names(30, SN_CONFORMANCE & ~C.BLOCK_TRANSFER_WITH_GET_OR_READ)
    assert wire.ask(f"0502{returning}{reset}") == bytes.fromhex("0c02" + "01fa" + "0000")
    assert held.done == 1
    wire, held = short_names(30, SN_CONFORMANCE)
    assert wire.ask(f"0502{returning}{reset}")[:4] == bytes.fromhex("0c010200"), "the first of several blocks"
    assert held.done == 2


def test_a_long_list_is_read_in_blocks_however_small_the_apdus() -> None:
    wire, _ = short_names(30, SN_CONFORMANCE)
    assert wire.ask("0520" + f"02{SN_VALUE}" * 32)[:6] == bytes.fromhex("0c0102000001")


# --- whatever is asked ----------------------------------------------------------------------------------------------


@given(
    size=st.integers(12, 120),
    count=st.integers(1, 30),
    returned=st.none() | st.binary(max_size=40),
    conformance=st.sampled_from((ALL, SINGLY, IN_GENERAL, SINGLY | C.GENERAL_BLOCK_TRANSFER)),
    kind=st.sampled_from((writes, calls, accesses)),
)
def test_what_is_refused_as_a_whole_was_not_done_and_what_was_done_is_told(
    size: int, count: int, returned: bytes | None, conformance: Conformance, kind: Any
) -> None:
    dialogue, held = opened(size, conformance, returned)
    answer = dialogue.say(kind(count), WRITER)
    assert answer is not None
    assert len(answer) <= size
    told = decode_apdu(answer)
    assert held.done == (0 if isinstance(told, ExceptionResponse) else count)


@given(size=st.integers(12, 100), value=st.binary(max_size=30))
def test_single_writes_are_always_told(size: int, value: bytes) -> None:
    dialogue, held = opened(size)
    answer = dialogue.ask(SetRequestNormal(0xC1, descriptor(NAME.value), None, value), WRITER)
    assert answer == SetResponseNormal(0xC1, 0)
    assert held.done == 1


@pytest.mark.parametrize(
    ("size", "conformance", "blocks", "limit"),
    [
        (100, ALL, C.BLOCK_TRANSFER_WITH_ACTION, 100),
        (100, ALL, Conformance(0), 100),
        (0, ALL, Conformance(0), MAX_APDU),
        (100, IN_GENERAL, C.BLOCK_TRANSFER_WITH_ACTION, MAX_APDU),
        (100, IN_GENERAL, Conformance(0), 91 * 65535),
        (12, IN_GENERAL, Conformance(0), 3 * 65535),
        (0, IN_GENERAL, Conformance(0), MAX_TRANSFER),
        (0xFFFF, IN_GENERAL, Conformance(0), MAX_TRANSFER),
    ],
)
def test_how_long_an_answer_may_be(size: int, conformance: Conformance, blocks: Conformance, limit: int) -> None:
    assert answer_limit(Negotiated(conformance, size), blocks) == limit


def test_a_datablock_is_acknowledged_within_the_smallest_size() -> None:
    dialogue, _ = opened(12)
    first = SetRequestWithListAndFirstDatablock(0xC1, [ELEMENT], DataBlock(False, 1, b"\x01"))
    assert dialogue.ask(first, WRITER) == SetResponseDatablock(0xC1, 1)
    again = ActionRequestWithListAndFirstPblock(0xC1, [RESET], DataBlock(False, 1, b"\x01"))
    assert dialogue.ask(again, WRITER) == ActionResponseNextPblock(0xC1, 1)
