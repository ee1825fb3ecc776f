"""Unconfirmed requests under the broadcast key: carried out where an association takes them, answered never."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from dlms.apdu import GetRequestNext, GetRequestNormal, GetResponseWithDatablock, SetRequestNormal
from dlms.apdu.action import ActionRequestNormal
from dlms.apdu.attribute import CosemMethodDescriptor
from dlms.association import Negotiated
from dlms.ciphering import Shape
from dlms.client import connect
from dlms.codec import Record, encode
from dlms.enums import ApplicationContext, Conformance, Mechanism
from dlms.errors import LocalProtocolError
from dlms.operations.associate import AssociationRequest
from dlms.operations.read import descriptor
from dlms.security.policy import AUTHENTICATED_ENCRYPTED, Envelope, Policy, Protection
from dlms.security.providers import MemoryKeyProvider
from dlms.security.suite import SUITE_0, SUITE_1, SecuritySuite
from dlms.server import Access, Device, MemoryStore, Rights, Served
from dlms.values import Integer
from tests.dlms.secured import CLIENT_TITLE, EVERYTHING, MANAGER, World, key_set, world
from tests.dlms.served import memory_name, served
from tests.dlms.server.devices import ENERGY, LONG, NAME, SERVER, seen
from tests.dlms.server.test_symsec_cases import Manager

AE = AUTHENTICATED_ENCRYPTED
HEARD = {
    (1, LONG.instance): Served(LONG, Rights({2: Access.WRITE})),
    (3, ENERGY.instance): Served(ENERGY, Rights({}, frozenset((1,)))),
}
"""What a broadcast reaches: a value that it writes, and a method that it calls."""
KEY = (MANAGER, SERVER)


def listening(**options: Any) -> World:
    """A device that takes broadcasts in the association of the manager."""
    of = world(**options)
    of.device.associations[KEY] = dataclasses.replace(of.device.associations[KEY], broadcast=HEARD)
    return of


def written(of: World) -> Any:
    assert isinstance(of.device.store, MemoryStore)
    return of.device.store.values[LONG.value]


def write(value: bytes, invoke: int = 0x81, where: Any = LONG) -> bytes:
    return encode(SetRequestNormal(invoke, descriptor(where.value), None, value))


def shape(envelope: Envelope = Envelope.SERVICE) -> Shape:
    return Shape(envelope, broadcast=True)


# --- by the client ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", [SUITE_0, SUITE_1], ids=["suite0", "suite1"])
@pytest.mark.parametrize("envelope", Envelope)
@pytest.mark.parametrize("short", [False, True], ids=["ln", "sn"])
def test_a_client_broadcasts_by_name(suite: SecuritySuite, envelope: Envelope, short: bool) -> None:
    if suite is SUITE_0 and envelope in (Envelope.ONE_PASS, Envelope.STATIC):
        return
    conformance = EVERYTHING | Conformance.UNCONFIRMED_WRITE
    of = listening(suite=suite, context=ApplicationContext(3 + short), conformance=conformance)
    done: list[Any] = []
    assert isinstance(of.device.store, MemoryStore)
    of.device.store.methods[ENERGY.reset] = done.append
    with (
        served(memory_name(), of.device) as url,
        connect(
            url,
            client=MANAGER,
            timeout_s=5,
            security=of.client(envelope=envelope),
            context=ApplicationContext(1 + short),
            conformance=conformance,
        ) as client,
    ):
        client.set(LONG.value, b"to all", broadcast=True)
        client.call(ENERGY.reset, broadcast=True)
        client.set(NAME.value, b"not reached", broadcast=True)
        assert client.get(LONG.value) == b"to all"
        assert client.get(NAME.value) == b"TST0000000000001"
        assert not client.faults
    assert len(done) == 1


def test_a_broadcast_is_not_sent_in_clear() -> None:
    of = world(Mechanism.NONE, context=ApplicationContext.LN)
    with served(memory_name(), of.device) as url, connect(url, client=MANAGER, timeout_s=5) as client:
        with pytest.raises(LocalProtocolError, match="broadcast key"):
            client.set(LONG.value, b"x", broadcast=True)
        assert client.get(ENERGY.value) == 1234


# --- what the server takes --------------------------------------------------------------------------------------------


def silent(manager: Manager, data: bytes) -> bool:
    """Whether an APDU has no answer."""
    return manager.line.say(data, MANAGER) is None


@pytest.mark.parametrize("envelope", [Envelope.SERVICE, Envelope.GENERAL, Envelope.IDENTIFIED])
def test_an_unconfirmed_request_is_carried_out_once(envelope: Envelope) -> None:
    of = listening()
    manager = Manager(of).open()
    first, other = (manager.close(write(value), AE, shape(envelope)) for value in (b"one", b"two"))
    for data, value in ((first, b"one"), (first, b"one"), (other, b"two"), (first, b"two"), (other, b"two")):
        assert silent(manager, data)
        assert written(of) == value
    assert manager.associated()


def test_the_counter_is_that_of_the_key_in_whichever_association() -> None:
    of = listening()
    other = dataclasses.replace(of.device.associations[KEY], client_sap=2)
    of.device.associations[2, SERVER] = other
    manager = Manager(of).open()
    data = manager.close(write(b"one"), AE, shape())
    assert silent(manager, data)
    second = Manager(of).open()
    assert silent(second, data)
    assert silent(second, second.close(write(b"two"), AE, shape()))
    assert silent(second, data)
    assert written(of) == b"two"
    provider = of.setup.provider
    series = of.setup.counters.receiving(provider.fingerprint(broadcast=True), CLIENT_TITLE)
    assert series.expected == 2
    assert provider.fingerprint(broadcast=True) != provider.fingerprint()


@pytest.mark.parametrize(
    "request_",
    [
        SetRequestNormal(0xC1, descriptor(LONG.value), None, b"x"),
        ActionRequestNormal(0xC1, CosemMethodDescriptor(3, bytes(ENERGY.instance), 1), Integer(0)),
        GetRequestNormal(0x81, descriptor(LONG.value), None),
        SetRequestNormal(0x81, descriptor(NAME.value), None, b"x"),
    ],
    ids=["confirmed set", "confirmed action", "get", "another object"],
)
def test_what_a_broadcast_may_not_is_left_without_an_answer(request_: Record) -> None:
    of = listening()
    done: list[Any] = []
    assert isinstance(of.device.store, MemoryStore)
    of.device.store.methods[ENERGY.reset] = done.append
    before = dict(of.device.store.values)
    manager = Manager(of).open()
    assert silent(manager, manager.close(encode(request_), AE, shape()))
    assert of.device.store.values == before
    assert not done
    assert manager.associated()


@pytest.mark.parametrize("protection", [Protection.AUTHENTICATED, Protection.ENCRYPTED], ids=str)
def test_the_policy_holds_for_broadcasts(protection: Protection) -> None:
    of = listening()
    manager = Manager(of).open()
    assert silent(manager, manager.close(write(b"weak"), protection, shape()))
    assert written(of) != b"weak"
    free = listening(policy=Policy.NOTHING, allow_unauthenticated=True)
    manager = Manager(free).open()
    assert silent(manager, manager.close(write(b"weak"), protection, shape()))
    assert (written(free) == b"weak") is (protection is Protection.AUTHENTICATED), (
        "anybody could make what is encrypted only"
    )


def test_a_right_wants_its_protection_of_a_broadcast_too() -> None:
    of = listening(policy=Policy.NOTHING)
    guarded = {(1, LONG.instance): Served(LONG, Rights({2: Access.WRITE | Access.ENCRYPTED_REQUEST}))}
    of.device.associations[KEY] = dataclasses.replace(of.device.associations[KEY], broadcast=guarded)
    manager = Manager(of).open()
    assert silent(manager, manager.close(write(b"a"), Protection.AUTHENTICATED, shape()))
    assert written(of) != b"a"
    assert silent(manager, manager.close(write(b"ae"), AE, shape()))
    assert written(of) == b"ae"


def test_forged_broadcasts_are_left_without_an_answer() -> None:
    of = listening()
    manager = Manager(of).open()
    for changed in ({"broadcast": bytes(16)}, {"authentication": bytes(16)}):
        stranger = Manager(of, provider=MemoryKeyProvider(key_set(SUITE_0).replace(**changed)))
        assert silent(manager, stranger.close(write(b"forged"), AE, shape()))
    good = manager.close(write(b"good"), AE, shape())
    for at in range(3, len(good)):
        spoilt = good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :]
        assert silent(manager, spoilt)
    unicast = manager.close(write(b"unicast", 0xC1))
    assert written(of) not in (b"forged", b"good")
    assert silent(manager, good)
    assert written(of) == b"good"
    assert manager.accepted(unicast)


def test_where_broadcasts_are_not_taken_they_are_refused() -> None:
    of = world()
    manager = Manager(of).open()
    assert not silent(manager, manager.close(write(b"x"), AE, shape()))
    of = listening()
    manager = Manager(of)
    manager.aarq()
    assert not silent(manager, manager.close(write(b"x"), AE, shape())), "before the client has proved itself"
    assert written(of) != b"x"


class Small(Manager):
    """A manager that takes short APDUs."""

    def request(self) -> AssociationRequest:
        return dataclasses.replace(super().request(), max_receive=300)


def test_a_broadcast_ends_no_transfer() -> None:
    of = listening()
    manager = Small(of).open()
    first = manager.say(manager.close(encode(GetRequestNormal(0xC1, descriptor(LONG.value), None))))
    assert isinstance(first, GetResponseWithDatablock)
    assert not first.block.last_block
    assert silent(manager, manager.close(write(b"to all"), AE, shape()))
    second = manager.say(manager.close(encode(GetRequestNext(0xC1, 1))))
    assert isinstance(second, GetResponseWithDatablock)
    assert isinstance(second.block.result, bytes)
    assert second.block.block_number == 2


# --- pre-established associations ---------------------------------------------------------------------------------------


def standing(of: World, **changes: Any) -> Device:
    """The device with an association that is there without being asked for, in a ciphered context."""
    held = Negotiated(EVERYTHING, 0, 0xFFFF, ApplicationContext.LN_CIPHERED, Mechanism.NONE)
    granted = dataclasses.replace(
        of.device.associations[KEY],
        mechanism=Mechanism.NONE,
        pre_established=held,
        client_title=CLIENT_TITLE,
        broadcast=HEARD,
        objects=seen(Access.READ_WRITE, True),
    )
    granted = dataclasses.replace(granted, **changes)
    return Device(of.device.store, of.device.logical_devices, (granted,), security=of.device.security)


def test_a_pre_established_association_in_a_ciphered_context() -> None:
    of = world()
    of.device = standing(of)
    manager = Manager(of)
    assert silent(manager, manager.close(write(b"to all"), AE, shape()))
    assert written(of) == b"to all"
    assert manager.accepted(manager.close(write(b"to one", 0xC1)))
    assert not manager.accepted(write(b"clear", 0xC1)), "nothing is served in clear"
    assert not manager.accepted(manager.close(write(b"weak", 0xC1), Protection.AUTHENTICATED))
    assert written(of) == b"to one"


def test_what_such_an_association_needs() -> None:
    of = world()
    with pytest.raises(LocalProtocolError, match="title"):
        standing(of, client_title=None)
    with pytest.raises(LocalProtocolError):
        standing(of, client_title=b"short")
    with pytest.raises(LocalProtocolError, match="no ciphering"):
        standing(of, context=ApplicationContext.LN, pre_established=None)


def test_a_client_in_a_pre_established_association() -> None:
    of = world()
    device = standing(of)
    held = Negotiated(EVERYTHING, 0xFFFF, 0xFFFF, ApplicationContext.LN_CIPHERED, Mechanism.NONE)
    security = of.client(peer_title=b"SRV00001")
    with (
        served(memory_name(), device) as url,
        connect(
            url, client=MANAGER, timeout_s=5, security=security, auth=Mechanism.NONE, pre_established=held
        ) as client,
    ):
        client.set(LONG.value, b"to all", broadcast=True)
        assert client.get(LONG.value) == b"to all"
