"""Scripts of operations between our client and our server on a virtual clock, over lines that do what lines do.

Every SET and ACTION has a number of its own, and the device counts how often each was carried out.  Whatever the line
does: no script hangs; what succeeded was carried out; over HDLC and TCP nothing is carried out twice, and what failed
for sure was not carried out; over datagrams the client asks for nothing twice that changes something.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from dlms.apdu import decode_apdu
from dlms.codec import encode
from dlms.connection import Connection, Ticket
from dlms.enums import Conformance, Mechanism
from dlms.errors import AccessError, LinkError, OutcomeUnknown, RemoteProtocolError
from dlms.framing import Framing, ServerFraming
from dlms.framing.hdlc import HdlcClient, HdlcServer
from dlms.framing.wrapper import HEADER, WrapperClient, WrapperServer
from dlms.interface import AttributeRef, MethodRef
from dlms.operations import Operation
from dlms.operations.associate import AssociationRequest
from dlms.operations.referencing import referencing
from dlms.server import MemoryStore, Session
from dlms.values import DoubleLongUnsigned, Integer
from tests.dlms.server.devices import ENERGY, EVERYTHING, LONG, PASSWORDS, PROFILE, SERVER, WRITER, device, store
from tests.line import ARRIVES, Fate, Line, Station

SMALL_PDU = 120
"""Octets of an APDU in both directions: long values go in blocks."""
TIMEOUT_S = 4.0
LONG_SIZE = 300
VERBS = ("get", "get-long", "get-profile", "get-list", "set", "set-long", "set-list", "call")


class CountingStore(MemoryStore):
    """Counts what it carries out, by the number that each value and parameter is."""

    def __init__(self) -> None:
        super().__init__(store().values)
        self.ran: Counter[int] = Counter()
        self.methods[ENERGY.reset] = lambda parameter: None

    def set(self, ref: AttributeRef[Any], value: Any) -> None:
        super().set(ref, value)
        if ref in (ENERGY.value, LONG.value):
            self.ran[value[0] if ref == LONG.value else int(value)] += 1

    def call(self, ref: MethodRef[Any], parameter: Any) -> Any:
        self.ran[int(parameter)] += 1
        return super().call(ref, parameter)


@dataclasses.dataclass
class Done:
    """One step of a script: its verb, its number, how it ended."""

    verb: str
    number: int
    ticket: Ticket[Any]

    @property
    def error(self) -> Exception | None:
        try:
            self.ticket.result()
        except (AccessError, LinkError, RemoteProtocolError) as error:
            return error
        return None


class Play:
    """A client and a server on a line.  What the line does to the next message is the next of `fates`, then nothing."""

    def __init__(
        self,
        client: Framing,
        server: ServerFraming,
        fates: Sequence[Fate] = (),
        conformance: Conformance = EVERYTHING,
        parallel: int = 1,
        **line: Any,
    ) -> None:
        self.parallel = parallel
        self.store = CountingStore()
        self.conformance = conformance
        self.device = device(self.store, conformance=conformance, max_receive=SMALL_PDU)
        self.session = Session({None: self.device}, server)
        self.fates: Iterator[Fate] = iter(fates)
        self.done: list[Done] = []
        self.now = 0.0
        self.line_options = line
        self.dial(client)

    def dial(self, framing: Framing) -> None:
        """A new connection to the same session, at the time that it is."""
        request = AssociationRequest(
            Mechanism.LLS, PASSWORDS[WRITER], conformance=self.conformance, max_receive=SMALL_PDU
        )
        self.connection = Connection(framing, request, timeout_s=TIMEOUT_S, parallel=self.parallel)
        self.line = Line(
            self.near(),
            self.far(),
            lambda: next(self.fates, ARRIVES),
            now=self.now,
            **self.line_options,
        )

    def near(self) -> Station:
        of = self.connection
        return Station(of.receive_data, of.data_to_send, of.next_timeout, of.handle_timeout)

    def far(self) -> Station:
        of = self.session
        return Station(of.receive_data, of.data_to_send, of.next_timeout, of.handle_timeout)

    def finish(self, ticket: Ticket[Any]) -> None:
        self.line.run(lambda: ticket.done)
        self.now = self.line.now
        assert ticket.done, "nothing is left to happen and the operation still waits"

    def open(self) -> bool:
        """Whether the association is open; up to three tries where the line is still up."""
        for _ in range(3):
            ticket = self.connection.open(self.line.now)
            self.finish(ticket)
            try:
                ticket.result()
                return True
            except (LinkError, RemoteProtocolError):
                if self.connection.closed is not None:
                    return False
        return False

    def step(self, verb: str) -> None:
        """One operation, up to its end."""
        number = len(self.done) + 1
        ticket = self.connection.start(self.operation(verb, number), self.line.now)
        self.finish(ticket)
        self.done.append(Done(verb, number, ticket))

    def operation(self, verb: str, number: int) -> Operation[Any]:
        names = referencing(self.connection.negotiated)
        match verb:
            case "get":
                return names.get(ENERGY.value)
            case "get-long":
                return names.get(LONG.value)
            case "get-profile":
                return names.get(PROFILE.buffer)
            case "get-list":
                return names.get_many([ENERGY.value, LONG.value, ENERGY.scaler_unit])
            case "set":
                return names.set_value(ENERGY.value, DoubleLongUnsigned(number))
            case "set-long":
                return names.set_value(LONG.value, bytes((number,)) * LONG_SIZE)
            case "set-list":
                return names.set_many([(ENERGY.value, DoubleLongUnsigned(number)), (ENERGY.scaler_unit, (number, 30))])
        return names.call(ENERGY.reset, Integer(number))

    def perform(self, script: Sequence[str]) -> None:
        """Open the association and do one step after the other; nothing when it cannot be opened."""
        opened = self.open()
        event(f"open: {opened}")
        for verb in script if opened else ():
            self.step(verb)
            event(f"{verb}: {type(self.done[-1].error).__name__}")

    def perform_at_once(self, script: Sequence[str]) -> None:
        """Open the association and begin all steps; they end as they may."""
        if not self.open():
            return
        begun: list[Done] = []
        for number, verb in enumerate(script, 1):
            high = number % 3 != 0
            ticket = self.connection.start(self.operation(verb, number), self.line.now, high_priority=high)
            begun.append(Done(verb, number, ticket))
        for done in begun:
            self.finish(done.ticket)
        self.done = begun

    def check_reads(self) -> None:
        """What was read is something that the device has held at some time, whole."""
        numbers = {1234, *(done.number for done in self.done)}
        longs = {bytes(range(256)) * 3, *(bytes((number,)) * LONG_SIZE for number in numbers if number < 256)}
        for done in self.done:
            if done.error is not None:
                continue
            value = done.ticket.result()
            if done.verb == "get":
                assert value in numbers
            elif done.verb == "get-long":
                assert value in longs
            elif done.verb == "get-profile":
                assert value == self.store.values[PROFILE.buffer].rows
            elif done.verb == "get-list":
                assert value[0] in numbers
                assert value[1] in longs

    def check_writes(self, *, at_most_once: bool) -> None:
        """What succeeded was carried out, what was refused was not; nothing twice where the layer below repeats nothing."""
        for done in self.done:
            if done.verb.startswith("get"):
                continue
            ran = self.store.ran[done.number]
            if at_most_once:
                assert ran <= 1, done
            if done.error is None:
                assert ran >= 1, done
                assert done.verb != "set-list" or done.ticket.result()[0] is None
            elif not isinstance(done.error, OutcomeUnknown):
                assert ran == 0, (done, done.error)


def check_that_both_ends_agree(play: Play) -> None:
    """On a line that is sound again both ends agree, on the old link or on a new one."""
    play.fates = iter(())
    if play.connection.closed is None:
        ticket = play.connection.start(referencing(play.connection.negotiated).get(ENERGY.value), play.line.now)
        play.finish(ticket)
        if play.connection.closed is None:
            assert ticket.result() == play.store.values[ENERGY.value]
            return
    play.dial(HdlcClient(WRITER, SERVER))
    assert play.open()
    ticket = play.connection.start(referencing(play.connection.negotiated).get(ENERGY.value), play.line.now)
    play.finish(ticket)
    assert ticket.result() == play.store.values[ENERGY.value]


C = Conformance
GENERAL = C.GET | C.SET | C.ACTION | C.MULTIPLE_REFERENCES | C.GENERAL_BLOCK_TRANSFER
"""What is long can only go in general blocks."""
CONFORMANCES = st.sampled_from((EVERYTHING, EVERYTHING | C.GENERAL_BLOCK_TRANSFER, GENERAL))
SCRIPTS = st.lists(st.sampled_from(VERBS), min_size=1, max_size=8)


# --- HDLC -----------------------------------------------------------------------------------------------------------

LINE_FATES = st.one_of(
    st.just(ARRIVES),
    st.just(Fate(lost=True)),
    st.builds(lambda at, mask: Fate(damage=(at, mask)), st.integers(0, 200), st.integers(1, 255)),
    st.builds(lambda cut: Fate(cut=cut), st.integers(1, 150)),
    st.builds(lambda delay: Fate(delay_s=delay), st.sampled_from((0.1, 0.9, 1.1, 2.5, 5.0))),
)


@given(script=SCRIPTS, fates=st.lists(LINE_FATES, min_size=20, max_size=60), seed=st.integers(0, 12), of=CONFORMANCES)
def test_hdlc(script: list[str], fates: list[Fate], seed: int, of: Conformance) -> None:
    """`seed` messages pass first, so that trouble begins anywhere."""
    play = Play(
        HdlcClient(WRITER, SERVER),
        HdlcServer(server_saps=frozenset((SERVER,))),
        [ARRIVES] * seed + fates,
        of,
    )
    play.perform(script)
    play.check_reads()
    play.check_writes(at_most_once=True)
    check_that_both_ends_agree(play)
    play.check_writes(at_most_once=True)


# --- TCP ------------------------------------------------------------------------------------------------------------


class Severed:
    """Octets pass until `budget` is used up; then the connection is gone."""

    def __init__(self, play: Play, budget: int) -> None:
        self.play, self.budget = play, budget

    def cut(self, station: Station) -> Station:
        def receive(data: bytes, now: float) -> None:
            if self.budget > 0:
                station.receive_data(data[: self.budget], now)
            self.budget -= len(data)
            if self.budget <= 0:
                self.play.connection.line_lost("cut", now)

        return dataclasses.replace(station, receive_data=receive)


@given(script=SCRIPTS, cuts=st.lists(st.integers(0, 80), max_size=60), budget=st.integers(100, 4000), of=CONFORMANCES)
def test_tcp(script: list[str], cuts: list[int], budget: int, of: Conformance) -> None:
    play = Play(WrapperClient(WRITER, SERVER), WrapperServer(), [Fate(cut=cut) for cut in cuts], of)
    severed = Severed(play, budget)
    play.line.near, play.line.far = severed.cut(play.near()), severed.cut(play.far())
    play.perform(script)
    assert (play.connection.closed is not None) == (severed.budget <= 0)
    play.check_reads()
    play.check_writes(at_most_once=True)
    if severed.budget > 0:
        assert all(done.error is None for done in play.done)


@given(script=SCRIPTS, cuts=st.lists(st.integers(0, 80), max_size=60), budget=st.integers(100, 4000), of=CONFORMANCES)
def test_tcp_in_parallel(script: list[str], cuts: list[int], budget: int, of: Conformance) -> None:
    fates = [Fate(cut=cut) for cut in cuts]
    play = Play(WrapperClient(WRITER, SERVER), WrapperServer(), fates, of, parallel=4)
    severed = Severed(play, budget)
    play.line.near, play.line.far = severed.cut(play.near()), severed.cut(play.far())
    play.perform_at_once(script)
    play.check_reads()
    play.check_writes(at_most_once=True)
    if severed.budget > 0:
        assert all(done.error is None for done in play.done)


# --- UDP ------------------------------------------------------------------------------------------------------------

DATAGRAM_FATES = st.one_of(
    st.just(ARRIVES),
    st.just(Fate(lost=True)),
    st.builds(lambda echo: Fate(copies=2, echo_s=echo), st.sampled_from((0.0, 0.05, 0.3, 0.9))),
    st.builds(lambda delay: Fate(delay_s=delay), st.sampled_from((0.05, 0.3, 0.9, 1.2))),
)


def over_datagrams(fates: Sequence[Fate], conformance: Conformance = EVERYTHING, parallel: int = 1) -> Play:
    """With this latency no datagram is so late that all invoke-ids have been used meanwhile."""
    return Play(
        WrapperClient(WRITER, SERVER, datagrams=True),
        WrapperServer(datagrams=True),
        fates,
        conformance,
        parallel,
        latency_s=0.05,
        overtakes=True,
    )


@given(script=SCRIPTS, fates=st.lists(DATAGRAM_FATES, min_size=20, max_size=60), seed=st.integers(0, 12))
def test_udp(script: list[str], fates: list[Fate], seed: int) -> None:
    play = over_datagrams([ARRIVES] * seed + fates)
    play.perform(script)
    play.check_reads()
    play.check_writes(at_most_once=False)
    check_that_nothing_changes_by_repetition(play)


@given(script=SCRIPTS, fates=st.lists(DATAGRAM_FATES, min_size=20, max_size=60), seed=st.integers(0, 12))
def test_udp_in_parallel(script: list[str], fates: list[Fate], seed: int) -> None:
    play = over_datagrams([ARRIVES] * seed + fates, parallel=4)
    play.perform_at_once(script)
    play.check_reads()
    play.check_writes(at_most_once=False)
    check_that_nothing_changes_by_repetition(play)


def check_that_nothing_changes_by_repetition(play: Play) -> None:
    """No request that changes something went out twice."""
    changing = Counter(
        octets[HEADER.size :]
        for name, octets in play.line.carried
        if name == "near" and octets[HEADER.size] in (0xC1, 0xC3)
    )
    sent = [decode_apdu(octets) for octets in changing]
    values = Counter(encode(apdu)[3:] for apdu in sent)
    assert set(values.values()) <= {1}, "a request that changes something was sent twice"
    assert set(changing.values()) <= {1}


BLOCK_FATES = st.sampled_from((ARRIVES, ARRIVES, Fate(lost=True), Fate(copies=2)))


@given(
    script=SCRIPTS,
    fates=st.lists(BLOCK_FATES, min_size=20, max_size=80),
    seed=st.integers(0, 12),
    of=st.sampled_from((EVERYTHING | C.GENERAL_BLOCK_TRANSFER, GENERAL)),
)
def test_udp_in_general_blocks(script: list[str], fates: list[Fate], seed: int, of: Conformance) -> None:
    """Loss and doubling, but nothing later than the transfer after its own: blocks do not say to which they belong."""
    play = over_datagrams([ARRIVES] * seed + fates, of)
    play.perform(script)
    play.check_reads()
    play.check_writes(at_most_once=False)


def test_udp_recovers_each_lost_block() -> None:
    """A long write and a long read in general blocks on a line that loses every fourth datagram."""
    play = over_datagrams(([ARRIVES] * 3 + [Fate(lost=True)]) * 100, GENERAL)
    assert play.open()
    for _ in range(5):
        play.step("set-long")
        play.step("get-long")
    outcomes = [done.error for done in play.done]
    assert outcomes == [None] * 10
    assert set(play.store.ran.values()) == {1}


def test_udp_brings_a_block_of_the_value_before() -> None:
    """The first block of one value comes again while another is written: the two must not be mixed."""
    play = over_datagrams([ARRIVES] * 18 + [Fate(copies=2, echo_s=0.9), Fate(delay_s=0.3)])
    assert play.open()
    for verb in ("get-long", "set-long", "get-long", "set-long"):
        play.step(verb)
    play.check_writes(at_most_once=False)
    assert set(play.store.values[LONG.value]) == {2}
    assert isinstance(play.done[-1].error, OutcomeUnknown)


def test_udp_loses_the_answer_to_a_write() -> None:
    play = over_datagrams([ARRIVES] * 3 + [Fate(lost=True)])
    assert play.open()
    play.step("set")
    assert isinstance(play.done[0].error, OutcomeUnknown)
    assert play.store.ran == {1: 1}
    play.step("set")
    assert play.done[1].error is None
    assert play.store.ran == {1: 1, 2: 1}


def test_udp_loses_reads_and_they_come_all_the_same() -> None:
    play = over_datagrams([Fate(lost=True), ARRIVES, ARRIVES, Fate(lost=True), ARRIVES, Fate(lost=True)])
    assert play.open()
    play.step("get")
    assert play.done[0].ticket.result() == 1234
    assert len(play.line.carried) == 8


def test_a_server_that_is_silent_for_ever_ends_every_script() -> None:
    play = over_datagrams([ARRIVES] * 2 + [Fate(lost=True)] * 500)
    assert play.open()
    for verb in VERBS:
        play.step(verb)
    for done in play.done:
        kind = LinkError if done.verb.startswith("get") else OutcomeUnknown
        assert type(done.error) is kind
    with pytest.raises(OutcomeUnknown, match="within 4 s"):
        play.done[-1].ticket.result()
