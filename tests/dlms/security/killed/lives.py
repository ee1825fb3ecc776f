"""The process whose children are the clients and servers that are killed: it has everything loaded, and forks.

Reads orders from its standard input, one JSON object a line; tells births and deaths on its standard output, where its
children write too.  It has no threads, so that forking is safe; each child makes its own store, sockets and threads.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import random
import select
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from dlms.client import Client
from dlms.connection import Connection
from dlms.endpoint import client_framing, dial, listen, server_framing
from dlms.enums import ApplicationContext, Mechanism
from dlms.errors import AssociationRefused, DlmsError, LinkError, OutcomeUnknown
from dlms.framing.wrapper import WrapperClient, WrapperServer
from dlms.media import MAX_READ
from dlms.operations.associate import AssociationRequest
from dlms.security.counters import Counters
from dlms.serve import serve
from dlms.server import Session
from tests.dlms.secured import EVERYTHING, MANAGER, World
from tests.dlms.security.killed.ends import MAX_RECEIVE, MODES, Work, place
from tests.dlms.security.killed.mortal import DISK, Amnesic, Mortal, report
from tests.dlms.security.killed.rotating import rotate, rotating_server
from tests.dlms.server.devices import SERVER

LOADED = (
    "construct",
    "cryptography.hazmat.backends.openssl.backend",
    "dlms.client_ciphering",
    "dlms.framing.hdlc",
    "dlms.media.tcp",
    "dlms.operations.authenticate",
    "dlms.security.agreement",
    "dlms.security.hls",
    "dlms.security.signature",
    "encodings.idna",
)
"""What a life imports when it needs it is loaded before the first one begins."""
LONGEST_LIFE_S = 300
TIMEOUT_S = {"tcp": 5.0, "hdlc": 5.0, "udp": 1.0}
PAUSE_S = 0.003


class UdpMedium:
    """One datagram at a time, to and from one peer."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))

    def send(self, data: bytes) -> None:
        with _as_link_error():
            self._socket.send(data)

    def receive(self, timeout_s: float | None) -> bytes:
        self._socket.settimeout(timeout_s if timeout_s is None else max(timeout_s, 0.001))
        try:
            return self._socket.recv(MAX_READ)
        except TimeoutError:
            return b""
        except OSError as fault:
            raise LinkError(str(fault)) from fault

    def close(self) -> None:
        self._socket.close()


@contextlib.contextmanager
def _as_link_error() -> Any:
    try:
        yield
    except OSError as fault:
        raise LinkError(str(fault)) from fault


def server(of: World, folder: str, transport: str, block: int, amnesic: bool, rotating: bool, **_: Any) -> None:
    """Serves until it is killed."""
    store = (Amnesic if amnesic else Mortal).open(Path(folder) / "server.counters", lock=threading.RLock())
    store.order = Path(folder) / "server.order"
    of.setup.counters = Counters(store, block=block)
    if rotating:
        rotating_server(of, Path(folder), of.setup.counters)
    if transport == "udp":
        return serve_datagrams(of)
    options = {"server_saps": frozenset((SERVER,))} if transport == "hdlc" else {}
    url, lock = f"{transport}://127.0.0.1:0", threading.Lock()

    def answer(medium: Any) -> None:
        serve(Session({None: of.device}, server_framing(url, **options)), medium, lock)

    listening = listen(url, answer)
    report(f"listening {listening.url.rpartition(':')[2]}")
    signal.pause()


def serve_datagrams(of: World) -> None:
    """One session for each address that sends datagrams."""
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.bind(("127.0.0.1", 0))
    report(f"listening {line.getsockname()[1]}")
    sessions: dict[Any, Session] = {}
    while True:
        data, address = line.recvfrom(MAX_READ)
        session = sessions.setdefault(address, Session({None: of.device}, WrapperServer(datagrams=True)))
        session.receive_data(data, time.monotonic())
        for piece in session.data_to_send():
            line.sendto(piece, address)


def client(
    of: World,
    folder: str,
    transport: str,
    block: int,
    port: int,
    seed: int,
    suite: int,
    amnesic: bool,
    rotating: bool,
) -> None:
    """Works until it is killed, whatever becomes of the server meanwhile."""
    store = (Amnesic if amnesic else Mortal).open(Path(folder) / "client.counters")
    store.order = Path(folder) / "client.order"
    counters, rng = Counters(store, block=block), random.Random(seed)
    work, turn = Work((os.getpid() << 32) | seed << 20 & 0xFFF00000, rng), rng.randrange(len(MODES[suite]))
    if rotating:
        return rotate(of, Path(folder), counters, lambda security: connected(transport, port, security), rng, work)
    while True:
        turn += 1
        mode = MODES[suite][turn % len(MODES[suite])]
        security = of.client(counters=counters, **mode)
        try:
            opened = connected(transport, port, security)
        except LinkError:
            time.sleep(PAUSE_S)
            continue
        doing = "open"
        try:
            with opened as client:
                client.open()
                report("open")
                for step in work.steps():
                    doing = step
                    work.do(step, client)
            report("closed")
        except LinkError as fault:  # the server has been killed
            report(f"lost {fault}"[:200])
        except OutcomeUnknown as fault:
            report(f"unknown {fault}"[:200])
        except AssociationRefused as fault:
            report(f"refused {fault}"[:200])
        except DlmsError as fault:
            report(f"fault {type(fault).__name__} {doing} {mode} {fault}"[:300])


def connected(transport: str, port: int, security: Any) -> Client:
    """A client that has dialled and not yet asked for the association."""
    request = AssociationRequest(
        Mechanism.HLS_GMAC,
        b"",
        ApplicationContext.LN_CIPHERED,
        EVERYTHING,
        MAX_RECEIVE,
        security=security,
    )
    timeout_s = TIMEOUT_S[transport]
    if transport == "udp":
        framing: Any = WrapperClient(MANAGER, SERVER, datagrams=True)
        return Client(Connection(framing, request, timeout_s=timeout_s, retries=3), UdpMedium(port))
    url = f"{transport}://127.0.0.1:{port}"
    framing = client_framing(url, MANAGER, SERVER)
    return Client(Connection(framing, request, timeout_s=timeout_s), dial(url))


ROLES = {"server": server, "client": client}


def main() -> None:
    """Forks as it is told, and tells who has died."""
    for name in LOADED:
        importlib.import_module(name)
    world_of = functools.cache(place)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    alive: set[int] = set()
    report(f"ready {'hooked' if DISK.hooked else 'unhooked'}")
    rest = b""
    try:
        while True:
            ready, _, _ = select.select([0, woken], [], [])
            if woken in ready:
                os.read(woken, 512)
                while alive and (dead := os.waitpid(-1, os.WNOHANG))[0]:
                    alive.discard(dead[0])
                    report(f"died {dead[0]} {dead[1]}")
            if 0 in ready:
                data = os.read(0, 65536)
                if not data:
                    return
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    options = json.loads(line)
                    of = world_of(options["suite"])
                    pid = os.fork()
                    if not pid:
                        signal.set_wakeup_fd(-1)
                        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                        live(of, options)
                    alive.add(pid)
                    report(f"born {options['role']} {pid}")
    finally:
        for pid in alive:
            os.kill(pid, signal.SIGKILL)


def live(of: World, options: dict[str, Any]) -> None:
    """One life; it ends by a kill, or by a fault that is told."""
    signal.alarm(LONGEST_LIFE_S)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    try:
        ROLES[options.pop("role")](of, **options)
    except BaseException as fault:
        import traceback

        traceback.print_exc(file=sys.stderr)
        report(f"broken {type(fault).__name__} {fault}"[:300].replace("\n", " "))
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
