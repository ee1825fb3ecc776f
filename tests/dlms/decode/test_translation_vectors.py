"""The collection of APDUs kept beside the checkout: octets to XML and JSON, and the same octets back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dlms.cli.app import execute
from dlms.decode import Keys, decode
from dlms.decode.annotate import walk
from dlms.decode.json import apdu_from_json, apdu_to_json
from dlms.decode.records import decode_record, outermost
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


CAPTURES = [
    one
    for name in ("apdu_dev", "captures_dev", "kamstrup_documented")
    for one in shared.records(name)
    if "hex" in one and one["kind"] not in ("invalid", "axdr_length", "data")
]


def keys_of(vector: dict[str, Any]) -> str:
    """The key file of a captured message."""
    given = vector.get("keys") or vector["expect"].get("keys") or {}
    names = {"encryption_key": "encryption", "authentication_key": "authentication"}
    known = {names.get(name, name): value for name, value in given.items() if value is not None}
    return json.dumps(known)


@pytest.mark.parametrize("vector", CAPTURES, ids=lambda one: f"{one['kind']}-{one.get('id', one['hex'][:40])}")
def test_every_message_through_the_commands(
    vector: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The APDUs in frames, as they were sent, come back from the XML and from the JSON of `dlms decode`."""
    keys, file = tmp_path / "keys.json", tmp_path / "document"
    keys.write_text(keys_of(vector))
    message = bytes.fromhex(vector["hex"])
    captured = outermost(decode(message, keys=Keys.load(keys)), message)
    if vector["kind"] in (*KINDS, "apdu_raw", "apdu_plain"):
        assert [apdu for apdu, _ in captured] == [message]
    for form in ("--xml", "--json") if captured else ():
        execute(["decode", form, vector["hex"], "--keys", str(keys), "--unverified"])
        file.write_text(capsys.readouterr().out)
        assert execute(["encode", str(file)]) == 0
        assert capsys.readouterr().out.split() == [apdu.hex() for apdu, _ in captured]


def test_the_collections_are_not_empty() -> None:
    assert {one["kind"] for one in COLLECTION} == set(KINDS)
    assert {one["kind"] for one in CAPTURES} >= {
        "llc_apdu",
        "apdu_raw",
        "apdu_plain",
        "hdlc_push",
        "mbus",
        "mbus_encrypted",
    }
