"""Data protection, experimental: our client and our server understand each other, and nothing else is claimed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.client import Client
from dlms.enums import ApplicationContext, Mechanism
from dlms.errors import AccessError, LocalProtocolError, SecurityError
from dlms.ic import DataProtection
from dlms.protected_buffer import opened, parameters_of, protection_of, sealed
from dlms.protected_data import ProtectedData
from dlms.security.channel import Channel
from dlms.security.counters import CounterError
from dlms.security.keys import KeyMaterialError
from dlms.security.policy import AUTHENTICATED_ENCRYPTED, Policy, Protection
from dlms.security.suite import SUITE_0, SUITES, SecuritySuite
from dlms.server import Access, MemoryStore, Rights, Served
from dlms.server.data_protection import DataProtection as State
from dlms.values import Enum, Integer, LongUnsigned
from tests.dlms.secured import CLIENT_TITLE, MANAGER, SERVER_TITLE, World, world
from tests.dlms.server.devices import ENERGY, LONG, NAME, SERVER
from tests.dlms.server.test_associations import talk

A, E, S = Protection.AUTHENTICATED, Protection.ENCRYPTED, Protection.SIGNED
AE = AUTHENTICATED_ENCRYPTED
OBJECT = DataProtection("0.0.43.2.0.255")
KEY = (MANAGER, SERVER)


def meter(
    suite: SecuritySuite = SUITE_0, *, short: bool = False, access: Access = Access.READ_WRITE, **state: Any
) -> World:
    """A device with a plain association, whose manager sees a Data protection object under the keys of the device."""
    of = world(Mechanism.NONE, suite, context=ApplicationContext(1 + short), access=access)
    of.device.protections[OBJECT.instance] = State(of.setup, CLIENT_TITLE, **state)
    rights = Rights(dict.fromkeys(OBJECT.attributes, Access.READ_WRITE), frozenset(OBJECT.methods))
    granted = of.device.associations[KEY]
    of.device.change(granted, objects={**granted.objects, (30, OBJECT.instance): Served(OBJECT, rights)})
    return of


def use(of: World, then: Any, protection: Protection = AE, *, short: bool = False) -> Any:
    security = of.client(peer_title=SERVER_TITLE, protection=protection)

    def run(client: Client) -> Any:
        return then(ProtectedData(client, OBJECT, security))

    return talk(of.device, run, client=MANAGER, password=None, context=ApplicationContext(1 + short))


@pytest.mark.parametrize("suite", list(SUITES.values()), ids=["suite0", "suite1", "suite2"])
@pytest.mark.parametrize("short", [False, True], ids=["ln", "sn"])
def test_read_write_and_call(suite: SecuritySuite, short: bool) -> None:
    for protection in (A, AE) if suite is SUITE_0 else (A, AE, A | S, AE | S):
        of = meter(suite, short=short, required=Policy.both(A))
        assert isinstance(of.device.store, MemoryStore)
        called: list[Any] = []
        of.device.store.methods[ENERGY.reset] = called.append

        def work(data: ProtectedData, called: list[Any] = called) -> None:
            assert data.get([ENERGY.value, NAME.value]) == [1234, b"TST0000000000001"]
            assert data.set([(LONG.value, b"new"), (NAME.value, b"name")]) == [None, None]
            assert data.get([LONG.value, NAME.value]) == [b"new", b"name"]
            assert data.call(ENERGY.reset) is None
            assert called == [0]

        use(of, work, protection, short=short)


def test_the_buffer() -> None:
    listed = [(LongUnsigned(1), bytes(LONG.instance), Integer(2), LongUnsigned(0), None)]
    of = meter(objects=listed)
    channel = Channel(of.security.provider, of.security.counters, CLIENT_TITLE, SERVER_TITLE)

    def work(data: ProtectedData) -> None:
        values, protection = opened(data.client.get(OBJECT.protection_buffer), AE, channel)
        assert (values, protection) == ((bytes(range(256)) * 3,), AE)
        buffer = sealed((b"written",), AE, channel)
        data.client.set(OBJECT.protection_buffer, buffer)
        assert data.client.get(LONG.value) == b"written"
        with pytest.raises(AccessError, match="denied"):
            data.client.set(OBJECT.protection_buffer, buffer)
        found = data.client.snapshot(OBJECT)
        assert found["protection_object_list"] == listed
        assert found["protection_parameters_get"] == found["protection_parameters_set"] == [(2, None)]
        assert found["required_protection"] == int(Policy.both(AE))
        with pytest.raises(AccessError, match="denied"):
            data.client.set(OBJECT.required_protection, Enum(0))

    use(of, work)


def test_the_rights_of_the_association_hold() -> None:
    of = meter()
    granted = of.device.associations[KEY]
    guarded = Rights({2: Access.READ_WRITE | Access.ENCRYPTED_REQUEST})
    hidden = Rights({})
    calls = Rights({2: Access.READ}, frozenset((1,)), {1: Access.ENCRYPTED_REQUEST})
    for one, rights in ((LONG, guarded), (NAME, hidden), (ENERGY, calls)):
        granted = of.device.change(
            granted, objects={**granted.objects, (one.class_id, one.instance): Served(one, rights)}
        )

    def work(data: ProtectedData) -> None:
        refused = data.get([NAME.value, ENERGY.value])
        assert isinstance(refused[0], AccessError)
        assert refused[1] == 1234
        with pytest.raises(AccessError, match="denied"):
            data.client.set(LONG.value, b"in clear")
        assert data.set([(LONG.value, b"inside")]) == [None], "the buffer is what protects it"
        [denied] = data.set([(NAME.value, b"x")])
        assert isinstance(denied, AccessError)
        listed = [(LongUnsigned(1), bytes(LONG.instance), Integer(2), LongUnsigned(0), None)]
        inside = listed, parameters_of(AE), sealed((b"inside",), AE, data._channel)
        together = [(OBJECT.set_protected_attributes, inside), (ENERGY.reset, 0)]
        written, beside = data.client.call_many(together)
        assert written == [0]
        assert isinstance(beside, AccessError), "in the same request, but not in the buffer"

    use(of, work)


@pytest.mark.parametrize("method", ["get", "set", "call"])
def test_less_than_is_required_is_refused(method: str) -> None:
    of = meter(SUITES[1], required=Policy.both(A | S))

    def work(data: ProtectedData) -> None:
        if method == "get":
            assert data.get([ENERGY.value]) == [1234], "what is answered has what is required"
            return
        with pytest.raises(AccessError):
            data.set([(LONG.value, b"x")]) if method == "set" else data.call(ENERGY.reset)
        assert data.client.get(LONG.value) != b"x"

    use(of, work, AE)


def test_what_is_answered_has_what_is_required() -> None:
    of = meter(required=Policy.both(AE))

    def work(data: ProtectedData) -> None:
        listed = [(LongUnsigned(3), bytes(ENERGY.instance), Integer(2), LongUnsigned(0), None)]
        parameters, buffer = data.client.call(OBJECT.get_protected_attributes, (listed, parameters_of(A)))
        assert protection_of(parameters) == AE
        assert opened(buffer, AE, data._channel)[0] == (1234,)

    use(of, work, A)


def test_a_repeated_buffer_is_refused() -> None:
    of = meter()

    def work(data: ProtectedData) -> None:
        sent: list[Any] = []
        really = data.client.call

        def note(ref: Any, parameter: Any) -> Any:
            sent.append((ref, parameter))
            return really(ref, parameter)

        data.client.call = note  # type: ignore[method-assign]
        data.set([(LONG.value, b"one")])
        data.set([(LONG.value, b"two")])
        for ref, parameter in sent:
            with pytest.raises(AccessError):
                really(ref, parameter)
        assert data.client.get(LONG.value) == b"two"

    use(of, work)


def test_it_reaches_no_object_of_its_own_kind() -> None:
    """So that nothing nests."""
    of = meter()

    def work(data: ProtectedData) -> None:
        with pytest.raises(AccessError):
            data.get([OBJECT.protection_buffer])
        with pytest.raises(AccessError):
            data.call(OBJECT.get_protected_attributes, ([], parameters_of(AE)))

    use(of, work)


def test_an_object_without_a_state_and_a_client_without_a_peer() -> None:
    of = meter()
    of.device.protections.clear()
    with pytest.raises(AccessError, match="unavailable"):
        use(of, lambda data: data.get([ENERGY.value]))
    with pytest.raises(LocalProtocolError, match="peer_title"):
        talk(
            of.device,
            lambda client: ProtectedData(client, OBJECT, of.security),
            client=MANAGER,
            password=None,
        )


def test_nothing_is_called_whose_answer_cannot_be_signed() -> None:
    of = meter(SUITES[1], required=Policy.SIGNED_RESPONSE | Policy.AUTHENTICATED_REQUEST)
    provider: Any = of.setup.provider
    provider._signing_key = None
    assert isinstance(of.device.store, MemoryStore)
    called: list[Any] = []
    of.device.store.methods[ENERGY.reset] = called.append

    def work(data: ProtectedData) -> None:
        with pytest.raises(AccessError):
            data.call(ENERGY.reset)

    use(of, work)
    assert not called


def test_parameters() -> None:
    for protection in (A, AE, A | S, AE | S):
        assert protection_of(parameters_of(protection)) == protection
    for bad in (None, [], [(Enum(1), None)], [(Enum(3), None)], [(Enum(4), None)], [(Enum(0), 1)], [5]):
        with pytest.raises(SecurityError):
            protection_of(bad)


@given(st.binary(max_size=200), st.data())
def test_forged_and_spoilt_buffers(forged: bytes, data: st.DataObject) -> None:
    of = world()
    ours = Channel(of.security.provider, of.security.counters, CLIENT_TITLE, SERVER_TITLE)
    theirs = Channel(of.setup.provider, of.setup.counters, SERVER_TITLE, CLIENT_TITLE)
    good = sealed((1 * b"x",), AE, ours)
    at = data.draw(st.integers(0, len(good) - 1))
    spoilt = good[:at] + bytes((good[at] ^ data.draw(st.integers(1, 255)),)) + good[at + 1 :]
    for bad in (forged, spoilt):
        with pytest.raises((SecurityError, ValueError, KeyMaterialError)):
            opened(bad, AE, theirs)
    assert opened(good, AE, theirs) == ((b"x",), AE)
    with pytest.raises(CounterError):
        opened(good, AE, theirs)
