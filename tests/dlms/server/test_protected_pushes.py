"""Pushes outside of an association under the device's keys: what is taken, what is refused, and what is confirmed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.apdu import DataNotification, EventNotificationRequest, GeneralBlockTransfer, GetRequestNormal
from dlms.apdu.notification import CONFIRMED
from dlms.ciphering import Ciphering, Shape
from dlms.codec import Record, encode
from dlms.errors import LocalProtocolError, RemoteProtocolError, SecurityError
from dlms.events import Fault
from dlms.framing import Peer
from dlms.framing.wrapper import HEADER, WrapperServer, wrap
from dlms.general_block import unacknowledged
from dlms.operations.read import descriptor
from dlms.pushes import Pushed, PushReceiver, Sender, Senders
from dlms.security.channel import Channel
from dlms.security.counters import CounterError, Counters
from dlms.security.keyfile import DeviceKeys, KeyFile
from dlms.security.keys import KeySet
from dlms.security.policy import AUTHENTICATED_ENCRYPTED, Envelope, Policy, Protection
from dlms.security.providers import MemoryKeyProvider
from dlms.security.store import SqliteCounterStore
from dlms.security.suite import SUITE_0, SUITES, SecuritySuite
from dlms.server import Confirmed, Session
from dlms.server.push_protection import PushProtection
from dlms.values import DoubleLongUnsigned
from tests.dlms.secured import CLIENT_TITLE, SERVER_TITLE, World, key_set, world
from tests.dlms.server.devices import ENERGY, PEER, PUBLIC, SERVER

A, E, S = Protection.AUTHENTICATED, Protection.ENCRYPTED, Protection.SIGNED
AE = AUTHENTICATED_ENCRYPTED
PUSH = DataNotification(7, b"", [b"one", DoubleLongUnsigned(2)])
EVENT = EventNotificationRequest(None, descriptor(ENERGY.value), DoubleLongUnsigned(3))
NEEDING_PAIRS = (Envelope.ONE_PASS, Envelope.STATIC)


class Line:
    """A device that pushes, and who takes that, with keys and counters of their own."""

    def __init__(self, of: World | None = None, required: Protection = AE, **options: Any) -> None:
        self.of = of or world()
        self.session = Session({None: self.of.device}, WrapperServer())
        self.senders = Senders(
            {SERVER_TITLE: Sender(self.of.security.provider, CLIENT_TITLE)}, Counters(self.of.client_store), required
        )
        self.protection = PushProtection(self.of.setup, CLIENT_TITLE, **options)
        self.receiver = PushReceiver(self.senders)

    def sent(self, apdu: Record = PUSH, peer: Peer = PEER) -> bytes:
        self.session.push(peer, apdu, 0.0, self.protection)
        return b"".join(self.session.data_to_send())

    def take(self, data: bytes) -> list[Pushed | Exception]:
        self.receiver.receive_data(data)
        found: list[Pushed | Exception] = []
        while (event := self.receiver.next_event()) is not None:
            found.append(event.error if isinstance(event, Fault) else event)
        return found

    def pushed(self, apdu: Record = PUSH) -> list[Pushed | Exception]:
        return self.take(self.sent(apdu))


@pytest.mark.parametrize("suite", list(SUITES.values()), ids=["suite0", "suite1", "suite2"])
@pytest.mark.parametrize("envelope", [one for one in Envelope if one is not Envelope.SERVICE])
def test_a_push_in_every_envelope(suite: SecuritySuite, envelope: Envelope) -> None:
    if suite is SUITE_0 and envelope in NEEDING_PAIRS:
        return
    for protection in (A, AE) if suite is SUITE_0 else (A, AE, A | S, AE | S):
        line = Line(world(suite=suite, policy=Policy.NOTHING), protection, protection=protection, envelope=envelope)
        for apdu in (PUSH, EVENT, PUSH):
            assert line.pushed(apdu) == [Pushed(apdu, SERVER_TITLE, protection)]


@pytest.mark.parametrize("envelope", [Envelope.GENERAL, Envelope.IDENTIFIED])
def test_a_push_under_the_broadcast_key(envelope: Envelope) -> None:
    line = Line(envelope=envelope, broadcast=True)
    assert line.pushed() == [Pushed(PUSH, SERVER_TITLE, AE)]
    line.protection = PushProtection(line.of.setup, CLIENT_TITLE)
    assert line.pushed() == [Pushed(PUSH, SERVER_TITLE, AE)]
    other = key_set(SUITE_0).replace(broadcast=bytes(16))
    line.senders = Senders(
        {SERVER_TITLE: Sender(MemoryKeyProvider(other), CLIENT_TITLE)}, Counters(line.of.client_store)
    )
    line.receiver = PushReceiver(line.senders)
    line.protection = PushProtection(line.of.setup, CLIENT_TITLE, envelope=envelope, broadcast=True)
    [refused] = line.pushed()
    assert isinstance(refused, SecurityError)


def test_the_policy_adds_protection() -> None:
    line = Line(world(policy=Policy.both(AE)), protection=A)
    [taken] = line.pushed()
    assert isinstance(taken, Pushed)
    assert taken.protection == AE


def test_new_keys_protect_the_next_push() -> None:
    line = Line()
    assert line.pushed() == [Pushed(PUSH, SERVER_TITLE, AE)]
    fresh = MemoryKeyProvider(key_set(SUITE_0, 32))
    line.of.setup.provider = fresh
    [refused] = line.pushed()
    assert isinstance(refused, SecurityError)
    line.receiver = PushReceiver(Senders({SERVER_TITLE: Sender(fresh, CLIENT_TITLE)}, Counters(line.of.client_store)))
    assert line.pushed() == [Pushed(PUSH, SERVER_TITLE, AE)]


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("envelope", [Envelope.GENERAL, Envelope.IDENTIFIED, Envelope.WRAPPED])
def test_a_push_that_comes_again_is_refused(envelope: Envelope) -> None:
    line = Line(envelope=envelope)
    first, second = line.sent(), line.sent(EVENT)
    assert line.take(first) == [Pushed(PUSH, SERVER_TITLE, AE)]
    assert line.take(second) == [Pushed(EVENT, SERVER_TITLE, AE)]
    for data in (first, second):
        [again] = line.take(data)
        assert isinstance(again, CounterError)


def test_a_push_that_comes_again_is_refused_after_a_restart(tmp_path: Path) -> None:
    line = Line()
    data, path = line.sent(), tmp_path / "counters"
    SqliteCounterStore.create(path).close()
    taken = []
    for _ in range(2):
        store = SqliteCounterStore.open(path)
        senders = Senders({SERVER_TITLE: Sender(line.of.security.provider, CLIENT_TITLE)}, Counters(store))
        line.receiver = PushReceiver(senders)
        taken += line.take(data)
        store.close()
    assert taken[0] == Pushed(PUSH, SERVER_TITLE, AE)
    assert isinstance(taken[1], CounterError)


@pytest.mark.parametrize("required", [A, AE, A | S], ids=str)
def test_a_push_with_less_than_is_required_is_refused(required: Protection) -> None:
    suite = SUITES[1]
    for protection in (Protection.NONE, A, E, S, AE, A | S):
        if protection.covers(required):
            continue
        of = world(suite=suite, policy=Policy.NOTHING)
        line = Line(of, required)
        sender = Ciphering(Channel(of.setup.provider, of.setup.counters, SERVER_TITLE, CLIENT_TITLE))
        [refused] = line.take(wrap(SERVER, PUBLIC, sender.close(encode(PUSH), protection, Shape(Envelope.GENERAL))))
        assert isinstance(refused, SecurityError)


@pytest.mark.parametrize("protection", [E, S], ids=str)
def test_what_anybody_could_repeat_is_refused(protection: Protection) -> None:
    of = world(suite=SUITES[1])
    with pytest.raises(LocalProtocolError, match="repeated by anybody"):
        Senders({}, Counters(of.client_store), protection)
    with pytest.raises(LocalProtocolError, match="repeated by anybody"):
        PushProtection(of.setup, CLIENT_TITLE, protection)
    line = Line(of, Protection.NONE)
    sender = Ciphering(Channel(of.setup.provider, of.setup.counters, SERVER_TITLE, CLIENT_TITLE))
    [refused] = line.take(wrap(SERVER, PUBLIC, sender.close(encode(PUSH), protection, Shape(Envelope.GENERAL))))
    assert isinstance(refused, SecurityError)


def test_plain_pushes_are_taken_where_nothing_is_required() -> None:
    line = Line(required=Protection.NONE)
    assert line.take(wrap(SERVER, PUBLIC, encode(PUSH))) == [Pushed(PUSH, b"", Protection.NONE)]
    assert line.pushed() == [Pushed(PUSH, SERVER_TITLE, AE)]


def test_strangers_and_other_recipients() -> None:
    line = Line()
    line.protection = PushProtection(line.of.setup, b"CLI00002", envelope=Envelope.IDENTIFIED)
    [refused] = line.pushed()
    assert isinstance(refused, SecurityError)
    assert "not for us" in str(refused)
    of = world()
    stranger = dataclasses.replace(of.setup, system_title=b"SRV00009")
    line.protection = PushProtection(stranger, CLIENT_TITLE)
    [refused] = line.pushed()
    assert isinstance(refused, SecurityError)
    assert "no keys are shared" in str(refused)


def test_what_is_no_notification_is_refused_though_it_is_protected() -> None:
    line = Line()
    sender = Ciphering(Channel(line.of.setup.provider, line.of.setup.counters, SERVER_TITLE, CLIENT_TITLE))
    request = encode(GetRequestNormal(0xC1, descriptor(ENERGY.value), None))
    [refused] = line.take(wrap(SERVER, PUBLIC, sender.close(request, AE, Shape(Envelope.GENERAL))))
    assert isinstance(refused, RemoteProtocolError)
    [refused] = line.take(wrap(SERVER, PUBLIC, sender.close(encode(EVENT), AE, Shape())))
    assert "does not say whose" in str(refused)


@pytest.mark.parametrize("options", [{"envelope": Envelope.SERVICE}, {"envelope": Envelope.WRAPPED, "broadcast": True}])
def test_what_cannot_be_pushed(options: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError):
        PushProtection(world().setup, CLIENT_TITLE, **options)
    with pytest.raises(LocalProtocolError):
        PushProtection(world().setup, SERVER_TITLE)


@given(st.data())
def test_any_octet_changed_takes_nothing(data: st.DataObject) -> None:
    line = Line(envelope=data.draw(st.sampled_from((Envelope.GENERAL, Envelope.IDENTIFIED))))
    sent = bytearray(line.sent())
    place = data.draw(st.integers(HEADER.size, len(sent) - 1))
    sent[place] ^= data.draw(st.integers(1, 255))
    found = line.take(bytes(sent))
    assert all(isinstance(one, Exception) for one in found)
    assert line.pushed() == [Pushed(PUSH, SERVER_TITLE, AE)], "the forged one has used up no counter"


@given(st.lists(st.binary(max_size=40)), st.booleans())
def test_any_octets(pieces: list[bytes], wrapped: bool) -> None:
    line = Line(required=Protection.NONE)
    for piece in pieces:
        line.take(wrap(SERVER, PUBLIC, piece) if wrapped else piece)


# --- confirmations ----------------------------------------------------------------------------------------------------


def test_a_confirmation_is_protected_as_its_push() -> None:
    line, apdu = Line(), DataNotification(7 | CONFIRMED, b"", [b"one"])
    assert line.pushed(apdu) == [Pushed(apdu, SERVER_TITLE, AE)]
    [confirm] = line.receiver.data_to_send()
    assert confirm[HEADER.size] == 0xDB
    line.session.receive_data(confirm, 0.0)
    assert line.session.next_event() == Confirmed(PEER, 7)
    assert not line.session.data_to_send()
    assert line.pushed(apdu) == [], "told once"
    assert len(line.receiver.data_to_send()) == 1, "but confirmed again"


@pytest.mark.parametrize("peer", [PEER, Peer(99, SERVER)], ids=["client", "stranger"])
def test_a_confirmation_that_anybody_could_send_is_refused(peer: Peer) -> None:
    line = Line()
    line.sent(DataNotification(7 | CONFIRMED, b"", [b"one"]), peer)
    line.session.receive_data(wrap(peer.client_sap, SERVER, bytes.fromhex("104000000700")), 0.0)
    assert line.session.next_event() is None


# --- blocks -----------------------------------------------------------------------------------------------------------


def test_a_long_push_in_blocks() -> None:
    line = Line()
    long = DataNotification(8, b"", bytes(3000))
    pieces = unacknowledged(line.protection.close(encode(long)), 200)
    for piece in pieces[:-1]:
        assert line.take(wrap(SERVER, PUBLIC, piece)) == []
    assert line.take(wrap(SERVER, PUBLIC, pieces[-1])) == [Pushed(long, SERVER_TITLE, AE)]
    [refused] = line.take(wrap(SERVER, PUBLIC, encode(GeneralBlockTransfer(0x02, 1, 0, b"x"))))
    assert isinstance(refused, RemoteProtocolError)


def test_unfinished_blocks_of_many_senders_are_forgotten() -> None:
    line = Line()
    for port in range(100):
        line.take(wrap(port, PUBLIC, unacknowledged(bytes(300), 100)[0]))
    assert len(line.receiver._streams) <= 4


# --- the key file -----------------------------------------------------------------------------------------------------


def test_senders_of_a_key_file() -> None:
    line = Line()
    keys = key_set(SUITE_0)
    file = KeyFile(
        {
            "us": DeviceKeys(KeySet(), system_title=CLIENT_TITLE),
            "meter": DeviceKeys(keys, system_title=SERVER_TITLE, identity="us"),
            "nobody": DeviceKeys(keys, system_title=b"SRV00003"),
        }
    )
    line.receiver = PushReceiver(Senders.of(file, Counters(line.of.client_store)))
    assert line.pushed() == [Pushed(PUSH, SERVER_TITLE, AE)]
