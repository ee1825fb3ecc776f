"""The annotated tree says what the codec says, and covers the octets."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlms.apdu import DataNotification, GetRequestNormal, GetResponseNormal
from dlms.apdu.attribute import CosemAttributeDescriptor
from dlms.apdu.notification import UntaggedPush
from dlms.codec import ABSENT, Record, decode, encode
from dlms.decode.annotate import Node, walk
from dlms.errors import DecodeError
from tests.dlms.strategies import RECORDS, records

FEW = settings(max_examples=max(10, settings().max_examples // 5))
EACH = pytest.mark.parametrize("of", RECORDS, ids=lambda of: of.wire_name())


def covered(node: Node) -> bool:
    """Whether the children follow each other from the first octet of the node to its last, on all levels."""
    at = node.offset
    for child in node.children:
        if child.offset != at or not covered(child):
            return False
        at = child.end
    return not node.children or at == node.end


def same(one: Any, other: Any) -> bool:
    """Equality of values, with NaN equal to itself."""
    return repr(one) == repr(other) and type(one) is type(other)


@EACH
@FEW
@given(data=st.data())
def test_values_are_those_of_the_codec_and_the_octets_are_covered(of: type[Record], data: st.DataObject) -> None:
    wire = encode(data.draw(records(of)))
    tree, value = walk(of, wire), decode(of, wire, strict=False)
    assert (tree.offset, tree.length) == (0, len(wire))
    assert covered(tree)
    assert b"".join(wire[leaf.offset : leaf.end] for leaf in tree.leaves()) == wire
    assert {leaf.name for leaf in tree.leaves() if not leaf.length} <= {"apdu", "octets", "content"}  # may be empty
    walked = {child.name: child.value for child in tree.children}
    for field, _ in of.layout:
        if field not in walked:
            assert getattr(value, field) in (None, ABSENT)  # a field of ACSE that is not there, a counter without error
        else:
            assert same(walked[field], getattr(value, field))


@EACH
@FEW
@given(noise=st.binary(max_size=40))
def test_what_the_codec_refuses_is_refused_alike(of: type[Record], noise: bytes) -> None:
    wire = of.prefix + noise
    try:
        decode(of, wire, strict=False)
    except DecodeError as fault:
        with pytest.raises(DecodeError, match=re.escape(str(fault))):
            walk(of, wire)
    else:
        assert covered(walk(of, wire))


def test_the_tree_of_a_get_request() -> None:
    tree = walk(GetRequestNormal, bytes.fromhex("c001c100030100010800ff0200"))
    assert tree.name == "get-request-normal"
    assert tree.children[0] == Node("tag", 0, 2, 0xC001)
    attribute = tree.named("attribute")
    assert (attribute.offset, attribute.length) == (3, 9)
    assert attribute.value == CosemAttributeDescriptor(3, bytes.fromhex("0100010800ff"), 2)
    assert attribute.named("instance_id") == Node("instance_id", 5, 6, bytes.fromhex("0100010800ff"))
    assert tree.named("access") == Node("access", 12, 1, None, (Node("presence", 12, 1, 0),))
    with pytest.raises(KeyError):
        tree.named("selection")


def test_data_is_opened_element_by_element() -> None:
    tree = walk(GetResponseNormal, bytes.fromhex("c401c1000202110509020102"))
    data = tree.named("result").named("data")
    assert [(child.name, child.offset, child.length) for child in data.children] == [
        ("tag", 4, 1),
        ("count", 5, 1),
        ("[0]", 6, 2),
        ("[1]", 8, 4),
    ]
    assert data.value == (5, b"\x01\x02")


def test_an_untagged_push_is_opened() -> None:
    push = UntaggedPush(1, ((CosemAttributeDescriptor(1, bytes.fromhex("00002a0000ff"), 2), b"AB"),))
    wire = encode(DataNotification(1, b"", push))
    body = walk(DataNotification, wire).named("body")
    assert body.value == push
    assert covered(body)
    assert body.named("[0]").named("value").value == b"AB"
    assert wire[body.named("[0]").named("attribute").offset :].startswith(bytes.fromhex("0001 00002a0000ff 02"))
