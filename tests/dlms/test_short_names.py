"""Short names end to end: what a client does with logical names it does with short ones, at any PDU size."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.apdu import InformationReportRequest
from dlms.apdu.short_name import VariableName
from dlms.cli.app import execute
from dlms.client import Client
from dlms.codec import encode
from dlms.data import DoubleLongUnsigned, LongUnsigned
from dlms.enums import AccessResult, Conformance, Mechanism
from dlms.errors import AccessError, AssociationRefused, LocalProtocolError
from dlms.framing import Peer
from dlms.ic import AssociationLn, AssociationSn, AssociationSnV1, Clock, Data, ExtendedRegister, Register
from dlms.interface import AttributeRef, MethodRef, attribute_ref, method_ref
from dlms.operations.associate import SN_CONFORMANCE, AssociationRequest
from dlms.operations.profiles import Entries
from tests.dlms.served import memory_name, served
from tests.dlms.short_name_meter import (
    ALL,
    ASSOCIATION,
    CLOCK,
    ENERGY,
    HIDDEN,
    LONG,
    NAME,
    OBJECTS,
    OPERATOR,
    PASSWORD,
    PROFILE,
    PUBLIC,
    ROWS,
    SAPS,
    SERVER,
    SN,
    START,
    STEP,
    TEXT,
    Wire,
    at,
    client,
    device,
)

C = Conformance
UNKNOWN = Data("9.9.9.9.9.9")
SIZES = st.integers(24, 300)


def asking(size: int = 0xFFFF, conformance: Conformance = ALL) -> AssociationRequest:
    return AssociationRequest(context=SN, conformance=conformance, max_receive=size)


@pytest.mark.parametrize("hdlc", [False, True], ids=["wrapper", "hdlc"])
def test_every_verb_over_both_framings(hdlc: bool) -> None:
    meter, _ = client(device(), hdlc=hdlc)
    with meter:
        assert meter.get(ENERGY.value) == 1234
        assert str(meter.read(ENERGY)) == "12340 Wh"
        meter.set(TEXT.value, "changed")
        assert meter.get(TEXT.value) == "changed"
        assert meter.call(ENERGY.reset) is None
        assert meter.get(ENERGY.value) == 0
        assert meter.get(SAPS.sap_assignment_list) == [(SERVER, b"TST0000000000001")]
        assert len(meter.profile(PROFILE)) == ROWS
        assert meter.get(CLOCK.time) == at(0)


def test_an_association_with_a_password() -> None:
    meter, _ = client(device(), AssociationRequest(Mechanism.LLS, PASSWORD, SN), sap=OPERATOR)
    assert meter.get(NAME.value) == b"TST0000000000001"
    with pytest.raises(AssociationRefused, match="authentication-failure"):
        client(device(), AssociationRequest(Mechanism.LLS, b"wrong", SN), sap=OPERATOR)


def test_without_more_said_all_is_proposed_that_is_done_in_the_context() -> None:
    assert AssociationRequest(context=SN).conformance == SN_CONFORMANCE
    with pytest.raises(LocalProtocolError, match="sn-ciphered"):
        AssociationRequest(context=SN.SN_CIPHERED)


# the object list


def test_the_object_list_is_read_once_and_only_when_a_name_is_needed() -> None:
    meter, loop = client(device())
    assert len(loop.sent) == 1
    meter.get(ENERGY.value)
    meter.get(TEXT.value)
    assert [apdu.hex() for apdu in loop.sent[1:]] == ["050102fa08", "0501020138", "0501020108"]


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        (UNKNOWN.value, AccessResult.OBJECT_UNDEFINED),
        (Data(ENERGY.instance).value, AccessResult.OBJECT_CLASS_INCONSISTENT),
        (attribute_ref(3, ENERGY.instance, 0), AccessResult.OBJECT_UNDEFINED),
    ],
)
def test_an_unknown_object_is_refused_without_asking(ref: AttributeRef[Any], code: AccessResult) -> None:
    meter, loop = client(device())
    meter.get(ENERGY.value)
    asked = len(loop.sent)
    with pytest.raises(AccessError) as refusal:
        meter.get(ref)
    assert refusal.value.result == code
    with pytest.raises(AccessError):
        meter.set(ref, LongUnsigned(1))
    assert [one.result for one in meter.get_many([ref, ref])] == [code, code]
    assert len(loop.sent) == asked


def test_an_attribute_that_the_class_does_not_have_is_not_taken_from_the_object_behind_it() -> None:
    meter, _ = client(device())
    for index in range(3, 40):
        with pytest.raises(AccessError, match="object-undefined"):
            meter.get(attribute_ref(1, TEXT.instance, index))


def test_an_unknown_method_is_refused_without_asking() -> None:
    meter, loop = client(device())
    meter.get(ENERGY.value)
    asked = len(loop.sent)
    with pytest.raises(AccessError, match="object-undefined"):
        meter.call(Clock("0.0.9.0.0.255").shift_time, 3)
    with pytest.raises(LocalProtocolError, match="not declared"):
        meter.call(method_ref(3, ENERGY.instance, 7), LongUnsigned(1))
    assert len(loop.sent) == asked


@pytest.mark.parametrize("association", [AssociationSn, AssociationSnV1])
def test_objects_tell_names_and_where_there_are_any_rights(association: type[AssociationSn]) -> None:
    meter, _ = client(device(association=association("0.0.40.0.0.255")))
    listed = {(one.class_id, one.instance): one for one in meter.objects()}
    assert listed.keys() == {(one.class_id, one.instance) for one in OBJECTS}
    energy, hidden = listed[3, ENERGY.instance], listed[1, HIDDEN.instance]
    assert (energy.base_name, energy.class_name) == (0x0130, "Register")
    with_rights = association is AssociationSnV1
    assert energy.attribute_access == ({1: 3, 2: 3, 3: 3} if with_rights else {})
    assert [ref.index for ref in hidden.readable()] == ([1] if with_rights else [1, 2])
    assert meter.snapshot(energy) == {"logical_name": ENERGY.instance, "value": 1234, "scaler_unit": (1, 30)}
    refused = {name: value for name, value in meter.snapshot(hidden).items() if isinstance(value, AccessError)}
    assert list(refused) == ([] if with_rights else ["value"])


def test_the_list_of_a_named_association() -> None:
    meter, _ = client(device())
    assert [one.base_name for one in meter.objects(ASSOCIATION)] == [one.base_name for one in meter.objects()]
    with pytest.raises(AccessError, match="object-class-inconsistent"):
        meter.objects(AssociationLn("0.0.40.0.0.255"))


# verbs


def test_a_method_that_is_declared_to_return_something() -> None:
    meter, loop = client(device())
    asked = (3, bytes(ENERGY.instance), 2)
    assert meter.call(ASSOCIATION.read_by_logicalname, [asked, asked]) == (1234, 1234)
    assert loop.sent[-1].startswith(bytes.fromhex("050104fa3000"))


def test_a_refused_method_and_a_refused_write() -> None:
    meter, _ = client(device())
    with pytest.raises(AccessError) as refusal:
        meter.call(PROFILE.reset)
    assert (refusal.value.result, refusal.value.of) == (AccessResult.OBJECT_UNAVAILABLE, PROFILE.reset)
    with pytest.raises(AccessError, match="read-write-denied"):
        meter.set(HIDDEN.value, "x")
    with pytest.raises(AccessError, match="read-write-denied"):
        meter.get(HIDDEN.value)


def test_lists_keep_their_order_with_refusals_in_place() -> None:
    meter, loop = client(device())
    refs = [ENERGY.value, UNKNOWN.value, HIDDEN.value, TEXT.value, attribute_ref(1, TEXT.instance, 9)]
    values = meter.get_many(refs)
    assert (values[0], values[3]) == (1234, "hello")
    assert [values[place].result for place in (1, 2, 4)] == [4, 3, 4]
    assert [values[place].of for place in (1, 2, 4)] == [refs[1], refs[2], refs[4]]
    asked = len(loop.sent)
    outcomes = meter.set_many([(TEXT.value, "a"), (UNKNOWN.value, "b"), (HIDDEN.value, "c"), (LONG.value, b"d")])
    assert [outcome and outcome.result for outcome in outcomes] == [None, 4, 3, None]
    assert len(loop.sent) == asked + 1
    assert meter.get_many([TEXT.value, LONG.value]) == ["a", b"d"]


def test_without_multiple_references_each_is_asked_alone() -> None:
    meter, loop = client(device(), asking(conformance=ALL & ~C.MULTIPLE_REFERENCES))
    assert meter.get_many([ENERGY.value, HIDDEN.value])[0] == 1234
    assert meter.set_many([(TEXT.value, "a"), (LONG.value, b"d")]) == [None, None]
    assert len(loop.sent) == 6


def test_without_block_transfer_a_long_list_is_read_one_by_one() -> None:
    meter, _ = client(device(), asking(1100, ALL & ~C.BLOCK_TRANSFER_WITH_GET_OR_READ))
    values = meter.get_many([LONG.value, TEXT.value, LONG.value])
    assert [len(value) for value in values] == [1024, 5, 1024]


@pytest.mark.parametrize("conformance", [ALL, ALL & ~C.PARAMETERIZED_ACCESS], ids=["selective", "whole"])
def test_a_profile_between_two_times(conformance: Conformance) -> None:
    meter, _ = client(device(), asking(conformance=conformance))
    found = meter.profile(PROFILE, START + 10 * STEP, START + 12 * STEP)
    assert found.rows() == [(at(row), 1000 + row) for row in (10, 11, 12)]
    assert found.names == ["time", "1.0.1.8.0.255 [Wh]"]


@pytest.mark.parametrize("bits", [ALL, ALL & ~C.PARAMETERIZED_ACCESS])
def test_a_profile_by_entries(bits: Conformance) -> None:
    """By parameterized access, or read whole and cut."""
    meter, _ = client(device(), asking(conformance=bits))
    assert meter.profile(PROFILE, entries=Entries(2, 3)).rows() == [(at(row), 1000 + row) for row in (1, 2)]


def test_a_long_value_without_block_transfer_is_refused_before_it_is_sent() -> None:
    meter, loop = client(device(100), asking(conformance=ALL & ~C.BLOCK_TRANSFER_WITH_SET_OR_WRITE))
    meter.get(LONG.value)
    asked = len(loop.sent)
    with pytest.raises(LocalProtocolError, match="the peer receives 100"):
        meter.set(LONG.value, bytes(200))
    assert len(loop.sent) == asked


def test_what_the_meter_sends_by_itself_is_a_notification() -> None:
    meter, loop = client(device())
    report = InformationReportRequest(None, [VariableName(0x0138)], [DoubleLongUnsigned(1234)])
    loop.session.framing.send(Peer(PUBLIC, SERVER), encode(report), 0.0)
    assert meter.get(TEXT.value) == "hello"
    assert list(meter.notifications) == [report]


# any PDU size


@given(SIZES, SIZES, st.binary(max_size=700), st.booleans())
def test_values_of_any_length_in_pdus_of_any_size(down: int, up: int, value: bytes, hdlc: bool) -> None:
    meter, loop = client(device(up), asking(down), hdlc=hdlc)
    meter.set(LONG.value, value)
    assert meter.get(LONG.value) == value
    assert meter.set_many([(LONG.value, value + b"x"), (TEXT.value, "y"), (LONG.value, value[1:])]) == [None] * 3
    assert meter.get_many([LONG.value, HIDDEN.value, TEXT.value, ENERGY.value])[::2] == [value[1:], "y"]
    rows = meter.profile(PROFILE, START, START + 9 * STEP).rows()
    assert rows == [(at(row), 1000 + row) for row in range(10)]
    asked = [(1, bytes(LONG.instance), 2), (1, bytes(6), 2), (1, bytes(LONG.instance), 2)]
    assert meter.call(ASSOCIATION.read_by_logicalname, asked) == (value[1:], None, value[1:])
    assert len(meter.objects()) == len(OBJECTS)
    if not hdlc:
        assert max(map(len, loop.received[1:])) <= down
        assert max(map(len, loop.sent[1:])) <= up


REFS: list[AttributeRef[Any]] = [
    ENERGY.value,
    ENERGY.scaler_unit,
    TEXT.value,
    LONG.value,
    HIDDEN.value,
    PROFILE.capture_objects,
    ExtendedRegister("1.0.1.6.0.255").value,
    Register("1.0.1.8.0.255").logical_name,
    UNKNOWN.value,
]


@given(SIZES, st.lists(st.sampled_from(REFS), max_size=40), st.sampled_from((ALL, ALL & ~C.MULTIPLE_REFERENCES)))
def test_a_list_gives_what_single_reads_give(
    size: int, refs: list[AttributeRef[Any]], conformance: Conformance
) -> None:
    meter, _ = client(device(), asking(size, conformance))
    together = [one.args if isinstance(one, AccessError) else one for one in meter.get_many(refs)]
    assert together == [alone(meter, ref) for ref in refs]


def alone(meter: Client, ref: AttributeRef[Any]) -> Any:
    """A value, or what an AccessError says."""
    try:
        return meter.get(ref)
    except AccessError as refusal:
        return refusal.args


@given(st.lists(st.binary(max_size=40), max_size=8), SIZES)
def test_nothing_that_a_server_receives_breaks_an_association(apdus: list[bytes], size: int) -> None:
    wire = Wire(device(size))
    wire.associate(asking(size))
    for apdu in apdus:
        for tag in (b"\x05", b"\x06", b"\x16"):
            assert len(wire.ask(tag + apdu)) <= size
        assert not apdu or apdu[0] in (0x60, 0x62) or len(wire.ask(apdu)) <= size
    assert wire.alive()


def test_a_method_without_a_declaration_of_the_meters_version() -> None:
    meter, _ = client(device())
    reset: MethodRef[int] = method_ref(3, ENERGY.instance, 1, version=9)
    assert reset.method is None
    assert meter.call(reset) is None
    assert meter.get(ENERGY.value) == 0


def test_the_option_of_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with served(memory_name(), device()) as url:
        assert execute(["read", url, "--sn", "1.0.1.8.0.255", "0.0.96.1.0.255"]) == 0
        assert execute(["objects", url, "--sn"]) == 0
        assert execute(["read", url, "--sn", "9.9.9.9.9.9"]) == 1
        assert execute(["read", url, "1.0.1.8.0.255"]) == 1
    shown = capsys.readouterr()
    assert "12.34 kWh" in shown.out
    assert "hello" in shown.out
    assert "AssociationSnV1" in shown.out
    assert "object-undefined: 9.9.9.9.9.9" in shown.err
    assert "application-context-name-not-supported" in shown.err
