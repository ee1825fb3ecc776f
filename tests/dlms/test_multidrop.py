"""Several clients and several meters on one HDLC line, where everybody hears everything: no session takes from another.

Three clients run their scripts at once: the writers of two meters, which have one client address and differ in the
physical address that they call, and the reader of the first meter.  What each reads is its own meter's; what each writes and
calls is carried out there, at most once, and nowhere else; the reader's writes are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.connection import Connection, Ticket
from dlms.enums import AccessResult, Mechanism
from dlms.errors import AccessError, LinkError, OutcomeUnknown
from dlms.framing.hdlc import HdlcClient, HdlcServer
from dlms.operations.associate import AssociationRequest
from dlms.operations.referencing import referencing
from dlms.server import MemoryRows, Session
from dlms.values import DoubleLongUnsigned
from tests.dlms.plays import FEWER, LONG_SIZE, SMALL_PDU, TIMEOUT_S, CountingStore, Done, operation
from tests.dlms.server.devices import ENERGY, LONG, PASSWORDS, PROFILE, READER, SERVER, WRITER, device, rows
from tests.line import ARRIVES, Fate, Line, Station

ONE, TWO = 17, 18
"""Physical addresses."""
VERBS = ("get", "get-long", "get-profile", "set", "set-long", "call")
HELD = {ONE: (1111, b"\1"), TWO: (2222, b"\2")}
"""What the meters hold before anything is written: the energy, and an octet of the long value."""


class Caller:
    """One client: who it is, which meter it calls, and the numbers that are its own."""

    def __init__(self, client: int, physical: int, first: int) -> None:
        self.client, self.physical, self._number = client, physical, first
        framing = HdlcClient(client, SERVER, physical=physical)
        request = AssociationRequest(Mechanism.LLS, PASSWORDS[client], max_receive=SMALL_PDU)
        self.connection = Connection(framing, request, timeout_s=TIMEOUT_S)
        self.steps: list[Done] = []

    def start(self, verb: str, now: float) -> None:
        self._number += 1
        asked = operation(referencing(self.connection.negotiated), verb, self._number)
        self.steps.append(Done(verb, self._number, self.connection.start(asked, now)))

    @property
    def station(self) -> Station:
        of = self.connection
        return Station(of.receive_data, of.data_to_send, of.next_timeout, of.handle_timeout)


class Together:
    """Several stations at one end of a line, which hear each other too."""

    def __init__(self, stations: Sequence[Station]) -> None:
        self._stations, self._now = stations, 0.0

    @property
    def station(self) -> Station:
        """All of them as one."""
        return Station(self._receive, self._send, self._next_timeout, self._handle_timeout)

    def _receive(self, data: bytes, now: float) -> None:
        self._now = max(self._now, now)
        for station in self._stations:
            station.receive_data(data, self._now)

    def _send(self) -> list[bytes]:
        sent = [(speaking, message) for speaking in self._stations for message in speaking.data_to_send()]
        for speaking, message in sent:
            for other in self._stations:
                if other is not speaking:
                    other.receive_data(message, self._now)
        return [message for _, message in sent]

    def _next_timeout(self) -> float | None:
        due = [station.next_timeout() for station in self._stations]
        return min((moment for moment in due if moment is not None), default=None)

    def _handle_timeout(self, now: float) -> None:
        self._now = max(self._now, now)
        for station in self._stations:
            station.handle_timeout(self._now)


class MultiDrop:
    """The line, its clients and its meters; `sessions` is how many servers the meters share."""

    def __init__(self, fates: Sequence[Fate] = (), *, sessions: int = 1) -> None:
        self.stores = {physical: self._store(physical) for physical in HELD}
        devices = {physical: device(held, max_receive=SMALL_PDU) for physical, held in self.stores.items()}
        served: list[dict[int | None, Any]] = [{} for _ in range(sessions)]
        for place, (physical, of) in enumerate(devices.items()):
            served[place % sessions][physical] = of
        self.callers = [Caller(WRITER, ONE, 10), Caller(WRITER, TWO, 50), Caller(READER, ONE, 90)]
        remaining = iter(fates)
        self.line = Line(
            Together([caller.station for caller in self.callers]).station,
            Together([self._session(of) for of in served]).station,
            lambda: next(remaining, ARRIVES),
        )

    @staticmethod
    def _store(physical: int) -> CountingStore:
        held = CountingStore()
        energy, long = HELD[physical]
        held.values |= {ENERGY.value: DoubleLongUnsigned(energy), LONG.value: long * LONG_SIZE}
        held.put(PROFILE.buffer, MemoryRows(rows(physical)))
        return held

    @staticmethod
    def _session(of: dict[int | None, Any]) -> Station:
        session = Session(of, HdlcServer(server_saps=frozenset((SERVER,)), physical=frozenset(of)))
        return Station(session.receive_data, session.data_to_send, session.next_timeout, session.handle_timeout)

    def open(self) -> list[bool]:
        """Whose association is open."""
        tickets = [caller.connection.open(self.line.now) for caller in self.callers]
        self.line.run(lambda: all(ticket.done for ticket in tickets))
        return [_succeeded(ticket) for ticket in tickets]

    def perform(self, scripts: Sequence[Sequence[str]]) -> None:
        """Each client does its script, all at once."""
        opened = self.open()
        left = [list(script) if up else [] for script, up in zip(scripts, opened, strict=True)]

        def go_on() -> bool:
            for caller, script in zip(self.callers, left, strict=True):
                if script and (not caller.steps or caller.steps[-1].ticket.done):
                    caller.start(script.pop(0), self.line.now)
            return not any(left) and all(step.ticket.done for caller in self.callers for step in caller.steps)

        self.line.run(go_on)
        assert all(step.ticket.done for caller in self.callers for step in caller.steps)

    def check(self) -> None:
        """Everything is where it belongs."""
        for caller in self.callers:
            own, others = self.stores[caller.physical], self.stores[ONE + TWO - caller.physical]
            for step in caller.steps:
                assert others.ran[step.number] == 0, (caller.client, caller.physical, step)
                if step.verb.startswith("get"):
                    self._check_read(caller.physical, step)
                else:
                    _check_change(caller.client, own.ran[step.number], step)

    def _check_read(self, physical: int, step: Done) -> None:
        if step.error is not None:
            assert not isinstance(step.error, AccessError)
            return
        value, (energy, long) = step.ticket.result(), HELD[physical]
        numbers = {one.number for caller in self.callers if caller.physical == physical for one in caller.steps}
        if step.verb == "get":
            assert value in {energy, *numbers}
        elif step.verb == "get-long":
            assert value in {long * LONG_SIZE, *(bytes((number,)) * LONG_SIZE for number in numbers)}
        else:
            assert len(value) == physical


def _succeeded(ticket: Ticket[Any]) -> bool:
    try:
        ticket.result()
    except LinkError:
        return False
    return True


def _check_change(client: int, ran: int, step: Done) -> None:
    error = step.error
    assert ran <= 1, step
    if client == READER and step.verb.startswith("set"):
        assert ran == 0
        assert error is not None
        assert not isinstance(error, AccessError) or error.result == AccessResult.READ_WRITE_DENIED
    elif error is None:
        assert ran == 1, step
    elif not isinstance(error, OutcomeUnknown):
        assert ran == 0, (step, error)


SESSIONS = pytest.mark.parametrize("sessions", [1, 2], ids=["one server", "a server each"])


@SESSIONS
def test_three_sessions_at_once(sessions: int) -> None:
    line = MultiDrop(sessions=sessions)
    line.perform([VERBS] * 3)
    line.check()
    for caller in line.callers:
        refused = [step.verb for step in caller.steps if step.error is not None]
        assert refused == (["set", "set-long"] if caller.client == READER else [])
        assert {step.number for step in caller.steps} & line.stores[caller.physical].ran.keys()
    assert line.stores[ONE].values[ENERGY.value] == 14
    assert line.stores[TWO].values[ENERGY.value] == 54


@SESSIONS
def test_one_client_leaves_and_the_others_do_not_notice(sessions: int) -> None:
    line = MultiDrop(sessions=sessions)
    assert line.open() == [True] * 3
    first, second, third = line.callers
    first.start("get-long", line.line.now)
    second.start("set-long", line.line.now)
    third.start("get-profile", line.line.now)
    line.line.run(lambda: len(line.line.carried) >= 14)
    first.connection.disconnect(line.line.now)
    line.line.run(
        lambda: first.connection.closed is not None and second.steps[0].ticket.done and third.steps[0].ticket.done
    )
    assert first.connection.closed == "requested"
    assert isinstance(first.steps[0].error, LinkError)
    assert [second.steps[0].error, third.steps[0].error] == [None, None]
    line.check()


FATES = st.one_of(
    st.just(ARRIVES),
    st.just(ARRIVES),
    st.just(Fate(lost=True)),
    st.builds(lambda at, mask: Fate(damage=(at, mask)), st.integers(0, 200), st.integers(1, 255)),
    st.builds(lambda cut: Fate(cut=cut), st.integers(1, 60)),
    st.builds(lambda delay: Fate(delay_s=delay), st.sampled_from((0.1, 0.9, 1.1))),
)
SCRIPT = st.lists(st.sampled_from(VERBS), max_size=5)


@FEWER
@given(
    scripts=st.tuples(SCRIPT, SCRIPT, SCRIPT),
    fates=st.lists(FATES, min_size=10, max_size=60),
    seed=st.integers(0, 60),
    sessions=st.sampled_from((1, 2)),
)
def test_sessions_do_not_mix_whatever_the_line_does(
    scripts: tuple[list[str], ...], fates: list[Fate], seed: int, sessions: int
) -> None:
    """`seed` messages pass first, so that trouble begins anywhere."""
    line = MultiDrop([ARRIVES] * seed + fates, sessions=sessions)
    line.perform(scripts)
    line.check()
