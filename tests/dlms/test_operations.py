"""Operations: long reads, lists, profiles, writes in blocks, object lists - and servers that answer nonsense."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms import data as cosem_data
from dlms.apdu import (
    ActionResponseNormal,
    ActionResponseWithPblock,
    GetRequestNext,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithDatablock,
    GetResponseWithList,
    SetRequestWithDatablock,
    SetRequestWithFirstDatablock,
    SetRequestWithListAndFirstDatablock,
    SetResponseDatablock,
    SetResponseLastDatablock,
    SetResponseNormal,
    SetResponseWithList,
)
from dlms.apdu.action import ActionResult
from dlms.apdu.attribute import DataBlock, ResultBlock
from dlms.apdu.get import GetResponseRaw
from dlms.association import Negotiated
from dlms.codec import Record, Refusal, decode, encode
from dlms.cosem_time import DateTime
from dlms.data import Float64, Integer, LongUnsigned, Unsigned
from dlms.enums import Conformance
from dlms.errors import AccessError, DecodeError, DlmsError, LocalProtocolError, RemoteProtocolError, ReturnLost
from dlms.ic import Clock, Data, ProfileGeneric, Register
from dlms.interface import AttributeRef, attribute_ref, method_ref
from dlms.operations import Operation, Request
from dlms.operations.buffer import Selection, buffer
from dlms.operations.lists import get_many
from dlms.operations.objects import object_list
from dlms.operations.profiles import Column, Entries, bounds, by_entry, by_range, clock_column, columns, octets
from dlms.operations.read import get, get_encoded
from dlms.operations.referencing import LogicalNames
from dlms.operations.write import call, set_many, set_value
from dlms.server import MemoryStore
from obis import Obis
from tests.dlms import data_values
from tests.dlms.server.devices import CLOCK, ENERGY, LONG, NAME, PROFILE, WRITER, Dialogue, at, device, rows, store

LIST = Conformance.GET | Conformance.MULTIPLE_REFERENCES


class EndlessServer(AssertionError):
    """An operation asked more often than anything sensible needs."""


def run(operation: Operation[Any], answer: Callable[[Request], Record], most: int = 10_000) -> Any:
    """Drive an operation with the answers of a function."""
    try:
        request = next(operation)
        for _ in range(most):
            request = operation.send(answer(request))
    except StopIteration as end:
        return end.value
    raise EndlessServer


def scripted(*answers: Record) -> Callable[[Request], Record]:
    """These answers, one after the other."""
    waiting = iter(answers)
    return lambda request: next(waiting)


def block(number: int, raw: bytes | Refusal, last: bool = False) -> GetResponseWithDatablock:
    return GetResponseWithDatablock(0, ResultBlock(last, number, raw))


class Meter:
    """Answers requests by a real server, decoded as the connection would decode them."""

    def __init__(self, held: MemoryStore | None = None, **negotiated: Any) -> None:
        self.dialogue = Dialogue(device(held)).open(WRITER, **negotiated)
        conformance = negotiated.get("conformance", self.dialogue.device.associations[WRITER, 1].conformance)
        self.negotiated = Negotiated(conformance, 0xFFFF, negotiated.get("max_receive", 0xFFFF))
        self.asked: list[Record] = []

    def __call__(self, request: Request) -> Record:
        self.asked.append(request.apdu)
        answer = self.dialogue.say(request.apdu if request.read_only else confirmed(request.apdu), WRITER)
        assert answer is not None
        for kind in request.replies:
            if answer.startswith(kind.prefix):
                return decode(kind, answer)
        raise AssertionError(answer.hex())


def confirmed(apdu: Record) -> bytes:
    data = encode(apdu)
    return data[:2] + b"\xc1" + data[3:]


# --- GET in blocks ------------------------------------------------------------------------------------------------


@given(data_values.values, st.integers(20, 200))
def test_long_values_arrive_as_they_are(value: Any, size: int) -> None:
    held = store()
    held.values[LONG.value] = value
    meter = Meter(held, max_receive=size)
    assert cosem_data.encode(run(get(LONG.value), meter)) == cosem_data.encode(value)
    assert run(get_encoded(LONG.value), meter) == cosem_data.encode(value)


BAD_BLOCKS: list[tuple[str, tuple[Record, ...], type[DlmsError], str]] = [
    ("wrong number at first", (block(0, b"x"),), RemoteProtocolError, "block 0 .*, 1 was due"),
    ("wrong number", (block(1, b"x"), block(3, b"x")), RemoteProtocolError, "block 3 .*, 2 was due"),
    ("repeated", (block(1, b"x"), block(1, b"x")), RemoteProtocolError, "block 1 .*, 2 was due"),
    ("empty", (block(1, b"x"), block(2, b"")), RemoteProtocolError, "block 2 .* is empty"),
    ("refused at first", (block(1, Refusal(15), True),), AccessError, "long-get-aborted"),
    ("refused in the middle", (block(1, b"x"), block(2, Refusal(15), True)), AccessError, "long-get-aborted"),
    ("refused as normal", (block(1, b"x"), GetResponseNormal(0, Refusal(16))), AccessError, "no-long-get"),
    ("a value in the middle", (block(1, b"x"), GetResponseNormal(0, Unsigned(1))), RemoteProtocolError, "a block was"),
    ("nothing at all", (block(1, b"", True),), DecodeError, "too early"),
    ("half a value", (block(1, b"\x06\0", True),), DecodeError, "too early"),
    ("more than a value", (block(1, b"\x11\x01\x02", True),), DecodeError, "left over"),
]


@pytest.mark.parametrize(("answers", "error", "says"), [c[1:] for c in BAD_BLOCKS], ids=[c[0] for c in BAD_BLOCKS])
def test_blocks_that_break_the_rules(answers: tuple[Record, ...], error: type[DlmsError], says: str) -> None:
    with pytest.raises(error, match=says):
        run(get(ENERGY.value), scripted(*answers))


def test_endless_blocks_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlms.operations.read.MAX_TRANSFER", 5000)
    monkeypatch.setattr("dlms.operations.write.MAX_TRANSFER", 5000)
    numbers = iter(range(1, 10_000))
    with pytest.raises(RemoteProtocolError, match="longer than 5000"):
        run(get(ENERGY.value), lambda request: block(next(numbers), bytes(50)))
    numbers = iter(range(1, 10_000))
    with pytest.raises(ReturnLost, match="more than 5000"):
        run(call(ENERGY.reset), lambda request: ActionResponseWithPblock(0, DataBlock(False, next(numbers), bytes(50))))


def test_each_next_block_names_the_last() -> None:
    meter = Meter(max_receive=100)
    run(get(LONG.value), meter)
    nexts = [apdu for apdu in meter.asked if isinstance(apdu, GetRequestNext)]
    assert [apdu.block_number for apdu in nexts] == list(range(1, len(nexts) + 1))
    assert len(nexts) > 3


# --- lists --------------------------------------------------------------------------------------------------------

ELSEWHERE = Register("9.9.9.9.9.9")
READ = (ENERGY.value, ENERGY.scaler_unit, NAME.value, LONG.value, ELSEWHERE.value, CLOCK.status, CLOCK.time)


def comparable(values: list[Any]) -> list[Any]:
    return [(one.result, one.of) if isinstance(one, AccessError) else cosem_data.encode(one) for one in values]


@given(
    st.lists(st.sampled_from(READ), max_size=40),
    st.integers(40, 300),
    st.sampled_from((0, 14, 30, 100)),
    st.booleans(),
)
def test_with_list_and_singles_give_the_same(
    refs: list[AttributeRef[Any]], receive: int, send: int, blocks: bool
) -> None:
    conformance = LIST | (Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ if blocks else Conformance(0))
    meter = Meter(conformance=conformance, max_receive=receive)
    listed = run(get_many(refs, Negotiated(conformance, send, receive)), meter)
    if send:
        assert all(len(confirmed(apdu)) <= max(send, 13) for apdu in meter.asked)
    singles = run(get_many(refs, Negotiated(conformance & ~Conformance.MULTIPLE_REFERENCES)), meter)
    assert comparable(listed) == comparable(singles)


def test_a_list_is_one_request_where_it_can_be() -> None:
    meter = Meter()
    run(get_many(READ, meter.negotiated), meter)
    assert [type(apdu) for apdu in meter.asked] == [GetRequestWithList]
    meter.asked.clear()
    run(get_many(READ[:1], meter.negotiated), meter)
    assert [type(apdu) for apdu in meter.asked] == [GetRequestNormal]
    run(get_many([], meter.negotiated), meter)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_lists_of_another_length(count: int) -> None:
    results = [Unsigned(1)] * count
    with pytest.raises(RemoteProtocolError, match=f"{count} results for 2"):
        run(get_many(READ[:2], Negotiated(LIST)), scripted(GetResponseWithList(0, results)))
    payload = bytes((count,)) + b"\0\x11\1" * count
    with pytest.raises(RemoteProtocolError, match=f"{count} results for 2"):
        run(get_many(READ[:2], Negotiated(LIST)), scripted(block(1, payload, True)))
    with pytest.raises(RemoteProtocolError, match=f"{count} results for 2"):
        run(
            set_many([(ENERGY.value, Unsigned(1))] * 2, Negotiated(LIST)),
            scripted(SetResponseWithList(0, [0] * count)),
        )


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x02", b"\x02\0\x11\1\0", b"\x02\0\x11\1\7\0", b"\x84\xff\xff\xff\xff", b"\x02" + b"\0\x11\1" * 3],
)
def test_a_list_in_blocks_that_is_none(payload: bytes) -> None:
    with pytest.raises(DecodeError):
        run(get_many(READ[:2], Negotiated(LIST)), scripted(block(1, payload, True)))


def test_a_list_that_is_refused_as_a_whole_is_read_one_by_one() -> None:
    answers = scripted(GetResponseNormal(0, Refusal(250)), GetResponseNormal(0, "a"), GetResponseNormal(0, Refusal(3)))
    first, second = run(get_many(READ[:2], Negotiated(LIST)), answers)
    assert first == "a"
    assert (second.result, second.of) == (3, READ[1])


# --- writing ------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=400), st.integers(40, 120))
def test_long_writes_go_in_blocks(value: bytes, send: int) -> None:
    meter = Meter()
    negotiated = Negotiated(meter.negotiated.conformance, send)
    run(set_value(NAME.value, value, None, negotiated), meter)
    assert meter.dialogue.device.store.get(NAME.value) == value
    assert all(len(confirmed(apdu)) <= send for apdu in meter.asked)


def test_long_lists_of_writes_go_in_blocks() -> None:
    meter = Meter()
    negotiated = Negotiated(meter.negotiated.conformance, 80)
    assignments: list[Any] = [(NAME.value, bytes(100)), (ENERGY.value, Unsigned(1)), (LONG.value, bytes(100))]
    written, refused, also = run(set_many(assignments, negotiated), meter)
    assert (written, also) == (None, None)
    assert refused.result == 12
    assert {type(apdu) for apdu in meter.asked} == {SetRequestWithListAndFirstDatablock, SetRequestWithDatablock}


@pytest.mark.parametrize("conformance", [Conformance.SET | Conformance.MULTIPLE_REFERENCES, Conformance.SET])
def test_many_writes_without_blocks(conformance: Conformance) -> None:
    """More than fits in one APDU, and more than a server takes in one list."""
    meter = Meter()
    assignments: list[Any] = [(NAME.value, bytes(20)), (ENERGY.value, Unsigned(1))] * 50
    outcomes = run(set_many(assignments, Negotiated(conformance, 200)), meter)
    assert [one and one.result for one in outcomes] == [None, 12] * 50
    outcomes = run(set_many(assignments, Negotiated(conformance, 0)), meter)
    assert [one and one.result for one in outcomes] == [None, 12] * 50


def test_writes_one_by_one_give_the_same_as_a_list() -> None:
    assignments: list[Any] = [(NAME.value, b"n"), (ENERGY.value, Unsigned(1)), (ELSEWHERE.value, Unsigned(1))]
    meter = Meter()
    together = run(set_many(assignments, meter.negotiated), meter)
    singly = run(set_many(assignments, Negotiated(Conformance.SET)), Meter())
    assert [one and one.result for one in together] == [one and one.result for one in singly] == [None, 12, 4]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (SetResponseDatablock(0, 2), RemoteProtocolError),
        (SetResponseLastDatablock(0, 3, 1), AccessError),
        (SetResponseNormal(0, 3), AccessError),
    ],
)
def test_a_long_write_that_is_answered_oddly(answer: Record, error: type[DlmsError]) -> None:
    with pytest.raises(error):
        run(set_value(NAME.value, bytes(100), None, Negotiated(Conformance(0xFFFFFF), 50)), scripted(answer))


def test_a_long_write_that_is_never_done_ends() -> None:
    asked = 0

    def acknowledge(request: Request) -> Record:
        nonlocal asked
        asked += 1
        apdu: Any = request.apdu
        assert isinstance(apdu, SetRequestWithFirstDatablock | SetRequestWithDatablock)
        return SetResponseDatablock(0, apdu.block.block_number)

    with pytest.raises(RemoteProtocolError, match="does not answer block"):
        run(set_value(NAME.value, bytes(100), None, Negotiated(Conformance(0xFFFFFF), 50)), acknowledge)
    assert asked < 10


def test_wrong_types_are_refused_before_anything_is_sent() -> None:
    for operation in (
        set_value(CLOCK.time, Unsigned(1)),
        set_value(CLOCK.time_zone, 40_000),
        set_value(ENERGY.value, 5),
        call(ENERGY.reset, "text"),
        set_value(Data("1.1.1.1.1.1").value, object()),
        set_many([(NAME.value, b"x"), (ENERGY.value, 5)], Negotiated()),
    ):
        with pytest.raises(LocalProtocolError):
            next(operation)


def test_calls() -> None:
    answers = scripted(ActionResponseNormal(0, ActionResult(0, Unsigned(9))))
    assert run(call(ENERGY.reset), answers) == 9
    assert run(call(ENERGY.reset), scripted(ActionResponseNormal(0, ActionResult(0)))) is None
    with pytest.raises(AccessError, match="read-write-denied"):
        run(call(ENERGY.reset), scripted(ActionResponseNormal(0, ActionResult(3))))
    with pytest.raises(ReturnLost, match=r"carried out.*reset.*data-block-unavailable") as untold:
        run(call(ENERGY.reset), scripted(ActionResponseNormal(0, ActionResult(0, Refusal(14)))))
    assert (untold.value.of, untold.value.result) == (ENERGY.reset, 14)
    requested = next(call(method_ref(9999, "1.1.1.1.1.1", 1)))
    assert repr(getattr(requested.apdu, "parameters", None)) == "ABSENT"


@pytest.mark.parametrize(
    "blocks",
    [
        (DataBlock(False, 2, b"x"),),
        (DataBlock(False, 1, b""),),
        (DataBlock(False, 1, b"x"), DataBlock(True, 1, b"x")),
    ],
)
def test_a_long_answer_of_a_method_that_breaks_the_rules(blocks: tuple[DataBlock, ...]) -> None:
    answers = scripted(*(ActionResponseWithPblock(0, one) for one in blocks))
    with pytest.raises(ReturnLost) as untold:
        run(call(ENERGY.reset), answers)
    assert isinstance(untold.value.__cause__, RemoteProtocolError)


# --- profiles -----------------------------------------------------------------------------------------------------

COLUMNS = [Column(8, CLOCK.instance, 2, 0), Column(3, ENERGY.instance, 2, 0), Column(3, ENERGY.instance, 4, 0)]


def test_columns_of_a_profile() -> None:
    assert run(columns(PROFILE), Meter()) == COLUMNS
    assert [str(one) for one in COLUMNS][:2] == ["0.0.1.0.0.255:2", "1.0.1.8.0.255:2"]
    assert clock_column(COLUMNS, PROFILE) is COLUMNS[0]
    with pytest.raises(LocalProtocolError, match="captures no clock"):
        clock_column(COLUMNS[1:], PROFILE)


def test_open_ends() -> None:
    meter = Meter()
    for start, end, count in ((None, None, 20), (at(5), None, 15), (None, at(5), 6)):
        first, last = bounds(start, end)
        selected = run(get_encoded(PROFILE.buffer, by_range(COLUMNS[0], first, last)), meter)
        assert len(cosem_data.decode(selected)) == count


def test_entries() -> None:
    selected = run(get_encoded(PROFILE.buffer, by_entry(Entries(3, 4, 2, 2))), Meter())
    assert cosem_data.decode(selected) == [row[1:2] for row in rows(20)[2:4]]


def test_moments() -> None:
    moment = datetime.datetime(2024, 1, 1)
    assert octets(moment) == octets(DateTime.of(moment)) == octets(DateTime.of(moment).raw) == at(0)
    with pytest.raises(LocalProtocolError, match="11 octets"):
        octets(bytes(11))


HOSTILE_VALUES: list[Any] = [
    None,
    Unsigned(1),
    "text",
    b"octets",
    (),
    [()],
    [None],
    [Unsigned(1)],
    [(Unsigned(1),)],
    ["abcd"],
    [b"abcd"],
    [(Float64(math.inf), bytes(6), Integer(2), LongUnsigned(0))],
    [(Float64(math.nan), bytes(6), Integer(2), LongUnsigned(0))],
    [(LongUnsigned(1), b"short", Integer(2), LongUnsigned(0))],
    [(LongUnsigned(1), Unsigned(1), bytes(6), ([()], []))],
    [(LongUnsigned(1), Unsigned(1), bytes(6), ([(Unsigned(1),)], []))],
    [(LongUnsigned(1), Unsigned(1), bytes(6), ([(Float64(math.inf), Unsigned(1))], []))],
    [(LongUnsigned(1), Unsigned(1), bytes(6), None)],
    [(LongUnsigned(1), Unsigned(1), None, ([], []))],
]


@pytest.mark.parametrize("value", HOSTILE_VALUES, ids=repr)
def test_values_that_are_not_what_the_class_says(value: Any) -> None:
    for operation in (object_list(), columns(PROFILE)):
        answer = scripted(GetResponseNormal(0, value))
        try:
            found = run(operation, answer)
        except DlmsError:
            continue
        assert isinstance(found, list)
    operation = buffer(PROFILE, COLUMNS, Selection(at(0), at(1)), LogicalNames(Negotiated()), selects=False)
    try:
        run(operation, scripted(GetResponseRaw(0, b"\0" + cosem_data.encode(value))))
    except DlmsError as fault:
        assert isinstance(fault, RemoteProtocolError)  # noqa: PT017  (either answer is right, this error is not)


@given(data_values.values)
def test_any_value_where_a_list_of_objects_was_due(value: Any) -> None:
    for operation in (object_list(), columns(PROFILE)):
        try:
            run(operation, scripted(GetResponseNormal(0, value)))
        except DlmsError:
            continue


# --- the object list ----------------------------------------------------------------------------------------------


def test_the_object_list() -> None:
    listed = {one.instance: one for one in run(object_list(), Meter())}
    energy = listed[ENERGY.instance]
    assert (energy.class_id, energy.version, energy.class_name) == (3, 0, "Register")
    assert energy.attribute_access == {1: 3, 2: 3, 3: 3}
    assert energy.method_access == {1: 1}
    assert energy.attribute(2) == ENERGY.value
    assert [ref.index for ref in energy.readable()] == [1, 2, 3]
    assert listed[PROFILE.instance].interface is ProfileGeneric
    assert listed[Obis("0.0.40.0.0.255")].class_name == "AssociationLn"
    assert listed[CLOCK.instance].interface is Clock


def test_objects_of_undeclared_classes_have_references_too() -> None:
    ref = attribute_ref(9999, "1.1.1.1.1.1", 2)
    assert (ref.attribute, ref.index, str(ref)) == (None, 2, "1.1.1.1.1.1:2 (class 9999)")
    element: Any = (
        LongUnsigned(9999),
        Unsigned(0),
        bytes(Obis("1.1.1.1.1.1")),
        ([(Integer(2), Unsigned(1), None)], []),
    )
    (found,) = run(object_list(), scripted(GetResponseNormal(0, [element])))
    assert found.class_name == "class 9999"
    assert found.readable() == [ref]
