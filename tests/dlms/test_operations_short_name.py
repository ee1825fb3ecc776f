"""Short names against a meter that does not keep to the rules: nothing of it is taken for a value, and nothing hangs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.acse import Aare, Diagnostic, context_oid
from dlms.apdu import InitiateResponse
from dlms.apdu.initiate import VAA_NAME_LN, VAA_NAME_SN
from dlms.association import Negotiated
from dlms.codec import encode
from dlms.connection import Closed, Ticket
from dlms.data import encode as encode_data
from dlms.enums import ApplicationContext
from dlms.errors import DlmsError, LinkError, LocalProtocolError, OutcomeUnknown, RemoteProtocolError
from dlms.ic import AssociationSnV1, Data, Register
from dlms.operations.associate import SN_CONFORMANCE, AssociationRequest
from dlms.operations.objects import short_name_objects, with_rights
from dlms.operations.referencing import LogicalNames, referencing
from dlms.operations.short_name import ShortNames
from dlms.types import Long, LongUnsigned, Unsigned
from tests.dlms.bench import TIMEOUT_S, Bench

SN = ApplicationContext.SN
ENERGY, TEXT = Register("1.0.1.8.0.255"), Data("0.0.96.1.0.255")
LIST = [
    (Long(-0x600), LongUnsigned(12), Unsigned(1), bytes(AssociationSnV1("0.0.40.0.0.255").instance)),
    (Long(0x100), LongUnsigned(3), Unsigned(0), bytes(ENERGY.instance)),
    (Long(0x140), LongUnsigned(1), Unsigned(0), bytes(TEXT.instance)),
]
LISTED = b"\x0c\x01\x00" + encode_data(LIST)


def accepting(vaa_name: int = VAA_NAME_SN, context: int = 2, size: int = 0xFFFF) -> Aare:
    initiate = InitiateResponse(None, 6, SN_CONFORMANCE, size, vaa_name)
    return Aare(
        application_context_name=context_oid(context),
        result=0,
        diagnostic=Diagnostic(1, 0),
        user_information=encode(initiate),
    )


def opened(size: int = 0xFFFF) -> tuple[Bench, ShortNames]:
    bench = Bench(AssociationRequest(context=SN))
    ticket = bench.connection.open(bench.now)
    bench.receive(accepting(size=size))
    names = referencing(ticket.result())
    assert isinstance(names, ShortNames)
    bench.events()
    return bench, names


@pytest.fixture
def known() -> tuple[Bench, ShortNames]:
    """An association whose object list has been read."""
    bench, names = opened()
    bench.start(names.object_list())
    bench.receive(LISTED)
    bench.receive(b"\x0c\x01\x01\x03")
    return bench, names


def answered(known: tuple[Bench, ShortNames], operation: Any, *answers: str) -> Ticket[Any]:
    ticket = known[0].start(operation)
    for answer in answers:
        known[0].receive(bytes.fromhex(answer))
    return ticket


def test_the_context_decides_once_which_names_are_used() -> None:
    assert isinstance(referencing(Negotiated()), LogicalNames)
    assert isinstance(referencing(Negotiated(context=SN)), ShortNames)


@pytest.mark.parametrize("aare", [accepting(VAA_NAME_LN), accepting(0), accepting(context=1)])
def test_an_aare_of_another_context_is_refused(aare: Aare) -> None:
    bench = Bench(AssociationRequest(context=SN))
    ticket = bench.connection.open(bench.now)
    bench.receive(aare)
    with pytest.raises(RemoteProtocolError):
        ticket.result()


@pytest.mark.parametrize(
    "answers",
    [
        ("0c00",),
        ("0c0101",),
        ("0c010104ff",),
        ("0c01030001",),
        ("0c0200001100",),
        ("0c020011001101",),
        ("0c0107",),
        ("0d0100",),
        ("0c01020000020100",),
        ("0c010200000100",),
        ("0c010200000101ff", "0c010200000101ff"),
        ("0c010200000101ff", "0c01020100030111"),
        ("0c010200000101ff", "0c0103"),
        ("0c010201000200ff",),
        ("0c01020100010100",),
        ("0c0102010001020107",),
    ],
)
def test_a_read_that_is_answered_wrongly_fails_and_the_next_one_does_not(
    known: tuple[Bench, ShortNames], answers: tuple[str, ...]
) -> None:
    bench, names = known
    ticket = answered(known, names.get(ENERGY.value), *answers)
    if answers == ("0d0100",):
        assert not ticket.done  # it answers a Write: nobody asked for one
        assert bench.connection.dropped == 1
        return
    with pytest.raises(RemoteProtocolError):
        ticket.result()
    assert answered(known, names.get(ENERGY.value), "0c01001107").result() == 7


@pytest.mark.parametrize("answer", ["0d00", "0d020000", "0d01020001", "0d0107", "0d0101"])
def test_a_write_that_is_answered_wrongly_has_an_unknown_outcome_or_fails(
    known: tuple[Bench, ShortNames], answer: str
) -> None:
    _, names = known
    with pytest.raises((OutcomeUnknown, RemoteProtocolError)):
        answered(known, names.set_value(TEXT.value, "x"), answer).result()
    if answer in ("0d0107", "0d0101"):  # what is no answer at all ends the connection: the true one may still come
        assert known[0].connection.closed is not None
        return
    assert answered(known, names.set_value(TEXT.value, "x"), "0d0100").result() is None


def test_a_list_refused_as_a_whole_is_read_one_by_one(known: tuple[Bench, ShortNames]) -> None:
    ticket = answered(known, known[1].get_many([ENERGY.value, TEXT.value]), "0c0101fa", "0c01001107", "0c010103")
    assert ticket.result()[0] == 7
    assert ticket.result()[1].result == 3


def test_a_list_of_writes_refused_as_a_whole_is_refused_each(known: tuple[Bench, ShortNames]) -> None:
    ticket = answered(known, known[1].set_many([(TEXT.value, "x"), (TEXT.value, "y")]), "0d0101fa")
    assert [refusal.result for refusal in ticket.result()] == [250, 250]


@pytest.mark.parametrize("answers", [("0c02001107",), ("0c03001107001107001107",)])
def test_a_list_with_another_number_of_results_fails(known: tuple[Bench, ShortNames], answers: tuple[str, ...]) -> None:
    with pytest.raises(RemoteProtocolError):
        answered(known, known[1].get_many([ENERGY.value, TEXT.value]), *answers).result()


@pytest.mark.parametrize("listed", [[(1, 2, 3)], [(Long(1), LongUnsigned(1), Unsigned(0), b"short")], 7, None, [7]])
def test_an_object_list_that_is_none(listed: Any) -> None:
    with pytest.raises(RemoteProtocolError):
        short_name_objects(listed)
    with pytest.raises(RemoteProtocolError):
        with_rights([], listed)


def test_rights_as_bit_masks() -> None:
    listed: list[Any] = [(Long(0x100), [(1, 1, None), (2, 5, None), (3, 2, None)], [])]
    [by_mask] = with_rights(short_name_objects(LIST[1:2]), listed, masks=True)
    [by_mode] = with_rights(short_name_objects(LIST[1:2]), listed)
    assert [ref.index for ref in by_mask.readable()] == [1, 2]
    assert [ref.index for ref in by_mode.readable()] == [1]


def test_an_object_list_that_is_refused_is_asked_for_again() -> None:
    bench, names = opened()
    for operation in (names.get(ENERGY.value), names.get_many([ENERGY.value])):
        ticket = bench.start(operation)
        bench.receive(b"\x0c\x01\x01\x03")
        with pytest.raises(DlmsError, match=r"read-write-denied: 0\.0\.40\.0\.0\.255:2"):
            ticket.result()


def test_the_association_at_the_place_of_another_object_is_not_read_over(known: tuple[Bench, ShortNames]) -> None:
    """A register at 0x100 and a data object at 0x140 that the meter says is shorter than its class."""
    bench, names = opened()
    crowded = [LIST[0], LIST[1], (Long(0x108), LongUnsigned(1), Unsigned(0), bytes(TEXT.instance))]
    bench.start(names.object_list())
    bench.receive(b"\x0c\x01\x00" + encode_data(crowded))
    bench.receive(b"\x0c\x01\x01\x03")
    for operation in (names.get(ENERGY.value), names.call(ENERGY.reset)):
        with pytest.raises(DlmsError, match="object-undefined"):
            bench.start(operation).result()


@pytest.mark.parametrize("read", [True, False])
def test_without_an_answer_in_time_no_more_is_asked_as_nothing_tells_a_late_one(
    known: tuple[Bench, ShortNames], read: bool
) -> None:
    bench, names = known
    ticket = bench.start(names.get(ENERGY.value) if read else names.set_value(TEXT.value, "x"))
    waiting = bench.start(names.get(TEXT.value))
    bench.events()
    bench.wait(TIMEOUT_S)
    with pytest.raises(LinkError) as lost:
        ticket.result()
    assert isinstance(lost.value, OutcomeUnknown) is not read
    for later in (waiting, bench.start(names.get(TEXT.value))):
        with pytest.raises(LinkError):
            later.result()
    assert any(isinstance(event, Closed) for event in bench.events())


def test_a_long_request_that_is_acknowledged_wrongly_fails() -> None:
    bench, names = opened(30)
    bench.start(names.object_list())
    bench.receive(LISTED)
    bench.receive(b"\x0c\x01\x01\x03")
    ticket = bench.start(names.set_value(TEXT.value, "x" * 100))
    bench.receive(bytes.fromhex("0d01020002"))
    with pytest.raises(RemoteProtocolError, match="does not answer block 1"):
        ticket.result()


def test_no_more_blocks_than_their_number_can_count() -> None:
    bench, names = opened(12)
    bench.start(names.object_list())
    bench.receive(LISTED)
    bench.receive(b"\x0c\x01\x01\x03")
    ticket = bench.start(names.set_value(TEXT.value, "x" * 70_000))
    for number in range(1, 0x10000):
        bench.receive(bytes.fromhex("0d0102") + number.to_bytes(2, "big"))
    with pytest.raises(LocalProtocolError, match="more than 65535 blocks"):
        ticket.result()


@given(st.lists(st.binary(max_size=30), max_size=12))
def test_nothing_that_a_meter_answers_raises_anything_but_our_errors(answers: list[bytes]) -> None:
    bench, names = opened()
    tickets = [bench.start(operation) for operation in operations(names)]
    for answer in answers:
        bench.receive(b"\x0c" + answer)
        bench.receive(b"\x0d" + answer)
        bench.receive(answer)
    bench.wait(TIMEOUT_S)
    for ticket in tickets:
        assert ticket.done
        with contextlib.suppress(DlmsError):
            ticket.result()


def operations(names: ShortNames) -> Iterator[Any]:
    yield names.get(ENERGY.value)
    yield names.object_list()
    yield names.get_many([ENERGY.value, TEXT.value])
    yield names.set_value(TEXT.value, "x")
    yield names.call(ENERGY.reset)
