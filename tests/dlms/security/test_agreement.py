"""Key agreement: tables C.1 to C.3 of the Green Book, and what must not lead to a key."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.errors import LocalProtocolError, SecurityError
from dlms.security import agreement, points, signature
from dlms.security.agreement import Algorithm, IdentifierArc
from dlms.security.keys import Secret
from dlms.security.suite import SUITE_0, SUITE_1, SUITE_2
from tests.dlms.security.published import (
    C1_CLIENT_EPHEMERAL,
    C1_KEY_EDITION_8_0,
    C1_SERVER_EPHEMERAL,
    C1_SERVER_EPHEMERAL_PRIVATE,
    C1_SIGNATURE,
    C1_Z,
    C2_CLIENT_EPHEMERAL_PRIVATE,
    C2_KEY,
    C2_KEY_CIPHERED_DATA,
    C2_KEY_EDITION_8_0,
    C2_RESPONSE_KEY,
    C2_RESPONSE_KEY_CIPHERED_DATA,
    C2_RESPONSE_KEY_EDITION_8_0,
    C2_Z,
    C3_KEY,
    C3_Z,
    CLIENT_AGREE_PRIVATE,
    CLIENT_AGREE_PUBLIC,
    CLIENT_SIGN_PUBLIC,
    PARTY_U,
    PARTY_V,
    SERVER_AGREE_PRIVATE,
    SERVER_AGREE_PUBLIC,
    SERVER_SIGN_PUBLIC,
    TRANSACTION_ID,
)


def private(octets: bytes) -> points.ec.EllipticCurvePrivateKey:
    return points.private_key(Secret(octets), SUITE_1)


def verifier(octets: bytes):
    return functools.partial(signature.verify, points.public_key(octets, SUITE_1), SUITE_1)


CLIENT_SIGNED, SERVER_SIGNED = verifier(CLIENT_SIGN_PUBLIC), verifier(SERVER_SIGN_PUBLIC)


def agreed(key: bytes, peer: bytes, u: bytes = PARTY_U, v: bytes = PARTY_V, **options: object) -> bytes:
    return agreement.agree(private(key), peer, SUITE_1, u, v, **options).reveal()


def test_ephemeral_unified_c1():
    peer = agreement.verified_ephemeral(C1_CLIENT_EPHEMERAL + C1_SIGNATURE, SUITE_1, CLIENT_SIGNED, key_id=0)
    assert peer == C1_CLIENT_EPHEMERAL
    own = private(C1_SERVER_EPHEMERAL_PRIVATE)
    assert points.public_octets(own.public_key(), SUITE_1) == C1_SERVER_EPHEMERAL
    assert agreement.shared_secret(own, peer, SUITE_1) == Secret(C1_Z)
    old = agreed(C1_SERVER_EPHEMERAL_PRIVATE, peer, arc=IdentifierArc.EDITION_8_0)
    assert old == C1_KEY_EDITION_8_0
    # not printed: computed with the corrected identifier, by the rule that gives the printed keys of C.2 and C.3
    assert agreed(C1_SERVER_EPHEMERAL_PRIVATE, peer).hex().upper() == "C5F4512846EDE51CFB8CCF59F08A694E"


def test_one_pass_c2():
    peer = agreement.verified_ephemeral(C2_KEY_CIPHERED_DATA, SUITE_1, CLIENT_SIGNED)
    assert agreement.shared_secret(private(SERVER_AGREE_PRIVATE), peer, SUITE_1) == Secret(C2_Z)
    assert agreed(SERVER_AGREE_PRIVATE, peer) == C2_KEY
    assert agreed(C2_CLIENT_EPHEMERAL_PRIVATE, SERVER_AGREE_PUBLIC) == C2_KEY
    assert agreed(SERVER_AGREE_PRIVATE, peer, arc=IdentifierArc.EDITION_8_0) == C2_KEY_EDITION_8_0


def test_one_pass_c2_response():
    peer = agreement.verified_ephemeral(C2_RESPONSE_KEY_CIPHERED_DATA, SUITE_1, SERVER_SIGNED)
    assert agreed(CLIENT_AGREE_PRIVATE, peer, PARTY_V, PARTY_U) == C2_RESPONSE_KEY
    old = agreed(CLIENT_AGREE_PRIVATE, peer, PARTY_V, PARTY_U, arc=IdentifierArc.EDITION_8_0)
    assert old == C2_RESPONSE_KEY_EDITION_8_0


def test_static_unified_c3():
    assert agreement.shared_secret(private(CLIENT_AGREE_PRIVATE), SERVER_AGREE_PUBLIC, SUITE_1) == Secret(C3_Z)
    assert agreed(CLIENT_AGREE_PRIVATE, SERVER_AGREE_PUBLIC, transaction_id=TRANSACTION_ID) == C3_KEY
    assert agreed(SERVER_AGREE_PRIVATE, CLIENT_AGREE_PUBLIC, transaction_id=TRANSACTION_ID) == C3_KEY


@pytest.mark.parametrize("suite", [SUITE_1, SUITE_2], ids=lambda suite: suite.curve_name)
@given(key_id=st.none() | st.integers(0, 255), transaction_id=st.none() | st.binary(min_size=1, max_size=127))
def test_both_sides_come_to_one_key(suite, key_id, transaction_id):
    ours, theirs, signer = (points.generate(suite) for _ in range(3))
    sign = functools.partial(signature.sign, signer, suite)
    verify = functools.partial(signature.verify, signer.public_key(), suite)
    sent = agreement.signed_ephemeral(ours.public_key(), suite, sign, key_id)
    point = agreement.verified_ephemeral(sent, suite, verify, key_id)
    mine = points.public_octets(theirs.public_key(), suite)
    options = {"transaction_id": transaction_id}
    one = agreement.agree(ours, mine, suite, PARTY_U, PARTY_V, **options)
    assert one == agreement.agree(theirs, point, suite, PARTY_U, PARTY_V, **options)
    assert len(one) == suite.key_length
    assert one != agreement.agree(ours, mine, suite, PARTY_V, PARTY_U, **options)


@pytest.mark.parametrize("key_id", [0, 255])
def test_key_id_is_one_octet_in_front(key_id):
    seen: list[bytes] = []
    own = private(SERVER_AGREE_PRIVATE).public_key()
    made = agreement.signed_ephemeral(own, SUITE_1, lambda data: seen.append(data) or b"signature", key_id)
    assert seen == [bytes([key_id]) + SERVER_AGREE_PUBLIC]
    assert made == SERVER_AGREE_PUBLIC + b"signature"


def test_key_material_depends_on_everything():
    z = Secret(C2_Z)
    keys = [
        agreement.derive(z, SUITE_1, PARTY_U, PARTY_V),
        agreement.derive(z, SUITE_1, PARTY_V, PARTY_U),
        agreement.derive(z, SUITE_1, PARTY_U, PARTY_V, Algorithm.AES_WRAP_128),
        agreement.derive(z, SUITE_1, PARTY_U, PARTY_V, arc=IdentifierArc.EDITION_8_0),
        agreement.derive(Secret(C1_Z), SUITE_1, PARTY_U, PARTY_V),
        agreement.derive(z, SUITE_2, PARTY_U, PARTY_V),
    ]
    assert len({key.reveal() for key in keys}) == len(keys)
    assert keys[0] == agreement.derive(z, SUITE_1, PARTY_U, PARTY_V, Algorithm.AES_GCM_128)
    assert keys[5] == agreement.derive(z, SUITE_2, PARTY_U, PARTY_V, Algorithm.AES_GCM_256)


def test_algorithm_identifiers():
    assert [agreement.algorithm_id(a).hex() for a in Algorithm] == [f"608574050803{n:02x}" for n in range(4)]
    assert agreement.algorithm_id(Algorithm.AES_GCM_128, IdentifierArc.EDITION_8_0).hex() == "60857406080300"
    assert [a.key_length for a in Algorithm] == [16, 32, 16, 32]
    chosen = [(agreement.encryption_algorithm(s), agreement.wrapping_algorithm(s)) for s in (SUITE_0, SUITE_1, SUITE_2)]
    assert chosen == [(0, 2), (0, 2), (1, 3)]


@pytest.mark.parametrize(
    ("suite", "algorithm"),
    [
        (SUITE_1, Algorithm.AES_GCM_256),
        (SUITE_1, Algorithm.AES_WRAP_256),
        (SUITE_2, Algorithm.AES_GCM_128),
        (SUITE_2, Algorithm.AES_WRAP_128),
    ],
)
def test_algorithms_of_the_suite_only(suite, algorithm):
    with pytest.raises(LocalProtocolError, match="does not belong"):
        agreement.derive(Secret(C2_Z), suite, PARTY_U, PARTY_V, algorithm)


SIGNED = C1_CLIENT_EPHEMERAL + C1_SIGNATURE


@pytest.mark.parametrize(
    ("data", "key_id", "verify", "reason"),
    [
        (SIGNED[:-1] + bytes([SIGNED[-1] ^ 0x0F]), 0, CLIENT_SIGNED, "does not fit"),
        (SIGNED, 1, CLIENT_SIGNED, "does not fit"),
        (SIGNED, None, CLIENT_SIGNED, "does not fit"),
        (SIGNED, 0, SERVER_SIGNED, "does not fit"),
        (C2_KEY_CIPHERED_DATA, 0, CLIENT_SIGNED, "does not fit"),
        (SERVER_AGREE_PUBLIC + C1_SIGNATURE, 0, CLIENT_SIGNED, "does not fit"),
        (SIGNED[:-1], 0, CLIENT_SIGNED, "128 octets, these 127"),
        (SIGNED + b"\0", 0, CLIENT_SIGNED, "128 octets, these 129"),
        (C1_CLIENT_EPHEMERAL, 0, CLIENT_SIGNED, "128 octets, these 64"),
        (b"", 0, CLIENT_SIGNED, "128 octets, these 0"),
        (SIGNED, 256, CLIENT_SIGNED, "one octet"),
        (SIGNED, -1, CLIENT_SIGNED, "one octet"),
    ],
)
def test_unproven_ephemeral_keys(data, key_id, verify, reason):
    with pytest.raises(SecurityError, match=reason):
        agreement.verified_ephemeral(data, SUITE_1, verify, key_id)


def test_a_signed_point_off_the_curve_is_refused():
    with pytest.raises(SecurityError, match="not a point"):
        agreement.verified_ephemeral(bytes(128), SUITE_1, lambda *_: None, 0)


def test_the_signature_is_verified_before_the_point_is_touched():
    seen: list[tuple[bytes, bytes]] = []
    agreement.verified_ephemeral(SIGNED, SUITE_1, lambda *given: seen.append(given), 0)
    assert seen == [(C1_SIGNATURE, b"\0" + C1_CLIENT_EPHEMERAL)]


@pytest.mark.parametrize(
    "peer", [bytes(64), C1_CLIENT_EPHEMERAL[:-1], C1_CLIENT_EPHEMERAL[32:] + C1_CLIENT_EPHEMERAL[:32]]
)
def test_no_agreement_with_bad_points(peer):
    with pytest.raises(SecurityError):
        agreed(SERVER_AGREE_PRIVATE, peer)


def test_keys_stay_on_their_curve():
    with pytest.raises(LocalProtocolError, match="cannot agree in security suite 2"):
        agreement.shared_secret(private(SERVER_AGREE_PRIVATE), bytes(96), SUITE_2)
    with pytest.raises(LocalProtocolError, match="suite 0"):
        agreement.shared_secret(private(SERVER_AGREE_PRIVATE), bytes(64), SUITE_0)
    with pytest.raises(LocalProtocolError, match="suite 0"):
        agreement.verified_ephemeral(b"", SUITE_0, CLIENT_SIGNED)
    with pytest.raises(LocalProtocolError, match="suite 0"):
        agreement.derive(Secret(C1_Z), SUITE_0, PARTY_U, PARTY_V)


@pytest.mark.parametrize(("u", "v"), [(b"", PARTY_V), (PARTY_U, b"1234567"), (PARTY_U + b"\0", PARTY_V)])
def test_titles_have_eight_octets(u, v):
    with pytest.raises(SecurityError, match="8 octets"):
        agreed(SERVER_AGREE_PRIVATE, C1_CLIENT_EPHEMERAL, u, v)


def test_the_longest_transaction_id():
    assert agreed(SERVER_AGREE_PRIVATE, C1_CLIENT_EPHEMERAL, transaction_id=bytes(127))


@pytest.mark.parametrize("transaction_id", [b"", bytes(128)])
def test_transaction_ids_that_are_no_nonce(transaction_id):
    with pytest.raises(SecurityError, match="1 to 127"):
        agreed(SERVER_AGREE_PRIVATE, C1_CLIENT_EPHEMERAL, transaction_id=transaction_id)


def test_a_master_key_is_agreed_on_for_wrapping():
    for suite, size in ((SUITE_1, 128), (SUITE_2, 256)):
        named = {name: agreement.algorithm_of(name, suite) for name in ("encryption", "authentication", "master")}
        gcm, wrapping = Algorithm[f"AES_GCM_{size}"], Algorithm[f"AES_WRAP_{size}"]
        assert named == {"encryption": gcm, "authentication": gcm, "master": wrapping}
