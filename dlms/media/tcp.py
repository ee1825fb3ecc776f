"""TCP: one connection out, and a listener with a thread for each connection in."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from dlms.errors import LinkError
from dlms.media import MAX_READ

CONNECT_TIMEOUT_S = 10.0


class TcpMedium:
    """One TCP connection."""

    def __init__(self, connection: socket.socket, peer: str) -> None:
        self._socket, self._peer = connection, peer
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @classmethod
    def connect(cls, host: str, port: int, timeout_s: float = CONNECT_TIMEOUT_S) -> TcpMedium:
        """Dial.  Raises LinkError when nobody answers within `timeout_s`."""
        try:
            return cls(socket.create_connection((host, port), timeout_s), f"{host}:{port}")
        except (OSError, ValueError) as fault:  # ValueError: a host that is no name at all
            raise LinkError(f"{host}:{port} cannot be reached: {_cause(fault)}") from fault

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        try:
            self._socket.settimeout(CONNECT_TIMEOUT_S)
            self._socket.sendall(data)
        except OSError as fault:
            raise LinkError(f"{self._peer}: {_cause(fault)}") from fault

    def receive(self, timeout_s: float | None) -> bytes:
        """What has arrived.  Raises LinkError when the peer has closed the connection."""
        try:
            self._socket.settimeout(None if timeout_s is None else max(timeout_s, 0.001))
            data = self._socket.recv(MAX_READ)
        except TimeoutError:
            return b""
        except OSError as fault:
            raise LinkError(f"{self._peer}: {_cause(fault)}") from fault
        if not data:
            raise LinkError(f"{self._peer} closed the connection")
        return data

    def close(self) -> None:
        """Hang up, also under a thread that waits in `receive`."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class TcpListener:
    """Waits for connections and gives each to `serve` on a thread of its own.

    At most `max_connections` at once; a further one is closed at once.  Raises LinkError when the port cannot be had.
    """

    def __init__(self, host: str, port: int, serve: Callable[[TcpMedium], None], max_connections: int = 64) -> None:
        self._serve, self._free = serve, threading.Semaphore(max_connections)
        self._open: set[TcpMedium] = set()
        self._lock = threading.Lock()
        self._closed = False
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.create_server((host, port), family=family)
        except (OSError, ValueError) as fault:
            raise LinkError(f"cannot listen on {host}:{port}: {_cause(fault)}") from fault
        self.host, self.port = self._socket.getsockname()[:2]
        """Where it listens; the port that was given when 0 was asked for."""
        self._thread = threading.Thread(target=self._accept, name=f"listen {self.port}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and hang up on everybody."""
        with self._lock:
            self._closed = True
            media = list(self._open)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for medium in media:
            medium.close()
        self._thread.join(timeout=5)

    def _accept(self) -> None:
        while True:
            try:
                connection, address = self._socket.accept()
                medium = TcpMedium(connection, f"{address[0]}:{address[1]}")
            except ConnectionError:
                continue  # that one has hung up already
            except OSError:
                return  # the listener was closed
            with self._lock:
                if self._closed or not self._free.acquire(blocking=False):
                    medium.close()
                    continue
                self._open.add(medium)
            threading.Thread(target=self._run, args=(medium,), name=f"serve {address}", daemon=True).start()

    def _run(self, medium: TcpMedium) -> None:
        try:
            self._serve(medium)
        except LinkError:
            pass  # the client hung up: that is how a connection ends
        finally:
            medium.close()
            with self._lock:
                self._open.discard(medium)
            self._free.release()


def _cause(fault: OSError | ValueError) -> str:
    return getattr(fault, "strerror", None) or str(fault) or type(fault).__name__
