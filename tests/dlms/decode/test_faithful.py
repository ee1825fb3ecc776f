"""Encodings that are not canonical come back octet for octet, through XML and through JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dlms import data as cosem_data
from dlms.apdu import GatewayRequest
from dlms.axdr import EncodeError
from dlms.cli.app import execute
from dlms.codec import Record, encode
from dlms.decode.annotate import Node, walk
from dlms.decode.faithful import SIZES, WHOLE, leaves, oddities, plain, restored
from dlms.decode.json import apdu_from_json, apdu_to_json, data_to_json
from dlms.decode.records import BareData, decode_record
from dlms.decode.xml import data_to_xml, from_xml, to_xml
from dlms.decode.xml_text import XmlError
from dlms.errors import DecodeError, LocalProtocolError
from tests.dlms import data_values
from tests.dlms.strategies import RECORDS, records

FEW = settings(max_examples=max(10, settings().max_examples // 5))
EACH = pytest.mark.parametrize("of", RECORDS, ids=lambda of: of.wire_name())


def lossless(wire: bytes) -> bool:
    """Whether XML and JSON both give the octets back."""
    through_json = apdu_from_json(json.loads(json.dumps(apdu_to_json(wire), allow_nan=False)))
    return from_xml(to_xml(wire)) == wire and through_json == wire


def wide_length(size: int, octets: int) -> bytes:
    """A length in more octets than needed."""
    return bytes((0x80 + octets,)) + size.to_bytes(octets, "big")


def widened(node: Node, wire: bytes, draw: Any) -> bytes:
    """An encoding of the same values whose lengths take as many octets as `draw` says, booleans of Data any octet."""
    if not node.children:
        return wire[node.offset : node.end]
    parts = [widened(child, wire, draw) for child in node.children]
    for at, child in enumerate(node.children):
        if child.name == "length":
            size = sum(map(len, parts[at + 1 :]))
        elif child.name == "count":
            size = child.value
        else:
            if node.children[0].name == "tag" and node.children[0].value == 3 and child.name == "content":
                parts[at] = bytes((draw(st.integers(1, 255)) if child.value else 0,))
            continue
        shortest = 0 if size < 0x80 else (size.bit_length() + 7) // 8
        octets = draw(st.sampled_from((shortest, shortest, max(1, shortest), 4)))
        parts[at] = wide_length(size, octets) if octets else bytes((size,))
    return b"".join(parts)


@EACH
@FEW
@given(data=st.data())
def test_lengths_that_are_longer_than_needed(of: type[Record], data: st.DataObject) -> None:
    canonical = encode(data.draw(records(of)))
    wire = widened(walk(of, canonical), canonical, data.draw)
    try:
        record = decode_record(wire, strict=False)
    except DecodeError:  # an untagged push is told by its first octets, a length among them
        assume(False)
    assert type(record) is of
    assert lossless(wire)


@EACH
@FEW
@given(noise=st.binary(max_size=64))
def test_whatever_decodes_comes_back(of: type[Record], noise: bytes) -> None:
    wire = of.prefix + noise
    try:
        encode(decode_record(wire, strict=False))
    except (DecodeError, LocalProtocolError):
        return
    assert lossless(wire)


@EACH
@FEW
@given(data=st.data())
def test_mutations_come_back(of: type[Record], data: st.DataObject) -> None:
    wire = bytearray(encode(data.draw(records(of))))
    for _ in range(data.draw(st.integers(1, 3))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.sampled_from((0, 1, 2, 0x7F, 0x81, 0x82, 0xFF)))
    try:
        encode(decode_record(bytes(wire), strict=False))
    except (DecodeError, LocalProtocolError):
        return
    assert lossless(bytes(wire))


ODD: dict[str, tuple[str, dict[str, int | str]]] = {
    "boolean-01": ("c401c100 0301", {"result.data.content": "01"}),
    "last-block-ff": ("c402c1 ff 00000001 00 01aa", {"block.last_block": "ff"}),
    "octet-string": ("c401c100 09 820001 aa", {"result.data.length": 3}),
    "bit-string": ("c401c100 04 8108 80", {"result.data.count": 2}),
    "lists": ("c401c100 01 8101 02 83000001 1101", {"result.data.count": 2, "result.data[0].count": 4}),
    "compact-array": (
        "c401c100 13 02810212 12 8104 01020304",
        {"result.data.description": "0281021212", "result.data.length": 2},
    ),
    "tagged-time": ("0f00000001 090c07e8010101000000008000ff 00", {"date_time": "090c07e8010101000000008000ff"}),
    "explicit-default": ("01 00 01ff 00 06 5f1f040000101d 0080", {"response_allowed": "01ff"}),
    "aarq": ("60811da109060760857405080101be10040e01000000065f1f040000181f0100", {"length": 2}),
    "aarq-inside": (
        "601f a109060760857405080101 be12 04 82000e 01000000065f1f040000181f0100",
        {"user_information.content.length": 3},
    ),
    "integer-of-two-octets": (
        "612a a109060760857405080101 a20402020000 a305a103020100 be10040e0800065f1f040000101d00800007",
        {"result.content.content": "0000"},
    ),
    "gateway": ("e601 820001 05 c002c100000001", {"physical_device_address.length": 3}),
    "glo-get-request": ("c8 8103 300000", {"content.length": 2}),
    "access": (
        "d940000000 00 8101 01 0001 0100010000ff 02 01 00",
        {"specifications.count": 2},
    ),
    "untagged-push": (
        "0f00000001 00 02021605 01 8101 0202 0001 00002a0000ff 02 1101",
        {"body.count": 2},
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_known_deviations(name: str) -> None:
    text, encoding = ODD[name]
    wire = bytes.fromhex(text)
    shown = apdu_to_json(wire)
    assert shown["encoding"] == encoding
    assert lossless(wire)
    assert wire.hex().upper() not in to_xml(wire)  # the leaves tell it all


def test_canonical_apdus_have_no_attributes() -> None:
    wire = encode(GatewayRequest(1, b"\x05", bytes.fromhex("c101c1000100002a0000ff020003ff")))
    assert "encoding" not in apdu_to_json(wire)
    assert "=" not in to_xml(wire).split("COSEMpdu", 1)[1].replace('">', "", 1)


def test_an_edited_text_keeps_the_width_of_its_length() -> None:
    text = to_xml(bytes.fromhex("c401c10009820001aa"))
    assert '<x:octet-string length-octets="3">AA</x:octet-string>' in text
    assert from_xml(text.replace(">AA<", ">AABBCC<")).hex() == "c401c10009820003aabbcc"


def test_the_two_lengths_of_a_field_of_acse() -> None:
    text = to_xml(bytes.fromhex(ODD["aarq-inside"][0]))
    assert '<x:user-information length-octets="1 3">' in text
    assert "<x:aarq>" in text


@pytest.mark.parametrize(
    ("text", "old", "new", "told"),
    [
        ("c401c1000301", 'coded="01"', 'coded="00"', "another message"),
        ("c401c1000301", 'coded="01"', 'coded="0"', "boolean: not octets in hex"),
        ("c401c1000301", ">1<", ">0<", "another message"),
        ("c401c10009820001aa", '"3"', '"3 1"', "octet-string: the attribute length-octets has 2 numbers, 1 wanted"),
        ("c401c10009820001aa", '"3"', '"6"', "the length 1 takes 1 to 5 octets"),
        ("c401c10009820001aa", '"3"', '"x"', "'x' is no decimal number"),
        ("c401c1001105", "<x:unsigned>", "<x:unsigned length-octets='2'>", "0 wanted"),
        ("c401c1001105", "<x:unsigned>", "<x:unsigned coded='1106'>", "another message"),
        ("c401c1001105", "<x:result>", "<x:result coded='1106'>", "has no place here"),
        ("c401c1001105", "<x:get-response>", "<x:get-response coded='c401c1001106'>", "another message"),
        ("c401c1001105", "<x:get-response>", "<x:get-response coded='c4'>", "another message"),
    ],
)
def test_attributes_that_disagree_are_refused(text: str, old: str, new: str, told: str) -> None:
    document = to_xml(bytes.fromhex(text))
    assert old in document
    with pytest.raises(XmlError, match=re.escape(told)):
        from_xml(document.replace(old, new))


def test_forms_that_cannot_be_are_refused() -> None:
    of, canonical = (
        type(decode_record(bytes.fromhex("c401c10009820001aa"), strict=False)),
        bytes.fromhex("c401c1000901aa"),
    )
    assert oddities(of, canonical, canonical) == {}
    assert oddities(of, b"\xc4", canonical) == {WHOLE: (0, b"\xc4")}
    assert restored(of, canonical, {}) == canonical
    for forms in ({"result": 5}, {"result.data.length": 6}, {"result.data.octets": 2}, {WHOLE: b""}, {WHOLE: 3}):
        with pytest.raises(EncodeError):
            restored(of, canonical, forms)  # type: ignore[arg-type]


def test_no_field_has_the_name_of_a_part() -> None:
    """Attributes and paths tell the leaves of a value by these names."""
    for of in RECORDS:
        assert not {field for field, _ in of.layout} & set(SIZES)


@EACH
@FEW
@given(data=st.data())
def test_paths_are_of_one_leaf_each(of: type[Record], data: st.DataObject) -> None:
    wire = plain(data.draw(records(of)))
    paths = [path for path, _ in leaves(walk(of, wire))]
    assert len(paths) == len(set(paths))


# --- Data without an APDU ------------------------------------------------------------------------------------------------


@given(data_values.values)
def test_bare_data_comes_back(value: Any) -> None:
    wire = cosem_data.encode(value)
    assert from_xml(data_to_xml(wire)) == wire
    assert from_xml(data_to_xml(wire, indent=False)) == wire
    assert apdu_from_json(json.loads(json.dumps(data_to_json(wire), allow_nan=False))) == wire


@given(value=data_values.values, data=st.data())
def test_bare_data_in_other_encodings_comes_back(value: Any, data: st.DataObject) -> None:
    wire = cosem_data.encode(value)
    odd = widened(walk(BareData, wire), wire, data.draw)
    assert from_xml(data_to_xml(odd)) == odd
    assert apdu_from_json(json.loads(json.dumps(data_to_json(odd), allow_nan=False))) == odd


@pytest.mark.parametrize("octets", ["0600000001", "0a8103610a62", "010011", "0301"])
def test_bare_data_through_the_commands(octets: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "document"
    for form in ("--xml", "--json"):
        code = execute(["decode", form, "--as", "data", octets])
        file.write_text(capsys.readouterr().out)
        if octets == "010011":  # an octet is left over
            assert code == 1
            continue
        assert execute(["encode", str(file)]) == 0
        assert capsys.readouterr().out.split() == [octets]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"type": "unsigned", "value": 256}, "data: "),
        ({"type": "unsigned", "value": 1, "other": 2}, "data: member 'other' is unknown here"),
        ({"type": "unsigned"}, "data: {'type': 'unsigned'} is no unsigned"),
        ({"type": "strange", "value": 1}, "data: "),
        ({"type": "octet-string", "value": "00", "encoding": {"value.length": 9}}, "data.encoding: value.length"),
        ({"type": "boolean", "value": True, "encoding": {"value.content": "00"}}, "data.encoding: "),
    ],
)
def test_wrong_bare_data_is_refused(value: Any, told: str) -> None:
    with pytest.raises(EncodeError, match=re.escape(told)):
        apdu_from_json(value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<x:unsigned>256</x:unsigned>", "unsigned: no unsigned"),
        ('<x:boolean coded="00">1</x:boolean>', "boolean: value.content: this form says another message"),
        ('<x:octet-string length-octets="9">00</x:octet-string>', "octet-string: value.length"),
        ('<x:array coded="0101"/>', "array: the octets: this form says another message"),
    ],
)
def test_wrong_documents_of_bare_data_are_refused(text: str, told: str) -> None:
    with pytest.raises(XmlError) as refused:
        from_xml(text)
    assert told in str(refused.value)
