"""The collection of APDUs kept beside the checkout: octets to XML and JSON, and the same octets back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dlms.decode.annotate import walk
from dlms.decode.json import apdu_from_json, apdu_to_json
from dlms.decode.records import decode_record
from dlms.decode.xml import from_xml, to_xml
from tests.vectors import shared

pytestmark = pytest.mark.vectors

KINDS = ("apdu", "aare", "aarq", "rlre", "rlrq", "ciphered_apdu", "apdu_quirk")
COLLECTION = [one for one in shared.records("apdu_dev") if one["kind"] in KINDS]
EACH = pytest.mark.parametrize("vector", COLLECTION, ids=lambda one: f"{one['kind']}-{one['id']}")


@EACH
def test_xml(vector: dict[str, Any]) -> None:
    wire = bytes.fromhex(vector["hex"])
    assert from_xml(to_xml(wire)) == wire


@EACH
def test_json(vector: dict[str, Any]) -> None:
    wire = bytes.fromhex(vector["hex"])
    assert apdu_from_json(json.loads(json.dumps(apdu_to_json(wire), allow_nan=False))) == wire


@EACH
def test_the_annotated_tree_covers_every_octet(vector: dict[str, Any]) -> None:
    wire = bytes.fromhex(vector["hex"])
    tree = walk(type(decode_record(wire, strict=False)), wire)
    assert b"".join(wire[leaf.offset : leaf.end] for leaf in tree.leaves()) == wire


def test_the_collection_is_not_empty() -> None:
    assert {one["kind"] for one in COLLECTION} == set(KINDS)
