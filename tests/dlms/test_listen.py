"""`listen_for_pushes` and `dlms listen`: pushes of meters over TCP, UDP and memory, protected and not."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlms.apdu import DataNotification
from dlms.apdu.notification import CONFIRMED
from dlms.codec import encode
from dlms.endpoint import dial
from dlms.errors import LinkError, LocalProtocolError
from dlms.events import Fault
from dlms.framing.wrapper import HEADER, WrapperServer, wrap
from dlms.listening import listen_for_pushes
from dlms.pushes import Pushed, Sender, Senders
from dlms.security.counters import CounterError, Counters
from dlms.security.policy import AUTHENTICATED_ENCRYPTED
from dlms.security.suite import SUITE_0
from dlms.server import Confirmed, Session
from dlms.server.push_protection import PushProtection
from tests.dlms.secured import CLIENT_TITLE, SERVER_TITLE, World, world
from tests.dlms.served import memory_name
from tests.dlms.server.devices import PEER, PUBLIC, SERVER
from tests.dlms.test_commands import dlms
from tests.dlms.test_secured_commands import key_file

AE = AUTHENTICATED_ENCRYPTED
PUSH = DataNotification(7 | CONFIRMED, b"", [b"one"])
URLS = {"tcp": lambda: "tcp://127.0.0.1:0", "udp": lambda: "udp://127.0.0.1:0", "memory": memory_name}


class Meter:
    """The end that pushes: a session, and a line to whoever listens."""

    def __init__(self, of: World, url: str) -> None:
        self.session = Session({None: of.device}, WrapperServer(datagrams=url.startswith("udp")))
        self.protection = PushProtection(of.setup, CLIENT_TITLE)
        self.udp: socket.socket | None = None
        if url.startswith("udp"):
            host, _, port = url.removeprefix("udp://").rpartition(":")
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.connect((host, int(port)))
        else:
            self.medium = dial(url)

    def push(self, apdu: DataNotification = PUSH) -> bytes:
        self.session.push(PEER, apdu, 0.0, self.protection)
        [data] = self.session.data_to_send()
        self.send(data)
        return data

    def send(self, data: bytes) -> None:
        if self.udp is not None:
            self.udp.send(data)
        else:
            self.medium.send(data)

    def answer(self) -> bytes:
        if self.udp is not None:
            self.udp.settimeout(5)
            return self.udp.recv(65536)
        return self.medium.receive(5)

    def close(self) -> None:
        (self.medium if self.udp is None else self.udp).close()


@contextlib.contextmanager
def listening(url: str, of: World) -> Iterator[tuple[str, queue.Queue[Pushed | Fault]]]:
    came: queue.Queue[Pushed | Fault] = queue.Queue()
    senders = Senders({SERVER_TITLE: Sender(of.security.provider, CLIENT_TITLE)}, Counters(of.client_store))
    found = listen_for_pushes(url, senders, came.put)
    try:
        yield found.url, came
    finally:
        found.close()


@pytest.mark.parametrize("kind", URLS)
def test_pushes_are_taken_confirmed_and_not_repeated(kind: str) -> None:
    of = world()
    with listening(URLS[kind](), of) as (url, came), contextlib.closing(Meter(of, url)) as meter:
        data = meter.push()
        assert came.get(timeout=5) == Pushed(PUSH, SERVER_TITLE, AE)
        meter.session.receive_data(meter.answer(), 0.0)
        assert meter.session.next_event() == Confirmed(PEER, 7)
        meter.send(data)
        refused = came.get(timeout=5)
        assert isinstance(refused, Fault)
        assert isinstance(refused.error, CounterError)
        meter.push(DataNotification(8, b"", [b"two"]))
        assert came.get(timeout=5) == Pushed(DataNotification(8, b"", [b"two"]), SERVER_TITLE, AE)


def test_datagrams_of_many_addresses() -> None:
    of = world()
    with listening("udp://127.0.0.1:0", of) as (url, came):
        for number in range(20):
            with contextlib.closing(Meter(of, url)) as meter:
                meter.push(DataNotification(number, b"", [b"x"]))
                taken = came.get(timeout=5)
                assert isinstance(taken, Pushed)
                meter.send(b"\0" * HEADER.size)
        assert came.empty()


def test_what_cannot_be_listened_on() -> None:
    of = world()
    for url in ("hdlc://127.0.0.1:0", "serial:///dev/null", "mqtt://x"):
        with pytest.raises(LocalProtocolError), listening(url, of):
            pass
    with listening("udp://127.0.0.1:0", of) as (url, _), pytest.raises(LinkError), listening(url, of):
        pass


def test_a_line_that_cannot_be_followed_is_hung_up() -> None:
    of = world()
    with listening(memory_name(), of) as (url, _), contextlib.closing(Meter(of, url)) as meter:
        meter.send(b"\xff" * 20)
        with pytest.raises(LinkError):
            meter.answer()


@contextlib.contextmanager
def command(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "dlms.cli.app", "listen", "tcp://127.0.0.1:0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("dlms: listening on tcp://"), line
        yield process, line.split()[-1]
    finally:
        process.kill()
        process.communicate()


def test_the_command(tmp_path: Path) -> None:
    keys, counters = key_file(tmp_path, SUITE_0)
    of, lines = world(), []
    for _ in range(2):
        with (
            command("--keys", keys, "--counters", counters, "--json", "--count", "1", "--timeout", "20") as (
                process,
                url,
            ),
            contextlib.closing(Meter(of, url)) as meter,
        ):
            for data in lines:
                meter.send(data)  # what an earlier run has taken
            lines.append(meter.push())
            printed, complained = process.communicate(timeout=30)
            assert process.returncode == 0, complained
            shown = json.loads(printed)
            assert (shown["system_title"], shown["protection"]) == (SERVER_TITLE.hex(), "authenticated and encrypted")
            assert complained.count("invocation counter") == len(lines) - 1
    with command("--count", "1", "--timeout", "20") as (process, url), contextlib.closing(dial(url)) as medium:
        medium.send(wrap(SERVER, PUBLIC, encode(PUSH)))
        printed, _ = process.communicate(timeout=30)
        assert printed.startswith("unknown unprotected: ")


def test_the_options_of_the_command(tmp_path: Path) -> None:
    keys, _ = key_file(tmp_path, SUITE_0)
    assert dlms("listen", "tcp://127.0.0.1:0", "--counters", "x").returncode == 2
    assert dlms("listen", "tcp://127.0.0.1:0", "--keys", keys).returncode == 2
    with command("--timeout", "0.5") as (process, _):
        _, complained = process.communicate(timeout=30)
        assert process.returncode == 1
        assert complained.startswith("dlms: nothing came")
