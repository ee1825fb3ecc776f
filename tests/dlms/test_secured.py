"""Client and server under protection, with each other: every mechanism, suite, context, envelope and level."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from dlms.client import INVOCATION_COUNTER, Client, connect
from dlms.connection import Connection
from dlms.data import DoubleLongUnsigned
from dlms.enums import ApplicationContext, Mechanism
from dlms.errors import (
    AccessError,
    AssociationRefused,
    DlmsError,
    LocalProtocolError,
    OutcomeUnknown,
    RemoteProtocolError,
    SecurityError,
    ServiceRefused,
)
from dlms.events import Finished
from dlms.framing.wrapper import WrapperClient, WrapperServer
from dlms.operations.associate import AssociationRequest
from dlms.operations.read import get
from dlms.security.counters import Counters, MemoryCounterStore
from dlms.security.keys import Secret
from dlms.security.policy import AUTHENTICATED_ENCRYPTED, Envelope, Policy, Protection
from dlms.security.providers import MemoryKeyProvider
from dlms.security.suite import SUITE_0, SUITE_1, SUITE_2, SecuritySuite
from dlms.server import Access, MemoryStore, Rights, Served, Session
from tests.dlms.bench import FakeFraming
from tests.dlms.secured import CLIENT_TITLE, EVERYTHING, MANAGER, SECRET, World, key_set, world
from tests.dlms.served import memory_name, served
from tests.dlms.server.devices import ENERGY, LONG, PUBLIC

A, E, S = Protection.AUTHENTICATED, Protection.ENCRYPTED, Protection.SIGNED
LN, SN = ApplicationContext.LN, ApplicationContext.SN
MECHANISMS = [m for m in Mechanism if m is not Mechanism.HLS_ECDSA]


def talk(of: World, then: Callable[[Client], Any], *, scheme: str | None = None, **options: Any) -> Any:
    """Associate as the manager and do something."""
    options.setdefault("security", of.security)
    with (
        served(scheme or memory_name(), of.device) as url,
        connect(url, client=MANAGER, timeout_s=5, **options) as client,
    ):
        return then(client)


def use(client: Client) -> None:
    """Read, write, call and read a long value."""
    assert client.get(ENERGY.value) == 1234
    client.set(LONG.value, bytes(range(200)) * 5)
    assert client.get(LONG.value) == bytes(range(200)) * 5
    client.call(ENERGY.reset)
    assert len(client.get_many([ENERGY.value, LONG.value, ENERGY.scaler_unit])) == 3


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda m: m.name)
@pytest.mark.parametrize("short", [False, True], ids=["ln", "sn"])
@pytest.mark.parametrize("ciphered", [False, True], ids=["plain", "ciphered"])
def test_mechanisms(mechanism: Mechanism, short: bool, ciphered: bool) -> None:
    context = ApplicationContext(1 + short + 2 * ciphered)
    of = world(mechanism, context=context)
    security = of.client(protection=AUTHENTICATED_ENCRYPTED if ciphered else Protection.NONE)
    talk(of, use, auth=mechanism, password=SECRET, context=SN if short else LN, security=security)


def test_mechanism_2_takes_a_vendors_function() -> None:
    """Both ends use it, and it is the one that decides."""

    def theirs(secret: Secret, challenge: bytes) -> bytes:
        return hashlib.blake2b(challenge, key=secret.reveal(), digest_size=24).digest()

    of = world(Mechanism.HLS, context=LN)
    who, granted = next((who, one) for who, one in of.device.associations.items() if one.mechanism is Mechanism.HLS)
    of.device.associations[who] = dataclasses.replace(granted, vendor=theirs)
    plain = of.client(protection=Protection.NONE)
    talk(of, use, auth=Mechanism.HLS, password=SECRET, security=plain, vendor=theirs)
    with pytest.raises(AssociationRefused):
        talk(of, use, auth=Mechanism.HLS, password=SECRET, security=plain)


@pytest.mark.parametrize("suite", [SUITE_1, SUITE_2], ids=["suite1", "suite2"])
@pytest.mark.parametrize("mechanism", [Mechanism.HLS_GMAC, Mechanism.HLS_ECDSA], ids=lambda m: m.name)
@pytest.mark.parametrize("short", [False, True], ids=["ln", "sn"])
def test_other_suites(suite: SecuritySuite, mechanism: Mechanism, short: bool) -> None:
    of = world(mechanism, suite, context=ApplicationContext(3 + short))
    talk(of, use, auth=mechanism, context=SN if short else LN)


@pytest.mark.parametrize("envelope", Envelope)
@pytest.mark.parametrize("suite", [SUITE_0, SUITE_1, SUITE_2], ids=["suite0", "suite1", "suite2"])
def test_envelopes(envelope: Envelope, suite: SecuritySuite) -> None:
    if suite is SUITE_0 and envelope in (Envelope.ONE_PASS, Envelope.STATIC):
        with pytest.raises(DlmsError):
            talk(world(suite=suite), use, security=world(suite=suite).client(envelope=envelope))
        return
    of = world(suite=suite)
    talk(of, use, security=of.client(envelope=envelope))
    if suite is not SUITE_0:
        of = world(suite=suite)
        talk(of, use, security=of.client(envelope=envelope, protection=A | E | S))


@pytest.mark.parametrize("envelope", Envelope)
@pytest.mark.parametrize("protection", [A | E, A | E | S], ids=str)
def test_long_answers_leave_room_for_their_envelope(envelope: Envelope, protection: Protection) -> None:
    """Blocks are cut for the envelope that the request came in, which can be larger than that of the initiate."""
    of = world(suite=SUITE_2, max_receive=600)
    security = of.client(envelope=envelope, protection=protection)
    assert talk(of, lambda client: client.get(LONG.value), security=security, max_receive=600) == bytes(range(256)) * 3


@pytest.mark.parametrize("dedicated", [False, True], ids=["global", "dedicated"])
@pytest.mark.parametrize("envelope", [Envelope.SERVICE, Envelope.GENERAL])
@pytest.mark.parametrize("protection", [A, E, A | E], ids=str)
def test_levels(protection: Protection, envelope: Envelope, dedicated: bool) -> None:
    of = world(policy=Policy.NOTHING, allow_unauthenticated=True)
    security = of.client(
        protection=protection, envelope=envelope, dedicated=dedicated, allow_unauthenticated=protection == E
    )
    talk(of, use, security=security)


def test_over_hdlc() -> None:
    talk(world(), use, scheme="hdlc://127.0.0.1:0")


def test_encryption_alone_must_be_allowed() -> None:
    with pytest.raises(LocalProtocolError, match="allowed by name"):
        world().client(protection=E)
    of = world(policy=Policy.NOTHING)
    with pytest.raises(DlmsError, match="deciphering"):
        talk(of, use, security=of.client(protection=E, allow_unauthenticated=True))


@pytest.mark.parametrize("protection", [Protection.NONE, A, E])
def test_the_policy_decides(protection: Protection) -> None:
    of = world()
    with pytest.raises(DlmsError):
        talk(of, use, security=of.client(protection=protection, allow_unauthenticated=True))


def test_rights_want_protection() -> None:
    of = world(
        policy=Policy.NOTHING, access=Access.READ_WRITE | Access.AUTHENTICATED_REQUEST, allow_unauthenticated=True
    )

    def refused(client: Client) -> None:
        with pytest.raises(AccessError, match="read-write-denied"):
            client.get(ENERGY.value)
        with pytest.raises(AccessError, match="read-write-denied"):
            client.set(LONG.value, b"1")

    talk(of, refused, security=of.client(protection=E, allow_unauthenticated=True))
    for protection in (A, A | E):
        talk(of, use, security=of.client(protection=protection))


def test_wrong_keys_and_secrets() -> None:
    of, other = world(), world(Mechanism.HLS_MD5)
    stranger = of.client(provider=MemoryKeyProvider(key_set(SUITE_0, 16)), counters=Counters(MemoryCounterStore()))
    with pytest.raises(AssociationRefused, match="authentication-failure"):
        talk(of, use, security=stranger)
    with pytest.raises(AssociationRefused):
        talk(other, use, auth=Mechanism.HLS_MD5, password=b"another secret")
    plain = world(context=LN)
    with pytest.raises(AssociationRefused):
        talk(
            plain,
            use,
            security=dataclasses.replace(stranger, protection=Protection.NONE),
        )


def test_a_server_with_another_title_is_refused() -> None:
    of = world()
    with pytest.raises(SecurityError, match="is expected"):
        talk(of, use, security=of.client(peer_title=b"SRV00002"))


def test_counters_go_forward_to_what_the_meter_expects() -> None:
    """A client that lost its counters asks the public association, when it may, and never goes further than allowed."""
    of = world()
    talk(of, lambda client: [client.get(ENERGY.value) for _ in range(70)])
    counter = of.setup.counters.receiving(of.security.provider.fingerprint(), CLIENT_TITLE)
    public = of.device.associations[PUBLIC, 1]
    rights = Rights(dict.fromkeys(INVOCATION_COUNTER.attributes, Access.READ))
    shown = {**public.objects, (1, INVOCATION_COUNTER.instance): Served(INVOCATION_COUNTER, rights)}
    of.device.associations[PUBLIC, 1] = dataclasses.replace(public, objects=shown)
    assert isinstance(of.device.store, MemoryStore)
    of.device.store.put(INVOCATION_COUNTER.value, DoubleLongUnsigned(counter.expected - 1))
    forgetful = of.client(counters=Counters(MemoryCounterStore()))
    with pytest.raises(AssociationRefused):
        talk(of, use, security=forgetful)
    with pytest.raises(SecurityError, match="at most 5"):
        talk(of, use, security=of.client(counters=Counters(MemoryCounterStore())), max_counter_jump=5)
    talk(of, use, security=of.client(counters=Counters(MemoryCounterStore())), max_counter_jump=1000)


def test_a_refusal_that_nothing_protects_proves_nothing() -> None:
    """Anybody can send an exception-response: a read fails with it, of a write the outcome is not known."""
    of = world(policy=Policy.both(AUTHENTICATED_ENCRYPTED))

    def spoiled(client: Client) -> None:
        of.setup.counters.receiving(of.security.provider.fingerprint(), CLIENT_TITLE).commit(1_000_000)
        with pytest.raises(ServiceRefused, match="invocation-counter"):
            client.get(ENERGY.value)
        with pytest.raises(OutcomeUnknown, match="nothing proves"):
            client.set(LONG.value, b"1")

    talk(of, spoiled)


@pytest.mark.parametrize("protection", [Protection.NONE, AUTHENTICATED_ENCRYPTED], ids=str)
def test_an_empty_apdu_is_no_fault_of_ours(protection: Protection) -> None:
    """A wrapper header can come without an APDU: in a ciphered context too it ends in one of our errors."""
    request = AssociationRequest(context=ApplicationContext.LN_CIPHERED, security=world().client(protection=protection))
    connection = Connection(FakeFraming(), request)
    connection.open(0.0)
    connection.receive_data(b"", 0.0)
    found = []
    while (event := connection.next_event()) is not None:
        found.append(event)
    [ended] = found
    assert isinstance(ended, Finished)
    with pytest.raises(RemoteProtocolError):
        ended.ticket.result()


@pytest.mark.parametrize("envelope", [one for one in Envelope if one.describes_key])
def test_an_answer_of_an_association_before_answers_nothing(envelope: Envelope) -> None:
    """It was never delivered, so that its counter is fresh; under a key that came along nothing else would tell."""
    of = world(suite=SUITE_1)
    session = Session({None: of.device}, WrapperServer())

    def opened() -> Connection:
        request = AssociationRequest(
            Mechanism.HLS_GMAC, b"", ApplicationContext.LN_CIPHERED, EVERYTHING, security=of.client(envelope=envelope)
        )
        connection = Connection(WrapperClient(MANAGER, 1), request)
        ticket = connection.open(0.0)
        while not ticket.done:
            for answer in answers(connection):
                connection.receive_data(answer, 0.0)
        ticket.result()
        return connection

    def answers(connection: Connection) -> list[bytes]:
        for piece in connection.data_to_send():
            session.receive_data(piece, 0.0)
        return session.data_to_send()

    before = opened()
    before.start(get(ENERGY.value), 0.0)
    [kept_back] = answers(before)
    assert isinstance(of.device.store, MemoryStore)
    of.device.store.put(ENERGY.value, DoubleLongUnsigned(4321))
    after = opened()
    ticket = after.start(get(ENERGY.value), 0.0)
    [answer] = answers(after)
    after.receive_data(kept_back, 0.0)
    after.receive_data(answer, 0.0)
    assert ticket.result() == 4321
