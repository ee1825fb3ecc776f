"""The wrapper: three ways of feeding, datagrams, peers, and streams that cannot be followed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.errors import LocalProtocolError
from dlms.framing import Connected, Disconnected, Peer, PeerLost, PeerReceived, Received
from dlms.framing.wrapper import HEADER, WrapperClient, WrapperReader, WrapperServer, wrap

PORTS = st.integers(0, 0xFFFF)
APDUS = st.binary(min_size=1, max_size=300)
MESSAGES = st.lists(st.tuples(PORTS, PORTS, APDUS), max_size=8)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """`data` in pieces, cut at these places."""
    places = sorted({place % (len(data) + 1) for place in at} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


def taken(reader: WrapperReader) -> list[tuple[int, int, bytes]]:
    found = []
    while (one := reader.next_apdu()) is not None:
        found.append(one)
    return found


@given(MESSAGES, st.lists(st.integers(0, 3000), max_size=10))
def test_whole_or_in_any_pieces(messages: list[tuple[int, int, bytes]], places: list[int]) -> None:
    stream = b"".join(wrap(*message) for message in messages)
    whole, pieces = WrapperReader(False), WrapperReader(False)
    whole.feed(stream)
    assert taken(whole) == messages
    found = []
    for piece in cut(stream, places):
        pieces.feed(piece)
        found += taken(pieces)
    assert found == messages
    assert pieces.fault is None


def test_octet_by_octet_and_nothing_before_its_time() -> None:
    reader, stream = WrapperReader(False), wrap(1, 2, b"abc") + wrap(3, 4, b"d")
    seen = []
    for place, octet in enumerate(stream):
        reader.feed(bytes((octet,)))
        seen += [(place + 1, *one) for one in taken(reader)]
    assert seen == [(11, 1, 2, b"abc"), (20, 3, 4, b"d")]


@given(MESSAGES, st.binary(min_size=8, max_size=40).filter(lambda noise: noise[:2] != b"\0\1"), st.binary(max_size=40))
def test_noise_ends_a_stream_and_loses_nothing_before_it(
    messages: list[tuple[int, int, bytes]], noise: bytes, behind: bytes
) -> None:
    reader = WrapperReader(False)
    reader.feed(b"".join(wrap(*message) for message in messages) + noise + behind)
    assert taken(reader) == messages
    assert reader.fault is not None
    assert noise[:8].hex(" ") in reader.fault
    reader.feed(wrap(1, 2, b"late"))
    assert taken(reader) == []


@pytest.mark.parametrize("datagrams", [False, True])
def test_a_header_with_nothing_behind_it_is_counted_and_left_out(datagrams: bool) -> None:
    reader = WrapperReader(datagrams)
    for piece in (wrap(1, 2, b"a"), HEADER.pack(1, 1, 1, 0), HEADER.pack(1, 2, 1, 0), wrap(1, 2, b"b")):
        reader.feed(piece)
    assert taken(reader) == [(1, 2, b"a"), (1, 2, b"b")]
    assert (reader.fault, reader.empty, reader.dropped) == (None, 2, 0)


def test_a_wrong_version_with_nothing_behind_it_still_ends_a_stream() -> None:
    reader = WrapperReader(False)
    reader.feed(HEADER.pack(2, 1, 1, 0))
    assert reader.fault is not None


@given(st.lists(APDUS.map(lambda apdu: wrap(16, 1, apdu)) | st.binary(max_size=40), max_size=10))
def test_a_datagram_is_one_apdu_or_dropped(datagrams: list[bytes]) -> None:
    reader = WrapperReader(True)
    for datagram in datagrams:
        reader.feed(datagram)
    good = [d for d in datagrams if len(d) > 8 and d[:2] == b"\0\1" and len(d) == 8 + int.from_bytes(d[6:8], "big")]
    assert [wrap(*one) for one in taken(reader)] == good
    assert reader.dropped == len(datagrams) - len(good)
    assert reader.fault is None


def test_several_apdus_in_one_datagram_are_none() -> None:
    reader = WrapperReader(True)
    reader.feed(wrap(1, 1, b"a") * 2)
    assert (taken(reader), reader.dropped) == ([], 1)


def test_the_client_takes_what_is_for_it() -> None:
    client = WrapperClient(16, 1)
    client.connect(0.0)
    assert client.next_event() == Connected()
    client.send(b"ask", 0.0)
    client.send(b"again", 0.0)
    assert client.data_to_send() == [wrap(16, 1, b"ask"), wrap(16, 1, b"again")]
    client.receive_data(
        wrap(1, 16, b"for us") + wrap(2, 16, b"other") + wrap(1, 17, b"other") + wrap(16, 1, b"ours"), 0.0
    )
    assert [client.next_event(), client.next_event()] == [Received(b"for us"), None]
    assert client.foreign == 3
    client.receive_data(b"garbage!", 0.0)
    event = client.next_event()
    assert isinstance(event, Disconnected)
    assert not event.by_request
    client.disconnect(0.0)
    assert client.next_event() is None
    assert client.next_timeout() is None


def test_the_client_closes_when_asked() -> None:
    client = WrapperClient(16, 1)
    client.connect(0.0)
    client.disconnect(0.0)
    assert [client.next_event(), client.next_event()] == [Connected(), Disconnected("closed", by_request=True)]


@pytest.mark.parametrize(("client", "server"), [(-1, 1), (0x10000, 1), (1, -1), (1, 0x10000)])
def test_ports_have_sixteen_bits(client: int, server: int) -> None:
    with pytest.raises(LocalProtocolError):
        WrapperClient(client, server)


def test_the_server_tells_peers_apart() -> None:
    server = WrapperServer()
    server.receive_data(wrap(16, 1, b"a") + wrap(17, 1, b"b") + wrap(16, 2, b"c"), 0.0)
    peers = [Peer(16, 1), Peer(17, 1), Peer(16, 2)]
    assert [server.next_event() for _ in range(4)] == [
        *(PeerReceived(peer, apdu) for peer, apdu in zip(peers, (b"a", b"b", b"c"), strict=True)),
        None,
    ]
    server.send(peers[2], b"answer", 0.0)
    server.pass_turn(peers[0], 0.0)
    assert server.data_to_send() == [wrap(2, 16, b"answer")]
    assert server.frame_capacity(peers[0]) is None


def test_the_server_gives_up_on_silence() -> None:
    server = WrapperServer(inactivity_timeout_s=10)
    assert server.next_timeout() is None
    server.receive_data(wrap(16, 1, b"a"), 5.0)
    server.next_event()
    assert server.next_timeout() == 15.0
    faults = []
    for moment in (14.9, 15.0, 24.8, 24.9):
        server.handle_timeout(moment)
        faults.append(server.fault)
        if moment == 14.9:
            server.receive_data(wrap(16, 1, b"a")[:5], moment)
    assert faults == [None, None, None, "inactivity"]
    assert server.next_event() == PeerLost(Peer(16, 1), "inactivity")
    assert server.next_timeout() is None


def test_peers_of_one_connection_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlms.framing.wrapper.MAX_PEERS", 3)
    server = WrapperServer()
    server.receive_data(b"".join(wrap(client, 1, b"a") for client in range(5)), 0.0)
    events = [server.next_event() for _ in range(7)]
    lost = [event.peer.client_sap for event in events if isinstance(event, PeerLost)]
    assert lost == [0, 1]
    assert sum(isinstance(event, PeerReceived) for event in events) == 5
