"""The collection of APDUs kept beside the checkout: decode and re-encode identically, and say what the records expect."""

from __future__ import annotations

from typing import Any

import pytest

from dlms.acse import ACSE, decode_acse
from dlms.apdu import decode_apdu
from dlms.apdu.protected import ServiceCiphered
from dlms.codec import Record, encode
from dlms.errors import DecodeError
from tests.vectors import shared

pytestmark = pytest.mark.vectors

VALID = ("apdu", "aare", "aarq", "rlre", "rlrq", "ciphered_apdu", "apdu_quirk")
ABOUT_THE_CONTENT = {"plaintext", "plaintext_apdu", "keys", "tag_verified", "date_time_fields", "quirk", "trailing"}
"""Members of `expect` that speak of what is inside an envelope, of cosem_time, or to the reader of the record."""
COLLECTION = shared.records("apdu_dev")


def of_kinds(*kinds: str) -> pytest.MarkDecorator:
    chosen = [one for one in COLLECTION if one["kind"] in kinds]
    return pytest.mark.parametrize("vector", chosen, ids=lambda one: f"{one['kind']}-{one['id']}")


def decode_any(data: bytes) -> Record:
    return decode_acse(data, strict=False) if data[0] in ACSE else decode_apdu(data, strict=False)


def described(value: Record) -> dict[str, Any]:
    """The JSON form as the collection writes it: with the APDU's name, the initiate of an ACSE APDU opened."""
    name = value.name if isinstance(value, ServiceCiphered) else value.wire_name()
    found: dict[str, Any] = {"apdu": name, **value.to_json()}
    inner = found.get("user_information")
    if inner is not None:
        found["user_information"] = described(decode_any(bytes.fromhex(inner)))
    body = found.get("body")
    if isinstance(body, dict) and "entries" in body:
        found |= body
    return found


def differences(expected: Any, found: Any, at: str = "") -> list[str]:
    """Where `found` does not say what `expected` says; None and absence are the same."""
    if isinstance(expected, dict) and isinstance(found, dict):
        names = expected.keys() - ABOUT_THE_CONTENT
        return [one for name in sorted(names) for one in differences(expected[name], found.get(name), f"{at}.{name}")]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = zip(expected, found, strict=True)
        return [one for i, (e, f) in enumerate(pairs) for one in differences(e, f, f"{at}[{i}]")]
    return [] if expected == found else [f"{at}: {expected!r} expected, {found!r} found"]


@of_kinds(*VALID)
def test_both_directions(vector: dict[str, Any]) -> None:
    wire = bytes.fromhex(vector["hex"])
    value = decode_any(wire)
    assert encode(value).hex() == vector["hex"]
    assert differences(vector["expect"], described(value)) == []


@of_kinds(*VALID)
def test_truncations_are_refused(vector: dict[str, Any]) -> None:
    wire = bytes.fromhex(vector["hex"])
    for size in range(1, len(wire)):
        with pytest.raises(DecodeError):
            decode_any(wire[:size])


@of_kinds("invalid")
def test_invalid_ones_are_refused(vector: dict[str, Any]) -> None:
    wire = bytes.fromhex(vector["hex"])
    with pytest.raises(DecodeError):
        decode_acse(wire) if wire[0] in ACSE else decode_apdu(wire)


def test_the_collection_is_not_empty() -> None:
    assert {one["kind"] for one in COLLECTION} >= {*VALID, "invalid"}
