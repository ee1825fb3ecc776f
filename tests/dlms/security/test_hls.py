"""High level security: the published answers, every mechanism end to end, and every way to cheat that we know."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.enums import Mechanism
from dlms.errors import LocalProtocolError, SecurityError
from dlms.security import points, signature
from dlms.security.channel import Channel
from dlms.security.counters import CounterError, Counters, MemoryCounterStore
from dlms.security.hls import (
    MAX_CHALLENGE,
    VENDOR_SCHEMES,
    WEAK,
    EcdsaScheme,
    GmacScheme,
    Handshake,
    Role,
    Scheme,
    SecretScheme,
    Sha256Scheme,
    aes_128_ecb,
    check_challenge,
    min_challenge,
    new_challenge,
)
from dlms.security.keys import KeyMaterialError, KeySet, Secret
from dlms.security.providers import MemoryKeyProvider
from dlms.security.suite import SUITE_0, SUITE_1, SUITE_2, SecurityControl, SecuritySuite
from tests.dlms.security.published import (
    AUTHENTICATION,
    CLIENT_TITLE,
    COUNTER,
    CTOS,
    ENCRYPTION,
    GMAC_F_CTOS,
    GMAC_F_STOC,
    SERVER_TITLE,
    STOC,
)

SECRET = b"12345678"
HLS = [mechanism for mechanism in Mechanism if mechanism >= 2]


def gmac(own: bytes, peer: bytes, first: int = 0, suite: SecuritySuite = SUITE_0) -> GmacScheme:
    repeat = suite.key_length // 16
    provider = MemoryKeyProvider(KeySet(ENCRYPTION * repeat, authentication=AUTHENTICATION * repeat), suite)
    return GmacScheme(Channel(provider, Counters(MemoryCounterStore(), first=first), own, peer))


@functools.cache
def signing_keys(suite: SecuritySuite) -> tuple[points.ec.EllipticCurvePrivateKey, ...]:
    return points.generate(suite), points.generate(suite)


def ecdsa(suite: SecuritySuite) -> tuple[EcdsaScheme, EcdsaScheme]:
    client, server = signing_keys(suite)

    def scheme(own: bytes, peer: bytes, key: object, peer_key: object) -> EcdsaScheme:
        return EcdsaScheme(
            functools.partial(signature.sign, key, suite),
            functools.partial(signature.verify, peer_key.public_key(), suite),
            own,
            peer,
        )

    return scheme(CLIENT_TITLE, SERVER_TITLE, client, server), scheme(SERVER_TITLE, CLIENT_TITLE, server, client)


def schemes(
    mechanism: Mechanism, client_secret: bytes = SECRET, server_secret: bytes = SECRET
) -> tuple[Scheme, Scheme]:
    if mechanism in WEAK:
        return tuple(SecretScheme(mechanism, secret, allow_weak=True) for secret in (client_secret, server_secret))
    if mechanism is Mechanism.HLS_SHA256:
        return (
            Sha256Scheme(Secret(client_secret), CLIENT_TITLE, SERVER_TITLE),
            Sha256Scheme(Secret(server_secret), SERVER_TITLE, CLIENT_TITLE),
        )
    if mechanism is Mechanism.HLS_GMAC:
        return gmac(CLIENT_TITLE, SERVER_TITLE), gmac(SERVER_TITLE, CLIENT_TITLE)
    return ecdsa(SUITE_1)


class Side(Handshake):
    """A side whose scheme is known from the start."""

    def __init__(self, scheme: Scheme, role: Role) -> None:
        super().__init__(scheme.mechanism, role)
        self.scheme = scheme

    def receive(self, challenge: bytes) -> None:
        super().receive(challenge, self.scheme)


def sides(mechanism: Mechanism, **options: bytes) -> tuple[Side, Side]:
    client, server = schemes(mechanism, **options)
    return Side(client, Role.CLIENT), Side(server, Role.SERVER)


def exchange(client: Side, server: Side) -> None:
    client.receive(server.challenge)
    server.receive(client.challenge)
    server.check(client.prove())
    client.check(server.prove())


def test_published_gmac_answers():
    client, server = gmac(CLIENT_TITLE, SERVER_TITLE, first=1), gmac(SERVER_TITLE, CLIENT_TITLE, first=COUNTER)
    answer = client.prove(STOC, CTOS)
    assert answer == GMAC_F_STOC
    server.check(answer, CTOS, STOC)
    answer = server.prove(CTOS, STOC)
    assert answer == GMAC_F_CTOS
    client.check(answer, STOC, CTOS)


@pytest.mark.parametrize(
    ("mechanism", "algorithm"), [(Mechanism.HLS_MD5, hashlib.md5), (Mechanism.HLS_SHA1, hashlib.sha1)]
)
def test_digest_of_challenge_and_secret(mechanism, algorithm):
    client, server = schemes(mechanism)
    assert client.prove(STOC, CTOS) == algorithm(STOC + SECRET).digest()
    assert server.prove(CTOS, STOC) == algorithm(CTOS + SECRET).digest()
    client.check(algorithm(CTOS + SECRET).digest(), STOC, CTOS)


def test_sha256_binds_titles_and_challenges():
    client, server = schemes(Mechanism.HLS_SHA256)
    f_stoc = hashlib.sha256(SECRET + CLIENT_TITLE + SERVER_TITLE + STOC + CTOS).digest()
    f_ctos = hashlib.sha256(SECRET + SERVER_TITLE + CLIENT_TITLE + CTOS + STOC).digest()
    assert client.prove(STOC, CTOS) == f_stoc
    assert server.prove(CTOS, STOC) == f_ctos
    server.check(f_stoc, CTOS, STOC)
    client.check(f_ctos, STOC, CTOS)


@pytest.mark.parametrize("suite", [SUITE_1, SUITE_2], ids=lambda suite: suite.curve_name)
def test_ecdsa_signs_titles_and_challenges(suite):
    client, server = ecdsa(suite)
    client_key, server_key = signing_keys(suite)
    answer = client.prove(STOC, CTOS)
    signature.verify(client_key.public_key(), suite, answer, CLIENT_TITLE + SERVER_TITLE + STOC + CTOS)
    server.check(answer, CTOS, STOC)
    answer = signature.sign(server_key, suite, SERVER_TITLE + CLIENT_TITLE + CTOS + STOC)
    client.check(answer, STOC, CTOS)
    with pytest.raises(SecurityError):
        server.check(answer, CTOS, STOC)


def test_common_scheme_of_mechanism_2():
    key = bytes(range(16))
    assert aes_128_ecb(Secret(key), STOC * 2).hex().upper() == "90439856FF08EAA1C6F5E5A10AC8C7FE"
    assert aes_128_ecb(Secret(b"123"), b"12345678") == aes_128_ecb(Secret(b"123" + bytes(13)), b"12345678" + bytes(8))
    assert len(aes_128_ecb(Secret(key), bytes(17))) == 32
    with pytest.raises(KeyMaterialError, match="not 17"):
        aes_128_ecb(Secret(bytes(17)), STOC)
    assert VENDOR_SCHEMES["aes-128-ecb"] is aes_128_ecb


def test_mechanism_2_takes_another_function():
    scheme = SecretScheme(Mechanism.HLS, SECRET, allow_weak=True, vendor=lambda secret, data: secret.reveal() + data)
    assert scheme.prove(b"received", b"sent") == SECRET + b"received"
    scheme.check(SECRET + b"sent", b"received", b"sent")
    # the others have no choice
    for mechanism in (Mechanism.HLS_MD5, Mechanism.HLS_SHA1):
        scheme = SecretScheme(mechanism, SECRET, allow_weak=True, vendor=lambda secret, data: data)
        assert scheme.prove(STOC, CTOS) == schemes(mechanism)[0].prove(STOC, CTOS)


@pytest.mark.parametrize("mechanism", HLS)
def test_every_mechanism_end_to_end(mechanism):
    client, server = sides(mechanism)
    assert len(client.challenge) == (64 if mechanism is Mechanism.HLS_ECDSA else 32)
    assert client.challenge != server.challenge
    exchange(client, server)
    assert client.authenticated
    assert server.authenticated


@pytest.mark.parametrize("suite", [SUITE_1, SUITE_2])
def test_gmac_in_the_other_suites(suite):
    client = Side(gmac(CLIENT_TITLE, SERVER_TITLE, suite=suite), Role.CLIENT)
    server = Side(gmac(SERVER_TITLE, CLIENT_TITLE, suite=suite), Role.SERVER)
    exchange(client, server)
    assert client.authenticated
    assert client.scheme.control.octet == 0x10 | suite.id


@pytest.mark.parametrize("mechanism", [m for m in HLS if m not in (Mechanism.HLS_GMAC, Mechanism.HLS_ECDSA)])
def test_another_secret_fails(mechanism):
    client, server = sides(mechanism, client_secret=b"87654321")
    client.receive(server.challenge)
    server.receive(client.challenge)
    with pytest.raises(SecurityError, match="does not know the secret"):
        server.check(client.prove())
    assert not server.authenticated


@pytest.mark.parametrize("mechanism", HLS)
@pytest.mark.parametrize(
    "spoil", [lambda a: b"", lambda a: a[:-1], lambda a: a + b"\0", lambda a: a[:-1] + bytes([a[-1] ^ 1])]
)
def test_a_spoilt_answer_ends_the_handshake(mechanism, spoil):
    client, server = sides(mechanism)
    client.receive(server.challenge)
    server.receive(client.challenge)
    answer = client.prove()
    with pytest.raises(SecurityError):
        server.check(spoil(answer))
    for step in (lambda: server.check(answer), server.prove, lambda: server.receive(client.challenge)):
        with pytest.raises(LocalProtocolError):
            step()
    assert not server.authenticated


@pytest.mark.parametrize("mechanism", HLS)
def test_an_answer_that_is_sent_back_fails(mechanism):
    """Reflection: the server's answer is the client's own."""
    client, server = sides(mechanism)
    client.receive(server.challenge)
    server.receive(client.challenge)
    answer = client.prove()
    with pytest.raises(SecurityError):
        client.check(answer)
    assert not client.authenticated


@pytest.mark.parametrize("mechanism", HLS)
def test_own_challenge_sent_back_is_refused(mechanism):
    client, _ = sides(mechanism)
    with pytest.raises(SecurityError, match="our own challenge back"):
        client.receive(client.challenge)
    with pytest.raises(LocalProtocolError):
        client.prove()


@pytest.mark.parametrize("mechanism", HLS)
def test_an_answer_is_worth_nothing_another_time(mechanism):
    client, server = sides(mechanism)
    exchange(client, server)
    fresh = Side(server.scheme, Role.SERVER)
    fresh.receive(client.challenge)
    recorded = Side(client.scheme, Role.CLIENT)
    recorded.receive(server.challenge)
    with pytest.raises(SecurityError):
        fresh.check(recorded.prove())


def test_order_of_the_client():
    for early in ("prove", "check"):
        client, _ = sides(Mechanism.HLS_GMAC)
        with pytest.raises(LocalProtocolError, match=f"client cannot {early} now"):
            getattr(client, early)(*([b""] if early == "check" else []))
        assert not client.authenticated
        with pytest.raises(LocalProtocolError, match="cannot receive"):
            client.receive(STOC)


def test_a_client_proves_itself_first():
    client, server = sides(Mechanism.HLS_SHA1)
    client.receive(server.challenge)
    with pytest.raises(LocalProtocolError, match="cannot check"):
        client.check(b"")


def test_a_server_proves_nothing_to_a_stranger():
    client, server = sides(Mechanism.HLS_SHA1)
    server.receive(client.challenge)
    with pytest.raises(LocalProtocolError, match="server cannot prove now"):
        server.prove()


def test_nothing_happens_twice():
    client, server = sides(Mechanism.HLS_GMAC)
    exchange(client, server)
    with pytest.raises(LocalProtocolError):
        client.prove()
    assert not client.authenticated
    assert server.authenticated


def test_authenticated_only_when_all_is_done():
    client, server = sides(Mechanism.HLS_GMAC)
    seen = [client.authenticated, server.authenticated]
    client.receive(server.challenge)
    server.receive(client.challenge)
    seen += [client.authenticated, server.authenticated]
    server.check(client.prove())
    seen += [client.authenticated, server.authenticated]
    answer = server.prove()
    seen += [client.authenticated]
    assert seen == [False] * 7
    client.check(answer)
    assert client.authenticated
    assert server.authenticated


def test_a_proof_that_fails_ends_the_handshake():
    class Broken(SecretScheme):
        def prove(self, received: bytes, sent: bytes) -> bytes:
            raise KeyMaterialError("gone")

    client = Side(Broken(Mechanism.HLS_MD5, SECRET, allow_weak=True), Role.CLIENT)
    client.receive(STOC)
    with pytest.raises(KeyMaterialError):
        client.prove()
    with pytest.raises(LocalProtocolError):
        client.prove()


@pytest.mark.parametrize("mechanism", HLS)
def test_lengths_of_challenges(mechanism):
    shortest = 32 if mechanism is Mechanism.HLS_ECDSA else 8
    assert min_challenge(mechanism) == shortest
    assert MAX_CHALLENGE == 64
    for length in range(shortest, 65):
        assert len(new_challenge(mechanism, length)) == length
        check_challenge(mechanism, bytes(length), b"other")
    for length in (-1, 0, shortest - 1, 65):
        with pytest.raises(LocalProtocolError, match=f"{shortest} to 64"):
            new_challenge(mechanism, length)
    for length in (0, shortest - 1, 65, 1000):
        with pytest.raises(SecurityError, match=f"{shortest} to 64 octets, this one {length}"):
            check_challenge(mechanism, bytes(length), b"other")
    assert len(Handshake(mechanism, Role.CLIENT, 33).challenge) == 33


def test_challenges_come_from_the_system(monkeypatch):
    monkeypatch.setattr(secrets, "token_bytes", lambda size: b"\xaa" * size)
    assert new_challenge(Mechanism.HLS_GMAC, 9) == b"\xaa" * 9


def test_challenges_differ():
    assert len({new_challenge(Mechanism.HLS_MD5, 8) for _ in range(100)}) == 100


@pytest.mark.parametrize("mechanism", sorted(WEAK))
def test_weak_mechanisms_must_be_allowed(mechanism):
    with pytest.raises(LocalProtocolError, match="weak"):
        SecretScheme(mechanism, SECRET)


def test_weak_is_what_binds_too_little():
    assert {2, 3, 4} == WEAK


@pytest.mark.parametrize("mechanism", [Mechanism.NONE, Mechanism.LLS, 5, 6, 7])
def test_other_mechanisms_are_other_schemes(mechanism):
    with pytest.raises(LocalProtocolError, match="not a mechanism of secret and challenge"):
        SecretScheme(Mechanism(mechanism), SECRET, allow_weak=True)


@pytest.mark.parametrize("mechanism", [2, 3, 4, 6])
def test_an_empty_secret_is_refused(mechanism):
    with pytest.raises(KeyMaterialError, match="empty secret"):
        schemes(Mechanism(mechanism), b"", b"")


@pytest.mark.parametrize(
    "titles", [(b"", SERVER_TITLE), (CLIENT_TITLE, b"1234567"), (CLIENT_TITLE + b"\0", SERVER_TITLE)]
)
def test_titles_have_eight_octets(titles):
    with pytest.raises(SecurityError, match="8 octets"):
        Sha256Scheme(Secret(SECRET), *titles)
    with pytest.raises(SecurityError, match="8 octets"):
        EcdsaScheme(bytes, lambda *_: None, *titles)


@pytest.mark.parametrize("octet", [0x00, 0x11, 0x12, 0x20, 0x30, 0x50, 0x90])
def test_gmac_takes_its_own_control_octet_only(octet):
    server = gmac(SERVER_TITLE, CLIENT_TITLE)
    answer = bytes([octet]) + gmac(CLIENT_TITLE, SERVER_TITLE).prove(STOC, CTOS)[1:]
    with pytest.raises(SecurityError, match="starts with 10"):
        server.check(answer, CTOS, STOC)


@pytest.mark.parametrize("length", [0, 1, 5, 16, 18])
def test_gmac_answer_has_17_octets(length):
    answer = (gmac(CLIENT_TITLE, SERVER_TITLE).prove(STOC, CTOS) + b"\0")[:length]
    with pytest.raises(SecurityError, match="17 octets"):
        gmac(SERVER_TITLE, CLIENT_TITLE).check(answer, CTOS, STOC)


def test_gmac_answer_is_taken_once():
    client, server = gmac(CLIENT_TITLE, SERVER_TITLE), gmac(SERVER_TITLE, CLIENT_TITLE)
    answer = client.prove(STOC, CTOS)
    server.check(answer, CTOS, STOC)
    with pytest.raises(CounterError):
        server.check(answer, CTOS, STOC)


def test_gmac_counts_with_the_messages_of_the_same_key():
    client = gmac(CLIENT_TITLE, SERVER_TITLE)
    client.channel.protect(b"", SecurityControl.parse(0x30))
    assert client.prove(STOC, CTOS)[:5] == b"\x10\0\0\0\1"
    assert client.channel.protect(b"", SecurityControl.parse(0x30))[:5] == b"\x30\0\0\0\2"


@pytest.mark.parametrize("shares", [False, True])
def test_gmac_answer_has_a_counter_of_its_own(shares):
    """The message around the answer was accepted before it; what came before had its counters, too."""
    control = SecurityControl.parse(0x30)
    for value, unused in ((6, False), (7, False), (8, True), (9, True), (10, shares), (11, True)):
        client = gmac(CLIENT_TITLE, SERVER_TITLE).channel
        server = dataclasses.replace(gmac(SERVER_TITLE, CLIENT_TITLE), shares_counter=shares)
        for counter in (5, 7, 10):
            server.channel.unprotect(client.provider.protect(b"", control, CLIENT_TITLE, counter), control)
        tagged = client.provider.protect(STOC, server.control, CLIENT_TITLE, value)
        answer = tagged[:5] + tagged[-12:]
        if unused:
            server.check(answer, CTOS, STOC)
        for _ in range(2):
            with pytest.raises(CounterError, match=f"counter {value} refused"):
                server.check(answer, CTOS, STOC)


@pytest.mark.parametrize("mechanism", [2, 3, 4, 6])
def test_answers_are_compared_in_constant_time(monkeypatch, mechanism):
    client, server = schemes(Mechanism(mechanism))
    answer = client.prove(STOC, CTOS)
    compared: list[tuple[bytes, bytes]] = []
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append((a, b)) or False)
    with pytest.raises(SecurityError):
        server.check(answer, CTOS, STOC)
    assert compared == [(answer, answer)]


@given(
    received=st.binary(min_size=8, max_size=64), sent=st.binary(min_size=8, max_size=64), mechanism=st.sampled_from(HLS)
)
def test_what_one_side_proves_the_other_checks(received, sent, mechanism):
    client, server = schemes(mechanism)
    answer = client.prove(received, sent)
    server.check(answer, sent, received)
    if mechanism not in (Mechanism.HLS_GMAC, *WEAK):
        with pytest.raises(SecurityError):
            server.check(answer, sent + b"\0", received)


def test_the_mechanism_of_a_scheme_is_not_an_argument():
    for scheme in (Sha256Scheme, GmacScheme, EcdsaScheme):
        with pytest.raises(TypeError, match="mechanism"):
            scheme(mechanism=Mechanism.NONE)


def test_schemes_say_their_mechanism_and_hide_their_secret():
    for mechanism in HLS:
        for scheme in schemes(mechanism):
            assert scheme.mechanism is mechanism
            assert SECRET.decode() not in repr(scheme)
    assert SECRET.decode() not in repr(Sha256Scheme(SECRET, CLIENT_TITLE, SERVER_TITLE))
