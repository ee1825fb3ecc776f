"""General block transfer: windows, lost and repeated blocks, transfers one after the other, both ends as one machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.apdu import GeneralBlockTransfer
from dlms.codec import decode, encode
from dlms.errors import LocalProtocolError, RemoteProtocolError
from dlms.general_block import HEADER, LAST, STREAMING, BlockStream, BlockTransfer, unacknowledged, unconfirmed
from dlms.limits import MAX_STALLS
from tests.line import ARRIVES, Fate, Line, Station


def block(octets: bytes) -> GeneralBlockTransfer:
    return decode(GeneralBlockTransfer, octets)


class Pair:
    """Two ends; `lose` says of each block on the line whether it gets lost.  The turn always arrives: it is sent again."""

    def __init__(self, client_window: int, server_window: int, lose: list[bool]) -> None:
        self.client, self.server = BlockTransfer(client_window), BlockTransfer(server_window)
        self.lose = lose

    def carry(self, pieces: list[bytes], to: BlockTransfer) -> list[bytes]:
        answer: list[bytes] = []
        for piece in pieces:
            one = block(piece)
            if one.streaming and self.lose and self.lose.pop():
                continue
            answer += to.receive(one, 0.0)
        return answer

    def transfer(self, apdu: bytes, size: int, sender: BlockTransfer, receiver: BlockTransfer) -> bytes:
        out = sender.send(apdu, size, 0.0)
        for _ in range(10_000):
            back = self.carry(out, receiver)
            if (whole := receiver.take()) is not None:
                return whole
            assert back, "the transfer stalls"
            out = self.carry(back, sender)
        raise AssertionError("the transfer does not end")


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=600), st.booleans()), min_size=1, max_size=4),
    st.integers(HEADER + 1, 80),
    st.integers(1, 63),
    st.integers(1, 63),
    st.lists(st.booleans(), max_size=MAX_STALLS),
)
def test_every_apdu_arrives_whole_and_once(
    apdus: list[tuple[bytes, bool]], size: int, client_window: int, server_window: int, lose: list[bool]
) -> None:
    pair = Pair(client_window, server_window, lose)
    for apdu, up in apdus:
        ends = (pair.client, pair.server) if up else (pair.server, pair.client)
        assert pair.transfer(apdu, size, *ends) == apdu
        assert ends[1].take() is None


def test_the_first_turn_is_one_block_until_the_window_is_known() -> None:
    sender, receiver = BlockTransfer(4), BlockTransfer(3)
    first = sender.send(bytes(50), HEADER + 10, 0.0)
    assert [block(piece).block_number for piece in first] == [1]
    acknowledgement = receiver.receive(block(first[0]), 0.0)
    assert block(acknowledgement[0]).window == 3
    second = sender.receive(block(acknowledgement[0]), 0.0)
    assert [(block(piece).block_number, block(piece).streaming) for piece in second] == [
        (2, True),
        (3, True),
        (4, False),
    ]


def test_a_repeated_block_is_taken_once() -> None:
    receiver = BlockTransfer(1)
    for _ in range(2):
        receiver.receive(GeneralBlockTransfer(1, 1, 0, b"ab"), 0.0)
    receiver.receive(GeneralBlockTransfer(LAST | 1, 2, 0, b"cd"), 0.0)
    assert receiver.take() == b"abcd"


def test_a_gap_is_not_acknowledged() -> None:
    receiver = BlockTransfer(5)
    receiver.receive(GeneralBlockTransfer(STREAMING | 1, 1, 0, b"a"), 0.0)
    (answer,) = receiver.receive(GeneralBlockTransfer(1, 3, 0, b"c"), 0.0)
    assert block(answer).block_number_ack == 1


def test_a_request_after_an_answer_acknowledges_it() -> None:
    pair = Pair(2, 2, [])
    assert pair.transfer(b"request" * 9, HEADER + 8, pair.client, pair.server) == b"request" * 9
    assert pair.transfer(b"answer" * 40, HEADER + 8, pair.server, pair.client) == b"answer" * 40
    assert pair.transfer(b"another" * 9, HEADER + 8, pair.client, pair.server) == b"another" * 9


def test_an_abort_and_a_lie_end_the_transfer() -> None:
    receiver = BlockTransfer(1)
    receiver.receive(GeneralBlockTransfer(1, 1, 0, b"ab"), 0.0)
    with pytest.raises(RemoteProtocolError, match="aborted"):
        receiver.receive(GeneralBlockTransfer(LAST, 2, 0, b""), 0.0)
    with pytest.raises(RemoteProtocolError, match="acknowledged"):
        receiver.receive(GeneralBlockTransfer(LAST, 1, 9, b"x"), 0.0)
    assert receiver.receive(GeneralBlockTransfer(LAST, 1, 0, b"x"), 0.0) == []
    assert receiver.take() == b"x"


def test_what_cannot_be_sent_is_refused() -> None:
    with pytest.raises(LocalProtocolError):
        BlockTransfer(0)
    with pytest.raises(LocalProtocolError):
        BlockTransfer(1).send(b"x", HEADER, 0.0)
    with pytest.raises(LocalProtocolError):
        BlockTransfer(1).send(bytes(70_000), HEADER + 1, 0.0)


# --- the peer that receives says how much it takes -------------------------------------------------------------------


def test_window_0_stops_the_sender_until_it_is_given_one() -> None:
    sender = BlockTransfer(4)
    assert len(sender.send(bytes(50), HEADER + 10, 0.0)) == 1
    assert sender.receive(acknowledgement(1, window=0), 0.0) == []
    assert sender.held
    assert sender.receive(acknowledgement(1, window=0), 0.0) == []
    more = sender.receive(acknowledgement(1, window=2), 0.0)
    assert [block(piece).block_number for piece in more] == [2, 3]
    assert not sender.held
    assert sender.receive(acknowledgement(3, window=0), 0.0) == []
    assert [block(piece).block_number for piece in sender.receive(acknowledgement(3, window=9), 0.0)] == [4, 5]
    assert sender.receive(acknowledgement(5, window=0), 0.0) == []
    assert not sender.held, "everything has arrived"
    assert [block(piece).block_number for piece in sender.send(bytes(30), HEADER + 10, 0.0)] == [1]


def test_a_window_may_shrink() -> None:
    sender = BlockTransfer(4)
    sender.send(bytes(100), HEADER + 10, 0.0)
    assert len(sender.receive(acknowledgement(1, window=5), 0.0)) == 5
    assert len(sender.receive(acknowledgement(6, window=1), 0.0)) == 1


def acknowledgement(number: int, window: int = 1) -> GeneralBlockTransfer:
    return GeneralBlockTransfer(LAST | window, 1, number, b"")


# --- peers that break the rules ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (GeneralBlockTransfer(1, 0, 0, b"x"), "block 0"),
        (GeneralBlockTransfer(1, 2, 0, b"other"), "block 2 with other data"),
        (GeneralBlockTransfer(LAST | 1, 3, 0, b""), "aborted"),
        (GeneralBlockTransfer(1, 3, 1, b"x"), "block 1 acknowledged, 0 were sent"),
    ],
)
def test_blocks_that_end_a_transfer_and_leave_the_next_alone(wrong: GeneralBlockTransfer, says: str) -> None:
    receiver = BlockTransfer(1)
    for number in (1, 2):
        receiver.receive(GeneralBlockTransfer(1, number, 0, b"ab"), 0.0)
    with pytest.raises(RemoteProtocolError, match=says):
        receiver.receive(wrong, 0.0)
    assert (receiver.received, receiver.take(), receiver.next_timeout()) == (0, None, None)
    receiver.receive(GeneralBlockTransfer(1, 1, 0, b"cd"), 0.0)
    receiver.receive(GeneralBlockTransfer(LAST | 1, 2, 0, b"ef"), 0.0)
    assert receiver.take() == b"cdef"


@pytest.mark.parametrize(
    "endless",
    [GeneralBlockTransfer(1, 1, 0, b"ab"), GeneralBlockTransfer(1, 9, 0, b"x"), GeneralBlockTransfer(1, 2, 0, b"")],
    ids=["repeated", "behind a gap", "empty"],
)
def test_a_peer_that_brings_nothing_is_given_up(endless: GeneralBlockTransfer) -> None:
    receiver = BlockTransfer(1)
    receiver.receive(GeneralBlockTransfer(1, 1, 0, b"ab"), 0.0)
    for _ in range(MAX_STALLS):
        receiver.receive(endless, 0.0)
    with pytest.raises(RemoteProtocolError, match="without progress"):
        receiver.receive(endless, 0.0)
    assert receiver.received == 0


def test_a_peer_that_never_acknowledges_is_given_up() -> None:
    sender = BlockTransfer(1)
    sender.send(bytes(50), HEADER + 10, 0.0)
    for _ in range(MAX_STALLS):
        assert [block(piece).block_number for piece in sender.receive(acknowledgement(0), 0.0)] == [1]
    with pytest.raises(RemoteProtocolError, match="without progress"):
        sender.receive(acknowledgement(0), 0.0)


def test_a_transfer_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlms.general_block.MAX_TRANSFER", 100)
    receiver, stream = BlockTransfer(1), BlockStream()
    receiver.receive(GeneralBlockTransfer(1, 1, 0, bytes(60)), 0.0)
    with pytest.raises(RemoteProtocolError, match="more than 100 octets"):
        receiver.receive(GeneralBlockTransfer(1, 2, 0, bytes(60)), 0.0)
    stream.receive(GeneralBlockTransfer(STREAMING, 1, 0, bytes(60)))
    with pytest.raises(RemoteProtocolError, match="more than 100 octets"):
        stream.receive(GeneralBlockTransfer(STREAMING, 2, 0, bytes(60)))


def test_a_new_request_stops_the_answer_to_the_one_before() -> None:
    """A client that has given up on a long answer asks for something else in blocks, and gets no more of the old one."""
    server = BlockTransfer(1)
    server.receive(GeneralBlockTransfer(LAST | 1, 1, 0, b"ask"), 0.0)
    assert server.take() == b"ask"
    server.send(bytes(100), HEADER + 10, 0.0)
    (answer,) = server.receive(GeneralBlockTransfer(1, 1, 0, b"something "), 0.0)
    assert block(answer) == GeneralBlockTransfer(LAST | 1, 2, 1, b"")
    server.receive(GeneralBlockTransfer(LAST | 1, 2, 0, b"else"), 0.0)
    assert server.take() == b"something else"


# --- blocks that nobody acknowledges ----------------------------------------------------------------------------------


@given(st.binary(min_size=1, max_size=400), st.integers(HEADER + 1, 80), st.integers(0, 40))
def test_a_stream_arrives_whole_or_not_at_all(apdu: bytes, size: int, lost: int) -> None:
    stream = BlockStream()
    pieces = [block(piece) for piece in unacknowledged(apdu, size)]
    assert all(unconfirmed(piece) and len(encode(piece)) <= size for piece in pieces)
    arrived = [stream.receive(piece) for piece in pieces[:lost] + pieces[lost + 1 :]]
    assert [one for one in arrived if one is not None] == ([] if lost < len(pieces) else [apdu])
    assert [stream.receive(piece) for piece in pieces][-1] == apdu


# --- lines that lose --------------------------------------------------------------------------------------------------

WAIT_S = 1.0


class End:
    """One end on a line; what has arrived is in `whole`, and `answer` is what it is answered with."""

    def __init__(self, window: int, answer: bytes = b"") -> None:
        self.transfer = BlockTransfer(window, wait_s=WAIT_S)
        self.answer, self.whole, self.out = answer, list[bytes](), list[bytes]()

    def station(self) -> Station:
        return Station(self.receive, self.sent, self.transfer.next_timeout, self.time)

    def receive(self, data: bytes, now: float) -> None:
        acknowledgements = self.transfer.receive(block(data), now)
        whole = self.transfer.take()
        if whole is not None:
            self.whole.append(whole)
            if self.answer:
                acknowledgements = self.transfer.send(self.answer, SIZE, now)
        self.out += acknowledgements

    def time(self, now: float) -> None:
        self.out += self.transfer.handle_timeout(now)

    def sent(self) -> list[bytes]:
        out, self.out = self.out, []
        return out


SIZE = HEADER + 10
FATES = st.sampled_from((ARRIVES, ARRIVES, Fate(lost=True), Fate(copies=2)))


@given(
    st.binary(min_size=1, max_size=200),
    st.binary(min_size=1, max_size=400),
    st.integers(1, 20),
    st.integers(1, 20),
    st.lists(FATES, max_size=60),
)
def test_what_is_lost_or_doubled_is_recovered(
    request: bytes, answer: bytes, client_window: int, server_window: int, fates: list[Fate]
) -> None:
    """A request and its answer, both in blocks: each is taken once, and both ends come to rest."""
    client, server = End(client_window), End(server_window, answer)
    client.transfer.retries = server.transfer.retries = 50
    remaining = iter(fates)
    line = Line(client.station(), server.station(), lambda: next(remaining, ARRIVES), overtakes=True)
    client.out += client.transfer.send(request, SIZE, line.now)
    line.run(lambda: False)
    assert (server.whole, client.whole) == ([request], [answer])
    assert (client.transfer.next_timeout(), server.transfer.next_timeout()) == (None, None)


@pytest.mark.parametrize("lost", range(8))
def test_any_single_block_may_be_lost(lost: int) -> None:
    """Also the last one of a turn, and the last of all: no turn is left over that only the other end could take."""
    client, server = End(3), End(3, bytes(range(60)))
    fates = [ARRIVES] * lost + [Fate(lost=True)]
    remaining = iter(fates)
    line = Line(client.station(), server.station(), lambda: next(remaining, ARRIVES))
    client.out += client.transfer.send(bytes(30), SIZE, line.now)
    line.run(lambda: False)
    assert (server.whole, client.whole) == ([bytes(30)], [bytes(range(60))])
    assert line.now < 4 * WAIT_S


def test_a_turn_that_is_lost_twice_comes_in_time() -> None:
    """The other end asks for it in the meantime, and oftener than this end's time runs out."""
    client, server = End(1), End(1, bytes(11))
    fates = iter([ARRIVES, ARRIVES, Fate(copies=2), Fate(lost=True), Fate(lost=True)])
    line = Line(client.station(), server.station(), lambda: next(fates, ARRIVES))
    client.out += client.transfer.send(bytes(1), SIZE, line.now)
    line.run(lambda: False)
    assert client.whole == [bytes(11)]
    assert line.now < 3 * WAIT_S


def test_an_end_that_hears_nothing_gives_up() -> None:
    sender = BlockTransfer(1, wait_s=WAIT_S, retries=2)
    sender.send(bytes(30), SIZE, 0.0)
    tries = 0
    while (due := sender.next_timeout()) is not None:
        assert sender.handle_timeout(due - 0.01) == []
        tries += bool(sender.handle_timeout(due))
    assert tries == 2
    assert BlockTransfer(1).next_timeout() is None
