"""A device behind an endpoint, for tests that go through media and drivers."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
from collections.abc import Iterable, Iterator

from dlms.endpoint import listen, server_framing
from dlms.framing.wrapper import HEADER, wrap
from dlms.media import Medium
from dlms.serve import serve
from dlms.server import Device, Session
from tests.dlms.server.devices import SERVER, device

_NUMBERS = itertools.count()


def memory_name() -> str:
    """A name that no other test listens on."""
    return f"memory://test-{next(_NUMBERS)}"


@contextlib.contextmanager
def served(url: str, of: Device | None = None) -> Iterator[str]:
    """Serve a device on a URL; gives the URL to dial."""
    device_served = of or device()
    options = {} if url.startswith(("tcp", "memory")) else {"server_saps": frozenset((SERVER,))}
    listener = listen(url, lambda medium: serve(Session({None: device_served}, server_framing(url, **options)), medium))
    try:
        yield listener.url
    finally:
        listener.close()


class Script:
    """A meter on a line in memory that says what it is told: one answer for each APDU, None for silence, then `pushes`.

    `heard` are the APDUs of the client; `hung_up` is set when it has gone.
    """

    def __init__(self, answers: Iterable[bytes | None], pushes: Iterable[bytes] = ()) -> None:
        self.answers, self.pushes, self.heard = answers, pushes, queue.Queue[bytes]()
        self.hung_up = threading.Event()

    def serve(self, medium: Medium) -> None:
        try:
            for answer in self.answers:
                self.heard.put(medium.receive(None)[HEADER.size :])
                if answer is not None:
                    medium.send(wrap(SERVER, 16, answer))
            for push in self.pushes:
                medium.send(wrap(SERVER, 16, push))
            while True:
                self.heard.put(medium.receive(None)[HEADER.size :])
        finally:
            self.hung_up.set()

    @contextlib.contextmanager
    def listening(self) -> Iterator[str]:
        listener = listen(memory_name(), self.serve)
        try:
            yield listener.url
        finally:
            listener.close()
