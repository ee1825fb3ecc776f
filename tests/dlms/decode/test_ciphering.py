"""Ciphered APDUs with and without keys.  The messages are the published ones of Green Book, Table 40, or made here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dlms.acse import Aare, Aarq, context_oid
from dlms.apdu.initiate import InitiateRequest, InitiateResponse
from dlms.apdu.protected import (
    GeneralCiphering,
    GeneralDedCiphering,
    GeneralGloCiphering,
    IdentifiedKey,
    ServiceCiphered,
    WrappedKey,
)
from dlms.axdr import encode_length
from dlms.codec import encode
from dlms.decode import Decoded, Keys, decode
from dlms.decode.text import tree
from dlms.enums import Conformance
from dlms.security import KeySet, SecurityControl, protect
from dlms.security.keys import KeyMaterialError, Secret
from dlms.security.suite import SUITE_0
from dlms.security.wrap import wrap as wrap_key

ENCRYPTION, AUTHENTICATION = bytes(range(16)), bytes(range(0xD0, 0xE0))
DEDICATED, BROADCAST, MASTER = bytes(range(0x20, 0x30)), bytes(range(0x40, 0x50)), bytes(range(0x60, 0x70))
TITLE = bytes.fromhex("4D4D4D0000BC614E")
GET = bytes.fromhex("C0010000080000010000FF0200")
AUTHENTICATED_ONLY = bytes.fromhex("C81E1001234567C0010000080000010000FF020006725D910F9221D263877516")
ENCRYPTED_ONLY = bytes.fromhex("C8122001234567411312FF935A47566827C467BC")
BOTH = bytes.fromhex("C81E3001234567411312FF935A47566827C467BC7D825C3BE4A77C3FCC056B6B")

FILE = {
    "encryption": ENCRYPTION.hex(),
    "authentication": AUTHENTICATION.hex(),
    "dedicated": DEDICATED.hex(),
    "broadcast": BROADCAST.hex(),
    "master": MASTER.hex(),
    "system_title": TITLE.hex(),
}
SET = KeySet(ENCRYPTION, BROADCAST, AUTHENTICATION, MASTER, DEDICATED)
FULL = SecurityControl(0, authenticated=True, encrypted=True)


def keys(**changes: Any) -> Keys:
    """The key file with some fields changed; None takes one out."""
    return Keys.parse(json.dumps({name: value for name, value in (FILE | changes).items() if value is not None}))


def checked(found: Decoded) -> Decoded:
    """The same, having seen that no key stands in what people read."""
    shown = "\n".join(tree(found)) + str(found.error) + repr(found.reading.layers[0].notes)
    assert not any(FILE[name] in shown for name in ("encryption", "authentication", "broadcast", "master"))
    json.dumps(found.to_json())
    return found


def ciphered(plain: bytes, header: bytes = b"", *, dedicated: bool = False, set_of: KeySet = SET) -> bytes:
    return protect(plain, FULL, set_of, TITLE, 7, header, dedicated=dedicated)


def test_with_both_keys() -> None:
    found = checked(decode(BOTH, keys=keys()))
    assert (found.ok, found.value["apdu"]) == (True, "get-request-normal")
    assert found.to_json()["verified"] is True
    outer, inner = found.layers
    assert (outer.fields["apdu"], outer.fields["invocation_counter"]) == ("glo-get-request", 0x01234567)
    assert (outer.fields["tag_verified"], outer.fields["plaintext"]) == (True, GET.hex())
    assert (inner.within, inner.offset, inner.length) == ("plaintext", 0, len(GET))


def test_without_keys_the_header_is_understood() -> None:
    found = checked(decode(BOTH))
    assert found.ok
    assert found.to_json()["encrypted"] is True
    assert found.value["encrypted"] is True
    assert found.value["security_control"]["raw"] == 0x30
    assert "plaintext" not in found.value


def test_authenticated_only_can_be_read_by_anybody() -> None:
    found = checked(decode(AUTHENTICATED_ONLY))
    assert found.value["apdu"] == "get-request-normal"
    assert found.to_json()["verified"] is False
    assert "not checked" in found.layers[0].notes[0]
    assert decode(AUTHENTICATED_ONLY, keys=keys()).to_json()["verified"] is True


@pytest.mark.parametrize(("octets", "changes"), [(ENCRYPTED_ONLY, {}), (BOTH, {"authentication": None})])
def test_what_nothing_proves_is_deciphered_only_when_asked_for(octets: bytes, changes: dict[str, Any]) -> None:
    kept = checked(decode(octets, keys=keys(**changes)))
    assert kept.ok
    assert kept.value["encrypted"] is True
    found = checked(decode(octets, keys=keys(**changes), verify=False))
    assert found.value["apdu"] == "get-request-normal"
    assert found.to_json()["verified"] is False
    assert "not verified" in found.layers[0].notes[0]


@pytest.mark.parametrize("verify", [True, False])
def test_a_wrong_tag_is_refused(verify: bool) -> None:
    broken = BOTH[:-1] + bytes((BOTH[-1] ^ 1,))
    for found in (
        decode(broken, keys=keys(), verify=verify),
        decode(BOTH, keys=keys(authentication=DEDICATED.hex()), verify=verify),
        decode(BOTH, keys=keys(system_title="4D4D4D0000BC614F"), verify=verify),
        decode(AUTHENTICATED_ONLY[:-1] + b"\0", keys=keys(), verify=verify),
    ):
        assert not checked(found).ok
        assert "tag" in (found.error or "")
        assert found.layers[0].fields["apdu"] == "glo-get-request"
        assert len(found.layers) == 1


def test_the_sender_must_be_known() -> None:
    found = decode(BOTH, keys=keys(system_title=None))
    assert found.ok
    assert "system title" in found.layers[0].notes[0]
    several = keys(system_title=["4D4D4D0000BC614F", TITLE.hex()])
    assert decode(BOTH, keys=several).value["apdu"] == "get-request-normal"


def test_the_apdu_inside_is_the_one_announced() -> None:
    found = checked(decode(encode(ServiceCiphered(0xCC, ciphered(GET))), keys=keys()))
    assert not found.ok
    assert found.error == "glo-get-response: an APDU c4 is announced, and c0 is inside"


def test_dedicated_key() -> None:
    octets = encode(ServiceCiphered(0xD0, ciphered(GET, dedicated=True)))
    assert decode(octets, keys=keys()).value["apdu"] == "get-request-normal"
    assert decode(octets, keys=keys(dedicated=None)).reading.encrypted
    general = encode(GeneralDedCiphering(TITLE, ciphered(GET, dedicated=True)))
    assert decode(general, keys=keys()).value["apdu"] == "get-request-normal"


def test_general_glo_names_its_sender() -> None:
    octets = encode(GeneralGloCiphering(TITLE, ciphered(GET)))
    assert decode(octets, keys=keys(system_title=None)).value["apdu"] == "get-request-normal"
    assert decode(octets, keys=keys(system_title="4D4D4D0000BC614F")).ok


HEADER_FIELDS = (b"12345678", TITLE, b"", b"", b"")
HEADER = b"".join(encode_length(len(field)) + field for field in HEADER_FIELDS)


@pytest.mark.parametrize(
    ("info", "set_of"),
    [
        (None, SET),
        (IdentifiedKey(0), SET),
        (IdentifiedKey(1), SET.replace(encryption=BROADCAST)),
        (WrappedKey(0, wrap_key(Secret(MASTER), Secret(bytes(16)), SUITE_0)), SET.replace(encryption=bytes(16))),
    ],
)
def test_general_ciphering(info: Any, set_of: KeySet) -> None:
    octets = encode(GeneralCiphering(*HEADER_FIELDS, info, ciphered(GET, HEADER, set_of=set_of)))
    assert decode(octets).value["apdu"] == "general-ciphering"
    found = checked(decode(octets, keys=keys()))
    assert (found.ok, found.value["apdu"]) == (True, "get-request-normal")
    altered = octets.replace(b"12345678", b"12345679")
    assert not checked(decode(altered, keys=keys())).ok


def test_general_ciphering_with_a_key_that_is_not_known() -> None:
    octets = encode(GeneralCiphering(*HEADER_FIELDS, IdentifiedKey(9), ciphered(GET, HEADER)))
    found = decode(octets, keys=keys())
    assert found.ok
    assert "identified-key" in found.layers[0].notes[0]


def test_user_information_of_both_ends() -> None:
    request = InitiateRequest(DEDICATED, True, None, 6, Conformance(0x1F), 512)
    information = encode(ServiceCiphered(0x21, ciphered(encode(request))))
    aarq = encode(Aarq(application_context_name=context_oid(3), calling_ap_title=TITLE, user_information=information))
    found = checked(decode(aarq, keys=keys(system_title=None)))
    assert found.ok
    inner = found.value["user_information"]
    assert (inner["apdu"], inner["tag_verified"]) == ("glo-initiate-request", True)
    assert inner["plaintext_apdu"]["client_max_receive_pdu_size"] == 512
    assert DEDICATED.hex() not in "\n".join(tree(found))
    response = encode(InitiateResponse(None, 6, Conformance(0x1F), 512, 7))
    for tag, plain, ok in ((0x28, response, True), (0x28, GET, False), (0x28, b"\x08\x01", False)):
        information = encode(ServiceCiphered(tag, ciphered(plain)))
        aare = Aare(result=0, responding_ap_title=TITLE, user_information=information)
        assert decode(encode(aare), keys=keys(system_title=None)).ok is ok


def test_plaintext_that_is_no_apdu() -> None:
    found = checked(decode(encode(GeneralGloCiphering(TITLE, ciphered(b"\xff\xff"))), keys=keys()))
    assert not found.ok
    assert "inside general-glo-ciphering" in (found.error or "")


@pytest.mark.parametrize(
    "content", [b"", b"\x30", b"\x30\0\0\0\1", b"\x10\0\0\0\1abc", b"\0\0\0\0\1" + GET, b"\x3f" * 20]
)
def test_odd_contents(content: bytes) -> None:
    octets = encode(GeneralGloCiphering(TITLE, content))
    for given in (None, keys()):
        found = checked(decode(octets, keys=given, verify=False))
        assert found.layers[0].fields["system_title"] == TITLE.hex()


def test_keys_of_many_devices() -> None:
    device = {"suite": 0, "system_title": TITLE.hex()} | {name: FILE[name] for name in ("encryption", "authentication")}
    text = json.dumps({"format": "dlms-meters keys", "version": 1, "devices": {"meter": device}})
    many = Keys.parse(text)
    assert decode(encode(GeneralGloCiphering(TITLE, ciphered(GET))), keys=many).value["apdu"] == "get-request-normal"
    assert decode(BOTH, keys=many).value["apdu"] == "get-request-normal"
    other = protect(GET, FULL, SET, b"OTHERONE", 1)
    assert decode(encode(GeneralGloCiphering(b"OTHERONE", other)), keys=many).reading.encrypted


def test_what_we_send_bears_our_title() -> None:
    """The key file names us as the identity towards one meter; with two meters nobody knows whose keys they are."""
    fields = {"suite": 0} | {name: FILE[name] for name in ("encryption", "authentication")}
    us = {"suite": 0, "system_title": b"OURTITLE".hex()}
    meter = fields | {"system_title": TITLE.hex(), "identity": "we"}
    sent = encode(GeneralGloCiphering(b"OURTITLE", protect(GET, FULL, SET, b"OURTITLE", 1)))
    document = {"format": "dlms-meters keys", "version": 1, "devices": {"we": us, "meter": meter}}
    assert decode(sent, keys=Keys.parse(json.dumps(document))).value["apdu"] == "get-request-normal"
    document["devices"] |= {"other": meter | {"system_title": b"OTHERONE".hex()}}
    assert decode(sent, keys=Keys.parse(json.dumps(document))).reading.encrypted


NO_KEY_FILES = ["", "[]", "{", '{"encryption": "0011"}', '{"encryption": "zz"}', '{"system_title": "00"}']
NO_KEY_FILES += ['{"system_title": 5}', '{"encription": "00"}', '{"encryption": 5}', '{"format": "dlms-meters keys"}']


@pytest.mark.parametrize("text", NO_KEY_FILES)
def test_key_files_that_are_none(text: str) -> None:
    with pytest.raises(KeyMaterialError):
        Keys.parse(text)


def test_keys_do_not_show_themselves() -> None:
    shown = repr(keys())
    assert not any(FILE[name] in shown for name in ("encryption", "authentication", "dedicated"))
