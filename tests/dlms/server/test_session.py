"""The server: rights, blocks, lists, several clients at once, sizes, profiles, and what cannot be served."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms import data as cosem_data
from dlms.acse import Rlre, Rlrq
from dlms.apdu import (
    ActionRequestNextPblock,
    ActionRequestNormal,
    ActionRequestWithFirstPblock,
    ActionRequestWithList,
    ActionRequestWithPblock,
    ActionResponseNextPblock,
    ActionResponseNormal,
    ActionResponseWithList,
    ActionResponseWithPblock,
    DataNotificationConfirm,
    ExceptionResponse,
    GeneralBlockTransfer,
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithDatablock,
    GetResponseWithList,
    SetRequestNormal,
    SetRequestWithDatablock,
    SetRequestWithFirstDatablock,
    SetRequestWithList,
    SetResponseDatablock,
    SetResponseLastDatablock,
    SetResponseNormal,
    SetResponseWithList,
)
from dlms.apdu.action import ActionResult
from dlms.apdu.attribute import (
    CosemAttributeDescriptor,
    CosemAttributeDescriptorWithSelection,
    CosemMethodDescriptor,
    DataBlock,
    SelectiveAccess,
)
from dlms.codec import ABSENT, Record, Refusal, ResultOf, SequenceOf, decode_value, encode
from dlms.data import DoubleLong, DoubleLongUnsigned, Integer, Unsigned
from dlms.enums import AccessResult, ActionCode, Conformance
from dlms.errors import AccessError
from dlms.framing.wrapper import wrap
from dlms.ic import Register
from dlms.interface import AttributeRef, MethodRef
from dlms.operations.read import descriptor
from dlms.quirks import Quirk
from obis import Obis
from tests.dlms import data_values
from tests.dlms.server.devices import (
    CLOCK,
    ENERGY,
    EVERYTHING,
    LONG,
    NAME,
    PROFILE,
    PUBLIC,
    READER,
    SAPS,
    WRITER,
    Dialogue,
    device,
    proposal,
    rows,
    store,
)

R = AccessResult
ELSEWHERE = Register("9.9.9.9.9.9")


def method(ref: MethodRef[Any]) -> CosemMethodDescriptor:
    return CosemMethodDescriptor(ref.class_id, bytes(ref.instance), ref.index)


def refusal(answer: Record) -> int:
    assert isinstance(answer, GetResponseNormal)
    assert isinstance(answer.result, Refusal)
    return answer.result.result


def written(dialogue: Dialogue, ref: AttributeRef[Any], value: Any, client: int = WRITER) -> int:
    answer = dialogue.ask(SetRequestNormal(0xC1, descriptor(ref), None, value), client)
    assert isinstance(answer, SetResponseNormal)
    return answer.result


def called(dialogue: Dialogue, ref: MethodRef[Any], parameter: Any = ABSENT, client: int = READER) -> ActionResult:
    answer = dialogue.ask(ActionRequestNormal(0xC1, method(ref), parameter), client)
    assert isinstance(answer, ActionResponseNormal)
    return answer.response


# --- single services and rights -----------------------------------------------------------------------------------


def test_get_answers_with_the_invoke_octet_of_the_request() -> None:
    dialogue = Dialogue().open()
    for octet in (0x00, 0x41, 0x81, 0xCF):
        answer = dialogue.ask(GetRequestNormal(octet, descriptor(ENERGY.value)))
        assert answer == GetResponseNormal(octet, DoubleLongUnsigned(1234))


@pytest.mark.parametrize(
    ("attribute", "result"),
    [
        (CosemAttributeDescriptor(3, bytes(Obis("9.9.9.9.9.9")), 2), R.OBJECT_UNDEFINED),
        (CosemAttributeDescriptor(1, bytes(ENERGY.instance), 2), R.OBJECT_CLASS_INCONSISTENT),
        (CosemAttributeDescriptor(3, bytes(ENERGY.instance), 0), R.OBJECT_UNDEFINED),
        (CosemAttributeDescriptor(3, bytes(ENERGY.instance), 77), R.OBJECT_UNDEFINED),
        (CosemAttributeDescriptor(8, bytes(CLOCK.instance), 5), R.OBJECT_UNAVAILABLE),
    ],
)
def test_get_that_is_refused(attribute: CosemAttributeDescriptor, result: AccessResult) -> None:
    dialogue = Dialogue().open()
    assert refusal(dialogue.ask(GetRequestNormal(0xC1, attribute))) == result
    assert dialogue.is_associated()


def test_rights() -> None:
    dialogue = Dialogue().open(PUBLIC).open(READER).open(WRITER)
    assert written(dialogue, ENERGY.value, DoubleLongUnsigned(5), PUBLIC) == R.READ_WRITE_DENIED
    assert written(dialogue, ENERGY.value, DoubleLongUnsigned(5), READER) == R.READ_WRITE_DENIED
    assert written(dialogue, ENERGY.value, DoubleLongUnsigned(5)) == R.SUCCESS
    assert dialogue.get(ENERGY.value) == GetResponseNormal(0xC1, DoubleLongUnsigned(5))
    assert called(dialogue, ENERGY.reset, Integer(0), PUBLIC).result == R.READ_WRITE_DENIED
    assert called(dialogue, ENERGY.reset, Integer(0), READER).result == R.SUCCESS
    undeclared = CosemMethodDescriptor(3, bytes(ENERGY.instance), 99)
    answer = dialogue.ask(ActionRequestNormal(0xC1, undeclared), READER)
    assert answer == ActionResponseNormal(0xC1, ActionResult(R.OBJECT_UNDEFINED))


@pytest.mark.parametrize("value", [Unsigned(5), DoubleLong(5), None, b"\0\0\0\5", [DoubleLongUnsigned(5)]])
def test_set_of_another_type(value: Any) -> None:
    dialogue = Dialogue().open(WRITER)
    assert written(dialogue, ENERGY.value, value) == R.TYPE_UNMATCHED
    assert dialogue.get(ENERGY.value, client=WRITER) == GetResponseNormal(0xC1, DoubleLongUnsigned(1234))


def test_set_with_a_selection_or_of_what_is_not_there() -> None:
    dialogue = Dialogue().open(WRITER)
    selecting = SetRequestNormal(0xC1, descriptor(ENERGY.value), SelectiveAccess(1, None), DoubleLongUnsigned(1))
    assert dialogue.ask(selecting, WRITER) == SetResponseNormal(0xC1, R.SCOPE_OF_ACCESS_VIOLATED)
    assert written(dialogue, ELSEWHERE.value, Unsigned(1)) == R.OBJECT_UNDEFINED
    assert written(dialogue, PROFILE.buffer, []) == R.TYPE_UNMATCHED


def test_unconfirmed_set_and_action_are_carried_out_and_not_answered() -> None:
    calls: list[Any] = []
    dialogue = Dialogue().open(WRITER)
    dialogue.device.store.methods[ENERGY.reset] = calls.append  # type: ignore[attr-defined]
    assert dialogue.say(SetRequestNormal(0x81, descriptor(ENERGY.value), None, DoubleLongUnsigned(6)), WRITER) is None
    assert dialogue.say(ActionRequestNormal(0x01, method(ENERGY.reset), Integer(3)), WRITER) is None
    assert dialogue.get(ENERGY.value, client=WRITER) == GetResponseNormal(0xC1, DoubleLongUnsigned(6))
    assert calls == [3]


@pytest.mark.parametrize("refused_with", [R.TEMPORARY_FAILURE, 77])
def test_a_store_that_refuses(refused_with: int) -> None:
    dialogue = Dialogue().open(WRITER)

    def refuse(*_: Any) -> Any:
        raise AccessError(refused_with)

    held: Any = dialogue.device.store
    held.methods[ENERGY.reset] = held.set = refuse
    assert called(dialogue, ENERGY.reset, client=WRITER).result == refused_with
    assert written(dialogue, ENERGY.value, Unsigned(1)) == refused_with
    held.get = refuse
    assert refusal(dialogue.get(ENERGY.value, client=WRITER)) == refused_with


def test_what_methods_return() -> None:
    dialogue = Dialogue().open(READER)
    methods = dialogue.device.store.methods  # type: ignore[attr-defined]
    for returned, answer in ((None, ABSENT), (Unsigned(1), Unsigned(1)), ([], []), (b"x", b"x")):
        methods[ENERGY.reset] = lambda _, returned=returned: returned
        assert called(dialogue, ENERGY.reset) == ActionResult(R.SUCCESS, answer)


def test_logical_device_names() -> None:
    assert Dialogue().open().get(SAPS.sap_assignment_list) == GetResponseNormal(0xC1, [(1, b"TST0000000000001")])


def test_the_secret_of_an_association_can_be_changed_by_itself() -> None:
    dialogue = Dialogue().open(WRITER)
    secret = CosemAttributeDescriptor(15, bytes(Obis("0.0.40.0.0.255")), 7)
    for value, result in ((b"", R.TYPE_UNMATCHED), (Unsigned(1), R.TYPE_UNMATCHED), (b"new", R.SUCCESS)):
        assert dialogue.ask(SetRequestNormal(0xC1, secret, None, value), WRITER) == SetResponseNormal(0xC1, result)
    dialogue.ask(Rlrq(0), WRITER)
    dialogue.ask(proposal(WRITER), WRITER)
    assert not dialogue.is_associated(WRITER)
    dialogue.open(READER)
    aarq = proposal(WRITER).replace(b"\xac\x07\x80\x0598765", b"\xac\x05\x80\x03new")
    dialogue.ask(aarq[:1] + bytes((aarq[1] - 2,)) + aarq[2:], WRITER)
    assert dialogue.is_associated(WRITER)


# --- what cannot be served ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "apdu",
    [
        b"",
        b"\xff",
        b"\xc0",
        b"\xc0\x09\xc1",
        b"\x61\x00",
        b"\x63\x00",
        b"\xc8\x00",
        b"\xdb\x00",
        b"\x0f\x00",
        b"\xd8\x01\x01",
    ],
    ids=bytes.hex,
)
@pytest.mark.parametrize("associated", [True, False])
def test_what_is_no_request(apdu: bytes, associated: bool) -> None:
    dialogue = Dialogue()
    if associated:
        dialogue.open()
    if apdu:  # the wrapper carries no empty APDU
        assert isinstance(dialogue.ask(apdu), ExceptionResponse)
    assert dialogue.is_associated() is associated


def test_services_that_were_not_negotiated() -> None:
    dialogue = Dialogue(device(conformance=Conformance.GET)).open(WRITER)
    requests: list[Record] = [
        SetRequestNormal(0xC1, descriptor(ENERGY.value), None, DoubleLongUnsigned(1)),
        ActionRequestNormal(0xC1, method(ENERGY.reset)),
        GetRequestWithList(0xC1, [CosemAttributeDescriptorWithSelection(descriptor(ENERGY.value))]),
        GetRequestNormal(0xC1, descriptor(PROFILE.buffer), SelectiveAccess(1, None)),
        GetRequestNext(0xC1, 1),
    ]
    for request in requests:
        assert dialogue.ask(request, WRITER) == ExceptionResponse(1, 1)
        assert dialogue.is_associated(WRITER)


def test_a_confirmation_is_taken_without_an_answer() -> None:
    assert Dialogue().open().say(DataNotificationConfirm(1, b"")) is None


def test_requests_longer_than_the_server_receives() -> None:
    dialogue = Dialogue(device(max_receive=40)).open(WRITER)
    long = SetRequestNormal(0xC1, descriptor(NAME.value), None, bytes(40))
    assert dialogue.ask(long, WRITER) == ExceptionResponse(1, 4)


def test_two_clients_at_once_on_one_medium() -> None:
    dialogue = Dialogue().open(PUBLIC, max_receive=50).open(READER, max_receive=100)
    public, reader = dialogue.get(LONG.value), dialogue.get(LONG.value, client=READER)
    pieces: dict[int, bytes] = {PUBLIC: b"", READER: b""}
    replies, numbers = {PUBLIC: public, READER: reader}, {PUBLIC: 0, READER: 0}
    while replies:
        for client, reply in list(replies.items()):
            assert isinstance(reply, GetResponseWithDatablock)
            pieces[client] += reply.block.result
            numbers[client] += 1
            if reply.block.last_block:
                del replies[client]
            else:
                replies[client] = dialogue.ask(GetRequestNext(0xC1, numbers[client]), client)
    assert pieces[PUBLIC] == pieces[READER] == cosem_data.encode(bytes(range(256)) * 3)
    assert numbers[PUBLIC] > numbers[READER]
    assert dialogue.ask(Rlrq(0), PUBLIC) == Rlre(0)
    assert dialogue.is_associated(READER)


def test_several_apdus_in_one_read_are_all_answered() -> None:
    dialogue = Dialogue().open()
    dialogue.session.receive_data(wrap(PUBLIC, 1, encode(GetRequestNormal(1, descriptor(ENERGY.value)))) * 3, 0.0)
    assert len(dialogue.session.data_to_send()) == 3


def test_a_new_association_forgets_the_old_one() -> None:
    dialogue = Dialogue().open(max_receive=50)
    dialogue.get(LONG.value)
    dialogue.open()
    answer = dialogue.ask(GetRequestNext(0xC1, 1))
    assert isinstance(answer, GetResponseWithDatablock)
    assert answer.block.result == Refusal(R.NO_LONG_GET_IN_PROGRESS)


# --- blocks -------------------------------------------------------------------------------------------------------


def test_get_in_blocks() -> None:
    dialogue = Dialogue().open(max_receive=100)
    whole, pieces = dialogue.collect(dialogue.get(LONG.value))
    assert cosem_data.decode(whole) == bytes(range(256)) * 3
    assert {len(piece) for piece in pieces[:-1]} == {90}


@pytest.mark.parametrize("number", [0, 2, 7, 0xFFFFFFFF])
def test_a_wrong_block_number_ends_the_transfer(number: int) -> None:
    dialogue = Dialogue().open(max_receive=100)
    dialogue.get(LONG.value)
    for result in (R.DATA_BLOCK_NUMBER_INVALID, R.NO_LONG_GET_IN_PROGRESS):
        answer = dialogue.ask(GetRequestNext(0xC1, number))
        assert isinstance(answer, GetResponseWithDatablock)
        assert (answer.block.last_block, answer.block.result) == (True, Refusal(result))


def test_another_request_ends_the_transfer() -> None:
    dialogue = Dialogue().open(max_receive=100)
    dialogue.get(LONG.value)
    dialogue.get(ENERGY.value)
    answer = dialogue.ask(GetRequestNext(0xC1, 1))
    assert isinstance(answer, GetResponseWithDatablock)
    assert answer.block.result == Refusal(R.NO_LONG_GET_IN_PROGRESS)


def test_long_answers_without_block_transfer() -> None:
    dialogue = Dialogue().open(conformance=Conformance.GET | Conformance.MULTIPLE_REFERENCES, max_receive=100)
    assert refusal(dialogue.get(LONG.value)) == R.DATA_BLOCK_UNAVAILABLE
    element = CosemAttributeDescriptorWithSelection(descriptor(LONG.value))
    short = CosemAttributeDescriptorWithSelection(descriptor(ENERGY.value))
    answer = dialogue.ask(GetRequestWithList(0xC1, [short, element, short]))
    told = DoubleLongUnsigned(1234)
    assert answer == GetResponseWithList(0xC1, [told, Refusal(R.DATA_BLOCK_UNAVAILABLE), told])
    assert refusal(dialogue.ask(GetRequestWithList(0xC1, [short] * 49))) == R.OTHER_REASON


def test_rows_that_go_while_they_are_read() -> None:
    dialogue = Dialogue(device(store(200))).open(max_receive=100)
    first = dialogue.get(PROFILE.buffer)
    assert isinstance(first, GetResponseWithDatablock)
    held: Any = dialogue.device.store
    held.values[PROFILE.buffer].rows = []
    reply, number = first, 1
    while not reply.block.last_block:
        answer = dialogue.ask(GetRequestNext(0xC1, number))
        assert isinstance(answer, GetResponseWithDatablock)
        reply, number = answer, number + 1
    assert reply.block.result == Refusal(R.LONG_GET_ABORTED)


def set_in_blocks(dialogue: Dialogue, value: Any, size: int) -> Record:
    payload = cosem_data.encode(value)
    pieces = [payload[start : start + size] for start in range(0, len(payload), size)]
    for number, piece in enumerate(pieces, 1):
        block = DataBlock(number == len(pieces), number, piece)
        if number == 1:
            answer = dialogue.ask(SetRequestWithFirstDatablock(0xC1, descriptor(NAME.value), None, block), WRITER)
        else:
            answer = dialogue.ask(SetRequestWithDatablock(0xC1, block), WRITER)
        if number < len(pieces):
            assert answer == SetResponseDatablock(0xC1, number)
    return answer


@given(st.binary(max_size=200), st.integers(1, 50))
def test_set_in_blocks(value: bytes, size: int) -> None:
    dialogue = Dialogue().open(WRITER)
    answer = set_in_blocks(dialogue, value, size)
    assert isinstance(answer, SetResponseLastDatablock)
    assert answer.result == R.SUCCESS
    assert dialogue.get(NAME.value, client=WRITER) == GetResponseNormal(0xC1, value)


def test_set_in_blocks_that_breaks_the_rules() -> None:
    dialogue = Dialogue().open(WRITER)
    first = SetRequestWithFirstDatablock(0xC1, descriptor(NAME.value), None, DataBlock(False, 1, b"\x09\x02"))

    def result(request: Record) -> int:
        answer = dialogue.ask(request, WRITER)
        assert isinstance(answer, SetResponseLastDatablock)
        return answer.result

    assert result(SetRequestWithDatablock(0xC1, DataBlock(True, 2, b"ab"))) == R.NO_LONG_SET_IN_PROGRESS
    dialogue.ask(first, WRITER)
    assert result(SetRequestWithDatablock(0xC1, DataBlock(True, 3, b"ab"))) == R.DATA_BLOCK_NUMBER_INVALID
    dialogue.ask(first, WRITER)
    assert result(SetRequestWithDatablock(0xC1, DataBlock(False, 2, b""))) == R.LONG_SET_ABORTED
    dialogue.ask(first, WRITER)
    assert result(SetRequestWithDatablock(0xC1, DataBlock(True, 2, b"a"))) == R.TYPE_UNMATCHED
    dialogue.ask(first, WRITER)
    dialogue.get(ENERGY.value, client=WRITER)
    assert result(SetRequestWithDatablock(0xC1, DataBlock(True, 2, b"ab"))) == R.NO_LONG_SET_IN_PROGRESS
    assert dialogue.get(NAME.value, client=WRITER) == GetResponseNormal(0xC1, b"TST0000000000001")


def test_action_with_long_parameters_and_a_long_answer() -> None:
    dialogue = Dialogue().open(READER, max_receive=60)
    dialogue.device.store.methods[ENERGY.reset] = lambda parameter: parameter * 3  # type: ignore[attr-defined]
    payload = cosem_data.encode(bytes(100))
    first = DataBlock(False, 1, payload[:70])
    answer = dialogue.ask(ActionRequestWithFirstPblock(0xC1, method(ENERGY.reset), first), READER)
    assert answer == ActionResponseNextPblock(0xC1, 1)
    answer = dialogue.ask(ActionRequestWithPblock(0xC1, DataBlock(True, 2, payload[70:])), READER)
    collected, number = b"", 0
    while True:
        assert isinstance(answer, ActionResponseWithPblock)
        number += 1
        assert answer.block.block_number == number
        collected += answer.block.raw_data
        if answer.block.last_block:
            break
        answer = dialogue.ask(ActionRequestNextPblock(0xC1, number), READER)
    assert cosem_data.decode(collected) == bytes(300)


def test_blocks_of_a_call_that_are_out_of_order_are_refused_with_the_codes_of_calls() -> None:
    dialogue = Dialogue().open(READER, max_receive=60)
    dialogue.device.store.methods[ENERGY.reset] = lambda _: bytes(300)  # type: ignore[attr-defined]

    def refused(request: Record) -> int:
        answer = dialogue.ask(request, READER)
        assert isinstance(answer, ActionResponseNormal)
        return answer.response.result

    begin = ActionRequestWithFirstPblock(0xC1, method(ENERGY.reset), DataBlock(False, 1, b"\x09"))
    further = ActionRequestWithPblock(0xC1, DataBlock(False, 3, b"x"))
    assert refused(further) == ActionCode.NO_LONG_ACTION_IN_PROGRESS
    dialogue.ask(begin, READER)
    assert refused(further) == ActionCode.LONG_ACTION_ABORTED
    assert refused(further) == ActionCode.NO_LONG_ACTION_IN_PROGRESS
    dialogue.ask(begin, READER)
    assert refused(ActionRequestWithPblock(0xC1, DataBlock(False, 2, b""))) == ActionCode.LONG_ACTION_ABORTED
    assert refused(ActionRequestNextPblock(0xC1, 1)) == ActionCode.NO_LONG_ACTION_IN_PROGRESS
    assert isinstance(
        dialogue.ask(ActionRequestNormal(0xC1, method(ENERGY.reset), Integer(0)), READER), ActionResponseWithPblock
    )
    assert refused(ActionRequestNextPblock(0xC1, 2)) == ActionCode.LONG_ACTION_ABORTED


@pytest.mark.parametrize("code", [R.LONG_SET_ABORTED, R.NO_LONG_SET_IN_PROGRESS, R.DATA_BLOCK_NUMBER_INVALID])
def test_what_only_reads_and_writes_can_say_is_no_answer_to_a_call(code: int) -> None:
    dialogue = Dialogue().open(READER)

    def refuse(_: Any) -> Any:
        raise AccessError(code)

    dialogue.device.store.methods[ENERGY.reset] = refuse  # type: ignore[attr-defined]
    assert called(dialogue, ENERGY.reset).result == ActionCode.OTHER_REASON


def test_a_long_answer_of_a_method_without_block_transfer() -> None:
    dialogue = Dialogue().open(READER, conformance=Conformance.ACTION | Conformance.GET, max_receive=60)
    dialogue.device.store.methods[ENERGY.reset] = lambda _: bytes(100)  # type: ignore[attr-defined]
    untold = Refusal(R.DATA_BLOCK_UNAVAILABLE)
    assert called(dialogue, ENERGY.reset) == ActionResult(R.SUCCESS, untold), "it was carried out, and says so"


def test_a_request_in_general_blocks_that_was_given_up() -> None:
    """Half a request, then a short one, then half of another, then a whole one: nothing of the halves is in the way."""
    general = EVERYTHING | Conformance.GENERAL_BLOCK_TRANSFER
    dialogue = Dialogue(device(conformance=general)).open(WRITER, general)

    def say(number: int, data: bytes, last: bool = False) -> Record:
        return dialogue.ask(GeneralBlockTransfer(last << 7 | 1, number, 0, data), WRITER)

    first = encode(SetRequestNormal(0xC1, descriptor(NAME.value), None, b"first"))
    second = encode(SetRequestNormal(0xC2, descriptor(NAME.value), None, b"second"))
    for number in (1, 2, 3):
        say(number, first[number : number + 1])
    assert dialogue.is_associated(WRITER)
    say(1, first[:5])
    say(2, first[5:9])
    say(1, second[:7])
    answer = say(2, second[7:], last=True)
    assert isinstance(answer, GeneralBlockTransfer)
    assert answer.block_number_ack == 2
    assert answer.block_data.hex() == "c501c200"
    assert dialogue.get(NAME.value, client=WRITER) == GetResponseNormal(0xC1, b"second")


# --- lists --------------------------------------------------------------------------------------------------------

READ = (ENERGY.value, ENERGY.scaler_unit, NAME.value, LONG.value, ELSEWHERE.value, PROFILE.buffer, CLOCK.status)


@given(st.lists(st.sampled_from(READ), min_size=1, max_size=8), st.integers(40, 2000))
def test_a_list_says_what_single_reads_say(refs: list[AttributeRef[Any]], size: int) -> None:
    dialogue = Dialogue().open(max_receive=size)
    elements = [CosemAttributeDescriptorWithSelection(descriptor(ref)) for ref in refs]
    answer = dialogue.ask(GetRequestWithList(0xC1, elements))
    if isinstance(answer, GetResponseWithList):
        results = answer.results
    else:
        results = decode_value(SequenceOf(ResultOf()), dialogue.collect(answer)[0])
    for ref, result in zip(refs, results, strict=True):
        single = dialogue.get(ref)
        if isinstance(single, GetResponseNormal):
            assert result == single.result
        else:
            assert cosem_data.encode(result) == dialogue.collect(single)[0]


def test_a_list_with_a_profile_of_more_than_an_apdu() -> None:
    dialogue = Dialogue(device(store(4000))).open()
    elements = [CosemAttributeDescriptorWithSelection(descriptor(ref)) for ref in (PROFILE.buffer, ENERGY.value)]
    answer = dialogue.ask(GetRequestWithList(0xC1, elements))
    results = decode_value(SequenceOf(ResultOf()), dialogue.collect(answer)[0])
    assert len(results[0]) == 4000
    assert results[1] == 1234


def test_lists_that_are_too_long() -> None:
    dialogue = Dialogue().open(WRITER)
    element = CosemAttributeDescriptorWithSelection(descriptor(ENERGY.value))
    assert refusal(dialogue.ask(GetRequestWithList(0xC1, [element] * 65), WRITER)) == R.OTHER_REASON
    answer = dialogue.ask(SetRequestWithList(0xC1, [element] * 65, [DoubleLongUnsigned(1)] * 65), WRITER)
    assert answer == SetResponseWithList(0xC1, [R.OTHER_REASON] * 65)


def test_set_and_action_with_lists() -> None:
    dialogue = Dialogue().open(WRITER)
    elements = [CosemAttributeDescriptorWithSelection(descriptor(ref)) for ref in (ENERGY.value, NAME.value)]
    answer = dialogue.ask(SetRequestWithList(0xC1, elements, [Unsigned(1), b"new"]), WRITER)
    assert answer == SetResponseWithList(0xC1, [R.TYPE_UNMATCHED, R.SUCCESS])
    answer = dialogue.ask(SetRequestWithList(0xC1, elements, [b"one value"]), WRITER)
    assert answer == SetResponseWithList(0xC1, [R.OTHER_REASON] * 2)
    assert dialogue.get(NAME.value, client=WRITER) == GetResponseNormal(0xC1, b"new")
    methods = [method(ENERGY.reset), method(ELSEWHERE.reset)]
    answer = dialogue.ask(ActionRequestWithList(0xC1, methods, [Integer(0), Integer(0)]), WRITER)
    results = [ActionResult(R.SUCCESS), ActionResult(R.OBJECT_UNDEFINED)]
    assert answer == ActionResponseWithList(0xC1, results)


# --- sizes --------------------------------------------------------------------------------------------------------


@given(
    value=data_values.values,
    size=st.integers(12, 300) | st.sampled_from((136, 137, 138, 139, 266, 267, 268, 269)),
    quirks=st.sets(st.sampled_from((Quirk.LONG_BLOCK_LENGTH, Quirk.WHOLE_ROW_BLOCKS))),
    returned=data_values.values,
)
def test_no_answer_is_longer_than_the_client_receives(value: Any, size: int, quirks: set[Quirk], returned: Any) -> None:
    held = store(7)
    held.values[LONG.value] = value
    held.methods[ENERGY.reset] = lambda _: returned
    dialogue = Dialogue(device(held, quirks=quirks)).open(WRITER, max_receive=size)
    elements = [CosemAttributeDescriptorWithSelection(descriptor(ref)) for ref in (LONG.value, PROFILE.buffer)]
    requests: list[Record] = [
        GetRequestNormal(0xC1, descriptor(LONG.value)),
        GetRequestNormal(0xC1, descriptor(PROFILE.buffer)),
        GetRequestWithList(0xC1, elements),
        ActionRequestNormal(0xC1, method(ENERGY.reset)),
        SetRequestNormal(0xC1, descriptor(ENERGY.value), None, None),
    ]
    for request in requests:
        answer: bytes | None = dialogue.say(request, WRITER)
        for _ in range(10_000):
            assert answer is not None
            assert len(answer) <= size
            if answer[:2] not in (b"\xc4\x02", b"\xc7\x02") or answer[3]:
                break
            follow = GetRequestNext if answer[0] == 0xC4 else ActionRequestNextPblock
            answer = dialogue.say(follow(0xC1, int.from_bytes(answer[4:8], "big")), WRITER)
        else:
            raise AssertionError("an answer without an end")


@given(size=st.integers(12, 400), count=st.integers(0, 150))
def test_a_profile_arrives_whole_whatever_the_size(size: int, count: int) -> None:
    dialogue = Dialogue(device(store(count))).open(max_receive=size)
    answer = dialogue.get(PROFILE.buffer)
    if isinstance(answer, GetResponseNormal):
        found = answer.result
    else:
        found = cosem_data.decode(dialogue.collect(answer)[0])
    assert found == rows(count)
