"""General block transfer: windows, lost and repeated blocks, transfers one after the other, both ends as one machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.apdu import GeneralBlockTransfer
from dlms.codec import decode
from dlms.errors import LocalProtocolError, RemoteProtocolError
from dlms.general_block import HEADER, LAST, STREAMING, BlockTransfer


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
            answer += to.receive(one)
        return answer

    def transfer(self, apdu: bytes, size: int, sender: BlockTransfer, receiver: BlockTransfer) -> bytes:
        out = sender.send(apdu, size)
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
    st.lists(st.booleans(), max_size=40),
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
    first = sender.send(bytes(50), HEADER + 10)
    assert [block(piece).block_number for piece in first] == [1]
    acknowledgement = receiver.receive(block(first[0]))
    assert block(acknowledgement[0]).window == 3
    second = sender.receive(block(acknowledgement[0]))
    assert [(block(piece).block_number, block(piece).streaming) for piece in second] == [
        (2, True),
        (3, True),
        (4, False),
    ]


def test_a_repeated_block_is_taken_once() -> None:
    receiver = BlockTransfer(1)
    for _ in range(2):
        receiver.receive(GeneralBlockTransfer(1, 1, 0, b"ab"))
    receiver.receive(GeneralBlockTransfer(LAST | 1, 2, 0, b"cd"))
    assert receiver.take() == b"abcd"


def test_a_gap_is_not_acknowledged() -> None:
    receiver = BlockTransfer(5)
    receiver.receive(GeneralBlockTransfer(STREAMING | 1, 1, 0, b"a"))
    (answer,) = receiver.receive(GeneralBlockTransfer(1, 3, 0, b"c"))
    assert block(answer).block_number_ack == 1


def test_a_request_after_an_answer_acknowledges_it() -> None:
    pair = Pair(2, 2, [])
    assert pair.transfer(b"request" * 9, HEADER + 8, pair.client, pair.server) == b"request" * 9
    assert pair.transfer(b"answer" * 40, HEADER + 8, pair.server, pair.client) == b"answer" * 40
    assert pair.transfer(b"another" * 9, HEADER + 8, pair.client, pair.server) == b"another" * 9


def test_an_abort_and_a_lie_end_the_transfer() -> None:
    receiver = BlockTransfer(1)
    receiver.receive(GeneralBlockTransfer(1, 1, 0, b"ab"))
    with pytest.raises(RemoteProtocolError, match="aborted"):
        receiver.receive(GeneralBlockTransfer(LAST, 2, 0, b""))
    with pytest.raises(RemoteProtocolError, match="acknowledged"):
        receiver.receive(GeneralBlockTransfer(LAST, 1, 9, b"x"))
    assert receiver.receive(GeneralBlockTransfer(LAST, 1, 0, b"x")) == []
    assert receiver.take() == b"x"


def test_what_cannot_be_sent_is_refused() -> None:
    with pytest.raises(LocalProtocolError):
        BlockTransfer(0)
    with pytest.raises(LocalProtocolError):
        BlockTransfer(1).send(b"x", HEADER)
    with pytest.raises(LocalProtocolError):
        BlockTransfer(1).send(bytes(70_000), HEADER + 1)
