"""Communication port protection: failed authentications lock a port, for longer each time; and its object."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.acse import Aare
from dlms.apdu import ExceptionResponse
from dlms.client import Client, connect
from dlms.codec import encode
from dlms.endpoint import listen, server_framing
from dlms.enums import AssociationResult, Mechanism
from dlms.errors import AccessError, AssociationRefused, LocalProtocolError
from dlms.framing.wrapper import WrapperServer
from dlms.ic import CommunicationPortProtection
from dlms.operations.associate import AssociationRequest, aarq
from dlms.serve import serve
from dlms.server import Access, Device, Rights, Served, Session
from dlms.server.port_protection import PortProtection, ProtectionMode, ProtectionStatus
from dlms.values import DoubleLongUnsigned, Enum, LongUnsigned, Unsigned
from obis import Obis
from tests.dlms.secured import world
from tests.dlms.served import memory_name
from tests.dlms.server.devices import (
    EVERYTHING,
    PASSWORDS,
    PUBLIC,
    READER,
    SERVER,
    WRITER,
    Dialogue,
    device,
    proposal,
)
from tests.dlms.server.test_symsec_cases import GLOBAL, Manager

OBJECT, PORT, OTHER = CommunicationPortProtection("0.0.44.2.0.255"), Obis("0.0.25.0.0.255"), Obis("0.0.22.0.0.255")
WRONG = encode(aarq(AssociationRequest(Mechanism.LLS, b"wrong", conformance=EVERYTHING)))


def protected(of: Device | None = None, **options: Any) -> tuple[Device, PortProtection]:
    """A device whose writer sees the protection of its TCP port."""
    of, port = of or device(), PortProtection(PORT, **options)
    of.ports[OBJECT.instance] = port
    if (WRITER, SERVER) in of.associations:
        granted = of.associations[WRITER, SERVER]
        rights = Rights(dict.fromkeys(OBJECT.attributes, Access.READ_WRITE), frozenset(OBJECT.methods))
        objects = {**granted.objects, (124, OBJECT.instance): Served(OBJECT, rights)}
        of.associations[WRITER, SERVER] = dataclasses.replace(granted, objects=objects)
    return of, port


class At(Dialogue):
    """A dialogue on a port."""

    def __init__(self, of: Device, port: Obis | None = PORT) -> None:
        super().__init__(of)
        self.session = Session({None: of}, WrapperServer(), port=port)

    def guess(self, client: int = READER, apdu: bytes = WRONG) -> int:
        """The result of an AARQ."""
        answer = self.ask(apdu, client)
        assert isinstance(answer, Aare)
        assert answer.result is not None
        return answer.result


TRANSIENT, PERMANENT = AssociationResult.REJECTED_TRANSIENT, AssociationResult.REJECTED_PERMANENT


def test_failed_passwords_lock_the_port_for_longer_each_time() -> None:
    of, port = protected(allowed_failed_attempts=2, initial_lockout_s=10, steepness_factor=3, max_lockout_s=100)
    line = At(of)
    for _ in range(2):
        assert line.guess() == PERMANENT
        assert port.status(line.now) is ProtectionStatus.UNLOCKED
    for lockout_s in (10, 30, 90, 100, 100):
        assert line.guess() == PERMANENT
        assert port.status(line.now) is ProtectionStatus.TEMPORARILY_LOCKED
        for waited in (0, lockout_s - 0.5):
            line.now += waited
            assert line.guess(READER, proposal(READER)) == TRANSIENT, "the right password is not even looked at"
            assert line.guess(PUBLIC, proposal(PUBLIC)) == TRANSIENT
        line.now += 0.5
        assert port.status(line.now) is ProtectionStatus.UNLOCKED
    assert (port.failed_attempts, port.cumulative_failed_attempts) == (7, 7)
    assert line.guess(READER, proposal(READER)) == 0
    assert (port.failed_attempts, port.cumulative_failed_attempts) == (0, 7)


def test_each_port_has_its_own() -> None:
    of, _ = protected(allowed_failed_attempts=0)
    of.ports[Obis("0.0.44.2.1.255")] = PortProtection(OTHER, allowed_failed_attempts=0)
    tcp, optical, none = At(of), At(of, OTHER), At(of, None)
    assert tcp.guess() == PERMANENT
    assert tcp.guess(READER, proposal(READER)) == TRANSIENT
    assert At(of).guess(READER, proposal(READER)) == TRANSIENT, "another connection to the same port"
    assert optical.guess(READER, proposal(READER)) == 0
    assert none.guess(READER, proposal(READER)) == 0


def test_who_knows_one_password_gets_no_more_guesses_at_another() -> None:
    of, port = protected(allowed_failed_attempts=3)
    line = At(of)
    for guesses in range(1, 5):
        assert line.guess(WRITER) == PERMANENT
        assert port.failed_attempts == guesses
        if guesses < 4:
            assert line.guess(READER, proposal(READER)) == 0
            assert line.guess(PUBLIC, proposal(PUBLIC)) == 0
    assert line.guess(WRITER, proposal(WRITER)) == TRANSIENT


def test_an_open_association_goes_on() -> None:
    of, _ = protected(allowed_failed_attempts=0)
    line = At(of).open(PUBLIC)
    assert line.guess() == PERMANENT
    assert line.is_associated(PUBLIC)
    assert line.guess(PUBLIC, proposal(PUBLIC)) == TRANSIENT


def test_one_that_wants_no_answers_is_counted_too() -> None:
    of, port = protected(allowed_failed_attempts=0)
    silent = AssociationRequest(Mechanism.LLS, b"wrong", conformance=EVERYTHING, confirmed=False)
    line = At(of)
    assert line.say(encode(aarq(silent)), READER) is None
    assert port.failed_attempts == 1
    right = AssociationRequest(Mechanism.LLS, PASSWORDS[READER], conformance=EVERYTHING, confirmed=False)
    assert line.say(encode(aarq(right)), READER) is None
    assert not line.is_associated(READER)


def test_what_is_refused_for_another_reason_is_no_failed_attempt() -> None:
    of, port = protected(allowed_failed_attempts=0)
    line = At(of)
    strange = encode(aarq(AssociationRequest(Mechanism.NONE, conformance=EVERYTHING)))
    assert line.guess(READER, strange) == PERMANENT
    assert line.guess(99, WRONG) == PERMANENT
    assert port.cumulative_failed_attempts == 0


# --- high level security ----------------------------------------------------------------------------------------------


class ManagerAt(Manager):
    """A manager on a port."""

    def __init__(self, of: Any) -> None:
        super().__init__(of)
        self.line = At(of.device)


def test_a_proof_that_fails_is_counted_and_one_that_holds_takes_it_back() -> None:
    of = world()
    _, port = protected(of.device, allowed_failed_attempts=1)
    manager = ManagerAt(of)
    assert not manager.prove(manager.aarq(), GLOBAL, spoil=0x30)
    assert port.failed_attempts == 1
    assert manager.prove(manager.aarq(), GLOBAL)
    assert port.failed_attempts == 0
    for _ in range(2):
        assert not manager.prove(manager.aarq(), GLOBAL, spoil=0x30)
    assert manager.aarq().result == TRANSIENT


def test_a_proof_is_not_judged_while_the_port_is_locked() -> None:
    """However many handshakes were begun before."""
    of = world()
    _, port = protected(of.device, allowed_failed_attempts=0)
    waiting, guessing = ManagerAt(of), ManagerAt(of)
    challenge = waiting.aarq()
    assert not guessing.prove(guessing.aarq(), GLOBAL, spoil=0x30)
    assert not waiting.prove(challenge, GLOBAL)
    assert not waiting.associated()
    waiting.line.now += 1000
    assert not waiting.prove(challenge, GLOBAL), "it has to begin anew"
    assert waiting.prove(waiting.aarq(), GLOBAL)
    assert port.cumulative_failed_attempts == 1


def test_wrong_keys_are_a_failed_attempt() -> None:
    of = world()
    _, port = protected(of.device)
    assert ManagerAt(of).aarq(b"\x21" + bytes(30)).result == PERMANENT
    assert port.failed_attempts == 1


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_switching_off_and_on_does_not_help() -> None:
    kept: list[PortProtection] = []
    options = {"allowed_failed_attempts": 1, "initial_lockout_s": 60}
    of, _ = protected(changed=lambda one: kept.append(dataclasses.replace(one)), **options)
    line = At(of)
    for _ in range(2):
        assert line.guess() == PERMANENT
    assert len(kept) == 2
    found = kept[-1]
    again, port = protected(failures=dict(found.failures), **options)
    line = At(again)
    assert line.guess(READER, proposal(READER)) == TRANSIENT
    line.now += 59
    assert line.guess(READER, proposal(READER)) == TRANSIENT
    line.now += 1
    assert line.guess(READER, proposal(READER)) == 0
    assert port.failed_attempts == 0


@pytest.mark.parametrize("apdu", [WRONG, proposal(READER)], ids=["wrong", "right"])
def test_what_cannot_be_counted_is_not_let_in(apdu: bytes) -> None:
    def full(one: PortProtection) -> None:
        raise LocalProtocolError("the disk is full")

    of, _ = protected(changed=full, failures={READER: 1})
    line = At(of)
    assert isinstance(line.ask(apdu, READER), ExceptionResponse)
    assert not line.is_associated(READER)


# --- the object -------------------------------------------------------------------------------------------------------


def as_writer(of: Device, then: Any, port: Obis = PORT) -> Any:
    """Talk to the device over one of its ports."""
    name = memory_name()
    listening = listen(name, lambda medium: serve(Session({None: of}, server_framing(name), port=port), medium))
    try:
        with connect(name, client=WRITER, password=PASSWORDS[WRITER], timeout_s=5) as client:
            return then(client)
    finally:
        listening.close()


def test_the_object_shows_the_state() -> None:
    of, _ = protected(failures={READER: 5}, cumulative_failed_attempts=9)
    found = as_writer(of, lambda client: client.snapshot(OBJECT), OTHER)
    assert found == {
        "logical_name": OBJECT.instance,
        "protection_mode": Enum(1),
        "allowed_failed_attempts": LongUnsigned(3),
        "initial_lockout_time": DoubleLongUnsigned(60),
        "steepness_factor": Unsigned(2),
        "max_lockout_time": DoubleLongUnsigned(3600),
        "port_reference": bytes(PORT),
        "protection_status": Enum(1),
        "failed_attempts": DoubleLongUnsigned(5),
        "cumulative_failed_attempts": DoubleLongUnsigned(9),
    }
    with pytest.raises(AssociationRefused, match="transient"):
        as_writer(of, lambda client: None)


def test_the_object_changes_the_state() -> None:
    changes: list[PortProtection] = []
    of, port = protected(failures={READER: 5}, changed=changes.append)

    def change(client: Client) -> None:
        client.set(OBJECT.allowed_failed_attempts, 7)
        client.set(OBJECT.initial_lockout_time, 30)
        client.set(OBJECT.steepness_factor, 1)
        client.set(OBJECT.max_lockout_time, 31)
        client.call(OBJECT.reset)
        client.set(OBJECT.protection_mode, ProtectionMode.LOCKED)
        assert client.get(OBJECT.protection_status) == ProtectionStatus.LOCKED
        for ref, value in (
            (OBJECT.protection_mode, Enum(3)),
            (OBJECT.steepness_factor, Unsigned(0)),
            (OBJECT.port_reference, bytes(6)),
            (OBJECT.protection_status, Enum(0)),
            (OBJECT.failed_attempts, DoubleLongUnsigned(0)),
            (OBJECT.cumulative_failed_attempts, DoubleLongUnsigned(0)),
        ):
            with pytest.raises(AccessError):
                client.set(ref, value)

    as_writer(of, change, OTHER)
    assert (port.allowed_failed_attempts, port.initial_lockout_s, port.steepness_factor, port.max_lockout_s) == (
        (7, 30, 1, 31)
    )
    assert (port.failed_attempts, len(changes)) == (0, 6)
    assert At(of).guess(READER, proposal(READER)) == TRANSIENT
    port.mode = ProtectionMode.UNLOCKED
    line = At(of)
    for _ in range(20):
        assert line.guess() == PERMANENT
    assert line.guess(READER, proposal(READER)) == 0


def test_an_object_without_a_state_is_not_there() -> None:
    of, _ = protected()
    of.ports.clear()
    with pytest.raises(AccessError, match="unavailable"):
        as_writer(of, lambda client: client.get(OBJECT.protection_status))


@given(
    st.integers(0, 5), st.integers(0, 1000), st.integers(1, 255), st.integers(0, 10_000), st.integers(0, 0xFFFF_FFFF)
)
def test_a_lockout_never_gets_shorter_and_never_longer_than_the_most(
    allowed: int, initial: int, steepness: int, most: int, failures: int
) -> None:
    port = PortProtection(
        PORT, ProtectionMode.LOCKED_ON_FAILED_ATTEMPTS, allowed, initial, steepness, most, {1: failures}
    )
    lockout_s = port.lockout_s
    assert 0 <= lockout_s <= most
    port.failures[1] += 1
    assert lockout_s <= port.lockout_s <= most
    with pytest.raises(LocalProtocolError):
        PortProtection(PORT, steepness_factor=0)
