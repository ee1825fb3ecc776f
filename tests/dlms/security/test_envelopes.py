"""What an envelope must not be: each refused for its own reason, and no counter moved by it."""

from __future__ import annotations

import dataclasses

import pytest

from dlms.apdu.protected import (
    AgreedKey,
    GeneralCiphering,
    GeneralGloCiphering,
    GeneralSigning,
    IdentifiedKey,
    ServiceCiphered,
    WrappedKey,
)
from dlms.ciphering import Ciphering, Security, Shape, overhead
from dlms.codec import decode, encode
from dlms.errors import LocalProtocolError, SecurityError
from dlms.security.channel import Channel
from dlms.security.counters import Counters, MemoryCounterStore
from dlms.security.policy import AUTHENTICATED_ENCRYPTED, Envelope, Protection
from dlms.security.providers import MemoryKeyProvider
from dlms.security.suite import SUITE_1, SecuritySuite
from tests.dlms.secured import CLIENT_TITLE, SERVER_TITLE, World, key_set, world

A, E, S = Protection.AUTHENTICATED, Protection.ENCRYPTED, Protection.SIGNED
AE = AUTHENTICATED_ENCRYPTED
GET = bytes.fromhex("c001c100030100010800ff0200")
GLO_GET = 0xC8
GENERAL, SIGNED_SHAPE = Shape(Envelope.GENERAL), Shape(Envelope.IDENTIFIED)
OTHER_TITLE = b"OTHER001"


def ends(suite: SecuritySuite = SUITE_1, **options: bool) -> tuple[Ciphering, Ciphering]:
    """The client's side and the server's."""
    of: World = world(suite=suite)
    client = Channel(of.security.provider, of.security.counters, CLIENT_TITLE, SERVER_TITLE)
    server = Channel(of.setup.provider, of.setup.counters, SERVER_TITLE, CLIENT_TITLE)
    return Ciphering(client, broadcast=options.get("broadcast", False)), Ciphering(server, **options)


def refused(server: Ciphering, data: bytes, match: str, required: Protection = Protection.NONE) -> None:
    with pytest.raises(SecurityError, match=match):
        server.open(data, required)


def test_what_is_signed_is_signed_once() -> None:
    client, server = ends()
    once = client.close(GET, S, GENERAL)
    assert server.open(once, S).plain == GET
    refused(server, client.close(once, S, GENERAL), "signed twice")


def test_what_is_ciphered_is_ciphered_once() -> None:
    client, server = ends()
    refused(server, client.close(client.close(GET, AE, GENERAL), AE, GENERAL), "ciphered twice")


@pytest.mark.parametrize("required", [A, E, S, AE, AE | S], ids=str)
def test_what_is_required_is_there(required: Protection) -> None:
    for protection in map(Protection, range(8)):
        client, server = ends()
        if protection & AE == E:
            continue
        data = client.close(GET, protection, GENERAL)
        if protection.covers(required):
            assert server.open(data, required)[:2] == (GET, protection)
        else:
            refused(server, data, "must be|weaker", required)


def test_encryption_alone_is_allowed_by_name() -> None:
    client, server = ends()
    data = client.close(GET, E, GENERAL)
    refused(server, data, "weaker")
    client, server = ends(allow_unauthenticated=True)
    assert server.open(client.close(GET, E, GENERAL), E).plain == GET


def test_a_general_envelope_comes_from_the_peer() -> None:
    client, server = ends()
    envelope = decode(GeneralGloCiphering, client.close(GET, AE, GENERAL))
    refused(server, encode(dataclasses.replace(envelope, system_title=OTHER_TITLE)), "comes from 4f54484552303031")


@pytest.mark.parametrize("field", ["originator_system_title", "recipient_system_title"])
@pytest.mark.parametrize("title", [OTHER_TITLE, b"", CLIENT_TITLE, SERVER_TITLE])
def test_titles_of_what_names_both_ends(field: str, title: bytes) -> None:
    client, server = ends()
    kinds = (GeneralCiphering, AE), (GeneralSigning, S)
    for kind, protection in kinds:
        message = decode(kind, client.close(GET, protection, SIGNED_SHAPE))
        spoilt = dataclasses.replace(message, **{field: title})
        if spoilt == message:
            assert server.open(encode(spoilt)).plain == GET
        else:
            refused(server, encode(spoilt), "comes from|meant for")


def test_nobody_is_meant_by_a_broadcast_only() -> None:
    client, server = ends(broadcast=True)
    shape = Shape(Envelope.IDENTIFIED, broadcast=True)
    assert server.open(client.close(GET, AE, shape)).plain == GET
    message = decode(GeneralCiphering, client.close(GET, AE, shape))
    refused(server, encode(dataclasses.replace(message, recipient_system_title=OTHER_TITLE)), "meant for")
    refused(server, encode(dataclasses.replace(message, recipient_system_title=SERVER_TITLE)), "does not fit")


@pytest.mark.parametrize("inner", ["c101c100030100010800ff02000600000001", "01000000065f1f0400001e1dffff", ""])
def test_a_service_is_inside_its_own_envelope(inner: str) -> None:
    client, server = ends()
    content = client.channel.protect(bytes.fromhex(inner), client._control(AE, False))
    refused(server, encode(ServiceCiphered(GLO_GET, content)), "envelope 0xc8 holds an APDU of tag")
    content = client.channel.protect(GET, client._control(AE, False))
    assert server.open(encode(ServiceCiphered(GLO_GET, content))).plain == GET


KEYS = [
    IdentifiedKey(1),
    IdentifiedKey(2),
    WrappedKey(1, bytes(24)),
    AgreedKey(b"\x03", b""),
    AgreedKey(b"\x02", b"x"),
    AgreedKey(b"", b""),
]


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_the_key_is_one_that_the_association_uses(key: IdentifiedKey | WrappedKey | AgreedKey) -> None:
    client, server = ends()
    for shape in (Shape(Envelope.IDENTIFIED), Shape(Envelope.WRAPPED), Shape(Envelope.STATIC)):
        message = decode(GeneralCiphering, client.close(GET, AE, shape))
        refused(server, encode(dataclasses.replace(message, key_info=key)), "is none that this association uses")


def test_the_key_set_is_the_one_of_the_association() -> None:
    client, server = ends(broadcast=True)
    refused(server, client.close(GET, AE, Shape(Envelope.IDENTIFIED)), "is none that this association uses")
    for envelope in (Envelope.SERVICE, Envelope.GENERAL):
        refused(server, client.close(GET, AE, Shape(envelope)), "weaker")
        assert server.open(client.close(GET, AE, Shape(envelope, broadcast=True))).plain == GET
    client, server = ends()
    for envelope in (Envelope.SERVICE, Envelope.GENERAL, Envelope.IDENTIFIED):
        refused(server, client.close(GET, AE, Shape(envelope, broadcast=True)), "weaker|meant for nobody")


def test_the_ephemeral_key_of_one_pass_is_signed_by_the_peer() -> None:
    client, server = ends()
    message = decode(GeneralCiphering, client.close(GET, AE, Shape(Envelope.ONE_PASS)))
    assert isinstance(message.key_info, AgreedKey)
    blob = message.key_info.key_ciphered_data
    spoilt = AgreedKey(message.key_info.key_parameters, blob[:-1] + bytes((blob[-1] ^ 1,)))
    refused(server, encode(dataclasses.replace(message, key_info=spoilt)), "signature does not fit")
    assert server.open(encode(message)).plain == GET


def test_a_signature_is_the_peers_over_all_of_the_message() -> None:
    client, server = ends()
    message = decode(GeneralSigning, client.close(GET, S, SIGNED_SHAPE))
    for field in ("transaction_id", "date_time", "other_information", "content"):
        refused(server, encode(dataclasses.replace(message, **{field: b"spoilt"})), "signature does not fit")
    assert server.open(encode(message), S).plain == GET


def test_transaction_ids_are_of_the_request_or_random() -> None:
    client, server = ends()
    seen = set()
    for envelope, protection in ((Envelope.IDENTIFIED, AE), (Envelope.STATIC, AE), (Envelope.GENERAL, S)):
        for _ in range(2):
            shape = server.open(client.close(GET, protection, Shape(envelope))).shape
            assert len(shape.transaction_id) == 16
            seen.add(shape.transaction_id)
            answer = client.open(server.close(GET, protection, shape))
            assert answer.shape.transaction_id == shape.transaction_id
    assert len(seen) == 6


def test_signed_inside_and_outside_has_one_transaction_id() -> None:
    client, server = ends()
    outside = server.open(client.close(GET, AE | S, Shape()))
    assert (outside.protection, outside.shape.envelope) == (AE | S, Envelope.SERVICE)
    assert len(outside.shape.transaction_id) == 16
    inside = server.open(client.close(GET, AE | S, GENERAL))
    assert inside.shape.envelope is Envelope.GENERAL


def test_what_is_refused_leaves_the_counter_as_it_was() -> None:
    client, server = ends()
    good = client.close(GET, AE, GENERAL)
    refused(server, good[:-1] + bytes((good[-1] ^ 1,)), "does not fit")
    envelope = decode(GeneralGloCiphering, good)
    weaker = dataclasses.replace(envelope, content=b"\x11" + envelope.content[1:])
    refused(server, encode(weaker), "weaker", AE)
    assert server.channel.receiving().expected == 0
    assert server.open(good, AE).plain == GET
    refused(server, good, "invocation counter")


@pytest.mark.parametrize("envelope", Envelope)
@pytest.mark.parametrize("protection", [Protection.NONE, A, AE, S, AE | S], ids=str)
def test_what_protection_adds_is_told_before(envelope: Envelope, protection: Protection) -> None:
    client, _ = ends()
    added = len(client.close(GET + bytes(300), protection, Shape(envelope))) - 300 - len(GET)
    told = overhead(envelope, protection, SUITE_1)
    # the most that it can be: lengths of other messages take more octets, and other kinds of keys more room
    room = 0 if not protection else 16 if not envelope.describes_key else 160
    assert added <= told <= added + room


class Doubling:
    """What stands for a codec: everything twice."""

    def compress(self, data: bytes) -> bytes:
        return data * 2

    def decompress(self, data: bytes) -> bytes:
        return data[: len(data) // 2]


@pytest.mark.parametrize("envelope", [Envelope.SERVICE, Envelope.GENERAL, Envelope.IDENTIFIED])
@pytest.mark.parametrize("protection", [A, AE], ids=str)
def test_what_was_compressed_says_so(envelope: Envelope, protection: Protection) -> None:
    provider = MemoryKeyProvider(key_set(SUITE_1), SUITE_1, compression=Doubling())
    titles = (CLIENT_TITLE, SERVER_TITLE), (SERVER_TITLE, CLIENT_TITLE)
    client, server = (Ciphering(Channel(provider, Counters(MemoryCounterStore()), *of)) for of in titles)
    for compressed in (False, True):
        opened = server.open(client.close(GET, protection, Shape(envelope, compressed=compressed)))
        assert (opened.plain, opened.protection, opened.shape.compressed) == (GET, protection, compressed)


UNFIT = [
    ({"protection": E}, "allowed by name"),
    ({"dedicated": True, "envelope": Envelope.IDENTIFIED}, "unicast glo- and ded-"),
    ({"dedicated": True, "broadcast": True}, "unicast glo- and ded-"),
    ({"broadcast": True, "envelope": Envelope.WRAPPED}, "no broadcast key"),
    ({"broadcast": True, "envelope": Envelope.STATIC}, "no broadcast key"),
    ({"protection": S}, "suite 0 has no signatures"),
    ({"system_title": b"short"}, "8 octets"),
    ({"peer_title": b"much too long"}, "8 octets"),
]
FIT = [
    {"protection": E, "allow_unauthenticated": True},
    {"protection": Protection.NONE},
    {"dedicated": True, "envelope": Envelope.GENERAL},
    {"broadcast": True, "envelope": Envelope.IDENTIFIED},
    {"broadcast": True},
    {"envelope": Envelope.WRAPPED},
]


@pytest.mark.parametrize(("options", "reason"), UNFIT, ids=str)
def test_what_does_not_go_together_is_refused_before_anything_is_sent(options: dict[str, object], reason: str) -> None:
    with pytest.raises(LocalProtocolError, match=reason):
        world().client(**options)


@pytest.mark.parametrize("options", FIT, ids=str)
def test_what_goes_together(options: dict[str, object]) -> None:
    assert isinstance(world().client(**options), Security)


def test_counters_of_the_keys_made_here_may_forget() -> None:
    """A wrapped or agreed key is new: its numbers begin at 0, and those of the global key stay where they are."""
    client, server = ends()
    for envelope in (Envelope.WRAPPED, Envelope.ONE_PASS):
        for _ in range(2):
            assert server.open(client.close(GET, AE, Shape(envelope))).plain == GET
        assert client._made[envelope][0].sending().draw() == 2
    assert client.channel.sending().draw() == 0
    assert Counters(MemoryCounterStore()).sending(b"f", b"T").draw() == 0
