"""Every record of the collection of security vectors, published or computed."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from dlms.enums import Mechanism
from dlms.security import agreement, points, signature
from dlms.security.agreement import IdentifierArc
from dlms.security.channel import Channel
from dlms.security.counters import Counters, MemoryCounterStore
from dlms.security.hls import GmacScheme, SecretScheme, Sha256Scheme, aes_128_ecb
from dlms.security.keys import KeySet, Secret
from dlms.security.protection import protect, unprotect
from dlms.security.providers import MemoryKeyProvider
from dlms.security.suite import SUITE_0, SUITE_1, SUITE_2, SecurityControl
from dlms.security.wrap import unwrap, wrap
from tests.vectors.shared import records

pytestmark = pytest.mark.vectors

RECORDS = {record["id"]: record for record in records("security")}
h = bytes.fromhex
KEYS = KeySet(h("000102030405060708090A0B0C0D0E0F"), authentication=h("D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"))
PLAINTEXT = h("C0010000080000010000FF0200")
SERVER, CLIENT = h("4D4D4D0000BC614E"), h("4D4D4D0000000001")


def message(record: dict[str, Any]) -> None:
    """One protected message: both ways."""
    keys = KeySet(h(record["ek"]), authentication=h(record["ak"]))
    title, counter, control = (
        h(record["system_title"]),
        int(record["ic"], 16),
        SecurityControl.parse(int(record["sc"], 16)),
    )
    plaintext, body = h(record["plaintext"]), h(record["apdu"])[2:]
    assert protect(plaintext, control, keys, title, counter) == body
    found = unprotect(body, keys, title, verify=control.authenticated)
    assert found == (plaintext, control, counter, control.authenticated)


def gmac(own: str, peer: bytes, counter: str, received: str, sent: str, answer: str, record: dict[str, Any]) -> None:
    keys = MemoryKeyProvider(KeySet(h(record["ek"]), authentication=h(record["ak"])))
    store = Counters(MemoryCounterStore(), first=int(record[counter], 16))
    title = h(record[own])
    challenges = h(record[received]), h(record[sent])
    assert GmacScheme(Channel(keys, store, title, peer)).prove(*challenges) == h(record[answer])
    GmacScheme(Channel(keys, store, peer, title)).check(h(record[answer]), *reversed(challenges))


def digest(mechanism: Mechanism, record: dict[str, Any]) -> None:
    scheme = SecretScheme(mechanism, h(record["secret"]), allow_weak=True)
    assert scheme.prove(h(record["StoC"]), h(record["CtoS"])) == h(record["f_StoC"])
    assert scheme.prove(h(record["CtoS"]), h(record["StoC"])) == h(record["f_CtoS"])


def sha256(record: dict[str, Any]) -> None:
    client, server = h(record["client_title"]), h(record["server_title"])
    ctos, stoc = h(record["CtoS"]), h(record["StoC"])
    secret = Secret(h(record["secret"]))
    assert Sha256Scheme(secret, client, server).prove(stoc, ctos) == h(record["f_StoC"])
    assert Sha256Scheme(secret, server, client).prove(ctos, stoc) == h(record["f_CtoS"])


def ecb(record: dict[str, Any]) -> None:
    assert aes_128_ecb(Secret(h(record["secret"])), h(record["StoC"])) == h(record["f_StoC"])


def key_wrap(suite: Any, record: dict[str, Any]) -> None:
    kek, key, wrapped = (Secret(h(record["kek"])), Secret(h(record["key"])), h(record["wrapped"]))
    assert wrap(kek, key, suite) == wrapped
    assert unwrap(kek, wrapped, suite) == key


def private(octets: str) -> Any:
    return points.private_key(Secret(h(octets)), SUITE_1)


def verifier(octets: str) -> Any:
    return functools.partial(signature.verify, points.public_key(h(octets), SUITE_1), SUITE_1)


def key_pairs(record: dict[str, Any]) -> None:
    for side in ("client", "server"):
        key = private(record[f"{side}_sign_priv"]).public_key()
        assert points.public_octets(key, SUITE_1) == h(record[f"{side}_sign_pub"])


def signed_ephemeral(record: dict[str, Any]) -> None:
    verify = verifier(record["signer_pub"])
    verify(h(record["signature"]), h(record["signed_data"]))
    data = h(record["client_eph_pub"] + record["signature"])
    point = agreement.verified_ephemeral(data, SUITE_1, verify, int(record["key_id"], 16))
    assert point == h(record["client_eph_pub"])


def ephemeral_unified(record: dict[str, Any]) -> None:
    own, peer = private(record["server_eph_priv"]), h(record["client_eph_pub"])
    titles = h(record["party_u_client_title"]), h(record["party_v_server_title"])
    assert points.public_octets(own.public_key(), SUITE_1) == h(record["server_eph_pub"])
    assert agreement.shared_secret(own, peer, SUITE_1) == Secret(h(record["Z"]))
    assert agreement.agree(own, peer, SUITE_1, *titles) == Secret(h(record["key_correct"]))
    old = agreement.agree(own, peer, SUITE_1, *titles, arc=IdentifierArc.EDITION_8_0)
    assert old == Secret(h(record["key_ed8_0"]))


def one_pass(own: str, data: bytes, signer: str, titles: tuple[bytes, bytes], record: dict[str, Any]) -> None:
    point = agreement.verified_ephemeral(data, SUITE_1, verifier(RECORDS["GB-C1-keys"][signer]))
    key = private(own)
    assert agreement.shared_secret(key, point, SUITE_1) == Secret(h(record["Z"]))
    assert agreement.agree(key, point, SUITE_1, *titles) == Secret(h(record["ek"]))
    old = agreement.agree(key, point, SUITE_1, *titles, arc=IdentifierArc.EDITION_8_0)
    assert old == Secret(h(record["ek_ed8_0_typo"]))


def one_pass_request(record: dict[str, Any]) -> None:
    data = h(record["key_ciphered_data"])
    one_pass(record["server_ka_priv"], data, "client_sign_pub", (SERVER, CLIENT), record)
    key = private(record["client_eph_priv"])
    agreed = agreement.agree(key, h(record["server_ka_pub"]), SUITE_1, SERVER, CLIENT)
    assert agreed == Secret(h(record["ek"]))


def one_pass_response(record: dict[str, Any]) -> None:
    data = h(record["server_eph_pub"] + record["eph_signature_by_server"])
    one_pass(record["client_ka_priv"], data, "server_sign_pub", (CLIENT, SERVER), record)


def agreed_ciphertext(record: dict[str, Any]) -> None:
    """The ciphertext only: nobody has reproduced the printed tag."""
    assert record["tag_verified"] is False
    keys = KeySet(h(record["ek"]), authentication=KEYS.authentication)
    control = SecurityControl.parse(int(record["sc"], 16))
    body = protect(h(record["plaintext"]), control, keys, SERVER, int(record["ic"], 16))
    assert body[5:-12] == h(record["ciphertext"])


def static_unified(record: dict[str, Any]) -> None:
    own, peer = private(record["client_ka_priv"]), private(record["server_ka_priv"])
    for one, other in ((own, peer), (peer, own)):
        point = points.public_octets(other.public_key(), SUITE_1)
        assert agreement.shared_secret(one, point, SUITE_1) == Secret(h(record["Z"]))
        key = agreement.agree(one, point, SUITE_1, SERVER, CLIENT, transaction_id=h(record["transaction_id"]))
        assert key == Secret(h(record["ek"]))
    agreed_ciphertext(record)


def p384(record: dict[str, Any]) -> None:
    key = points.public_key(h(record["pub"]), SUITE_2)
    signature.verify(key, SUITE_2, h(record["signature"]), h(record["message"]))


def general_glo(record: dict[str, Any]) -> None:
    apdu = h(record["apdu"])
    assert apdu[:2] + apdu[2:10] == b"\xdb\x08" + SERVER
    assert unprotect(apdu[11:], KEYS, SERVER).plaintext == PLAINTEXT


def dedicated(record: dict[str, Any]) -> None:
    keys, body = KEYS.replace(dedicated=h(record["dedicated_key"])), h(record["apdu"])[2:]
    found = unprotect(body, keys, SERVER, dedicated=True)
    assert (found.plaintext, found.invocation_counter) == (PLAINTEXT, 0)
    assert protect(PLAINTEXT, found.control, keys, SERVER, 0, dedicated=True) == body


def general_ciphering(record: dict[str, Any]) -> None:
    apdu = h(record["apdu"])
    header = h(record["aad"])[17:]
    assert apdu[1 : 1 + len(header)] == header
    body = apdu[1 + len(header) :]
    body = body[body.index(b"\x1e") + 1 :]
    assert unprotect(body, KEYS, SERVER, header).plaintext == PLAINTEXT
    assert protect(PLAINTEXT, SecurityControl.parse(0x30), KEYS, SERVER, 0x01234567, header) == body


def wrapped_key(record: dict[str, Any]) -> None:
    info = h(record["key_info"])
    assert info[3] == 24
    assert unwrap(Secret(h(record["kek"])), info[4:], SUITE_0) == Secret(h("00112233445566778899AABBCCDDEEFF"))


CHECKS = {
    **dict.fromkeys(("GB-T40-A", "GB-T40-E", "GB-T40-AE", "GB-glo-initreq", "GB-glo-initresp"), message),
    **dict.fromkeys(("CALC-suite1-AE", "CALC-suite2-AE"), message),
    "GB-T43-pass3": functools.partial(gmac, "client_system_title", SERVER, "client_ic", "StoC", "CtoS", "f_StoC"),
    "GB-T43-pass4": functools.partial(gmac, "server_system_title", CLIENT, "server_ic", "CtoS", "StoC", "f_CtoS"),
    "RFC3394-128": functools.partial(key_wrap, SUITE_0),
    "RFC3394-256": functools.partial(key_wrap, SUITE_2),
    "GB-C1-keys": key_pairs,
    "GB-C1-sig": signed_ephemeral,
    "GB-C1-kdf": ephemeral_unified,
    "GB-C2-request": one_pass_request,
    "GB-C2-ciphertext": agreed_ciphertext,
    "GB-C2-response": one_pass_response,
    "GB-C3-static": static_unified,
    "SUITEB-P384": p384,
    "CALC-HLS3-MD5": functools.partial(digest, Mechanism.HLS_MD5),
    "CALC-HLS4-SHA1": functools.partial(digest, Mechanism.HLS_SHA1),
    "CALC-HLS6-SHA256": sha256,
    "CALC-HLS2-AES": ecb,
    "CALC-genglo": general_glo,
    "CALC-ded": dedicated,
    "CALC-gen-identified": general_ciphering,
    "CALC-gen-wrapped-keyinfo": wrapped_key,
}
LINK_LAYER = {"HDLC-DISC-DM", "HDLC-SNRM-default"}


@pytest.mark.parametrize("identity", CHECKS)
def test_record(identity):
    CHECKS[identity](RECORDS[identity])


def test_no_record_is_left_out():
    assert set(RECORDS) == set(CHECKS) | LINK_LAYER
