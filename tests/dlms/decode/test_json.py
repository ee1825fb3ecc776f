"""JSON of every APDU: lossless, and refused where it is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlms.acse import Aare, Aarq, Diagnostic, context_oid
from dlms.apdu import (
    ConfirmedServiceError,
    DataNotification,
    GatewayRequest,
    GetRequestNormal,
    GetResponseWithDatablock,
    ReadRequest,
    SetRequestWithDatablock,
)
from dlms.apdu.attribute import CosemAttributeDescriptor, DataBlock, ResultBlock
from dlms.apdu.get import GetResponseRaw
from dlms.apdu.protected import GeneralCiphering, ServiceCiphered
from dlms.apdu.short_name import ReadDataBlockAccess, WriteDataBlockAccess
from dlms.axdr import EncodeError
from dlms.codec import Record, Refusal, TaggedTime, encode
from dlms.data import Float32
from dlms.decode.json import apdu_from_json, apdu_to_json
from dlms.decode.records import decode_record
from dlms.errors import DecodeError, LocalProtocolError
from tests.dlms.strategies import RECORDS, records

FEW = settings(max_examples=max(10, settings().max_examples // 5))
EACH = pytest.mark.parametrize("of", RECORDS, ids=lambda of: of.wire_name())
CLOCK = GetRequestNormal(0xC1, CosemAttributeDescriptor(8, bytes.fromhex("0000010000ff"), 2))


def through_text(shown: dict[str, Any]) -> bytes:
    """From JSON types that went through text."""
    return apdu_from_json(json.loads(json.dumps(shown, allow_nan=False)))


@EACH
@FEW
@given(data=st.data())
def test_round_trip(of: type[Record], data: st.DataObject) -> None:
    wire = encode(data.draw(records(of)))
    assert through_text(apdu_to_json(wire)) == wire


@pytest.mark.parametrize(
    "record",
    [
        SetRequestWithDatablock(1, DataBlock(0x55, 1, b"")),  # type: ignore[arg-type]
        ReadRequest([ReadDataBlockAccess(True, 1, b""), WriteDataBlockAccess(3, 1)]),  # type: ignore[arg-type]
        GetResponseWithDatablock(1, ResultBlock(0xFF, 1, Refusal(3))),  # type: ignore[arg-type]
        DataNotification(1, TaggedTime(bytes(12)), None),
        GatewayRequest(1, b"\x02", encode(CLOCK)),
        GatewayRequest(1, b"\x02", b"\xff"),
        Aarq(user_information=bytes.fromhex("01000000065f1f040000181f0100")),
        Aarq(user_information=b"\xff", application_context_name=b"\x2a"),
        Aare(result=1, diagnostic=Diagnostic(2, 2), application_context_name=context_oid(1)),
        DataNotification(1, b"", Float32(0.1)),
    ],
    ids=repr,
)
def test_what_the_fields_alone_do_not_say(record: Record) -> None:
    assert through_text(apdu_to_json(record)) == encode(record)


def test_the_form() -> None:
    assert apdu_to_json(bytes.fromhex("c001c100080000010000ff0200")) == {
        "apdu": "get-request-normal",
        "invoke": {"raw": 0xC1, "invoke_id": 1, "confirmed": True, "high_priority": True},
        "attribute": {"class_id": 8, "instance_id": "0.0.1.0.0.255", "attribute_id": 2},
        "access": None,
    }
    assert apdu_to_json(GatewayRequest(1, b"", encode(CLOCK)))["carried_apdu"] == apdu_to_json(CLOCK)
    assert apdu_to_json(Aarq(user_information=b"\xff"))["user_information"] == {"octets": "ff"}
    assert apdu_to_json(GetResponseRaw(0xC1, b"\x01\x03"))["apdu"] == "get-response-normal"


def test_views_and_other_ways_to_say_the_same() -> None:
    terse = {"apdu": "get-request-normal", "invoke": {"raw": 0xC1}, "attribute": apdu_to_json(CLOCK)["attribute"]}
    assert apdu_from_json(terse) == encode(CLOCK)
    assert apdu_from_json(terse | {"date_time_fields": {"year": 1}}) == encode(CLOCK)
    assert apdu_from_json({"apdu": "glo-get-request", "content": "30 00 AB"}) == bytes.fromhex("c8033000ab")
    assert apdu_from_json({"apdu": "RLRQ", "user_information": "ff"}) == apdu_from_json(
        {"apdu": "RLRQ", "user_information": {"octets": "ff"}}
    )


LAST_BLOCK: dict[str, Any] = apdu_to_json(SetRequestWithDatablock(1, DataBlock(True, 1, b"")))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "names no APDU"),
        ([], "names no APDU"),
        ({}, "names no APDU"),
        ({"apdu": 1}, "names no APDU"),
        ({"apdu": ["get-request-normal"]}, "names no APDU"),
        ({"apdu": "strange"}, "'strange' names no APDU"),
        ({"apdu": "get-request-next"}, "get-request-next: invoke is missing"),
        ({"apdu": "get-request-next", "invoke": {"raw": 1}}, "get-request-next"),
        ({"apdu": "get-request-next", "invoke": {"raw": 256}, "block_number": 1}, "get-request-next: invoke: "),
        ({"apdu": "get-request-next", "invoke": {"raw": 1}, "block_number": "1"}, "get-request-next: block_number: "),
        ({"apdu": "get-request-next", "invoke": {"raw": 1, "invoke_id": 2}, "block_number": 1}, "disagrees"),
        ({"apdu": "get-request-next", "invoke": {"raw": 1, "id": 1}, "block_number": 1}, "'id' is unknown"),
        ({"apdu": "get-request-next", "invoke": {"raw": 1}, "block_number": 1, "more": 1}, "'more' is unknown"),
        ({"apdu": "exception-response", "state_error": 1, "service_error": 1, "invocation_counter": 5}, "disagrees"),
        ({"apdu": "confirmed-service-error", "service": 1, "error_type": 6}, "confirmed-service-error"),
        ({"apdu": "read-request", "variables": [{}]}, "read-request"),
        ({"apdu": "read-request", "variables": [{"strange": {}}]}, "read-request"),
        ({"apdu": "read-request", "variables": 5}, "read-request: variables: "),
        ({"apdu": "RLRQ", "reason": "normal"}, "RLRQ"),
        ({"apdu": "RLRQ", "user_information": {"octets": "f"}}, "RLRQ.user_information: "),
        ({"apdu": "RLRQ", "user_information": {"octets": 5}}, "names no APDU"),
        ({"apdu": "RLRQ", "user_information": {"apdu": "strange"}}, "names no APDU"),
        ({"apdu": "data-notification-confirm", "long_invoke_id_and_priority": 1, "date_time": "00"}, "0 or 12"),
        ({"apdu": "glo-get-request", "content": "00", "tag": 0xD0}, "disagrees"),
        (LAST_BLOCK | {"encoding": {"block.last_block": "x"}}, "encoding: block.last_block: not octets in hex"),
        (LAST_BLOCK | {"encoding": {"block.last_block": "00"}}, "block.last_block: this form says another message"),
        (LAST_BLOCK | {"encoding": {"block.last_block": 2}}, "block.last_block: octets wanted"),
        (LAST_BLOCK | {"encoding": {"block.last_block": None}}, "a number of octets, or octets in hex wanted"),
        (LAST_BLOCK | {"encoding": {"block.raw_data.length": 6}}, "the length 0 takes 1 to 5 octets"),
        (LAST_BLOCK | {"encoding": {"block.raw_data.length": "00"}}, "the length 0 takes 1 to 5 octets"),
        (LAST_BLOCK | {"encoding": {"block.raw": 2}}, "'block.raw' names no leaf"),
        (LAST_BLOCK | {"encoding": {"": "c1"}}, "the octets: this form says another message"),
        (LAST_BLOCK | {"encoding": {"": 5}}, "the octets: this form says another message"),
        (LAST_BLOCK | {"encoding": [1]}, "an object of paths wanted"),
    ],
)
def test_what_is_no_apdu_is_refused(value: Any, told: str) -> None:
    with pytest.raises(EncodeError) as refused:
        apdu_from_json(value)
    assert told in str(refused.value)


def test_nesting_is_bounded() -> None:
    value: Any = {"apdu": "RLRQ"}
    for _ in range(20):
        value = {"apdu": "gateway-request", "network_id": 1, "physical_device_address": "", "carried_apdu": value}
    with pytest.raises(EncodeError, match="nested more than"):
        apdu_from_json(value)
    wire = encode(CLOCK)
    for _ in range(20):
        wire = encode(GatewayRequest(1, b"", wire))
    assert through_text(apdu_to_json(wire)) == wire


def test_records_without_an_encoding_have_no_json() -> None:
    with pytest.raises(DecodeError):
        apdu_to_json(b"\x99")
    with pytest.raises(LocalProtocolError):
        apdu_to_json(ServiceCiphered(0x99, b""))
    with pytest.raises(LocalProtocolError):
        apdu_to_json(ConfirmedServiceError(256, 0, 0))


SCRAPS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(("00", "raw")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("raw", "type", "value")), inner),
    max_leaves=4,
)


@EACH
@FEW
@given(data=st.data())
def test_members_of_a_wrong_kind_give_our_error(of: type[Record], data: st.DataObject) -> None:
    shown = apdu_to_json(encode(data.draw(records(of))))
    member = data.draw(st.sampled_from(sorted(shown)))
    try:
        again = apdu_from_json(shown | {member: data.draw(SCRAPS)})
    except EncodeError:
        return
    assert decode_record(again, strict=False)


def test_a_ciphered_apdu_keeps_its_header() -> None:
    general = GeneralCiphering(b"", b"title", b"", b"", b"", None, bytes.fromhex("300000000155"))
    shown = apdu_to_json(general)
    assert (shown["invocation_counter"], shown["payload"]) == (1, "55")
    assert apdu_from_json(shown) == encode(general)
    with pytest.raises(EncodeError, match="disagrees"):
        apdu_from_json(shown | {"security_control": {"raw": 0x30, "encrypted": False}})


@pytest.mark.parametrize(
    ("members", "told"),
    [({}, "invoke is missing"), ({"invoke": 1.5, "block_number": 1}, "invoke: another JSON type wanted")],
)
def test_a_refusal_speaks_of_the_document(members: dict[str, Any], told: str) -> None:
    with pytest.raises(EncodeError) as refused:
        apdu_from_json({"apdu": "get-request-next", **members})
    assert str(refused.value) == f"get-request-next: {told}"
