"""Media: lines in memory, TCP, serial ports on pseudo-terminals, and the echo of a probe."""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlms.client import connect
from dlms.errors import LinkError
from dlms.media import Medium
from dlms.media.echo import EchoFilter
from dlms.media.memory import MemoryListener, dial, pair
from dlms.media.serial import SerialMedium
from dlms.media.tcp import TcpListener, TcpMedium
from tests.dlms.served import served
from tests.dlms.server.devices import ENERGY, LONG, PROFILE, rows

# --- echo ---------------------------------------------------------------------------------------------------------

TALK = st.lists(st.tuples(st.binary(min_size=1, max_size=20), st.binary(max_size=20)), max_size=6)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(places)]


@given(TALK, st.lists(st.integers(0, 40), max_size=6))
def test_an_echo_is_dropped_however_it_arrives(talk: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    echo = EchoFilter()
    for sent, answer in talk:
        echo.sent(sent)
        received = b"".join(echo.received(piece) for piece in pieces(sent + answer, cuts))
        assert received == answer
    assert echo.suppressed == sum(len(sent) for sent, _ in talk)


@given(TALK, st.lists(st.integers(0, 40), max_size=6))
def test_without_an_echo_nothing_is_lost(talk: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    """An answer that begins like what was sent is held back until it differs, and then comes whole."""
    echo, received, said = EchoFilter(), b"", b""
    for sent, answer in talk:
        echo.sent(b"\x7e" + sent)
        said += b"\x7f" + answer
        received += b"".join(echo.received(piece) for piece in pieces(b"\x7f" + answer, cuts))
    assert received == said
    assert echo.suppressed == 0


@given(st.binary(min_size=2, max_size=30), st.integers(1, 29), st.lists(st.integers(0, 40), max_size=6))
def test_an_answer_that_begins_like_the_request(sent: bytes, common: int, cuts: list[int]) -> None:
    common = min(common, len(sent) - 1)
    answer = sent[:common] + bytes((sent[common] ^ 1,)) + b"rest"
    echo = EchoFilter()
    echo.sent(sent)
    assert b"".join(echo.received(piece) for piece in pieces(answer, cuts)) == answer


def test_frames_sent_before_their_echo_is_complete() -> None:
    echo = EchoFilter()
    echo.sent(b"abc")
    assert echo.received(b"ab") == b""
    echo.sent(b"def")
    assert echo.received(b"cd") == b""
    assert echo.received(b"efanswer") == b"answer"
    assert echo.received(b"abc") == b"abc"


# --- memory -------------------------------------------------------------------------------------------------------


def test_a_pair_in_memory() -> None:
    near, far = pair()
    near.send(b"hello")
    assert far.receive(None) == b"hello"
    assert far.receive(0.0) == b""
    near.send(b"last")
    near.close()
    near.close()
    assert far.receive(0.0) == b"last"
    for medium in (near, far, far):
        with pytest.raises(LinkError, match="closed"):
            medium.receive(0.0)
    with pytest.raises(LinkError, match="closed"):
        near.send(b"x")


def test_names_in_memory() -> None:
    listener = MemoryListener("a name", lambda medium: medium.send(b"hello"))
    with pytest.raises(LinkError, match="taken"):
        MemoryListener("a name", lambda medium: None)
    assert dial("a name").receive(5) == b"hello"
    listener.close()
    listener.close()
    with pytest.raises(LinkError, match="nobody"):
        dial("a name")


# --- TCP ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def echoing(max_connections: int = 64) -> Iterator[TcpListener]:
    def serve(medium: TcpMedium) -> None:
        while True:
            medium.send(medium.receive(None))

    listener = TcpListener("127.0.0.1", 0, serve, max_connections)
    try:
        yield listener
    finally:
        listener.close()


def test_tcp() -> None:
    with echoing() as listener:
        medium = TcpMedium.connect("127.0.0.1", listener.port)
        assert medium.receive(0.001) == b""
        medium.send(b"hello")
        assert medium.receive(5) == b"hello"
        medium.close()
        medium.close()
        for act in (lambda: medium.send(b"x"), lambda: medium.receive(0)):
            with pytest.raises(LinkError):
                act()


def test_closing_wakes_a_thread_that_receives() -> None:
    with echoing() as listener:
        medium, ended = TcpMedium.connect("127.0.0.1", listener.port), queue.Queue[str]()
        thread = threading.Thread(target=lambda: ended.put(failure(medium)))
        thread.start()
        medium.close()
        assert "127.0.0.1" in ended.get(timeout=5)
        thread.join(5)


def failure(medium: Medium) -> str:
    """The error that ends a receive without limit."""
    try:
        while True:
            medium.receive(None)
    except LinkError as fault:
        return str(fault)


def test_connections_are_bounded() -> None:
    with echoing(max_connections=1) as listener:
        first = TcpMedium.connect("127.0.0.1", listener.port)
        first.send(b"x")
        assert first.receive(5) == b"x"
        second = TcpMedium.connect("127.0.0.1", listener.port)
        with pytest.raises(LinkError):
            second.receive(5)
        first.send(b"y")
        assert first.receive(5) == b"y"
        first.close()
        second.close()


def test_the_listener_hangs_up_on_everybody() -> None:
    with echoing() as listener:
        medium = TcpMedium.connect("127.0.0.1", listener.port)
        medium.send(b"x")
        assert medium.receive(5) == b"x"
    with pytest.raises(LinkError, match=r"closed|reset"):
        medium.receive(5)
    medium.close()
    with pytest.raises(LinkError, match="cannot be reached"):
        TcpMedium.connect("127.0.0.1", listener.port)


def test_a_listener_survives_connections_that_are_reset_at_once() -> None:
    with echoing() as listener:
        for _ in range(20):
            raw = socket.create_connection(("127.0.0.1", listener.port))
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            raw.close()
        medium = TcpMedium.connect("127.0.0.1", listener.port)
        medium.send(b"x")
        assert medium.receive(5) == b"x"
        medium.close()


@pytest.mark.parametrize("host", ["a" * 70, "a..b"])
def test_hosts_that_are_no_names(host: str) -> None:
    with pytest.raises(LinkError, match="cannot be reached"):
        TcpMedium.connect(host, 4059)
    with pytest.raises(LinkError, match="cannot listen"):
        TcpListener(host, 4059, lambda medium: None)


def test_a_port_that_is_taken() -> None:
    with echoing() as listener, pytest.raises(LinkError, match="cannot listen"):
        TcpListener("127.0.0.1", listener.port, lambda medium: None)


# --- serial ports -------------------------------------------------------------------------------------------------


class Cable:
    """Two serial ports and what is between them: octets from one reach the other, and come back where a probe echoes."""

    def __init__(self, echo: bool) -> None:
        self._echo = echo
        self._masters, slaves = zip(*(os.openpty() for _ in range(2)), strict=True)
        for slave in slaves:
            import tty

            tty.setraw(slave)
        self.near, self.far = (os.ttyname(slave) for slave in slaves)
        self._slaves = slaves
        self._stop_read, self._stop_write = os.pipe()
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def _carry(self) -> None:
        import select

        near, far = self._masters
        while True:
            ready, _, _ = select.select([near, far, self._stop_read], [], [])
            if self._stop_read in ready:
                return
            for source in ready:
                data = os.read(source, 4096)
                if source == near:
                    if self._echo:
                        os.write(near, data)
                    os.write(far, data)
                else:
                    os.write(near, data)

    def close(self) -> None:
        os.write(self._stop_write, b"x")
        self._thread.join(5)
        for descriptor in (*self._masters, *self._slaves, self._stop_read, self._stop_write):
            os.close(descriptor)


@pytest.fixture(params=[False, True], ids=["no echo", "echo"])
def cable(request: pytest.FixtureRequest) -> Iterator[Cable]:
    laid = Cable(request.param)
    yield laid
    laid.close()


def test_a_meter_on_a_serial_port_behind_a_probe(cable: Cable) -> None:
    with served(f"serial://{cable.far}?echo=off"), connect(f"serial://{cable.near}") as client:
        assert client.get(ENERGY.value) == 1234
        assert client.get(LONG.value) == bytes(range(256)) * 3
        assert client.profile(PROFILE).rows() == rows(20)
    with served(f"serial://{cable.far}?echo=off"), connect(f"serial://{cable.near}?baud=115200&dtr=0&rts=1") as client:
        assert client.get(ENERGY.value) == 1234


def test_without_suppression_the_echo_is_there(cable: Cable) -> None:
    medium = SerialMedium(cable.near, echo="off")
    medium.send(b"hello")
    assert medium.receive(5 if cable._echo else 0.05) == (b"hello" if cable._echo else b"")
    medium.close()


def test_closing_a_serial_port_wakes_a_thread_that_receives(cable: Cable) -> None:
    medium, ended = SerialMedium(cable.near), queue.Queue[str]()
    thread = threading.Thread(target=lambda: ended.put(failure(medium)))
    thread.start()
    medium.close()
    assert cable.near in ended.get(timeout=5)
    thread.join(5)
    medium.close()
    for act in (lambda: medium.send(b"x"), lambda: medium.receive(0)):
        with pytest.raises(LinkError, match=cable.near):
            act()


@pytest.mark.parametrize("path", ["/dev/does-not-exist", "/dev/null", "/tmp"])
def test_what_is_no_serial_port(path: str) -> None:
    with pytest.raises(LinkError, match=path):
        SerialMedium(path)
