"""Keys and counters together: the order of the checks, and what each refusal leaves behind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.errors import SecurityError
from dlms.security.channel import Channel
from dlms.security.counters import END, CounterError, Counters, MemoryCounterStore
from dlms.security.keys import KeyMaterialError, KeySet, Secret
from dlms.security.protection import protect
from dlms.security.providers import KeyProvider, MemoryKeyProvider
from dlms.security.suite import SUITE_2, SecurityControl
from tests.dlms.security.published import AUTHENTICATION, CLIENT_TITLE, ENCRYPTION, KEYS, SERVER_TITLE

BOTH, AUTH, ENC = (SecurityControl.parse(octet) for octet in (0x30, 0x10, 0x20))


def pair(keys: KeySet = KEYS) -> tuple[Channel, Channel]:
    provider: KeyProvider = MemoryKeyProvider(keys)
    client = Channel(provider, Counters(MemoryCounterStore()), CLIENT_TITLE, SERVER_TITLE)
    server = Channel(provider, Counters(MemoryCounterStore()), SERVER_TITLE, CLIENT_TITLE)
    return client, server


@given(st.lists(st.tuples(st.sampled_from([0x10, 0x30]), st.booleans(), st.binary(max_size=40)), max_size=10))
def test_both_ways_with_rising_counters(messages):
    client, server = pair()
    counters: dict[bool, list[int]] = {True: [], False: []}
    for octet, upwards, plaintext in messages:
        control = SecurityControl.parse(octet)
        sender, receiver = (client, server) if upwards else (server, client)
        found = receiver.unprotect(sender.protect(plaintext, control), control)
        assert (found.plaintext, found.verified) == (plaintext, True)
        counters[upwards].append(found.invocation_counter)
    for drawn in counters.values():
        assert drawn == list(range(len(drawn)))


def test_replay_is_refused_and_says_what_is_expected():
    client, server = pair()
    first, second = client.protect(b"1", BOTH), client.protect(b"2", BOTH)
    server.unprotect(second, BOTH)
    for old in (first, second):
        with pytest.raises(CounterError) as refusal:
            server.unprotect(old, BOTH)
        assert refusal.value.expected == 2
    server.unprotect(client.protect(b"3", BOTH), BOTH)


def test_reflection_is_refused():
    client, _ = pair()
    with pytest.raises(SecurityError, match="does not fit"):
        client.unprotect(client.protect(b"1", BOTH), BOTH)


def test_a_forged_counter_locks_nobody_out():
    client, server = pair()
    forged = bytearray(client.protect(b"1", BOTH))
    forged[1:5] = b"\xff\xff\xff\xfe"
    with pytest.raises(SecurityError, match="does not fit"):
        server.unprotect(bytes(forged), BOTH)
    assert server.receiving().expected == 0
    server.unprotect(client.protect(b"2", BOTH), BOTH)


def test_an_old_counter_is_refused_before_any_cryptography():
    client, server = pair()
    message = client.protect(b"1", BOTH)
    server.unprotect(message, BOTH)

    class NoKeys(MemoryKeyProvider):
        def unprotect(self, *args: object, **options: object) -> None:
            raise AssertionError("must not be reached")

    server.provider = NoKeys(KEYS)
    with pytest.raises(CounterError):
        server.unprotect(message, BOTH)


def test_the_last_number_is_refused():
    _, server = pair()
    body = protect(b"1", BOTH, KEYS, CLIENT_TITLE, END)
    with pytest.raises(CounterError):
        server.unprotect(body, BOTH)


@pytest.mark.parametrize(
    ("sent", "required"),
    [(0x10, 0x30), (0x20, 0x30), (0x20, 0x10), (0x10, 0x20), (0x31, 0x30), (0x70, 0x30), (0x30, 0x70)],
)
def test_weaker_or_other_protection_is_refused(sent, required):
    client, server = pair(KEYS.replace(broadcast=b"b" * 16))
    body = client.protect(b"1", SecurityControl.parse(sent))
    with pytest.raises(SecurityError, match=f"control {sent:02x} is weaker than {required:02x}"):
        server.unprotect(body, SecurityControl.parse(required))
    assert server.receiving().expected == 0


@pytest.mark.parametrize("required", [0x10, 0x20])
def test_stronger_protection_is_welcome(required):
    client, server = pair()
    assert server.unprotect(client.protect(b"1", BOTH), SecurityControl.parse(required)).verified


def test_encrypted_only_proves_nothing_and_moves_nothing():
    client, server = pair()
    found = server.unprotect(client.protect(b"1", ENC), ENC)
    assert (found.plaintext, found.verified) == (b"1", False)
    assert server.receiving().expected == 0


def test_encrypted_only_does_not_pull_authentication_down():
    """Where encryption suffices, a message that claims to be authenticated must still be."""
    client, server = pair()
    body = client.protect(b"1", BOTH)
    with pytest.raises(SecurityError, match="does not fit"):
        server.unprotect(body[:-1] + bytes([body[-1] ^ 1]), ENC)
    server.provider = MemoryKeyProvider(KeySet(ENCRYPTION))
    with pytest.raises(KeyMaterialError, match="no authentication key"):
        server.unprotect(body, ENC)


@pytest.mark.parametrize("body", [b"", b"\x30\0\0\0"])
def test_short_messages(body):
    with pytest.raises(SecurityError, match="at least 5"):
        pair()[1].unprotect(body, BOTH)


def test_each_key_has_its_series():
    client, server = pair(KEYS.replace(broadcast=b"b" * 16, dedicated=b"d" * 16))
    wide = SecurityControl.parse(0x70)
    for _ in range(2):
        server.unprotect(client.protect(b"1", BOTH), BOTH)
        server.unprotect(client.protect(b"1", wide), wide)
        server.unprotect(client.protect(b"1", BOTH, dedicated=True), BOTH, dedicated=True)
    expected = [
        server.receiving().expected,
        server.receiving(broadcast=True).expected,
        server.receiving(dedicated=True).expected,
    ]
    assert expected == [2, 2, 2]


def test_the_same_key_in_two_sets_has_one_series():
    keys = KEYS.replace(broadcast=KEYS.encryption, dedicated=KEYS.encryption)
    client, _ = pair(keys)
    wide = SecurityControl.parse(0x70)
    bodies = [client.protect(b"1", BOTH), client.protect(b"1", wide), client.protect(b"1", BOTH, dedicated=True)]
    assert [body[4] for body in bodies] == [0, 1, 2]


def test_two_associations_share_the_series_of_one_key():
    counters, provider = Counters(MemoryCounterStore()), MemoryKeyProvider(KEYS)
    one, two = (Channel(provider, counters, CLIENT_TITLE, SERVER_TITLE) for _ in range(2))
    assert [one.protect(b"", BOTH)[4], two.protect(b"", BOTH)[4], one.protect(b"", BOTH)[4]] == [0, 1, 2]
    peer = Channel(provider, counters, SERVER_TITLE, CLIENT_TITLE)
    message = one.protect(b"", BOTH)
    peer.unprotect(message, BOTH)
    with pytest.raises(CounterError):
        Channel(provider, counters, SERVER_TITLE, CLIENT_TITLE).unprotect(message, BOTH)


def test_dedicated_counters_may_be_others():
    lasting, passing = Counters(MemoryCounterStore(), first=100), Counters(MemoryCounterStore(), first=200)
    provider = MemoryKeyProvider(KEYS).with_dedicated(Secret(b"d" * 16))
    channel = Channel(provider, lasting, CLIENT_TITLE, SERVER_TITLE, dedicated_counters=passing)
    assert channel.protect(b"", BOTH)[4] == 100
    assert channel.protect(b"", BOTH, dedicated=True)[4] == 200
    channel = Channel(provider, lasting, CLIENT_TITLE, SERVER_TITLE)
    assert channel.protect(b"", BOTH, dedicated=True)[4] == 100


def test_counters_are_those_of_the_unicast_key_unless_said():
    client, _ = pair(KEYS.replace(broadcast=b"b" * 16, dedicated=b"d" * 16))
    client.protect(b"", BOTH)
    assert client.sending().draw() == 1
    assert client.sending(broadcast=True).draw() == 0
    assert client.sending(dedicated=True).draw() == 0


def test_header_travels_into_the_tag():
    client, server = pair()
    body = client.protect(b"1", BOTH, b"\x01\x02")
    with pytest.raises(SecurityError):
        server.unprotect(body, BOTH)
    assert server.unprotect(body, BOTH, b"\x01\x02").verified


@pytest.mark.parametrize(
    ("own", "peer", "reason"),
    [
        (SERVER_TITLE, SERVER_TITLE, "same system title"),
        (b"", SERVER_TITLE, "8 octets"),
        (SERVER_TITLE, SERVER_TITLE[:7], "8 octets"),
    ],
)
def test_titles_are_two_of_eight_octets(own, peer, reason):
    with pytest.raises(SecurityError, match=reason):
        Channel(MemoryKeyProvider(KEYS), Counters(MemoryCounterStore()), own, peer)


def test_missing_keys_are_named():
    client, _ = pair()
    with pytest.raises(KeyMaterialError, match="no dedicated key"):
        client.protect(b"", BOTH, dedicated=True)
    with pytest.raises(KeyMaterialError, match="no broadcast key"):
        client.protect(b"", SecurityControl.parse(0x70))


def test_suite_2():
    provider = MemoryKeyProvider(KeySet(ENCRYPTION * 2, authentication=AUTHENTICATION * 2), SUITE_2)
    client = Channel(provider, Counters(MemoryCounterStore()), CLIENT_TITLE, SERVER_TITLE)
    server = Channel(provider, Counters(MemoryCounterStore()), SERVER_TITLE, CLIENT_TITLE)
    control = SecurityControl.parse(0x32)
    assert server.unprotect(client.protect(b"1", control), control).verified
