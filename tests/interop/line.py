"""A socket that a peer library is driven over, for libraries that frame and parse but do not transport."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

PATIENCE_S = 5.0
"""A server on the loopback that is silent for so long has failed."""


class Line:
    """One TCP connection to where a `Listening` listens."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._socket = socket.create_connection((parts.hostname, parts.port or 0), PATIENCE_S)

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self._socket.sendall(data)

    def receive(self) -> bytes:
        """What has come, at least one octet.  Fails when the server is silent or has hung up."""
        data = self._socket.recv(65536)
        assert data, "the server has hung up"
        return data

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
