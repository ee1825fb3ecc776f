"""A line in memory, for tests and for programs that hold both ends."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from dlms.errors import LinkError

_END = None


class MemoryMedium:
    """One end of a line; `pair` makes both."""

    def __init__(self, incoming: queue.Queue[bytes | None], outgoing: queue.Queue[bytes | None]) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self._closed = False

    def send(self, data: bytes) -> None:
        """Hand `data` to the other end."""
        if self._closed:
            raise LinkError("the line in memory is closed")
        self._outgoing.put(data)

    def receive(self, timeout_s: float | None) -> bytes:
        """What the other end sent.  Raises LinkError when it has hung up."""
        try:
            data = self._incoming.get(timeout=timeout_s)
        except queue.Empty:
            return b""
        if data is _END:
            self._incoming.put(_END)
            raise LinkError("the other end of the line in memory is closed")
        return data

    def close(self) -> None:
        """Hang up."""
        if not self._closed:
            self._closed = True
            self._outgoing.put(_END)
            self._incoming.put(_END)


def pair() -> tuple[MemoryMedium, MemoryMedium]:
    """Both ends of a new line."""
    one: queue.Queue[bytes | None] = queue.Queue()
    other: queue.Queue[bytes | None] = queue.Queue()
    return MemoryMedium(one, other), MemoryMedium(other, one)


_LISTENERS: dict[str, Callable[[MemoryMedium], None]] = {}


class MemoryListener:
    """Answers `memory://name`, with a thread for each connection.  Raises LinkError when the name is taken."""

    def __init__(self, name: str, serve: Callable[[MemoryMedium], None]) -> None:
        if name in _LISTENERS:
            raise LinkError(f"memory://{name} is taken")
        self.name = name
        _LISTENERS[name] = serve

    def close(self) -> None:
        """Give the name back; lines that are open stay so."""
        _LISTENERS.pop(self.name, None)


def dial(name: str) -> MemoryMedium:
    """A line to whoever listens on `memory://name`.  Raises LinkError when nobody does."""
    serve = _LISTENERS.get(name)
    if serve is None:
        raise LinkError(f"nobody listens on memory://{name}")
    near, far = pair()
    threading.Thread(target=_run, args=(serve, far), name=f"serve memory://{name}", daemon=True).start()
    return near


def _run(serve: Callable[[MemoryMedium], None], medium: MemoryMedium) -> None:
    try:
        serve(medium)
    except LinkError:
        pass  # the client hung up: that is how a connection ends
    finally:
        medium.close()
