"""Every captured message of the shared collections against what its source says of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dlms.acse import ACSE, decode_acse
from dlms.apdu import decode_apdu
from dlms.decode import Decoded, Keys, decode
from dlms.errors import DecodeError
from tests.vectors.shared import records

pytestmark = pytest.mark.vectors

APDU_DEV = records("apdu_dev")
CAPTURES = [record for name in ("captures_dev", "kamstrup_documented") for record in records(name)]
MESSAGES = [record for record in CAPTURES if record["kind"] != "session"]
ACSE_KINDS = ("aarq", "aare", "rlrq", "rlre")
NOT_EXPECTED_OF_US = {"keys", "peer_argument", "quirk", "apdu_error", "plaintext_apdu", "plaintext"}


def of_kind(*kinds: str) -> list[Any]:
    return [pytest.param(record, id=str(record["id"])) for record in APDU_DEV if record["kind"] in kinds]


def message_id(record: dict[str, Any]) -> str:
    return f"{record['meter'][:12]}-{record['hex'][:24]}"


def differences(expected: Any, found: Any, path: str = "") -> list[str]:
    """Where `found` does not say what `expected` does; a field that is absent equals null."""
    if isinstance(expected, dict) and isinstance(found, dict):
        names = expected.keys() - NOT_EXPECTED_OF_US
        return [line for name in names for line in differences(expected[name], found.get(name), f"{path}.{name}")]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = enumerate(zip(expected, found, strict=True))
        return [line for at, (one, other) in pairs for line in differences(one, other, f"{path}[{at}]")]
    same = expected.lower() == found.lower() if path.endswith(".info") else expected == found
    return [] if same else [f"{path}: {found!r}, {expected!r} wanted"]


def decoded(record: dict[str, Any], **options: Any) -> Decoded:
    found = decode(bytes.fromhex(record["hex"]), **options)
    json.dumps(found.to_json())
    return found


def layers(found: Decoded, kind: str) -> list[dict[str, Any]]:
    return [layer.fields for layer in found.layers if layer.kind == kind]


def keys_of(expected: dict[str, Any]) -> Keys | None:
    """The keys in an `expect`, as a key file says them."""
    if "keys" not in expected:
        return None
    given = expected["keys"]
    names = {"encryption_key": "encryption", "authentication_key": "authentication", "system_title": "system_title"}
    return Keys.parse(json.dumps({names[name]: value for name, value in given.items() if value is not None}))


def bare(value: dict[str, Any]) -> Any:
    """A value in our JSON as the captures write it: octets with x:, lists, numbers, text, null."""
    kind, content = value["type"], value.get("value")
    if kind == "octet-string":
        return f"x:{content}"
    return [bare(item) for item in content] if isinstance(content, list) else content


@pytest.mark.parametrize("record", of_kind("apdu", "apdu_quirk", *ACSE_KINDS))
def test_apdus(record: dict[str, Any]) -> None:
    found = decoded(record, keys=keys_of(record["expect"].get("user_information") or {}))
    assert found.ok
    assert found.kind == "apdu"
    assert differences(record["expect"], found.value) == []


@pytest.mark.parametrize("record", of_kind(*ACSE_KINDS))
def test_ciphered_user_information(record: dict[str, Any]) -> None:
    expected = record["expect"].get("user_information") or {}
    found = decoded(record, keys=keys_of(expected)).value.get("user_information") or {}
    assert found.get("plaintext") == expected.get("plaintext")
    assert differences(expected.get("plaintext_apdu"), found.get("plaintext_apdu")) == []
    without = decoded(record)
    assert without.ok
    assert without.reading.encrypted == ("payload" in expected)
    assert differences({**expected, "tag_verified": None}, without.value.get("user_information") or {}) == []


@pytest.mark.parametrize("record", of_kind("data"))
def test_data(record: dict[str, Any]) -> None:
    found = decoded(record)
    assert (found.ok, found.kind, found.reading.exact) == (True, "data", True)
    assert differences(record["expect"], found.value) == []
    assert found.value == decoded(record, kind="data").value


@pytest.mark.parametrize("record", of_kind("hdlc_frame"))
def test_hdlc_frames(record: dict[str, Any]) -> None:
    expected = dict(record["expect"])
    apdu = expected.pop("apdu", None)
    found = decoded(record)
    assert (found.ok, found.kind) == (True, "hdlc")
    assert differences(expected, layers(found, "hdlc")[0]) == []
    if apdu is not None:
        assert differences(apdu, found.value) == []


@pytest.mark.parametrize("record", of_kind("wrapper"))
def test_wrapper(record: dict[str, Any]) -> None:
    found = decoded(record)
    assert (found.ok, found.kind) == (True, "wrapper")
    assert differences(record["expect"], layers(found, "wrapper")[0]) == []
    assert differences(record["expect"], found.value) == []
    assert layers(found, "octets")[0]["octets"] == record["expect"]["payload"]


@pytest.mark.parametrize("record", of_kind("mbus_frames"))
def test_mbus(record: dict[str, Any]) -> None:
    found = decoded(record)
    assert (found.ok, found.kind) == (True, "mbus")
    assert len(layers(found, "mbus")) == record["expect"]["frames"]
    assert differences(record["expect"], layers(found, "mbus-message")[0]) == []


@pytest.mark.parametrize("record", of_kind("ciphered_apdu"))
def test_ciphered_apdus(record: dict[str, Any]) -> None:
    expected = record["expect"]
    without = decoded(record)
    assert without.ok
    assert without.to_json()["encrypted"] is True
    assert differences({**expected, "tag_verified": None}, without.value) == []
    if "plaintext" in expected:
        verify = expected["keys"]["authentication_key"] is not None
        found = decoded(record, keys=keys_of(expected), verify=verify)
        assert found.ok
        assert layers(found, "apdu")[0]["plaintext"] == expected["plaintext"]
        assert differences(expected["plaintext_apdu"], found.value) == []
        assert found.to_json()["verified"] is verify


@pytest.mark.parametrize("record", [p for p in of_kind("apdu", "ciphered_apdu") if "hdlc_frames" in p.values[0]])
def test_reassembled(record: dict[str, Any]) -> None:
    found = decode(bytes.fromhex("".join(record["hdlc_frames"])))
    assert (found.ok, found.kind) == (True, "hdlc")
    assert differences({**record["expect"], "tag_verified": None}, found.value) == []


@pytest.mark.parametrize("record", of_kind("invalid"))
def test_invalid(record: dict[str, Any]) -> None:
    octets = bytes.fromhex(record["hex"])
    refused = decoded(record, kind="apdu")
    assert not refused.ok
    assert refused.to_json()["error"]
    with pytest.raises(DecodeError):
        (decode_acse if octets[0] in ACSE else decode_apdu)(octets)


@pytest.mark.parametrize("record", MESSAGES, ids=message_id)
def test_captures(record: dict[str, Any]) -> None:
    expected = record["expect"]
    found = decoded(record)
    assert found.ok == all(frame["ok"] for frame in expected.get("frames", ()))
    if "frames" in expected:
        assert differences(expected["frames"], layers(found, "hdlc")) == []
    if "data_notification" in expected:
        assert notification_differences(expected["data_notification"], found) == []
    if "identification_line" in expected:
        assert differences(expected, found.value) == []


def notification_differences(expected: dict[str, Any], found: Decoded) -> list[str]:
    value, notes = found.value, [note for layer in found.layers for note in layer.notes]
    form = {"": "absent(00)"}.get(value["date_time"] or "", "length-prefixed(0C)")
    if any("tagged octet-string" in note for note in notes):
        form = "tagged-octet-string(09 0C)"
    said = {
        "invoke_id_priority": f"{value['long_invoke_id_and_priority']:08x}",
        "datetime": value["date_time"],
        "datetime_form": form,
        "body": bare(value["body"]),
    }
    return differences(expected, said)


@pytest.mark.parametrize("record", [r for r in MESSAGES if "keys" in r], ids=message_id)
def test_captures_with_keys(record: dict[str, Any]) -> None:
    keys = Keys.parse(json.dumps(record["keys"]))
    verify = "authentication" in record["keys"]
    found = decoded(record, keys=keys, verify=verify)
    assert found.ok
    assert found.reading.verified is verify
    assert found.value["apdu"] == "data-notification"
    body = json.dumps(found.value["body"])
    shown = record["expect"].get("values", {})
    for name in shown:
        if f'"{name}"' in record["expect"]["translator_xml"]:
            assert bytes(map(int, name.split("."))).hex() in body
    if "plaintext" in record["expect"]:
        assert layers(found, "apdu")[0]["plaintext"] == record["expect"]["plaintext"]
        assert notification_differences(record["expect"]["decoded"], found) == []
    if not verify:
        assert decoded(record, keys=keys).reading.encrypted


def test_damaged_capture_shows_what_was_understood() -> None:
    record = next(r for r in MESSAGES if "frame check does not verify" in r.get("note", ""))
    answer = decoded(record).to_json()
    assert answer["ok"] is False
    assert "frame check" in answer["error"]
    assert [layer["kind"] for layer in answer["layers"]][:1] == ["hdlc"]
    assert answer["layers"][0]["fields"]["llc"] == "e6e700"


@pytest.mark.parametrize("session", [r for r in CAPTURES if r["kind"] == "session"], ids=lambda r: r["expect"]["auth"])
def test_sessions(session: dict[str, Any]) -> None:
    """The frames of a whole session, one behind the other."""
    octets = b"".join(bytes.fromhex(frame["hex"]) for frame in session["frames"])
    found = decode(octets)
    assert found.ok
    frames = [layer for layer in found.layers if layer.kind == "hdlc"]
    assert len(frames) == len(session["frames"])
    assert all(octets[layer.offset] == 0x7E for layer in frames)
    expected = [frame["expect"] for frame in session["frames"] if "expect" in frame]
    for one, layer in zip(expected, frames, strict=False):
        assert differences(one.get("frames", [{}])[0] if "frames" in one else one, layer.fields) == []
    assert [value["apdu"] for value in found.value][:3] == ["AARQ", "AARE", "get-request-normal"]
    assert "max_info_transmit" in frames[0].fields["parameters"]
