"""The end of the invocation counters in a live exchange, and stores that fail in the midst of one."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from dlms.client import Client
from dlms.errors import (
    AssociationRefused,
    DlmsError,
    LocalProtocolError,
    OutcomeUnknown,
    RemoteProtocolError,
    ServiceRefused,
)
from dlms.security.counters import (
    END,
    CounterExhaustedError,
    CounterName,
    Counters,
    Direction,
    MemoryCounterStore,
)
from dlms.security.policy import Envelope
from dlms.server import MemoryStore
from dlms.server.security import security_objects
from tests.dlms.secured import CLIENT_TITLE, SERVER_TITLE, SETUP, World, world
from tests.dlms.server.devices import ENERGY, LONG, PUBLIC
from tests.dlms.test_secured import talk


def sent(of: World, title: bytes) -> CounterName:
    """The series of what this end sends under the global key."""
    return CounterName(of.setup.provider.fingerprint(), Direction.SENT, title)


def written(of: World) -> Any:
    assert isinstance(of.device.store, MemoryStore)
    return of.device.store.values[LONG.value]


def until_refused(client: Client) -> tuple[int, DlmsError]:
    """How many reads were answered, and what ended them."""
    for count in range(100):
        try:
            client.get(ENERGY.value)
        except DlmsError as fault:
            return count, fault
    raise AssertionError("nothing ended them")


def test_a_client_sends_up_to_the_last_number_and_no_further() -> None:
    of = world()
    of.client_store.skip_to(sent(of, CLIENT_TITLE), END - 10)

    def use_up(client: Client) -> None:
        count, fault = until_refused(client)
        assert count == 10 - 3  # the AARQ, the proof and the message around it
        assert isinstance(fault, CounterExhaustedError)
        with pytest.raises(LocalProtocolError, match="change the key"):
            client.set(LONG.value, b"1")

    talk(of, use_up)
    assert of.server_store.accepted(sent(of, CLIENT_TITLE)._replace(direction=Direction.ACCEPTED)) == END - 1
    with pytest.raises(CounterExhaustedError):
        talk(of, use_up)


@pytest.mark.parametrize("envelope", [Envelope.SERVICE, Envelope.GENERAL, Envelope.IDENTIFIED])
def test_a_server_carries_nothing_out_that_it_cannot_answer(envelope: Envelope) -> None:
    of = world()
    of.server_store.skip_to(sent(of, SERVER_TITLE), END - 10)

    def use_up(client: Client) -> None:
        count, fault = until_refused(client)
        assert count == 10 - 3
        assert isinstance(fault, ServiceRefused)
        before = written(of)
        with pytest.raises(OutcomeUnknown):
            client.set(LONG.value, b"changed")
        assert written(of) == before

    talk(of, use_up, security=of.client(envelope=envelope))
    with pytest.raises((AssociationRefused, ServiceRefused)):
        talk(of, use_up)


class Failing(MemoryCounterStore):
    """A store whose disk fails when it is told to."""

    broken = False

    def _keep(self, name: CounterName, value: int) -> None:
        if self.broken:
            raise LocalProtocolError("no space left")
        super()._keep(name, value)


@pytest.mark.parametrize("block", [1, 64])
def test_nothing_is_carried_out_while_the_counters_cannot_be_kept(block: int) -> None:
    of, store = world(), Failing()
    of.setup.counters = Counters(store, block=block)

    def use(client: Client) -> None:
        client.set(LONG.value, b"before")
        store.broken = True
        with pytest.raises(OutcomeUnknown):
            client.set(LONG.value, b"meanwhile")
        assert written(of) == b"before"
        store.broken = False
        client.set(LONG.value, b"after")
        assert written(of) == b"after"

    talk(of, use)


def test_an_answer_whose_counter_cannot_be_kept_is_no_answer() -> None:
    of, store = world(), Failing()

    def use(client: Client) -> None:
        store.broken = True
        with pytest.raises(DlmsError, match="no space left"):
            client.get(ENERGY.value)

    talk(of, use, security=of.client(counters=Counters(store)))


def test_the_last_number_is_never_accepted() -> None:
    """A peer that uses FFFFFFFF is refused with that number as the one expected: only a new key helps."""
    of = world()
    accepted = sent(of, CLIENT_TITLE)._replace(direction=Direction.ACCEPTED)
    of.server_store.accept(accepted, END - 1)
    assert of.setup.counters.receiving(of.setup.provider.fingerprint(), CLIENT_TITLE).expected == END
    with pytest.raises(AssociationRefused, match="authentication-failure"):
        talk(of, lambda client: client.get(ENERGY.value))


def showing(of: World) -> World:
    """The public association shows the counter."""
    public = of.device.associations[PUBLIC, 1]
    shown = {**public.objects, **security_objects(SETUP, 0)}
    of.device.associations[PUBLIC, 1] = dataclasses.replace(public, objects=shown)
    return of


def test_a_client_does_not_go_forward_to_the_end() -> None:
    of = showing(world())
    of.server_store.accept(sent(of, CLIENT_TITLE)._replace(direction=Direction.ACCEPTED), END - 1)
    with pytest.raises(CounterExhaustedError):
        talk(of, lambda client: client.get(ENERGY.value), max_counter_jump=END)
    assert of.client_store.next_free(sent(of, CLIENT_TITLE)) == 0


@pytest.mark.parametrize("shown", [b"12", "12", None, True, [12], 1.5])
def test_what_is_no_counter_is_not_gone_forward_to(shown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    of = showing(world())
    monkeypatch.setattr(Client, "get", lambda *_: shown)
    with pytest.raises(RemoteProtocolError, match="no invocation counter"):
        talk(of, lambda client: None, max_counter_jump=10)
    assert of.client_store.series() == {}
