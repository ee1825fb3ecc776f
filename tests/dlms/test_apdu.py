"""Every APDU: both directions, JSON, hostile bytes, the standard's printed examples, and a second codec."""

from __future__ import annotations

import json
from typing import Any

import construct
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlms import codec
from dlms.acse import ACSE, Aare, Aarq, Diagnostic, Rlrq, context_oid, decode_acse, mechanism_oid
from dlms.apdu import (
    APDUS,
    BY_PREFIX,
    ActionResponseNormal,
    DataNotification,
    ExceptionResponse,
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    InitiateRequest,
    InitiateResponse,
    SetRequestNormal,
    apdu_class,
    decode_apdu,
)
from dlms.apdu.action import ActionResult
from dlms.apdu.attribute import CosemAttributeDescriptor
from dlms.apdu.notification import UntaggedPush
from dlms.apdu.protected import DED, GLO, ServiceCiphered
from dlms.codec import ABSENT, Record, Refusal, Rest, TaggedTime, decode, encode
from dlms.data import DoubleLongUnsigned, Unsigned
from dlms.enums import Conformance, Mechanism
from dlms.errors import DecodeError, LocalProtocolError
from tests.dlms import strategies
from tests.dlms.apdu_samples import SAMPLES
from tests.dlms.strategies import DECLARED, RECORDS, records

FEW = settings(max_examples=max(10, settings().max_examples // 5))
"""There are fifty classes, and each is tried."""
EACH = pytest.mark.parametrize("of", RECORDS, ids=lambda of: of.wire_name())
EVERY = pytest.mark.parametrize("of", DECLARED, ids=lambda of: of.__name__)
ENERGY = CosemAttributeDescriptor(3, bytes.fromhex("0100010800ff"), 2)


def decode_any(data: bytes) -> Record:
    """By the first octets, whichever family it is of."""
    return decode_acse(data, strict=False) if data[:1] and data[0] in ACSE else decode_apdu(data, strict=False)


# --- every class under the strategy of its declaration ------------------------------------------------------------


def test_every_class_is_found_by_looking_for_it() -> None:
    assert set(RECORDS) < set(DECLARED)
    made_of = {type(sample) for sample in SAMPLES.values()}
    raw = {of for of in DECLARED if of not in made_of and of.prefix}
    assert {of.__name__ for of in raw} == {"GetResponseRaw", "GetResponseListRaw", "ReadResponseRaw"}


@EVERY
@FEW
@given(data=st.data())
def test_round_trip(of: type[Record], data: st.DataObject) -> None:
    value = data.draw(records(of))
    wire = encode(value)
    again = decode(of, wire, strict=False)
    assert type(again) is of
    assert encode(again) == wire
    if of in RECORDS:
        assert type(decode_any(wire)) is of


@EVERY
@FEW
@given(data=st.data())
def test_json_is_lossless(of: type[Record], data: st.DataObject) -> None:
    value = data.draw(records(of))
    text = json.dumps(value.to_json())
    assert encode(of.from_json(json.loads(text))) == encode(value)


def refused(of: type[Record], octets: bytes) -> bool:
    """Whether octets are refused; if so, with the place."""
    try:
        decode(of, octets, strict=False)
    except DecodeError as fault:
        assert fault.offset is not None  # noqa: PT017  (either a record or a located error)
        return "offset" in str(fault)
    return False


@EVERY
@FEW
@given(data=st.data())
def test_truncations_and_trailing_octets_are_refused(of: type[Record], data: st.DataObject) -> None:
    value: Any = data.draw(records(of))
    wire = encode(value)
    whole, rest = len(wire), bool(of.layout) and isinstance(of.layout[-1][1], Rest)
    if rest:  # what is behind it has any length
        whole -= len(getattr(decode(of, wire), of.layout[-1][0]))
    parts = [wire[:size] for size in range(whole)]
    more = [wire + behind for behind in (b"\0", b"\xff", wire or b"\1", data.draw(st.binary(min_size=1, max_size=20)))]
    for octets in parts if rest else parts + more:
        if not refused(of, octets):
            # a push list without tags, cut or with octets behind it, may be a whole Data value, and nothing else
            assert isinstance(value, DataNotification), octets.hex()
            assert isinstance(value.body, UntaggedPush)
            assert not isinstance(decode(DataNotification, octets).body, UntaggedPush)


@pytest.mark.parametrize(("class_id", "whole"), [(7, []), (1, [18])])
def test_a_push_list_without_tags_that_is_cut_is_refused_or_is_data(class_id: int, whole: list[int]) -> None:
    """The octets alone say which: 00 07, the class of a profile, is no Data; 00 01 00 is a null and an empty array."""
    entry = CosemAttributeDescriptor(class_id, bytes(6), 2)
    wire = encode(DataNotification(1, b"", UntaggedPush(5, ((entry, b"\1\2"), (entry, b"")))))
    assert [size for size in range(len(wire)) if not refused(DataNotification, wire[:size])] == whole
    assert isinstance(decode(DataNotification, wire).body, UntaggedPush)
    for size in whole:
        assert decode(DataNotification, wire[:size]).body == (5, [(None, []), None])


@EVERY
@FEW
@given(noise=st.binary(max_size=64))
def test_arbitrary_octets_behind_the_prefix(of: type[Record], noise: bytes) -> None:
    try:
        value = decode(of, of.prefix + noise, strict=False)
    except DecodeError as fault:
        assert fault.offset is not None  # noqa: PT017  (either a record or a located error)
        return
    wire = encode(value)
    assert encode(decode(of, wire, strict=False)) == wire
    value.to_json()


@EACH
@FEW
@given(data=st.data())
def test_mutations_give_a_record_or_decode_error(of: type[Record], data: st.DataObject) -> None:
    wire = bytearray(encode(data.draw(records(of))))
    for _ in range(data.draw(st.integers(1, 3))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.sampled_from((0, 1, 0x7F, 0x80, 0x84, 0xFF)))
    try:
        value = decode_any(bytes(wire))
    except DecodeError:
        return
    assert encode(decode_any(encode(value))) == encode(value)


@given(st.binary(max_size=40))
def test_any_octets_at_all(data: bytes) -> None:
    try:
        decode_any(data)
    except DecodeError as fault:
        assert fault.data in data  # noqa: PT017  (either a record or an error about these octets)


def test_no_strategy_is_missing_and_no_prefix_is_shared() -> None:
    assert len({of.prefix for of in APDUS}) == len(APDUS)
    used = {type(one) for of in RECORDS for _, one in of.layout}
    assert used <= strategies.MAKERS.keys()
    assert set(BY_PREFIX.values()) == {*APDUS, ServiceCiphered}


@pytest.mark.parametrize("count", ["84ffffffff", "83ffffff", "82ffff", "847fffffff"])
@EVERY
def test_counts_that_lie_cost_nothing(of: type[Record], count: str) -> None:
    """A count or length is believed only as far as there are octets: nothing of its size is made or looped over."""
    for lead in ("", "c1", "c100", "c10003", "c1" + "00" * 9, "00" * 5, "40000000" + "00", "0001"):
        for behind in (b"", b"\0" * 30):
            data = of.prefix + bytes.fromhex(lead + count) + behind
            try:
                decode(of, data, strict=False)
            except DecodeError:
                continue


def test_error_shows_where_and_what() -> None:
    with pytest.raises(DecodeError, match=r"presence octet 0x07.* at offset 12 of 14: .*\[07\] 08") as refused:
        decode_apdu(bytes.fromhex("c001c100030100010800ff020708"))
    assert refused.value.offset == 12


def test_unknown_tags_are_refused() -> None:
    for data in (b"", b"\xff", b"\xc0", b"\xc0\x04", b"\xc4\x00\x01", b"\x60"):
        with pytest.raises(DecodeError):
            apdu_class(data)


# --- values that do not fit are refused before anything is sent ---------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        GetRequestNormal(300, ENERGY),
        GetRequestNormal(1, CosemAttributeDescriptor(70000, ENERGY.instance_id, 2)),
        GetRequestNormal(1, CosemAttributeDescriptor(3, b"short", 2)),
        GetRequestNormal(1, "no descriptor"),  # type: ignore[arg-type]
        GetResponseNormal(1, Refusal(300)),
        GetResponseNormal(1, 5),
        ActionResponseNormal(1, ActionResult(256)),
        ExceptionResponse(1, 999),
        ExceptionResponse(1, 6, 1 << 32),
        DataNotification(1, b"123", None),
        InitiateResponse(None, 6, Conformance(1 << 24), 100, 7),
        Aare(diagnostic=Diagnostic(1, 256)),
        Aarq(calling_ap_title="text"),  # type: ignore[arg-type]
        Rlrq(reason="normal"),  # type: ignore[arg-type]
    ],
    ids=repr,
)
def test_what_does_not_fit_is_a_local_error(value: Record) -> None:
    with pytest.raises(LocalProtocolError):
        encode(value)


# --- single rules -------------------------------------------------------------------------------------------------


def test_absence_and_null_data_are_different_answers_of_a_method() -> None:
    absent, null = ActionResponseNormal(0xC1, ActionResult(0)), ActionResponseNormal(0xC1, ActionResult(0, None))
    assert (encode(absent).hex(), encode(null).hex()) == ("c701c10000", "c701c100010000")
    assert decode_apdu(encode(absent)) == absent
    assert decode_apdu(encode(null)) == null
    assert repr(ABSENT) == "ABSENT"


def test_a_tagged_time_is_accepted_and_kept() -> None:
    wire = bytes.fromhex("0f00000001 090c 07e8010101000000008000ff 00")
    value = decode(DataNotification, wire)
    assert isinstance(value.date_time, TaggedTime)
    assert encode(value) == wire


def test_odd_booleans_are_true_and_come_back_as_they_were() -> None:
    wire = bytes.fromhex("c402c1ff000000010001aa")
    value: Any = decode_apdu(wire)
    assert value.block.last_block
    assert value.to_json()["block"]["last_block"] is True
    assert encode(value) == wire


def test_an_untagged_push_list() -> None:
    wire = bytes.fromhex("0f00000001000202160101010202" + "00030100010800ff02" + "0600000001")
    value: Any = decode_apdu(wire)
    assert value.body == UntaggedPush(1, ((ENERGY, DoubleLongUnsigned(1)),))
    assert encode(value) == wire
    with pytest.raises(DecodeError, match="02 02"):
        decode_apdu(wire.replace(b"\1\1\2\2", b"\1\1\2\3"))


def test_ciphered_services_have_a_name_and_a_plain_tag() -> None:
    for plain, tag in (GLO | DED).items():
        value: Any = decode_apdu(bytes((tag, 0)))
        assert value.dedicated == (DED.get(plain) == tag)
        assert value.name[:4] in ("glo-", "ded-")
    with pytest.raises(DecodeError, match="0x99"):
        decode(ServiceCiphered, b"\x99\x00")


def test_secrets_are_not_shown() -> None:
    key, password = b"0123456789abcdef", b"secret"
    initiate = InitiateRequest(key, True, None, 6, Conformance.GET, 0)
    asked = Aarq(calling_authentication_value=password, mechanism_name=mechanism_oid(Mechanism.LLS))
    answered = Aare(responding_authentication_value=password)
    for shown in (repr(initiate), repr(asked), repr(answered)):
        assert "secret" not in shown
        assert "0123" not in shown
    assert "16 octets" in repr(initiate)


def test_fields_of_an_aarq_come_once_and_in_order() -> None:
    good = Aarq(application_context_name=context_oid(1), sender_acse_requirements=b"\x07\x80")
    wire = encode(good)
    assert decode_acse(wire) == good
    first, second = wire[2:13], wire[13:]
    for content in (second + first, first + first, first + second + b"\x99\x00", first + b"\x8a\x80\x07\x80\0\0"):
        with pytest.raises(DecodeError):
            decode_acse(bytes((0x60, len(content))) + content)


def test_an_aare_has_a_result_and_a_diagnostic() -> None:
    with pytest.raises(DecodeError, match="no result; no diagnostic"):
        decode_acse(encode(Aare(application_context_name=context_oid(1))))


def test_what_an_identifier_of_another_tree_means() -> None:
    other = Aarq(application_context_name=b"\x2a\x03", mechanism_name=mechanism_oid(77))
    assert other.application_context is None
    assert other.mechanism == 77
    assert Aarq().mechanism is None


@given(st.binary(min_size=100, max_size=400))
def test_json_of_an_absurd_identifier(name: bytes) -> None:
    value = Aarq(application_context_name=name, mechanism_name=name)
    assert Aarq.from_json(value.to_json()) == value


def test_the_layout_as_a_table() -> None:
    assert codec.wire_table(GetRequestNormal).count("\n") == len(GetRequestNormal.layout) - 1


# --- examples printed in the Green Book ---------------------------------------------------------------------------

PUBLISHED = {
    "AARQ without security, Green Book 11.3": (
        "601da109060760857405080101be10040e01000000065f1f0400007e1f04b0",
        Aarq(
            application_context_name=context_oid(1),
            user_information=encode(InitiateRequest(None, True, None, 6, Conformance(0x007E1F), 0x04B0)),
        ),
    ),
    "AARQ with low level security, Green Book 11.3": (
        "6036a1090607608574050801018a0207808b0760857405080201ac0a80083132333435363738"
        "be10040e01000000065f1f0400007e1f04b0",
        Aarq(
            application_context_name=context_oid(1),
            sender_acse_requirements=b"\x07\x80",
            mechanism_name=mechanism_oid(1),
            calling_authentication_value=b"12345678",
            user_information=bytes.fromhex("01000000065f1f0400007e1f04b0"),
        ),
    ),
    "AARE that accepts, Green Book 11.3": (
        "6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f040000501f01f40007",
        Aare(
            application_context_name=context_oid(1),
            result=0,
            diagnostic=Diagnostic(1, 0),
            user_information=encode(InitiateResponse(None, 6, Conformance(0x00501F), 0x01F4, 7)),
        ),
    ),
    "AARE that refuses by the provider, Green Book 11.3": (
        "611fa109060760857405080101a203020101a305a203020102be0604040e010603",
        Aare(
            application_context_name=context_oid(1),
            result=1,
            diagnostic=Diagnostic(2, 2),
            user_information=bytes.fromhex("0e010603"),
        ),
    ),
    "GET request of one attribute, Green Book 14": (
        "c001c100010000800000ff0200",
        GetRequestNormal(0xC1, CosemAttributeDescriptor(1, bytes.fromhex("0000800000ff"), 2)),
    ),
    "GET response, Green Book 14": (
        "c401c100090a00000000000000000000",
        GetResponseNormal(0xC1, bytes(10)),
    ),
    "SET request, Green Book 14": (
        "c101c100010000800000ff0200090a00000000000000000000",
        SetRequestNormal(0xC1, CosemAttributeDescriptor(1, bytes.fromhex("0000800000ff"), 2), None, bytes(10)),
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_examples(name: str) -> None:
    text, value = PUBLISHED[name]
    assert encode(value).hex() == text
    assert decode_any(bytes.fromhex(text)) == value


# --- a second codec, written down from the standard with construct ------------------------------------------------

_LENGTH = construct.Int8ub  # short lengths only: what is compared stays below 128 octets


def _field(tag: int, content: Any) -> Any:
    """An optional BER element."""
    return construct.Optional(
        construct.FocusedSeq("content", construct.Const(bytes((tag,))), content=construct.Prefixed(_LENGTH, content))
    )


def _wrapped(tag: int) -> Any:
    return construct.FocusedSeq(
        "octets", construct.Const(bytes((tag,))), octets=construct.Prefixed(_LENGTH, construct.GreedyBytes)
    )


AARQ = construct.FocusedSeq(
    "fields",
    construct.Const(b"\x60"),
    fields=construct.Prefixed(
        _LENGTH,
        construct.Struct(
            "application_context_name" / _field(0xA1, _wrapped(0x06)),
            "calling_ap_title" / _field(0xA6, _wrapped(0x04)),
            "sender_acse_requirements" / _field(0x8A, construct.GreedyBytes),
            "mechanism_name" / _field(0x8B, construct.GreedyBytes),
            "calling_authentication_value" / _field(0xAC, _wrapped(0x80)),
            "user_information" / _field(0xBE, _wrapped(0x04)),
            construct.Terminated,
        ),
    ),
)
AARE = construct.FocusedSeq(
    "fields",
    construct.Const(b"\x61"),
    fields=construct.Prefixed(
        _LENGTH,
        construct.Struct(
            "application_context_name" / _field(0xA1, _wrapped(0x06)),
            "result" / _field(0xA2, _wrapped(0x02)),
            "responding_ap_title" / _field(0xA4, _wrapped(0x04)),
            "mechanism_name" / _field(0x89, construct.GreedyBytes),
            "user_information" / _field(0xBE, _wrapped(0x04)),
            construct.Terminated,
        ),
    ),
)
DESCRIPTOR = construct.Struct(
    "class_id" / construct.Int16ub, "instance_id" / construct.Bytes(6), "attribute_id" / construct.Int8ub
)
GET_NORMAL = construct.Struct(
    construct.Const(b"\xc0\x01"),
    "invoke" / construct.Int8ub,
    "attribute" / DESCRIPTOR,
    construct.Const(b"\0"),
    construct.Terminated,
)
GET_LIST = construct.Struct(
    construct.Const(b"\xc0\x03"),
    "invoke" / construct.Int8ub,
    "list"
    / construct.PrefixedArray(
        construct.Int8ub, construct.FocusedSeq("one", one=DESCRIPTOR, none=construct.Const(b"\0"))
    ),
    construct.Terminated,
)

_OCTETS = st.none() | st.binary(max_size=12)
_AARQS = st.builds(
    Aarq,
    **dict.fromkeys(
        (
            "application_context_name",
            "calling_ap_title",
            "sender_acse_requirements",
            "mechanism_name",
            "calling_authentication_value",
            "user_information",
        ),
        _OCTETS,
    ),
)
_AARES = st.builds(
    Aare,
    application_context_name=_OCTETS,
    result=st.none() | st.integers(0, 127),
    responding_ap_title=_OCTETS,
    mechanism_name=_OCTETS,
    user_information=_OCTETS,
)


def _plain(value: Any) -> Any:
    """A construct container without its private members."""
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items() if not name.startswith("_")}
    return [_plain(member) for member in value] if isinstance(value, list) else value


@given(_AARQS)
def test_aarq_against_a_second_codec(value: Aarq) -> None:
    wire = encode(value)
    fields = _plain(AARQ.parse(wire))
    assert fields == {name: getattr(value, name) for name in fields}
    assert AARQ.build(fields) == wire


@given(_AARES)
def test_aare_against_a_second_codec(value: Aare) -> None:
    wire = encode(value)
    fields = _plain(AARE.parse(wire))
    octets = None if value.result is None else bytes((value.result,))
    assert fields == {**{name: getattr(value, name) for name in fields}, "result": octets}
    assert AARE.build(fields) == wire


@given(st.integers(0, 255), st.lists(records(CosemAttributeDescriptor), min_size=1, max_size=20))
def test_get_requests_against_a_second_codec(invoke: int, named: list[CosemAttributeDescriptor]) -> None:
    def fields(of: CosemAttributeDescriptor) -> dict[str, Any]:
        return {"class_id": of.class_id, "instance_id": of.instance_id, "attribute_id": of.attribute_id}

    one = GET_NORMAL.build({"invoke": invoke, "attribute": fields(named[0])})
    assert decode_apdu(one) == GetRequestNormal(invoke, named[0])
    many = GET_LIST.build({"invoke": invoke, "list": [fields(of) for of in named]})
    decoded = decode_apdu(many)
    assert isinstance(decoded, GetRequestWithList)
    assert [element.attribute for element in decoded.descriptors] == named
    assert encode(decoded) == many


def test_typed_values_stay_typed() -> None:
    value: Any = decode_apdu(encode(GetResponseNormal(1, Unsigned(1))))
    assert type(value.result) is Unsigned
