"""HDLC framing: feeding in pieces, several meters on one line, links that come and go, and a line that loses frames."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.association import State
from dlms.connection import Connection, Ticket
from dlms.data import DoubleLongUnsigned
from dlms.enums import Mechanism
from dlms.errors import AssociationRefused, DlmsError, LinkError, LocalProtocolError
from dlms.framing import Connected, Disconnected, Peer, PeerLost, PeerReceived, Received, llc
from dlms.framing.hdlc import INTER_OCTET_TIMEOUT_S, MAX_LINKS, HdlcClient, HdlcServer
from dlms.operations.associate import AssociationRequest
from dlms.operations.read import get
from dlms.operations.write import set_value
from dlms.server import Device, Session
from hdlc import Address, Frame, FrameReader, Kind, Parameters
from tests.dlms.server.devices import ENERGY, LONG, NAME, PROFILE, PUBLIC, SERVER, WRITER, device, rows, store
from tests.line import ARRIVES, Fate, Line, Station

ME, METER = Address(PUBLIC), Address(SERVER)
PEER = Peer(PUBLIC, SERVER, None)
ASK = llc.REQUEST + b"ask"


def served(**options: object) -> HdlcServer:
    return HdlcServer(server_saps=frozenset((SERVER,)), **options)  # type: ignore[arg-type]


def frames(pieces: list[bytes]) -> list[Frame]:
    reader = FrameReader()
    reader.feed(b"".join(pieces))
    found = []
    while (frame := reader.next_frame()) is not None:
        found.append(frame)
    return found


def say(server: HdlcServer, *said: Frame, now: float = 0.0) -> list[Frame]:
    """All frames in one read; what the server puts on the line."""
    server.receive_data(b"".join(frame.encode() for frame in said), now)
    return frames(server.data_to_send())


def events(server: HdlcServer) -> list[object]:
    found: list[object] = []
    while (event := server.next_event()) is not None:
        found.append(event)
    return found


def snrm(client: Address = ME, meter: Address = METER) -> Frame:
    return Frame(Kind.SNRM, meter, client)


def info(payload: bytes = ASK, send: int = 0, receive: int = 0, *, poll: bool = True, client: Address = ME) -> Frame:
    return Frame(Kind.I, METER, client, payload, send, receive, poll_final=poll)


def disc() -> Frame:
    return Frame(Kind.DISC, METER, ME)


def up() -> HdlcServer:
    """A server with the link to ME up."""
    server = served()
    (ua,) = say(server, snrm())
    assert ua.kind is Kind.UA
    events(server)
    return server


# --- the server ---------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 200), max_size=10), st.binary(max_size=20).filter(lambda noise: b"\x7e" not in noise))
def test_whole_in_pieces_or_behind_noise(places: list[int], noise: bytes) -> None:
    stream = noise + snrm().encode() + info().encode() + noise
    cuts = sorted({place % (len(stream) + 1) for place in places} | {0, len(stream)})
    server = served()
    for start, end in itertools.pairwise(cuts):
        server.receive_data(stream[start:end], 0.0)
    assert [event for event in events(server) if isinstance(event, PeerReceived)] == [PeerReceived(PEER, b"ask")]


def test_request_and_answer() -> None:
    server = up()
    assert say(server, info()) == []
    assert events(server) == [PeerReceived(PEER, b"ask")]
    server.send(PEER, b"answer", 0.0)
    (answer,) = frames(server.data_to_send())
    assert (answer.kind, answer.info, answer.receive_sequence) == (Kind.I, llc.RESPONSE + b"answer", 1)


def test_a_request_without_an_answer_is_acknowledged() -> None:
    server = up()
    say(server, info())
    server.pass_turn(PEER, 0.0)
    (answer,) = frames(server.data_to_send())
    assert (answer.kind, answer.receive_sequence) == (Kind.RR, 1)


@pytest.mark.parametrize("poll", [True, False])
def test_an_apdu_without_llc_octets_is_acknowledged_and_dropped(poll: bool) -> None:
    server = up()
    answers = say(server, info(b"no llc octets", poll=poll))
    assert [frame.kind for frame in answers] == ([Kind.RR] if poll else [])
    assert events(server) == []


def test_an_answer_to_a_request_without_poll_waits_for_the_poll() -> None:
    server = up()
    say(server, info(poll=False))
    server.send(PEER, b"answer", 0.0)
    assert server.data_to_send() == []
    (answer,) = say(server, Frame(Kind.RR, METER, ME))
    assert answer.info == llc.RESPONSE + b"answer"


def test_an_answer_behind_a_repeated_request_is_not_lost() -> None:
    """A slow server finds the request and its repetition in one read."""
    server = up()
    (ready,) = say(server, info(), info())
    assert ready.kind is Kind.RR
    assert events(server) == [PeerReceived(PEER, b"ask")]
    server.send(PEER, b"answer", 0.0)
    (answer,) = say(server, Frame(Kind.RR, METER, ME))
    assert answer.info == llc.RESPONSE + b"answer"


def test_a_client_that_never_takes_its_answers() -> None:
    server = up()
    for number in range(100):
        say(server, info(send=number % 8, poll=False))
        server.send(PEER, b"answer", 0.0)
    assert server.ignored == 100 - 64
    (first,) = say(server, Frame(Kind.RR, METER, ME))
    assert first.kind is Kind.I


def test_what_was_asked_on_a_link_that_is_gone_is_not_answered_on_the_next() -> None:
    server = up()
    say(server, info(), disc(), snrm())
    assert [type(event) for event in events(server)] == [PeerLost, PeerLost]
    server = up()
    say(server, info(), snrm(), info(llc.REQUEST + b"new"))
    assert events(server) == [PeerLost(PEER, "the client connects anew"), PeerReceived(PEER, b"new")]


def test_disc_ends_a_link_and_dm_answers_without_one() -> None:
    server = up()
    assert [frame.kind for frame in say(server, disc())] == [Kind.UA]
    assert [type(event) for event in events(server)] == [PeerLost]
    assert [frame.kind for frame in say(server, disc())] == [Kind.DM]
    assert [frame.kind for frame in say(server, info())] == [Kind.DM]
    server.send(PEER, b"late", 0.0)
    server.pass_turn(PEER, 0.0)
    assert server.data_to_send() == []


def test_snrm_again_begins_anew() -> None:
    server = up()
    say(server, info())
    server.send(PEER, b"answer", 0.0)
    events(server)
    server.data_to_send()
    assert [frame.kind for frame in say(server, snrm())] == [Kind.UA]
    assert [type(event) for event in events(server)] == [PeerLost]
    assert say(server, info()) == []
    assert events(server) == [PeerReceived(PEER, b"ask")]


def test_silence_drops_a_link() -> None:
    server = served(inactivity_timeout_s=30)
    say(server, snrm(), now=10.0)
    events(server)
    server.handle_timeout(10.0 + INTER_OCTET_TIMEOUT_S)
    assert server.next_timeout() == 40.0
    server.handle_timeout(39.9)
    assert events(server) == []
    server.handle_timeout(40.0)
    assert events(server) == [PeerLost(PEER, "inactivity")]
    assert server.next_timeout() is None
    assert [frame.kind for frame in say(server, disc(), now=41.0)] == [Kind.DM]


def test_half_a_frame_is_given_up() -> None:
    server = served()
    half = snrm().encode()[:-3]
    server.receive_data(half, 0.0)
    assert server.next_timeout() == INTER_OCTET_TIMEOUT_S
    server.handle_timeout(INTER_OCTET_TIMEOUT_S)
    assert server.next_timeout() is None
    assert [frame.kind for frame in say(server, snrm(), now=1.0)] == [Kind.UA]


def test_a_frame_that_noise_had_hidden_is_found_when_the_line_is_silent() -> None:
    started = info(bytes(120)).encode()[:20]
    server = served()
    server.receive_data(started + snrm().encode(), 0.0)
    assert server.data_to_send() == []
    server.handle_timeout(INTER_OCTET_TIMEOUT_S)
    assert [frame.kind for frame in frames(server.data_to_send())] == [Kind.UA]
    client = HdlcClient(PUBLIC, SERVER)
    client.connect(0.0)
    client.receive_data(started + Frame(Kind.UA, ME, METER).encode(), 0.0)
    assert client.next_event() is None
    client.handle_timeout(INTER_OCTET_TIMEOUT_S)
    assert client.next_event() == Connected()


@pytest.mark.parametrize(
    "frame",
    [
        snrm(meter=Address(2)),
        snrm(meter=Address(SERVER, 17)),
        snrm(meter=Address(0)),
        snrm(meter=Address(0x7F)),
        snrm(client=Address(0)),
        snrm(client=Address(0x7F)),
        snrm(client=Address(PUBLIC, 1)),
        snrm(client=Address(PUBLIC, 1, 4)),
        Frame(Kind.UI, METER, ME, llc.REQUEST + b"unconfirmed", poll_final=False),
    ],
    ids=lambda frame: f"{frame.kind} {frame.destination} {frame.source}",
)
def test_frames_that_are_for_nobody(frame: Frame) -> None:
    server = served()
    assert say(server, frame) == []
    assert events(server) == []
    assert [answer.kind for answer in say(server, disc())] == [Kind.DM]


def test_several_meters_on_one_line() -> None:
    server = served(physical=frozenset((17, 18)))
    for physical in (17, 18, 19):
        answers = say(server, snrm(meter=Address(SERVER, physical)))
        assert [frame.source for frame in answers] == ([Address(SERVER, physical)] if physical < 19 else [])
    assert [event.peer.physical for event in events(server) if isinstance(event, PeerLost)] == [17, 18]
    assert server.ignored == 1
    say(server, Frame(Kind.I, Address(SERVER, 18), ME, ASK))
    assert events(server) == [PeerReceived(Peer(PUBLIC, SERVER, 18), b"ask")]
    wide = say(server, snrm(meter=Address(SERVER, 17, 4)))
    assert [frame.source for frame in wide] == [Address(SERVER, 17, 4)]


def test_links_are_bounded_and_the_oldest_goes() -> None:
    server = HdlcServer(server_saps=frozenset(range(1, 4)))
    for client in range(1, 40):
        for sap in (1, 2):
            say(server, snrm(Address(client), Address(sap)))
    gone = [event.peer for event in events(server) if isinstance(event, PeerLost) and "links" in event.reason]
    assert len(gone) == 39 * 2 - MAX_LINKS
    assert gone[0] == Peer(1, 1, None)


# --- the client ---------------------------------------------------------------------------------------------------


def test_the_client() -> None:
    client = HdlcClient(PUBLIC, SERVER)
    client.connect(0.0)
    (asked,) = frames(client.data_to_send())
    assert (asked.kind, asked.source, asked.destination) == (Kind.SNRM, ME, METER)
    client.receive_data(Frame(Kind.UA, ME, METER).encode(), 0.0)
    assert client.next_event() == Connected()
    client.send(b"ask", 0.0)
    (asked,) = frames(client.data_to_send())
    assert asked.info == ASK
    client.receive_data(Frame(Kind.I, ME, METER, llc.RESPONSE + b"answer", 0, 1).encode(), 0.0)
    assert client.next_event() == Received(b"answer")
    client.disconnect(0.0)
    client.receive_data(Frame(Kind.UA, ME, METER).encode(), 0.0)
    assert client.next_event() == Disconnected("requested", by_request=True)


@pytest.mark.parametrize(
    ("client", "server", "physical", "size"),
    [(300, 1, None, None), (1, 200, None, None), (1, 1, 0x5000, None), (1, 1, 1, 3)],
)
def test_addresses_that_do_not_exist(client: int, server: int, physical: int | None, size: int | None) -> None:
    with pytest.raises(LocalProtocolError):
        HdlcClient(client, server, physical=physical, address_size=size)


def test_what_the_link_does_not_do_now_is_a_link_error() -> None:
    client = HdlcClient(PUBLIC, SERVER)
    with pytest.raises(LinkError, match="disconnected"):
        client.send(b"x", 0.0)
    with pytest.raises(LinkError, match="disconnected"):
        client.disconnect(0.0)
    client.connect(0.0)
    with pytest.raises(LinkError, match="connecting"):
        client.connect(0.0)


def test_the_budget_of_an_exchange_is_shared_by_its_tries() -> None:
    client = HdlcClient(PUBLIC, SERVER, retries=3)
    client.give_exchange(8.0)
    client.connect(0.0)
    assert client.next_timeout() == 2.0


# --- end to end ---------------------------------------------------------------------------------------------------

CLIENT_PARAMETERS = Parameters(max_info_transmit=64, max_info_receive=64)


class Bench:
    """A client connection and a server session on one line."""

    def __init__(
        self, fate: Iterator[Fate] | None = None, sap: int = PUBLIC, request: AssociationRequest | None = None
    ) -> None:
        fates = fate or iter(())
        self.device: Device = device(store(40))
        self.client = HdlcClient(sap, SERVER, parameters=CLIENT_PARAMETERS)
        self.connection = Connection(self.client, request or AssociationRequest())
        self.session = Session({None: self.device}, served(inactivity_timeout_s=60))
        near, far = (
            Station(one.receive_data, one.data_to_send, one.next_timeout, one.handle_timeout)
            for one in (self.connection, self.session)
        )
        self.line = Line(near, far, lambda: next(fates, ARRIVES))

    def run(self, ticket: Ticket[Any]) -> Any:
        self.line.run(lambda: ticket.done)
        return ticket.result()


FATES = st.builds(
    Fate,
    lost=st.sampled_from((False, False, False, True)),
    copies=st.sampled_from((1, 1, 1, 2)),
    damage=st.none() | st.tuples(st.integers(0, 200), st.integers(1, 255)),
    cut=st.integers(0, 30),
)


def test_a_whole_conversation() -> None:
    bench = Bench()
    bench.run(bench.connection.open(0.0))
    for ref, value in (
        (ENERGY.value, DoubleLongUnsigned(1234)),
        (LONG.value, bytes(range(256)) * 3),
        (PROFILE.buffer, rows(40)),
    ):
        assert bench.run(bench.connection.start(get(ref), bench.line.now)) == value
    bench.run(bench.connection.release(bench.line.now))
    bench.connection.disconnect(bench.line.now)
    bench.line.run(lambda: bench.connection.closed is not None)
    assert bench.connection.closed == "requested"


@given(st.lists(FATES, max_size=60))
def test_reads_over_a_bad_line_are_right_or_the_line_is_given_up(fates: list[Fate]) -> None:
    bench = Bench(iter(fates))
    expected = {ENERGY.value: DoubleLongUnsigned(1234), LONG.value: bytes(range(256)) * 3, PROFILE.buffer: rows(40)}
    try:
        bench.run(bench.connection.open(0.0))
        for ref, value in expected.items():
            assert bench.run(bench.connection.start(get(ref), bench.line.now)) == value
    except (LinkError, AssociationRefused):
        return
    assert bench.connection.association.state is State.OPEN


@given(st.lists(FATES, max_size=40))
def test_writes_over_a_bad_line_happen_or_are_unknown(fates: list[Fate]) -> None:
    bench = Bench(sap=WRITER, request=AssociationRequest(Mechanism.LLS, b"98765"))
    bench.run(bench.connection.open(0.0))
    waiting = iter(fates)
    bench.line.fate = lambda: next(waiting, ARRIVES)
    writes = [bytes((number,)) * 150 for number in range(3)]
    done = []
    for value in writes:
        try:
            bench.run(bench.connection.start(set_value(NAME.value, value), bench.line.now))
        except LinkError:
            break
        done.append(value)
        assert bench.device.store.get(NAME.value) == value
    assert bench.device.store.get(NAME.value) in {b"TST0000000000001", *writes[: len(done) + 1]}


ACTIONS = st.lists(
    st.sampled_from(("read", "abandon", "wait", "release", "disconnect", "noise", "cut", "open")), max_size=12
)


@given(ACTIONS, st.lists(FATES, max_size=30))
def test_no_script_hangs(script: list[str], fates: list[Fate]) -> None:
    bench = Bench(iter(fates))
    tickets: list[Ticket[Any]] = [bench.connection.open(0.0)]
    for act in script:
        now = bench.line.now
        if act == "read":
            tickets.append(bench.connection.start(get(LONG.value), now))
        elif act == "open":
            tickets.append(bench.connection.open(now))
        elif act == "abandon":
            bench.connection.abandon(tickets[-1], now)
        elif act == "release":
            tickets.append(bench.connection.release(now))
        elif act == "disconnect":
            disconnect(bench.connection, now)
        elif act == "noise":
            bench.connection.receive_data(b"\x7e\xa0\x20noise", now)
        elif act == "cut":
            bench.connection.line_lost("cut", now)
        else:
            bench.line.run(lambda: all(ticket.done for ticket in tickets))
    bench.line.run(lambda: all(ticket.done for ticket in tickets))
    for ticket in tickets:
        assert ticket.done
        try:
            ticket.result()
        except DlmsError:
            continue


def disconnect(connection: Connection, now: float) -> None:
    try:
        connection.disconnect(now)
    except LinkError:
        return  # there was no link to bring down
